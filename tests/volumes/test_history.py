"""The history of a volume: Cinder's snapshots carried one after the other, each with the content that it has, killed at
any instant; later passes go on from the last of them."""

import json
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.errors import InputError
from naru.lab.ceph import Ceph
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import Control
from naru.volumes.engine import copy as copies
from naru.volumes.engine import passes, points
from naru.volumes.engine.copy import copy
from naru.volumes.engine.points import clean
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import open_volume
from naru.volumes.volume import OTHER, Volume
from tests.cloud.service import Handler, clouds_yaml, serving, usual

from ..processes import started
from .conftest import MIB, Clusters, Writer, file, identical, image, rbd_tool
from .memory import MemoryVolume
from .test_passes import CHANGES, SIZE, Killed, change, killed_after

LARGE = 64 * MIB
NARU = Path(sys.executable).with_name("naru")


# -- the engine, in memory

TURN = st.tuples(
    CHANGES,
    st.sampled_from(["nothing", "snapshot", "snapshot", "delete"]),  # what a user does
    st.integers(0, 5),  # which snapshot is carried next, if there are so many; else what is there now
    st.lists(st.integers(0, 12), max_size=2),  # when it is killed; an odd one is not gone on with
)


@pytest.mark.unit
@settings(max_examples=60)
@given(turns=st.lists(TURN, min_size=1, max_size=6))
def test_a_pass_ends_at_what_it_was_asked_for(turns: Any) -> None:
    """In whatever order snapshots are made, deleted and carried, and whatever was killed and given up before."""
    sides = {"/old": MemoryVolume(SIZE), "/new": MemoryVolume(SIZE)}
    source, target = sides["/old"], sides["/new"]

    @contextmanager
    def opening(location: File, *, point: str = "", write: bool = False) -> Iterator[Volume]:
        volume = sides[location.path]
        yield volume.at(point) if point else volume

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(passes, "AHEAD", 1)
        for module in (copies, points):
            patch.setattr(module, "open_volume", opening)
        for seed, (changes, user, which, kills) in enumerate(turns):
            change(source, changes, seed)
            theirs = [name for name in source.frozen if name.startswith(OTHER)]
            if user == "snapshot":
                source.point(f"{OTHER}{seed}")
            elif user == "delete" and theirs:
                source.clean(theirs[seed % len(theirs)])
            theirs = [name for name in source.frozen if name.startswith(OTHER)]
            at = theirs[which] if which < len(theirs) else ""
            given_up = False
            for count in (*kills, None):
                control = Control(check=killed_after(count)) if count is not None else Control()
                try:
                    done = copy(File("/old"), File("/new"), Path(directory), at="" if given_up else at, control=control)
                except Killed:
                    given_up = given_up or count % 2 == 1
                    continue
                assert done.point == at or given_up or not at
                assert target.content == source.frozen[done.point]
                if not at or given_up:
                    assert target.content == source.content
                break
            assert {name for name in source.frozen if name.startswith(OTHER)} == set(theirs)


# -- between real clusters


def snap(cluster: Ceph, where: Rbd, name: str) -> None:
    rbd_tool(cluster, "snap", "create", f"volumes/{where.image}@{name}")


def content(cluster: Ceph, where: Rbd, snapshot: str = "", length: int = 0) -> str:
    """Ceph's own tool reads the image, or its snapshot; the digest of the first `length` bytes."""
    at = f"@{snapshot}" if snapshot else ""
    rbd = f"rbd -c {cluster.conf('cinder')} --id cinder export --no-progress volumes/{where.image}{at} -"
    command = f"{rbd} | {f'head -c {length} |' if length else ''} sha256sum"
    return subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True, timeout=120).stdout


class History(NamedTuple):
    source: Rbd
    snapshots: list[str]
    writer: Writer


