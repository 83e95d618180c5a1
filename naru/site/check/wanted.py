"""What is to be looked up on a host, as calls of the functions of `check.sh`."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from naru.site.check.look import key
from naru.site.check.services import distributions
from naru.site.model import Ceph, Commands, Container, Managed, Nfs, Service, Unit
from naru.site.site import Site

ENGINES = ("docker", "podman")


@dataclass
class Wanted:
    """What is to be looked up on one host. Units, containers and command lines have with them the services whose
    release is wanted."""

    units: dict[str, list[Service]] = field(default_factory=dict)
    containers: dict[tuple[str, str], list[Service]] = field(default_factory=dict)
    """By engine, "" for whichever there is, and name."""
    status: dict[str, list[Service]] = field(default_factory=dict)
    ports: bool = False
    files: dict[str, None] = field(default_factory=dict)
    programs: dict[str, None] = field(default_factory=dict)
    shares: bool = False
    ceph: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Clusters by name: cluster, client."""

    def manager(self, managed: Managed | None, service: Service | None = None) -> None:
        """What manages something."""
        match managed:
            case Unit(unit=name):
                services = self.units.setdefault(name, [])
            case Container(container=name, engine=engine):
                services = self.containers.setdefault((engine or "", name), [])
            case Commands(status=line):
                services = self.status.setdefault(line, [])
            case None:
                return
        if service:
            services.append(service)


def of_site(site: Site) -> dict[str, Wanted]:
    """What is to be looked up on each host of a site."""
    found = {name: Wanted() for name in site.hosts}

    def each(names: Sequence[str]) -> Iterator[Wanted]:
        return (found[host.name] for host in site.named(names))

    for service in site.part.services:
        release = (site.content.release if service.release is None else service.release) or None
        for one in each(service.hosts):
            one.manager(service.managed, service if release and distributions(service.name) else None)
            one.files |= dict.fromkeys((*service.config, *service.logs))
            one.ports |= service.port is not None
    for database in site.part.databases:
        for one in each(database.hosts):
            one.ports = True
    for queue in site.part.queues:
        for one in each(queue.hosts):
            one.ports = True
    for balancer in site.part.load_balancers:
        for one in each(balancer.hosts):
            one.manager(balancer.managed)
            one.files |= dict.fromkeys(
                (*balancer.files, *balancer.logs, *([balancer.socket] if balancer.socket else []))
            )
            if name := program_of(balancer.reload):
                one.programs[name] = None
    for address in site.part.virtual_addresses:
        for one in each(address.hosts):
            one.manager(address.managed)
    for storage in site.part.storage:
        match storage:
            case Ceph():
                for one in each(storage.monitors):
                    one.ceph[storage.name] = (storage.cluster, storage.client)
            case Nfs():
                for one in found.values():
                    one.shares = True
                for one in each(storage.hosts):
                    one.ports = True
    return found


def program_of(line: str | None) -> str:
    """The program that a command line begins with, "" where a shell has to say what that is."""
    try:
        words = shlex.split(line or "")
    except ValueError:
        return ""
    first = words[0] if words else ""
    return "" if any(sign in first for sign in "=$(){};|&<>`") else first


def text(wanted: Wanted) -> str:
    """It as the functions `wanted` and `of_container` of the script."""
    inner = [f"    {line}" for line in _lines(wanted)]
    by_name: dict[str, list[Service]] = {}
    for (_, name), services in wanted.containers.items():
        by_name.setdefault(name, []).extend(services)
    cases = []
    for name, services in by_name.items():
        calls = [_packages(service, '"$2"') for service in services]
        if calls:
            cases.append(f"    {shlex.quote(name)}) {'; '.join(calls)} ;;")
    of_container = ['of_container() { case "$1" in', *cases, "    esac; }"] if cases else ["of_container() { :; }"]
    return "\n".join([*of_container, "wanted() {", *(inner or ["    :"]), "}"])


def _lines(wanted: Wanted) -> Iterator[str]:
    if wanted.units:
        yield shlex.join(["units", *wanted.units])
    for number, services in enumerate(wanted.units.values(), 1):
        if services:
            yield f"main_pid {number}"
            yield from (_packages(service, '"$pid"') for service in services)
    for engine in ENGINES:
        names = [name for (own, name) in wanted.containers if own in ("", engine)]
        if names:
            yield shlex.join(["containers", engine, *names])
    for line, services in wanted.status.items():
        yield shlex.join(["status", key(line), line])
        # whose process it is, a command line does not say
        yield from (_packages(service, "0") for service in services if service.python)
    if wanted.ports:
        yield "ports"
    for path in wanted.files:
        yield shlex.join(["file", path])
    for name in wanted.programs:
        yield shlex.join(["program", name])
    if wanted.shares:
        yield "shares"
    for name, (cluster, client) in wanted.ceph.items():
        yield shlex.join(["ceph_says", name, cluster, client])


def _packages(service: Service, pid: str) -> str:
    """A call of `packages`: a service's interpreter, and its distributions as their files are named. `pid` is a word
    of the shell."""
    names = [form for name in distributions(service.name) for form in dict.fromkeys((name, name.replace("-", "_")))]
    return f"{shlex.join(['packages', service.name])} {pid} {shlex.join([service.python or '', *names])}"
