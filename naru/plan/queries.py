"""The state of a journal at a moment: the questions that capabilities and commands ask, so that none of them knows its
tables.

    with reading(journal) as now:
        started = now.steps(purpose="start", states=["done"])

All answers of one `JournalView` are of the same moment.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import CTE, ColumnElement, Connection, Select, func, select

from naru.messages import Text, load
from naru.plan import schema
from naru.plan.errors import PlanInputError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS
from naru.plan.model import LIVE, OVER, About
from naru.plan.plan_rows import CHUNK, about_of, chunks

_steps, _edges, _events, _requests = schema.steps, schema.edges, schema.events, schema.requests


@dataclass(frozen=True)
class StepRow:
    """A step as the journal has it. `kind` is the name that its kind has now. Times are seconds since 1970; `ended` is
    that of the last attempt. `undoes` is the number of the step that a rollback's step undoes. `args` and `result` are
    there when they were asked for."""

    n: int
    id: str
    kind: str
    unit: str
    about: About | None
    purpose: str
    queue: str
    gate: str
    estimate: float
    state: str
    attempt: int
    started: float | None
    ended: float | None
    undoes: int | None
    raw: Mapping[str, str | None]

    @cached_property
    def title(self) -> Text:
        title: Text = load(json.loads(self.raw["title"] or '""'))
        return title

    @cached_property
    def args(self) -> dict[str, Any]:
        """Raises KeyError when they were not asked for."""
        args: dict[str, Any] = json.loads(self.raw["args"] or "{}")
        return args

    @cached_property
    def result(self) -> Any:
        """None when there is none. Raises KeyError when it was not asked for."""
        text = self.raw["result"]
        return None if text is None else json.loads(text)

    @property
    def error(self) -> str:
        """The error of the last attempt, in one line; "" for none."""
        text = self.raw["error"]
        error = {} if text is None else json.loads(text)
        return in_one_line(str(error.get("summary", "")), str(error.get("detail", "")))

    @property
    def error_type(self) -> str:
        """The class of the last attempt's error; "" for none."""
        text = self.raw["error"]
        return "" if text is None else str(json.loads(text).get("type", ""))

    @property
    def about_id(self) -> str:
        """The id of the thing that it concerns, "" for none."""
        return self.about.id if self.about else ""


def in_one_line(summary: str, detail: str) -> str:
    """Why a step failed, in one line: with the beginning of what the other side said."""
    said = "" if detail.startswith("Traceback") else next(iter(detail.splitlines()), "")
    return f"{summary}: {said}" if said else summary


class Unfinished(NamedTuple):
    """Of the steps that a step waits for: how many are not over, and how many of those can still go on (which means
    that they wait for nothing that failed or was undone, however far back)."""

    left: int = 0
    live: int = 0


class EventRow(NamedTuple):
    """Something that happened. `step` is "" for what concerns the plan; `what` and `detail` say what it was."""

    at: float
    step: str
    attempt: int | None
    what: str
    detail: str


class Failure(NamedTuple):
    """A step that failed and is not tried again by itself: the number of the event, when, and the parts of the error
    (`summary`, `detail`, `hint`)."""

    event: int
    at: float
    step: StepRow
    error: Mapping[str, str]


@contextmanager
def reading(journal: Journal) -> Iterator["JournalView"]:
    """The journal at this moment. It holds up nobody."""
    with journal.read() as connection:
        yield JournalView(connection)


