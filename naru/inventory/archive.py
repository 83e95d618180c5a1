"""The archive: everything of a cloud as its APIs told it at one time, compressed, and found again by id or name.

One SQLite file holds any number of snapshots: of the old cloud and the new, before and after; and the proofs of what
volumes hold that were moved (see `naru.volumes.engine.proof`). No snapshot in it is ever changed. Readable by its owner
alone, since user data and metadata may hold what users would not show.
"""

import datetime
import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.inventory.read import Reading
from naru.inventory.rows import Row

FORMAT = 1
_SCHEMA = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE snapshot (
    number INTEGER PRIMARY KEY, cloud TEXT NOT NULL, began TEXT NOT NULL, ended TEXT, readings TEXT
);
CREATE TABLE thing (
    snapshot INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, project TEXT NOT NULL,
    status TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (snapshot, kind, id)
) WITHOUT ROWID;
CREATE INDEX thing_id ON thing (id);
CREATE INDEX thing_name ON thing (name);
CREATE INDEX thing_project ON thing (snapshot, project, kind);
CREATE TABLE reference (snapshot INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, path TEXT NOT NULL,
    target TEXT NOT NULL);
CREATE INDEX reference_target ON reference (target, snapshot);
"""
# made when there is something for it: an archive of before serves as well, and so does a Naru of before
_PROOFS = """
CREATE TABLE IF NOT EXISTS proof (volume TEXT NOT NULL, target TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (volume, target)) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Snapshot:
    """One reading of a cloud. `ended` is empty for one that was interrupted: then it is not whole."""

    number: int
    cloud: str
    began: str
    ended: str
    readings: tuple[Reading, ...]


