"""What is concluded of what databases, queues, power controllers, load balancers and storage say."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError, NaruError
from naru.site import haproxy, power, rabbitmq, tunnel
from naru.site import site as sites
from naru.site.check import addresses, balancers, databases, queues, storage, write_gates
from naru.site.check import power as check_power
from naru.site.check.look import Look, Missed
from naru.site.check.result import Results
from naru.site.power import Status
from naru.site.write_gate.running import STOPPED, Gates

from .looks import RUNS, bad, look, site

pytestmark = pytest.mark.unit

# -- databases

ALL = ["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` IDENTIFIED BY PASSWORD '*A' WITH GRANT OPTION"]
SYNCED = {
    **{"wsrep_ready": "ON", "wsrep_cluster_status": "Primary", "wsrep_local_state_comment": "Synced"},
    **{"wsrep_cluster_size": "3", "wsrep_cluster_state_uuid": "u"},
}
GALERA = """
databases:
  - {name: main, kind: galera, hosts: "ctl[1:3]", user: root, password: {file: x}}
"""


def test_rights_are_read_from_grants() -> None:
    assert databases.missing(ALL) == {}
    some = ["GRANT SELECT, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT, RELOAD, DROP, CREATE (a, b) ON *.* TO 'x'@'%'"]
    assert set(databases.missing(some)) == {"create", "process"}
    assert databases.missing(some)["create"] == [
        *("ALTER", "CREATE VIEW", "DELETE", "INDEX", "INSERT", "REFERENCES", "UPDATE")
    ]
    assert set(databases.missing(["GRANT ALL PRIVILEGES ON `nova`.* TO 'x'@'%'", "GRANT `role` TO 'x'@'%'"])) == {
        *("dump", "create", "drop", "process")
    }


def of_cluster(**statuses: dict[str, str]) -> dict[tuple[str, str, str], str]:
    given = site(GALERA)
    answers = {host: databases.Server("10.11", ALL, [], status) for host, status in statuses.items()}
    results = Results()
    databases.judge(given, given.part.databases[0], {host: look(host) for host in answers}, answers, results)
    return bad(results)


def test_a_galera_cluster_is_whole_or_told_of() -> None:
    assert of_cluster(ctl1=SYNCED, ctl2=SYNCED, ctl3=SYNCED) == {}
    split = SYNCED | {"wsrep_cluster_status": "non-Primary", "wsrep_ready": "OFF", "wsrep_cluster_size": "1"}
    assert of_cluster(ctl1=SYNCED, ctl2=SYNCED, ctl3=split) == {
        ("wrong", "databases.main", "ctl3"): "wsrep_ready is OFF, wsrep_cluster_status is non-Primary",
        ("wrong", "databases.main.hosts", "ctl3"): "the cluster has 1 members, and the site 3",
    }
    other = SYNCED | {"wsrep_cluster_state_uuid": "v"}
    assert of_cluster(ctl1=SYNCED, ctl2=SYNCED, ctl3=other) == {
        ("wrong", "databases.main.hosts", ""): "they are of several clusters"
    }
    assert ("wrong", "databases.main.kind", "ctl2") in of_cluster(ctl1=SYNCED, ctl2={}, ctl3=SYNCED)


def test_the_address_at_which_a_host_s_own_database_is_asked() -> None:
    given = site(GALERA)
    database, host = given.part.databases[0], given.hosts["ctl1"]
    for listening, address in (
        ([("", 3306)], "10.0.0.11"),
        ([("192.168.1.11", 3306)], "192.168.1.11"),
        ([("192.168.1.11", 3306), ("10.0.0.11", 3306)], "10.0.0.11"),
        ([], "10.0.0.11"),
    ):
        assert databases.where(database, host, look(listening=listening)) == address


# -- queues

QUEUE = """
queues:
  - {name: main, hosts: "ctl[1:3]", management: {user: naru, password: {file: x}}}
