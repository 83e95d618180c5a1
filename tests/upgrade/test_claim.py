"""Whose a cloud is: the scripts that say so, in a directory of this machine."""

import subprocess
from pathlib import Path

import pytest

from naru.upgrade.claim import GIVE_UP, TAKE

pytestmark = pytest.mark.unit


def said(script: str, file: Path, *words: str) -> str:
    argv = ["sh", "-c", script, str(file), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def test_one_has_it_until_that_one_gives_it_up(tmp_path: Path) -> None:
    file = tmp_path / "var" / "claim"
    assert said(TAKE, file, "one", "me") == "one\nme\n"
    assert said(TAKE, file, "two", "you") == said(TAKE, file, "one", "me, later") == "one\nme\n"
    said(GIVE_UP, file, "two")
    assert list(file.parent.iterdir()) == [file] and file.stat().st_mode & 0o777 == 0o644
    said(GIVE_UP, file, "one")
    said(GIVE_UP, file, "one")
    assert not file.exists()
    assert said(TAKE, file, "two", "you") == "two\nyou\n"
