"""The engine by any sequence of writes, discards, resizes, points and kills: the target is the source, and nothing
was written but what had changed."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.volumes.blocks import BLOCK, RECORD, UNKNOWN, ZERO, Buffer
from naru.volumes.control import Control
from naru.volumes.engine import passes
from naru.volumes.engine.copy import _know
from naru.volumes.engine.manifest import Manifest
from naru.volumes.engine.passes import Pass
from naru.volumes.engine.state import RunningPass, State, opened
from naru.volumes.files.location import File
from naru.volumes.volume import CHUNK, Extent

from .memory import OBJECT, MemoryVolume

pytestmark = pytest.mark.unit

PAGE = 4096
SIZE = 10 * BLOCK + 3 * PAGE
# where, how long (in pages), with what: 0 is a discard
CHANGE = st.tuples(st.integers(0, SIZE // PAGE - 1), st.integers(1, 3 * BLOCK // PAGE), st.integers(0, 3))
CHANGES = st.lists(CHANGE, max_size=6)


class Killed(Exception):
    pass


def killed_after(count: int) -> Callable[[], None]:
    left = [count]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    return check


def change(volume: MemoryVolume, changes: list[tuple[int, int, int]], seed: int) -> None:
    for page, pages, what in changes:
        start = page * PAGE
        length = min(pages * PAGE, volume.size() - start)
        if length > 0:
            fill = bytes(length) if not what else bytes([what + seed % 7]) * length
            volume.content[start : start + length] = fill


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of two chunks' size would need large volumes: the state is saved before every batch instead."""
    monkeypatch.setattr(passes, "AHEAD", 1)


def one_pass(source: MemoryVolume, target: MemoryVolume, directory: Path, kills: list[int]) -> passes.Counts:
    """A pass to a new point, killed as often as `kills` says, after so many checks."""
    name = File("/a")
    for count in (*kills, None):
        with opened(directory, name, name) as state:
            if state.running is None:
                number = f"{state.passes + 1}"
                source.point(number)
                state.running = RunningPass(number, state.at)
                state.save()
            _know(target, state)
            running = state.running
            control = Control(check=killed_after(count)) if count is not None else Control()
            try:
                counts = Pass(source.at(running.point), target, state, running, control).run()
            except Killed:
                continue
            state.at, state.passes, state.running = running.point, state.passes + 1, None
            state.save()
            return counts
    raise AssertionError("unreachable")


