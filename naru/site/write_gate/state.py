"""How the write gates of a site are: in the files, in what runs, and by a request through it."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import os_service_types
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.site import haproxy
from naru.site.database import asked_anywhere
from naru.site.model import LoadBalancer, WriteGate
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.write_gate.probe import Endpoint, Probed, probe
from naru.site.write_gate.rules import CLOSED, HORIZON
from naru.site.write_gate.running import STOPPED, gates


class State(NamedTuple):
    """A service's gate on one host: as it is in the files and in what runs ("" where there is none, `stopped`
    where nothing runs); what became of a request at one of the service's endpoints ("" for none) in a region, and
    why something is not known. Of a host that could not be looked at, and of one without gates, there is no service,
    only why."""

    balancer: str
    host: str
    service: str
    file: str
    running: str
    region: str
    url: str
    probed: Probed
    why: str


_UNSEEN: tuple[str, str, str, str, str, Probed] = ("", "", "", "", "", "not known")


def balancers(site: Site) -> Iterator[tuple[LoadBalancer, WriteGate]]:
    """The load balancers that have write gates."""
    for one in site.part.load_balancers:
        if one.write_gate:
            yield one, one.write_gate


def endpoints(site: Site, fleet: Fleet) -> list[Endpoint]:
    """Where users reach services, in Keystone's own tables; Horizon, which is not in them, at the virtual addresses.
    Raises NaruError when they cannot be asked."""
    names = os_service_types.ServiceTypes()
    for database in site.part.databases:
        rows = asked_anywhere(site, fleet, database, _urls)
        if rows is None:
            continue
        found = {Endpoint(names.get_project_name(kind) or "", _prefix(url), region) for kind, url, region in rows}
        return [*(one for one in sorted(found) if one.service and one.url), *_horizon(site)]
    raise NaruError(f"{site.file}: no database of the site has Keystone's tables", hint="Name it under databases.")


def _horizon(site: Site) -> Iterator[Endpoint]:
    for port in sorted(ports_of(site, HORIZON)):
        for one in site.part.virtual_addresses:
            host = f"[{one.address}]" if one.address.version == 6 else str(one.address)
            yield Endpoint(HORIZON, f"{'https' if port == 443 else 'http'}://{host}:{port}", "")


def ports_of(site: Site, service: str) -> set[int]:
    """The ports at which a service listens on its own hosts."""
    return {one.port for one in site.part.services if one.port and one.project == service}


def look(site: Site, fleet: Fleet, where: Sequence[Endpoint]) -> list[State]:
    """All gates of the site, each with a request that writes through each host to the endpoints of its service. The
    request has no token and no content: one that is let through is refused by the service. Nothing is changed."""
    found: list[State] = []
    for balancer, gate in balancers(site):
        hosts = [host.name for host in site.named(balancer.hosts)]

        async def one(remote: Remote, balancer: LoadBalancer = balancer, gate: WriteGate = gate) -> list[State]:
            return await _look(remote, balancer, gate, where, site)

        for host, states in fleet.each(hosts, one).items():
            if isinstance(states, NaruError):
                found.append(State(balancer.name, host, *_UNSEEN, states.summary))
            else:
                found += states
    return found


def open_ones(states: Sequence[State], services: Sequence[str]) -> list[str]:
    """Why the gates of some services are not closed everywhere; [] when they are: each host says so, by its files as
    well, and at each endpoint a request was refused by one of them at least. A region of which no endpoint is at one of
    these load balancers is another cloud's."""
    ours = {one.region for one in states if one.probed in ("open", "closed")}
    reasons = [f"{one.host}: {one.why}" for one in states if not one.service]
    hosts = {(one.balancer, one.host) for one in states if one.service}
    for service in services:
        mine = [one for one in states if one.service == service]
        if not mine:
            reasons.append(f"no load balancer has a gate of {service}")
        of = {one.balancer for one in mine}
        for balancer, host in sorted(hosts - {(one.balancer, one.host) for one in mine}):
            if balancer in of:
                reasons.append(f"{host}: there is no gate of {service}, and others of {balancer} have one")
        for one in mine:
            for what, state in (("in its files", one.file), ("in what runs", one.running)):
                if state not in (CLOSED, STOPPED):
                    why = f" ({one.why})" if one.why and not state else ""
                    reasons.append(f"{one.host}: the gate of {service} is {state or 'missing'} {what}{why}")
            if one.probed in ("open", "not known"):
                reasons.append(f"{one.host}: {one.why}")
        for url in dict.fromkeys(one.url for one in mine if one.region in ours):
            probed = {one.probed for one in mine if one.url == url}
            if "open elsewhere" in probed:
                reasons.append(f"{url} of {service} goes past the load balancers: a request was let through there")
            elif probed == {"not reached"}:
                reasons.append(f"{url} of {service}: no load balancer listens there, and nobody is reached at it")
        if mine and not ours and any(one.url for one in mine):
            reasons.append(f"{service}: no request came to a load balancer")
    return list(dict.fromkeys(reasons))


async def _look(
    remote: Remote, balancer: LoadBalancer, gate: WriteGate, where: Sequence[Endpoint], site: Site
) -> list[State]:
    file, running, why = await gates(remote, balancer, gate)
    if not file and not running:
        return [State(balancer.name, remote.name, *_UNSEEN, why)]
    ca = str(site.path(gate.certificate)) if gate.certificate else None
    services = sorted({*file, *running})
    known = {one.service for one in where}
    asked = [one for one in where if one.service in services]
    asked += [Endpoint(service, "", "") for service in services if service not in known]
    up = await _up(remote, balancer.socket) if known and balancer.socket else set()
    silent = {service for service in known if balancer.socket and (ports := ports_of(site, service)) and not ports & up}
    # without endpoints nothing is to be sent, and that is no reason for anything
    probes: list[tuple[Probed, str]] = [("nowhere", "")] * len(asked)
    if where:
        probes = await asyncio.gather(*(probe(remote, one, ca, silent) for one in asked))
    return [
        State(
            *(balancer.name, remote.name, one.service, file.get(one.service, ""), running.get(one.service, "")),
            *(one.region, one.url, probed),
            " ".join(filter(None, (why, said))),
        )
        for one, (probed, said) in zip(asked, probes, strict=True)
    ]


async def _up(remote: Remote, socket: str) -> set[int]:
    """The ports of the servers to which a HAProxy gives requests."""
    try:
        return {one.port for one in await haproxy.gates(remote, socket) if one.status.startswith(("UP", "no check"))}
    except haproxy.Refused:
        return set()


def _urls(connection: "Connection[Cursor]") -> list[tuple[str, str, str]] | None:
    """Types, URLs and regions of the catalogue, as users have them; None where there is no schema of Keystone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='keystone' AND TABLE_NAME='endpoint'"
        )
        if not cursor.fetchall():
            return None
        cursor.execute(
            "SELECT s.type, e.url, COALESCE(e.region_id, '') "
            "FROM keystone.endpoint e JOIN keystone.service s ON s.id = e.service_id "
            "WHERE e.interface = 'public' AND e.enabled = 1 AND s.enabled = 1"
        )
        return [(str(kind), str(url), str(region)) for kind, url, region in cursor.fetchall()]


def _prefix(url: str) -> str:
    """A URL up to what is put in for each project."""
    for sign in ("$(", "%("):
        before, found, _ = url.partition(sign)
        if found:
            return before.rpartition("/")[0]
    return url.rstrip("/")
