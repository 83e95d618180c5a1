"""Load balancers before controllers whose place others take: each HAProxy has to have the next ones as servers, open,
and has to notice by itself that the old ones are gone. Naru changes nothing in them: a stopped service is down by its
health check, and one that was started is up."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from naru.errors import NaruError
from naru.releases.path import Service
from naru.site import haproxy
from naru.site.haproxy import Gate
from naru.site.model import LoadBalancer
from naru.site.model import Service as Line
from naru.site.site import Host, Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.finding import Finding, Span

SECONDS = 15.0
UP, UNCHECKED = "UP", "no check"
_ADDRESSES = "ip -o addr | awk '{ sub(/\\/.*/, \"\", $4); print $4 }'"
PROOF = "echo 'show stat' | socat - {socket}"


class Change(NamedTuple):
    """The services of a name that others take the place of, at their ports, as HOST:PORT of the site; of `new` those
    that were not there before, of `old` those that are not there after."""

    service: str
    old: tuple[str, ...]
    new: tuple[str, ...]


def changes(site: Site, goal: str, wanted: Collection[str]) -> list[Change]:
    """The services with a port of which some are elsewhere after the upgrade. Of projects `wanted` by name."""
    now, later = Site(site.content, site.file), Site(site.content, site.file, next_part=True)
    projects = {
        *wanted,
        *(["placement"] if "nova" in wanted else []),
    }  # a part of it, as long as it has no way of its own
    found = []
    for name in dict.fromkeys(one.name for one in site.coming(goal) if one.port and one.project in projects):
        old = _places(now, (one for one in site.content.services if one.name == name and one.release != ""))
        new = _places(later, (one for one in site.coming(goal) if one.name == name))
        if old and set(old) != set(new):
            gone = tuple(one for one in old if one not in new)
            found.append(Change(name, gone, tuple(one for one in new if one not in old)))
    return found


def _places(site: Site, lines: Iterable[Line]) -> list[str]:
    return [f"{host.name}:{line.port}" for line in lines if line.port for host in site.named(line.hosts)]


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What load balancers lack so that the next controllers get what the old ones got."""
    found = changes(site, span.goal, [service.name for service in services])
    asked = [one for one in Site(site.content, site.file, next_part=True).part.load_balancers if one.socket]
    if not found or not asked:
        return []
    where = addresses(fleet.later, found)
    return [
        one
        for balancer in asked
        for host, gates in servers(fleet.later, balancer).items()
        for change in found
        for one in judged(balancer, host, gates, change, where, span)
    ]


def servers(fleet: Fleet, balancer: LoadBalancer) -> dict[str, list[Gate] | NaruError]:
    """The servers that each HAProxy of a load balancer has, by host."""
    socket = balancer.socket
    assert socket

    async def ask(remote: Remote) -> list[Gate]:
        return await haproxy.gates(remote, socket)

    return fleet.each([host.name for host in fleet.site.named(balancer.hosts)], ask)


def addresses(fleet: Fleet, found: Sequence[Change]) -> dict[str, set[str]]:
    """The addresses of the hosts of services, by host: as the host says them, and as the site does."""
    hosts = {place.rpartition(":")[0] for one in found for place in (*one.old, *one.new)}
    known: dict[str, Host] = fleet.site.hosts

    async def ask(remote: Remote) -> set[str]:
        return set((await remote.checked(_ADDRESSES, seconds=SECONDS)).split()) - {"127.0.0.1", "::1"}

    said = fleet.each([name for name in hosts if name in known], ask)
    virtual = {str(one.address) for one in fleet.site.part.virtual_addresses}
    own = {name: {known[name].address} for name in said}
    return {name: own[name] | (set() if isinstance(one, NaruError) else one - virtual) for name, one in said.items()}


def at(gates: Iterable[Gate], places: Sequence[str], where: Mapping[str, Collection[str]]) -> list[tuple[str, Gate]]:
    """The servers that are at places (HOST:PORT), each with that."""
    return [
        (place, gate)
        for gate in gates
        for place in places
        if gate.address in where.get(place.rpartition(":")[0], ()) and gate.port == int(place.rpartition(":")[2])
    ]


def judged(
    balancer: LoadBalancer,
    host: str,
    gates: list[Gate] | NaruError,
    change: Change,
    where: Mapping[str, Collection[str]],
    span: Span,
) -> Iterator[Finding]:
    """What one HAProxy lacks for a service; `where` are the addresses of hosts."""
    project, proof = change.service.partition("-")[0], PROOF.format(socket=balancer.socket)

    def told(state: str, what: str, examples: Sequence[str], cure: str) -> Finding:
        return Finding(state, project, span.goal, host, what, len(examples), tuple(examples), cure, proof)  # type: ignore[arg-type]

    if isinstance(gates, NaruError):
        yield told("unknown", f"{balancer.name}: {gates.summary}", (), "See: naru site check")
        return
    old, new = at(gates, change.old, where), at(gates, change.new, where)
    for backend in dict.fromkeys(gate.backend for _, gate in (*old, *new)):
        has = {place: gate for place, gate in new if gate.backend == backend}
        if missing := [place for place in change.new if place not in has]:
            what = f"{balancer.name}: the backend {backend} has no server for the next {change.service}"
            yield told("blocks", what, missing, "Add it there, with check: it gets nothing as long as it is off.")
        if shut := [place for place, gate in has.items() if gate.status.startswith(("MAINT", "DRAIN"))]:
            what = f"{balancer.name}: the backend {backend} is closed to the next {change.service}"
            yield told("blocks", what, shut, "Open it: set server BACKEND/SERVER state ready.")
        every = (*((place, gate) for place, gate in old if gate.backend == backend), *has.items())
        if blind := [place for place, gate in every if gate.status == UNCHECKED]:
            what = f"{balancer.name}: the backend {backend} gives requests to servers of {change.service} that are off"
            yield told("blocks", what, blind, "Add check to the server: HAProxy does not see whether it is there.")


def left(gates: Sequence[Gate], found: Sequence[Change], where: Mapping[str, Collection[str]]) -> str:
    """Why a HAProxy does not give all requests to the new services; "" when it does."""
    for change in found:
        old, new = at(gates, change.old, where), at(gates, change.new, where)
        for place, gate in old:
            if gate.status.startswith((UP, UNCHECKED)):
                return f"{gate.backend}/{gate.server} is {gate.status}: the old {change.service} at {place}"
        for backend in dict.fromkeys(gate.backend for _, gate in old):
            if not any(gate.backend == backend for _, gate in new):
                return f"the backend {backend} has no server of the new {change.service}"
        for place, gate in new:
            if not gate.status.startswith((UP, UNCHECKED)):
                return f"{gate.backend}/{gate.server} is {gate.status}: the new {change.service} at {place}"
    return ""
