"""Copying ahead of the window, while the old servers run: rounds over all volumes, each a small plan of its own.

A round lies in the work directory's `sync/NUMBER`, a journal like any other: it can be watched, limited, resumed. What
it leaves is in the copies' directories (see `naru.move.steps.volume_content`): a later round, and the cut-over, only
carry what changed since. It begins with the points of all its volumes, so that none of its copies has to wait until its
own is old enough (see `naru.move.steps.points`).
"""

import threading
import time
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from naru.actions.arguments import ref, resolve
from naru.errors import InputError, NaruError
from naru.messages import message, say
from naru.move import freshness, leave
from naru.move.draft import COPIES, LIMITS, POINTS
from naru.move.purposes import ACCESS
from naru.move.rollback import ANEW
from naru.move.steps.snapshot_content import Snapshot
from naru.move.steps.volume_content import GAVE_WAY, VolumeContent
from naru.move.work import ROUNDS, Work
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import OVER, Plan, Step
from naru.plan.queries import StepRow, reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status
from naru.text import count, size

TITLE = message("move.sync.title", en="Round {number} of copying ahead", ko="사전 복사 {number}회차")
POINT = message("move.title.point", en="the point of {thing}", ko="{thing}의 복사 지점 만들기")
AGE = message(
    "move.title.point_age",
    en="wait until the point of {thing} can be read",
    ko="{thing}의 복사 지점을 읽을 때까지 대기",
)
LOOK = 1.0
"""Seconds between two looks at whether a wait was interrupted."""
MOST = 10
"""Failures of one round that are named one by one."""
KIND = VolumeContent.step_kind
HISTORY = Snapshot.step_kind
OPEN = ("waiting", "held")
"""States in the move's plan of a content that is not cut over yet."""


class Copied(NamedTuple):
    """What a round did of one volume; numbers are bytes and seconds. `whole` says that everything was compared. `way`
    is `copy`, or `clone` or `reflink`: then there was nothing to do, both volumes are on one storage; or `gave way`:
    the volume's cut-over began meanwhile. `why` says why what is on one storage is copied all the same."""

    project: str
    volume: str
    title: str
    size: int
    number: int
    read: int
    written: int
    compared: int
    whole: bool
    repaired: int
    seconds: float
    way: str
    why: str


def next_round(work: Work, projects: Collection[str], *, whole: bool = False) -> Journal:
    """The round that was begun and not ended, unless something of it was cut over or rolled back since, or a new one,
    of some projects (names or ids) or of all. With `whole` a new one compares everything, not only what changed since
    both sides were last found equal.

    Raises InputError when there is nothing that could be copied, with the reason.
    """
    known = work.work.rounds(ROUNDS)
    if (journal := known.last()) is not None:
        still = {step.id for step in _steps(work, kind=KIND) if step.state in OPEN}
        if status(journal).state not in ("done", "failed") and _left(journal) <= still:
            return journal
        journal.close()
    number = known.following()
    return known.begin(number, _plan(work, projects, number, whole))


def rounds(work: Work) -> list[int]:
    """The numbers of the rounds that were begun, in their order; one whose making was killed is none."""
    return work.work.rounds(ROUNDS).numbers()


def _left(journal: Journal) -> set[str]:
    """The copies of a round that are not done."""
    with reading(journal) as now:
        return {step.id for step in now.steps(kind=KIND) if step.state not in OVER}


def _plan(work: Work, projects: Collection[str], number: int, whole: bool) -> Plan:
    chosen = work.chosen(projects) or work.projects
    plan = Plan(
        title=TITLE(number=number),
        modules=["naru.move.steps"],
        limits={name: LIMITS[name] for name in (COPIES, POINTS)},
        settings={},
    )
    results = work.results()
    placed = {step.about_id for step in _steps(work, purpose=ACCESS) if step.state == "done"}
    owners = _owners(work)
    contents = _steps(work, kind=KIND)
    mine = [step for step in contents if owners.get(step.args["from"], "") in chosen]
    # whoever carries later content first has to carry the snapshot's again
    unfinished = {step.args["carry"]["from"] for step in _steps(work, kind=HISTORY) if step.state not in OVER}
    for step in mine:
        volume = step.args["from"]
        if volume in unfinished:
            continue
        if volume in placed and step.state in OPEN:
            _add(plan, step, resolve(step.args, results, None), whole)
    if not plan.steps:
        why = _why(contents, mine)
        raise InputError(f"{work.directory}: there is nothing to copy ahead", hint=why)
    load(plan.modules)
    KINDS.check_arguments(plan)
    return plan


def _add(plan: Plan, step: StepRow, args: dict[str, Any], whole: bool) -> None:
    """The steps of one volume: its point, the wait until that can be read, and the copy up to it."""
    thing = step.about.name if step.about else step.id
    more: dict[str, Any] = {"unit": step.unit, "about": step.about}
    point, age = f"point {args['from']}", f"age {args['from']}"
    mine = {**more, "limits": (POINTS,), "queue": step.queue, "title": POINT(thing=thing)}
    plan.add(Step(point, "move.content.point", args, **mine))
    aging = {"point": ref(point, "point")}
    plan.add(Step(age, "move.content.age", aging, limits=(), title=AGE(thing=thing), **more), after=[point])
    copying = {**args, "ahead": True, "whole": whole, "settled": ref(age, "point")}
    more |= {"title": step.title, "estimate": step.estimate, "purpose": step.purpose}
    plan.add(Step(step.id, KIND, copying, limits=(COPIES,), queue=step.queue, **more), after=[age])


