"""Reading ahead: pieces of a volume in batches, several on their way at once, in memory that is used again."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from naru.volumes.blocks import BLOCK, Buffer, spans
from naru.volumes.control import Tick, no_tick
from naru.volumes.volume import CHUNK, Extent, Pending, Volume, VolumeError


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes through one buffer: pieces to read, each with its position in the buffer, and ranges that are to become
    zero. In order; `start` is the first offset. The position of a piece has the remainder by BLOCK of its offset."""

    start: int
    pieces: list[tuple[Extent, int]]
    zeroes: list[Extent]
    length: int

    @property
    def end(self) -> int:
        return max(extent.end for extent in (*(piece for piece, _ in self.pieces[-1:]), *self.zeroes[-1:]))


def widened(extents: Iterable[Extent], end: int) -> Iterator[Extent]:
    """What of the extents is not zero, in whole blocks, joined where they meet, not beyond `end`."""
    begun: Extent | None = None
    for extent in extents:
        if extent.zero:
            continue
        start, stop = spans(end, extent.offset, extent.end)
        if begun and start <= begun.end:
            begun = Extent(begun.offset, max(stop, begun.end) - begun.offset)
        else:
            if begun:
                yield begun
            begun = Extent(start, stop - start)
    if begun:
        yield begun


class Expected:
    """How much is to be read in each window of a volume, before it is known exactly: for progress, and once."""

    def __init__(self, volume: Volume, since: str, position: int, window: int) -> None:
        first = position // window + 1
        self._expected = {
            start: sum(extent.length for extent in volume.data(start, start + window, since))
            for start in range(first * window, volume.size(), window)
        }

    def after(self, start: int) -> int:
        """Bytes expected in the windows after the one that begins at `start`."""
        return sum(count for begin, count in self._expected.items() if begin > start)


def batches(extents: Iterable[Extent]) -> Iterator[Batch]:
    """The extents, in order, cut at multiples of CHUNK and gathered as far as a buffer takes them."""
    pieces: list[tuple[Extent, int]] = []
    zeroes: list[Extent] = []
    start, used, length = -1, 0, 0
    for extent in extents:
        for piece in _cut(extent):
            room = 0 if piece.zero else _room(piece)
            if start >= 0 and (used + room > CHUNK or len(zeroes) >= 64):
                yield Batch(start, pieces, zeroes, length)
                pieces, zeroes, start, used, length = [], [], -1, 0, 0
            start = piece.offset if start < 0 else start
            if piece.zero:
                zeroes.append(piece)
            else:
                pieces.append((piece, used + piece.offset % BLOCK))
                used, length = used + room, length + piece.length
    if start >= 0:
        yield Batch(start, pieces, zeroes, length)


def _room(piece: Extent) -> int:
    return -(-piece.end // BLOCK) * BLOCK - piece.offset // BLOCK * BLOCK


def _cut(extent: Extent) -> Iterator[Extent]:
    longest = 16 * CHUNK if extent.zero else CHUNK
    at = extent.offset
    while at < extent.end:
        end = min(extent.end, at // longest * longest + longest)
        yield Extent(at, end - at, extent.zero)
        at = end


@dataclass(slots=True)
class Slot:
    """A buffer and the operations that are using it."""

    buffer: Buffer
    pending: list[Pending] = field(default_factory=list)

    def wait(self, tick: Tick) -> None:
        """Returns when none uses it any more."""
        while self.pending:
            self.pending[0].wait(tick)
            del self.pending[0]


@contextmanager
def slots(memory: int) -> Iterator[list[Slot]]:
    """Buffers of CHUNK bytes that take `memory` bytes together, at least four. At the end, however it comes, nothing
    uses them any more: a library writes into them on its own."""
    made = [Slot(Buffer(CHUNK)) for _ in range(max(4, memory // CHUNK))]
    try:
        yield made
    finally:
        for slot in made:
            _drain(slot)


def _drain(slot: Slot) -> None:
    while slot.pending:
        # its failure was raised where it was waited for, or something worse is being raised
        with contextlib.suppress(VolumeError):
            slot.pending[0].wait(no_tick)
        del slot.pending[0]


def reads(
    volume: Volume, wanted: Iterable[Batch], take: Callable[[], Slot], depth: int, tick: Tick
) -> Generator[tuple[Batch, Slot], None, None]:
    """Each batch with a slot whose buffer holds its pieces, in order, `depth` of them on their way.

    `take` gives a free slot. Beyond the volume's size a piece is zero, as is the rest of its last block.
    """
    size = volume.size()
    going: deque[tuple[Batch, Slot]] = deque()
    for batch in wanted:
        slot = take()
        for piece, at in batch.pieces:
            length = min(piece.length, max(0, size - piece.offset))
            if length < piece.length or (at + length) % BLOCK:
                slot.buffer.clear(at + length, -(-(at + piece.length) // BLOCK) * BLOCK)
            if length:
                slot.pending.append(volume.read(slot.buffer, at, piece.offset, length))
        going.append((batch, slot))
        if len(going) >= depth:
            going[0][1].wait(tick)
            yield going.popleft()
    while going:
        going[0][1].wait(tick)
        yield going.popleft()
