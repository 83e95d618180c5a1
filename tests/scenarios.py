"""Pages of scenarios (docs/reference/*-scenarios.md): a table row for each, with its number, what happens, what is
right then, whether that is shown, and by which tests."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def page(name: str) -> str:
    """The text of a page of the reference."""
    return (ROOT / "docs" / "reference" / name).read_text()


def rows(text: str) -> list[list[str]]:
    """The five cells of each scenario."""
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def check(text: str, number: int) -> None:
    """All scenarios are there, in their order; each says whether it is shown, and by which tests."""
    found = rows(text)
    assert [row[0] for row in found] == [str(one) for one in range(1, number + 1)]
    for one, _, _, shown, by in found:
        assert shown in ("yes", "part", "no") and by, one
        assert shown == "no" or TEST.search(by), one


def check_names(text: str) -> None:
    """Every test that is named exists, and none is written in another way, and so overlooked."""
    named = set(TEST.findall(text))
    assert len(named) > 40
    assert not [f"{file}::{name}" for file, name in named if name not in _names_in(file)]
    assert text.count("::") == len(TEST.findall(text))


def _names_in(file: str) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text())
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}
