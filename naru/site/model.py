"""`site.yaml` as it is written: docs/reference/site.md has every field.

Wherever hosts are named (`hosts` of a service, `groups`, ...), each entry is a host, a range of hosts
(`compute[001:300]`) or a group.
"""

import ipaddress
import posixpath
import zoneinfo
from typing import Annotated, Any, Literal

import pydantic

from naru.site.names import expand
from naru.site.secret import Secret


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


def _listed(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


Names = Annotated[tuple[str, ...], pydantic.BeforeValidator(_listed)]
"""Several texts; one may be written without a list."""


class Login(_Model):
    """How hosts are reached. What is not said here is as `ssh_config` says, or ssh's own defaults; what a host says of
    itself counts before what the site says. Host keys are always checked, by `known_hosts` or the files that ssh
    uses."""

    user: str | None = None
    port: int | None = pydantic.Field(default=None, ge=1, le=65535)
    key: str | None = None
    password: Secret | None = None
    known_hosts: str | None = None
    ssh_config: str | None = None
    sudo: bool | None = None
    sudo_password: Secret | None = None
    jump: str | None = None

    def over(self, other: "Login") -> "Login":
        """This one, with what it does not say taken from the other."""
        return Login(**{**other.model_dump(exclude_none=True), **self.model_dump(exclude_none=True)})


class Power(_Model):
    """A host's power controller. `certificate` is a file of those that its own is checked by, else the system's are."""

    address: str
    protocol: Literal["redfish", "ipmi"] = "redfish"
    user: str
    password: Secret
    port: int | None = pydantic.Field(default=None, ge=1, le=65535)
    certificate: str | None = None


class PowerDefaults(_Model):
    """What is the same for all power controllers."""

    protocol: Literal["redfish", "ipmi"] = "redfish"
    user: str | None = None
    password: Secret | None = None
    port: int | None = pydantic.Field(default=None, ge=1, le=65535)
    certificate: str | None = None


class PowerLine(PowerDefaults):
    """The same of one host, or a range of them; `protocol` is the site's when it is not said."""

    address: str
    protocol: Literal["redfish", "ipmi"] | None = None  # type: ignore[assignment]


def _time_zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is no time zone, as Asia/Seoul or UTC") from error
    return text


TimeZone = Annotated[str, pydantic.AfterValidator(_time_zone)]


class HostLine(_Model):
    """A host, or a range of hosts. A range in `address` and in `power.address` has as many numbers as that in `name`;
    without `address` the name is looked up. `time_zone` is that which its services write their logs in, as
    Asia/Seoul."""

    name: str
    address: str | None = None
    rack: str | None = None
    zone: str | None = None
    time_zone: TimeZone | None = None
    login: Login = Login()
    power: PowerLine | None = None

    @pydantic.model_validator(mode="after")
    def _as_many(self) -> "HostLine":
        count = len(expand(self.name))
        given = {"address": self.address, "power.address": self.power.address if self.power else None}
        for field, text in given.items():
            if text is not None and len(expand(text)) != count:
                raise ValueError(f"{field}: {text} is {len(expand(text))} addresses, and {self.name} {count} hosts")
        return self


class Unit(_Model):
    """A systemd unit."""

    unit: str


class Container(_Model):
    """A container by its name, run by `engine`; None: podman or docker, whichever the host has."""

    container: str
    engine: Literal["docker", "podman"] | None = None


class Commands(_Model):
    """Command lines that start and stop a service, and one whose exit code is 0 while it runs. They are run by a shell
    on the host."""

    start: str
    stop: str
    status: str


def _kind_of_manager(given: Any) -> str | None:
    """Which of the three it is; None when it is none of them."""
    names = given.keys() if isinstance(given, dict) else vars(given).keys() if isinstance(given, _Model) else ()
    return next((tag for key, tag in _TAGS.items() if key in names), None)


_TAGS = {"unit": "unit", "container": "container", "start": "commands"}

Managed = Annotated[
    Annotated[Unit, pydantic.Tag("unit")]
    | Annotated[Container, pydantic.Tag("container")]
    | Annotated[Commands, pydantic.Tag("commands")],
    pydantic.Discriminator(
        _kind_of_manager,
        custom_error_type="managed",
        custom_error_message="one of {unit: NAME}, {container: NAME}, {start: ..., stop: ..., status: ...}",
    ),
]


def _directory(text: str) -> str:
    if not text.startswith("/") or any(sign.isspace() or sign in "\"'\\#" for sign in text):
        raise ValueError("give a path from / on, without blanks and quotes")
    return text.rstrip("/")


def _link(text: str) -> str:
    found = _directory(text)
    if posixpath.normpath(found) != found or found.count("/") < 2:
        raise ValueError("give a path within a directory, as /opt/naru/nova-compute, without . and ..")
    return found


Directory = Annotated[str, pydantic.AfterValidator(_directory)]
Link = Annotated[str, pydantic.AfterValidator(_link)]


class Service(_Model):
    """A service on hosts: `name` as the program is called (nova-compute, keystone). Where it has several lines, each is
    of other hosts. `release` is the site's when it is not said, "" for what is of no release of OpenStack.
    `environment` is the link under which it finds the environment of its release, when an upgrade is to ship that."""

    name: str
    hosts: Names
    managed: Managed
    release: str | None = None
    port: int | None = pydantic.Field(default=None, ge=1, le=65535)
    python: str | None = None
    environment: Link | None = None
    config: Names = ()
    logs: Names = ()

    @pydantic.model_validator(mode="after")
    def _its_own(self) -> "Service":
        if self.environment and isinstance(self.managed, Container):
            raise ValueError("environment: a container has its own")
        if self.environment and self.release == "":
            raise ValueError("environment: what is of no release has none")
        return self

    @property
    def project(self) -> str:
        """What it is a service of: nova, of nova-compute."""
        return self.name.partition("-")[0]


class Database(_Model):
    """A database server, or a cluster of them. `address` is where services connect; without it, each host's own. Of a
    Galera cluster that is off `bootstrap` is the command line that starts the server of a host as its first member, and
    `recover` the one that says how far that server had come, as galera_new_cluster and galera_recovery do."""

    name: str
    kind: Literal["mariadb", "galera"]
    hosts: Names
    address: str | None = None
    port: int = pydantic.Field(default=3306, ge=1, le=65535)
    user: str
    password: Secret
    certificate: str | None = None
    schemas: Names = ()
    bootstrap: str | None = None
    recover: str | None = None


class Management(_Model):
    """The HTTP API of RabbitMQ's management plugin. Without `url` it is port 15672 of each host."""

    user: str
    password: Secret
    url: str | None = None
    certificate: str | None = None


class Queue(_Model):
    """A message queue, or a cluster of one. `addresses` are where services connect, as HOST or HOST:PORT, where that is
    not each host's own name or address."""

    name: str
    kind: Literal["rabbitmq"] = "rabbitmq"
    hosts: Names
    port: int = pydantic.Field(default=5672, ge=1, le=65535)
    addresses: Names = ()
    vhosts: Names = ("/",)
    management: Management | None = None


def network(text: str) -> str:
    """An address or network as it is written shortest. Raises ValueError."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address and no network: {error}") from error
    return str(found.network_address) if found.num_addresses == 1 else str(found)


Network = Annotated[str, pydantic.AfterValidator(network)]
"""An address, or a network as 10.0.0.0/16."""


class WriteGate(_Model):
    """The write gate of a load balancer (`naru.site.write_gate`): the `directory` of its files on hosts, which that has
    as `seen_as` where it runs in a container, and the addresses and networks which go on writing, those of the cloud's
    own services. Without `allow` these are the addresses of all hosts of the site. `certificate` is a file of those by
    which the endpoints' own are checked, else the system's are."""

    directory: Directory
    seen_as: Directory | None = None
    allow: Annotated[tuple[Network, ...], pydantic.BeforeValidator(_listed)] = ()
    certificate: str | None = None


BalancerKind = Literal["haproxy", "nginx", "apache"]


class LoadBalancer(_Model):
    """What stands before the APIs. HAProxy is asked and told by its `socket`, and all kinds by their `files` and
    `reload`, a command line on the host. `logs` are the files with a line for each request."""

    name: str
    kind: BalancerKind
    hosts: Names
    managed: Managed
    socket: str | None = None
    files: Names = ()
    reload: str | None = None
    logs: Names = ()
    write_gate: WriteGate | None = None

    @pydantic.model_validator(mode="after")
    def _a_way(self) -> "LoadBalancer":
        if self.write_gate and self.kind == "haproxy" and not self.socket:
            raise ValueError("write_gate: it needs HAProxy's socket, of level admin")
        if self.socket and self.kind != "haproxy":
            raise ValueError(f"socket: {self.kind} has none; give files and reload")
        if not self.socket and not self.files:
            raise ValueError("give socket (HAProxy's, of level admin) or files and reload: how it is told what to do")
        if self.files and not self.reload:
            raise ValueError("reload: is missing; the command line that has it read its files again")
        return self


class VirtualAddress(_Model):
    """An address that one of the hosts has at a time."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    hosts: Names
    managed: Managed | None = None


class Ceph(_Model):
    """A Ceph cluster: where its monitors and OSDs are, how it is asked on a host of `monitors`, and what it is deployed
    with."""

    name: str
    kind: Literal["ceph"]
    monitors: Names
    osds: Names = ()
    cluster: str = "ceph"
    client: str = "admin"
    deployed_by: Literal["cephadm", "ceph-ansible"] | None = None


class Nfs(_Model):
    """Shares of an NFS server, as HOST:PATH."""

    name: str
    kind: Literal["nfs"]
    shares: Names
    hosts: Names = ()


Storage = Annotated[Ceph | Nfs, pydantic.Discriminator("kind")]


class Part(_Model):
    """Hosts and what runs on them."""

    groups: dict[str, Names] = {}
    hosts: tuple[HostLine, ...] = ()
    services: tuple[Service, ...] = ()
    databases: tuple[Database, ...] = ()
    queues: tuple[Queue, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    virtual_addresses: tuple[VirtualAddress, ...] = ()
    storage: tuple[Storage, ...] = ()


class SiteFile(Part):
    """The whole file. `cloud` is its name in clouds.yaml, `release` what its services are of. `next` are controllers
    that are built beside the running ones: their hosts may be named in it alone, and its services take the place of
    those of the same name."""

    naru_site: Literal[1]
    name: str
    cloud: str | None = None
    release: str = ""
    login: Login = Login()
    power: PowerDefaults = PowerDefaults()
    next: Part | None = None
