"""A site discovered on real hosts, whose units look like the services of a cloud."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.site import site as sites
from naru.site.ssh import Fleet

pytestmark = pytest.mark.hosts

PASSWORD = "Zq81pW"
# bare hosts have no Python, and no service: their words are those of a service, what runs is this
PROGRAM = """
use IO::Socket::INET;
my @ports = grep { /^[0-9]+$/ } split /,/, ($ENV{PORTS} || "");
my @open = map { IO::Socket::INET->new(LocalPort => $_, Listen => 5, ReuseAddr => 1) or die $! } @ports;
open my $log, ">>", $ENV{LOG} if $ENV{LOG};
my $queue = IO::Socket::INET->new(PeerAddr => $ENV{TO}) if $ENV{TO};
fork; sleep 1000000;
"""
UNIT = """
[Service]
Environment=PORTS={ports} LOG={log} TO={to}
ExecStart=@/usr/bin/perl {words}
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
NOVA = f"""
[DEFAULT]
transport_url = rabbit://openstack:{PASSWORD}@10.99.0.1:5672,openstack:{PASSWORD}@10.99.0.2:5672//nova
[api_database]
connection = mysql+pymysql://nova:{PASSWORD}@10.99.0.5/nova_api
[database]
connection = mysql+pymysql://nova:{PASSWORD}@10.99.0.5/nova?charset=utf8
"""
HAPROXY = f"""
global
    stats socket /run/haproxy.sock mode 600 level admin
userlist people
    user me insecure-password {PASSWORD}
listen nova
    bind *:18774
    server node1 node1:8774 check
"""
KEEPALIVED = f"""
vrrp_instance one {{
    authentication {{ auth_pass {PASSWORD} }}
    virtual_ipaddress {{
        10.99.0.5/24
    }}
}}
"""


def unit(words: str, *, ports: str = "", log: str = "", to: str = "") -> str:
    return UNIT.format(words=words, ports=ports, log=log, to=to)


def openstack(program: str) -> str:
    return f"/opt/venv/bin/python /opt/venv/bin/{program} --config-file /etc/nova/nova.conf"


CONTROLLER = {
    "nova-api": unit(openstack("nova-api"), ports="8774", log="/var/log/nova-api.log"),
    "openstack-nova-conductor": unit(openstack("nova-conductor"), to="127.0.0.1:5672"),
    "mariadb": unit("/usr/sbin/mariadbd /opt/idle --wsrep_cluster_address=gcomm://node1,node2", ports="3306,4567"),
    "rabbitmq-server": unit("/usr/sbin/rabbitmq-server /opt/idle", ports="5672,15672"),
    "haproxy": unit("/usr/sbin/haproxy /opt/idle -f /etc/haproxy/haproxy.cfg"),
    "keepalived": unit("/usr/sbin/keepalived /opt/idle"),
}
COMPUTE = {"nova-compute": unit(openstack("nova-compute"), log="/var/log/nova-compute.log")}


@pytest.fixture
def cloud(five: Lab, hosts: Hosts) -> Iterator[Hosts]:
    """Two controllers and two computes, taken away at the end; node5 has nothing."""
    with Fleet(sites.load(five.site_yaml)) as fleet:
        places = {"node1": CONTROLLER, "node2": CONTROLLER, "node3": COMPUTE, "node4": COMPUTE}
        files = {"/etc/nova/nova.conf": NOVA, "/etc/haproxy/haproxy.cfg": HAPROXY, "/opt/idle": PROGRAM}
        files["/etc/keepalived/keepalived.conf"] = KEEPALIVED
        files |= {f"/opt/venv/bin/nova-{name}": PROGRAM for name in ("api", "conductor", "compute")}
        for host, units in places.items():
            texts = files | {f"/etc/systemd/system/{name}.service": text for name, text in units.items()}
            lines = [f"mkdir -p {Path(file).parent}; cat >{file} <<'END'\n{text}\nEND" for file, text in texts.items()]
            lines.append(f"systemctl daemon-reload; systemctl restart {' '.join(units)}")
            fleet.call(fleet.remote(host).checked(["sh", "-es"], given="\n".join(lines).encode()))
    yield hosts
    hosts.up(lambda _: None)
    with Fleet(sites.load(five.site_yaml)) as fleet:
        for host, units in places.items():
            names = " ".join(units)
            gone = " ".join([*files, *(f"/etc/systemd/system/{name}.service" for name in units)])
            line = f"systemctl stop {names}; rm -rf {gone} /opt/venv; systemctl daemon-reload; systemctl reset-failed"
            fleet.call(fleet.remote(host).checked(line))


