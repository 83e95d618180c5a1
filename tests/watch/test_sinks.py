"""Sinks get each alert once, are tried again when they were away, and have their secrets to themselves."""

import email
import email.policy
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.errors import InputError
from naru.watch import follow, phases
from naru.watch.alerts import sinks
from naru.watch.alerts.outbox import DIGEST, DROPPED, GATHERED, NEW, REFUSED, SENDING, SENT, WAITING, Alert
from naru.watch.alerts.sender import MOST, Sending, doubts
from naru.watch.alerts.sinks import Away
from naru.watch.store import RESOLVED

from .watched import HOUR, Receiver, Watched, receiver

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _nothing_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "QUIET", 0)


class Hook:
    """A watch that posts its alerts to a receiver, and what it tells of its sink."""

    def __init__(self, directory: Path, server: Receiver) -> None:
        (self.sink,) = sinks.opened([f"webhook:{server.url}/hook"], "watch")
        self.cloud = Watched(directory, sinks=[self.sink.name]).begun()
        self.cloud.outbox.set_sinks([self.sink.name])
        self.server = server
        self.said: list[str] = []
        self.number = 0
        self.restart()

    def restart(self) -> None:
        self.sending = Sending(self.cloud.store, [self.sink], self.said.append, lambda: self.cloud.now)

    def fail(self) -> Alert:
        """A new group, told and not yet sent."""
        self.number += 1
        self.cloud.error(
            "nova-api", f"failed {'abcdefghij'[self.number % 10]}{'klmno'[self.number // 10]}", self.number
        )
        self.cloud.round()
        (alert,) = self.cloud.round(10)
        return alert

    def send(self, after: float = 0.0) -> list[Any]:
        """What is received when so many seconds later what waits is sent."""
        before = len(self.server.got)
        self.cloud.now += after
        self.sending.round()
        return self.server.bodies()[before:]

    def states(self) -> list[str]:
        return [each[self.sink.name][0] for _, _, each in reversed(self.cloud.outbox.alerts(0))]


@pytest.fixture
def hook(tmp_path: Path) -> Any:
    with receiver() as server:
        yield Hook(tmp_path, server)


def test_once(hook: Hook) -> None:
    alert = hook.fail()
    (got,) = hook.send()
    assert (got["id"], got["why"], got["group"], got["watch"], got["again"]) == (
        *(alert.uid, NEW, alert.root, "watch", False),
    )
    path, headers, _ = hook.server.got[0]
    assert (path, headers["Idempotency-Key"]) == ("/hook", alert.uid)
    assert hook.send(1) == hook.send(3600) == []
    assert hook.states() == [SENT]


def test_away_and_back(hook: Hook) -> None:
    """Scenario 44, with a server that answers 503: nothing is lost, nothing is sent twice, and it is told."""
    hook.server.answers = 503
    alerts = [hook.fail() for _ in range(3)]
    assert hook.send() == []
    assert hook.states() == [WAITING] * 3
    assert hook.said == [f"alerts: {hook.sink.name}: 503 Service Unavailable: ok; what waits is sent when it is back"]
    (doubt,) = doubts(hook.cloud.store)
    assert "is away since" in doubt and "503" in doubt and "3 alerts to be sent" in doubt
    assert hook.send(4) == []
    (trouble,) = [hook.cloud.outbox.trouble(hook.sink.name)]
    assert trouble is not None and trouble.tries == 1  # it is not time yet
    hook.send(2)
    hook.server.answers = 200
    hook.restart()
    assert hook.send(5) == []
    assert [one["id"] for one in hook.send(6)] == [one.uid for one in alerts]
    assert hook.said[-1] == f"alerts: {hook.sink.name} is back"
    assert doubts(hook.cloud.store) == []
    assert hook.send(600) == []


def test_what_it_took_meanwhile_counts(hook: Hook) -> None:
    """A sink that takes one thing and not the next is tried again soon, not less and less often."""
    for _ in range(10):
        hook.fail()
        hook.server.answers = 200
        hook.send(6)
        hook.fail()
        hook.server.answers = 503
        hook.send(6)
        trouble = hook.cloud.outbox.trouble(hook.sink.name)
        assert trouble is not None and trouble.tries == 1
    assert hook.states().count(SENT) == 19


def test_nobody_listens(hook: Hook) -> None:
    hook.server.server.shutdown()
    hook.server.server.server_close()
    hook.fail()
    hook.send()
    assert hook.states() == [WAITING]
    assert "connection refused" in hook.said[0]


