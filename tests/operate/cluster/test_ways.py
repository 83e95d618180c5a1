"""Ways after the first: what the ways before have come to, what is stopped and saved once more, hosts that are given
up, and one way at a time."""

import copy
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError
from naru.messages import say
from naru.operate.cluster import history, phases, planner, reading, steps, way_up
from naru.operate.cluster.history import Past
from naru.operate.cluster.lost import has_osds, without
from naru.operate.cluster.order import DATABASES, REPAIR, UP, WORKERS, Placed, group_of, placed
from naru.operate.cluster.steps import parted
from naru.operate.cluster.work import DOWN, Settings, Work, work_directory
from naru.operate.cluster.work import UP as WAY_UP
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.model import About, Plan, Step
from naru.site import site as sites
from naru.site.model import Container

from . import small
from .test_parts import SETTINGS, order

pytestmark = pytest.mark.unit


class Row:
    """A step as a journal has it."""

    def __init__(self, purpose: str, about: str = "", *, state: str = "done", **more: Any) -> None:
        self.kind, self.purpose, self.state, self.about = "", purpose, state, About("thing", about)
        self.started = None if state == "waiting" else 1.0
        self.ended, self.args, self.result = 1.0, more.get("args", {}), more.get("result")


class Journal:
    """A journal's steps."""

    def __init__(self, *rows: Row) -> None:
        self._rows = rows

    def steps(self, *, kind: str = "", purpose: str = "", states: Any = (), **_: Any) -> list[Any]:
        mine = [one for one in self._rows if not kind and one.purpose == purpose]
        return [one for one in mine if not states or one.state in states]


def past(*ways: tuple[str, tuple[Row, ...]]) -> Past:
    found = Past()
    for way, rows in ways:
        found.add(way, Journal(*rows))  # type: ignore[arg-type]
    return found


def flags(ours: list[str], **more: Any) -> Row:
    return Row(planner.FLAG, args={"ceph": "main"}, result={"ours": ours}, **more)


def unflag(ours: list[str], **more: Any) -> Row:
    return Row(way_up.UNFLAG, args={"ceph": "main", "flags": ours}, **more)


@pytest.mark.parametrize(
    ("ways", "ours"),
    [
        ([(DOWN, (flags(["noout"]),))], ["noout"]),
        ([(DOWN, (flags(["noout"], state="failed"),))], ["noout"]),  # it was about to set it
        # somebody has set noout after the way up had taken ours away, and it is not ours to take
        ([(DOWN, (flags(["noout"]),)), (WAY_UP, (unflag(["noout"]),)), (DOWN, (flags([]),))], []),
        (
            [(DOWN, (flags(["noout"]),)), (WAY_UP, (unflag(["noout"], state="failed"),)), (DOWN, (flags([]),))],
            ["noout"],
        ),
        ([(DOWN, (flags(["noout"]),)), (WAY_UP, (unflag(["noout"]),)), (DOWN, (flags(["noout"]),))], ["noout"]),
    ],
)
def test_flags_are_ours_until_a_way_up_has_taken_them_away(ways: Any, ours: list[str]) -> None:
    assert past(*ways).flags["main"] == ours


def test_servers_are_stopped_until_their_start_has_begun() -> None:
    stopped = (Row(planner.GUEST, "a"), Row(planner.GUEST, "b"), Row(planner.GUEST, "c", state="failed"))
    started = (Row(way_up.GUEST, "a", state="failed"), Row(way_up.GUEST, "b", state="waiting"))
    assert past((DOWN, stopped)).stopped == {"a", "b"}
    assert past((DOWN, stopped), (WAY_UP, started)).stopped == {"b"}


def test_a_backup_counts_when_it_was_read_back() -> None:
    assert past((DOWN, (Row(planner.READ_BACK, "main", state="failed"),))).saved == set()
    assert past((DOWN, (Row(planner.READ_BACK, "main"),)), (WAY_UP, ())).saved == {"main"}


def again(**since: Any) -> Plan:
    made = planner.again(small.site(), small.reading(), SETTINGS, "p", planner.Since(**since))
    made.check()
    return made


def ids(made: Plan, beginning: str) -> list[str]:
    return [one.id for one in made.steps if one.id.startswith(beginning)]


