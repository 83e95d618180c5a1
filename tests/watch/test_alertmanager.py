"""A real Alertmanager: an alert lasts while its group is open, is over when that is resolved, and comes once after
Alertmanager was away."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from naru.watch import follow, phases
from naru.watch.alerts import sender, sinks
from naru.watch.alerts.outbox import DIGEST, ESCALATING, NEW
from naru.watch.alerts.sender import Sending
from naru.watch.alerts.sinks import alertmanager
from naru.watch.store import RESOLVED

from .watched import Receiver, Watched, receiver

pytestmark = pytest.mark.unit

CONFIGURATION = """
route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: hook
  webhook_configs: [{{url: '{url}', send_resolved: true}}]
"""


class Alertmanager:
    """One that may be ended and started again, with what it keeps."""

    def __init__(self, directory: Path, tells: Receiver) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory, self.tells = directory, tells
        (directory / "alertmanager.yml").write_text(CONFIGURATION.format(url=tells.url))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = ["prometheus-alertmanager", f"--config.file={self.directory}/alertmanager.yml"]
        argv += [f"--storage.path={self.directory}/data", f"--web.listen-address=127.0.0.1:{self.port}"]
        argv += ["--cluster.listen-address=", "--log.level=warn"]
        with (self.directory / "alertmanager.log").open("a") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        within(30, self.alerts_or_none)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def alerts_or_none(self) -> list[Any] | None:
        try:
            return [requests.get(f"{self.url}/api/v2/alerts", timeout=5).json()]
        except requests.RequestException:
            return None

    def alerts(self) -> list[dict[str, Any]]:
        return list(requests.get(f"{self.url}/api/v2/alerts", timeout=5).json())

    def told(self) -> list[tuple[str, str, str]]:
        """What it told on: of each alert its state, name and group."""
        return [
            (one["status"], one["labels"]["alertname"], one["labels"].get("group", ""))
            for body in self.tells.bodies()
            for one in body["alerts"]
        ]


def within(seconds: float, ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.2)
    return found


@contextmanager
def running(directory: Path) -> Iterator[Alertmanager]:
    if not shutil.which("prometheus-alertmanager"):
        pytest.skip("prometheus-alertmanager is not there: naru lab deps --install")
    with receiver() as tells:
        made = Alertmanager(directory, tells)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.releases  # it waits for what Alertmanager groups
def test_a_real_alertmanager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "QUIET", 0)
    monkeypatch.setattr(alertmanager, "LASTS", 4.0)
    monkeypatch.setattr(sender, "KEEP", 1.0)
    monkeypatch.setattr(sender, "AGAIN", 0.5)
    with running(tmp_path) as real:
        (sink,) = sinks.opened([f"alertmanager:{real.url}"], "seoul")
        cloud = Watched(tmp_path, sinks=[sink.name]).begun()
        said: list[str] = []
        sending = Sending(cloud.store, [sink], said.append)

        def go_on(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                sending.round()
                time.sleep(0.2)

        def fail(message: str) -> str:
            cloud.now = time.time() - 10
            cloud.error("nova-api", message, 1)
            cloud.round()
            (alert,) = cloud.round(10)
            return alert.root

        key = fail("no room")
        go_on(8)
        (alert,) = real.alerts()
        assert alert["labels"] == {
            **{"alertname": "NaruWatchGroup", "watch": "seoul", "group": key, "why": NEW, "program": "nova-api"},
            **{"class": "unknown", "severity": "error"},
        }
        assert alert["annotations"]["summary"] == "new: nova-api: no room"
        assert "hosts: h1 1" in alert["annotations"]["description"]
        assert real.told() == [("firing", "NaruWatchGroup", key)]

        real.stop()
        other = fail("another one")
        go_on(3)
        assert "connection refused" in said[0]
        real.start()
        go_on(8)
        assert said[-1].endswith("is back")
        assert sorted(one["labels"]["group"] for one in real.alerts()) == sorted([key, other])
        assert real.told() == [("firing", "NaruWatchGroup", one) for one in (key, other)]

        phases.mark(cloud.store, key, RESOLVED, now=time.time())
        go_on(4)
        assert [one["labels"]["group"] for one in real.alerts()] == [other]
        within(10, lambda: ("resolved", "NaruWatchGroup", key) in real.told())
        go_on(2)
        assert len(real.told()) == 3

        cloud.now = time.time() - 10
        for number in range(21):
            cloud.error("nova-api", f"storm {'abcdefghijklmnopqrstu'[number]}", number)
        cloud.round()
        assert [one.why for one in cloud.round(10)] == [DIGEST]
        go_on(3)
        assert real.told()[3:] == [("firing", "NaruWatchDigest", "")]
        (digest,) = [one for one in real.alerts() if one["labels"]["alertname"] == "NaruWatchDigest"]
        assert "21 groups of errors" in digest["annotations"]["summary"]
        assert digest["labels"] == {"alertname": "NaruWatchDigest", "watch": "seoul"}


def test_an_alert_that_escalates_ends_with_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its group is open as before; what it is told for is over."""
    monkeypatch.setattr(follow, "QUIET", 0)
    cloud = Watched(tmp_path).begun()
    cloud.error("nova-api", "at times", 1)
    cloud.round()
    (new,) = cloud.round(10)
    with cloud.store.transaction():
        cloud.outbox.escalate([new.root], cloud.now)
        escalating = cloud.outbox.add(ESCALATING, new.root, [new.root], new.body, ["sink"], cloud.now)
        for one in (new, escalating):
            cloud.outbox.set_delivery(one, "sink", "sent", cloud.now)
    assert [still for _, still in cloud.outbox.lasting("sink", cloud.now)] == [True, True]
    cloud.outbox.escalate([new.root], 0.0)
    assert [still for _, still in cloud.outbox.lasting("sink", cloud.now)] == [True, False]
    assert [still for _, still in cloud.outbox.lasting("sink", cloud.now + 15 * 86400)] == [False, False]
