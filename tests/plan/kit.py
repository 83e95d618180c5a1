"""Step kinds whose effects are seen outside the journal, and the plans and helpers the tests share.

A thing is a file `<step id>.<random>`: like an OpenStack resource it may be there twice, and then both are seen.
"""

import asyncio
import random
import time
import uuid
from pathlib import Path

from pydantic import ConfigDict
from sqlalchemy import select

from naru.plan import schema
from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds, load, step
from naru.plan.model import Plan, Step

load([])


def things(directory: Path, unit: str, id: str) -> list[Path]:
    return sorted((directory / unit).glob(f"{id}.*"))


def _nap(context: Context) -> float:
    return random.random() * context.args.get("nap", 0.0)


class Free(Arguments):
    """Whatever a test gives."""

    model_config = ConfigDict(extra="allow")


def _find_or_make(context: Context) -> dict[str, str]:
    directory = Path(context.args["directory"])
    for id, result in context.results().items():
        assert Path(result["path"]).exists(), f"{context.id} began before {id} was there"
    found = things(directory, context.unit, context.id)
    if not found:
        found = [directory / context.unit / f"{context.id}.{uuid.uuid4().hex}"]
        found[0].touch(exist_ok=False)
    return {"path": str(found[0])}


@step("thing", args=Free, undo="thing.undo", verify=lambda c: len(things(Path(c.args["directory"]), c.unit, c.id)) == 1)
def thing(context: Context) -> dict[str, str]:
    time.sleep(_nap(context))
    result = _find_or_make(context)
    context.log(f"touch {result['path']}")
    time.sleep(_nap(context))
    return result


@step("thing.async", args=Free, undo="thing.undo")
async def thing_async(context: Context) -> dict[str, str]:
    await asyncio.sleep(_nap(context))
    result = _find_or_make(context)
    await asyncio.sleep(_nap(context))
    return result


@step("thing.undo", args=Free, no_undo="it is an undo itself")
def thing_undo(context: Context) -> None:
    args = context.undone.args
    directory = Path(args["directory"])
    unit = context.unit
    time.sleep(random.random() * args.get("undo_nap", 0.0))
    for follower_unit, follower in args["followers"]:
        assert not things(directory, follower_unit, follower), f"{context.id} began before {follower} was gone"
    for path in things(directory, unit, context.args["step"]):
        path.unlink()


def things_plan(
    directory: Path, units: int, each: int, *, nap: float = 0.0, undo_nap: float = 0.0, place: str = "", limit: int = 4
) -> Plan:
    """Chains within units, edges across them, four limit groups, sync and async steps by turns."""
    plan = Plan(title="Things", limits={f"group-{i}": limit for i in range(4)})
    edges = []
    for u in range(units):
        (directory / f"unit-{u}").mkdir(parents=True, exist_ok=True)
        for s in range(each):
            if s % 3:
                edges.append((f"u{u}-s{s - 1}-", f"u{u}-s{s}-"))
            elif s:
                edges.append((f"u{u}-s{s - 3}-", f"u{u}-s{s}-"))
            if u and s % 10 == 5:
                edges.append((f"u{u - 1}-s{s - 1}-", f"u{u}-s{s}-"))
    followers: dict[str, list[tuple[str, str]]] = {}
    for before, after in edges:
        followers.setdefault(before, []).append((f"unit-{after[1 : after.index('-')]}", after))
    for u in range(units):
        for s in range(each):
            id = f"u{u}-s{s}-"
            args = {
                "directory": str(directory),
                "nap": nap,
                "undo_nap": undo_nap,
                "followers": followers.get(id, []),
            }
            placed = place if s % 2 else ""
            kind = "thing.async" if s % 5 == 0 else "thing"
            plan.add(
                Step(
                    id, kind, args, unit=f"unit-{u}", limits=(f"group-{(u + s) % 4}",), queue=placed, title=f"Thing {s}"
                )
            )
    for before, after in edges:
        plan.order(before, after)
    return plan


def all_things(directory: Path) -> list[str]:
    """The ids of all things there are, each as often as it is there."""
    return sorted(path.name.rsplit(".", 1)[0] for path in directory.glob("*/*"))


def run(where: str | Path, kinds: Kinds = KINDS, **options: bool) -> RunOutcome:
    """Runs a journal's plan to the end of what can be run."""
    with Journal.open(where) as journal:
        return Executor(journal, kinds, **options).run()


def states(journal: Journal) -> dict[str, str]:
    with journal.read() as connection:
        return {row.id: row.state for row in connection.execute(select(schema.steps.c.id, schema.steps.c.state))}


def events(journal: Journal, id: str | None = None) -> list[str]:
    """What happened, of one step or of the plan itself, oldest first."""
    table = schema.events
    n = None if id is None else journal.numbers([id])[id]
    with journal.read() as connection:
        query = select(table.c.what).where(table.c.step.is_(None) if n is None else table.c.step == n)
        return list(connection.execute(query.order_by(table.c.id)).scalars())
