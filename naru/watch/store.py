"""What is kept of a watch, in one SQLite file: groups with their rates and examples, how far each file is read, and
which identifiers stand in which part of it.

What some lines add to groups and how far their file is read then go to disk in one transaction: whenever the process is
killed, no record is lost and none counted twice.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.watch import blocks
from naru.watch.change import carried, code_sets
from naru.watch.group import VERSION, Group
from naru.watch.notifications import events

DATABASE = "watch.db"
PATIENCE = 60.0
"""Seconds that one waits for another command that is just writing."""
FORMAT = 3
EXAMPLES = 5
"""Examples that are kept of a group: the first ones, and the last."""
FIRST = 2
MOST_REQUESTS = 1000
"""Requests of a group that are counted."""
SILENT = 14 * 86400.0
"""Seconds after which a group that comes again is told as one that came back."""
OPEN, MUTED, RESOLVED, REGRESSED = "open", "muted", "resolved", "regressed"
"""States of a group: one that counts; one that is not told of, until when somebody said; one that somebody says is
cured; one that came back after that, or after a long silence."""
MOST_UNREAD = 0.05
"""Shares of lines and of records from which on the watch itself is in doubt, where there are some."""
_JUDGED = 20
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    head BLOB NOT NULL, place INTEGER NOT NULL, ended INTEGER NOT NULL, format TEXT NOT NULL, lines INTEGER NOT NULL,
    records INTEGER NOT NULL, unread INTEGER NOT NULL, judged INTEGER NOT NULL, unmatched INTEGER NOT NULL,
    lost INTEGER NOT NULL, read REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS file_path ON file (host, path);
{blocks.SCHEMA}
CREATE TABLE IF NOT EXISTS grp (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, binary TEXT NOT NULL, module TEXT NOT NULL, text TEXT NOT NULL,
    exception TEXT NOT NULL, frame TEXT NOT NULL, level TEXT NOT NULL, class TEXT NOT NULL, how TEXT NOT NULL,
    state TEXT NOT NULL, first REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL, changed REAL NOT NULL,
    muted_until REAL, muted_by TEXT NOT NULL, reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grp_statement ON grp (module, text);
CREATE TABLE IF NOT EXISTS rate (grp TEXT NOT NULL, minute INTEGER NOT NULL, host TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (grp, minute, host)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rate_minute ON rate (minute);
CREATE TABLE IF NOT EXISTS example (grp TEXT NOT NULL, number INTEGER NOT NULL, moment REAL NOT NULL,
    host TEXT NOT NULL, file INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (grp, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (grp TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (grp, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (grp TEXT PRIMARY KEY, changed REAL NOT NULL, escalated REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mute_rate (grp TEXT PRIMARY KEY, per_hour REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alert (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, moment REAL NOT NULL,
    why TEXT NOT NULL, root TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alert_grp (alert INTEGER NOT NULL, grp TEXT NOT NULL,
    PRIMARY KEY (alert, grp)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alert_of_grp ON alert_grp (grp);
CREATE TABLE IF NOT EXISTS delivery (alert INTEGER NOT NULL, sink TEXT NOT NULL, state TEXT NOT NULL,
    sent REAL NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (alert, sink)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_state ON delivery (sink, state);
CREATE TABLE IF NOT EXISTS sink (name TEXT PRIMARY KEY, since REAL NOT NULL, tries INTEGER NOT NULL, next REAL NOT NULL,
    error TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (id INTEGER PRIMARY KEY, moment REAL NOT NULL, what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS change_span (change INTEGER PRIMARY KEY, ended REAL);
CREATE TABLE IF NOT EXISTS change_rate (change INTEGER NOT NULL, grp TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (change, grp)) WITHOUT ROWID;
{code_sets.SCHEMA}{carried.SCHEMA}{events.SCHEMA}
CREATE TABLE IF NOT EXISTS stream (name TEXT PRIMARY KEY, cursor TEXT NOT NULL, lines INTEGER NOT NULL,
    records INTEGER NOT NULL, unread INTEGER NOT NULL, judged INTEGER NOT NULL, unmatched INTEGER NOT NULL,
    lost INTEGER NOT NULL, read REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received (digest BLOB PRIMARY KEY, moment REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS received_moment ON received (moment);
PRAGMA user_version = {FORMAT};
"""


