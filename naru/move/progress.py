"""How far each project of a move is, from the journal: what a schedule goes by."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, select

from naru.plan import schema
from naru.plan.errors import PlanInputError
from naru.plan.journal import CHUNK, Journal, chunks

PHASES = ("prepare", "cutover", "finalize")
END = "no way back"
"""The step, of each project, after which it cannot be taken back; the project's id follows."""
_STEPS = ("cutover", "finalize", END)
_ENDED = ("done", "skipped")
_LIVE = ("waiting", "running", "held")
_steps, _edges = schema.steps, schema.edges


@dataclass(frozen=True)
class Standing:
    """How far a project is.

    `reached` is how many of PHASES are done, `begun` whether its cut-over has begun, `open` the phases whose gate is
    released. It is `stuck` when something of the phase that it is in failed or was taken back, and all that is left of
    the phase is that or waits for it. One that was taken back, or is on its way, is `back` and nothing else.
    """

    reached: int = 0
    begun: bool = False
    stuck: bool = False
    open: frozenset[str] = field(default_factory=frozenset)
    back: bool = False

    def done(self, phase: str) -> bool:
        """Whether the phase is done."""
        return self.reached > PHASES.index(phase)


@dataclass
class _Counts:
    """Steps that a step waits for and that are not done: of all, and of those that can still run."""

    left: int = 0
    live: int = 0


class Progress:
    """Reads the standings of projects (ids). Raises PlanInputError for a plan that does not have their phases."""

    def __init__(self, journal: Journal, projects: Iterable[str]) -> None:
        self._journal = journal
        self._projects = list(projects)
        ids = [f"{step} {project}" for project in self._projects for step in _STEPS]
        self._n = journal.numbers(ids)
        with journal.read() as connection:
            gates = dict(_pairs(connection, select(_steps.c.id, _steps.c.gate), self._n.values()))
        # the gates by phase and project
        self.gates = {
            (phase, project): gates[f"{phase} {project}"] for project in self._projects for phase in PHASES[1:]
        }

    def beside(self, journal: Journal) -> "Progress":
        """The same, read by another connection to the same journal."""
        other = copy(self)
        other._journal = journal
        return other

    def check(self) -> None:
        """Raises PlanInputError when a rollback of everything is under way: no phase may go on before its end. That of
        some projects goes on beside the others."""
        if not all(standing.back for standing in self.read().values()):
            return
        query = select(func.count()).where(_steps.c.undoes.is_not(None), _steps.c.state.not_in(_ENDED))
        with self._journal.read() as connection:
            if connection.execute(query).scalar_one():
                raise PlanInputError(
                    f"{self._journal.name}: a rollback is not at its end",
                    hint=f"naru plan run {self._journal.name} goes on with it",
                )

    def revision(self) -> int:
        """A number that grows with whatever an operator does to the plan."""
        with self._journal.read() as connection:
            return int(connection.execute(select(schema.control.c.revision)).scalar_one())

    def read(self) -> dict[str, Standing]:
        """The standings now, all of one moment."""
        with self._journal.read() as connection:
            gates = schema.gates.c
            held = set(connection.execute(select(gates.name).where(gates.held)).scalars())
            states = dict(_pairs(connection, select(_steps.c.n, _steps.c.state), self._n.values()))
            behind = self._behind(connection)
            counts = self._counts(connection, behind)
        return {
            project: self._standing(
                states,
                behind,
                counts,
                frozenset(phase for phase in PHASES[1:] if self.gates[phase, project] not in held),
                *(self._n[f"{step} {project}"] for step in _STEPS),
            )
            for project in self._projects
        }

    def _standing(
        self,
        states: dict[int, str],
        behind: set[int],
        counts: dict[int, _Counts],
        released: frozenset[str],
        cutover: int,
        finalize: int,
        end: int,
    ) -> Standing:
        """All that a project's cut-over is made of comes before the step that finalizing begins with, and likewise."""
        if states[end] == "undone":
            return Standing(back=True)
        begun = states[cutover] in ("running", *_ENDED)
        if states[end] in _ENDED:
            return Standing(3, begun, False, released)
        if begun and not counts[finalize].left:
            return Standing(2, begun, end in behind or states[end] == "failed", released)
        if begun:
            return Standing(1, begun, not counts[finalize].live, released)
        if not counts[cutover].left:
            return Standing(1, begun, states[cutover] in ("failed", "undone"), released)
        return Standing(0, begun, not counts[cutover].live, released)

    def _behind(self, connection: Connection) -> set[int]:
        """The steps that wait, however far, for one that failed or was taken back."""
        broken = _steps.c.state.in_(("failed", "undone"))
        if not connection.execute(select(_steps.c.n).where(broken).limit(1)).first():
            return set()
        found = select(_edges.c.after).join(_steps, _steps.c.n == _edges.c.before).where(broken)
        behind = found.cte("behind", recursive=True)
        behind = behind.union(select(_edges.c.after).join(behind, behind.c.after == _edges.c.before))
        return set(connection.execute(select(behind.c.after)).scalars())

    def _counts(self, connection: Connection, behind: set[int]) -> dict[int, _Counts]:
        """What the steps that begin a phase still wait for."""
        found = {n: _Counts() for n in self._n.values()}
        joined = _edges.join(_steps, _steps.c.n == _edges.c.before)
        # counted by the database, for a project may have thousands of steps and this is asked every other second
        count = select(_edges.c.after, _steps.c.state, func.count()).select_from(joined)
        count = count.where(_steps.c.state.not_in(_ENDED)).group_by(_edges.c.after, _steps.c.state)
        waits = select(_edges.c.after, _edges.c.before).select_from(joined).where(_steps.c.state.in_(_LIVE))
        for part in chunks(found, CHUNK):
            for after, state, steps in connection.execute(count.where(_edges.c.after.in_(part))):
                found[after].left += steps
                found[after].live += steps if state in _LIVE else 0
            if behind:
                for after, before in connection.execute(waits.where(_edges.c.after.in_(part))):
                    found[after].live -= before in behind
        return found


def _pairs(connection: Connection, query: Select[Any], numbers: Iterable[int]) -> Iterator[tuple[Any, Any]]:
    """The two columns of the query, of the steps with these numbers."""
    for part in chunks(numbers, CHUNK):
        for row in connection.execute(query.where(_steps.c.n.in_(part))):
            yield row[0], row[1]
