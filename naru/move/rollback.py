"""Rolling a move back, wholly or some of its projects, while the others stay as they are.

What belongs to no project, and may be of use to others, stays until everything is rolled back. What joins two projects
goes with either of them.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from naru.errors import InputError, NaruError
from naru.messages import say
from naru.move.draft import CLOUD
from naru.move.purposes import (
    CONTENT,
    END,
    MAKE,
    RELEASE,
    ROOT_CONTENT,
    START,
    STOP,
    TAKE,
    TELL_CUTOVER,
    TELL_RUNS,
    TELL_STOP,
)
from naru.move.steps.volume_content import CARRY, UNDO_CONTENT
from naru.move.work import Work
from naru.plan import control, rollback
from naru.plan.errors import HasDependents, PlanError
from naru.plan.journal import Journal
from naru.plan.model import UNDO_LEFT
from naru.plan.queries import StepRow, reading
from naru.plan.run import Terminal, beside

WAITS = {
    **{STOP: (START,), START: (TELL_RUNS,), RELEASE: (RELEASE, TAKE, MAKE), TAKE: (TAKE, MAKE)},
    **{TELL_RUNS: (), TELL_STOP: (STOP,), TELL_CUTOVER: (STOP, TELL_STOP, RELEASE)},
}
"""Users get their service back first. An old server is started as soon as the new one is off, and for its data, when
that is carried back; an address returns as soon as the new cloud does not answer at it. Nothing else is waited for, but
for the operator's hooks before a new server is stopped: they have a deadline, and cannot fail. Hooks are told that a
server, or a project, is back when it is."""

LOOK = 2.0
"""Seconds between two looks at who waits."""
_OFF = "taken for off"
"""The note in the journal: the new servers (ids of the old ones) that the operator has said to be off."""
ANEW = "What was rolled back is planned anew, into another work directory: naru move plan ... --work DIR"


def rolled_back(journal: Journal, projects: Collection[str]) -> set[str]:
    """Those of the projects (ids) that were rolled back, or are on their way."""
    with reading(journal) as now:
        return {step.about_id for step in now.steps(purpose=END, states=["undone"]) if step.about_id in projects}


def finalized(journal: Journal, projects: Collection[str]) -> set[str]:
    """Those of the projects (ids) that cannot be rolled back any more: what was held for that is given up, or began to
    be."""
    with reading(journal) as now:
        return {step.about_id for step in now.steps(purpose=END) if step.attempt and step.about_id in projects}


def units(work: Work, journal: Journal) -> dict[str, set[str]]:
    """By project (id): the plan's units that belong to it, its own and those of its servers."""
    owner = {
        decision.step: decision.project
        for decision in work.decisions
        if decision.kind == "server" and decision.step and decision.project in work.projects
    }
    found: dict[str, set[str]] = {project: set() for project in work.projects}
    with reading(journal) as now:
        for step in now.steps(purpose=END):
            found[step.about_id].add(step.unit)
        for step in now.steps(ids=owner):
            found[owner[step.id]].add(step.unit)
    return found


def start(work: Work, journal: Journal, projects: Collection[str], *, carry_back: bool = False) -> list[str]:
    """Plans the rollback of these projects (ids), or without any of the whole move; one that was begun goes on, with
    what could not be undone tried again.

    With `carry_back` what the new volumes hold goes back to the old ones, also of a rollback that was begun without;
    returns what the steps of it are called for which that is too late.

    Raises NaruError past their finalizing, and when steps of other projects depend on theirs, with what to do.
    """
    final = finalized(journal, work.projects)
    if gone := final & (set(projects) or work.projects.keys()):
        raise _finalized(work, gone, set(projects or work.projects) - final - rolled_back(journal, work.projects))
    every = units(work, journal)
    _check_begun(work, journal, projects, every)
    args = {UNDO_CONTENT: CARRY} if carry_back else {}
    waits = {**WAITS, STOP: (START, CONTENT, ROOT_CONTENT)} if carry_back else WAITS
    chosen = {unit for project in projects for unit in every[project]} if projects else None
    try:
        made = rollback.start(journal, units=chosen, along=[CLOUD] if projects else None, args=args, waits=waits)
    except HasDependents as error:
        raise _dependents(work, every, error, projects, final) from error
    _again(journal, chosen)
    late = rollback.change(journal, UNDO_CONTENT, CARRY, waits=waits) if carry_back else []
    if made:
        return []
    with reading(journal) as now:
        return [say(step.title) or step.id for step in now.steps(ids=late)]


def _again(journal: Journal, units: Collection[str] | None) -> None:
    """Lets what could not be undone in these units, or anywhere, be tried again."""
    with reading(journal) as now:
        failed = now.steps(purpose=(rollback.UNDO, UNDO_LEFT), states=("failed",), rollbacks=True)
    if steps := [step.id for step in failed if units is None or step.unit in units]:
        control.retry(journal, steps=steps)


def _check_begun(work: Work, journal: Journal, projects: Collection[str], every: Mapping[str, Collection[str]]) -> None:
    """Raises InputError for projects of which nothing was begun: what rolls them back would only keep them from being
    moved. `every` has the plan's units by project."""
    with reading(journal) as now:
        begun = {step.unit for step in now.steps() if step.attempt}
    if projects:
        untouched = {project for project in projects if begun.isdisjoint(every[project])}
    else:
        untouched = set() if begun else set(work.projects)
    if left := untouched - rolled_back(journal, work.projects):
        raise InputError(
            f"nothing of {work.listed(left)} was begun: there is nothing to roll back",
            hint="What was not begun can be planned again, with fewer projects, into the same directory.",
        )


