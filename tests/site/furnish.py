"""What tests of `naru site check` put on five bare hosts: a real MariaDB, a Galera cluster of one, RabbitMQ with its
management, services at ports with releases, a virtual address; and the site that says all of it."""

import io
import json
import shlex
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from naru.lab.hosts.hosts import Hosts
from naru.lab.infra import mariadb
from naru.lab.lab import Lab

from ..lab.hosts.shipped import ship

PATIENCE = 90.0

# a service that listens, of what a bare host has: python is not
LISTENER = """#!/usr/bin/perl
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 5, ReuseAddr => 1) or die "$!";
while (my $c = $s->accept) { print $c "HTTP/1.0 200 OK\\r\\n\\r\\n"; close $c; }
"""
MARIADB = """[Service]
ExecStart=/usr/sbin/mariadbd --no-defaults --user=root --datadir=/var/lib/mysql --tmpdir=/tmp \\
  --socket=/run/mariadb.sock --pid-file=/run/mariadb.pid --bind-address=0.0.0.0 --skip-name-resolve \\
  --init-file=/etc/users.sql --innodb-buffer-pool-size=32M --innodb-flush-method=nosync --performance-schema=OFF {more}
"""
GALERA = (
    "--wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so --wsrep-cluster-address=gcomm:// "
    "--wsrep-new-cluster --binlog-format=ROW --innodb-autoinc-lock-mode=2"
)
USERS = """CREATE USER IF NOT EXISTS 'admin'@'%' IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO 'admin'@'%';
CREATE USER IF NOT EXISTS 'reader'@'%' IDENTIFIED BY 'secret';
GRANT SELECT, PROCESS ON *.* TO 'reader'@'%';
GRANT ALL ON `nova`.* TO 'reader'@'%';
CREATE DATABASE IF NOT EXISTS nova;
"""
RABBITMQ = """[Service]
Environment=HOME=/var/lib/rabbitmq LANG=C.UTF-8 RABBITMQ_CONFIG_FILE=/etc/rabbitmq.conf RABBITMQ_CONF_ENV_FILE=/dev/null
Environment=RABBITMQ_MNESIA_BASE=/var/lib/rabbitmq/mnesia RABBITMQ_LOG_BASE=/var/lib/rabbitmq/log
Environment=RABBITMQ_ENABLED_PLUGINS_FILE=/etc/enabled_plugins RABBITMQ_NODENAME=rabbit@localhost
ExecStart={server}
"""
RABBITMQ_CONFIG = """default_user = admin
default_pass = secret
loopback_users = none
vm_memory_high_watermark.absolute = 600MB
disk_free_limit.absolute = 50MB
"""
HAPROXY_PROGRAM = "/usr/sbin/haproxy"
HAPROXY = """global
  stats socket /run/haproxy.sock mode 600 level admin
  stats socket /run/operator.sock mode 600 level operator
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen nova_api
  bind 127.0.0.1:9774
  server node1 {node1}:8774
  server node2 {node2}:8774
"""


