"""What commands share: how their answers are written."""

import io
import json
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
