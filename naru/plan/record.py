"""The executor's writes to the journal and reads from it. All of one turn goes in one transaction."""

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)

from naru.plan import leases, schema
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.model import BARRIER, OVER, UNDO_LEFT
from naru.plan.plan_rows import CHUNK, chunks
from naru.plan.ready import Node, ReadyQueue, Scope

_steps = schema.steps


class StartedStep(NamedTuple):
    """A step that has just been started: what its function needs."""

    n: int
    id: str
    kind: str
    unit: str
    queue: str
    args: dict[str, Any]
    attempt: int
    earlier: Any
    # the step that becomes undone with this one
    undoes: int | None


class Ending(NamedTuple):
    """How an attempt ended: the step's next state, with its result or error as JSON text."""

    n: int
    attempt: int
    state: str
    result: str | None
    error: str | None
    what: Event
    detail: str
    undoes: int | None
    # it ran at a worker, whose lease ends with it
    leased: bool


@dataclass
class Changes:
    """The changes that the operator made since the last look."""

    mode: str
    limits: dict[str, int]
    closed_gates: set[str]
    # n and state of the steps that were retried or skipped
    steps: list[tuple[int, str]]
    # steps were added: the graph has to be read again
    graph: bool


@dataclass
class Batch:
    """The writes of one transaction, in this order."""

    endings: list[Ending] = field(default_factory=list)
    # numbers of steps that begin, and of those that wait at a closed gate from now on
    starts: list[int] = field(default_factory=list)
    holds: list[int] = field(default_factory=list)
    releases: list[int] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    events: list[tuple[int, int, Event, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.endings, self.starts, self.holds, self.releases, self.contexts, self.events))


_END = (
    update(_steps)
    .where(_steps.c.n == bindparam("b_n"), _steps.c.state == "running", _steps.c.attempt == bindparam("b_attempt"))
    .values(
        state=bindparam("b_state"), ended=bindparam("b_at"), error=bindparam("b_error"), result=bindparam("b_result")
    )
)
# a failed attempt keeps the result that an earlier one recorded
_END_WITHOUT_RESULT = (
    update(_steps)
    .where(_steps.c.n == bindparam("b_n"), _steps.c.state == "running", _steps.c.attempt == bindparam("b_attempt"))
    .values(state=bindparam("b_state"), ended=bindparam("b_at"), error=bindparam("b_error"))
)
_SET = (
    update(_steps)
    .where(_steps.c.n == bindparam("b_n"), _steps.c.state == bindparam("b_from"))
    .values(state=bindparam("b_to"))
)
_UNDO = update(_steps).where(_steps.c.n == bindparam("b_n")).values(state="undone", result=None)
_SAVE = update(_steps).where(_steps.c.n == bindparam("b_n")).values(result=bindparam("b_result"))
_STARTED = select(
    _steps.c.n,
    _steps.c.id,
    _steps.c.kind,
    _steps.c.unit,
    _steps.c.queue,
    _steps.c.args,
    _steps.c.attempt,
    _steps.c.result,
    _steps.c.undoes,
    _steps.c.purpose,
    _steps.c.state,
)