def test_a_further_way_down_saves_what_was_not_saved() -> None:
    made = again()
    assert ids(made, "backup") == ["backup/main"] and order(made, "read-back/main", "stop/heat-engine@ctl1")
    assert made.findings == []
    assert ids(again(saved={"main"}), "backup") == []
    made = again(off={"main"})
    assert ids(made, "backup") == [] and "main is off, and there is no backup" in say(made.findings[0].summary)


def test_without_nova_a_further_way_down_goes_on_and_says_what_may_run() -> None:
    made = again(answers=False, stopped={"id-db-1", "id-web-1"}, saved={"main"})
    assert ids(made, "stop-guest") == [] and ids(made, "quiet") == [] and ids(made, "stop/nova-api")
    assert [say(one.summary)[:38] for one in made.findings] == ["Nova does not answer: 1 servers that m"]
    made = again(answers=False, stopped={"id-db-1", "id-web-1", "id-amphora-1"}, saved={"main"})
    assert made.findings == []
    assert len(ids(again(stopped={"id-db-1"}), "stop-guest")) == 3  # each looks first


def test_a_nova_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(phases, "NOVA_SECONDS", 0.5)
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "p", "project_name": "p"}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"seoul": {"auth": auth}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    began = time.monotonic()
    assert not phases._answers(small.site())
    assert time.monotonic() - began < 10.0


def test_no_service_stops_before_it_is_proved_that_no_server_runs() -> None:
    made = planner.plan(small.site(), small.reading(), SETTINGS, "p")
    for end in ("stop-guest/id-amphora-1", "guests/1"):
        assert order(made, end, "quiet")
    assert order(made, "quiet", "stop/nova-compute@compute1") and order(made, "quiet", "stop/nova-api@ctl1")
    left = Settings("site.yaml", backup="/backup", guests="leave")
    assert ids(planner.plan(small.site(), small.reading(), left, "p"), "quiet") == []


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("octavia-health-manager", REPAIR),
        ("octavia-housekeeping", REPAIR),
        ("octavia-worker", WORKERS),
        ("masakari-engine", REPAIR),
        ("aodh-evaluator", REPAIR),
        ("heat-engine", REPAIR),
        ("heat-api", WORKERS),
        ("watcher-applier", REPAIR),
        ("senlin-engine", REPAIR),
    ],
)
def test_what_acts_by_itself_stops_first_and_starts_last(name: str, group: str) -> None:
    assert group_of(name, is_openstack=True) == group
    assert SETTINGS.profile.down[0] == REPAIR and REPAIR not in UP
    down = planner.plan(small.site(), small.reading(), SETTINGS, "p")
    assert order(down, "stop/heat-engine@ctl1", "stop-guest/id-web-1")
    up = way_up.plan(small.site(), way_up.Known(small.reading(), {}, {}), SETTINGS)
    assert order(up, "start-guest/id-web-1", "start/heat-engine@ctl1") and order(up, "start/heat-engine@ctl1", "same")


def full() -> dict[str, Any]:
    found = small.reading()
    found["cloud"]["services"]["cinder-volume@compute2.example.org@ceph"] = {"up": True}
    found["cloud"]["servers"][1]["OS-EXT-SRV-ATTR:host"] = "compute2.example.org"
    return found


def test_a_record_without_lost_hosts_has_nothing_of_them() -> None:
    left = without(full(), ["compute2", "db3"])
    assert not [id for id in left["services"] if id.endswith(("compute2", "db3"))]
    assert list(left["cloud"]["services"]) == ["nova-compute@compute1"]
    assert [one["name"] for one in left["cloud"]["servers"]] == ["db-1", "amphora-1", "old"]
    members = left["databases"]["main"]["members"]
    assert list(members) == ["db1", "db2"] and members["db1"]["size"] == 2
    now = small.reading()
    now["databases"]["main"]["members"] = {**members, "db3": {"error": "no answer"}}
    now["queues"]["main"]["nodes"]["rabbit@db3"] = False
    now["ceph"]["main"]["up"] = 2
    assert reading.differences(left, now) == []
    assert without(full(), []) == full()


