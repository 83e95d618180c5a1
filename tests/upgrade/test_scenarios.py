"""The page of scenarios names tests that there are."""

import pytest

from tests import scenarios

pytestmark = pytest.mark.unit

PAGE = scenarios.page("upgrade-scenarios.md")


def test_each_scenario_says_whether_it_is_shown_and_by_which_tests() -> None:
    scenarios.check(PAGE, 75)


def test_every_test_that_is_named_exists() -> None:
    scenarios.check_names(PAGE)
