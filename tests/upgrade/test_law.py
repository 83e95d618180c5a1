"""How many may start at a time: it grows while all is well, halves, ends, and goes on."""

import pytest

from naru.upgrade.agents.law import LIMITS, Law, Load, judge

pytestmark = pytest.mark.unit

WELL = Load(unacked=10, ready=0, threads=4, late=0)


def law(*loads: Load, full: bool = True) -> list[int]:
    """The numbers from look to look."""
    made = Law()
    return [made.look(load, full=full)[0] for load in loads]


@pytest.mark.parametrize(
    ("load", "colour", "why"),
    [
        (WELL, "green", "threads 4 of 64"),
        (WELL._replace(unacked=1000), "green", "unacked 1000 of 2000"),
        (WELL._replace(unacked=1001), "yellow", "unacked 1001 of 2000"),
        (WELL._replace(late=5.1), "red", "late 5.1 of 5"),
        (Load(threads=65), "red", "threads 65 of 64"),
        (WELL._replace(latency=1.1), "yellow", "latency 1.1 of 2"),
        (WELL._replace(left=2400), "red", "left 2400 of 2000"),
        (Load(unacked=0.0), "green", "unacked 0 of 2000"),
        (Load(), "green", "nothing is known"),
    ],
)
def test_it_is_as_its_worst_measure(load: Load, colour: str, why: str) -> None:
    assert judge(load, LIMITS) == (colour, why)


def test_one_begins_and_as_long_as_all_is_well_it_is_one_more_at_each_look() -> None:
    assert law(WELL, WELL, WELL) == [1, 2, 3]
    # a cloud that is not well already has none begin
    assert law(WELL._replace(late=50), WELL, WELL) == [0, 1, 2]
    # no more are let begin than there are
    assert law(WELL, WELL, full=False) == [1, 1]


def test_what_is_not_known_any_more_lets_none_begin_until_it_is() -> None:
    gone = WELL._replace(unacked=None, ready=None)
    made = Law()
    assert [made.look(load, full=True)[0] for load in (WELL, WELL, gone)] == [1, 2, 0]
    assert made.look(gone, full=True) == (0, "red", "ready is not known any more")
    assert [made.look(load, full=True)[0] for load in (WELL, WELL)] == [2, 3]
    assert law(WELL, WELL, Load(), WELL) == [1, 2, 0, 2]
    # not before all is well, when it was too much before
    assert law(*[WELL] * 4, WELL._replace(threads=100), Load(), WELL) == [1, 2, 3, 4, 0, 0, 2]


def test_what_never_was_known_counts_for_nothing() -> None:
    assert law(Load(), Load()) == [10, 10]
    assert law(*[Load(threads=4)] * 3) == [1, 2, 3]
    assert law(Load(), Load(threads=4), Load(threads=4)) == [10, 11, 12]


def test_one_that_is_never_quite_well_has_one_after_the_other() -> None:
    assert law(*[WELL._replace(ready=1200)] * 3) == [1, 1, 1]
    # after red it waits until all is well
    assert law(WELL._replace(ready=3000), WELL._replace(ready=1200), WELL, WELL) == [0, 0, 1, 2]


def test_past_half_of_a_limit_it_halves_and_past_it_none_begins() -> None:
    much, too_much = WELL._replace(threads=40), WELL._replace(threads=100)
    assert law(*[WELL] * 8, much, much, much, much) == [1, 2, 3, 4, 5, 6, 7, 8, 4, 2, 1, 1]
    found = law(*[WELL] * 8, too_much, too_much, much, WELL, WELL)
    assert found[8:] == [0, 0, 0, 4, 5]
    # twice too many: half of what was too many the last time
    assert law(*[WELL] * 8, too_much, WELL, too_much, WELL) == [1, 2, 3, 4, 5, 6, 7, 8, 0, 4, 0, 2]


class Cloud:
    """Agents of which each asks for something when it starts, as in a measured one: what is worked on at a time makes
    all of it slower."""

    def __init__(self, agents: int) -> None:
        self.waiting, self.work = agents, list[float]()
        self.worst = 0.0

    def step(self, allowed: int) -> Load:
        begun = min(allowed - len(self.work), self.waiting)
        self.work += [3.0] * max(0, begun)
        self.waiting -= max(0, begun)
        queued = 90.0 * len(self.work)
        self.worst = max(self.worst, queued)
        done = 20.0 / max(20.0, len(self.work))
        self.work = [left - done for left in self.work if left - done > 0]
        return Load(unacked=queued)


def looks(cloud: Cloud, governed: Law | None, most: int = 0) -> int:
    """How many looks it takes until all have started: by the law, or so many at a time."""
    allowed, number = governed.allowed if governed else most, 0
    while cloud.waiting or cloud.work:
        load = cloud.step(allowed)
        allowed = governed.look(load, full=len(cloud.work) >= allowed - 1)[0] if governed else most
        number += 1
        assert number < 10_000
    return number


def test_it_stays_below_the_limit_where_all_at_once_do_not_and_is_faster_than_one_by_one() -> None:
    by_law, at_once, one_by_one = Cloud(300), Cloud(300), Cloud(300)
    took, rush, slow = looks(by_law, Law()), looks(at_once, None, 300), looks(one_by_one, None, 1)
    assert by_law.worst <= 2000 < at_once.worst
    assert took < slow / 3, (took, rush, slow)