class JournalView:
    """The journal at one moment; see `reading`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def steps(
        self,
        *,
        ids: Iterable[str] | None = None,
        kind: str | Collection[str] | None = None,
        purpose: str | Collection[str] | None = None,
        about: About | None = None,
        unit: str | None = None,
        states: Collection[str] | None = None,
        args: bool = False,
        result: bool = False,
        rollbacks: bool = False,
    ) -> list[StepRow]:
        """The steps for which all that is given holds, in the order of the plan. `kind` and `purpose` may be several;
        of `about`, kind and id count. The steps of rollbacks are among them only with `rollbacks`."""
        query = _select(args=args, result=result)
        if kind is not None:
            query = query.where(_steps.c.kind.in_(KINDS.names([kind] if isinstance(kind, str) else kind)))
        if purpose is not None:
            query = query.where(_steps.c.purpose.in_([purpose] if isinstance(purpose, str) else list(purpose)))
        if about is not None:
            query = query.where(_steps.c.about_kind == about.kind, _steps.c.about_id == about.id)
        if unit is not None:
            query = query.where(_steps.c.unit == unit)
        if states is not None:
            query = query.where(_steps.c.state.in_(list(states)))
        if not rollbacks:
            query = query.where(_steps.c.undoes.is_(None))
        if ids is None:
            return [_row(row) for row in self._connection.execute(query.order_by(_steps.c.n))]
        return sorted((_row(row) for row in self._of(query, _steps.c.id, ids)), key=lambda step: step.n)

    def results(self) -> dict[str, Any]:
        """The results of all steps that are done, by id; {} for one that has none."""
        query = select(_steps.c.id, _steps.c.result).where(_steps.c.state == "done")
        return {id: json.loads(text) if text else {} for id, text in self._connection.execute(query)}

    def waits(self, steps: Iterable[StepRow]) -> dict[int, list[StepRow]]:
        """By each step's number: the steps that it waits for, without arguments and results."""
        found: dict[int, list[StepRow]] = {step.n: [] for step in steps}
        query = _select(_edges.c.after).join_from(_edges, _steps, _steps.c.n == _edges.c.before)
        for row in self._of(query, _edges.c.after, found):
            found[row.after].append(_row(row))
        return found

    def first_starts(self, steps: Iterable[StepRow]) -> dict[int, float]:
        """By number: when the first attempt began of those of the steps that ever began; what was undone and done again
        counts from then on."""
        numbers = [step.n for step in steps]
        query = select(_events.c.step, _events.c.what, _events.c.at, _events.c.id)
        query = query.where(_events.c.what.in_((Event.STARTED.value, Event.UNDONE.value)))
        found: dict[int, float] = {}
        for step, what, at, _ in sorted(self._of(query, _events.c.step, numbers), key=lambda row: int(row[3])):
            if what == Event.UNDONE:
                found.pop(step, None)
            else:
                found.setdefault(step, at)
        return found

    def everything_behind(self, states: Collection[str]) -> set[int]:
        """The numbers of the steps that wait, however far, for one in one of these states."""
        broken = select(_steps.c.n).where(_steps.c.state.in_(list(states))).limit(1)
        if not self._connection.execute(broken).first():
            return set()
        return set(self._connection.execute(select(behind(states).c.n)).scalars())

    def everything_after(self, steps: Iterable[StepRow]) -> set[int]:
        """The numbers of the steps that wait, however far, for one of these."""
        found: set[int] = set()
        for part in chunks([step.n for step in steps], CHUNK):
            first = select(_edges.c.after.label("n")).where(_edges.c.before.in_(part))
            found |= set(self._connection.execute(select(_with_all_after(first).c.n)).scalars())
        return found

    def skipped(self) -> dict[str, str]:
        """The steps that are skipped, by id, each with the reason that was given last."""
        query = select(_steps.c.id, _events.c.detail).join_from(_events, _steps, _steps.c.n == _events.c.step)
        query = query.where(_steps.c.state == "skipped", _events.c.what == Event.SKIPPED.value)
        return {row.id: row.detail for row in self._connection.execute(query.order_by(_events.c.id))}

    def open_before(self, steps: Collection[StepRow], behind: Collection[int]) -> dict[int, Unfinished]:
        """By each step's number: what it waits for still. `behind` is `everything_behind` what is broken."""
        left = {step.n: [0, 0] for step in steps}
        joined = _edges.join(_steps, _steps.c.n == _edges.c.before)
        # counted by the database: a step may wait for thousands, and this is asked every other second
        count = select(_edges.c.after, _steps.c.state, func.count()).select_from(joined)
        count = count.where(_steps.c.state.not_in(OVER)).group_by(_edges.c.after, _steps.c.state)
        for after, state, number in self._of(count, _edges.c.after, left):
            left[after][0] += number
            left[after][1] += number if state in LIVE else 0
        if behind:
            waits = select(_edges.c.after, _edges.c.before).select_from(joined).where(_steps.c.state.in_(LIVE))
            for after, before in self._of(waits, _edges.c.after, left):
                left[after][1] -= before in behind
        return {n: Unfinished(*numbers) for n, numbers in left.items()}

    def unit_counts(self, *, rollbacks: bool = False) -> dict[str, dict[str, int]]:
        """By unit: how many of its steps are in each state; with `rollbacks` of the steps that undo others."""
        query = select(_steps.c.unit, _steps.c.state, func.count()).group_by(_steps.c.unit, _steps.c.state)
        query = query.where(_steps.c.undoes.is_not(None) if rollbacks else _steps.c.undoes.is_(None))
        found: dict[str, dict[str, int]] = {}
        for unit, state, number in self._connection.execute(query):
            found.setdefault(unit, {})[state] = number
        return found

    def has_begun(self) -> bool:
        """Whether anything of the plan was ever begun."""
        query = select(_steps.c.n).where(_steps.c.attempt > 0).limit(1)
        return self._connection.execute(query).first() is not None

    def is_rolling_back(self) -> bool:
        """Whether a rollback was begun that is not at its end."""
        query = select(_steps.c.n).where(_steps.c.undoes.is_not(None), _steps.c.state.not_in(OVER)).limit(1)
        return self._connection.execute(query).first() is not None

    def revision(self) -> int:
        """A number that grows with whatever an operator does to the plan."""
        return int(self._connection.execute(select(schema.control.c.revision)).scalar_one())

    def limit(self, group: str) -> int:
        """How many steps of a limit group may run at once. Raises PlanInputError for one that is not in the plan."""
        query = select(schema.limits.c.value).where(schema.limits.c.name == group)
        value = self._connection.execute(query).scalar_one_or_none()
        if value is None:
            raise PlanInputError(f"the plan has no limit group {group}")
        return int(value)

    def held_gates(self) -> set[str]:
        """The gates that are held, and not open for the newest run, as long as that did not end."""
        return {name for name, held in gates(self._connection).items() if held}

    def events(self, *, step: str | None = None, last: int | None = None) -> list[EventRow]:
        """The events, oldest first: of one step (its id) or of all, all of it or the last so many."""
        return self._happened(_events, [_events.c.what, _events.c.detail], step, last)

    def last_event(self) -> int:
        """The number of the newest event; 0 for none."""
        return int(self._connection.execute(select(func.max(_events.c.id))).scalar_one() or 0)

    def last_run(self) -> int:
        """The number of the newest run; 0 for none."""
        return int(self._connection.execute(select(func.max(schema.runs.c.id))).scalar_one() or 0)

    def failures(self, since: int) -> list[Failure]:
        """What failed since the event of that number, oldest first."""
        query = _select(_events.c.id.label("event"), _events.c.at, _events.c.detail)
        query = query.join_from(_events, _steps, _steps.c.n == _events.c.step)
        query = query.where(_events.c.id > since, _events.c.what == Event.FAILED.value).order_by(_events.c.id)
        rows = self._connection.execute(query)
        return [Failure(row.event, row.at, _row(row), json.loads(row.detail or "{}")) for row in rows]

    def requests(self, *, step: str | None = None, last: int | None = None) -> list[EventRow]:
        """The literal requests and commands that steps recorded; see `events`. `what` is `sent`, with the id that the
        other side gave, `detail` the text."""
        rows = self._happened(_requests, [_requests.c.request_id, _requests.c.text], step, last)
        return [row._replace(what=f"sent {row.what}".strip()) for row in rows]

    def _happened(self, table: Any, columns: Sequence[Any], step: str | None, last: int | None) -> list[EventRow]:
        query = select(table.c.at, _steps.c.id, table.c.attempt, *columns)
        query = query.join_from(table, _steps, _steps.c.n == table.c.step, isouter=step is None)
        if step is not None:
            query = query.where(_steps.c.id == step)
            if self._connection.execute(select(_steps.c.n).where(_steps.c.id == step)).first() is None:
                raise PlanInputError(f"there is no step {step}", hint="naru plan show lists the steps")
        query = query.order_by(table.c.id.desc())
        rows = self._connection.execute(query if last is None else query.limit(last)).all()
        return [EventRow(at, id or "", attempt, *rest) for at, id, attempt, *rest in reversed(rows)]

    def _of(self, query: Select[Any], column: ColumnElement[Any], values: Iterable[Any]) -> Iterator[Any]:
        """The rows whose column has one of the values."""
        for part in chunks(values, CHUNK):
            yield from self._connection.execute(query.where(column.in_(part)))


