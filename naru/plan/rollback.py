"""Rollback: a plan made from the journal that undoes what was done, in the reverse order.

Its steps are added to the same journal and run by the same executor, so a rollback is shown, watched, killed, resumed,
retried and skipped like everything else. When an undo step is done, the step it undoes is undone, in one transaction.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, select, update

from naru.messages import Text, load, message, say
from naru.plan import schema
from naru.plan.arguments import Undo
from naru.plan.control import record_action
from naru.plan.errors import HasDependents, PlanError, PlanInputError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds, bad_arguments
from naru.plan.leases import live_steps
from naru.plan.model import BARRIER, LIVE, OVER, UNDO_LEFT, Edge, Plan, Step
from naru.plan.plan_rows import CHUNK, about_of, chunks, insert_edges, insert_steps, to_json
from naru.text import shortened

_steps = schema.steps
_NO_ARGS: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
_NO_WAITS: Mapping[str, Collection[str]] = MappingProxyType({})
_NAMES = 20
"""How many things an error names before it says how many more there are."""
_CALLED = 3
"""How many units a title names; of more it gives the number."""
UNDO = "undo"
"""The purpose of a rollback's steps; they are about what the undone steps are about."""

_ALL = message("plan.rollback.all", en="Rollback of everything: {plan}", ko="전체 롤백: {plan}")
_UNITS = message("plan.rollback.units", en="Rollback of {units:list}: {plan}", ko="{units:list} 롤백: {plan}")
_MANY = message("plan.rollback.many", en="Rollback of {count} units: {plan}", ko="단위 {count}개 롤백: {plan}")
_UNDO = message("plan.rollback.undo", en="Undo: {step}", ko="실행 취소: {step}")
_NOTHING = message("plan.rollback.nothing", en="Nothing to undo: {step} ({why})", ko="취소할 것 없음: {step} ({why})")
_SKIPPED = message("plan.rollback.skipped", en="it was skipped", ko="건너뛴 단계")


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


def preview(
    journal: Journal,
    *,
    units: Collection[str] | None = None,
    with_dependents: bool = False,
    along: Collection[str] | None = None,
    waits: Mapping[str, Collection[str]] = _NO_WAITS,
    kinds: Kinds = KINDS,
) -> Plan:
    """The rollback as a plan to be read, without changing anything. Raises what `start` raises, and `PlanInputError`
    when there is nothing to undo, or all of it was planned by an earlier one."""
    running = journal.is_running()
    with journal.read() as connection:
        undo = _make(journal, connection, units, with_dependents, along, kinds, running, waits)
        if not undo.steps and not undo.untouched:
            where = "" if units is None else f" in unit {', '.join(shortened(sorted(units), _NAMES))}"
            hint = "a rollback that was begun goes on with naru plan rollback"
            raise PlanInputError(f"{journal.name}: nothing to roll back{where}", hint=hint)
        limits = {row.name: row.value for row in connection.execute(select(schema.limits))}
    ids = undo.known | {n: step.id for n, (step, _) in enumerate(undo.steps, undo.first)}
    return Plan(
        title=_title(journal, units),
        steps=[step for step, _ in undo.steps],
        edges=[Edge(ids[before], ids[after]) for after, before in undo.edges if after not in undo.known],
        limits=limits,
    )


