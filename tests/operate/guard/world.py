"""A cloud on paper, whose hosts fail in many ways: what is so, what each witness would see of it, and what becomes of
a host whose power is cut. The guard's own code decides; this only says what is true."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from naru.operate.guard.evidence import Host, Said, Witness
from naru.operate.guard.memory import Reading

TICK = 20.0
GRACE = 45.0
"""Seconds that a host has to have been well before it is a fault to fence it: nobody sees a return at once."""


@dataclass
class Machine:
    """A compute host. `guests` is whether they run on it: a boot starts none."""

    name: str
    rack: str
    zone: str
    cell: str
    power: bool = True
    kernel: str = "ok"  # ok, hung, panic, dump
    compute: bool = True
    management: bool = True
    tenant: bool = True
    storage: bool = True
    controller: str = "ok"  # ok, dead, denied, early, wrong, stuck, liar
    guests: bool = True
    wrong: str = ""
    disabled: bool = False
    forced_down: bool = False
    ours: bool = False
    reason: str = ""
    well_since: float = 0.0
    off_at: float | None = None
    locked_off: bool = False


@dataclass
class World:
    """All of them, and what fails for many at once."""

    machines: dict[str, Machine]
    now: float = 0.0
    leap: float = 0.0
    queue: bool = True
    skewed: bool = False
    storage: bool = True
    frozen: dict[str, str] | None = None
    racks_down: set[str] = field(default_factory=set)
    blind: set[str] = field(default_factory=set)
    mute_cells: set[str] = field(default_factory=set)
    servers_on: dict[str, list[str]] = field(default_factory=dict)
    fenced: list[tuple[float, str, bool]] = field(default_factory=list)
    evacuated: list[str] = field(default_factory=list)
    events: list[tuple[float, str, str]] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)

    def runs(self, one: Machine) -> bool:
        return one.power and one.kernel == "ok"

    def reaches(self, one: Machine, net: str) -> bool:
        return one.power and getattr(one, net) and one.rack not in self.racks_down

    def is_well(self, one: Machine) -> bool:
        """Users reach guests that run on it."""
        return self.runs(one) and one.guests and self.reaches(one, "tenant")

    def is_wrong(self, one: Machine) -> bool:
        """Something may still be done about it."""
        return not self.is_well(one) and one.name not in self.evacuated

    def step(self) -> None:
        """Time goes on."""
        self.now += TICK
        for at, name, what in [one for one in self.events if one[0] <= self.now]:
            self.events.remove((at, name, what))
            self.happen(name, what)
        for one in self.machines.values():
            if one.off_at is not None and self.now >= one.off_at:
                self.cut(one)
            if not self.is_well(one):
                one.well_since = self.now
        self.check()

    def cut(self, one: Machine) -> None:
        one.power, one.guests, one.off_at, one.kernel = False, False, None, "ok"

    def happen(self, name: str, what: str) -> None:
        """A fault begins, or ends: `no-...`, on a machine, a rack, or for all."""
        ends, kind = what.startswith("no-"), what.removeprefix("no-")
        one = self.machines.get(name)
        if kind == "rack-net":
            (self.racks_down.discard if ends else self.racks_down.add)(name)
        elif kind == "rack-power":
            for each in self.machines.values():
                if each.rack == name:
                    self.power(each, ends)
        elif kind == "queue":
            self.queue = ends
        elif kind == "skew":
            self.skewed = not ends
        elif kind == "storage-all":
            self.storage = ends
        elif kind == "frozen":
            self.frozen = None if ends else {each: f"{each} {self.now}" for each in self.machines}
        elif kind == "blind":
            (self.blind.discard if ends else self.blind.add)(name)
        elif kind == "cell":
            (self.mute_cells.discard if ends else self.mute_cells.add)(name)
        elif kind == "leap":
            self.leap += 300.0
        elif one:
            if kind == "power":
                self.power(one, ends)
            elif kind in ("hung", "panic", "dump"):
                if one.power:
                    one.kernel = "ok" if ends else kind
                    one.guests = one.guests and kind == "hung"  # others are gone with their kernel
            elif kind in ("compute", "management", "tenant", "storage"):
                setattr(one, kind, ends)
            elif kind == "human":
                one.disabled = not ends

    def power(self, one: Machine, on: bool) -> None:
        if not on:
            self.cut(one)
        elif not one.power and not one.locked_off and one.off_at is None:
            one.power, one.kernel = True, "ok"  # boots without guests

    # what the guard's hands do

    def order_off(self, name: str, now: float) -> None:
        """The power controller that is written for the host is told to switch off."""
        one = self.machines[name]
        if one.controller in ("dead", "denied", "liar", "stuck"):
            return
        hit = self.machines[one.wrong] if one.controller == "wrong" else one
        was_well = self.is_well(hit) and now - hit.well_since > GRACE
        self.fenced.append((now, hit.name, was_well))
        if was_well:
            self.unsafe.append(f"{now:.0f} s: {hit.name} was well, and was switched off")
        if one.controller == "early":
            hit.off_at = now + 12.0
        else:
            self.cut(hit)

    def power_says(self, name: str) -> str:
        one = self.machines[name]
        if one.controller in ("dead", "denied"):
            return "unreachable" if one.controller == "dead" else "denied"
        if one.controller == "liar":
            return "off"
        if one.controller == "wrong":
            return "on" if self.machines[one.wrong].power else "off"
        if one.off_at is not None:
            return "off"  # early: before it is true
        return "on" if one.power else "off"

    def answers(self, name: str) -> bool:
        """Whether it answers by SSH, which is all that an evacuation sees of its life by itself."""
        one = self.machines[name]
        return self.runs(one) and self.reaches(one, "management")

    def is_up(self, one: Machine) -> bool:
        """By Nova."""
        reports = self.runs(one) and one.compute and self.reaches(one, "management") and self.queue
        return reports and one.cell not in self.mute_cells and not self.skewed and not one.forced_down

    def evacuate(self, name: str) -> None:
        if name in self.evacuated:
            self.unsafe.append(f"{self.now:.0f} s: {name} evacuated twice")
        self.evacuated.append(name)
        self.check()

    def check(self) -> None:
        """No guest runs twice."""
        for name in self.evacuated:
            one = self.machines[name]
            if one.guests and one.power and one.kernel in ("ok", "hung"):
                self.unsafe.append(f"{self.now:.0f} s: the guests of {name} run there and elsewhere")

    # what is seen

    def signs(self, one: Machine) -> Iterator[tuple[str, Said]]:
        runs = self.runs(one)
        lives = runs or (one.power and one.kernel == "hung")
        yield "heartbeat", "alive" if runs and self.reaches(one, "management") else "silent"
        yield "peers", "alive" if lives and one.kernel == "ok" and self.reaches(one, "tenant") else "silent"
        writes = runs and one.storage and self.storage
        yield "storage", "alive" if writes else "silent"

    def readings(self, sources: tuple[str, ...], witnesses: tuple[tuple[str, str], ...]) -> Iterator[Reading]:
        for one in self.machines.values():
            signs = dict(self.signs(one))
            for source in sources:
                if source == "storage":
                    yield Reading(one.name, source, "storage", "storage", signs[source])
                    continue
                for witness, domain in witnesses:
                    said: Said = signs[source]
                    if witness in self.blind:
                        said = "silent"  # cut off, it hears nobody
                    yield Reading(one.name, source, witness, domain, said)
            if self.power_says(one.name) == "off" and one.controller != "wrong":
                yield Reading(one.name, "power", "guard", "guard", "silent")

    def seen(self, witnesses: tuple[tuple[str, str], ...]) -> tuple[Witness, ...]:
        return tuple(Witness(name, domain, name not in self.blind) for name, domain in witnesses)

    def hosts(self) -> list[Host]:
        found = []
        for one in self.machines.values():
            found.append(
                Host(
                    one.name,
                    f"id-{one.name}",
                    "up" if self.is_up(one) else "down",
                    *(one.rack, one.zone, one.cell),
                    enabled=not one.disabled and not one.ours,
                    forced_down=one.forced_down,
                    ours=one.ours,
                    servers=tuple(self.servers_on[one.name]),
                    power=self.power_says(one.name),  # type: ignore[arg-type]
                    identified=one.controller != "wrong",
                    dump=60.0 if one.kernel == "dump" else None,
                )
            )
        return found

    def reports(self) -> dict[str, str]:
        if self.frozen is not None:
            return self.frozen
        return {name: f"{name} {self.now if self.runs(one) else 0}" for name, one in self.machines.items()}


def random_world(random_: random.Random) -> World:
    """A cloud of 4 to 9 hosts, with faults to come."""
    count = random_.randint(4, 9)
    racks, cells = random_.randint(1, 4), random_.randint(1, 2)
    machines = {}
    for number in range(count):
        name = f"c{number}"
        machines[name] = Machine(name, f"r{number % racks}", f"z{number % 2}", f"cell{number % cells}")
    world = World(machines, servers_on={name: [f"{name}-vm"] for name in machines})
    names = list(machines)
    for one in machines.values():
        if random_.random() < 0.35:
            one.controller = random_.choice(["dead", "denied", "early", "wrong", "stuck", "liar"])
            one.wrong = random_.choice([name for name in names if name != one.name])
    faults = random_.randint(1, 4)
    for _ in range(faults):
        at = 160.0 + random_.random() * 200.0
        lasts = random_.choice([30.0, 90.0, 200.0, 400.0, 2000.0])
        kind = random_.choice(
            ["power"] * 5
            + ["hung", "panic", "dump", "compute", "management", "tenant", "storage", "human"]
            + ["rack-net", "rack-power", "queue", "skew", "storage-all", "frozen", "blind", "cell", "leap"]
        )
        name = random_.choice(names)
        if kind in ("rack-net", "rack-power"):
            name = machines[name].rack
        elif kind == "cell":
            name = machines[name].cell
        elif kind == "blind":
            name = random_.choice(["w1", "w2"])
        world.events.append((at, name, kind))
        if kind != "leap":
            world.events.append((at + lasts, name, f"no-{kind}"))
    return world
