"""All records of one request, of every service, each with the reason why it belongs, read from files and sources.


Each API makes an id of its own for a request; the id that came with it is its global id there. Both travel with what
services ask of one another. So records are joined by the id, by it as their global id, by the global id that came with
it, by ids found so far; and by the server that they are about, while the request goes on.

An id ends with its access line, in that process: what the same process prints with it afterwards has the id of a
request that is over, which says nothing (a thread keeps the context of the last request that it served).
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from naru.errors import InputError, NaruError
from naru.watch import blocks
from naru.watch.follow import binary_of
from naru.watch.formats import Format
from naru.watch.hide import hidden
from naru.watch.notifications import events, grouping
from naru.watch.place import Changed, Known, Place
from naru.watch.records import Record, read
from naru.watch.sources.stream import Stream, Window
from naru.watch.store import File, Store
from naru.watch.times import Clock

OWN, GLOBAL, CAME, FOUND, SERVER = (
    "its request id",
    "its global request id",
    "the global request id that came with it",
    "the id of a request that it made",
    "about its server, meanwhile",
)
"""Reasons, the strongest first."""
NOT_TRUSTED = "has the id after the request's access line: not trusted"
SKEW = 5.0
"""Seconds that hosts' clocks may differ by."""
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_ACCESS = re.compile(r'"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+(?: HTTP/\S+)?" (?:status: )?\d{3}\b')
_BEHIND = 64 << 10
"""Bytes behind the last place of an id in which its record, with its traceback, ends."""
_TAIL = 64 << 20
_MOST = 20_000
_EVENTS = 0
"""Stands for the file of notifications, which are in none."""


@dataclass(frozen=True)
class Joined:
    """A record of the request. `moment` is in seconds since 1970; `trusted` is False where its context says nothing."""

    moment: float
    host: str
    program: str
    record: Record
    reason: str
    trusted: bool


class Reader:
    """Finds records by identifiers: in the parts of files that the index names, and in what was not read yet."""

    def __init__(
        self,
        store: Store,
        places: Mapping[str, Place],
        formats: Sequence[Format],
        clock: Clock,
        clocks: Mapping[str, Clock] | None = None,
        streams: Sequence[Stream] = (),
        window: Window | None = None,
    ) -> None:
        """`clocks` are those of hosts that have another one. `streams` are asked for what is of the `window`."""
        self._store, self._places, self._clock = store, places, clock
        self._clocks = clocks or {}
        self._streams = list(streams)
        self._window = window or Window(0.0, time.time())
        self._others: dict[tuple[str, str], File] = {}
        self._numbers: dict[tuple[object, ...], int] = {}
        self._formats = {one.name: one for one in formats}
        self._first = formats[0]
        self._files = {file.id: file for file in store.files() if file.host in places}
        self._sizes = {
            (place.host, seen.path): seen.size
            for place in places.values()
            for seen in place.files(sorted({file.path for file in self._files.values() if file.host == place.host}))
        }
        self._read: dict[tuple[int, int], bytes] = {}
        self.skipped: list[str] = []
        """Files that could not be looked through whole, with the reason."""

    def forget(self) -> None:
        """Drops what was read of files, and which were skipped: for another request."""
        self._read.clear()
        self.skipped.clear()

    def find(self, ids: Iterable[str]) -> list[tuple[File, Record]]:
        """Every record in which one of the identifiers stands, and every notification that has one."""
        wanted = sorted(set(ids))
        parts = [(self._files[file], begin, end) for file, begin, end in self._blocks(wanted) if file in self._files]
        for file in self._files.values():
            size = self._sizes.get((file.host, file.path), 0)
            if size > file.place and not file.path.endswith(".gz"):
                if size - file.place > _TAIL:
                    self.skipped.append(f"{file.path}: much of it was not read yet; first: naru watch run --once")
                parts.append((file, file.place, min(size, file.place + _TAIL)))
        found = {}
        for file, begin, end in parts:
            for record in self._in(file, begin, end, [one.encode() for one in wanted]):
                found[file.id, record.place] = file, record
        for event in events.about(self._store.connection, wanted):
            sender = File(_EVENTS, event.sent.host, event.sent.program, 0, 0)
            found[_EVENTS, event.id] = sender, grouping.record(event)
        return [*found.values(), *self._in_streams(wanted)]

    def _in_streams(self, ids: Sequence[str]) -> Iterable[tuple[File, Record]]:
        """What sources that are no files have, each record as one of a file of its host and program."""
        for stream in list(self._streams):
            try:
                arrived = stream.by_request(ids, self._window)
            except NaruError as error:
                self.skipped.append(error.summary)
                self._streams.remove(stream)
                continue
            for one in arrived:
                key = one.record.host or one.host, one.record.program or one.program
                file = self._others.get(key)
                if file is None:
                    file = self._others[key] = File(-1 - len(self._others), *key, 0, 0)
                record = one.record
                same = file.id, record.time, record.pid, record.logger, record.message
                record.place = self._numbers.setdefault(same, len(self._numbers))
                yield file, record

    def _blocks(self, ids: Sequence[str]) -> list[tuple[int, int, int]]:
        return blocks.holding(self._store.connection, (bytes.fromhex(one[:8]) for one in ids))

    def _in(self, file: File, begin: int, end: int, ids: Sequence[bytes]) -> Iterable[Record]:
        data = self._read.get((file.id, begin))
        if data is None:
            known = Known(file.device, file.inode, file.head)
            try:
                data = self._places[file.host].read(file.path, begin, end - begin, known)
            except Changed:
                self.skipped.append(f"{file.path}: it was rotated just now; give the command again")
                return
            self._read[file.id, begin] = data
        places = [at for one in ids for at in _all(data, one)]
        form = self._formats.get(file.format, self._first)
        done = -1
        for at in sorted(places):
            start = data.rfind(b"\n", 0, at) + 1
            if start <= done:
                continue
            lines = _lines(data[start : at + _BEHIND].decode("latin-1").rstrip("\n").split("\n"), form)
            yield from read(lines, begin + start, form, lowest=0, last=True).records
            done = start

    def moment(self, record: Record, host: str = "") -> float | None:
        """When a record was written on a host, in seconds since 1970."""
        return self._clocks.get(host, self._clock).seconds(record.time)


