"""The cgroup hierarchies of the machine, and the lab's own cgroups in them. Version 1, 2 and both at once."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from naru.errors import NaruError

ROOT = Path("/sys/fs/cgroup")
# version 1 and 2: the file, what one process has, the most that can be given
SHARES = (("cpu.shares", 1024, 262144), ("cpu.weight", 100, 10000))
PROCESSES = 4
"""As how many processes of the machine a host counts when there is more to do than processors can."""


@dataclass(frozen=True)
class Hierarchy:
    """A mounted hierarchy: `kind` is cgroup or cgroup2, `options` what it is mounted with, `name` its directory below
    /sys/fs/cgroup, "" when it is that directory itself."""

    kind: str
    options: str
    name: str

    @property
    def root(self) -> Path:
        return ROOT / self.name


def hierarchies() -> list[Hierarchy]:
    """Those that the machine has mounted below /sys/fs/cgroup. Raises NaruError when there is none."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        place, (kind, _source, options) = Path(fields.split()[4]), rest.split()[:3]
        if kind in ("cgroup", "cgroup2") and place.is_relative_to(ROOT):
            own = [word for word in options.split(",") if word not in ("rw", "ro", "xattr", "noprefix")]
            own = [word for word in own if not word.startswith(("release_agent=", "nsdelegate", "memory_"))]
            name = "" if place == ROOT else str(place.relative_to(ROOT))
            found.append(Hierarchy(kind, ",".join(own) if kind == "cgroup" else "", name))
    if not found:
        raise NaruError("this machine has no cgroups below /sys/fs/cgroup", hint="Hosts of a lab need them.")
    return found


def roots(name: str) -> list[Path]:
    """The lab's directory `name` in each hierarchy, whether it exists or not."""
    return [hierarchy.root / name for hierarchy in hierarchies()]


def make(name: str, hosts: int) -> None:
    """Makes the lab's directory in each hierarchy. In version 2 hosts get the controllers that there are.

    A cgroup has the share of the processors that one process beside it has. So it is given that of some for each of its
    hosts, else all of a lab would wait for whatever else the machine does.
    """
    for hierarchy in hierarchies():
        own = hierarchy.root / name
        own.mkdir(exist_ok=True)
        for file, one, most in SHARES:
            if (own / file).exists():
                (own / file).write_text(str(min(one * PROCESSES * hosts, most)))
        if hierarchy.kind == "cgroup2":
            for controller in (own / "cgroup.controllers").read_text().split():
                (own / "cgroup.subtree_control").write_text(f"+{controller}")


def members(root: Path) -> list[int]:
    """The pids of all processes in the cgroup and those below it."""
    found = []
    for directory, _, _ in os.walk(root):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in Path(directory, "cgroup.procs").read_text().split()]
    return found


def remove(root: Path, seconds: float = 10) -> None:
    """Ends what is in the cgroup and removes it with all below it. Raises NaruError when that takes longer."""
    deadline = time.monotonic() + seconds
    while root.exists():
        for pid in members(root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for directory, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):  # busy: a process of it still ends
                Path(directory).rmdir()
        if root.exists():
            if time.monotonic() > deadline:
                raise NaruError(f"{root} cannot be removed", detail=f"In it: {members(root)}")
            time.sleep(0.02)


def memory(name: str, host: str) -> int | None:
    """Bytes that the host holds, its page cache apart; None where the kernel does not count."""
    for root in roots(name):
        used, stat = root / host / "memory.usage_in_bytes", root / host / "memory.stat"
        if not used.exists():
            used = root / host / "memory.current"
        with contextlib.suppress(OSError, KeyError):
            counted = dict(line.split()[:2] for line in stat.read_text().splitlines())
            files = int(counted.get("total_inactive_file", counted.get("inactive_file", 0)))
            files += int(counted.get("total_active_file", counted.get("active_file", 0)))
            return int(used.read_text()) - files
    return None
