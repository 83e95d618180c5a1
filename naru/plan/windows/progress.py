"""How far each unit of a plan is, from the journal: what a schedule goes by."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import NamedTuple, Self

from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import StepRow, Unfinished, reading
from naru.plan.windows.phases import UnitProgress
from naru.plan.windows.vocabulary import Vocabulary


class Points(NamedTuple):
    """The purposes of three steps that every unit has, which are about the unit: the one that its `window` phase begins
    with, the one that its `end` phase begins with, and the `last` of all. The first two wait at gates."""

    window: str
    end: str
    last: str


class ProgressReader:
    """Reads how far units (ids) are. Raises PlanInputError for a plan that does not have their phases."""

    def __init__(self, journal: Journal, words: Vocabulary, points: Points, units: Iterable[str]) -> None:
        self._journal = journal
        self._words = words
        self._purposes = points
        self._units = list(units)
        steps = self._read_points()
        missing = [
            f"{purpose} of {words.unit} {unit}"
            for unit in self._units
            for purpose in points
            if (purpose, unit) not in steps
        ]
        if missing:
            raise PlanInputError(f"{journal.name}: the plan is no {words.plan}: it has no {', '.join(missing)}")
        phases = {points.window: words.phases.window, points.end: words.phases.end}
        self.gates: Mapping[tuple[str, str], str] = {
            (phase, unit): steps[purpose, unit].gate for unit in self._units for purpose, phase in phases.items()
        }
        """The gates' names by phase and unit."""

    def _read_points(self) -> dict[tuple[str, str], StepRow]:
        """By purpose and unit: the steps that phases begin with, and the last."""
        with reading(self._journal) as now:
            return {(step.purpose, step.about_id): step for step in now.steps(purpose=self._purposes)}

    def beside(self, journal: Journal) -> Self:
        """The same, read by another connection to the same journal."""
        other = copy(self)
        other._journal = journal
        return other

    def check(self) -> None:
        """Raises PlanInputError when a rollback of everything is under way: no phase may go on before its end. That of
        some units goes on beside the others."""
        if not all(unit.rolled_back for unit in self.read().values()):
            return
        with reading(self._journal) as now:
            if now.is_rolling_back():
                raise PlanInputError(
                    f"{self._journal.name}: a rollback is not at its end",
                    hint=f"naru {self._words.plan} rollback {self._journal.name} goes on with it",
                )

    def revision(self) -> int:
        """A number that grows with whatever an operator does to the plan."""
        with reading(self._journal) as now:
            return now.revision()

    def read(self) -> dict[str, UnitProgress]:
        """How far each is now, all of one moment."""
        with reading(self._journal) as now:
            held = now.held_gates()
            points = now.steps(purpose=self._purposes)
            behind = now.everything_behind(("failed", "undone"))
            left = now.open_before(points, behind)
        by_unit = {(step.purpose, step.about_id): step for step in points}
        after_first = self._words.phases.names[1:]
        return {
            unit: self._progress(
                behind,
                left,
                frozenset(phase for phase in after_first if self.gates[phase, unit] not in held),
                *(by_unit[purpose, unit] for purpose in self._purposes),
            )
            for unit in self._units
        }

    def _progress(
        self,
        behind: set[int],
        left: Mapping[int, Unfinished],
        released: frozenset[str],
        window: StepRow,
        end: StepRow,
        last: StepRow,
    ) -> UnitProgress:
        """All that a unit's window phase is made of comes before the step that its end phase begins with, and so on."""
        if last.state == "undone":
            return UnitProgress(rolled_back=True)
        begun = window.state in ("running", *OVER)
        if last.state in OVER:
            return UnitProgress(3, begun, False, released)
        if begun and not left[end.n].left:
            return UnitProgress(2, begun, last.n in behind or last.state == "failed", released)
        if begun:
            return UnitProgress(1, begun, not left[end.n].live, released)
        if not left[window.n].left:
            return UnitProgress(1, begun, window.state in ("failed", "undone"), released)
        return UnitProgress(0, begun, not left[window.n].live, released)
