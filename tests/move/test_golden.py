"""Golden plans: from readings of real clouds (see `readings`) the same plans as ever, to the letter.

A change that is meant to change a plan renews them, and its commit says why they differ:

    NARU_RENEW_GOLDEN=1 pytest tests/move/test_golden.py
"""

import difflib
import hashlib
import json
import lzma
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from naru.inventory.archive import Archive
from naru.inventory.compare import UNORDERED
from naru.inventory.kinds import BY_NAME
from naru.move import mapfile, planner
from naru.move.draft import Draft, Options
from naru.move.facts import Facts, Side
from naru.plan.text import text

from . import readings
from .readings import GOLDEN
from .scenario import MAP, PROJECTS

pytestmark = pytest.mark.unit

STORAGES = ("storage-old.yaml", "storage-new.yaml")
LINES = 200
"""Of a difference, so many lines are shown."""


@dataclass(frozen=True)
class Case:
    """A move of some projects of the old cloud: with a map or what is suggested alone, from storage to storage or by
    images."""

    name: str
    projects: tuple[str, ...]
    map: Path | None = None
    storage: bool = True


CASES = [
    Case("demo", PROJECTS, MAP),
    Case("demo-by-images", PROJECTS, MAP, storage=False),
    Case("crossing", ("crossing",)),
    Case("wide", ("wide",)),
]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """The old cloud and the new, as they were read."""
    with Archive(tmp_path_factory.mktemp("golden") / "archive.db") as archive:
        old, new = (Side(archive, *readings.load(archive, GOLDEN / f"{name}.jsonl.xz")) for name in ("old", "new"))
        yield old, new


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_is_the_golden_one(sides: tuple[Side, Side], case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)  # the names of the storage files stand in the plan
    draft = planned(sides, case)
    decisions = "".join(json.dumps(one.dump(), ensure_ascii=False) + "\n" for one in draft.decisions.values())
    check(GOLDEN / f"{case.name}-plan.txt.xz", text(draft.plan))
    check(GOLDEN / f"{case.name}-decisions.jsonl.xz", decisions)


def test_lists_without_order_make_the_same_plan_in_any(
    sides: tuple[Side, Side], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(GOLDEN)
    with Archive(tmp_path / "archive.db") as archive:

        def turned(side: Side) -> Side:
            """The same cloud, read when it gave all of them the other way round."""
            number = archive.begin(side.cloud)
            archive.add(
                number, [replace(row, body=_turned(row.body)) for kind in BY_NAME for row in side.all(kind).values()]
            )
            archive.end(number, [])
            return Side(archive, number, side.cloud)

        case = next(case for case in CASES if case.name == "wide")
        assert text(planned((turned(sides[0]), turned(sides[1])), case).plan) == text(planned(sides, case).plan)


def _turned(body: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[::-1]
        if name in UNORDERED and isinstance(value, list)
        else _turned(value)
        if name == "external_gateway_info" and value
        else value
        for name, value in body.items()
    }


def planned(sides: tuple[Side, Side], case: Case) -> Draft:
    """As `naru move plan` does, with files that lie in no directory of any machine."""
    facts = Facts(*sides, list(case.projects))
    written = mapfile.load(case.map) if case.map else mapfile.EMPTY
    choices = mapfile.choose(facts, written)
    settings = {
        "from": facts.old.cloud,
        "to": facts.new.cloud,
        "projects": sorted(facts.projects),
        "map": hashlib.sha256(mapfile.text(facts, choices, written).encode()).hexdigest(),
        "key": "of no file",
    }
    options = Options(
        key="/golden/key",
        storage=STORAGES if case.storage else None,
        directory="/golden/work",
    )
    return planner.make(facts, choices, options, settings=settings)


def check(file: Path, found: str) -> None:
    """Fails with what differs from the file, line by line; a new file is written instead when that is wanted."""
    if os.environ.get("NARU_RENEW_GOLDEN"):
        file.write_bytes(lzma.compress(found.encode(), preset=9 | lzma.PRESET_EXTREME))
    expected = lzma.decompress(file.read_bytes()).decode()
    if found != expected:
        lines = list(
            difflib.unified_diff(expected.splitlines(), found.splitlines(), file.stem, "now", n=1, lineterm="")
        )
        more = [f"... and {len(lines) - LINES} more lines"] if len(lines) > LINES else []
        pytest.fail("\n".join([*lines[:LINES], *more]), pytrace=False)
