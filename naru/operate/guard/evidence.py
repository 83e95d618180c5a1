"""What is known of hosts: which sources there are, what each witness has seen, and what these come to together.

A source says `alive`, `silent` or `unknown`. Unknown is no kind of silent: nothing is ever concluded from it.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from naru.operate.guard.policy import LIFE, Policy

Said = Literal["alive", "silent", "unknown"]
PowerState = Literal["on", "off", "unreachable", "denied", "none"]


class Source(NamedTuple):
    """Where evidence comes from. Sources of one `path` fail together, and count once; `many` is whether silence counts
    only from several witnesses, since it may be the witness who is cut off. `lies` is when it is wrong."""

    name: str
    path: str
    many: bool
    says: str
    lies: str


SOURCES = {
    one.name: one
    for one in (
        Source(
            *("heartbeat", "management", True, "the host's kernel and network are alive"),
            "the host hangs on its storage and still beats; clocks; the listener's network",
        ),
        Source(
            *("ping", "management", True, "silent only: nothing answers at its address"),
            "a host that hangs answers, so that an answer counts for nothing",
        ),
        Source(
            *("libvirt", "management", True, "guests run"),
            "it needs the same network; libvirtd may be dead, and guests alive",
        ),
        Source(*("peers", "tenant", True, "other hosts reach it"), "the peers are behind the same switch"),
        Source(
            *("storage", "storage", False, "the host writes to the guests' storage"),
            "a fault of the storage looks like one of all hosts; watchers stay for 30 s",
        ),
        Source(
            *("power", "power", False, "silent only: its power controller says off"),
            "it may say so too early, of another machine, or wrongly; on says nothing, and no answer proves nothing",
        ),
    )
}


class Sign(NamedTuple):
    """What one witness, in one failure domain, has seen of one source of a host, without a break for `seconds`."""

    source: str
    witness: str
    domain: str
    said: Said
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Host:
    """A compute host. `name` and `service` (a UUID, or the number that old Novas have) are Nova's, `nova` its state;
    `ours` whether it was the guard or an evacuation of Naru that disabled it or forced it down. `servers` are those
    that can be evacuated (None: not known), `room` whether others can take them. `roles` is what else is on it
    (controller, monitor, osd). `dump`: for how many seconds it writes a dump of its kernel (None: it does not).
    `in_flight`: its evacuation has proved it off; `given_up`: the work directory of one that has failed too often."""

    name: str
    service: str
    nova: Literal["up", "down", "unknown"]
    rack: str = ""
    zone: str = ""
    cell: str = ""
    enabled: bool = True
    forced_down: bool = False
    ours: bool = False
    is_clear: bool = True
    signs: tuple[Sign, ...] = ()
    servers: tuple[str, ...] | None = ()
    room: bool | None = True
    power: PowerState = "none"
    identified: bool | None = None
    roles: tuple[str, ...] = ()
    dump: float | None = None
    in_flight: bool = False
    given_up: str = ""
    held_for: float = 0.0

    @property
    def lives(self) -> list[str]:
        """The sources by which anybody sees that its guests may run."""
        return sorted({one.source for one in self.signs if one.said == "alive" and one.source in LIFE})

    @property
    def areas(self) -> dict[str, str]:
        """What it fails together with: `rack R1`, by the kind of area; all of the cloud is `cloud`."""
        found = {kind: str(getattr(self, kind)) for kind in ("rack", "zone", "cell")}
        return {"cloud": "cloud", **{kind: f"{kind} {name}" for kind, name in found.items() if name}}


class Witness(NamedTuple):
    """One that looks, in its failure domain; `sees` whether it reaches the cloud's own controllers (None: it has not
    said anything for too long)."""

    name: str
    domain: str
    sees: bool | None


class Count(NamedTuple):
    """So many of an area's hosts."""

    some: int
    all: int


@dataclass(frozen=True)
class Around:
    """What is known beside the host itself.

    Counts are by area: `down` by Nova's word, `doubtful` of these with a sign of life or nothing known, `lost` whose
    heartbeat was there and is silent, `spent` evacuated within the budget's hours. `mute` counts by source the hosts
    that are silent by it and live by another. `moved` are hosts whose report has moved on between two readings of Nova
    (None: not known yet), `last` seconds since the last evacuation began. `repeated` are servers that were on hosts
    which died before. `approved` is what a human has said of the host: `go` beyond limits, `off` that it has no power.
    `clock` is by how many seconds the clock of this machine has leapt, `listening` since when the guard listens.
    """

    witnesses: tuple[Witness, ...] = ()
    clock: float = 0.0
    listening: float = 0.0
    readable: bool = True
    unknown_cells: tuple[str, ...] = ()
    moved: int | None = None
    down: Mapping[str, Count] = field(default_factory=dict)
    doubtful: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, Count] = field(default_factory=dict)
    mute: Mapping[str, Count] = field(default_factory=dict)
    spent: Mapping[str, int] = field(default_factory=dict)
    chosen: int = 0
    last: float | None = None
    repeated: tuple[str, ...] = ()
    health: Mapping[str, bool | None] = field(default_factory=dict)
    held: str = ""
    approved: tuple[str, ...] = ()
    force_down: bool = True

    @property
    def trusted(self) -> list[Witness]:
        """The witnesses that see the cloud's controllers."""
        return [one for one in self.witnesses if one.sees]


