"""`naru site check` on real hosts: all is right when it is, and each planted mistake is found and named, and nothing
else is."""

import copy
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.releases.versions import releases_of
from naru.site import site as sites
from naru.site.check import power, run
from naru.site.check.result import Results

from ..processes import started
from .furnish import Furniture

pytestmark = [pytest.mark.hosts, pytest.mark.mariadb]

Content = dict[str, Any]
Expected = dict[tuple[str, str, str], str]
"""State, field and host of what is found, and what stands in it."""


@pytest.fixture(scope="module")
def furnished(five: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furniture]:
    hosts = five.hosts()
    hosts.up(lambda what: None)
    made = Furniture(five, hosts, tmp_path_factory.mktemp("furniture"))
    made.furnish()
    yield made
    for name in made.address:
        made.run(name, "systemctl stop mariadb rabbitmq haproxy nova-api nova-compute", check=False)
    made.run("node1", f"ip addr del {made.virtual}/32 dev {made.nic}", check=False)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> float:
    """On a busy machine a controller is late that nothing ails; what is late to an operator."""
    usual = power.SLOW
    monkeypatch.setattr(power, "SLOW", 60.0)
    return usual


@pytest.fixture
def content(furnished: Furniture, hosts: Hosts) -> Content:
    return copy.deepcopy(furnished.site())


def checked(furnished: Furniture, content: Content) -> Results:
    site = sites.parse(content, furnished.lab.site_yaml)
    return run.check(site, releases_of, lambda done, total, what: None)


def finds(furnished: Furniture, content: Content, expected: Expected) -> None:
    """What a check finds beside what is right: exactly this."""
    results = checked(furnished, content)
    found = {(one.state, one.field, one.host): one for one in results if one.state != "right" and not one.follows}
    said = "\n".join(map(str, found.values()))
    assert set(found) == set(expected), said
    for key, text in expected.items():
        assert text in found[key].what, (key, found[key].what)
        assert found[key].what_to_do, key


def line(content: Content, section: str, name: str) -> Content:
    found: Content = next(one for one in content[section] if one.get("name", one.get("address")) == name)
    return found


def test_all_is_right_when_it_is(furnished: Furniture, content: Content) -> None:
    results = checked(furnished, content)
    assert [one for one in results if one.state != "right"] == []
    told = {(one.field, one.host) for one in results}
    for expected in (
        ("hosts.node5.login.sudo", "node5"),
        ("hosts.node2.power", "node2"),
        ("hosts.node2.power.address", "node2"),
        ("services.nova-api.managed.unit", "node1"),
        ("services.nova-api.release", "node1"),
        ("services.nova-api.port", "node2"),
        ("services.nova-api.config", "node2"),
        ("services.nova-compute.release", "node4"),
        ("services.swift-proxy.managed.status", "node5"),
        ("databases.main.user", "node1"),
        ("databases.main.schemas", "node1"),
        ("databases.cluster", "node3"),
        ("queues.main", "node2"),
        ("queues.main.management.user", "node2"),
        (f"virtual_addresses.{furnished.virtual}", "node1"),
    ):
        assert expected in told, expected


def test_hosts_that_are_not_as_written(furnished: Furniture, content: Content, tmp_path: Path) -> None:
    address = furnished.address
    key, config = furnished.hosts.directory / "ssh_key", tmp_path / "config"
    config.write_text(f'Host *\n  IdentityFile "{key}"\n')
    (tmp_path / "none").touch()
    content["hosts"][0]["address"] = address["node1"].rpartition(".")[0] + ".77"  # nobody's
    content["hosts"][1]["login"] = {"user": "nobody"}
    content["hosts"][2]["login"] = {"known_hosts": str(tmp_path / "none"), "ssh_config": str(config)}
    content["hosts"][3]["address"] = address["node5"]  # another host
    content["hosts"][4]["login"] = {"user": "plain", "sudo": True}
    content["hosts"].append({"name": "node6", "address": "no-such-name.invalid"})
    for section in ("services", "databases", "queues", "virtual_addresses", "load_balancers"):
        content.pop(section, None)
    finds(
        furnished,
        content,
        {
            ("wrong", "hosts.node1.address", "node1"): "",
            ("wrong", "hosts.node2.login.user", "node2"): "does not let nobody log in",
            ("wrong", "hosts.node3.login.known_hosts", "node3"): "host key is not known",
            ("wrong", "hosts.node4.address", "node4"): "is the host node5",
            ("wrong", "hosts.node5.login.sudo", "node5"): "sudo does not make plain root",
            ("wrong", "hosts.node6.address", "node6"): "its name is not found",
        },
    )


