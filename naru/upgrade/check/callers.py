"""Who still calls APIs that the wanted release has no more: read in the logs of the services and of the load balancers.

Each host reads its own logs once and says counts. What several logs have of one request stays apart, by the log.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal, NamedTuple

import os_service_types
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
from naru.upgrade.check.rows import Missing, tables
from naru.upgrade.finding import Span
from naru.upgrade.window.steps import script as own_script

SECONDS = 3600.0
"""How long a host may read."""
STATEMENT = 60.0
"""Seconds for the statement that names projects."""
KEYSTONE = "keystone"
OTHER = "-"
"""What stands for a service that is not looked for."""
NETWORKING = "networking"
"""DevStack's word for Neutron in paths, the one that is no service type."""
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
    """A log on hosts: as it is called, the services that have it (none for a load balancer's), and the words of the
    script's call."""

    log: str
    services: tuple[str, ...]
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
            text, unasked = one
            for socket, error in unasked.items():
                what = f"which services are behind its backends: {error}"
                found.not_known(socket, what, "See: naru site check", host)
            add(found, host, by_host[host], gone, text)
        names = _names(site, fleet, {call.project for call in found.calls} - {""}, found)
    silent(found, by_host, projects)
    return list(judged(found, names)), found.requests


def sources(site: Site, projects: Sequence[str]) -> dict[str, list[Source]]:
    """The logs of each host that has some: of services that listen somewhere, and of load balancers. One that several
    have is read once; one that a load balancer has is that one's."""
    users: dict[str, dict[tuple[str, ...], list[Line | LoadBalancer]]] = {}
    every: list[Line | LoadBalancer] = [*site.part.services, *site.part.load_balancers]
    for one in every:
        for host in site.named(one.hosts):
            for words in _logs(one):
                users.setdefault(host.name, {}).setdefault(words, []).append(one)
    found: dict[str, list[Source]] = {}
    for name, logs in users.items():
        for words, all_of in logs.items():
            if any(isinstance(one, LoadBalancer) or _is_meant(one, projects) for one in all_of):
                found.setdefault(name, []).append(_source(words, all_of))
    return found


def _is_meant(line: Line, projects: Sequence[str]) -> bool:
    listens = line.port and line.release != "" and not line.name.endswith(NO_APIS)
    return bool(listens) and line.project in projects


def _logs(of: Line | LoadBalancer) -> Iterator[tuple[str, ...]]:
    """The words of the script's calls for the files that the site names; without any, for what its manager keeps of
    what it says."""
    for file in of.logs:
        yield "file", file
    if of.logs:
        return
    match of.managed:
        case Unit(unit=unit):
            yield "journal", unit
        case Container(container=container, engine=engine):
            yield "container", container, engine or ""
        case _:
            yield "none", of.name


def _source(words: tuple[str, ...], all_of: Sequence[Line | LoadBalancer]) -> Source:
    what = {"file": words[1], "none": "no log"}.get(words[0], words[0])
    names = ", ".join(dict.fromkeys(one.name for one in all_of))
    lines = [one for one in all_of if isinstance(one, Line)]
    services = dict.fromkeys(line.project for line in lines) if len(lines) == len(all_of) else ()
    return Source(f"{names}: {what}", tuple(services), words)


def silent(found: Found, by_host: Mapping[str, Sequence[Source]], projects: Sequence[str]) -> None:
    """Adds as not known the hosts of a service whose logs have no request of it, where no load balancer's have."""
    cure = "Name the log with its requests, or the load balancer's, under logs: HAProxy has them by option httplog."
    told = {(log, host) for (log, _, _), seen in found.unknown.items() for host in seen.hosts}
    for project in projects:
        mine = [(host, one) for host, all_of in by_host.items() for one in all_of if project in one.services]
        if not mine and not found.requests[project].count:
            found.not_known("", f"{project}: no log of the site has a request of it", cure, "")
        for host, one in mine:
            if (project, "") not in found.read and (project, host) not in found.read and (one.log, host) not in told:
                found.not_known(one.log, f"no request of {project} is in it", cure, host)


async def _read(
    site: Site, remote: Remote, sources: Sequence[Source], gone: Sequence[tuple[Service, Gone]], days: int
) -> tuple[str, dict[str, NaruError]]:
    """What the host's script says, and the sockets of its HAProxy that do not answer."""
    projects = {service.name for service, _ in gone}
    whose, unasked = await owners(site, remote, projects)
    words = mounts(projects, {line.project for line in site.part.services})
    return await remote.checked(order(sources, gone, whose, words, days), seconds=SECONDS), unasked


