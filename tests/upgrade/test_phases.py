"""Commands in an order that nobody has foreseen, and in two terminals at once: what the journal has after it. The plan
is a real one, of which nothing is run."""

import json
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from naru.errors import InputError
from naru.plan import control, rollback, schema
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step
from naru.plan.queries import reading
from naru.plan.status import Status, status
from naru.upgrade import gates, phases, planner, rehearsal
from naru.upgrade.back import settle
from naru.upgrade.back.quiet import QUIET
from naru.upgrade.freeze import freeze
from naru.upgrade.rehearsal import Rehearsed
from naru.upgrade.window import overrun, window
from naru.upgrade.window.hops import CHECK, SYNC
from naru.upgrade.work import Work

from .test_freeze import site as frozen_site
from .test_freeze import states
from .test_overrun import Said
from .test_plan import site
from .test_report import BEGAN, done, planned
from .test_report import upgrade as upgrade

pytestmark = pytest.mark.unit

load(planner.MODULES)


class Terminal(Said):
    def watching(self, journal: Journal) -> Any:
        return nullcontext()


@pytest.fixture(autouse=True)
def claims(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done with the cloud's claim."""
    found: list[str] = []
    monkeypatch.setattr(phases.claim, "take", lambda *_: found.append("taken"))
    monkeypatch.setattr(phases.claim, "give_up", lambda *_: found.append("given up") or ())
    return found


@pytest.mark.parametrize("stop", [control.pause, control.cancel])
def test_a_way_back_begins_however_the_window_was_stopped(
    upgrade: Work, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    modes = []

    def run(journal: Journal, *_: Any, undoing: bool) -> Status:
        assert undoing
        modes.append(status(journal).mode)
        return status(journal)

    monkeypatch.setattr(phases, "run", run)
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, 0, 10)
        stop(journal)
    phases.back(upgrade, Terminal())
    assert modes == ["run"]
    with upgrade.journal() as journal:
        stop(journal)  # from then on it is the operator's
    phases.back(upgrade, Terminal())
    assert modes[1] in ("paused", "cancelled")


def test_a_second_terminal_does_not_end_the_pause_of_the_first(upgrade: Work, claims: list[str]) -> None:
    with upgrade.journal() as journal, upgrade.journal() as other:
        prepared(other)
        other.remember(overrun.PAUSED, True)
        control.pause(other)
        with other.exclusive(), pytest.raises(PlanError, match="another executor"):
            phases.window(upgrade, Terminal(), lambda _: True, go_on="why not")
        assert status(journal).mode == "paused" and journal.recall(overrun.PAUSED)
        assert not journal.recall(overrun.WENT_ON) and not claims


def test_who_says_yes_when_another_terminal_has_gone_back_goes_nowhere(
    upgrade: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overrun, "look", lambda *_: overrun.Forecast(0.0, 0.0, time.time(), False))
    monkeypatch.setattr(phases, "run", lambda *_, **__: pytest.fail("it went on"))
    with upgrade.journal() as journal:
        prepared(journal)
        done(journal, window.STOP_API, 0, 10)

    def ask(_: str) -> bool:
        with upgrade.journal() as other:
            rollback.start(other, units=[window.CLOUD, window.NEW], waits=window.WAITS)
        return True

    with pytest.raises(InputError, match="it was rolled back"):
        phases.window(upgrade, Terminal(), ask)


def test_what_was_skipped_ahead_is_no_beginning_of_the_window(upgrade: Work) -> None:
    with upgrade.journal() as journal:
        assert not gates.has_begun(journal)
        control.skip(journal, "its host is gone", unit=window.OLD)
        assert not gates.has_begun(journal)
        done(journal, window.STOP_API, 0, 10)
        assert gates.has_begun(journal)


def test_a_cloud_is_nobody_elses_while_a_gate_may_be_closed(upgrade: Work, claims: list[str]) -> None:
    freeze.give_up(upgrade, Terminal())
    assert claims == ["given up"]
    made = freeze.plan(frozen_site(), (), 1, (), states("nova", "glance", "heat"))
    with upgrade.freezes.begin(1, made) as journal:
        freeze.give_up(upgrade, Terminal())  # nothing of it has begun
        done(journal, freeze.CLOSE, 0, 1, "failed")
        freeze.give_up(upgrade, Terminal())
        done(journal, freeze.CLOSE, 0, 1)
        journal.remember(freeze.FROZEN, BEGAN)
        rollback.start(journal)  # a thaw that has not come to its end
        assert freeze.when_frozen(upgrade) is None
        freeze.give_up(upgrade, Terminal())
        assert claims == ["given up"] * 2
        done(journal, freeze.CLOSE, 0, 1, "undone")
        freeze.give_up(upgrade, Terminal())
        assert claims == ["given up"] * 3


def prepared(journal: Journal) -> None:
    """All that is done ahead is done."""
    with reading(journal) as now:
        ahead = [step.id for step in now.steps() if step.unit not in (*window.UNITS, window.AHEAD)]
    control.skip(journal, "a test's", steps=ahead)


def test_compute_hosts_that_were_not_reached_in_the_window_are_told_after_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    for of in (content, content["next"]):
        (nova,) = (one for one in of["services"] if one["name"] == "nova-compute")
        nova["config"] = [f"/etc/{'nova' if of is content else 'next'}/nova.conf"]
    upgrade, terminal = planned(tmp_path, services=content["services"], next=content["next"]), Terminal()
    monkeypatch.setattr(phases, "run", lambda journal, *_, **__: status(journal))
    with upgrade.journal() as journal, reading(journal) as now:
        assert len(now.steps(purpose=QUIET)) == 2
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, 0, 10)
    phases.back(upgrade, terminal)
    assert terminal.lines == []
    with upgrade.journal() as journal:
        done(journal, SYNC, 10, 20)
    phases.back(upgrade, terminal)
    (line,) = terminal.lines
    assert line.startswith("nova-compute on c1, c2 was not told to leave guests as they are")


