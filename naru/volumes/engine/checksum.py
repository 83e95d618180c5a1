"""One volume's content as records and a digest: for storages that no one machine reaches, and for what was kept.

A digest is BLAKE3 over every block that is not zero (its number, 8 bytes little-endian, and its record, see `blocks`):
it depends on the content alone, not on holes, formats or sizes, so digests of different storages, and of different
days, can be compared.
"""

import sys
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from naru.errors import InputError
from naru.volumes.blocks import BLOCK, RECORD, ZERO, Buffer
from naru.volumes.control import Control, Throttle
from naru.volumes.engine import proof as proofs
from naru.volumes.engine.passes import WINDOW
from naru.volumes.engine.pipe import batches, reads, slots, widened
from naru.volumes.open import open_volume
from naru.volumes.volume import Extent, Location, Volume

LISTED = 1000  # ranges that are remembered at most; a volume that differs everywhere is copied anew, not repaired
ZEROES = (ZERO * 64, ZERO * 8, ZERO)  # in what steps records of zeroes are passed over


class Checksum(NamedTuple):
    """The digest of a volume's content (see above), its size and how much was read for it, in bytes."""

    digest: str
    size: int
    read: int


def checksum(location: Location, *, point: str = "", control: Control | None = None) -> Checksum:
    """One side's digest alone: for when no machine reaches both storages."""
    with open_volume(location, point=point) as volume:
        reading = _Reading(volume, control or Control())
        found = blake3()
        for start, _, records in reading.windows(volume.size()):
            digest(found, records, start)
        return Checksum(found.hexdigest(), volume.size(), reading.read)


class Checked(NamedTuple):
    """A volume compared with records that were kept: its size and how much of it was read, in bytes; ranges that differ
    (the first LISTED), and how many more; its digest, and that of what was kept."""

    equal: bool
    size: int
    read: int
    different: tuple[Extent, ...]
    more: int
    digest: str
    kept_digest: str


def check(location: Location, file: Path, *, point: str = "", control: Control | None = None) -> Checked:
    """Compares a volume with the records that a verification wrote (`proof`), however long ago.

    Raises InputError when the file holds no records.
    """
    length = file.stat().st_size if file.is_file() else -1
    if length < 0 or length % RECORD:
        raise InputError(f"{file} holds no records of a volume", hint="naru volume verify --proof FILE writes them.")
    with open_volume(location, point=point) as volume, proofs.opened(file, write=False) as kept:
        reading = _Reading(volume, control or Control())
        digests = (blake3(), blake3())
        different: list[Extent] = []
        for start, end, records in reading.windows(max(volume.size(), length // RECORD * BLOCK)):
            before = kept.load(start, end)
            different += differences(records, before, start, end)
            for into, found in zip(digests, (records, before), strict=True):
                digest(into, found, start)
        listed, more = tuple(different[:LISTED]), max(0, len(different) - LISTED)
        return Checked(not different, volume.size(), reading.read, listed, more, *(one.hexdigest() for one in digests))


class _Reading:
    """One volume read window by window; `read` counts the bytes."""

    def __init__(self, volume: Volume, control: Control) -> None:
        self._volume, self._control, self.read = volume, control, 0

    def windows(self, size: int) -> Iterator[tuple[int, int, bytearray]]:
        """(start, end, records) of the windows of `size` bytes; zero beyond the volume's end."""
        throttle, check = Throttle(self._control.rate), self._control.check
        with slots(self._control.memory) as made:
            for start in range(0, size, WINDOW):
                end = min(size, start + WINDOW)
                records = bytearray(-(-(end - start) // BLOCK) * RECORD)
                free = deque(made)
                held = min(end, self._volume.size())
                wanted = batches(widened(self._volume.ranges(start, held), held) if start < held else ())
                for batch, slot in reads(self._volume, wanted, free.popleft, len(made) - 1, check):
                    for piece, at in batch.pieces:
                        enter(records, slot.buffer, piece, at, start)
                    free.append(slot)
                    self.read += batch.length
                    throttle.take(batch.length, check)
                    self._control.progress(self.read, None)
                yield start, end, records


def enter(records: bytearray, buffer: Buffer, piece: Extent, at: int, start: int) -> None:
    """Enters the records of a piece of whole blocks."""
    position = (piece.offset - start) // BLOCK * RECORD
    found = buffer.records(at, at + -(-piece.length // BLOCK) * BLOCK)
    records[position : position + len(found)] = found


def differences(left: bytearray, right: bytearray, start: int, end: int) -> list[Extent]:
    """Ranges of [start, end) whose records differ."""
    found: list[Extent] = []
    if left == right:
        return found
    for position in range(0, len(left), RECORD):
        if left[position : position + RECORD] != right[position : position + RECORD]:
            offset = start + position // RECORD * BLOCK
            length = min(BLOCK, end - offset)
            if found and found[-1].end == offset:
                found[-1] = Extent(found[-1].offset, found[-1].length + length)
            else:
                found.append(Extent(offset, length))
    return found


def digest(into: blake3, records: bytearray, start: int) -> None:
    """Adds the records of the blocks from the offset `start` on to a digest."""
    stride = 1024 * RECORD
    for first in range(0, len(records), stride):
        part = bytes(records[first : first + stride])
        if part.count(0) == len(part):
            continue
        for begin, end in _not_zero(part):
            into.update(_numbered((start // BLOCK) + (first + begin) // RECORD, part[begin:end]))


def _not_zero(records: bytes) -> Iterator[tuple[int, int]]:
    """The stretches of records that are not ZERO, as places in `records`."""
    begun = at = 0
    while begun < len(records):
        found = records.find(ZERO, at)
        if found < 0:
            yield begun, len(records)
            return
        zero = found + -found % RECORD  # it may begin with the end of another record
        if records[zero : zero + RECORD] != ZERO:
            at = zero
            if zero >= len(records):
                yield begun, len(records)
                return
            continue
        if zero > begun:
            yield begun, zero
        at = zero + RECORD
        for zeroes in ZEROES:
            while records.startswith(zeroes, at):
                at += len(zeroes)
        begun = at


def _numbered(first: int, records: bytes) -> bytes:
    """Each record behind its number: by columns, since a volume of a TiB has 16 million of them."""
    count = len(records) // RECORD
    numbers, halves = array("Q", range(first, first + count)), array("Q", records)
    if sys.byteorder == "big":
        numbers.byteswap()
    found = array("Q", bytes(count * (8 + RECORD)))
    found[::3], found[1::3], found[2::3] = numbers, halves[::2], halves[1::2]
    return found.tobytes()
