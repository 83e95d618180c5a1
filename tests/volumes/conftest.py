"""Two real Ceph clusters, made once for all tests here, and volumes of every kind that tests ask for."""

import itertools
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from naru.lab.ceph import Ceph
from naru.lab.ports import PER_CLOUD, Ports
from naru.lab.process import Processes
from naru.volumes.ceph.location import Rbd
from naru.volumes.files.location import File
from naru.volumes.volume import Location

PORT_BASE = int(os.environ.get("NARU_TEST_CEPH_PORTS", "23000"))  # another for a run beside another run
MIB = 1 << 20
_numbers = itertools.count(1)


class Clusters(NamedTuple):
    old: Ceph
    new: Ceph


@pytest.fixture(scope="package")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    """Two clusters of 8 GiB; nothing of them may be left at the end."""
    if not shutil.which("ceph-osd"):
        pytest.skip("Ceph is not installed: naru lab deps --install")
    directory = tmp_path_factory.mktemp("clusters")
    made = Clusters(*(cluster_in(directory / name, number) for number, name in enumerate(Clusters._fields)))
    try:
        for cluster in made:
            cluster.start()
        for cluster in made:
            cluster.ready()
        yield made
    finally:
        for cluster in made:
            cluster.stop()
        shutil.rmtree(directory)
    assert [cluster.processes.tree() for cluster in made] == [{}, {}]


def cluster_in(directory: Path, number: int, size: int = 8 << 30) -> Ceph:
    processes = Processes(directory, f"test:{directory}")
    return Ceph(directory / "ceph", processes, Ports(PORT_BASE + number * PER_CLOUD), size=size)


def rbd_tool(cluster: Ceph, *arguments: str | Path) -> str:
    """Ceph's own command line, as client.cinder."""
    command = ["rbd", "-c", str(cluster.conf("cinder")), "--id", "cinder", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def rados(cluster: Ceph, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Ceph's own command line, in the pool of volumes."""
    command = ["rados", "-c", str(cluster.conf("cinder")), "--id", "cinder", "-p", "volumes", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def image(cluster: Ceph, size: int, *options: str) -> Rbd:
    """A new empty image of `size` bytes."""
    name = f"volume-{next(_numbers)}"
    rbd_tool(cluster, "create", f"volumes/{name}", "--size", f"{size}B", *options)
    return Rbd("volumes", name, str(cluster.conf("cinder")), "cinder")


def file(directory: Path, size: int, kind: str = "raw") -> File:
    """A new empty file of `size` bytes."""
    path = directory / f"{kind}-{next(_numbers)}"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, str(path), str(size)], check=True)
    return File(str(path), kind)


def url(location: Location) -> list[str]:
    """A location as qemu's tools take it: format and name."""
    if isinstance(location, Rbd):
        return ["raw", f"rbd:{location.pool}/{location.image}:conf={location.conf}:id={location.user}"]
    return [location.format, location.path]


def identical(one: Location, other: Location) -> bool:
    """What qemu-img, which knows nothing of us, says of both contents. Sizes count only where data is."""
    (kind, name), (other_kind, other_name) = url(one), url(other)
    done = subprocess.run(
        ["qemu-img", "compare", "-U", "-f", kind, "-F", other_kind, name, other_name], capture_output=True, timeout=300
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


class Writer:
    """Changes a volume from outside, by qemu-io, as a guest would: random pieces, discards among them."""

    def __init__(self, location: Location, size: int, seed: int = 1) -> None:
        self.location, self.size, self.random = location, size, random.Random(seed)

    def commands(self, count: int, longest: int = MIB) -> list[str]:
        """`count` changes in qemu-io's language."""
        found = []
        for _ in range(count):
            length = self.random.randrange(512, longest, 512)
            offset = self.random.randrange(0, self.size - length, 512)
            kind = self.random.choice(["write", "write", "write", "discard", "write -z"])
            pattern = f"-P {self.random.randrange(1, 256)} " if kind == "write" else ""
            found.append(f"{kind} {pattern}{offset} {length}")
        return found

    def change(self, count: int, longest: int = MIB) -> None:
        """Makes `count` changes and flushes them."""
        kind, name = url(self.location)
        arguments = [part for command in [*self.commands(count, longest), "flush"] for part in ("-c", command)]
        done = subprocess.run(
            ["qemu-io", "-d", "unmap", "-f", kind, *arguments, name], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0 and "failed" not in done.stdout, done.stdout[-500:] + done.stderr[-500:]


def spoil(location: Location, offset: int) -> None:
    """Writes a sector that nothing else writes, from outside."""
    kind, name = url(location)
    subprocess.run(["qemu-io", "-f", kind, "-c", f"write -P 0xee {offset} 512", name], check=True, capture_output=True)


Make = Callable[[str, int], Location]


@pytest.fixture
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes a volume: kind `rbd:old`, `rbd:new`, `raw`, `qcow2`, and its size in bytes."""

    def make(kind: str, size: int) -> Location:
        if kind.startswith("rbd:"):
            return image(getattr(request.getfixturevalue("clusters"), kind[4:]), size)
        return file(tmp_path, size, kind)

    return make
