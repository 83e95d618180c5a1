"""What is seen on a host: the script, whose output has no password whatever files have, and what is made of it."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.site import site as sites
from naru.site.discover import write
from naru.site.discover.assemble import assemble
from naru.site.discover.found import HostSeen, ServiceSeen, Source
from naru.site.discover.join import Hosts
from naru.site.discover.look import SCRIPT, Look, parse
from naru.site.discover.seen import of_look
from naru.site.discover.services import named
from naru.site.site import Site

pytestmark = pytest.mark.unit

FUNCTIONS = SCRIPT.removesuffix("look </dev/null\n")
ID = "a1" * 32
VOLUMES = "/var/lib/containers/storage/volumes"

# a controller of kolla-ansible with podman, cut to a container of each sort
KOLLA = f"""
look\t1
root\tyes
machine\tboot-1
name\tctl1
name\tctl1.example.org
address\tlo\t127.0.0.1
address\teth0\t10.0.0.11
address\teth0\t10.0.0.250
bmc\t10.0.9.11
unit\tssh.service\tactive\trunning
unit\tkolla-nova_conductor-container.service\tactive\trunning
container\tpodman\t{ID}\tnova_conductor\trunning\tn:2023.1\t/var/log/kolla={VOLUMES}/kolla_logs/_data\t/var/lib/kolla/config_files=/etc/kolla/nova-conductor
container\tpodman\t{"b2" * 32}\tmariadb\trunning\tm:2023.1\t/var/lib/mysql={VOLUMES}/mariadb/_data
container\tpodman\t{"c3" * 32}\thaproxy\trunning\th\t/var/lib/kolla/haproxy={VOLUMES}/haproxy_socket/_data
container\tpodman\t{"d4" * 32}\tkeepalived\trunning\tquay.io/keepalived
container\tpodman\t{"e5" * 32}\tkeystone\trunning\tquay.io/keystone
container\tpodman\t{"f6" * 32}\trabbitmq\trunning\tquay.io/rabbitmq
container\tpodman\t{"07" * 32}\tnova_compute\texited\tquay.io/nova-compute
container\tpodman\t{"18" * 32}\tkolla_toolbox\trunning\tquay.io/toolbox
process\t100\tnova-conductor\t/machine.slice/libpod-{ID}.scope/container\targ=/var/lib/kolla/venv/bin/python3\targ=/var/lib/kolla/venv/bin/nova-conductor
log\t100\t/var/log/kolla/nova/nova-conductor.log
config\t100\t/etc/nova/nova.conf
setting\t100\t/etc/nova/nova.conf\tDEFAULT\ttransport_url\trabbit://10.0.0.11:5672,10.0.0.12:5672//
setting\t100\t/etc/nova/nova.conf\tapi_database\tconnection\tmysql+pymysql://10.0.0.250:3306/nova_api
setting\t100\t/etc/nova/nova.conf\tdatabase\tconnection\tmysql+pymysql://10.0.0.250:3306/nova
process\t200\tmariadbd\t/machine.slice/libpod-{"b2" * 32}.scope\targ=/usr/sbin/mariadbd\twsrep_cluster_address=gcomm://10.0.0.11,10.0.0.12
sockets\t200\t7001 7002
listens\t0B00000A:0CEA\t7001
listens\t0B00000A:11D7\t7002
listens\t0B00000A:3D98\t7003
process\t300\thaproxy\t/machine.slice/libpod-{"c3" * 32}.scope\targ=/usr/sbin/haproxy\tfile=/etc/haproxy/haproxy.cfg
socket\t300\t/var/lib/kolla/haproxy/haproxy.sock\tadmin
balancer\t300\t/etc/haproxy/haproxy.cfg\tbackend\tnova_api_back
balancer\t300\t/etc/haproxy/haproxy.cfg\tserver\tctl1\t10.0.0.11:8774
process\t400\tkeepalived\t/machine.slice/libpod-{"d4" * 32}.scope\targ=/usr/sbin/keepalived
virtual\t400\t10.0.0.250
process\t500\thttpd\t/machine.slice/libpod-{"e5" * 32}.scope\targ=/usr/sbin/httpd
wsgi\t500\tkeystone-public
sockets\t500\t7005
listens\t0B00000A:1388\t7005
process\t600\trabbitmq-server\t/machine.slice/libpod-{"f6" * 32}.scope\targ=/bin/sh\targ=/usr/sbin/rabbitmq-server
connected\t0C00000A:0CEA
connected\t0000000000000000FFFF00000C00000A:1628
end
"""

# a compute of packages with a unit that failed, a service without any, and an LXC container
COMPUTE = """
root\tyes
machine\tboot-2
name\tcompute1
address\teth0\t10.0.0.21
unit\tnova-compute.service\tactive\trunning
unit\tneutron-linuxbridge-agent.service\tfailed\tfailed
unit\tlibvirtd.service\tactive\trunning
process\t10\tnova-compute\t/system.slice/nova-compute.service\targ=/opt/venv/bin/python\targ=/opt/venv/bin/nova-compute\tconfig-file=/etc/nova/nova.conf\tconfig-file=/etc/nova/nova-compute.conf
config\t10\t/etc/nova/nova.conf
config\t10\t/etc/nova/nova-compute.conf
log\t10\t/var/log/nova/nova-compute.log
process\t20\tcinder-volume\t/user.slice/session-1.scope\targ=/usr/bin/python3\targ=/usr/bin/cinder-volume
process\t30\tneutron-dhcp-ag\t/lxc.payload.infra1_neutron/system.slice/neutron-dhcp-agent.service\targ=/usr/bin/python3\targ=/usr/bin/neutron-dhcp-agent
process\t40\tlibvirtd\t/system.slice/libvirtd.service\targ=/usr/sbin/libvirtd
process\t50\tceph-osd\t/system.slice/system-ceph.slice/ceph-osd@3.service\targ=/usr/bin/ceph-osd
end
"""


def site_of(tmp_path: Path, *sources: Source) -> tuple[Site, list[tuple[str, str]]]:
    draft = assemble("s", "", sources, Hosts(sources), {})
    text = write.text(draft, ["a test"])
    return sites.parse(yaml.safe_load(text), tmp_path / "site.yaml"), [(gap.field, gap.why) for gap in draft.gaps]


def test_a_controller_of_containers(tmp_path: Path) -> None:
    look = parse(KOLLA)
    assert look.whole and look.root
    assert look.connected == {("10.0.0.12", 3306), ("10.0.0.12", 5672)}
    assert look.backends == {"nova_api_back": ["10.0.0.11:8774"]}
    site, told = site_of(tmp_path, of_look("ctl1", look))
    found = {one.name: one for one in site.part.services}
    conductor = found["nova-conductor"]
    assert conductor.managed.model_dump() == {"container": "nova_conductor", "engine": "podman"}
    assert conductor.python == "/var/lib/kolla/venv/bin/python3"
    # where the host has them: Kolla's image copies its configuration from there
    assert conductor.config == ("/etc/kolla/nova-conductor/nova.conf",)
    assert conductor.logs == (f"{VOLUMES}/kolla_logs/_data/nova/nova-conductor.log",)
    assert (found["keystone"].port, found["mariadb"].port) == (5000, 3306)
    assert sorted(found) == ["keystone", "mariadb", "nova-conductor", "rabbitmq"]
    assert any("nova_compute on ctl1 is exited" in why for _, why in told)
    database, queue = site.part.databases[0], site.part.queues[0]
    assert (database.kind, database.address, database.schemas) == ("galera", "10.0.0.250", ("nova", "nova_api"))
    assert queue.vhosts == ("/",)
    balancer = site.part.load_balancers[0]
    assert balancer.socket == f"{VOLUMES}/haproxy_socket/_data/haproxy.sock"
    assert str(site.part.virtual_addresses[0].address) == "10.0.0.250"
    power = site.hosts["ctl1"].power
    assert power and power.address == "10.0.9.11"


def test_a_compute_of_units(tmp_path: Path) -> None:
    site, told = site_of(tmp_path, of_look("compute1", parse(COMPUTE)))
    found = {one.name: one.managed.model_dump() for one in site.part.services}
    assert found["nova-compute"] == {"unit": "nova-compute.service"}
    assert found["neutron-linuxbridge-agent"] == {"unit": "neutron-linuxbridge-agent.service"}
    assert found["libvirtd"] == {"unit": "libvirtd.service"}
    assert found["neutron-dhcp-agent"]["stop"] == (
        "lxc-attach -n infra1_neutron -- systemctl stop neutron-dhcp-agent.service"
    )
    agent = next(one for one in site.part.services if one.name == "neutron-dhcp-agent")
    assert (agent.python, agent.config) == (None, ())
    assert "cinder-volume" not in found and "ceph-osd" not in found
    fields = dict(told)
    assert "is of no unit and no container" in fields["services.cinder-volume"]
    assert "has failed" in fields["services.neutron-linuxbridge-agent"]


def test_what_was_looked_at_counts(tmp_path: Path) -> None:
    """What others say runs on a host, and was not found there, is told of; where nobody looked it is guessed, as on
    hosts that were looked at."""
    cloud = Source(
        "the cloud",
        hosts=[HostSeen("compute1"), HostSeen("compute2", address="10.0.0.22"), HostSeen("ctl9")],
        services=[
            ServiceSeen("nova-compute", "compute1", guess="Nova lists it"),
            ServiceSeen("nova-compute", "compute2", guess="Nova lists it"),
            ServiceSeen("nova-scheduler", "compute1", guess="Nova lists it"),
            ServiceSeen("nova-conductor", "ctl9", guess="Nova lists it"),
        ],
    )
    site, told = site_of(tmp_path, cloud, of_look("compute1", parse(COMPUTE)))
    lines = [one for one in site.part.services if one.name == "nova-compute"]
    assert [(one.hosts, one.python) for one in lines] == [
        (("compute1",), "/opt/venv/bin/python"),
        (("compute2",), "/opt/venv/bin/python"),
    ]
    assert any(field == "services.nova-scheduler" and "where it was not found" in why for field, why in told)
    assert not any(one.name == "nova-scheduler" for one in site.part.services)
    conductor = next(one for one in site.part.services if one.name == "nova-conductor")
    assert conductor.managed.model_dump() == {"unit": "nova-conductor.service"}
    assert any("nova-conductor: Nova lists it" in why for _, why in told)


def test_without_root_nothing_is_taken_for_gone(tmp_path: Path) -> None:
    cloud = Source(
        "the cloud", hosts=[HostSeen("a")], services=[ServiceSeen("nova-compute", "a", {"unit": "x.service"})]
    )
    site, told = site_of(tmp_path, cloud, of_look("a", Look(root=False, whole=True, names=["a"])))
    assert site.part.services[0].managed.model_dump() == {"unit": "x.service"}
    assert "not root" in dict(told)["hosts.a"]


@pytest.mark.parametrize(
    ("program", "service"),
    [
        ("/usr/bin/nova-compute", "nova-compute"),
        ("nova_compute", "nova-compute"),
        ("openstack-nova-compute.service", "nova-compute"),
        ("devstack@n-cpu.service", "nova-compute"),
        ("keystone-wsgi-public", "keystone"),
        ("keystone_fernet", ""),
        ("neutron-openvswitch-agent", "neutron-openvswitch-agent"),
        ("neutron_openvswitch_agent", "neutron-openvswitch-agent"),
        ("nova-api-os-compute", "nova-api"),
        ("nova_metadata", "nova-metadata"),
        ("nova_placement_api", "placement"),
        ("glance-wsgi-api", "glance-api"),
        ("cinder_volume", "cinder-volume"),
        ("nova-rootwrap", ""),
        ("nova_libvirt", "libvirtd"),
        ("nova_cell_bootstrap", ""),
        ("kolla_toolbox", ""),
        ("mariadb.service", "mariadb"),
        ("horizon", "horizon"),
        ("heat-api-cfn", "heat-api-cfn"),
        ("ceph-mon@ctl1.service", "ceph-mon"),
    ],
)
def test_what_services_are_called(program: str, service: str) -> None:
    assert named(program) == service


# -- the script itself


def sh(line: str) -> str:
    """What a line says after the script's functions."""
    done = subprocess.run(["sh"], input=f"{FUNCTIONS}\n{line}\n", capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_script_on_this_machine() -> None:
    done = subprocess.run(["sh", "-s"], input=SCRIPT, capture_output=True, text=True, check=True)
    look = parse(done.stdout)
    assert done.stderr == ""
    assert look.whole and look.names and look.root == (os.geteuid() == 0)
    assert look.addresses


def test_the_script_without_tools(tmp_path: Path) -> None:
    """It says less, and comes to its end."""
    only = tmp_path / "bin"
    only.mkdir()
    for tool in ("sh", "id"):
        found = shutil.which(tool)
        assert found
        (only / tool).symlink_to(found)
    script = SCRIPT.replace("PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin", f"PATH={only}")
    assert script != SCRIPT
    done = subprocess.run(["/bin/sh", "-s"], input=script, capture_output=True, text=True, check=True)
    look = parse(done.stdout)
    assert look.whole and look.names and look.machine


@given(st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), min_size=8, max_size=20), st.booleans())
@settings(max_examples=60)
def test_no_password_of_a_url_leaves_a_host(password: str, several: bool) -> None:
    password = f"Zq{password}81"
    hosts = f"nova:{password}@h1:5672,nova:{password}@h2:5672" if several else f"nova:{password}@h1:5672"
    with_passwords = f"""
[DEFAULT]
transport_url = rabbit://{hosts}//v
rabbit_password = {password}
host = a:{password}@b
[database]
connection=mysql+pymysql://nova:{password}@10.0.0.5:3307/nova?charset=utf8
sql_connection = mysql://nova:{password.replace("@", "")}
"""
    out = sh(f"printf '%s' {shlex.quote(with_passwords)} | ini 1 /dev/stdin nova.conf")
    assert password not in out and "Zq" not in out and "81" not in out.replace("3307", "")
    assert "transport_url" in out and "connection" in out