def test_services_that_are_not_as_written(furnished: Furniture, content: Content) -> None:
    api = line(content, "services", "nova-api")
    api |= {"config": "/etc/nova/nowhere.conf", "logs": "/var/log/nova/nowhere.log", "port": 8775, "release": "queens"}
    compute = line(content, "services", "nova-compute")
    compute |= {"managed": {"unit": "openstack-nova-compute.service"}, "port": 22}
    swift = line(content, "services", "swift-proxy")
    swift["managed"]["status"] = "test -e /run/swift-is-off"
    content["services"] += [
        {"name": "keystone", "hosts": "node5", "managed": {"container": "keystone"}, "release": ""},
        {
            "name": "memcached",
            "hosts": "node5",
            "managed": {"unit": "ssh.service"},
            "port": 11211,
            "python": "/opt/none",
        },
        {
            "name": "glance-api",
            "hosts": "node4",
            "managed": {"unit": "nova-compute.service"},
            "port": 22,
            "release": "",
        },
    ]
    content.pop("load_balancers", None)
    expected: Expected = {
        ("wrong", "services.swift-proxy.managed.status", "node5"): "does not run",
        ("wrong", "services.keystone.managed.container", "node5"): "there is no docker and no podman",
        ("wrong", "services.memcached.port", "node5"): "nothing listens at 11211; it listens at",
        ("wrong", "services.glance-api.port", "node4"): "which is not glance-api",
    }
    for host in ("node1", "node2"):
        expected |= {
            ("wrong", "services.nova-api.config", host): "there is no configuration /etc/nova/nowhere.conf",
            ("wrong", "services.nova-api.logs", host): "there is no log /var/log/nova/nowhere.log",
            ("wrong", "services.nova-api.port", host): "nothing listens at 8775; it listens at 8774",
            ("wrong", "services.nova-api.release", host): "it is of pike (nova 16.1.8), not of queens",
        }
    for host in ("node3", "node4"):
        expected["wrong", "services.nova-compute.managed.unit", host] = "it runs nova-compute.service"
        expected["wrong", "services.nova-compute.port", host] = "at 22 listens sshd"
    finds(furnished, content, expected)


def test_databases_that_are_not_as_written(furnished: Furniture, content: Content) -> None:
    wrong = furnished.secret("wrong", "another")
    main, cluster = line(content, "databases", "main"), line(content, "databases", "cluster")
    content["databases"] = [
        {**main, "name": "password", "password": wrong},
        {**main, "name": "rights", "user": "reader"},
        {**main, "name": "port", "port": 3307},
        {**main, "name": "address", "address": furnished.address["node5"]},
        {**main, "name": "schemas", "schemas": ["nova", "nova_cell0"]},
        {**main, "name": "kind", "kind": "galera"},
        {**cluster, "name": "mariadb", "kind": "mariadb"},
        {**cluster, "name": "members", "hosts": ["node1", "node3"]},
        {**main, "name": "no-secret", "password": {"file": "/nowhere/secret"}},
    ]
    results = checked(furnished, content)
    bad = [one for one in results if one.state != "right"]
    found = {(one.state, one.field, one.host, one.what) for one in bad}

    def told(state: str, field: str, host: str, text: str) -> bool:
        return any((state, field, host) == one[:3] and text in one[3] for one in found)

    assert told("wrong", "databases.password.password", "node1", "Access denied for user 'admin'"), bad
    assert told("wrong", "databases.rights.user", "node1", "not the right to dump"), bad
    assert told("wrong", "databases.rights.user", "node1", "not the right to create"), bad
    assert told("wrong", "databases.rights.user", "node1", "not the right to drop"), bad
    assert not told("wrong", "databases.rights.user", "node1", "PROCESS"), bad
    assert told("wrong", "databases.port.hosts", "node1", "nothing answers"), bad
    assert told("wrong", "databases.address.address", "", "nothing answers"), bad
    assert told("wrong", "databases.schemas.schemas", "node1", "no schema nova_cell0"), bad
    assert told("wrong", "databases.kind.kind", "node1", "in no Galera cluster"), bad
    assert told("wrong", "databases.mariadb.kind", "node3", "Galera cluster of 1"), bad
    assert told("wrong", "databases.members.kind", "node1", "in no Galera cluster"), bad
    assert told("wrong", "databases.members.hosts", "node3", "has 1 members, and the site 2"), bad
    assert told("wrong", "databases.no-secret.password", "node1", "/nowhere/secret"), bad
    assert len(bad) == 12, bad


