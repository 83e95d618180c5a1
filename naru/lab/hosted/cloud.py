"""A cloud over hosts: which of them has what, and where it is reached."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from naru.lab import services
from naru.lab.cloud import Cloud
from naru.lab.hosts import layout
from naru.lab.hosts.hosts import Equipment, Mount
from naru.lab.hosts.layout import MANAGEMENT, NEXT_CONTROLLER, NEXT_QUEUE, Host, Layout
from naru.releases import bindings, install, portable
from naru.releases.release import Release

ROOT = Path("/srv/naru")
"""Where a host has its part of a cloud."""
CEPH_CONF = Path("/etc/ceph/ceph.conf")
"""Where hosts have how the cloud's Ceph is reached."""
PACKAGES = (
    "galera-4",
    "haproxy",
    "keepalived",
    "mariadb-server",
    "memcached",
    "netbase",
    "python3",
    "qemu-utils",
    "rabbitmq-server",
    "rsync",
)
CONTAINERS = ("podman", "runc")
"""Packages of hosts that have containers."""
AGENTS = {
    "openvswitch": ("conntrack", "openvswitch-switch"),
    "linuxbridge": ("bridge-utils", "conntrack", "ebtables", "ipset", "iptables"),
}
"""Packages of hosts that have that agent of Neutron."""
CEPH = ("ceph-common", "ceph-mgr", "ceph-mon", "ceph-osd", "qemu-block-extra")
"""Packages of the hosts of a cloud with Ceph."""
GUESTS = ("libvirt-clients", "libvirt-daemon-system", "qemu-system-x86")
"""Packages of hosts with real guests."""
LATER = "next-"
"""What the names of units, of logs and of configuration directories begin with that are of the other release."""
SHIPPED = Path("/opt/naru/nova-compute")
"""The link under which the other release's services of compute hosts have their environment: it is shipped to them."""
SHARES = ("glance", "nfs")
"""Directories of the state that all controllers and computes have in common, as shares of an NFS server would be."""


