"""Files read on as they grow: what is new of a file, its groups, and how far it is read.

A record that may go on with lines which are not there yet is held back: the next part begins with it.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath

from naru.text import shortened
from naru.watch import blocks
from naru.watch.blocks import Block
from naru.watch.formats import Format, fitting
from naru.watch.match import Matcher
from naru.watch.place import HEAD, Changed, Known, Place
from naru.watch.records import Chunk, read
from naru.watch.rotation import Open, settle
from naru.watch.store import File, Store
from naru.watch.tally import Arrived, Tally
from naru.watch.times import Clock
from naru.watch.together import Steps, alone

CHUNK = 1 << 20
"""Bytes that are read at a time, and more only where one record is larger, up to `_LARGEST`."""
_LARGEST = 16 << 20
QUIET = 2.0
"""Seconds after which a file that did not grow is taken to end with a whole record."""
_FIRST, _REST = re.compile(rb"[0-9a-f]{8}"), re.compile(rb"-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""An identifier's first part, and the others: what begins with one letter is found five times as fast."""


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
        self._formats = formats
        self._by_name = {one.name: one for one in formats}
        self._came = came
        self._tally = Tally(matcher, clock)
        self._some = True

    def round(self) -> list[File]:
        """Reads each file to its end; the files that were read."""
        return alone(self.steps())

    def steps(self) -> Steps[list[File]]:
        """The same, what is read being asked for."""
        files: list[File] = []
        self._some = True
        for one in (yield from settle(self._store, self._place, self._patterns)):
            files.append(one.file)
            more = True
            while more:
                try:
                    more = yield from self._read(one)
                except Changed:  # since it was listed; the next round finds where it is
                    break
        self._some = bool(files)
        return files

    def refused(self) -> str:
        """Which files could not be read in the last round, and why; "" where all could."""
        told = [f"{path} ({why})" for path, why in sorted(self._place.refused.items())]
        return f"{self._place.host}: {', '.join(shortened(told, 3))}" if told else ""

    def missing(self) -> str:
        """That there is no file at all; "" where there are some."""
        return "" if self._some else f"{self._place.host}: there is no file of {', '.join(self._patterns)}"

    def _read(self, one: Open) -> Steps[bool]:
        """Reads the next part of a file and keeps what it says; whether there is more."""
        file, place = one.file, self._place
        whole = one.rotated or place.now() - one.seen.modified >= QUIET
        size = CHUNK
        while True:
            known = Known(file.device, file.inode, file.head)
            data: bytes = yield partial(place.read, file.path, file.place, size, known)
            at_end = len(data) < size
            lines = data[: data.rfind(b"\n") + 1].decode("latin-1").split("\n")[:-1]
            form = self._format(file, lines)
            chunk = read(lines, file.place, form, last=(at_end and whole) or size >= _LARGEST)
            if not lines and size >= _LARGEST and not at_end:
                # a line of which there is no end is no record
                chunk = Chunk([], file.place + len(data), 1, unread=1)
            if chunk.held > file.place or at_end or size >= _LARGEST:
                break
            size *= 2
        used = chunk.held - file.place
        ended = at_end and one.rotated
        if not used and not ended:
            return False
        moment = place.now()
        binary = binary_of(file.path)
        added = self._tally.of([Arrived(record, file.host, binary, file.id) for record in chunk.records], moment)
        file.judged, file.unmatched = file.judged + added.judged, file.unmatched + added.unmatched
        with self._store.transaction():
            news = self._store.add(added.counted, moment)
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
