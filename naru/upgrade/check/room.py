"""Whether the database servers' disks have room for an upgrade: for tables that a schema step copies, and for the way
back, which restores beside what is there before it changes over."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases.path import Service
from naru.releases.programs import ALL
from naru.site.database import asked_anywhere
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.text import size
from naru.upgrade.check.rows import Denied, asker, schemas_like
from naru.upgrade.finding import Finding, Span

SECONDS = 60.0
CURE = "Make room there, or archive deleted rows (nova-manage db archive_deleted_rows) and rebuild their tables."


class Needs(NamedTuple):
    """What the schemas of a server take, in bytes: all of them, and the largest table; and where the server has its
    data, and what it sorts."""

    bytes: int
    largest: int
    data: str
    sorting: str


class Free(NamedTuple):
    """A directory's file system, and the bytes that are free there; the system is "" where there is no directory."""

    system: str
    bytes: int


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found on the hosts of the databases that have schemas of the services."""
    found: list[Finding] = []
    for database in site.part.databases:

        def work(connection: "Connection[Cursor]") -> Needs | str | None:
            try:
                return _needs(connection, services)
            except Denied as error:
                return str(error)

        needs = asked_anywhere(site, fleet, database, work, seconds=SECONDS)
        if needs is None:
            continue
        if isinstance(needs, str):
            what = f"whether there is room beside the databases: {needs}"
            proof = "SELECT ... FROM information_schema.TABLES"
            found.append(Finding("unknown", ALL, span.goal, database.name, what, 0, (), "See why.", proof))
            continue
        line = "; ".join(
            f"df -B1 --output=target,avail {shlex.quote(one)} 2>/dev/null | sed 1d | grep . || echo"
            for one in (needs.data, needs.sorting)
        )

        async def look(remote: Remote, line: str = line) -> str:
            return await remote.checked(line, seconds=SECONDS)

        hosts = [host.name for host in site.named(database.hosts)]
        found += judged(database.name, span.goal, needs, fleet.each(hosts, look))
    return found


def _needs(connection: "Connection[Cursor]", services: Sequence[Service]) -> Needs | None:
    ask = asker(connection, SECONDS)
    every = ask("SHOW DATABASES")
    mine = {name for service in services for usual in service.schemas for name in schemas_like(usual, every)}
    if not mine:
        return None
    names = ", ".join(f"'{name}'" for name in sorted(mine))
    sizes = f"FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({names})"
    try:
        (sorting,) = ask("SELECT COALESCE(NULLIF(@@innodb_tmpdir, ''), @@tmpdir)")
    except Denied:  # older than the variable
        (sorting,) = ask("SELECT @@tmpdir")
    return Needs(
        int(ask(f"SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) {sizes}")[0]),
        int(ask(f"SELECT COALESCE(MAX(DATA_LENGTH + INDEX_LENGTH), 0) {sizes}")[0]),
        ask("SELECT @@datadir")[0],
        sorting.partition(":")[0],
    )


def judged(database: str, goal: str, needs: Needs, said: Mapping[str, str | NaruError]) -> Iterator[Finding]:
    """What the hosts' answers mean: two lines of df each, of the data and of what is sorted."""
    beside = max(needs.bytes, 2 * needs.largest)
    proof = f"df {needs.data} {needs.sorting}"
    for host, text in said.items():
        common = (ALL, goal, database)
        if isinstance(text, NaruError):
            what = f"whether there is room beside the databases: {text.summary}"
            yield Finding("unknown", *common, what, 1, (host,), "See: naru site check", proof)
            continue
        data, sorting = (_free(line) for line in (*text.splitlines(), "", "")[:2])
        wanted = {data.system: beside}
        wanted[sorting.system] = wanted.get(sorting.system, 0) + needs.largest
        for where, free in {needs.sorting: sorting, needs.data: data}.items():
            if not free.system:
                what = f"whether there is room beside the databases: {where} is not there"
                yield Finding("unknown", *common, what, 1, (host,), "Look where the server itself runs.", proof)
                continue
            what = f"{size(wanted[free.system])} are needed in {where}, and {size(free.bytes)} are free"
            if free.bytes < wanted[free.system]:
                yield Finding("blocks", *common, what, 1, (host,), CURE, proof)
            else:
                yield Finding("right", *common, what, 1, (host,), "", proof)


def _free(line: str) -> Free:
    system, _, number = line.rpartition(" ")
    return Free(system.strip(), int(number) if number else 0)
