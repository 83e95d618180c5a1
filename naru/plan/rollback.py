"""Rollback: a plan made from the journal that takes back what was done, in the reverse order.

Its steps are added to the same journal and run by the same executor, so a rollback is shown, watched, killed, resumed,
retried and skipped like everything else. When an undo step is done, the step it undoes is undone, in one transaction.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from naru.plan import schema
from naru.plan.control import note
from naru.plan.errors import PlanError, PlanInputError
from naru.plan.journal import CHUNK, Journal, chunks, insert_edges, insert_steps, to_json
from naru.plan.kinds import KINDS, Kinds
from naru.plan.leases import live_steps
from naru.plan.model import Edge, Plan, Step

_steps = schema.steps
_NAMES = 20
"""How many things an error names before it says how many more there are."""


@dataclass
class _Undo:
    """The undo steps to be added, with the number of the step each undoes, and their edges (after, before)."""

    first: int
    steps: list[tuple[Step, int]]
    edges: list[tuple[int, int]]
    # chosen steps that never began: there is nothing to undo, but they must not run any more
    untouched: list[int]
    # chosen steps that began and have not ended: they must not run again before they are undone
    unfinished: list[int]
    # ids of undo steps that an earlier rollback has left, which some edges begin at
    known: dict[int, str]


def preview(journal: Journal, *, unit: str | None = None, with_dependents: bool = False, kinds: Kinds = KINDS) -> Plan:
    """The rollback as a plan to be read, without changing anything. Raises what `start` raises."""
    running = journal.is_running()
    with journal.read() as connection:
        undo = _make(journal, connection, unit, with_dependents, kinds, running)
        limits = {row.name: row.value for row in connection.execute(select(schema.limits))}
    ids = undo.known | {n: step.id for n, (step, _) in enumerate(undo.steps, undo.first)}
    return Plan(
        title=_title(journal, unit),
        steps=[step for step, _ in undo.steps],
        edges=[Edge(ids[before], ids[after]) for after, before in undo.edges],
        limits=limits,
    )


def start(journal: Journal, *, unit: str | None = None, with_dependents: bool = False, kinds: Kinds = KINDS) -> int:
    """Adds the undo steps of a unit, or of everything, to the journal, for an executor to run; returns how many.

    Undone is what began, whether it ended well or not: an undo kind finds nothing where nothing was made. Steps that
    never began become undone at once, those interrupted become failed, so that neither runs again. A rollback of
    everything takes back a pause or cancel. Raises `PlanError` when a commit step is among them, when steps of other
    units rest on the unit (unless `with_dependents` adds those), or when some are running.
    """
    running = journal.is_running()
    with journal.write() as connection:
        # PostgreSQL lets writers go side by side: this keeps the executor from starting what is being undone
        connection.execute(select(schema.control.c.owner).with_for_update())
        undo = _make(journal, connection, unit, with_dependents, kinds, running)
        insert_steps(connection, undo.first, undo.steps)
        insert_edges(connection, undo.edges)
        for part in chunks(undo.untouched, CHUNK):
            connection.execute(update(_steps).where(_steps.c.n.in_(part)).values(state="undone"))
        error = to_json({"type": "", "summary": "rolled back before it ended", "detail": "", "hint": ""})
        for part in chunks(undo.unfinished, CHUNK):
            connection.execute(update(_steps).where(_steps.c.n.in_(part)).values(state="failed", error=error))
        if unit is None:
            connection.execute(update(schema.control).values(mode="run"))
        note(connection, "rollback planned", f"{_title(journal, unit)}: {len(undo.steps)} steps")
    return len(undo.steps)


def _title(journal: Journal, unit: str | None) -> str:
    return f"Rollback of {unit or 'everything'}: {journal.setup()['title']}"


def _make(
    journal: Journal, connection: Connection, unit: str | None, with_dependents: bool, kinds: Kinds, running: bool
) -> _Undo:
    rows = {row.n: row for row in connection.execute(select(_steps).order_by(_steps.c.n))}
    edges = [(row.after, row.before) for row in connection.execute(select(schema.edges))]
    # undo steps still to be run, by the step they undo
    pending = {
        row.undoes: row.n for row in rows.values() if row.undoes is not None and row.state not in ("done", "skipped")
    }
    forward = {n: row for n, row in rows.items() if row.undoes is None and row.state != "undone" and n not in pending}
    chosen = {n for n, row in forward.items() if unit is None or row.unit == unit}
    if not chosen:
        raise PlanInputError(
            f"{journal.name}: nothing to roll back" + (f" in unit {unit}" if unit else ""),
            hint="a rollback that was begun goes on with naru plan run" if pending else "",
        )
    followers: dict[int, list[int]] = {}
    for after, before in edges:
        followers.setdefault(before, []).append(after)
    touched = {n for n, row in forward.items() if row.attempt > 0 or row.state in ("done", "skipped")}
    _close(touched, edges, forward)
    if unit is not None:
        _include_dependents(chosen, touched, followers, rows, with_dependents)
    undone = sorted(chosen & touched, reverse=True)
    _refuse_commits([rows[n] for n in undone], kinds)
    _refuse_running(connection, [rows[n] for n in undone], running)
    first = len(rows) + 1
    number = {n: first + place for place, n in enumerate(undone)}
    undo_of = pending | number
    return _Undo(
        first=first,
        steps=[(_undo_step(rows[n], rows, kinds), n) for n in undone],
        edges=sorted(
            {(undo_of[before], undo_of[after]) for after, before in edges if before in number and after in undo_of}
        ),
        untouched=sorted(chosen - touched),
        unfinished=[n for n in undone if rows[n].state in ("waiting", "held", "running")],
        known={n: rows[n].id for n in pending.values()},
    )


def _close(touched: set[int], edges: list[tuple[int, int]], forward: dict[int, Any]) -> None:
    """Adds the steps that touched ones waited for: one that was skipped and is to be retried keeps them in order."""
    befores: dict[int, list[int]] = {}
    for after, before in edges:
        befores.setdefault(after, []).append(before)
    stack = list(touched)
    while stack:
        for before in befores.get(stack.pop(), ()):
            if before in forward and before not in touched:
                touched.add(before)
                stack.append(before)


def _include_dependents(
    chosen: set[int], touched: set[int], followers: dict[int, list[int]], rows: dict[int, Any], allowed: bool
) -> None:
    """Adds to `chosen` the begun steps of other units that rest on chosen ones, or refuses them."""
    others = []
    stack = list(chosen)
    while stack:
        for after in followers.get(stack.pop(), ()):
            if after in touched and after not in chosen:
                chosen.add(after)
                stack.append(after)
                others.append(after)
    if others and not allowed:
        raise PlanError(
            "steps of other units rest on what is to be rolled back",
            detail="\n".join(_some(f"{rows[n].id} of unit {rows[n].unit}" for n in sorted(others))),
            hint="roll those units back first, or with it: --with-dependents",
        )


def _refuse_commits(rows: list[Any], kinds: Kinds) -> None:
    begun = [row for row in rows if row.attempt]
    commits = [f"{row.id}: {kinds.get(row.kind).commit}" for row in begun if kinds.get(row.kind).commit]
    if commits:
        raise PlanError(
            "there is no way back: a commit step has begun",
            detail="\n".join(_some(commits)),
            hint="what is wrong has to be mended forwards",
        )


def _refuse_running(connection: Connection, rows: list[Any], executor_is_running: bool) -> None:
    alive = live_steps(connection)
    running = [row.id for row in rows if row.state == "running" and (executor_is_running or row.n in alive)]
    if running:
        raise PlanError(
            f"{len(running)} of the steps to be rolled back are running",
            detail="\n".join(_some(running)),
            hint="naru plan cancel stops them; then roll back",
        )


def _undo_step(row: Any, rows: dict[int, Any], kinds: Kinds) -> Step:
    """The step that takes back what `row` did; where nothing is to be taken back, a `noop` that keeps the order."""
    kind = kinds.get(row.kind)
    earlier = sum(1 for other in rows.values() if other.undoes == row.n) if row.attempt > 1 else 0
    result = None if row.result is None else json.loads(row.result)
    undo = kind.undo if row.attempt else ""
    title = row.title or row.id
    return Step(
        id=f"undo/{row.id}" + (f"#{earlier + 1}" if earlier else ""),
        kind=undo or "noop",
        args={"step": row.id, "args": json.loads(row.args), "result": result} if undo else {},
        unit=row.unit,
        limit=row.limit,
        place=row.place if undo else "",
        title=f"Undo: {title}" if undo else f"Nothing to undo: {title} ({kind.no_undo or 'it was skipped'})",
        estimate=max(0.0, row.ended - row.started) if row.ended and row.started and undo else 0.0,
    )


def _some(lines: Any) -> Iterator[str]:
    every = list(lines)
    yield from every[:_NAMES]
    if len(every) > _NAMES:
        yield f"and {len(every) - _NAMES} more"
