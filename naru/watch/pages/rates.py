"""Drawings of rates: a row of bars for each group, or each host of one."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from naru.messages import Text
from naru.report.blocks import Picture, Table, code
from naru.report.drawing import Bar, Drawing, Label, Mark, Shape, Stroke, cut
from naru.watch.pages.words import HEADS, MORE_ROWS, NUMBER, RATE_SAYS, RATE_TIP

LEFT, RIGHT = 250.0, 890.0
"""Where bars begin and end; names stand to the left of them, numbers to the right."""
COLUMNS = 34
"""Letters of a name that fit to the left."""
SLOTS = 96
MOST = 30
"""Rows that are drawn."""
_HEIGHT = 24.0
_TICKS = 4


class Period(NamedTuple):
    """From when to when, in seconds since 1970."""

    begin: float
    end: float

    @property
    def slot(self) -> float:
        """The seconds of one bar."""
        return (self.end - self.begin) / SLOTS

    def x(self, moment: float) -> float:
        """Where a moment is drawn."""
        return LEFT + (moment - self.begin) / (self.end - self.begin) * (RIGHT - LEFT)


class Row(NamedTuple):
    """`name` is drawn, `called` said in the table; `minutes` has the records of each minute since 1970 with any."""

    name: str
    called: str
    minutes: Mapping[int, int]

    def slots(self, period: Period) -> list[int]:
        """Records by bar."""
        found = [0] * SLOTS
        for minute, n in self.minutes.items():
            at = int((minute * 60 + 30 - period.begin) / period.slot)
            if 0 <= at < SLOTS:
                found[at] += n
        return found


def picture(title: Text, rows: Sequence[Row], period: Period, changes: Sequence[float] = ()) -> Picture:
    """The rows, in their order; of those that are not drawn it is said how many records they have."""
    shapes: list[Shape] = []
    height = 22.0 + _HEIGHT * min(len(rows), MOST)
    for number in range(_TICKS + 1):
        moment = period.begin + (period.end - period.begin) * number / _TICKS
        x = period.x(moment)
        anchor = "middle" if number < _TICKS else "end"
        shapes += [Label(x, 12.0, _moment(moment), "faint", anchor), Stroke(x, 17.0, x, height)]
    y, table = 22.0, []
    for row in rows[:MOST]:
        slots = row.slots(period)
        most, total = max(slots), sum(slots)
        bars = [
            Bar(LEFT + at * (RIGHT - LEFT) / SLOTS, y + 19.0 - tall, (RIGHT - LEFT) / SLOTS - 1.0, tall, "measured")
            for at, n in enumerate(slots)
            if n and (tall := max(17.0 * n / most, 1.5))
        ]
        when = _moment(period.begin + slots.index(most) * period.slot)
        tip = RATE_TIP(name=row.called, all=total, most=most, slot=period.slot, when=when)
        name, value = Label(LEFT - 8.0, y + 16.0, cut(row.name, COLUMNS), "", "end"), NUMBER(n=total)
        base = Stroke(LEFT, y + 19.5, RIGHT, y + 19.5)
        shapes.append(Mark((base, name, *bars, Label(RIGHT + 8.0, y + 16.0, value)), tip))
        table.append((code(row.called), NUMBER(n=total), NUMBER(n=most), when))
        y += _HEIGHT
    shapes += [Stroke(x, 17.0, x, height, "off") for one in changes if LEFT <= (x := period.x(one)) <= RIGHT]
    if rest := rows[MOST:]:
        total = sum(sum(row.slots(period)) for row in rest)
        shapes.append(Label(LEFT, y + 14.0, MORE_ROWS(count=len(rest), all=total), "faint"))
        y += _HEIGHT
    says = RATE_SAYS(slot=period.slot)
    heads = tuple(HEADS[one]() for one in ("what", "count", "most", "when"))
    return Picture(Drawing(title, says, y + 6.0, tuple(shapes)), Table(heads, tuple(table)))


def _moment(seconds: float) -> str:
    return time.strftime("%m-%d %H:%M", time.gmtime(seconds))
