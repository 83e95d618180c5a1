"""A part of a plan that is left out: its steps are skipped and what they did is undone, all of it taken back as easily.

A capability says which steps these are, and which others are asked for less without them; here that becomes one
transaction, and what it takes to restore the plan to the letter is kept in the journal beside what the capability
remembers of it.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from naru.messages import say
from naru.plan import schema
from naru.plan.control import record_action
from naru.plan.errors import PlanError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds
from naru.plan.leases import live_steps
from naru.plan.model import OVER, UNDO_LEFT, Plan
from naru.plan.plan_rows import CHUNK, chunks, insert_edges, insert_steps, to_json
from naru.plan.rollback import called, named, refuse_commits, undo_edges, undo_step
from naru.text import shortened

_steps = schema.steps
_NOTE = "left out"
_NO_WAITS: Mapping[str, Collection[str]] = MappingProxyType({})
_NAMES = 10
"""How many steps an error names."""


@dataclass(frozen=True)
class LeftOut:
    """What is left out of a plan: `things` is what the capability remembers of it (JSON), `steps` those that were
    skipped for that, `args` what steps that stay were asked for before."""

    things: Mapping[str, Any] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()
    args: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Part(NamedTuple):
    """What is to be left out: `steps`, each with a line that says why. Those of them that are `kept` are not undone
    where they are done. Steps that stay get other `args`."""

    steps: Mapping[str, str]
    kept: Collection[str]
    args: Mapping[str, Mapping[str, Any]]


class Settled(NamedTuple):
    """What became of it: how many steps are `skipped` from now on, how many of those are to be undone, and how many are
    `waiting` again; the steps (ids) that were done `without` something that is back; and what those are called that are
    `running`, of which nothing becomes before they have ended and it is settled again."""

    skipped: int
    undone: int
    waiting: int
    without: list[str]
    running: list[str]


class Changed(PlanError):
    """Somebody else has changed what is left out since it was read."""


def left_out(journal: Journal) -> LeftOut:
    """What is left out now."""
    with journal.read() as connection:
        return _read(connection)


def whole(journal: Journal) -> Plan:
    """The plan without rollbacks, as if nothing were left out."""
    plan = journal.plan(rollbacks=False)
    before = left_out(journal).args
    plan.steps = [replace(step, args=before[step.id]) if step.id in before else step for step in plan.steps]
    return plan


def settle(
    journal: Journal,
    before: LeftOut,
    things: Mapping[str, Any],
    part: Part,
    what: Event,
    detail: str,
    *,
    waits: Mapping[str, Collection[str]] = _NO_WAITS,
    kinds: Kinds = KINDS,
    idle: bool = False,
) -> Settled:
    """Leaves out `part`, for `things`, in place of what was left out `before`; the event `what`, with the `detail`,
    says so. What was begun of it gets undo steps, for a run with their purpose (`UNDO_LEFT`), in an order that `waits`
    says as for a rollback. What was left out and is no more waits again. Nothing of it happens when it raises.

    Raises `Changed` when other things are left out by now, `PlanError` when a step cannot be undone, or when one is
    running that undoes what is to be done again; with `idle` also when one of the part itself is running.
    """
    running = journal.is_running()
    with journal.write() as connection:
        # PostgreSQL lets writers go side by side: this keeps the executor from starting what is being left out
        connection.execute(select(schema.control.c.owner).with_for_update())
        if _read(connection) != before:
            raise Changed(f"{journal.name}: somebody else has left something out at this moment", hint="Look again.")
        settled = _Change(connection, before, part, running, waits, kinds).make(things, what, detail)
        if idle and settled.running:  # within the transaction: nothing of it stays
            raise PlanError(
                f"{journal.name}: {len(settled.running)} of the steps to be left out are running",
                detail="\n".join(shortened(settled.running, _NAMES)),
                hint="When they have ended, or were stopped (Ctrl-C twice where they run), give this again.",
            )
        return settled


class _Change:
    """One change of what is left out, within a transaction."""

    def __init__(
        self,
        connection: Connection,
        before: LeftOut,
        part: Part,
        running: bool,
        waits: Mapping[str, Collection[str]],
        kinds: Kinds,
    ) -> None:
        self._connection = connection
        self._before = before
        self._part = part
        self._waits = waits
        self._kinds = kinds
        self._rows = {row.n: row for row in connection.execute(select(_steps).order_by(_steps.c.n))}
        self._by_id = {row.id: row for row in self._rows.values()}
        # undo steps that have not ended, by what they undo
        self._pending = {
            row.undoes: row for row in self._rows.values() if row.undoes is not None and row.state not in OVER
        }
        alive = live_steps(connection)
        self._alive = {n for n, row in self._rows.items() if row.state == "running" and (running or n in alive)}

    def make(self, things: Mapping[str, Any], what: Event, detail: str) -> Settled:
        part, before = self._part, self._before
        # one that is skipped was skipped by hand before; one that is undone, or about to be, is rolled back
        going = [
            row
            for id in part.steps
            for row in [self._by_id[id]]
            if row.state not in ("skipped", "undone") and row.n not in self._pending
            if not (row.state == "done" and id in part.kept)
        ]
        running = [say(called(row)) for row in going if row.n in self._alive]
        going = [row for row in going if row.n not in self._alive]
        coming = [self._by_id[id] for id in sorted(before.steps - part.steps.keys())]
        coming = [row for row in coming if row.state == "skipped"]
        args, without = self._arguments()
        undo = [row for row in going if row.attempt and row.id not in part.kept]
        obsolete = [self._pending[row.n] for row in coming if row.n in self._pending]
        self._check_idle(obsolete)
        refuse_commits(undo, self._kinds)
        for row in going:
            self._set(row, state="skipped", result=None if row in undo else row.result, error=None)
        for row in coming:
            self._set(row, state="waiting", error=None)
        for row in obsolete:
            self._set(row, state="skipped")
        for id, value in args.items():
            self._set(self._by_id[id], args=to_json(value))
        self._undo(undo)
        self._record(going, coming, obsolete, undo, args)
        record_action(self._connection, what, detail)
        steps = (before.steps & part.steps.keys()) | {row.id for row in going}
        known = {id: before.args[id] if id in before.args else json.loads(self._by_id[id].args) for id in part.args}
        _write(self._connection, LeftOut(things, frozenset(steps), known))
        return Settled(len(going), len(undo), len(coming), without, running)

    def _arguments(self) -> tuple[dict[str, Any], list[str]]:
        """The arguments that are to be changed, by step; the steps that were done without what comes back."""
        found: dict[str, Any] = {}
        without = []
        for id in dict.fromkeys([*self._part.args, *self._before.args]):
            row = self._by_id[id]
            now = json.loads(row.args)
            wanted = self._part.args.get(id, self._before.args.get(id))
            if row.n in self._alive or (row.state == "done" and id in self._part.args):
                continue  # it is done with all of it, or was before
            if row.state == "done" and now != wanted:
                without.append(id)
            if now != wanted:
                found[id] = wanted
        return found, without

    def _check_idle(self, rows: Collection[Any]) -> None:
        if busy := [row for row in rows if row.n in self._alive]:
            raise PlanError(
                f"{len(busy)} of the steps that undo it {'is' if len(busy) == 1 else 'are'} running",
                detail="\n".join(shortened((named(row) for row in busy), _NAMES)),
                hint="Wait until they have ended, then give it again.",
            )

    def _set(self, row: Any, **values: Any) -> None:
        self._connection.execute(update(_steps).where(_steps.c.n == row.n).values(**values))

    def _undo(self, undone: Collection[Any]) -> None:
        """Adds the steps that undo these, the last first."""
        edges = [(row.after, row.before) for row in self._connection.execute(select(schema.edges))]
        befores: dict[int, list[int]] = {}
        for after, before in edges:
            befores.setdefault(after, []).append(before)
        earlier = Counter(row.undoes for row in self._rows.values())
        first = len(self._rows) + 1
        ordered = sorted(undone, key=lambda row: -row.n)
        number = {row.n: first + place for place, row in enumerate(ordered)}
        steps = [
            (undo_step(row, self._rows, self._kinds, befores.get(row.n, ()), earlier[row.n]), row.n) for row in ordered
        ]
        insert_steps(self._connection, first, [(replace(step, purpose=UNDO_LEFT), n) for step, n in steps])
        pending = {n: row.n for n, row in self._pending.items()}
        insert_edges(self._connection, undo_edges(edges, self._rows, pending, number, self._waits))

    def _record(
        self,
        going: Collection[Any],
        coming: Collection[Any],
        obsolete: Collection[Any],
        undone: Collection[Any],
        args: Mapping[str, Any],
    ) -> None:
        """The events by step: an executor that runs goes by them."""
        by_reason: dict[str, list[Any]] = {}
        for row in going:
            by_reason.setdefault(self._part.steps[row.id], []).append(row)
        events = [(Event.SKIPPED, reason, rows) for reason, rows in by_reason.items()]
        events += [
            (Event.SKIPPED, "what it undoes is not left out any more", list(obsolete)),
            (Event.RETRIED, "not left out any more", list(coming)),
            (Event.UNDONE, "left out", list(undone)),
            (Event.ARGUMENTS_CHANGED, "", [self._by_id[id] for id in args]),
        ]
        for what, detail, rows in events:
            for part in chunks(rows, CHUNK):
                record_action(self._connection, what, detail, [(row.n, row.attempt) for row in part])
        if undone:
            record_action(self._connection, Event.ROLLBACK_PLANNED, f"of what is left out: {len(undone)} steps")


def _read(connection: Connection) -> LeftOut:
    query = select(schema.notes.c.value).where(schema.notes.c.key == _NOTE)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        return LeftOut()
    raw = json.loads(found)
    return LeftOut(raw["things"], frozenset(raw["steps"]), raw["args"])


def _write(connection: Connection, left: LeftOut) -> None:
    value = to_json({"things": dict(left.things), "steps": sorted(left.steps), "args": dict(left.args)})
    known = connection.execute(schema.notes.update().where(schema.notes.c.key == _NOTE).values(value=value))
    if not known.rowcount:
        connection.execute(schema.notes.insert().values(key=_NOTE, value=value))
