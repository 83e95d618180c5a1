"""What has changed on both clouds since a move was planned: found, told before each phase, refused or dropped."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naru.move import freshness, refresh
from naru.move.decisions import Decision
from naru.move.left import Asked, Key, Left
from naru.move.refresh import Change, Known
from naru.plan import schema
from naru.plan.journal import Journal
from naru.plan.model import About, Finding, Plan, Step
from naru.plan.plan_rows import dump_finding
from naru.plan.queries import reading

from ..plan.test_cli import naru
from .test_mapping import Given
from .test_run import Clock, clock, log, scheduled, work

__all__ = ["clock", "work"]
pytestmark = pytest.mark.unit

Things = dict[str, list[dict[str, Any]]]
Edit = Callable[[Things, Things], Any]
RULE = {"id": "r1", "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
OLD: Things = {
    "project": [{"id": "p", "name": "shop"}, {"id": "q", "name": "other"}],
    "user": [{"id": "u", "name": "mina"}],
    "key pair": [{"user_id": "u", "keypair": {"name": "laptop"}}],
    "network": [{"id": "n", "name": "lan", "project_id": "p", "mtu": 1500}],
    "port": [{"id": "o", "name": "web", "project_id": "p", "network_id": "n", "mac_address": "fa:16:3e:00:00:01"}],
    "security group": [{"id": "g", "name": "web", "project_id": "p", "security_group_rules": [RULE]}],
    "server": [{"id": "s", "name": "web", "tenant_id": "p", "status": "SHUTOFF", "metadata": {}}],
    "volume": [{"id": "v", "name": "data", "size": 1, "os-vol-tenant-attr:tenant_id": "p"}],
}
NEW: Things = {"flavor": [{"id": "F", "name": "small", "ram": 64, "vcpus": 1, "disk": 1}]}
OWNED = {"network": "n", "port": "o", "security group": "g", "server": "s", "volume": "v"}
DECISIONS = [
    *(Decision(kind, one, one, "p", "create", "", step=f"{kind}/{one}") for kind, one in OWNED.items()),
    Decision("user", "u", "mina", "", "create", "", step="user/u"),
    Decision("user", "b", "bora", "", "match", "", new="B"),
    Decision("group", "g", "staff", "", "match", "", new="G"),
    Decision("image", "public", "linux", "", "match", "", new="I"),
    Decision("key pair", "u/laptop", "laptop", "", "create", "", step="key pair/u/laptop"),
    Decision("flavor", "f", "small", "", "match", "", new="F"),
]


def changed(change: Edit, **more: Any) -> list[tuple[str, str, str, str]]:
    """What is found when a test has changed both clouds."""
    old, new = copy.deepcopy(OLD), copy.deepcopy(NEW)
    change(old, new)
    known = Known(Given("old", OLD), Given("new", NEW), **{"decisions": DECISIONS, "projects": {"p"}, **more})
    found = refresh.changes(known, Given("old", old), Given("new", new))
    return [(one.what, one.kind, one.id, one.field) for one in found]


def add(kind: str, **body: Any) -> Edit:
    return lambda old, _: old.setdefault(kind, []).append(body)


def edit(kind: str, **values: Any) -> Edit:
    return lambda old, _: old[kind][0].update(values)


def test_nothing_has_changed() -> None:
    assert changed(lambda old, new: None) == []


@pytest.mark.parametrize(
    "change",
    [
        add("port", id="late", project_id="p", network_id="n", mac_address="b"),
        add("server", id="late", tenant_id="p", status="BUILD"),
        add("volume", **{"id": "late", "os-vol-tenant-attr:tenant_id": "p"}),
        add("snapshot", **{"id": "late", "os-extended-snapshot-attributes:project_id": "p"}),
        add("floating IP", id="late", project_id="p", floating_ip_address="192.0.2.1"),
        add("key pair", user_id="u", keypair={"name": "late"}),
        add("key pair", user_id="b", keypair={"name": "late"}),
        add("group membership", id="late", group_id="g"),
        add("role assignment", role={"id": "r"}, user={"id": "late"}, scope={"project": {"id": "p"}}),
    ],
)
def test_what_was_made_since_is_new(change: Edit) -> None:
    ((what, _, identity, field),) = changed(change)
    assert (what, field) == ("new", "") and "late" in identity


@pytest.mark.parametrize(
    "change",
    [
        add("port", id="d", project_id="p", network_id="n", device_owner="network:dhcp", mac_address="c"),
        add("port", id="q", project_id="q", network_id="n", mac_address="d"),
        add("image", id="i", owner="p", name="naru-0d6eb05c", status="active"),
        add("key pair", user_id="x", keypair={"name": "desk"}),
        add("image member", image_id="public", member_id="q", status="accepted"),
        add("network", id="made", project_id="p", name="held for a rollback"),
    ],
)
def test_what_is_of_others_of_services_or_of_the_move_itself_is_not(change: Edit) -> None:
    assert changed(change, made={"made"}) == []


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        (edit("security group", security_group_rules=[{"id": "r2"}, RULE]), "security group", "security_group_rules"),
        (
            edit("server", **{"os-extended-volumes:volumes_attached": [{"id": "v"}]}),
            *("server", "os-extended-volumes:volumes_attached"),
        ),
    ],
)
def test_a_part_more_is_new(change: Edit, kind: str, field: str) -> None:
    assert [one[:2] for one in changed(change) if one[3] == field] == [("new", kind)]


def test_a_rule_less_is_only_told() -> None:
    assert {one[0] for one in changed(edit("security group", security_group_rules=[]))} == {"changed"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit("network", name="front"), ("changed", "network", "n", "name")),
        (edit("server", status="ACTIVE"), ("changed", "server", "s", "status")),
        (edit("server", metadata={"a": "b"}), ("changed", "server", "s", "metadata")),
        (lambda old, new: old["volume"].clear(), ("gone", "volume", "v", "")),
        (lambda old, new: new["flavor"].clear(), ("gone", "flavor", "F", "")),
        (lambda old, new: new["flavor"][0].update(ram=128), ("changed", "flavor", "F", "ram")),
    ],
)
def test_what_changed_and_what_is_gone(change: Edit, expected: tuple[str, str, str, str]) -> None:
    assert changed(change) == [expected]


def test_what_the_window_itself_changes_is_no_change() -> None:
    assert changed(edit("server", status="ACTIVE"), begun={"p"}) == []
    assert changed(lambda old, new: old["server"].clear(), begun={"p"}) == [("gone", "server", "s", "")]


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (Key("security group", "g"), edit("security group", security_group_rules=[{"id": "r2"}, RULE])),
        (Key("server", "s"), edit("server", status="ACTIVE")),
        (Key("volume", "v"), lambda old, new: old["volume"].clear()),
        (Key("user", "u"), add("key pair", user_id="u", keypair={"name": "late"})),
    ],
)
def test_of_what_was_left_behind_nothing_is_told(key: Key, change: Edit) -> None:
    assert changed(change)
    left = Left({key: Asked("it", "no longer used", "ops", 0.0)})
    assert changed(change, decisions=left.applied(DECISIONS)) == []


# -- before each phase

PORT = Change("new", "old", "port", "late", "late", "1")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, all_right: None) -> list[Change]:
    made: list[Change] = []
    monkeypatch.setattr(freshness, "look", lambda *_: made)
    return made


def test_a_phase_is_refused_for_what_is_new(work: Path, found: list[Change]) -> None:
    found.append(PORT)
    told = naru("move", "prepare", work, code=2).stderr
    assert "prepare: 1 things were made on old since the move was planned" in told
    assert "port late: made since" in told and "Plan again into the same directory" in told
    assert log(work) == []
    naru("-q", "move", "prepare", work, "--as-planned")
    with Journal.open(work) as journal, reading(journal) as now:
        remarks = [event.detail for event in now.events() if event.what == "remark"]
    assert remarks == ["prepare as planned, without what is new since: port late: made since"]
    told = naru("move", "cutover", work, code=2).stderr
    assert "A plan that has begun cannot be added to" in told
    assert not [line for line in log(work) if line.startswith("switch")]
    # of others it is no matter
    naru("-q", "move", "cutover", work, "--project", "lab")
    assert "switch 2" in log(work)
    naru("-q", "move", "cutover", work, "--as-planned")
    naru("move", "finalize", work, code=2)
    assert not [line for line in log(work) if line.startswith("quota")]
    naru("-q", "move", "finalize", work, "--as-planned")


def test_a_plan_with_errors_is_refused_before_anything_is_read(
    work: Path, found: list[Change], monkeypatch: Any
) -> None:
    found.append(PORT)
    with Journal.open(work) as journal, journal.write() as connection:
        error = Finding("error", "flavors: tiny is not decided")
        connection.execute(schema.setup.update().values(findings=json.dumps([dump_finding(error)])))
    monkeypatch.setattr(freshness, "look", lambda *_: pytest.fail("both clouds were read"))
    for command in ("prepare", "cutover", "finalize"):
        told = naru("move", command, work, code=2).stderr
        assert "findings of severity error" in told and "flavors: tiny is not decided" in told
    assert log(work) == []


def test_a_window_that_has_begun_is_gone_on_with(work: Path, found: list[Change], monkeypatch: Any) -> None:
    """Its servers are off: nothing is read, and nothing refused."""
    naru("-q", "move", "prepare", work)
    (work.parent / "fail switch 2").touch()
    naru("-q", "move", "cutover", work, "--project", "lab", code=1)
    found.append(PORT._replace(project="2"))
    (work.parent / "fail switch 2").unlink()
    naru("-q", "plan", "retry", "switch 2", "--work", work)
    asked: list[int] = []

    def look(*_: object) -> list[Change]:
        asked.append(1)
        return found

    monkeypatch.setattr(freshness, "look", look)
    naru("-q", "move", "cutover", work, "--project", "lab")
    assert "switch 2" in log(work) and not asked
    naru("-q", "move", "cutover", work)  # of the others it is no matter
    assert asked and "switch 4" in log(work)
    naru("move", "finalize", work, "--project", "lab", code=2)


def test_what_changed_is_told_and_nothing_else(work: Path, found: list[Change]) -> None:
    found.append(Change("changed", "old", "server", "s", "web", "1", "status", "SHUTOFF", "ACTIVE"))
    found.append(Change("changed", "old", "network", "n", "lan", "1", "name", "lan", "front"))
    told = naru("-q", "move", "prepare", work).stderr
    assert "server web: was SHUTOFF, runs now: it is stopped in the window like the others" in told
    assert "network lan: name was lan, is front" in told


def test_refresh_shows_it_at_any_time_and_does_nothing(work: Path, found: list[Change]) -> None:
    assert json.loads(naru("move", "refresh", work, "-f", "json").stdout) == []
    found.append(PORT)
    (row,) = json.loads(naru("move", "refresh", work, "-f", "json", code=1).stdout)
    assert (row["change"], row["project"], row["kind"], row["id"]) == ("new", "shop", "port", "late")
    assert log(work) == []


def test_a_schedule_keeps_back_what_is_not_as_planned(work: Path, clock: Clock, found: list[Change]) -> None:
    file = scheduled(work, {"a": (["lab"], 1, 3, 0), "b": (["office"], 1, 3, 0)})
    naru("-q", "move", "prepare", work)
    found.append(PORT._replace(project="2"))
    answer = naru("move", "run", work, "--schedule", file, "--until", "cutover", "-f", "json", code=3)
    assert "not begun, looked at again in 10 minutes" in answer.stderr and "port late" in answer.stderr
    assert "switch 4" in log(work) and "switch 2" not in log(work)


def test_steps_about_what_is_gone_are_skipped_unless_others_need_them(tmp_path: Path) -> None:
    volume, server, port = About("volume", "v", ""), About("server", "s", ""), About("port", "o", "")
    plan = Plan()
    plan.add(Step("port/o", "noop", about=port))
    plan.add(Step("server/s", "noop", {"port": {"$ref": "port/o", "field": "id"}}, about=server))
    plan.add(Step("volume/v", "noop", about=volume))
    plan.add(Step("properties", "noop", {"volume": {"$ref": "volume/v", "field": "id"}}))
    plan.add(Step("content volume/v", "noop", about=volume))
    plan.add(Step("sweep", "noop", {"requests": [{"optional": True, "path": {"$ref": "server/s", "field": "id"}}]}))
    Journal.create(tmp_path, plan).close()
    with Journal.open(tmp_path) as journal:
        # the port is there still; what the new volume is, a step says that is about something else
        gone = {("volume", "v"), ("server", "s")}
        assert freshness.drop(journal, gone, "gone") == ["content volume/v", "server/s"]
        with reading(journal) as now:
            assert now.skipped() == {"content volume/v": "gone", "server/s": "gone"}
        assert freshness.drop(journal, {("port", "o")}, "gone") == ["port/o"]
