"""Two volumes on one storage: nothing is copied, all of it can be undone, at any instant. Real Ceph, checked by
qemu-img and rbd, which know nothing of us."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import pytest

from naru.cli.main import main
from naru.errors import InputError
from naru.lab.ceph import Ceph
from naru.volumes.blocks import BLOCK, Buffer
from naru.volumes.ceph.librbd import FAST_DIFF, OBJECT_MAP
from naru.volumes.ceph.location import Rbd
from naru.volumes.ceph.pool import opened_pool
from naru.volumes.control import Control, no_tick
from naru.volumes.engine.checksum import checksum
from naru.volumes.engine.clone import Cloned, Method, clone, flatten, method, undo
from naru.volumes.engine.copy import copy
from naru.volumes.engine.points import clean
from naru.volumes.files.location import File
from naru.volumes.open import open_volume
from naru.volumes.volume import CHUNK, VolumeError

from .conftest import MIB, Clusters, Writer, file, identical, image, spoil, url
from .test_kill import NARU

SIZE, LARGER = 64 * MIB, 96 * MIB
JOB = "mig"
CAPS = {
    "reader": "profile rbd pool=volumes2, profile rbd-read-only pool=volumes",
    "stranger": "profile rbd pool=volumes2",
    "looker": "profile rbd pool=volumes2, allow r pool=volumes, allow class-read pool=volumes",
}


def admin(cluster: Ceph, *arguments: str) -> str:
    done = subprocess.run(
        [arguments[0], "-c", str(cluster.conf("admin")), *arguments[1:]], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def one(clusters: Clusters) -> Ceph:
    """A cluster with the pools of two clouds in it: `volumes` of the old one, `volumes2` of the new one."""
    ceph = clusters.old
    for pool in ("volumes2", "data2"):
        admin(ceph, "ceph", "osd", "pool", "create", pool, "8")
        admin(ceph, "ceph", "osd", "pool", "application", "enable", pool, "rbd")
    for name, caps in CAPS.items():
        made = admin(ceph, "ceph", "auth", "get-or-create", f"client.{name}", "mon", "profile rbd", "osd", caps)
        ceph.keyring(name).write_text(made)
        cinder = ceph.conf("cinder").read_text()
        ceph.conf(name).write_text(cinder.replace(str(ceph.keyring("cinder")), str(ceph.keyring(name))))
    return ceph


def target_image(ceph: Ceph, name: str, size: int, *options: str, user: str = "reader", pool: str = "volumes2") -> Rbd:
    """An empty image of the new cloud, as its client."""
    admin(ceph, "rbd", "create", f"{pool}/{name}", "--size", f"{size}B", *options)
    return Rbd(pool, name, str(ceph.conf(user)), user)


class Shown(NamedTuple):
    """A pool as an operator sees it."""

    images: list[str]
    trash: list[str]


def shown(ceph: Ceph, pool: str) -> Shown:
    trash = json.loads(admin(ceph, "rbd", "trash", "ls", "-a", pool, "--format", "json"))
    return Shown(sorted(admin(ceph, "rbd", "ls", pool).split()), [entry["name"] for entry in trash])


def info(ceph: Ceph, where: Rbd) -> dict[str, object]:
    return dict(json.loads(admin(ceph, "rbd", "info", f"{where.pool}/{where.image}", "--format", "json")))


def snapshots(ceph: Ceph, where: Rbd) -> list[str]:
    found = json.loads(admin(ceph, "rbd", "snap", "ls", "-a", f"{where.pool}/{where.image}", "--format", "json"))
    return [entry["name"] for entry in found]


class Pair(NamedTuple):
    """Both volumes, and the digest of the source's content."""

    ceph: Ceph
    source: Rbd
    target: Rbd
    digest: str

    def check_source(self) -> None:
        """It is what it was, and nothing of ours is left on it."""
        assert checksum(self.source).digest == self.digest
        assert snapshots(self.ceph, self.source) == []
        assert info(self.ceph, self.source)["op_features"] == []


_numbers = iter(range(1000))


@pytest.fixture
def sides(one: Ceph) -> Iterator[Pair]:
    source = image(one, SIZE)
    Writer(source, SIZE, seed=7).change(60)
    target = target_image(one, f"volume-{next(_numbers)}", LARGER)
    yield Pair(one, source, target, checksum(source).digest)
    assert "naru-flatten" not in admin(one, "rados", "-p", "volumes2", "ls")
    left = shown(one, "volumes2")
    for name in left.images:
        admin(one, "rbd", "snap", "purge", f"volumes2/{name}")
        admin(one, "rbd", "rm", f"volumes2/{name}")
    assert left == Shown([target.image], [])
    admin(one, "rbd", "rm", f"volumes/{source.image}")  # nothing holds it


