"""When no more are started, and limits that change meanwhile. What is measured is told; the executor is real."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import Plan, Step
from naru.plan.queries import reading
from naru.site import site as sites
from naru.upgrade.agents import load
from naru.upgrade.agents.law import LIMITS, Load
from naru.upgrade.agents.starting import LeftAlone
from naru.upgrade.window.window import LOAD, NEW, START

from ..plan import kit
from .test_overrun import until

pytestmark = pytest.mark.unit


parts: list[bool] = []
"""Of which site the measures were: as it will be, or as it is."""


class Terminal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    warn = say

    def watching(self, journal: Journal) -> Any:
        return nullcontext()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Load:
    """What is measured, at each look the same."""
    found = Load(threads=1)
    monkeypatch.setattr(load, "PAUSE", 0.02)
    monkeypatch.setattr(load.sites, "load", lambda *_, next_part: parts.append(next_part))
    parts.clear()
    monkeypatch.setattr(load, "Fleet", lambda site: nullcontext(type("Fleet", (), {"site": None})))
    monkeypatch.setattr(load, "Latency", lambda fleet: type("Latency", (), {"close": lambda self: None})())
    monkeypatch.setattr(load, "measure", lambda *_: (found, []))
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Callable[..., tuple[Journal, Kinds]]]:
    """A plan whose steps fail when their number says so."""
    kinds = Kinds()

    def make(number: int, fail: Callable[[int], bool], error: type[Exception] = RuntimeError) -> tuple[Journal, Kinds]:
        @kinds.step("t", args=kit.Free, no_undo="a test's")
        def t(context: Any) -> None:
            time.sleep(0.1)
            if fail(context.n):
                raise error("it does not come back")

        steps = [Step(str(n), "t", unit=NEW, limits=(LOAD,), purpose=START) for n in range(1, number + 1)]
        return Journal.create(tmp_path, Plan(steps=steps, limits={LOAD: 0})), kinds

    yield make


def states(journal: Journal) -> dict[str, int]:
    with reading(journal) as now:
        return {state: len(now.steps(states=[state])) for state in ("done", "failed", "waiting")}


def test_no_more_are_started_once_more_have_failed_than_may(
    tmp_path: Path, now: Load, plan: Callable[..., tuple[Journal, Kinds]]
) -> None:
    journal, kinds = plan(40, lambda n: n % 2 == 0)
    with journal:
        journal.remember(load.KEY, {"failures": 2})
        terminal = Terminal()
        governor = load.Governor(tmp_path, tmp_path / "site.yaml", terminal)
        with governor.looking():
            executor = Executor(journal, kinds, wait_for_limits=lambda: not governor.spent)
            assert executor.run() is RunOutcome.FAILED
        found = states(journal)
        assert governor.spent and 3 <= found["failed"] < 20 and found["waiting"] >= 10, found
        assert "and 2 may: no more are started" in terminal.lines[-1] and parts == [True]


def test_what_was_left_alone_for_the_sake_of_another_is_no_failure_of_its_own(
    tmp_path: Path, now: Load, plan: Callable[..., tuple[Journal, Kinds]]
) -> None:
    journal, kinds = plan(9, lambda n: n > 1, LeftAlone)
    with journal:
        journal.remember(load.KEY, {"failures": 0})
        governor = load.Governor(tmp_path, tmp_path / "site.yaml", Terminal())
        with governor.looking():
            assert Executor(journal, kinds, wait_for_limits=lambda: not governor.spent).run() is RunOutcome.FAILED
        assert not governor.spent and states(journal) == {"done": 1, "failed": 8, "waiting": 0}


def test_limits_that_are_given_count_and_the_others_are_the_usual_ones(
    tmp_path: Path, now: Load, plan: Callable[..., tuple[Journal, Kinds]]
) -> None:
    journal, kinds = plan(3, lambda n: False)
    with journal:
        assert load.limits(journal) == {**LIMITS._asdict(), "failures": load.FAILURES}
        journal.remember(load.KEY, {"threads": 0.5})  # fewer than there are
        terminal = Terminal()
        governor = load.Governor(tmp_path, tmp_path / "site.yaml", terminal)
        with governor.looking():
            time.sleep(0.3)
            assert states(journal)["waiting"] == 3 and "red: threads 1 of 0.5" in terminal.lines[0]
            journal.remember(load.KEY, {"threads": 64})
            executor = Executor(journal, kinds, wait_for_limits=True)
            assert executor.run() is RunOutcome.DONE
        assert states(journal)["done"] == 3


def test_after_the_way_back_what_runs_again_is_measured(
    tmp_path: Path, now: Load, plan: Callable[..., tuple[Journal, Kinds]], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = plan(1, lambda n: False)
    monkeypatch.setattr(load, "run", lambda *_, **__: until(lambda: bool(parts)))
    with journal:
        load.governed(journal, tmp_path, tmp_path / "site.yaml", Terminal(), {}, next_part=False)
    assert parts == [False]


def test_a_queue_that_was_left_on_the_way_back_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def anywhere(_: Any, __: Any, queue: Any, ___: Any) -> tuple[float, float, float]:
        asked.append(queue.port)
        return 1.0, 2.0, 3.0

    monkeypatch.setattr(load.rabbitmq, "anywhere", anywhere)
    queue = {"name": "main"}
    content = {
        "naru_site": 1,
        "name": "seoul",
        "release": "pike",
        "hosts": [{"name": "q[1:2]", "address": "10.0.0.[1:2]"}],
        "queues": [{**queue, "hosts": ["q1"]}],
        "next": {"queues": [{**queue, "hosts": ["q2"], "port": 5673}]},
    }
    for next_part, ports in ((True, [5673, 5672]), (False, [5672])):
        asked.clear()
        found = load._messages(sites.parse(content, Path("site.yaml"), next_part=next_part), None)  # type: ignore[arg-type]
        assert asked == ports and found == [one * len(ports) for one in (1.0, 2.0, 3.0)]