class Record:
    """One run's hand in the journal. Every write first makes sure that no newer run has taken over.

    With `undoing` it sees the steps of rollbacks alone as something to be run, with a `purpose` those alone that have
    it; with a `scope` all others, as far as that goes."""

    def __init__(
        self, journal: Journal, *, undoing: bool = False, purpose: str = "", scope: Scope | None = None
    ) -> None:
        self.journal = journal
        self._undoing = undoing
        self._purpose = purpose
        self._scope = scope
        self.run = 0
        self._revision = -1
        self._seen_event = 0

    def begin(self) -> list[StartedStep]:
        """Opens a run. Steps that a killed run left wait again; those given to workers still run, and are returned."""
        now = time.time()
        with self.journal.write() as connection:
            self.run = connection.execute(select(schema.control.c.owner)).scalar_one() + 1
            connection.execute(update(schema.control).values(owner=self.run))
            row = {"id": self.run, "host": socket.gethostname(), "pid": os.getpid(), "started": now, "seen": now}
            connection.execute(schema.runs.insert().values(row))
            if self._scope is not None:
                for part in chunks(self._scope.passes, CHUNK):
                    gates = update(schema.gates).where(schema.gates.c.name.in_(part))
                    connection.execute(gates.values(run=self.run))
            left = connection.execute(_STARTED.where(_steps.c.state == "running")).all()
            mine = [row for row in left if not row.queue]
            if mine:
                rows = [{"b_n": row.n, "b_from": "running", "b_to": "waiting"} for row in mine]
                connection.execute(_SET, rows)
                self._events(connection, now, [(row.n, row.attempt, Event.INTERRUPTED, "") for row in mine])
            self._events(connection, now, [(None, None, Event.RUN_STARTED, f"run {self.run}")])
        return [_started(row) for row in left if row.queue]

    def end(self, outcome: str) -> None:
        """Closes the run; `outcome` is a `RunOutcome` of the executor."""
        now = time.time()
        with self._owned() as connection:
            change = update(schema.runs).where(schema.runs.c.id == self.run)
            connection.execute(change.values(seen=now, eta=None, outcome=outcome))
            self._events(connection, now, [(None, None, Event.RUN_ENDED, f"run {self.run}: {outcome}")])

    def ready(self) -> ReadyQueue:
        """The whole graph with its states, read in one transaction."""
        with self.journal.read() as connection:
            limits = dict(_rows(connection, schema.limits.c.name, schema.limits.c.value))
            closed_gates = self._closed_gates(connection)
            nodes = connection.execution_options(yield_per=CHUNK).execute(
                select(
                    self._state(), _steps.c.limits, _steps.c.gate, _steps.c.estimate, _steps.c.kind == BARRIER
                ).order_by(_steps.c.n)
            )
            edges = connection.execution_options(yield_per=CHUNK).execute(select(schema.edges))
            groups: dict[str, tuple[str, ...]] = {}

            def parsed(text: str) -> tuple[str, ...]:
                if text not in groups:
                    groups[text] = tuple(json.loads(text))
                return groups[text]

            return ReadyQueue(
                (Node(state, parsed(text), *rest) for state, text, *rest in nodes),
                ((after, before) for after, before in edges),
                limits,
                closed_gates,
                self._scope,
            )

    def _state(self) -> ColumnElement[str]:
        """A step's state, as far as this run is concerned with it."""
        left = _steps.c.state.in_(("waiting", "held", "failed"))
        if self._undoing:
            mine: ColumnElement[bool] = _steps.c.undoes.is_not(None)
            if self._purpose:
                mine = and_(mine, _steps.c.purpose == self._purpose)
            return case((and_(not_(mine), left), "undone"), else_=_steps.c.state)
        if self._scope is None:
            return _steps.c.state
        undo = _steps.alias()
        undone = select(undo.c.undoes).where(undo.c.undoes.is_not(None), undo.c.state.not_in(OVER))
        return case((and_(left, _steps.c.undoes.is_not(None) | _steps.c.n.in_(undone)), "undone"), else_=_steps.c.state)

    def _closed_gates(self, connection: Connection) -> set[str]:
        """The gates that are closed for this run."""
        gates = schema.gates.c
        rows = connection.execute(select(gates.name, gates.held, gates.run))
        if self._scope is None:
            return {name for name, held, _ in rows if held}
        return {name for name, _, run in rows if run != self.run}

    def changes(self) -> Changes | None:
        """The changes that the operator made since the last call; None for none."""
        with self.journal.read() as connection:
            mode, revision = connection.execute(select(schema.control.c.mode, schema.control.c.revision)).one()
            if revision == self._revision:
                return None
            first = self._revision < 0
            self._revision = revision
            last_event = connection.execute(select(func.max(schema.events.c.id))).scalar_one_or_none() or 0
            touched: list[tuple[int, str]] = []
            graph = False
            if not first:
                news = schema.events.c.id > self._seen_event
                rows = connection.execute(
                    select(_steps.c.n, self._state().label("state"))
                    .join(schema.events, schema.events.c.step == _steps.c.n)
                    .where(news, schema.events.c.what.in_((Event.RETRIED.value, Event.SKIPPED.value)))
                    .distinct()
                )
                touched = [(row.n, row.state) for row in rows]
                added = select(func.count()).where(news, schema.events.c.what == Event.ROLLBACK_PLANNED.value)
                graph = connection.execute(added).scalar_one() > 0
            self._seen_event = last_event
            limits = dict(_rows(connection, schema.limits.c.name, schema.limits.c.value))
            closed_gates = self._closed_gates(connection)
        return Changes(mode, limits, closed_gates, touched, graph)

    def write(self, batch: Batch) -> list[StartedStep]:
        """Commits the batch. Returns the steps that have begun: their intent is on disk, and they may act.

        A step to be started that the operator has skipped meanwhile is not among them.
        """
        now = time.time()
        events: list[tuple[int | None, int | None, Event, str]] = [*batch.events]
        with self._owned() as connection:
            for context in batch.contexts:
                write_spoken(connection, context)
            self._write_endings(connection, batch.endings, now, events)
            for numbers, old, new, what in (
                (batch.holds, "waiting", "held", Event.HELD),
                (batch.releases, "held", "waiting", Event.RELEASED),
            ):
                if numbers:
                    connection.execute(_SET, [{"b_n": n, "b_from": old, "b_to": new} for n in numbers])
                    events += [(n, None, what, "") for n in numbers]
            # before the starts: in the order of what happened
            self._events(connection, now, events)
            return self._write_starts(connection, batch.starts, now)

    def _write_endings(self, connection: Connection, endings: Sequence[Ending], now: float, events: list[Any]) -> None:
        # steps that only ended well, the most by far, share one statement, which costs a fraction of one each
        plain, with_result, without = [], [], []
        undone = []
        for ending in endings:
            if ending.state == "done" and ending.result is None and not ending.leased:
                plain.append(ending.n)
            else:
                row = {"b_n": ending.n, "b_attempt": ending.attempt, "b_state": ending.state, "b_at": now}
                row["b_error"] = ending.error
                if ending.state == "done":
                    with_result.append(row | {"b_result": ending.result})
                else:
                    without.append(row)
                events.append((ending.n, ending.attempt, ending.what, ending.detail))
            if ending.state == "done" and ending.undoes is not None:
                undone.append(ending.undoes)
        for part in chunks(plain, CHUNK):
            running = and_(_steps.c.n.in_(part), _steps.c.state == "running")
            connection.execute(update(_steps).where(running).values(state="done", ended=now, error=None, result=None))
            self._same_event(connection, now, part, Event.DONE)
        for statement, rows in ((_END, with_result), (_END_WITHOUT_RESULT, without)):
            if rows:
                connection.execute(statement, rows)
        leases.free(connection, [(ending.n, ending.attempt) for ending in endings if ending.leased])
        if undone:
            connection.execute(_UNDO, [{"b_n": n} for n in undone])
            events += [(n, None, Event.UNDONE, "") for n in undone]

    def _write_starts(self, connection: Connection, starts: Sequence[int], now: float) -> list[StartedStep]:
        begun = []
        for part in chunks(starts, CHUNK):
            ready = and_(_steps.c.n.in_(part), or_(_steps.c.state == "waiting", _steps.c.state == "held"))
            attempt = _steps.c.attempt + 1
            change = update(_steps).where(ready)
            connection.execute(change.values(state="running", attempt=attempt, started=now, ended=None, error=None))
            part_begun = read_running(connection, part)
            self._same_event(connection, now, [step.n for step in part_begun], Event.STARTED)
            begun += part_begun
        return begun

    def _same_event(self, connection: Connection, now: float, numbers: Sequence[int], what: Event) -> None:
        """Records the same event for the current attempts of several steps."""
        table = schema.events
        rows = select(literal(now), _steps.c.n, _steps.c.attempt, literal(what.value), _steps.c.queue)
        names = [table.c.at, table.c.step, table.c.attempt, table.c.what, table.c.detail]
        connection.execute(table.insert().from_select(names, rows.where(_steps.c.n.in_(numbers)).order_by(_steps.c.n)))

    def alive(self, seconds_left: float | None) -> None:
        """Leaves a sign of life and the expected end."""
        now = time.time()
        with self._owned() as connection:
            eta = None if seconds_left is None else now + seconds_left
            connection.execute(update(schema.runs).where(schema.runs.c.id == self.run).values(seen=now, eta=eta))

    def _events(
        self, connection: Connection, now: float, events: Iterable[tuple[int | None, int | None, Event, str]]
    ) -> None:
        rows = [
            {"at": now, "step": step, "attempt": attempt, "what": what.value, "detail": detail}
            for step, attempt, what, detail in events
        ]
        if rows:
            connection.execute(schema.events.insert(), rows)

    @contextmanager
    def _owned(self) -> Iterator[Connection]:
        """A write transaction of this run: raises `PlanError` when a newer run has taken over."""
        with self.journal.write() as connection:
            owner = connection.execute(select(schema.control.c.owner).with_for_update()).scalar_one()
            if owner != self.run:
                raise PlanError(
                    f"{self.journal.name}: run {owner} has taken over from this one, run {self.run}",
                    hint="this happens when the connection to the database was lost for a while; no action is needed",
                )
            yield connection


