"""The questions of a day: what is full when, whether what is lost with a host or a rack fits elsewhere, which projects
grow, which hosts are out of line. From samples, wherever they are kept; nothing is asked of any cloud."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Literal, NamedTuple, Protocol

from naru.operate.metrics.families import Labels
from naru.operate.metrics.store import Point

DAY = 86400.0
WEEK = 7 * DAY
FEWEST = 2 * DAY
"""Seconds that samples have to span before a growth is told from them."""

Question = Literal["full", "loss", "growth", "hosts"]
QUESTIONS: tuple[Question, ...] = ("full", "loss", "growth", "hosts")
State = Literal["ok", "soon", "full", "tight", "no room", "out of line", "unknown", "no samples"]
BAD: frozenset[State] = frozenset(("soon", "full", "no room", "no samples"))
"""What somebody has to do something about: who reads nothing at all sees nothing fill up either."""
_NO_HOSTS = "no whole samples of hosts of the last two hours: see naru_source_up of placement and hypervisors"
_NO_SERIES = "no samples of the last two days: see whether naru exporter runs, and naru_source_up"


class Samples(Protocol):
    """Where samples are: the exporter's own (`Store`), or a Prometheus."""

    def trend(self, name: str, since: float) -> Mapping[Labels, list[Point]]: ...

    def latest(self, name: str) -> Mapping[Labels, float]: ...


class Answer(NamedTuple):
    """An answer about one thing. `used` of `capacity`, growing by `per_week`, full in `weeks` (None: not known, or
    never); `why` says it for a person."""

    question: Question
    name: str
    state: State
    used: float | None = None
    capacity: float | None = None
    per_week: float | None = None
    weeks: float | None = None
    why: str = ""


class Host(NamedTuple):
    """A host as Placement has it, by resource."""

    name: str
    zone: str
    rack: str
    is_open: bool
    capacity: dict[str, float]
    used: dict[str, float]
    largest: dict[str, float]

    def free(self, resource: str) -> float:
        return max(0.0, self.capacity.get(resource, 0.0) - self.used.get(resource, 0.0))


def answers(
    samples: Samples, questions: Iterable[Question], *, since: float = 4 * WEEK, full: float = 0.9, within: float = 8.0
) -> Iterator[Answer]:
    """The answers, from the samples of the last `since` seconds. A thing counts as full when the share `full` of it is
    used, and as soon full within so many weeks."""
    begin = time.time() - since
    for question in questions:
        match question:
            case "full":
                found = list(_full(samples, begin, full, within))
                yield from found or [_none(question, "zones, pools, networks", _NO_SERIES)]
            case "loss":
                yield from _loss(_hosts(samples), samples.latest("naru_placement_nodes_without_provider").get((), 0.0))
            case "growth":
                yield from _growth(samples, begin)
            case "hosts":
                yield from _out_of_line(_hosts(samples))


def _none(question: Question, name: str, why: str) -> Answer:
    return Answer(question, name, "no samples", why=why)


# -- what is full when

_PAIRS = (
    ("naru_zone_used", "naru_zone_capacity", "{1} in zone {0}"),
    ("naru_pool_used_bytes", "naru_pool_bytes", "pool {0}"),
    ("naru_network_addresses_used", "naru_network_addresses", "addresses of {0}"),
)


def _full(samples: Samples, begin: float, full: float, within: float) -> Iterator[Answer]:
    for used, capacity, words in _PAIRS:
        sizes = samples.trend(capacity, begin)
        for labels, points in _current(samples.trend(used, begin)):
            if sizes.get(labels):
                yield _filling(words.format(*labels), points, sizes[labels][-1][1], full, within)
    for (flavor, zone), points in _current(samples.trend("naru_flavor_room", begin)):
        yield _emptying(f"room for {flavor} in zone {zone}", points, within)


def _current(found: Mapping[Labels, list[Point]]) -> list[tuple[Labels, list[Point]]]:
    """The series that go on, in order: what was removed in between is nobody's question."""
    return sorted((labels, points) for labels, points in found.items() if points[-1][0] > time.time() - FEWEST)