def gates(connection: Connection) -> dict[str, bool]:
    """By gate whether it is held, in the order of the names. One that is open for a run is not, until that has ended
    (which one that was killed did not say: until the next begins)."""
    last = connection.execute(select(schema.runs).order_by(schema.runs.c.id.desc()).limit(1)).first()
    run = last.id if last and last.outcome is None else None
    rows = connection.execute(select(schema.gates).order_by(schema.gates.c.name))
    return {row.name: row.held and (run is None or row.run != run) for row in rows}


def behind(states: Collection[str]) -> CTE:
    """The numbers `n` of the steps that wait, however far, for one in one of these states."""
    first = select(_edges.c.after.label("n")).join(_steps, _steps.c.n == _edges.c.before)
    return _with_all_after(first.where(_steps.c.state.in_(list(states))))


def _with_all_after(first: Select[Any]) -> CTE:
    """The numbers `n` that a query gives, with those of all steps that wait for them, however far."""
    found = first.cte("behind", recursive=True)
    return found.union(select(_edges.c.after).join(found, found.c.n == _edges.c.before))


_COLUMNS = (
    *("n", "id", "kind", "unit", "about_kind", "about_id", "about_name", "purpose", "queue", "gate", "estimate"),
    *("state", "attempt", "started", "ended", "undoes", "title", "error"),
)


def _select(*more: Any, args: bool = False, result: bool = False) -> Select[Any]:
    names = [*_COLUMNS, *(["args"] if args else []), *(["result"] if result else [])]
    return select(*(_steps.c[name] for name in names), *more)


def _row(row: Any) -> StepRow:
    fields = row._mapping
    return StepRow(
        n=row.n,
        id=row.id,
        kind=KINDS.renamed.get(row.kind, row.kind),
        unit=row.unit,
        about=about_of(row.about_kind, row.about_id, row.about_name),
        purpose=row.purpose,
        queue=row.queue,
        gate=row.gate,
        estimate=row.estimate,
        state=row.state,
        attempt=row.attempt,
        started=row.started,
        ended=row.ended,
        undoes=row.undoes,
        raw={name: fields[name] for name in ("title", "error", "args", "result") if name in fields},
    )
