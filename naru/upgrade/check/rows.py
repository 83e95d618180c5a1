"""Rows of a cloud's databases at which the code of a release on its way would end, or that would be lost.

Each is one statement of `naru/releases/services/`, asked in a transaction that can change nothing. What it finds is
judged by where the cloud stands and where it goes.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases.path import Ended, Refused, Rows, Service
from naru.site.database import asked_anywhere
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.finding import Finding, Span, State

SECONDS = 600.0
"""How long one statement may take, by the server itself: some go through a whole table."""
GRACE = 30.0
"""So much longer it is waited for, since the server's own end of a statement comes first."""
EXAMPLES = 5
CELLS = "nova"
"""The schema of which a cloud has one for each cell: nova, nova_cell0, ..."""
_MISSING = (1054, 1146)  # ER_BAD_FIELD_ERROR, ER_NO_SUCH_TABLE
_LOST = (2006, 2013, 2055)  # the connection is gone
_NAMED = re.compile(r"\{(\w+)\}")

Progress = Callable[[int, int, str], None]
"""Is told what is looked at: how many are done, of how many, and what is next."""
Ask = Callable[[str], Sequence[str]]
"""Gives the first column of a statement's rows. Raises Missing, Denied."""
Table = Callable[[str], Sequence[tuple[Any, ...]]]
"""Gives a statement's rows. Raises Missing, Denied."""


class Missing(NaruError):
    """There is no such column or table."""

    def __init__(self) -> None:
        super().__init__("a table or column is missing")


class Denied(NaruError):
    """The server refuses a statement, or has ended it after SECONDS: its own words."""


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service], progress: Progress) -> list[Finding]:
    """All that is known of the services, in the site's databases."""
    found: list[Finding] = []
    seen: set[str] = set()
    for number, database in enumerate(site.part.databases):
        progress(number, len(site.part.databases), database.name)

        def work(connection: "Connection[Cursor]") -> list[Finding]:
            return list(_database(connection, services, span, seen))

        found += asked_anywhere(site, fleet, database, work, seconds=SECONDS + GRACE)
    return [*found, *_unseen(services, span, seen)]


def asker(connection: "Connection[Cursor]", seconds: float = SECONDS) -> Ask:
    """What asks on a connection for one column: see `tables`."""
    table = tables(connection, seconds)
    return lambda statement: [str(row[0]) for row in table(statement)]


def tables(connection: "Connection[Cursor]", seconds: float = SECONDS) -> Table:
    """What asks on a connection, on which nothing can be changed from then on and no statement takes longer than so
    many `seconds`."""

    def ask(statement: str) -> Sequence[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except pymysql.err.MySQLError as error:
                code, said = (*error.args, 0, "")[:2]
                if code in _MISSING:
                    raise Missing from error
                if code in _LOST:
                    raise
                raise Denied(str(said)) from error
            return list(cursor.fetchall())

    ask("SET SESSION TRANSACTION READ ONLY")
    for limit in (f"max_statement_time = {seconds:g}", f"max_execution_time = {1000 * seconds:g}"):
        with contextlib.suppress(Denied):  # the one is MariaDB's, the other MySQL's
            ask(f"SET SESSION {limit}")
    return ask


def in_schemas(table: Table, looks: Mapping[str, Callable[[], None]]) -> None:
    """In each schema of a server that has the usual name of a look, all of Nova's cells included, does that look, with
    the schema in use. Raises NaruError, with the schema, for what is missing there or refused."""
    schemas = [str(name) for (name,) in table("SHOW DATABASES")]
    for usual, look in looks.items():
        for schema in schemas_like(usual, schemas):
            try:
                table(f"USE `{schema}`")
                look()
            except (Missing, Denied) as error:
                raise NaruError(f"{schema}: {error}") from error


def _database(
    connection: "Connection[Cursor]", services: Sequence[Service], span: Span, seen: set[str]
) -> Iterator[Finding]:
    """What is found in the schemas that one server has."""
    ask = asker(connection)
    yield from look(ask, ask("SHOW DATABASES"), services, span, seen)


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


def schemas_like(usual: str, schemas: Sequence[str]) -> list[str]:
    """Those of a server that have the usual name; with all of Nova's cells."""
    return _schemas(usual, usual, schemas)


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
    except Denied as error:
        what = f"{rows.what}: {error}"
        cure = "Give the site's user SELECT on it, or run the statement by hand on a replica."
        return Finding("unknown", service.name, release_, schema, what, 0, (), cure, statement)
    if not count:
        return Finding("right", *common, 0, (), "", statement)
    state, cure = _judged(rows, span)
    return Finding(state, *common, count, examples, cure, statement)


def _judged(rows: Rows, span: Span) -> tuple[State, str]:
    """What rows that were found mean, and what is to be done."""
    if isinstance(rows, Refused):
        return rows.state, rows.cure
    assert isinstance(rows, Ended)
    if span.passes(rows.first):
        return "on the way", ""
    cure = f"its manage command's db online_data_migrations ({rows.name}), by the code of {span.start}"
    return "blocks", "; ".join(filter(None, [cure, rows.cure]))


def _unseen(services: Sequence[Service], span: Span, seen: set[str]) -> Iterator[Finding]:
    """What could not be looked for, since no database has such a schema."""
    for service in services:
        for rows, release_ in _known(service, span):
            if rows.schema_ not in seen:
                what = f"{rows.what}: no database of the site has the schema {rows.schema_}"
                cure = f"Add the database with the schema {rows.schema_} to the site."
                yield Finding("unknown", service.name, release_, rows.schema_ or "", what, 0, (), cure, rows.rows or "")
