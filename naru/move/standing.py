"""Where the things of a move stand, by the journal: made, not made yet and in which phase they will be, failed, left by
the operator. What should be there by now is what belongs to a phase that was begun."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from naru.messages import Text, message
from naru.move.decisions import Decision
from naru.move.outcome import Failure, UnfinishedPhase
from naru.move.purposes import CUTOVER, END, FINALIZE, TELL
from naru.move.rollback import units
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan.model import OVER
from naru.plan.queries import StepRow, reading

SKIPPED = message(
    "move.verify.skipped",
    en="left by the operator: {reason}",
    ko="운영자의 판단으로 이전하지 않았습니다. 이유: {reason}",
)


@dataclass(frozen=True)
class Standing:
    """Where the making of a thing stands, in which `phase` it is made, and whether that was begun (`due`): then it
    should be there. It is `whole` when all that is done to it before the window is done. `why` is the error of what
    failed, and the reason of what was skipped."""

    state: Literal["done", "open", "failed", "skipped", "undone"]
    phase: str
    due: bool
    whole: bool = True
    why: Text = ""


class Standings:
    """Read from the journal at one moment. `back` are the projects that were rolled back: nothing of them is due."""

    def __init__(self, work: Work, back: Collection[str]) -> None:
        with work.journal() as journal:
            owner = {unit: project for project, mine in units(work, journal).items() for unit in mine}
            with reading(journal) as now:
                self._steps = {step.id: step for step in now.steps()}
                points = now.steps(purpose=(CUTOVER, FINALIZE, END))
                self._reasons = now.skipped()
                self._begun = now.has_begun()
                left = now.open_before(points, ())
                window = now.everything_after(step for step in points if step.purpose == CUTOVER)
                end = now.everything_after(step for step in points if step.purpose == FINALIZE)
        self._window, self._end, self._owner = window, end, owner
        self._points = {(step.purpose, step.about_id): step for step in points}
        self._open = {key: left[step.n].left for key, step in self._points.items()}
        self._projects = [project for project in work.projects if project not in back]
        self._back = back

    def of(self, decision: Decision) -> Standing:
        """Where a thing stands that a step makes. Raises KeyError for a step that is not in the plan."""
        step = self._steps[decision.step]
        project = self._owner.get(step.unit, "")
        phase = self._phase(step)
        state: Literal["done", "open", "failed", "skipped", "undone"] = "open"
        if step.state in ("done", "failed", "skipped", "undone"):
            state = step.state  # type: ignore[assignment]
        why: Text = step.error if state == "failed" else ""
        if state == "skipped":
            why = SKIPPED(reason=self._reasons.get(step.id, ""))
        return Standing(state, phase, self.due(phase, project), self._prepared(project), why)

    def due(self, phase: str, project: str) -> bool:
        """Whether the phase was begun for the project (id), "" for none."""
        if project in self._back:
            return False
        if phase == PHASES.prepare:
            return self._begun
        point = self._points.get((CUTOVER if phase == PHASES.window else FINALIZE, project))
        return point is not None and point.state in ("running", *OVER)

    def failures(self) -> tuple[Failure, ...]:
        """The steps that failed."""
        return tuple(
            Failure(
                step=step.id,
                title=step.title,
                kind=step.about.kind if step.about else "",
                name=step.about.name if step.about else "",
                old_id=step.about_id,
                project=self._owner.get(step.unit, ""),
                phase=self._phase(step),
                error=step.error,
            )
            for step in self._steps.values()
            if step.state == "failed" and self._owner.get(step.unit, "") not in self._back
        )

    def skipped(self) -> dict[tuple[str, str], list[tuple[str, Text]]]:
        """By kind and old id of a thing: the steps that are about it and were skipped, what each is for or its id, with
        the reason."""
        found: dict[tuple[str, str], list[tuple[str, Text]]] = {}
        for name, reason in self._reasons.items():
            step = self._steps.get(name)
            if step is not None and step.about and step.purpose not in TELL:
                told = (step.purpose or step.id, SKIPPED(reason=reason))
                found.setdefault((step.about.kind, step.about.id), []).append(told)
        return found

    def unfinished(self) -> tuple[UnfinishedPhase, ...]:
        """By project and phase that was begun: how many of its steps are not at their end."""
        last = {PHASES.prepare: CUTOVER, PHASES.window: FINALIZE, PHASES.end: END}
        found = []
        for project in self._projects:
            for phase, point in last.items():
                count = self._open.get((point, project), 0)
                # the gate before a phase is among what its end waits for
                if count and self.due(phase, project):
                    found.append(UnfinishedPhase(project, phase, count))
        return tuple(found)

    def _phase(self, step: StepRow) -> str:
        if step.n in self._end or step.purpose == FINALIZE:
            return PHASES.end
        if step.n in self._window or step.purpose == CUTOVER:
            return PHASES.window
        return PHASES.prepare

    def _prepared(self, project: str) -> bool:
        """Whether everything before the window is at its end: of the project, or where it is none of all of them."""
        return not any(self._open.get((CUTOVER, one), 0) for one in ([project] if project else self._projects))
