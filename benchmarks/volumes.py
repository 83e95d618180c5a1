"""Volume content from one Ceph cluster to another, beside the tools there are; `make bench-volumes`. Of raw
files: `raw.py`.

Two real one-node clusters on this machine. Every figure is the fastest of several rounds in which the tools take turns;
a round is a process from start to end, for Naru too (`naru volume copy`, checksums included). The last line is a JSON
object. Ratios of speed: more than 1 is faster than the fastest other tool; ratios of time: less than 1 is shorter.

    full_speed            first pass of 10 GiB with 1 GiB of scattered data, against `rbd export --export-format 2 |
                          rbd import`, `rbd export-diff | rbd import-diff`, `qemu-img convert -n -W -m 16`
    full_written          bytes that the target's pool counts as written, for each byte of data
    full_mib              the most memory that the process had, in MiB
    delta_64k, delta_4k   time of a pass over 20 MiB that changed in pieces of 64 and 4 KiB, against `rbd snap create`,
                          `export-diff | import-diff`
    delta_..._inside      the same without the start of Naru's process, as in a plan that is running
    verify_speed          both sides compared by checksums, against `qemu-img compare`
    window                time of the last delta and its verification for 100 GiB, against 1 GiB with the same delta:
                          the part of a downtime that is about content
    parallel              20 volumes full of data at once: bytes a second against the lesser of what `rbd bench` reads
                          from the one and writes to the other cluster at the same time, as much and as dense; the
                          clusters have one half of the processors, their clients the other, as if they were machines
                          of their own
    parallel_scattered    the same of volumes with data in a quarter of their pieces, which are more work for a storage
                          than what `rbd bench` can be asked for
    parallel_shared       as `parallel`, with all of them on all processors, where what a client computes (checksums,
                          for Naru) is taken from the storage, whose limit it then is not
                          (of all three the medians of what was copied and of the limits, in turns)
    load                  the machine's load average over the minute before
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from naru.lab.ceph import PROCESSES, Ceph
from naru.lab.ports import PER_CLOUD, Ports
from naru.lab.process import Processes
from naru.volumes.blocks import Buffer
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import no_tick
from naru.volumes.open import open_volume
from naru.volumes.volume import Location, Pending

PORT_BASE = 23400
GIB, MIB = 1 << 30, 1 << 20
ROUNDS = 3
VOLUMES, TURNS = 20, 5  # of those at once
PARTS = ("full", "window", "parallel")

MANY = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from naru.volumes.control import Control
from naru.volumes.engine.copy import copy
from naru.volumes.open import parse
pairs = [line.split() for line in sys.stdin]
with ThreadPoolExecutor(len(pairs)) as pool:
    for done in [pool.submit(copy, parse(a), parse(b), Path(c), control=Control(memory=16 << 20)) for a, b, c in pairs]:
        done.result()
"""
WINDOW = """
import json, sys, time
from pathlib import Path
from naru.volumes.engine.copy import copy
from naru.volumes.engine.verify import verify
from naru.volumes.open import parse
source, target, state = parse(sys.argv[1]), parse(sys.argv[2]), Path(sys.argv[3])
began = time.monotonic()
ahead = len(sys.argv) > 4
done = copy(source, target, state, settle=1.0 if ahead else 0.0, idle=not ahead)
found = verify(source, target, point=done.point, changed=True, idle=not ahead, directory=state)
assert found.equal and (ahead or found.since)
print(json.dumps(time.monotonic() - began))
"""


