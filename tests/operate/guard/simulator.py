"""Guards on a cloud on paper: two of them, killed, paused and begun again at any moment, with a human who says what is
so when asked, and takes some of it back. Verdicts, what is begun, gone on with and withdrawn, and each step up to the
request to Nova are the program's own; see `executors` for what is of paper."""

import dataclasses
import random
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from naru.operate.guard import begun
from naru.operate.guard.begun import Begun
from naru.operate.guard.engine import Engine, Seen
from naru.operate.guard.evacuations import Evacuations
from naru.operate.guard.gates import NEEDED
from naru.operate.guard.ledger import Entry
from naru.operate.guard.memory import Memory
from naru.operate.guard.policy import Policy
from naru.operate.guard.verdict import Verdict, told

from .executors import Executor, evacuation, paper
from .world import TICK, World, random_world

WITNESSES = (("w1", "rack-a"), ("w2", "rack-b"))
WELL = dict.fromkeys(NEEDED, True)
POLICY = Policy(expects=("heartbeat", "peers", "storage"), quiet=60, ask_after=300)
PLAIN = Policy(quiet=60, ask_after=300)


@dataclass
class Job:
    """An evacuation, as its directory has it; `done` are the steps that are, `off` on whose word its host is off."""

    host: str
    name: str
    off: str
    by_human: bool
    done: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    failed: int = 0
    process: Executor | None = None

    def begun(self) -> Begun:
        is_running = self.process is not None and not self.process.is_over
        state = "running" if is_running else "done" if "asked" in self.done else "failed" if self.process else ""
        return Begun(
            *(self.host, self.name, state, "fence" in self.done, "record" in self.done),
            *(begun.WITHDRAWN in self.marks, begun.RETURNED in self.marks, self.failed),
        )


@dataclass
class Disk:
    """What outlives a guard: its directory, and who has its lock."""

    world: World
    jobs: dict[str, Job] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    approvals: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    liars: set[str] = field(default_factory=set)
    now: dict[str, Any] = field(default_factory=dict)
    owner: str = ""
    path: Path = Path("guard")

    def approved(self) -> dict[str, dict[str, Any]]:
        return self.approvals

    def begin(self, entry: Entry, off: str) -> Path:
        self.entries.append(entry)
        number = sum(one.host == entry.host for one in self.jobs.values()) + 1
        name = f"{entry.host}-{number}"
        self.jobs[name] = Job(entry.host, name, off, "go" in self.approvals.get(entry.host, {}))
        return self.path / "evacuations" / name


class PaperEvacuations(Evacuations):
    """The real ones, whose directories and processes are of paper."""

    def __init__(self, disk: Disk, settle: float) -> None:
        super().__init__(disk, [], lambda _: None)  # type: ignore[arg-type]
        self.disk, self.settle = disk, settle

    def look(self, services: Any) -> None:
        self.found = [one.begun() for one in self.disk.jobs.values()]

    def mark(self, one: Begun, what: str) -> None:
        self.disk.jobs[one.name].marks.add(what)

    def fenced_by(self, one: Begun) -> str:
        return self.disk.jobs[one.name].off

    def start(self, host: str, path: Path, off: str) -> None:
        job = self.disk.jobs[path.name]
        assert job.process is None or job.process.is_over
        if "fence" not in job.done:
            job.off = off
        job.process = Executor(self.disk.world, evacuation(job, self.settle))
        self._started[path.name] = self.disk.world.now


