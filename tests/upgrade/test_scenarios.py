"""The page of scenarios names tests that there are."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "upgrade-scenarios.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NUMBER = 75


def rows() -> list[list[str]]:
    """The cells of each scenario: its number, what happens, what is right, whether that is shown, by what."""
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names_in(file: str) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text())
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


def test_each_scenario_says_whether_it_is_shown_and_by_which_tests() -> None:
    found = rows()
    assert [row[0] for row in found] == [str(number) for number in range(1, NUMBER + 1)]
    for number, _, _, shown, by in found:
        assert shown in ("yes", "part", "no") and by, number
        assert shown == "no" or TEST.search(by), number


def test_every_test_that_is_named_exists() -> None:
    named = set(TEST.findall(PAGE.read_text()))
    assert len(named) > 40
    assert not [f"{file}::{name}" for file, name in named if name not in names_in(file)]
    # none is written in another way, and so overlooked
    assert PAGE.read_text().count("::") == len(TEST.findall(PAGE.read_text()))
