"""Which projects were found to be right after their cut-over. No project is finalized before, since it cannot be rolled
back after that. What users change later is theirs, so once is enough."""

import math
import time
from collections.abc import Collection

from naru.errors import InputError, NaruError
from naru.move import reading
from naru.move.outcome import Outcome
from naru.move.progress import ProgressReader
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan.journal import Journal
from naru.plan.run import Terminal
from naru.text import shortened

VERIFIED = "verified"
"""The note in the journal: the projects (ids)."""
NAMED = 10
"""How many differences an error names."""
AGAIN = 600.0
"""Seconds after which the new cloud is read again for projects that were not right."""


def verified(journal: Journal) -> set[str]:
    """The projects (ids) that were found to be right."""
    return set(journal.recall(VERIFIED) or ())


def wrong(outcome: Outcome, project: str) -> list[str]:
    """The differences that no rule explains, of what a project (id) has or uses, and of what is in no project's report;
    one in a line."""
    return [
        f"{item.kind} {item.name or item.old_id}: {difference.field or 'missing on the new cloud'}"
        for item in outcome.items
        if project == item.project or project in item.used_by or not (item.project or item.used_by)
        for difference in item.differences
        if not difference.why
    ]


def remember(move: Work, outcome: Outcome) -> None:
    """Keeps in the journal which projects are cut over and right."""
    with move.journal() as journal:
        states = ProgressReader(journal, move.projects).read()
        right = {
            project
            for project, state in states.items()
            if PHASES.done(state, PHASES.window) and not wrong(outcome, project)
        }
        journal.remember_more(VERIFIED, right)


def check(move: Work, journal: Journal, projects: Collection[str], progress: reading.Progress) -> None:
    """Raises InputError when something of these projects (ids) is not right; those that never were found to be are
    compared now."""
    left = sorted(set(projects) - verified(journal))
    if not left:
        return
    outcome = reading.outcome(move, progress)
    remember(move, outcome)
    lines = {project: wrong(outcome, project) for project in left}
    bad = [project for project, differences in lines.items() if differences]
    if not bad:
        return
    every = [f"{move.called[project]}: {line}" for project in bad for line in lines[project]]
    hint = f"naru move verify {move.directory} shows them. To finalize all the same: --despite REASON"
    if good := [project for project in projects if project not in bad]:
        hint += f"\nThe others can go on: naru move finalize {move.arguments(good)}"
    raise InputError(
        f"{move.listed(bad)}: not as on the old cloud, and finalize cannot be rolled back",
        detail="\n".join(shortened(every, NAMED)),
        hint=hint,
    )


class Watch:
    """Of a schedule that runs: which projects may be finalized now. The new cloud is read again for those that were
    not right, but not all the time."""

    def __init__(self, move: Work, terminal: Terminal) -> None:
        self._move = move
        self._terminal = terminal
        self._looked: dict[frozenset[str], float] = {}

    def may_end(self, projects: Collection[str]) -> set[str]:
        """Those of the projects (ids) that were found to be right."""
        with self._move.journal() as journal:
            left = frozenset(projects) - verified(journal)
        now = time.monotonic()
        if left and now - self._looked.get(left, -math.inf) > AGAIN:
            self._looked[left] = now
            try:
                with self._move.journal() as journal:
                    check(self._move, journal, left, lambda what: None)
            except NaruError as error:
                self._terminal.warn(f"not finalized: {error}")
        with self._move.journal() as journal:
            return set(projects) & verified(journal)
