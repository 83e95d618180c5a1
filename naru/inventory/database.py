"""Nova's database, for the one thing that an old Nova tells nobody but its owner: key pairs. It is only ever read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, bindparam, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from naru.errors import InputError, NaruError
from naru.plan.redaction import Redaction

FORMS = "mysql+pymysql://USER:PASSWORD@HOST/nova_api or postgresql://USER:PASSWORD@HOST/nova_api"
# users asked for at a time
CHUNK = 500
# seconds to connect, and for the next bytes of an answer, as drivers call them
TIMEOUTS = {
    "mysql": {"connect_timeout": 20, "read_timeout": 180},
    "mariadb": {"connect_timeout": 20, "read_timeout": 180},
    "postgresql": {"connect_timeout": 20},
}
# the release from which key pairs are in the database nova_api: Newton, whose first microversion is this
NEWTON = (2, 26)
# what makes the transaction that begins with it read-only; MySQL and MariaDB before 5.6.5 know of no such thing, and
# take what is between the signs for a comment
READ_ONLY = {
    "mysql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ /*!50605 , READ ONLY */",
    "mariadb": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ /*!50605 , READ ONLY */",
    "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
# drivers that Naru brings, for URLs that name none or Nova's own
DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+psycopg"}
_SELECT = text("SELECT * FROM key_pairs WHERE user_id IN :users ORDER BY user_id, name").bindparams(
    bindparam("users", expanding=True)
)


class Database:
    """The database whose SQLAlchemy URL is in `file`. Raises InputError for a file that others may read, or that holds
    something else. Nothing of the URL is ever in a message but what the database itself says, without passwords."""

    def __init__(self, file: Path) -> None:
        self.file = file
        url = _url(file)
        told = [url.password, *(value for value in url.query.values() if isinstance(value, str))]
        self._redaction = Redaction([secret for secret in told if secret])
        self._engine = _engine(file, url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that can change nothing. Raises NaruError when the database does not answer or refuses."""
        try:
            with self._engine.connect() as connection, connection.begin():
                connection.exec_driver_sql(READ_ONLY[self._engine.url.get_backend_name()])
                yield connection
        except (SQLAlchemyError, TypeError, OSError) as error:
            told = self._redaction.text(str(error.orig if isinstance(error, DBAPIError) else error))
            raise NaruError(
                f"the database that {self.file} names cannot be read",
                detail=told,
                hint="Its user needs SELECT on the table key_pairs: of nova_api, or before Newton of nova.",
            ) from None
        finally:
            self._engine.dispose()

    def key_pairs(self, users: Sequence[str], version: tuple[int, ...]) -> Iterator[dict[str, Any]]:
        """The key pairs of the users as Nova's API would tell them, with `user_id`. `version` is Nova's newest
        microversion. Raises InputError for the database `nova` of a release that has key pairs elsewhere."""
        with self.reading() as connection:
            for begin in range(0, len(users), CHUNK):
                found = connection.execute(_SELECT, {"users": users[begin : begin + CHUNK]})
                if "deleted" in found.keys() and version >= NEWTON:  # noqa: SIM118 (a result, no mapping)
                    raise InputError(
                        f"{self.file} names the database nova, from which Newton took the key pairs away",
                        hint="Name the database nova_api there.",
                    )
                for row in found.mappings():
                    if not row.get("deleted"):
                        pair = {name: row[name] for name in ("name", "public_key", "fingerprint")}
                        yield {"keypair": {**pair, "type": row.get("type", "ssh")}, "user_id": row["user_id"]}


def _url(file: Path) -> URL:
    try:
        with file.open() as opened:
            mode = os.fstat(opened.fileno()).st_mode
            said = opened.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = str(error) if isinstance(error, OSError) else "it is not a text"
        raise InputError(f"--nova-database {file} cannot be read", detail=detail, hint=f"As in: {FORMS}") from None
    if mode & 0o077:
        raise InputError(f"--nova-database {file} may be read by others", hint=f"chmod 600 {file}")
    # what is wrong with a URL is not shown: it may be the password
    try:
        url = make_url(said)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise InputError(f"--nova-database {file} holds no URL of a database", hint=f"As in: {FORMS}") from None
    if backend not in READ_ONLY:
        raise InputError(f"--nova-database {file} is of no database that Nova runs on", hint=f"As in: {FORMS}")
    if "@" in (url.host or "") or any(sign.isspace() for sign in said):
        hint = "In its user and password write @ as %40, : as %3A, / as %2F, % as %25, a blank as %20."
        raise InputError(f"--nova-database {file} holds a URL with signs that are to be escaped", hint=hint)
    return url.set(drivername=DRIVERS[backend]) if backend in DRIVERS else url


def _engine(file: Path, url: URL) -> Engine:
    try:
        return create_engine(url, connect_args=TIMEOUTS.get(url.get_backend_name(), {}), hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, TypeError):
        hint = "PostgreSQL needs the extra: pip install naru-openstack[workers]. Leave out what follows a ? in the URL."
        raise InputError(f"--nova-database {file}: there is no driver for it here", hint=hint) from None
