"""One cloud of a lab: where everything of it lies, and what its configuration templates see."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from naru.lab.ceph import Ceph
from naru.lab.infra import mariadb, rabbitmq
from naru.lab.ports import LOOPBACK, At, Ports
from naru.lab.process import Processes
from naru.releases.release import Release

INSIDE = Path(__file__).parent / "inside"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True)
class Cloud:
    """A cloud under `directory`: `etc/` is rendered anew at each start, `state/` is what survives and may be copied
    as a whole while the cloud is stopped, `run/` and `log/` belong to its processes.

    `services` are OpenStack services by name (keystone, nova, ...), `computes` the number of fake compute hosts,
    `guests` that of hosts with real guests, `venv` the release's virtual environment, `secret` the password of
    everything in this cloud. `addresses` says by service where it is reached, several where each of its servers is
    called by itself; what is not in it is on loopback. `here` is the address on which what is started listens. With
    `notifications` services tell on the message bus what they do, and with `log_lines` each record of their logs ends
    with the file and line of its statement. `agents` says which agent of Neutron its compute
    hosts have, if any. `part` tells services that are built beside running ones, for their upgrade, from these.
    """

    name: str
    release: Release
    directory: Path
    ports: Ports
    services: tuple[str, ...]
    computes: int
    venv: Path
    secret: str
    lab_id: str
    first_address: str
    last_address: str
    region: str = "RegionOne"
    guests: int = 0
    addresses: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    here: str = LOOPBACK
    notifications: bool = False
    log_lines: bool = False
    agents: str | None = None
    part: str = ""

    @property
    def etc(self) -> Path:
        return self.directory / "etc"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def inside(self) -> Path:
        """The lab's own code as this cloud's services import it: a copy, since every Python compiles it its way."""
        return self.directory / "inside"

    @functools.cached_property
    def processes(self) -> Processes:
        return Processes(self.directory, f"{self.lab_id}:{self.name}")

    @functools.cached_property
    def ceph(self) -> Ceph:
        return Ceph(self.state / "ceph", self.processes, self.ports)

    def ceph_conf(self, client: str) -> Path:
        """Where this client of the cloud's Ceph reads how it is reached."""
        return self.ceph.conf(client)

    @property
    def ceph_secret_uuid(self) -> str:
        """libvirt's name for the key of client.cinder: the same at every start."""
        digest = hashlib.sha256(f"{self.lab_id}{self.name}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"

    @property
    def secret_hex(self) -> str:
        """64 hexadecimal digits derived from the secret, for services that want a key."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    @property
    def nfs_export(self) -> Path:
        """The directory that the NFS backend's share is."""
        return self.state / "nfs"

    @property
    def nfs_share(self) -> str:
        """The share as Cinder knows it; a name rather than a path, so that the state may move."""
        return "127.0.0.1:/naru"

    @property
    def nfs_mount(self) -> Path:
        """Where os-brick looks for the mounted share: the md5 of its name under the mount base."""
        digest = hashlib.md5(self.nfs_share.encode(), usedforsecurity=False).hexdigest()
        return self.state / "cinder" / "mnt" / digest

    @property
    def apis(self) -> tuple[str, ...]:
        """Those of its services that have an API."""
        return tuple(service for service in self.services if service in self.release.api)

    @property
    def hosts(self) -> list[str]:
        """The fake compute hosts' names."""
        return [f"compute{number}" for number in range(1, self.computes + 1)]

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Neutron's drivers, which are asked in this order to bind a port. Open vSwitch's binds nothing without agents,
        but brings the trunk and QoS drivers."""
        return ("linuxbridge", "l2population", "naru") if self.agents == "linuxbridge" else ("openvswitch", "naru")

    @property
    def backends(self) -> tuple[str, ...]:
        """Cinder's backends, which its volume types are named after; the first is the default."""
        return ("ceph", "nfs")

    @property
    def nova_host(self) -> str:
        """What Nova's services that are no compute hosts call their host."""
        return "controller"

    @property
    def cinder_host(self) -> str:
        """What Cinder's services call their host."""
        return "block"

    @property
    def workers(self) -> set[str]:
        """The core's services with a heartbeat, as BINARY@HOST."""
        return {
            *(f"nova-compute@{host}" for host in [*self.hosts, *self.guest_hosts]),
            *(f"nova-{name}@{self.nova_host}" for name in ("conductor", "scheduler")),
            *(f"cinder-volume@{self.cinder_host}@{backend}" for backend in self.backends),
            *(f"cinder-{name}@{self.cinder_host}" for name in ("scheduler", "backup")),
        }

    def process(self, worker: str) -> str:
        """The name of the process that a worker is in: hosts with real guests have one each, fake ones share theirs."""
        binary, _, host = worker.partition("@")
        return f"{binary}-{host}" if host in self.guest_hosts else binary

    @property
    def guest_hosts(self) -> list[str]:
        """The names of the hosts with real guests; the neutron mechanism driver knows them by their beginning."""
        return [f"guest{number}" for number in range(1, self.guests + 1)]

    @property
    def guest_state(self) -> Path:
        """What the hosts with real guests have on their disks, a directory each."""
        return self.state / "guests"

    @property
    def guest_links(self) -> str:
        """The beginning of the names of the network interfaces below the guests' own: unique on this machine, and
        short enough to be followed by a host's number."""
        return f"nr{hashlib.sha256(f'{self.lab_id}:{self.name}'.encode()).hexdigest()[:6]}-"

    @property
    def transport_url(self) -> str:
        return rabbitmq.url(self.servers("rabbitmq"), self.secret)

    def servers(self, service: str) -> tuple[At, ...]:
        """Where each server of the service is reached."""
        return tuple(At(address, self.ports[service]) for address in self.addresses.get(service, (LOOPBACK,)))

    def at(self, service: str) -> At:
        """Where the service is reached: its first server, or what stands before all."""
        return self.servers(service)[0]

    def url(self, service: str, path: str = "") -> str:
        """The URL of a service's API."""
        return f"http://{self.at(service)}{path}"

    def database_url(self, name: str) -> str:
        return mariadb.url(self.at("mariadb"), self.secret, name)

    def environment(self) -> dict[str, str]:
        """What every OpenStack process of this cloud is started with; nothing is taken from the caller's own."""
        etc = self.etc
        placement = "nova" if self.release.has("placement-in-nova") else "placement"
        return {
            "PATH": f"{self.inside}/bin:{self.venv}/bin:{SYSTEM_PATH}",
            "PYTHONPATH": str(self.inside),
            "HOME": str(self.state / "home"),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.state / "tmp"),
            "OS_KEYSTONE_CONFIG_DIR": str(etc / "keystone"),
            "OS_KEYSTONE_CONFIG_FILES": "keystone.conf",
            "OS_GLANCE_CONFIG_DIR": str(etc / "glance"),
            "OS_PLACEMENT_CONFIG_DIR": str(etc / placement),
            "OS_NOVA_CONFIG_DIR": str(etc / "nova"),
            "OS_NEUTRON_CONFIG_DIR": str(etc / "neutron"),
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
            "OS_DESIGNATE_CONFIG_DIR": str(etc / "designate"),
            "NARU_NFS_EXPORT": str(self.nfs_export),
            "NARU_GUEST_LINKS": self.guest_links,
            "NARU_AGENT_HOSTS": ",".join(self.hosts) if self.agents else "",
        }

    def config(self, service: str, file: str | None = None) -> tuple[str, str]:
        """The `--config-file` option of a service's programs."""
        return "--config-file", str(self.etc / service / (file or f"{service}.conf"))

    def program(self, name: str) -> str:
        """The path of a console script of the release."""
        return str(self.venv / "bin" / name)