def history(cluster: Ceph, count: int = 3, size: int = LARGE) -> History:
    """A volume with `count` snapshots as Cinder makes them, and changes after each."""
    source = image(cluster, size)
    writer = Writer(source, size)
    ids = [str(uuid.uuid4()) for _ in range(count)]
    for identity in ids:
        writer.change(25)
        snap(cluster, source, f"snapshot-{identity}")
    writer.change(10, 64 << 10)
    return History(source, ids, writer)


@pytest.mark.ceph
def test_each_snapshot_and_then_what_came_after(clusters: Clusters, tmp_path: Path) -> None:
    source, ids, writer = history(clusters.old)
    target, state = image(clusters.new, LARGE), tmp_path / "state"
    Writer(target, LARGE, 8).change(5)  # what is there already is of no account
    for number, identity in enumerate(ids):
        name = f"snapshot-{identity}"
        done = copy(source, target, state, job="mig", at=f"{OTHER}{name}")
        assert (done.point, done.since) == (f"{OTHER}{name}", f"{OTHER}snapshot-{ids[number - 1]}" if number else "")
        found = verify(source, target, point=done.point, changed=True, directory=state)
        assert found.equal and bool(found.since) == (number > 0)
        snap(clusters.new, target, name)
        if number:  # 25 changes of at most 1 MiB, in whole blocks
            assert done.written + done.zeroed < LARGE // 2
    first = copy(source, target, state)
    assert first.since == f"{OTHER}snapshot-{ids[-1]}" and first.point == "mig-4"
    assert first.read + first.zeroed <= 10 * (4 << 20) and first.written + first.zeroed <= 10 * (192 << 10)
    found = verify(source, target, point=first.point, changed=True, directory=state)
    assert found.equal and found.since == first.since
    for name in ("", *(f"snapshot-{identity}" for identity in ids)):
        assert content(clusters.old, source, name) == content(clusters.new, target, name)
    writer.change(5, 64 << 10)
    assert copy(source, target, state).since == "mig-4"
    assert identical(source, target)
    assert clean(source) == ["mig-4", "mig-5"]  # both sides were last found equal at the first
    with open_volume(source) as opened:
        assert [point.name for point in opened.points(every=True)] == [f"{OTHER}snapshot-{one}" for one in ids]


@pytest.mark.ceph
def test_in_any_order_and_with_snapshots_that_are_gone(clusters: Clusters, tmp_path: Path) -> None:
    source, ids, writer = history(clusters.old)
    target, state = image(clusters.new, LARGE), tmp_path / "state"
    names = [f"snapshot-{identity}" for identity in ids]
    for name in (names[1], names[0], names[0], names[2]):  # backwards, and the same again
        done = copy(source, target, state, at=f"{OTHER}{name}")
        assert verify(source, target, point=done.point, changed=True, directory=state).equal
        assert content(clusters.old, source, name) == content(clusters.new, target)
    for name in names:
        rbd_tool(clusters.old, "snap", "rm", f"volumes/{source.image}@{name}")
    with pytest.raises(InputError, match=f"no point {names[0]}"):
        copy(source, target, state, at=f"{OTHER}{names[0]}")
    writer.change(3)
    assert copy(source, target, state).since == ""
    assert identical(source, target)


