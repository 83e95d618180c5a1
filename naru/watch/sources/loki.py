"""Loki: the lines of a selection in the order of their time, a page at a time."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from naru.errors import NaruError
from naru.watch.formats import Format
from naru.watch.sources.documents import entry_of
from naru.watch.sources.entries import SETTLED, Entry, join, of_tracebacks
from naru.watch.sources.late import Cursor
from naru.watch.sources.stream import DAY, PAGE, Batch, Window
from naru.watch.sources.web import Web
from naru.watch.tally import Arrived

_NANO = 1_000_000_000


class Loki:
    """The lines that a selector names, as in `{job="openstack"}`. Without a cursor it begins `since` seconds ago."""

    def __init__(self, name: str, web: Web, formats: Sequence[Format], query: str, since: float = DAY) -> None:
        self.name = name
        self._web, self._formats, self._query, self._since = web, formats, query, since

    def follow(self, cursor: str) -> Batch:
        now = time.time()
        at = Cursor.read(cursor, now - self._since)
        begin = int(at.after) if at.after is not None else int(at.begin * _NANO)
        rows = self._range(self._query, begin, int((now - SETTLED) * _NANO))
        full = len(rows) == PAGE
        entries = [_entry(row) for row in rows]
        new = [entry for entry in entries if entry.id not in at.seen]
        joined = join(new, self._formats, rows[-1][0] / _NANO - SETTLED if full else now)
        if full and not joined.used:  # nothing but one record
            joined = join(new, self._formats)
        at.seen.update((new[place].id, new[place].moment) for place in joined.used)
        at.newest = max([at.newest, *(new[place].moment for place in joined.used)])
        held = next((place for place, one in enumerate(entries) if one.id not in at.seen), None)
        at.after = None
        if full:
            following = rows[held][0] if held is not None else rows[-1][0]
            # a whole page of one instant: the rest of that cannot be asked for
            at.after = str(following if following > begin else rows[-1][0] + (rows[-1][0] == begin))
        kept = at.text(entries[held].moment if held is not None else None)
        return Batch(joined.arrived, kept, len(joined.used), joined.unread, more=full)

    def by_request(self, ids: Sequence[str], window: Window) -> list[Arrived]:
        begin, end = int(window.begin * _NANO), int(window.end * _NANO)
        rows = self._range(f"{self._query} |~ `{'|'.join(ids)}`", begin, end)
        if others := of_tracebacks([_entry(row) for row in rows]):
            rows += self._range(f"{self._query} |~ `{others}`", begin, end)
        entries = {entry.id: entry for entry in map(_entry, rows)}
        ordered = sorted(entries.values(), key=lambda one: one.moment)
        return join(ordered, self._formats, lowest=0).arrived

    def check(self) -> str:
        now = time.time_ns()
        rows = self._range(self._query, now - 86400 * _NANO, now, 1)
        if not rows:
            raise NaruError(f"{self.name}: no line of the last day is of {self._query}", hint="Is query right?")
        return "there are lines"

    def _range(self, query: str, begin: int, end: int, most: int = PAGE) -> list[tuple[int, Mapping[str, str], str]]:
        """The lines of a time (nanoseconds since 1970; the end is not part of it), the first ones first."""
        given = {"query": query, "start": begin, "end": end, "limit": most, "direction": "forward"}
        said = self._web.ask("GET", "loki/api/v1/query_range", params=given)
        data = said.get("data")
        data = data if isinstance(data, dict) else {}
        if said.get("status") != "success" or data.get("resultType") != "streams":
            raise NaruError(f"{self.name}: it does not answer with lines", hint="query has to select lines.")
        try:
            rows = [
                (int(value[0]), {**one.get("stream", {}), **_metadata(value)}, str(value[1]))
                for one in data["result"]
                for value in one["values"]
            ]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise NaruError(f"{self.name}: what it answers are no lines with their times") from error
        return sorted(rows, key=lambda row: row[0])


def _metadata(value: Sequence[Any]) -> Mapping[str, str]:
    return value[2] if len(value) > 2 and isinstance(value[2], Mapping) else {}


def _entry(row: tuple[int, Mapping[str, str], str]) -> Entry:
    nanoseconds, labels, line = row
    said = "\0".join(f"{name}={value}" for name, value in sorted(labels.items()))
    identity = hashlib.sha256(f"{nanoseconds}\0{said}\0{line}".encode()).hexdigest()[:20]
    found = entry_of({**labels, "line": line, "log": line}, identity, nanoseconds / _NANO)
    if found.record is None:
        found.stream = said
    return found
