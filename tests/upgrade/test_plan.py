"""The plan of an upgrade is a function of what is known: its hops, what waits for what, what is said before."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError
from naru.messages import say
from naru.plan.executor import Executor
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step
from naru.plan.ready import Scope
from naru.releases import path, release
from naru.site import site as sites
from naru.upgrade import gates, planner
from naru.upgrade.check.catalogue import Address
from naru.upgrade.check.records import Moved
from naru.upgrade.facts import Facts, Server
from naru.upgrade.finding import Finding, Span
from naru.upgrade.window import hops, queue_steps, window

pytestmark = pytest.mark.unit

NEWEST = release.names()[-1]
CONTROLLERS = ("ctl1", "ctl2")
BYTES = dict.fromkeys(("keystone", "glance", "cinder", "nova_api", "nova", "nova_cell0", "neutron"), 1 << 20)
SERVER = Server("10.11", "utf8mb3", "utf8mb3_general_ci", BYTES, ("nova_cell0", "nova"))
load(planner.MODULES)


def site(goal: str, **more: Any) -> sites.Site:
    def unit(name: str, hosts: list[str], **words: Any) -> dict[str, Any]:
        return {"name": name, "hosts": hosts, "managed": {"unit": f"{name}.service"}, **words}

    controllers = [("keystone", {"port": 5000}), ("nova-api", {"port": 8774}), ("nova-conductor", {}), ("nova-old", {})]
    running = [unit(name, ["ctl1", "ctl2"], **words) for name, words in controllers]
    running += [unit("nova-compute", ["c1", "c2"]), unit("heat-api", ["ctl1"], port=8004)]
    running += [unit("memcached", ["ctl1"], release="")]
    content = {
        "naru_site": 1,
        "name": "seoul",
        "release": "pike",
        "hosts": [{"name": name} for name in ("ctl1", "ctl2", "db1", "tools1", "c1", "c2")],
        "services": running,
        "databases": [{"name": "main", "kind": "mariadb", "hosts": "db1", "user": "u", "password": {"file": "p"}}],
        "next": {
            "services": [
                unit(name, ["ctl1", "ctl2"], release=goal, **words) for name, words in controllers if name != "nova-old"
            ]
            + [unit("nova-compute", ["c1", "c2"], release=goal)]
        },
        **more,
    }
    return sites.parse(content, Path("site.yaml"))


def facts(
    goal: str = NEWEST,
    *wanted: str,
    start: str = "pike",
    server: Server = SERVER,
    findings: tuple[Finding, ...] = (),
    of: sites.Site | None = None,
) -> Facts:
    ways = [way for way in path.ways(start, goal, wanted) if way.hops]
    return Facts(of or site(goal), Span(start, goal), ways, "db1", {"main": server}, list(findings))


def whole(known: Facts) -> Plan:
    plan = planner.whole(known, {}, "an-id", Path("work"))
    plan.check()
    return plan


def behind(plan: Plan, first: str) -> set[str]:
    """All that waits for a step, however far."""
    found, todo = set(), [first]
    while todo:
        before = todo.pop()
        for edge in plan.edges:
            if edge.before == before and edge.after not in found:
                found.add(edge.after)
                todo.append(edge.after)
    return found


def test_each_service_goes_its_hops_and_placement_comes_out_of_nova() -> None:
    plan = whole(facts())
    ids = [step.id for step in plan.steps]
    releases = [hop.release for hop in path.ways("pike", NEWEST, ["keystone"])[0].hops]
    assert [id for id in ids if id.startswith("keystone/") and id.endswith("/sync")] == [
        f"keystone/{name}/sync" for name in releases
    ]
    assert "placement/stein/extract" in behind(plan, "nova/rocky/online")
    assert {"nova/train/before", "placement/stein/before"} <= behind(plan, "placement/stein/extract")
    assert "nova/stein/sync" not in behind(plan, "placement/stein/extract")
    # services go beside each other
    assert not behind(plan, "keystone/queens/sync") & {"glance/queens/sync", "nova/queens/sync"}
    (point,) = plan.find(purpose=window.POINT)
    assert point.args["schemas"] == [
        *("keystone", "glance", "placement", "cinder", "nova_api", "nova", "nova_cell0", "neutron")
    ]
    (sync,) = (step for step in plan.steps if step.id == "nova/queens/sync")
    assert sync.args["cells"] == ["nova", "nova_cell0"] and sync.args["dump"].endswith("/nova-queens")


def test_what_is_filled_at_once_is_told_with_its_statement_unless_every_row_is_to_be_the_releases_own() -> None:
    known = facts("2024.1")
    told = [(say(one.summary), one.detail) for one in planner.whole(known, {}, "an-id", Path("work")).findings]
    said = [(what, detail) for what, detail in told if "by one statement" in what]
    assert [what.split(":")[0] for what, _ in said] == [
        "nova queens",
        "nova rocky",
        "nova stein",
        "nova train",
        "nova 2024.1",
    ]
    assert said[0][1] == "UPDATE block_device_mapping SET uuid = UUID() WHERE uuid IS NULL"
    known = dataclasses.replace(known, row_by_row=True)
    plan = whole(known)
    assert not [one for one in plan.findings if "by one statement" in say(one.summary)]
    online = [step.args.get("row_by_row") for step in plan.steps if step.kind == "upgrade.online"]
    assert online and all(online)


def test_the_queue_that_comes_is_ready_before_the_first_service_starts_and_nova_knows_it_by_then() -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    content["queues"] = [{"name": "main", "hosts": "db1"}]
    content["next"]["queues"] = [{"name": name, "hosts": "tools1"} for name in ("rpc", "notifications")]
    plan = whole(facts("queens", of=sites.parse(content, Path("site.yaml"))))
    assert {"window", "queue/rpc/again", "queue/notifications/again"} <= behind(plan, "queue/rpc")
    assert "start/keystone@ctl1" in behind(plan, "queue/rpc/again")
    (cells,) = plan.find(purpose=queue_steps.CELLS)
    assert cells.args["new"] == ["tools1:5672"] and "db1:5672" in cells.args["old"] and cells.unit == window.CLOUD
    assert cells.id in behind(plan, "nova/queens/online") and "start/keystone@ctl1" in behind(plan, cells.id)
    # where Nova stays as it is, so do its cells
    alone = facts("queens", "glance", of=sites.parse(content, Path("site.yaml")))
    assert not list(whole(alone).find(purpose=queue_steps.CELLS))


def test_what_other_hosts_need_is_done_between_the_hops_and_the_start_and_taken_back_before_the_databases() -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    content["hosts"] += [{"name": name} for name in ("new1", "lb1", "lb2")]
    front = {"address": "10.0.0.5", "managed": {"unit": "keepalived"}}
    balancer = {"name": "api", "kind": "haproxy", "managed": {"unit": "haproxy"}, "socket": "/run/haproxy.sock"}
    content |= {"virtual_addresses": [{**front, "hosts": "lb1"}], "load_balancers": [{**balancer, "hosts": "lb1"}]}
    content["next"] |= {
        "virtual_addresses": [{**front, "hosts": "lb2"}],
        "load_balancers": [{**balancer, "hosts": "lb2"}],
    }
    for one in content["next"]["services"]:
        one["hosts"] = ["new1"] if one["name"] != "nova-compute" else one["hosts"]
    known = facts("queens", of=sites.parse(content, Path("site.yaml")))
    known.moved.append(Moved("nova", "nova-conductor", "ctl1", "new1"))
    known.endpoints.append(Address("nova-api", "http://ctl1:8774", "http://10.0.0.5:8774", 1))
    plan = whole(known)
    moves = ["", "/off@lb1", "/on@lb2", "/moved"]
    order = ["nova/queens/online", "records/nova", *(f"address/10.0.0.5{one}" for one in moves), "start/keystone@new1"]
    assert all(later in behind(plan, before) for before, later in itertools.pairwise(order))
    assert "endpoints" in behind(plan, "keystone/queens/sync") and "address/10.0.0.5" in behind(plan, "endpoints")
    by_id = {step.id: step for step in plan.steps}
    assert by_id["records/nova"].args["schemas"] == ["nova", "nova_cell0"]
    assert by_id["address/10.0.0.5"].args["back"] and by_id["address/10.0.0.5/off@lb1"].args["do"] == "mask"
    assert {"behind/api@lb2", "address/10.0.0.5/after"} <= behind(plan, "start/nova-conductor@new1")
    changes = {one["service"]: (one["old"], one["new"]) for one in by_id["behind/api@lb2"].args["changes"]}
    assert changes["nova-api"] == (["ctl1:8774", "ctl2:8774"], ["new1:8774"])
    # nothing of it where all stays where it is
    stays = whole(facts("queens"))
    assert not [
        step.id for step in stays.steps if step.kind in ("upgrade.records", "upgrade.address", "upgrade.behind")
    ]


def test_addresses_that_one_program_manages_leave_and_come_together() -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    content["hosts"] += [{"name": name} for name in ("lb1", "lb2")]
    for part, host in ((content, "lb1"), (content["next"], "lb2")):
        part["virtual_addresses"] = [
            {"address": address, "managed": {"unit": "keepalived"}, "hosts": host}
            for address in ("10.0.0.5", "10.0.0.6")
        ]
    plan = whole(facts("queens", of=sites.parse(content, Path("site.yaml"))))
    # of both it is seen where they are before one of them leaves, with which the other one goes
    before = ["address/10.0.0.5", "address/10.0.0.6", "address/10.0.0.5/off@lb1", "address/10.0.0.5/on@lb2"]
    order = [*before, "address/10.0.0.5/moved", "address/10.0.0.6/moved", "start/keystone@ctl1"]
    assert all(later in behind(plan, one) for one, later in itertools.pairwise(order))
    assert not {"address/10.0.0.6/off@lb1", "address/10.0.0.6/on@lb2"} & {step.id for step in plan.steps}


def test_old_compute_services_are_told_to_leave_guests_alone_before_they_are_stopped() -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    content["queues"] = [{"name": "main", "hosts": "db1", "management": {"user": "u", "password": {"file": "p"}}}]
    (nova,) = (one for one in content["services"] if one["name"] == "nova-compute")
    known = facts("queens", of=sites.parse(content, Path("site.yaml")))
    assert any("nova-compute on c[1:2]" in say(one.summary) for one in whole(known).findings)
    (later,) = (one for one in content["next"]["services"] if one["name"] == "nova-compute")
    later["hosts"] = ["c2"]
    told = [say(one.summary) for one in whole(facts("queens", of=sites.parse(content, Path("site.yaml")))).findings]
    assert "nova-compute runs on c1, where next: has none of queens" in told
    later["hosts"] = ["c[1:2]"]
    nova["config"] = ["/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"]
    later["config"] = "/etc/next/nova.conf"
    plan = whole(facts("queens", of=sites.parse(content, Path("site.yaml"))))
    assert not any("nova-compute on" in say(one.summary) for one in plan.findings)
    quiet = {step.id: step for step in plan.find(purpose="quiet")}
    assert set(quiet) == {"quiet/nova-compute@c1", "quiet/nova-compute@c2"}
    assert quiet["quiet/nova-compute@c1"].args["file"] == "/etc/nova/nova-compute.conf"
    assert "stop/nova-compute@c1" in behind(plan, "quiet/nova-compute@c1")
    assert "stop/nova-compute@c2" not in behind(plan, "quiet/nova-compute@c1")
    # the way back removes messages before it restores, and only once there is something to restore
    assert "purge/main" in behind(plan, "main/point") and "nova/queens/sync" in behind(plan, "purge/main")


def test_the_window_is_behind_its_gate_and_in_its_order() -> None:
    plan = whole(facts("queens"))
    begins = behind(plan, "window")
    found = {step.id for step in plan.find(purpose=window.FOUND)}
    ahead = {"found/nova-compute@c1", "found/nova-compute@c2"}
    assert found - ahead == {
        f"found/{name}@{host}" for name in ("keystone", "nova-api", "nova-conductor") for host in CONTROLLERS
    }
    assert all("window" in behind(plan, id) for id in found - ahead)
    assert {step.id for step in plan.find(unit=window.AHEAD)} == ahead and not behind(plan, "found/nova-compute@c1")
    mine = {step.id for step in plan.steps if step.unit == window.CLOUD}
    assert mine - begins == {"window"}
    assert begins - mine == {step.id for unit in (window.NEW, window.END) for step in plan.find(unit=unit)}
    stops = {step.id for step in plan.steps if step.purpose in (window.STOP, window.STOP_API)}
    computes = {"stop/nova-compute@c1", "stop/nova-compute@c2"}
    assert stops - computes == {
        *("stop-api/keystone@ctl1", "stop-api/keystone@ctl2", "stop-api/nova-api@ctl1", "stop-api/nova-api@ctl2"),
        *("stop/nova-conductor@ctl1", "stop/nova-conductor@ctl2", "stop/nova-old@ctl1", "stop/nova-old@ctl2"),
    }
    assert all("main/point" in behind(plan, id) for id in stops - computes)
    after = behind(plan, "main/point")
    assert {"nova/queens/sync", "start/nova-api@ctl2", "start/nova-compute@c1"} <= after and not stops & after
    assert "start/nova-api@ctl1" in behind(plan, "answer/keystone@ctl2")
    assert "enable/keystone@ctl1" in behind(plan, "answer/nova-api@ctl2")  # when users are served again
    # a compute host that does not answer holds up nothing but itself
    assert {step.id for step in plan.steps if step.unit == window.OLD} == computes
    for host in ("c1", "c2"):
        assert behind(plan, f"stop/nova-compute@{host}") == {
            f"start/nova-compute@{host}",
            f"enable/nova-compute@{host}",
        }
    held = {step.id: step.gate for step in plan.steps if step.gate}
    of_computes = dict.fromkeys(computes, "run") | dict.fromkeys(ahead, "prepare")
    assert held == {"window": "run", "agents": "agents", "finalize": "finalize", **of_computes}
    assert set(plan.gates) == {"prepare", "run", "agents", "finalize"}
    # the way back is given up after what is done for it on the host, and on all hosts
    forgotten = {step.args["host"] for step in plan.steps if step.kind == "host.forget"}
    assert forgotten == {"ctl1", "ctl2", "db1", "c1", "c2"}
    assert behind(plan, "dumps@db1") == {f"forget@{host}" for host in forgotten}


def test_of_some_services_no_others_are_touched() -> None:
    plan = whole(facts("queens", "keystone"))
    touched = {step.about.name for step in plan.steps if step.about and step.about.kind == "service"}
    assert touched == {"keystone"}


def test_what_is_known_before_is_said() -> None:
    blocks = Finding(
        "blocks", "cinder", "queens", "cinder", "volumes without a host", 2, ("a", "b"), "delete them", "SELECT"
    )
    unknown = Finding("unknown", "nova", "queens", "computes", "libvirt", 0, (), "see there", "libvirtd --version")
    found = whole(facts("queens", findings=(blocks, unknown))).findings
    said = {(one.severity, say(one.summary), say(one.hint)) for one in found}
    assert ("error", "cinder queens: volumes without a host: 2 in cinder", "delete them") in said
    assert ("warning", "not known: nova queens: libvirt (computes)", "see there") in said
    texts = [say(one.summary) for one in found]
    assert "nova-old has no service of queens under next:" in texts
    assert any("shared_targets_online_data_migration is left out" in text for text in texts)
    assert any("db1, a host of the database" in text for text in texts)
    without = whole(facts("queens", of=site("queens", next={})))
    assert "window" not in {step.id for step in without.steps} and not without.gates
    assert any("no services of queens under next" in say(one.summary) for one in without.findings)


def test_a_program_that_is_new_in_a_release_has_to_be_among_those_that_are_to_come() -> None:
    def missing(goal: str, *names: str) -> list[str]:
        services = [
            {"name": name, "hosts": ["ctl1"], "release": goal, "managed": {"unit": f"{name}.service"}} for name in names
        ]
        texts = [say(one.summary) for one in whole(facts(goal, of=site(goal, next={"services": services}))).findings]
        return [text.partition(" of ")[0] for text in texts if "it has to run" in text]

    assert missing("2025.1", "neutron-server") == []
    assert missing("2026.1", "neutron-api") == ["neutron-rpc-server", "neutron-periodic-workers"]
    assert missing("2026.1", "neutron-api", "neutron-rpc-server", "neutron-periodic-workers") == []
    assert missing("2026.1", "keystone") == []


def test_schemas_that_cannot_be_found_are_one_clear_error() -> None:
    none = Server("10.11", "utf8mb3", "utf8mb3_general_ci", {})
    with pytest.raises(InputError, match="no database of the site has one of them"):
        whole(facts("queens", "cinder", server=none))
    with pytest.raises(InputError, match="comes out of Nova's databases"):
        whole(facts("stein", "placement"))


def test_a_rehearsal_works_on_the_copy_alone() -> None:
    plan = planner.rehearsal(facts(), 2, "an-id", 256, [])
    plan.check()
    on_site = [step.id for step in plan.steps if step.args.get("database")]
    assert on_site == ["main/dump"]  # it reads
    assert all(step.args.get("scratch") for step in plan.steps if step.kind.startswith("upgrade."))
    assert {f"nova/{NEWEST}/check", "main/back"} == behind(plan, f"nova/{NEWEST}/online")
    assert all(id in behind(plan, "cells") for id in ("keystone/queens/before", "nova/queens/sync"))


def test_own_checks_are_run_in_rehearsals_when_a_hop_is_done_and_beside_the_next_dump() -> None:
    plan = planner.rehearsal(facts("stein"), 2, "an-id", 256, [])
    checks = {step.id for step in plan.find(purpose=hops.CHECK)}
    # since which release a service has some
    assert checks == {f"nova/{name}/check" for name in ("queens", "rocky", "stein")} | {
        *("placement/stein/check", "cinder/stein/check", "neutron/stein/check")
    }
    assert "nova/queens/check" in behind(plan, "nova/queens/online")
    assert {"nova/rocky/sync", "main/back"} <= behind(plan, "nova/queens/check")
    assert "nova/rocky/before" not in behind(plan, "nova/queens/check")
    assert "main/back" in behind(plan, "nova/stein/check")
    assert list(whole(facts("stein")).find(purpose=hops.CHECK)) == []


def test_a_window_has_begun_when_a_compute_host_alone_was_stopped(tmp_path: Path) -> None:
    steps = [
        Step("window", "noop", unit=window.CLOUD, limits=(), gate=window.WINDOW),
        Step("stop", "noop", unit=window.OLD, limits=()),
    ]
    with Journal.create(tmp_path, Plan(steps=steps, gates=[window.WINDOW])) as journal:
        assert not gates.has_begun(journal)
        Executor(journal, scope=Scope()).run()
        assert gates.has_begun(journal)


def test_what_is_to_run_is_of_the_wanted_release() -> None:
    known = site("queens")
    assert {one.name for one in known.coming("queens")} == {"keystone", "nova-api", "nova-conductor", "nova-compute"}
    assert known.coming(NEWEST) == [] and site(NEWEST, next=None).coming(NEWEST) == []
