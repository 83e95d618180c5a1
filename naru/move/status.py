"""Where each project of a move is, which of its servers are off, and the commands that go on from there: what an
operator has to know whenever a command ends, however it ended."""

import datetime
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from naru.move.progress import ProgressReader
from naru.move.purposes import FINALIZE, START, STOP
from naru.move.rollback import ANEW, units
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import JournalView, reading
from naru.plan.rollback import UNDO
from naru.plan.windows.phases import UnitProgress
from naru.text import count

PLANNED, PREPARING, PREPARED = "planned", "preparing", "prepared"
CUTTING_OVER, CUT_OVER = "cutting over", "cut over"
FINALIZING, FINALIZED = "finalizing", "finalized"
ROLLING_BACK, ROLLED_BACK = "rolling back", "rolled back"
NAMED = 10
"""How many servers are named that are off."""


class ProjectStatus(NamedTuple):
    """Where a project (id) is: `at` is one of the words above. `off` are the names of its servers that were stopped on
    the old cloud and run on neither now, `since` when the first of them was (seconds since 1970, None for none)."""

    id: str
    at: str
    off: tuple[str, ...] = ()
    since: float | None = None


def projects(move: Work, journal: Journal) -> list[ProjectStatus]:
    """Where every project is, in the order of the plan."""
    states = ProgressReader(journal, move.projects).read()
    mine = units(move, journal)
    with reading(journal) as now:
        left = {step.unit for step in now.steps(purpose=UNDO, rollbacks=True) if step.state not in OVER}
        off = _off(now)
        finalizing = {step.about_id for step in now.steps(purpose=FINALIZE, states=("running", *OVER))}
        begun = now.has_begun()
    owners = {decision.id: decision for decision in move.decisions if decision.kind == "server"}
    found = []
    for project, state in states.items():
        mine_off = [id for id in off if id in owners and owners[id].project == project]
        if state.rolled_back:
            at = ROLLING_BACK if left & mine[project] else ROLLED_BACK
        else:
            at = _at(state, begun, project in finalizing)
        names = tuple(sorted(owners[id].name or id for id in mine_off))
        found.append(ProjectStatus(project, at, names, min((off[id] for id in mine_off), default=None)))
    return found


def _at(state: UnitProgress, begun: bool, finalizing: bool) -> str:
    """The word for a project that was not rolled back."""
    if PHASES.done(state, PHASES.end):
        return FINALIZED
    if PHASES.done(state, PHASES.window):
        return FINALIZING if finalizing else CUT_OVER
    if state.begun:
        return CUTTING_OVER
    if PHASES.done(state, PHASES.prepare):
        return PREPARED
    return PREPARING if begun else PLANNED


def _off(now: JournalView) -> dict[str, float]:
    """By old id: when the servers were stopped that run on neither cloud."""
    stops = now.steps(purpose=STOP, states=("running", "done"), args=True, result=True)
    # those that were off when their window began are stopped by a step that finds nothing to do
    stopped = [step for step in stops if (step.result or {}).get("ran", step.args.get("runs", True))]
    started = {step.about_id for step in now.steps(purpose=START, states=("done",))}
    return {
        step.about_id: step.ended or step.started or time.time() for step in stopped if step.about_id not in started
    }


def off_lines(move: Work, found: Iterable[ProjectStatus]) -> Iterator[str]:
    """What whoever leaves a window half-way has to know: the servers that run on neither cloud."""
    for one in found:
        if not one.off or one.since is None:
            continue
        more = f" and {len(one.off) - NAMED} more" if len(one.off) > NAMED else ""
        since = datetime.datetime.fromtimestamp(one.since).astimezone().isoformat(sep=" ", timespec="seconds")
        yield (
            f"{move.called[one.id]}: {count(len(one.off), 'server')} off on both clouds, the first since {since}:"
            f" {', '.join(one.off[:NAMED])}{more}"
        )


def next_commands(move: Work, found: Iterable[ProjectStatus]) -> list[str]:
    """What can be done next, a command a line, for the projects that are furthest behind first."""
    at: dict[str, list[str]] = {}
    for one in found:
        at.setdefault(one.at, []).append(one.id)

    def command(verb: str, *words: str) -> str:
        chosen = [id for word in words for id in at.get(word, ())]
        every = {id for word, ids in at.items() if word != ROLLED_BACK for id in ids}
        arguments = str(move.directory) if set(chosen) == every else move.arguments(chosen)
        return f"naru move {verb} {arguments}"

    lines = []
    if ROLLING_BACK in at:
        lines.append(f"{command('rollback', ROLLING_BACK)}  (goes on with it)")
    if PLANNED in at or PREPARING in at:
        lines.append(f"naru move prepare {move.directory}")
    if CUTTING_OVER in at:
        lines.append(f"{command('cutover', CUTTING_OVER)}  (goes on with it)")
        lines.append(f"{command('rollback', CUTTING_OVER)}  (back to the old servers)")
    if PREPARED in at:
        lines.append(f"naru move sync {move.directory}  (copies ahead), {command('cutover', PREPARED)}")
    if CUT_OVER in at:
        lines.append(f"naru move verify {move.directory}, then {command('finalize', CUT_OVER)}")
    if FINALIZING in at:
        lines.append(f"{command('finalize', FINALIZING)}  (goes on with it)")
    if not lines and FINALIZED not in at:
        lines.append(ANEW)
    return lines
