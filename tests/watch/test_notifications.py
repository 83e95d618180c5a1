"""What a notification says, in the formats of Pike and of 2026.2; and that nothing secret is left of it."""

import json
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.errors import InputError
from naru.watch.group import CLIENT, UNKNOWN
from naru.watch.match import Matcher
from naru.watch.notifications import address, listen
from naru.watch.notifications.failure import Failure, failure
from naru.watch.notifications.listen import Listener
from naru.watch.notifications.message import Notification, Unread, read
from naru.watch.request import GLOBAL, OWN
from naru.watch.sources import Settings
from naru.watch.statements import ANY, Statement
from naru.watch.store import Store

from . import messages
from .messages import RELEASES, SECRETS, Message, one, recorded

pytestmark = pytest.mark.unit
SERVER = "0f8b2c1e-7c3e-4e6e-9a30-3d3c1a6a1b2c"


def said(release: str, kind: str, *, versioned: bool = False) -> Notification:
    message = one(release, kind, versioned=versioned)
    return read(message.body, message.exchange, 0.0)


@pytest.mark.parametrize("release", RELEASES)
def test_an_exception_of_both_releases_has_the_same_fields(release: str) -> None:
    found = said(release, "attach_volume")
    assert (found.program, found.host, found.level, found.failed) == ("nova-compute", "compute1", "ERROR", True)
    assert found.request_id == "11111111-1111-4111-8111-111111111110"
    assert found.global_id == "22222222-2222-4222-8222-222222222222"
    assert (found.user[:4], found.project[:4], found.object) == ("8f6e", "5a0e", SERVER)
    assert found.failure.message == "No valid host was found. There are not enough hosts available."
    assert found.failure.status == 500
    assert found.failure.exception == ("" if release == "pike" else "NoValidHost")
    same = said(release, "compute.exception", versioned=True)
    assert same.failure.message == found.failure.message
    assert same.failure.exception == "NoValidHost"
    assert same.failure.frame == "nova/compute/manager.py:attach_volume"
    assert same.action == found.action == "exception"
    assert same.failure.traceback.startswith("" if release == "pike" else "Traceback (most recent call last):\n  File")


@pytest.mark.parametrize("release", RELEASES)
def test_each_service_is_read(release: str) -> None:
    cinder = said(release, "scheduler.create_volume")
    assert (cinder.program, cinder.object[:8], cinder.failure.message) == (
        *("cinder-scheduler", "6f1d7c52"),
        "No valid backend was found. No weighed backends available",
    )
    assert cinder.global_id == ("" if release == "pike" else "11111111-1111-4111-8111-111111111114")
    keystone = said(release, "identity.authenticate")
    assert (keystone.program, keystone.level, keystone.failed, keystone.user[:4]) == ("keystone", "INFO", True, "8f6e")
    assert keystone.request_id == ("" if release == "pike" else "55555555-5555-4555-8555-555555555555")
    glance = said(release, "image.upload")
    assert (glance.program, glance.request_id, glance.failed) == ("glance-api", "", True)
    neutron = said(release, "port.create.end")
    assert (neutron.program, neutron.object[:8], neutron.failed) == ("neutron-server", "7b0b7a34", False)
    fine = [each for each in recorded(release) if not read(each.body, each.exchange, 0.0).failed]
    assert {each.said["priority"] for each in fine} == {"INFO"}


def test_exceptions_as_they_are_written() -> None:
    assert failure({"exception": "ValueError(\"invalid literal: 'x'\")"}) == Failure(
        "ValueError", "invalid literal: 'x'"
    )
    assert failure({"exception": "KeyError('a',)"}) == Failure("KeyError", "a")
    assert failure({"reason": "{'class': 'NotFound', 'message': 'gone', 'kwargs': {'code': 404}}"}) == Failure(
        "NotFound", "gone", status=404
    )
    assert failure({"exception": "{'class': open('/etc/passwd')}"}).exception == ""
    assert failure({"exception": "Timeout()"}) == Failure("Timeout")
    assert failure({"exception": {}, "message": "it is"}) == Failure("", "it is")
    assert failure({"exception": "(" * 10_000}).message.startswith("(")
    remote = {
        "module_name": "oslo_messaging._drivers.amqpdriver",
        **{"function_name": "_send", "exception": "NoValidHost_Remote", "exception_message": "none"},
    }
    wrapped = {"nova_object.name": "ExceptionPayload", "nova_object.data": remote}
    assert failure(wrapped) == Failure("NoValidHost", "none")


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"oslo.message": 1}', '{"oslo.message": "[]"}', "{}"])
def test_what_is_no_notification_is_refused(body: str) -> None:
    with pytest.raises(Unread):
        read(body, "nova", 0.0)


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_secret_is_left(release: str) -> None:
    told = "".join(repr(read(each.body, each.exchange, 0.0)) for each in recorded(release))
    assert not [secret for secret in SECRETS if secret in told]
    assert "No valid host was found" in told


