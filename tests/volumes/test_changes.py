"""What changed since a point is found though the object map lacks it, and without asking for every object."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from naru.volumes.control import Control
from naru.volumes.engine.changes import NEAR, candidates, changed, listed_early
from naru.volumes.engine.copy import copy, take
from naru.volumes.engine.state import opened
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import open_volume
from naru.volumes.volume import CHUNK, Extent

from .conftest import MIB, Clusters, Writer, identical, image, rados, rbd_tool
from .memory import MemoryVolume

SIZE = 96 * MIB
AROUND = st.lists(st.tuples(st.integers(0, 200 * CHUNK), st.integers(1, 3 * CHUNK)), max_size=12)


class Asked(MemoryVolume):
    """Remembers what was asked for; its map has `mapped` alone."""

    def __init__(self, mapped: list[Extent]) -> None:
        super().__init__(0)
        self.mapped, self.asked = mapped, list[tuple[int, int]]()

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        self.asked.append((start, end))
        return []

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        return self.mapped


@pytest.mark.unit
@given(mapped=AROUND, early=AROUND)
@example(mapped=[], early=[(190 * CHUNK + 512, 1)])
def test_every_object_of_both_lists_is_asked_for_once(mapped: Any, early: Any) -> None:
    start, end = 8 * CHUNK, 190 * CHUNK + 512
    both = [[Extent(*pair) for pair in sorted(pairs)] for pairs in (mapped, early)]
    volume = Asked(both[0])
    changed(volume, start, end, "1", both[1])
    objects = [
        number
        for extent in (*both[0], *both[1])
        for number in range(extent.offset // CHUNK, -(-extent.end // CHUNK))
        if start <= number * CHUNK < end
    ]
    for number in objects:
        assert any(first <= number * CHUNK and min(end, (number + 1) * CHUNK) <= last for first, last in volume.asked)
    for (_, last), (first, _) in zip(volume.asked, volume.asked[1:], strict=False):
        assert first - last > NEAR
    assert all(start <= first < last <= end for first, last in volume.asked)


@pytest.mark.unit
def test_without_the_early_list_of_every_point_all_objects_are_asked_for(tmp_path: Path) -> None:
    volume = MemoryVolume(16 * CHUNK)
    for name in ("1", "2", "3"):
        volume.point(name)
    with opened(tmp_path, File("/a"), File("/b")) as state:
        assert candidates(volume, "3", "1", state) is None
        state.early["1"] = [(0, CHUNK)]
        assert candidates(volume, "3", "1", state) is None
        state.early["2"] = [(0, CHUNK), (5 * CHUNK, CHUNK)]
        assert candidates(volume, "3", "2", state) == [Extent(0, CHUNK), Extent(5 * CHUNK, CHUNK)]
        state.save()
    with opened(tmp_path, File("/a"), File("/b")) as state:
        found = candidates(volume, "3", "1", state)
        assert found == [Extent(0, CHUNK), Extent(0, CHUNK), Extent(5 * CHUNK, CHUNK)]
        state.early["1"] = None  # it was much
        assert candidates(volume, "3", "1", state) is None
        assert candidates(volume, "3", "gone", state) is None
    volume.content[6 * CHUNK] = 1
    assert listed_early(volume, "3") == [(6 * CHUNK, CHUNK)]


@pytest.mark.ceph
def test_what_the_object_map_lacks_is_found_in_the_window(clusters: Clusters, tmp_path: Path) -> None:
    """As after a write that was under way when the point was made: the map is put back to what it was right then."""
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(20)
    copy(source, target, tmp_path / "state")
    with open_volume(source) as volume:
        identity = volume.identity().rpartition("/")[2]
    map_now = f"rbd_object_map.{identity}"
    kept = tmp_path / "map"

    def late_write() -> None:
        """After the next point was made, before its early list is."""
        while len(json.loads(rbd_tool(clusters.old, "snap", "ls", f"volumes/{source.image}", "--format", "json"))) < 2:
            time.sleep(0.05)
        assert not rados(clusters.old, "get", map_now, str(kept)).returncode
        Writer(source, SIZE, 2).change(10)
        assert not rados(clusters.old, "put", map_now, str(kept)).returncode

    thread = threading.Thread(target=late_write)
    thread.start()
    ahead = copy(source, target, tmp_path / "state", settle=6.0)
    thread.join()
    assert verify(source, target, point=ahead.point, directory=tmp_path / "state").equal
    Writer(source, SIZE, 3).change(1, 8192)
    last = copy(source, target, tmp_path / "state", idle=True)
    with open_volume(source, point=last.point) as volume:
        mapped = {extent.offset // CHUNK for extent in volume.data(0, SIZE, last.since)}
        listed = {extent.offset // CHUNK for extent in volume.ranges(0, SIZE, last.since)}
    assert listed - mapped  # the map alone would have lost it
    found = verify(source, target, point=last.point, directory=tmp_path / "state", changed=True, idle=True)
    assert found.equal and found.since == last.since
    assert identical(source, target)


@pytest.mark.ceph
def test_a_pass_that_was_begun_in_use_and_ended_at_rest(clusters: Clusters, tmp_path: Path) -> None:
    """Killed before the early list of its point was made: what was under way then must not be taken for listed."""
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(20)
    copy(source, target, tmp_path / "state", settle=0.2)
    with open_volume(source) as volume:
        map_now = f"rbd_object_map.{volume.identity().rpartition('/')[2]}"

    def late_write_and_end() -> None:
        assert not rados(clusters.old, "get", map_now, str(tmp_path / "map")).returncode
        Writer(source, SIZE, 2).change(10)
        assert not rados(clusters.old, "put", map_now, str(tmp_path / "map")).returncode
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, target, tmp_path / "state", settle=6.0, control=Control(check=late_write_and_end))
    Writer(source, SIZE, 3).change(1, 8192)
    # nothing of it was read: it is not ended first, and another one after it
    last = copy(source, target, tmp_path / "state", idle=True)
    assert not last.resumed and last.number == 2
    assert identical(source, target)


@pytest.mark.ceph
def test_no_point_is_removed_while_a_server_waits_and_the_next_pass_removes_it(
    clusters: Clusters, tmp_path: Path
) -> None:
    source, target, state = image(clusters.old, SIZE), image(clusters.new, SIZE), tmp_path / "state"

    def points() -> list[str]:
        with open_volume(source) as volume:
            return [point.name for point in volume.points()]

    def carried(idle: bool) -> str:
        Writer(source, SIZE, len(points())).change(5)
        done = copy(source, target, state, settle=0.2, idle=idle)
        assert verify(source, target, point=done.point, directory=state, changed=True, idle=idle).equal
        return done.point

    first, last = carried(False), carried(True)
    assert points() == [first, last]
    after = carried(False)
    assert points() == [after]


@pytest.mark.ceph
def test_a_comparison_asks_for_what_was_under_way_at_a_point_that_is_gone(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(20)
    first = copy(source, target, tmp_path / "state", settle=0.2)
    assert verify(source, target, point=first.point, directory=tmp_path / "state").equal
    with open_volume(source) as volume:
        map_now = f"rbd_object_map.{volume.identity().rpartition('/')[2]}"
    taken = take(source, target, tmp_path / "state")
    assert not rados(clusters.old, "get", map_now, str(tmp_path / "map")).returncode
    Writer(source, SIZE, 2).change(10)
    assert not rados(clusters.old, "put", map_now, str(tmp_path / "map")).returncode
    last = copy(source, target, tmp_path / "state", idle=True)
    assert last.point != taken
    with open_volume(source, point=last.point) as volume:
        assert taken not in [point.name for point in volume.points()]
        mapped = {extent.offset // CHUNK for extent in volume.data(0, SIZE, first.point)}
        listed = {extent.offset // CHUNK for extent in volume.ranges(0, SIZE, first.point)}
    assert listed - mapped  # the map alone would have lost it
    found = verify(source, target, point=last.point, directory=tmp_path / "state", changed=True, idle=True)
    assert found.equal and found.since == first.point
    assert verify(source, target, point=last.point).source_digest == found.source_digest
    assert identical(source, target)


@pytest.mark.ceph
def test_a_point_that_was_taken_is_not_waited_for_but_one_that_was_made_anew_is(
    clusters: Clusters, tmp_path: Path
) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(5)
    state = tmp_path / "state"
    taken = take(source, target, state, job="mine")
    assert take(source, target, state, job="mine") == taken  # killed and made again
    Writer(source, SIZE, 2).change(5)
    began = time.monotonic()
    done = copy(source, target, state, settle=60.0, settled=taken)
    assert done.point == taken and time.monotonic() - began < 30

    # somebody removed it: the new one is young, though it may be called the same, also after a kill
    taken = take(source, target, state, job="mine")
    with open_volume(source, write=True) as volume:
        assert volume.clean(taken)

    def end() -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            copy(source, target, state, settle=60.0, settled=taken, control=Control(check=end))
        with opened(state, source, target) as found:
            assert found.running is not None and not found.running.limit and found.taken == ""
        with open_volume(source) as volume:
            assert taken in [point.name for point in volume.points()]
    # a point that another step waited for says nothing of this one
    taken = take(source, target, state, job="mine")
    with pytest.raises(KeyboardInterrupt):
        copy(source, target, state, settle=60.0, settled="mine-9", control=Control(check=end))
    assert copy(source, target, state, settle=60.0, settled=taken).point == taken
    with open_volume(source) as volume:
        assert len(volume.points()) == 1
    Writer(source, SIZE, 3).change(5)
    copy(source, target, state, idle=True)
    assert identical(source, target)


@pytest.mark.ceph
def test_written_until_it_rests(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    writer, stop = Writer(source, SIZE), threading.Event()

    def write() -> None:
        while not stop.is_set():
            writer.change(10, 256 << 10)

    for _ in range(2):
        stop.clear()
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(2):
                ahead = copy(source, target, tmp_path / "state", settle=0.5)
                verify(source, target, point=ahead.point, directory=tmp_path / "state", repair=True)
        finally:
            stop.set()
            thread.join()
        last = copy(source, target, tmp_path / "state", idle=True)
        assert verify(source, target, point=last.point, directory=tmp_path / "state", changed=True, idle=True).equal
        assert identical(source, target)


@pytest.mark.ceph
def test_an_object_map_that_is_not_sound_is_not_relied_on(clusters: Clusters, tmp_path: Path) -> None:
    """Enabled anew it is marked invalid, for the image and each snapshot, until it is rebuilt."""
    source = image(clusters.old, SIZE)
    name = f"volumes/{source.image}"
    with open_volume(source, write=True) as volume:
        volume.point("1")
        volume.point("2")

    def sure() -> bool:
        with open_volume(source, point="2") as volume:
            return volume.sure("1")

    assert sure()
    for change in ("disable", "enable"):
        rbd_tool(clusters.old, "feature", change, name, "object-map", "fast-diff")
    assert not sure()
    for what in (name, f"{name}@naru-1"):
        rbd_tool(clusters.old, "object-map", "rebuild", what)
    assert not sure()
    rbd_tool(clusters.old, "object-map", "rebuild", f"{name}@naru-2")
    assert sure()


@pytest.mark.ceph
def test_many_at_once_over_one_connection(clusters: Clusters, tmp_path: Path) -> None:
    """librbd 16 ended the process within seconds when snapshots were opened beside the images for this."""
    script = """
import sys, threading, time
from naru.volumes.open import open_volume
from naru.volumes.open import parse
end = time.monotonic() + 10.0
def work(where):
    while time.monotonic() < end:
        with open_volume(where, write=True) as volume:
            volume.point("now")
            volume.clean("now")
        with open_volume(where, point="2") as volume:
            assert all(volume.sure("1") for _ in range(3))
threads = [threading.Thread(target=work, args=(parse(text),)) for text in sys.argv[1:]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    images = [image(clusters.old, SIZE) for _ in range(4)]
    for one in images:
        with open_volume(one, write=True) as volume:
            volume.point("1")
            volume.point("2")
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, images)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
