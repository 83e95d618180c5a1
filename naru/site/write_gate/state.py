"""How the write gates of a site are: in the files, in each HAProxy that runs, and by a request through it."""

import asyncio
import http.client
import json
import shlex
import socket
import ssl
import urllib.parse
from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import os_service_types
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.site import haproxy
from naru.site.database import asked_anywhere
from naru.site.model import LoadBalancer, WriteGate
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.threads import in_thread
from naru.site.tunnel import SECONDS, open_socket
from naru.site.write_gate.rules import CLOSED, HEADER, HORIZON, KEYSTONE, MAP, PROBE

Probed = Literal["open", "closed", "open elsewhere", "not reached", "nowhere", "not known"]
"""What became of a request that writes: let through by this host, refused, let through by somebody else, not sent since
the address is not this host's and nobody is reached at it, not sent since the catalogue has no address, no answer."""
STOPPED = "stopped"


class Endpoint(NamedTuple):
    """Where users reach a service, by Keystone's catalogue: the path up to what is a project's own."""

    service: str
    url: str
    region: str


class State(NamedTuple):
    """A service's gate in one HAProxy: as it is in the file and in the one that runs ("" where there is none, `stopped`
    where that does not run); what became of a request at one of the service's endpoints ("" for none) in a region, and
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
    """All gates of the site, each with a request that writes through each HAProxy to the endpoints of its service. The
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
    """Why the gates of some services are not closed everywhere; [] when they are: each HAProxy says so, by its file as
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
            for what, state in ((f"in {MAP}", one.file), ("in the running HAProxy", one.running)):
                if state not in (CLOSED, STOPPED):
                    reasons.append(f"{one.host}: the gate of {service} is {state or 'missing'} {what}")
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
    assert balancer.socket
    file = _gates((await remote.run(f"cat {shlex.quote(f'{gate.directory}/{MAP}')}")).out, columns=2)
    why = ""
    try:
        said = await haproxy.ask(remote, balancer.socket, f"show map {gate.seen_as or gate.directory}/{MAP}")
        running = _gates(said, columns=3)
        if not running:
            why = f"HAProxy has no map {gate.seen_as or gate.directory}/{MAP}: naru site gate rules"
    except haproxy.Refused as error:
        running, why = {}, error.summary
        if (await remote.run("grep -qx haproxy /proc/[0-9]*/comm 2>/dev/null")).code:
            running, why = dict.fromkeys(file, STOPPED), ""
    if not file and not running:
        why = why or f"there is no {gate.directory}/{MAP}: naru site gate rules"
        return [State(balancer.name, remote.name, *_UNSEEN, why)]
    ca = str(site.path(gate.certificate)) if gate.certificate else None
    services = sorted({*file, *running})
    known = {one.service for one in where}
    asked = [one for one in where if one.service in services]
    asked += [Endpoint(service, "", "") for service in services if service not in known]
    up = await _up(remote, balancer.socket) if known else set()
    silent = {service for service in known if (ports := ports_of(site, service)) and not ports & up}
    probes = await asyncio.gather(*(_probe(remote, one, ca, silent) for one in asked))
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


def _gates(said: str, columns: int) -> dict[str, str]:
    """The gates in a map's lines, by service: the last two of so many columns."""
    rows = (line.split() for line in said.splitlines())
    return {row[-2]: row[-1] for row in rows if len(row) == columns}


async def _probe(remote: Remote, endpoint: Endpoint, ca: str | None, silent: Container[str]) -> tuple[Probed, str]:
    """What became of requests to an endpoint, and why. They go to the host's own listener where the address is its own;
    else to the address, wherever that is; and where that cannot be reached, as from within what is behind NAT, to the
    host's own listener at the same port. `silent` are services of which nobody is there to answer."""
    if not endpoint.url:
        return "nowhere", "Keystone's catalogue has no endpoint of it"
    parts = urllib.parse.urlsplit(endpoint.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    own, mine = await _listens(remote, parts.hostname or "", port)
    if own:
        return await _sent(remote, own, port, endpoint, ca, silent)
    probed, why = await _sent(remote, parts.hostname or "", port, endpoint, ca, silent)
    if probed == "not known":
        return await _sent(remote, mine, port, endpoint, ca, silent) if mine else ("not reached", why)
    return ("open elsewhere", why) if probed == "open" else (probed, why)


async def _sent(
    remote: Remote, address: str, port: int, endpoint: Endpoint, ca: str | None, silent: Container[str]
) -> tuple[Probed, str]:
    """What becomes of requests that a host sends to an address: one that writes, one that reads, a login."""
    url, name = endpoint.url, urllib.parse.urlsplit(endpoint.url).hostname or ""
    path, tls = urllib.parse.urlsplit(url).path.rstrip("/"), url.startswith("https:")
    requests = [("POST", f"{path}/", True)]
    if endpoint.service != HORIZON:
        requests.append(("GET", path or "/", False))
    if endpoint.service == KEYSTONE and "/v" in path:
        requests.append(("POST", f"{path}/auth/tokens", False))
    try:
        for method, asked, writes in requests:
            async with open_socket(remote, address, port) as sock:
                asking = partial(_asked, sock, name, port, tls, ca, method, asked)
                status, refused = await in_thread(asking)
            if writes and not refused:
                return "open", f"POST {url} is let through ({status})"
            if refused and not writes:
                if endpoint.service in silent:
                    return "closed", "nothing answers behind the gate"
                return "not known", f"{method} {asked} is refused, too, which only reads or logs in"
    except (NaruError, OSError, http.client.HTTPException) as error:
        return "not known", f"{url}: {error}"
    return "closed", ""


def _asked(
    sock: socket.socket, name: str, port: int, tls: bool, ca: str | None, method: str, path: str
) -> tuple[int, bool]:
    """The status of a request, and whether the gate refused it."""
    connection = http.client.HTTPConnection(name, port)
    connection.sock = ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname=name) if tls else sock
    body = json.dumps({}) if method == "POST" else None
    headers = {PROBE: "1", "Connection": "close", "Content-Type": "application/json"}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader(HEADER) is not None


async def _listens(remote: Remote, name: str, port: int) -> tuple[str, str]:
    """Where a host listens at a port: at an own address that the name has, and at any of its own; "" for none, as of a
    virtual address that is another host's now."""
    line = (
        f"ss -Hltn 'sport = :{port}' | awk '{{ print $4 }}'; echo -; "
        "ip -o addr | awk '{ print $4 }'; echo -; "
        f"getent ahosts {shlex.quote(name)} | awk '{{ print $1 }}'"
    )
    said = (await remote.run(line, seconds=SECONDS)).out
    listening, own, named = (part.split() for part in (*f"\n{said}".split("\n-\n"), "", "")[:3])
    mine = {one.partition("/")[0] for one in own}
    at = [one.rpartition(":")[0].strip("[]").partition("%")[0] for one in listening]
    anywhere = any(one in ("*", "0.0.0.0", "::") for one in at)
    possible = [one for one in mine if anywhere or one in at]
    wanted = [one for one in possible if one in named]
    return next(iter(wanted), ""), next(iter(sorted(possible)), "")


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
