"""A Pike cloud on hosts upgraded to Queens, and back, by the commands that an operator gives: whatever is killed."""

import contextlib
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.exceptions import ClientException

from naru.lab.hosted.cloud import SHIPPED
from naru.lab.lab import Lab
from naru.plan.queries import reading
from naru.releases import portable, release
from naru.upgrade.work import Work

from ..lab.hosted.scenario import Bus, boots_a_server, on, until
from ..lab.scenario import Rest, connect
from .cloud import CLOUD, failed, is_up, on_the_queue, seen, units
from .orders import begin, naru

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]

SEED = 20261130
PLACE = str(portable.place(release.load("queens")))
Sql = Callable[[str], str]


def test_there_and_back(
    pike: Lab, server: dict[str, Any], planned: Callable[..., str], live: Sql, on_database: Sql
) -> None:
    work = planned()
    before, schema = units(pike), live("SELECT version FROM nova.migrate_version")
    queue = queue_of_cell(live)
    # the environment is there, and nothing stands on it yet
    assert link_of_compute(pike) == "none" and on(pike.hosts(), "compute1", f"cat {PLACE}/.naru-tree")
    assert "not begun" in naru("rollback", work, code=2)[1]
    assert "the window is not over" in naru("agents", work, code=2)[1]
    assert "it is not frozen" in naru("run", work, code=2)[1]
    # what is asked all the time is a host, in place of a guest
    host = str(next(one for one in pike.hosts().hosts if one.name == "compute1").address("management").ip)
    guests = (f"{host}:22", f"icmp:{host}", f"kept:{host}:22")
    prober = begin("probe", work, *(word for one in guests for word in ("--guest", one)))
    naru("freeze", work, "--as", f"{CLOUD}-user")
    token = Path(work) / "tokens.json"
    assert token.stat().st_mode & 0o777 == 0o600
    naru("run", work)
    naru("run", work)  # once more does no harm
    assert "no compute service runs" in naru("thaw", work, code=2)[1]
    # while many statements run none begins
    sql = "mariadb --no-defaults --socket=/srv/naru/state/mariadb/mysqld.sock"
    on_database(f"for n in $(seq 40); do {sql} -e 'SELECT SLEEP(20)' >/dev/null 2>&1 </dev/null & done")
    _, errors = naru("agents", work, "--max-threads", "30")
    assert "red: threads 4" in errors and "none at a time" in errors, errors
    assert "it is only known that they run" not in errors, errors
    until(lambda: is_up(pike), "Queens' services")
    new = pike.hosts().host("mq1").address("management").ip
    assert queue_of_cell(live) == queue.replace(queue.partition("@")[2].partition(":")[0], str(new))
    with somebody_on_the_old_queue(pike):
        found = json.loads(naru("verify", work, "-f", "json", code=1)[0])
        (left,) = (one for one in found if one["judged"] == "wrong")
        assert (left["change"], left["number"]) == ("left on main", 1) and left["examples"][0].startswith("openstack f")
    found = json.loads(naru("verify", work, "-f", "json")[0])
    assert "wrong" not in {one["judged"] for one in found}, found
    assert not token.exists()  # Queens accepts it
    naru("thaw", work)
    assert live("SELECT version FROM nova.migrate_version") > schema
    until(lambda: is_up(pike), "Queens' services")
    assert (
        live("SELECT DISTINCT version FROM nova.services WHERE \\`binary\\` = 'nova-compute' AND deleted = 0") == "30"
    )
    assert seen(pike, server["id"]) == server
    assert boots_a_server(pike, CLOUD) == "compute1"
    assert link_of_compute(pike) == PLACE
    pid = "$(systemctl show -p MainPID next-nova-compute.service | cut -d= -f2)"
    assert on(pike.hosts(), "compute1", f"readlink /proc/{pid}/exe").startswith(f"{PLACE}/")
    now = units(pike)
    assert {state for unit, state in now.items() if unit.startswith("next-")} == {"active enabled"}
    assert {state for unit, state in now.items() if not unit.startswith("next-")} == {"inactive masked"}
    # users could write since: it is said what, and nothing done
    rest = Rest(connect(pike, f"{CLOUD}-user"))
    made = rest("network", "POST", "/v2.0/networks", {"network": {"name": "lost"}})["network"]["id"]
    _, errors = naru("rollback", work, code=2)
    assert "--lose-writes" in errors and units(pike) == now
    assert "made: 1 servers: t (" in errors and "networks, ports, routers" in errors, errors
    assert "kept" not in errors
    _, errors = naru("rollback", work, "--lose-writes")
    assert "lost: made: 1 servers" in errors
    lost = (Path(work) / "lost.txt").read_text().splitlines()
    assert any(line.startswith("made\tservers\tt (") and line.endswith(", compute1)") for line in lost), lost
    until(lambda: is_up(pike), "Pike's services")
    assert units(pike) == before and live("SELECT version FROM nova.migrate_version") == schema
    assert queue_of_cell(live) == queue and link_of_compute(pike) == "none"
    rest = Rest(connect(pike, f"{CLOUD}-user"))
    assert made not in {one["id"] for one in rest("network", "GET", "/v2.0/networks")["networks"]}
    assert seen(pike, server["id"]) == server
    assert boots_a_server(pike, CLOUD) == "compute1"
    assert "was rolled back" in naru("run", work, code=2)[1]
    _, errors = naru("verify", work)
    assert "nothing wrong" in errors, errors
    prober.send_signal(signal.SIGINT)
    out, errors = prober.communicate(timeout=60)
    assert prober.returncode == 0 and all(one in out for one in guests), (out, errors)
    naru("report", work)
    said = (Path(work) / "report" / "overview.en.md").read_text()
    assert "was taken back" in said and "lost: made: 1 servers" in said and f"| {host}:22 |" in said
    with administrator(pike):
        found = json.loads(naru("verify", work, "-f", "json", code=1)[0])
    told = {(one["change"], one["field"]) for one in found if one["kind"] == f"answers to {CLOUD}-user"}
    refused = {("was refused, is answered", service) for service in ("compute", "identity", "block-storage", "image")}
    assert told >= {*refused, ("shows now what is not the user's", "network")}, told