@dataclass(kw_only=True)
class Counts:
    """How much was read of a file or another source: `records` of its `lines` were counted as read, `unread` begin as
    records do and are of no known format; of `judged` records of Python code `unmatched` have no statement. `lost` is
    how often something of it was gone before it was read; `read` is when it was read last (seconds since 1970)."""

    lines: int = 0
    records: int = 0
    unread: int = 0
    judged: int = 0
    unmatched: int = 0
    lost: int = 0
    read: float = 0.0

    @property
    def is_not_understood(self) -> bool:
        """Whether so many lines are of no known format that groups are in doubt."""
        return self.lines >= _JUDGED and self.unread > MOST_UNREAD * self.lines

    @property
    def is_not_matched(self) -> bool:
        """Whether so many records have no statement that the code is another one's."""
        return self.judged >= _JUDGED and self.unmatched > MOST_UNREAD * self.judged


@dataclass
class File(Counts):
    """A file and how far it is read. `head` are its first bytes, by which it is known again; `place` is the byte up to
    which its records are counted; `ended` says that nothing will be added to it any more (it was rotated)."""

    id: int
    host: str
    path: str
    device: int
    inode: int
    head: bytes = b""
    place: int = 0
    ended: int = 0
    format: str = ""


@dataclass
class Example:
    """A record that is kept whole, as far as its text is not secret."""

    moment: float
    host: str
    place: int
    body: dict[str, Any]
    file: int = 0


