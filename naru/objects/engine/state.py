"""What a copy remembers between its passes: a database in a directory.

For each object that was carried: as what the source's listing had it, and as what it was put. What is not remembered is
found again: an object is looked at on both sides before it is carried. So a process may end at any instant; what it did
in its last half second is looked at once more.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from naru.errors import InputError
from naru.files import held_directory
from naru.objects.listing import Entry

FORMAT = "1"
PAGE = 5000
EVERY = 0.5
"""Seconds between commits."""
_TABLES = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS containers (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS carried (
  container TEXT NOT NULL, name TEXT NOT NULL,
  etag TEXT NOT NULL, bytes INTEGER NOT NULL, modified TEXT NOT NULL, type TEXT NOT NULL,
  kind TEXT NOT NULL, there_etag TEXT NOT NULL, there_second INTEGER NOT NULL,
  PRIMARY KEY (container, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS later (
  container TEXT NOT NULL, name TEXT NOT NULL,
  etag TEXT NOT NULL, bytes INTEGER NOT NULL, modified TEXT NOT NULL, type TEXT NOT NULL, attempt INTEGER NOT NULL,
  PRIMARY KEY (container, name)) WITHOUT ROWID;
"""

PLAIN, DYNAMIC, STATIC, LINK = "plain", "dynamic", "static", "link"
"""What an object is: itself, a large one of all objects with a prefix, a large one of named segments, a link."""


class Carried(NamedTuple):
    """An object that was carried: `entry` is the source's, `there_etag` the ETag that the target told ("" where its
    listing will have another), `there_second` its Last-Modified, in seconds since 1970, 0 where it was not told."""

    entry: Entry
    kind: str
    there_etag: str
    there_second: int


class State:
    """The database. Used by one thread; what is written is on disk at the latest half a second after, or at `save`."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_TABLES)
        self._saved = time.monotonic()
        self._open = False

    def close(self) -> None:
        """Saves what was written."""
        self.save()
        self._db.close()

    def about(self, key: str) -> str:
        """What was noted under the key, "" for nothing."""
        found = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def note(self, key: str, value: str) -> None:
        """Notes a value under the key."""
        self._write("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    def containers(self) -> list[str]:
        """The containers that were carried."""
        return [name for (name,) in self._db.execute("SELECT name FROM containers ORDER BY name")]

    def add_container(self, name: str) -> None:
        """A container is carried."""
        self._write("INSERT OR IGNORE INTO containers VALUES (?)", (name,))

    def forget_container(self, name: str) -> None:
        """A container is not there any more."""
        self._write("DELETE FROM carried WHERE container = ?", (name,))
        self._write("DELETE FROM containers WHERE name = ?", (name,))

    def carried(self, container: str) -> Iterator[Carried]:
        """What was carried of a container, in the order of the names. It may be written to meanwhile."""
        after = None
        while True:
            page = self._db.execute(
                "SELECT name, etag, bytes, modified, type, kind, there_etag, there_second FROM carried"
                " WHERE container = ? AND (? IS NULL OR name > ?) ORDER BY name LIMIT ?",
                (container, after, after, PAGE),
            ).fetchall()
            for row in page:
                yield Carried(Entry(*row[:5]), *row[5:])
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def record(self, container: str, found: Carried) -> None:
        """An object is carried."""
        values = (container, *found.entry, *found[1:])
        self._write("INSERT OR REPLACE INTO carried VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def forget(self, container: str, name: str) -> None:
        """An object is not there any more."""
        self._write("DELETE FROM carried WHERE container = ? AND name = ?", (container, name))

    def clear_later(self) -> None:
        """A pass begins: nothing waits."""
        self._write("DELETE FROM later", ())

    def wait(self, container: str, entry: Entry, attempt: int) -> None:
        """An object waits for others to be there."""
        self._write("INSERT OR REPLACE INTO later VALUES (?, ?, ?, ?, ?, ?, ?)", (container, *entry, attempt))

    def waiting(self, attempt: int) -> Iterator[tuple[str, Entry]]:
        """What waits for this attempt. It may be written to meanwhile."""
        at: tuple[str, str] = ("", "")
        while True:
            page = self._db.execute(
                "SELECT container, name, etag, bytes, modified, type FROM later"
                " WHERE attempt = ? AND (container, name) > (?, ?) ORDER BY container, name LIMIT ?",
                (attempt, *at, PAGE),
            ).fetchall()
            for container, *row in page:
                yield container, Entry(*row)
            if len(page) < PAGE:
                return
            at = page[-1][:2]

    def count_waiting(self, attempt: int) -> int:
        """How many wait for this attempt."""
        return int(self._db.execute("SELECT COUNT(*) FROM later WHERE attempt = ?", (attempt,)).fetchone()[0])

    def save(self) -> None:
        """What was written is on disk."""
        if self._open:
            self._db.execute("COMMIT")
            self._open = False
        self._saved = time.monotonic()

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        if not self._open:
            self._db.execute("BEGIN")
            self._open = True
        self._db.execute(statement, values)
        if time.monotonic() - self._saved > EVERY:
            self.save()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def opened(directory: Path, source: str, target: str) -> Iterator[State]:
    """The state in the directory, made unless it exists; this process alone may use it until the end.

    Raises InputError when it is that of another copy, or damaged, and NaruError while another process has it.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(held_directory(directory))
        file = directory / "objects.db"
        try:
            file.touch(mode=0o600)
            state = stack.enter_context(State(file))
            known = (state.about("format"), state.about("source"), state.about("target"))
            if not any(known):
                for key, value in (("format", FORMAT), ("source", source), ("target", target)):
                    state.note(key, value)
                state.save()
            elif known != (FORMAT, source, target):
                raise InputError(
                    f"{directory} is the state of another copy",
                    detail=f"{known[1]} -> {known[2]}",
                    hint="Give another directory.",
                )
            yield state
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{file} cannot be used",
                detail=str(error),
                hint="Without it nothing is lost but time: remove it, and every object is looked at once more.",
            ) from error
        except OSError as error:
            if error.filename != str(file):
                raise
            raise InputError(f"{file} cannot be written", detail=error.strerror or "") from error
