"""Files read on as they grow: what is new of a file, its groups, and how far it is read.

A record that may go on with lines which are not there yet is held back: the next part begins with it.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from naru.watch import blocks
from naru.watch.blocks import Block
from naru.watch.formats import Format, fitting
from naru.watch.group import Grouping
from naru.watch.hide import hidden
from naru.watch.match import NO_MATCH, UNMATCHED, Matcher
from naru.watch.place import HEAD, Changed, Known, Place
from naru.watch.records import Record, read
from naru.watch.rotation import Open, settle
from naru.watch.store import FIRST, MOST_REQUESTS, Counted, Example, File, Store
from naru.watch.times import Clock

CHUNK = 1 << 20
"""Bytes that are read at a time, and more only where one record is larger, up to `_LARGEST`."""
_LARGEST = 16 << 20
QUIET = 2.0
"""Seconds after which a file that did not grow is taken to end with a whole record."""
_FIRST, _REST = re.compile(rb"[0-9a-f]{8}"), re.compile(rb"-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""An identifier's first part, and the others: what begins with one letter is found five times as fast."""
_BODY = 8 << 10
"""Characters of an example's message, and of its traceback."""


class Follower:
    """Reads the files of a place that `patterns` name. `formats` are tried on a file that is new. `came` is told the
    keys of groups that were not there before, or were resolved."""

    def __init__(
        self,
        store: Store,
        place: Place,
        patterns: Sequence[str],
        formats: Sequence[Format],
        matcher: Matcher,
        clock: Clock,
        came: Callable[[list[str]], None] = lambda keys: None,
    ) -> None:
        self._store, self._place, self._patterns = store, place, patterns
        self._formats, self._matcher, self._clock = formats, matcher, clock
        self._by_name = {one.name: one for one in formats}
        self._came = came
        self._grouped = Grouping(matcher)
        self._seen: set[str] = set()  # groups of which there are first examples

    def round(self) -> Iterator[File]:
        """Reads each file to its end; gives it whenever a part of it was kept."""
        for one in settle(self._store, self._place, self._patterns):
            more = True
            while more:
                try:
                    more = self._read(one)
                except Changed:  # since it was listed; the next round finds where it is
                    break
                yield one.file

    def _read(self, one: Open) -> bool:
        """Reads the next part of a file and keeps what it says; whether there is more."""
        file, place = one.file, self._place
        whole = one.rotated or place.now() - one.seen.modified >= QUIET
        size = CHUNK
        while True:
            data = place.read(file.path, file.place, size, Known(file.device, file.inode, file.head))
            at_end = len(data) < size
            lines = data[: data.rfind(b"\n") + 1].decode("latin-1").split("\n")[:-1]
            form = self._format(file, lines)
            chunk = read(lines, file.place, form, last=(at_end and whole) or size >= _LARGEST)
            if chunk.held > file.place or at_end or size >= _LARGEST:
                break
            size *= 2
        used = chunk.held - file.place
        ended = at_end and one.rotated
        if not used and not ended:
            return False
        moment = place.now()
        counted = self._counted(file, chunk.records)
        with self._store.transaction():
            news = self._store.add(counted, moment)
            if used:
                block = Block(file.place, chunk.held, *_times(lines, form), _ids(data[:used]))
                blocks.add(self._store.connection, file.id, block, CHUNK)
            if len(file.head) < HEAD:
                file.head = (file.head[: file.place] + data)[: min(HEAD, chunk.held)]
            file.lines += data.count(b"\n", 0, used)
            file.records, file.unread = file.records + chunk.heads, file.unread + chunk.unread
            file.place, file.format, file.read, file.ended = chunk.held, form.name, moment, int(ended)
            self._store.save_file(file)
        if news:
            self._came(news)
        return not at_end

    def _format(self, file: File, lines: Sequence[str]) -> Format:
        """The format that the file had so far, unless it reads nothing of these lines any more."""
        known = self._by_name.get(file.format)
        if known is not None and (not lines or fitting(lines[:400], [known])):
            return known
        return fitting(lines[:400], self._formats) or known or self._formats[0]

    def _counted(self, file: File, records: Sequence[Record]) -> list[Counted]:
        found: dict[str, Counted] = {}
        kept: dict[str, list[tuple[float, Record]]] = {}
        binary = binary_of(file.path)
        for record in records:
            match = NO_MATCH
            if record.python:
                match = self._matcher.match(record)
                file.judged += 1
                file.unmatched += match.how in UNMATCHED
            its = self._grouped.group(record, match, binary)
            moment = self._clock.seconds(record.time)
            if moment is None:
                moment = self._place.now()
            one = found.get(its.key)
            if one is None:
                one = found[its.key] = Counted(its, 0, moment, moment)
            one.count += 1
            one.first, one.last = min(one.first, moment), max(one.last, moment)
            minute = int(moment // 60), file.host
            one.minutes[minute] = one.minutes.get(minute, 0) + 1
            if record.request_id and len(one.requests) < MOST_REQUESTS:
                one.requests.add(_short_id(record.request_id))
            # the first ones, and the last
            its_examples = kept.setdefault(its.key, [])
            if its_examples and (its.key in self._seen or len(its_examples) > FIRST):
                its_examples.pop()
            its_examples.append((moment, record))
        for key, one in found.items():
            if len(kept[key]) >= FIRST:
                self._seen.add(key)
            for moment, record in kept[key]:
                one.examples.append(Example(moment, file.host, record.place, _body(record), file.id))
        return list(found.values())


def _body(record: Record) -> dict[str, object]:
    """What is kept of an example, without secrets."""
    trace = "\n".join(record.traceback)
    trace = trace if len(trace) <= _BODY else trace[: _BODY // 2] + "\n...\n" + trace[-_BODY // 2 :]
    said = {
        **{"time": record.time, "pid": record.pid, "level": record.level, "logger": record.logger},
        **{"request": record.request_id, "global_request": record.global_id, "user": record.user},
        **{"project": record.project, "instance": record.instance},
        **{"message": hidden(record.message[:_BODY]), "traceback": hidden(trace)},
    }
    return {name: value for name, value in said.items() if value}


def _short_id(identity: str) -> bytes:
    """Eight bytes of a request's id: enough to tell a thousand apart."""
    return hashlib.blake2b(identity.removeprefix("req-").encode(), digest_size=8).digest()


def _ids(data: bytes) -> bytes:
    found = {data[max(at.start() - 8, 0) : at.start()] for at in _REST.finditer(data)}
    return bytes.fromhex(b"".join(sorted(filter(_FIRST.fullmatch, found))).decode())


def _times(lines: Sequence[str], form: Format) -> tuple[str, str]:
    """The times of the first and the last record."""
    first = next((head.time for line in lines if (head := form.head(line))), "")
    last = next((head.time for line in reversed(lines) if (head := form.head(line))), "")
    return first, last


def binary_of(path: str) -> str:
    """The program that writes a file, by the file's name: nova-compute of nova-compute.log.2.gz."""
    return re.split(r"\.log\b", PurePath(path).name)[0]
