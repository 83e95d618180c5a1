"""Tables for programs, which people open in spreadsheets."""

import csv
import io
from types import SimpleNamespace

import pytest

from naru.report.tables import as_csv

pytestmark = pytest.mark.unit


def cells(*values: object) -> list[str]:
    text = as_csv(["it"], [SimpleNamespace(it=value) for value in values])
    return [row["it"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def test_no_name_is_a_formula() -> None:
    names = ["=cmd|'/c calc'!A0", "+1", "-web", "@sum", "\tweb", "\rweb"]
    assert cells(*names) == [f"'{name}" for name in names]


def test_all_else_is_as_it_is() -> None:
    assert cells("web-1", "a=b", "'=x", "", -1.5, -2, 0, False) == [
        "web-1",
        "a=b",
        "'=x",
        "",
        "-1.5",
        "-2",
        "0",
        "False",
    ]
    assert as_csv(["it"], [SimpleNamespace(it=None)]).splitlines()[1] in ("", '""')
