"""Rolling a move back, wholly or some of its projects, while the others stay as they are.

What belongs to no project, and may be of use to others, stays until everything is rolled back. What joins two projects
goes with either of them.
"""

from collections.abc import Collection, Mapping

from naru.errors import NaruError
from naru.move.draft import CLOUD
from naru.move.purposes import END
from naru.move.storage import BACK, CARRY
from naru.move.work import Work
from naru.plan import rollback
from naru.plan.errors import RestedOn
from naru.plan.journal import Journal
from naru.plan.queries import reading

ANEW = "What was rolled back is planned anew, into another work directory: naru move plan ... --work DIR"


def rolled_back(journal: Journal, projects: Collection[str]) -> set[str]:
    """Those of the projects (ids) that were rolled back, or are on their way."""
    with reading(journal) as now:
        return {step.about_id for step in now.steps(purpose=END, states=["undone"]) if step.about_id in projects}


def finalized(journal: Journal, projects: Collection[str]) -> set[str]:
    """Those of the projects (ids) whose way back is given up, or began to be."""
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
    """Plans the rollback of these projects (ids), or without any of the whole move; one that was begun goes on.

    With `carry_back` what the new volumes hold goes back to the old ones, also of a rollback that was begun without;
    returns the steps of it for which that is too late.

    Raises NaruError past their finalizing, and when steps of other projects rest on theirs, with what to do.
    """
    final = finalized(journal, work.projects)
    if gone := final & (set(projects) or work.projects.keys()):
        raise _no_way_back(work, gone, set(projects or work.projects) - final - rolled_back(journal, work.projects))
    args = {BACK: CARRY} if carry_back else {}
    every = units(work, journal)
    chosen = {unit for project in projects for unit in every[project]} if projects else None
    try:
        made = rollback.start(journal, units=chosen, along=[CLOUD] if projects else None, args=args)
    except RestedOn as error:
        raise _rested_on(work, every, error, projects, final) from error
    late = rollback.change(journal, BACK, CARRY) if carry_back else []
    return [] if made else late


def _no_way_back(work: Work, gone: Collection[str], left: Collection[str]) -> NaruError:
    """The error for projects that are finalized; `left` can still be rolled back."""
    hint = "What is wrong has to be mended on the new cloud."
    if left:
        hint = f"The others can be rolled back: naru move rollback {work.arguments(left)}"
    return NaruError(f"there is no way back: {work.listed(gone)} {_verb(gone, 'is')} finalized", hint=hint)


def _rested_on(
    work: Work,
    every: Mapping[str, set[str]],
    error: RestedOn,
    projects: Collection[str],
    final: Collection[str],
) -> NaruError:
    """The error that names the projects of the units that rest on these."""
    owner = {unit: project for project, mine in every.items() for unit in mine}
    steps: dict[str, list[str]] = {}
    for unit, titles in error.resting.items():
        steps.setdefault(owner[unit], []).extend(titles)
    lines = []
    for project in sorted(steps, key=work.called.__getitem__):
        more = f", and what comes after it: {len(steps[project]) - 1} steps" if len(steps[project]) > 1 else ""
        lines.append(f"{work.called[project]}: {steps[project][0]}{more}")
    if stuck := set(steps) & set(final):
        hint = f"There is no way back: {work.listed(stuck)} {_verb(stuck, 'is')} finalized."
    else:
        hint = f"Roll them back together: naru move rollback {work.arguments({*projects, *steps})}"
    return NaruError(
        f"{work.listed(projects)} cannot be rolled back alone: {work.listed(steps)} {_verb(steps, 'rests')} on it",
        detail="\n".join(lines),
        hint=hint,
    )


def _verb(projects: Collection[str], singular: str) -> str:
    return singular if len(projects) == 1 else {"is": "are", "rests": "rest"}[singular]
