"""Both sides read and compared by checksums, range by range over the whole address space; what differs is repaired.

Ranges that neither side may have data in are zero on both: nothing is read there. A digest is BLAKE3 over every block
that is not zero (its number, 8 bytes little-endian, and its record, see `blocks`): it depends on the content alone,
not on holes, formats or sizes, so digests of different storages, and of different days, can be compared.
"""

import contextlib
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from naru.errors import InputError
from naru.volumes import changes
from naru.volumes import proof as proofs
from naru.volumes.backend import Extent, Volume, VolumeError, open_volume
from naru.volumes.blocks import BLOCK, RECORD, UNKNOWN, ZERO, Buffer
from naru.volumes.control import Control, Throttle
from naru.volumes.copy import tidy
from naru.volumes.locations import Location
from naru.volumes.manifest import Manifest
from naru.volumes.passes import WINDOW
from naru.volumes.pipe import Batch, Outlook, Slot, batches, reads, slots, widened
from naru.volumes.state import State, opened

ROUNDS = 3  # how often a range is written again before its storage is not believed any more
ZEROES = (ZERO * 64, ZERO * 8, ZERO)  # in what steps records of zeroes are passed over
TOLD = 1000  # ranges that are remembered at most; a volume that differs everywhere is copied anew, not repaired


class Verdict(NamedTuple):
    """What a verification found, of everything or of what changed `since` a point. Bytes but for `seconds`; `different`
    holds ranges that differed (the first TOLD), `repaired` whether they have been made equal since. The digests are of
    the whole source and the whole target after that; what was not compared is taken as found at `since`. `at` and
    `chain` are those of the proof that was kept, "" where none was."""

    equal: bool
    repaired: bool
    size: int
    read: int
    different: tuple[Extent, ...]
    more: int
    source_digest: str
    target_digest: str
    since: str
    seconds: float
    at: str = ""
    chain: str = ""

    def told(self) -> str:
        """The first ranges that differed, a line each, for a person."""
        return "\n".join(f"{extent.offset} to {extent.end}" for extent in self.different[:20])


def verify(
    source: Location,
    target: Location,
    *,
    point: str = "",
    target_point: str = "",
    changed: bool = False,
    rest: bool = False,
    repair: bool = False,
    directory: Path | None = None,
    proof: Path | None = None,
    control: Control | None = None,
) -> Verdict:
    """Compares the source, at `point` where it has points, with the target, and copies ranges that differ again. With
    `target_point` the target is compared as it was then, whoever writes to it now.

    `directory` is the state of the copy, which learns what was found, and keeps a proof of it. With `changed` only what
    changed since both were last found equal is compared, where the state knows such a point and has its records, and
    the source tells all changes; else everything. `rest` as of `copy`. `proof` is a file that receives the source's
    record of every block.
    """
    control = control or Control()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        state = stack.enter_context(opened(directory, source, target)) if directory is not None else None
        fresh = directory / f"{proofs.RECORDS}.new" if directory else Path(f"{proof}.new") if proof else None
        with open_volume(source, point=point) as left, open_volume(target, point=target_point, write=repair) as right:
            if left.size() > right.size():
                raise InputError(f"{target} has {right.size()} bytes, fewer than the {left.size()} of {source}")

            def compare(since: str) -> Verdict:
                with _written(fresh, directory, since) as records:
                    early = changes.candidates(left, point, since, state) if rest and since and state else None
                    return _Verification(left, right, since, early, repair, state, records, control).run(began)

            since = _since(left, right, point, state) if changed and state else ""
            found = compare(since)
            if since and found.different:
                # then what else was told cannot be relied on
                whole = compare("")
                found = whole if not found.repaired else _together(found, whole)
            for volume in (left, right):
                volume.confirm()
        if fresh and proof:
            with proofs.writing(copied := Path(f"{proof}.copy"), fresh):
                pass
            copied.replace(proof)
        if fresh and state and found.equal:
            found = _kept(found, source, target, point, fresh, state)
            if point:
                tidy(source, state)
        elif fresh:
            fresh.unlink()
        return found


@contextlib.contextmanager
def _written(fresh: Path | None, directory: Path | None, since: str) -> Iterator[Manifest | None]:
    """Where the source's records go, if they go anywhere; with `since` they begin as they were then."""
    if fresh is None:
        yield None
        return
    with proofs.writing(fresh, proofs.records(directory, since) if directory and since else None) as records:
        yield records


def _kept(found: Verdict, source: Location, target: Location, point: str, fresh: Path, state: State) -> Verdict:
    """The verdict with the proof that is kept of it, on which the next verification goes on."""
    proof = proofs.keep(
        state,
        fresh,
        proofs.Proof(
            proofs.now(),
            str(source),
            str(target),
            point,
            found.since,
            found.size,
            found.read,
            found.source_digest,
            found.target_digest,
            tuple((extent.offset, extent.length) for extent in found.different),
            found.more,
        ),
    )
    return found._replace(at=proof.at, chain=proof.chain)


