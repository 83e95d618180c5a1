"""Golden plans: from readings of real clouds the same plans as ever, to the letter.

A change that is meant to change a plan renews them, and its commit says why they differ:

    NARU_RENEW_GOLDEN=1 pytest tests/operate/test_golden.py
"""

import json
import os
from pathlib import Path

import pytest

from naru.messages import say
from naru.operate.drain.facts import Facts
from naru.operate.drain.planner import table, whole
from naru.operate.drain.rules import decide
from naru.operate.drain.work import Settings
from naru.plan.text import text

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
CASES = [path.stem for path in sorted(GOLDEN.glob("*.json"))]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_the_golden_one(case: str, language: str) -> None:
    facts = Facts(json.loads((GOLDEN / f"{case}.json").read_text()))
    settings = Settings("site.yaml", facts.cloud, facts.host, reason="new kernel")
    decisions = decide(facts, settings.options)
    plan = whole(facts, decisions, settings, "00000000-0000-4000-8000-000000000000")
    if language == "en":
        lines = ["  ".join(row) for row in table(decisions)]
        found = "\n".join([*lines, "", text(plan)])
    else:
        lines = [say(one.summary, language) for one in plan.findings] + [say(one.title, language) for one in plan.steps]
        found = "\n".join(lines)
    file = GOLDEN / f"{case}.{language}.txt"
    if os.environ.get("NARU_RENEW_GOLDEN"):
        file.write_text(found.rstrip() + "\n")
    assert found.rstrip() + "\n" == file.read_text()


def test_there_are_cases_of_the_oldest_and_the_newest() -> None:
    assert {"pike", "newest"} <= set(CASES)