def test_a_host_that_forwards_nothing_has_its_database_asked_from_here(furnished: Furniture, content: Content) -> None:
    furnished.run("node1", "echo 'AllowTcpForwarding no' >>/etc/ssh/sshd_config; systemctl reload ssh")
    try:
        content["databases"].append({**line(content, "databases", "main"), "name": "none", "port": 3307})
        finds(furnished, content, {("wrong", "databases.none.hosts", "node1"): "from this machine"})
    finally:
        furnished.run("node1", "sed -i '/AllowTcpForwarding no/d' /etc/ssh/sshd_config; systemctl reload ssh")


def test_queues_that_are_not_as_written(furnished: Furniture, content: Content) -> None:
    main = line(content, "queues", "main")
    management = main["management"]
    url = f"http://{furnished.address['node2']}"
    content["queues"] = [
        {**main, "name": "password", "management": {**management, "password": furnished.secret("wrong", "another")}},
        {**main, "name": "rights", "management": {**management, "user": "looker"}},
        {**main, "name": "vhosts", "vhosts": ["/", "/nova"]},
        {**main, "name": "port", "port": 5673},
        {**main, "name": "url", "management": {**management, "url": f"{url}:15673"}},
        {**main, "name": "other", "management": {**management, "url": f"{url}:8774"}},
        {**main, "name": "members", "hosts": ["node2", "node3"], "management": {**management, "url": f"{url}:15672"}},
    ]
    finds(
        furnished,
        content,
        {
            ("wrong", "queues.password.management.password", "node2"): "does not let admin in",
            ("wrong", "queues.rights.management.user", "node2"): "looker is monitoring, not administrator",
            ("wrong", "queues.vhosts.vhosts", "node2"): "no virtual host /nova; there is /",
            ("wrong", "queues.port.port", "node2"): "nothing listens at 5673",
            ("wrong", "queues.url.management.url", ""): "nothing answers",
            ("wrong", "queues.other.management.url", ""): "no management of RabbitMQ",
            ("wrong", "queues.members.port", "node3"): "nothing listens at 5672",
            ("wrong", "queues.members.hosts", ""): "and the site 2 hosts",
        },
    )


def test_power_controllers_that_are_not_as_written(
    furnished: Furniture, content: Content, hosts: Hosts, patient: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "SLOW", patient)
    controllers = [one["power"]["address"] for one in content["hosts"]]
    content["hosts"][1]["power"]["password"] = furnished.secret("wrong", "another")
    content["hosts"][2]["power"]["address"] = controllers[0]
    content["hosts"][3]["power"]["certificate"] = "/etc/ssl/certs/ca-certificates.crt"
    hosts.fault("node1", "slow", 2.0)
    hosts.fault("node5", "says-off", 1.0)
    try:
        finds(
            furnished,
            content,
            {
                ("wrong", "hosts.node1.power", "node1"): "s to answer",
                ("wrong", "hosts.node2.power.password", "node2"): "does not let admin in",
                ("wrong", "hosts.node3.power.address", "node3"): "it is the controller of node1",
                ("wrong", "hosts.node3.power", "node3"): "s to answer",
                ("wrong", "hosts.node4.power.certificate", "node4"): "its certificate cannot be checked",
                ("wrong", "hosts.node5.power", "node5"): "it says off, and the host runs",
            },
        )
    finally:
        hosts.fault("node1", "slow", None)
        hosts.fault("node5", "says-off", None)
    hosts.fault("node4", "unreachable", 1.0)
    content = furnished.site()
    try:
        finds(furnished, content, {("wrong", "hosts.node4.power.address", "node4"): "no answer by Redfish"})
    finally:
        hosts.fault("node4", "unreachable", None)


