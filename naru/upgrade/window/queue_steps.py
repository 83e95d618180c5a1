"""The steps by which services come to a message queue that is built beside the running one: see
`naru.upgrade.window.queues`."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from naru.actions import durations
from naru.actions.databases.server import OnServer, environment, run
from naru.actions.databases.server import script as database_script
from naru.actions.hosts.place import HostAction, Place, script_text
from naru.messages import message
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.plan.model import About, Plan, Step
from naru.site import rabbitmq
from naru.site.model import Queue
from naru.site.site import Site
from naru.upgrade.facts import Facts
from naru.upgrade.window import queues
from naru.upgrade.window.carried import Carried, carried
from naru.upgrade.window.hops import Where

USERS, CELLS = "queue", "cells"
"""What the steps are for."""
SECONDS = 120.0

_USERS = message(
    "upgrade.title.queue",
    en="users and virtual hosts of {old} on the message queue {new}",
    ko="메시지 큐 {new}에 {old}의 사용자와 가상 호스트 준비",
)
_CELLS = message(
    "upgrade.title.cell_queues", en="Nova's cells have the message queue {new}", ko="Nova 셀의 메시지 큐: {new}"
)


class Carry(HostAction):
    """See `carry`."""

    step_kind: ClassVar[str] = "upgrade.queue"

    queue: str
    of: str


class CellQueues(OnServer):
    """See `cell_queues`."""

    step_kind: ClassVar[str] = "upgrade.cell_queues"

    old: list[str]
    new: list[str]


@step("upgrade.queue", args=Carry, no_undo="nobody has it who is not told to", deadline=SECONDS, retry=())
def carry(context: Context) -> dict[str, Any]:
    """Makes on the message queue `queue` of the site as it will be the virtual hosts of the running queue `of` that the
    site names, and their users with their passwords, rights and policies, unless they are there. What is not carried
    over is logged, and in the result (`told`): `naru upgrade check` lists the same before."""
    args = context.args
    place = Place(context, args, context.id)
    running = Site(place.site.content, place.site.file)
    new = _named(place, place.site.part.queues, args["queue"])
    old = _named(place, running.part.queues, args["of"])

    def ask(site: Site, queue: Queue, work: Any) -> Any:
        return place.fleet.call(rabbitmq.anywhere_of(site, place.fleet, queue, work), context.check)

    context.log(f"{new.name}: users and virtual hosts of {old.name}")
    had = ask(running, old, lambda get, _: get("definitions"))

    def make(get: rabbitmq.Get, put: rabbitmq.Put) -> Carried:
        found = carried(had, get("definitions"), old.vhosts)
        for what, given in found.made:
            put(what, given)
        return found

    found: Carried = ask(place.site, new, make)
    for line in found.told:
        context.log(line)
    return {"made": len(found.made), "told": found.told}


def _named(place: Place, every: Sequence[Queue], name: str) -> Queue:
    for queue in every:
        if queue.name == name:
            return queue
    raise PlanError(f"{place.site.file}: there is no queue {name!r} any more", hint="It was there when it was planned.")


@step("upgrade.cell_queues", args=CellQueues, no_undo="the databases' dump has them", deadline=durations.own, retry=())
def cell_queues(context: Context) -> dict[str, Any]:
    """Lets Nova's cells whose message queue is at one of the servers `old` (HOST:PORT, or HOST) have the servers `new`
    instead: users, passwords and virtual hosts stay."""
    args = context.args
    place = Place(context, args, context.id)
    names = "|".join(re.sub(r"[.\[\]]", lambda found: f"[{found[0]}]", one) for one in args["old"])
    text = script_text("cell-queues", "naru.upgrade")
    said = f"Nova's cells have {', '.join(args['new'])}"
    words = [names, *args["new"]]
    return dict(run(place, "do", [database_script("client"), text], words, environment(place, args), said))


def add_users(plan: Plan, facts: Facts, common: dict[str, Any], after: Sequence[str], *, unit: str = "") -> list[str]:
    """Adds a step for each queue that is to come: days ahead, and in the window, as a `unit` of it, once more for what
    was made since."""
    ids, seen = [], queues.coming(facts.site)
    for new, old, *_ in queues.pairs(facts.site):
        args = {"site": common["site"], "next": True, "queue": new.name, "of": old.name}
        host = rabbitmq.first_host(seen, new)
        name = f"queue/{new.name}" + ("/again" if unit else "")
        title, about = _USERS(new=new.name, old=old.name), About("queue", new.name, new.name)
        made = Step(
            name, "upgrade.queue", {**args, "host": host}, unit or USERS, (), title=title, about=about, purpose=USERS
        )
        ids.append(plan.add(made, after=after).id)
    return ids


def add_cells(plan: Plan, where: Where, after: Sequence[str]) -> list[str]:
    """Adds a step for each queue that is left behind, when Nova is upgraded and has gone all its hops; gives the last
    steps."""
    facts, ends = where.facts, list(after)
    nova = next((way for way in facts.ways if way.service.name == "nova"), None)
    if nova is None:
        return ends
    seen = queues.coming(facts.site)
    done: set[str] = set()
    for new, old, left, _ in queues.pairs(facts.site):
        if old.name in done or not left:  # the first that takes its place is the one of RPC
            continue
        done.add(old.name)
        args = {"old": sorted(left), "new": queues.servers(seen, new)}
        title = _CELLS(new=new.name)
        made = Step(
            f"cells/{new.name}",
            "upgrade.cell_queues",
            {**where.of(nova), **args},
            where.unit,
            (facts.host,),
            title=title,
            purpose=CELLS,
        )
        ends = [plan.add(made, after=ends).id]
    return ends
