"""What differs between the readings before and after an upgrade, and what of it is wrong."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import Reading, Sink
from naru.inventory.rows import Row
from naru.upgrade import gates
from naru.upgrade.compare import answers, tokens, verify
from naru.upgrade.compare.answers import Asked
from naru.upgrade.compare.verified import ASKED, BEFORE
from naru.upgrade.compare.verify import judge
from naru.upgrade.finding import Span
from naru.upgrade.window import window
from naru.upgrade.work import Work

from ..cloud.service import Service, clouds_yaml, serving
from .test_report import BEGAN, done, planned

pytestmark = pytest.mark.unit

SERVERS = [{"id": "1", "name": "web", "status": "ACTIVE", "description": None}, {"id": "2", "name": "db"}]


def judged(
    path: Path,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    kind: str = "server",
    problem: str = "",
    earlier: str = "",
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> list[tuple[Any, ...]]:
    """The judgement, the change, the field and the number of each difference."""
    with Archive(path / "archive.db") as archive:
        for bodies, said in ((before, earlier), (after, problem)):
            number = archive.begin("seoul")
            archive.add(number, [Row.of(BY_NAME[kind], dict(body)) for body in bodies])
            archive.end(number, [Reading(kind, len(bodies), said, bool(said))])
        return [(one.judged, one.change, one.field, one.number) for one in judge(archive, 1, 2, renamed=renamed)]


def but(**fields: Any) -> list[dict[str, Any]]:
    return [{**SERVERS[0], **fields}, SERVERS[1]]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (SERVERS, []),
        (SERVERS[:1], [("wrong", "removed", "", 1)]),
        ([*SERVERS, {"id": "3"}], [("new", "added", "", 1)]),
        (but(status="SHUTOFF"), [("wrong", "changed", "status", 1)]),
        # null is a value, of one as of all
        (but(description="x"), [("wrong", "changed", "description", 1)]),
        (but(locked=False), [("another release's", "changed", "locked", 1)]),
        ([{**one, "locked": None} for one in SERVERS], [("another release's", "changed", "locked", 2)]),
        # gone of all things, or of one
        (
            [{"id": "1", "status": "ACTIVE", "description": None}, {"id": "2"}],
            [("another release's", "changed", "name", 2)],
        ),
        ([{"id": "1", "status": "ACTIVE", "description": None}, SERVERS[1]], [("wrong", "changed", "name", 1)]),
        (but(updated="2026-11-30", links=[]), []),
    ],
)
def test_what_is_gone_or_changed_is_wrong(
    tmp_path: Path, after: list[dict[str, Any]], said: list[tuple[Any, ...]]
) -> None:
    assert judged(tmp_path, SERVERS, after) == said


def test_hosts_that_the_window_has_called_otherwise_are_the_same(tmp_path: Path) -> None:
    name, renamed = "os-vol-host-attr:host", {"ctl1@nfs": "ctl2@nfs"}
    volume = [{"id": "1", "name": "v", name: "ctl1@nfs#pool"}]
    now = [{"id": "1", "name": "v", name: "ctl2@nfs#pool"}]
    changed = ("wrong", "changed", name, 1)
    for index, (given, said) in enumerate([(renamed, []), ({}, [changed]), ({"ctl1@nfs": "ctl3@nfs"}, [changed])]):
        directory = tmp_path / str(index)
        directory.mkdir()
        assert judged(directory, volume, now, "volume", renamed=given) == said
    service = [{"binary": "cinder-volume", "host": "ctl1@nfs"}]
    assert judged(tmp_path, service, [{**service[0], "host": "ctl2@nfs"}], "volume service", renamed=renamed) == []


@pytest.mark.parametrize(
    ("kind", "field", "before", "after", "said"),
    [
        ("network agent", "alive", True, False, ["alive"]),
        ("network agent", "alive", False, True, []),
        ("compute service", "state", "up", "down", ["state"]),
        ("compute service", "state", "down", "up", []),
        ("compute service", "status", "enabled", "disabled", []),
    ],
)
def test_who_does_not_report_any_more_is_wrong(
    tmp_path: Path, kind: str, field: str, before: Any, after: Any, said: list[str]
) -> None:
    one = {"id": "1", "binary": "b", "agent_type": "a"}
    found = judged(tmp_path, [{**one, field: before}], [{**one, field: after}], kind)
    assert found == [("wrong", "changed", name, 1) for name in said]


def test_a_service_that_is_not_there_under_its_new_name_is_missed(tmp_path: Path) -> None:
    service = [{"binary": "cinder-volume", "host": "ctl1@nfs"}]
    gone = judged(tmp_path, service, [], "volume service", renamed={"ctl1@nfs": "ctl2@nfs"})
    assert gone == [("wrong", "removed", "", 1)]


RULES: list[dict[str, Any]] = [{"id": "1", "port": 22, "description": None}, {"id": "2", "port": None}]


@pytest.mark.parametrize(
    ("field", "before", "after", "how"),
    [
        # a later release says more of each rule, in another order
        ("rules", RULES, [{**one, "cidr": None} for one in reversed(RULES)], "another release's"),
        ("rules", RULES, [{**RULES[0], "port": 23}, RULES[1]], "wrong"),
        ("rules", RULES, RULES[:1], "wrong"),
        ("rules", RULES, [{"id": "1", "port": 22}, RULES[1]], "wrong"),
        ("gateway", {"ips": [1], "snat": True}, {"ips": [1], "snat": True, "qos": None}, "another release's"),
        ("gateway", {"snat": True}, {"snat": 1, "qos": None}, "wrong"),
        ("metadata", {"a": "1"}, {"a": "1", "b": "2"}, "wrong"),
    ],
)
def test_what_a_later_release_says_more_of_things_within_things(
    tmp_path: Path, field: str, before: Any, after: Any, how: str
) -> None:
    one = SERVERS[0]
    assert judged(tmp_path, [{**one, field: before}], [{**one, field: after}]) == [(how, "changed", field, 1)]


def test_what_a_release_is_known_to_give_otherwise_is_no_fault() -> None:
    known = verify._known(Span("train", "2026.1"))
    assert ("compute quota", "floating_ips") in known and ("compute quota", "cores") not in known
    assert ("compute quota", "floating_ips") not in verify._known(Span("ussuri", "2026.1"))


def test_services_may_say_something_else_of_themselves_and_have_to_be_there(tmp_path: Path) -> None:
    service = {"id": "1", "binary": "nova-compute", "host": "c1", "state": "up", "status": "enabled"}
    assert judged(tmp_path, [service], [{**service, "status": "disabled", "new": 1}], "compute service") == []


def test_a_service_that_is_gone_is_wrong(tmp_path: Path) -> None:
    service = {"id": "1", "binary": "nova-compute", "host": "c1", "state": "up", "status": "enabled"}
    assert judged(tmp_path, [service], [], "compute service") == [("wrong", "removed", "", 1)]


def test_a_list_that_cannot_be_read_any_more_is_wrong(tmp_path: Path) -> None:
    assert ("wrong", "not read", "", 0) in judged(tmp_path, SERVERS, SERVERS, problem="403")


@pytest.mark.parametrize("now", ["", "500"])
def test_what_could_not_be_read_before_is_not_known(tmp_path: Path, now: str) -> None:
    assert judged(tmp_path, [], [], earlier="500", problem=now) == [("not known", "not read before", "", 0)]


# -- users, against a service on loopback

EXPIRES = {"token": {"expires_at": "2099-01-01T00:00:00.000000Z"}}


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as server:
        yield server


@pytest.fixture
def upgrade(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """An upgrade of the cloud `c`, of which a list cannot be read, and nothing but its project is."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml(tmp_path, service))
    monkeypatch.setattr(verify, "_read", project_alone)
    service.deeds["GET", "/identity/v3/auth/tokens"] = [lambda request: request.answer(200, EXPIRES)] * 9
    monkeypatch.setattr(verify, "_left_on_queues", lambda upgrade: [])
    return planned(tmp_path, cloud="c")


