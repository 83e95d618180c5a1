"""What a group is at a moment: as it is kept, and by how it has been going."""

from collections.abc import Mapping
from typing import Any

from naru.watch.store import MUTED, OPEN

NEW, ESCALATING = "new", "escalating"
DAY = 86400.0
LEAST = 10
"""Records within an hour without which nothing escalates."""
_TIMES = 10
_WEEK = 7 * 24


def state(group: Mapping[str, Any], minutes: Mapping[int, int], now: float) -> str:
    """`new` for a day, `escalating` while an hour has ten times as many records as nearly all hours of the week before
    (and ten at least), else as it is kept: open, muted until its time is over, resolved, regressed."""
    kept = str(group["state"])
    if kept == MUTED and group["muted_until"] is not None and group["muted_until"] <= now:
        kept = OPEN
    if kept != OPEN:
        return kept
    if now - group["first"] < DAY:
        return NEW
    return ESCALATING if escalating(minutes, now) else OPEN


def escalating(minutes: Mapping[int, int], now: float, least: int = LEAST) -> bool:
    """Whether the last hour has more than ten times the 95th percentile of the hours of the week before it, and so many
    records at least."""
    hours = [0] * (_WEEK + 1)
    for minute, n in minutes.items():
        ago = int((now - minute * 60) // 3600)
        if 0 <= ago <= _WEEK:
            hours[ago] += n
    usual = sorted(hours[1:])[int(_WEEK * 0.95)]
    return hours[0] >= least and hours[0] > _TIMES * usual


def wanted(name: str, asked: str) -> bool:
    """Whether a state is one that is asked for: `all`, `open` (whatever is neither muted nor resolved), or its name."""
    return asked in ("all", name) or (asked == OPEN and name not in (MUTED, "resolved"))
