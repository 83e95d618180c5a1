"""How long steps may take, and what carries bytes is expected to: seconds."""

from collections.abc import Mapping
from typing import Any

DAY = 24 * 3600.0

SLOWEST = 5 << 20
"""Bytes a second; what carries less is taken to hang."""
STORAGE = 400 << 20
"""Bytes a second from storage to storage, where nothing better is known; holes count as well."""
IMAGES = 100 << 20
"""Bytes a second of what a service reads or writes by itself: image data, backups."""
STREAM = 50 << 20
"""Bytes a second of image data that goes from one Glance to the other through here."""


def limit(size: float, *, times: int = 1, more: float = 3600.0) -> float:
    """What it may take to carry `size` bytes so many `times`, and `more` for what surrounds it."""
    return more + times * size / SLOWEST


def expected(size: float, rate: float, *, times: int = 1, more: float) -> float:
    """What it is expected to take to carry `size` bytes so many `times` at `rate`, and `more` for what surrounds it."""
    return more + times * size / rate


def own(args: Mapping[str, Any]) -> float:
    """What a step's own arguments say it may take, or those of the step that it undoes; a day where they do not."""
    return float(args.get("args", args).get("deadline", DAY))
