"""The gates through which a host goes before it is evacuated: the first that stops it decides. The list is the rule.

none   nothing is wrong, or nothing that is ours
alarm  something is wrong, and an evacuation is not what helps: people are told
hold   not now: too little is known, or the fault may be elsewhere. Looked at again in the next round
ask    a human decides: `naru guard approve` opens what it can open
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from naru.operate.guard.evidence import UNKNOWN, Around, Host, Together, by_source, limit, silent_paths
from naru.operate.guard.policy import Policy

Outcome = Literal["none", "alarm", "hold", "ask", "evacuate"]
NEEDED = ("scheduler", "conductor", "placement", "network", "storage")
"""What an evacuation needs of the cloud, by what `Around.health` calls it."""


class Stop(NamedTuple):
    """What a gate says of a host that it does not let through."""

    outcome: Outcome
    why: str


@dataclass(frozen=True)
class Gate:
    """One gate: its number and name, what it protects from and its default, as docs/reference/guard.md has them."""

    number: int
    name: str
    protects: str
    default: str
    stops: Callable[[Host, Around, Policy], Stop | None]


def _found(host: Host, around: Around, policy: Policy) -> dict[str, Together]:
    return by_source(host, policy.quorum, {one.name for one in around.witnesses if not one.sees})


def viewpoint(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Whoever is on the wrong side of a partition sees all others dead."""
    domains = {one.domain for one in around.trusted}
    if len(domains) < policy.quorum:
        return Stop("hold", f"{len(domains)} of {policy.quorum} witnesses in domains of their own see the controllers")
    if abs(around.clock) > policy.clock:
        return Stop("hold", f"the clock of this machine has leapt by {around.clock:.0f} s")
    if around.listening < policy.silence:
        return Stop("hold", f"the guard listens for {around.listening:.0f} s only")
    return None


def readable(host: Host, around: Around, policy: Policy) -> Stop | None:
    """No answer of Nova's, or an old one, says nothing of hosts."""
    if not around.readable:
        return Stop("hold", "Nova's services cannot be read")
    if around.unknown_cells:
        return Stop("hold", f"Nova does not reach the cells {', '.join(around.unknown_cells)}")
    if not around.moved:
        return Stop("hold", "no host has reported since the last reading: the answer may be an old one")
    return None