def test_the_way_up_without_a_lost_host_starts_and_proves_the_rest() -> None:
    made = way_up.plan(small.site(), way_up.Known(full(), {}, {}, lost=("compute2", "db3", "ceph1")), SETTINGS)
    made.check()
    found = {one.id: one for one in made.steps}
    assert ids(made, "start-guest") == ["start-guest/id-amphora-1", "start-guest/id-db-1"]
    assert "cinder-volume@compute2.example.org@ceph" not in found["records"].args["services"]
    assert list(found["same"].args["record"]["databases"]["main"]["members"]) == ["db1", "db2"]
    # what was seen of a lost member counts: it may have had more than the others
    assert (found["begin/main"].args["lost"], found["begin/main"].args["floor"]) == (["db3"], 4711)
    assert found["osds/main"].args["lost"] == ["compute2", "db3", "ceph1"] and "clean/main" not in found
    assert has_osds(small.site(), "main", ["ceph1"]) and not has_osds(small.site(), "main", ["db3"])


def test_a_way_down_without_a_lost_host_leaves_it_out() -> None:
    made = again(lost=("db1", "compute2"))
    assert not [one.id for one in made.steps if one.id.endswith(("@db1", "@compute2"))]
    found = {one.id: one for one in made.steps}
    assert found["backup/main"].args["host"] == "db2"
    assert found["prove-down"].args["lost"] == found["quiet"].args["lost"] == ["db1", "compute2"]


def test_a_database_without_a_member_left_is_refused() -> None:
    phases._check_known(small.site(), small.reading(), ["db1", "db2", "ceph1"])
    with pytest.raises(InputError, match="no member left"):
        phases._check_known(small.site(), small.reading(), ["db1", "db2", "db3"])
    assert [one.host for one in placed(small.site())[DATABASES]] == list(small.DBS)


def test_a_site_that_was_changed_since_the_record_is_told_and_nothing_is_left_stopped() -> None:
    record = small.reading()
    now = copy.deepcopy(small.SITE)
    now["databases"].append({**now["databases"][0], "name": "cells"})
    now["queues"].append({**now["queues"][0], "name": "cells"})
    now["services"].append({"name": "placement-api", "hosts": "ctl1", "managed": {"unit": "placement.service"}})
    more = sites.parse(now, Path("site.yaml"))
    phases._check_known(more, record, [])
    # the way up starts what was recorded, and leaves alone what came since
    made = way_up.plan(more, way_up.Known(record, {}, {}), SETTINGS)
    assert ids(made, "begin") == ["begin/main"] and ids(made, "whole") == ["whole/main"]
    with pytest.raises(InputError, match=r"placement-api@ctl1 came into the site since the record"):
        phases._check_recorded(more, record, [])
    phases._check_recorded(more, record, ["ctl1"])
    phases._check_recorded(small.site(), record, [])
    for part, what in (("databases", "database"), ("queues", "queue"), ("storage", "Ceph")):
        less = sites.parse({**copy.deepcopy(small.SITE), part: []}, Path("site.yaml"))
        with pytest.raises(InputError, match=f"has no {what} main any more"):
            phases._check_known(less, record, [])


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        (Settings("site.yaml"), []),
        (Settings("site.yaml", answers={"web-1": "leave"}), ["id-web-1"]),
        (Settings("site.yaml", guests="leave"), ["id-db-1", "id-web-1", "id-amphora-1"]),
    ],
)
def test_servers_that_are_left_are_told_and_fail_no_proof(settings: Settings, left: list[str]) -> None:
    record = small.reading()
    made = way_up.plan(small.site(), way_up.Known(record, {}, {}), settings)
    given = next(one for one in made.steps if one.id == "same").args
    assert given["left"] == left
    now = small.reading()
    for one in now["cloud"]["servers"]:
        if one["id"] in left:
            one["status"] = "SHUTOFF"  # with its host
    before, rest = parted(given["record"], left)
    assert reading.differences(before, now) == []
    assert len(reading.differences(rest, now)) == len(left)


