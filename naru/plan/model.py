"""The plan as data: steps, edges, limits, gates and findings, and the check that they fit together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from naru.messages import Text
from naru.plan.errors import PlanInputError
from naru.text import plural

STATES = ("waiting", "running", "done", "failed", "skipped", "undone", "held")
"""The states of a step in the journal."""
OVER = ("done", "skipped")
"""States in which a step holds up nobody."""
LIVE = ("waiting", "running", "held")
"""States from which a step can still go on by itself."""
DEFAULT_LIMIT = "default"
COMMANDS = "commands"
"""The setting of a plan that is run by commands of its own alone: how they begin, like `naru move`."""
BARRIER = "barrier"
"""The kind of a step that only orders others. It waits until each step before it has ended or was rolled back; steps
after it do not depend on those."""
UNDO_LEFT = "undo what is left out"
"""The purpose of steps that undo what is left out of the plan (`naru.plan.leaving`): what they undo stays skipped."""


class About(NamedTuple):
    """The thing that a step concerns: what kind of thing it is, its id (unique within the kind), and its name."""

    kind: str
    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    `kind` names the registered function, `args` is JSON and goes to the journal as it is: never a secret, only where
    to find one. `unit` is the server, project or host the step belongs to; `limits` the groups whose bounds on running
    steps it counts against, all of them while it runs (none: it is not bounded); `queue` the worker queue it runs from
    (empty: in the executor); `gate` the name that has to be released before it may start; `estimate` its expected
    duration in seconds (0: unknown).

    The id is a name and nothing else: nobody reads anything out of it. What a step concerns is in `about`, what it is
    for within its plan in `purpose` (such as `stop`; empty when nobody asks), and journals are queried by those.
    """

    id: str
    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    limits: tuple[str, ...] = (DEFAULT_LIMIT,)
    queue: str = ""
    gate: str = ""
    title: Text = ""
    estimate: float = 0.0
    about: About | None = None
    purpose: str = ""


class Edge(NamedTuple):
    """`after` starts only when `before` is done or skipped. Both are step ids."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the reader of a plan must know. A plan with a finding of severity `error` is not run. `about` is the id
    of the thing that it concerns."""

    severity: Literal["error", "warning", "info"]
    summary: Text
    detail: Text = ""
    hint: Text = ""
    about: str = ""


@dataclass
class Plan:
    """Steps in the order the rules made them, and what holds between them.

    `limits` bounds the running steps of each group; 0 stops a group. `gates` are held until released. `modules` are
    the Python modules that register the step kinds. `settings` is what a later run must agree with.
    """

    title: Text = ""
    steps: list[Step] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=lambda: {DEFAULT_LIMIT: 8})
    gates: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def add(self, step: Step, *, after: Iterable[str] = ()) -> Step:
        """Appends `step`, to run after the steps whose ids are given; they may be added later."""
        self.steps.append(step)
        self.edges.extend(Edge(before, step.id) for before in after)
        return step

    def order(self, before: str, after: str) -> None:
        """Lets `after` wait for `before`."""
        self.edges.append(Edge(before, after))

    def find(self, *, kind: str | None = None, unit: str | None = None, purpose: str | None = None) -> Iterator[Step]:
        """The steps of a kind, of a unit, with a purpose, or of all that is given, in order."""
        for step in self.steps:
            if (
                (kind is None or step.kind == kind)
                and (unit is None or step.unit == unit)
                and (purpose is None or step.purpose == purpose)
            ):
                yield step

    def befores(self) -> dict[str, list[str]]:
        """For each step that waits for others: their ids, sorted."""
        result: dict[str, list[str]] = {}
        for before, after in sorted(set(self.edges)):
            result.setdefault(after, []).append(before)
        return result

    def check(self) -> None:
        """Raises `PlanInputError` with every problem: doubles, dangling edges, cycles, unknown groups or gates."""
        problems = [*self._problems_of_steps(), *self._problems_of_edges()]
        if problems:
            raise PlanInputError(
                f"the plan has {len(problems)} {plural('problem', len(problems))}",
                detail="\n".join(problems),
                hint="the rule or file that made the plan has to be corrected",
            )

    def _problems_of_steps(self) -> Iterator[str]:
        seen: set[str] = set()
        for step in self.steps:
            if not step.id or not step.kind:
                yield f"step {step.id!r} of kind {step.kind!r}: id and kind must not be empty"
            if step.id in seen:
                yield f"step {step.id}: there are two of this id"
            seen.add(step.id)
            for group in step.limits:
                if group not in self.limits:
                    yield f"step {step.id}: limit group {group} has no limit in the plan"
            if len(set(step.limits)) < len(step.limits):
                yield f"step {step.id}: a limit group is named twice"
            if step.gate and step.gate not in self.gates:
                yield f"step {step.id}: gate {step.gate} is not among the plan's gates"
        for group, limit in self.limits.items():
            if limit < 0:
                yield f"limit {group}: {limit} is negative"

    def _problems_of_edges(self) -> Iterator[str]:
        known = {step.id for step in self.steps}
        for before, after in self.edges:
            for end in (before, after):
                if end not in known:
                    yield f"edge {before} -> {after}: there is no step {end}"
        for cycle in self._cycles(known):
            yield "cycle: " + " -> ".join([*cycle, cycle[0]])

    def _cycles(self, known: set[str]) -> Iterator[list[str]]:
        edges = {edge for edge in self.edges if edge.before in known and edge.after in known}
        remaining = _without_acyclic(known, edges)
        if not remaining:
            return
        # every remaining step waits for another remaining one: walking backwards must come round
        before = {}
        for edge in sorted(edges):
            if edge.before in remaining and edge.after in remaining:
                before[edge.after] = edge.before
        seen: set[str] = set()
        for start in (step.id for step in self.steps):
            path: list[str] = []
            here = start
            while here in before and here not in seen:
                seen.add(here)
                path.append(here)
                here = before[here]
            if here in path:
                yield path[path.index(here) :][::-1]


def _without_acyclic(known: set[str], edges: set[Edge]) -> set[str]:
    """The steps that can never start, because they are in a cycle or behind one."""
    waits = dict.fromkeys(known, 0)
    afters: dict[str, list[str]] = {}
    for before, after in edges:
        waits[after] += 1
        afters.setdefault(before, []).append(after)
    ready = [step for step, count in waits.items() if not count]
    while ready:
        step = ready.pop()
        del waits[step]
        for after in afters.get(step, ()):
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)
    return set(waits)