class Furniture:
    """The five hosts and what stands on them."""

    def __init__(self, lab: Lab, hosts: Hosts, secrets: Path) -> None:
        self.lab = lab
        self.hosts = hosts
        self.secrets = secrets
        self.bare: dict[str, Any] = yaml.safe_load(lab.site_yaml.read_text())
        self.address = {one["name"]: one["address"] for one in self.bare["hosts"]}
        self.virtual = self.address["node1"].rpartition(".")[0] + ".100"

    # -- on the hosts

    def run(self, name: str, command: str, given: bytes = b"", *, check: bool = True) -> str:
        argv = self.hosts.ssh(name, "sh", "-c", shlex.quote(command))
        done = subprocess.run(argv, input=given, capture_output=True, timeout=300)
        assert not check or done.returncode == 0, (name, command, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace")

    def write(self, name: str, files: dict[str, str | bytes]) -> None:
        """Files of a host, with the directories that they are in."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            for path, text in files.items():
                content = text.encode() if isinstance(text, str) else text
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), 0o755
                archive.addfile(entry, io.BytesIO(content))
        self.run(name, "tar -xf - -C / --no-overwrite-dir", tar.getvalue())

    def ship(self, name: str, programs: Iterable[str], trees: Sequence[str] = ()) -> None:
        """Programs of this machine with the libraries that they need, and whole directories, at the same places."""
        ship(self.hosts, name, programs, trees)

    def unit(self, name: str, unit: str, text: str) -> None:
        self.write(name, {f"/etc/systemd/system/{unit}.service": text})
        self.run(name, f"systemctl daemon-reload && systemctl restart {unit}")

    # -- all of it

    def furnish(self) -> None:
        scratch = self.secrets / "mysql"
        scratch.mkdir()
        (scratch / "mariadb-tmp").mkdir()
        mariadb.create(scratch / "mysql", scratch / "log")
        data = subprocess.run(["tar", "-cf", "-", "-C", str(scratch), "mysql"], capture_output=True, check=True).stdout
        for name, more in (("node1", ""), ("node3", GALERA)):
            self.ship(name, ["/usr/sbin/mariadbd", "/usr/lib/galera/libgalera_smm.so"], ["/usr/share/mysql"])
            self.run(name, "tar -xf - -C /var/lib && chown -R root:root /var/lib/mysql", data)
            self.write(name, {"/etc/users.sql": USERS})
            self.unit(name, "mariadb", MARIADB.format(more=more))
        for name in ("node1", "node2"):
            self.write(
                name,
                {
                    "/opt/nova/bin/nova-api": LISTENER,
                    "/opt/nova/lib/python2.7/site-packages/nova-16.1.8.dist-info/METADATA": "Name: nova\n",
                    "/etc/nova/nova.conf": "[DEFAULT]\n",
                    "/var/log/nova/nova-api.log": "",
                },
            )
            self.unit(name, "nova-api", "[Service]\nExecStart=/opt/nova/bin/nova-api 8774\n")
        for name in ("node3", "node4"):
            self.write(name, {"/opt/nova/lib/python2.7/site-packages/nova-16.1.8-py2.7.egg-info/PKG-INFO": ""})
            self.unit(name, "nova-compute", "[Service]\nExecStart=/bin/sleep infinity\n")
        self.run("node5", "touch /run/swift-is-on")
        self._rabbitmq("node2")
        self._users("node5")
        nic = self.run("node1", "ip -o -4 addr show").split(self.address["node1"])[0].split()[-2]
        self.nic = nic
        self.run("node1", f"ip addr replace {self.virtual}/32 dev {nic}")
        self.ship("node2", [HAPROXY_PROGRAM])
        self.write("node2", {"/etc/haproxy.cfg": HAPROXY.format(**self.address)})
        self.unit("node2", "haproxy", f"[Service]\nExecStart={HAPROXY_PROGRAM} -db -f /etc/haproxy.cfg\n")
        for name, unit in (("node1", "mariadb"), ("node3", "mariadb")):
            self._wait(name, f"systemctl is-active {unit} && ss -ltn | grep -q :3306")
        self._wait("node2", "ss -ltn | grep -q :15672")
        self._plain_user()

    def _rabbitmq(self, name: str) -> None:
        beam = sorted(map(str, Path("/usr/lib/erlang").glob("erts-*/bin/*")))
        nifs = sorted(map(str, Path("/usr/lib/erlang/lib").glob("*/priv/lib/*.so")))
        self.ship(name, ["/usr/bin/erl", *beam, *nifs], ["/usr/lib/erlang", "/usr/lib/rabbitmq"])
        server = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))[-1]
        self.run(name, "rm -f /usr/bin/erl && ln -s /usr/lib/erlang/bin/erl /usr/bin/erl && mkdir -p /var/lib/rabbitmq")
        files = {"/etc/rabbitmq.conf": RABBITMQ_CONFIG, "/etc/enabled_plugins": "[rabbitmq_management].\n"}
        self.write(name, {**files})
        self.unit(name, "rabbitmq", RABBITMQ.format(server=server))

    def _plain_user(self) -> None:
        """One who may look, and change nothing."""
        for path, body in (
            ("users/looker", {"password": "secret", "tags": "monitoring"}),
            ("permissions/%2F/looker", {"configure": "", "write": "", "read": ".*"}),
        ):
            self._rabbitmq_api(path, body)

    def _rabbitmq_api(self, path: str, body: dict[str, str]) -> None:
        url = f"http://{self.address['node2']}:15672/api/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")
        request.add_header("Authorization", "Basic YWRtaW46c2VjcmV0")  # admin:secret
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=30).close()

    def _users(self, name: str) -> None:
        """`may`, who becomes root, and `plain`, who does not."""
        for user in ("may", "plain"):
            self.run(
                name,
                f"id {user} 2>/dev/null || useradd -m -p '*' -s /bin/sh {user}; mkdir -p /home/{user}/.ssh;"
                f"cp /root/.ssh/authorized_keys /home/{user}/.ssh/; chown -R {user} /home/{user}/.ssh",
            )
        self.run(name, "echo 'may ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/may; chmod 440 /etc/sudoers.d/may")

    def _wait(self, name: str, command: str) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            argv = self.hosts.ssh(name, "sh", "-c", shlex.quote(command))
            if subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0:
                return
            assert time.monotonic() < end, self.run(name, "systemctl --failed; journalctl -n 40 --no-pager")
            time.sleep(0.3)

    # -- what a site says of it

    def secret(self, name: str, text: str = "secret") -> dict[str, str]:
        path = self.secrets / name
        path.touch(mode=0o600)
        path.write_text(text)
        return {"file": str(path)}

    def site(self) -> dict[str, Any]:
        """All of it, as it is."""
        content: dict[str, Any] = json.loads(json.dumps(self.bare))
        password = self.secret("password")
        content["release"] = "pike"
        content["hosts"][4]["login"] = {"user": "may", "sudo": True}
        content["groups"] = {"api": ["node[1:2]"], "computes": ["node3", "node4"]}
        content["services"] = [
            {
                **{"name": "nova-api", "hosts": "api", "managed": {"unit": "nova-api.service"}, "port": 8774},
                **{"config": "/etc/nova/nova.conf", "logs": "/var/log/nova/nova-api.log"},
            },
            {
                **{"name": "nova-compute", "hosts": "computes", "managed": {"unit": "nova-compute"}},
                **{"python": "/opt/nova/bin/python"},
            },
            {
                **{"name": "swift-proxy", "hosts": "node5", "release": ""},
                "managed": {"start": "touch /run/swift-is-on", "stop": "false", "status": "test -e /run/swift-is-on"},
            },
        ]
        database = {"user": "admin", "password": password}
        content["databases"] = [
            {**database, "name": "main", "kind": "mariadb", "hosts": "node1", "schemas": ["nova"]},
            {**database, "name": "cluster", "kind": "galera", "hosts": "node3"},
        ]
        management = {"user": "admin", "password": password}
        content["queues"] = [{"name": "main", "hosts": "node2", "management": management}]
        content["virtual_addresses"] = [{"address": self.virtual, "hosts": "api"}]
        balancer = {"name": "api", "kind": "haproxy", "hosts": "node2", "managed": {"unit": "haproxy.service"}}
        content["load_balancers"] = [{**balancer, "socket": "/run/haproxy.sock"}]
        return content
