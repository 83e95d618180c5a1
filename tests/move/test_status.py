"""Where projects are, which servers are off and what is next: of the demo company's plan, put into one state after the
other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.move import purposes, status, work
from naru.move.rollback import start
from naru.plan import schema
from naru.plan.kinds import load
from naru.plan.queries import reading

from .readings import GOLDEN
from .test_golden import CASES, planned, sides

__all__ = ["sides"]
pytestmark = pytest.mark.unit


@pytest.fixture
def move(sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[work.Work]:
    """The demo's, of which nothing was begun."""
    monkeypatch.chdir(GOLDEN)  # where the files are that describe the storage
    draft = planned(sides, next(case for case in CASES if case.name == "demo"))
    draft.plan.findings = []
    draft.plan.settings = {"from": draft.old, "to": draft.new, "projects": sorted(draft.facts.projects)}
    load(draft.plan.modules)
    work.create(tmp_path / "work", draft, {"old": 1, "new": 2}, "")
    yield work.Work(tmp_path / "work")


def reach(move: work.Work, *gates: str) -> None:
    """Everything is done, but for what is behind these gates (the beginnings of their names)."""
    with move.journal() as journal:
        plan = journal.plan()
        number = {step.id: n for n, step in enumerate(plan.steps, 1)}
        left = {step.id for step in plan.steps if step.gate.startswith(gates)} if gates else set()
        grown = True
        while grown:
            more = {edge.after for edge in plan.edges if edge.before in left} - left
            left |= more
            grown = bool(more)
        over = [number[step.id] for step in plan.steps if step.id not in left]
        steps = schema.steps
        with journal.write() as connection:
            done = {"state": "done", "attempt": 1, "result": "{}", "started": 1000.0, "ended": 1001.0}
            connection.execute(update(steps).where(steps.c.n.in_(over)).values(done))


def at(move: work.Work) -> dict[str, str]:
    with move.journal() as journal:
        return {move.called[one.id]: one.at for one in status.projects(move, journal)}


def lines(move: work.Work) -> tuple[list[str], list[str]]:
    with move.journal() as journal:
        found = status.projects(move, journal)
    return list(status.off_lines(move, found)), status.next_commands(move, found)


def test_from_the_plan_to_the_end(move: work.Work) -> None:
    assert set(at(move).values()) == {"planned"}
    assert lines(move) == ([], [f"naru move prepare {move.directory}"])
    reach(move, "cutover ", "finalize ")
    assert set(at(move).values()) == {"prepared"}
    (told,) = lines(move)[1]
    assert told.endswith(f"naru move cutover {move.directory}")
    reach(move, "cutover hanok-lab", "finalize ")
    places = at(move)
    assert places.pop("hanok-lab") == "prepared" and set(places.values()) == {"cut over"}
    assert f"naru move cutover {move.directory} --project hanok-lab" in "\n".join(lines(move)[1])
    reach(move, "finalize ")
    assert set(at(move).values()) == {"cut over"} and lines(move)[0] == []
    assert lines(move)[1] == [f"naru move verify {move.directory}, then naru move finalize {move.directory}"]
    reach(move)
    assert set(at(move).values()) == {"finalized"} and lines(move) == ([], [])


def test_in_the_middle_of_a_window_and_of_a_rollback(move: work.Work) -> None:
    reach(move, "finalize ")
    steps = schema.steps
    with move.journal() as journal:
        with reading(journal) as now:
            starts = now.steps(purpose=purposes.START)
        owners = {item.id: move.called[item.project] for item in move.decisions if item.kind == "server"}
        mine = [step.n for step in starts if owners[step.about_id] == "hanok"]
        with journal.write() as connection:
            connection.execute(update(steps).where(steps.c.n.in_(mine)).values(state="waiting"))
    assert at(move)["hanok"] == "cutting over"
    off, commands = lines(move)
    (told,) = off
    # those that ran when the window began: of the others nobody misses anything
    assert told.startswith("hanok: 6 servers off on both clouds, the first since 1970-01-01") and len(mine) > 6
    assert f"naru move cutover {move.directory} --project hanok  (goes on with it)" in commands
    assert f"naru move rollback {move.directory} --project hanok  (back to the old servers)" in commands
    with move.journal() as journal:
        start(move, journal, [])
    assert set(at(move).values()) == {"rolling back"} and lines(move)[0] == off
    assert lines(move)[1] == [f"naru move rollback {move.directory}  (goes on with it)"]
    with move.journal() as journal, journal.write() as connection:
        connection.execute(update(steps).where(steps.c.undoes.is_not(None)).values(state="done"))
        connection.execute(update(steps).where(steps.c.undoes.is_(None)).values(state="undone"))
    assert set(at(move).values()) == {"rolled back"} and lines(move)[0] == []
    assert "planned anew" in lines(move)[1][0]