def test_a_site_of_hosts(
    five: Lab, cloud: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lab_site = sites.load(five.site_yaml)
    Path("hosts").write_text(
        "[ctl]\nnode[1:2]\n[cmp]\nnode[3:5]\n[all:vars]\nansible_user=root\n"
        # a key that is not the host's: told of, and the others go on
        "[odd]\nodd ansible_host=192.0.2.77\n"
    )
    for name, host in lab_site.hosts.items():
        Path("host_vars").mkdir(exist_ok=True)
        Path(f"host_vars/{name}.yml").write_text(f"ansible_host: {host.address}\n")
    config = str(lab_site.path(str(lab_site.content.login.ssh_config)))
    words = ["site", "discover", "--inventory", "hosts", "--ssh-config", config]
    assert main([*words, "-f", "json"]) == 0
    out = capsys.readouterr()
    told = {row["field"]: row["why"] for row in json.loads(out.out)}
    text = Path("site.yaml").read_text()
    assert PASSWORD not in text + out.out + out.err
    assert "odd could not be looked at" in told["hosts.odd"]
    assert not any(field.startswith("hosts.node") for field in told)

    site = sites.load(Path("site.yaml"))
    assert [(line.name, line.address) for line in site.part.hosts if line.name != "odd"] == [
        ("node[1:5]", f"{lab_site.hosts['node1'].address.rpartition('.')[0]}.[11:15]")
    ]
    found = {one.name: one for one in site.part.services}
    assert {name: one.hosts for name, one in found.items()} == {
        "nova-api": ("ctl",),
        "nova-conductor": ("ctl",),
        "mariadb": ("ctl",),
        "rabbitmq": ("ctl",),
        "nova-compute": ("node[3:4]",),
    }
    api = found["nova-api"]
    assert api.managed.model_dump() == {"unit": "nova-api.service"}
    assert (api.port, api.python) == (8774, "/opt/venv/bin/python")
    assert (api.config, api.logs) == (("/etc/nova/nova.conf",), ("/var/log/nova-api.log",))
    assert found["nova-conductor"].managed.model_dump() == {"unit": "openstack-nova-conductor.service"}
    database, queue, balancer = site.part.databases[0], site.part.queues[0], site.part.load_balancers[0]
    assert (database.kind, database.hosts, database.address) == ("galera", ("ctl",), "10.99.0.5")
    assert database.schemas == ("nova", "nova_api")
    assert (queue.hosts, queue.vhosts) == (("ctl",), ("/nova",))
    assert (balancer.kind, balancer.hosts, balancer.socket) == ("haproxy", ("ctl",), "/run/haproxy.sock")
    virtual = site.part.virtual_addresses[0]
    assert (str(virtual.address), virtual.hosts) == ("10.99.0.5", ("ctl",))

    # a host that is off is told of, and what the others have is guessed for none of it
    cloud.power("node4", "cut")
    assert main([*words, "--force", "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert any(row["field"] == "hosts.node4" and "could not be looked at" in row["why"] for row in rows)
    again = {one.name: one.hosts for one in sites.load(Path("site.yaml")).part.services}
    assert again["nova-compute"] == ("node3",)


def test_nothing_is_left_on_a_host(five: Lab, hosts: Hosts, tmp_path: Path) -> None:
    """Looking changes nothing: the same files and processes before and after."""
    site = sites.load(five.site_yaml)
    line = "find / -xdev -newer /run/mark -not -path '/proc/*' -not -path '/run/*' -not -path '/var/log/journal/*'"
    with Fleet(site) as fleet:
        fleet.run("node5", "touch /run/mark; sleep 1")
        out = tmp_path / "site.yaml"
        inventory = tmp_path / "hosts"
        inventory.write_text(f"node5 ansible_host={site.hosts['node5'].address}\n")
        config = str(site.path(str(site.content.login.ssh_config)))
        argv = ["site", "discover", "--inventory", str(inventory), "--ssh-config", config, "--user", "root"]
        assert main([*argv, "--out", str(out)]) == 0
        assert fleet.run("node5", line).out.splitlines() == []
    assert subprocess.run(["grep", "-c", "node5", str(out)], check=True, capture_output=True).stdout