def link_of_compute(lab: Lab) -> str:
    """Where the link leads under which the compute host's new service finds its environment; none before it."""
    return on(lab.hosts(), "compute1", f"readlink {SHIPPED} || echo none")


@contextlib.contextmanager
def administrator(lab: Lab) -> Iterator[None]:
    """The member is an administrator, as everybody is where policies are gone."""
    user, rest = connect(lab, f"{CLOUD}-user").session, Rest(connect(lab, CLOUD))
    admin = next(one["id"] for one in rest("identity", "GET", "/roles")["roles"] if one["name"] == "admin")
    grant = f"/projects/{user.get_project_id()}/users/{user.get_user_id()}/roles/{admin}"
    rest("identity", "PUT", grant)
    try:
        yield
    finally:
        rest("identity", "DELETE", grant)


def queue_of_cell(live: Sql) -> str:
    """The URL of the message queue that Nova's cell has, without the password."""
    return live("SELECT REGEXP_REPLACE(transport_url, ':[^:@]*@', '@') FROM nova_api.cell_mappings WHERE id > 1")


def somebody_on_the_old_queue(pike: Lab) -> contextlib.AbstractContextManager[None]:
    """A program that nobody has told of the new one."""
    return on_the_queue(pike, "stray", "kombu.Connection(url).connect()")


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.releases)])
def test_whenever_it_is_killed_it_comes_to_its_end_and_back(
    pike: Lab, server: dict[str, Any], planned: Callable[..., str], live: Sql, kills: int
) -> None:
    work, pick = planned(), random.Random(SEED)
    before, schema = units(pike), live("SELECT version FROM nova.migrate_version")

    def killed(times: int, *words: str) -> None:
        for _ in range(times):
            process = begin(*words)
            time.sleep(pick.uniform(1.2, 9))
            process.kill()
            process.communicate(timeout=60)
        naru(*words)

    naru("freeze", work)
    killed(kills, "run", work)
    killed(1, "agents", work)
    until(lambda: is_up(pike), "Queens' services")
    assert seen(pike, server["id"]) == server and link_of_compute(pike) == PLACE
    # users were refused all the time: nothing of theirs is lost
    killed(kills - 1, "rollback", work)
    naru("thaw", work)
    until(lambda: is_up(pike), "Pike's services")
    assert units(pike) == before and live("SELECT version FROM nova.migrate_version") == schema
    assert seen(pike, server["id"]) == server and link_of_compute(pike) == "none"


