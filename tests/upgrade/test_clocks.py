"""Clocks of hosts, before an upgrade."""

import pytest

from naru.site.check.look import Clock
from naru.upgrade.check.clocks import judged

pytestmark = pytest.mark.unit


def told(**clocks: Clock | None) -> list[tuple[str, str, tuple[str, ...]]]:
    whys = {name: "no answer" for name, one in clocks.items() if one is None}
    return [(one.state, one.what.partition(":")[0], one.examples) for one in judged(clocks, whys, "train")]


def test_a_clock_that_is_off_by_much_blocks_and_by_little_warns() -> None:
    well = Clock(-0.1, 0.1)
    assert told(a=well, b=Clock(89.9, 90.1), c=Clock(-5.2, -4.8), d=well, e=None) == [
        ("blocks", "the clock of b is 90.0 s ahead of the others", ("b",)),
        ("warns", "the clock of c is 5.0 s behind the others", ("c",)),
        ("unknown", "clocks could not be read", ("e",)),
        ("right", "clocks are within 1 s of each other", ("a", "d")),
    ]


def test_hosts_are_compared_with_most_of_them_where_this_machine_is_otherwise() -> None:
    away = Clock(299.9, 300.1)
    assert told(a=away, b=away, c=Clock(-0.1, 0.1)) == [
        ("blocks", "the clock of c is 300.0 s behind the others", ("c",)),
        ("right", "clocks are within 1 s of each other", ("a", "b")),
    ]


def test_a_compute_host_whose_clock_is_off_holds_up_nothing() -> None:
    clocks = {name: Clock(-0.1, 0.1) for name in ("a", "d")} | {"compute7": Clock(89.9, 90.1)}
    (first, _) = judged(clocks, {}, "train", {"compute7"})
    assert (first.state, first.examples) == ("warns", ("compute7",)) and "look dead" in first.what
