"""Locks by which one executor at a time has a journal: on a file in the work directory, or in PostgreSQL.

Both are freed by the system when the process that has them dies.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from naru.files import FileLock

LOCK = "executor.lock"

TryLock = Callable[[], bool]
"""Tries to take a lock without waiting; whether that went well."""


@contextmanager
def file_lock(directory: Path, *, shared: bool = False) -> Iterator[TryLock]:
    """The lock of the journal that is a file in `directory`, for the time of the `with`."""
    with FileLock(directory / LOCK) as lock:
        yield lambda: lock.take(shared=shared)


@contextmanager
def advisory_lock(engine: Engine, plan_id: str) -> Iterator[TryLock]:
    """The lock of a plan whose journal is on PostgreSQL, for the time of the `with`."""
    key = _key(plan_id)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            yield lambda: bool(connection.execute(select(func.pg_try_advisory_lock(key))).scalar_one())
        finally:
            # the connection goes back to a pool, which does not free it; one that is lost has freed it
            with suppress(DBAPIError):
                connection.execute(select(func.pg_advisory_unlock_all()))


def has_advisory_lock(connection: Connection, plan_id: str) -> bool:
    """Whether anybody has the lock of the plan in this PostgreSQL database."""
    locks = text(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = CAST(:key AS oid) "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return connection.execute(locks, {"key": _key(plan_id)}).first() is not None


def _key(plan_id: str) -> int:
    return zlib.crc32(plan_id.encode())
