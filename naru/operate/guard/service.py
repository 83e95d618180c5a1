"""The guard as a service: round after round it looks, decides, writes down, and, when it may, begins evacuations.

It may be killed at any instant. What it has begun is a work directory of an evacuation with a process of its own; begun
again it finds that, and goes on with it. One process at a time has the guard's directory.
"""

import dataclasses
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from naru.cloud.client import Cloud
from naru.operate.evacuate import planner
from naru.operate.evacuate.work import Work
from naru.operate.guard import ledger
from naru.operate.guard.beat import MOST
from naru.operate.guard.engine import Engine, Seen
from naru.operate.guard.evidence import Host, Witness
from naru.operate.guard.heartbeat import Listener, bound
from naru.operate.guard.memory import Memory, Reading
from naru.operate.guard.policy import Policy
from naru.operate.guard.seeing import Patience, Seeing, StorageBeats
from naru.operate.guard.state import BEGUN, Directory
from naru.operate.guard.verdict import Verdict, summary, written
from naru.plan.journal import Journal
from naru.plan.queries import reading
from naru.plan.status import status
from naru.site.site import Site

TRIES = 3
"""How often an evacuation is begun again that has failed; then a human is asked."""
AGAIN = 300.0
"""Seconds between two of these."""
FRESH = 60.0
"""Seconds that the newest round of a guard that runs is old at most."""
ALL = ""
WIDE = ("viewpoint", "readable")
"""Gates that stop a round whole."""
OWN = "guard"
"""This witness's own name."""


@dataclass(frozen=True)
class Settings:
    """How a guard runs: whether it acts, where it listens, in which failure domain it is itself, seconds between two
    rounds, the directory on the guests' storage, whether disks of servers lie on storage that hosts share."""

    act: bool
    listen: tuple[str, int]
    domain: str
    every: float = 15.0
    storage: Path | None = None
    shared: bool = False
    rounds: int = 0


