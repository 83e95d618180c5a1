"""The notifications that are kept, and how it is about the message queues that they come from: tables of the watch's
database.

A notification goes to disk, and then it is acknowledged: one that comes again is known by its id. Those that tell of a
failure become part of a group a moment later, when the same in Nova's other format has come, too; `twin` is then the
row of that, and they count once.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from naru.watch.notifications.failure import Failure
from naru.watch.notifications.message import Notification

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, bus TEXT NOT NULL, identity TEXT NOT NULL UNIQUE, exchange TEXT NOT NULL,
    kind TEXT NOT NULL, action TEXT NOT NULL, program TEXT NOT NULL, host TEXT NOT NULL, moment REAL NOT NULL,
    received REAL NOT NULL, level TEXT NOT NULL, failed INTEGER NOT NULL, versioned INTEGER NOT NULL,
    rid TEXT NOT NULL, gid TEXT NOT NULL, user TEXT NOT NULL, project TEXT NOT NULL, object TEXT NOT NULL,
    exception TEXT NOT NULL, message TEXT NOT NULL, frame TEXT NOT NULL, traceback TEXT NOT NULL,
    status INTEGER NOT NULL, payload TEXT NOT NULL, grp TEXT, twin INTEGER
);
CREATE INDEX IF NOT EXISTS event_rid ON event (rid) WHERE rid != '';
CREATE INDEX IF NOT EXISTS event_gid ON event (gid) WHERE gid != '';
CREATE INDEX IF NOT EXISTS event_object ON event (object, moment) WHERE object != '';
CREATE INDEX IF NOT EXISTS event_received ON event (received);
CREATE INDEX IF NOT EXISTS event_waiting ON event (bus, id) WHERE failed AND grp IS NULL;
CREATE INDEX IF NOT EXISTS event_twin ON event (twin) WHERE twin IS NOT NULL;
CREATE TABLE IF NOT EXISTS bus (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
"""
KEPT = 7 * 86400.0
"""Seconds that a notification is kept; the group that it is part of stays."""
APART = 60.0
"""Seconds that lie at most between the two formats of one notification."""


@dataclass(frozen=True)
class Event:
    """A notification as it is kept. `grp` is the key of its group, None as long as it is in none; `received` is when it
    was read."""

    id: int
    received: float
    grp: str | None
    twin: int | None
    sent: Notification


_PLAIN = tuple(one.name for one in fields(Notification) if one.name not in ("failure", "payload"))
_FAILURE = tuple(one.name for one in fields(Failure))
_OWN = "id, received, grp, twin"
_RENAMED = {"request_id": "rid", "global_id": "gid"}
_COLUMNS = ", ".join(_RENAMED.get(name, name) for name in (*_PLAIN, *_FAILURE, "payload"))


def _read(database: sqlite3.Connection, where: str, *values: Any) -> list[Event]:
    found = []
    for row in database.execute(f"SELECT {_OWN}, {_COLUMNS} FROM event WHERE {where}", values):
        number, received, grp, twin, *said, payload = row
        plain: dict[str, Any] = dict(zip(_PLAIN, said, strict=False))
        plain |= {"failed": bool(plain["failed"]), "versioned": bool(plain["versioned"])}
        sent = Notification(**plain, failure=Failure(*said[len(_PLAIN) :]), payload=payload)
        found.append(Event(number, received, grp, twin, sent))
    return found


def add(database: sqlite3.Connection, bus: str, notifications: Iterable[Notification], now: float) -> int:
    """Keeps what is not kept yet; how many that were."""
    before = database.total_changes
    signs = ", ".join("?" * (2 + len(_PLAIN) + len(_FAILURE) + 1))
    database.executemany(
        f"INSERT OR IGNORE INTO event (bus, received, {_COLUMNS}) VALUES ({signs})",
        [
            (
                *(bus, now, *(getattr(one, name) for name in _PLAIN)),
                *(*(getattr(one.failure, name) for name in _FAILURE), one.payload),
            )
            for one in notifications
        ],
    )
    return database.total_changes - before


def waiting(database: sqlite3.Connection, bus: str) -> list[Event]:
    """Those of failures that are in no group yet, in the order in which they came."""
    return _read(database, "failed AND grp IS NULL AND bus = ? ORDER BY id", bus)


_LINE = "substr(message, 1, instr(message || char(10), char(10)) - 1)"


def same(database: sqlite3.Connection, event: Event) -> Event | None:
    """The same notification in Nova's other format, if it was kept and is no other one's twin."""
    sent, message = event.sent, event.sent.failure.message
    if sent.exchange != "nova" or not (sent.request_id or message):
        return None
    # one format may have the traceback of another service behind the text
    line = message.partition("\n")[0]
    # by an index, whether it has a request or not
    by_time: tuple[str, str | float] = ("received >= ?", event.received - APART)
    where, value = ("rid = ? AND rid != ''", sent.request_id) if sent.request_id else by_time
    found = _read(
        database,
        f"{where} AND rid = ? AND exchange = 'nova' AND failed AND versioned = ? AND action = ? AND host = ? "
        "AND twin IS NULL AND NOT EXISTS (SELECT 1 FROM event AS other WHERE other.twin = event.id) "
        "AND moment BETWEEN ? AND ? AND (object = '' OR ? IN ('', object)) "
        f"AND ({_LINE} = ? OR (rid != '' AND (message = '' OR ? = ''))) ORDER BY message = '', id LIMIT 1",
        *(value, sent.request_id, int(not sent.versioned), sent.action, sent.host),
        *(sent.moment - APART, sent.moment + APART, sent.object, line, message),
    )
    return found[0] if found else None


def put(database: sqlite3.Connection, event: int, group: str, twin: int | None = None) -> None:
    """An event is part of a group, as itself or as the twin of another one."""
    database.execute("UPDATE event SET grp = ?, twin = ? WHERE id = ?", (group, twin, event))


def about(database: sqlite3.Connection, ids: Sequence[str]) -> list[Event]:
    """Those of a request by its id or global id, and those about an object, each failure once."""
    signs = ", ".join("?" * len(ids))
    where = " UNION ".join(f"SELECT id FROM event WHERE {name} IN ({signs}) AND {name} != ''" for name in _IDS)
    return _read(database, f"id IN ({where}) AND twin IS NULL ORDER BY moment, id", *ids, *ids, *ids)


_IDS = ("rid", "gid", "object")


def count(database: sqlite3.Connection) -> tuple[int, int]:
    """How many are kept, and how many of them tell of a failure."""
    ((every, failed),) = database.execute("SELECT count(*), coalesce(sum(failed AND twin IS NULL), 0) FROM event")
    return int(every), int(failed)


def forget(database: sqlite3.Connection, before: float) -> None:
    """Removes some of what came before a moment and waits for nothing; the next time more."""
    database.execute(
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE received < ? AND NOT (failed AND grp IS NULL) "
        "ORDER BY received LIMIT 5000)",
        (before,),
    )


# message queues


def state(database: sqlite3.Connection, bus: str) -> dict[str, Any]:
    """What is known of a message queue."""
    found = database.execute("SELECT state FROM bus WHERE name = ?", (bus,)).fetchone()
    return dict(json.loads(found[0])) if found else {}


def set_state(database: sqlite3.Connection, bus: str, known: dict[str, Any]) -> None:
    database.execute("INSERT OR REPLACE INTO bus VALUES (?, ?)", (bus, json.dumps(known)))


def states(database: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """By name of each message queue what is known of it."""
    return {name: json.loads(text) for name, text in database.execute("SELECT name, state FROM bus ORDER BY name")}
