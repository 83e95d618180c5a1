"""What Cinder's and Nova's controllers are called in the databases: each service has a record under the name of its
host, and volumes, groups and backups are those of such a name.

Where the next controllers have other names, the window gives them the records of those whose place they take, so that
volumes are managed on, and no record is left of a service that never reports again. The way back brings all of it back
with the databases.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases.path import Service
from naru.site.database import asked_anywhere
from naru.site.model import Service as Line
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check import configuration
from naru.upgrade.check.rows import CELLS, GRACE, in_schemas, tables
from naru.upgrade.finding import Finding, Span

SECONDS = 60.0
WHERE = "services"
VOLUME = "cinder-volume"
BINARIES = {
    VOLUME: (VOLUME,),
    "cinder-scheduler": ("cinder-scheduler",),
    "cinder-backup": ("cinder-backup",),
    "nova-api": ("nova-osapi_compute", "nova-metadata"),
    "nova-conductor": ("nova-conductor",),
    "nova-scheduler": ("nova-scheduler",),
}
"""What the records of programs on controllers are of, by the program."""
NAMELESS = "nova-api"
"""Its records have the name of its host, or the address at which it listens, by how it is run: those of hosts that have
none any more are deleted, and it makes its own when it starts."""
GONE = "nova-consoleauth"
"""Since Train there is none: its records are deleted where none is to come."""
OPTIONS = ("host", "enabled_backends", "backend_host", "volume_driver")
SCHEMAS = {"cinder": "cinder", "nova": CELLS}
_RECORDS = "SELECT `binary`, host FROM services WHERE deleted = 0"
_VOLUMES = (
    "SELECT SUBSTRING_INDEX(host, '#', 1), COUNT(*) FROM volumes WHERE deleted = 0 AND host IS NOT NULL GROUP BY 1"
)
CURE = "Give the next one the name of the old one (host, or backend_host of the backend), or bring its volumes away."
PROOF = "SELECT `binary`, host FROM services WHERE deleted = 0"


class Moved(NamedTuple):
    """The records of a `binary` of a project under the name `old`, which go to `new`, or are deleted ("")."""

    project: str
    binary: str
    old: str
    new: str


class Called(NamedTuple):
    """What a service that is to come will call itself, and the driver of its volumes ("" where none is said)."""

    binary: str
    name: str
    driver: str = ""


class Known(NamedTuple):
    """What there is: by project the names of each binary's records, and how many volumes each name has."""

    names: Mapping[tuple[str, str], Collection[str]]
    volumes: Mapping[str, int]


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """Records that the window gives other names, and volumes that nobody would manage."""
    return look(site, fleet, span, [service.name for service in services])[1]


def look(site: Site, fleet: Fleet, span: Span, wanted: Collection[str]) -> tuple[list[Moved], list[Finding]]:
    """The records that get other names, and what is said of that before. Of the projects `wanted` by name; nothing is
    changed."""
    lines = [one for one in site.coming(span.goal) if one.name in BINARIES and one.project in wanted]
    if not lines:
        return [], []
    seen = Site(site.content, site.file, next_part=True)
    files: dict[str, dict[str, str]] = {}
    for line in lines:
        for host in seen.named(line.hosts):
            files.setdefault(host.name, {}).update(dict.fromkeys(line.config, line.project))

    async def names(remote: Remote) -> tuple[str, list[configuration.Read]]:
        own = (await remote.checked("uname -n", seconds=SECONDS)).strip()
        script = configuration.script(list(files[remote.name]), OPTIONS)
        return own, configuration.parsed(await remote.checked(script, seconds=SECONDS)) if files[remote.name] else []

    answers = fleet.later.each(files, names)
    found: list[Finding] = []
    called: dict[str, list[Called]] = {}
    blind: set[str] = set()
    running = _hosts(Site(site.content, site.file), site.content.services)
    for line in lines:
        for host in seen.named(line.hosts):
            answer = answers[host.name]
            if isinstance(answer, NaruError) or not line.config:
                blind.add(line.name)
                if host.name in running.get(line.name, ()):
                    continue  # as it was, as far as that is known
                why = answer.summary if isinstance(answer, NaruError) else "the site does not say its config"
                what = f"what {line.name} is called there: {why}"
                cure = "Add config: to the service under next: in the site; see: naru site check"
                found.append(Finding("unknown", line.project, span.goal, host.name, what, 0, (), cure, ""))
                continue
            for one in _called(line, *answer):
                called.setdefault(line.name, []).append(one)
    try:
        known = _known(site, fleet)
    except NaruError as error:
        what = f"the records of its services: {error.summary}"
        found.append(Finding("unknown", lines[0].project, span.goal, WHERE, what, 0, (), "See: naru site check", PROOF))
        return [], found
    moved: list[Moved] = []
    for name, every in called.items():
        if name not in running or name in blind:
            continue
        if name == NAMELESS:
            coming = _hosts(seen, [line for line in lines if line.name == name])[name]
            for binary in BINARIES[name] if coming != running[name] else ():
                for old in sorted(known.names.get(("nova", binary), ())):
                    moved.append(Moved("nova", binary, old, ""))
                    found += _told(binary, old, "", 0, span)
        else:
            pairs, told = paired(name, every, known, span)
            moved += pairs
            found += told
    if GONE in running and "nova" in wanted and GONE not in [one.name for one in site.coming(span.goal)]:
        for old in sorted(known.names.get(("nova", GONE), ())):
            moved.append(Moved("nova", GONE, old, ""))
            found += _told(GONE, old, "", 0, span)
    return moved, found


