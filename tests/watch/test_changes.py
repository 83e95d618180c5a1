"""What a deploy did to the errors of a cloud: new code, new behaviour, gone, more, less; what goes on as it was."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.upgrade.window import window
from naru.watch.change import changes
from naru.watch.sources import Settings
from naru.watch.store import Store

from ..processes import started
from .cloud import HOUR, NEW, Cloud
from .test_follow import WATCH

pytestmark = pytest.mark.unit


def test_a_deploy(cloud: Cloud) -> None:
    """Each group is told for what it is; one whose text was changed is not told as new, and stays muted."""
    cloud.write("cannot start server 5 on the host", 20)
    cloud.write("no room for 5", 60)
    cloud.write("gone soon: 5", 12)
    cloud.write("it failed on 5", 40)
    assert len(cloud.run()) == 4
    muted = cloud.groups()["cannot start server … on the host"]["group"]
    assert main(["watch", "mute", cloud.work, muted, "--for", "7d", "--reason", "known"]) == 0
    made = cloud.change("begin", "--what", "shop 2")
    assert (made["change"], made["what"], made["ended"]) == (1, "shop 2", None)
    cloud.code.write_text(NEW)
    cloud.now += 60
    cloud.change("end")
    cloud.now += HOUR
    cloud.write("cannot start the server 5 on its host", 15)
    cloud.write("no room for 5", 3)
    cloud.write("it failed on 5", 200)
    cloud.write("never printed 5", 2)
    cloud.write("patched in: 5 is odd", 5)
    told = cloud.run()
    assert [one.split(" ", 1)[1] for one in sorted(told, key=lambda one: one.split()[-4])] == [
        "open: shop-api: never printed … (new behaviour, since shop 2)",
        "open: shop-api: patched in: … is odd (new code, since shop 2)",
    ]
    found = cloud.differences()
    assert {what: kind for what, (kind, *_) in found.items()} == {
        "patched in: … is odd": "new code",
        "never printed …": "new behaviour",
        "cannot start the server … on its host": "carried over",
        "gone soon: …": "gone",
        "it failed on …": "more",
        "no room for …": "less",
    }
    assert found["it failed on …"][1] == pytest.approx(40, rel=0.05)
    new = cloud.groups()["cannot start the server … on its host"]
    assert (new["state"], new["first"]) == ("muted", cloud.groups()["cannot start server … on the host"]["first"])
    shown = cloud.naru("show", cloud.work, new["group"])
    assert shown["reason"] == "known" and shown["muted_until"]
    carried = cloud.naru("changes", cloud.work, "--change", "1", "--kind", "carried over")
    assert [one["mapped_from"] for one in carried] == [muted]
    (listed,) = cloud.naru("changes", cloud.work)
    assert (listed["packages_changed"], listed["texts_new"], listed["texts_gone"]) == (1, 2, 2)
    assert (listed["new_code"], listed["new_behaviour"], listed["carried_over"]) == (1, 1, 1)
    # told once
    cloud.write("patched in: 6 is odd", 5, over=30)
    assert cloud.run() == []


def test_what_came_before_the_end_was_said(cloud: Cloud) -> None:
    """Services are restarted one by one: what new code printed meanwhile is carried over when the end is said, and what
    came and went is told apart."""
    cloud.write("cannot start server 5 on the host", 20)
    cloud.run()
    cloud.change("begin", "--what", "shop 2")
    cloud.code.write_text(NEW)
    cloud.now += HOUR / 2
    cloud.write("cannot start the server 5 on its host", 5, over=HOUR / 4)
    cloud.write("never printed 5", 5, over=HOUR / 4)
    assert len(cloud.run()) == 2
    assert {kind for kind, *_ in cloud.differences().values()} >= {"new behaviour"}
    cloud.change("end")
    assert cloud.differences()["cannot start the server … on its host"][0] == "carried over"
    assert cloud.differences()["never printed …"][0] == "while it went on"


def test_a_watch_that_runs_reads_the_new_code(cloud: Cloud, tmp_path: Path) -> None:
    """Scenario: one patch adds a statement, which is told once, with the change that it came with."""
    cloud.now = time.time()
    told = tmp_path / "told"
    words = ["watch", "run", cloud.work, *cloud.words]
    with told.open("w") as out, started([sys.executable, "-c", WATCH, *words], stderr=out) as watch:
        cloud.write("no room for 5", over=0)
        _wait(lambda: "no room for" in told.read_text())
        cloud.naru("change", "begin", cloud.work, "--what", "shop 2")
        cloud.code.write_text(NEW)
        cloud.naru("change", "end", cloud.work)
        cloud.now = time.time() + 1
        for _ in range(3):
            cloud.write("patched in: 5 is odd", over=0)
            time.sleep(0.5)
        _wait(lambda: cloud.groups().get("patched in: … is odd", {}).get("count") == 3)
        assert watch.poll() is None
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 130
    lines = [one for one in told.read_text().splitlines() if "patched" in one]
    assert [one.partition(" ")[2] for one in lines] == ["open: shop-api: patched in: … is odd (new code, since shop 2)"]


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not until():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_what_cannot_be_said(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.run()
    for words, why in (
        (["change", "end", cloud.work], "no change has begun"),
        (["change", "begin", cloud.work], "--what"),
        (["change", "begin", cloud.work, "--what", "x", "--at", "noon"], "is no moment"),
        (["changes", cloud.work, "--change", "7"], "no such change"),
        (["change", "begin", cloud.work, "--upgrade", str(cloud.log.parent)], "no journal there"),
    ):
        try:
            assert main(["watch", *words]) == 2
        except SystemExit as ended:
            assert ended.code == 2
        assert why in capsys.readouterr().err
    cloud.change("begin", "--what", "one")
    assert main(["watch", "change", "begin", cloud.work, "--what", "two"]) == 2
    assert "change 1 (one) has begun" in capsys.readouterr().err
    assert main(["watch", "change", "end", cloud.work, "--at", "2001-01-01"]) == 2


def test_an_end_that_was_cut_short_is_none(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is kept or nothing: given again, it ends as if it had not been given before."""
    cloud.write("cannot start server 5 on the host", 20)
    cloud.run()
    cloud.change("begin", "--what", "shop 2")
    cloud.code.write_text(NEW)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(changes, "_carry", cut)
        with pytest.raises(KeyboardInterrupt), Store(Path(cloud.work)) as store:
            changes.end(store, cloud.now + 60, Settings())
    with Store(Path(cloud.work)) as store:
        (change,) = changes.listed(store)
        assert change.ended is None and store.setting(changes.CODE) is None
        assert store.connection.execute("SELECT count(*) FROM change_code WHERE side = 'after'").fetchone() == (0,)
    cloud.change("end")
    assert cloud.naru("changes", cloud.work)[0]["texts_new"] == 2


def test_of_an_upgrade(cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When and what are those of its journal."""
    assert set(changes.WINDOW) == set(window.UNITS) - {window.END}
    work = tmp_path / "upgrade"
    steps = [
        Step("code", "noop", unit="prepare"),
        Step("stop", "noop", unit=window.CLOUD),
        Step("start", "noop", unit=window.NEW),
        Step("forget", "noop", unit=window.END, gate="later"),
    ]
    Journal.create(work, Plan(title="Pike to 2026.2", steps=steps, gates=["later"])).close()
    cloud.run()
    begun = cloud.naru("change", "begin", cloud.work, "--upgrade", str(work))
    assert begun["what"] == "Pike to 2026.2"
    capsys.readouterr()
    assert main(["watch", "change", "end", cloud.work, "--upgrade", str(work)]) == 2
    assert "it goes on" in capsys.readouterr().err
    assert main(["plan", "run", str(work)]) in (0, 1, 3)
    found = changes.upgrade(work)
    assert found.begun and found.ended and found.begun <= found.ended
    ended = cloud.naru("change", "end", cloud.work, "--upgrade", str(work))
    assert ended["ended"]
