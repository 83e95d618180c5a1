"""Write gates by which users' writes are to be refused: whether each service has one, on every host."""

from collections.abc import Iterator, Sequence

from naru.releases.path import Service
from naru.releases.programs import ALL
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.site.write_gate import state
from naru.site.write_gate.rules import HORIZON
from naru.site.write_gate.state import State
from naru.upgrade.finding import Finding, Span

_CURE = "naru site gate rules has the lines; put them where it says, and reload once"
_PROOF = "naru site check; naru site gate show"


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found of the services that listen somewhere. Nothing of a site of which no load balancer is said to have
    gates: that a plan tells."""
    if not list(state.balancers(site)):
        return []
    names = [name for name in (*(one.name for one in services), HORIZON) if state.ports_of(site, name)]
    return list(judged(names, state.look(site, fleet, []), span.goal))


def judged(services: Sequence[str], states: Sequence[State], goal: str) -> Iterator[Finding]:
    """What is found of some services by how the gates are."""
    for one in states:
        if not one.service:
            what = f"how the write gates of {one.host} are: {one.why}"
            yield Finding("unknown", ALL, goal, one.balancer, what, 1, (one.host,), _CURE, _PROOF)
    for service in services:
        mine = [one for one in states if one.service == service]
        lacking = {one.host: one.why for one in mine if not (one.file and one.running)}
        having = {one.balancer for one in mine if one.host not in lacking}
        if not mine:
            what = "no load balancer has a write gate of it: freeze is refused"
            yield Finding("warns", service, goal, "load balancers", what, 0, (), _CURE, _PROOF)
        for host, why in lacking.items():
            what = f"{host} has no write gate of it that works: {why or 'it is in the files alone'}"
            where = next(one.balancer for one in mine if one.host == host)
            yield Finding("warns", service, goal, where, what, 1, (host,), _CURE, _PROOF)
        if having and not lacking:
            hosts = tuple(dict.fromkeys(one.host for one in mine))
            yield Finding(
                "right", service, goal, ", ".join(sorted(having)), "a write gate", len(hosts), hosts, "", _PROOF
            )
