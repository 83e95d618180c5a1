"""Tables for programs."""

import csv
import io
from collections.abc import Iterable, Sequence

FORMULAS = "=+-@\t\r"
"""What a cell begins with that spreadsheets take for a formula."""


def as_csv(columns: Sequence[str], rows: Iterable[object]) -> str:
    """CSV (RFC 4180) with a row for each object, of its attributes of the columns' names. Texts are exactly as they
    are, messages in English, but for those that a spreadsheet would run as a formula: these have an apostrophe before
    them. None is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_harmless(getattr(row, column)) for column in columns] for row in rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    """Users name their things: a name is not to do anything to whoever opens the table."""
    return f"'{value}" if str(value)[:1] in FORMULAS and not isinstance(value, int | float) and str(value) else value
