"""How fast errors are read, grouped and joined, beside Drain3; `make bench-watch`.

Lines are made of the log statements of the newest release's own code, filled at random, so that it is known which of
them printed each: of a hundred records 80 are INFO, 15 WARNING, 5 ERROR with a traceback of 24 lines. The watch is the
command `naru watch run --once`, a process of its own. The last line is a JSON object:

    lines_per_s       lines that are read, with tracebacks joined, matched, grouped and kept, per second of CPU
    mib               the most memory of that process
    load_s            seconds of CPU before the first line: the program, and its 20,000 statements
    join_s            seconds that `naru watch request` takes for one request, which made one of each of 19 other
                      services, in files of `gib`, by the index; of which the program's start is half a second
    join_mib          the most memory of that process
    gib               the size of those files
    right             the share of warnings and errors whose statement was told rightly from the text
    accuracy          grouping accuracy: the share of records whose group holds exactly the records of their statement
    peer_accuracy     the same of Drain3 as it comes, on the texts of the same records
    peer_lines_per_s  and the texts that it takes in, per second of CPU
    lines             how many lines
    load              the machine's load average over the minute before
"""

import argparse
import dataclasses
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

FILLERS = ("8f3a", "compute1", "5", "6e4c1a52-6b0f-4c1c-9f5b-0d3a5c1f2b11", "10.0.0.1", "None", "volume-7", "/dev/vda")
NAMES = {20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
FRAMES = 11
DIFFERENT = 300
"""Statements that print warnings and errors; a cloud has some dozens."""


def statements(venv: Path) -> tuple[list[Any], list[Any]]:
    """Those of INFO, and those above, which have a text."""
    from naru.watch.statements import ANY, of_environment

    code = of_environment(venv).statements
    named = [one for one in code if one.kind == "log" and len(one.text.replace(ANY, "").strip()) >= 8]
    named = [one for one in named if "\n" not in one.text]
    return [one for one in named if one.level == 20], [one for one in named if one.level in (30, 40)]


class Lines:
    """Lines of a day, and of each warning and error the place of its statement."""

    def __init__(self, venv: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        quiet, loud = statements(venv)
        self.quiet = self.chance.sample(quiet, DIFFERENT)
        self.warnings = self.chance.sample([one for one in loud if one.level == 30], DIFFERENT * 2 // 3)
        self.errors = self.chance.sample([one for one in loud if one.level == 40], DIFFERENT // 3)
        self.moment = 1_790_000_000.0
        self.truth: list[tuple[str, str, str, str]] = []

    def record(self) -> Iterator[str]:
        dice = self.chance.random()
        chosen = self.quiet if dice < 0.8 else self.warnings if dice < 0.95 else self.errors
        # some are printed far more often than others
        one = chosen[min(int(self.chance.expovariate(12 / len(chosen))), len(chosen) - 1)]
        self.moment += 0.001
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.moment)) + f".{int(self.moment * 1000) % 1000:03d}"
        text = "".join(self.chance.choice(FILLERS) if sign == "\0" else sign for sign in one.text)
        request = uuid.UUID(int=self.chance.getrandbits(128), version=4)
        level = NAMES[one.level]
        yield f"{stamp} 4242 {level} {one.module} [None req-{request} 7f8 9ab - - default default] {text}"
        if one.level == 40:
            head = f"{stamp} 4242 ERROR {one.module} "
            yield f"{head}Traceback (most recent call last):"
            path = f"/v/lib/python3.11/site-packages/{one.module.replace('.', '/')}.py"
            for frame in range(FRAMES):
                yield f'{head}  File "{path}", line {frame + 100}, in step_{frame}'
                yield f"{head}    self.step_{frame + 1}()"
            yield f"{head}nova.exception.NovaException: it went wrong"
        if one.level >= 30:
            self.truth.append((one.module, one.text, level, text))

    def write(self, file: Path, size: int) -> int:
        """Writes about so many bytes; how many lines."""
        count = 0
        with file.open("w") as out:
            while out.tell() < size:
                for _ in range(2000):
                    for line in self.record():
                        out.write(line + "\n")
                        count += 1
        return count


def command(*words: str) -> tuple[float, float, float, str]:
    """Runs a command of Naru: wall clock and CPU seconds, MiB, output."""
    began, kib, done = time.monotonic(), 0, 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([sys.executable, "-m", "naru.cli.main", *words], stdout=out)
        while not done:
            # what the system says at the end counts this program's memory, too, as of before the other began
            status = Path(f"/proc/{process.pid}/status").read_text()
            kib = max([kib, *map(int, re.findall(r"VmHWM:\s+(\d+)", status))])
            time.sleep(0.02)
            done, code, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(code)
        if process.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(words)} exited with {process.returncode}")
        out.seek(0)
        return time.monotonic() - began, usage.ru_utime + usage.ru_stime, kib / 1024, out.read()


def accuracy(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Grouping accuracy, as papers on log parsing define it."""
    by_truth: dict[Hashable, list[int]] = defaultdict(list)
    by_found = Counter(found)
    for place, one in enumerate(truth):
        by_truth[one].append(place)
    right = 0
    for places in by_truth.values():
        groups = {found[place] for place in places}
        if len(groups) == 1 and by_found[groups.pop()] == len(places):
            right += len(places)
    return right / len(truth)


def told(venv: Path, truth: Sequence[tuple[str, str, str, str]]) -> tuple[float, float]:
    """The share of statements that are told rightly from the text, and the grouping accuracy."""
    from naru.watch.match import Matcher
    from naru.watch.records import Record
    from naru.watch.statements import of_environment

    matcher = Matcher(of_environment(venv).statements)
    empty = Record(0, "", "", "", "", "", "", "", "", "", "")
    found = [
        matcher.match(dataclasses.replace(empty, level=level, logger=module, message=text))
        for module, _, level, text in truth
    ]
    pairs = [(one.module, one.text) for one in found]
    known = [(module, text) for module, text, _, _ in truth]
    return sum(one == other for one, other in zip(pairs, known, strict=True)) / len(truth), accuracy(known, pairs)


def peer(python: str, truth: Sequence[tuple[str, str, str, str]]) -> dict[str, Any]:
    """Drain3's groups of the same texts, in an environment of its own."""
    given = "\n".join(json.dumps(text) for *_, text in truth)
    done = subprocess.run([python, __file__, "--drain"], input=given, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def drain() -> None:
    """In the peer's environment: the cluster of each text."""
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    texts = [json.loads(line) for line in sys.stdin]
    miner = TemplateMiner(config=TemplateMinerConfig())
    began = time.process_time()
    for text in texts:
        miner.add_log_message(text)
    seconds = time.process_time() - began
    # a text's cluster is known when all were seen
    clusters = [match.cluster_id if (match := miner.match(text)) else -1 for text in texts]
    print(json.dumps({"clusters": clusters, "lines_per_s": len(texts) / seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=400, help="of lines that are read and grouped (%(default)s)")
    parser.add_argument("--gib", type=float, default=10.0, help="of files with one request (%(default)s)")
    parser.add_argument("--peer", metavar="PYTHON", help="the Python that has Drain3 installed (default: no peer)")
    parser.add_argument("--drain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drain:
        drain()
        return
    from naru.releases import install, release

    venv = install.venv_path(release.load(release.names()[-1]))
    if not venv.exists():
        raise SystemExit(f"{venv} is missing; first: naru lab install {release.names()[-1]}")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as directory:
        result = measured(Path(directory), venv, options)
    print(json.dumps({**result, "load": round(load, 2)}))


def measured(directory: Path, venv: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All that the last line says."""
    lines = Lines(venv, 1)
    file = directory / "nova-compute.log"
    count = lines.write(file, options.megabytes << 20)
    truth = lines.truth[:100_000]
    words = ("--venv", str(venv), "--host", "bench", "--zone", "UTC", "--once", "-f", "json")
    (directory / "empty.log").write_text("")
    _, start, _, _ = command(
        "-q", "watch", "run", str(directory / "none"), "--files", str(directory / "empty.log"), *words
    )
    wall, cpu, mib, out = command("-q", "watch", "run", str(directory / "watch"), "--files", str(file), *words)
    print(f"{count} lines: {wall:.1f} s, {cpu:.1f} s of CPU, {start:.1f} of them before the first line; {out.strip()}")
    read = json.loads(out)
    assert read["warnings_and_worse"] == len(lines.truth), (read, len(lines.truth))
    join, join_mib, size = joined(directory, file, options.gib, words)
    right, ours = told(venv, truth)
    beside = peer(options.peer, truth) if options.peer else None
    theirs = accuracy([(module, text) for module, text, _, _ in truth], beside["clusters"]) if beside else None
    print(f"memory of this program: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    return {
        "lines_per_s": round(count / (cpu - start)),
        "mib": round(mib, 1),
        "load_s": round(start, 2),
        "join_s": round(join, 2),
        "join_mib": round(join_mib, 1),
        "gib": round(size, 2),
        "right": round(right, 5),
        "accuracy": round(ours, 4),
        "peer_accuracy": None if theirs is None else round(theirs, 4),
        "peer_lines_per_s": None if beside is None else round(beside["lines_per_s"]),
        "lines": count,
    }


def joined(directory: Path, file: Path, gib: float, words: Sequence[str]) -> tuple[float, float, float]:
    """Seconds and MiB of memory for one request in so many GiB, and how many there were: twenty files, each with some
    of it."""
    logs = directory / "logs"
    logs.mkdir()
    total, number = 0, 0
    request = f"req-{uuid.uuid4()}"
    data = file.read_bytes()
    while total < gib * (1 << 30):
        number += 1
        place = logs / f"service{number % 20}.log"
        # others' ids are other ones in each copy, as they are in a cloud
        sign = f"{number:04x}".encode()
        with place.open("ab") as out:
            out.write(re.sub(rb"req-[0-9a-f]{4}", b"req-" + sign, data))
            if number <= 20:
                head = f"2026-11-01 00:00:00.{number:03d} 4242 INFO nova.compute.manager"
                # the others have an id of their own, which this one asked them with
                ids = f"None {request}" if number == 1 else f"{request} req-{uuid.uuid4()}"
                out.write(f"\n{head} [{ids} 7f8 9ab - - default default] here\n".encode())
        total = sum(one.stat().st_size for one in logs.iterdir())
    work = directory / "joined"
    began = time.monotonic()
    command("-q", "watch", "run", str(work), "--files", str(logs / "*.log"), *words)
    kept = (work / "watch.db").stat().st_size >> 20
    print(f"{total >> 20} MiB read in {time.monotonic() - began:.0f} s; {kept} MiB kept")
    wall, cpu, mib, out = command("watch", "request", str(work), request, "-f", "json")
    assert len(json.loads(out)) == min(number, 20), out
    print(f"request: {wall:.2f} s, {cpu:.2f} s of CPU, {mib:.0f} MiB")
    return wall, mib, total / (1 << 30)


if __name__ == "__main__":
    main()
