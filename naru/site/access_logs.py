"""Requests in the logs of a site's services and load balancers, counted on their hosts: each reads its own logs once,
and says counts. What several logs have of one request stays apart, by the log.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Literal, NamedTuple

import os_service_types

from naru.errors import NaruError
from naru.site import haproxy, script
from naru.site.model import Container, LoadBalancer, Service, Unit
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.write_gate.rules import NO_APIS

SECONDS = 3600.0
"""How long a host may read."""
OTHER = "-"
"""What stands for a service that is not looked for."""
NETWORKING = "networking"
"""DevStack's word for Neutron in paths, the one that is no service type."""
CHECK = "See: naru site check"
_AWK = (files("naru.site") / "access_logs.awk").read_text()
_SCRIPT = script.text("access_logs.sh")


class Source(NamedTuple):
    """A log on hosts: as it is called, the services that have it (none for a load balancer's), and the words of the
    script's call."""

    log: str
    services: tuple[str, ...]
    words: tuple[str, ...]


class Line(NamedTuple):
    """What a host said of one of its logs. `call`: count, first and last moment ("" where the log says none), service,
    number of the row, method, path without what is somebody's, status, client, whom it was forwarded for, user agent,
    user and project. `requests`: service, count, first and last, of all requests."""

    host: str
    source: Source
    kind: Literal["call", "requests"]
    values: list[str]


class Unread(NamedTuple):
    """What is not known of a log: what it is, what to do about it, of how many lines."""

    host: str
    log: str
    what: str
    cure: str
    number: int = 0


class Answers(NamedTuple):
    """What all hosts said, and why some could not be asked."""

    said: list[Line | Unread]
    failed: dict[str, NaruError]


def ask(
    site: Site,
    fleet: Fleet,
    by_host: Mapping[str, Sequence[Source]],
    rows: Sequence[str],
    projects: Collection[str],
    days: int,
    *,
    by_project: bool = False,
) -> Answers:
    """Has the hosts count what `rows` mean, of services of `projects`, in their logs of so many days (`counting`)."""

    async def look(remote: Remote) -> list[Line | Unread]:
        whose, unasked = await owners(site, remote, projects)
        words = mounts(projects, {line.project for line in site.part.services})
        mine = by_host[remote.name]
        text = await remote.checked(counting(mine, rows, whose, words, days, by_project=by_project), seconds=SECONDS)
        behind = (
            Unread(remote.name, socket, f"which services are behind its backends: {error}", CHECK)
            for socket, error in unasked.items()
        )
        return [*behind, *parsed(remote.name, mine, text)]

    found = Answers([], {})
    for host, one in fleet.each(by_host, look).items():
        if isinstance(one, NaruError):
            found.failed[host] = one
        else:
            found.said.extend(one)
    return found


def sources(site: Site, projects: Sequence[str]) -> dict[str, list[Source]]:
    """The logs of each host that has some: of services that listen somewhere, and of load balancers. One that several
    have is read once; one that a load balancer has is that one's."""
    users: dict[str, dict[tuple[str, ...], list[Service | LoadBalancer]]] = {}
    every: list[Service | LoadBalancer] = [*site.part.services, *site.part.load_balancers]
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


def _is_meant(line: Service, projects: Sequence[str]) -> bool:
    listens = line.port and line.release != "" and not line.name.endswith(NO_APIS)
    return bool(listens) and line.project in projects


def _logs(of: Service | LoadBalancer) -> Iterator[tuple[str, ...]]:
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


def _source(words: tuple[str, ...], all_of: Sequence[Service | LoadBalancer]) -> Source:
    what = {"file": words[1], "none": "no log"}.get(words[0], words[0])
    names = ", ".join(dict.fromkeys(one.name for one in all_of))
    lines = [one for one in all_of if isinstance(one, Service)]
    services = dict.fromkeys(line.project for line in lines) if len(lines) == len(all_of) else ()
    return Source(f"{names}: {what}", tuple(services), words)


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
        "WANTED": "\n".join(rows),
        "WHOSE": "\n".join(f"{name}={' '.join(sorted(all_of))}" for name, all_of in whose.items()),
        "MOUNTS": "\n".join(f"{word}={project}" for word, project in words.items()),
        "BY_PROJECT": "yes" if by_project else "",
    }
    given = "\n".join(f"{name}={shlex.quote(text)}" for name, text in values.items())
    calls = [
        shlex.join((one.words[0], str(at), " ".join(one.services), *one.words[1:])) for at, one in enumerate(sources)
    ]
    return "\n".join([given, "export WANTED WHOSE MOUNTS BY_PROJECT", _SCRIPT, *calls])


def parsed(host: str, sources: Sequence[Source], text: str) -> Iterator[Line | Unread]:
    """What a host's script has said."""
    for line in filter(None, text.split("\n")):
        number, kind, *values = line.split("\t")
        source = sources[int(number)]
        match kind, values:
            case "call", [_, _, _, _, _, _, _, *_]:
                yield Line(host, source, "call", values)
            case "requests", [_, _, _, _]:
                yield Line(host, source, "requests", values)
            case "strange", [count]:
                what = "lines that look like requests and are not understood"
                yield Unread(host, source.log, what, "Look at them by hand.", int(count))
            case "nobody", [name, count]:
                what = f"requests that may be meant, of no known service{f' ({name})' if name else ''}"
                cure = (
                    "Name its port in the site; Apache and nginx have to log it (%v:%p, $host:$server_port) first. "
                    "Where several services have the port: give each a path or a host name that begins with its type."
                )
                yield Unread(host, source.log, what, cure, int(count))
            case "more", [count]:
                what = "calls beyond the kinds that are told apart"
                yield Unread(host, source.log, what, "Look again, at fewer days.", int(count))
            case "unread", [what]:
                cure = "Correct logs: in the site, and who may read it."
                yield Unread(host, source.log, f"it cannot be read: {what}" if what else "the site names none", cure)
            case _:
                yield Unread(host, source.log, f"its host cannot count it: {line}", "See that the host has awk.")
