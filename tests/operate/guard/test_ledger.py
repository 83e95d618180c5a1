"""Limits that are counted by the clock, and controllers that lie: what a clock that leaps, and a slow word, change."""

from pathlib import Path

import pytest

from naru.operate.guard.ledger import Entry, Leaps, last, spent
from naru.operate.guard.memory import Memory, Reading
from naru.operate.guard.state import Directory, Kept

pytestmark = pytest.mark.unit

HOUR = 3600.0
DAY = 24 * HOUR


def entries(*at: float) -> list[Entry]:
    return [Entry(f"c{number}", ("cloud",), one, ()) for number, one in enumerate(at)]


def test_a_clock_that_leaps_gives_no_budget_back() -> None:
    now, leaps = 10 * DAY, Leaps()
    begun = entries(now - HOUR, now - 30 * HOUR)
    leaps.see(now, 0.0)
    assert spent(leaps.counted(begun, now, 24), now, 24) == {"cloud": 1}
    leaps.see(now + 2 * DAY, 15.0)  # 15 s have passed
    later = now + 2 * DAY
    assert spent(leaps.counted(begun, later, 24), later, 24) == {"cloud": 1}
    assert last(leaps.counted(begun, later, 24), later) == 0.0
    # it is over a day after that, by either clock
    leaps.see(later + DAY + 1, 15.0 + DAY + 1)
    assert spent(leaps.counted(begun, later + DAY + 1, 24), later + DAY + 1, 24) == {} and leaps.found == []


def test_the_same_over_a_restart() -> None:
    now = 10 * DAY
    begun = entries(now - HOUR)
    for gap, counts in ((600.0, 0), (2 * DAY, 1)):
        leaps = Leaps(now)
        leaps.see(now + gap, 5.0)
        assert len(leaps.found) == counts
        at = now + 2 * DAY
        assert spent(leaps.counted(begun, at, 24), at, 24) == ({"cloud": 1} if counts else {})
    # one that was begun after the last look, and before the leap
    leaps = Leaps(now)
    leaps.see(now + 2 * DAY, 5.0)
    late = entries(now + 10)
    assert spent(leaps.counted(late, now + 2 * DAY + 5, 24), now + 2 * DAY + 5, 24) == {"cloud": 1}
    assert Leaps().found == []


def test_leaps_are_kept(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    directory.save(Kept(wall=5.0, leaps=[(1.0, 2.0)]))
    kept = directory.load()
    assert (kept.wall, kept.leaps) == (5.0, [(1.0, 2.0)])


@pytest.mark.parametrize(("seconds", "lies"), [(80.0, False), (115.0, False), (125.0, True)])
def test_a_controller_lies_only_when_something_new_was_heard_after_it_said_off(seconds: float, lies: bool) -> None:
    """An honest one says off at once, and a witness's report says alive for up to 80 s more."""
    memory = Memory(patience=45.0)
    now = 0.0
    while now <= seconds:
        memory.take([Reading("c0", "heartbeat", "w", "a", "alive")], now)
        memory.power("c0", True, now)
        now += 5.0
    for _ in range(60):
        now += 5.0
        memory.take([Reading("c0", "heartbeat", "w", "a", "silent")], now)
        memory.power("c0", True, now)
    assert ("c0" in memory.liars) is lies


def test_a_right_drill_has_a_controller_believed_again(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    assert directory.believed() == set()
    directory.believe("c1")
    directory.believe("c2")
    assert directory.believed() == {"c1", "c2"}
    directory.believe("c3")  # while the guard writes the first two down
    directory.forget_believed({"c1", "c2"})
    assert directory.believed() == {"c3"}