@dataclasses.dataclass(frozen=True)
class HostedCloud(Cloud):
    """The cloud as it is seen from the machine, where `directory` has what its hosts share; `on` gives it as a host
    sees it. `roles` are the layout's hosts by role, `host` the name of the one that sees it. With `containers` the
    services of compute hosts are in containers, with `real_guests` servers are real ones. `goal` is the release of the
    services that are built beside it, and off (`later`)."""

    roles: Mapping[str, list[Host]] = dataclasses.field(default_factory=dict)
    host: str = ""
    containers: bool = False
    real_guests: bool = False
    goal: Release | None = None

    @property
    def etc(self) -> Path:
        return self.directory / f"{self.part}etc"

    @property
    def inside(self) -> Path:
        return self.directory / f"{self.part}inside"

    @property
    def later(self) -> "HostedCloud | None":
        """The services that are built beside those that run, with the same state, addresses and ports, but for the
        message queue, where the layout has another one for them: each host's configuration and units of the other
        release."""
        if self.goal is None:
            return None
        queues = tuple(address(host) for host in self.roles.get(NEXT_QUEUE, ()))
        addresses = {**self.addresses, **({"rabbitmq": queues} if queues else {})}
        venv = install.venv_path(self.goal)
        return dataclasses.replace(self, release=self.goal, venv=venv, goal=None, part=LATER, addresses=addresses)

    def on(self, host: Host) -> "HostedCloud":
        """The cloud as that host has it in its configuration."""
        found = dataclasses.replace(self, directory=ROOT, here=address(host), host=host.name)
        shipped = self.part == LATER and not {"controller", NEXT_CONTROLLER} & set(host.roles)
        return dataclasses.replace(found, venv=SHIPPED) if shipped else found

    def having(self, *roles: str) -> list[Host]:
        """The hosts that have one of the roles, in the layout's order."""
        found = {host.number: host for role in roles for host in self.roles.get(role, ())}
        return [found[number] for number in sorted(found)]

    @property
    def all_hosts(self) -> list[Host]:
        """Every host that something of the cloud is on."""
        return self.having(*self.roles)

    @property
    def controllers(self) -> list[Host]:
        """The hosts with the services of controllers: of those that are built beside, hosts of their own, where the
        layout has such."""
        return (self.part and self.roles.get(NEXT_CONTROLLER)) or self.roles["controller"]

    @property
    def first_controller(self) -> Host:
        """The controller that has what can be there only once."""
        return self.controllers[0]

    @property
    def hosts(self) -> list[str]:
        return [host.name for host in self.roles["compute"]]

    @property
    def backends(self) -> tuple[str, ...]:
        return ("ceph", "nfs") if "ceph" in self.roles else ("nfs",)

    def ceph_conf(self, client: str) -> Path:
        return CEPH_CONF

    @property
    def nova_host(self) -> str:
        return self.host

    @property
    def cinder_host(self) -> str:
        return self.host

    @property
    def workers(self) -> set[str]:
        found = {f"nova-compute@{host}" for host in self.hosts}
        for controller in self.controllers:
            found |= {f"{name}@{controller.name}" for name in ("nova-conductor", "nova-scheduler", "cinder-scheduler")}
        first = self.first_controller.name
        if self.agents:
            found |= {f"neutron-{self.agents}-agent@{host}" for host in self.hosts}
        return found | {f"cinder-backup@{first}", *(f"cinder-volume@{first}@{backend}" for backend in self.backends)}

    def process(self, worker: str) -> str:
        """The unit that a worker is in, as UNIT@HOST."""
        binary, host, *_ = worker.split("@")
        return f"{binary}@{host}"

    def equipment(self) -> Equipment:
        """What its hosts have beside what bare ones have."""
        given = self.given()
        shares = [Mount(self.state / name, ROOT / "state" / name, writable=True) for name in SHARES]
        mounts = {host.name: (*given, *shares) for host in self.having("controller", NEXT_CONTROLLER, "compute")}
        further = (
            *(CONTAINERS if self.containers else ()),
            *(AGENTS[self.agents] if self.agents else ()),
            *(GUESTS if self.real_guests else ()),
            *(CEPH if "ceph" in self.roles else ()),
        )
        return Equipment((*PACKAGES, *further), mounts)

    def given(self) -> list[Mount]:
        """The release's environment, the Python that it stands on, and what real guests need besides, as a host has
        them from the machine."""
        binding = [self.libvirt_binding()] if self.real_guests else []
        base = [found.resolve()] if (found := portable.base_python(self.venv)) else []
        later = self.later.given() if self.later else []
        found_here = [Mount(path, path) for path in (self.venv, *base, *binding)]
        return list(dict.fromkeys([*found_here, *later]))

    def libvirt_binding(self) -> Path:
        """The directory with libvirt's binding for the release's Python."""
        return bindings.ensure(self.release, "libvirt", {"libvirt-python": self.release.settings["libvirt_python"]})

    @property
    def password(self) -> Path:
        """The file with the password of everything in it."""
        return self.directory / "password"


def address(host: Host) -> str:
    """The address of a host at which its services are."""
    return str(host.address(MANAGEMENT).ip)


def addresses(layout_: Layout) -> dict[str, tuple[str, ...]]:
    """By service, where it is reached: behind the load balancer, where there is one, or on the hosts that have it."""
    roles = {role: tuple(address(host) for host in found) for role, found in layout.by_role(layout_).items()}
    front = str(layout.virtual_address(layout_).ip) if "balancer" in roles else None
    return {
        **dict.fromkeys(services.CORE, (front or roles["controller"][0],)),
        "mariadb": (front or roles["database"][0],),
        "rabbitmq": roles["queue"],
        "memcached": roles["controller"],
    }