def project_alone(archive: Archive, cloud: Cloud, progress: Sink) -> tuple[int, int]:
    number = archive.begin(cloud.name)
    archive.add(number, [Row.of(BY_NAME["project"], {"id": "p"})])
    archive.end(number, [Reading("server", 0, "500", True)])
    return number, 1


def ignore(rows: list[Row]) -> None:
    """Rows that come."""


def remembered(upgrade: Work) -> tuple[Any, Any]:
    """The number of the reading before, and what users were asked then."""
    with upgrade.journal() as journal:
        return journal.recall(BEFORE), journal.recall(ASKED)


def test_a_user_who_cannot_be_asked_takes_nothing_away_from_the_others(upgrade: Work) -> None:
    assert verify.read_before(upgrade, ignore, ["gone", "c"]) == [
        "1 lists of the cloud could not be read",
        "gone could not be asked what it may read: cloud 'gone' is not in " + os.environ["OS_CLIENT_CONFIG_FILE"],
    ]
    number, asked = remembered(upgrade)
    assert number == 1 and asked.keys() == {"gone", "c"}
    assert asked["gone"] is None and Asked.load(asked["c"]).questions
    assert list(tokens.kept(upgrade.directory)) == ["c"]


def test_of_a_user_who_cannot_be_asked_any_more_it_is_kept_what_was_known(
    upgrade: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify.read_before(upgrade, ignore, ["c"])
    before, issued = remembered(upgrade)[1], tokens.kept(upgrade.directory)

    def refuse(*_: Any) -> None:
        raise CloudError("refused", status=401)

    monkeypatch.setattr(answers, "ask_before", refuse)
    assert verify.read_before(upgrade, ignore)[1:] == ["c could not be asked what it may read: refused"]
    assert remembered(upgrade)[1] == before and tokens.kept(upgrade.directory) == issued
    # who is not named any more is forgotten, with the token
    verify.read_before(upgrade, ignore, ["other"])
    assert remembered(upgrade)[1] == {"other": None} and not tokens.kept(upgrade.directory)


def test_users_of_last_time_have_to_be_able_to_log_in_until_the_window_begins(upgrade: Work) -> None:
    verify.check_users(upgrade, ())
    with upgrade.journal() as journal:
        journal.remember(ASKED, {"gone": None})
    with pytest.raises(InputError, match=r"cloud 'gone' is not in (.|\n)* Or name other users: --as CLOUD\."):
        verify.check_users(upgrade, ())
    verify.check_users(upgrade, ["c"])
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, 0, 1)
    verify.check_users(upgrade, ())


