"""How long it took: wall clock, cumulative, critical path, by kind and by unit, of one or several rehearsals."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select

from naru.plan import schema
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import Plan


class Timed(NamedTuple):
    """A step that is done: seconds of its last attempt, and bytes it reported (0: none)."""

    n: int
    id: str
    kind: str
    unit: str
    seconds: float
    bytes: float


class Line(NamedTuple):
    """The steps of one kind or unit. `total`, `median`, `p95` and `longest` are seconds."""

    name: str
    steps: int
    total: float
    median: float
    p95: float
    longest: float
    bytes: float


@dataclass(frozen=True)
class Timings:
    """The times of one journal, in seconds.

    `wall` is the time in which an executor ran, without the pauses between runs; `cumulative` the sum over the steps;
    `critical_path` the longest chain of steps by what they took, with the chain's ids: no number of hands makes it
    shorter than that.
    """

    wall: float
    cumulative: float
    critical_path: float
    chain: list[str]
    steps: list[Timed]

    def by(self, key: Callable[[Timed], str]) -> list[Line]:
        """One line for each value of `key`, the one with the most seconds first."""
        groups: dict[str, list[Timed]] = {}
        for step in self.steps:
            groups.setdefault(key(step), []).append(step)
        lines = [_line(name, steps) for name, steps in groups.items()]
        return sorted(lines, key=lambda line: (-line.total, line.name))


def of_directory(directory: str) -> Timings:
    """The times of what is done in the journal of a work directory (or at a database's URL)."""
    with Journal.open(directory) as journal:
        return of(journal)


def of(journal: Journal) -> Timings:
    """The times of what is done (or undone) in a journal."""
    steps, progress, runs = schema.steps, schema.progress, schema.runs
    with journal.read() as connection:
        wall = sum(max(0.0, row.seen - row.started) for row in connection.execute(select(runs)))
        query = (
            select(
                steps.c.n,
                steps.c.id,
                steps.c.kind,
                steps.c.unit,
                steps.c.started,
                steps.c.ended,
                progress.c.done,
                progress.c.unit.label("counted"),
            )
            .join(progress, progress.c.step == steps.c.n, isouter=True)
            .where(steps.c.state.in_(("done", "undone")), steps.c.ended.is_not(None))
            .order_by(steps.c.n)
        )
        timed = [
            Timed(
                row.n,
                row.id,
                row.kind,
                row.unit,
                max(0.0, row.ended - row.started),
                row.done if row.counted == "bytes" else 0.0,
            )
            for row in connection.execute(query)
        ]
        edges = [(row.after, row.before) for row in connection.execute(select(schema.edges))]
    path, chain = _critical_path(timed, edges)
    return Timings(wall, sum(step.seconds for step in timed), path, chain, timed)


def _critical_path(timed: Sequence[Timed], edges: Iterable[tuple[int, int]]) -> tuple[float, list[str]]:
    by_n = {step.n: step for step in timed}
    befores: dict[int, list[int]] = {}
    followers: dict[int, list[int]] = {}
    for after, before in edges:
        if after in by_n and before in by_n:
            befores.setdefault(after, []).append(before)
            followers.setdefault(before, []).append(after)
    waits = {n: len(befores.get(n, ())) for n in by_n}
    ready = [n for n, count in waits.items() if not count]
    length: dict[int, float] = {}
    while ready:
        n = ready.pop()
        length[n] = by_n[n].seconds + max((length[before] for before in befores.get(n, ())), default=0.0)
        for after in followers.get(n, ()):
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)
    if not length:
        return 0.0, []
    last = max(length, key=lambda n: length[n])
    chain = [last]
    while chain[-1] in befores:
        chain.append(max(befores[chain[-1]], key=lambda n: length[n]))
    return length[last], [by_n[n].id for n in reversed(chain)]


def _line(name: str, steps: Sequence[Timed]) -> Line:
    seconds = sorted(step.seconds for step in steps)
    return Line(
        name,
        len(seconds),
        sum(seconds),
        statistics.median(seconds),
        p95(seconds),
        seconds[-1],
        sum(s.bytes for s in steps),
    )


def p95(ordered: Sequence[float]) -> float:
    """The smallest of the ordered values that at least 95 % of them do not exceed."""
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


class Compared(NamedTuple):
    """One kind, unit or step over several runs: its total seconds in each (None: absent), their median and p95."""

    name: str
    totals: list[float | None]
    median: float
    p95: float


def compare(runs: Sequence[Timings], key: Callable[[Timed], str]) -> list[Compared]:
    """The same plan run several times, side by side, line by line."""
    tables = [{line.name: line.total for line in run.by(key)} for run in runs]
    rows = [
        _compared(name, [table.get(name) for table in tables]) for name in dict.fromkeys(n for t in tables for n in t)
    ]
    return sorted(rows, key=lambda row: (-row.median, row.name))


def compare_whole(runs: Sequence[Timings]) -> list[Compared]:
    """Wall clock, cumulative and critical path of several runs, side by side."""
    return [
        _compared("wall clock", [run.wall for run in runs]),
        _compared("cumulative", [run.cumulative for run in runs]),
        _compared("critical path", [run.critical_path for run in runs]),
    ]


def _compared(name: str, totals: list[float | None]) -> Compared:
    present = sorted(total for total in totals if total is not None)
    return Compared(name, totals, statistics.median(present), p95(present))


def with_estimates(plan: Plan, kinds: Kinds, rehearsals: Sequence[Timings] = ()) -> Plan:
    """The plan with an estimate for every step it can be told for.

    What the same step took in rehearsals (median) counts before what the plan says, that before what its kind says.
    """
    recorded: dict[str, list[float]] = {}
    for run in rehearsals:
        for step in run.steps:
            recorded.setdefault(step.id, []).append(step.seconds)
    medians: Mapping[str, float] = {id: statistics.median(seconds) for id, seconds in recorded.items()}

    def estimate(step_id: str, kind: str, given: float, args: Mapping[str, object]) -> float:
        known = kinds.by_name.get(kind)
        try:
            return medians.get(step_id) or given or (known.estimate_for(args) if known else 0.0)
        except (KeyError, TypeError, ValueError) as error:
            raise PlanInputError(
                f"step {step_id}: its kind {kind} cannot make an estimate of its arguments", detail=repr(error)
            ) from error

    steps = [
        dataclasses.replace(step, estimate=estimate(step.id, step.kind, step.estimate, step.args))
        for step in plan.steps
    ]
    return dataclasses.replace(plan, steps=steps)
