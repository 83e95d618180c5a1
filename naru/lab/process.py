"""Processes that outlive the command that started them, and are only ever ended by their own identity.

A process leads a session of its own and, before it becomes the program, writes `run/NAME`: the kernel's boot id and
its own line of /proc/PID/stat. So there is no instant at which it runs unrecorded, whenever the starter is killed,
and a reused pid is told apart by its start time. Whatever is in its session, or carries the lab's mark in its
environment, belongs to it: children that left the process group, and those of a leader that died.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from naru.errors import NaruError
from naru.lab.ports import LOOPBACK, At

LAB_VARIABLE = "NARU_LAB"
NAME_VARIABLE = "NARU_LAB_PROCESS"

# $0 is the record, $1 the grace, the rest the program
_RECORD = """read -r stat < /proc/$$/stat; read -r boot < /proc/sys/kernel/random/boot_id
echo "$boot $1 $stat" > "$0" || exit 1
shift; exec "$@"
"""


@dataclass(frozen=True)
class Command:
    """A process to start. `port` is the TCP port at `address` that it opens when it is ready, if any;
    `grace` the seconds it gets to end by itself after SIGTERM."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    port: int | None = None
    grace: float = 5.0
    address: str = LOOPBACK

    @property
    def at(self) -> At | None:
        """Where it is reached when it is ready."""
        return None if self.port is None else At(self.address, self.port)


@dataclass(frozen=True)
class Running:
    """A live process of ours. `start` is its start time in clock ticks since boot (proc(5), field 22)."""

    name: str
    pid: int
    start: int

    @classmethod
    def of(cls, name: str, pid: int) -> "Running | None":
        """The live process that has `pid` now, None when there is none."""
        start = _start_ticks(pid)
        return None if start is None else cls(name, pid, start)

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


def _fields(stat: str) -> list[str]:
    """The fields of a line of /proc/PID/stat from the state (number 3 in proc(5)) on."""
    return stat.rpartition(")")[2].split()


def _stat(pid: int) -> list[str] | None:
    try:
        return _fields(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return None


def _start_ticks(pid: int) -> int | None:
    """The start time of a process, None when there is no such process or it is a zombie. One whose first thread is a
    zombie while others still end is none yet: it holds its files, and the locks on them."""
    fields = _stat(pid)
    return None if fields is None or (fields[0] in "ZX" and int(fields[17]) <= 1) else int(fields[19])


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


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
    """The processes of one cloud (or of anything with a directory): `run/` holds their records, `log/` their output."""

    def __init__(self, directory: Path, mark: str) -> None:
        self.run = directory / "run"
        self.log = directory / "log"
        self.mark = mark

    def log_file(self, name: str) -> Path:
        """Where a process's standard output and error go."""
        return self.log / f"{name}.log"

    def tail(self, name: str, lines: int = 12) -> str:
        """The last lines of a process's log, without its length mattering; empty where there is none."""
        try:
            with self.log_file(name).open("rb") as stream:
                stream.seek(max(0, stream.seek(0, 2) - 16384))
                return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

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
                    ("/bin/sh", "-c", _RECORD, str(self.run / command.name), str(command.grace), *command.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=env,
                    cwd=command.cwd or self.run.parent,
                    start_new_session=True,
                )
        except OSError as error:
            raise NaruError(f"{command.name} cannot be started", detail=str(error)) from error
        while child.poll() is None and (found := self.find(command.name)) is None:
            time.sleep(0.002)  # until it has recorded itself
        return found or Running(command.name, child.pid, 0)

    def _record(self, name: str) -> tuple[Running, float] | None:
        """The process that was started last under `name` in this boot, dead or alive, and its grace in seconds."""
        try:
            boot, grace, stat = (self.run / name).read_text().split(maxsplit=2)
        except (OSError, ValueError):
            return None
        if boot != _boot_id():
            return None
        return Running(name, int(stat.split()[0]), int(_fields(stat)[19])), float(grace)

    def names(self) -> list[str]:
        """Every name that was started and not stopped since, running or not."""
        return sorted(path.name for path in self.run.iterdir()) if self.run.is_dir() else []

    def find(self, name: str) -> Running | None:
        """The live process of that name, or None."""
        record = self._record(name)
        return record[0] if record and record[0].alive() else None

    def tree(self) -> dict[str, list[Running]]:
        """Every live process by the name it was started under, children and left-overs included."""
        leaders = {}
        for recorded in self.names():
            # where the pid lives with another start time it is somebody else's, and so is its session
            if (record := self._record(recorded)) and _start_ticks(record[0].pid) in (None, record[0].start):
                leaders[record[0].pid] = recorded
        found: dict[str, list[Running]] = {}
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            pid = int(entry.name)
            fields = _stat(pid)
            if fields is None or fields[0] in "ZX":
                continue
            name = leaders.get(int(fields[3]))  # the session; a pid is not reused while a session has its number
            if name is None:
                env = _environment(pid)
                if env.get(LAB_VARIABLE) != self.mark:
                    continue
                name = env.get(NAME_VARIABLE, "?")
            found.setdefault(name, []).append(Running(name, pid, int(fields[19])))
        return found

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Ends the named processes (None: all) with SIGTERM, and SIGKILL for what outlives its grace."""
        chosen = set(self.tree()) | set(self.names()) if names is None else set(names)
        deadline = time.monotonic()
        for name in chosen:
            record = self._record(name)
            if record and record[0].alive():
                record[0].signal(signal.SIGTERM)
                deadline = max(deadline, time.monotonic() + record[1])
        while time.monotonic() < deadline and any(self.find(name) for name in chosen):
            time.sleep(0.05)
        killed = [member for name, members in self.tree().items() if name in chosen for member in members]
        for member in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10  # the kernel's time to end them: more only for one stuck in its disk
        while time.monotonic() < deadline and any(member.alive() for member in killed):
            time.sleep(0.01)
        for name in chosen:
            (self.run / name).unlink(missing_ok=True)