def _since(source: Volume, target: Volume, point: str, state: State) -> str:
    """The earlier point at which both sides were found equal, if its records are there, both are still as large, and
    what changed since is told beyond doubt."""
    since = state.verified
    if not point or since in ("", point) or not proofs.records(state.directory, since).exists():
        return ""
    sizes = {found.size for found in source.points(every=True) if found.name == since}
    proof = next((found for found in reversed(proofs.read(state.directory)) if found.point == since), None)
    if proof is None or proof.size != max(source.size(), target.size()) or sizes != {source.size()}:
        return ""
    return since if source.sure(since) else ""


def _together(first: Verdict, whole: Verdict) -> Verdict:
    """The verdict on everything, with what was found and repaired before it."""
    return whole._replace(
        repaired=whole.equal,
        read=first.read + whole.read,
        different=(first.different + whole.different)[:TOLD],
        more=first.more + whole.more + max(0, len(first.different) + len(whole.different) - TOLD),
    )


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
            _digest(found, records, start)
        return Checksum(found.hexdigest(), volume.size(), reading.read)


class Checked(NamedTuple):
    """A volume compared with records that were kept: its size and how much of it was read, in bytes; ranges that differ
    (the first TOLD), and how many more; its digest, and that of what was kept."""

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
            different += _differences(records, before, start, end)
            for digest, found in zip(digests, (records, before), strict=True):
                _digest(digest, found, start)
        told, more = tuple(different[:TOLD]), max(0, len(different) - TOLD)
        return Checked(not different, volume.size(), reading.read, told, more, *(one.hexdigest() for one in digests))


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
                        _enter(records, slot.buffer, piece, at, start)
                    free.append(slot)
                    self.read += batch.length
                    throttle.take(batch.length, check)
                    self._control.progress(self.read, None)
                yield start, end, records