def start(
    journal: Journal,
    *,
    units: Collection[str] | None = None,
    with_dependents: bool = False,
    along: Collection[str] | None = None,
    args: Mapping[str, Mapping[str, Any]] = _NO_ARGS,
    waits: Mapping[str, Collection[str]] = _NO_WAITS,
    kinds: Kinds = KINDS,
) -> int:
    """Adds the undo steps of some units, or of everything, to the journal, for an executor to run; returns how many: 0
    when all that is left was planned by an earlier rollback, which then goes on, or nothing is left: what was killed at
    its very end is asked for again by somebody who cannot know.

    `args` are further arguments of the undo steps, by their kind: how the operator wants it. Undo steps wait for those
    of all that came after, but for purposes (of the steps that are undone) that `waits` has: theirs wait for those of
    the purposes named there alone, so that one thing that cannot be undone does not hold up what people need first.

    Undone is what began, whether it ended well or not: an undo kind finds nothing where nothing was made. Steps that
    never began become undone immediately, those interrupted become failed, so that neither runs again. A rollback of
    everything ends a pause or cancel.

    What has begun in other units and depends on these is refused, or undone with them: all of it `with_dependents`, or
    that of the units `along`. With `along`, what has not begun counts like what has: so nothing is left that would wait
    forever. What comes after a barrier does not depend on what comes before it.

    Raises `PlanError` when a commit step is among them or when some are running, `HasDependents` for what is refused,
    `PlanInputError` for a unit that is not in the plan, and for arguments that an undo kind does not take.
    """
    running = journal.is_running()
    with journal.write() as connection:
        # PostgreSQL lets writers go side by side: this keeps the executor from starting what is being undone
        connection.execute(select(schema.control.c.owner).with_for_update())
        undo = _make(journal, connection, units, with_dependents, along, kinds, running, waits)
        if not undo.steps and not undo.untouched:
            return 0
        steps = [
            (dataclasses.replace(step, args={**step.args, **args.get(step.kind, {})}), of) for step, of in undo.steps
        ]
        if problems := [f"{step.id}: {bad}" for step, _ in steps for bad in kinds.problems(step.kind, step.args)]:
            raise bad_arguments(problems)
        insert_steps(connection, undo.first, steps)
        insert_edges(connection, undo.edges)
        for part in chunks(undo.untouched, CHUNK):
            connection.execute(update(_steps).where(_steps.c.n.in_(part)).values(state="undone"))
        error = to_json({"type": "", "summary": "rolled back before it ended", "detail": "", "hint": ""})
        for part in chunks(undo.unfinished, CHUNK):
            connection.execute(update(_steps).where(_steps.c.n.in_(part)).values(state="failed", error=error))
        if units is None:
            connection.execute(update(schema.control).values(mode="run"))
        record_action(connection, Event.ROLLBACK_PLANNED, f"{say(_title(journal, units))}: {len(undo.steps)} steps")
    return len(undo.steps)


def _title(journal: Journal, units: Collection[str] | None) -> Text:
    plan = load(json.loads(journal.setup()["title"]))
    if units is None:
        return _ALL(plan=plan)
    return _UNITS(units=sorted(units), plan=plan) if len(units) <= _CALLED else _MANY(count=len(units), plan=plan)


def change(
    journal: Journal,
    kind: str,
    args: Mapping[str, Any],
    kinds: Kinds = KINDS,
    *,
    waits: Mapping[str, Collection[str]] = _NO_WAITS,
) -> list[str]:
    """Changes arguments of the undo steps of a kind, of a rollback that was begun and that nobody runs; with `waits`
    undo steps that are left wait for more of the others, as in `start`. Returns the ids of the steps that were undone
    without them: for those it is too late. `kind` is that of the undo steps."""
    if journal.is_running():
        raise PlanError(f"{journal.name}: the rollback is being run", hint="naru plan cancel ends that; then again")
    undone = _steps.alias()
    query = select(_steps.c.n, undone.c.id, _steps.c.args, _steps.c.state, _steps.c.attempt)
    query = query.join_from(_steps, undone, undone.c.n == _steps.c.undoes)
    query = query.where(_steps.c.kind.in_(kinds.names([kind])))
    with journal.write() as connection:
        # what was undone, and done again since, is of an earlier rollback
        rows = connection.execute(query.where((undone.c.state == "undone") | (_steps.c.state != "done"))).all()
        differing = [row for row in rows if not args.items() <= json.loads(row.args).items()]
        left = [row for row in differing if row.state not in OVER]
        for row in left:
            new = to_json({**json.loads(row.args), **args})
            connection.execute(update(_steps).where(_steps.c.n == row.n).values(args=new))
        _wait_for_more(connection, waits)
        if left:
            record_action(connection, Event.ARGUMENTS_CHANGED, to_json(args), [(row.n, row.attempt) for row in left])
    return [row.id for row in differing if row not in left]