"""


def of_queue(answers: dict[str, queues.Answer], content: str = QUEUE) -> dict[tuple[str, str, str], str]:
    given = site(content)
    looks = {name: look(name, listening=[("", 5672)]) for name in given.hosts}
    results = Results()
    queues.judge(given, given.part.queues[0], looks, answers, results)
    return bad(results)


def broker(*nodes: dict[str, Any], tags: str = "administrator") -> queues.Broker:
    every = [{"name": f"rabbit@ctl{number}", "running": True} for number in (1, 2, 3)]
    for number, more in enumerate(nodes):
        every[number] |= more
    return queues.Broker([tags], every, ["/"])


def test_a_cluster_of_queues_is_whole_or_told_of() -> None:
    assert of_queue({"ctl1": broker()}) == {}
    found = of_queue({"ctl1": broker({"mem_alarm": True}, {"partitions": ["rabbit@ctl3"]}, {"running": False})})
    assert found["wrong", "queues.main.hosts", "ctl1"] == "the node rabbit@ctl3 of its cluster does not run"
    assert found["wrong", "queues.main", "ctl1"] == "rabbit@ctl2 is parted from rabbit@ctl3"
    found = of_queue({"ctl1": broker({"disk_free_alarm": True})})
    assert "alarm for disk: publishers are blocked" in found["wrong", "queues.main", "ctl1"]
    found = of_queue(
        {"ctl1": rabbitmq.Refused("HTTP 403", code=403), "ctl2": tunnel.Closed("10.0.0.12:15672: refused")}
    )
    assert ("wrong", "queues.main.management.user", "ctl1") in found
    assert ("wrong", "queues.main.management.url", "ctl2") in found


def test_a_queue_without_management_says_nothing_of_its_virtual_hosts() -> None:
    content = 'queues:\n  - {name: main, hosts: "ctl[1:3]", vhosts: /nova}\n'
    assert list(of_queue({}, content)) == [("unknown", "queues.main.vhosts", "")]
    assert of_queue({}, content.replace(", vhosts: /nova", "")) == {}


# -- power controllers

POWER = """
power: {user: admin, password: {file: x}}
hosts:
  - {name: "ctl[1:3]", address: "10.0.0.[11:13]", power: {address: "10.0.9.[11:13]"}}
"""
ONE, OTHER = "12345678-9abc-def0-1122-334455667788", "78563412-bc9a-f0de-1122-334455667788"


def of_power(answers: dict[str, check_power.Answer], looks: dict[str, Look]) -> dict[tuple[str, str, str], str]:
    given = sites.parse(yaml.safe_load("naru_site: 1\nname: x\n" + POWER), Path("site.yaml"))
    results = Results()
    missed_ = {name: Missed("address", "x", "y") for name in given.hosts if name not in looks}
    check_power.judge(given, looks, missed_, answers, results)
    return bad(results)


def test_a_controller_is_that_of_its_host() -> None:
    looks = {"ctl1": look("ctl1", uuid=ONE), "ctl2": look("ctl2", uuid="a" * 32)}
    assert of_power({"ctl1": [Status(True, uuid=OTHER)]}, looks) == {}
    assert of_power({"ctl1": [Status(True, name="CTL1.example.org", uuid="b" * 32)]}, looks) == {}
    assert of_power({"ctl2": [Status(True, uuid=ONE)]}, looks) == {
        ("wrong", "hosts.ctl2.power.address", "ctl2"): "it is the controller of ctl1"
    }
    assert (
        "of another machine"
        in of_power({"ctl1": [Status(True, uuid="c" * 32)]}, looks)["wrong", "hosts.ctl1.power.address", "ctl1"]
    )
    assert ("unknown", "hosts.ctl1.power.address", "ctl1") in of_power({"ctl1": [Status(True)]}, looks)
    chassis = [Status(True, uuid="d" * 32), Status(True, uuid=ONE)]
    assert of_power({"ctl1": chassis}, looks) == {}
    assert ("unknown", "hosts.ctl2.power.address", "ctl2") in of_power({"ctl2": chassis}, looks)
    assert (
        "whether that is ctl1 is not known"
        in of_power({"ctl1": [Status(True, name="other")]}, looks)["unknown", "hosts.ctl1.power.address", "ctl1"]
    )
    # what all boards say is nobody's
    same = {"ctl1": look("ctl1", uuid=ONE), "ctl2": look("ctl2", uuid=ONE)}
    assert ("unknown", "hosts.ctl2.power.address", "ctl2") in of_power({"ctl2": [Status(True, uuid=ONE)]}, same)


def test_what_a_controller_says_is_so() -> None:
    looks = {"ctl1": look("ctl1")}
    assert of_power({"ctl1": [Status(False, name="ctl1")]}, looks) == {
        ("wrong", "hosts.ctl1.power", "ctl1"): "it says off, and the host runs: it answered by SSH"
    }
    assert of_power({"ctl2": [Status(False, name="ctl2")]}, looks) == {}
    assert (
        "9.0 s to answer"
        in of_power({"ctl1": [Status(True, name="ctl1", seconds=9)]}, looks)["wrong", "hosts.ctl1.power", "ctl1"]
    )
    assert ("unknown", "hosts.ctl1.power", "ctl1") in of_power({"ctl1": [Status(None, name="ctl1")]}, looks)
    for error, state, field in (
        (power.NoAnswer("none"), "wrong", "power.address"),
        (power.Denied("no"), "wrong", "power.password"),
        (power.Untrusted("no"), "wrong", "power.certificate"),
        (InputError("no file"), "wrong", "power.password"),
        (NaruError("ipmitool is not installed on this machine"), "unknown", "power"),
    ):
        assert (state, f"hosts.ctl1.{field}", "ctl1") in of_power({"ctl1": error}, looks)


IPMITOOL = """#!/bin/sh
echo "$*" >>{log}
[ "$IPMI_PASSWORD" = secret ] || {{ echo 'Error: Unable to establish IPMI v2 / RMCP+ session' >&2
    echo 'RAKP 2 HMAC is invalid' >&2; exit 1; }}