def _hosts(site: Site, lines: Sequence[Line]) -> dict[str, set[str]]:
    """By service the hosts that have it."""
    found: dict[str, set[str]] = {}
    for line in lines:
        found.setdefault(line.name, set()).update(host.name for host in site.named(line.hosts))
    return found


def _called(line: Line, own: str, read: Sequence[configuration.Read]) -> Iterator[Called]:
    """What a service on a host calls itself, by its files and the host's own name."""

    def value(group: str, option: str) -> str:
        return configuration.value(read, line.config, group, option)

    host = value("DEFAULT", "host") or own
    backends = [one.strip() for one in value("DEFAULT", "enabled_backends").split(",") if one.strip()]
    for binary in BINARIES[line.name]:
        if line.name == VOLUME and backends:
            for one in backends:
                yield Called(binary, f"{value(one, 'backend_host') or host}@{one}", value(one, "volume_driver"))
        else:
            yield Called(binary, host, value("DEFAULT", "volume_driver") if line.name == VOLUME else "")


def paired(program: str, called: Sequence[Called], known: Known, span: Span) -> tuple[list[Moved], list[Finding]]:
    """Which records of a program go to which of those that are to come, each to one of the same backend; and what is
    said of it."""
    moved: list[Moved] = []
    found: list[Finding] = []
    project = program.partition("-")[0]
    for binary in BINARIES[program]:
        mine = {one.name: one for one in called if one.binary == binary}
        old = sorted(known.names.get((project, binary), ()))
        lost = [name for name in old if name not in mine]
        for backend in dict.fromkeys(_backend(name) for name in lost):
            of = [name for name in lost if _backend(name) == backend]
            taking = [name for name in sorted(mine) if _backend(name) == backend]
            # those that nobody has had yet come first
            taking = [one for one in taking if one not in old] + [one for one in taking if one in old]
            for number, name in enumerate(of):
                volumes = known.volumes.get(name, 0) if binary == VOLUME else 0
                new = mine[taking[number % len(taking)]] if taking else None
                if new is not None:
                    moved.append(Moved(project, binary, name, new.name))
                if volumes and (new is None or "lvm" in new.driver.lower()):
                    lacks = f"where {new.name} is not" if new else "and none that is to come has its backend"
                    what = f"{binary} {name} has volumes{' on disks of its own host' if new else ''}, {lacks}"
                    found.append(Finding("blocks", project, span.goal, WHERE, what, volumes, (name,), CURE, PROOF))
                elif new is not None:
                    found += _told(binary, name, new.name, volumes, span)
    return moved, found


def _told(binary: str, old: str, new: str, volumes: int, span: Span) -> Iterator[Finding]:
    of = f"the record of {binary} {old}"
    what = f"{of} goes to {new}{' with its volumes' if volumes else ''}" if new else f"{of} is deleted"
    yield Finding("on the way", binary.partition("-")[0], span.goal, WHERE, what, max(volumes, 1), (old,), "", PROOF)


def _backend(name: str) -> str:
    return name.partition("@")[2]


def _known(site: Site, fleet: Fleet) -> Known:
    """What the databases of the site say. Raises NaruError."""
    names: dict[tuple[str, str], set[str]] = {}
    volumes: dict[str, int] = {}

    def work(connection: "Connection[Cursor]") -> None:
        table = tables(connection, SECONDS)

        def look(project: str) -> None:
            for binary, host in table(_RECORDS):
                names.setdefault((project, str(binary)), set()).add(str(host))
            volumes.update((str(host), int(n)) for host, n in (table(_VOLUMES) if project == "cinder" else ()))

        in_schemas(table, {usual: partial(look, project) for project, usual in SCHEMAS.items()})

    for database in site.part.databases:
        asked_anywhere(site, fleet, database, work, seconds=SECONDS + GRACE)
    return Known(names, volumes)
