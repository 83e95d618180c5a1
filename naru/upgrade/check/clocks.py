"""Clocks of hosts: a service or an agent whose clock is off looks dead to the others, however well it is."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from naru.errors import NaruError
from naru.releases.path import Service
from naru.releases.programs import ALL
from naru.site.check.hosts import APART, clock_of_most
from naru.site.check.look import Clock, Look, Missed, look
from naru.site.check.wanted import Wanted, text
from naru.site.discover.ranges import fold_names
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.finding import Finding, Span
from naru.upgrade.window.placed import Placed

DEAD = 60.0
"""Seconds without a report after which Nova and Cinder take a service for dead; Neutron an agent after 75."""
_CURE = "set it, and see that chrony or ntpd keeps it"
_PROOF = "naru site check"


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found of the hosts of the services that are upgraded, those that are to come included."""
    wanted = text(Wanted())

    async def one(remote: Remote) -> Look | Missed:
        return await look(remote, wanted)

    names = {service.name for service in services}
    now, new = _hosts(site, span.goal, names)
    seen = fleet.each(now, one)
    if new:
        seen |= fleet.later.each(new, one)
    found = {name: one.clock if isinstance(one, Look) else None for name, one in seen.items()}
    whys = {name: _why(one) for name, one in seen.items()}
    return list(judged(found, whys, span.goal, _of_computes(site, span.goal, names)))


def _hosts(site: Site, goal: str, names: set[str]) -> tuple[list[str], list[str]]:
    """Those that have a service of these projects, and those that are to have one and are not in the site yet."""
    later = Site(site.content, site.file, next_part=True)
    now = [host.name for one in site.content.services if one.project in names for host in site.named(one.hosts)]
    coming = [host.name for one in site.coming(goal) if one.project in names for host in later.named(one.hosts)]
    every = dict.fromkeys([*now, *coming])
    return [name for name in every if name in site.hosts], [name for name in every if name not in site.hosts]


def _of_computes(site: Site, goal: str, names: set[str]) -> set[str]:
    """The hosts that have compute services and agents alone: of many one is off, and holds up nothing but itself."""
    later = Site(site.content, site.file, next_part=True)
    placed = [Placed(one, host.name) for one in site.content.services for host in site.named(one.hosts)]
    placed += [Placed(one, host.name) for one in site.coming(goal) for host in later.named(one.hosts)]
    mine = [one for one in placed if one.service.project in names]
    return {one.host for one in mine} - {one.host for one in mine if not one.of_computes}


def judged(
    clocks: Mapping[str, Clock | None], whys: Mapping[str, str], goal: str, of_computes: Collection[str] = ()
) -> Iterator[Finding]:
    """What is found of clocks, as far as they are ahead of this machine's; `whys` say why one is not known. Those of
    compute hosts hold up nothing."""
    base = clock_of_most(one for one in clocks.values() if one)
    off: dict[str, tuple[float, float]] = {}
    for name, clock in clocks.items():
        if clock:
            least, most = clock.least - base, clock.most - base
            off[name] = (0.0, 0.0) if least <= APART and most >= -APART else (least, most)
    wrong = {name: one for name, one in off.items() if one != (0.0, 0.0)}
    for name, (least, most) in wrong.items():
        seconds = (least + most) / 2
        what = f"the clock of {name} is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the others"
        looks_dead = abs(seconds) > DEAD / 2
        if looks_dead:
            what += ": its services and agents look dead, or do so soon"
        blocks = looks_dead and name not in of_computes
        yield Finding("blocks" if blocks else "warns", ALL, goal, "hosts", what, 1, (name,), _CURE, _PROOF)
    if unknown := [name for name, clock in clocks.items() if clock is None]:
        why = "; ".join(dict.fromkeys(whys[name] for name in unknown))
        what = f"clocks could not be read: {why}"
        yield Finding("unknown", ALL, goal, "hosts", what, len(unknown), tuple(fold_names(unknown)), "see why", _PROOF)
    right = [name for name in off if name not in wrong]
    if right:
        what = f"clocks are within {APART:g} s of each other"
        yield Finding("right", ALL, goal, "hosts", what, len(right), tuple(fold_names(right)), "", _PROOF)


def _why(one: Look | Missed | NaruError) -> str:
    match one:
        case Missed():
            return one.what
        case NaruError():
            return one.summary
    return "it does not say its time"
