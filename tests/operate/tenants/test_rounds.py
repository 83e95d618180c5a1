"""Applies one after the other, taken back one after the other, in orders that nobody has foreseen."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError
from naru.operate.tenants import phases
from naru.plan import rollback
from naru.plan.errors import PlanError
from naru.plan.executor import Executor
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step
from naru.work.directory import Rounds

pytestmark = pytest.mark.unit

load(["naru.plan.builtin"])


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    """Two applies that were done."""
    work = phases._work(tmp_path / "work")
    work.prepare()
    work.own()
    found = work.rounds(phases.ROUNDS)
    for number in (1, 2):
        plan = Plan(steps=[Step("one", "noop")], settings={"cloud": "seoul"})
        with found.begin(number, plan) as journal:
            Executor(journal).run()
    return found


def taken_back(rounds: Rounds, number: int, *, whole: bool) -> None:
    with Journal.open(rounds.path(number)) as journal:
        rollback.start(journal)
        if whole:
            Executor(journal).run()


def test_nothing_is_applied_while_any_earlier_apply_is_being_taken_back(rounds: Rounds, tmp_path: Path) -> None:
    file, terminal = tmp_path / "tenants.yaml", None
    file.write_text("naru_tenants: 1\n")

    def apply() -> Any:
        return phases.ready(file, "nowhere", tmp_path / "work", terminal, print)  # type: ignore[arg-type]

    taken_back(rounds, 2, whole=True)
    taken_back(rounds, 1, whole=False)
    with pytest.raises(InputError, match="a rollback is not at its end"):
        apply()


def test_what_another_terminal_applies_is_not_taken_back_under_it(rounds: Rounds, tmp_path: Path) -> None:
    with Journal.open(rounds.path(2)) as journal, journal.exclusive(), pytest.raises((PlanError, InputError)):
        phases.roll_back(tmp_path / "work", None)  # type: ignore[arg-type]
    with Journal.open(rounds.path(2)) as journal:
        assert not phases._rolling_back(journal)
