"""Rows of a cloud's databases at which the code of a release on its way would end, or that would be lost.

Each is one statement of `naru/releases/services/`, asked in a transaction that can change nothing. What it finds is
judged by where the cloud stands and where it goes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import InputError, NaruError
from naru.releases import path, release
from naru.releases.path import Ended, Refused, Rows, Service
from naru.site import database as databases
from naru.site.model import Database
from naru.site.site import Site
from naru.site.ssh import Fleet

SECONDS = 600.0
"""How long one statement may take: some go through a whole table."""
EXAMPLES = 5
CELLS = "nova"
"""The schema of which a cloud has one for each cell: nova, nova_cell0, ..."""
_MISSING = (1054, 1146)  # ER_BAD_FIELD_ERROR, ER_NO_SUCH_TABLE
_NAMED = re.compile(r"\{(\w+)\}")

State = Literal["blocks", "on the way", "right", "later", "unknown"]
"""`blocks`: to be cured before the way is begun. `on the way`: the online data migrations of a release on it do it.
`later`: the release that runs has no such column or table yet, so that it is looked for once it has. `unknown`: it
could not be asked."""


class Finding(NamedTuple):
    """What was found of one kind of rows in one schema. `release` is the one whose code ends at them, or that is the
    first without the code that changes them."""

    state: State
    service: str
    release: str
    schema: str
    what: str
    number: int
    examples: tuple[str, ...]
    cure: str
    rows: str


Ask = Callable[[str], Sequence[str]]
"""Gives the first column of a statement's rows. Raises Missing, NaruError."""


class Missing(Exception):
    """There is no such column or table."""


@dataclass(frozen=True)
class Span:
    """Where the cloud stands and where it goes."""

    start: str
    goal: str

    def passes(self, name: str) -> bool:
        """Whether the cloud comes to the release, or past it."""
        order = release.names()
        return order.index(self.start) < order.index(name) <= order.index(self.goal)

    def after(self, name: str) -> bool:
        """Whether the cloud stands at a release after that one."""
        order = release.names()
        return order.index(self.start) > order.index(name)

    def next(self, name: str) -> str | None:
        """The release after that one, None after the newest."""
        order = release.names()
        at = order.index(name) + 1
        return order[at] if at < len(order) else None


def check(
    site: Site, span: Span, wanted: Sequence[str] = (), progress: Callable[[int, int, str], None] | None = None
) -> list[Finding]:
    """All that is known of the services `wanted` by name, else of all, in the site's databases. Nothing is changed.
    Raises InputError for a site without databases, and for a way that does not lead forward."""
    services = [one.service for one in path.ways(span.start, span.goal, wanted)]
    if not site.part.databases:
        raise InputError(f"{site.file}: databases: there are none", hint="Add them: docs/reference/site.md")
    found: list[Finding] = []
    seen: set[str] = set()
    with Fleet(site) as fleet:
        for number, database in enumerate(site.part.databases):
            if progress:
                progress(number, len(site.part.databases), database.name)

            def work(connection: "Connection[Cursor]") -> list[Finding]:
                return list(_database(connection, services, span, seen))

            found += _asked(site, fleet, database, work)
    found += _unseen(services, span, seen)
    order = {service.name: service.order for service in services}
    return sorted(found, key=lambda one: order[one.service])


def _asked(
    site: Site, fleet: Fleet, database: Database, work: "Callable[[Connection[Cursor]], list[Finding]]"
) -> list[Finding]:
    """By the first of its hosts that leads there. Raises what the last one said."""
    last: NaruError | None = None
    for host in site.named(database.hosts):
        address = database.address or host.address
        asking = databases.asked(site, fleet.secrets, database, fleet.remote(host.name), address, work, seconds=SECONDS)
        try:
            return fleet.call(asking)
        except NaruError as error:
            last = error
    raise NaruError(
        f"the database {database.name} of {site.file} cannot be asked",
        detail=str(last) if last else "it has no hosts",
        hint="See: naru site check",
    )


