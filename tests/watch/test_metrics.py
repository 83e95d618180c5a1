"""The watch for Prometheus: counted by state and class, with its own health; printed and scraped."""

import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from naru.cli.main import main
from naru.watch import follow, metrics, phases
from naru.watch.alerts.outbox import Trouble
from naru.watch.sources.stream import Batch
from naru.watch.store import MUTED
from naru.watch.streams import Keeper
from naru.watch.times import Clock

from ..processes import started
from .watched import Watched

pytestmark = pytest.mark.unit


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found.setdefault(one.name, {})[tuple(one.labels.values())] = one.value
    return found


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(follow, "QUIET", 0)
    cloud = Watched(tmp_path).begun()
    cloud.outbox.set_sinks(["sink", "other"])
    for number in range(3):
        cloud.error("nova-api", "no room", number)
    cloud.error("nova-api", "try again", 4, level="WARNING")
    cloud.write("nova-api", "2026-10-05 14:42 something else")
    cloud.round()
    cloud.round(10)
    phases.mark(cloud.store, cloud.key("try again"), MUTED, now=cloud.now)
    cloud.store.set("read", cloud.now)
    # a source that is no file counts, too
    keeper = Keeper(cloud.store, cloud.matcher, Clock(None), lambda: cloud.now)
    keeper.keep("journal", Batch([], "here", lines=7, unread=2))
    return cloud


def test_what_is_counted(cloud: Watched) -> None:
    cloud.outbox.set_trouble("other", Trouble(1.0, 2, 3.0, "away"))
    found = samples(metrics.text(cloud.work).decode())
    assert found["naru_watch_groups"] == {("unknown", "new"): 1, ("retry", "muted"): 1}
    assert found["naru_watch_records_total"] == {("unknown", "ERROR"): 3, ("retry", "WARNING"): 1}
    assert found["naru_watch_records_last_hour"] == {("unknown", "new"): 3, ("retry", "muted"): 1}
    assert found["naru_watch_lines_total"] == {(): 12}
    assert found["naru_watch_lines_not_understood_total"] == {(): 3}
    assert found["naru_watch_read_timestamp_seconds"][()] == pytest.approx(cloud.now, abs=1)
    assert found["naru_watch_alerts_waiting"] == {("sink",): 2, ("other",): 0}
    assert found["naru_watch_alerts_sent_total"] == {("sink",): 0, ("other",): 0}
    assert found["naru_watch_sink_up"] == {("sink",): 1, ("other",): 0}


def test_commands(cloud: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "metrics", str(cloud.work)]) == 0
    printed = capsys.readouterr().out
    assert samples(printed)["naru_watch_groups"]
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=printed, text=True, check=True, timeout=60)
    assert main(["watch", "metrics", str(cloud.work / "none")]) == 2
    assert main(["watch", "run", str(cloud.work), "--once", "--metrics", "nonsense"]) == 2
    assert "--metrics nonsense" in capsys.readouterr().err


def test_scraped(cloud: Watched) -> None:
    words = ["-q", "watch", "run", str(cloud.work), "--files", str(cloud.logs / "*.log"), "--metrics", "127.0.0.1:0"]
    with started([sys.executable, "-m", "naru.cli.main", *words], stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stderr is not None
        try:
            url = watch.stderr.readline().removeprefix("naru: ").strip()
            deadline = time.monotonic() + 30
            while True:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    found = samples(answer.read().decode())
                if found["naru_watch_read_timestamp_seconds"][()] > cloud.now - 10:
                    break
                assert time.monotonic() < deadline
            assert found["naru_watch_groups"] == {("unknown", "new"): 1, ("retry", "muted"): 1}
        finally:
            watch.terminate()
            assert watch.wait(30) == 130