def test_what_went_wrong_on_the_hosts(furnished: Furniture, content: Content) -> None:
    """Units stopped, failed, masked; a clock off; a disk full; a virtual address on two hosts; a share that is not
    there; storage that nobody can be asked about."""
    f = furnished
    content["storage"] = [
        {"name": "volumes", "kind": "nfs", "shares": ["node5:/srv/volumes"], "hosts": "node5"},
        {"name": "images", "kind": "nfs", "shares": ["node4:/srv/images"]},
        {"name": "rbd", "kind": "ceph", "monitors": "node4"},
    ]
    content.pop("load_balancers", None)
    f.run("node3", "systemctl stop nova-compute")
    f.run(
        "node4",
        "systemctl stop nova-compute && mkdir -p /run/systemd/system && systemctl mask --runtime nova-compute",
        check=False,
    )
    f.run(
        "node2",
        "mkdir -p /srv/full && mount -t tmpfs -o size=2m none /srv/full && head -c 2000000 /dev/zero >/srv/full/x",
    )
    f.run("node2", f"ip addr add {f.virtual}/32 dev {f.nic}")
    # a host has the machine's clock, which no namespace can set apart: its date says that it is another one
    f.write("node5", {"/usr/local/bin/date": "#!/bin/sh\nexec /bin/date -d '+90 seconds' \"$@\"\n"})
    try:
        finds(
            f,
            content,
            {
                ("wrong", "services.nova-compute.managed.unit", "node3"): "nova-compute is inactive",
                ("wrong", "services.nova-compute.managed.unit", "node4"): "nova-compute",
                ("wrong", "hosts.node2", "node2"): "/srv/full is 9",
                ("wrong", f"virtual_addresses.{f.virtual}", ""): "node1, node2 have it at the same time",
                ("wrong", "hosts.node5", "node5"): "its clock is 90",
                ("wrong", "storage.volumes.shares", ""): "no NFS server listens",
                ("unknown", "storage.images.shares", ""): "no host that was looked at has it mounted",
                ("unknown", "storage.rbd.monitors", "node4"): "there is no program ceph",
            },
        )
    finally:
        f.run("node5", "rm /usr/local/bin/date")
        f.run("node2", f"umount /srv/full; ip addr del {f.virtual}/32 dev {f.nic}")
        f.run("node4", "systemctl unmask --runtime nova-compute; systemctl start nova-compute")
        f.run("node3", "systemctl start nova-compute")
    f.run("node1", f"ip addr del {f.virtual}/32 dev {f.nic}")
    f.run("node3", f"ip addr add {f.virtual}/32 dev {f.nic}")
    content.pop("storage")
    try:
        finds(f, content, {("wrong", f"virtual_addresses.{f.virtual}.hosts", ""): "node3 has it"})
    finally:
        f.run("node3", f"ip addr del {f.virtual}/32 dev {f.nic}")
    try:
        finds(f, content, {("wrong", f"virtual_addresses.{f.virtual}", ""): "none of node1, node2 has it"})
    finally:
        f.run("node1", f"ip addr add {f.virtual}/32 dev {f.nic}")


def test_load_balancers_that_are_not_there(furnished: Furniture, content: Content) -> None:
    unit = {"unit": "nova-compute.service"}
    content["load_balancers"] = [
        {"name": "socket", "kind": "haproxy", "hosts": "node3", "managed": unit, "socket": "/run/none.sock"},
        {"name": "file", "kind": "haproxy", "hosts": "node3", "managed": unit, "socket": "/etc/passwd"},
        {"name": "dead", "kind": "haproxy", "hosts": "node3", "managed": unit, "socket": "/run/dead.sock"},
        {
            **{"name": "web", "kind": "nginx", "hosts": "node3", "managed": {"unit": "nginx"}},
            **{"files": "/etc/nginx/upstream.conf", "reload": "nginx -s reload"},
        },
        {
            **{"name": "right", "kind": "apache", "hosts": "node3", "managed": unit},
            **{"files": "/etc/passwd", "reload": "systemctl reload ssh"},
        },
    ]
    perl = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un('/run/dead.sock'));"
    furnished.run("node3", f'perl -e "{perl}"')
    finds(
        furnished,
        content,
        {
            ("wrong", "load_balancers.socket.socket", "node3"): "there is no /run/none.sock",
            ("wrong", "load_balancers.file.socket", "node3"): "/etc/passwd is no socket",
            ("wrong", "load_balancers.dead.socket", "node3"): "/run/dead.sock: Connection refused",
            ("wrong", "load_balancers.web.managed.unit", "node3"): "there is no unit nginx",
            ("wrong", "load_balancers.web.files", "node3"): "there is no /etc/nginx/upstream.conf",
            ("wrong", "load_balancers.web.reload", "node3"): "there is no nginx",
        },
    )