@pytest.mark.ceph
def test_a_volume_that_was_extended_between_its_snapshots(clusters: Clusters, tmp_path: Path) -> None:
    source, (first, second), _ = history(clusters.old, 2, LARGE // 2)
    rbd_tool(clusters.old, "resize", f"volumes/{source.image}", "--size", f"{LARGE}B")
    Writer(source, LARGE, 5).change(30)
    snap(clusters.old, source, "snapshot-last")
    target, state = image(clusters.new, LARGE), tmp_path / "state"
    sizes = {f"snapshot-{first}": LARGE // 2, f"snapshot-{second}": LARGE // 2, "snapshot-last": LARGE}
    for name, size in sizes.items():
        done = copy(source, target, state, at=f"{OTHER}{name}")
        assert verify(source, target, point=done.point, changed=True, directory=state).equal
        assert content(clusters.old, source, name) == content(clusters.new, target, "", size)
        with open_volume(target) as opened:
            assert all(extent.end <= size or extent.zero for extent in opened.ranges(0, LARGE))


@pytest.mark.ceph
def test_what_has_no_points_has_no_history(clusters: Clusters, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no point snapshot-x"):
        copy(file(tmp_path, MIB), image(clusters.new, MIB), tmp_path / "state", at=f"{OTHER}snapshot-x")


# -- the steps, with a Cinder that makes snapshots in the new cluster


class Cinder:
    """Says of every volume that it is on Ceph; of the new one it makes snapshots, which takes it a moment."""

    def __init__(self, clusters: Clusters, target: Rbd) -> None:
        self.clusters, self.target = clusters, target
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.random = random.Random(5)
        self.made = 0

    def __call__(self, request: Handler) -> None:
        url = urlsplit(request.path)
        parts = url.path.removeprefix("/volume/v3/").split("/")
        if parts[0] not in ("volumes", "snapshots"):
            usual(request)
        elif parts[0] == "volumes":
            request.answer(200, {"volume": {"id": parts[1], "os-vol-host-attr:host": "host@ceph#ceph"}})
        elif request.command == "POST":
            body = {"id": str(uuid.uuid4()), "status": "available", **json.loads(request.body)["snapshot"]}
            time.sleep(self.random.uniform(0, 0.4))
            snap(self.clusters.new, self.target, f"snapshot-{body['id']}")
            self.snapshots[body["id"]] = body
            self.made += 1
            request.answer(202, {"snapshot": body})
        elif parts[1] == "detail":
            (volume,) = parse_qs(url.query)["volume_id"]
            request.answer(200, {"snapshots": [one for one in self.snapshots.values() if one["volume_id"] == volume]})
        elif request.command == "DELETE":
            if self.snapshots.pop(parts[1], None):
                rbd_tool(self.clusters.new, "snap", "rm", f"volumes/{self.target.image}@snapshot-{parts[1]}")
            request.answer(202)
        else:
            found = self.snapshots.get(parts[1])
            request.answer(200 if found else 404, {"snapshot": found} if found else {})


def planned(work: Path, source: Rbd, target: Rbd, ids: list[str]) -> None:
    """A plan of one step for each snapshot, and one for what came after."""
    storages = []
    for where in (source, target):
        backend = {"kind": "rbd", "pool": where.pool, "conf": where.conf, "user": where.user}
        storages.append(f"{work}-{where.image}.yaml")
        Path(storages[-1]).write_text(json.dumps({"naru_backends": 1, "backends": {"ceph": backend}}))
    old, new = (where.image.removeprefix("volume-") for where in (source, target))
    way = {"cloud": "c", "old": "c", "from": old, "to": new, "size": LARGE, "storage": storages}
    way["directory"] = str(work / "volumes" / "old")
    plan = Plan(title="history", modules=["naru.move.steps"], limits={"copies": 1}, settings={})
    before: list[str] = []
    for identity in ids:
        bears = f"naru:{identity}"
        args = {
            **{"cloud": "c", "service": "block-storage", "path": "/snapshots", "wrap": "snapshot", "gone": True},
            "body": {"volume_id": new, "name": identity, "metadata": {"naru": bears}, "force": True},
            "find": {
                "path": f"/snapshots/detail?volume_id={new}",
                "collection": "snapshots",
                "where": {"metadata.naru": bears},
            },
            "wait": {"field": "status", "until": ["available"], "fail": ["error"]},
            "carry": {**way, "snapshot": identity},
        }
        plan.add(Step(f"snapshot/{identity}", "move.snapshot", args, limits=("copies",)), after=before)
        before = [f"snapshot/{identity}"]
    plan.add(Step("content", "move.content", way, limits=("copies",)), after=before)
    Journal.create(work, plan).close()


class Scene(NamedTuple):
    """A plan about a volume with a history, and the clouds that it is run on."""

    clusters: Clusters
    source: Rbd
    target: Rbd
    ids: list[str]
    work: Path
    cinder: Cinder
    random: random.Random

    def run(self, *arguments: str, seconds: float = 240.0) -> tuple[int, str]:
        """The code and the words of `naru plan`, which is killed after so many seconds; then the code is -9."""
        command, *rest = arguments
        process = subprocess.Popen(
            [NARU, "-q", "plan", command, "--work", str(self.work), *rest],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            told, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            told, _ = process.communicate()
        return process.returncode, told

    def check(self, names: list[str]) -> None:
        """Each snapshot on the new side, also one that a service made twice, is what it is on the old one."""
        assert {one["name"] for one in self.cinder.snapshots.values()} == set(names)
        for one in self.cinder.snapshots.values():
            was = content(self.clusters.old, self.source, f"snapshot-{one['name']}")
            assert content(self.clusters.new, self.target, f"snapshot-{one['id']}") == was


@pytest.fixture
def scene(clusters: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    source, ids, _ = history(clusters.old)
    target, work = image(clusters.new, LARGE), tmp_path / "work"
    planned(work, source, target, ids)
    (work / "rate").write_text("16000000\n")
    with serving() as server:
        server.usual = cinder = Cinder(clusters, target)
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml(tmp_path, server))
        yield Scene(clusters, source, target, ids, work, cinder, random.Random(7))


@pytest.mark.ceph
@pytest.mark.kill
def test_steps_killed_at_random_instants(scene: Scene) -> None:
    kills = 0
    while (done := scene.run("run", seconds=scene.random.uniform(1.0, 8.0) if kills < 8 else 240))[0] < 0:
        kills += 1
    assert done[0] == 0, done[1]
    assert kills >= 4
    scene.check(scene.ids)
    assert identical(scene.source, scene.target)


@pytest.mark.ceph
@pytest.mark.kill
def test_rolled_back_in_the_middle(scene: Scene) -> None:
    with started([NARU, "-q", "plan", "run", str(scene.work)], stdout=subprocess.DEVNULL) as process:
        while not scene.cinder.made and process.poll() is None:
            time.sleep(0.1)
        time.sleep(scene.random.uniform(0, 3))
        process.kill()
    code, told = scene.run("rollback")
    assert code == 0, told
    assert not scene.cinder.snapshots
    with open_volume(scene.source) as opened:
        theirs = [point.name for point in opened.points(every=True) if point.name.startswith(OTHER)]
    assert theirs == [f"{OTHER}snapshot-{identity}" for identity in scene.ids]


@pytest.mark.ceph
def test_a_snapshot_that_was_left_is_not_made_over_later_content(scene: Scene) -> None:
    """As an operator may try long after the cut-over, when the volume is in use."""
    (scene.work / "rate").unlink()
    first, *others = scene.ids
    rbd_tool(
        scene.clusters.old,
        "snap",
        "rename",
        f"volumes/{scene.source.image}@snapshot-{first}",
        f"volumes/{scene.source.image}@away",
    )
    code, told = scene.run("run")
    assert code == 1 and f"has no snapshot {first}" in scene.run("status")[1] + told
    assert scene.run("skip", f"snapshot/{first}", "--reason", "it is gone")[0] == 0
    assert scene.run("run")[0] == 0
    scene.check(others)
    rbd_tool(
        scene.clusters.old,
        "snap",
        "rename",
        f"volumes/{scene.source.image}@away",
        f"volumes/{scene.source.image}@snapshot-{first}",
    )
    assert scene.run("retry", f"snapshot/{first}")[0] == 0
    code, told = scene.run("run")
    assert code == 1 and "has later content" in scene.run("status")[1] + told
    scene.check(others)
    assert identical(scene.source, scene.target)
