"""When steps are expected to begin and end: plans small enough to be worked out on paper."""

import pytest

from naru.plan.forecast import Span, forecast
from naru.plan.model import Plan, Step

pytestmark = pytest.mark.unit


def plan(*steps: tuple[str, float, str], **more: object) -> Plan:
    """Steps as (id, estimate, what it waits for, by blanks), all in one group of two."""
    made = Plan(limits={"g": 2}, **more)  # type: ignore[arg-type]
    for name, seconds, after in steps:
        made.add(Step(name, "k", limits=("g",), estimate=seconds), after=after.split())
    return made


def test_a_step_waits_for_all_it_has_to_and_the_longest_counts() -> None:
    spans = forecast(plan(("a", 3, ""), ("b", 5, ""), ("c", 2, "a"), ("d", 1, "b c")))
    assert spans == {"a": Span(0, 3), "b": Span(0, 5), "c": Span(3, 5), "d": Span(5, 6)}


def test_a_limit_makes_steps_wait_and_the_longest_path_goes_first() -> None:
    spans = forecast(plan(("a", 1, ""), ("b", 1, ""), ("c", 4, ""), ("last", 10, "b")))
    assert spans == {"b": Span(0, 1), "c": Span(0, 4), "last": Span(1, 11), "a": Span(4, 5)}


def test_a_group_that_is_stopped_goes_on_one_by_one_and_an_unknown_step_takes_a_second() -> None:
    made = plan(("a", 0, ""), ("b", 0, ""))
    made.limits["g"] = 0
    assert sorted(forecast(made).values()) == [Span(0, 1), Span(1, 2)]


def test_gates_are_opened_together_when_nothing_else_can_run() -> None:
    made = plan(("a", 3, ""))
    made.gates += ["first", "second", "third"]
    for name, gate, after in (("b", "first", ""), ("c", "second", "a"), ("d", "third", "b c")):
        made.add(Step(name, "k", limits=("g",), gate=gate, estimate=2.0), after=after.split())
    assert forecast(made) == {"a": Span(0, 3), "b": Span(3, 5), "c": Span(3, 5), "d": Span(5, 7)}


def test_a_plan_of_nothing_takes_no_time() -> None:
    assert forecast(Plan()) == {}