def candidate(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Maintenance is no failure: what a human has disabled or forced down is never touched."""
    found = _found(host, around, policy)
    if host.ours or host.in_flight:
        return None  # the next gate's
    if host.nova == "unknown":
        return Stop("hold", "Nova does not say whether it is up")
    if host.nova == "up" and not host.forced_down:
        return _partly(found, around, policy)
    if host.forced_down or not host.enabled:
        return Stop("alarm", "it is down, and somebody has disabled it or forced it down: it is theirs")
    return None


def _partly(found: dict[str, Together], around: Around, policy: Policy) -> Stop:
    """Of a host that is up, by Nova."""
    mute = [name for name in ("peers", "storage") if found.get(name, UNKNOWN).said == "silent"]
    mute = [name for name in mute if found[name].seconds >= policy.silence]
    if "storage" in mute and not _for_many("storage", around, policy):
        return Stop("ask", "it is up and does not reach the guests' storage: its guests hang. By hand: drain, evacuate")
    if mute:
        return Stop("alarm", f"it is up, and silent by {', '.join(mute)}")
    return Stop("none", "it is up")


def flight(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Nothing is done twice, nor to the wrong one of two hosts of alike names. What was proved off does not live."""
    is_up = host.nova == "up" and not host.forced_down
    if host.ours and is_up and not host.in_flight:
        return Stop("none", "it is back, and waits to be enabled")
    lives = [*host.lives, *(["Nova"] if is_up else [])]
    if (host.in_flight or host.ours) and lives:
        return Stop(
            "alarm",
            f"critical: it is to be off for its evacuation, and it lives ({', '.join(lives)}): nothing more is "
            "evacuated. If that is not its return, switch it off by hand and see to its guests",
        )
    if host.given_up:
        return Stop("ask", f"its evacuation has failed too often: naru host status {host.given_up}")
    if host.in_flight or host.ours:
        return Stop("none", "its evacuation is under way, or it waits for its return")
    if not host.is_clear:
        return Stop("hold", "several hosts have this name, whole or short: which one is meant is not clear")
    return None


def cliff(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Many heartbeats gone at once are a switch, a listener or a rack, not so many hosts."""
    if _for_many("storage", around, policy):
        return Stop("hold", "the storage is silent for many hosts: it is the storage's fault")
    for area in host.areas.values():
        lost = around.lost.get(area)
        if lost and lost.some > limit(policy.cliff, lost.all) and "go" not in around.approved:
            return Stop("ask", f"{lost.some} of {lost.all} heartbeats of {area} are gone")
    return None


def _for_many(source: str, around: Around, policy: Policy) -> bool:
    found = around.mute.get(source)
    return bool(found and found.some > limit(policy.cliff, found.all))


def life(host: Host, around: Around, policy: Policy) -> Stop | None:
    """A host of which anything lives is not dead, and of one of which too little is known nobody knows it."""
    found = _found(host, around, policy)
    if host.lives:
        seen = ", ".join(host.lives)
        if host.power == "off":
            return Stop("alarm", f"critical: its power controller says off, and it lives ({seen}): one of them lies")
        return Stop("alarm", f"its compute service is down, and it lives ({seen}): restart the service")
    if "off" in around.approved:
        return None
    unknown = [name for name in policy.expects if found.get(name, UNKNOWN).said == "unknown"]
    if unknown:
        return _long(host, policy, f"nothing is known of it by {', '.join(unknown)}")
    paths = silent_paths(found, policy.silence)
    if len(paths) < policy.paths:
        return _long(host, policy, f"silent for {policy.silence:.0f} s on {len(paths)} of {policy.paths} paths")
    return None


def _long(host: Host, policy: Policy, why: str) -> Stop:
    """Held, and when that lasts too long, said: a fault of which nothing is known is never passed over."""
    return Stop("ask" if host.held_for > policy.ask_after else "hold", why)


def stale(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Many services down of which hosts live: it is the message queue, a database or a clock of the controllers."""
    for area in (f"cell {host.cell}", "cloud"):
        down = around.down.get(area)
        if down and around.doubtful.get(area) and down.some > limit(policy.stale, down.all):
            some = around.doubtful[area]
            return Stop("hold", f"{down.some} of {down.all} services of {area} are down, {some} of hosts not seen dead")
    return None


def servers(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Nothing is fenced for nothing."""
    if host.servers is None:
        return _long(host, policy, "its servers cannot be read")
    return None if host.servers else Stop("alarm", "it is dead, and has no server that could be evacuated")


def share(host: Host, around: Around, policy: Policy) -> Stop | None:
    """A whole rack at once is power or a switch; evacuating it may be what breaks the rest. Counted before anything is
    filtered."""
    if "go" in around.approved:
        return None
    for area in host.areas.values():
        down = around.down.get(area)
        if down and down.some > limit(policy.share, down.all):
            return Stop("ask", f"{down.some} of {down.all} hosts of {area} are down")
    return None


def budget(host: Host, around: Around, policy: Policy) -> Stop | None:
    """A slow cascade, one host in each round, is seen by no other gate: our own load, or a guest that kills hosts."""
    if "go" in around.approved:
        return None
    again = sorted(set(host.servers or ()) & set(around.repeated))
    if again:
        return Stop("ask", f"server {again[0]} was on hosts that died before: it may be what kills them")
    for kind, area in host.areas.items():
        spent, most = around.spent.get(area, 0), getattr(policy.budget, kind)
        if spent >= most:
            return Stop("ask", f"{spent} of {most} evacuations of {area} within {policy.budget.hours:g} h are spent")
    return None


def pace(host: Host, around: Around, policy: Policy) -> Stop | None:
    """One host, then a look at what that did."""
    if around.chosen >= policy.at_once:
        return Stop("hold", "another host comes first")
    if around.last is not None and around.last < policy.quiet and "go" not in around.approved:
        return Stop("hold", f"the last evacuation began {around.last:.0f} s ago, and {policy.quiet:.0f} s are to pass")
    return None


def switch(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Somebody works on the cloud. (Whether the guard acts at all, or only says so, is asked after all gates.)"""
    return Stop("hold", f"held: {around.held}") if around.held else None


def health(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Fenced for nothing, where Nova cannot bring the servers up."""
    bad = [name for name in NEEDED if around.health.get(name) is not True]
    if bad:
        return Stop("hold", f"not known to be well: {', '.join(bad)}")
    if host.room is None:
        return _long(host, policy, "whether its servers have room elsewhere is not known")
    return None


def dump(host: Host, around: Around, policy: Policy) -> Stop | None:
    """A power cut through the dump of a kernel destroys what says why it died. That it writes one proves nothing."""
    if host.dump is None:
        return None
    outcome: Outcome = "hold" if host.dump < policy.dump else "ask"
    return Stop(outcome, f"it writes a dump of its kernel for {host.dump:.0f} s")


def fence(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Two hosts write to one disk: nothing is evacuated from a host that cannot be proved off."""
    if "off" in around.approved:
        return None  # what is on it besides has stopped as well
    if host.roles:
        return Stop("ask", f"it is {', '.join(host.roles)} as well: a human says whether that may stop")
    if host.power in ("on", "off"):
        if host.identified is True:
            return None
        return Stop("ask", "whether its power controller is its own is not known: another host might be switched off")
    # a loss of power may have taken both, and so may a cable: no silence tells these apart
    return Stop("ask", f"its power controller is {host.power}: only a human can say that it is off")


def record(host: Host, around: Around, policy: Policy) -> Stop | None:
    """Nova's own record is what keeps the host's return safe: without it nothing is begun."""
    if not around.force_down:
        return Stop("ask", "this Nova cannot be told that a host is down (before Liberty): by hand")
    return None


GATES: tuple[Gate, ...] = (
    Gate(1, "viewpoint", "an observer on the wrong side of a partition", "2 domains; closed at start", viewpoint),
    Gate(2, "readable", "acting on no data, or on old data", "all cells known, reports that move on", readable),
    Gate(3, "candidate", "maintenance taken for failure", "Nova says down (60 s); enabled, not forced down", candidate),
    Gate(4, "flight", "the same twice; the wrong host", "by the service's id and the whole name", flight),
    Gate(5, "cliff", "a switch, a listener, a rack taken for hosts", "10 %, 1 at least; then asked", cliff),
    Gate(6, "life", "fencing what lives; unknown taken for dead", "2 paths silent for 120 s, no sign of life", life),
    Gate(7, "stale", "a fault of queue, database, cell or clocks", "30 % of a cell", stale),
    Gate(8, "servers", "needless fencing", "one server that can be evacuated", servers),
    Gate(9, "share", "mass evacuation", "10 % of rack, zone, cell, cloud; 1 at least", share),
    Gate(10, "budget", "a slow cascade; a guest that kills hosts", "rack 1, zone 2, cell 2, cloud 3 in 24 h", budget),
    Gate(11, "pace", "too much at once", "1 a round, 10 min between", pace),
    Gate(12, "switch", "acting while people work", "not held; shadow until --act", switch),
    Gate(13, "health", "fencing where nothing can be brought up", "all five known to be well", health),
    Gate(14, "dump", "power cut through a kernel's dump", "30 min, then asked", dump),
    Gate(15, "fence", "two writers", "its own controller, or a human", fence),
    Gate(16, "record", "a host that comes back into service by itself", "Nova 2.11", record),
)