def take_for_off(work: Work, journal: Journal, servers: Collection[str]) -> list[str]:
    """Takes new servers (names or ids of the old ones, or `all`) for off, as the operator knows them to be although
    their cloud does not say so: a rollback does not wait for them any more. The names of those that it waited for.
    Raises InputError for what is not a server of the move."""
    known = {item.id: item.name or item.id for item in work.decisions if item.kind == "server" and item.step}
    chosen: set[str] = set()
    for text in servers:
        ids = [id for id, name in known.items() if text in (id, name, "all")]
        if not ids:
            raise InputError(f"--off {text}: {work.directory} does not move such a server")
        if len(ids) > 1 and text != "all":
            raise InputError(f"--off {text}: several servers are called that", hint=f"Give the id: {', '.join(ids)}")
        chosen.update(ids)
    waiting = {step.about_id for step in _undo_starts(journal, "running") if step.about_id in chosen}
    journal.remember_more(_OFF, waiting)
    skip_taken_for_off(journal)
    return sorted(known[server] for server in waiting)


def skip_taken_for_off(journal: Journal) -> bool:
    """Lets nothing wait any more for new servers that were taken for off; whether something did. One that is being
    asked at this moment is not waited for as soon as that has failed."""
    off = set(journal.recall(_OFF) or ())
    waiting = [step.id for step in _undo_starts(journal) if step.about_id in off] if off else []
    if waiting:
        control.skip(journal, "the operator says that the new server is off", steps=sorted(waiting))
    return bool(waiting)


@contextmanager
def telling_who_waits(work: Work, terminal: Terminal) -> Iterator[None]:
    """Tells of old servers that wait for new ones to be off while the rollback runs, as soon as that is so: other steps
    may take as long as the new cloud does not answer."""
    told: set[str] = set()

    def tell() -> None:
        with work.journal() as journal:
            skip_taken_for_off(journal)
            waiting = not_off(work, journal)
        for server in waiting.keys() - told:
            terminal.warn(
                f"the old server {waiting[server]} waits until {work.new} says that the new one is off; if you know"
                f" that it is, also from another terminal: naru move rollback {work.directory} --off {server}"
            )
        told.update(waiting)

    def look() -> bool:
        try:
            tell()
        except PlanError:  # the run itself meets the same, and says so
            return False
        return True

    with beside(look, LOOK):
        yield
    tell()


def not_off(work: Work, journal: Journal) -> dict[str, str]:
    """The servers that could not be switched off on the new cloud, for which the old ones wait: their names by old
    id."""
    names = {item.id: item.name for item in work.decisions if item.kind == "server"}
    failed = [step.about_id for step in _undo_starts(journal) if step.state == "failed"]
    return {server: names.get(server) or server for server in failed}


def _undo_starts(journal: Journal, *states: str) -> list[StepRow]:
    """The steps of rollbacks that switch new servers off and have not ended; those that are at work only where these
    `states` say so."""
    with reading(journal) as now:
        starts = {step.n for step in now.steps(purpose=START)}
        undo = (rollback.UNDO, UNDO_LEFT)
        left = now.steps(purpose=undo, states=("waiting", "held", "failed", *states), rollbacks=True)
    return [step for step in left if step.undoes in starts]


def _finalized(work: Work, gone: Collection[str], left: Collection[str]) -> NaruError:
    """The error for projects that are finalized; `left` can still be rolled back."""
    hint = "What is wrong has to be repaired on the new cloud."
    if left:
        hint = f"The others can be rolled back: naru move rollback {work.arguments(left)}"
    return NaruError(
        f"{work.listed(gone)} {'is' if len(gone) == 1 else 'are'} finalized and cannot be rolled back", hint=hint
    )


def _dependents(
    work: Work,
    every: Mapping[str, set[str]],
    error: HasDependents,
    projects: Collection[str],
    final: Collection[str],
) -> NaruError:
    """The error that names the projects of the units that depend on these."""
    owner = {unit: project for project, mine in every.items() for unit in mine}
    steps: dict[str, list[str]] = {}
    for unit, titles in error.dependents.items():
        steps.setdefault(owner[unit], []).extend(titles)
    lines = []
    for project in sorted(steps, key=work.called.__getitem__):
        more = f", and what comes after it: {len(steps[project]) - 1} steps" if len(steps[project]) > 1 else ""
        lines.append(f"{work.called[project]}: {steps[project][0]}{more}")
    if stuck := set(steps) & set(final):
        hint = f"{work.listed(stuck)} {'is' if len(stuck) == 1 else 'are'} finalized and cannot be rolled back."
    else:
        hint = f"Roll them back together: naru move rollback {work.arguments({*projects, *steps})}"
    depend = "depends" if len(steps) == 1 else "depend"
    return NaruError(
        f"{work.listed(projects)} cannot be rolled back alone: {work.listed(steps)} {depend} on it",
        detail="\n".join(lines),
        hint=hint,
    )
