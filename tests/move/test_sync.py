"""Rounds of copying ahead, without clouds."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from naru.cli.main import main
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.move import sync
from naru.move.draft import COPIES, POINTS
from naru.move.steps import points
from naru.move.work import DECISIONS, ROUNDS, Work
from naru.plan import schema
from naru.plan.context import Context
from naru.plan.journal import DATABASE, Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step
from naru.plan.queries import reading
from naru.plan.run import run
from naru.plan.status import FailedStep, Status, status

from .described import described
from .test_hold import prepared

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    told = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}, "decisions": []}
    plan = Plan(settings={"from": "old", "to": "new", "projects": ["p"]}, limits={COPIES: 1})
    plan.add(Step("content volume/v", sync.KIND, {"from": "v"}, limits=(COPIES,)))
    Journal.create(tmp_path, described(plan)).close()
    tmp_path.joinpath(DECISIONS).write_text(json.dumps({**told, "snapshots": {"old": 1, "new": 2}}))
    return Work(tmp_path)


def test_a_round_whose_making_was_killed_is_none(work: Work) -> None:
    plan = Plan(modules=["naru.move.steps"], limits={COPIES: 1})
    plan.add(Step("content volume/v", sync.KIND, limits=(COPIES,)))
    for number in (1, 2):
        Journal.create(work.directory / ROUNDS / str(number), plan).close()
    killed = work.directory / ROUNDS / "3"
    killed.mkdir()
    killed.joinpath(DATABASE).touch()
    assert sync.rounds(work) == [1, 2]
    with sync.next_round(work, []) as journal:  # 2 was begun and has not ended
        assert journal.directory == work.directory / ROUNDS / "2"
    Journal.create(killed, plan).close()
    assert sync.rounds(work) == [1, 2, 3]


def test_a_round_is_not_gone_on_with_when_something_of_it_was_cut_over(work: Work) -> None:
    """What its new server has written since would be copied over."""
    plan = Plan(modules=["naru.move.steps"], limits={COPIES: 1})
    plan.add(Step("content volume/v", sync.KIND, limits=(COPIES,)))
    Journal.create(work.directory / ROUNDS / "1", plan).close()
    with work.journal() as journal, journal.write() as connection:
        connection.execute(update(schema.steps).values(state="done"))
    with pytest.raises(InputError, match="nothing to copy ahead"):
        sync.next_round(work, [])


def test_what_failed_is_told_to_those_too_who_want_it_quiet(
    work: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(modules=["naru.move.steps"], limits={COPIES: 1})
    plan.add(Step("content volume/v", sync.KIND, limits=(COPIES,)))
    Journal.create(work.directory / ROUNDS / "1", plan).close()
    failed = [
        FailedStep(f"content volume/{n}", "", 5, "no room", "Disk quota exceeded", "Make room.") for n in range(13)
    ]

    def run(journal: Journal, *_: object, **__: object) -> Status:
        return status(journal)._replace(state="failed", failed=failed)

    monkeypatch.setattr("naru.move.sync.run", run)
    monkeypatch.setattr("naru.move.freshness.check", lambda *_, **__: None)
    assert main(["-q", "move", "sync", str(work.directory)]) == 1
    said = capsys.readouterr().err
    assert "naru: content volume/0: no room\nDisk quota exceeded\nMake room.\n" in said
    assert "volume/9" in said and "volume/10" not in said
    assert f"and 3 more; the next round goes on with it: naru move sync {work.directory}" in said


def test_a_table_fits_a_terminal_and_programs_get_everything(
    work: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = sync.Copied("shop", "v" * 36, "copy volume data", 1 << 30, 1, 5 << 20, 3 << 20, 0, True, 0, 2.5, "copy", "")
    monkeypatch.setattr("naru.move.sync.sync", lambda *_, **__: (0, [one]))
    assert main(["move", "sync", str(work.directory)]) == 0
    table = capsys.readouterr().out
    assert "copy volume data" in table and "3.0 MiB" in table and "vvv" not in table
    assert max(map(len, table.splitlines())) <= 120
    assert main(["move", "sync", str(work.directory), "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [one._asdict()]


def test_a_round_takes_all_points_first_and_no_copy_waits_for_its_own(tmp_path: Path) -> None:
    prepared(tmp_path / "work", tmp_path, place="nfs@old")
    work = Work(tmp_path / "work")
    with sync.next_round(work, []) as journal:
        plan = journal.plan()
    point, age, copy = plan.steps
    assert [step.kind for step in plan.steps] == ["move.content.point", "move.content.age", "move.content"]
    # the point and its copy go where the content goes, each with a bound of its own; who waits holds none
    assert [step.queue for step in plan.steps] == ["nfs@old", "", "nfs@old"]
    assert [step.limits for step in plan.steps] == [(POINTS,), (), (COPIES,)]
    assert plan.limits == {COPIES: 4, POINTS: 8}
    assert set(plan.edges) == {(point.id, age.id), (age.id, copy.id)}
    assert copy.id == "content volume/v" and copy.args["settled"] == {"$ref": age.id, "field": "point"}


def test_a_thousand_points_grow_old_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "SETTLE", 1.5)
    load(["naru.move.steps"])
    count = 1000
    plan = Plan(modules=["naru.move.steps"], limits={COPIES: 4, "default": 8})
    for number in range(count):
        plan.add(Step(f"age {number}", "move.content.age", {"point": f"p-{number}"}, limits=()))
        plan.add(Step(f"copy {number}", "noop", limits=(COPIES,)), after=[f"age {number}"])
    with Journal.create(tmp_path / "round", plan) as journal:
        began = time.monotonic()
        assert run(journal, Terminal(quiet=True)).state == "done"
        took = time.monotonic() - began
        assert 1.5 <= took < 60  # by four at a time: 375 s
        with reading(journal) as now:
            steps = {step.id: step for step in now.steps(result=True)}
    assert steps["age 7"].result == {"point": "p-7"}


def test_without_a_point_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "SETTLE", 3600.0)
    args = {"point": ""}
    context = Context(n=1, id="age", kind="k", unit="", args=args, attempt=1, earlier=None, reader=lambda _: {})
    assert asyncio.run(asyncio.wait_for(points.age(context), 60)) == {"point": ""}