def write_spoken(connection: Connection, context: Context) -> None:
    """Writes to the journal what a step has reported since the last call: progress, requests, the result it saved."""
    rows = [
        {"step": context.n, "attempt": context.attempt, "at": at, "text": text, "request_id": request_id}
        for at, text, request_id in context.take_requests()
    ]
    if rows:
        connection.execute(schema.requests.insert(), rows)
    saved = context.take_saved()
    if saved is not None:
        connection.execute(_SAVE, {"b_n": context.n, "b_result": saved})
    progress = context.take_progress()
    if progress is not None:
        table = schema.progress
        row = {"done": progress.done, "total": progress.total, "unit": progress.unit, "at": time.time()}
        if not connection.execute(update(table).where(table.c.step == context.n).values(row)).rowcount:
            connection.execute(table.insert().values(row | {"step": context.n}))


def read_running(connection: Connection, numbers: Sequence[int]) -> list[StartedStep]:
    """Reads those of these steps that are running."""
    rows = connection.execute(_STARTED.where(_steps.c.n.in_(numbers))).all()
    return [_started(row) for row in rows if row.state == "running"]


def _started(row: Any) -> StartedStep:
    earlier = None if row.result is None else json.loads(row.result)
    args = json.loads(row.args)
    # what is left out stays skipped when it is undone
    undoes = None if row.purpose == UNDO_LEFT else row.undoes
    return StartedStep(row.n, row.id, row.kind, row.unit, row.queue, args, row.attempt, earlier, undoes)


def _rows(connection: Connection, *columns: Column[Any]) -> Iterator[tuple[Any, Any]]:
    return ((row[0], row[1]) for row in connection.execute(select(*columns)))