def test_under_a_cap_it_is_told_how_far_it_is(tmp_path: Path) -> None:
    source, target = MemoryVolume(4 * CHUNK, b"x" * 4 * CHUNK), MemoryVolume(4 * CHUNK)
    source.point("1")
    told: list[tuple[int, int]] = []
    control = Control(rate=lambda: CHUNK, progress=lambda done, _: told.append((done, len(target.touched))))
    with opened(tmp_path, File("/a"), File("/b")) as state:
        state.running = RunningPass("1", "")
        Pass(source.at("1"), target, state, state.running, control).run()
    assert [done for done, _ in told] == [number * CHUNK for number in range(1, 5)]
    assert all(sent - done // CHUNK <= 1 for done, sent in told)  # a second's worth may pass at once
    assert target.content == source.content


@settings(max_examples=150)
@given(
    garbage=CHANGES,
    rounds=st.lists(st.tuples(CHANGES, st.lists(st.integers(0, 6), max_size=2)), min_size=1, max_size=4),
    larger=st.integers(0, 3 * BLOCK),
)
def test_the_target_is_the_source_after_every_pass(garbage: Any, rounds: Any, larger: int) -> None:
    source, target = MemoryVolume(SIZE), MemoryVolume(SIZE + larger)
    change(target, garbage, 3)  # what is there already is of no account
    with tempfile.TemporaryDirectory() as directory:
        for seed, (changes, kills) in enumerate(rounds):
            change(source, changes, seed)
            one_pass(source, target, Path(directory), kills)
            assert target.content == source.content.ljust(target.size(), b"\0")


@settings(max_examples=150)
@given(
    rounds=st.lists(st.tuples(CHANGES, st.lists(st.integers(0, 6), max_size=3)), min_size=1, max_size=4),
    unlisted=st.sets(st.integers(0, SIZE // OBJECT)),
)
def test_changes_that_are_not_told_are_found(rounds: Any, unlisted: Any) -> None:
    """Wherever it was killed after it had written some of what it was not told."""
    source, target = MemoryVolume(SIZE), MemoryVolume(SIZE)
    source.unlisted = unlisted
    with tempfile.TemporaryDirectory() as directory:
        for seed, (changes, kills) in enumerate(rounds):
            change(source, changes, seed)
            one_pass(source, target, Path(directory), kills)
            assert target.content == source.content


@pytest.mark.parametrize("kills", [[], [1], [2, 1], [3], [4], [5], [6], [7], [8]])
def test_one_change_that_is_not_told_makes_all_suspicious(kills: list[int], tmp_path: Path) -> None:
    """Objects of which a part was told, and more had changed."""
    source, target = MemoryVolume(SIZE), MemoryVolume(SIZE)
    one_pass(source, target, tmp_path, [])
    source.content[0:PAGE] = b"a" * PAGE  # as before the point: no list has it, and the object map knows the object
    source.frozen["1"] = bytes(source.content)
    source.content[BLOCK : BLOCK + PAGE] = b"b" * PAGE
    source.content[2 * OBJECT : 2 * OBJECT + PAGE] = b"c" * PAGE
    source.unlisted = {2}
    counts = one_pass(source, target, tmp_path, kills)
    assert target.content == source.content
    assert kills or counts.read >= 2 * OBJECT


@settings(max_examples=100)
@given(first=CHANGES, second=CHANGES)
def test_only_what_changed_is_written(first: Any, second: Any) -> None:
    source, target = MemoryVolume(SIZE), MemoryVolume(SIZE)
    with tempfile.TemporaryDirectory() as directory:
        change(source, first, 1)
        one_pass(source, target, Path(directory), [])
        nothing = one_pass(source, target, Path(directory), [])
        assert (nothing.read, nothing.written, nothing.zeroed) == (0, 0, 0)
        before = bytes(source.content)
        change(source, second, 2)
        target.touched.clear()
        counts = one_pass(source, target, Path(directory), [])
    changed = {at // PAGE for at in range(0, SIZE, PAGE) if before[at : at + PAGE] != source.content[at : at + PAGE]}
    near = {page + side for page in changed for side in range(-passes.GAP // PAGE, passes.GAP // PAGE + 1)}
    touched = {page for start, end in target.touched for page in range(start // PAGE, -(-end // PAGE))}
    assert touched <= near
    assert counts.read + counts.zeroed <= 2 * len(changed) * PAGE


@settings(max_examples=100)
@given(first=CHANGES, second=CHANGES, before=st.integers(1, SIZE // 512), after=st.integers(1, SIZE // 512))
def test_a_source_that_grew_or_shrank(first: Any, second: Any, before: int, after: int) -> None:
    source, target = MemoryVolume(before * 512), MemoryVolume(SIZE)
    with tempfile.TemporaryDirectory() as directory:
        change(source, first, 1)
        one_pass(source, target, Path(directory), [])
        source.resize(after * 512)
        change(source, second, 2)
        one_pass(source, target, Path(directory), [3])
        assert target.content == source.content.ljust(SIZE, b"\0")


def test_several_windows_and_a_first_pass_that_writes_the_data_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(passes, "WINDOW", 4 << 20)
    size = (13 << 20) + 512
    source, target = MemoryVolume(size), MemoryVolume(size)
    for at in (0, (4 << 20) - 100, 9 << 20, size - 700):
        source.content[at : at + 600] = b"d" * 600
    told: list[tuple[int, int | None]] = []
    with opened(tmp_path, File("/a"), File("/b")) as state:
        source.point("1")
        state.running = RunningPass("1", "")
        _know(target, state)
        control = Control(progress=lambda done, total: told.append((done, total)))
        counts = Pass(source.at("1"), target, state, state.running, control).run()
    assert target.content == source.content
    assert counts.written <= 6 * PAGE
    assert told[-1][0] == told[-1][1] == counts.read
    assert all(total is not None and done <= total for done, total in told)


def test_the_cap_holds_and_may_change(tmp_path: Path) -> None:
    import time

    size = 4 << 20
    source, target = MemoryVolume(size, b"x" * size), MemoryVolume(size)
    source.point("1")
    rate: list[float | None] = [8 << 20]
    with opened(tmp_path, File("/a"), File("/b")) as state:
        state.running = RunningPass("1", "")
        _know(target, state)
        began = time.monotonic()
        Pass(source.at("1"), target, state, state.running, Control(rate=lambda: rate[0])).run()
        assert time.monotonic() - began >= 0.45
        target.content[:] = bytes(size)
        rate[0] = None
        state.known, state.running = 0, RunningPass("1", "")
        _know(target, state)
        began = time.monotonic()
        Pass(source.at("1"), target, state, state.running, Control(rate=lambda: rate[0])).run()
        assert time.monotonic() - began < 0.45
    assert target.content == source.content


def test_a_state_serves_one_copy_and_one_process_alone(tmp_path: Path) -> None:
    from naru.errors import InputError, NaruError

    with opened(tmp_path, File("/a"), File("/b")) as state:
        state.save()
        with pytest.raises(NaruError, match="another process"), opened(tmp_path, File("/a"), File("/b")):
            pass
    with pytest.raises(InputError, match="another copy"), opened(tmp_path, File("/a"), File("/c")):
        pass
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"), opened(tmp_path, File("/a"), File("/b")):
        pass


def test_what_is_forgotten_is_unknown_where_data_may_be(tmp_path: Path) -> None:
    with opened(tmp_path, File("/a"), File("/b")) as state:
        _forget(state)
        records = bytes(state.manifest.load(0, 8 * BLOCK))
        assert [records[i : i + RECORD] == UNKNOWN for i in range(0, len(records), RECORD)] == [
            *(False, True, True, False, False, False, True, False)
        ]


def _forget(state: State) -> None:
    state.manifest.store(0, b"h" * 8 * RECORD)
    data = [Extent(BLOCK + 5, BLOCK), Extent(6 * BLOCK, BLOCK)]
    state.manifest.forget(0, 8 * BLOCK, data)


def test_of_records_only_the_pages_that_changed_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: written.append(at) or pwrite(fd, data, at))
    records = bytearray(8 * PAGE)
    records[PAGE : 2 * PAGE] = records[5 * PAGE : 6 * PAGE] = b"h" * PAGE
    manifest = Manifest(tmp_path / "manifest")
    manifest.store(0, records)
    assert written == [PAGE, 5 * PAGE]
    records[PAGE : 2 * PAGE] = bytes(PAGE)
    records[-RECORD:] = UNKNOWN
    manifest.store(0, records)
    assert written == [PAGE, 5 * PAGE, PAGE, 7 * PAGE]
    assert manifest.load(0, 8 * PAGE // RECORD * BLOCK) == records
    manifest.close()


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_stretches_are_the_pages_that_are_not_zero(pages: list[bool]) -> None:
    buffer = Buffer(BLOCK * 4)
    end = len(pages) * PAGE
    for number, full in enumerate(pages):
        if full:
            buffer.view[number * PAGE + 7] = 1
    found = {page for start, stop in buffer.stretches(0, end) for page in range(start // PAGE, stop // PAGE)}
    assert found == {number for number, full in enumerate(pages) if full}
    assert buffer.is_zero(0, end) == (not any(pages))


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, BLOCK - 1))
def test_records_are_those_of_each_block(blocks: list[bool], where: int) -> None:
    buffer = Buffer(len(blocks) * BLOCK)
    for number, full in enumerate(blocks):
        if full:
            buffer.view[number * BLOCK + where] = 1
    block = bytes(where) + b"\1" + bytes(BLOCK - where - 1)
    for start in range(len(blocks)):
        expected = [blake3(block).digest(RECORD) if full else ZERO for full in blocks[start:]]
        assert buffer.records(start * BLOCK, buffer.size) == b"".join(expected)
