"""The parts that need nothing but what is known: who may begin a Galera cluster, in which order servers go, what is in
the way, what is otherwise than it was."""

from collections.abc import Callable
from typing import Any

import pytest

from naru.messages import say
from naru.operate.cluster import planner, reading, rules, way_up
from naru.operate.cluster.galera import NOTHING, Position, Refused, choose
from naru.operate.cluster.guests import decide
from naru.operate.cluster.order import Profile
from naru.operate.cluster.work import Settings

from . import small
from .small import UUID, server

pytestmark = pytest.mark.unit

OTHER = "11111111-8a4f-11ee-9c7b-3f1d2a5b6c7d"
EMPTY = Position(NOTHING, -1, safe=True)
SETTINGS = Settings("site.yaml", backup="/backup")


def at(seqno: int, *, uuid: str = UUID, safe: bool = False) -> Position:
    return Position(uuid, seqno, safe)


@pytest.mark.parametrize(
    ("positions", "more", "first"),
    [
        ((at(7), at(8), at(9, safe=True)), {}, "db3"),
        ((at(7, safe=True), at(9), at(8)), {}, "db2"),  # the file says so, and is wrong
        ((EMPTY, at(7), at(9)), {}, "db3"),  # safe_to_bootstrap 1 on an empty member
        ((at(9), at(9), at(9)), {}, "db1"),
        ((at(9), at(9, safe=True), at(9)), {}, "db2"),
        ((at(9), at(9, safe=True), at(9)), {"last": "db3"}, "db3"),
        ((at(9), at(8), "its host is off"), {"lost": ["db3"]}, "db1"),
        ((at(9), at(8), at(8)), {"uuid": UUID, "floor": 9}, "db1"),
    ],
)
def test_the_newest_member_begins(positions: tuple[Any, ...], more: dict[str, Any], first: str) -> None:
    assert choose(dict(zip(small.DBS, positions, strict=True)), **more) == first


@pytest.mark.parametrize(
    ("positions", "more", "said"),
    [
        ((at(9), at(8), "its host is off"), {}, "it is not known how far db3 had come"),
        ((EMPTY, EMPTY, at(-1)), {}, "no member has anything"),
        ((at(9), at(9, uuid=OTHER), at(8)), {}, "not of one cluster"),
        ((at(9), at(8), at(8)), {"uuid": OTHER}, "are of the cluster"),
        ((at(9), at(8), at(8)), {"floor": 10}, "was at 10 already"),
    ],
)
def test_what_is_not_proved_is_refused(positions: tuple[Any, ...], more: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        choose(dict(zip(small.DBS, positions, strict=True)), **more)
    assert refused.value.hint and all(host in refused.value.detail for host in small.DBS)


def waves(servers: list[dict[str, Any]], order: tuple[tuple[str, ...], ...] = ()) -> list[tuple[int, str]]:
    return [(one.wave, one.server["name"]) for one in decide(servers, {}, order)]


def test_servers_start_in_their_owners_order() -> None:
    first = {"instanceha:restart_priority": "900"}
    joined = {"instanceha:restart_group": "shop"}
    servers = [
        server("web", "ACTIVE", order=joined),
        server("amphora-1", "ACTIVE"),
        server("db", "ACTIVE", order=first | joined),
        server("other", "ACTIVE"),
        server("wrong", "ACTIVE", order={"instanceha:restart_priority": "high"}),
    ]
    assert waves(servers) == [(0, "amphora-1"), (1, "db"), (1, "web"), (2, "other"), (2, "wrong")]
    assert waves(servers, (("other",), ("we*", "id-db"))) == [
        (0, "other"),
        (1, "db"),
        (1, "web"),
        (2, "amphora-1"),
        (3, "wrong"),
    ]


@pytest.mark.parametrize(
    ("status", "task", "action"),
    [
        ("ACTIVE", None, "stop"),
        ("SHUTOFF", None, "leave"),
        ("SUSPENDED", None, "leave"),
        ("SHELVED_OFFLOADED", None, "leave"),
        ("PAUSED", None, "ask"),
        ("RESCUE", None, "ask"),
        ("ERROR", None, "ask"),
        ("VERIFY_RESIZE", None, "ask"),
        ("SHUTOFF", "powering-on", "ask"),
        ("BUILD", "spawning", "ask"),
    ],
)
def test_what_becomes_of_a_server(status: str, task: str | None, action: str) -> None:
    found = server("one", status, task=task)
    assert [one.action for one in decide([found], {}, ())] == [action]
    assert [one.action for one in decide([found], {"one": "leave"}, ())] == ["leave"]


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["hosts"]["db1"].update(error="no answer"), "db1 does not answer"),
        (
            lambda found: found["databases"]["main"]["members"]["db2"].update(state="Joined"),
            "main on db2: it is Joined",
        ),
        (lambda found: found["databases"]["main"]["members"]["db2"].update(error="refused"), "main on db2: refused"),
        (lambda found: found["databases"]["main"]["members"]["db2"].update(uuid=OTHER), "of several clusters"),
        (
            lambda found: found["databases"]["main"]["members"]["db2"].update(size=4),
            "main has 4 members, and the site 3",
        ),
        (lambda found: found["queues"]["main"]["nodes"].update({"rabbit@db4": True}), "main has 4 members"),
        (lambda found: found["queues"]["main"]["nodes"].update({"rabbit@db3": False}), "rabbit@db3 does not run"),
        (lambda found: found["queues"]["main"].update(split=["rabbit@db1"]), "rabbit@db1 see a partition"),
        (lambda found: found["ceph"]["main"].update(health="HEALTH_WARN", checks=["OSD_DOWN"]), "HEALTH_WARN OSD_DOWN"),
        (lambda found: found["services"]["nova-api@ctl1"].update(LoadState="not-found"), "nova-api is not on ctl1"),
        (lambda found: found["cloud"].update(error="no answer"), "the cloud seoul: no answer"),
        (lambda found: found["cloud"]["servers"].append(server("p", "PAUSED")), "server p (PAUSED)"),
    ],
)
def test_what_is_in_the_way(change: Change, said: str) -> None:
    found = small.reading()
    assert [one for one in rules.findings(small.site(), found, SETTINGS) if one.severity == "error"] == []
    change(found)
    errors = [one for one in rules.findings(small.site(), found, SETTINGS) if one.severity == "error"]
    assert len(errors) == 1 and said in say(errors[0].summary) and errors[0].hint


