"""The page of a failed host's scenarios names tests that there are, and the cases of the guard's rules."""

import re

import pytest

from tests import scenarios

from .guard.test_scenarios import SCENARIOS

pytestmark = pytest.mark.unit

PAGE = scenarios.page("operate-scenarios.md")
CASES = re.compile(r"guard/test_scenarios\.py::test_scenario`(?: \((\d+)\))?")


def test_each_scenario_says_whether_it_is_shown_and_by_which_tests() -> None:
    scenarios.check(PAGE, 58)


def test_every_test_that_is_named_exists() -> None:
    scenarios.check_names(PAGE)


def test_cases_have_the_numbers_of_the_page() -> None:
    """A line that names the test of all cases has one of its number, or of the number behind it; and no case is left
    out."""
    cases = {found[1] for one in SCENARIOS if (found := re.match(r"(\d+)", one))}
    named = {row[0]: {number or row[0] for number in CASES.findall(row[4])} for row in scenarios.rows(PAGE)}
    assert set().union(*named.values()) == cases
    assert all(number in named[number] for number in cases)
