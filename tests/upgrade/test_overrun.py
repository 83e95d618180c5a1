"""The end of the window while it runs: when one can turn back at last, and whether it is asked."""

import dataclasses
import time
from collections.abc import Callable

import pytest

from naru.plan import control
from naru.plan.status import status
from naru.plan.timings import Timings
from naru.upgrade import gates
from naru.upgrade.rehearsal import Rehearsed
from naru.upgrade.window import hops, overrun, window
from naru.upgrade.window.overrun import Forecast, forecast
from naru.upgrade.work import Work

from .test_report import BEGAN, done
from .test_report import upgrade as upgrade

pytestmark = pytest.mark.unit

NEVER = Timings(0.0, 0.0, 0.0, [], [])


class Said:
    """A terminal that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    warn = say


def rehearsed(upgrade: Work, dump: float = 60.0, seconds: float = 100.0, back: float = 40.0) -> list[Rehearsed]:
    """A rehearsal in which each step of each service took so long, and the longest way is that of all hops."""
    with upgrade.journal() as journal:
        mine = [one for one in gates.of_window(journal) if one.purpose in overrun.FORWARD]
    steps = {one.id: seconds for one in mine}
    ways = [
        sum(one.about.name == name for one in mine if one.about)
        for name in {one.about.name for one in mine if one.about}
    ]
    return [Rehearsed(1, steps, dump, max(ways) * seconds, back, NEVER)]


def test_the_last_moment_is_the_way_back_before_the_end_and_what_is_left_shrinks(upgrade: Work) -> None:
    runs = rehearsed(upgrade)

    def now(after: float, wide: float = 3600.0) -> Forecast:
        with upgrade.journal() as journal:
            found = forecast(gates.of_window(journal), runs, wide, BEGAN + after)
        assert found
        return found

    with upgrade.journal() as journal:
        assert forecast(gates.of_window(journal), runs, 3600.0, BEGAN) is None  # nothing has begun
        done(journal, window.STOP_API, 0, 10)
        done(journal, window.STOP, 10, 20)
        assert forecast(gates.of_window(journal), runs, 0.0, BEGAN) is None
        assert forecast(gates.of_window(journal), [], 3600.0, BEGAN) is None
    first = now(20)
    assert (first.ends - BEGAN, first.turn_back - BEGAN) == (3600.0, 3600.0 - 40.0 - 20.0)
    assert first.over == BEGAN + 20 + 60 + runs[0].hops and not first.done
    with upgrade.journal() as journal:
        done(journal, window.POINT, 20, 80)
        done(journal, hops.DUMP, 80, 180)
        done(journal, hops.SYNC, 180, 280)
    later = now(280)
    assert not later.done and 0 < later.over - BEGAN - 280 < runs[0].hops
    with upgrade.journal() as journal:
        for purpose in overrun.FORWARD - {hops.DUMP, hops.SYNC}:
            done(journal, purpose, 280, 380)
    assert now(380).done and now(380).over == BEGAN + 380
    assert not now(380, wide=1.0).is_due  # nothing is left to turn back from


@pytest.mark.parametrize(("wide", "due"), [(30.0, True), (36000.0, False)])
def test_it_is_asked_when_the_moment_has_come_and_the_window_will_not_do(
    upgrade: Work, monkeypatch: pytest.MonkeyPatch, wide: float, due: bool
) -> None:
    runs, said = rehearsed(upgrade), Said()
    monkeypatch.setattr(overrun, "rehearsed", lambda _: runs)
    monkeypatch.setattr(overrun, "PAUSE", 0.05)
    upgrade.settings = dataclasses.replace(upgrade.settings, window=wide)
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, time.time() - BEGAN - 20, time.time() - BEGAN - 10)
        with overrun.watched(upgrade, said):  # type: ignore[arg-type]
            until(lambda: bool(said.lines) and (not due or status(journal).mode == "paused"))
        assert "the window ends at" in said.lines[0] and "the last moment to turn back" in said.lines[0]
        assert (status(journal).mode == "paused") is due
        questions: list[str] = []
        asked = [False, True]

        def ask(question: str) -> bool:
            questions.append(question)
            return asked.pop(0)

        assert overrun.may_go_on(upgrade, journal, said, ask) is not due  # type: ignore[arg-type]
        assert status(journal).mode == "run"
        assert len(questions) == due
        if due:
            assert "--go-on REASON" in said.lines[-1] and "rollback" in said.lines[-1]
            assert overrun.may_go_on(upgrade, journal, said, ask)  # type: ignore[arg-type]
            # it is asked once
            assert overrun.may_go_on(upgrade, journal, said, ask) and len(questions) == 2  # type: ignore[arg-type]
            with overrun.watched(upgrade, said):  # type: ignore[arg-type]
                time.sleep(0.2)
            assert status(journal).mode == "run"


def test_after_the_way_back_no_moment_is_the_last(upgrade: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = rehearsed(upgrade)
    monkeypatch.setattr(overrun, "rehearsed", lambda _: runs)
    upgrade.settings = dataclasses.replace(upgrade.settings, window=3600.0)
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, 0, 10)
        assert overrun.look(upgrade, journal)
        for purpose in {one.purpose for one in gates.of_window(journal)}:
            done(journal, purpose, 0, 10, "undone")
        assert gates.is_back(journal) and overrun.look(upgrade, journal) is None


def test_a_pause_of_the_operators_own_is_left(upgrade: Work) -> None:
    with upgrade.journal() as journal:
        control.pause(journal)
        overrun.lift(journal)
        assert status(journal).mode == "paused"


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
