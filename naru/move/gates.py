"""The gates before the phases of projects: which of them a phase opens, and who cannot go on without others."""

import glob
from collections.abc import Sequence

from naru.errors import InputError
from naru.move import waves
from naru.move.progress import ProgressReader
from naru.move.rollback import ANEW
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan import control
from naru.plan.journal import Journal
from naru.plan.windows.needs import left_out, together

DONE = {PHASES.window: PHASES.passed, PHASES.end: PHASES.ended}
"""What a project is after a phase."""


def before(phase: str, move: Work, journal: Journal, projects: Sequence[str], *, alone: bool = False) -> list[str]:
    """The gates (as patterns) before the phase of these projects (ids), or of all. Raises InputError for projects that
    were rolled back, and unless `alone` for some that need others which do not come with them."""
    if not projects:
        return [f"{phase} *"]
    progress = ProgressReader(journal, move.projects)
    states = progress.read()
    if back := [project for project in projects if states[project].rolled_back]:
        raise InputError(f"{move.listed(back)} {_was(back)} rolled back", hint=ANEW)
    if not alone and move.projects.keys() - set(projects):
        _check_alone(phase, move, projects, progress)
    # a gate's name is a pattern to the journal, and a project may be called anything
    return [glob.escape(progress.gates[phase, project]) for project in projects]


def hold_before_window(move: Work, journal: Journal, projects: Sequence[str], *, alone: bool = False) -> list[str]:
    """Holds the gates before the cut-over of these projects (ids), or of all; those of them that are to be cut over.
    Raises InputError when one is not prepared or has begun, and when there is none."""
    before(PHASES.window, move, journal, projects, alone=alone)
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


def _was(projects: Sequence[str]) -> str:
    return "was" if len(projects) == 1 else "were"


def _check_alone(phase: str, move: Work, projects: Sequence[str], progress: ProgressReader) -> None:
    """Raises InputError when the projects need others that have not come as far, and do not come with them."""
    found, states = waves.projects(move), progress.read()
    over = {project for project, state in states.items() if PHASES.done(state, phase)}
    # who was let go on before goes on, and with it those that it goes together with
    for group in together(move.projects, found.needs):
        if not set(projects).isdisjoint(group):
            over |= {project for project in group if phase in states[project].open}
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