def test_gates_of_a_real_haproxy(furnished: Furniture, content: Content) -> None:
    results = checked(furnished, content)
    told = [one.what for one in results if one.field.startswith("load_balancers") and one.state == "right"]
    assert any("/run/haproxy.sock is of level admin, with 2 gates" in text for text in told)
    assert any("nova_api/node1 is no check: nova-api on node1" in text for text in told), told
    balancer = line(content, "load_balancers", "api")
    balancer["socket"] = "/run/operator.sock"
    line(content, "services", "nova-api")["hosts"] = ["node[1:3]"]
    furnished.write(
        "node3",
        {
            "/etc/nova/nova.conf": "",
            "/var/log/nova/nova-api.log": "",
            "/opt/nova/bin/nova-api": furnished.run("node1", "cat /opt/nova/bin/nova-api"),
        },
    )
    furnished.unit("node3", "nova-api", "[Service]\nExecStart=/opt/nova/bin/nova-api 8774\n")
    closing = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un('/run/haproxy.sock'));"
    closing += "syswrite(S, qq(set server nova_api/node2 state maint\\n)); print <S>"
    furnished.run("node2", f'perl -e "{closing}"')
    try:
        finds(
            furnished,
            content,
            {
                ("wrong", "load_balancers.api.socket", "node2"): "is not of level admin",
                ("wrong", "services.nova-api.hosts", "node3"): "its backend nova_api on node2 has no server for node3",
                ("wrong", "load_balancers.api", "node2"): "nova_api/node2 is MAINT",
            },
        )
    finally:
        furnished.run("node3", "systemctl stop nova-api; rm /etc/systemd/system/nova-api.service")
        furnished.run("node2", f'perl -e "{closing.replace("state maint", "state ready")}"')


def test_a_host_that_is_off_makes_what_is_on_it_unknown(
    furnished: Furniture, content: Content, hosts: Hosts, capfd: pytest.CaptureFixture[str]
) -> None:
    file = furnished.lab.directory / "check.yaml"
    file.write_text(yaml.safe_dump(content))

    def naru(*words: str, code: int) -> tuple[str, str]:
        assert main([*words, "site", "check", "--site", str(file), *_formats(words)]) == code
        found = capfd.readouterr()
        return found.out, found.err

    out, errors = naru(code=0)
    assert out.strip() == "" and f"naru: {file}: " in errors and " right\n" in errors
    out, _ = naru("-v", code=0)
    assert "services.nova-api.port" in out
    hosts.power("node4", "cut")
    try:
        rows = json.loads(naru("-q", code=1)[0])
        told = {(row["state"], row["field"]) for row in rows if row["host"] == "node4"}
        assert ("wrong", "hosts.node4.address") in told
        assert {("unknown", "services.nova-compute.managed"), ("unknown", "services.nova-compute.release")} <= told
        assert not any(state == "right" for state, _ in told)
        assert {row["host"] for row in rows} == {"node4"}
        out, errors = naru(code=1)
        assert "services.nova-compute" not in out and "hosts that could not be looked at" in errors
    finally:
        hosts.power("node4", "on")
        hosts.wait(["node4"])
        furnished.run("node4", "systemctl restart nova-compute")
        file.unlink()


def _formats(words: tuple[str, ...]) -> list[str]:
    return ["-f", "json"] if "-q" in words else []


def test_an_interrupt_ends_it_at_once(five: Lab, hosts: Hosts) -> None:
    content = yaml.safe_load(five.site_yaml.read_text())
    managed = {"start": "true", "stop": "true", "status": "sleep 15"}
    content["services"] = [{"name": "swift-proxy", "hosts": "all", "managed": managed}]
    file = five.directory / "slow.yaml"
    file.write_text(yaml.safe_dump(content))
    naru = str(Path(sys.executable).with_name("naru"))
    hosts.fault("node1", "slow", 8.0)
    try:
        with started([naru, "site", "check", "--site", str(file)], stderr=subprocess.PIPE, text=True) as process:
            time.sleep(5)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=300)
        assert process.returncode == 130 and errors.strip() == ""
        assert time.monotonic() - began < 5
    finally:
        hosts.fault("node1", "slow", None)
        file.unlink()


def test_a_mistake_in_the_file_is_bad_input(furnished: Furniture, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "check", "--site", str(furnished.secrets / "none.yaml")]) == 2
    assert "there is no" in capfd.readouterr().err