@dataclass
class Counted:
    """What some lines add to a group."""

    group: Group
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    minutes: dict[tuple[int, str], int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    requests: set[bytes] = field(default_factory=set)


def by_columns(found: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    """Rows, by the names of their columns."""
    names = [one[0] for one in found.description]
    return (dict(zip(names, row, strict=True)) for row in found)


def _failed(file: Path, error: sqlite3.Error) -> NaruError:
    """What SQLite could not do, and what helps."""
    hints = {
        sqlite3.SQLITE_BUSY: f"Another command has held it for {PATIENCE:.0f} s; give this one again.",
        sqlite3.SQLITE_FULL: "Make room there; what was read since is read again.",
        sqlite3.SQLITE_READONLY: "Whoever runs this has to be its owner.",
        sqlite3.SQLITE_CANTOPEN: "Whoever runs this has to be its owner.",
        sqlite3.SQLITE_IOERR: "Is its disk well, and is there room? What was read since is read again.",
    }
    hint = hints.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
    return NaruError(f"{file}: {error}", hint=hint)


class Store:
    """The database in a directory. Raises InputError for a file that is something else, or of a newer Naru,
    NaruError where it cannot be read or written now."""

    def __init__(self, directory: Path, *, make: bool = False) -> None:
        file = directory / DATABASE
        self._file = file
        try:
            if make:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                file.touch(0o600)
            elif not file.exists():
                hint = f"First: naru watch run {directory} --once"
                raise InputError(f"{directory}: nothing was watched here", hint=hint)
        except OSError as error:
            raise InputError(f"{directory}: cannot be made, or written", detail=str(error)) from error
        try:
            self._database = sqlite3.connect(file, isolation_level=None, timeout=PATIENCE)
        except sqlite3.Error as error:
            raise InputError(f"{file}: cannot be opened", detail=str(error)) from error
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version < FORMAT:  # new, or of an older Naru, which had fewer tables
                with self.transaction():
                    for statement in _SCHEMA.split(";"):
                        self._database.execute(statement)
        except sqlite3.Error as error:
            self._database.close()
            if type(error) is sqlite3.DatabaseError:  # its kin are for locks, full disks and the like
                raise InputError(f"{file}: is not what naru watch writes", detail=str(error)) from error
            raise _failed(file, error) from error
        if version > FORMAT:
            self._database.close()
            raise InputError(f"{file}: a newer Naru has written it", hint="Use that one.")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Closes it. Raises NaruError for what SQLite could not do meanwhile."""
        self.close()
        if isinstance(error, sqlite3.Error):
            raise _failed(self._file, error) from error

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within goes to disk as one, or not at all."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # of what a full disk ended SQLite has undone it itself
                self._database.execute("ROLLBACK")
            raise

    @property
    def connection(self) -> sqlite3.Connection:
        """For modules that keep tables of their own here."""
        return self._database

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()

    # settings

    def setting(self, name: str) -> Any:
        """What was kept under a name; None when nothing was."""
        found = self._rows("SELECT value FROM setting WHERE name = ?", name)
        return json.loads(found[0][0]) if found else None

    def set(self, name: str, value: Any) -> None:
        self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    # files

    def files(self, host: str | None = None) -> list[File]:
        """The files of a host, or of all."""
        where, values = ("WHERE host = ?", (host,)) if host is not None else ("", ())
        found = self._database.execute(f"SELECT * FROM file {where} ORDER BY id", values)
        return [File(**row) for row in by_columns(found)]

    def add_file(self, file: File) -> None:
        """A file that is new; it is given its id."""
        said = {name: value for name, value in vars(file).items() if name != "id"}
        query = f"INSERT INTO file ({', '.join(said)}) VALUES ({', '.join('?' * len(said))})"
        file.id = int(self._database.execute(query, list(said.values())).lastrowid or 0)

    def save_file(self, file: File) -> None:
        columns = [name for name in vars(file) if name != "id"]
        signs = ", ".join(f"{name} = ?" for name in columns)
        self._database.execute(
            f"UPDATE file SET {signs} WHERE id = ?", [*(getattr(file, name) for name in columns), file.id]
        )

    def forget_file(self, file: File) -> None:
        """A file that is gone."""
        self.forget_blocks(file)
        self._database.execute("DELETE FROM file WHERE id = ?", (file.id,))

    def forget_blocks(self, file: File) -> None:
        """What was read of a file is not there any more."""
        blocks.forget(self._database, file.id)

    def hand_over(self, file: File, other: File) -> None:
        """What was known of one file is of the other from now on."""
        blocks.hand_over(self._database, file.id, other.id)
        self._database.execute("UPDATE example SET file = ? WHERE file = ?", (other.id, file.id))

    # groups

    def add(self, counted: Sequence[Counted], moment: float) -> list[str]:
        """Adds to groups what was read at a moment; the keys of those that were not there, or were resolved."""
        news = []
        for one in counted:
            key = one.group.key
            known = self._rows("SELECT state, last, changed FROM grp WHERE key = ?", key)
            if not known:
                self._insert(one, moment)
                if self.carry_over(one.group, one.first, one.last, moment) is not False:
                    news.append(key)
            else:
                ((state, last, changed),) = known
                # lines that were written before somebody said so, and are read after it, prove nothing
                back = (state == RESOLVED and one.last > changed) or (state == OPEN and one.first - last > SILENT)
                self._database.execute(
                    "UPDATE grp SET first = min(first, ?), last = max(last, ?), count = count + ?, "
                    "state = iif(?, ?, state), changed = iif(?, ?, changed) WHERE key = ?",
                    (one.first, one.last, one.count, back, REGRESSED, back, moment, key),
                )
                news += [key] * back
            self._database.executemany(
                "INSERT INTO rate VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                [(key, minute, host, n) for (minute, host), n in one.minutes.items()],
            )
            self._add_examples(key, one.examples)
            self._add_requests(key, one.requests)
        return news

    def _insert(self, one: Counted, moment: float) -> None:
        group = one.group
        self._database.execute(
            f"INSERT INTO grp VALUES ({', '.join('?' * 18)})",
            (
                *(group.key, VERSION, group.binary, group.module, group.text, group.exception, group.frame),
                *(group.level, group.kind, group.how, OPEN, one.first, one.last, one.count, moment, None, "", ""),
            ),
        )

    def carry_over(self, group: Group, first: float, last: float, moment: float) -> bool | None:
        """Has a group that was just made go on with the state of that which it was before a change of the code; None
        where it is none of before, else whether it is to be told, as one that has come back."""
        old = carried.forerunner(self._database, group)
        if old is None:
            return None
        ((state, began, ended, changed, *said),) = self._rows(
            "SELECT state, first, last, changed, muted_until, muted_by, reason FROM grp WHERE key = ?", old.key
        )
        back = bool((state == RESOLVED and last > changed) or (state == OPEN and first - ended > SILENT))
        self._database.execute(
            "UPDATE grp SET state = ?, first = min(first, ?), changed = ?, muted_until = ?, muted_by = ?, reason = ? "
            "WHERE key = ?",
            (REGRESSED if back else state, began, moment if back else changed, *said, group.key),
        )
        self._database.execute("INSERT OR REPLACE INTO mapped VALUES (?, ?, ?, ?)", (group.key, *old))
        # what was told of the one is told of the other, and up to which rate it is muted
        for table, columns in (("told", "changed, escalated"), ("mute_rate", "per_hour")):
            query = f"INSERT OR REPLACE INTO {table} SELECT ?, {columns} FROM {table} WHERE grp = ?"
            self._database.execute(query, (group.key, old.key))
        return back

    def _add_examples(self, key: str, examples: Sequence[Example]) -> None:
        """The first two stay; of the others the last three."""
        (count, highest), *_ = self._rows("SELECT count(*), coalesce(max(number), -1) FROM example WHERE grp = ?", key)
        room = max(FIRST - count, 0)
        last = EXAMPLES - FIRST
        for one in [*examples[:room], *examples[room:][-last:]]:
            highest += 1
            self._database.execute(
                "INSERT INTO example VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, highest, one.moment, one.host, one.file, one.place, json.dumps(one.body)),
            )
        self._database.execute(
            "DELETE FROM example WHERE grp = ? AND number >= ? AND number <= ?", (key, FIRST, highest - last)
        )

    def _add_requests(self, key: str, requests: Iterable[bytes]) -> None:
        if self._rows("SELECT count(*) FROM asked WHERE grp = ?", key)[0][0] < MOST_REQUESTS:
            self._database.executemany("INSERT OR IGNORE INTO asked VALUES (?, ?)", [(key, one) for one in requests])

    def requests(self, key: str) -> int:
        """How many requests the records of a group are of, `MOST_REQUESTS` at most."""
        return int(self._rows("SELECT min(count(*), ?) FROM asked WHERE grp = ?", MOST_REQUESTS, key)[0][0])

    def groups(self) -> list[dict[str, Any]]:
        """All groups, the last seen first, as the table's columns name them."""
        return list(by_columns(self._database.execute("SELECT * FROM grp ORDER BY last DESC")))

    def totals(self) -> tuple[int, int]:
        """How many groups there are, and how many records they have."""
        ((groups, records),) = self._rows("SELECT count(*), coalesce(sum(count), 0) FROM grp")
        return groups, records

    def examples(self, key: str) -> list[Example]:
        rows = self._rows("SELECT moment, host, place, body, file FROM example WHERE grp = ? ORDER BY number", key)
        return [Example(moment, host, place, json.loads(body), file) for moment, host, place, body, file in rows]

    def hosts(self, since: float = 0) -> dict[str, dict[str, int]]:
        """By group and host how many records since a moment."""
        found: dict[str, dict[str, int]] = {}
        minute = int(since // 60)
        for key, host, n in self._rows("SELECT grp, host, sum(n) FROM rate WHERE minute >= ? GROUP BY 1, 2", minute):
            found.setdefault(key, {})[host] = n
        return found

    def minutes(self, key: str, since: float = 0) -> dict[int, int]:
        """Of a group, and of that which it was before a change of the code, how many records in each minute since 1970
        that has some."""
        query = (
            "SELECT minute, sum(n) FROM rate WHERE grp IN (SELECT ? UNION SELECT old FROM mapped WHERE grp = ?) "
            "AND minute >= ? GROUP BY 1 ORDER BY 1"
        )
        return dict(self._rows(query, key, key, int(since // 60)))

    def mark(
        self, key: str, state: str, moment: float, until: float | None = None, by: str = "", why: str = ""
    ) -> None:
        """Sets the state of a group, and of one that is muted until when, by whom and why."""
        self._database.execute(
            "UPDATE grp SET state = ?, changed = ?, muted_until = ?, muted_by = ?, reason = ? WHERE key = ?",
            (state, moment, until, by, why, key),
        )

    # changes

    def add_change(self, moment: float, what: str) -> int:
        """Something that is being changed in the cloud, from that moment on; its number."""
        made = self._database.execute("INSERT INTO change (moment, what) VALUES (?, ?)", (moment, what))
        return int(made.lastrowid or 0)

    def changes(self) -> list[tuple[float, str]]:
        """What was changed in the cloud, and when; the last one last."""
        return [(moment, what) for moment, what in self._rows("SELECT moment, what FROM change ORDER BY moment, id")]
