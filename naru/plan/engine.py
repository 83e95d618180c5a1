"""The databases that journals are in: their URLs, a journal's schema in one, and how SQLite is to behave.

On PostgreSQL each journal has a schema of its own, which stands in its URL as the `search_path` among the options.
"""

import re
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from naru.plan.errors import PlanInputError

SCHEMA = "naru_"
"""The prefix of the schemas of journals."""
PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 20000}
"""What of libpq's is not for ever here: seconds to connect, milliseconds until a network that lets nothing through is
taken for broken. A URL may say otherwise."""
_SEARCH = re.compile(rf"-csearch_path=({SCHEMA}\w+)")


def in_schema(url: URL, name: str) -> URL:
    """The same database's URL with that schema; "" for none, the one that the database's user has by itself."""
    words = [_SEARCH.sub("", _options(url)).strip(), f"-csearch_path={name}" if name else ""]
    url = url.difference_update_query(["options"])
    return url.update_query_dict({"options": " ".join(filter(None, words))}) if any(words) else url


def schema_of(url: URL) -> str:
    """The schema of a journal that a URL names, "" for none."""
    found = _SEARCH.search(_options(url))
    return found[1] if found else ""


def _options(url: URL) -> str:
    """The options that the server gets at the beginning of a connection."""
    said = url.query.get("options", "")
    return said if isinstance(said, str) else " ".join(said)


def parse_url(said: str) -> URL:
    """The URL of a database. Raises `PlanInputError` for anything else."""
    try:
        return make_url(said)
    except ArgumentError as error:
        raise _no_database(error) from None


def _no_database(error: Exception) -> PlanInputError:
    return PlanInputError(
        "the journal's URL is not one of a database that is installed",
        detail=str(error),
        hint="postgresql://HOST/DATABASE needs the extra: pip install naru-openstack[workers]",
    )


def make_engine(url: URL) -> Engine:
    """An engine, which opens connections to the database. Raises `PlanInputError` for one that is not installed."""
    try:
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url)
        else:
            patience = {name: value for name, value in PATIENCE.items() if name not in url.query}
            engine = create_engine(url, pool_pre_ping=True, connect_args=patience)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise _no_database(error) from None
    if engine.dialect.name == "sqlite":
        _configure_sqlite(engine)
    return engine


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        # BEGIN is ours to say, below
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a writer takes the lock immediately: one that first reads and then wants to write could not wait for it
        write = connection.get_execution_options().get("naru_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