def test_what_may_have_arrived_says_so(hook: Hook) -> None:
    """Killed between the sending and its end."""
    alert = hook.fail()
    hook.cloud.outbox.set_delivery(alert, hook.sink.name, SENDING)
    hook.restart()
    (got,) = hook.send()
    assert (got["id"], got["again"]) == (alert.uid, True)


def test_what_is_refused_holds_up_nothing(hook: Hook) -> None:
    hook.fail()
    hook.server.answers = 422
    hook.send()
    assert hook.states() == [REFUSED]
    assert "refused 1 alert" in doubts(hook.cloud.store)[0]
    hook.server.answers = 200
    alert = hook.fail()
    assert [one["id"] for one in hook.send(600)] == [alert.uid]


def test_a_header_is_sent_to_nobody_else(hook: Hook) -> None:
    """An answer that leads elsewhere is not followed."""
    hook.server.answers = 302
    hook.fail()
    hook.send()
    assert "302" in hook.said[0]


def test_back_after_long_is_one_digest(hook: Hook) -> None:
    """More waits than the budget of an hour."""
    hook.server.answers = 503
    for _ in range(20):
        hook.fail()
    hook.send()
    hook.cloud.now += HOUR
    for _ in range(10):
        hook.fail()
    hook.server.answers = 200
    (digest,) = hook.send(600)
    assert (digest["why"], digest["count"], len(digest["groups"])) == (DIGEST, 30, 20)
    assert hook.states() == [GATHERED] * 30 + [SENT]
    assert hook.send(HOUR) == []


def test_what_waits_is_bounded(hook: Hook) -> None:
    """A sink that is away for days has one digest waiting, not thousands of alerts."""
    hook.server.answers = 503
    first = hook.fail()
    with hook.cloud.store.transaction():
        for _ in range(MOST):
            hook.cloud.outbox.add(NEW, first.root, [first.root], first.body, [hook.sink.name], hook.cloud.now)
    hook.send()
    assert len(hook.cloud.outbox.waiting(hook.sink.name)) == 1


def test_resolved_before_it_could_be_sent(hook: Hook) -> None:
    alert = hook.fail()
    phases.mark(hook.cloud.store, alert.root, RESOLVED, now=hook.cloud.now)
    assert hook.send() == []
    assert hook.states() == [DROPPED]


