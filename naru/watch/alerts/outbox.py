"""Alerts and who was sent them, in the watch's database.

An alert, that its groups are told, and what is to be sent to each sink go to disk in one transaction. What is sent is
noted before and after, so that after a kill nothing is lost, and what may have been sent twice says so itself.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from naru.watch.store import MUTED, OPEN, REGRESSED, RESOLVED, SILENT, Store, by_columns

NEW, ESCALATING, OVER, DIGEST = "new", "escalating", "over its rate", "digest"
"""Why an alert was made; also `store.REGRESSED`. A digest tells of many groups at once."""
WAITING, SENDING, SENT, GATHERED, REFUSED, DROPPED, OVERED = (
    *("waiting", "sending", "sent", "in a digest", "refused", "dropped", "over"),
)
"""States of a delivery. `sending`: it may have arrived. `in a digest`: told by one that was made of many. `dropped`:
its group was muted or resolved before it could be sent. `over`: a sink that keeps alerts was told that it is past."""
_SINKS = "sinks"
_MANY = 500


@dataclass(frozen=True)
class Alert:
    """An alert: `body` is what sinks are given, without secrets; `root` the key of its group, "" for a digest; `uid`
    its name everywhere; `moment` in seconds since 1970."""

    id: int
    uid: str
    moment: float
    why: str
    root: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Trouble:
    """A sink that could not be reached: since when, how often it was tried, when it is tried next, and why not."""

    since: float
    tries: int
    next: float
    error: str


class Outbox:
    """The tables of alerts."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._database = store.connection

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()

    # groups of which there is something to tell

    def due(self) -> list[tuple[str, str, str, float, float]]:
        """Key, state, class, change and last record of the groups that are new or have come back, and not told."""
        return self._rows(
            "SELECT grp.key, state, class, grp.changed, last FROM grp LEFT JOIN told ON told.grp = key "
            "WHERE told.grp IS NULL OR (state = ? AND grp.changed > told.changed) ORDER BY grp.first, key",
            REGRESSED,
        )

    def groups(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Groups by their keys, as the table's columns name them."""
        found = {}
        for part in _parts(keys):
            rows = self._database.execute(f"SELECT * FROM grp WHERE key IN ({_signs(part)})", part)
            found.update({row["key"]: row for row in by_columns(rows)})
        return found

    def rates(self, keys: Iterable[str], now: float) -> dict[str, tuple[int, int, int]]:
        """By group how many records within five minutes, an hour, a day."""
        found = {}
        five, hour, day = (int((now - seconds) // 60) for seconds in (300, 3600, 86400))
        for part in _parts(keys):
            query = (
                "SELECT grp, sum(n * (minute > ?)), sum(n * (minute > ?)), sum(n) FROM rate "
                f"WHERE grp IN ({_signs(part)}) AND minute > ? GROUP BY grp"
            )
            for key, *counts in self._rows(query, five, hour, *part, day):
                found[key] = (counts[0], counts[1], counts[2])
        return found

    def hosts(self, key: str, since: float) -> dict[str, int]:
        """By host how many records of a group there are since a moment."""
        query = "SELECT host, sum(n) FROM rate WHERE grp = ? AND minute >= ? GROUP BY host ORDER BY 2 DESC"
        return dict(self._rows(query, key, int(since // 60)))

    def frequent(self, now: float, least: int) -> list[str]:
        """The groups that count, with so many records within an hour, and that are not told as escalating."""
        return [
            key
            for key, _ in self._rows(
                "SELECT rate.grp, sum(n) AS total FROM rate JOIN grp ON key = rate.grp "
                "LEFT JOIN told ON told.grp = key WHERE minute > ? AND state NOT IN (?, ?) "
                "AND coalesce(told.escalated, 0) = 0 GROUP BY rate.grp HAVING total >= ?",
                *(int(now // 60) - 60, MUTED, RESOLVED, least),
            )
        ]

    def escalated(self) -> list[tuple[str, float]]:
        """The groups that are told as escalating, and since when."""
        return self._rows("SELECT grp, escalated FROM told WHERE escalated > 0")

    def told(self, keys: Iterable[str]) -> None:
        """Of these groups, as they are, there is nothing to tell any more."""
        self._database.executemany(
            "INSERT INTO told SELECT key, changed, 0 FROM grp WHERE key = ? "
            "ON CONFLICT (grp) DO UPDATE SET changed = excluded.changed",
            [(key,) for key in keys],
        )

    def escalate(self, keys: Iterable[str], moment: float) -> None:
        """These are told as escalating; at moment 0 not any more."""
        self._database.executemany(
            "INSERT INTO told SELECT key, changed, ? FROM grp WHERE key = ? "
            "ON CONFLICT (grp) DO UPDATE SET escalated = excluded.escalated",
            [(moment, key) for key in keys],
        )

    # muted until a rate

    def limit(self, key: str, per_hour: float | None) -> None:
        """A muted group counts again when it has more records than this in an hour; None: it does not."""
        self._database.execute("DELETE FROM mute_rate WHERE grp = ?", (key,))
        if per_hour is not None:
            self._database.execute("INSERT INTO mute_rate VALUES (?, ?)", (key, per_hour))

    def limited(self, key: str) -> float | None:
        """The records an hour up to which a group is muted; None where it is not so."""
        found = self._rows(
            "SELECT per_hour FROM mute_rate JOIN grp ON key = grp WHERE grp = ? AND state = ?", key, MUTED
        )
        return float(found[0][0]) if found else None

    def over(self, now: float) -> list[str]:
        """The groups that are muted up to a rate, and have more since they were muted, or within an hour."""
        return [
            key
            for key, per_hour, n in self._rows(
                "SELECT mute_rate.grp, per_hour, sum(n) FROM mute_rate JOIN grp ON key = mute_rate.grp "
                "JOIN rate ON rate.grp = key WHERE state = ? AND minute > ? AND minute * 60 >= grp.changed "
                "GROUP BY 1, 2",
                *(MUTED, int(now // 60) - 60),
            )
            if n > per_hour
        ]

    def muted_no_more(self, now: float) -> None:
        """Groups whose time of being muted is over are open."""
        self._database.execute(
            "UPDATE grp SET state = ?, changed = ? WHERE state = ? AND muted_until <= ?", (OPEN, now, MUTED, now)
        )

    def unmute(self, key: str, moment: float) -> None:
        self.limit(key, None)
        self.store.mark(key, OPEN, moment)

    # alerts

    def add(
        self, why: str, root: str, keys: Sequence[str], body: dict[str, Any], sinks: Sequence[str], moment: float
    ) -> Alert:
        """An alert of these groups, to be sent to each sink."""
        uid = str(uuid.uuid4())
        whole = {"id": uid, **body}
        made = self._database.execute(
            "INSERT INTO alert (uid, moment, why, root, body) VALUES (?, ?, ?, ?, ?)",
            (uid, moment, why, root, json.dumps(whole)),
        )
        number = int(made.lastrowid or 0)
        self._database.executemany("INSERT INTO alert_grp VALUES (?, ?)", [(number, key) for key in keys])
        self._database.executemany(
            "INSERT INTO delivery VALUES (?, ?, ?, 0, '')", [(number, sink, WAITING) for sink in sinks]
        )
        return Alert(number, uid, moment, why, root, whole)

    def made(self, since: float, now: float) -> tuple[int, float]:
        """How many alerts of groups were made since a moment, and when the last digest was, 0 for never. What a clock
        that was set back says of the future does not count."""
        query = (
            "SELECT coalesce(sum(why != ?), 0), coalesce(max(iif(why = ?, moment, 0)), 0) FROM alert "
            "WHERE moment > ? AND moment <= ?"
        )
        ((alerts, digest),) = self._rows(query, DIGEST, DIGEST, since, now)
        return int(alerts), float(digest)

    def alert_of(self, key: str) -> tuple[float, str] | None:
        """When a group was last told, and why; None when it was not."""
        found = self._rows(
            "SELECT moment, why FROM alert JOIN alert_grp ON alert = id WHERE grp = ? ORDER BY id DESC LIMIT 1", key
        )
        return (found[0][0], found[0][1]) if found else None

    def alerts(self, since: float) -> list[tuple[Alert, int, dict[str, tuple[str, str]]]]:
        """The alerts since a moment, with how many groups each has, and by sink its state and what was answered."""
        sinks: dict[int, dict[str, tuple[str, str]]] = {}
        for number, sink, state, answer in self._rows(
            "SELECT alert, sink, delivery.state, answer FROM delivery JOIN alert ON id = alert WHERE moment > ?", since
        ):
            sinks.setdefault(number, {})[sink] = state, answer
        counts = dict(self._rows("SELECT alert, count(*) FROM alert_grp GROUP BY alert"))
        rows = self._rows("SELECT * FROM alert WHERE moment > ? ORDER BY id DESC", since)
        return [(_alert(row), counts.get(row[0], 0), sinks.get(row[0], {})) for row in rows]

    # deliveries

    def waiting(self, sink: str) -> list[tuple[Alert, str]]:
        """What a sink has to be sent, the oldest first, with the state of each: `SENDING` may have arrived."""
        rows = self._rows(
            "SELECT alert.*, state FROM delivery JOIN alert ON id = alert "
            "WHERE sink = ? AND state IN (?, ?) ORDER BY id",
            *(sink, WAITING, SENDING),
        )
        return [(_alert(row), row[-1]) for row in rows]

    def counts(self, sink: str) -> dict[str, int]:
        """By state how many deliveries a sink has."""
        return dict(self._rows("SELECT state, count(*) FROM delivery WHERE sink = ? GROUP BY state", sink))

    def refused(self, sink: str, since: float) -> int:
        """How many alerts since a moment a sink did not take."""
        query = "SELECT count(*) FROM delivery JOIN alert ON id = alert WHERE sink = ? AND state = ? AND moment > ?"
        return int(self._rows(query, sink, REFUSED, since)[0][0])

    def sent(self, sink: str, since: float, now: float) -> tuple[int, float]:
        """The same of what a sink was sent."""
        ((alerts, digest),) = self._rows(
            "SELECT coalesce(sum(why != ? AND sent > ?), 0), coalesce(max(iif(why = ?, sent, 0)), 0) "
            "FROM delivery JOIN alert ON id = alert WHERE sink = ? AND sent > 0 AND sent <= ?",
            *(DIGEST, since, DIGEST, sink, now),
        )
        return int(alerts), float(digest)

    def set_delivery(self, alert: Alert, sink: str, state: str, moment: float = 0.0, answer: str = "") -> None:
        self._database.execute(
            "UPDATE delivery SET state = ?, sent = max(sent, ?), answer = ? WHERE alert = ? AND sink = ?",
            (state, moment, answer[:500], alert.id, sink),
        )

    def keys(self, alerts: Iterable[Alert]) -> list[str]:
        """The groups that alerts are of."""
        found: dict[str, None] = {}
        for part in _parts(str(one.id) for one in alerts):
            rows = self._rows(f"SELECT grp FROM alert_grp WHERE alert IN ({_signs(part)})", *part)
            found.update(dict.fromkeys(key for (key,) in rows))
        return list(found)

    def lasting(self, sink: str, now: float) -> list[tuple[Alert, bool]]:
        """The alerts of groups that a sink was sent and keeps, each with whether it is still so: its group is neither
        muted nor resolved, nor silent for long; one that escalated still does."""
        rows = self._rows(
            "SELECT alert.*, coalesce(grp.state, ''), coalesce(last, 0), coalesce(told.escalated, 0) FROM delivery "
            "JOIN alert ON id = alert LEFT JOIN grp ON key = root LEFT JOIN told ON told.grp = root "
            "WHERE sink = ? AND delivery.state = ? AND root != '' ORDER BY id",
            *(sink, SENT),
        )
        found = []
        for row in rows:
            alert, (state, last, escalated) = _alert(row), row[6:]
            counts = state not in ("", MUTED, RESOLVED) and now - last < SILENT
            found.append((alert, counts and (alert.why != ESCALATING or escalated > 0)))
        return found

    # sinks

    def sinks(self) -> list[str]:
        """The names of the sinks that alerts go to."""
        return list(self.store.setting(_SINKS) or [])

    def set_sinks(self, names: Sequence[str]) -> None:
        """Alerts go to these from now on; what is wrong with others is forgotten."""
        with self.store.transaction():
            self.store.set(_SINKS, list(names))
            self._database.execute(f"DELETE FROM sink WHERE name NOT IN ({_signs(names)})", names)

    def trouble(self, sink: str) -> Trouble | None:
        """What is wrong with a sink; None when it was reached the last time."""
        found = self._rows("SELECT since, tries, next, error FROM sink WHERE name = ?", sink)
        return Trouble(*found[0]) if found else None

    def set_trouble(self, sink: str, trouble: Trouble | None) -> None:
        if trouble is None:
            self._database.execute("DELETE FROM sink WHERE name = ?", (sink,))
        else:
            self._database.execute(
                "INSERT OR REPLACE INTO sink VALUES (?, ?, ?, ?, ?)",
                (sink, trouble.since, trouble.tries, trouble.next, trouble.error),
            )


def _alert(row: Sequence[Any]) -> Alert:
    return Alert(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]))


def _parts(keys: Iterable[str]) -> Iterable[list[str]]:
    every = list(keys)
    return (every[at : at + _MANY] for at in range(0, len(every), _MANY))


def _signs(part: Sequence[str]) -> str:
    return ", ".join("?" * len(part))
