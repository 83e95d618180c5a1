"""A raw file copied to another one, beside `qemu-img convert` and a plain read of its data; `make bench-raw`.

A sparse file of 10 GiB with 1 GiB of data in scattered pieces of 1 MiB. Nothing of it is in the machine's cache when a
tool begins (Naru reads past that cache, so it would gain nothing there), and a copy ends when it is on the disk. All
take turns in an order that changes, and the medians count. Naru is measured as in a plan that is running (its
step's own time and processors; checksums, their manifest and its state on the disk included), and as a process.

    first           a first pass:      naru, `qemu-img convert -n -W -m 16` and a sync of what it wrote
    later           a later pass of 20 MiB changed in pieces of 64 KiB: naru, and the source's data read in order

The last line is a JSON object. Ratios of speed and of processor time, other over Naru: more than 1 is less for Naru.
`first`, `later`; `..._cpu` of user and system time; `..._process` with the start of Naru's process; `hash` is how many
MiB a second one processor hashes; `load`.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from volumes import GIB, MIB, fill, naru, run, timed  # the benchmark beside this one

from naru.volumes.blocks import Buffer
from naru.volumes.files.location import File

ROUNDS = 7
INSIDE = """
import json, os, sys, time
from pathlib import Path
from naru.volumes.engine.copy import copy
from naru.volumes.open import parse
began, before = time.monotonic(), os.times()
copy(parse(sys.argv[1]), parse(sys.argv[2]), Path(sys.argv[3]))
after = os.times()
print(json.dumps([time.monotonic() - began, after.user - before.user + after.system - before.system]))
"""
READ = """
import json, os, sys, time
began, before = time.monotonic(), os.times()
fd, at = os.open(sys.argv[1], os.O_RDONLY), 0
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
buffer = memoryview(bytearray(4 << 20))
try:
    while True:
        at = os.lseek(fd, at, os.SEEK_DATA)
        end = os.lseek(fd, at, os.SEEK_HOLE)
        while at < end:
            at += os.preadv(fd, [buffer[: end - at]], at)
except OSError as error:
    if error.errno != 6:  # ENXIO: no more data
        raise
after = os.times()
print(json.dumps([time.monotonic() - began, after.user - before.user + after.system - before.system]))
"""


class Time(NamedTuple):
    """Seconds from start to end, and of processors."""

    seconds: float
    cpu: float


class Bench:
    """The files, all of `size`."""

    def __init__(self, directory: Path, size: int, data: int) -> None:
        self.directory, self.size = directory, size
        self.source, self.kept, self.state = self._new("source"), self._new("kept"), directory / "kept-state"
        fill(self.source, data // MIB, MIB, 64 << 10, 1, size)
        self._inside(self.kept, self.state)

    def tools(self) -> dict[str, Callable[[], Time]]:
        return {
            "first, naru": lambda: self._inside(self._new("ours"), self._fresh()),
            "first, naru's process": lambda: self._process(self._new("ours"), self._fresh()),
            "first, qemu-img": self._convert,
            "later, naru": lambda: self._inside(self.kept, self.state),
            "later, naru's process": lambda: self._process(self.kept, self.state),
            "later, read": self._read,
        }

    def change(self, seed: int) -> None:
        """Before each later pass, so that none has less to do than another."""
        fill(self.source, 320, 64 << 10, 64 << 10, seed, self.size)

    def check(self) -> None:
        """The last pass wrote what is there."""
        self._inside(self.kept, self.state)
        run(["cmp", self.source.path, self.kept.path])

    def _new(self, name: str) -> File:
        path = self.directory / name
        path.unlink(missing_ok=True)
        with path.open("wb") as file:
            file.truncate(self.size)
        return File(str(path))

    def _fresh(self) -> Path:
        state = self.directory / "state"
        shutil.rmtree(state, ignore_errors=True)
        return state

    def _cold(self) -> None:
        os.sync()
        fd = os.open(self.source.path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)

    def _inside(self, target: File, state: Path) -> Time:
        self._cold()
        return Time(*json.loads(run([sys.executable, "-c", INSIDE, str(self.source), str(target), str(state)])))

    def _process(self, target: File, state: Path) -> Time:
        self._cold()
        took = timed(naru(self.source, target, state))
        return Time(took.seconds, took.cpu)

    def _convert(self) -> Time:
        target = self._new("theirs").path
        self._cold()
        flags = ["-n", "-W", "-m", "16", "--target-is-zero", "-f", "raw", "-O", "raw"]
        copied, synced = timed(["qemu-img", "convert", *flags, self.source.path, target]), timed(["sync", target])
        return Time(copied.seconds + synced.seconds, copied.cpu + synced.cpu)

    def _read(self) -> Time:
        self._cold()
        return Time(*json.loads(run([sys.executable, "-c", READ, self.source.path])))


def measured(bench: Bench, rounds: int) -> dict[str, Time]:
    """The median of each."""
    tools = bench.tools()
    found: dict[str, list[Time]] = {name: [] for name in tools}
    for number in range(rounds):
        names = list(tools)
        for place, name in enumerate(names[number % len(names) :] + names[: number % len(names)]):
            if name.startswith("later"):
                bench.change(2 + number * len(names) + place)
            found[name].append(tools[name]())
    medians = {}
    for name, took in found.items():
        medians[name] = Time(*(statistics.median(values) for values in zip(*took, strict=True)))
        said = ", ".join(f"{one.seconds:.2f}" for one in took)
        print(f"{name}: {said} s; median {medians[name].seconds:.2f} s, {medians[name].cpu:.2f} s CPU", flush=True)
    return medians


def hashing() -> float:
    """MiB that are hashed in a second of a processor."""
    buffer = Buffer(64 * MIB)
    buffer.view[:] = os.urandom(buffer.size)
    began = time.thread_time()
    buffer.records(0, buffer.size)
    return buffer.size / MIB / (time.thread_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data: to try the benchmark itself")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--directory", type=Path, help="where the files are made (the temporary directory)")
    arguments = parser.parse_args()
    size, data = (GIB, 100 * MIB) if arguments.quick else (10 * GIB, GIB)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="naru-bench-", dir=arguments.directory) as directory:
        bench = Bench(Path(directory), size, data)
        found = measured(bench, arguments.rounds)
        bench.check()
    answer = {"hash": round(hashing()), "load": round(load, 2)}
    for name, other in (("first", "qemu-img"), ("later", "read")):
        ours, process, theirs = (found[f"{name}, {who}"] for who in ("naru", "naru's process", other))
        answer[name] = round(theirs.seconds / ours.seconds, 3)
        answer[f"{name}_cpu"] = round(theirs.cpu / ours.cpu, 3)
        answer[f"{name}_process"] = round(theirs.seconds / process.seconds, 3)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