def test_the_header_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "header"
    file.write_text("Authorization: Bearer 0123\n")
    with receiver() as server:
        text = f"webhook:{server.url},header={file}"
        file.chmod(0o644)
        with pytest.raises(InputError, match="may be read by others"):
            sinks.opened([text], "watch")
        file.chmod(0o600)
        (sink,) = sinks.opened([text], "watch")
        assert "0123" not in sink.name
        sink.send(Alert(1, "u", 0.0, NEW, "k", {"why": NEW}), again=False)
        assert server.got[0][1]["Authorization"] == "Bearer 0123"
        file.chmod(0o644)
        with pytest.raises(Away, match="may be read by others"):
            sink.send(Alert(1, "u", 0.0, NEW, "k", {"why": NEW}), again=False)
        file.chmod(0o600)
        file.write_text("nothing")
        with pytest.raises(InputError, match="no header is in it"):
            sinks.opened([text], "watch")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("webhook:https://user:secret@host/", "a password is in it"),
        ("webhook:host", "no URL"),
        ("webhook:ftp://host/", "no URL"),
        ("mail:ops@example.org", "no such sink"),
        ("alertmanager:", "no URL"),
        ("webhook:http://h,header=/nowhere/file", "No such file"),
        ("apprise:/nowhere/file", "No such file"),
    ],
)
def test_what_is_no_sink(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised:
        sinks.opened([text], "watch")
    assert "secret" not in str(raised.value)


def test_the_same_twice() -> None:
    with pytest.raises(InputError, match="twice"):
        sinks.opened(["webhook:http://h", "webhook:http://h"], "watch")


def test_apprise(tmp_path: Path) -> None:
    """Its file is the owner's alone; each address is a sink of its own."""
    pytest.importorskip("apprise")
    file = tmp_path / "chats"
    with receiver() as server:
        address = server.url.removeprefix("http://")
        file.write_text(f"json://user:pass1word@{address}/one\njson://{address}/two\n")
        with pytest.raises(InputError, match="may be read by others"):
            sinks.opened([f"apprise:{file}"], "watch")
        file.chmod(0o600)
        one, two = sinks.opened([f"apprise:{file}"], "watch")
        assert [one.name, two.name] == ["apprise:chats#1 (json)", "apprise:chats#2 (json)"]
        cloud = Watched(tmp_path, sinks=[one.name]).begun()
        cloud.error("nova-api", "no room", 1)
        cloud.round()
        (alert,) = cloud.round(10)
        assert one.send(alert, again=False) == "sent"
        ((path, headers, body),) = server.got
        assert path.startswith("/one") and headers["Authorization"].startswith("Basic")
        assert body["title"] == "[watch] new: nova-api: no room"
        assert "hosts: h1 1" in body["message"] and "user: u1" in body["message"]
        server.answers = 500
        with pytest.raises(Away) as raised:
            two.send(alert, again=True)
        assert "pass1word" not in str(raised.value)
        file.write_text("nonsense\n")
        with pytest.raises(InputError, match="apprise:"):
            sinks.opened([f"apprise:{file}"], "watch")


def test_without_apprise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InputError, match="apprise is not installed") as raised:
        sinks.opened([f"apprise:{tmp_path}/chats"], "watch")
    assert "pip install" in raised.value.hint


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: a digest of the first run, then each group; settings are kept; secrets are in no output."""
    cloud = Watched(tmp_path, sinks=())
    cloud.error("nova-api", "one", 1)
    work, files = str(cloud.work), str(cloud.logs / "*.log")
    with receiver() as server:
        words = ["watch", "run", work, "--files", files, "--host", "h1", "--zone", "UTC", "--once"]
        assert main([*words, "--alert-to", f"webhook:{server.url}"]) == 0
        assert [one["why"] for one in server.bodies()] == [DIGEST]
        cloud.error("nova-api", "two", 2)
        assert main(["watch", "run", work, "--once"]) == 0
        assert [one["why"] for one in server.bodies()] == [DIGEST, NEW]
        assert main(["watch", "run", work, "--once"]) == 0
        assert len(server.got) == 2
        capsys.readouterr()
        assert main(["watch", "alerts", work, "-f", "json"]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert [(one["why"], one["state"], one["answer"]) for one in listed] == [
            (NEW, "sent", "200 OK"),
            (DIGEST, "sent", "200 OK"),
        ]
        assert main(["watch", "alerts", work, "--try", "-f", "json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["sent"] is True
        assert "trial" in server.bodies()[-1]["because"]
        (key,) = [one["group"] for one in listed if one["why"] == NEW]
        assert main(["watch", "show", work, key, "-f", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["told"].endswith(": new")
        assert main(["watch", "mute", work, key, "--until-rate", "5/h", "-f", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["until_rate"] == "5/h"
        assert cloud.outbox.limited(key) == 5
        assert main(["watch", "open", work, key]) == 0
        assert cloud.outbox.limited(key) is None
        with pytest.raises(SystemExit):
            main(["watch", "mute", work, key, "--until-rate", "5"])
        capsys.readouterr()
        server.answers = 503
        cloud.error("nova-api", "three", 3)
        assert main(["watch", "run", work, "--once"]) == 1
        assert "is away since" in capsys.readouterr().err
        assert main(["watch", "alerts", work, "--try"]) == 1
        assert main(["watch", "groups", work]) == 0
        assert "1 alert to be sent" in capsys.readouterr().err
    assert main(["watch", "run", work, "--once", "--alert-to", "none"]) == 0
    assert main(["watch", "alerts", work, "--try"]) == 2
    assert main(["watch", "run", work, "--once", "--alert-to", "nonsense"]) == 2


class Mailbox:
    """Takes mail."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append(envelope.content.decode())
        return "250 taken"


def test_mail(tmp_path: Path) -> None:
    """By SMTP to a server on this machine."""
    pytest.importorskip("apprise")
    from aiosmtpd.controller import Controller

    cloud = Watched(tmp_path, sinks=["mail"]).begun()
    cloud.error("nova-api", "no room", 1)
    cloud.round()
    (alert,) = cloud.round(10)
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        file = tmp_path / "mail"
        file.write_text(f"mailto://127.0.0.1:{port}?from=naru@example.org&to=ops@example.org&mode=insecure\n")
        file.chmod(0o600)
        (sink,) = sinks.opened([f"apprise:{file}"], "watch")
        assert sink.send(alert, again=False) == "sent"
    finally:
        server.stop()
    (mail,) = box.got
    told = email.message_from_string(mail, policy=email.policy.default)
    assert told["Subject"] == "[watch] new: nova-api: no room"
    assert "ops@example.org" in told["To"]
    body = told.get_body(("plain", "html"))
    assert body is not None and "hosts: h1 1" in body.get_content()
