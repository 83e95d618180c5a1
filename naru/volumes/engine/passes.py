"""One pass over a volume: what changed is read, what differs from what the target is known to hold is written."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge

from naru.volumes.blocks import BLOCK, RECORD, UNKNOWN, ZERO, Buffer, spans
from naru.volumes.control import Control, Throttle
from naru.volumes.engine.changes import changed, unlisted
from naru.volumes.engine.pipe import Batch, Expected, Slot, batches, reads, slots, widened
from naru.volumes.engine.state import RunningPass, State
from naru.volumes.volume import CHUNK, Extent, Volume

WINDOW = 32 << 30  # of the address space, whose changes are in memory at once; a multiple of CHUNK
AHEAD = 128  # batches that may be on their way to the target before the state is saved again: 512 MiB
SAVE = 5.0  # seconds after which it is saved anyway
GAP = 16 << 10  # zeroes between two stretches that are written with them: less work than a request more


@dataclass
class Counts:
    """Bytes of this run of a pass: `read` from the source as far as they were not listed as zero, `data` of them in
    blocks that are not zero, `written` and `zeroed` on the target."""

    read: int = 0
    data: int = 0
    written: int = 0
    zeroed: int = 0
    began: float = field(default_factory=time.monotonic)


class Pass:
    """The pass `state.running`, from its position on."""

    def __init__(
        self,
        source: Volume,
        target: Volume,
        state: State,
        running: RunningPass,
        control: Control,
        early: Sequence[Extent] | None = None,
    ) -> None:
        self._source, self._target = source, target
        self._state, self._running, self._control = state, running, control
        self._size, self._source_size = target.size(), source.size()
        self._early = early
        self._throttle = Throttle(control.rate)
        self._expected = Expected(source, running.since, running.position, WINDOW)
        self._writing: deque[tuple[Batch, Slot]] = deque()
        self._free: list[Slot] = []
        self._window = (0, bytearray())
        self._position = running.position  # everything below has been written
        self._unlisted: list[Extent] = []  # of the window
        self._unlisted_starts: list[int] = []
        self._done = 0
        self._total = 0
        self._saved = time.monotonic()
        self.counts = Counts()

    def run(self) -> Counts:
        """Copies. When it raises, the state says where the next run goes on."""
        self._run_all()
        if self._running.mistaken and not self._running.coarse:
            self._running.coarse = True
            self._position = self._running.position = 0
            self._save(0)
            self._run_all()
        self._target.flush()
        self._state.manifest.store(*self._window)
        return self.counts

    def _run_all(self) -> None:
        first = self._running.position // WINDOW * WINDOW
        with slots(self._control.memory) as made:
            self._free = list(made)
            for start in range(first, self._size, WINDOW):
                self._run_window(start, min(self._size, start + WINDOW), len(made) // 2)

    def _run_window(self, start: int, end: int, depth: int) -> None:
        records = self._state.manifest.load(start, end)
        self._window = (start, records)
        wanted = list(_from(self._running.position, self._wanted(start, end)))
        if not wanted:  # nothing to remember: a window costs a flush to the disk
            self._position = end
            return
        expected = sum(extent.length for extent in wanted if not extent.zero)
        self._total = self._done + expected + self._expected.after(start)
        going = reads(self._source, self._announced(list(batches(wanted))), self._take, depth, self._control.check)
        try:
            for batch, slot in going:
                self._write(batch, slot)
        finally:
            going.close()
        while self._writing:
            self._finish_oldest()
        self._position = end
        if end < self._size:
            self._save(end)

    # -- what has to be looked at

    def _wanted(self, start: int, end: int) -> Iterator[Extent]:
        """Ranges of the window to read and to make zero, in order, apart from each other."""
        at, stop, since = start, min(end, self._source_size), self._running.since
        if since:
            listed, coarse = changed(self._source, start, stop, since, self._early)
            if self._running.coarse:
                self._unlisted = [extent._replace(zero=False) for extent in coarse]
            else:
                self._unlisted = unlisted(listed, coarse)
            self._unlisted_starts = [extent.offset for extent in self._unlisted]
            apart = (extent for extent in listed if not _within(extent, self._unlisted, self._unlisted_starts))
            for extent in merge(apart, self._unlisted):
                if not extent.zero:
                    yield extent
                else:
                    yield from self._not_zero(extent.offset, extent.end)
            at = max(start, self._source_size)
        else:
            for extent in widened(self._source.ranges(start, stop), min(end, self._size)):
                yield from self._not_zero(at, extent.offset)
                yield extent
                at = extent.end
        yield from self._not_zero(at, end)

    def _not_zero(self, start: int, end: int) -> Iterator[Extent]:
        """The parts of [start, end) that the target may not have as zeroes, as ranges to make zero."""
        if start >= end:
            return
        origin, records = self._window
        first, last = (start - origin) // BLOCK, -(-(end - origin) // BLOCK)
        part = bytes(memoryview(records)[first * RECORD : last * RECORD])
        if part.count(0) == len(part):
            return
        begun = -1
        for block in range(first, last + 1):
            at = (block - first) * RECORD
            if block < last and part[at : at + RECORD] != ZERO:
                begun = block if begun < 0 else begun
            elif begun >= 0:
                offset = max(start, origin + begun * BLOCK)
                yield Extent(offset, min(end, origin + block * BLOCK) - offset, True)
                begun = -1

    def _announced(self, wanted: list[Batch]) -> Iterator[Batch]:
        """The batches, the state saved before any that lies beyond what it announced."""
        for number, batch in enumerate(wanted):
            if number % AHEAD == 0:
                last = min(number + AHEAD, len(wanted)) - 1
                self._save(spans(self._size, 0, wanted[last].end)[1])
            yield batch

    # -- writing

    def _take(self) -> Slot:
        while not self._free:
            self._finish_oldest()
        return self._free.pop()

    def _finish_oldest(self) -> None:
        batch, slot = self._writing[0]
        slot.wait(self._control.check)
        self._writing.popleft()
        self._free.append(slot)
        self._position = batch.end  # they are finished in the order of their offsets
        self._done += batch.length
        self._control.progress(self._done, self._total)
        if time.monotonic() - self._saved > SAVE:
            self._save(self._running.limit)

    def _save(self, limit: int) -> None:
        self._target.flush()
        self._running.position = self._position
        self._running.limit = limit
        self._state.save(*self._window)
        self._saved = time.monotonic()

    def _write(self, batch: Batch, slot: Slot) -> None:
        """Sends what of the batch differs from what the target has."""
        self._control.check()
        data = self.counts.data
        # first into the list that is waited for: what is on its way must not be forgotten when something raises
        self._writing.append((batch, slot))
        for piece, at in batch.pieces:
            for start, end, zero in self._differing(slot.buffer, piece, at):
                offset = piece.offset + start - at
                if zero:
                    slot.pending.append(self._target.zero(offset, end - start))
                    self.counts.zeroed += end - start
                else:
                    slot.pending.append(self._target.write(slot.buffer, start, offset, end - start))
                    self.counts.written += end - start
                if _within(piece, self._unlisted, self._unlisted_starts):
                    self._running.mistaken = True  # is in the state before any that says that this was written
            self.counts.read += piece.length
        for extent in batch.zeroes:
            slot.pending.append(self._target.zero(extent.offset, extent.length))
            self.counts.zeroed += extent.length
            self._note_zero(extent)
        if self._throttle.take(self.counts.data - data, self._control.check):
            while self._writing:  # there was time for it; else progress is shown and saved when all buffers are full
                self._finish_oldest()

    def _note_zero(self, extent: Extent) -> None:
        origin, records = self._window
        first, last = (extent.offset - origin) // BLOCK, -(-(extent.end - origin) // BLOCK)
        for block in range(first, last):
            begin = origin + block * BLOCK
            whole = begin >= extent.offset and min(begin + BLOCK, self._size) <= extent.end
            records[block * RECORD : (block + 1) * RECORD] = ZERO if whole else UNKNOWN

    def _differing(self, buffer: Buffer, piece: Extent, at: int) -> list[tuple[int, int, bool]]:
        """The parts of the piece, at `at` in the buffer, to be written or (True) zeroed: positions in the buffer."""
        found: list[tuple[int, int, bool]] = []
        end = at + piece.length
        position = (piece.offset - self._window[0]) // BLOCK * RECORD  # of the record of its first block
        if at % BLOCK:
            head = min(end, at // BLOCK * BLOCK + BLOCK)
            self._differ_in_part(found, buffer, at, head, position)
            at, position = head, position + RECORD
        # the volume's last block is whole: what is beyond counts as zero
        last = end if piece.end == self._size else end // BLOCK * BLOCK
        if at < last:
            self._differ_in_blocks(found, buffer, at, last, position)
            position += (last - at) // BLOCK * RECORD
        if max(at, last) < end:
            self._differ_in_part(found, buffer, last, end, position)
        return found

    def _differ_in_blocks(
        self, found: list[tuple[int, int, bool]], buffer: Buffer, start: int, end: int, position: int
    ) -> None:
        """Appends what differs of whole blocks, and enters their records from `position` on."""
        records = self._window[1]
        new = buffer.records(start, -(-end // BLOCK) * BLOCK)
        old = bytes(records[position : position + len(new)])
        for first, last, zero, was_zero in _runs(old, new):
            begin, stop = start + first // RECORD * BLOCK, min(end, start + last // RECORD * BLOCK)
            if was_zero:
                for one in buffer.stretches(begin, stop):
                    _add(found, *one, False)
            else:
                _add(found, begin, stop, zero)
        records[position : position + len(new)] = new
        full = sum(new[at : at + RECORD] != ZERO for at in range(0, len(new), RECORD))
        self.counts.data += full * BLOCK - (-end % BLOCK if new[-RECORD:] != ZERO else 0)

    def _differ_in_part(
        self, found: list[tuple[int, int, bool]], buffer: Buffer, start: int, end: int, position: int
    ) -> None:
        """Appends what differs of a part of a block, whose record is at `position`."""
        records = self._window[1]
        was_zero, zero = records[position : position + RECORD] == ZERO, buffer.is_zero(start, end)
        self.counts.data += 0 if zero else end - start
        if zero and was_zero:
            return
        for first, last in buffer.stretches(start, end) if was_zero else ((start, end),):
            _add(found, first, last, zero)
        records[position : position + RECORD] = UNKNOWN


def _runs(old: bytes, new: bytes) -> Iterator[tuple[int, int, bool, bool]]:
    """Runs of blocks whose records differ, as positions in the records, with whether they are zero now and were before.
    A hash is never UNKNOWN: that would be an unheard-of coincidence, and only read again."""
    begun, kind = 0, None
    for position in range(0, len(new), RECORD):
        had, has = old[position : position + RECORD], new[position : position + RECORD]
        now = None if had == has else (has == ZERO, had == ZERO)
        if now != kind:
            if kind:
                yield begun, position, *kind
            begun, kind = position, now
    if kind:
        yield begun, len(new), *kind


def _from(position: int, extents: Iterable[Extent]) -> Iterator[Extent]:
    """What of the extents is not below `position`."""
    for extent in extents:
        if extent.end > position:
            start = max(extent.offset, position)
            yield Extent(start, extent.end - start, extent.zero)


def _within(extent: Extent, whole: list[Extent], starts: list[int]) -> bool:
    """Whether the extent begins in one of `whole`, which begin at `starts`."""
    at = bisect_right(starts, extent.offset) - 1
    return at >= 0 and whole[at].end > extent.offset


def _add(found: list[tuple[int, int, bool]], start: int, end: int, zero: bool) -> None:
    """Appends a part, joined to the last where that spares a request. What is between two writes the target has
    already: it may be written with them."""
    if found:
        first, last, kind = found[-1]
        if kind == zero and start - last <= (0 if zero else GAP):
            found[-1] = (first, end, zero)
            return
    found.append((start, end, zero))


assert WINDOW % CHUNK == 0 and CHUNK % BLOCK == 0
