"""When a compute service or an agent counts as started, and which hosts are not started at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pymysql
import pytest

from naru.errors import NaruError
from naru.plan.context import Context
from naru.upgrade.agents import latency
from naru.upgrade.agents.latency import Latency, script
from naru.upgrade.agents.reports import Cache, Report, Seen, Turns, lacks, look, short
from naru.upgrade.agents.starting import HAD, _as_first

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


def test_what_the_database_refuses_is_an_error_that_people_can_read() -> None:
    for code, said in ((1146, "a table or column is missing"), (1969, "max_statement_time exceeded")):
        connection = MagicMock()
        cursor = connection.cursor.return_value.__enter__.return_value
        cursor.execute.side_effect = pymysql.err.OperationalError(code, "max_statement_time exceeded")
        with pytest.raises(NaruError, match=said):
            look(connection)


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


def test_one_that_is_tried_again_has_to_work_on_what_it_did_before_the_first_time() -> None:
    def attempt(earlier: Any, has: int | None) -> tuple[int | None, str | None]:
        made = Context(n=1, id="s", kind="k", unit="", args={}, attempt=1, earlier=earlier, reader=lambda _: {})
        return _as_first(made, BEFORE._replace(has=has)).has, made.take_saved()

    assert attempt(None, 30) == (30, '{"had": 30}')
    assert attempt({HAD: 30}, 0) == (30, '{"had": 30}')  # it runs since the first attempt, and works on nothing
    assert attempt({HAD: None}, None) == (None, '{"had": null}')  # such do not say
    assert attempt({"reported": 2.0}, 7)[0] == 7  # it was done, and was taken back


class Following:
    """A fleet whose program says some seconds, and ends; the next one says others, and stays."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = threading.Event()

    def remote(self, _: str) -> "Following":
        return self

    def follow(self, _: str, told: Callable[[str], None], *, given: bytes) -> Callable[[str], None]:
        return told

    def call(self, told: Callable[[str], None], check: Callable[[], None]) -> tuple[int, str]:
        self.begun += 1
        told(f"0.{self.begun}")
        if self.begun == 1:
            self.end.wait(20)
            return 1, "Traceback\nConnectionReset"
        while True:
            check()
            time.sleep(0.01)


def test_a_program_that_ended_is_begun_anew_and_until_then_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "asking", lambda _: ("ctl1", "python -"))
    monkeypatch.setattr(latency, "AGAIN", 1.0)
    fleet = Following()
    asked = Latency(fleet)  # type: ignore[arg-type]
    try:
        until(lambda: asked.seconds() == 0.1)
        fleet.end.set()
        with pytest.raises(NaruError, match="ctl1: it ended with 1: ConnectionReset"):
            until(lambda: asked.seconds() is None)
        time.sleep(1.0)
        until(lambda: fleet.begun == 2 and asked.seconds() == 0.2)
    finally:
        asked.close()


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)
