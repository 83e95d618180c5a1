"""The guard as a service: round after round it looks, decides, writes down, and, when it may, begins evacuations.

It may be killed at any instant. What it has begun is a work directory of an evacuation with a process of its own; begun
again it finds that, and goes on with it. One process at a time has the guard's directory.
"""

import dataclasses
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from naru.cloud.client import Cloud
from naru.operate.guard.beat import MOST
from naru.operate.guard.engine import Engine, Seen
from naru.operate.guard.evacuations import Evacuations
from naru.operate.guard.evidence import Host, Witness
from naru.operate.guard.heartbeat import Listener, bound
from naru.operate.guard.kdump import Dumps, addresses
from naru.operate.guard.ledger import Leaps
from naru.operate.guard.memory import Memory, Reading
from naru.operate.guard.policy import Policy
from naru.operate.guard.seeing import Patience, Seeing, StorageBeats
from naru.operate.guard.state import Directory
from naru.operate.guard.verdict import Verdict, summary, told, written
from naru.signals import taken
from naru.site.hostnames import host_of
from naru.site.site import Site

FRESH = 60.0
"""Seconds that the newest round of a guard that runs is old at most."""
ALL = ""
WIDE = ("viewpoint", "readable")
"""Gates that stop a round whole."""
SILENT_AFTER = 45.0
"""Seconds at least after which whoever has not spoken is unknown, however often is looked."""
OWN = "guard"
"""This witness's own name."""


