"""The operator's actions on a plan, whether an executor runs it at the moment or not: all through the journal."""

import json
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, select, update

from naru.plan import schema
from naru.plan.errors import PlanInputError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds
from naru.plan.model import UNDO_LEFT
from naru.plan.plan_rows import CHUNK, chunks, to_json
from naru.plan.queries import reading

_steps = schema.steps


def pause(journal: Journal) -> None:
    """Running steps finish, no further ones start."""
    _set_mode(journal, "paused")


def cancel(journal: Journal) -> None:
    """Running steps are asked to stop and go back to waiting, no further ones start; the run ends."""
    _set_mode(journal, "cancelled")


def resume(journal: Journal) -> None:
    """Ends a pause or a cancel. It starts no executor."""
    _set_mode(journal, "run")


def hold(journal: Journal, gate: str) -> list[str]:
    """Holds the gates of this name or pattern (`cutover/*`): steps behind them do not start. Returns their names."""
    return _set_gates(journal, gate, held=True)


def release(journal: Journal, gate: str) -> list[str]:
    """Opens the gates of this name or pattern. Returns their names."""
    return _set_gates(journal, gate, held=False)


def open_for_run(journal: Journal, gate: str) -> None:
    """Opens a gate for the run that is under way and for no other: it is closed again when that ends, however it ends.
    Raises PlanInputError for one that is not in the plan."""
    with journal.write() as connection:
        run = connection.execute(select(schema.control.c.owner)).scalar_one()
        change = update(schema.gates).where(schema.gates.c.name == gate)
        if not connection.execute(change.values(run=run)).rowcount:
            raise PlanInputError(f"{journal.name}: no gate {gate}")
        record_action(connection, Event.GATE_OPENED, f"{gate}, for run {run}")


def limit(journal: Journal, group: str, value: int) -> None:
    """Changes how many steps of a limit group run at once; 0 lets none start. Running steps are left alone."""
    if value < 0:
        raise PlanInputError(f"limit {group}: {value} is negative")
    with journal.write() as connection:
        change = update(schema.limits).where(schema.limits.c.name == group).values(value=value)
        if not connection.execute(change).rowcount:
            known = connection.execute(select(schema.limits.c.name).order_by(schema.limits.c.name)).scalars()
            raise PlanInputError(f"{journal.name}: no limit group {group}", detail="groups: " + ", ".join(known))
        record_action(connection, Event.LIMIT, f"{group} {value}")


def retry(
    journal: Journal,
    *,
    steps: Sequence[str] = (),
    unit: str | None = None,
    args: dict[str, Any] | None = None,
    kinds: Kinds = KINDS,
) -> list[str]:
    """Lets steps run again: failed, skipped and undone ones, those named or all failed and undone ones of a unit.

    `args` replaces arguments of the one step named. Returns the ids. Raises `PlanInputError` for arguments that its
    kind does not take, if that is registered.
    """
    if args is not None and len(steps) != 1:
        raise PlanInputError("arguments can be changed for one step at a time")

    def change(connection: Connection, row: Any) -> dict[str, Any]:
        values: dict[str, Any] = {"state": "waiting", "error": None}
        if args is not None:
            changed = json.loads(row.args) | args
            # an undo step has arguments of its own making, in which those of the step stand
            known = row.undoes is None and kinds.renamed.get(row.kind, row.kind) in kinds.by_name
            if known and (problems := kinds.problems(row.kind, changed)):
                raise PlanInputError(f"step {row.id} cannot have these arguments", detail="\n".join(problems))
            values["args"] = to_json(changed)
        return values

    # a skipped step of a unit was skipped with a reason: to run it after all it has to be named
    states = ("failed", "skipped", "undone") if steps else ("failed", "undone")
    return _change(journal, steps, unit, states, Event.RETRIED, "" if args is None else to_json(args), change)


def retry_failed(journal: Journal) -> list[str]:
    """Lets every step run again that failed, also of a rollback; their ids. Raises `PlanInputError` when none has."""
    failed = retry_any_failed(journal)
    if not failed:
        raise PlanInputError(f"{journal.name}: no step has failed")
    return failed


def retry_any_failed(journal: Journal) -> list[str]:
    """The same for a command that is given again, whether a step has failed or not."""
    with reading(journal) as now:
        failed = [step.id for step in now.steps(states=["failed"], rollbacks=True)]
    return retry(journal, steps=failed) if failed else []