case $* in
*'power status') echo 'Chassis Power is on' ;;
*'mc guid') echo 'System GUID  : {uuid}'; echo 'Timestamp : 1' ;;
esac
"""


def test_ipmitool_gets_the_password_where_nobody_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ipmitool").write_text(IPMITOOL.format(log=tmp_path / "log", uuid=ONE))
    (tmp_path / "ipmitool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    own = power.Power.model_validate(
        {"address": "10.0.9.1", "protocol": "ipmi", "user": "admin", "password": {"file": "x"}, "port": 6230}
    )
    (found,) = power.statuses(own, "secret", None)
    assert found.on is True and found.uuid == ONE
    said = (tmp_path / "log").read_text()
    assert "-H 10.0.9.1 -U admin -E" in said and "-p 6230" in said and "secret" not in said
    with pytest.raises(power.Denied):
        power.statuses(own, "wrong", None)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(NaruError, match="ipmitool is not installed"):
        power.statuses(own, "secret", None)


# -- load balancers, addresses, storage

STAT = """# pxname,svname,qcur,status,type,check_status,addr
nova_api,ctl1,0,UP,2,L7OK,10.0.0.11:8774
nova_api,ctl2,0,DOWN,2,* L4CON,10.0.0.12:8774
v6,ctl3,0,no check,2,,[fd00::13]:8774

"""
OLD_STAT = "# pxname,svname,qcur,status,type\nnova_api,ctl1,0,UP,2\n"
STATE = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_port\n3 nova_api 1 ctl1 10.0.0.11 2 8774\n"


def test_gates_as_haproxy_lists_them() -> None:
    found = haproxy.parse(STAT)
    assert [(one.backend, one.server, one.address, one.port, one.status, one.why) for one in found] == [
        ("nova_api", "ctl1", "10.0.0.11", 8774, "UP", "L7OK"),
        ("nova_api", "ctl2", "10.0.0.12", 8774, "DOWN", "L4CON"),
        ("v6", "ctl3", "fd00::13", 8774, "no check", ""),
    ]
    (one,) = haproxy.parse(OLD_STAT, STATE)
    assert (one.address, one.port) == ("10.0.0.11", 8774)
    with pytest.raises(haproxy.Refused, match="no HAProxy"):
        haproxy.parse("HTTP/1.0 400 Bad Request")


def test_services_have_all_their_gates() -> None:
    given = site("""
services:
  - {name: nova-api, hosts: "ctl[1:3]", managed: {unit: nova-api}, port: 8774}
load_balancers:
  - {name: api, kind: haproxy, hosts: ctl1, managed: {unit: haproxy}, socket: /run/x}
""")
    seen = look(units={"haproxy": RUNS["nova-api"]}, files={"/run/x": "socket"})
    results = Results()
    gates = haproxy.parse(STAT)[:2]
    told = {"ctl1": balancers.Told("admin", gates)}
    balancers.judge(given, given.part.load_balancers[0], {"ctl1": seen}, told, results)
    assert bad(results) == {
        ("wrong", "services.nova-api.hosts", "ctl3"): "its backend nova_api on ctl1 has no server for ctl3",
        ("wrong", "load_balancers.api", "ctl1"): "nova_api/ctl2 is DOWN (L4CON): nova-api on ctl2",
    }


def test_a_load_balancers_hosts_have_the_same_gates_in_their_files_and_in_what_runs() -> None:
    given = site("""
load_balancers:
  - name: api
    kind: nginx
    hosts: "ctl[1:3]"
    managed: {unit: nginx}
    files: /etc/nginx
    reload: nginx -s reload
    write_gate: {directory: /etc/nginx/naru}