def test_of_compute_services_that_were_told_those_leave_guests_alone_that_have_the_lines_and_were_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    content["hosts"].append({"name": "c3", "address": "192.0.2.33"})
    for of in (content, content["next"]):
        (nova,) = (one for one in of["services"] if one["name"] == "nova-compute")
        nova["config"] = [f"/etc/{'nova' if of is content else 'next'}/nova.conf"]
        nova["hosts"] = ["c1", "c2", "c3"]
    more = {name: content[name] for name in ("hosts", "services", "next")}
    upgrade, terminal = planned(tmp_path, **more), Terminal()

    def undone(journal: Journal, *_: Any, **__: Any) -> Status:
        """All that is to be undone is; as the executor does it, what steps have found is gone then."""
        steps = schema.steps
        with journal.write() as connection:
            undoes = select(steps.c.undoes).where(steps.c.undoes.is_not(None))
            values = {"state": "undone", "result": None}
            connection.execute(update(steps).where(steps.c.n.in_(undoes.scalar_subquery())).values(values))
            connection.execute(update(steps).where(steps.c.undoes.is_not(None)).values(state="done", attempt=1))
        return status(journal)

    monkeypatch.setattr(phases, "run", undone)
    with upgrade.journal() as journal:
        for purpose in (window.STOP_API, SYNC, window.STOP, QUIET):
            done(journal, purpose, 0, 10)
        steps = schema.steps
        with journal.write() as connection:
            for host, found in (("c1", True), ("c2", False), ("c3", True)):  # c2 has no such file
                mine = steps.c.id == f"quiet/nova-compute@{host}"
                connection.execute(update(steps).where(mine).values(result=json.dumps({"found": found})))
            stays = steps.c.id == "stop/nova-compute@c3"  # and c3 answered no more
            connection.execute(update(steps).where(stays).values(state="failed"))
    for _ in range(2):  # given again it says the same
        terminal.lines.clear()
        phases.back(upgrade, terminal)
        assert [line.partition(":")[0] for line in terminal.lines] == [
            "nova-compute on c1 leaves guests as they are",
            "nova-compute on c2, c3 was not told to leave guests as they are",
        ]
    with upgrade.journal() as journal:  # whoever has the lines loses them
        assert [host for host, _ in settle._left(upgrade, journal)] == ["c1", "c2", "c3"]


@pytest.mark.parametrize("kind", ["rehearsals", "freezes"])
def test_what_another_terminal_rehearses_or_freezes_is_not_taken_back_under_it(upgrade: Work, kind: str) -> None:
    go = rehearsal.go_on if kind == "rehearsals" else freeze.thaw
    with getattr(upgrade, kind).begin(1, Plan(steps=[Step("one", "noop", purpose=SYNC)])) as journal:
        done(journal, SYNC, 0, 1, "failed")  # and what else there is goes on
        with journal.exclusive(), pytest.raises(PlanError):
            go(upgrade, Terminal())
        with reading(journal) as now:
            assert not now.is_rolling_back()


@pytest.mark.parametrize(("skipped", "counts"), [("back", False), ("check", True), ("", True)])
def test_a_rehearsal_of_which_something_was_skipped_proves_nothing(upgrade: Work, skipped: str, counts: bool) -> None:
    steps = [Step(name, "noop", purpose=name) for name in (SYNC, CHECK, planner.BACK)]
    terminal = Terminal()
    with upgrade.rehearsals.begin(1, Plan(steps=steps)) as journal:
        if skipped:
            control.skip(journal, "it takes too long", steps=[skipped])
    found = rehearsal.go_on(upgrade, terminal)
    assert found and (found.exit_code == 0) == counts
    assert len(rehearsal.rehearsed(upgrade)) == counts
    assert any("does not count as a rehearsal" in line for line in terminal.lines) != counts
    assert rehearsal.go_on(upgrade, terminal) is None  # nothing is left of it


def test_a_window_is_refused_until_it_was_rehearsed_often_enough_and_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade(wanted: int, window_seconds: float) -> Any:
        settings = SimpleNamespace(rehearsals=wanted, window=window_seconds)
        return SimpleNamespace(directory=tmp_path, settings=settings)

    times: Any = None  # of single steps: not asked
    one = Rehearsed(1, {}, dump=20.0, hops=60.0, back=20.0, times=times)
    monkeypatch.setattr(gates, "rehearsed", lambda _: [one, one])
    with pytest.raises(InputError, match="2 of 3 wanted rehearsals are done"):
        gates.check_rehearsed(upgrade(3, 3600.0))
    with pytest.raises(InputError, match="there and back take"):
        gates.check_rehearsed(upgrade(2, 99.0))
    gates.check_rehearsed(upgrade(2, 100.0))
    gates.check_rehearsed(upgrade(0, 0.0))
