"""Every pair of storages with two real Ceph clusters, checked by qemu-img, which knows nothing of us."""

import json
import threading
from pathlib import Path

import pytest

from naru.errors import InputError, NaruError
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import Control
from naru.volumes.engine.copy import copy
from naru.volumes.engine.points import clean
from naru.volumes.engine.verify import verify
from naru.volumes.open import open_volume
from naru.volumes.where import Backends, location

from .conftest import MIB, Clusters, Make, Writer, file, identical, image, rados, rbd_tool, spoil

pytestmark = pytest.mark.ceph

SIZE = 96 * MIB
KINDS = ("rbd:old", "raw", "qcow2")


def points(where: Rbd) -> list[str]:
    with open_volume(where) as opened:
        return [point.name for point in opened.points()]


@pytest.mark.parametrize("source_kind", KINDS)
@pytest.mark.parametrize("target_kind", ("rbd:new", "raw", "qcow2"))
def test_every_pair(volume: Make, tmp_path: Path, source_kind: str, target_kind: str) -> None:
    source, target = volume(source_kind, SIZE), volume(target_kind, SIZE + 4 * MIB)
    writer = Writer(source, SIZE)
    writer.change(60)
    first = copy(source, target, tmp_path / "state", job="mig")
    assert identical(source, target)
    assert first.written <= first.data <= first.read <= SIZE
    for number in range(3):
        writer.change(15, 64 << 10)
        delta = copy(source, target, tmp_path / "state")
        assert delta.number == number + 2 and not delta.resumed
        assert delta.written + delta.zeroed <= 15 * (128 << 10) + 15 * (64 << 10)
        assert identical(source, target)
    verdict = verify(source, target, point=delta.point, proof=tmp_path / "proof")
    assert verdict.equal and verdict.source_digest == verdict.target_digest
    assert (tmp_path / "proof").stat().st_size > 0
    if isinstance(source, Rbd):
        assert points(source) == ["mig-4"]
        assert clean(source, "other") == []
        assert clean(source) == ["mig-4"]


