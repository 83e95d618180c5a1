"""Numbers as people write and read them: durations, moments, sizes, rates, plurals. For every room.

What `parse_duration` and `parse_rate` refuse, they refuse by a ValueError whose message is for the user.
"""

import datetime
import re
from collections.abc import Iterable
from typing import NamedTuple

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MULTIPLES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Units(NamedTuple):
    """What stands after each number of a duration, with the blanks around it; `end` is of minutes that come last."""

    hours: str = " h "
    minutes: str = " min "
    end: str = " min"
    seconds: str = " s"


ENGLISH = Units()


def duration(seconds: float, units: Units = ENGLISH) -> str:
    """Seconds as a person writes them: `0.2 s`, `45 s`, `12 min 05 s`, `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f}{units.seconds}"
    if seconds < 60:
        return f"{seconds:.0f}{units.seconds}"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{units.minutes}{rest:02}{units.seconds}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{units.hours}{minutes:02}{units.end}"


def utc(seconds: float) -> str:
    """A moment, in seconds since 1970, as `2026-11-30 03:58:16`."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def parse_duration(text: str) -> float:
    """Seconds: a number with s, m, h or d, above 0 (`30s`, `1.5h`)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not found or not float(found[1]):
        raise ValueError(f"{text!r} is not a duration; like 30s, 10m or 1h")
    return float(found[1]) * _SECONDS[found[2]]


def size(amount: float) -> str:
    """Bytes in binary units: `512 B`, `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def parse_rate(text: str) -> float:
    """Bytes a second: a number, above 0, with K, M or G for their binary multiples (`500K`, `1.5G`)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)", text)
    if not found or not float(found[1]):
        raise ValueError(f"{text!r} is not a rate; like 500K, 80M or 1.5G, in bytes a second")
    return float(found[1]) * _MULTIPLES[found[2]]


def plural(noun: str, number: int) -> str:
    """The noun as it stands after that number: `step` after 1, else `steps`."""
    return noun if number == 1 else f"{noun}s"


def count(number: int, noun: str) -> str:
    """A number of things: `1 step`, `1,200 steps`."""
    return f"{number:,} {plural(noun, number)}"


def shortened(lines: Iterable[str], most: int, more: str = "") -> list[str]:
    """At most so many of the lines; where there are others, a last one that counts them, with `more` behind it."""
    every = list(lines)
    others = len(every) - most
    return [*every[:most], f"and {others} more{more}"] if others > 0 else every


def one_line(text: str, most: int) -> str:
    """The text in one line: runs of white space, line ends too, are one blank; at most so many characters."""
    return " ".join(text.split())[:most]
