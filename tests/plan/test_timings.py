"""Where the time went: from journals written by hand, so that the numbers are known."""

from pathlib import Path

import pytest

from naru.plan import schema, timings
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import Plan, Step

from . import kit

pytestmark = pytest.mark.unit


def rehearsal(work: Path, seconds: dict[str, float], wall: float) -> timings.Timings:
    plan = Plan(steps=[Step(id, "copy" if id in "ab" else "start", unit=f"u{id}") for id in "abcd"])
    for before, after in (("a", "b"), ("b", "d"), ("c", "d")):
        plan.order(before, after)
    with Journal.create(work, plan) as journal:
        with journal.write() as connection:
            for id, took in seconds.items():
                values = {"state": "done", "attempt": 1, "started": 1000.0, "ended": 1000.0 + took}
                connection.execute(schema.steps.update().where(schema.steps.c.id == id).values(values))
            for n in (1, 2):
                row = {"id": n, "host": "h", "pid": 1, "started": n * 100.0, "seen": n * 100.0 + wall / 2}
                connection.execute(schema.runs.insert().values(row))
            connection.execute(schema.progress.insert().values(step=1, done=4096, total=4096, unit="bytes", at=0))
        return timings.of(journal)


def test_wall_cumulative_critical_path_and_lines(tmp_path: Path) -> None:
    run = rehearsal(tmp_path / "1", {"a": 10, "b": 5, "c": 14, "d": 2}, wall=30)
    assert (run.wall, run.cumulative, run.critical_path) == (30, 31, 17)
    assert run.chain == ["a", "b", "d"]
    lines = run.by(lambda step: step.kind)
    assert lines[0] == timings.Line("start", 2, 16, 8, 14, 14, 0)
    assert lines[1] == timings.Line("copy", 2, 15, 7.5, 10, 10, 4096)


def test_nothing_done_takes_no_time(tmp_path: Path) -> None:
    run = rehearsal(tmp_path / "1", {}, wall=0)
    assert (run.cumulative, run.critical_path, run.chain, run.by(lambda step: step.unit)) == (0, 0, [], [])


def test_rehearsals_side_by_side(tmp_path: Path) -> None:
    runs = [
        rehearsal(tmp_path / str(n), {"a": 10.0 * n, "b": 1} | ({"c": 3} if n == 2 else {}), wall=n) for n in (1, 2, 4)
    ]
    rows = timings.compare(runs, lambda step: step.id)
    assert rows == [
        timings.Compared("a", [10, 20, 40], 20, 40),
        timings.Compared("c", [None, 3, None], 3, 3),
        timings.Compared("b", [1, 1, 1], 1, 1),
    ]
    assert timings.compare_whole(runs)[0] == timings.Compared("wall clock", [1, 2, 4], 2, 4)


def test_p95_is_a_value_that_was_there() -> None:
    assert timings.p95([float(n) for n in range(1, 101)]) == 95
    assert timings.p95([3.0]) == 3.0


def test_estimates_come_from_rehearsals_before_plan_before_kind(tmp_path: Path) -> None:
    kinds = Kinds()
    kinds.step("copy", args=kit.Free, no_undo="a test's", estimate=lambda args: args["gib"] * 10.0)(
        lambda context: None
    )
    runs = [rehearsal(tmp_path / str(n), {"a": float(n)}, wall=1) for n in (4, 5, 9)]
    plan = Plan(
        steps=[
            Step("a", "copy", {"gib": 1}, estimate=77),
            Step("b", "copy", {"gib": 2}, estimate=88),
            Step("x", "copy", {"gib": 3}),
            Step("y", "other"),
        ]
    )
    assert [step.estimate for step in timings.with_estimates(plan, kinds, runs).steps] == [5, 88, 30, 0]
