"""The live picture of a move: the demo company's plan, put into one state after the other."""

import io
import json
import time
from typing import Any

from rich.console import Console
from sqlalchemy import update

from naru.cli.move_view import MoveView
from naru.move import purposes, work
from naru.plan import schema
from naru.plan.queries import reading
from naru.plan.status import status

from .test_golden import sides
from .test_status import move, pytestmark, reach

__all__ = ["move", "pytestmark", "sides"]


def drawn(move: work.Work) -> str:
    console = Console(record=True, width=160, file=io.StringIO())
    with move.journal() as journal:
        state = status(journal)._replace(commands="naru move")
        console.print(MoveView(move).draw(journal, state))
    return console.export_text()


def change(move: work.Work, step: str, **values: Any) -> None:
    with move.journal() as journal, journal.write() as connection:
        connection.execute(update(schema.steps).where(schema.steps.c.id == step).values(**values))


def test_projects_what_is_slow_and_what_failed_and_why(move: work.Work) -> None:
    assert all(name in drawn(move) for name in ("hanok ", "hanok-lab", "carpenters", "planned"))
    reach(move, "finalize ")
    with move.journal() as journal, reading(journal) as now:
        starts = now.steps(purpose=purposes.START)
    error = {"summary": "compute refused POST (409)", "detail": "no host is free", "hint": "add one", "kind": "x"}
    change(move, starts[0].id, state="failed", error=json.dumps(error))
    change(move, starts[1].id, state="running", started=time.time() - 1000, estimate=10.0)
    told = drawn(move)
    for said in ("cutting over", "1 failed", "no host is free", "compute refused POST (409)", "add one"):
        assert said in told
    assert any(text.startswith("new: ") for text in told.splitlines())  # below the bar
    assert "slow: about 10 s expected" in told and "off on both clouds" in told
    for step in starts[:2]:
        assert step.id not in told  # things have names


def test_a_round_of_copying_ahead_is_drawn_as_a_plan(move: work.Work) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    with move.journal() as journal:
        console.print(MoveView(move).draw(journal, status(journal)._replace(commands="", title="Round 1")))
    assert "Round 1" in console.export_text() and "hanok-lab" not in console.export_text()