def test_tokens_are_asked_for_once_the_window_has_begun(upgrade: Work) -> None:
    verify.read_before(upgrade, ignore, ["c"])
    issued = tokens.kept(upgrade.directory)
    verify.verify(upgrade, ignore)
    assert tokens.kept(upgrade.directory) == issued != {}
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, 0, 1)
    verify.verify(upgrade, ignore)
    assert not tokens.kept(upgrade.directory)


def test_a_comparison_beside_which_something_came_to_its_end_finalizes_nothing(
    upgrade: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify.read_before(upgrade, ignore)
    monkeypatch.setattr(verify, "judge", lambda *_: [])
    monkeypatch.setattr(verify, "_read", lambda *_: (agents_end(), (2, 0))[1])

    def agents_end() -> None:
        with upgrade.journal() as journal:
            done(journal, window.START, 0, time.time() - BEGAN)

    def check() -> None:
        with upgrade.journal() as journal:
            gates.check_verified(upgrade, journal)

    verify.verify(upgrade, ignore)
    with pytest.raises(InputError, match="it was not compared since it was done"):
        check()
    monkeypatch.setattr(verify, "_read", lambda *_: (3, 0))
    verify.verify(upgrade, ignore)
    check()


def test_a_user_who_is_no_longer_in_clouds_yaml_is_not_known(upgrade: Work, tmp_path: Path) -> None:
    verify.read_before(upgrade, ignore, ["c"])
    with upgrade.journal() as journal:
        asked = journal.recall(ASKED)
        journal.remember(ASKED, {"c": asked["c"], "gone": asked["c"], "never": None})
    found = {one.kind: (one.judged, one.change) for one in verify.verify(upgrade, ignore)}
    assert found["answers to gone"] == ("not known", "cannot be asked now")
    assert found["answers to never"] == ("not known", "could not be asked before")
    assert found["answers to c"][0] == "not compared"


def test_a_user_who_cannot_log_in_any_more_is_wrong(upgrade: Work, service: Service) -> None:
    verify.read_before(upgrade, ignore, ["c"])
    span, asked = upgrade.settings.span, remembered(upgrade)[1]
    service.deeds["POST", "/identity/v3/auth/tokens"] = [lambda request: request.answer(401, {"error": {}})] * 9
    found = list(verify._of_users(asked, span))
    assert [(one.judged, one.change) for one in found] == [("wrong", "cannot log in")]
