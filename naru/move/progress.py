"""How far each project of a move is, from the journal: what a schedule goes by."""

from collections.abc import Iterable, Mapping
from copy import copy

from naru.move.purposes import CUTOVER, END, FINALIZE
from naru.move.windows import PHASES
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import StepRow, Unfinished, reading
from naru.plan.windows.phases import UnitProgress

_POINTS = (CUTOVER, FINALIZE, END)


class ProgressReader:
    """Reads how far projects (ids) are. Raises PlanInputError for a plan that does not have their phases."""

    def __init__(self, journal: Journal, projects: Iterable[str]) -> None:
        self._journal = journal
        self._projects = list(projects)
        points = self._read_points()
        missing = [
            f"{purpose} of project {project}"
            for project in self._projects
            for purpose in _POINTS
            if (purpose, project) not in points
        ]
        if missing:
            raise PlanInputError(f"{journal.name}: the plan is no move: it has no {', '.join(missing)}")
        # the gates by phase and project
        gates = {CUTOVER: PHASES.window, FINALIZE: PHASES.end}
        self.gates = {
            (phase, project): points[purpose, project].gate
            for project in self._projects
            for purpose, phase in gates.items()
        }

    def _read_points(self) -> dict[tuple[str, str], StepRow]:
        """By purpose and project: the steps that phases begin with, and the last."""
        with reading(self._journal) as now:
            return {(step.purpose, step.about_id): step for step in now.steps(purpose=_POINTS)}

    def beside(self, journal: Journal) -> "ProgressReader":
        """The same, read by another connection to the same journal."""
        other = copy(self)
        other._journal = journal
        return other

    def check(self) -> None:
        """Raises PlanInputError when a rollback of everything is under way: no phase may go on before its end. That of
        some projects goes on beside the others."""
        if not all(project.rolled_back for project in self.read().values()):
            return
        with reading(self._journal) as now:
            if now.is_rolling_back():
                raise PlanInputError(
                    f"{self._journal.name}: a rollback is not at its end",
                    hint=f"naru move rollback {self._journal.name} goes on with it",
                )

    def revision(self) -> int:
        """A number that grows with whatever an operator does to the plan."""
        with reading(self._journal) as now:
            return now.revision()

    def read(self) -> dict[str, UnitProgress]:
        """How far each is now, all of one moment."""
        with reading(self._journal) as now:
            held = now.held_gates()
            points = now.steps(purpose=_POINTS)
            behind = now.everything_behind(("failed", "undone"))
            left = now.open_before(points, behind)
        by_project = {(step.purpose, step.about_id): step for step in points}
        return {
            project: self._progress(
                behind,
                left,
                frozenset(phase for phase in PHASES.names[1:] if self.gates[phase, project] not in held),
                *(by_project[purpose, project] for purpose in _POINTS),
            )
            for project in self._projects
        }

    def _progress(
        self,
        behind: set[int],
        left: Mapping[int, Unfinished],
        released: frozenset[str],
        cutover: StepRow,
        finalize: StepRow,
        end: StepRow,
    ) -> UnitProgress:
        """All that a project's cut-over is made of comes before the step that finalizing begins with, and likewise."""
        if end.state == "undone":
            return UnitProgress(rolled_back=True)
        begun = cutover.state in ("running", *OVER)
        if end.state in OVER:
            return UnitProgress(3, begun, False, released)
        if begun and not left[finalize.n].left:
            return UnitProgress(2, begun, end.n in behind or end.state == "failed", released)
        if begun:
            return UnitProgress(1, begun, not left[finalize.n].live, released)
        if not left[cutover.n].left:
            return UnitProgress(1, begun, cutover.state in ("failed", "undone"), released)
        return UnitProgress(0, begun, not left[cutover.n].live, released)
