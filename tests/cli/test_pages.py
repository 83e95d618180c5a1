"""Commands that the pages give are commands that there are, with options that they take. Nothing of them is run."""

import contextlib
import io
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.cli.main import COMMANDS

from .test_directory import parser_of

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(?:sh|console|bash)?\n(.*?)^```|((?:^ {4}.*\n)+)", re.DOTALL | re.MULTILINE)
AFTER = ";&|<>"
"""What the shell's own begins with, behind a command."""
FORM = re.compile(r"\[|\.\.\.|…")
"""Of a line that says how a command is written, and is none."""
GLOBAL = ("-q", "-v")


def commands(text: str) -> Iterator[list[str]]:
    """The words of each line of a page's code blocks that is a command of ours, without what follows: what it does, or
    another program."""
    for block in BLOCK.finditer(text):
        for line in re.sub(r"\\\n\s*", "", block[1] or block[2]).splitlines():
            command = re.split(r"\s{2,}", line.strip().removeprefix("$ "))[0]
            if command.startswith("naru ") and not FORM.search(command):
                lexer = shlex.shlex(command, posix=True, punctuation_chars=AFTER)
                lexer.whitespace_split = True
                yield list(itertools.takewhile(lambda word: word[:1] not in set(AFTER), lexer))


def wrong(words: list[str]) -> str:
    """Why a command cannot be given; "" where it can."""
    given = list(itertools.dropwhile(lambda word: word in GLOBAL, words[1:]))
    names = (" ".join(given[:number]) for number in (3, 2, 1))
    name = next((one for one in names if one in COMMANDS), None)
    if name is None:
        return "no such command"
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser_of(name).parse_args(given[len(name.split()) :])
    except SystemExit:
        return said.getvalue().splitlines()[-1]
    return ""


def test_every_command_on_a_page_can_be_given() -> None:
    found = [(page, command) for page in PAGES for command in commands(page.read_text())]
    assert len(found) > 250
    bad = [
        f"{page.relative_to(ROOT)}: {shlex.join(command)}: {why}" for page, command in found if (why := wrong(command))
    ]
    assert not bad, "\n".join(bad)


def test_what_cannot_be_given_is_found_out() -> None:
    page = """as in

    naru plan run \\
        work/demo --fast  # quick
    naru plan stand "a && b" && true
    naru host [ ... ]
"""
    assert list(commands(page)) == [
        ["naru", "plan", "run", "work/demo", "--fast"],
        ["naru", "plan", "stand", "a && b"],
    ]
    assert [wrong(one) for one in commands(page)] == [
        "naru plan run: error: unrecognized arguments: --fast",
        "no such command",
    ]
