"""Who still calls APIs that the wanted release has no more: read in the logs of the services and of the load balancers
(`naru.site.access_logs`)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases import path
from naru.releases.path import Gone, Service
from naru.site import access_logs
from naru.site.access_logs import Line, Source, Unread
from naru.site.database import asked_anywhere
from naru.site.discover.ranges import fold_names
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check.rows import Missing, tables
from naru.upgrade.finding import Span

STATEMENT = 60.0
"""Seconds for the statement that names projects."""
KEYSTONE = "keystone"


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
    by_host = access_logs.sources(site, projects)
    with Fleet(site) as fleet:
        answers = access_logs.ask(site, fleet, by_host, rows(gone), projects, days)
        for host, error in answers.failed.items():
            for log in dict.fromkeys(source.log for source in by_host[host]):
                found.not_known(log, str(error), access_logs.CHECK, host)
        add(found, answers.said, gone)
        names = _names(site, fleet, {call.project for call in found.calls} - {""}, found)
    silent(found, by_host, projects)
    return list(judged(found, names)), found.requests


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


def rows(gone: Sequence[tuple[Service, Gone]]) -> list[str]:
    """What hosts look for, in the form of `access_logs.counting`."""
    return [
        "\t".join((service.name, str(at), " ".join(one.methods), *patterns(service, one)))
        for at, (service, one) in enumerate(gone)
    ]


def patterns(service: Service, gone: Gone) -> tuple[str, str]:
    """The patterns of whole paths that are meant, and of those below them that are not ("" without any). Before a path
    may stand one word, as where all services are at one port: /identity/v3."""

    def whole(paths: Sequence[str]) -> str:
        either = "|".join(re.sub(r"\{\w+\}", "[^/]+", one) for one in paths)
        return f"^(/[a-z_-]+)?{service.api}({either})(/.*)?$"

    return whole([gone.path]), whole(gone.but) if gone.but else ""


def add(found: Found, said: Iterable[Line | Unread], gone: Sequence[tuple[Service, Gone]]) -> None:
    """What hosts have said of their logs."""
    for one in said:
        match one:
            case Unread(host, log, what, cure, number):
                found.not_known(log, what, cure, host, number)
            case Line(host, source, "call", [count, first, last, service, at, method, shape, *rest]):
                call = Call(service, gone[int(at)][1], source.log, f"{method} {shape}", *rest)
                found.calls.setdefault(call, Seen()).add(int(count), first, last, host)
            case Line(host, source, _, [service, count, first, last]):
                found.requests[service].add(int(count), first, last, host)
                found.read.add((service, host if source.services else ""))


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
            found.not_known(f"database {database.name}", f"names of projects: {error}", access_logs.CHECK, "")
    return known