""")
    results = Results()
    both = {"nova": "open", "glance": "open"}
    answers = {
        "ctl1": Gates(both, both, ""),
        "ctl2": Gates({"nova": "closed"}, {"nova": "open"}, ""),
        "ctl3": Gates(both, {"nova": "open"}, "nothing includes glance.conf"),
        "ctl4": Gates({}, {}, "there is no /etc/nginx/naru/SERVICE.conf"),
        "ctl5": NaruError("no answer"),
        "ctl6": Gates(both, dict.fromkeys(both, STOPPED), ""),
    }
    write_gates.judge(given.part.load_balancers[0], answers, results)
    field = "load_balancers.api.write_gate"
    found = [(one.state, one.host, one.what) for one in results if one.state != "right"]
    assert all(one.field == field for one in results) and found == [
        ("wrong", "ctl2", "the gate of nova is closed in its files, and open in what runs"),
        ("wrong", "ctl2", "there is no gate of glance in its files: other hosts of api have one"),
        ("wrong", "ctl3", "there is no gate of glance in what runs: nothing includes glance.conf"),
        ("wrong", "ctl4", "there is no /etc/nginx/naru/SERVICE.conf"),
        ("unknown", "ctl5", "no answer"),
    ]


def test_a_virtual_address_is_on_one_host() -> None:
    given = site('virtual_addresses:\n  - {address: 10.0.0.5, hosts: "ctl[1:2]"}\n')
    have, have_not, blind = look(addresses=["10.0.0.5"]), look(addresses=[]), look(addresses=None)

    def found(**looks: Look) -> list[tuple[str, str]]:
        results = Results()
        addresses.judge(given, looks, results)
        return [(one.state, one.what) for one in results]

    assert found(ctl1=have, ctl2=have_not) == [("right", "ctl1 has it")]
    assert found(ctl1=have, ctl2=have) == [("wrong", "ctl1, ctl2 have it at the same time")]
    assert found(ctl1=have_not, ctl2=have_not) == [("wrong", "none of ctl1, ctl2 has it")]
    assert found(ctl1=have) == [("unknown", "ctl1 has it, and ctl2 could not be seen")]
    assert found(ctl1=have_not, ctl2=blind) == [
        ("unknown", "no host that was looked at has it; ctl2 could not be seen")
    ]
    assert ("wrong", "ctl3 has it") in found(ctl1=have_not, ctl2=have_not, ctl3=have)


def test_ceph_is_where_the_site_says() -> None:
    given = site('storage:\n  - {name: c, kind: ceph, monitors: "ctl[1:2]", osds: ctl3}\n')
    nodes = '{"mon": {"ctl1": ["ctl1"], "ctl3": ["ctl3"]}, "osd": {"ctl3": [0, 1]}}'
    quorum = '{"quorum_names": ["ctl1"], "monmap": {"mons": [{"name": "ctl1"}, {"name": "ctl3"}]}}'
    seen = {("c", "node ls"): (0, nodes), ("c", "quorum_status"): (0, quorum)}
    looks = {"ctl1": look("ctl1", ceph=seen), "ctl2": look("ctl2", no_ceph={"c"}), "ctl3": look("ctl3")}
    results = Results()
    storage.judge(given, looks, results)
    told = {(one.state, one.field, one.host, one.what) for one in results if one.state != "right"}
    assert told == {
        ("unknown", "storage.c.monitors", "ctl2", "there is no program ceph"),
        ("wrong", "storage.c.monitors", "ctl2", "the cluster has no monitors there; it has them on ctl1, ctl3"),
        ("wrong", "storage.c.monitors", "", "the cluster has some on ctl3, too"),
        ("wrong", "storage.c.monitors", "", "not in the quorum: ctl3"),
    }
    results = Results()
    looks["ctl1"].ceph = {("c", "node ls"): (1, "Error connecting to cluster")}
    storage.judge(given, looks, results)
    assert any(one.state == "wrong" and "Error connecting" in one.what for one in results)


def test_shares_are_exported_or_mounted() -> None:
    given = site('storage:\n  - {name: n, kind: nfs, shares: "ctl3:/srv/v", hosts: ctl3}\n')

    def found(**looks: Look) -> dict[tuple[str, str, str], str]:
        results = Results()
        storage.judge(given, looks, results)
        assert results
        return bad(results)

    assert found(ctl3=look(exports=["/srv/v"])) == {}
    assert found(ctl1=look(mounted={"ctl3:/srv/v": ("/mnt", True)})) == {}
    assert "does not export /srv/v" in found(ctl3=look(exports=["/srv/w"]))["wrong", "storage.n.shares", ""]
    assert "no NFS server listens" in found(ctl3=look())["wrong", "storage.n.shares", ""]
    assert ("unknown", "storage.n.shares", "") in found(ctl3=look(listening=[("", 2049)]))
    silent = found(ctl3=look(exports=["/srv/v"]), ctl1=look(mounted={"ctl3:/srv/v": ("/mnt", False)}))
    assert "mounted at /mnt, does not answer" in silent["wrong", "storage.n.shares", "ctl1"]