class Archive:
    """The archive in `file`, made when it is not there. Raises InputError for a file that is something else, or was
    written by a newer Naru. May be used by several threads."""

    def __init__(self, file: Path, *, create: bool = True) -> None:
        self.file = file
        if not create and not file.exists():
            raise InputError(f"there is no archive {file}", hint="One is written by: naru inventory CLOUD --save FILE")
        try:
            if create:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch(mode=0o600)
            self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version > FORMAT:
                raise InputError(f"{file} was written by a newer Naru", hint="Read it with that one, or a newer one.")
            if version == 0 and not create:
                raise InputError(f"{file} is empty", hint="Restore it from a copy, or read the cloud again.")
            if version == 0:
                if self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise InputError(f"{file} is a database, but no archive of Naru's")
                self._database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        except sqlite3.DatabaseError as error:
            raise InputError(f"{file} is not an archive", detail=str(error)) from error
        except OSError as error:
            raise NaruError(f"the archive {file} cannot be written", detail=str(error)) from error
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing

    def begin(self, cloud: str) -> int:
        """Begins a snapshot of the cloud and returns its number."""
        with self._lock:
            done = self._database.execute("INSERT INTO snapshot (cloud, began) VALUES (?, ?)", (cloud, _now()))
            assert done.lastrowid is not None
            return done.lastrowid

    def add(self, snapshot: int, rows: Sequence[Row]) -> None:
        """Adds rows to a snapshot that was begun."""
        things = [
            (
                snapshot,
                row.kind,
                row.id,
                row.name,
                row.project,
                row.status,
                zlib.compress(json.dumps(row.body).encode()),
            )
            for row in rows
        ]
        references = [
            (snapshot, row.kind, row.id, path, target) for row in rows for path, _, target in row.references()
        ]
        with self._lock:
            try:
                self._database.execute("BEGIN")
                # a thing that moved to another page while the pages were read comes twice
                self._database.executemany("INSERT OR REPLACE INTO thing VALUES (?, ?, ?, ?, ?, ?, ?)", things)
                self._database.executemany("INSERT INTO reference VALUES (?, ?, ?, ?, ?)", references)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                self._database.rollback()
                raise NaruError(f"the archive {self.file} cannot be written", detail=str(error)) from error

    def end(self, snapshot: int, readings: Sequence[Reading]) -> None:
        """Records that the snapshot is complete."""
        told = json.dumps([vars(reading) for reading in readings])
        with self._lock:
            self._database.execute(
                "UPDATE snapshot SET ended = ?, readings = ? WHERE number = ?", (_now(), told, snapshot)
            )

    def add_proofs(self, volume: str, target: str, proofs: Sequence[Mapping[str, Any]]) -> None:
        """Keeps the proofs of the content of a volume that became `target`, in place of those kept for the same
        two volumes, with which `proofs` begins."""
        body = zlib.compress(json.dumps(proofs).encode())
        with self._lock:
            try:
                self._database.execute(_PROOFS)
                self._database.execute("INSERT OR REPLACE INTO proof VALUES (?, ?, ?)", (volume, target, body))
            except sqlite3.Error as error:
                raise NaruError(f"the archive {self.file} cannot be written", detail=str(error)) from error

    # -- reading

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the oldest first."""
        rows = self._select("SELECT number, cloud, began, ended, readings FROM snapshot ORDER BY number", ())
        return [
            Snapshot(number, cloud, began, ended or "", tuple(Reading(**item) for item in json.loads(told or "[]")))
            for number, cloud, began, ended, told in rows
        ]

    def rows(self, snapshot: int, *, kind: str = "", project: str | None = None) -> Iterator[Row]:
        """The rows of a snapshot, of one kind or one owner where that is given, by kind and id."""
        where, values = "snapshot = ?", [str(snapshot)]
        if kind:
            where, values = f"{where} AND kind = ?", [*values, kind]
        if project is not None:
            where, values = f"{where} AND project = ?", [*values, project]
        query = f"SELECT {_COLUMNS} FROM thing WHERE {where} ORDER BY kind, id"
        with closing(self._database.execute(query, values)) as cursor:
            while True:
                with self._lock:
                    batch = cursor.fetchmany(200)
                if not batch:
                    return
                yield from map(_row, batch)

    def row(self, snapshot: int, kind: str, identity: str) -> Row | None:
        """One thing of a snapshot, None when it does not have it."""
        query = f"SELECT {_COLUMNS} FROM thing WHERE snapshot = ? AND kind = ? AND id = ?"
        found = self._select(query, (snapshot, kind, identity))
        return _row(found[0]) if found else None

    def find(self, text: str, snapshot: int | None = None) -> list[tuple[int, Row]]:
        """(snapshot, row) of everything that has `text` as its id or name, the newest snapshot first."""
        where = "" if snapshot is None else f"AND snapshot = {snapshot:d} "
        query = (
            f"SELECT {_COLUMNS}, snapshot FROM thing WHERE (id = ? OR name = ?) {where}ORDER BY snapshot DESC, kind, id"
        )
        return [(found[6], _row(found[:6])) for found in self._select(query, (text, text))]

    def users_of(self, snapshot: int, identity: str) -> list[tuple[str, str, str]]:
        """(kind, id, path) of everything in the snapshot that names the thing `identity`."""
        query = (
            "SELECT DISTINCT kind, id, path FROM reference WHERE target = ? AND snapshot = ? ORDER BY kind, id, path"
        )
        return list(self._select(query, (identity, snapshot)))

    def proofs(self, volume: str) -> list[dict[str, Any]]:
        """The proofs of the content of a volume, named by its old or its new id: both ids, and the proofs."""
        if not self._select("SELECT 1 FROM sqlite_master WHERE name = 'proof'", ()):
            return []
        rows = self._select("SELECT volume, target, body FROM proof WHERE volume = ? OR target = ?", (volume, volume))
        return [{"volume": old, "target": new, "proofs": json.loads(zlib.decompress(body))} for old, new, body in rows]

    def _select(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._lock, closing(self._database.execute(query, values)) as cursor:
            return cursor.fetchall()


_COLUMNS = "kind, id, name, project, status, body"


def _row(found: Sequence[Any]) -> Row:
    kind, identity, name, project, status, body = found
    return Row(kind, identity, name, project, status, json.loads(zlib.decompress(body)))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