def test_an_unhealthy_ceph_goes_down_with_a_reason() -> None:
    found = small.reading()
    found["ceph"]["main"]["health"] = "HEALTH_WARN"
    settings = Settings("site.yaml", backup="/backup", unhealthy="a disk is on its way")
    assert {one.severity for one in rules.findings(small.site(), found, settings)} == {"warning", "info"}


def test_pause_is_two_flags_in_the_map() -> None:
    assert "pause" in rules.is_set(["pauserd", "pausewr"]) and "pause" not in rules.is_set(["pauserd"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda found: found["services"]["nova-api@ctl1"].update(ActiveState="failed"),
            "nova-api@ctl1: it does not run",
        ),
        (lambda found: found["services"]["nova-api@ctl1"].update(UnitFileState="disabled"), "its unit is disabled"),
        (lambda found: found["databases"]["main"]["members"]["db1"].update(size=2), "size 2, and was 3"),
        (lambda found: found["queues"]["main"]["nodes"].update({"rabbit@db3": False}), "queue main"),
        (lambda found: found["ceph"]["main"]["flags"].append("noout"), "noout"),
        (lambda found: found["cloud"]["services"].pop("nova-compute@compute1"), "has no record any more"),
        (lambda found: found["cloud"]["services"]["nova-compute@compute2"].update(status="enabled"), "is enabled"),
        (lambda found: found["cloud"]["servers"][0].update(status="SHUTOFF"), "is SHUTOFF, and was ACTIVE"),
    ],
)
def test_what_is_otherwise_than_it_was_is_told(change: Change, said: str) -> None:
    before, now = small.reading(), small.reading()
    now["databases"]["main"]["members"]["db1"]["seqno"] = 4800  # writes go on
    assert reading.differences(before, now) == []
    change(now)
    told = reading.differences(before, now)
    assert len(told) == 1 and said in told[0]


def order(made: Any, first: str, second: str) -> bool:
    """Whether the first step is over before the second begins, by the plan's edges."""
    befores = made.befores()
    todo, seen = [second], set()
    while todo:
        one = todo.pop()
        if one == first:
            return True
        if one not in seen:
            seen.add(one)
            todo += befores.get(one, [])
    return False


@pytest.mark.parametrize(("computes", "expected"), [("first", True), ("last", False)])
def test_documents_disagree_on_compute_services(computes: Any, expected: bool) -> None:
    settings = Settings("site.yaml", backup="/backup", computes=computes)
    made = planner.plan(small.site(), small.reading(), settings, "p")
    made.check()
    assert order(made, "stop/nova-compute@compute1", "stop/nova-api@ctl1") is expected
    assert order(made, "stop/keystone@ctl1", "stop/nova-compute@compute1") is not expected
    assert order(made, "stop/nova-compute@compute1", "stop/rabbitmq@db3")
    assert set(Profile(computes=computes).down) == set(Profile().down)


def test_of_the_way_up_only_what_ran_is_started() -> None:
    record = small.reading()
    left = {f"mariadb@{name}": {"database": "main", "seqno": 4800 + n} for n, name in enumerate(("db3", "db2", "db1"))}
    made = way_up.plan(small.site(), way_up.Known(record, left, {"main": ["noout"]}), SETTINGS)
    made.check()
    steps = {one.id: one for one in made.steps}
    assert steps["release/neutron-openvswitch-agent@compute2"].args["do"] == "release"
    assert "start/neutron-openvswitch-agent@compute2" not in steps
    assert {id for id in steps if id.startswith("start-guest")} == {
        f"start-guest/id-{n}" for n in ("db-1", "web-1", "amphora-1")
    }
    begin = steps["begin/main"].args
    assert (begin["uuid"], begin["floor"], begin["last"]) == (UUID, 4802, "db1")
    assert order(made, "start-guest/id-db-1", "start-guest/id-web-1")
    assert order(made, "unflag/main", "begin/main") and order(made, "join/mariadb@db3", "start/rabbitmq@db1")


def test_a_lost_host_is_left_out() -> None:
    known = way_up.Known(small.reading(), {}, {}, lost=("db3",), behind=True)
    made = way_up.plan(small.site(), known, SETTINGS)
    steps = {one.id: one for one in made.steps}
    assert not [id for id in steps if id.endswith("db3")]
    assert steps["begin/main"].args["lost"] == ["db3"] and steps["begin/main"].args["floor"] == -1
    assert steps["whole/main"].args["nodes"] == ["rabbit@db1", "rabbit@db2"]
