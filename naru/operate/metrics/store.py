"""The exporter's own samples, for trends without a Prometheus: a value an hour of what fills, and the newest of hosts.

One SQLite file. Names of hosts and projects are in it, so that it is readable by its owner alone.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from naru.errors import InputError
from naru.operate.metrics.families import FAMILIES, Labels, Samples

FILE = "samples.db"
EVERY = 3600.0
KEPT = 400 * 86400.0
"""Seconds for which values are kept: somewhat more than a year."""
FRESH = 2 * EVERY
"""Seconds for which the newest value of a host is what holds now: from older ones nothing is answered."""
FORMAT = 1
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS series (number INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL,
    UNIQUE (name, labels));
CREATE TABLE IF NOT EXISTS sample (series INTEGER NOT NULL, hour INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (series, hour)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (name TEXT NOT NULL, labels TEXT NOT NULL, time REAL NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (name, labels)) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
"""

Point = tuple[float, float]


class Store:
    """The samples in a file, which is made when it is not there. Raises InputError for a file that is something else.
    May be used by several threads."""

    def __init__(self, file: Path, *, make: bool = True) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._pruned = 0
        if make:
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        elif not file.exists():
            raise InputError(
                f"there is no {file}",
                hint="naru exporter --state DIR writes it; or name a Prometheus: --prometheus URL",
            )
        try:
            self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=30.0)
            known = self._database.execute("PRAGMA user_version").fetchone()[0]
            if known not in (0, FORMAT):
                raise InputError(f"{file} was written by a newer Naru", hint="Use that one, or another directory.")
            if make:
                self._database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{file} holds no samples", detail=str(error), hint="Name another directory.") from error

    def close(self) -> None:
        self._database.close()

    def keep(self, samples: Samples, now: float = 0.0) -> None:
        """Keeps what is kept of the samples: of an hour the last value."""
        now = now or time.time()
        hour = int(now // EVERY)
        with self._lock, closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                for name, series in samples.values.items():
                    kept = FAMILIES[name].kept
                    if kept == "latest":
                        # hosts that are not there any more go
                        cursor.execute("DELETE FROM latest WHERE name = ?", (name,))
                        cursor.executemany(
                            "INSERT INTO latest VALUES (?, ?, ?, ?)",
                            [(name, json.dumps(labels), now, value) for labels, value in series.items()],
                        )
                    elif kept == "trend":
                        self._append(cursor, name, hour, series)
                if hour > self._pruned:  # it looks at every row
                    cursor.execute("DELETE FROM sample WHERE hour < ?", (int((now - KEPT) // EVERY),))
                    self._pruned = hour
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise

    def _append(self, cursor: sqlite3.Cursor, name: str, hour: int, series: dict[Labels, float]) -> None:
        for labels, value in series.items():
            key = (name, json.dumps(labels))
            cursor.execute("INSERT OR IGNORE INTO series (name, labels) VALUES (?, ?)", key)
            cursor.execute(
                "INSERT OR REPLACE INTO sample SELECT number, ?, ? FROM series WHERE name = ? AND labels = ?",
                (hour, value, *key),
            )

    def trend(self, name: str, since: float) -> dict[Labels, list[Point]]:
        """The values of each series of a family since a time (seconds since 1970), oldest first."""
        found: dict[Labels, list[Point]] = {}
        rows = self._rows(
            "SELECT labels, hour, value FROM sample JOIN series ON number = series WHERE name = ? AND hour >= ? "
            "ORDER BY labels, hour",
            (name, int(since // EVERY)),
        )
        for labels, hour, value in rows:
            found.setdefault(tuple(json.loads(labels)), []).append((hour * EVERY, value))
        return found

    def latest(self, name: str) -> dict[Labels, float]:
        """The newest value of each series of a family; none that is older than `FRESH`."""
        query = "SELECT labels, value FROM latest WHERE name = ? AND time > ?"
        return {tuple(json.loads(labels)): value for labels, value in self._rows(query, (name, time.time() - FRESH))}

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._file} holds no samples", detail=str(error)) from error