def skip(journal: Journal, reason: str, *, steps: Sequence[str] = (), unit: str | None = None) -> list[str]:
    """Takes steps as done without running them: waiting, held and failed ones, those named or all of a unit.

    What waits for them goes on. A rollback's step that is skipped leaves the step that it was to undo as undone: a
    rollback that is begun again does not come back to it. Returns the ids.
    """
    if not reason.strip():
        raise PlanInputError("a skip needs a reason: it is what the next reader of the journal will ask for")
    return _change(
        journal, steps, unit, ("waiting", "held", "failed"), Event.SKIPPED, reason, lambda *_: {"state": "skipped"}
    )


def remark(journal: Journal, detail: str) -> None:
    """Records what an operator has decided, and why, as an event of the plan."""
    with journal.write() as connection:
        record_action(connection, Event.REMARK, detail)


def record_action(connection: Connection, what: Event, detail: str, steps: Sequence[tuple[int, int]] = ()) -> None:
    """Records an operator's action as events, one for each (n, attempt) or one for the plan, and wakes the executor."""
    now = time.time()
    rows: list[dict[str, Any]] = [
        {"at": now, "step": n, "attempt": attempt, "what": what.value, "detail": detail} for n, attempt in steps
    ]
    connection.execute(
        schema.events.insert(),
        rows or [{"at": now, "step": None, "attempt": None, "what": what.value, "detail": detail}],
    )
    connection.execute(update(schema.control).values(revision=schema.control.c.revision + 1))


def _set_mode(journal: Journal, mode: str) -> None:
    with journal.write() as connection:
        connection.execute(update(schema.control).values(mode=mode))
        record_action(connection, Event.RESUMED if mode == "run" else Event(mode), "")


def _set_gates(journal: Journal, pattern: str, *, held: bool) -> list[str]:
    with journal.write() as connection:
        known = connection.execute(select(schema.gates.c.name).order_by(schema.gates.c.name)).scalars().all()
        names = [name for name in known if fnmatchcase(name, pattern)]
        if not names:
            raise PlanInputError(f"{journal.name}: no gate {pattern}", detail="gates: " + (", ".join(known) or "none"))
        connection.execute(update(schema.gates).where(schema.gates.c.name.in_(names)).values(held=held, run=None))
        record_action(connection, Event.GATE_HELD if held else Event.GATE_RELEASED, ", ".join(names))
    return names


def _change(
    journal: Journal,
    steps: Sequence[str],
    unit: str | None,
    states: Sequence[str],
    what: Event,
    detail: str,
    change: Callable[[Connection, Any], dict[str, Any]],
) -> list[str]:
    """Changes the chosen steps that are in one of `states`; a step named that is in another one is an error."""
    if bool(steps) == (unit is not None):
        raise PlanInputError("name either steps or one unit")
    with journal.write() as connection:
        query = select(
            *(_steps.c[name] for name in ("n", "id", "kind", "undoes", "purpose", "state", "attempt", "args"))
        ).order_by(_steps.c.n)
        if unit is not None:
            rows = connection.execute(query.where(_steps.c.unit == unit)).all()
            if not rows:
                raise PlanInputError(f"{journal.name}: no unit {unit}")
            rows = [row for row in rows if row.state in states]
        else:
            rows = [
                row
                for part in chunks(steps, CHUNK)
                for row in connection.execute(query.where(_steps.c.id.in_(part))).all()
            ]
            unknown = sorted(set(steps) - {row.id for row in rows})
            if unknown:
                raise PlanInputError(f"{journal.name}: no step {', '.join(unknown)}")
            wrong = [f"{row.id} is {row.state}" for row in rows if row.state not in states]
            if wrong:
                raise PlanInputError(
                    f"only steps that are {' or '.join(states)} can be {what}", detail="\n".join(wrong)
                )
        for row in rows:
            connection.execute(update(_steps).where(_steps.c.n == row.n).values(change(connection, row)))
            if what == Event.SKIPPED and row.undoes is not None and row.purpose != UNDO_LEFT:
                undone = update(_steps).where(_steps.c.n == row.undoes)
                connection.execute(undone.values(state="undone", result=None))
        if rows:
            record_action(connection, what, detail, [(row.n, row.attempt) for row in rows])
    return [row.id for row in rows]