def _wait_for_more(connection: Connection, waits: Mapping[str, Collection[str]]) -> None:
    """Adds the order that `waits` asks for, between undo steps that are left."""
    undo, done = _steps.alias(), _steps.alias()
    query = select(undo.c.n, undo.c.undoes, done.c.purpose).join_from(undo, done, done.c.n == undo.c.undoes)
    left = {row.undoes: row for row in connection.execute(query.where(undo.c.state.not_in(OVER)))}
    edges = schema.edges.c
    every = connection.execute(select(edges.after, edges.before)).all()
    known = {(row.after, row.before) for row in every}
    wanted = {
        (left[before].n, left[after].n)
        for after, before in every
        if before in left and after in left and left[after].purpose in waits.get(left[before].purpose, ())
    }
    insert_edges(connection, sorted(wanted - known))


def _make(
    journal: Journal,
    connection: Connection,
    units: Collection[str] | None,
    with_dependents: bool,
    along: Collection[str] | None,
    kinds: Kinds,
    running: bool,
    waits: Mapping[str, Collection[str]] = _NO_WAITS,
) -> _Undo:
    rows = {row.n: row for row in connection.execute(select(_steps).order_by(_steps.c.n))}
    edges = [(row.after, row.before) for row in connection.execute(select(schema.edges))]
    # undo steps still to be run, by the step they undo
    pending = {row.undoes: row.n for row in rows.values() if row.undoes is not None and row.state not in OVER}
    forward = {n: row for n, row in rows.items() if row.undoes is None and row.state != "undone" and n not in pending}
    if units is not None and (unknown := set(units) - {row.unit for row in rows.values()}):
        raise PlanInputError(f"{journal.name}: no unit {', '.join(shortened(sorted(unknown), _NAMES))}")
    chosen = {n for n, row in forward.items() if units is None or row.unit in units}
    followers: dict[int, list[int]] = {}
    for after, before in edges:
        followers.setdefault(before, []).append(after)
    touched = {n for n, row in forward.items() if row.attempt > 0 or row.state in OVER}
    _close(touched, edges, forward)
    if units is not None:
        counting = touched if along is None else set(forward)
        _include_dependents(chosen, counting, followers, rows, set(along or ()), with_dependents)
    undone = sorted(chosen & touched, reverse=True)
    refuse_commits([rows[n] for n in undone], kinds)
    _refuse_running(connection, [rows[n] for n in undone], running)
    befores: dict[int, list[int]] = {}
    for after, before in edges:
        befores.setdefault(after, []).append(before)
    earlier = Counter(row.undoes for row in rows.values())
    first = len(rows) + 1
    number = {n: first + place for place, n in enumerate(undone)}
    left_out = _undone_left_out(rows)
    return _Undo(
        first=first,
        steps=[(undo_step(rows[n], rows, kinds, befores.get(n, ()), earlier[n], n in left_out), n) for n in undone],
        edges=undo_edges(edges, rows, pending, number, waits),
        untouched=sorted(chosen - touched),
        unfinished=[n for n in undone if rows[n].state in LIVE],
        known={n: rows[n].id for n in pending.values()},
    )