@dataclass(frozen=True)
class Settings:
    """How a guard runs: whether it acts, where it listens, in which failure domain it is itself, seconds between two
    rounds, the directory on the guests' storage, whether disks of servers lie on storage that hosts share, where it is
    heard that a kernel writes its dump (None: nowhere)."""

    act: bool
    listen: tuple[str, int]
    domain: str
    every: float = 15.0
    storage: Path | None = None
    shared: bool = False
    rounds: int = 0
    kdump: tuple[str, int] | None = None


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
    _said: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.entries()  # said now, where one cannot be read
        self.kept = self.directory.load()
        self.memory = Memory(self.kept.seen, self.kept.liars, patience=max(SILENT_AFTER, 3 * self.settings.every))
        leaps = Leaps(self.kept.wall, self.kept.leaps)
        self.engine = Engine(self.policy, self.memory, time.monotonic, time.time, leaps)
        self.listener = Listener(self.keys, self.kept.newest)
        self.seeing = Seeing(self.cloud, self.site, self.directory.path, shared=self.settings.shared)
        self.storage = StorageBeats(self.settings.storage, self.keys) if self.settings.storage else None
        self.dumps = Dumps(addresses(self.site) if self.settings.kdump else {})
        self.evacuations = Evacuations(self.directory, self._options(), self.say)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def _options(self) -> list[str]:
        """Those of an evacuation that the guard begins."""
        return [
            *("--site", str(self.site.file.absolute()), "--guard", str(self.directory.path.absolute())),
            *("--settle", f"{self.policy.settle:g}s"),
            *(["--shared"] if self.settings.shared else []),
        ]

    def run(self) -> bool:
        """Rounds until it is stopped; `rounds` of the settings at most, if that is not 0. Whether it was stopped.
        Evacuations that were begun have processes of their own."""
        with self._listening(), taken(lambda *_: self._stop.set()):
            number = 0
            while not self._stop.is_set():
                began = time.monotonic()
                self.round()
                number += 1
                if number == self.settings.rounds:
                    return self._stop.is_set()
                self._stop.wait(max(1.0, self.settings.every - (time.monotonic() - began)))
        return True

    def round(self) -> list[Verdict]:
        """Looks once, decides, writes down, acts."""
        seen = self._look()
        believed = self.directory.believed()
        self.memory.liars -= believed
        entries = self.directory.entries()
        found = self.engine.round(seen, entries, self.evacuations.open_entries(entries))
        self.kept.seen, self.kept.liars = set(self.memory.seen), set(self.memory.liars)
        self.kept.wall, self.kept.leaps = self.engine.leaps.last, self.engine.leaps.found
        with self._lock:
            self.kept.newest = self.listener.newest
        self.directory.save(self.kept)
        self.directory.forget_believed(believed)
        self._write(found, seen)
        self.evacuations.withdraw(found)
        for one in found:
            self._told(one, seen)
        if self.settings.act:
            self._act(found)
        return found

    def _act(self, found: list[Verdict]) -> None:
        for one in found:
            if one.outcome == "evacuate" and not self._stop.is_set():
                self.evacuations.begin(one)
        if not self._stop.is_set():
            self.evacuations.go_on(found)

    # looking

    def _look(self) -> Seen:
        self.patience.begin()
        cloud = self.seeing.services()
        self.evacuations.look(cloud.services)
        hosts = self.seeing.hosts(cloud.services, self.evacuations.in_flight())
        given_up = self.evacuations.given_up()
        now = time.monotonic()
        hosts = [
            dataclasses.replace(one, given_up=given_up.get(one.name, ""), dump=self._dump(one.name, now))
            for one in hosts
        ]
        names = [one.name for one in hosts]
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
            unknown_cells=cloud.unknown_cells,
            health=self.seeing.health() if any(one.nova != "up" for one in hosts) else {},
            held=self.directory.held(),
            approved={host: tuple(said) for host, said in approved.items()},
            force_down=cloud.force_down,
        )

    def _dump(self, name: str, now: float) -> float | None:
        """For how long a host, as Nova calls it, writes a dump of its kernel."""
        ours = host_of(self.site, name)
        with self._lock:
            return self.dumps.seconds(ours.name, now) if ours else None

    def _powers(self, hosts: list[Host]) -> tuple[list[Host], list[Reading]]:
        """The hosts with what is known of their power, and that as readings."""
        said = self.seeing.powers(hosts, self.settings.every)
        found = [dataclasses.replace(one, power=said[one.name]) if one.name in said else one for one in hosts]
        off = [one.name for one in found if one.power == "off" and one.identified is not False]
        return found, [Reading(name, "power", OWN, self.settings.domain, "silent") for name in off]

    # writing down

    def _write(self, found: list[Verdict], seen: Seen) -> None:
        more = {
            **{
                "acts": self.settings.act,
                "readable": seen.readable,
                "held": seen.held,
                "hosts": len(found),
                "rejected": self.listener.rejected,
            },
            **{"outcomes": summary(found), "witnesses": [one._asdict() for one in seen.witnesses]},
        }
        self.directory.write_now(told(found), more)

    def _told(self, one: Verdict, seen: Seen) -> None:
        """Keeps a verdict that is another one than before."""
        now = (one.outcome, one.gate)
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

    @contextmanager
    def _listening(self) -> Iterator[None]:
        with ExitStack() as stack:
            heard = [(self.settings.listen, "--listen", lambda packet, _, now: self.listener.take(packet, now))]
            if self.settings.kdump:
                heard.append((self.settings.kdump, "--kdump", self.dumps.take))
            threads = []
            for address, option, take in heard:
                listening = stack.enter_context(closing(bound(address, option)))
                threads.append(threading.Thread(target=self._hear, args=(listening, take), daemon=True))
            for one in threads:
                one.start()
            try:
                yield
            finally:
                self._stop.set()
                for one in threads:
                    one.join()

    def _hear(self, listening: socket.socket, take: Callable[[bytes, str, float], bool]) -> None:
        """Takes down packets until it is stopped: each with the address that it comes from, and when."""
        while not self._stop.is_set():
            try:
                packet, sender = listening.recvfrom(MOST)
            except TimeoutError:
                continue
            except OSError:
                self._stop.wait(1.0)  # it listens on: a guard that is deaf would call all hosts silent
                continue
            with self._lock:
                take(packet, sender[0], time.monotonic())
