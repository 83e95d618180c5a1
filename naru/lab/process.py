"""Processes that outlive the command that started them, and are only ever ended by their own identity.

Every process carries two environment variables, the lab's id and its own name, and has a record
`run/NAME.json` with its pid and the kernel's start time of that pid. A process is ours when the record's start
time is the running one's (a reused pid has another), or when its environment says so: that finds what a killed
`naru lab up` started and could not record any more, and children that left their process group.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from naru.errors import NaruError

LAB_VARIABLE = "NARU_LAB"
NAME_VARIABLE = "NARU_LAB_PROCESS"


@dataclass(frozen=True)
class Command:
    """A process to start. `port` is the TCP port on 127.0.0.1 that it opens when it is ready, if any;
    `grace` the seconds it gets to end by itself after SIGTERM."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    port: int | None = None
    grace: float = 5.0


@dataclass(frozen=True)
class Running:
    """A live process of ours. `start` is its start time in clock ticks since boot (proc(5), field 22)."""

    name: str
    pid: int
    start: int

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return _start_ticks(self.pid) == self.start

    def signal(self, number: int) -> None:
        """Signals the process's whole group, if it still leads one, else the process."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def age(self) -> float:
        """Seconds since it was started."""
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - self.start / os.sysconf("SC_CLK_TCK")


def _start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, None when there is no such process or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _environment(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty where it may not be read or is gone."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in raw.split(b"\0") if b"=" in item)
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, _, value in pairs}


def memory(pid: int) -> int:
    """Proportional set size in bytes: shared pages counted once over all that share them. 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Processes:
    """The processes of one cloud (or of anything with a directory): `run/` holds records, `log/` their output."""

    def __init__(self, directory: Path, mark: str) -> None:
        self.run = directory / "run"
        self.log = directory / "log"
        self.mark = mark

    def log_file(self, name: str) -> Path:
        """Where a process's standard output and error go."""
        return self.log / f"{name}.log"

    def start(self, command: Command) -> Running:
        """Starts `command` in a session of its own, or returns the running one of that name."""
        if found := self.find(command.name):
            return found
        self.run.mkdir(parents=True, exist_ok=True)
        self.log.mkdir(parents=True, exist_ok=True)
        env = {**command.env, LAB_VARIABLE: self.mark, NAME_VARIABLE: command.name}
        try:
            with self.log_file(command.name).open("ab") as output:
                child = subprocess.Popen(
                    command.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=env,
                    cwd=command.cwd or self.run.parent,
                    start_new_session=True,
                )
        except OSError as error:
            raise NaruError(f"{command.name} cannot be started", detail=str(error)) from error
        running = Running(command.name, child.pid, _start_ticks(child.pid) or 0)
        self._record(running, command)
        return running

    def _record(self, running: Running, command: Command) -> None:
        record = {"pid": running.pid, "start": running.start, "argv": command.argv, "grace": command.grace}
        path = self.run / f"{running.name}.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(record))
        temporary.replace(path)

    def _records(self) -> dict[str, dict[str, object]]:
        found = {}
        for path in self.run.glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                found[path.stem] = json.loads(path.read_text())
        return found

    def names(self) -> list[str]:
        """Every name that was started and not stopped since, running or not."""
        return sorted(self._records())

    def find(self, name: str) -> Running | None:
        """The live process of that name, or None."""
        try:
            record = json.loads((self.run / f"{name}.json").read_text())
            running = Running(name, int(record["pid"]), int(record["start"]))
        except (OSError, ValueError, KeyError):
            return None
        return running if running.alive() else None

    def stray(self) -> Iterator[Running]:
        """Live processes that carry this lab's mark, recorded or not: leaders, children, left-overs."""
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                env = _environment(int(entry.name))
                if env.get(LAB_VARIABLE) == self.mark:
                    start = _start_ticks(int(entry.name))
                    if start is not None:
                        yield Running(env.get(NAME_VARIABLE, "?"), int(entry.name), start)

    def tree(self) -> dict[str, list[int]]:
        """Process ids by name, children included."""
        found: dict[str, list[int]] = {}
        for running in self.stray():
            found.setdefault(running.name, []).append(running.pid)
        return found

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Ends the named processes (None: all) with SIGTERM, and SIGKILL for what outlives its grace."""
        records = self._records()
        chosen = set(records if names is None else names)
        deadline = time.monotonic()
        for name in chosen:
            grace = records.get(name, {}).get("grace", 5.0)
            if running := self.find(name):
                running.signal(signal.SIGTERM)
                deadline = max(deadline, time.monotonic() + float(str(grace)))
        while time.monotonic() < deadline and any(self.find(name) for name in chosen):
            time.sleep(0.05)
        for running in list(self.stray()):
            if names is None or running.name in chosen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.pid, signal.SIGKILL)
        for name in chosen:
            if running := self.find(name):
                running.signal(signal.SIGKILL)
            (self.run / f"{name}.json").unlink(missing_ok=True)
