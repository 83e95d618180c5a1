"""Plans as rows of a journal's tables, and back."""

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from naru.messages import dump, load
from naru.plan import schema
from naru.plan.model import About, Finding, Plan, Step

CHUNK = 5000
"""How many rows one statement writes, and how many values one asks for."""

STEP_COLUMNS = [
    schema.steps.c[name]
    for name in (
        *("id", "kind", "args", "unit", "limits", "queue", "gate", "title", "estimate"),
        *("about_kind", "about_id", "about_name", "purpose"),
    )
]


def step_of(row: Any) -> Step:
    """A step from its STEP_COLUMNS."""
    id, kind, args, unit, limits, queue, gate, title, estimate, *about, purpose = row
    return Step(
        *(id, kind, json.loads(args), unit, tuple(json.loads(limits)), queue, gate, load(json.loads(title)), estimate),
        about=about_of(*about),
        purpose=purpose,
    )


def about_of(kind: str, id: str, name: str) -> About | None:
    """What a step is about, from its columns."""
    return About(kind, id, name) if kind else None


def insert_steps(connection: Connection, first: int, steps: Iterable[tuple[Step, int | None]]) -> None:
    """Adds steps, numbered from `first`; the second of each pair is the n of the step it undoes, or None."""
    nothing = About("", "")
    rows = (
        {
            "n": n,
            "id": step.id,
            "kind": step.kind,
            "args": to_json(step.args),
            "unit": step.unit,
            "about_kind": (about := step.about or nothing).kind,
            "about_id": about.id,
            "about_name": about.name,
            "purpose": step.purpose,
            "limits": to_json(step.limits),
            "queue": step.queue,
            "gate": step.gate,
            "title": to_json(dump(step.title)),
            "estimate": step.estimate,
            "undoes": undoes,
        }
        for n, (step, undoes) in enumerate(steps, first)
    )
    for part in chunks(rows, CHUNK):
        connection.execute(schema.steps.insert(), part)


def finding_of(row: dict[str, Any]) -> Finding:
    """A finding from its JSON; see `dump_finding`."""
    return Finding(**{name: load(value) for name, value in row.items()})


def insert_edges(connection: Connection, edges: Iterable[tuple[int, int]]) -> None:
    """Adds edges as pairs of (after, before), each pair once."""
    rows = ({"after": after, "before": before} for after, before in edges)
    for part in chunks(rows, CHUNK):
        connection.execute(schema.edges.insert(), part)


def insert_plan(connection: Connection, plan: Plan, plan_id: str = "") -> None:
    """Writes a plan into the tables of a new journal; with an id of its own, unless one is given."""
    connection.execute(
        schema.setup.insert().values(
            plan_id=plan_id or str(uuid.uuid4()),
            title=to_json(dump(plan.title)),
            modules=to_json(plan.modules),
            settings=to_json(plan.settings),
            findings=to_json([dump_finding(finding) for finding in plan.findings]),
            created=time.time(),
            made_with=schema.VERSION,
        )
    )
    connection.execute(schema.control.insert().values(id=1, mode="run", revision=0, owner=0))
    insert_steps(connection, 1, ((step, None) for step in plan.steps))
    number = {step.id: n for n, step in enumerate(plan.steps, 1)}
    insert_edges(connection, sorted({(number[after], number[before]) for before, after in plan.edges}))
    for part in chunks(({"name": name, "value": value} for name, value in plan.limits.items()), CHUNK):
        connection.execute(schema.limits.insert(), part)
    for part in chunks(({"name": name, "held": True} for name in plan.gates), CHUNK):
        connection.execute(schema.gates.insert(), part)


def dump_finding(finding: Finding) -> dict[str, Any]:
    """A finding as JSON; its fields, texts as `naru.messages.dump` writes them."""
    return {name: dump(getattr(finding, name)) for name in Finding.__dataclass_fields__}


def to_json(value: Any) -> str:
    """JSON as the journal keeps it: compact, keys sorted. Raises TypeError for what is not JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The rows in lists of at most `size`, none empty."""
    iterator = iter(rows)
    while part := list(islice(iterator, size)):
        yield part


def pairs(rows: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """The first two columns of the rows."""
    return ((row[0], row[1]) for row in rows)
