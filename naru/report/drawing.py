"""Drawings as data: shapes on a canvas, texts as messages. HTML has them as SVG that needs neither a script nor a file
beside the page.

Coordinates are pixels from the upper left corner of a canvas that is WIDTH wide; they are rounded, so that the same
numbers give the same file. What a shape looks like is its `style`, a class of the page's style sheet: that knows light,
dark and paper. Styles that mean different things differ in form too, never in colour alone.
"""

import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from naru.messages import Text
from naru.report.names import visible

WIDTH = 960.0
"""Of every drawing."""


class Bar(NamedTuple):
    """A rectangle. One that stands for anything is seen, however small: it is at least a pixel wide."""

    x: float
    y: float
    width: float
    height: float
    style: str
    shape: str = "bar"

    @property
    def seen(self) -> float:
        return max(self.width, 1.0)


class Stroke(NamedTuple):
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str = "axis"
    shape: str = "stroke"


class Label(NamedTuple):
    """A text, whose baseline begins at (x, y), or ends there, or has its middle there (`anchor`: `start`, `end`,
    `middle`)."""

    x: float
    y: float
    text: Text
    style: str = ""
    anchor: str = "start"
    shape: str = "label"


class Mark(NamedTuple):
    """Shapes that stand for one thing: `tip` says all of it, to who points at it or has it read aloud."""

    shapes: tuple[Bar | Stroke | Label, ...]
    tip: Text
    shape: str = "mark"


Shape = Bar | Stroke | Label | Mark


@dataclass(frozen=True)
class Drawing:
    """`title` is what it shows, `says` the same in words for who cannot see it."""

    title: Text
    says: Text
    height: float
    shapes: tuple[Shape, ...]
    width: float = WIDTH


def cut(text: str, columns: int) -> str:
    """The text as far as it fits into so many columns of letters; those of East Asian scripts take two."""
    text = visible(text)
    widths = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text]
    if sum(widths) <= columns:
        return text
    fitting = itertools.takewhile(lambda used: used < columns, itertools.accumulate(widths))
    return f"{text[: len(list(fitting))]}…"


_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


def ticks(seconds: float, most: int = 8) -> Iterator[float]:
    """From 0 on, the round numbers of seconds that an axis of that length is divided at."""
    fine = [step / 10 for step in (1, 2, 5)]
    step: float = next((one for one in [*fine, *_STEPS] if seconds / one <= most), 0.0)
    if not step:
        step = 86400.0 * -(-seconds // (86400.0 * most))
    number = 0
    while number * step <= seconds:
        yield number * step
        number += 1


def longest(values: Iterable[float]) -> float:
    """The largest, and never 0: what an axis is as long as."""
    return max(values, default=0.0) or 1.0