def test_a_payload_full_of_secrets() -> None:
    payload = {
        **{"auth_token": "t0ken", "nested": [{"adminPass": "hunter2", "size": 3}], "user_data": "c2VjcmV0"},
        **{"text": "see https://kim:hunter2@host/ and gAAAAABaBcDeFgHiJkLmNoPqRs", "metadata": {"a": "hunter2"}},
        **{"exception": "{'kwargs': {'connection': 'hunter2'}}", "priority": "ok", "huge": "x" * 100_000},
    }
    body = json.dumps({"event_type": "a.b", "priority": "ERROR", "publisher_id": "a.b", "payload": payload})
    kept = read(body, "heat", 0.0).payload
    assert not [one for one in ("t0ken", "hunter2", "c2VjcmV0", "gAAAA") if one in kept]
    assert '"size":3' in kept and len(kept) <= 8 << 10


class Fed:
    """A watch whose database is given messages without a broker."""

    def __init__(self, directory: Path, matcher: Matcher | None = None) -> None:
        self.store = Store(directory, make=True)
        self.told: list[str] = []
        where = address.parsed("rabbit://u:p@h/", "here")
        self.listener = Listener(directory, where, matcher or Matcher([]), lambda _, keys: self.told.extend(keys))

    def give(self, *given: Message, now: float = 0.0, settle: bool = True) -> None:
        self.listener._keep(self.store, [listen.Message(each.exchange, each.body.encode()) for each in given], now)
        if settle:
            self.listener._settle(self.store, float("inf"))


@pytest.fixture
def fed(tmp_path: Path) -> Fed:
    return Fed(tmp_path / "watch")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("order", ["as sent", "turned round", "the other format later"])
def test_both_formats_are_one_event(fed: Fed, release: str, order: str) -> None:
    given = recorded(release)
    if order == "as sent":
        fed.give(*given)
    elif order == "turned round":
        fed.give(*reversed(given))
    else:
        fed.give(*(each for each in given if each.key.startswith("versioned")))
        fed.give(*(each for each in given if not each.key.startswith("versioned")))
    groups = {(one["text"].partition(": ")[0], one["exception"]): one for one in fed.store.groups()}
    nova = {key: one["count"] for key, one in groups.items() if one["module"] == "nova"}
    ways = [("compute.exception", name) for name in ("NoValidHost", "PortNotFound", "ValueError")]
    if release == "pike":
        ways += [("compute_task.build_instances", ""), ("instance.create.error", "BuildAbortException")]
    else:
        ways += [
            ("compute_task.build_instances.error", "NoValidHost"),
            ("compute.instance.create.error", "BuildAbortException"),
        ]
    assert nova == {(f"notification {kind}", name): 1 for kind, name in ways}
    assert sorted(fed.told) == sorted(one["key"] for one in groups.values())
    (example,) = fed.store.examples(groups["notification compute.exception", "ValueError"]["key"])
    assert example.body["request"] == "req-11111111-1111-4111-8111-111111111112"
    if order != "the other format later":
        assert example.body["instance"] == SERVER  # which the other format alone says


def test_the_traceback_of_another_service_behind_a_text_keeps_both_formats_together(fed: Fed) -> None:
    legacy = one("2026.2", "compute_task.build_instances")
    other = one("2026.2", "compute_task.build_instances.error", versioned=True)
    text = "There are not enough hosts available."
    longer = json.dumps(other.said["payload"]).replace(text, f"{text}\\nTraceback (most recent call last):\\n  File")
    fed.give(legacy, other.again(payload=json.loads(longer)))
    (group,) = fed.store.groups()
    assert group["count"] == 1


def test_the_same_again_is_not_counted(fed: Fed) -> None:
    given = recorded("pike")
    fed.give(*given)
    before = {one["key"]: one["count"] for one in fed.store.groups()}
    fed.give(*given)
    assert {one["key"]: one["count"] for one in fed.store.groups()} == before
    fed.give(*(each.again() for each in given if each.exchange == "openstack"))
    changed = [one for one in fed.store.groups() if one["count"] != before[one["key"]]]
    assert [(one["binary"], one["count"]) for one in changed] == [("cinder-scheduler", 2)]


def test_two_servers_that_fail_alike_are_two(fed: Fed) -> None:
    message = one("pike", "compute.instance.create.error")
    other = message.again(_context_request_id="req-99999999-1111-4111-8111-111111111111")
    fed.give(message, other, other.again())
    (group,) = fed.store.groups()
    assert group["count"] == 3