class Guard:
    """One guard. It may stand still (its process is stopped, and keeps the lock), or die (it does not)."""

    def __init__(self, name: str, world: World, disk: Disk, policy: Policy, sources: tuple[str, ...]) -> None:
        self.name, self.world, self.disk, self.policy, self.sources = name, world, disk, policy, sources
        self.asleep = 0.0
        self.begin()

    def begin(self) -> None:
        """Its process begins: it knows what is on disk."""
        memory = Memory(self.disk.seen, self.disk.liars)
        world = self.world
        self.engine = Engine(self.policy, memory, lambda: world.now, lambda: world.now + world.leap)
        self.evacuations = PaperEvacuations(self.disk, self.policy.settle)
        self.verdicts: dict[str, Verdict] = {}

    def die(self) -> None:
        if self.disk.owner == self.name:
            self.disk.owner = ""
        self.begin()

    def round(self) -> None:
        """As `service.Guard.round` does it. Without the lock it does not run at all."""
        world, disk, ours = self.world, self.disk, self.evacuations
        disk.owner = disk.owner or self.name
        if disk.owner != self.name:
            return
        ours.look([])
        in_flight, given_up = ours.in_flight(), ours.given_up()
        seen = Seen(
            hosts=[
                dataclasses.replace(one, in_flight=one.name in in_flight, given_up=given_up.get(one.name, ""))
                for one in world.hosts()
            ],
            readings=list(world.readings(self.sources, WITNESSES)),
            witnesses=world.seen(WITNESSES),
            reports=world.reports(),
            health=WELL,
            approved=disk.approvals,
        )
        found = self.engine.round(seen, disk.entries, ours.open_entries(disk.entries))
        disk.seen |= self.engine.memory.seen
        disk.liars |= self.engine.memory.liars
        self.verdicts = {one.host: one for one in found}
        disk.now = {"at": world.now + world.leap, "verdicts": told(found)}
        ours.withdraw(found)
        for verdict in found:
            if verdict.outcome == "evacuate":
                ours.begin(verdict)
        ours.go_on(found)


def simulate(seed: int) -> World:
    """One run; what was unsafe in it is in the world's `unsafe`."""
    random_ = random.Random(seed)
    world = random_world(random_)
    has_storage = random_.random() < 0.6
    policy = POLICY if has_storage else PLAIN
    sources = ("heartbeat", "peers", *(("storage",) if has_storage else ()))
    disk = Disk(world)
    guards = [Guard("one", world, disk, policy, sources)]
    if random_.random() < 0.4:
        guards.append(Guard("two", world, disk, policy, sources))
    with paper(world, disk):
        try:
            _run(world, disk, guards, random_, trouble=random_.random() < 0.5)
        finally:
            for job in disk.jobs.values():
                if job.process:
                    job.process.kill()
    return world


def _run(world: World, disk: Disk, guards: list[Guard], random_: random.Random, *, trouble: bool) -> None:
    policy = guards[0].policy
    for _ in range(int(900 / TICK)):
        world.step()
        for guard in guards:
            if trouble and random_.random() < 0.02:
                guard.die()
            elif trouble and random_.random() < 0.01:
                guard.asleep = random_.choice([60.0, 300.0])
            if guard.asleep > 0:
                guard.asleep -= TICK
                continue
            guard.round()
            human(guard, random_)
        for job in disk.jobs.values():
            processes(job, random_, trouble=trouble)
        limits(world, disk, policy)
        if world.unsafe:
            break
        if not world.events and not any(world.is_wrong(one) for one in world.machines.values()):
            break


def processes(job: Job, random_: random.Random, *, trouble: bool) -> None:
    """The process of an evacuation goes on, or is killed."""
    if job.process is None or job.process.is_over:
        return
    if trouble and random_.random() < 0.02:
        job.process.kill()
        return
    job.process.go()
    if job.process.is_over and job.process.code == 1:
        job.failed += 1


def human(guard: Guard, random_: random.Random) -> None:
    """Answers some of what is asked, and takes some of it back. Whether a host is off they go and see, and pull its
    cord; what they take back they have plugged in again."""
    for verdict in guard.verdicts.values():
        one = guard.world.machines[verdict.host]
        said = guard.disk.approvals.setdefault(verdict.host, {})
        if "off" in said and verdict.host not in guard.world.evacuated and random_.random() < 0.03:
            del said["off"]
            one.locked_off = False
            continue
        if verdict.outcome != "ask" or random_.random() > 0.1:
            continue
        if verdict.gate in ("cliff", "share", "budget"):
            said["go"] = SimpleNamespace(by="kim")
        elif not one.power:
            one.locked_off = True
            said["off"] = SimpleNamespace(by="kim")


def limits(world: World, disk: Disk, policy: Policy) -> None:
    """No more is begun without a human than the budgets allow."""
    counted: dict[str, int] = {}
    for job in disk.jobs.values():
        if job.by_human:
            continue
        one = world.machines[job.host]
        for area, most in (("cloud", 3), (f"rack {one.rack}", 1), (f"zone {one.zone}", 2), (f"cell {one.cell}", 2)):
            counted[area] = counted.get(area, 0) + 1
            if counted[area] > most:
                world.unsafe.append(f"{world.now:.0f} s: {counted[area]} evacuations of {area}, more than its budget")
