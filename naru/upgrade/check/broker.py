"""RabbitMQ under the services of a release: whether its version has what they need, and no longer what they rely on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from naru.errors import NaruError
from naru.releases.path import Service
from naru.releases.programs import ALL, programs
from naru.site import rabbitmq
from naru.site.model import Queue
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check.programs import RABBITMQ, judged, needed, removed, version_of
from naru.upgrade.finding import Finding, Span
from naru.upgrade.window import queues


class Broker(NamedTuple):
    """What a message queue says: its version, and the keys of each of its policies, by virtual host and name."""

    version: str
    policies: dict[str, list[str]]


Said = Mapping[str, Broker | NaruError]
"""By message queue, or why it could not be asked."""


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found of the message queues that are to run: those that are built beside in the place of the running ones
    that they follow."""
    now = _asked(site, fleet, site.content.queues)
    coming: dict[str, Broker | NaruError] = {}
    if pairs := queues.pairs(site):
        coming = _asked(fleet.later.site, fleet.later, [pair.new for pair in pairs])
    follows = {pair.new.name: pair.old.name for pair in pairs}
    then = {**{name: broker for name, broker in now.items() if name not in follows.values()}, **coming}
    versions = {name: broker.version if isinstance(broker, Broker) else broker for name, broker in then.items()}
    program = programs()[RABBITMQ]
    wanted = needed(program, span, services) if versions else ()
    found = [finding for service, needs in wanted for finding in judged(service, program, needs, versions)]
    return [*found, *lost(now, then, follows, span.goal)]


def _asked(site: Site, fleet: Fleet, every: Iterable[Queue]) -> dict[str, Broker | NaruError]:
    """By name what the queues say that have something to be asked by."""

    def asked(queue: Queue) -> Broker | NaruError:
        try:
            return rabbitmq.anywhere(site, fleet, queue, _read)
        except NaruError as error:
            return error

    return {queue.name: asked(queue) for queue in every if queue.management}


def _read(get: rabbitmq.Get) -> Broker:
    policies = {f"{one['vhost']} {one['name']}": sorted(one["definition"]) for one in get("policies")}
    return Broker(version_of(get("overview")["rabbitmq_version"]), policies)


def lost(now: Said, then: Said, follows: Mapping[str, str], goal: str) -> Iterator[Finding]:
    """What those that are to run (`then`) have no more of what is in use: of policies, their own and those of the one
    that each `follows`. What else is gone is told of those that follow one alone: with the others services run
    already."""
    for name, broker in then.items():
        if isinstance(broker, NaruError) or not broker.version:
            continue  # that it is not known is said of its version
        version = f"{RABBITMQ} {broker.version}"
        old = now.get(follows.get(name, ""))
        if isinstance(old, NaruError):
            what = f"whether {version} has what policies of {follows[name]} need: {old.summary}"
            proof = "rabbitmqctl list_policies"
            yield Finding("unknown", ALL, goal, name, what, 1, (name,), "See: naru site check", proof)
        policies = {**(old.policies if isinstance(old, Broker) else {}), **broker.policies}
        for one in removed(RABBITMQ, broker.version):
            what = f"{version}: {one.what}"
            if found := tuple(policy for policy, keys in policies.items() if set(keys) & set(one.keys)):
                proof = "rabbitmqctl list_policies"
                yield Finding("on the way", ALL, goal, name, what, len(found), found, one.cure, proof)
            elif name in follows and not one.keys:
                proof = "rabbitmqctl list_deprecated_features"
                yield Finding("unknown", ALL, goal, name, what, 1, (name,), one.cure, proof)
