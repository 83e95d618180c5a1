"""The windows of a move as timelines: a row for each server that was off, above them the addresses and the rounds of
copying ahead.

Servers that were off at about the same time are one window; windows may be nights apart, so each has an axis of its
own. The longest interruptions are drawn, and the rest as one row.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from naru.errors import NaruError
from naru.messages import Text, message
from naru.move.outcome import AddressChange, Downtime, Outcome
from naru.move.pages.pictures import LEFT, RIGHT, Canvas, bar, measured_text, scaled
from naru.move.pages.tables import DURATION, table
from naru.report.blocks import Picture, code
from naru.report.drawing import Label, Mark, Stroke
from naru.text import utc

WINDOWS, SERVERS, ADDRESSES, ROUNDS = 6, 40, 10, 12
"""How many of each are drawn: the longest windows, of each the longest interruptions and changes of addresses, the
last rounds before it."""
APART = 600.0
"""Seconds between two interruptions that make two windows of them."""
STOP = message("move.pages.timeline.stop", en="stop", ko="정지")
CONTENT = message("move.pages.timeline.content", en="content", ko="데이터")
WAIT = message("move.pages.timeline.wait", en="waiting", ko="대기")
START = message("move.pages.timeline.start", en="start", ko="시작")
PARTS = {"stop": STOP, "content": CONTENT, "wait": WAIT, "start": START}
"""Those of a `Downtime`, by their styles, in their order."""
STILL_OFF = message("move.pages.timeline.still_off", en="still off", ko="아직 중지됨")
TITLE = message("move.pages.timeline.title", en="The window of {began}", ko="{began} 전환")
SAYS = message(
    "move.pages.timeline.says",
    en=(
        "The window that began at {began} (UTC): {servers:number} servers were off, the longest for "
        "{longest:duration}; from the first stop to the last start {whole:duration}. {off}"
    ),
    ko=(
        "{began}(UTC)에 시작한 전환입니다. 서버 {servers:number}대가 중지되었고 가장 긴 중단은 {longest:duration}, 첫 "
        "정지부터 마지막 시작까지는 {whole:duration}입니다. {off}"
    ),
)
OFF_NOW = message(
    "move.pages.timeline.off_now",
    en="Still off: {count:number}.",
    ko="아직 중지된 서버는 {count:number}대입니다.",
)
SERVERS_HEAD = message("move.pages.timeline.servers", en="Servers", ko="서버")
ADDRESSES_HEAD = message("move.pages.timeline.addresses", en="Addresses", ko="주소")
ROUNDS_HEAD = message("move.pages.timeline.rounds", en="Copied ahead", ko="사전 복사")
SERVER_TIP = message(
    "move.pages.timeline.server_tip", en="{name}: off for {off}. {parts:list}", ko="{name}: 중단 {off}. {parts:list}"
)
PART_TIP = message("move.pages.timeline.part_tip", en="{part} {seconds:duration}", ko="{part} {seconds:duration}")
ADDRESS_TIP = message(
    "move.pages.timeline.address_tip",
    en="{kind:kind} {name}: on neither cloud for {seconds:duration}",
    ko="{kind:kind} {name}: 어느 클라우드에도 없던 시간 {seconds:duration}",
)
ROUND_TIP = message(
    "move.pages.timeline.round_tip",
    en="round {number}, from {began}: {seconds:duration}",
    ko="{number}회차, {began}부터 {seconds:duration}",
)
WINDOW = message("move.pages.timeline.window", en="the window", ko="전환")
ROUNDS_ALL = message("move.pages.timeline.rounds_all", en="rounds: {count:number}", ko="{count:number}회")
MORE = message(
    "move.pages.timeline.more",
    en="{count:number} more: up to {longest:duration}",
    ko="그 밖에 {count:number}개: 최대 {longest:duration}",
)


class Off(NamedTuple):
    """An interruption in seconds since 1970; `ended` is None for a server that is still off."""

    began: float
    ended: float | None
    downtime: Downtime


class Window(NamedTuple):
    """Interruptions at about the same time. `end` is the last start; while no server was started again, it is now."""

    began: float
    end: float
    off: list[Off]

    @property
    def whole(self) -> float:
        """The seconds that its axis has."""
        return self.end - self.began or 1.0

    def drawn(self, began: float, ended: float) -> tuple[float, float]:
        """Where on the axis that time begins, as far as it is within the window, and how wide it is."""
        first, last = max(began, self.began), min(ended, self.end)
        return LEFT + scaled(first - self.began, self.whole), scaled(last - first, self.whole)


def windows(outcome: Outcome) -> list[Window]:
    """Those of the move, in their order."""
    found: list[list[Off]] = []
    end = 0.0
    for off in sorted(_all_off(outcome.downtimes), key=lambda one: (one.began, one.downtime.server_old_id)):
        if not found or off.began > end + APART:
            found.append([])
            end = 0.0
        found[-1].append(off)
        end = max(end, off.began, off.ended or 0.0)
    now = _seconds(outcome.made_at)
    return [Window(off[0].began, _last_start(off, now), off) for off in found]


def _last_start(off: Sequence[Off], now: float) -> float:
    """The end of a window: one server that stays off for a day must not make a line of all others."""
    ended = [one.ended for one in off if one.ended is not None]
    return max(ended) if ended and max(ended) > off[-1].began else max(now, off[-1].began + 1.0)


def timelines(outcome: Outcome) -> Iterator[Picture]:
    """A picture of each of the longest windows, in the order of time."""
    longest = sorted(windows(outcome), key=lambda one: one.began - one.end)[:WINDOWS]
    for window in sorted(longest, key=lambda one: one.began):
        yield _timeline(outcome, window)


def _timeline(outcome: Outcome, window: Window) -> Picture:
    whole = window.whole
    canvas = Canvas((style, part()) for style, part in PARTS.items())
    _rounds(canvas, outcome, window)
    changes = [
        (began, ended, one)
        for one in outcome.addresses
        if (began := _seconds(one.began)) <= window.end and (ended := _seconds(one.ended)) >= window.began
    ]
    by_length = sorted(window.off, key=lambda off: (-_length(off, window), off.downtime.server_name))
    drawn = sorted(by_length[:SERVERS], key=lambda off: (off.began, off.downtime.server_name))
    if changes:
        canvas.head(ADDRESSES_HEAD())
        _addresses(canvas, changes, window)
    canvas.head(SERVERS_HEAD())
    rest = by_length[SERVERS:]
    canvas.axis(whole, 18.0 * (len(drawn) + bool(rest)))
    for off in drawn:
        _server(canvas, off, window)
    if rest:
        began, ended = min(off.began for off in rest), max(_end(off, window) for off in rest)
        length = max(_length(off, window) for off in rest)
        _rest(canvas, began, ended, window, MORE(count=len(rest), longest=length))
    began_at = utc(window.began)
    still = sum(1 for off in window.off if off.ended is None)
    says = SAYS(
        began=began_at,
        servers=len(window.off),
        longest=max((off.ended - off.began for off in window.off if off.ended is not None), default=whole),
        whole=whole,
        off=OFF_NOW(count=still) if still else "",
    )
    rows = [
        (
            code(off.downtime.server_name or off.downtime.server_old_id),
            code(off.downtime.stopped_at),
            STILL_OFF() if off.ended is None else DURATION(seconds=off.ended - off.began),
            *("" if part is None else DURATION(seconds=part) for part in off.downtime.parts),
        )
        for off in drawn
    ]
    heads = ("server", "stopped", "measured", "stop", "content", "wait", "start")
    return Picture(canvas.drawn(TITLE(began=began_at), says), table(heads, rows))


def _server(canvas: Canvas, off: Off, window: Window) -> None:
    whole, y = window.whole, canvas.y + 4.0
    x = LEFT + scaled(off.began - window.began, whole)
    measured = None if off.ended is None else off.ended - off.began
    shapes, said = [], []
    if measured is None or None in off.downtime.parts:
        shapes.append(bar("off", x, y, scaled(_length(off, window), whole), 10.0))
    else:
        for (style, part), seconds in zip(PARTS.items(), off.downtime.parts, strict=True):
            width = scaled(seconds or 0.0, whole)
            if seconds:
                shapes.append(bar(style, x, y, width, 10.0))
            said.append(PART_TIP(part=part(), seconds=seconds))
            x += width
    name = off.downtime.server_name or off.downtime.server_old_id
    value = STILL_OFF() if measured is None else measured_text(measured)
    canvas.row(name, shapes, value, SERVER_TIP(name=name, off=value, parts=said))


def _addresses(canvas: Canvas, changes: Sequence[tuple[float, float, AddressChange]], window: Window) -> None:
    ordered = sorted(changes, key=lambda change: (change[0] - change[1], change[2].kind, change[2].name))
    drawn, rest = ordered[:ADDRESSES], ordered[ADDRESSES:]
    for began, ended, one in sorted(drawn, key=lambda change: (change[0], change[2].kind, change[2].name)):
        x, width = window.drawn(began, ended)
        tip = ADDRESS_TIP(kind=one.kind, name=one.name, seconds=ended - began)
        canvas.row(one.name, [bar("address", x, canvas.y + 6.0, width, 5.0)], DURATION(seconds=ended - began), tip)
    if rest:
        began, ended = min(one[0] for one in rest), max(one[1] for one in rest)
        longest = max(ended - began for began, ended, _ in rest)
        _rest(canvas, began, ended, window, MORE(count=len(rest), longest=longest))


def _rest(canvas: Canvas, began: float, ended: float, window: Window, said: Text) -> None:
    """One row for all that is not drawn."""
    x, width = window.drawn(began, ended)
    shapes = (
        Label(LEFT - 8.0, canvas.y + 13.0, said, "faint", "end"),
        bar("rest", x, canvas.y + 4.0, width, 10.0),
    )
    canvas.shapes.append(Mark(shapes, said))
    canvas.y += 18.0


def _rounds(canvas: Canvas, outcome: Outcome, window: Window) -> None:
    """The last rounds before the window on an axis of their own, since they may be days before it."""
    known = [(_seconds(one.began), _seconds(one.ended), one) for one in outcome.rounds]
    before = [one for one in known if one[0] < window.end][-ROUNDS:]
    if not before:
        return
    first, last = before[0][0], window.end
    whole, y = last - first or 1.0, canvas.y
    canvas.head(ROUNDS_HEAD())
    for began, ended, one in before:
        x, width = LEFT + scaled(began - first, whole), scaled(min(ended, last) - began, whole)
        tip = ROUND_TIP(number=one.number, began=utc(began), seconds=ended - began)
        canvas.shapes.append(Mark((bar("ahead", x, y + 5.0, width, 10.0),), tip))
    x, width = LEFT + scaled(window.began - first, whole), scaled(window.end - window.began, whole)
    canvas.shapes.append(Mark((bar("window", x, y + 2.0, width, 16.0),), WINDOW()))
    canvas.shapes.append(Label(RIGHT + 8.0, y + 14.0, ROUNDS_ALL(count=len(before))))
    canvas.shapes.append(Label(LEFT, y + 30.0, utc(first), "faint"))
    canvas.shapes.append(Label(RIGHT, y + 30.0, WINDOW(), "faint", "end"))
    canvas.shapes.append(Stroke(LEFT, y + 19.0, RIGHT, y + 19.0))
    canvas.y = y + 42.0


def _all_off(downtimes: Iterable[Downtime]) -> Iterator[Off]:
    for downtime in downtimes:
        if downtime.stopped_at:
            measured, began = downtime.measured_s, _seconds(downtime.stopped_at)
            yield Off(began, None if measured is None else began + measured, downtime)


def _end(off: Off, window: Window) -> float:
    return window.end if off.ended is None else off.ended


def _length(off: Off, window: Window) -> float:
    return _end(off, window) - off.began


def _seconds(moment: str) -> float:
    try:
        found = datetime.datetime.fromisoformat(moment)
    except ValueError as error:
        raise NaruError(f"{moment!r} is no time", detail=str(error)) from error
    return found.replace(tzinfo=found.tzinfo or datetime.UTC).timestamp()
