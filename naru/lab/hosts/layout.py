"""A layout: which hosts and networks a lab has. `naru/lab/layouts/*.yaml`, or a file of one's own."""

import ipaddress
import re
from pathlib import Path
from typing import Any, Literal

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.site.names import expand

LAYOUTS = Path(__file__).parent.parent / "layouts"
DEFAULT = "bare5"
MANAGEMENT, FABRIC, STORAGE = "management", "fabric", "storage"
AGENT_NETWORK = "tenant"
"""The network in which agents have the ends of their tunnels."""
MAX_HOSTS = 300
# the last parts of addresses: the machine's, or that of a rack's router; the virtual one; the first host's
MACHINE, ROUTER, VIRTUAL, FIRST = 1, 1, 5, 11
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


NEXT_CONTROLLER, NEXT_QUEUE, NEXT_BALANCER = "next-controller", "next-queue", "next-balancer"
Role = Literal[
    "controller",
    "database",
    "queue",
    "balancer",
    "compute",
    "ceph",
    "router",
    "next-controller",
    "next-queue",
    "next-balancer",
]
"""What a host does for the layout's cloud: the APIs and what works with them; MariaDB; RabbitMQ; HAProxy with the
virtual address; Nova's compute; a monitor, a manager and an OSD of Ceph. A router is its rack's way to the other racks.
The last three are for the services of `next`: those of controllers, which then are not on the controllers; the RabbitMQ
that they have; the HAProxy that the virtual address goes to."""
NEXT = {NEXT_CONTROLLER: "controller", NEXT_QUEUE: "queue", NEXT_BALANCER: "balancer"}
"""Whose place they take."""
NEEDED: tuple[Role, ...] = ("controller", "database", "queue", "compute")


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Network(_Model):
    """A network that hosts stand in, each with the same last part of its address in all of them. With `by_rack` each
    rack has an equal part of it to itself, and its router leads to the others'."""

    cidr: ipaddress.IPv4Network
    by_rack: bool = False


class HostLine(_Model):
    """A host, or a range of them (`node[01:30]`), its rack, the networks that it has a cable to (None: all, but only
    routers the fabric), and its roles."""

    name: str
    rack: str | None = None
    networks: tuple[str, ...] | None = None
    roles: tuple[Role, ...] = ()

    @pydantic.field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not all(_NAME.fullmatch(one) for one in expand(name)):
            raise ValueError("a host's name is of a-z, 0-9 and -, at most 31 of them, as in db1 or node[01:30]")
        return name