@pytest.mark.ceph
def test_cloned_written_flattened_compared(sides: Pair) -> None:
    ceph, source, target, digest = sides
    before = info(ceph, target)
    assert method(source, target) == Method("clone")
    assert clone(source, target, JOB) == Cloned("clone", "mig-final", LARGER, SIZE)
    assert identical(source, target)
    after = info(ceph, target)
    assert after["parent"]["image"] == source.image  # type: ignore[index]
    for same in ("name", "size", "object_size"):
        assert after[same] == before[same]
    assert shown(ceph, "volumes2").images == [f"naru-empty-{target.image}", target.image]
    assert clone(source, target, JOB).shared == SIZE  # again: it is done
    Writer(target, LARGER, seed=8).change(30)
    spoil(target, 4096)
    written = checksum(target).digest
    assert checksum(source).digest == digest
    told: list[tuple[int, int | None]] = []
    done = flatten(source, target, JOB, Control(progress=lambda now, whole: told.append((now, whole))))
    assert done.flattened and done.digest == digest and done.compared > 0
    assert snapshots(ceph, target) == []
    last = info(ceph, target)
    assert "parent" not in last and last["features"] == before["features"]
    assert checksum(target).digest == written and told
    assert shown(ceph, "volumes2") == Shown([target.image], [])
    sides.check_source()
    assert flatten(source, target, JOB) == (False, 0, "")
    undo(source, target, JOB)  # Cinder deletes it as it is
    assert checksum(target).digest == written


@pytest.mark.ceph
@pytest.mark.parametrize("phase", ("nothing", "cloned", "flattening", "flattened by hand", "flattened"))
def test_undone_at_each_phase(sides: Pair, phase: str) -> None:
    ceph, source, target, _ = sides
    if phase != "nothing":
        clone(source, target, JOB)
        Writer(target, LARGER, seed=9).change(20)
    if phase == "flattening":

        def stop() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            flatten(source, target, JOB, Control(check=stop))
    if phase == "flattened by hand":
        admin(ceph, "rbd", "flatten", f"volumes2/{target.image}")
    if phase == "flattened":
        flatten(source, target, JOB)
    for _ in range(2):
        undo(source, target, JOB)
        assert shown(ceph, "volumes2") == Shown([target.image], [])
        assert snapshots(ceph, target) == [] and "parent" not in info(ceph, target)
    if phase != "flattened":
        assert not admin(ceph, "rbd", "diff", f"volumes2/{target.image}").splitlines()  # empty as Cinder made it
    sides.check_source()


@pytest.mark.ceph
def test_cloned_again_after_it_was_undone(sides: Pair) -> None:
    """Never with the content of the time before."""
    _, source, target, _ = sides
    clone(source, target, JOB)
    undo(source, target, JOB)
    Writer(source, SIZE, seed=10).change(20)
    clone(source, target, JOB)
    assert identical(source, target)
    undo(source, target, JOB)


@pytest.mark.ceph
def test_a_source_that_was_written_since_is_told(sides: Pair) -> None:
    _, source, target, _ = sides
    clone(source, target, JOB)
    spoil(source, 8192)
    with pytest.raises(VolumeError, match="was written since"):
        clone(source, target, JOB)
    undo(source, target, JOB)


@pytest.mark.ceph
def test_a_clone_of_an_image_keeps_its_layout(one: Ceph) -> None:
    """The source itself is a clone, as volumes made of images are; the target has a data pool and stripes."""
    base = image(one, SIZE)
    Writer(base, SIZE, seed=11).change(40)
    admin(one, "rbd", "snap", "create", f"volumes/{base.image}@s")
    admin(one, "rbd", "snap", "protect", f"volumes/{base.image}@s")
    source = replace(base, image=f"{base.image}-child")
    admin(one, "rbd", "clone", f"volumes/{base.image}@s", f"volumes/{source.image}")
    Writer(source, SIZE, seed=12).change(10)
    layout = ("--data-pool", "data2", "--stripe-unit", "64K", "--stripe-count", "4", "--object-size", "1M")
    target = target_image(one, "volume-striped", SIZE, *layout, user="admin")
    before = info(one, target)
    assert method(source, target).name == "clone"
    clone(source, target, JOB)
    assert identical(source, target)
    flatten(source, target, JOB)
    after = info(one, target)
    for same in ("data_pool", "stripe_unit", "stripe_count", "object_size", "features"):
        assert after[same] == before[same]
    assert identical(source, target)
    for name in (f"volumes2/{target.image}", f"volumes/{source.image}"):
        admin(one, "rbd", "rm", name)