class Together(NamedTuple):
    """What all witnesses come to, of one source; `seconds` since when."""

    said: Said
    seconds: float


UNKNOWN = Together("unknown", 0.0)


def together(signs: Iterable[Sign], source: Source, quorum: int, blind: Collection[str] = ()) -> Together:
    """Alive when anybody says so, silent when enough witnesses in different failure domains do, else unknown. The
    silence of a witness that is `blind` itself counts for nothing."""
    silent: dict[str, float] = {}
    for one in signs:
        if one.said == "alive" and source.name in LIFE:
            return Together("alive", one.seconds)
        if one.said == "silent" and one.witness not in blind:
            silent[one.domain] = max(silent.get(one.domain, 0.0), one.seconds)
    needed = quorum if source.many else 1
    if len(silent) < needed:
        return UNKNOWN
    return Together("silent", sorted(silent.values(), reverse=True)[needed - 1])


def by_source(host: Host, quorum: int, blind: Collection[str] = ()) -> dict[str, Together]:
    """What each source comes to that anything is known of."""
    signs: dict[str, list[Sign]] = {}
    for one in host.signs:
        signs.setdefault(one.source, []).append(one)
    return {name: together(found, SOURCES[name], quorum, blind) for name, found in signs.items()}


def silent_paths(found: Mapping[str, Together], seconds: float) -> list[str]:
    """The independent paths on which nothing of it was seen for so long."""
    return sorted(
        {SOURCES[name].path for name, one in found.items() if one.said == "silent" and one.seconds >= seconds}
    )


def limit(share: float, total: int) -> int:
    """So many of a number of hosts may fail at once without a human: one at least, or a cloud of three had no guard."""
    return max(1, int(share * total))


def around(
    hosts: Collection[Host],
    policy: Policy,
    *,
    witnesses: tuple[Witness, ...],
    **known: Any,
) -> Around:
    """The counts over all hosts, before anything is filtered, beside what else is known."""
    blind = {one.name for one in witnesses if not one.sees}
    down: dict[str, list[int]] = {}
    lost: dict[str, list[int]] = {}
    doubtful: dict[str, int] = {}
    mute: dict[str, list[int]] = {name: [0, 0] for name in SOURCES}
    for host in hosts:
        areas = host.areas.values()
        found = by_source(host, policy.quorum, blind)
        is_down = host.nova != "up" or host.forced_down
        lives = not is_down or any(one.said == "alive" for one in found.values())
        for name, one in found.items():
            mute[name][1] += one.said != "unknown"
            mute[name][0] += one.said == "silent" and lives
        beat = found.get("heartbeat", UNKNOWN).said
        is_doubtful = is_down and (lives or not silent_paths(found, 0.0))
        for area in areas:
            for counts, yes in ((down, is_down), (lost, beat == "silent")):
                here = counts.setdefault(area, [0, 0])
                here[0] += yes
                here[1] += 1
            doubtful[area] = doubtful.get(area, 0) + is_doubtful
    return Around(
        witnesses=witnesses,
        down={area: Count(*one) for area, one in down.items()},
        lost={area: Count(*one) for area, one in lost.items()},
        mute={name: Count(*one) for name, one in mute.items()},
        doubtful=doubtful,
        **known,
    )


def dump(known: Host | Around) -> dict[str, Any]:
    """As JSON."""
    return {one.name: getattr(known, one.name) for one in dataclasses.fields(known)}


def host_of(written: Mapping[str, Any]) -> Host:
    """The host that `dump` has written; what guards of before wrote besides is left out."""
    servers = written["servers"]
    fields = {one.name for one in dataclasses.fields(Host)}
    given = {
        **{name: value for name, value in written.items() if name in fields},
        "signs": tuple(Sign(*one) for one in written["signs"]),
        "servers": None if servers is None else tuple(servers),
        "roles": tuple(written["roles"]),
    }
    return Host(**given)


def around_of(written: Mapping[str, Any]) -> Around:
    """What `dump` has written of all that is around a host."""
    given = {
        **written,
        "witnesses": tuple(Witness(*one) for one in written["witnesses"]),
        **{name: {area: Count(*one) for area, one in written[name].items()} for name in ("down", "lost", "mute")},
        **{name: tuple(written[name]) for name in ("unknown_cells", "repeated", "approved")},
    }
    return Around(**given)
