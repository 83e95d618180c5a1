"""What commands share: how their answers are written."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.cli.base import Lister, ShowOne
from naru.messages import Message

pytestmark = pytest.mark.unit

WHY = Message("not.known", written="same name")


class Listed(Lister):
    def take_action(self, parsed_args: Any) -> Any:
        return ("name", "why", "size"), [("a", WHY, None), ("b", "", 0)]


class Shown(ShowOne):
    def take_action(self, parsed_args: Any) -> Any:
        return ("name", "why"), ("a", WHY)


def output(command: Any, form: str) -> str:
    out = io.StringIO()
    app = SimpleNamespace(stdout=out, options=SimpleNamespace(debug=False))
    made = command(app, None)
    assert made.run(made.get_parser("listed").parse_args(["-f", form])) == 0
    return out.getvalue()


def test_a_message_is_its_words_in_every_format() -> None:
    rows = [{"name": "a", "why": "same name", "size": None}, {"name": "b", "why": "", "size": 0}]
    assert json.loads(output(Listed, "json")) == rows
    assert json.loads(output(Shown, "json")) == {"name": "a", "why": "same name"}
    for form in ("yaml", "table", "value", "csv"):
        assert "same name" in output(Listed, form)


class Failing(ShowOne):
    error: Exception

    def take_action(self, parsed_args: Any) -> Any:
        raise self.error


def failing(error: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    made = Failing(SimpleNamespace(stdout=io.StringIO(), options=SimpleNamespace(debug=False)), None)
    made.error = error
    assert made.run(made.get_parser("failing").parse_args([])) == 1
    return capsys.readouterr().err


def test_what_the_system_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    told = failing(OSError(30, "Read-only file system", "/srv/labs/default"), capsys)
    assert told == "naru: /srv/labs/default: Read-only file system\n"
    assert failing(TimeoutError(), capsys) == "naru: TimeoutError\n"


def test_a_bug_says_so_and_where_its_traceback_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    told = failing(IndexError("list index out of range"), capsys)
    (file,) = (tmp_path / "naru" / "tracebacks").iterdir()
    assert told.startswith("naru: this is a bug of Naru: IndexError: list index out of range\n") and str(file) in told
    assert "Traceback" not in told and "Traceback (most recent call last)" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert "Traceback (most recent call last)" in failing(IndexError("list index out of range"), capsys)