@pytest.mark.ceph
def test_both_in_one_pool(one: Ceph) -> None:
    source = image(one, SIZE)
    Writer(source, SIZE, seed=14).change(20)
    target = target_image(one, "volume-beside", SIZE, user="cinder", pool="volumes")
    clone(source, target, JOB)
    flatten(source, target, JOB)
    assert identical(source, target)
    for name in (source.image, target.image):
        admin(one, "rbd", "rm", f"volumes/{name}")
    assert not [name for name in shown(one, "volumes").images if name.startswith("naru")]


@pytest.mark.ceph
def test_flattened_while_a_server_has_it_open(sides: Pair) -> None:
    """Whoever has the image open does the work, and goes on writing."""
    _, source, target, digest = sides
    clone(source, target, JOB)
    guest = subprocess.Popen(["qemu-io", "-f", *url(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guest.stdin and guest.stdout
    try:
        guest.stdin.write("write -P 0xaa 1M 64k\nflush\n")
        guest.stdin.flush()
        assert "wrote" in guest.stdout.readline()
        done = flatten(source, target, JOB)
        assert done.digest == digest
        guest.stdin.write("write -P 0xbb 2M 64k\nread -P 0xaa 1M 64k\nread -P 0xbb 2M 64k\n")
        said = guest.communicate(timeout=300)[0]
        assert "failed" not in said and "error" not in said
    finally:
        guest.kill()
        guest.wait()
    sides.check_source()


@pytest.mark.ceph
def test_what_cannot_be_cloned_is_said(clusters: Clusters, one: Ceph, sides: Pair) -> None:
    _, source, target, _ = sides
    seen = {name: replace(target, user=name, conf=str(one.conf(name))) for name in CAPS}
    assert method(source, seen["reader"]) == Method("clone")
    found = method(source, seen["stranger"])
    assert found.name == "copy" and "client.stranger cannot read volumes/" in found.why
    with pytest.raises(InputError, match="cannot share"):
        clone(source, seen["stranger"], JOB)
    assert "client.looker may not clone volumes/" in method(source, seen["looker"]).why
    assert method(source, image(clusters.new, SIZE)) == Method("copy")  # another cluster
    assert method(source, file(one.directory, SIZE)) == Method("copy")
    small = target_image(one, "volume-plain", MIB, "--image-feature", "layering")
    assert "deep-flatten" in method(source, small).why
    admin(one, "rbd", "rm", "volumes2/volume-plain")
    small = target_image(one, "volume-small", MIB)
    with pytest.raises(InputError, match="too small"):
        clone(source, small, JOB)
    assert snapshots(one, source) == []
    admin(one, "rbd", "rm", "volumes2/volume-small")
    with pytest.raises(InputError, match="the source and the target"):
        method(source, source)


def by_hand(*arguments: str) -> list[str]:
    return [str(NARU), "volume", *arguments, "--job", JOB, "-f", "json"]


@pytest.mark.ceph
def test_by_hand(sides: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    both = [str(sides.source), str(sides.target)]

    def run(*arguments: str) -> dict[str, object]:
        assert main(["volume", *arguments, "--job", JOB, "-f", "json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    assert run("clone", *both, "--check") == {"way": "clone", "why": ""}
    assert run("clone", *both) == {"way": "clone", "point": "naru-mig-final", "size": LARGER, "shared": SIZE}
    assert run("clone", *both, "--undo")["restored"] == both[1]
    run("clone", *both)
    assert run("flatten", *both)["digest"] == sides.digest
    assert run("flatten", *both) == {"flattened": False, "compared": 0, "digest": ""}
    sides.check_source()


@pytest.mark.ceph
@pytest.mark.kill
@pytest.mark.parametrize("rounds", [2, pytest.param(4, marks=pytest.mark.releases)])
def test_killed_at_random_instants(sides: Pair, rounds: int) -> None:
    """Cloning, flattening and undoing, each killed until it comes through; then all is as if it never was. Ceph
    takes half a minute to believe that a process that was killed with an image open is gone."""
    ceph, source, target, _ = sides
    rng = random.Random(5)
    longest: dict[str, float] = {}
    states, killed = set(), 0

    def run(what: str, patience: float) -> bool:
        """Whether it came through: a process that has loaded all before the clock begins."""
        script = f"""
from naru.volumes.engine.clone import clone, flatten, undo
from naru.volumes.open import parse
both = [parse({str(source)!r}), parse({str(target)!r})]
print(input() or {what}(*both, {JOB!r}), flush=True)
"""
        python = [sys.executable, "-c", script]
        process = subprocess.Popen(python, stdin=-1, stdout=-1, stderr=-1, text=True)
        time.sleep(1.0)
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        try:
            _, said = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            names = [name.replace(target.image, "") for name in shown(ceph, "volumes2").images]
            states.add((what, str(names), str(len(snapshots(ceph, source)))))
            return False
        assert process.returncode == 0, said
        return True

    def until_done(what: str) -> None:
        nonlocal killed
        for _ in range(4 if what in longest else 0):
            if run(what, rng.uniform(0.0, 0.5) * longest[what]):
                break
            killed += 1
        began = time.monotonic()
        assert run(what, 180)
        longest.setdefault(what, time.monotonic() - began - 1.0)

    for _ in range(rounds):
        until_done("clone")
        assert identical(source, target)
        Writer(target, LARGER, seed=13).change(10)
        until_done("undo")
        assert shown(ceph, "volumes2") == Shown([target.image], [])
        sides.check_source()
    for _ in range(rounds - 1):
        until_done("clone")
        until_done("flatten")
        assert identical(source, target) and shown(ceph, "volumes2") == Shown([target.image], [])
        sides.check_source()
    print(killed, *sorted(map(str, states)), sep="\n")
    assert killed >= 3 * rounds - 4 and len(states) >= 2


@pytest.mark.ceph
@pytest.mark.parametrize("noted", [True, False])
def test_objects_that_a_killed_flattening_entered_in_the_map_and_did_not_write(
    sides: Pair, tmp_path: Path, noted: bool
) -> None:
    """librbd itself takes them for there, and what was the parent's is gone: without our note that is told at least."""
    ceph, source, target, digest = sides
    full = target_image(ceph, "full", LARGER)
    with open_volume(full, write=True) as volume:
        buffer = Buffer(BLOCK)
        buffer.view[0] = 1
        for offset in range(0, LARGER, CHUNK):
            volume.write(buffer, 0, offset, BLOCK).wait(no_tick)
    before = info(ceph, target)
    clone(source, target, JOB)
    maps = [f"rbd_object_map.{info(ceph, image)['id']}" for image in (full, target)]
    admin(ceph, "rados", "-p", "volumes2", "get", maps[0], str(tmp_path / "map"))
    admin(ceph, "rados", "-p", "volumes2", "put", maps[1], str(tmp_path / "map"))
    admin(ceph, "rbd", "rm", "volumes2/full")
    if not noted:
        with pytest.raises(VolumeError, match="was not what"):
            flatten(source, target, JOB)
        undo(source, target, JOB)
        return
    with opened_pool(target) as pool:
        pool.note(str(info(ceph, target)["id"]), OBJECT_MAP | FAST_DIFF)
    assert flatten(source, target, JOB).digest == digest
    assert identical(source, target)
    after = info(ceph, target)
    assert (after["features"], after["flags"]) == (before["features"], before["flags"]) and before["flags"] == []


@pytest.mark.ceph
def test_half_way_states(sides: Pair) -> None:
    """What a kill seldom hits: renames with both names, a clone half made, an image half removed."""
    ceph, source, target, digest = sides
    new, empty = f"naru-new-{target.image}", f"naru-empty-{target.image}"

    def both_names(one: str, other: str) -> None:
        admin(ceph, "rados", "-p", "volumes2", "cp", f"rbd_id.{one}", f"rbd_id.{other}")

    half = ceph.directory / "half"
    half.write_bytes(b"\x04\0\0\0beef")
    admin(ceph, "rados", "-p", "volumes2", "put", f"rbd_id.{new}", str(half))
    both_names(target.image, empty)
    clone(source, target, JOB)
    assert identical(source, target)
    both_names(target.image, new)
    assert clone(source, target, JOB).shared == SIZE
    both_names(empty, new)
    undo(source, target, JOB)
    assert shown(ceph, "volumes2") == Shown([target.image], [])
    sides.check_source()

    admin(ceph, "rbd", "clone", "--rbd-default-clone-format", "2", *_snapped(sides), f"volumes2/{new}")
    admin(ceph, "rbd", "trash", "mv", f"volumes2/{new}")
    clone(source, target, JOB)
    admin(ceph, "rbd", "rename", f"volumes2/{target.image}", f"volumes2/{new}")  # killed between the two renames
    with pytest.raises(VolumeError, match="is not cloned yet"):
        flatten(source, target, JOB)
    clone(source, target, JOB)
    admin(ceph, "rbd", "trash", "mv", f"volumes2/{empty}")  # while the flattened one's remains were removed
    done = flatten(source, target, JOB)
    assert done.digest == digest and shown(ceph, "volumes2") == Shown([target.image], [])
    sides.check_source()


@pytest.mark.ceph
def test_a_removal_of_a_point_that_was_killed_is_ended(sides: Pair) -> None:
    """librbd gives a snapshot another name before it removes it: what a kill leaves then keeps Cinder from deleting."""
    ceph, source, target, _ = sides
    admin(ceph, "rbd", "clone", "--rbd-default-clone-format", "2", *_snapped(sides), "volumes2/leftover")
    admin(ceph, "rbd", "snap", "rm", f"volumes/{source.image}@naru-{JOB}-final")
    reader = ["rbd", "-c", str(target.conf), "--id", target.user]
    subprocess.run([*reader, "rm", "volumes2/leftover"], check=True, capture_output=True, timeout=120)
    assert len(snapshots(ceph, source)) == 1  # such a key cannot remove it: as after a kill
    assert clean(source) == []
    sides.check_source()


def _snapped(sides: Pair) -> tuple[str]:
    """The last point of a cloning that was killed, made."""
    name = f"volumes/{sides.source.image}@naru-{JOB}-final"
    admin(sides.ceph, "rbd", "snap", "create", name)
    return (name,)


# -- files


def mounted(tmp_path: Path, script: str) -> str:
    """What a script says that runs beside a small XFS of its own, in a mount namespace that goes with it."""
    if os.geteuid():
        pytest.skip("needs root, to mount")
    start = f"""
truncate -s 400M {tmp_path}/disk && mkfs.xfs -q -m reflink=1 {tmp_path}/disk && mkdir {tmp_path}/share || exit 99
mount -o loop {tmp_path}/disk {tmp_path}/share || exit 99
cd {tmp_path}/share
"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", start + script], capture_output=True, text=True, timeout=120)
    if done.returncode == 99:
        pytest.skip(f"no XFS can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.unit
@pytest.mark.parametrize("kind", ("raw", "qcow2"))
def test_files_become_reflinks(tmp_path: Path, kind: str) -> None:
    prefix = "file" if kind == "raw" else "qcow2"
    both = f"{prefix}:$PWD/volume-1 {prefix}:$PWD/volume-2"
    said = mounted(
        tmp_path,
        f"""
set -e
qemu-img create -q -f {kind} volume-1 64M
qemu-io -f {kind} -c "write -P 7 0 20M" volume-1 >/dev/null
qemu-img create -q -f {kind} volume-2 96M
chmod 640 volume-2
sum=$(sha256sum volume-1)
{NARU} volume clone {both} --check -f json -c way
{NARU} volume clone {both} -f json
echo left > naru-new-volume-2
{NARU} volume clone {both} -f json >/dev/null
stat -c %a volume-2
qemu-img compare -f {kind} -F {kind} volume-1 volume-2
qemu-io -f {kind} -c "write -P 9 0 1M" volume-2 >/dev/null
test "$sum" = "$(sha256sum volume-1)"
{NARU} volume flatten {both} -f json
{NARU} volume clone {both} --undo >/dev/null
ls
""",
    )
    assert '"reflink"' in said and "identical" in said and "\n640\n" in said
    assert f'"size": {96 * MIB}' in said and f'"shared": {64 * MIB}' in said
    assert said.endswith("volume-1\nvolume-2\n")


@pytest.mark.unit
def test_files_that_cannot_are_copied(tmp_path: Path) -> None:
    source, target = file(tmp_path, SIZE), file(tmp_path, SIZE)
    Writer(source, SIZE).change(5)
    found = method(source, target)
    if found.name == "copy":  # what holds the tests' directories has no reflinks
        assert found.why == "its file system has no reflinks"
        with pytest.raises(InputError, match="no reflinks"):
            clone(source, target, JOB)
        copy(source, target, tmp_path / "state")
    else:
        clone(source, target, JOB)
    assert identical(source, target)
    assert flatten(source, target, JOB) == (False, 0, "")
    undo(source, target, JOB)
    assert identical(source, target)
    assert "the other qcow2" in method(source, file(tmp_path, SIZE, "qcow2")).why
    upper = tmp_path / "upper"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", tmp_path / "base", "64M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", tmp_path / "base", "-F", "raw", upper], check=True)
    assert "backing file" in method(File(str(upper), "qcow2"), file(tmp_path, SIZE, "qcow2")).why
    with NamedTemporaryFile(dir="/dev/shm") as elsewhere:
        elsewhere.truncate(SIZE)
        assert method(source, File(elsewhere.name)) == Method("copy")
    with open_volume(target) as volume:
        assert volume.size() == SIZE
