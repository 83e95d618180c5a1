"""What a cloud is at: servers that are being built or moved, volumes that are being copied, uploads.

Before its services are stopped all of it has to come to its end; what is cut off, users see as an error.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases import path
from naru.releases.path import Busy, Service
from naru.site.database import asked_anywhere
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.text import duration, shortened
from naru.upgrade.check.rows import Denied, Missing, Table, schemas_like, tables

SECONDS = 60.0
"""How long one statement may take."""
STUCK = 86400.0
"""Seconds in one state, after which nothing is at it any more."""
AGE = "TIMESTAMPDIFF(SECOND, COALESCE(updated_at, created_at), UTC_TIMESTAMP())"
"""What stands for {age} in the statements of services."""
PAUSE = (1.0, 10.0)
SAY = 15.0
"""Seconds between two lines that say what is waited for."""

How = Literal["wait", "abort", "park", "stuck"]
"""It comes to its end; so it does, and an operator may end it; it waits for its user, and goes on after the upgrade; it
has been so for a day, and nothing is at it."""


class Thing(NamedTuple):
    """Something that a service is at: whose it is (a project's id), on which host, in which state, since how many
    seconds."""

    how: How
    service: str
    what: str
    id: str
    owner: str
    host: str
    state: str
    seconds: float

    def __str__(self) -> str:
        at = f" on {self.host}" if self.host else ""
        return f"{self.what} {self.id}{at}: {self.state} for {duration(self.seconds)}"


def look(site: Site, services: Sequence[str] = ()) -> list[Thing]:
    """All that the services, or all of which it is known, are at: the oldest first. Raises NaruError when a database
    cannot be asked."""
    wanted = path.chosen(services)
    found: list[Thing] = []
    seen: set[str] = set()
    with Fleet(site) as fleet:
        for database in site.part.databases:

            def work(connection: "Connection[Cursor]") -> list[Thing]:
                return list(_database(connection, wanted, seen))

            found += asked_anywhere(site, fleet, database, work, seconds=2 * SECONDS)
    missing = [f"{busy.schema_} ({one.name})" for one in wanted for busy in one.busy if busy.schema_ not in seen]
    if missing:
        raise NaruError(
            f"{site.file}: what runs is not known: no database of the site has {', '.join(dict.fromkeys(missing))}",
            hint="Name it under databases.",
        )
    return sorted(found, key=lambda one: -one.seconds)


def settle(
    look: Callable[[], list[Thing]], say: Callable[[str], None], *, seconds: float, leave: Sequence[str] = ()
) -> list[Thing]:
    """Waits until nothing is left that comes to its end by itself, but what is to be left, by id; gives what is there
    then. Raises NaruError after so many `seconds`, with what is left."""
    end = time.monotonic() + seconds
    pause, said = PAUSE[0], 0.0
    while True:
        found = look()
        waiting = [one for one in found if one.how in ("wait", "abort") and one.id not in leave]
        if not waiting:
            return found
        now = time.monotonic()
        if now > end:
            raise _over(waiting, seconds)
        if now - said > SAY:
            say(f"waiting for {len(waiting)}: {'; '.join(shortened([str(one) for one in waiting], 3))}")
            said = now
        time.sleep(pause)
        pause = min(PAUSE[1], pause * 1.5)


def _over(waiting: Sequence[Thing], seconds: float) -> NaruError:
    hints = ["Give the command again to wait on, or leave some: --leave ID; or stay as it was: naru upgrade thaw."]
    if any(one.how == "abort" for one in waiting):
        hints.append("A live migration is ended by: nova live-migration-abort SERVER MIGRATION.")
    return NaruError(
        f"{len(waiting)} things have not come to their end within {duration(seconds)}",
        detail="\n".join(shortened([str(one) for one in waiting], 20)),
        hint="\n".join(hints),
    )


def _database(connection: "Connection[Cursor]", services: Sequence[Service], seen: set[str]) -> Iterator[Thing]:
    table = tables(connection, SECONDS)
    schemas = [str(name) for (name,) in table("SHOW DATABASES")]
    for service in services:
        for busy in service.busy:
            for schema in schemas_like(busy.schema_, schemas):
                seen.add(busy.schema_)
                yield from _rows(table, service.name, busy, schema)


def _rows(table: Table, service: str, busy: Busy, schema: str) -> Iterator[Thing]:
    try:
        table(f"USE `{schema}`")
        rows = table(busy.rows.format(age=AGE))
    except (Missing, Denied) as error:
        raise NaruError(f"what runs is not known: {busy.what}, in {schema}: {error}") from error
    for id, owner, host, state, seconds in rows:
        age = float(seconds or 0)
        how: How = "park" if state in busy.park else "stuck" if age > STUCK else "wait"
        how = "abort" if how == "wait" and state in busy.abort else how
        yield Thing(how, service, busy.what, str(id), str(owner or ""), str(host or ""), str(state), age)
