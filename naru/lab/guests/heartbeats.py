"""What a guest has written to its disk, read from outside: at the storage backend, without the guest's help.

`/marker.log` on the guest's second partition has the lines `boot N`, `hb N 1`, `hb N 2`, ... once a second, and `off N`
when the power button was pressed; N counts the boots. Every line is on the disk before the next one is written.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naru.errors import NaruError
from naru.lab.cloud import Cloud
from naru.lab.guests.image import DATA_SIZE, DATA_START, MIB


@dataclass(frozen=True)
class Heartbeats:
    """The lines of one guest's marker, oldest first."""

    lines: tuple[str, ...]

    @property
    def boots(self) -> list[int]:
        """The boots in their order."""
        return [int(line.split()[1]) for line in self.lines if line.startswith("boot ")]

    def of(self, boot: int) -> list[int]:
        """The heartbeats of one boot: 1, 2, 3, ... when none was lost."""
        words = [line.split() for line in self.lines]
        return [int(number) for kind, found, number in (word for word in words if len(word) == 3) if int(found) == boot]

    def gaps(self) -> list[str]:
        """Everything that a guest which lost nothing would not show; empty for a good one."""
        found = []
        if self.boots != list(range(1, len(self.boots) + 1)):
            found.append(f"boots {self.boots}")
        for boot in self.boots:
            beats = self.of(boot)
            if beats != list(range(1, len(beats) + 1)):
                found.append(f"heartbeats of boot {boot}: {beats}")
        return found


def read(source: str) -> Heartbeats:
    """Reads an image by qemu's name of it: a path (raw or qcow2, in use or not), a device, or `rbd:pool/image:...`."""
    with tempfile.TemporaryDirectory(prefix="heartbeats-") as work:
        copy = Path(work) / "head"
        count = (DATA_START + DATA_SIZE) // MIB
        _run("qemu-img", "dd", "-U", "-O", "raw", "bs=1M", f"count={count}", f"if={source}", f"of={copy}")
        text = _run("debugfs", "-R", "cat /marker.log", f"{copy}?offset={DATA_START}")
    return Heartbeats(tuple(text.splitlines()))


def of_volume(cloud: Cloud, volume: str) -> Heartbeats:
    """Reads a volume of the cloud, by its id, on whichever backend it is; its server may be running."""
    file = cloud.nfs_export / f"volume-{volume}"
    if file.exists():
        return read(str(file))
    with _snapshot(cloud, f"volumes/volume-{volume}") as name:
        return read(f"rbd:{name}:id=admin:conf={cloud.ceph.conf('admin')}")


@contextlib.contextmanager
def _snapshot(cloud: Cloud, image: str) -> Iterator[str]:
    """A snapshot of an RBD image for as long as it is read: blocks of one moment."""
    rbd = ("rbd", "--conf", str(cloud.ceph.conf("admin")), "--no-progress", "snap")
    name = f"{image}@naru-heartbeats"
    _run(*rbd, "create", name)
    try:
        yield name
    finally:
        _run(*rbd, "rm", name)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NaruError(f"a guest's disk cannot be read: {argv[0]} failed", detail=done.stderr[-2000:])
    return done.stdout
