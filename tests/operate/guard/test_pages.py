"""The page has the gates and sources that the code has, with the same words."""

from pathlib import Path

import pytest

from naru.operate.guard.evidence import SOURCES
from naru.operate.guard.gates import GATES

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "guard.md"


def test_the_page_has_every_gate_and_source() -> None:
    text = PAGE.read_text()
    for one in GATES:
        assert f"| {one.number} | {one.name} | {one.protects} | {one.default} |\n" in text
        assert f"\n- **{one.name}**: " in text
    for source in SOURCES.values():
        assert f"| {source.name}: {source.says} | {source.path} | {source.lies} |\n" in text
