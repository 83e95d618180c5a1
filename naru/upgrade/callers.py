"""Who still calls APIs that the wanted release has no more: read in the logs of the services and of the load balancers.

Each host reads its own logs once and says counts. What several logs have of one request stays apart, by the log.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases import path
from naru.releases.path import Gone, Service
from naru.site import haproxy, script
from naru.site.database import asked_anywhere
from naru.site.discover.ranges import fold_names
from naru.site.model import Container, LoadBalancer, Unit
from naru.site.model import Service as Line
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.write_gate.rules import NO_APIS
from naru.upgrade.finding import Span
from naru.upgrade.rows import Denied, Missing, tables
from naru.upgrade.steps import script as own_script

SECONDS = 3600.0
"""How long a host may read."""
STATEMENT = 60.0
"""Seconds for the statement that names projects."""
KEYSTONE = "keystone"
OTHER = "-"
"""What stands for a service that is not looked for."""
_AWK = (files("naru.upgrade") / "scripts" / "callers.awk").read_text()
_SCRIPT = script.SAY + own_script("callers")


class Call(NamedTuple):
    """Who calls something that is gone, as one log has it. `request` is a method and a path without what is somebody's;
    `status` what it was answered with; `first` and `last` as the host's clock has them, "" where the log says no time.
    What the log does not say is ""."""

    service: str
    gone: Gone
    log: str
    request: str
    status: str
    client: str
    forwarded_for: str
    user_agent: str
    user: str
    project: str


@dataclass
class Seen:
    """How often, when and on which hosts."""

    count: int = 0
    first: str = ""
    last: str = ""
    hosts: list[str] = field(default_factory=list)

    def add(self, count: int, first: str, last: str, host: str) -> None:
        """Once more, on a host."""
        self.count += count
        self.first = min(filter(None, (self.first, first)), default="")
        self.last = max(self.last, last)
        self.hosts = sorted({*self.hosts, host})


State = Literal["called", "unknown"]


class Caller(NamedTuple):
    """A line of what was found. `unknown`: `what` could not be read, and `instead` says what to do about it."""

    state: State
    release: str
    service: str
    what: str
    number: int
    first: str
    last: str
    status: str
    client: str
    forwarded_for: str
    user_agent: str
    user: str
    project: str
    project_name: str
    log: str
    hosts: tuple[str, ...]
    instead: str


class Source(NamedTuple):
    """A log on hosts: as it is called, whose it is ("" for a load balancer's), and the words of the script's call."""

    log: str
    service: str
    words: tuple[str, ...]


@dataclass
class Found:
    """What all hosts said: calls, the requests of each service, the services and hosts whose own logs have some
    (`read`; the host is "" for load balancers' logs), and what is not known, by the log and what it is."""

    calls: dict[Call, Seen] = field(default_factory=dict)
    requests: dict[str, Seen] = field(default_factory=dict)
    read: set[tuple[str, str]] = field(default_factory=set)
    unknown: dict[tuple[str, str, str], Seen] = field(default_factory=dict)

    def not_known(self, log: str, what: str, cure: str, host: str, count: int = 0) -> None:
        """Something that could not be read."""
        self.unknown.setdefault((log, what, cure), Seen()).add(count, "", "", host)


def look(site: Site, span: Span, wanted: Sequence[str], days: int) -> tuple[list[Caller], dict[str, Seen]]:
    """Who calls what is gone on the way, of the services `wanted` by name, else of all, in the logs of so many days;
    and how many requests of each service the logs have. Raises InputError for a way that does not lead forward."""
    services = [one.service for one in path.ways(span.start, span.goal, wanted)]
    gone = [(service, one) for service in services for one in service.gone if span.passes(one.release)]
    if not gone:
        return [], {}
    projects = list(dict.fromkeys(service.name for service, _ in gone))
    found = Found(requests={project: Seen() for project in projects})
    by_host = sources(site, projects)
    with Fleet(site) as fleet:
        said = fleet.each(by_host, lambda remote: _read(site, remote, by_host[remote.name], gone, days))
        for host, one in said.items():
            if isinstance(one, NaruError):
                for log in dict.fromkeys(source.log for source in by_host[host]):
                    found.not_known(log, str(one), "See: naru site check", host)
                continue
            add(found, host, by_host[host], gone, one)
        names = _names(site, fleet, {call.project for call in found.calls} - {""}, found)
    silent(found, by_host, projects)
    return list(judged(found, names)), found.requests


def sources(site: Site, projects: Sequence[str]) -> dict[str, list[Source]]:
    """The logs of each host that has some: of services that listen somewhere, and of load balancers."""
    found: dict[str, list[Source]] = {}
    for line in site.part.services:
        project = line.name.partition("-")[0]
        if line.port and project in projects and line.release != "" and not line.name.endswith(NO_APIS):
            for host in site.named(line.hosts):
                found.setdefault(host.name, []).extend(_logs(line.name, project, line))
    for balancer in site.part.load_balancers:
        for host in site.named(balancer.hosts):
            found.setdefault(host.name, []).extend(_logs(balancer.name, "", balancer))
    return found


def _logs(name: str, project: str, of: Line | LoadBalancer) -> Iterator[Source]:
    """The files that the site names; without any, what its manager keeps of what it says."""
    for file in of.logs:
        yield Source(f"{name}: {file}", project, ("file", project, file))
    if of.logs:
        return
    match of.managed:
        case Unit(unit=unit):
            yield Source(f"{name}: journal", project, ("journal", project, unit))
        case Container(container=container, engine=engine):
            yield Source(f"{name}: container", project, ("container", project, container, engine or ""))
        case _:
            yield Source(f"{name}: no log", project, ())


def silent(found: Found, by_host: Mapping[str, Sequence[Source]], projects: Sequence[str]) -> None:
    """Adds as not known the hosts of a service whose logs have no request of it, where no load balancer's have."""
    cure = "Name the log with its requests, or the load balancer's, under logs: HAProxy has them by option httplog."
    told = {(log, host) for (log, _, _), seen in found.unknown.items() for host in seen.hosts}
    for project in projects:
        mine = [(host, one) for host, all_of in by_host.items() for one in all_of if one.service == project]
        if not mine and not found.requests[project].count:
            found.not_known("", f"{project}: the site has no log of it", cure, "")
        for host, one in mine:
            if (project, "") not in found.read and (project, host) not in found.read and (one.log, host) not in told:
                found.not_known(one.log, f"no request of {project} is in it", cure, host)


async def _read(
    site: Site, remote: Remote, sources: Sequence[Source], gone: Sequence[tuple[Service, Gone]], days: int
) -> str:
    """What the host's script says, with what its HAProxy's socket does not say."""
    projects = {service.name for service, _ in gone}
    whose = {f":{port}": project for port, project in _ports(site, projects).items()}
    lines = []
    for balancer in site.part.load_balancers:
        if balancer.socket and remote.host in site.named(balancer.hosts):
            try:
                backends = await haproxy.gates(remote, balancer.socket)
            except haproxy.Refused as error:
                at = next(n for n, one in enumerate(sources) if one.log.startswith(f"{balancer.name}: "))
                lines.append(f"{at}\tunread\t{error}")
                continue
            whose |= {one.backend: whose[f":{one.port}"] for one in backends if f":{one.port}" in whose}
    return "\n".join([await remote.checked(order(sources, gone, whose, days), seconds=SECONDS), *lines])


def _ports(site: Site, projects: set[str]) -> dict[int, str]:
    """The service at each port of the site."""
    named = ((one.port, one.name.partition("-")[0]) for one in site.part.services if one.port)
    return {port: project if project in projects else OTHER for port, project in named}


def order(sources: Sequence[Source], gone: Sequence[tuple[Service, Gone]], whose: Mapping[str, str], days: int) -> str:
    """The script of a host. `whose` are services by backend and :PORT."""
    rows = [
        "\t".join((service.name, str(at), " ".join(one.methods), *patterns(service, one)))
        for at, (service, one) in enumerate(gone)
    ]
    values = {
        "AWK": _AWK,
        "DAYS": str(days),
        "GONE": "\n".join(rows),
        "WHOSE": "\n".join(f"{name}={project}" for name, project in whose.items()),
    }
    given = "\n".join(f"{name}={shlex.quote(text)}" for name, text in values.items())
    calls = [
        shlex.join((one.words[0], str(at), *one.words[1:])) if one.words else f"say {at} unread ''"
        for at, one in enumerate(sources)
    ]
    return "\n".join([given, "export GONE WHOSE", _SCRIPT, *calls])


def patterns(service: Service, gone: Gone) -> tuple[str, str]:
    """The patterns of whole paths that are meant, and of those below them that are not ("" without any). Before a path
    may stand one word, as where all services are at one port: /identity/v3."""

    def whole(paths: Sequence[str]) -> str:
        either = "|".join(re.sub(r"\{\w+\}", "[^/]+", one) for one in paths)
        return f"^(/[a-z_-]+)?{service.api}({either})(/.*)?$"

    return whole([gone.path]), whole(gone.but) if gone.but else ""


def add(found: Found, host: str, sources: Sequence[Source], gone: Sequence[tuple[Service, Gone]], said: str) -> None:
    """What a host's script has said."""
    for line in filter(None, said.split("\n")):
        number, kind, *values = line.split("\t")
        log, of, _ = sources[int(number)]
        match kind, values:
            case "call", [count, first, last, service, at, method, shape, *rest]:
                call = Call(service, gone[int(at)][1], log, f"{method} {shape}", *rest)
                found.calls.setdefault(call, Seen()).add(int(count), first, last, host)
            case "requests", [service, count, first, last]:
                found.requests[service].add(int(count), first, last, host)
                found.read.add((service, host if of else ""))
            case "strange", [count]:
                what = "lines that look like requests and are not understood"
                found.not_known(log, what, "Look at them by hand.", host, int(count))
            case "nobody", [name, count]:
                what = f"requests of what may be gone, of no known service{f' ({name})' if name else ''}"
                cure = "Name its port in the site; Apache and nginx have to log it (%v:%p, $host:$server_port) first."
                found.not_known(log, what, cure, host, int(count))
            case "more", [count]:
                what = "calls beyond the kinds that are told apart"
                found.not_known(log, what, "Have those listed changed, and look again.", host, int(count))
            case "unread", [what]:
                cure = "Correct logs: in the site, and who may read it."
                found.not_known(log, f"it cannot be read: {what}" if what else "the site names none", cure, host)
            case _:
                found.not_known(log, f"its host cannot count it: {line}", "See that the host has awk.", host)


def judged(found: Found, names: Mapping[str, str]) -> Iterator[Caller]:
    """All that was found, the most frequent first, behind what is not known. `names` are those of projects by id."""
    for (log, what, cure), seen in found.unknown.items():
        blank = ("",) * 7
        hosts = tuple(fold_names(filter(None, seen.hosts)))
        yield Caller("unknown", "", "", what, seen.count, "", "", *blank, log, hosts, cure)
    for call, seen in sorted(found.calls.items(), key=lambda item: -item[1].count):
        yield Caller(
            "called",
            call.gone.release,
            call.service,
            call.request,
            seen.count,
            seen.first,
            seen.last,
            call.status,
            call.client,
            call.forwarded_for,
            call.user_agent,
            call.user,
            call.project,
            names.get(call.project, ""),
            call.log,
            tuple(fold_names(seen.hosts)),
            call.gone.instead,
        )


def _names(site: Site, fleet: Fleet, ids: set[str], found: Found) -> dict[str, str]:
    """The names of projects, from Keystone's own database where the site has it: one statement."""
    ids = {one for one in ids if re.fullmatch(r"[0-9A-Za-z-]+", one)}
    if not ids:
        return {}
    listed = ", ".join(f"'{one}'" for one in sorted(ids))
    known: dict[str, str] = {}

    def ask(connection: "Connection[Cursor]") -> dict[str, str]:
        table = tables(connection, STATEMENT)
        try:
            return {
                str(id): str(name)
                for id, name in table(f"SELECT id, name FROM `{KEYSTONE}`.project WHERE id IN ({listed})")
            }
        except Missing:
            return {}

    for database in site.part.databases:
        try:
            known |= asked_anywhere(site, fleet, database, ask, seconds=2 * STATEMENT)
        except (NaruError, Denied) as error:
            found.not_known(f"database {database.name}", f"names of projects: {error}", "See: naru site check", "")
    return known