def test_where_services_connect() -> None:
    text = """
[DEFAULT]
# transport_url = rabbit://u:p@commented//
transport_url = rabbit://u:p%40@h1:5672,u:p@h2:5673//openstack
[database]
connection = mysql+pymysql://nova:a@10.0.0.5:3307/nova?charset=utf8
"""
    out = sh(f"printf '%s' {shlex.quote(text)} | ini 1 /dev/stdin nova.conf")
    assert out.splitlines() == [
        "setting\t1\tnova.conf\tDEFAULT\ttransport_url\trabbit://h1:5672,h2:5673//openstack",
        "setting\t1\tnova.conf\tdatabase\tconnection\tmysql+pymysql://10.0.0.5:3307/nova",
    ]
    look = parse(f"process\t1\tnova-api\t/system.slice/nova-api.service\targ=nova-api\n{out}end\n")
    pieces = {one.section: one.content for one in of_look("a", look).pieces}
    assert pieces["databases"] == {"address": "10.0.0.5", "port": 3307, "schemas": ["nova"]}
    assert pieces["queues"] == {"vhosts": ["/openstack"]}


@pytest.mark.parametrize(
    ("url", "vhost"),
    [("rabbit://h:5672//", "/"), ("rabbit://h:5672/", "/"), ("rabbit://h:5672", "/"), ("rabbit://h,i/nova", "nova")],
)
def test_the_virtual_host_of_a_queue(url: str, vhost: str) -> None:
    said = f"process\t1\tnova-api\t/\targ=nova-api\nsetting\t1\tnova.conf\tDEFAULT\ttransport_url\t{url}\nend\n"
    assert [one.content for one in of_look("a", parse(said)).pieces] == [{"vhosts": [vhost]}]


