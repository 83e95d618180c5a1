"""Queues that do not become empty: what somebody has asked for by a message, and nobody has done.

A consumer acknowledges before it works, so an empty queue does not say that it is idle; what it works at is in the
databases (`busy`). One that is empty at one look has got through what there was when users' writes were refused: those
who report all the time fill it again. Nobody reads notifications, and of those nothing is waited for.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from naru.errors import NaruError
from naru.site import rabbitmq
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.agents.load import NOTIFICATIONS
from naru.upgrade.freeze.busy import How, Thing

WHAT = "queue"
SHOWN = 3
"""So many consumers of a queue are named."""


class Depth(NamedTuple):
    """A queue that is not empty: its messages, waiting or not acknowledged, how many consume it, and who, by program
    and host."""

    messages: int
    consumers: int
    who: tuple[str, ...] = ()


class Draining:
    """The queues of a site from now on, over `fleet`; but those that are to be left, by name, or all of a message queue
    by that one's name."""

    def __init__(self, site: Site, fleet: Fleet, leave: Collection[str] = ()) -> None:
        self._site, self._fleet, self._leave = site, fleet, leave
        self._full: dict[str, dict[str, float]] = {}
        """By message queue, those that were full at each look yet, with the moment of the first."""

    def look(self) -> list[Thing]:
        """Queues that were not empty at any look yet: one that somebody consumes may still become so, of one that
        nobody does it is told. Raises NaruError where a message queue does not say it."""
        found = []
        for queue in self._site.content.queues:
            if not queue.management or queue.name in self._leave:
                continue
            work = partial(depths, vhosts=queue.vhosts)
            try:
                found += self.told(queue.name, rabbitmq.anywhere(self._site, self._fleet, queue, work))
            except NaruError as error:
                raise NaruError(
                    f"what waits in the queue {queue.name} is not known: {error.summary}",
                    detail=error.detail,
                    hint=f"--leave {queue.name} does not look.",
                ) from error
        return found

    def told(self, of: str, full: Mapping[str, Depth]) -> list[Thing]:
        """The same of one message queue, by what its queues hold now."""
        now = time.monotonic()
        left = self._full.get(of, dict.fromkeys(full, now))
        self._full[of] = left = {name: since for name, since in left.items() if name in full}
        found = []
        for name, since in left.items():
            if name in self._leave:
                continue
            messages, consumers, who = full[name]
            names = ", ".join(who[:SHOWN]) or str(consumers)
            state = f"{messages} messages, " + (f"consumed by {names}" if consumers else "no consumer")
            how: How = "wait" if consumers else "stuck"
            found.append(Thing(how, of, WHAT, name, "", "", state, now - since))
        return found


def depths(get: rabbitmq.Get, vhosts: Collection[str]) -> dict[str, Depth]:
    """The queues of virtual hosts that are not empty, but those of notifications."""
    rows = [
        one
        for one in get("queues?columns=name,vhost,messages,consumers")
        if one.get("vhost") in vhosts and one.get("messages") and NOTIFICATIONS not in one["name"]
    ]
    who = _consumers(get) if rows else {}
    return {
        one["name"]: Depth(int(one["messages"]), int(one.get("consumers") or 0), tuple(who.get(one["name"], ())))
        for one in rows
    }


def _consumers(get: rabbitmq.Get) -> dict[str, Sequence[str]]:
    """Who consumes each queue: the program, by oslo.messaging NAME:PID:ID, else the user, and from where."""
    names = {}
    for one in get("connections?columns=name,user,peer_host,client_properties"):
        program = str((one.get("client_properties") or {}).get("connection_name") or one.get("user"))
        names[one.get("name")] = f"{program.partition(':')[0]} from {one.get('peer_host')}"
    found: dict[str, dict[str, None]] = {}
    for one in get("consumers"):
        channel = one.get("channel_details") or {}
        name = names.get(channel.get("connection_name")) or str(channel.get("peer_host"))
        found.setdefault(one["queue"]["name"], {})[name] = None
    return {name: list(every) for name, every in found.items()}
