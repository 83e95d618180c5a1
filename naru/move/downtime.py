"""How long each server is off: what the plan expects of it, and what the journal has measured."""

import dataclasses
import datetime
import itertools
from collections.abc import Collection, Mapping

from naru.messages import lines, message
from naru.move.draft import Draft
from naru.move.outcome import PARTS, Downtime
from naru.move.purposes import CONTENT, ROOT_CONTENT, START, STOP, TELL_RUNS, TELL_STOP
from naru.move.work import Work
from naru.plan.forecast import forecast
from naru.plan.model import Plan
from naru.plan.queries import JournalView, StepRow, reading

OFF = message(
    "move.downtime.off",
    en="project {project}: servers that are to be off for a while: {count}, the longest for about {longest:duration}",
    ko="프로젝트 {project}: 잠시 중지될 서버 {count}대, 가장 긴 예상 시간은 약 {longest:duration}",
)
ONE_OFF = message("move.downtime.one_off", en="{name}: {seconds:duration}", ko="{name}: {seconds:duration}")
ALL_OFF = message(
    "move.downtime.all_off",
    en="All of them, and afterwards the times that were measured: naru move downtime DIR",
    ko="전체 목록과 이후 측정된 시간은 다음 명령으로 확인하십시오: naru move downtime DIR",
)
LONGEST = 10
"""How many servers are named in what is said of a plan."""


def expected(plan: Plan, *, every: bool = False) -> Mapping[str, float]:
    """By a server's id on the old cloud: the seconds from the beginning of its stop to the end of its start, with all
    that this waits for. As if all projects were cut over at once; see `naru.plan.forecast`. Of those that ran when the
    move was planned, or of `every` one."""
    spans = forecast(plan)
    began = {
        step.about.id: spans[step.id].began
        for step in plan.find(purpose=STOP)
        if step.about and (every or step.args.get("runs", True))
    }
    ended = {step.about.id: spans[step.id].ended for step in plan.find(purpose=START) if step.about}
    return {server: ended[server] - at for server, at in began.items() if server in ended}


def ahead(work: Work, seconds: Mapping[str, float], projects: Collection[str]) -> float | None:
    """The longest time that a server of the projects (ids) is expected to be off, if the content of volumes (old ids)
    takes so many seconds; None when none is to be stopped."""
    with work.journal() as journal:
        plan = journal.plan(rollbacks=False)
    steps = [
        dataclasses.replace(step, estimate=seconds.get(step.about.id, step.estimate))
        if step.about and step.purpose == CONTENT
        else step
        for step in plan.steps
    ]
    found = expected(dataclasses.replace(plan, steps=steps))
    moved = [one for one in work.decisions if one.kind == "server" and one.decision == "create"]
    own = {one.id for one in moved if one.project in projects}
    return max((found[server] for server in own & found.keys()), default=None)


def findings(draft: Draft) -> None:
    """Adds a finding for each project: how long its servers are to be off."""
    seconds = expected(draft.plan)
    for project in draft.facts.projects.values():
        own = sorted(
            ((seconds[row.id], row.name) for row in draft.facts.owned("server", project.id) if row.id in seconds),
            key=lambda pair: (-pair[0], pair[1]),
        )
        if own:
            draft.report(
                "info",
                OFF(project=project.name, count=len(own), longest=own[0][0]),
                detail=lines(ONE_OFF(name=name, seconds=seconds) for seconds, name in own[:LONGEST]),
                hint=ALL_OFF(),
            )


def standing(work: Work, rolled_back: Collection[str]) -> list[Downtime]:
    """Those of the servers whose projects (ids) were not rolled back: these run on the old cloud, and are not expected
    to be off."""
    back = {one.id for one in work.decisions if one.kind == "server" and one.project in rolled_back}
    return [one for one in downtimes(work) if one.server_old_id not in back]


def downtimes(work: Work) -> list[Downtime]:
    """Of every server that is stopped and started by the move, in the order of its decisions: those that ran when it
    was planned, or when their window began."""
    with work.journal() as journal:
        plan = journal.plan(rollbacks=False)
        with reading(journal) as now:
            stopped, starts = _stopped(now), _ran(now.steps(purpose=START, states=["done"], result=True))
            parts = _parts(now, starts, stopped)
    seconds, every = expected(plan), expected(plan, every=True)
    # when each start was at its end, in seconds since 1970
    started = {step.about_id: step.ended for step in starts}
    return [
        Downtime(
            decision.id,
            decision.name,
            expected_s=round(every[decision.id], 1),
            stopped_at=_time(stopped.get(decision.id)),
            started_at=_time(started.get(decision.id)),
            **parts.get(decision.id, {}),
        )
        for decision in work.decisions
        if decision.kind == "server" and decision.decision == "create"
        if decision.id in seconds or (decision.id in stopped and decision.id in every)
    ]


def _ran(steps: Collection[StepRow]) -> list[StepRow]:
    """Those of the steps that stopped or started a server, and did not only find that there is nothing to do."""
    return [step for step in steps if (step.result or {}).get("ran", True)]


def hooks(work: Work) -> dict[str, float]:
    """By server (old id): the seconds that the operator's hooks took before its stop and after its start, so far."""
    found: dict[str, float] = {}
    with work.journal() as journal, reading(journal) as now:
        for step in now.steps(purpose=(TELL_STOP, TELL_RUNS), result=True):
            for one in (step.result or {}).get("hooks", ()):
                found[step.about_id] = found.get(step.about_id, 0.0) + one["seconds"]
    return found


def _parts(now: JournalView, starts: Collection[StepRow], stopped: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """By server that was stopped and runs again: see `Downtime`."""
    found: dict[str, dict[str, float]] = {}
    by_number = {step.n: step for step in starts}
    for n, waits in now.waits(starts).items():
        step = by_number[n]
        server = step.about_id
        off = next((one.ended for one in waits if one.purpose == STOP and one.about_id == server), None)
        if server not in stopped or off is None or step.started is None or step.ended is None:
            continue
        contents = [one.ended for one in waits if one.purpose in (CONTENT, ROOT_CONTENT) and one.ended is not None]
        arrived = max([off, *contents])
        moments = (stopped[server], off, arrived, max(arrived, step.started), step.ended)
        found[server] = {
            part: round(later - earlier, 3)
            for part, (earlier, later) in zip(PARTS, itertools.pairwise(moments), strict=True)
        }
    return found


def _stopped(now: JournalView) -> dict[str, float]:
    """By server: when its stop was begun (seconds since 1970), of those that came to stop. Its first attempt counts: a
    later one may have found it stopped. What a rollback has undone does not."""
    stops = _ran(now.steps(purpose=STOP, states=["done"], result=True))
    began = now.first_starts(stops)
    return {step.about_id: began[step.n] for step in stops if step.n in began}


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
