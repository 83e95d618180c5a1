"""The gates before the phases of projects: which of them a phase opens, and who cannot go on without others."""

import glob
from collections.abc import Mapping, Sequence

from naru.errors import InputError
from naru.move import waves
from naru.move.progress import ProgressReader
from naru.move.rollback import ANEW
from naru.move.windows import PHASES, WORDS
from naru.move.work import Work
from naru.plan import control
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.ready import Scope
from naru.plan.windows.needs import left_out, together
from naru.plan.windows.phases import UnitProgress
from naru.plan.windows.run import passed

DONE = {PHASES.prepare: "prepared", PHASES.window: WORDS.passed, PHASES.end: WORDS.ended}
"""What a project is after a phase."""


def scope(phase: str, move: Work, journal: Journal, projects: Sequence[str], *, alone: bool = False) -> Scope:
    """What the command of a phase may run: that phase of these projects (ids), or of all that were not rolled back, and
    nothing else. Raises InputError for a plan with errors, for projects that were rolled back, for some that have not
    come as far, and unless `alone` for some that need others which do not come with them."""
    refuse_errors(journal)
    progress = ProgressReader(journal, move.projects)
    progress.check()
    states = progress.read()
    if all(state.rolled_back for state in states.values()):
        raise InputError(f"{move.directory}: everything was rolled back", hint=ANEW)
    if phase == PHASES.prepare:
        return Scope()
    chosen = projects or [project for project in move.projects if not states[project].rolled_back]
    if back := [project for project in chosen if states[project].rolled_back]:
        raise InputError(f"{move.listed(back)} {_was(back)} rolled back", hint=ANEW)
    _check_reached(phase, move, chosen, states)
    if not alone and move.projects.keys() - set(chosen):
        _check_alone(phase, move, chosen, progress)
    mine = {progress.gates[phase, project] for project in chosen}
    return Scope(mine | passed(PHASES, progress), mine)


def chosen(move: Work, journal: Journal, texts: Sequence[str]) -> list[str]:
    """The ids of the projects that are meant by name or id, or of all that were not rolled back."""
    if texts:
        return move.chosen(texts)
    states = ProgressReader(journal, move.projects).read()
    return [project for project in move.projects if not states[project].rolled_back]


def _check_reached(phase: str, move: Work, projects: Sequence[str], states: Mapping[str, UnitProgress]) -> None:
    """Raises InputError when the phase before is not done of all these projects: each would only wait for it, in the
    middle of the window."""
    before = PHASES.names[PHASES.number(phase) - 1]
    behind = [project for project in projects if not states[project].begun and not PHASES.done(states[project], before)]
    if phase == PHASES.end:
        behind = [project for project in projects if not PHASES.done(states[project], before)]
    if not behind:
        return
    first = min((PHASES.names[states[project].reached] for project in behind), key=PHASES.number)
    hint = f"naru move {first} {move.arguments(behind) if first != PHASES.prepare else move.directory}"
    if ready := [project for project in projects if project not in behind]:
        hint += f"\nThe others can go on: naru move {phase} {move.arguments(ready)}"
    raise InputError(f"{move.listed(behind)} {_is(behind)} not {DONE[before]} yet", hint=hint)


def hold_before_window(move: Work, journal: Journal, projects: Sequence[str], *, alone: bool = False) -> list[str]:
    """Holds the gates before the cut-over of these projects (ids), or of all; those of them that are to be cut over.
    Raises InputError when one is not prepared or has begun, and when there is none."""
    scope(PHASES.window, move, journal, projects, alone=alone)
    progress = ProgressReader(journal, move.projects)
    states = progress.read()
    left = [
        project
        for project in projects or move.projects
        if not PHASES.done(states[project], PHASES.window) and not states[project].rolled_back
    ]
    if not left:
        raise InputError(f"{move.directory}: all of it is cut over")
    for project in left:
        name = move.called[project]
        if states[project].begun:
            raise InputError(f"the cut-over of {name} has begun", hint="Go on with it: without --hold.")
        if not PHASES.done(states[project], PHASES.prepare):
            raise InputError(f"{name} is not prepared", hint=f"naru move prepare {move.directory}")
    for project in left:
        control.hold(journal, glob.escape(progress.gates[PHASES.window, project]))
    return left


def _is(projects: Sequence[str]) -> str:
    return "is" if len(projects) == 1 else "are"


def _was(projects: Sequence[str]) -> str:
    return "was" if len(projects) == 1 else "were"


def _check_alone(phase: str, move: Work, projects: Sequence[str], progress: ProgressReader) -> None:
    """Raises InputError when the projects need others that have not come as far, and do not come with them."""
    found, states = waves.projects(move), progress.read()
    over = {project for project, state in states.items() if PHASES.done(state, phase)}
    # whose cut-over has begun goes on with it, and with it those that it goes together with
    for group in together(move.projects, found.needs):
        if phase == PHASES.window and not set(projects).isdisjoint(group):
            over |= {project for project in group if states[project].begun}
    missing = left_out(set(projects) - over, found.needs, over)
    if not missing:
        return
    back = [project for project in missing if states[project].rolled_back]
    if back:
        hint = f"{move.listed(back)} {_was(back)} rolled back."
    else:
        hint = f"Give them together: naru move {phase} {move.arguments({*projects, *missing})}"
    concerned = {*projects, *missing}
    raise InputError(
        f"{move.listed(projects)} cannot be {DONE[phase]} without {move.listed(missing)}",
        detail="\n".join(
            need.text(found.names) for need in found.dependencies if need.unit in concerned and need.needs in missing
        ),
        hint=f"{hint}\nIf you know better: --alone",
    )