def test_a_volume_can_be_deleted_after_clean(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    copy(source, target, tmp_path / "state")
    clean(source)
    for cluster, where in ((clusters.old, source), (clusters.new, target)):
        rbd_tool(cluster, "rm", f"volumes/{where.image}")
    with pytest.raises(InputError, match="there is no"), open_volume(source):
        pass


def test_a_clone_with_its_parent_and_after_copy_up(clusters: Clusters, tmp_path: Path) -> None:
    parent = image(clusters.old, SIZE)
    Writer(parent, SIZE).change(40)
    rbd_tool(clusters.old, "snap", "create", f"volumes/{parent.image}@base")
    rbd_tool(clusters.old, "snap", "protect", f"volumes/{parent.image}@base")
    rbd_tool(clusters.old, "clone", f"volumes/{parent.image}@base", f"volumes/{parent.image}-clone")
    clone = parent.__class__(parent.pool, f"{parent.image}-clone", parent.conf, parent.user)
    target = image(clusters.new, SIZE)
    copy(clone, target, tmp_path / "state")
    assert identical(clone, target)
    writer = Writer(clone, SIZE, 2)
    writer.change(40)
    copy(clone, target, tmp_path / "state")
    assert identical(clone, target)
    rbd_tool(clusters.old, "flatten", f"volumes/{clone.image}")
    writer.change(10)
    copy(clone, target, tmp_path / "state")
    assert identical(clone, target)


def test_a_source_that_grows_and_a_target_of_another_size(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE + 512), image(clusters.new, SIZE)
    with pytest.raises(InputError, match="too small"):
        copy(source, target, tmp_path / "state")
    copy(source, target, tmp_path / "state", grow=True)
    rbd_tool(clusters.old, "resize", f"volumes/{source.image}", "--size", f"{2 * SIZE}B")
    Writer(source, 2 * SIZE).change(30)
    copy(source, target, tmp_path / "state", grow=True)
    assert identical(source, target)
    rbd_tool(clusters.old, "resize", f"volumes/{source.image}", "--size", f"{SIZE}B", "--allow-shrink")
    copy(source, target, tmp_path / "state")
    assert identical(source, target)
    assert verify(source, target).equal


@pytest.mark.parametrize("options", [("--object-size", "8M"), ("--image-feature", "layering"), ("--image-format", "2")])
def test_images_of_other_shapes(clusters: Clusters, tmp_path: Path, options: tuple[str, ...]) -> None:
    source, target = image(clusters.old, SIZE, *options), image(clusters.new, SIZE, *options)
    for seed in range(3):
        Writer(source, SIZE, seed).change(20)
        copy(source, target, tmp_path / "state")
        assert identical(source, target)


def test_passes_while_a_writer_keeps_changing(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    writer = Writer(source, SIZE)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            writer.change(10, 256 << 10)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(4):
            done = copy(source, target, tmp_path / "state")
            # The target is the point, whatever has been written since. Each batch of the writer opens the image anew,
            # and one that does it while the point is made may write into it (see `unlisted`): that is repaired.
            assert verify(source, target, point=done.point, directory=tmp_path / "state", repair=True).equal
    finally:
        stop.set()
        thread.join()
    last = copy(source, target, tmp_path / "state")
    assert verify(source, target, point=last.point, directory=tmp_path / "state", changed=True).equal
    assert identical(source, target)


def test_what_ceph_takes_for_older_than_a_point_is_found(clusters: Clusters, tmp_path: Path) -> None:
    """As a client does that does not know of the point: objects that it makes count as older than the point."""
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(5, 64 << 10)
    first = copy(source, target, tmp_path / "state")
    assert verify(source, target, point=first.point, directory=tmp_path / "state").equal
    info = json.loads(rbd_tool(clusters.old, "info", f"volumes/{source.image}", "--format", "json"))
    (tmp_path / "stale").write_bytes(b"stale" * 1000)
    made = []
    for number in range(SIZE >> 22):
        name = f"{info['block_name_prefix']}.{number:016x}"
        if rados(clusters.old, "stat", name).returncode:
            assert not rados(clusters.old, "put", name, str(tmp_path / "stale")).returncode
            made.append(number)
    assert made
    rbd_tool(clusters.old, "object-map", "rebuild", f"volumes/{source.image}")
    Writer(source, SIZE, 2).change(1, 8192)
    last = copy(source, target, tmp_path / "state")
    listed = json.loads(
        rbd_tool(
            *(clusters.old, "diff", "--from-snap", f"naru-{last.since}", "--format", "json"),
            f"volumes/{source.image}@naru-{last.point}",
        )
    )
    assert set(made) - {extent["offset"] >> 22 for extent in listed}  # Ceph's own tool loses them
    assert verify(source, target, point=last.point, directory=tmp_path / "state", changed=True).equal
    assert identical(source, target)


def test_without_an_object_map_all_is_verified(clusters: Clusters, tmp_path: Path) -> None:
    for options in (("--image-feature", "layering"), ()):
        source, target = image(clusters.old, SIZE, *options), image(clusters.new, SIZE)
        state = tmp_path / f"state{len(options)}"
        for seed in range(2):
            Writer(source, SIZE, seed).change(5, 64 << 10)
            done = copy(source, target, state)
            found = verify(source, target, point=done.point, directory=state, changed=True)
            assert found.equal and bool(found.since) == (seed == 1 and not options)


def test_flipped_bytes_are_found_and_repaired(clusters: Clusters, tmp_path: Path) -> None:
    source = image(clusters.old, SIZE)
    Writer(source, SIZE).change(60)
    for target in (image(clusters.new, SIZE), file(tmp_path, SIZE), file(tmp_path, SIZE, "qcow2")):
        state = tmp_path / f"state-{target.__class__.__name__}-{getattr(target, 'format', '')}"
        done = copy(source, target, state)
        vandal = Writer(target, SIZE, 9)
        spoil(target, SIZE - 512)
        vandal.change(5, 300 << 10)
        assert not identical(source, target)
        found = verify(source, target, point=done.point, directory=state)
        assert not found.equal and found.different and found.source_digest != found.target_digest
        mended = verify(source, target, point=done.point, directory=state, repair=True)
        assert mended.equal and mended.repaired and mended.source_digest == mended.target_digest
        assert identical(source, target)
        assert verify(source, target, point=done.point).different == ()


def test_only_what_changed_since_is_verified(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    state = tmp_path / "state"
    bench = ("bench", f"volumes/{source.image}", "--io-type", "write", "--io-threads", "1")
    rbd_tool(clusters.old, *bench, "--io-size", "4M", "--io-total", "96M")
    first = copy(source, target, state, job="mig")
    whole = verify(source, target, point=first.point, directory=state, changed=True)
    assert whole.equal and not whole.since and whole.read >= first.data
    for _ in range(2):  # two passes from the point where all was equal
        rbd_tool(clusters.old, *bench, "--io-size", "4K", "--io-total", "48K", "--io-pattern", "rand")
        last = copy(source, target, state)
    assert points(source) == ["mig-1", "mig-3"]
    spoil(target, SIZE - 512)  # where nothing changed, and so nobody looks
    part = verify(source, target, point=last.point, directory=state, changed=True)
    assert part.equal and part.since == "mig-1" and part.read <= 2 * 12 * 65536 < first.read
    assert points(source) == ["mig-3"]
    assert not verify(source, target, point=last.point, directory=state).equal
    # what was found is known to the copy, and another pass from there on does not hide it
    assert verify(source, target, point=last.point, directory=state, repair=True).equal
    assert identical(source, target)


def test_another_target_has_to_be_verified_wholly(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    state = tmp_path / "state"
    Writer(source, SIZE).change(20)
    first = copy(source, target, state)
    assert verify(source, target, point=first.point, directory=state).equal
    rbd_tool(clusters.new, "rm", f"volumes/{target.image}")
    rbd_tool(clusters.new, "create", f"volumes/{target.image}", "--size", f"{SIZE}B")
    second = copy(source, target, state)
    assert verify(source, target, point=second.point, directory=state, changed=True).since == ""
    assert identical(source, target)


def test_two_points_of_the_same_name_are_one(clusters: Clusters) -> None:
    source = image(clusters.old, SIZE)
    with open_volume(source, write=True) as opened:
        made = opened.point("a")
        assert opened.point("a") == made
        assert opened.points() == [made]
        assert made and made.size == SIZE and made.created > 1.7e9
        rbd_tool(clusters.old, "snap", "create", f"volumes/{source.image}@theirs")
        assert opened.clean("a") and not opened.clean("a")
    assert rbd_tool(clusters.old, "snap", "ls", f"volumes/{source.image}").count("theirs") == 1
    with pytest.raises(InputError, match="with a point naru-a"), open_volume(source, point="a"):
        pass


def test_a_lost_state_or_point_costs_time_only(clusters: Clusters, tmp_path: Path) -> None:
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(40)
    copy(source, target, tmp_path / "one")
    clean(source)
    Writer(source, SIZE, 2).change(10)
    again = copy(source, target, tmp_path / "one")  # no point to start from: everything is read
    assert again.since == "" and again.written <= 10 * (2 * MIB) and identical(source, target)
    Writer(source, SIZE, 3).change(10)
    copy(source, target, tmp_path / "two")
    assert identical(source, target)


def test_what_cannot_be_reached_is_told(clusters: Clusters, tmp_path: Path) -> None:
    there = image(clusters.old, SIZE)
    for wrong, message in (
        (Rbd("volumes", "missing", there.conf, "cinder"), "there is no rbd:volumes/missing"),
        (Rbd("nowhere", there.image, there.conf, "cinder"), "no pool nowhere"),
        (Rbd("volumes", there.image, "/nonexistent", "cinder"), "cannot be read as a ceph.conf"),
        (Rbd("volumes", there.image, there.conf, "stranger"), "stranger"),
        (Rbd("volumes", there.image, str(clusters.old.conf("glance")), "glance"), "cannot be opened"),
    ):
        with pytest.raises(NaruError, match=message), open_volume(wrong):
            pass


def test_location_from_cinders_answer_opens(clusters: Clusters) -> None:
    there = image(clusters.old, SIZE)
    backends = Backends.model_validate(
        {"backends": {"ceph": {"kind": "rbd", "pool": "volumes", "conf": there.conf, "user": "cinder"}}}
    )
    answer = {
        "id": "another",
        "os-vol-host-attr:host": "h@ceph#ceph",
        "os-vol-mig-status-attr:name_id": there.image.removeprefix("volume-"),
    }
    found = location(answer, backends)
    assert found == there
    with open_volume(found) as opened:
        assert opened.size() == SIZE


class Stopped(Exception):
    pass


def test_a_pass_that_cannot_be_ended_leaves_nothing_wrong(clusters: Clusters, tmp_path: Path) -> None:
    """Killed in the middle, its point removed, and meanwhile what it had written was changed back."""
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(40)
    rbd_tool(clusters.old, "snap", "create", f"volumes/{source.image}@before")
    copy(source, target, tmp_path / "state", job="mig")
    Writer(source, SIZE, 2).change(60)
    left = [12]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    with pytest.raises(Stopped):
        copy(source, target, tmp_path / "state", control=Control(check=check))
    assert points(source) == ["mig-1", "mig-2"]
    rbd_tool(clusters.old, "snap", "rm", f"volumes/{source.image}@naru-mig-2")
    rbd_tool(clusters.old, "snap", "rollback", f"volumes/{source.image}@before")
    last = copy(source, target, tmp_path / "state")
    assert (last.since, last.point) == ("", "mig-2")  # not by differences: Ceph tells none for what was rolled back
    assert identical(source, target)


def test_a_target_that_is_a_clone_is_overwritten_wholly(clusters: Clusters, tmp_path: Path) -> None:
    parent, source = image(clusters.new, SIZE), image(clusters.old, SIZE)
    Writer(parent, SIZE).change(40)
    rbd_tool(clusters.new, "snap", "create", f"volumes/{parent.image}@base")
    rbd_tool(clusters.new, "snap", "protect", f"volumes/{parent.image}@base")
    rbd_tool(clusters.new, "clone", f"volumes/{parent.image}@base", f"volumes/{parent.image}-clone")
    target = Rbd(parent.pool, f"{parent.image}-clone", parent.conf, parent.user)
    Writer(source, SIZE, 3).change(10)
    copy(source, target, tmp_path / "state")
    assert identical(source, target)
    assert verify(source, target).equal
