"""Both sides read and compared by checksums, range by range over the whole address space; what differs is repaired.

Ranges that neither side may have data in are zero on both: nothing is read there. What a digest is, `checksum` says.
"""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from naru.errors import InputError
from naru.volumes.blocks import BLOCK, RECORD, UNKNOWN
from naru.volumes.control import Control, Throttle
from naru.volumes.engine import changes
from naru.volumes.engine import proof as proofs
from naru.volumes.engine.checksum import LISTED, differences, digest, enter
from naru.volumes.engine.manifest import Manifest
from naru.volumes.engine.passes import WINDOW
from naru.volumes.engine.pipe import Batch, Expected, Slot, batches, reads, slots, widened
from naru.volumes.engine.points import tidy
from naru.volumes.engine.state import State, opened
from naru.volumes.open import open_volume
from naru.volumes.volume import Extent, Location, Volume, VolumeError

ROUNDS = 3  # how often a range is written again before its storage is not believed any more


class Comparison(NamedTuple):
    """What a verification found, of everything or of what changed `since` a point. Bytes but for `seconds`; `different`
    holds ranges that differed (the first LISTED), `repaired` whether they have been made equal since. The digests are
    of the whole source and the whole target after that; what was not compared is taken as found at `since`. `at` and
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

    def listed(self) -> str:
        """The first ranges that differed, a line each, for a person."""
        return "\n".join(f"{extent.offset} to {extent.end}" for extent in self.different[:20])


def verify(
    source: Location,
    target: Location,
    *,
    point: str = "",
    target_point: str = "",
    changed: bool = False,
    idle: bool = False,
    repair: bool = False,
    directory: Path | None = None,
    proof: Path | None = None,
    control: Control | None = None,
) -> Comparison:
    """Compares the source, at `point` where it has points, with the target, and copies ranges that differ again. With
    `target_point` the target is compared as it was then, whoever writes to it now.

    `directory` is the state of the copy, which learns what was found, and keeps a proof of it. With `changed` only what
    changed since both were last found equal is compared, where the state knows such a point and has its records, and
    the source lists all changes; else everything. `idle` as of `copy`. `proof` is a file that receives the source's
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

            def compare(since: str) -> Comparison:
                with _written(fresh, directory, since) as records:
                    early = changes.candidates(left, point, since, state) if idle and since and state else None
                    return _Verification(left, right, since, early, repair, state, records, control).run(began)

            since = _since(left, right, point, state) if changed and state else ""
            found = compare(since)
            if since and found.different:
                # then the rest of that list cannot be relied on
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
            # a server waits for what is compared at rest: the next pass, or the end of the move, removes what is left
            if point and not idle:
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


def _kept(found: Comparison, source: Location, target: Location, point: str, fresh: Path, state: State) -> Comparison:
    """The comparison with the proof that is kept of it, on which the next verification goes on."""
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
    """The earlier point at which both sides were found equal, if its records exist, both are still as large, and
    the list of what changed since is complete beyond doubt."""
    since = state.verified
    if not point or since in ("", point) or not proofs.records(state.directory, since).exists():
        return ""
    sizes = {found.size for found in source.points(every=True) if found.name == since}
    proof = next((found for found in reversed(proofs.read(state.directory)) if found.point == since), None)
    if proof is None or proof.size != max(source.size(), target.size()) or sizes != {source.size()}:
        return ""
    return since if source.sure(since) else ""


def _together(first: Comparison, whole: Comparison) -> Comparison:
    """The comparison of everything, with what was found and repaired before it."""
    return whole._replace(
        repaired=whole.equal,
        read=first.read + whole.read,
        different=(first.different + whole.different)[:LISTED],
        more=first.more + whole.more + max(0, len(first.different) + len(whole.different) - LISTED),
    )


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
        self._expected = Expected(source, since, 0, WINDOW)
        self._source_digest = blake3()
        self._target_digest: blake3 | None = None  # from where on it is another one
        self._different: list[Extent] = []
        self._more = 0
        self._read = 0
        self._repaired = False

    def run(self, began: float) -> Comparison:
        with slots(self._control.memory) as made:
            for start in range(0, self._size, WINDOW):
                self._window(start, min(self._size, start + WINDOW), made)
        left = self._source_digest.hexdigest()
        right = self._target_digest.hexdigest() if self._target_digest is not None else left
        return Comparison(
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
        total = self._read + sum(batch.length for batch in wanted) + self._expected.after(start)
        before = self._before(start, end)
        records = [before, bytearray(before) if wanted else before]
        for batch, left, right in _both(self._sides, wanted, made, self._control):
            for piece, at in batch.pieces:
                for side, slot in enumerate((left, right)):
                    enter(records[side], slot.buffer, piece, at, start)
            self._read += batch.length
            self._control.check()
            self._throttle.take(batch.length, self._control.check)
            self._control.progress(self._read, total)
        different = differences(records[0], records[1], start, end)
        if different:
            self._note(different, records[0], start)
            if self._repair:
                self._repair_ranges(different, records, start, made)
        if self._target_digest is None and records[0] != records[1]:
            self._target_digest = self._source_digest.copy()
        digest(self._source_digest, records[0], start)
        if self._target_digest is not None:
            digest(self._target_digest, records[1], start)
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
            listed, coarse = changes.changed(source, start, stop, self._since, self._early)
            more = changes.unlisted(listed, coarse)
        else:
            listed, more = source.ranges(start, stop), target.ranges(start, min(end, target.size()))
        both = sorted([*listed, *more])
        # a range that is listed as zero now has to be zero on the other side
        return widened((extent._replace(zero=False) for extent in both), end)

    def _note(self, different: list[Extent], records: bytearray, start: int) -> None:
        room = LISTED - len(self._different)
        self._different += different[:room]
        self._more += max(0, len(different) - room)
        if self._state:
            # the target does not have what the copy believes to have written: the next pass must not rely on it
            for extent in different:
                blocks = -(-extent.length // BLOCK)
                self._state.manifest.store(extent.offset, UNKNOWN * blocks)
            self._state.save()

    # -- repair

    def _repair_ranges(self, different: list[Extent], records: list[bytearray], start: int, made: list[Slot]) -> None:
        """Writes the ranges from the source again, reads them back, and enters what they hold then."""
        source, target = self._sides
        left = different
        for _ in range(ROUNDS):
            self._write_again(left, made)
            fresh = [bytearray(len(records[0])) for _ in self._sides]
            for batch, one, other in _both(self._sides, list(batches(left)), made, self._control):
                for piece, at in batch.pieces:
                    for side, slot in enumerate((one, other)):
                        enter(fresh[side], slot.buffer, piece, at, start)
                        enter(records[side], slot.buffer, piece, at, start)
            left = differences(fresh[0], fresh[1], start, min(self._size, start + WINDOW))
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