class Layout(_Model):
    """The whole file. With `ipmi` the power controllers speak IPMI, too; with `containers` what the cloud has on
    compute hosts is in containers; `agents` says which agent of Neutron they have; with `guests` their servers are real
    ones, in software emulation. `next` is the release of which services are built beside the cloud's own, and off: what
    an upgrade in place goes to."""

    naru_layout: Literal[1]
    networks: dict[str, Network]
    hosts: tuple[HostLine, ...]
    ipmi: bool = False
    containers: bool = False
    agents: Literal["openvswitch", "linuxbridge"] | None = None
    guests: bool = False
    next: str | None = None

    @pydantic.field_validator("networks")
    @classmethod
    def _management(cls, networks: dict[str, Network]) -> dict[str, Network]:
        if MANAGEMENT not in networks:
            raise ValueError(f"the network {MANAGEMENT!r} is missing: hosts are reached in it")
        if bad := [name for name in networks if not _NAME.fullmatch(name)]:
            raise ValueError(f"{bad[0]!r}: a network's name is of a-z, 0-9 and -")
        pairs = list(networks.items())
        for index, (name, network) in enumerate(pairs):
            for other, before in pairs[:index]:
                if network.cidr.overlaps(before.cidr):
                    raise ValueError(f"{name} ({network.cidr}) overlaps {other} ({before.cidr})")
        return networks

    @pydantic.field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[HostLine, ...], info: pydantic.ValidationInfo) -> tuple[HostLine, ...]:
        networks: dict[str, Network] = info.data.get("networks", {})
        seen: set[str] = set()
        for line in hosts:
            for name in expand(line.name):
                if name in seen:
                    raise ValueError(f"the host {name} is there twice")
                seen.add(name)
            if line.networks is None or not networks:
                continue
            if unknown := [name for name in line.networks if name not in networks]:
                raise ValueError(f"{line.name}: there is no network {unknown[0]!r}, only {', '.join(networks)}")
            if MANAGEMENT not in line.networks:
                raise ValueError(f"{line.name}: {MANAGEMENT!r} is missing in its networks: it is reached there")
        if not 1 <= len(seen) <= MAX_HOSTS:
            raise ValueError(f"{len(seen)} hosts: a lab has 1 to {MAX_HOSTS}")
        racks = _racks(hosts)
        for name, network in networks.items():
            # the second half of the management network is the power controllers'
            parts = 2 if name == MANAGEMENT else 2 ** _bits(racks) if network.by_rack else 1
            room = network.cidr.num_addresses // parts - FIRST - 1
            if len(seen) > room:
                per = " per rack" if network.by_rack else ""
                raise ValueError(
                    f"{network.cidr} of {name} has room for {max(room, 0)} hosts{per}, not for {len(seen)}"
                )
        return hosts

    @pydantic.model_validator(mode="after")
    def _routed(self) -> "Layout":
        routers = {name: line for line in self.hosts if "router" in line.roles for name in expand(line.name)}
        parted = [name for name, network in self.networks.items() if network.by_rack]
        if not parted:
            if routers:
                raise ValueError(f"hosts: {next(iter(routers))} is a router, and no network is by_rack")
            return self
        if bad := next((name for name in parted if name in (MANAGEMENT, FABRIC)), None):
            raise ValueError(f"networks: {bad} cannot be by_rack: all stand in it together")
        if FABRIC not in self.networks:
            raise ValueError(f"networks: {FABRIC!r} is missing: routers meet in it, and {parted[0]} is by_rack")
        for host in hosts(self):
            if host.rack is None:
                raise ValueError(f"hosts: {host.name} has no rack, and {parted[0]} is by_rack")
            if (missing := {*parted, FABRIC} - {*host.networks}) and host.name in routers:
                raise ValueError(f"hosts: the router {host.name} has no cable to {min(missing)}")
            if host.roles != ("router",) and host.name in routers:
                raise ValueError(f"hosts: the router {host.name} can have no other role")
        of_racks = [line.rack for line in routers.values()]
        if wrong := next((rack for rack in _racks(self.hosts) if of_racks.count(rack) != 1), None):
            raise ValueError(f"hosts: {wrong} has {of_racks.count(wrong)} routers: a rack has one")
        return self

    @pydantic.model_validator(mode="after")
    def _cloud(self) -> "Layout":
        counts = {role: len(found) for role, found in by_role(self).items()}
        if not counts:
            if self.containers:
                raise ValueError("containers: no host has a role, so there is nothing to put into them")
            if self.agents or self.guests:
                raise ValueError(f"{'agents' if self.agents else 'guests'}: no host has the role compute")
            return self
        if self.next and (self.containers or self.agents or not any("compute" in line.roles for line in self.hosts)):
            raise ValueError("next: it is for clouds of units without agents")
        for role, now in NEXT.items():
            if role in counts and not self.next:
                raise ValueError(f"next: is missing: no service would have the host of the role {role}")
            if both := [one.name for one in hosts(self) if one.is_any(role) and one.is_any(now)]:
                raise ValueError(f"hosts: {both[0]} has the roles {now} and {role}: it can have one of them")
        if NEXT_CONTROLLER in counts and "ceph" in counts:
            raise ValueError(f"hosts: {NEXT_CONTROLLER} is not with the role ceph")
        if NEXT_BALANCER in counts and "balancer" not in counts:
            raise ValueError(f"hosts: none has the role balancer, whose place {NEXT_BALANCER} takes")
        if self.guests and not self.agents:
            raise ValueError("guests: they need agents: openvswitch or linuxbridge")
        if self.agents and (lost := [one.name for one in hosts(self) if _lost(one)]):
            raise ValueError(f"agents: {lost[0]} has no cable to {AGENT_NETWORK!r}, where their tunnels end")
        if missing := [role for role in NEEDED if role not in counts]:
            raise ValueError(f"hosts: none has the role {missing[0]}; a cloud needs {', '.join(NEEDED)}")
        for role in ("database", "queue", NEXT_QUEUE, "ceph"):
            if counts.get(role, 1) % 2 == 0:
                raise ValueError(f"hosts: {counts[role]} of the role {role}: a cluster has an odd number, or it is one")
        if "balancer" not in counts and max(counts["controller"], counts["database"]) > 1:
            raise ValueError("hosts: none has the role balancer, which several controllers or databases need")
        return self


