"""Messages of before that wait in the queues of the services that go back.

What was sent before the services were stopped, and whatever their successors have sent on the same message queue, is
for a database that is no longer there: services of before would do it hours later.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from naru.actions.hosts.place import HostAction, Place
from naru.errors import NaruError
from naru.messages import message
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.plan.model import About, Plan, Step
from naru.site import rabbitmq
from naru.site.site import Site
from naru.upgrade.facts import Facts

PURGE = "purge"
"""What the steps are for."""
DEADLINE, SECONDS = 300.0, 240.0
"""Of the step, and how long it removes messages at most: it is to end well before."""
FANOUT = "_fanout_"
SHARED = "openstack"
"""The exchange of each service that names none of its own, as Cinder: there the names of its queues begin with it."""
NOTIFICATIONS = "notifications"
"""What the names of queues have that others read than services."""
PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")
"""What such names end with, whatever they are called in the configuration."""

_PURGE = message(
    "upgrade.title.purge",
    en="on the way back no message of before waits on {queue}",
    ko="되돌릴 때 {queue}에 이전 메시지가 남지 않도록 준비",
)


class Purge(HostAction):
    """See `purge`."""

    step_kind: ClassVar[str] = "upgrade.purge"

    queue: str
    projects: list[str]


@step("upgrade.purge", args=Purge, undo="upgrade.purge.undo", deadline=DEADLINE, retry=())
def purge(context: Context) -> None:
    """Does nothing. Its undo removes the messages that wait on the message queue `queue` for services of `projects`,
    but notifications and answers; they are counted, as RabbitMQ knew it, which is some seconds behind: so queues are
    emptied in which it knows of none, too. A queue that cannot be asked holds up no way back: the result says
    why (`error`)."""
    context.log("the way back begins here")


@step("upgrade.purge.undo", args=Undo, no_undo="it is an undo itself", deadline=DEADLINE, retry=(), here=True)
def undo(context: Context) -> dict[str, Any]:
    """See `purge`."""
    args = context.undone.args
    place = Place(context, args, context.id)
    site = Site(place.site.content, place.site.file)
    queue = next((one for one in site.content.queues if one.name == args["queue"]), None)
    if queue is None:
        return {"error": f"{site.file}: there is no queue {args['queue']!r} any more"}

    end = time.monotonic() + SECONDS
    removed: dict[str, int] = {}
    left: list[str] = []

    def work(get: rabbitmq.Get, put: rabbitmq.Put) -> None:
        for vhost in queue.vhosts:
            quoted = rabbitmq.quoted(vhost)
            bindings = get(f"bindings/{quoted}?columns=source,destination")
            every = get(f"queues/{quoted}?columns=name,messages_ready")
            for name, number in waiting(bindings, every, args["projects"]).items():
                if time.monotonic() > end:
                    raise NaruError(f"not all of it was done within {SECONDS:g} s")
                try:
                    put(f"queues/{quoted}/{rabbitmq.quoted(name)}/contents", None)
                except rabbitmq.Refused as error:  # others have messages, too
                    if not error.code:
                        raise
                    if error.code != HTTPStatus.NOT_FOUND:  # else it has ended meanwhile
                        left.append(f"{name}: {error.summary}")
                else:
                    removed[name] = removed.get(name, 0) + number

    try:
        place.fleet.call(rabbitmq.anywhere_of(site, place.fleet, queue, work), context.check)
    except NaruError as error:
        left.append(error.summary)
    known = {name: number for name, number in removed.items() if number}
    for name, number in known.items():
        context.log(f"{queue.name}: {number} messages of before removed from {name}")
    context.log(f"{queue.name}: {len(removed)} queues emptied")
    for why in left:
        context.log(f"{queue.name}: messages of before are left: {why}")
    return {
        "removed": sum(known.values()),
        "queues": known,
        "emptied": len(removed),
        **({"error": "; ".join(left[:5])} if left else {}),
    }


def waiting(
    bindings: Iterable[Mapping[str, Any]], queues: Iterable[Mapping[str, Any]], projects: Collection[str]
) -> dict[str, int]:
    """How many messages wait in the queues that services of these projects read, by queue, 0 where RabbitMQ knows of
    none: those that are bound to a project's exchange, or by its name to the one that is everybody's, and their
    fanouts. Answers, which nobody waits for any more, are never read."""
    own = tuple(f"{project}-" for project in projects)
    topics = {
        one["destination"]
        for one in bindings
        if one["source"] in projects or (one["source"] == SHARED and one["destination"].startswith(own))
    }
    return {
        one["name"]: int(one.get("messages_ready") or 0)
        for one in queues
        if one["name"].partition(FANOUT)[0] in topics and _is_read(one["name"])
    }


def _is_read(name: str) -> bool:
    """Whether services read the queue, and nobody who collects notifications."""
    return NOTIFICATIONS not in name and name.rpartition(".")[2] not in PRIORITIES


def add(plan: Plan, facts: Facts, site: dict[str, Any], unit: str, after: Sequence[str]) -> list[str]:
    """Adds a step for each message queue of the site that has its management; gives their ids."""
    ids, now = [], Site(facts.site.content, facts.site.file)
    projects = [way.service.name for way in facts.ways]
    for queue in now.content.queues:
        if not queue.management:
            continue
        args = {**site, "host": rabbitmq.first_host(now, queue), "queue": queue.name, "projects": projects}
        about = About("queue", queue.name, queue.name)
        name, title = f"{PURGE}/{queue.name}", _PURGE(queue=queue.name)
        made = Step(name, "upgrade.purge", args, unit, (), title=title, about=about, purpose=PURGE)
        ids.append(plan.add(made, after=after).id)
    return ids