class Took(NamedTuple):
    """`inside` is what Naru itself says it took, without the start of its process."""

    seconds: float
    cpu: float
    mib: float
    inside: float = 0.0


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clusters = [self._cluster(directory / name, number) for number, name in enumerate(("old", "new"))]
        self.number = 0

    def _cluster(self, directory: Path, number: int) -> Ceph:
        processes = Processes(directory, f"bench:{directory}")
        return Ceph(directory / "ceph", processes, Ports(PORT_BASE + number * PER_CLOUD), size=30 * GIB)

    def __enter__(self) -> "Bench":
        for cluster in self.clusters:
            cluster.start()
        for cluster in self.clusters:
            cluster.ready()
        return self

    def __exit__(self, *_: object) -> None:
        for cluster in self.clusters:
            cluster.stop()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Gives the clusters one half of the processors, and this process, with what it starts, the other."""
        every = sorted(os.sched_getaffinity(0))
        theirs, ours = every[: len(every) // 2] or every, every[len(every) // 2 :]
        self._bind(theirs)
        os.sched_setaffinity(0, ours)
        try:
            yield
        finally:
            os.sched_setaffinity(0, every)
            self._bind(every)

    def _bind(self, processors: list[int]) -> None:
        for cluster in self.clusters:
            for name in PROCESSES:
                daemon = cluster.processes.find(name)
                for thread in Path(f"/proc/{daemon.pid}/task").iterdir() if daemon else ():
                    with suppress(ProcessLookupError):  # it has just ended
                        os.sched_setaffinity(int(thread.name), processors)

    def conf(self, side: int) -> str:
        return str(self.clusters[side].conf("cinder"))

    def rbd(self, side: int, *arguments: str) -> list[str]:
        quiet = [] if arguments[0] == "bench" else ["--no-progress"]
        return ["rbd", *quiet, "-c", self.conf(side), "--id", "cinder", *arguments]

    def image(self, side: int, size: int) -> Rbd:
        self.number += 1
        name = f"volume-{self.number}"
        run(self.rbd(side, "create", f"volumes/{name}", "--size", f"{size}B"))
        return Rbd("volumes", name, self.conf(side), "cinder")

    def remove(self, side: int, image: Rbd) -> None:
        run(self.rbd(side, "snap", "purge", f"volumes/{image.image}"))
        run(self.rbd(side, "rm", f"volumes/{image.image}"))

    def snapshot(self, side: int, image: Rbd, name: str) -> None:
        run(self.rbd(side, "snap", "create", f"volumes/{image.image}@{name}"))

    def written(self, side: int) -> int:
        """What clients wrote to the pool so far, in bytes, as the cluster counts it."""
        time.sleep(6)  # it is told every few seconds
        command = ["rados", "-c", str(self.clusters[side].conf("admin")), "df", "--format", "json"]
        pools = json.loads(run(command))["pools"]
        return next(int(pool["write_bytes"]) for pool in pools if pool["name"] == "volumes")

    def state(self) -> Path:
        self.number += 1
        return self.directory / f"state-{self.number}"


def run(command: list[str], text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def timed(*commands: list[str], text: str | None = None) -> Took:
    """A pipe of commands, from start to end. CPU and memory are of the commands, not of the clusters."""
    began = time.monotonic()
    children: list[subprocess.Popen[bytes]] = []
    for command in commands:
        children.append(
            subprocess.Popen(
                command,
                stdin=children[-1].stdout if children else subprocess.PIPE if text else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
    if text and children[0].stdin:
        children[0].stdin.write(text.encode())
        children[0].stdin.close()
    for child in children[:-1]:
        if child.stdout:
            child.stdout.close()
    cpu, mib = 0.0, 0.0
    said = children[-1].stdout.read() if children[-1].stdout else b""
    for child in children:
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(map(str, child.args))}: status {status}")
        child.returncode = 0
        cpu, mib = cpu + used.ru_utime + used.ru_stime, max(mib, used.ru_maxrss / 1024)
    seconds = time.monotonic() - began
    inside = json.loads(said)["seconds"] if said.startswith(b"{") else 0.0
    return Took(seconds, cpu, mib, inside)


def fill(location: Location, pieces: int, length: int, grain: int, seed: int, size: int) -> None:
    """`pieces` random pieces of `length` bytes at multiples of `grain`, none twice."""
    rng = random.Random(seed)
    with open_volume(location, write=True) as volume:
        going: deque[Pending] = deque()
        for slot in rng.sample(range(size // max(length, grain)), pieces):
            at = slot * max(length, grain)
            if grain < length:
                at += rng.randrange(16) * grain if at + 2 * length < size else 0
            content = Buffer(length)
            content.view[:] = rng.randbytes(length)
            going.append(volume.write(content, 0, at, length))
            if len(going) > 16:
                going.popleft().wait(no_tick)
        while going:
            going.popleft().wait(no_tick)
        volume.flush()


def qemu(location: Location) -> str:
    if isinstance(location, Rbd):
        return f"rbd:{location.pool}/{location.image}:conf={location.conf}:id={location.user}"
    return location.path


def naru(source: Location, target: Location, work: Path, command: str = "copy") -> list[str]:
    program = str(Path(sys.executable).with_name("naru"))
    return [program, "-q", "volume", command, str(source), str(target), "--work", str(work), "-f", "json"]


def best(tools: dict[str, Callable[[], Took]], what: str, before: Callable[[], None] | None = None) -> dict[str, Took]:
    """The fastest round of each, taking turns in an order that changes."""
    found: dict[str, list[Took]] = {name: [] for name in tools}
    for number in range(ROUNDS):
        if before:
            before()
        names = list(tools)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(tools[name]())
    fastest = {name: min(took) for name, took in found.items()}
    for name, took in found.items():
        said = ", ".join(f"{one.seconds:.2f}" for one in took)
        print(f"{what}: {name}: {said} s; {fastest[name].cpu:.1f} s CPU, {fastest[name].mib:.0f} MiB", flush=True)
    return fastest


def speed(found: dict[str, Took]) -> float:
    """How much faster Naru was than the fastest of the others."""
    return round(min(took.seconds for name, took in found.items() if name != "naru") / found["naru"].seconds, 3)


def full(bench: Bench, size: int, data: int) -> dict[str, float]:
    source = bench.image(0, size)
    fill(source, data // MIB, MIB, 64 << 10, 1, size)
    bench.snapshot(0, source, "s")
    spec = f"volumes/{source.image}"
    written: list[int] = []

    def into(make: bool, tool: Callable[[Rbd], Took], count: bool = False) -> Took:
        target = bench.image(1, size) if make else Rbd("volumes", "imported", bench.conf(1), "cinder")
        before = bench.written(1)
        took = tool(target)
        if count:
            written.append(bench.written(1) - before)
        bench.remove(1, target)
        return took

    def convert(target: Rbd) -> Took:
        flags = ["-n", "-W", "-m", "16", "--target-is-zero", "-f", "raw", "-O", "raw"]
        return timed(["qemu-img", "convert", *flags, qemu(source), qemu(target)])

    def export2(target: Rbd) -> Took:
        return timed(
            bench.rbd(0, "export", "--export-format", "2", spec, "-"),
            bench.rbd(1, "import", "--export-format", "2", "-", f"volumes/{target.image}"),
        )

    def differences(target: Rbd) -> Took:
        return timed(
            bench.rbd(0, "export-diff", f"{spec}@s", "-"), bench.rbd(1, "import-diff", "-", f"volumes/{target.image}")
        )

    found = best(
        {
            "naru": lambda: into(True, lambda target: timed(naru(source, target, bench.state())), count=True),
            "rbd export | import, format 2": lambda: into(False, export2),
            "rbd export-diff | import-diff": lambda: into(True, differences),
            "qemu-img convert": lambda: into(True, convert),
        },
        "full copy",
    )
    target = bench.image(1, size)
    work = bench.state()
    timed(naru(source, target, work))
    compared = best(
        {
            "naru": lambda: timed(naru(source, target, work, "verify")),
            "qemu-img compare": lambda: timed(
                ["qemu-img", "compare", "-f", "raw", "-F", "raw", qemu(source), qemu(target)]
            ),
        },
        "verify",
    )
    bench.remove(1, target)
    answer = {
        "full_speed": speed(found),
        "full_written": round(max(written) / data, 4),
        "full_mib": round(found["naru"].mib),
        "verify_speed": speed(compared),
    }
    answer |= deltas(bench, source, size)
    bench.remove(0, source)
    return answer


def deltas(bench: Bench, source: Rbd, size: int) -> dict[str, float]:
    ours, theirs, work = bench.image(1, size), bench.image(1, size), bench.state()
    spec, copied = f"volumes/{source.image}", f"volumes/{theirs.image}"
    bench.snapshot(0, source, "d0")
    timed(naru(source, ours, work))
    timed(bench.rbd(0, "export-diff", f"{spec}@d0", "-"), bench.rbd(1, "import-diff", "-", copied))
    last = 0
    answer = {}
    for name, length in (("delta_64k", 64 << 10), ("delta_4k", 4 << 10)):

        def change(length: int = length) -> None:
            nonlocal last
            last += 1
            fill(source, 20 * MIB // length, length, length, 100 + last, size)

        def other() -> Took:
            # a pass of Naru's makes its snapshot too
            made = timed(bench.rbd(0, "snap", "create", f"{spec}@d{last}"))
            took = timed(
                bench.rbd(0, "export-diff", "--from-snap", f"d{last - 1}", f"{spec}@d{last}", "-"),
                bench.rbd(1, "import-diff", "-", copied),
            )
            return Took(made.seconds + took.seconds, made.cpu + took.cpu, took.mib)

        found = best(
            {"naru": lambda: timed(naru(source, ours, work)), "rbd export-diff | import-diff": other},
            name,
            before=change,
        )
        answer[name] = round(1 / speed(found), 3)
        other_best = found["rbd export-diff | import-diff"].seconds
        answer[f"{name}_inside"] = round(found["naru"].inside / other_best, 3)
    same = ["qemu-img", "compare", "-f", "raw", "-F", "raw"]
    for image in (ours, theirs):
        run([*same, qemu(source), qemu(image)])
        bench.remove(1, image)
    return answer


def window(bench: Bench) -> dict[str, float]:
    """The part of a cut-over that is about content: the last delta and its verification."""
    seconds = {}
    for size in (1 * GIB, 100 * GIB):
        source, target, work = bench.image(0, size), bench.image(1, size), bench.state()
        fill(source, 512, MIB, 64 << 10, 5, GIB)
        if size > GIB:
            fill(source, 1024, MIB, 64 << 10, 6, size)  # what does not change
        window = [sys.executable, "-c", WINDOW, str(source), str(target), str(work)]
        took = []
        for number in range(ROUNDS):
            run([*window, "ahead"])
            fill(source, 320, 64 << 10, 64 << 10, 50 + number, GIB)
            took.append(float(run(window)))
        print(f"window of {size // GIB} GiB: {', '.join(f'{one:.2f}' for one in took)} s", flush=True)
        seconds[size] = min(took)
        run(["qemu-img", "compare", "-f", "raw", "-F", "raw", qemu(source), qemu(target)])
        bench.remove(0, source)
        bench.remove(1, target)
    return {"window": round(seconds[100 * GIB] / seconds[GIB], 3)}


class Group(NamedTuple):
    """Volumes of `size` bytes each."""

    size: int
    images: list[Rbd]


def parallel(bench: Bench) -> dict[str, float]:
    data = 256 * MIB
    kinds = {}
    for name, size in (("full", data), ("scattered", 4 * data)):
        kinds[name] = Group(size, [bench.image(0, size) for _ in range(VOLUMES)])
        for number, image in enumerate(kinds[name].images):
            fill(image, data // MIB, MIB, MIB, number, size)
    read = bench.image(0, VOLUMES * data)
    run(_io(bench, 0, "write", read, VOLUMES * data))
    with bench.apart():
        apart = _at_once(bench, kinds, data, read)
    shared = _at_once(bench, {"full": kinds["full"]}, data, read)
    for image in (read, *(image for group in kinds.values() for image in group.images)):
        bench.remove(0, image)
    return {
        "parallel": apart["full"],
        "parallel_scattered": apart["scattered"],
        "parallel_shared": shared["full"],
    }


def _at_once(bench: Bench, kinds: dict[str, Group], data: int, read: Rbd) -> dict[str, float]:
    rates: dict[str, list[float]] = {name: [] for name in ("limit", *kinds)}
    for _ in range(TURNS):
        rates["limit"].append(_limit(bench, VOLUMES * data, read))
        for name, group in kinds.items():
            rates[name].append(_copied(bench, name, group, data))
    for name, found in rates.items():
        print(f"{VOLUMES} volumes: {name}: {', '.join(f'{one:.0f}' for one in found)} MiB/s", flush=True)
    limit = statistics.median(rates["limit"])
    return {name: round(statistics.median(rates[name]) / limit, 3) for name in kinds}


def _copied(bench: Bench, name: str, group: Group, data: int) -> float:
    """MiB a second of `data` bytes of each of the volumes, copied at once."""
    targets = [bench.image(1, group.size) for _ in group.images]
    lines = "\n".join(f"{a} {b} {bench.state()}" for a, b in zip(group.images, targets, strict=True))
    os.sync()  # else what was left to be written is on the way of this one
    took = timed([sys.executable, "-c", MANY], text=lines)
    print(f"{VOLUMES} volumes: {name}: {took.seconds:.1f} s; {took.cpu:.1f} s CPU, {took.mib:.0f} MiB", flush=True)
    for source, target in zip(group.images[:2], targets[:2], strict=True):
        run(["qemu-img", "compare", "-f", "raw", "-F", "raw", qemu(source), qemu(target)])
    for target in targets:
        bench.remove(1, target)
    return len(targets) * data / took.seconds / MIB


def _io(bench: Bench, side: int, kind: str, image: Rbd, total: int) -> list[str]:
    common = ["--io-size", "1M", "--io-threads", "16", "--io-total", str(total), "--io-pattern", "seq"]
    return bench.rbd(side, "bench", "--io-type", kind, *common, f"volumes/{image.image}")


def _limit(bench: Bench, total: int, read: Rbd) -> float:
    """MiB a second that the clusters read and write at once, the lesser of both: as much as the volumes have, and full
    as they are."""
    written = bench.image(1, total)
    os.sync()
    began = time.monotonic()
    commands = (_io(bench, 0, "read", read, total), _io(bench, 1, "write", written, total))
    children = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    for child in children:
        if child.wait(600):
            raise SystemExit("rbd bench failed")
    seconds = time.monotonic() - began
    bench.remove(1, written)
    return total / MIB / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data: to try the benchmark itself")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be repeated")
    parser.add_argument("--directory", type=Path, help="where clusters are made (the temporary directory)")
    arguments = parser.parse_args()
    size, data = (GIB, 100 * MIB) if arguments.quick else (10 * GIB, GIB)
    load = os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no cluster may be left behind
    directory = Path(tempfile.mkdtemp(prefix="naru-bench-", dir=arguments.directory))
    try:
        with Bench(directory) as bench:
            answer: dict[str, float] = {}
            for part in arguments.only or PARTS:
                answer |= {
                    "full": lambda: full(bench, size, data),
                    "window": lambda: window(bench),
                    "parallel": lambda: parallel(bench),
                }[part]()
    finally:
        shutil.rmtree(directory)
    print(json.dumps(answer | {"load": round(load, 2)}))


if __name__ == "__main__":
    main()