@pytest.mark.parametrize(
    ("cmdline", "words"),
    [
        (
            ["/v/bin/python3", "/v/bin/nova-api", "--config-file", "/etc/nova.conf", "--password=Zq81"],
            "\targ=/v/bin/python3\targ=/v/bin/nova-api\tconfig-file=/etc/nova.conf",
        ),
        (
            ["nova-conductor: master process [/v/bin/nova-conductor --config-file=/etc/nova.conf]", "", ""],
            "\targ=/v/bin/nova-conductor\tconfig-file=/etc/nova.conf",
        ),
        (["/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy.cfg"], "\targ=/usr/sbin/haproxy\tfile=/etc/haproxy.cfg"),
        (["mysqld", "--wsrep_cluster_address=gcomm://a,b"], "\targ=mysqld\twsrep_cluster_address=gcomm://a,b"),
        (["uwsgi", "--ini", "/etc/uwsgi/keystone.ini"], "\targ=uwsgi\tini=/etc/uwsgi/keystone.ini"),
    ],
)
def test_the_words_of_processes(tmp_path: Path, cmdline: list[str], words: str) -> None:
    (tmp_path / "cmdline").write_bytes(b"\0".join(word.encode() for word in cmdline) + b"\0")
    assert sh(f"words {tmp_path}/cmdline") == words