def test_classes(tmp_path: Path) -> None:
    """By the exception's status, as of records of logs; who gives a wrong password is a caller, at any priority. Pike
    does not name the exception: it is known by its text, where the code is."""
    text = f"No valid backend was found. {ANY}"
    code = [Statement("cinder", "cinder.exception", "exc", 0, text, (1,), "NoValidBackend", status=500)]
    fed = Fed(tmp_path / "watch", Matcher(code))
    fed.give(*recorded("pike"))
    groups = {one["text"]: one for one in fed.store.groups()}
    assert groups["notification identity.authenticate: authenticate failure"]["class"] == CLIENT
    assert groups["notification identity.authenticate: authenticate failure"]["level"] == "INFO"
    kinds = {one["exception"]: one["class"] for one in fed.store.groups()}
    assert kinds["NoValidHost"] == UNKNOWN
    assert kinds["NoValidBackend"] == UNKNOWN


def test_a_failure_of_nova_waits_for_its_other_format(fed: Fed) -> None:
    fed.give(one("pike", "attach_volume"), one("pike", "identity.authenticate"), now=100.0, settle=False)
    fed.listener._settle(fed.store, 100.0 + listen.HELD / 2)
    assert [each["binary"] for each in fed.store.groups()] == ["keystone"]
    fed.listener._settle(fed.store, 100.0 + listen.HELD)
    assert len(fed.store.groups()) == 2


def test_notifications_stand_among_a_requests_records(fed: Fed, capsys: pytest.CaptureFixture[str]) -> None:
    fed.give(*recorded("2026.2"))
    work = fed.listener._directory
    Settings(notifications="/nowhere").keep(fed.store)
    assert main(["watch", "request", str(work), "req-11111111-1111-4111-8111-111111111114", "-f", "json"]) == 0
    listed = [(one["message"].split()[1], one) for one in json.loads(capsys.readouterr().out)]
    task = [one for kind, one in listed if kind == "compute_task.build_instances.error"]
    assert [(one["program"], one["reason"]) for one in task] == [("nova-conductor", OWN)]  # once, of both formats
    assert task[0]["traceback"].startswith("Traceback")
    cinder = {kind: (one["reason"], one["level"]) for kind, one in listed if one["program"].startswith("cinder")}
    # Cinder was asked by this request
    assert cinder == {"scheduler.create_volume": (GLOBAL, "ERROR"), "volume.create.start": (GLOBAL, "INFO")}


def test_secrets_are_in_no_file(fed: Fed) -> None:
    for release in RELEASES:
        fed.give(*recorded(release))
    fed.store.close()
    kept = b"".join(file.read_bytes() for file in fed.listener._directory.iterdir())
    assert b"BuildAbortException" in kept
    assert not [secret for secret in SECRETS if secret.encode() in kept]


def test_what_cannot_be_read_is_told(fed: Fed) -> None:
    fed.give(Message("nova", "notifications.error", "no json"), one("pike", "image.upload"))
    fed.listener._note(fed.store, read=0.0, bound=["nova"])
    assert listen.doubts(fed.store, 0.0) == [
        "notifications: 1 messages could not be read (nova: it is not in oslo.messaging's format)"
    ]
    assert len(fed.store.groups()) == 1


def test_addresses() -> None:
    found = address.parsed("rabbit://kim:p%40ss@h1:5673,h2//open%2Fstack?ssl=1&ssl_ca_file=/ca.pem", "it")
    assert [(one.host, one.port, one.user, one.password) for one in found.servers] == [
        ("h1", 5673, "kim", "p@ss"),
        ("h2", 5671, "kim", "p@ss"),
    ]
    assert found.vhost == "/open/stack"
    assert found.files == {"ca_certs": "/ca.pem"}
    tls = found.tls(found.servers[0])
    assert isinstance(tls, dict) and tls["server_hostname"] == "h1"
    assert "p@ss" not in repr(found) and "p@ss" not in str(found)
    six = address.parsed("rabbit://a:b@[::1]:5673/", "it")
    assert (six.servers[0].host, six.vhost, six.files) == ("::1", "/", None)
    for wrong in ("", "h1:5672", "redis://h1", "rabbit://", "rabbit://u:p@h:port/"):
        with pytest.raises(InputError) as error:
            address.parsed(wrong, "it")
        assert "p@h" not in str(error.value)


def test_the_file_with_the_password_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "bus"
    file.write_text("# of the site\ntransport_url = rabbit://u:p@h//v\n")
    file.chmod(0o640)
    with pytest.raises(InputError, match="may be read by others than its owner"):
        address.of_file(file)
    file.chmod(0o600)
    assert address.of_file(file).vhost == "/v"
    file.write_text("a\nb\n")
    with pytest.raises(InputError, match="2 lines"):
        address.of_file(file)
    with pytest.raises(InputError, match="No such file"):
        address.of_file(tmp_path / "none")


def test_recordings_are_whole() -> None:
    """Each tells what it says it does: the same of both releases, but for what one of them could not be made send."""
    kinds = [{each.said["event_type"] for each in messages.recorded(release)} for release in RELEASES]
    assert kinds[0] ^ kinds[1] == {"instance.create.error", "compute_task.build_instances.error"}
