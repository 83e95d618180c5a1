"""What users have made, changed and deleted in a cloud's databases since a moment: what a way back would lose."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.releases import path
from naru.releases.path import Service, Users
from naru.site import site as sites
from naru.site.database import asked_anywhere
from naru.site.ssh import Fleet
from naru.text import shortened, utc
from naru.upgrade.check.rows import Ask, Denied, Missing, asker, schemas_like
from naru.upgrade.work import Settings

SECONDS = 30.0
"""How long one statement may take: somebody waits for the way back."""
MOST = 10_000
"""Of each kind so many are read by name."""
FILE = "lost.txt"
"""What a way back has lost, in a work directory: a line for each thing with how, what, name, id and host."""
WHEN: Mapping[str, str] = {
    "made": "created_at > '{since}'",
    "changed": "updated_at > '{since}' AND created_at <= '{since}'",
    "deleted": "deleted_at > '{since}' AND created_at <= '{since}'",
}
LIVES = " AND deleted_at IS NULL"


class Written(NamedTuple):
    """What was done to some things: `made`, `changed` or `deleted`; how many, and MOST of them by name and id, and by
    the host that has something of it. Of what is `not known` the number is 0, and the example says why."""

    how: str
    what: str
    number: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        if not self.number:
            return f"{self.how}: {self.what}: {', '.join(self.examples)}"
        return f"{self.how}: {self.number} {self.what}: {', '.join(shortened(self.examples, 5))}"


def lines(found: Iterable[Written]) -> str:
    """All of it as a file's text."""
    return "".join(f"{one.how}\t{one.what}\t{example}\n" for one in found for example in one.examples)


def since(settings: Settings, moment: float) -> list[Written]:
    """Asks the databases of an upgrade's site; nothing is changed. `moment` is in seconds since 1970. Of Keystone's
    tables none says when something was made. Raises NaruError when a database cannot be asked, or takes too long."""
    services = path.chosen(settings.services)
    site = sites.load(Path(settings.site))
    found: list[Written] = []
    with Fleet(site) as fleet:
        for database in site.part.databases:
            found += asked_anywhere(
                site,
                fleet,
                database,
                lambda connection: list(_database(connection, services, moment)),
                seconds=2 * SECONDS,
            )
    return found


def _database(connection: "Connection[Cursor]", services: Sequence[Service], moment: float) -> Iterator[Written]:
    ask = asker(connection, SECONDS)
    schemas = ask("SHOW DATABASES")
    text = utc(moment)
    for service in services:
        for users in service.users:
            for how in WHEN:
                if how == "deleted" and not users.marks_deleted:
                    continue
                tables = [f"`{name}`.`{users.table}`" for name in schemas_like(users.schema_, schemas)]
                try:
                    found = [_rows(ask, users, table, _where(users, how, text)) for table in tables]
                except (Missing, Denied) as error:
                    yield Written("not known", users.what, 0, (str(error),))
                    break
                if number := sum(one[0] for one in found):
                    yield Written(how, users.what, number, tuple(name for one in found for name in one[1]))


def _rows(ask: Ask, users: Users, table: str, where: str) -> tuple[int, Sequence[str]]:
    number = int(ask(f"SELECT COUNT(*) FROM {table} WHERE {where}")[0])
    host = f"COALESCE(CONCAT(', ', NULLIF({users.host}, '')), '')" if users.host else "''"
    named = f"CONCAT(COALESCE({users.name}, ''), ' (', {users.id}, {host}, ')')"
    return number, ask(f"SELECT {named} FROM {table} WHERE {where} LIMIT {MOST}")


def _where(users: Users, how: str, text: str) -> str:
    return WHEN[how].format(since=text) + (LIVES if how == "changed" and users.marks_deleted else "")