def test_what_broke_since_the_plan_is_in_the_way() -> None:
    planned, found = small.reading(), small.reading()
    assert reading.unhealthier(planned, found) == []
    found["ceph"]["main"] |= {"health": "HEALTH_WARN", "checks": ["OSD_DOWN"]}
    found["queues"]["main"]["split"] = ["rabbit@db1"]
    assert reading.unhealthier(planned, found) == [
        "Ceph main is HEALTH_WARN OSD_DOWN",
        "queue main: rabbit@db1 see a partition",
    ]
    planned["ceph"]["main"] |= {"health": "HEALTH_WARN", "checks": ["OSD_DOWN"]}  # as the operator said
    assert reading.unhealthier(planned, found) == ["queue main: rabbit@db1 see a partition"]


def test_a_container_that_is_not_there_is_told_from_one_that_is_off(tmp_path: Path) -> None:
    """Docker prints an empty line for one that it does not have, and fails then."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\ncase $* in *there*) echo "Status=exited Restart=no" ;; *) echo; exit 1 ;; esac\n')
    docker.chmod(0o755)
    managed = [Container(container=name, engine="docker") for name in ("gone", "is_there")]
    line = reading._line([Placed(one.container, "ctl1", one) for one in managed])
    ran = subprocess.run(["sh", "-c", line], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    fleet: Any = Hosts(ran.stdout)
    now = copy.deepcopy(small.SITE)
    now["services"] = [
        {"name": one.container, "hosts": "ctl1", "managed": {"container": one.container, "engine": "docker"}}
        for one in managed
    ]
    _, states = reading.services(sites.parse(now, Path("site.yaml")), fleet)
    assert [reading.is_there(states[f"{one.container}@ctl1"]) for one in managed] == [False, True]
    assert not reading.is_on(states["is_there@ctl1"])


class Hosts:
    """Hosts that all say this."""

    def __init__(self, said: str) -> None:
        self._said = said

    def each(self, hosts: Any, look: Any) -> dict[str, str]:
        return dict.fromkeys(hosts, self._said)


def test_a_host_that_does_not_answer_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = ({"db1": {"error": "no answer"}, "db2": {}}, {"mariadb@db1": {"error": "x"}, "mariadb@db2": {}})
    monkeypatch.setattr(steps, "opened", lambda _: (None, nullcontext()))
    monkeypatch.setattr(reading, "services", lambda *_: silent)
    with pytest.raises(PlanError, match="1 hosts do not answer") as told:
        steps.down(context({"site": "site.yaml"}))
    assert "db1: no answer" in told.value.detail and "skip" in told.value.hint
    assert steps.down(context({"site": "site.yaml", "lost": ["db1"]})) == {"stopped": 2}


def test_osds_of_lost_hosts_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    osds = [{"id": number, "type": "osd", "status": "up" if number == 2 else "down"} for number in range(3)]
    hosts = [{"id": -2, "type": "host", "name": "ceph1", "children": [0, 2]}, {"id": -3, "type": "host", "name": "c2"}]
    monkeypatch.setattr(reading, "told", lambda *_: {"nodes": [*hosts, *osds]})
    fleet: Any = None
    ceph: Any = small.site().content.storage[0]
    assert reading.osds_gone(fleet, ceph, "ceph1", ["ceph1.example.org"]) == 1  # one of its two still is up
    assert reading.osds_gone(fleet, ceph, "ceph1", []) == 0


def context(args: dict[str, Any]) -> Context:
    return Context(n=1, id="s", kind="k", unit="", args=args, attempt=1, earlier=None, reader=lambda n: {})


def test_one_command_at_a_time_goes_a_way(tmp_path: Path) -> None:
    made = Plan(steps=[Step("record", "noop", purpose=planner.RECORD)], settings=SETTINGS.dump())
    work_directory(tmp_path).create(made)
    work = Work(tmp_path)
    terminal: Any = None
    with work.alone():
        for way in (phases.up, phases.down):
            with pytest.raises(PlanError, match="another command takes this cloud down or up"):
                way(Work(tmp_path), terminal)
    with pytest.raises(InputError, match="recorded nothing yet"):
        phases.up(work, terminal)
    with pytest.raises(InputError, match="nothing is recorded yet, and a cloud is recorded whole"):
        phases.down(work, terminal, lost=["db1"])
    assert history.past(work) == Past()
