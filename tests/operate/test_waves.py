"""Which hosts are emptied together, and where their servers are then; how the waves stand by their journals."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.host_waves import does_boot, is_unmarked
from naru.cli.main import main
from naru.errors import InputError
from naru.messages import say
from naru.operate import ceph, handover
from naru.operate.drain.facts import Facts
from naru.operate.drain.rules import Options
from naru.operate.drain.work import Settings as Drain
from naru.operate.waves import leave, planner, upkeep, world
from naru.operate.waves.standing import expected, standings
from naru.operate.waves.work import Planned, Settings, Upkeep, Work, work_directory, write
from naru.plan import control
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan

from . import readings
from .readings import server

pytestmark = pytest.mark.unit

NOTHING = Options({})
HOSTS = ("compute1", "compute2", "compute3")


def no_rack(host: str) -> str:
    return ""


def cloud(**servers: Sequence[dict[str, Any]]) -> world.World:
    """Three hosts of 8 GiB, with these servers of 1 GiB each: what others have is not free."""
    found = {}
    for host in HOSTS:
        mine = list(servers.get(host, ()))
        one = readings.reading(*mine, host=host)
        one["providers"] = {
            node: {**provider, "usages": {"MEMORY_MB": 1024 * len(servers.get(name, ()))}}
            for name, (node, provider) in zip(HOSTS, one["providers"].items(), strict=True)
        }
        allocations = {row["id"]: {"resources": {"MEMORY_MB": row["flavor"]["ram"]}} for row in mine}
        one["providers"][readings.NODES[host]]["allocations"] = allocations
        found[host] = Facts(one)
    return world.World(found)


def several(name: str, number: int, **more: Any) -> list[dict[str, Any]]:
    return [server(f"{name}{index}", **more) for index in range(number)]


def waves(found: world.World, at_once: int, rack: Any = no_rack, hosts: Sequence[str] = HOSTS) -> list[Any]:
    return [wave.hosts for wave in world.propose(found, hosts, NOTHING, at_once, rack)]


def test_a_host_that_is_emptied_takes_no_server_of_another_one() -> None:
    found = cloud(compute1=several("a", 2), compute2=several("b", 2))
    (wave, last) = world.propose(found, HOSTS, NOTHING, 2, no_rack)
    assert (wave.hosts, last.hosts) == (("compute1", "compute2"), ("compute3",))
    assert {one.to for mine in wave.decisions.values() for one in mine} == {"compute3"}
    # those that came are emptied with it, onto hosts that are given back
    assert sorted(one.server.name for one in last.decisions["compute3"]) == ["a0", "a1", "b0", "b1"]
    assert {one.to for one in last.decisions["compute3"]} == {"compute1", "compute2"}


def test_where_two_do_not_fit_together_they_go_one_after_the_other() -> None:
    full = cloud(compute1=several("a", 5), compute2=several("b", 5), compute3=several("c", 5))
    assert waves(full, 2) == [("compute1",), ("compute2",), ("compute3",)]
    assert waves(cloud(compute1=several("a", 4), compute2=several("b", 4)), 2)[0] == ("compute1", "compute2")


def test_one_that_fits_nowhere_alone_is_asked_about_and_holds_up_no_wave() -> None:
    full = cloud(compute1=several("a", 8), compute2=several("b", 8), compute3=several("c", 8))
    found = world.propose(full, HOSTS, NOTHING, 2, no_rack)
    asked = [one for wave in found for mine in wave.decisions.values() for one in mine if one.action == "ask"]
    assert len(asked) == 24 and all(one.is_homeless for one in asked)
    assert "no host has room" in say(asked[0].why) or "no other host" in say(asked[0].why)


def test_hosts_of_later_waves_take_servers_only_where_nothing_else_has_room() -> None:
    found = cloud(compute1=several("a", 2), compute3=several("c", 1))
    wave = world.next_wave(found, HOSTS[:2], NOTHING, 1, no_rack)
    # compute2 has more room, and is to be emptied next
    assert {one.to for one in wave.decisions["compute1"]} == {"compute3"}
    found = cloud(compute1=several("a", 2), compute3=several("c", 7))
    wave = world.next_wave(found, HOSTS[:2], NOTHING, 1, no_rack)
    assert sorted(one.to for one in wave.decisions["compute1"]) == ["compute2", "compute3"]
    waves_ = world.propose(found, HOSTS[:2], NOTHING, 1, no_rack)
    told = [say(one.summary) for one in planner.findings(found, waves_, SETTINGS)]
    assert "1 servers go to hosts of later waves (compute2), and move once more: nothing else has room" in told


def test_a_wave_has_hosts_of_one_rack() -> None:
    racks = {"compute1": "r1", "compute2": "r2", "compute3": "r1"}
    ordered = world.in_order(HOSTS, racks.__getitem__)
    assert ordered == ["compute1", "compute3", "compute2"]
    assert waves(cloud(), 3, racks.__getitem__, ordered) == [("compute1", "compute3"), ("compute2",)]


def test_a_group_that_is_to_be_apart_is_apart_in_every_wave() -> None:
    group = {"id": "group", "name": "db", "policies": ["anti-affinity"], "members": ["id-one", "id-two"]}
    places = {"compute1": [server("one")], "compute2": [server("two")], "compute3": []}
    where = {"id-one": "compute1", "id-two": "compute2"}
    found = {
        host: Facts(
            readings.reading(*mine, host=host, groups=[group] if mine else [])
            | {"members": {one: there for one, there in where.items() if there != host}}
        )
        for host, mine in places.items()
    }
    first, second = world.propose(world.World(found), HOSTS[:2], NOTHING, 1, no_rack)
    assert [one.to for one in first.decisions["compute1"]] == ["compute3"]
    # its other member is on compute3 by then
    assert [(one.action, one.to) for one in second.decisions["compute2"]] == [("live", "compute1")]


def test_answers_count_by_id_as_long_as_they_fit() -> None:
    found = cloud(compute1=[server("one", "SUSPENDED")], compute2=[server("two")])
    given = world.by_id(found, Options({"one": "leave", "two": "cold"}))
    assert given.answers == {"id-one": "leave", "id-two": "cold"}
    with pytest.raises(InputError, match="compute1, compute2, compute3 has no server 'three'"):
        world.by_id(found, Options({"three": "leave"}))
    later = cloud(compute1=[server("one", "SUSPENDED")], compute2=[server("two", "PAUSED")])
    decisions = later.decide(["compute1", "compute2"], given)
    assert [decisions[host][0].action for host in HOSTS[:2]] == ["leave", "live"]


def test_hosts_of_several_hypervisors_are_refused() -> None:
    other = readings.reading(host="compute2")
    other["hypervisors"] = [one | {"hypervisor_type": "ironic"} for one in other["hypervisors"]]
    with pytest.raises(InputError, match="several types"):
        world.World({"compute1": Facts(readings.reading()), "compute2": Facts(other)}).check_alike()


# -- the plan of a wave

DRAIN = Drain("", "old", "", reason="new kernel")
SETTINGS = Settings(DRAIN, Upkeep("apt-get -y upgrade && reboot", boots=True), at_once=2)


def site_file(tmp_path: Path) -> Path:
    hosts = [{"name": "compute[1:3]", "rack": "r1"}]
    services = [{"name": "nova-compute", "hosts": ["compute1", "compute2"], "managed": {"unit": "nova-compute"}}]
    file = tmp_path / "site.yaml"
    file.write_text(
        yaml.safe_dump({"naru_site": 1, "name": "one", "cloud": "other", "hosts": hosts, "services": services})
    )
    return file


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return site_file(tmp_path)


def made(site: Path, settings: Settings = SETTINGS) -> Plan:
    load(planner.MODULES)
    found = cloud(compute1=several("a", 1), compute2=several("b", 1))
    drain = Drain(str(site), "old", "", reason="new kernel")
    planned = Planned("id", Settings(drain, settings.upkeep, 2), HOSTS)
    wave = world.next_wave(found, HOSTS[:2], NOTHING, 2, no_rack)
    plan = planner.whole(found, wave, 1, planned, "wave-id")
    plan.check()
    KINDS.check_arguments(plan)
    return plan


def test_nothing_of_one_host_waits_for_another_one(site: Path) -> None:
    plan = made(site)
    befores = plan.befores()
    of = {one.id: one.unit if one.unit in HOSTS else one.args["host"] for one in plan.steps}
    assert {of[before] == of[after] for after, all_ in befores.items() for before in all_} == {True}
    assert [one.purpose for one in plan.find(unit="compute1")] == [
        *("disable", "empty", "before", "agents-before", "agents", "run", "back", "agents-back", "enable")
    ]
    assert set(befores["compute1/run"]) == {"compute1/agents", "compute1/disable"}
    assert befores["compute1/enable"] == ["compute1/agents-back"]
    (back,) = plan.find(unit="compute1", purpose="back")
    assert back.args["boots"] and back.args["mark"] == "/var/lib/naru/wave-id/boots"


def test_a_wave_with_a_server_that_is_to_be_asked_about_is_no_plan(site: Path) -> None:
    found = cloud(compute1=[server("one", "SUSPENDED")])
    wave = world.next_wave(found, HOSTS[:1], NOTHING, 1, no_rack)
    assert not wave.is_possible
    with pytest.raises(ValueError, match="are to be asked about"):
        planner.whole(found, wave, 1, Planned("id", SETTINGS, HOSTS), "wave-id")
    told = planner.in_the_way(found.facts["compute1"], wave.decisions["compute1"])
    assert told == "one (SUSPENDED): its memory lies on this host: resume it, or leave it here"


def test_naru_boots_the_host_where_that_is_asked_for(site: Path) -> None:
    plan = made(site, Settings(DRAIN, Upkeep("", reboot=True, boots=True)))
    assert [one.purpose for one in plan.find(unit="compute2")][2:] == [
        *("before", "agents-before", "agents", "reboot", "back", "agents-back", "enable")
    ]


@pytest.mark.parametrize(
    ("line", "boots"),
    [
        ("apt-get -y upgrade && reboot", True),
        ("shutdown -r now", True),
        ("dnf -y update; systemctl --no-wall reboot", True),
        ("systemctl restart nova-compute", False),
        ("./reboot-later.sh", False),
        ("needs-reboot", False),
        ("shutdown -c", False),
        ("shutdown -c; apt-get -y upgrade", False),
        ("/sbin/reboot", True),
        ("init 6", True),
    ],
)
def test_a_command_that_boots_is_known_by_its_words(line: str, boots: bool) -> None:
    assert does_boot(line) == boots


@pytest.mark.parametrize(
    ("line", "unmarked"),
    [
        *((line, False) for line in ("reboot", "apt-get -y upgrade && reboot", "a; (shutdown -r now)", "true")),
        *((line, False) for line in ("if true; then reboot; fi", "a\nreboot", "systemctl --no-wall reboot")),
        *((line, True) for line in ("/sbin/reboot", "sudo reboot", "exec reboot", "a && init 6", "telinit 6")),
        *((line, True) for line in ("sudo systemctl reboot", "reboot; sudo reboot", "nohup shutdown -r now")),
        *((line, True) for line in ("poweroff", "systemctl poweroff", "sh -c 'reboot'", "kexec -e")),
        ("$(which reboot) || /usr/sbin/reboot", True),
        ("shutdown -c", False),
        ("./reboot-later.sh; needs-reboot", False),
    ],
)
def test_a_boot_that_leaves_no_mark_is_known(line: str, unmarked: bool) -> None:
    assert is_unmarked(line) == unmarked


@pytest.mark.parametrize(
    ("line", "code", "calls", "marked"),
    [
        ("true && reboot now", 0, "reboot now", True),
        ("systemctl restart x && systemctl reboot", 0, "systemctl restart x\nsystemctl reboot", True),
        ("shutdown -r +1", 0, "shutdown -r +1", True),
        ("shutdown -c", 0, "shutdown -c", False),
        ("false && reboot", 1, "", False),
        ("reboot refused", 3, "reboot refused", False),  # what does not take it leaves no mark
    ],
)
def test_a_line_leaves_a_mark_before_it_boots_the_host(
    line: str, code: int, calls: str, marked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, mark = tmp_path / "bin", tmp_path / "boots"
    programs.mkdir()
    monkeypatch.setattr(upkeep, "mark", lambda plan: str(mark))
    for name in ("reboot", "shutdown", "systemctl"):
        text = f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/calls\n[ "$1" != refused ] || exit 3\n'
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    done = subprocess.run(
        upkeep.shell_line(line, "plan"), env={"PATH": f"{programs}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    called = (tmp_path / "calls").read_text().strip() if (tmp_path / "calls").exists() else ""
    assert (done.returncode, called, mark.exists()) == (code, calls, marked), done.stderr


# -- what Ceph says


@pytest.mark.parametrize(
    ("code", "out", "errors", "right"),
    [
        (0, '{"ok_to_stop": true, "osds": [0], "num_not_ok_pgs": 0}', "", True),
        (0, '{"ok_to_stop": false, "osds": [0], "num_not_ok_pgs": 2}', "", False),  # 0 although it is no
        (16, '{"ok_to_stop": false, "osds": [0, 1], "num_not_ok_pgs": 2}', "Error EBUSY", False),
        (0, "", "OSD(s) 0 are ok to stop without reducing availability or risking data", True),  # Octopus
        (16, "", "Error EBUSY: 2 PGs are already too degraded", False),
        (0, "", "", False),
        (0, "[]", "", False),
    ],
)
def test_ceph_is_judged_by_what_it_says(code: int, out: str, errors: str, right: bool) -> None:
    found = ceph.ok_to_stop(code, out, errors)
    assert found.is_right == right
    if "num_not_ok_pgs" in out and not right:
        assert found.why == "2 placement groups would not be available"


def test_more_than_half_of_the_monitors_are_left() -> None:
    found = {"monmap": {"mons": [{"name": name} for name in "abc"]}, "quorum_names": ["a", "b", "c"]}
    assert ceph.quorum(found, {"a"}).is_right and ceph.quorum(found, {"a", "z"}).is_right
    assert ceph.quorum(found, {"a", "b"}) == (False, "1 of 3 monitors would be left")
    assert not ceph.quorum(found | {"quorum_names": ["a", "b"]}, {"a"}).is_right


def test_a_host_with_osds_goes_down_when_ceph_bears_it(site: Path) -> None:
    found = yaml.safe_load(site.read_text())
    storage = {"name": "ceph", "kind": "ceph", "monitors": ["compute3"], "osds": ["compute1"]}
    site.write_text(yaml.safe_dump(found | {"storage": [storage]}))
    plan = made(site)
    assert [one.purpose for one in plan.find(unit="compute1")] == [
        *("disable", "empty", "before", "agents-before", "agents", "osds-before", "osds", "run", "back"),
        *("agents-back", "osds-back", "enable"),
    ]
    (held,) = plan.find(unit="compute1", purpose="osds")
    # its wave's other host may be down at the same time
    assert held.args["together"] == ["compute1", "compute2"]
    assert "osds" not in [one.purpose for one in plan.find(unit="compute2")]


# -- Neutron's agents


def agent(name: str, **more: Any) -> dict[str, Any]:
    found = {"id": name, "host": f"host-of-{name}", "agent_type": "L3 agent", "alive": True, "admin_state_up": True}
    return {**found, "availability_zone": "nova", "configurations": {"agent_mode": "legacy"}, **more}


def test_who_has_least_takes_what_an_agent_has() -> None:
    mine, others = agent("mine"), [agent("a"), agent("b"), agent("c", agent_type="DHCP agent")]
    assert handover.chosen(mine, others, {"a": 3, "b": 1}) == "b"
    assert handover.chosen(mine, others, {"a": 3, "b": 1}, without=["b"]) == "a"
    assert handover.chosen(mine, [agent("a"), agent("b", availability_zone="other")], {"a": 9}) == "a"
    assert handover.chosen(mine, [agent("b", availability_zone="other")], {}) == "b"
    assert handover.chosen(mine, [agent("a", configurations={"agent_mode": "dvr"})], {}) == ""
    for off in ({"alive": False}, {"admin_state_up": False}, {"host": "host-of-mine"}):
        assert handover.chosen(mine, [agent("a", **off)], {}) == ""


def test_a_mark_keeps_what_a_description_was() -> None:
    for before in ("", "rack 3", "rack 3: left"):
        assert handover.unmarked("id", handover.marked("id", before)) == before
    assert handover.unmarked("id", "rack 3") is None
    assert handover.unmarked("other", handover.marked("id", "rack 3")) is None


# -- how they stand


class Quiet:
    """A terminal that nobody reads."""

    def say(self, line: str) -> None:
        pass

    warn = say

    def watching(self, journal: Journal) -> Any:
        raise AssertionError("nothing is run here")


def work_of(site: Path, tmp_path: Path) -> Work:
    directory = tmp_path / "work"
    work_directory(directory).prepare()
    drain = Drain(str(site), "old", "")
    waves_ = (("compute1", "compute2"), ("compute3",))
    write(directory, Planned("id", Settings(drain, Upkeep("true")), HOSTS, {}, waves_, {}, {"compute3": 100.0}))
    return Work(directory)


@pytest.fixture
def work(site: Path, tmp_path: Path) -> Work:
    return work_of(site, tmp_path)


def begun(work: Work, site: Path) -> Journal:
    return work.waves.begin(1, made(site), "wave-id")


def states(work: Work) -> dict[str, str]:
    return {one.host: one.state for one in standings(work)}


def test_a_host_stands_where_its_steps_do(work: Work, site: Path) -> None:
    assert states(work) == dict.fromkeys(HOSTS, "waiting")
    assert expected(standings(work)) > 100.0
    with begun(work, site) as journal:
        assert states(work) == {"compute1": "draining", "compute2": "draining", "compute3": "waiting"}
        mine = [one.id for one in journal.plan().steps if one.id.startswith("compute1/") or "a0" in one.id]
        control.skip(journal, "done", steps=mine)
        assert states(work)["compute1"] == "done"
        first = next(one for one in standings(work) if one.host == "compute2")
        assert (first.servers, first.moved, first.wave) == (1, 0, 1)


def test_one_that_is_left_holds_up_no_other_one(work: Work, site: Path) -> None:
    with begun(work, site) as journal:
        assert leave.leave(work, "compute1", "bad disk", Quiet(), leave.Choice()) is None
        assert states(work) == {"compute1": "left", "compute2": "draining", "compute3": "waiting"}
        left = {one.id for one in journal.plan().steps}
        assert leave.leave(work, "compute1", "twice", Quiet(), leave.Choice()) is None
        assert next(one.why for one in standings(work)) == "bad disk"
        assert leave.leave(work, "compute3", "not now", Quiet(), leave.Choice()) is None
        assert left == {one.id for one in journal.plan().steps}
    assert states(work) == {"compute1": "left", "compute2": "draining", "compute3": "left"}
    with pytest.raises(InputError, match="has no host 'compute9'"):
        leave.leave(work, "compute9", "why", Quiet(), leave.Choice())


def test_what_was_begun_of_a_host_that_is_left_is_ended(work: Work, site: Path) -> None:
    with begun(work, site) as journal:
        with journal.write() as connection:
            connection.exec_driver_sql("UPDATE steps SET attempt = 1, state = 'done' WHERE id = 'compute1/disable'")
            connection.exec_driver_sql("UPDATE steps SET attempt = 1, state = 'failed' WHERE id = 'id-a0/move'")
        assert states(work)["compute1"] == "failed"
        steps = leave._skip(journal, "compute1", "bad disk")
    assert [one.id for one in steps] == ["compute1/disable", "id-a0/move"]
    assert [one.kind for one in leave._plan(work, "compute1", steps, give_back=True).steps] == [
        *("drain.settle", "drain.enable")
    ]
    assert [one.kind for one in leave._plan(work, "compute1", steps, give_back=False).steps] == ["drain.settle"]


def test_waves_that_have_begun_are_not_planned_again(work: Work, site: Path) -> None:
    begun(work, site).close()
    with pytest.raises(InputError, match="have begun"):
        write(work.directory, work.planned)


def test_two_terminals_do_not_run_the_same_waves(work: Work) -> None:
    with work.exclusive(), pytest.raises(PlanError, match="another command runs these waves"), work.exclusive():
        pass


# -- what is bad input


@pytest.fixture
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "a", "password": "b"}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"one": {"auth": auth}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.delenv("NARU_WORK", raising=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["compute1"], "what is done to each host is missing"),
        (["--run", "true"], "no host is named"),
        (["compute9", "--run", "true"], "has no host compute9"),
        (["--rack", "r9", "--run", "true"], "It has: r1."),
        (["compute1", "--run", "reboot", "--reboot"], "would boot it again"),
        (["compute1", "--run", "sudo reboot"], "is not told from a power cut"),
        (["compute1", "--run", "true", "--hosts-at-once", "0"], "is at least 1"),
        (["compute1", "--run", "true"], "other"),  # not in clouds.yaml
        (["--all", "--run", "true"], "other"),
        (["--rack", "r1", "--run", "true", "--at-once", "0"], "are at least 1"),
    ],
)
def test_what_cannot_be_planned_is_bad_input(
    options: list[str], said: str, clouds: None, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["host", "waves", "plan", "--site", str(site), "--work", str(tmp_path / "new"), *options])
    shown = capsys.readouterr()
    assert code == 2 and said in shown.err and "Traceback" not in shown.err
    assert not (tmp_path / "new" / "hosts.json").exists()


@pytest.mark.parametrize("command", ["run", "status", "leave"])
def test_a_directory_of_something_else_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compute1", "--reason", "x"] if command == "leave" else []
    assert main(["host", "waves", command, "--work", str(tmp_path), *words]) == 2
    assert "is not the work directory of hosts in waves" in capsys.readouterr().err
    (tmp_path / "hosts.json").write_text(json.dumps({"naru_hosts": 1}))
    assert main(["host", "waves", command, "--work", str(tmp_path), *words]) == 2
    assert "hosts.json cannot be read" in capsys.readouterr().err


def test_status_is_shown_of_each_host(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "waves", "status", str(work.directory), "-f", "json"]) == 0
    shown = capsys.readouterr()
    assert [row["state"] for row in json.loads(shown.out)] == ["waiting"] * 3
    assert "3 hosts: 3 waiting" in shown.err and "left, until" in shown.err