def test_balancers_and_virtual_addresses(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg").write_text(
        """
global
    stats socket /run/haproxy/admin.sock mode 660 level admin
    stats auth admin:Zq81
userlist a
    user b insecure-password Zq81
listen nova_api
    bind 10.0.0.250:8774
    server ctl1 10.0.0.11:8774 check inter 2000
"""
    )
    (tmp_path / "keepalived.conf").write_text(
        """
vrrp_instance a {
    authentication { auth_pass Zq81 }
    virtual_ipaddress {
        10.0.0.250/24 dev eth0
        # 10.0.0.251
    }
    virtual_ipaddress { 10.0.0.252 }
}
"""
    )
    out = sh(f"balancer self 'file={tmp_path}/haproxy.cfg'; virtual self 'file={tmp_path}/keepalived.conf'")
    assert "Zq81" not in out
    look = parse(f"process\tself\thaproxy\t/\targ=haproxy\n{out}")
    process = look.processes["self"]
    assert process.sockets == [("/run/haproxy/admin.sock", "admin")]
    assert process.virtual == ["10.0.0.250", "10.0.0.252"]
    assert look.backends == {"nova_api": ["10.0.0.11:8774"]}


def test_a_look_that_ended_early_is_none() -> None:
    assert not parse("root\tyes\nname\ta\n").whole
    assert parse("Welcome!\n\nroot\tyes\nbad\tline\twith\tmore\nend\n").root