def _database(
    connection: "Connection[Cursor]", services: Sequence[Service], span: Span, seen: set[str]
) -> Iterator[Finding]:
    """What is found in the schemas that one server has."""

    def ask(statement: str) -> Sequence[str]:
        with connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except pymysql.err.MySQLError as error:
                if error.args and error.args[0] in _MISSING:
                    raise Missing from error
                raise
            return [str(row[0]) for row in cursor.fetchall()]

    schemas = list(ask("SHOW DATABASES"))
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
    yield from look(ask, schemas, services, span, seen)


def look(
    ask: Ask,
    schemas: Sequence[str],
    services: Sequence[Service],
    span: Span,
    seen: set[str],
    names: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """What is found in the schemas of a server; `seen` gets those that are OpenStack's. `names` are a cloud's own names
    of schemas by the usual ones."""
    names = names or {}
    for service in services:
        for rows, release_ in _known(service, span):
            usual = rows.schema_ or ""
            own = names.get(usual, usual)
            for schema in _schemas(own, usual, schemas):
                seen.add(usual)
                yield _found(ask, service, rows, release_, schema, span, names)


def _known(service: Service, span: Span) -> Iterator[tuple[Rows, str]]:
    """The rows that matter on the way and can be looked for, with the release whose code ends at them or lacks the
    change."""
    if service.begins and span.passes(service.begins.release):
        return  # it has no database of its own yet
    for one in service.ended:
        after = span.next(one.last)
        if one.rows and after and span.passes(after):
            yield one, after
    for refused in service.refuses:
        if refused.rows and span.passes(refused.release):
            yield refused, refused.release


def _schemas(own: str, usual: str, schemas: Sequence[str]) -> list[str]:
    """Those of a server that are meant; with all of Nova's cells."""
    cells = [name for name in schemas if usual == CELLS and name.startswith(f"{own}_cell")]
    return [name for name in schemas if name == own] + cells


def _found(
    ask: Ask, service: Service, rows: Rows, release_: str, schema: str, span: Span, names: Mapping[str, str]
) -> Finding:
    assert rows.rows is not None
    statement = _NAMED.sub(lambda match: names.get(match[1], match[1]), rows.rows)
    common = (service.name, release_, schema, rows.what)
    try:
        ask(f"USE `{schema}`")
        count = int(ask(f"SELECT COUNT(*) FROM ({statement}) AS found")[0])
        examples = tuple(ask(f"SELECT * FROM ({statement}) AS found LIMIT {EXAMPLES}")) if count else ()
    except Missing:
        return Finding("later", *common, 0, (), "", statement)
    if not count:
        return Finding("right", *common, 0, (), "", statement)
    state, cure = _judged(rows, span)
    return Finding(state, *common, count, examples, cure, statement)


def _judged(rows: Rows, span: Span) -> tuple[State, str]:
    """What rows that were found mean, and what is to be done."""
    if isinstance(rows, Refused):
        return "blocks", rows.cure
    assert isinstance(rows, Ended)
    if span.passes(rows.first):
        return "on the way", ""
    if span.after(rows.last):
        return "blocks", f"{rows.name}, by the code of {rows.last}: that of {span.start} has it no more"
    return "blocks", f"its manage command's db online_data_migrations ({rows.name}), by the code of {span.start}"


def _unseen(services: Sequence[Service], span: Span, seen: set[str]) -> Iterator[Finding]:
    """What could not be looked for, since no database has such a schema."""
    for service in services:
        for rows, release_ in _known(service, span):
            if rows.schema_ not in seen:
                what = f"{rows.what}: no database of the site has the schema {rows.schema_}"
                cure = f"Add the database with the schema {rows.schema_} to the site."
                yield Finding("unknown", service.name, release_, rows.schema_ or "", what, 0, (), cure, rows.rows or "")
