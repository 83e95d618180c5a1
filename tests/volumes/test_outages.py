"""Ceph failing under a copy: daemons killed and started again, daemons that do not come back or do not answer, pools
and a cluster that are full. A copy goes on by itself, or ends in one message within a known time, and the same command
goes on. A daemon that is stopped (SIGSTOP) is what a client sees of a network that is cut: no answers, no errors.

Every cluster is well again at the end of each test.
"""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.lab.ceph import Ceph
from naru.move.steps.copying import copy_and_compare
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import Control
from naru.volumes.engine.copy import copy
from naru.volumes.open import open_volume
from naru.volumes.volume import VolumeError

from ..outages import restored, send, until, without_room
from .conftest import MIB, Clusters, Writer, identical, image, rbd_tool
from .test_faults import one_message
from .test_kill import start

pytestmark = pytest.mark.ceph

SIZE = 64 * MIB
SHORT = 2
"""Seconds of each time-out in the ceph.conf of a test that waits for them; the order of things is as with the usual."""
Fail = Callable[[Ceph, str, signal.Signals], None]


@pytest.fixture
def sides(clusters: Clusters) -> tuple[Rbd, Rbd]:
    """A source with 35 MiB or so in it, and a target."""
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    for seed in range(3):
        Writer(source, SIZE, seed).change(120)
    return source, target


@pytest.fixture
def fail(clusters: Clusters) -> Iterator[Fail]:
    """Sends a daemon a signal. At the end those that had one are started anew."""
    failed: list[Ceph] = []

    def failing(cluster: Ceph, daemon: str, number: signal.Signals) -> None:
        failed.append(cluster)
        send(cluster, daemon, number)

    yield failing
    for cluster in failed:
        restored(cluster)


def impatient(location: Rbd) -> Rbd:
    """The same volume by a ceph.conf with short time-outs."""
    usual = Path(location.conf)
    short = usual.with_suffix(".short")
    kept = [line for line in usual.read_text().splitlines() if "timeout" not in line]
    names = ("rados osd op timeout", "rados mon op timeout", "client mount timeout")
    short.write_text("\n".join([*kept, *(f"{name} = {SHORT}" for name in names), ""]))
    return replace(location, conf=str(short))


def plain(clusters: Clusters, source: Rbd) -> tuple[Rbd, Rbd]:
    """The source with a target without exclusive lock: whoever had that has to be waited for, for 30 seconds."""
    return source, image(clusters.new, SIZE, "--image-feature", "layering")


def under_way(work: Path) -> bool:
    """Whether a copy has said what it is about to write."""
    return any(json.loads(state.read_text())["running"]["limit"] for state in work.glob("volumes/*/state.json"))


def test_daemons_killed_and_started_again(
    clusters: Clusters, sides: tuple[Rbd, Rbd], tmp_path: Path, fail: Fail
) -> None:
    process = start(*sides, tmp_path, "--rate", "2500K")
    until(lambda: under_way(tmp_path))
    for daemon in ("ceph-osd", "ceph-mon"):
        for cluster in clusters:
            assert process.poll() is None
            fail(cluster, daemon, signal.SIGKILL)
            time.sleep(0.7)
            restored(cluster)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert identical(*sides)


@pytest.mark.parametrize(
    ("which", "daemon", "number"),
    [
        pytest.param("new", "ceph-osd", signal.SIGSTOP, marks=pytest.mark.releases),
        ("old", "ceph-osd", signal.SIGKILL),
        ("new", "ceph-mon", signal.SIGSTOP),
    ],
)
def test_a_daemon_that_stays_away(
    clusters: Clusters,
    sides: tuple[Rbd, Rbd],
    tmp_path: Path,
    fail: Fail,
    which: str,
    daemon: str,
    number: signal.Signals,
) -> None:
    cluster = getattr(clusters, which)
    source, target = map(impatient, sides)
    if daemon == "ceph-mon":  # a copy that is under way needs it no more
        fail(cluster, daemon, number)
    process = start(source, target, tmp_path, "--rate", "8M")
    if daemon == "ceph-osd":
        until(lambda: under_way(tmp_path))
        time.sleep(0.5)
        fail(cluster, daemon, number)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert cluster.conf("cinder").stem in one_message(said) and "did not answer in time" in said
    restored(cluster)
    again = start(source, target, tmp_path)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert identical(*sides)


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_while_nothing_answers(
    clusters: Clusters, sides: tuple[Rbd, Rbd], tmp_path: Path, fail: Fail, times: int
) -> None:
    """Once: in order, within the time-outs. Twice: at once, whatever they are."""
    sides = plain(clusters, sides[0])
    source, target = map(impatient, sides) if times == 1 else sides
    process = start(source, target, tmp_path, "--rate", "8M")
    until(lambda: under_way(tmp_path))
    time.sleep(0.5)
    fail(clusters.new, "ceph-osd", signal.SIGSTOP)
    time.sleep(0.5)
    for number in (signal.SIGTERM, signal.SIGINT)[:times]:
        process.send_signal(number)
        time.sleep(0.5)
    _, said = process.communicate(timeout=60 if times == 1 else 10)
    assert process.returncode == 130
    assert "the same command goes on" in one_message(said)
    restored(clusters.new)
    assert copy(source, target, next(tmp_path.glob("volumes/*"))).resumed
    assert identical(*sides)


