"""Copies: the first pass takes everything, each later one what changed; killed at any instant, they go on.

    with the state in a directory          empty yet: the first pass
    after a whole pass                     the next one, up to a new point
    in the middle of one, killed or ended  that one, from its position

Where the source has stable points (Ceph) each pass ends at a new one, and those before are removed when the pass is
whole, but for the one at which both sides were last found equal: what is compared next need only begin there. Where it
has none (files) a pass reads all data and writes what differs from what it wrote last.

The points of many volumes may be made first (`take`), and grow old together while nothing is held, before any is read.

A pass may also end `at` a point that exists already and is not ours, Cinder's snapshot of the volume: so its history is
carried, snapshot by snapshot, and the next pass goes on from the last of them.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError
from naru.volumes.blocks import BLOCK
from naru.volumes.control import Control
from naru.volumes.engine.changes import MANY, candidates, listed_early
from naru.volumes.engine.passes import WINDOW, Pass
from naru.volumes.engine.points import points_of, remove
from naru.volumes.engine.state import RunningPass, State, opened
from naru.volumes.open import backend_of, open_volume
from naru.volumes.volume import OTHER, Location, Volume, VolumeError, stored_name


class PassResult(NamedTuple):
    """A whole pass, in bytes and seconds of the run that ended it, from when its point existed. `number` counts
    passes from 1; `point` is the source's point that the target now is, "" where it has none: then what was
    read is of no one moment."""

    number: int
    point: str
    since: str
    size: int
    read: int
    data: int
    written: int
    zeroed: int
    seconds: float
    resumed: bool


def take(source: Location, target: Location, directory: Path, *, job: str = "") -> str:
    """Begins a pass unless one was begun, and makes its point: the name, which `copy` takes as `settled` as soon as it
    is old enough; "" where the source has no points. `directory` and `job` as of `copy`."""
    if not backend_of(source).keeps_history:
        return ""
    with opened(directory, source, target, job) as state:
        write = _makes_point(state)
        with open_volume(source, write=write) as now:
            _prepare(source, now, write, state, "", False)
        assert state.running is not None
        state.taken = state.running.point
        state.save()
        return state.taken


def copy(
    source: Location,
    target: Location,
    directory: Path,
    *,
    job: str = "",
    at: str = "",
    grow: bool = False,
    settle: float = 0.0,
    settled: str = "",
    idle: bool = False,
    control: Control | None = None,
) -> PassResult:
    """Makes one pass, or ends the one that was begun. The target is written in place and has to exist.

    `directory` keeps the state, for this pair alone. `job` is part of the points' names (naru-JOB-NUMBER), chosen at
    the first pass; without it a random one. `at` is a point of others on the source, whose content is copied instead
    of a new point's. A target smaller than the source is made larger with `grow`, else it is an InputError. `settle` is
    how many seconds to wait after a point is made of a volume that is in use: with librbd before 17.2.7 a write that
    was under way then may still go into it. `settled` is the point that `take` gave, if the caller has waited as long
    since: it is not waited for again. `idle` says that nobody writes to the source any more, so that not each of its
    objects needs to be asked for (see `changes`); a pass that has read nothing by then begins anew, at a new point.
    Raises what `control.check` raises, VolumeError when a storage fails; the next call goes on.
    """
    control = control or Control()
    with opened(directory, source, target, job) as state:
        begun = state.running
        with (
            open_volume(target, write=True) as written,
            _source(source, state, at, settle, settled, idle, control) as (read, still),
        ):
            began, size = time.monotonic(), read.size()
            _fit(read, written, grow)
            _know(written, state)
            running = state.running
            assert running is not None
            resumed = running is begun
            early = candidates(read, running.point, running.since, state) if still and running.since else None
            counts = Pass(read, written, state, running, control, early).run()
            for volume in (read, written):
                volume.confirm()
            if read.size() < size:
                running.position = 0
                state.save()
                raise VolumeError(
                    f"{source} was made shorter while it was copied", hint="The same command copies it anew."
                )
            state.at, state.passes, state.running = running.point, state.passes + 1, None
            state.save()
            # by what is open: to ask for it anew would be one open more in a window
            gone = points_of(read, state.job, (state.at, state.verified))
            _hand_over_early(state, [point.name for point in read.points(every=True)], gone)
            remove(source, gone, read.unfinished())
        amounts = (counts.read, counts.data, counts.written, counts.zeroed)
        seconds = time.monotonic() - began
        return PassResult(state.passes, running.point, running.since, state.known, *amounts, seconds, resumed)


@contextmanager
def _source(
    location: Location, state: State, at: str, settle: float, settled: str, idle: bool, control: Control
) -> Iterator[tuple[Volume, bool]]:
    """The source, open at the point of the pass that is to run, and whether that was made while it was `idle`; the pass
    begun unless one is running."""
    with ExitStack() as opening:
        # to open an image is work for its cluster, and time of a cut-over: not once more for the point
        write = backend_of(location).keeps_history and not at and _makes_point(state, idle)
        now = opening.enter_context(open_volume(location, write=write))
        still = _prepare(location, now, write, state, at, idle) and idle
        running = state.running
        assert running is not None
        if not now.exact:
            yield now, still
            return
        if (settle or idle) and running.point not in state.early:
            # nothing was under way at a point that was made idle; one that was taken has waited elsewhere
            if not still and not running.point == settled == state.taken:
                _wait(settle, control)
            _note_early(location, state, running.point, still)
        with open_volume(location, point=running.point) as volume:
            # who has it open to write is notified of all that others do to it, and has to answer: not for hours
            opening.close()
            yield volume, still


def _makes_point(state: State, idle: bool = False) -> bool:
    """Whether the point of a pass has to be made, or to be made whole: one that was read from, or taken, is whole."""
    running = state.running
    if running is None or (idle and _unread(running)):
        return True
    return not (running.limit or running.point.startswith(OTHER) or running.point == state.taken)


def _unread(running: RunningPass) -> bool:
    """Whether nothing can have been written by a pass up to a point of ours."""
    return not running.limit and not running.point.startswith(OTHER)


def _wait(seconds: float, control: Control) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        control.check()
        time.sleep(min(left, 0.2))


def _note_early(location: Location, state: State, point: str, still: bool) -> None:
    """Notes what changed right after a point that was just made; `still` when nothing can have."""
    state.early = {name: state.early[name] for name in (state.at, state.verified) if name in state.early}
    state.early[point] = []
    if not still:
        with open_volume(location) as now:  # one that was open when the point was made may not know of it
            state.early[point] = listed_early(now, point)
    state.save()


def _hand_over_early(state: State, points: list[str], gone: list[str]) -> None:
    """Adds what changed right after points that go, as far as it is known, to what did after the one before them from
    which on the next comparison begins: it asks for the objects of both (see `candidates`)."""
    after = points[points.index(state.verified) + 1 :] if state.verified in points else []
    for name in (name for name in after if name in gone):
        first, more = state.early.get(state.verified), state.early.get(name)
        both = None if first is None or more is None else sorted((at, length) for at, length in (*first, *more))
        state.early[state.verified] = both if both is not None and len(both) <= MANY else None
        state.save()


def _prepare(location: Location, now: Volume, write: bool, state: State, at: str, idle: bool) -> bool:
    """Sees that a pass is running in the state, and that its point exists: whether that had to be made. When it is
    `idle`, a pass that has read nothing up to a point of before is given up for one up to a new point."""
    exact, identity = now.exact, now.identity()
    points = [point.name for point in now.points(every=True)]
    if at and at not in points:
        raise InputError(f"{location} has no point {stored_name(at)}")
    running = state.running
    # of a pass that cannot be ended, what it may have written has to be remembered
    lost = running.limit if running else 0
    if state.source_id not in ("", identity):
        state.at, running = "", None  # another volume of the same name: nothing of it was copied
    state.source_id = identity
    if running and running.since and running.since not in points:
        running = None
    if running and exact and running.point not in points and running.limit:
        running = None
    if running and (running.point != at if at else running.point.startswith(OTHER)):
        running = None  # it would end somewhere else
    if running and exact and idle and _unread(running) and running.point in points:
        running = None  # another would have to follow it
    if running is None:
        running = state.running = _begin(exact, points, state, lost, at)
        state.save()
    if not exact or (running.point in points and not _makes_point(state)):
        return False
    if running.point not in points and state.taken:
        state.taken = ""  # it is young, whatever was said of one that was called so
        state.save()
    with nullcontext(now) if write else open_volume(location, write=True) as writable:
        writable.point(running.point)
    return running.point not in points


def _begin(exact: bool, points: list[str], state: State, lost: int, at: str) -> RunningPass:
    """A new pass. It is in the state before its point is made: one that a killed process made is found by it."""
    number = state.passes + 1
    while exact and f"{state.job}-{number}" in points:
        number += 1  # of a pass that was given up
    # what a lost pass wrote need not be among the differences to the new point: all has to be compared
    since = state.at if exact and state.at in points and not lost else ""
    if since and at and points.index(since) > points.index(at):
        since = ""  # differences are listed forwards alone
    if not since:
        state.verified = ""  # a pass over everything may write anywhere
    return RunningPass(at or (f"{state.job}-{number}" if exact else ""), since, 0, lost)


def _fit(source: Volume, target: Volume, grow: bool) -> None:
    need, have = source.size(), target.size()
    if need <= have:
        return
    if not grow:
        raise InputError(
            f"{target.location} is too small: {have} bytes for the {need} of {source.location}",
            hint="Extend the volume with Cinder, or let it be made larger here (--grow).",
        )
    target.resize(need)


def _know(target: Volume, state: State) -> None:
    """Brings the manifest up to what is true of the target: of what a killed run may have written, and of a target
    that is new here or was made larger, only its zeroes are known."""
    identity, size = target.identity(), target.size()
    if state.target_id != identity:
        state.known, state.verified = 0, ""
    running = state.running
    assert running is not None
    if state.known == 0:
        # nothing that was copied is on this target
        running.since, running.position, running.limit = "", 0, 0
    changed = (state.target_id, state.known) != (identity, size)
    ranges = [(running.position, min(running.limit, size)), (min(state.known, size), size)]
    for start, end in ranges:
        start = start // BLOCK * BLOCK
        for at in range(start, end, WINDOW):
            stop = min(end, at + WINDOW)
            state.manifest.forget(at, stop, target.data(at, stop))
    state.target_id, state.known = identity, size
    if changed or running.limit:
        state.save()