async def owners(
    site: Site, remote: Remote, projects: Collection[str]
) -> tuple[dict[str, set[str]], dict[str, NaruError]]:
    """The services at each :PORT of the site, and behind each backend of the host's HAProxy; and the sockets, as
    BALANCER: SOCKET, that do not say it."""
    whose: dict[str, set[str]] = {}
    for line in site.part.services:
        if line.port:
            project = line.project
            whose.setdefault(f":{line.port}", set()).add(project if project in projects else OTHER)
    backends: dict[str, set[str]] = {}
    unasked: dict[str, NaruError] = {}
    for balancer in site.part.load_balancers:
        if balancer.socket and remote.host in site.named(balancer.hosts):
            try:
                gates = await haproxy.gates(remote, balancer.socket)
            except NaruError as error:
                unasked[f"{balancer.name}: {balancer.socket}"] = error
                continue
            for one in gates:
                if f":{one.port}" in whose:
                    backends.setdefault(one.backend, set()).update(whose[f":{one.port}"])
    return whose | backends, unasked


def mounts(projects: Collection[str], others: Collection[str]) -> dict[str, str]:
    """Services by the words that stand for them in paths and host names: their own, and their service types. Of
    services that are not looked for only those of the site, `others`: words as cluster and database may mean anything
    else."""
    found = {NETWORKING: "neutron"}
    for one in os_service_types.ServiceTypes().services:
        found |= dict.fromkeys((one["project"], one["service_type"], *one.get("aliases", ())), one["project"])
    found = {word: project for word, project in found.items() if project in projects or project in others}
    return {word: project if project in projects else OTHER for word, project in found.items()}


def order(
    sources: Sequence[Source],
    gone: Sequence[tuple[Service, Gone]],
    whose: Mapping[str, Collection[str]],
    words: Mapping[str, str],
    days: int,
) -> str:
    """The script of a host. `whose` are services by backend and :PORT, `words` as `mounts` gives them."""
    rows = [
        "\t".join((service.name, str(at), " ".join(one.methods), *patterns(service, one)))
        for at, (service, one) in enumerate(gone)
    ]
    return counting(sources, rows, whose, words, days)


def counting(
    sources: Sequence[Source],
    rows: Sequence[str],
    whose: Mapping[str, Collection[str]],
    words: Mapping[str, str],
    days: int,
    *,
    by_project: bool = False,
) -> str:
    """The script of a host that counts the requests that `rows` mean: a service, a number, methods, a pattern of paths
    and one of those that are not meant, with tabs between. With `by_project` those that were answered well, told apart
    by path and project alone. `whose` are services by backend and :PORT, `words` as `mounts` gives them."""
    values = {
        "AWK": _AWK,
        "DAYS": str(days),
        "GONE": "\n".join(rows),
        "WHOSE": "\n".join(f"{name}={' '.join(sorted(all_of))}" for name, all_of in whose.items()),
        "MOUNTS": "\n".join(f"{word}={project}" for word, project in words.items()),
        "BY_PROJECT": "yes" if by_project else "",
    }
    given = "\n".join(f"{name}={shlex.quote(text)}" for name, text in values.items())
    calls = [
        shlex.join((one.words[0], str(at), " ".join(one.services), *one.words[1:])) for at, one in enumerate(sources)
    ]
    return "\n".join([given, "export GONE WHOSE MOUNTS BY_PROJECT", _SCRIPT, *calls])


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
        log, services, _ = sources[int(number)]
        match kind, values:
            case "call", [count, first, last, service, at, method, shape, *rest]:
                call = Call(service, gone[int(at)][1], log, f"{method} {shape}", *rest)
                found.calls.setdefault(call, Seen()).add(int(count), first, last, host)
            case "requests", [service, count, first, last]:
                found.requests[service].add(int(count), first, last, host)
                found.read.add((service, host if services else ""))
            case "strange", [count]:
                what = "lines that look like requests and are not understood"
                found.not_known(log, what, "Look at them by hand.", host, int(count))
            case "nobody", [name, count]:
                what = f"requests of what may be gone, of no known service{f' ({name})' if name else ''}"
                cure = (
                    "Name its port in the site; Apache and nginx have to log it (%v:%p, $host:$server_port) first. "
                    "Where several services have the port: give each a path or a host name that begins with its type."
                )
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
        except NaruError as error:
            found.not_known(f"database {database.name}", f"names of projects: {error}", "See: naru site check", "")
    return known