def test_a_step_of_a_move_goes_on(clusters: Clusters, sides: tuple[Rbd, Rbd], tmp_path: Path, fail: Fail) -> None:
    """What the executor calls again in one process after a failure."""
    sides = plain(clusters, sides[0])
    source, target = map(impatient, sides)
    failed: list[int] = []

    def progress(done: int, _: int | None) -> None:
        if done > 4 * MIB and not failed:
            failed.append(done)
            fail(clusters.new, "ceph-osd", signal.SIGKILL)

    control = Control(progress=progress)
    with pytest.raises(NaruError, match="did not answer in time"):
        copy_and_compare(source, target, tmp_path, job="mig", ahead=True, whole=False, control=control)
    restored(clusters.new)
    _, verdict = copy_and_compare(source, target, tmp_path, job="mig", ahead=False, whole=False, control=control)
    assert verdict.equal and identical(*sides)


def test_pools_that_become_full(clusters: Clusters, sides: tuple[Rbd, Rbd], tmp_path: Path) -> None:
    """Told at once: by default Ceph waits with a write for ever. What it may not do meanwhile is to leave the target's
    object map invalid, or the source with a snapshot that has none and cannot be opened."""
    source, target = sides
    process = start(source, target, tmp_path, "--rate", "8M")
    until(lambda: under_way(tmp_path))
    process.send_signal(signal.SIGSTOP)  # it is the monitor that takes its time
    with without_room(*clusters):
        process.send_signal(signal.SIGCONT)
        for again in (True, False):
            _, said = process.communicate(timeout=300)
            assert process.returncode == 1
            assert str(target) in one_message(said)
            assert "Disk quota exceeded" in said and "the same command goes on" in said
            if again:
                process = start(source, target, tmp_path)
        with pytest.raises(VolumeError, match=r"no snapshot naru-.* can be made") as raised:
            copy(source, target, tmp_path / "other")
        assert "quota" in raised.value.detail
    for directory in (next(tmp_path.glob("volumes/*")), tmp_path / "other"):
        assert copy(source, target, directory).resumed
        assert identical(source, target)
    assert "invalid" not in rbd_tool(clusters.new, "info", f"volumes/{target.image}")


def test_a_snapshot_without_its_object_map_is_made_again(
    clusters: Clusters, sides: tuple[Rbd, Rbd], tmp_path: Path
) -> None:
    """As one is left by a process that was killed while it made it, which librbd cannot open."""
    source, target = sides
    stop = Control(check=_interrupt)
    with pytest.raises(KeyboardInterrupt):
        copy(source, target, tmp_path, job="mig", settle=1, control=stop)
    with open_volume(source) as opened:
        assert [point.name for point in opened.points()] == ["mig-1"]
        identity = opened.identity().rpartition("/")[2]
    number = rbd_tool(clusters.old, "snap", "ls", f"volumes/{source.image}").splitlines()[1].split()[0]
    name = f"rbd_object_map.{identity}.{int(number):016x}"
    subprocess.run(
        ["rados", "-c", str(clusters.old.conf("admin")), "-p", "volumes", "rm", name], check=True, timeout=60
    )
    assert copy(source, target, tmp_path).resumed
    assert identical(source, target)


def _interrupt() -> None:
    raise KeyboardInterrupt