def _owners(work: Work) -> dict[str, str]:
    """By volume: its project. Ids on the old cloud."""
    return {decision.id: decision.project for decision in work.decisions if decision.kind == "volume"}


def _steps(work: Work, *, kind: str | None = None, purpose: str | None = None) -> list[StepRow]:
    with work.journal() as journal, reading(journal) as now:
        return now.steps(kind=kind, purpose=purpose, args=True)


def _why(contents: list[StepRow], chosen: list[StepRow]) -> str:
    if not contents:
        return (
            "Its volumes go by images, in the window: cut over without copying ahead, or plan anew, with the --storage"
            " of both clouds."
        )
    if not chosen:
        return "There are no volumes."
    left = [step for step in chosen if step.state != "undone"]
    if not left:
        return f"It was rolled back. {ANEW}"
    if all(step.state == "done" for step in left):
        return "All of it has been cut over."
    return "Make the volumes on the new cloud first: naru move prepare."


def copied(work: Work, journal: Journal) -> list[Copied]:
    """What a round has done so far, by volume."""
    owners = _owners(work)
    names = ("size", "read", "written", "compared", "whole", "repaired", "seconds", "way", "why")
    with reading(journal) as now:
        done = now.steps(states=["done"], kind=KIND, args=True, result=True)
    found = []
    for step in done:
        volume, result = step.args["from"], step.result
        fields = {name: result[name] for name in names}
        project = work.projects.get(owners.get(volume, ""), "")
        found.append(Copied(project, volume, say(step.title), number=result["pass"], **fields))
    return sorted(found, key=lambda copied: -copied.seconds)


def expected(journal: Journal, done: Collection[Copied]) -> float | None:
    """The seconds that the contents of the window will take, if as much changes as before this round: the round again,
    as many volumes at a time. None when it carried a volume for the first time, which says nothing."""
    done = [one for one in done if one.way != GAVE_WAY]
    if not done or any(one.number == 1 for one in done):
        return None
    with reading(journal) as now:
        at_once = now.limit(COPIES)
    seconds = [one.seconds for one in done]
    return max(*seconds, sum(seconds) / max(1, at_once))


# -- rounds, one after the other


class Round(NamedTuple):
    """What a round of copying ahead came to: what it did of each volume; what the next one, and the window's content,
    are expected to take in seconds (None: not known yet); and the exit code of its run."""

    done: list[Copied]
    expected: float | None
    code: int


def run_rounds(
    work: Work,
    projects: Collection[str],
    terminal: Terminal,
    *,
    whole: bool = False,
    every: float | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Round]:
    """Rounds of copying ahead of some projects, or of all, one after the other or one in `every` so many seconds.

    When another thread sets `stop`, the round that is under way is broken off, and no further one begins.
    """
    stop = stop or threading.Event()
    while not stop.is_set():
        began = time.monotonic()
        known = rounds(work)
        with next_round(work, projects, whole=whole) as journal:
            if rounds(work) == known:
                terminal.say(f"going on with {journal.name}, as it was asked for")
            state = run(journal, terminal, stop=stop)
            _warn_of_failed(state, work, terminal)
            done = copied(work, journal)
            seconds = expected(journal, done)
        after = "the next will only carry what changes" if seconds is None else f"the next: about {seconds:.0f} s"
        amount = f"{size(sum(one.written for one in done))} written of {count(len(done), 'volume')}"
        terminal.say(f"{journal.name} ended: {amount}; {after}")
        yield Round(done, seconds, state.exit_code)
        if every:
            end = began + every
            terminal.say(f"the next round begins in {max(0.0, end - time.monotonic()):.0f} s")
            # never long at once: a Ctrl-C in the very moment in which a wait begins is seen when it ends
            while (left := end - time.monotonic()) > 0 and not stop.wait(min(left, LOOK)):
                pass


def _warn_of_failed(state: Status, work: Work, terminal: Terminal) -> None:
    """Also to those who want it quiet: what failed is in no row of the answer."""
    with work.journal() as journal:
        failed = leave.with_offers(work, journal, state).failed
    for step in failed[:MOST]:
        terminal.warn(f"{step.title or step.id}: {NaruError(step.summary, detail=step.detail, hint=step.hint)}")
    if state.failed:
        more = f"and {len(state.failed) - MOST} more; " if len(state.failed) > MOST else ""
        terminal.warn(f"{more}the next round goes on with it: naru move sync {work.directory}")


def sync(
    work: Work,
    projects: Collection[str],
    terminal: Terminal,
    *,
    whole: bool = False,
    every: float | None = None,
    until: float | None = None,
    as_planned: bool = False,
) -> tuple[int, list[Copied]]:
    """Rounds until nothing more is wanted: one; with `every` again and again; with `until` as long as the next one is
    expected to take longer than so many seconds. The exit code (3: rounds do not get shorter any more), and what the
    last one did."""
    freshness.check(ROUNDS, work, work.chosen(projects), terminal, as_planned=as_planned)
    before: float | None = None
    code, done = 0, list[Copied]()
    for found in run_rounds(work, projects, terminal, whole=whole, every=every):
        code, done = found.code, found.done
        if code or (until is None and not every):
            break
        if until is not None and found.expected is not None:
            if found.expected <= until:
                break
            if not every and before is not None and found.expected > 0.9 * before:
                code = 3
                break
        before = found.expected
    return code, done