def _lines(lines: Sequence[str], form: Format) -> Sequence[str]:
    """Those of the first record alone."""
    for number, line in enumerate(lines[1:], 1):
        head = form.head(line)
        if (head is not None and head.begins) or (line.startswith("{") and lines[0].startswith("{")):
            return lines[:number]
    return lines


def _all(data: bytes, one: bytes) -> Iterable[int]:
    at = data.find(one)
    while at >= 0:
        yield at
        at = data.find(one, at + 1)


def plain(identity: str) -> str:
    """A request's id without `req-`, which some stores take off. Raises InputError for what is none."""
    found = identity.lower().removeprefix("req-")
    if not _UUID.fullmatch(found):
        raise InputError(f"{identity}: this is no request id", hint="As in req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d.")
    return found


def join(reader: Reader, identity: str) -> list[Joined]:
    """The records of a request, by its id or its global id, in their order. Raises InputError."""
    asked = plain(identity)
    reasons = {asked: OWN}
    found: dict[tuple[int, int], tuple[File, Record, str]] = {}
    looked: set[str] = set()
    while (news := set(reasons) - looked) and len(found) < _MOST:
        looked |= news
        for file, record in reader.find(news):
            rid, gid = _plain(record.request_id), _plain(record.global_id)
            reason = _reason(rid, gid, asked, reasons)
            if reason is None:
                continue
            found[file.id, record.place] = file, record, reason
            if rid and rid not in reasons:
                reasons[rid] = FOUND
            if gid and gid not in reasons and rid == asked:
                reasons[gid] = CAME
    joined = _ordered(reader, found.values())
    return _ordered(reader, [*found.values(), *_about_servers(reader, joined, found)])


def _reason(rid: str, gid: str, asked: str, reasons: Mapping[str, str]) -> str | None:
    if rid == asked:
        return OWN
    if gid == asked:
        return GLOBAL
    if (gid or rid) and CAME in (reasons.get(gid), reasons.get(rid)):
        return CAME
    return FOUND if rid in reasons or gid in reasons else None


def _plain(identity: str) -> str:
    return identity.lower().removeprefix("req-")


def _ordered(reader: Reader, found: Iterable[tuple[File, Record, str]]) -> list[Joined]:
    """In the order of their times; of those of one process, what comes after the access line of their id has another
    reason."""
    rows = []
    for file, record, reason in found:
        moment = reader.moment(record, file.host)
        rows.append((moment if moment is not None else 0.0, file.host, file.path, record.place, record, reason))
    rows.sort(key=lambda row: row[:4])
    ended: dict[tuple[str, str, str, str], bool] = {}
    joined = []
    for moment, host, path, _, record, reason in rows:
        process = host, path, record.pid, record.request_id
        over = bool(record.request_id) and ended.get(process, False) and reason != SERVER
        joined.append(Joined(moment, host, binary_of(path), record, NOT_TRUSTED if over else reason, not over))
        if record.request_id and _ACCESS.search(record.message):
            ended[process] = True
    return joined


def _about_servers(
    reader: Reader, joined: Sequence[Joined], known: Mapping[tuple[int, int], object]
) -> Iterable[tuple[File, Record, str]]:
    """Records about the servers of a request, from its first record to its last, whoever wrote them; no readings."""
    servers = {one.record.instance for one in joined if one.trusted and _UUID.fullmatch(one.record.instance)}
    if not servers:
        return
    moments = [one.moment for one in joined if one.trusted]
    first, last = min(moments) - SKEW, max(moments) + SKEW
    for file, record in reader.find(servers):
        moment = reader.moment(record, file.host)
        access = _ACCESS.search(record.message)
        read_only = access is not None and access[1] in ("GET", "HEAD")
        if moment is None or not first <= moment <= last or read_only or (file.id, record.place) in known:
            continue
        yield file, record, SERVER


def around(read_at: Callable[[int, int], bytes], place: int, count: int = 5) -> list[str]:
    """So many lines of a file before a place, without secrets, as its reader (place, size) gives them."""
    begin = max(place - (16 << 10), 0)
    lines = read_at(begin, place - begin).decode("utf-8", "replace").splitlines()
    return [hidden(line[:400]) for line in lines[1 if begin else 0 :][-count:]]