@pytest.mark.releases  # it waits for Nova to look after guests again
def test_where_a_schema_step_was_cut_off_one_can_turn_back(
    pike: Lab, server: dict[str, Any], planned: Callable[..., str], on_database: Sql, live: Sql
) -> None:
    work = planned()
    before, schema = units(pike), live("SELECT version FROM nova.migrate_version")
    # its guest is off, as if its user had stopped it after the dump; and Nova would look after it, as it does elsewhere
    live(f"UPDATE nova.instances SET power_state = 4 WHERE uuid = '{server['id']}'")
    interval = "sed -i 's/^sync_power_state_interval = {}/sync_power_state_interval = {}/' {}"
    file = "/srv/naru/etc/nova/nova-compute.conf"
    on(pike.hosts(), "compute1", interval.format(-1, 600, file))
    cutting = "for n in $(seq 1200); do pkill -KILL -f '[b]in/nova-manage .*db sync' && exit; sleep 0.05; done; exit 1"
    process = begin("run", work, "--without-freeze", "a test")
    on_database(cutting)
    with process:
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 1, errors
    assert "schema steps of nova queens" in failed(work)
    say_on_the_queue(pike, "compute.compute1")
    assert "it was not rolled back" in naru("guests", work, code=2)[1]
    # nothing was started: users cannot have written, and nobody is asked
    _, errors = naru("rollback", work)
    assert "nova-compute on compute1 leaves guests as they are" in errors, errors
    until(lambda: is_up(pike), "Pike's services")
    assert units(pike) == before and live("SELECT version FROM nova.migrate_version") == schema
    assert seen(pike, server["id"]) == server
    assert removed_from_queues(work)["compute.compute1"] == 1
    with virsh(pike, server["id"]):
        (one,) = json.loads(naru("guests", work, "-f", "json", code=1)[0])
    said = (one["server"], one["guest"], one["nova"], one["then"])
    assert said == (server["id"], "off", "active", "Nova records it as stopped")
    on(pike.hosts(), "compute1", "grep -q 'Skipping periodic task _sync_power_states' /srv/naru/log/nova-compute.log")
    assert seen(pike, server["id"]) == server  # Nova has left it as it is
    naru("settle", work)
    rest = Rest(connect(pike, f"{CLOUD}-user"))
    rest.wait_server(server["id"], "SHUTOFF")  # and looks after it now
    on(pike.hosts(), "compute1", "! grep -r 'guests are left' /srv/naru/etc/nova")
    naru("settle", work)  # once more does no harm
    rest("compute", "POST", f"/servers/{server['id']}/action", {"os-start": None})
    rest.wait_server(server["id"], "ACTIVE")
    assert seen(pike, server["id"]) == server
    on(pike.hosts(), "compute1", f"{interval.format(600, -1, file)} && systemctl restart nova-compute")


def say_on_the_queue(pike: Lab, queue: str) -> None:
    """A message of before waits in a queue of the services that run."""
    address = pike.hosts().host("db1").address("management").ip
    bus = Bus(f"http://{address}:15672/api", (pike.directory / CLOUD / "password").read_text().strip())
    bus.publish(queue, "{}")
    until(lambda: bus.waiting(queue) == 1, "the message is counted")


