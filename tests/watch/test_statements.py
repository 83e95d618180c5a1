"""The statements of real releases, read by their own Pythons: each is told from what it prints."""

import random

import pytest

from naru.releases import install, release
from naru.watch import statements
from naru.watch.match import Matcher
from naru.watch.records import Record
from naru.watch.statements import ANY, Statement

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("name", ["pike", release.names()[-1]])
def test_every_statement_is_told_from_its_own_text(name: str) -> None:
    """Filled with what might stand there, a text comes back as the same one, but for one in a thousand. Of the others
    less than eight characters are literal."""
    code = statements.of_environment(install.venv_path(release.load(name)))
    matcher = Matcher(code.statements)
    chance = random.Random(1)
    tried, lost = 0, []
    for one in code.statements:
        if one.kind != "log" or one.level < 30 or len(one.text.replace(ANY, "").strip()) < 8:
            continue
        text = "".join(chance.choice(FILLERS) if sign == ANY else sign for sign in one.text)
        tried += 1
        found = matcher.match(_record(one, text))
        if found.statement is None or not _same(found.statement, one, text):
            lost.append((one.module, one.text, found))
    assert tried > 4000
    assert len(lost) <= tried * 0.001, [(one[0], one[1], one[2].text) for one in lost]


FILLERS = ("8f3a", "compute1", "5", "6e4c1a52-6b0f-4c1c-9f5b-0d3a5c1f2b11", "10.0.0.1", "None", "{'a': 1}", "a b")
_NAMES = {30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


def _record(one: Statement, text: str) -> Record:
    return Record(0, "", "1", _NAMES[one.level], one.module, "", "", "", "", "", text)


def _same(found: Statement, one: Statement, text: str) -> bool:
    """The same text, or one that says more of it: what was filled in made that."""
    return found.text.strip() == one.text.strip() or len(found.text) > len(one.text)