def undo_edges(
    edges: Iterable[tuple[int, int]],
    rows: Mapping[int, Any],
    pending: Mapping[int, int],
    new: Mapping[int, int],
    waits: Mapping[str, Collection[str]],
) -> list[tuple[int, int]]:
    """The edges of `new` undo steps, by the steps that they undo: a step is undone after those that were made after it,
    as far as `waits` says so. One that is `pending` waits for new ones, too: what it is about to remove may be in use
    by what those remove."""
    undo_of = {**pending, **new}
    return sorted(
        {
            (undo_of[before], undo_of[after])
            for after, before in edges
            if before in undo_of and after in undo_of and (before in new or after in new)
            if rows[after].purpose in waits.get(rows[before].purpose, (rows[after].purpose,))
        }
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
    chosen: set[int],
    counting: set[int],
    followers: dict[int, list[int]],
    rows: dict[int, Any],
    along: set[str],
    allowed: bool,
) -> None:
    """Adds to `chosen` the steps of other units, among those that count, that depend on them, or refuses those."""
    others = []
    stack = list(chosen)
    while stack:
        for after in followers.get(stack.pop(), ()):
            if after in counting and after not in chosen and rows[after].kind != BARRIER:
                chosen.add(after)
                stack.append(after)
                if rows[after].unit not in along:
                    others.append(after)
    if others and not allowed:
        dependents: dict[str, list[str]] = {}
        for n in sorted(others):
            dependents.setdefault(rows[n].unit, []).append(say(called(rows[n])))
        raise HasDependents(
            dependents,
            detail="\n".join(shortened((f"{rows[n].id} of unit {rows[n].unit}" for n in sorted(others)), _NAMES)),
            hint="roll those units back first, or with it: --with-dependents",
        )


def refuse_commits(rows: list[Any], kinds: Kinds) -> None:
    begun = [row for row in rows if row.attempt]
    commits = [f"{named(row)}: {kinds.get(row.kind).commit}" for row in begun if kinds.get(row.kind).commit]
    if commits:
        raise PlanError(
            "this can no longer be rolled back: a commit step has begun",
            detail="\n".join(shortened(commits, _NAMES)),
            hint="fix the problem on the new side, and go on",
        )


def _refuse_running(connection: Connection, rows: list[Any], executor_is_running: bool) -> None:
    alive = live_steps(connection)
    running = [named(row) for row in rows if row.state == "running" and (executor_is_running or row.n in alive)]
    if running:
        raise PlanError(
            f"{len(running)} of the steps to be rolled back are running",
            detail="\n".join(shortened(running, _NAMES)),
            hint="naru plan cancel stops them; then roll back",
        )


def undo_step(
    row: Any, rows: Mapping[int, Any], kinds: Kinds, befores: Iterable[int], earlier: int, undone: bool = False
) -> Step:
    """The step that undoes what `row` did; where nothing is to be undone, a `noop` that keeps the order.

    One that has no result of its own to go by is given those of the steps it waited for. `earlier`: how often the step
    was undone before; `undone`: it is so already."""
    kind = kinds.get(row.kind)
    result = None if row.result is None else json.loads(row.result)
    undo = kind.undo if row.attempt and not undone else ""
    title = called(row)
    given = {"step": row.id, "args": json.loads(row.args), "result": result}
    if result is None:
        before = [rows[n] for n in befores]
        given["results"] = {other.id: json.loads(other.result) for other in before if other.result is not None}
    args = Undo(**given).model_dump(exclude_unset=True)
    return Step(
        id=f"undo/{row.id}" + (f"#{earlier + 1}" if earlier else ""),
        kind=undo or "noop",
        args=args if undo else {},
        unit=row.unit,
        limits=tuple(json.loads(row.limits)),
        queue=row.queue if undo and not kinds.get(undo).here else "",
        title=_UNDO(step=title) if undo else _NOTHING(step=title, why=kind.no_undo or _SKIPPED()),
        estimate=max(0.0, row.ended - row.started) if row.ended and row.started and undo else 0.0,
        about=about_of(row.about_kind, row.about_id, row.about_name),
        purpose=UNDO,
    )


def _undone_left_out(rows: Mapping[int, Any]) -> set[int]:
    """The skipped steps whose effect was undone when they were left out of the plan, and that did not run since."""
    found = set()
    for undo in rows.values():
        if undo.purpose == UNDO_LEFT and undo.state in OVER:
            row = rows[undo.undoes]
            if row.state == "skipped" and (undo.ended is None or row.started is None or undo.ended >= row.started):
                found.add(row.n)
    return found


def called(row: Any) -> Text:
    """What a step is called: its title, or its id."""
    title: Text = load(json.loads(row.title))
    return title or str(row.id)


def named(row: Any) -> str:
    """A step by its title, with its id for commands; by its id alone where it has no title."""
    title = say(called(row))
    return row.id if title == row.id else f"{title} ({row.id})"
