"""Guards on a cloud on paper: two of them, killed, paused and begun again at any moment, with a human who says what is
so when asked. Their verdicts are the guard's own; what they do goes in the order of the steps of an evacuation."""

import dataclasses
import random
from dataclasses import dataclass, field

from naru.operate.guard import ledger
from naru.operate.guard.engine import Engine, Seen
from naru.operate.guard.evidence import Host
from naru.operate.guard.gates import NEEDED
from naru.operate.guard.ledger import Entry
from naru.operate.guard.memory import Memory
from naru.operate.guard.policy import Policy
from naru.operate.guard.proof import Look, by_power
from naru.operate.guard.verdict import Verdict

from .world import TICK, World, random_world

WITNESSES = (("w1", "rack-a"), ("w2", "rack-b"))
WELL = dict.fromkeys(NEEDED, True)
POLICY = Policy(expects=("heartbeat", "peers", "storage"), quiet=60, ask_after=300)
PLAIN = Policy(quiet=60, ask_after=300)


@dataclass
class Job:
    """The evacuation of one host, as its journal has it: how far it is, and whether a human opened a limit for it."""

    host: str
    state: str = "begun"  # ordered, proved, forced, done, stopped
    by_human: bool = False
    confirmed: bool = False
    ordered: int = 0
    looks: list[Look] = field(default_factory=list)


@dataclass
class Disk:
    """What outlives a guard: its directory, and who has its lock."""

    jobs: dict[str, Job] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    approved: dict[str, set[str]] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    liars: set[str] = field(default_factory=set)
    owner: str = ""


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
        self.verdicts: dict[str, Verdict] = {}

    def die(self) -> None:
        if self.disk.owner == self.name:
            self.disk.owner = ""
        self.begin()

    def round(self) -> None:
        """Looks, judges, and goes one action on with what it has begun."""
        world, disk = self.world, self.disk
        seen = Seen(
            hosts=[self._with_job(one) for one in world.hosts()],
            readings=list(world.readings(self.sources, WITNESSES)),
            witnesses=world.seen(WITNESSES),
            reports=world.reports(),
            health=WELL,
            approved=disk.approved,
        )
        found = self.engine.round(seen, disk.entries)
        disk.seen |= self.engine.memory.seen
        disk.liars |= self.engine.memory.liars
        self.verdicts = {one.host: one for one in found}
        if not disk.owner:
            disk.owner = self.name
        if disk.owner != self.name:
            return
        for verdict in found:
            if verdict.outcome == "evacuate" and verdict.host not in disk.jobs:
                disk.entries.append(ledger.entry(verdict.case.host, world.now + world.leap))
                said = disk.approved.get(verdict.host, set())
                disk.jobs[verdict.host] = Job(verdict.host, by_human="go" in said, confirmed="off" in said)
                return  # the journal first; what is begun goes on in the next round
        for job in disk.jobs.values():
            self._go_on(job)

    def _with_job(self, host: Host) -> Host:
        job = self.disk.jobs.get(host.name)
        # an evacuation that has not come to the order is judged anew, as if it had not begun
        is_under_way = job is not None and job.state not in ("begun", "stopped")
        return dataclasses.replace(host, in_flight=True) if is_under_way else host

    def _go_on(self, job: Job) -> None:
        world, one = self.world, self.world.machines[job.host]
        if job.state == "begun":
            if not self._still(job):
                job.state = "stopped"
                return
            job.looks = []
            identified = one.controller != "wrong" and job.host not in self.disk.liars
            if job.confirmed:
                # a human has said that it has no power: nothing is ordered of anybody
                is_contradicted = world.alive(job.host) or (identified and world.power_says(job.host) == "on")
                job.state = "stopped" if is_contradicted else "proved"
                return
            if not identified:
                job.state = "stopped"
                return
            if world.power_says(job.host) == "on":
                if job.ordered >= 3:
                    job.state = "stopped"
                    return
                job.ordered += 1
                world.order_off(job.host, world.now)
            job.state = "ordered"
        elif job.state == "ordered":
            alive = world.alive(job.host)
            identified = one.controller != "wrong" and job.host not in self.disk.liars
            job.looks.append(Look(world.now, world.power_says(job.host), identified, alive))  # type: ignore[arg-type]
            proof = by_power(job.looks, self.policy.settle)
            if proof.state == "off":
                job.state = "proved"
            elif proof.state == "refused" or len(job.looks) > 6:
                job.state = "stopped"
        elif job.state == "proved":
            one.forced_down = one.ours = True
            job.state = "forced"
        elif job.state == "forced":
            if world.alive(job.host) or (not job.confirmed and world.power_says(job.host) != "off"):
                job.state = "stopped"
                return
            if job.host not in world.evacuated:  # finds before it does: Nova's records say so
                world.evacuate(job.host)
            job.state = "done"

    def _still(self, job: Job) -> bool:
        verdict = self.verdicts.get(job.host)
        assert verdict
        # its own entry has taken of the limits already
        return verdict.outcome == "evacuate" or verdict.gate in ("pace", "budget")


def simulate(seed: int) -> World:
    """One run; what was unsafe in it is in the world's `unsafe`."""
    random_ = random.Random(seed)
    world = random_world(random_)
    has_storage = random_.random() < 0.6
    policy = POLICY if has_storage else PLAIN
    sources = ("heartbeat", "peers", *(("storage",) if has_storage else ()))
    disk = Disk()
    guards = [Guard("one", world, disk, policy, sources)]
    if random_.random() < 0.4:
        guards.append(Guard("two", world, disk, policy, sources))
    trouble = random_.random() < 0.5
    chosen: list[str] = []
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
        limits(world, disk, policy, chosen)
        if world.unsafe:
            break
        if not world.events and not any(world.is_wrong(one) for one in world.machines.values()):
            break
    return world


def human(guard: Guard, random_: random.Random) -> None:
    """Answers some of what is asked. Whether a host is off they go and see, and pull its cord."""
    for verdict in guard.verdicts.values():
        if verdict.outcome != "ask" or random_.random() > 0.1:
            continue
        one = guard.world.machines[verdict.host]
        said = guard.disk.approved.setdefault(verdict.host, set())
        if verdict.gate in ("cliff", "share", "budget"):
            said.add("go")
        elif not one.power:
            one.locked_off = True
            said.add("off")


def limits(world: World, disk: Disk, policy: Policy, chosen: list[str]) -> None:
    """No more is begun without a human than the budgets allow; nothing of a human's is touched."""
    for host in disk.jobs:
        if host not in chosen:
            chosen.append(host)
    counted: dict[str, int] = {}
    for host in chosen:
        one = world.machines[host]
        if disk.jobs[host].by_human:
            continue
        for area, most in (("cloud", 3), (f"rack {one.rack}", 1), (f"zone {one.zone}", 2), (f"cell {one.cell}", 2)):
            counted[area] = counted.get(area, 0) + 1
            if counted[area] > most:
                world.unsafe.append(f"{world.now:.0f} s: {counted[area]} evacuations of {area}, more than its budget")
