"""When a compute service or an agent counts as started, and which hosts are not started at the same time."""

import time

import pytest

from naru.upgrade.agents.latency import script
from naru.upgrade.agents.reports import Cache, Report, Seen, Turns, lacks, short

pytestmark = pytest.mark.unit

BEFORE = Report("2026-11-30 10:00:00", 30, 30, "ports")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (None, "it has not reported since it was started"),
        (BEFORE, "it has not reported since it was started"),
        (BEFORE._replace(stamp="10:05", has=0), "it works on 0 of 30 ports"),
        (BEFORE._replace(stamp="10:05", has=None), "it works on 0 of 30 ports"),
        (BEFORE._replace(stamp="10:05", has=28), "it works on 28 of 30 ports"),
        (BEFORE._replace(stamp="10:05"), ""),
        # two ports were deleted meanwhile
        (BEFORE._replace(stamp="10:05", has=28, due=28), ""),
        # the database counts more than the agent did before
        (BEFORE._replace(stamp="10:05", has=30, due=40), ""),
    ],
)
def test_it_has_started_when_it_has_reported_and_works_on_what_it_did(now: Report | None, said: str) -> None:
    assert lacks(BEFORE, now) == said


def test_of_a_compute_service_a_report_is_enough() -> None:
    assert lacks(Report("10:00"), Report("10:05")) == ""


def test_a_host_may_have_its_domain_in_one_place_alone() -> None:
    seen = Seen({("nova-compute", "c1.example.com"): BEFORE, ("nova-compute", "c2"): BEFORE}, {})
    assert seen.find("nova-compute", "c1") == seen.find("nova-compute", "C2.example.com") == BEFORE
    assert seen.find("nova-compute", "c3") is None and seen.find("neutron-l3-agent", "c1") is None
    twice = Seen({("nova-compute", "c1.a"): BEFORE, ("nova-compute", "c1.b"): BEFORE._replace(stamp="x")}, {})
    assert twice.find("nova-compute", "c1") is None and twice.find("nova-compute", "c1.a") == BEFORE
    assert short("10.0.0.1") == "10.0.0.1"


def test_partners_are_not_at_it_at_the_same_time_and_none_is_touched_when_the_other_is_lost() -> None:
    turns = Turns()
    assert turns.take("n1", {"n2"}) == ""
    assert turns.take("n1", {"n2"}) == ""  # another agent of the same host
    assert turns.take("n2", {"n1", "n3"}) == "n1"
    assert turns.take("n4", ()) == ""
    turns.give("n1", lost=False)
    assert turns.take("n2", {"n1", "n3"}) == "n1"
    turns.give("n1", lost=True)
    assert turns.take("n2", {"n1", "n3"}) == ""
    assert turns.lost({"n1", "n3"}) == "n1" and turns.lost({"n4"}) == ""


def test_what_was_read_a_moment_ago_is_good_enough_unless_it_has_to_be_newer() -> None:
    asked = []

    def ask() -> Seen:
        asked.append(1)
        return Seen({}, {})

    cache = Cache(ask, fresh=60)
    cache.get()
    cache.get()
    assert len(asked) == 1
    cache.get(time.monotonic())
    assert len(asked) == 2


def test_what_runs_on_a_users_host_is_of_every_python() -> None:
    compile(script(), "latency.py", "exec")
    assert b"print(" not in script() and b' f"' not in script()
