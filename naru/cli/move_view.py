"""The live picture of a move: how far each project is, what is slow, what failed and why, which servers are off."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from naru.cli.plan_view import amount, bar, line, picture, whole
from naru.move.rollback import units
from naru.move.status import (
    CUT_OVER,
    CUTTING_OVER,
    FINALIZED,
    FINALIZING,
    PLANNED,
    PREPARED,
    PREPARING,
    ROLLED_BACK,
    ROLLING_BACK,
    ProjectStatus,
    off_lines,
    projects,
)
from naru.move.work import Work
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import reading
from naru.plan.status import FailedStep, RunningStep, Status
from naru.text import count, duration

PROJECTS, RUNNING, FAILED = 12, 12, 5
"""How many of each are drawn; of the others it is said how many they are."""
AGAIN = 2.0
"""Seconds between two readings of how far projects are: that is more work than the state of the plan."""
SLOW = 2.0
"""A step that takes so many times as long as it was expected to is slow, after SLOW_AFTER seconds."""
SLOW_AFTER = 10.0
UNDER_WAY = (ROLLING_BACK, CUTTING_OVER, FINALIZING, PREPARING)
"""What is drawn first, where not all projects are."""
ORDER = (*UNDER_WAY, PLANNED, PREPARED, CUT_OVER, FINALIZED, ROLLED_BACK)


class Progress(NamedTuple):
    """How far a project is: its steps, or those of its rollback, that are over, failed, and all."""

    at: ProjectStatus
    over: int
    failed: int
    all: int


class MoveView:
    """Draws one move again and again."""

    def __init__(self, move: Work) -> None:
        self._move = move
        self._read: tuple[list[Progress], Mapping[str, float]] = ([], {})
        self._next = 0.0

    def draw(self, journal: Journal, state: Status) -> RenderableType:
        """The picture, some 40 lines high at most. A round of copying ahead is drawn as any other plan."""
        if not state.commands:
            return picture(state)
        found, estimates = self._look(journal)
        ended, every = state.undoing or (sum(state.counts[name] for name in (*OVER, "undone")), state.steps)
        parts: list[RenderableType] = [
            Text(state.title, style="bold"),
            whole(ended, every),
            Text(line(state)),
            *self._projects(found),
            *(Text(text, style="yellow") for text in off_lines(self._move, [one.at for one in found])),
            _running(state.running, estimates),
            *_failed(state.failed, state.counts["failed"]),
        ]
        return Group(*parts)

    def _look(self, journal: Journal) -> tuple[list[Progress], Mapping[str, float]]:
        began = time.monotonic()
        if began >= self._next:
            found = projects(self._move, journal)
            mine = units(self._move, journal)
            with reading(journal) as now:
                forward, back = now.unit_counts(), now.unit_counts(rollbacks=True)
                estimates = {step.id: step.estimate for step in now.steps(states=("running",), rollbacks=True)}
            rolling = (ROLLING_BACK, ROLLED_BACK)
            progress = [_progress(one, mine[one.id], back if one.at in rolling else forward) for one in found]
            self._read = (progress, estimates)
            now_is = time.monotonic()
            self._next = now_is + max(AGAIN, 5 * (now_is - began))
        return self._read

    def _projects(self, found: list[Progress]) -> Iterator[RenderableType]:
        """A bar for each project, those under way first; the others by their number."""
        ordered = sorted(found, key=lambda one: (not one.failed, ORDER.index(one.at.at), self._move.called[one.at.id]))
        table = Table.grid(padding=(0, 2))
        for one in ordered[:PROJECTS]:
            failed = Text(f"{one.failed} failed", style="red") if one.failed else Text("")
            done = ProgressBar(total=max(1, one.all), completed=one.over, width=24)
            table.add_row(Text(self._move.called[one.at.id]), Text(one.at.at), done, f"{one.over}/{one.all}", failed)
        yield table
        if rest := ordered[PROJECTS:]:
            words = [one.at.at for one in rest]
            said = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
            yield Text(f"and {count(len(rest), 'more project')}: {said}", style="dim")


def _progress(at: ProjectStatus, mine: Collection[str], counts: Mapping[str, Mapping[str, int]]) -> Progress:
    states = [counts.get(unit, {}) for unit in mine]
    over = sum(number for one in states for state, number in one.items() if state in (*OVER, "undone"))
    failed = sum(one.get("failed", 0) for one in states)
    return Progress(at, over, failed, sum(number for one in states for number in one.values()))


def _running(running: list[RunningStep], estimates: Mapping[str, float]) -> Table:
    """What is under way, what takes longer than it was expected to first."""

    def over(step: RunningStep) -> float:
        return step.seconds - estimates.get(step.id, 0.0)

    table = Table.grid(padding=(0, 2))
    for step in sorted(running, key=lambda step: (not _is_slow(step, estimates), -over(step)))[:RUNNING]:
        slow = _is_slow(step, estimates)
        said = f"slow: about {duration(estimates[step.id])} expected" if slow else ""
        table.add_row(
            Text(step.title or step.id), bar(step), amount(step), duration(step.seconds), Text(said, style="yellow")
        )
    if len(running) > RUNNING:
        table.add_row(Text(f"and {len(running) - RUNNING} more", style="dim"))
    return table


def _is_slow(step: RunningStep, estimates: Mapping[str, float]) -> bool:
    expected = estimates.get(step.id, 0.0)
    return bool(expected) and step.seconds > max(SLOW_AFTER, SLOW * expected)


def _failed(failed: list[FailedStep], number: int) -> Iterator[Text]:
    """What failed, why, and what can be done."""
    for step in failed[:FAILED]:
        detail = "" if step.detail.startswith("Traceback") else step.detail
        why = [part.splitlines()[0] for part in (step.summary, detail, step.hint) if part.strip()]
        yield Text(f"failed: {step.title or step.id}", style="red")
        yield from (Text(f"  {part}") for part in why)
    if number > FAILED:
        yield Text(f"and {number - FAILED} more failed: naru move status DIR", style="red")
