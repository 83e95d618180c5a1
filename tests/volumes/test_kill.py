"""Copies killed at random instants: they go on, and are never wrong and called right, by qemu-img's comparison.

At least 12 are killed here in a usual run, and 100 more in the long one (`releases`); besides them 4 of a move's steps
(test_history.py) and those of a cloning (test_clone.py), with the real clouds in tests/move on top. The engine alone
is stopped at any of its steps by some thousand generated sequences (test_passes.py).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naru.volumes.blocks import Buffer
from naru.volumes.control import no_tick
from naru.volumes.engine.copy import copy
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import open_volume
from naru.volumes.volume import Location

from .conftest import MIB, Clusters, Make, Writer, identical, image, rbd_tool

SIZE = 64 * MIB
NARU = Path(sys.executable).with_name("naru")


def start(source: Location, target: Location, work: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [NARU, "volume", "copy", str(source), str(target), "--work", str(work), "-f", "json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


PAIRS = [("rbd:old", "rbd:new"), ("raw", "qcow2"), ("qcow2", "raw")]
MORE = [("rbd:old", "rbd:new"), ("rbd:old", "raw"), ("raw", "rbd:new"), ("qcow2", "raw")]


@pytest.mark.ceph
@pytest.mark.kill
@pytest.mark.parametrize(
    ("source_kind", "target_kind", "kills"),
    [*((*pair, 4) for pair in PAIRS), *(pytest.param(*pair, 25, marks=pytest.mark.releases) for pair in MORE)],
)
def test_killed_at_random_instants(
    volume: Make, tmp_path: Path, source_kind: str, target_kind: str, kills: int
) -> None:
    """Passes until so many were killed, four at least, with a writer between them."""
    source, target = volume(source_kind, SIZE), volume(target_kind, SIZE)
    writer, rng = Writer(source, SIZE), random.Random(4)
    began = time.monotonic()
    subprocess.run([NARU, "volume", "copy", "--help"], stdout=subprocess.DEVNULL, check=True)
    started = time.monotonic() - began  # which takes its time on a busy machine
    killed = resumed = passes = 0
    while passes < 4 or killed < kills or not resumed:
        writer.change(40)
        passes += 1
        while True:
            process = start(source, target, tmp_path / "work", "--job", "mig", "--rate", "16M")
            try:
                output, said = process.communicate(timeout=started * rng.uniform(0.5, 1.5) + rng.uniform(0.0, 1.5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
                if killed % 7:
                    continue
                process = start(source, target, tmp_path / "work", "--job", "mig")
                output, said = process.communicate(timeout=120)
            assert process.returncode == 0, said
            resumed += json.loads(output)["resumed"]
            break
        assert identical(source, target)
    with open_volume(source) as opened:
        assert len(opened.points()) == opened.exact
    assert not any(b"qemu-nbd" in command and str(tmp_path).encode() in command for command in commands())


def commands() -> list[bytes]:
    """The command lines of all processes, those that are ending given a moment."""
    time.sleep(1)
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                found.append((process / "cmdline").read_bytes())
            except OSError:
                continue  # it has ended since
    return found


@pytest.mark.unit
def test_interrupted_it_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    source, target = File(str(tmp_path / "a")), File(str(tmp_path / "b"))
    for path in (source.path, target.path):
        with Path(path).open("wb") as file:
            file.truncate(SIZE)
    with Path(source.path).open("r+b") as file:
        file.write(os.urandom(32 * MIB))
    process = start(source, target, tmp_path, "--rate", "8M")
    while process.poll() is None and not list(tmp_path.glob("volumes/*/state.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=300)
    assert (process.returncode, output) == (130, "")
    assert "the same command goes on" in said and "Traceback" not in said
    again = start(source, target, tmp_path)
    output, said = again.communicate(timeout=300)
    assert json.loads(output)["resumed"]
    subprocess.run(["cmp", source.path, target.path], check=True)


@pytest.mark.ceph
def test_verification_never_calls_a_wrong_volume_right(clusters: Clusters, tmp_path: Path) -> None:
    """One bit, anywhere: in data, in a hole, in the last sector."""
    source, target = image(clusters.old, SIZE), image(clusters.new, SIZE)
    Writer(source, SIZE).change(30)
    done = copy(source, target, tmp_path / "state")
    rng = random.Random(3)
    for offset in (0, SIZE - 512, *(rng.randrange(0, SIZE, 512) for _ in range(6))):
        with open_volume(target, write=True) as opened:
            buffer = Buffer(4096)
            opened.read(buffer, 0, offset, 512).wait(no_tick)
            buffer.view[7] ^= 1
            opened.write(buffer, 0, offset, 512).wait(no_tick)
        found = verify(source, target, point=done.point)
        assert not found.equal and len(found.different) == 1
        assert found.different[0].offset <= offset < found.different[0].end
        assert verify(source, target, point=done.point, repair=True).repaired
    assert identical(source, target)
    rbd_tool(clusters.new, "info", f"volumes/{target.image}")