def removed_from_queues(work: str) -> dict[str, int]:
    """The messages that the way back has removed, by queue."""
    with Work(Path(work)).journal() as journal, reading(journal) as now:
        (step,) = now.steps(kind="upgrade.purge.undo", result=True, rollbacks=True)
        found: dict[str, int] = step.result["queues"]
        return found


@contextlib.contextmanager
def virsh(pike: Lab, server: str) -> Iterator[None]:
    """libvirt's client on the compute host, as it would tell of one guest that is off."""
    script = f"#!/bin/sh\\ncase $* in *--all* | *-shutoff*) echo {server} ;; esac\\n"
    path = "/usr/local/bin/virsh"
    on(pike.hosts(), "compute1", f"test ! -e {path} && printf '{script}' >{path} && chmod 755 {path}")
    try:
        yield
    finally:
        on(pike.hosts(), "compute1", f"rm {path}")


@pytest.mark.releases  # it is waited for over and over
def test_a_compute_host_that_does_not_answer_holds_up_nothing_but_itself(
    pike: Lab, server: dict[str, Any], planned: Callable[..., str]
) -> None:
    work, before = planned(), units(pike)
    hosts = pike.hosts()

    hosts.link("compute1", "management", up=False)
    try:
        naru("run", work, "--without-freeze", "a test", code=1)
        assert "the old nova-compute on compute1" in failed(work)  # it is the first that would be told something
        naru("agents", work, code=1)
        until(lambda: is_up(pike, but="compute1"), "Queens' services")
        _, errors = naru("rollback", work, "--lose-writes")  # nothing was ever done there
        assert "nova-compute on compute1 was not told to leave guests as they are" in errors, errors
        until(lambda: is_up(pike, but="compute1"), "Pike's services")
    finally:
        hosts.link("compute1", "management", up=True)
    hosts.wait(["compute1"])
    naru("rollback", work)
    until(lambda: is_up(pike), "Pike's services")
    assert units(pike) == before and seen(pike, server["id"]) == server


@pytest.mark.releases  # the cable is out for half a minute
def test_what_cannot_be_shipped_holds_up_nothing_and_is_shipped_when_services_start(
    pike: Lab, server: dict[str, Any], tmp_path: Path
) -> None:
    work, before, hosts = str(tmp_path / "work"), units(pike), pike.hosts()
    naru("plan", "--site", str(pike.site_yaml), "--to", "queens", "--work", work, "--rehearsals", "0")
    on(hosts, "compute1", "rm -rf /opt/naru; mkdir -p /opt/naru; mount -t tmpfs -o size=50m none /opt/naru")
    naru("prepare", work, code=1)
    assert "compute1: there is no room for /opt/naru/queens-" in failed(work)
    assert on(hosts, "compute1", "ls -A /opt/naru; umount /opt/naru") == ""
    hosts.link("compute1", "management", up=False)
    try:
        naru("prepare", work, code=1)
        assert "compute1" in failed(work)
    finally:
        hosts.link("compute1", "management", up=True)
    hosts.wait(["compute1"])
    naru("run", work, "--without-freeze", "a test")
    assert on(hosts, "compute1", "ls -A /opt/naru") == ""  # in the window nothing is shipped
    naru("rate", work, "40M")
    naru("agents", work)
    until(lambda: is_up(pike), "Queens' services")
    assert link_of_compute(pike) == PLACE
    naru("rollback", work, "--lose-writes")
    until(lambda: is_up(pike), "Pike's services")
    assert units(pike) == before and seen(pike, server["id"]) == server and link_of_compute(pike) == "none"