class _Verification:
    def __init__(
        self,
        source: Volume,
        target: Volume,
        since: str,
        early: list[Extent] | None,
        repair: bool,
        state: State | None,
        records: Manifest | None,
        control: Control,
    ) -> None:
        self._sides = (source, target)
        self._since, self._early = since, early
        self._repair, self._state, self._control = repair, state, control
        self._size = max(source.size(), target.size())
        self._records = records
        self._throttle = Throttle(control.rate)
        self._outlook = Outlook(source, since, 0, WINDOW)
        self._source_digest = blake3()
        self._target_digest: blake3 | None = None  # from where on it is another one
        self._different: list[Extent] = []
        self._more = 0
        self._read = 0
        self._repaired = False

    def run(self, began: float) -> Verdict:
        with slots(self._control.memory) as made:
            for start in range(0, self._size, WINDOW):
                self._window(start, min(self._size, start + WINDOW), made)
        left = self._source_digest.hexdigest()
        right = self._target_digest.hexdigest() if self._target_digest is not None else left
        return Verdict(
            not self._different or self._repaired,
            self._repaired,
            self._size,
            self._read,
            tuple(self._different),
            self._more,
            left,
            right,
            self._since,
            time.monotonic() - began,
        )

    def _window(self, start: int, end: int, made: list[Slot]) -> None:
        wanted = list(batches(self._wanted(start, end)))
        if not wanted and not self._since:
            return
        total = self._read + sum(batch.length for batch in wanted) + self._outlook.after(start)
        before = self._before(start, end)
        records = [before, bytearray(before) if wanted else before]
        for batch, left, right in _both(self._sides, wanted, made, self._control):
            for piece, at in batch.pieces:
                for side, slot in enumerate((left, right)):
                    _enter(records[side], slot.buffer, piece, at, start)
            self._read += batch.length
            self._control.check()
            self._throttle.take(batch.length, self._control.check)
            self._control.progress(self._read, total)
        different = _differences(records[0], records[1], start, end)
        if different:
            self._note(different, records[0], start)
            if self._repair:
                self._mend(different, records, start, made)
        if self._target_digest is None and records[0] != records[1]:
            self._target_digest = self._source_digest.copy()
        _digest(self._source_digest, records[0], start)
        if self._target_digest is not None:
            _digest(self._target_digest, records[1], start)
        if self._records and wanted:
            self._records.store(start, records[0])

    def _before(self, start: int, end: int) -> bytearray:
        """The records of the window before it is read: what is not read is zero, or is as it was `since`."""
        if self._since and self._records:
            return self._records.load(start, end)
        return bytearray(-(-(end - start) // BLOCK) * RECORD)

    def _wanted(self, start: int, end: int) -> Iterator[Extent]:
        """Blocks that either side may have data in; with `since`, those that changed."""
        source, target = self._sides
        stop = min(end, source.size())
        if self._since:
            told, coarse = changes.changed(source, start, stop, self._since, self._early)
            more = changes.untold(told, coarse)
        else:
            told, more = source.ranges(start, stop), target.ranges(start, min(end, target.size()))
        told = sorted([*told, *more])
        # a range that is told to have become zero has to be zero on the other side
        return widened((extent._replace(zero=False) for extent in told), end)

    def _note(self, different: list[Extent], records: bytearray, start: int) -> None:
        room = TOLD - len(self._different)
        self._different += different[:room]
        self._more += max(0, len(different) - room)
        if self._state:
            # what the copy believes to have written is not there: the next pass must not rely on it
            for extent in different:
                blocks = -(-extent.length // BLOCK)
                self._state.manifest.store(extent.offset, UNKNOWN * blocks)
            self._state.save()

    # -- repair

    def _mend(self, different: list[Extent], records: list[bytearray], start: int, made: list[Slot]) -> None:
        """Writes the ranges from the source again, reads them back, and enters what is there then."""
        source, target = self._sides
        left = different
        for _ in range(ROUNDS):
            self._write_again(left, made)
            fresh = [bytearray(len(records[0])) for _ in self._sides]
            for batch, one, other in _both(self._sides, list(batches(left)), made, self._control):
                for piece, at in batch.pieces:
                    for side, slot in enumerate((one, other)):
                        _enter(fresh[side], slot.buffer, piece, at, start)
                        _enter(records[side], slot.buffer, piece, at, start)
            left = _differences(fresh[0], fresh[1], start, min(self._size, start + WINDOW))
            if not left:
                self._repaired = True
                return
        self._repaired = False
        raise VolumeError(
            f"{target.location} does not keep what is written to it",
            detail=f"{len(left)} ranges still differ after {ROUNDS} times, the first at {left[0].offset}",
            hint=f"Either {source.location} is being written to, or one of the storages is broken.",
        )

    def _write_again(self, ranges: list[Extent], made: list[Slot]) -> None:
        source, target = self._sides
        size = target.size()
        free = deque(made)
        writing: deque[Slot] = deque()

        def take() -> Slot:
            while not free:
                slot = writing.popleft()
                slot.wait(self._control.check)
                free.append(slot)
            return free.popleft()

        for batch, slot in reads(source, batches(ranges), take, len(made) // 2, self._control.check):
            writing.append(slot)
            for piece, at in batch.pieces:
                length = min(piece.length, size - piece.offset)
                if length > 0:
                    slot.pending.append(target.write(slot.buffer, at, piece.offset, length))
        for slot in writing:
            slot.wait(self._control.check)
        target.flush()


def _both(
    sides: tuple[Volume, Volume], wanted: list[Batch], made: list[Slot], control: Control
) -> Iterator[tuple[Batch, Slot, Slot]]:
    """Each batch as either side has it."""
    half = len(made) // 2
    free = [deque(made[:half]), deque(made[half:])]
    going = [
        reads(volume, wanted, own.popleft, half - 1, control.check) for volume, own in zip(sides, free, strict=True)
    ]
    try:
        for (batch, left), (_, right) in zip(*going, strict=True):
            yield batch, left, right
            free[0].append(left)
            free[1].append(right)
    finally:
        for reading in going:
            reading.close()


def _enter(records: bytearray, buffer: Buffer, piece: Extent, at: int, start: int) -> None:
    """Enters the records of a piece of whole blocks."""
    place = (piece.offset - start) // BLOCK * RECORD
    found = buffer.records(at, at + -(-piece.length // BLOCK) * BLOCK)
    records[place : place + len(found)] = found


def _differences(left: bytearray, right: bytearray, start: int, end: int) -> list[Extent]:
    """Ranges of [start, end) whose records differ."""
    found: list[Extent] = []
    if left == right:
        return found
    for place in range(0, len(left), RECORD):
        if left[place : place + RECORD] != right[place : place + RECORD]:
            offset = start + place // RECORD * BLOCK
            length = min(BLOCK, end - offset)
            if found and found[-1].end == offset:
                found[-1] = Extent(found[-1].offset, found[-1].length + length)
            else:
                found.append(Extent(offset, length))
    return found


def _digest(digest: blake3, records: bytearray, start: int) -> None:
    stride = 1024 * RECORD
    for first in range(0, len(records), stride):
        part = bytes(records[first : first + stride])
        if part.count(0) == len(part):
            continue
        for begin, end in _not_zero(part):
            digest.update(_numbered((start // BLOCK) + (first + begin) // RECORD, part[begin:end]))


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
