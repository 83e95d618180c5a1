"""Golden plans: of the small site the same ways down and up as ever, to the letter.

A change that is meant to change a plan renews them, and its commit says why they differ:

    NARU_RENEW_GOLDEN=1 pytest tests/operate/cluster/test_golden.py
"""

import os
from pathlib import Path

import pytest

from naru.messages import say
from naru.operate.cluster import planner, way_up
from naru.operate.cluster.work import Settings
from naru.plan.text import text

from . import small

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = Settings("site.yaml", backup="/backup")


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("way", ["down", "up"])
def test_the_plan_is_the_golden_one(way: str, language: str) -> None:
    site, found = small.site(), small.reading()
    if way == "down":
        plan = planner.plan(site, found, SETTINGS, "00000000-0000-4000-8000-000000000000")
    else:
        plan = way_up.plan(site, way_up.Known(found, {}, {"main": ["noout"]}), SETTINGS)
    if language == "en":
        rows = ["  ".join(map(str, row)) for row in planner.table(site, found, SETTINGS)] if way == "down" else []
        shown = "\n".join([*rows, "", text(plan)])
    else:
        lines = [say(one.summary, language) for one in plan.findings] + [say(one.title, language) for one in plan.steps]
        shown = "\n".join(lines)
    file = GOLDEN / f"{way}.{language}.txt"
    if os.environ.get("NARU_RENEW_GOLDEN"):
        file.write_text(shown.strip() + "\n")
    assert shown.strip() + "\n" == file.read_text()
