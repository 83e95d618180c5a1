"""Entries of what is no file, to records: those that say all of theirs in fields, and lines, which are joined to
records with their tracebacks as those of files are.

Lines of several programs come between one another. Of each the last record may go on in an entry that is not there
yet: it is held, and read again.
"""

import datetime
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from naru.watch.formats import LEVELS, OSLO, WARNING, Format, fitting
from naru.watch.records import Record, clean, read
from naru.watch.tally import Arrived

SETTLED = 2.0
"""Seconds after which no more of a record's lines come."""

_TRACEBACKS = 200
_LATEST = 32503680000.0
"""The year 3000: what is dated later says no time."""


@dataclass(slots=True)
class Entry:
    """An entry: by which it is known again, and when it was written (seconds since 1970; 0: it does not say it). It is
    a `record`, or `text` of one or more lines, of one that `stream` tells apart from others of the program. `otherwise`
    is what it is where no line of that stream is of a known format. Where the moment is not `exact`, a time that the
    record itself says counts before."""

    id: str
    moment: float
    host: str
    program: str
    record: Record | None = None
    text: str = ""
    stream: str = ""
    otherwise: Record | None = None
    exact: bool = True

    def __post_init__(self) -> None:
        self.host, self.program = clean(self.host), clean(self.program)

    def dated(self, record: Record) -> Arrived:
        """A record of this entry."""
        if 0 < self.moment < _LATEST and (self.exact or not record.time):
            record.time = written(self.moment)
        return Arrived(record, self.host, self.program)


class Joined(NamedTuple):
    """The records of entries, and which of these they were; the others are held. `unread` lines are of no known
    format."""

    arrived: list[Arrived]
    used: set[int]
    lines: int
    unread: int


def join(
    entries: Sequence[Entry], formats: Sequence[Format], settled: float | None = None, lowest: int = WARNING
) -> Joined:
    """The records of entries, in their order, of the `lowest` level and above. What was written after `settled` may not
    be whole yet; None: all of it is."""
    found = Joined([], set(), len(entries), 0)
    lines: dict[tuple[str, str, str], list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.record is None:
            lines.setdefault((entry.host, entry.program, entry.stream), []).append(place)
        else:
            found.used.add(place)
            _take(found, entry, entry.record, lowest)
    unread = 0
    for places in lines.values():
        unread += _lines(found, [(place, entries[place]) for place in places], formats, settled, lowest)
    return found._replace(unread=unread)


def _take(found: Joined, entry: Entry, record: Record, lowest: int) -> None:
    if _level(record) >= lowest:
        found.arrived.append(entry.dated(record))


def _level(record: Record) -> int:
    return LEVELS.get(record.level, LEVELS["INFO"])


def _lines(
    found: Joined,
    placed: Sequence[tuple[int, Entry]],
    formats: Sequence[Format],
    settled: float | None,
    lowest: int,
) -> int:
    """Reads the lines of one program; how many are of no known format."""
    texts: list[str] = []
    owners: list[int] = []
    for number, (_, entry) in enumerate(placed):
        # records count in bytes
        for line in entry.text.rstrip("\n").encode("utf-8", "replace").decode("latin-1").split("\n"):
            texts.append(line)
            owners.append(number)
    form = fitting(texts[:400], formats)
    if form is None and not any(text.startswith("{") for text in texts) and all(one.otherwise for _, one in placed):
        for place, entry in placed:
            found.used.add(place)
            assert entry.otherwise is not None
            _take(found, entry, entry.otherwise, lowest)
        return 0
    whole = settled is None or placed[-1][1].moment <= settled
    chunk = read(texts, 0, form or formats[0], lowest, last=whole)
    starts = list(accumulate((len(text) + 1 for text in texts), initial=0))

    def owner(place: int) -> int:
        return owners[min(bisect_right(starts, place) - 1, len(owners) - 1)]

    used = len(placed) if whole or chunk.held >= starts[-1] else owner(chunk.held)
    found.used.update(place for place, _ in placed[:used])
    for record in chunk.records:
        entry = placed[owner(record.place)][1]
        record.place = 0
        found.arrived.append(entry.dated(record))
    return chunk.unread


def written(moment: float) -> str:
    """A moment as records have it."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(timespec="milliseconds")


def of_tracebacks(entries: Sequence[Entry]) -> str:
    """A regular expression for the lines of tracebacks of records that were found alone, since these lines have neither
    request nor message; "" where there can be none."""
    found: dict[str, None] = {}
    for entry in entries:
        head = OSLO.head(entry.text.partition("\n")[0]) if entry.record is None else None
        if head is not None and head.begins and LEVELS.get(head.level, 0) >= WARNING:
            found[f"{head.time} {head.pid} ERROR {head.logger} ".replace(".", "[.]")] = None
    return "|".join(list(found)[:_TRACEBACKS])
