"""How long each server is off: what the plan expects of it, and what the journal has measured."""

import dataclasses
import datetime
import itertools
from collections.abc import Collection, Mapping

from sqlalchemy import select

from naru.move.draft import Draft
from naru.move.outcome import PARTS, Downtime
from naru.move.work import Work
from naru.plan import schema
from naru.plan.forecast import forecast
from naru.plan.journal import Journal
from naru.plan.model import Plan
from naru.text import duration

# the steps of a server between which nobody reaches it; its id on the old cloud follows
STOP = "stop server/"
START = "start server/"
# the content of a volume, and of a server's own disk; its id on the old cloud follows
CONTENT = "content volume/"
ROOT_CONTENT = "content server/"
LONGEST = 10
"""How many servers are named in what is told of a plan."""


def expected(plan: Plan) -> Mapping[str, float]:
    """By a server's id on the old cloud: the seconds from the beginning of its stop to the end of its start, with all
    that this waits for. As if all projects were cut over at once; see `naru.plan.forecast`."""
    spans = forecast(plan)
    stops = {step.removeprefix(STOP): span for step, span in spans.items() if step.startswith(STOP)}
    return {
        server: spans[f"{START}{server}"].ended - span.began
        for server, span in stops.items()
        if f"{START}{server}" in spans
    }


def ahead(work: Work, seconds: Mapping[str, float], projects: Collection[str]) -> float | None:
    """The longest time that a server of the projects (ids) is expected to be off, if the content of volumes (old ids)
    takes so many seconds; None when none is to be stopped."""
    with work.journal() as journal:
        plan = journal.plan(rollbacks=False)
    known = {f"{CONTENT}{volume}": found for volume, found in seconds.items()}
    steps = [dataclasses.replace(step, estimate=known.get(step.id, step.estimate)) for step in plan.steps]
    found = expected(dataclasses.replace(plan, steps=steps))
    own = {one.id for one in work.decisions if one.kind == "server" and one.project in projects}
    return max((found[server] for server in own & found.keys()), default=None)


def tell(draft: Draft) -> None:
    """Tells the plan's reader of each project how long its servers are to be off."""
    seconds = expected(draft.plan)
    for project in draft.facts.projects.values():
        own = sorted(
            ((seconds[row.id], row.name) for row in draft.facts.owned("server", project.id) if row.id in seconds),
            key=lambda pair: (-pair[0], pair[1]),
        )
        if own:
            draft.find(
                "info",
                f"project {project.name}: servers that are to be off for a while: {len(own)}, the longest for about"
                f" {duration(own[0][0])}",
                detail="\n".join(f"{name}: {duration(time)}" for time, name in own[:LONGEST]),
                hint="All of them, and afterwards the times that were measured: naru move downtime DIR",
            )


def downtimes(work: Work) -> list[Downtime]:
    """Of every server that is stopped and started by the move, in the order of its decisions."""
    with work.journal() as journal:
        seconds = expected(journal.plan(rollbacks=False))
        stopped, started = _stopped(journal), _started(journal)
        parts = _parts(journal, stopped)
    return [
        Downtime(
            decision.id,
            decision.name,
            expected_s=round(seconds[decision.id], 1),
            stopped_at=_time(stopped.get(decision.id)),
            started_at=_time(started.get(decision.id)),
            **parts.get(decision.id, {}),
        )
        for decision in work.decisions
        if decision.kind == "server" and decision.id in seconds
    ]


def _parts(journal: Journal, stopped: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """By server that was stopped and runs again: see `Downtime`."""
    before, steps, edges = schema.steps.alias(), schema.steps, schema.edges.c
    query = (
        select(steps.c.id, steps.c.started, steps.c.ended, before.c.id, before.c.ended)
        .join_from(steps, schema.edges, edges.after == steps.c.n)
        .join(before, before.c.n == edges.before)
        .where(steps.c.id.startswith(START, autoescape=True), steps.c.state == "done", steps.c.ended.is_not(None))
    )
    found: dict[str, dict[str, float]] = {}
    with journal.read() as connection:
        rows = connection.execute(query).all()
    for step, waits in itertools.groupby(sorted(rows, key=lambda row: str(row[0])), key=lambda row: row[:3]):
        server = step[0].removeprefix(START)
        ends = {name: ended for *_, name, ended in waits if ended is not None}
        off = ends.get(f"{STOP}{server}")
        if server not in stopped or off is None:
            continue
        arrived = max([off, *(ended for name, ended in ends.items() if name.startswith((CONTENT, ROOT_CONTENT)))])
        moments = (stopped[server], off, arrived, max(arrived, step[1]), step[2])
        found[server] = {
            part: round(later - earlier, 3)
            for part, (earlier, later) in zip(PARTS, itertools.pairwise(moments), strict=True)
        }
    return found


def _stopped(journal: Journal) -> dict[str, float]:
    """By server: when its stop was begun (seconds since 1970), of those that came to stop. Its first attempt counts: a
    later one may have found it stopped. What a rollback has taken back does not."""
    steps, events = schema.steps.c, schema.events.c
    query = (
        select(steps.id, events.what, events.at)
        .join_from(schema.events, schema.steps, steps.n == events.step)
        .where(steps.id.startswith(STOP, autoescape=True), steps.state == "done")
        .where(events.what.in_(("started", "undone")))
        .order_by(events.id)
    )
    found: dict[str, float] = {}
    with journal.read() as connection:
        for step, what, at in connection.execute(query):
            server = step.removeprefix(STOP)
            if what == "undone":
                found.pop(server, None)
            else:
                found.setdefault(server, at)
    return found


def _started(journal: Journal) -> dict[str, float]:
    """By server: when its start was at its end, in seconds since 1970."""
    steps = schema.steps.c
    query = select(steps.id, steps.ended).where(
        steps.id.startswith(START, autoescape=True), steps.state == "done", steps.ended.is_not(None)
    )
    with journal.read() as connection:
        return {step.removeprefix(START): ended for step, ended in connection.execute(query)}


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