@pytest.mark.releases  # what is refused, and when it is asked, is tested on journals as well
def test_it_is_refused_until_it_was_rehearsed_and_fits_the_window(pike: Lab, planned: Callable[..., str]) -> None:
    work, before = planned("--rehearsals", "1", "--window", "1s", "--services", "glance"), units(pike)
    assert "0 of 1 wanted rehearsals are done" in naru("run", work, code=2)[1]
    naru("rehearse", work)
    _, errors = naru("run", work, code=2)
    assert "there and back take" in errors and "the window has 1.0 s" in errors
    assert units(pike) == before
    naru("freeze", work)
    # it takes longer than its window: it is asked whether to go on, and nobody is there to answer
    _, errors = naru("run", work, "--without-rehearsal", "a test", code=3)
    assert "the last moment to turn back within it is" in errors and "--go-on REASON" in errors, errors
    assert "--go-on REASON" in naru("run", work, code=3)[1]
    said = json.loads(naru("status", work, "-f", "json")[0])
    assert said["turn back by"] < said["window ends"] and said["state"] != "paused"
    naru("run", work, "--go-on", "a test")
    assert seen_by_glance(pike) and units(pike)["nova-api.service@ctl1"] == "active enabled"
    # the gates of other services were open, and these write for users
    assert "--lose-writes" in naru("rollback", work, code=2)[1]
    naru("rollback", work, "--lose-writes")
    until(lambda: seen_by_glance(pike), "Pike's Glance behind the load balancer")
    assert units(pike) == before
    naru("thaw", work)


def seen_by_glance(lab: Lab) -> list[Any]:
    try:
        found: list[Any] = Rest(connect(lab, CLOUD))("image", "GET", "/v2/images")["images"]
    except ClientException:
        return []
    return found


def test_somebody_who_writes_stops_the_window_before_anything_is_changed(
    pike: Lab, planned: Callable[..., str], live: Sql, on_database: Sql
) -> None:
    work, before = planned(), units(pike)
    sql = "mariadb --no-defaults --socket=/srv/naru/state/mariadb/mysqld.sock glance"
    row = "REPLACE INTO tasks (id, type, status, owner, created_at, updated_at, deleted)"
    on_database(
        "systemd-run --unit=writer sh -c 'while :; do "
        f'echo "{row} VALUES (7, 7, 7, 7, NOW(), NOW(), 1)" | {sql}; sleep 0.2; done\''
    )
    try:
        naru("run", work, "--without-freeze", "a test", code=1)
        assert "somebody wrote to glance.tasks" in failed(work)
        naru("rollback", work)
    finally:
        on_database("systemctl stop writer")
        live("DELETE FROM glance.tasks WHERE id = 7")
    until(lambda: is_up(pike), "Pike's services")
    assert units(pike) == before


@pytest.mark.releases
@pytest.mark.last  # the cloud is Queens from then on
def test_the_way_back_is_given_up_when_all_is_done(
    pike: Lab, server: dict[str, Any], planned: Callable[..., str], on_database: Sql
) -> None:
    work = planned()
    naru("verify", work, "--before")
    naru("run", work, "--without-freeze", "a test")
    assert "steps of compute services and agents are left" in naru("finalize", work, code=2)[1]
    naru("agents", work)
    until(lambda: is_up(pike), "Queens' services")
    assert "it was not compared" in naru("finalize", work, code=2)[1]
    naru("verify", work)
    plan = Work(Path(work)).plan_id
    left = f"find /var/lib/naru/upgrade/{plan} /var/lib/naru/{plan} -type f 2>/dev/null || true"
    assert "window/main" in on_database(left)
    process = begin("finalize", work)
    time.sleep(2)
    process.kill()
    process.communicate(timeout=60)
    claim = "cat /var/lib/naru/upgrade/claim 2>/dev/null || true"
    assert on_database(claim).startswith(f"{plan}\n")
    naru("finalize", work)
    naru("finalize", work)
    assert on_database(left) == on_database(claim) == ""
    assert "it was finalized: there is no way back" in naru("rollback", work, "--lose-writes", code=2)[1]
    assert seen(pike, server["id"]) == server
