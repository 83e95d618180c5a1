"""Message queues that are built beside the running ones (`queues` of the site's `next:`), and how they are named.

A new queue takes the place of the running one of its name, or of the only one there is; two may take the place of one,
as for RPC and notifications apart. Services say in their own configuration which one they have. What a new one gets is
in `carried`; who names the wrong one, in `naru.upgrade.check.queues`; who is left, in `naru.upgrade.compare.connected`.
"""

import re
from typing import NamedTuple

from naru.site import rabbitmq
from naru.site.model import Queue
from naru.site.site import Site

PORT = 5672


class Pair(NamedTuple):
    """A queue that is to come, and the running one whose place it takes; `left` are the names of the old one's servers
    that nobody is to have any more, `right` those of the new one."""

    new: Queue
    old: Queue
    left: frozenset[str]
    right: frozenset[str]


def pairs(site: Site) -> list[Pair]:
    """Each queue that is to come; [] where services stay on theirs. Raises InputError for one of which it is not clear
    whose place it takes."""
    running = {queue.name: queue for queue in site.content.queues}
    now, later = Site(site.content, site.file), coming(site)
    found = []
    for index, queue in enumerate(site.content.next.queues if site.content.next else ()):
        only = next(iter(running.values())) if len(running) == 1 else None
        old = running.get(queue.name, only)
        if old is None:
            known = ", ".join(running) or "none"
            raise site.wrong(f"next.queues.{index}.name", f"it takes the place of one of the same name: {known}")
        right = names(later, queue)
        found.append(Pair(queue, old, names(now, old) - right, right))
    return found


def coming(site: Site) -> Site:
    """The site with what is to come. A group may be another one there: a running queue is looked up in the site as it
    is."""
    return Site(site.content, site.file, next_part=True)


def servers(site: Site, queue: Queue) -> list[str]:
    """Where clients reach a queue, as HOST:PORT."""
    said = queue.addresses or [rabbitmq.bracketed(host.address) for host in site.named(queue.hosts)]
    return [_with_port(one, queue.port) for one in said]


def names(site: Site, queue: Queue) -> frozenset[str]:
    """Each way to name a server of a queue in a URL; the usual port may be left out."""
    hosts = [name for host in site.named(queue.hosts) for name in (host.name, rabbitmq.bracketed(host.address))]
    full = {_with_port(one, queue.port) for one in (*queue.addresses, *hosts)}
    usual = f":{PORT}"
    return frozenset(full | {one.removesuffix(usual) for one in full if one.endswith(usual)})


def _with_port(server: str, port: int) -> str:
    return server if re.search(r":\d+$", server) else f"{server}:{port}"