@dataclass
class Guard:
    """One guard, whose directory is its own. `keys` are those of heartbeats; `say` is told what is worth a line;
    `patience` is that of the cloud's client."""

    directory: Directory
    site: Site
    cloud: Cloud
    policy: Policy
    settings: Settings
    keys: list[bytes]
    say: Callable[[str], None]
    patience: Patience
    _outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _said: dict[str, tuple[str, str]] = field(default_factory=dict)
    _children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.entries()  # said now, where one cannot be read
        self.kept = self.directory.load()
        self.memory = Memory(self.kept.seen, self.kept.liars, patience=3 * self.settings.every)
        self.engine = Engine(self.policy, self.memory, time.monotonic, time.time)
        self.listener = Listener(self.keys, self.kept.newest)
        self.seeing = Seeing(self.cloud, self.site, self.directory.path, shared=self.settings.shared)
        self.storage = StorageBeats(self.settings.storage, self.keys) if self.settings.storage else None
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self) -> None:
        """Rounds until it is stopped; `rounds` of the settings at most, if that is not 0. Evacuations that were begun
        go on by themselves."""
        with self._listening(), self._interrupts():
            number = 0
            while not self._stop.is_set():
                began = time.monotonic()
                self.round()
                number += 1
                if number == self.settings.rounds:
                    return
                self._stop.wait(max(1.0, self.settings.every - (time.monotonic() - began)))

    def round(self) -> list[Verdict]:
        """Looks once, decides, writes down, acts."""
        seen = self._look()
        found = self.engine.round(seen, self.directory.entries())
        self.kept.seen, self.kept.liars = set(self.memory.seen), set(self.memory.liars)
        with self._lock:
            self.kept.newest = self.listener.newest
        self.directory.save(self.kept)
        self._write(found, seen)
        for one in found:
            self._told(one, seen)
            if one.outcome == "evacuate" and self.settings.act:
                self._begin(one)
        if self.settings.act:
            self._go_on()
        return found

    # looking

    def _look(self) -> Seen:
        self.patience.begin()
        cloud = self.seeing.services()
        begun = {path.name.rpartition("-")[0] for path in self.directory.evacuations()}
        in_flight = {host for host in begun if self._is_in_flight(host)}
        hosts = self.seeing.hosts(cloud.services, in_flight)
        names = [one.name for one in hosts]
        now = time.monotonic()
        racks = {one.name: one.rack for one in hosts}
        with self._lock:
            readings = list(self.listener.readings(names, OWN, self.settings.domain, racks, now))
            witnesses = self.listener.witnesses(now)
        if self.storage:
            readings += self.storage.readings(names, now)
        hosts, powers = self._powers(hosts)
        approved = self.directory.approved()
        return Seen(
            hosts=hosts,
            readings=[*readings, *powers],
            witnesses=(Witness(OWN, self.settings.domain, cloud.readable), *witnesses),
            reports=cloud.reports,
            readable=cloud.readable,
            health=self.seeing.health() if any(one.nova != "up" for one in hosts) else {},
            held=self.directory.held(),
            approved={host: tuple(said) for host, said in approved.items()},
            force_down=cloud.force_down,
        )

    def _powers(self, hosts: list[Host]) -> tuple[list[Host], list[Reading]]:
        """The hosts with what is known of their power, and that as readings."""
        said = self.seeing.powers(hosts, self.settings.every)
        found = [dataclasses.replace(one, power=said[one.name]) if one.name in said else one for one in hosts]
        off = [one.name for one in found if one.power == "off" and one.identified is not False]
        return found, [Reading(name, "power", OWN, self.settings.domain, "silent") for name in off]

    def _is_in_flight(self, host: str) -> bool:
        """Whether an evacuation of it has come so far that the host is off: until then it is judged anew."""
        for path in self.directory.evacuations(host):
            if not Journal.exists(path):
                continue
            with Work(path).journal() as journal, reading(journal) as now:
                fenced = [one for one in now.steps(purpose=planner.FENCE) if one.state == "done"]
            if fenced and not self._is_returned(path):
                return True
        return any(self._is_given_up(path) for path in self._planned(host) if not self._is_returned(path))

    def _is_given_up(self, path: Path) -> bool:
        """Whether an evacuation has failed so often that a human has to look: others do not wait for it."""
        child = self._children.get(path.name)
        return self._tries(path) >= TRIES and (child is None or child.poll() is not None)

    def _tries(self, path: Path) -> int:
        file = path / "tries"
        return len(file.read_text().split()) if file.exists() else 0

    def _is_returned(self, path: Path) -> bool:
        if not Journal.exists(path):
            return False
        last = Work(path).returns.last()
        if last is None:
            return False
        with last:
            return status(last).state == "done"

    # writing down

    def _write(self, found: list[Verdict], seen: Seen) -> None:
        told = {
            one.host: {"outcome": one.outcome, "gate": one.gate, "why": one.why}
            for one in found
            if one.outcome != "none" or one.gate == "flight"
        }
        more = {
            **{"acts": self.settings.act, "held": seen.held, "hosts": len(found), "rejected": self.listener.rejected},
            **{"outcomes": summary(found), "witnesses": [one._asdict() for one in seen.witnesses]},
        }
        self.directory.write_now(told, more)

    def _told(self, one: Verdict, seen: Seen) -> None:
        """Keeps a verdict that is another one than before."""
        now = (one.outcome, one.gate)
        self._outcomes[one.host] = now
        # what stops the round stops all hosts: it is said once, of those that are up
        about = one.host if one.case.host.nova != "up" else ALL if one.gate in WIDE else one.host
        before = self._said.get(about)
        self._said[about] = now
        if one.gate not in WIDE:
            self._said.pop(ALL, None)
        if now == before or (before is None and one.outcome == "none"):
            return
        number = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{one.host}-{uuid.uuid4().hex[:4]}"
        acts = self.settings.act
        self.directory.record({"id": number, "at": time.time(), "acts": acts, **written(one)})
        would = "" if acts or one.outcome != "evacuate" else " (shadow: nothing is done)"
        self.say(f"{number}: {one.host}: {one.outcome}{f' at {one.gate}' if one.gate else ''}: {one.why}{would}")

    # acting

    def _begin(self, one: Verdict) -> None:
        """Begins an evacuation: written down first, so that it counts whatever becomes of us."""
        if any(not self._is_returned(path) for path in self._planned(one.host)):
            return
        off = self.directory.approved().get(one.host, {}).get("off")
        self._start(one.host, self.directory.begin(ledger.entry(one.case.host, time.time()), off.by if off else ""))

    def _planned(self, host: str) -> list[Path]:
        return [path for path in self.directory.evacuations(host) if (path / BEGUN).exists()]

    def _go_on(self) -> None:
        """Begins again what was begun and has not come to its end: after a restart of ours, or a failure."""
        for path in self.directory.evacuations():
            host = path.name.rpartition("-")[0]
            child = self._children.get(path.name)
            if child is not None and child.poll() is None:
                continue
            state = self._state(path)
            if state in ("done", "running") or not (path / BEGUN).exists():
                continue
            if self._tries(path) >= TRIES:
                if child is not None:
                    self.say(f"{host}: its evacuation has failed {TRIES} times: naru host status {path}")
                    del self._children[path.name]
                continue
            if time.monotonic() - self._begun.get(path.name, -AGAIN) < AGAIN:
                continue
            is_off = self._is_in_flight(host)
            outcome = self._outcomes.get(host, ("", ""))
            if is_off or outcome[0] == "evacuate" or outcome[1] in ("pace", "budget"):
                self._start(host, path)

    def _state(self, path: Path) -> str:
        if not Journal.exists(path):
            return ""
        if self._is_returned(path):
            return "done"
        with Work(path).journal() as journal:
            found = status(journal)
        # by a process that an earlier guard has begun, or a human
        return "running" if found.executor else found.state

    def _start(self, host: str, path: Path) -> None:
        off = self.directory.off(path)
        with (path / "tries").open("a") as opened:
            opened.write(f"{time.time():.0f}\n")
        words = [
            *("host", "evacuate", host, "--site", str(self.site.file.absolute()), "--work", str(path)),
            *("--guard", str(self.directory.path.absolute()), "--settle", f"{self.policy.settle:g}s"),
            *(["--shared"] if self.settings.shared else []),
            *(["--off", off] if off else []),
        ]
        self.say(f"{host}: evacuation in {path}")
        with (path / "output.txt").open("ab") as output:
            # a session of its own: it goes on when we are stopped
            self._children[path.name] = subprocess.Popen(
                [sys.executable, "-m", "naru.cli.main", "-q", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._begun[path.name] = time.monotonic()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        with closing(bound(self.settings.listen)) as listening:

            def hear() -> None:
                while not self._stop.is_set():
                    try:
                        packet = listening.recv(MOST)
                    except TimeoutError:
                        continue
                    except OSError:
                        return
                    with self._lock:
                        self.listener.take(packet, time.monotonic())

            thread = threading.Thread(target=hear, daemon=True)
            thread.start()
            try:
                yield
            finally:
                self._stop.set()
                thread.join()

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        def interrupt(*_: object) -> None:
            self._stop.set()

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