class Host:
    """One host of a layout; `number` counts from 0."""

    def __init__(self, layout: Layout, line: HostLine, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.rack = line.rack
        self.roles = line.roles
        everywhere = tuple(one for one in layout.networks if one != FABRIC or self.is_router)
        self.networks = everywhere if line.networks is None else line.networks
        self._layout = layout

    @property
    def is_router(self) -> bool:
        """Whether it leads from its rack to the others."""
        return "router" in self.roles

    def is_any(self, *roles: str) -> bool:
        """Whether it has one of the roles."""
        return not set(roles).isdisjoint(self.roles)

    def address(self, network: str) -> ipaddress.IPv4Interface:
        """Its address in a network, with the length of the network or of its rack's part."""
        part = self.part(network)
        number = ROUTER if self.is_router and self.part_of_rack(network) else FIRST + self.number
        return ipaddress.IPv4Interface(f"{part[number]}/{part.prefixlen}")

    def part(self, network: str) -> ipaddress.IPv4Network:
        """What its rack has of a network: all, unless each has its own part."""
        cidr = self._layout.networks[network].cidr
        if self.rack is None or not self.part_of_rack(network):
            return cidr
        racks = _racks(self._layout.hosts)
        return list(cidr.subnets(_bits(racks)))[racks.index(self.rack)]

    def part_of_rack(self, network: str) -> bool:
        """Whether each rack has its own part of the network."""
        return self._layout.networks[network].by_rack

    def routes(self, network: str) -> dict[ipaddress.IPv4Network, ipaddress.IPv4Address]:
        """By which address in a network it gets where: to the other racks' parts, by its own rack's router."""
        if self.is_router or not self.part_of_rack(network):
            return {}
        return {self._layout.networks[network].cidr: self.part(network)[ROUTER]}

    def segment(self, network: str) -> str:
        """A name for what it shares a wire with in that network."""
        return f"{network} of {self.rack}" if self.part_of_rack(network) else network

    @property
    def controller(self) -> ipaddress.IPv4Interface:
        """The address of its power controller: in the second half of the management network."""
        cidr = self._layout.networks[MANAGEMENT].cidr
        return ipaddress.IPv4Interface(f"{cidr[cidr.num_addresses // 2 + FIRST + self.number]}/{cidr.prefixlen}")

    def nic(self, network: str) -> str:
        """The name of its network interface; the same network has the same on all hosts."""
        return f"eth{list(self._layout.networks).index(network)}"

    def mac(self, network: str) -> str:
        """The interface's hardware address."""
        index = list(self._layout.networks).index(network)
        return f"52:54:00:{index:02x}:{self.number >> 8:02x}:{self.number & 255:02x}"


def hosts(layout: Layout) -> list[Host]:
    """All hosts of the layout in its order."""
    names = [(name, line) for line in layout.hosts for name in expand(line.name)]
    return [Host(layout, line, name, number) for number, (name, line) in enumerate(names)]


def by_role(layout: Layout) -> dict[str, list[Host]]:
    """The hosts of each of a cloud's roles, in the layout's order; empty when no cloud runs on them."""
    found: dict[str, list[Host]] = {}
    for host in hosts(layout):
        for role in host.roles:
            if role != "router":
                found.setdefault(role, []).append(host)
    return found


def routers(layout: Layout) -> list[Host]:
    """The racks' routers."""
    return [host for host in hosts(layout) if host.is_router]


def _lost(host: Host) -> bool:
    """Whether an agent on it would have no network."""
    return "compute" in host.roles and AGENT_NETWORK not in host.networks


def _racks(lines: tuple[HostLine, ...]) -> list[str]:
    """The racks in the layout's order."""
    return list(dict.fromkeys(line.rack for line in lines if line.rack is not None))


def _bits(racks: list[str]) -> int:
    """By how many bits a network is cut so that each rack has a part."""
    return max(len(racks) - 1, 0).bit_length()


def virtual_address(layout: Layout) -> ipaddress.IPv4Interface:
    """The address in front of the APIs that the load balancers share."""
    cidr = layout.networks[MANAGEMENT].cidr
    return ipaddress.IPv4Interface(f"{cidr[VIRTUAL]}/{cidr.prefixlen}")


def machine_address(layout: Layout) -> ipaddress.IPv4Interface:
    """The address that the machine has in the management network."""
    cidr = layout.networks[MANAGEMENT].cidr
    return ipaddress.IPv4Interface(f"{cidr[MACHINE]}/{cidr.prefixlen}")


def names() -> list[str]:
    """The layouts that Naru brings."""
    return sorted(path.stem for path in LAYOUTS.glob("*.yaml"))


def load(name: str) -> Layout:
    """The layout of that name, or in the file of that path. Raises InputError naming file, field and fix."""
    file = LAYOUTS / f"{name}.yaml"
    if "/" in name or name.endswith((".yaml", ".yml")):
        file = Path(name)
    elif not file.exists():
        raise InputError(
            f"there is no layout {name!r}", hint=f"There is: {', '.join(names())}; or give the path of a file."
        )
    return parse(yamlfile.load(file), str(file))


def parse(content: Any, file: str) -> Layout:
    """The layout in a file's content. Raises InputError with the first thing that is wrong."""
    try:
        return Layout.model_validate(content)
    except pydantic.ValidationError as error:
        first, *rest = error.errors()
        field = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        more = f" (and {len(rest)} more)" if rest else ""
        raise InputError(
            f"{file}: {field}: {said}{more}" if field else f"{file}: {said}",
            hint="What a layout holds: docs/reference/layout.md",
        ) from error
