"""Tables for programs."""

import csv
import io
from collections.abc import Iterable, Sequence


def as_csv(columns: Sequence[str], rows: Iterable[object]) -> str:
    """CSV (RFC 4180) with a row for each object, of its attributes of the columns' names. Texts are exactly as they
    are, messages in English; None is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([getattr(row, column) for column in columns] for row in rows)
    return text.getvalue()