def _filling(name: str, points: list[Point], capacity: float, full: float, within: float) -> Answer:
    now, grows = points[-1][1], growth(points)
    if capacity <= 0:
        return Answer("full", name, "full" if now else "unknown", now, capacity, grows, why="it has no capacity")
    if now >= full * capacity:
        return Answer("full", name, "full", now, capacity, grows, 0.0, f"{now / capacity:.0%} is used")
    if grows is None:
        return Answer("full", name, "unknown", now, capacity, why="samples of less than two days")
    weeks = (full * capacity - now) / grows if grows > 0 else None
    state: State = "soon" if weeks is not None and weeks <= within else "ok"
    return Answer("full", name, state, now, capacity, grows, weeks, f"{now / capacity:.0%} is used")


def _emptying(name: str, points: list[Point], within: float) -> Answer:
    now, grows = points[-1][1], growth(points)
    if now <= 0:
        return Answer("full", name, "full", 0.0, None, grows, 0.0, "not one more")
    if grows is None:
        return Answer("full", name, "unknown", now, why="samples of less than two days")
    weeks = now / -grows if grows < 0 else None
    state: State = "soon" if weeks is not None and weeks <= within else "ok"
    return Answer("full", name, state, now, None, grows, weeks, f"{now:.0f} more")


def growth(points: list[Point]) -> float | None:
    """By how much it grows in a week: the median of the slopes between the last values of days, which one day out of
    the order does not change (Theil and Sen). None for too few."""
    days = {int(at // DAY): (at, value) for at, value in points}
    last = list(days.values())[-60:]
    if len(last) < 2 or last[-1][0] - last[0][0] < FEWEST * 0.9:
        return None
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(last, 2)) * WEEK


# -- whether what is lost fits elsewhere


def _hosts(samples: Samples) -> list[Host]:
    tables = [samples.latest(f"naru_placement_{what}") for what in ("capacity", "used", "largest")]
    taking = samples.latest("naru_host_open")
    if not taking or not all(tables):  # what is on hosts, and which take servers, is known together or not at all
        return []
    found: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(lambda: [{}, {}, {}])
    for index, table in enumerate(tables):
        for (host, zone, rack, resource), value in table.items():
            found[host, zone, rack][index][resource] = value
    return [Host(*place, bool(taking.get(place)), *values) for place, values in sorted(found.items())]


def _loss(hosts: list[Host], untold: float) -> Iterator[Answer]:
    if not hosts:
        yield _none("loss", "hosts", _NO_HOSTS)
        return
    if untold:
        why = f"Placement has no resource provider of {untold:.0f} hypervisors: what is on them is not counted"
        yield Answer("loss", "hosts", "unknown", why=why)
    for host in hosts:
        yield lost(f"host {host.name}", [host], hosts)
    racks: dict[str, list[Host]] = defaultdict(list)
    for host in hosts:
        racks[host.rack].append(host)
    if unsaid := racks.pop("", []):
        yield Answer("loss", "racks", "unknown", why=f"the site says no rack of {len(unsaid)} hosts")
    for rack, gone in racks.items():
        yield lost(f"rack {rack}", gone, hosts)


def lost(name: str, gone: list[Host], hosts: list[Host]) -> Answer:
    """Whether what is on these hosts fits on the others of their zones that take servers.

    `ok` where what the others surely take is enough: each of them the share of all that is lost which its scarcest
    resource has room for, less the largest lost server. Where only the sum of each resource is enough it is `tight`:
    CPUs that are free where no memory is are nobody's. `used` and `capacity` are those of the resource of which there
    is least.
    """
    names = {host.name for host in gone}
    worst = Answer("loss", name, "ok", why="nothing is on it")
    for zone in sorted({host.zone for host in gone}):
        there = [host for host in gone if host.zone == zone]
        others = [host for host in hosts if host.zone == zone and host.is_open and host.name not in names]
        needs = {one: need for one in _resources(there) if (need := sum(host.used.get(one, 0.0) for host in there))}
        largest = {one: max(host.largest.get(one, 0.0) for host in there) for one in needs}
        is_sure = bool(needs) and sum(_surely(host, needs, largest) for host in others) >= 1 - 1e-9
        for resource, need in needs.items():
            found = _fits(name, resource, need, largest[resource], others, is_sure=is_sure)
            if _rank(found) > _rank(worst):
                worst = found
    return worst


def _resources(hosts: Iterable[Host]) -> list[str]:
    return sorted({resource for host in hosts for resource in host.used})


def _surely(host: Host, needs: Mapping[str, float], largest: Mapping[str, float]) -> float:
    """The share of what is lost that a host takes before a server may not fit on it: none, where any of the resources
    is free by less than the largest server's."""
    return max(0.0, min((host.free(one) - largest[one]) / need for one, need in needs.items()))


def _fits(name: str, resource: str, need: float, largest: float, others: list[Host], *, is_sure: bool) -> Answer:
    free = sum(host.free(resource) for host in others)
    most = max((host.free(resource) for host in others), default=0.0)
    why = f"{resource}: {need:,.0f} of it, {free:,.0f} free elsewhere in the zone"
    state: State = "ok" if is_sure else "tight"
    if free < need:
        state = "no room"
    elif most < largest:
        state, why = "no room", f"{resource}: a server of {largest:,.0f}, {most:,.0f} free on any host of the zone"
    return Answer("loss", name, state, need, free, why=why)


def _rank(answer: Answer) -> tuple[int, float]:
    share = answer.used / answer.capacity if answer.used and answer.capacity else (9e9 if answer.used else 0.0)
    return ("ok", "tight", "no room").index(answer.state), share


def shortened(found: Iterable[Answer]) -> Iterator[Answer]:
    """What a person wants to see: of the losses that are `ok` only the one that is nearest to trouble."""
    fine: dict[str, Answer] = {}
    for answer in found:
        if answer.question != "loss" or answer.state != "ok":
            yield answer
            continue
        kind = answer.name.partition(" ")[0]
        if kind not in fine or _rank(answer) > _rank(fine[kind]):
            fine[kind] = answer
    for kind, answer in fine.items():
        yield answer._replace(name=f"any other {kind}", why=f"the tightest is {answer.name}: {answer.why}")


# -- who grows, and what is out of line


def _growth(samples: Samples, begin: float) -> Iterator[Answer]:
    rows = []
    current = _current(samples.trend("naru_project_servers", begin))
    if not current:
        yield _none("growth", "projects", _NO_SERIES)
    for (project,), points in current:
        grows = growth(points)
        if grows:
            rows.append(Answer("growth", f"project {project}", "ok", points[-1][1], None, grows, why="servers"))
    yield from sorted(rows, key=lambda one: -(one.per_week or 0.0))[:10]


def _out_of_line(hosts: list[Host]) -> Iterator[Answer]:
    """Hosts of whose memory another share is used than of most of their zone."""
    zones: dict[str, list[tuple[Host, float]]] = defaultdict(list)
    if not hosts:
        yield _none("hosts", "hosts", _NO_HOSTS)
    for host in hosts:
        if host.is_open and (capacity := host.capacity.get("MEMORY_MB")):
            zones[host.zone].append((host, host.used.get("MEMORY_MB", 0.0) / capacity))
    for found in zones.values():
        middle = statistics.median(share for _, share in found)
        spread = statistics.median(abs(share - middle) for _, share in found)
        for host, share in found:
            if len(found) >= 5 and abs(share - middle) > max(0.2, 5 * spread):
                used, capacity = host.used.get("MEMORY_MB", 0.0), host.capacity["MEMORY_MB"]
                why = f"{share:.0%} of its memory is used, and {middle:.0%} of most hosts' in zone {host.zone}"
                yield Answer("hosts", f"host {host.name}", "out of line", used, capacity, why=why)
