"""The pictures of the overview: expected and measured interruptions, and the data that was carried. The windows have a
module of their own (`timeline`).

Thousands of servers stay readable: the longest are drawn, and of the rest it is said how many they are and how much.
"""

from collections.abc import Iterable, Iterator, Sequence

from naru.messages import Text, message
from naru.move.outcome import Carried, Downtime
from naru.move.pages.tables import DURATION, table
from naru.report.blocks import Picture, code
from naru.report.drawing import Bar, Drawing, Label, Mark, Shape, Stroke, cut, longest, ticks
from naru.text import size

LEFT, RIGHT = 210.0, 850.0
"""Where bars begin and end; names stand to the left of them, numbers to the right."""
COLUMNS = 28
"""Letters of a name that fit to the left."""
MOST = 30
"""Rows that are drawn of each kind."""
PASSES = 12
"""Rounds that are drawn one by one."""


class Canvas:
    """Shapes from top to bottom: `y` is where the next row begins."""

    def __init__(self, legend: Iterable[tuple[str, Text]]) -> None:
        self.shapes: list[Shape] = []
        self.y = 26.0
        for number, (style, text) in enumerate(legend):
            x = LEFT + number * 170.0
            self.shapes += [bar(style, x, 6.0, 22.0, 10.0), Label(x + 28.0, 15.0, text, "faint")]

    def head(self, text: Text) -> None:
        """What the rows below are."""
        self.shapes.append(Label(0.0, self.y + 13.0, text, "head"))
        self.y += 20.0

    def note(self, text: Text) -> None:
        """What is not drawn."""
        self.shapes.append(Label(LEFT, self.y + 12.0, text, "faint"))
        self.y += 18.0

    def axis(self, end: float, height: float, *, duration: bool = True) -> None:
        """Lines at round numbers up to `end`, over the rows that come next."""
        for at in ticks(end):
            x = LEFT + at / end * (RIGHT - LEFT)
            self.shapes.append(Stroke(x, self.y + 14.0, x, self.y + 16.0 + height))
            if duration:
                self.shapes.append(Label(x, self.y + 11.0, DURATION(seconds=at), "faint", "middle"))
        self.y += 18.0

    def row(self, name: Text, bars: Iterable[Bar], value: Text, tip: Text, height: float = 18.0) -> None:
        """A thing: its name, its bars, what they come to."""
        bottom = self.y + height / 2 + 4.0
        shown = cut(name, COLUMNS) if isinstance(name, str) else name
        parts: list[Bar | Stroke | Label] = [Label(LEFT - 8.0, bottom, shown, "", "end"), *bars]
        self.shapes.append(Mark((*parts, Label(RIGHT + 8.0, bottom, value)), tip))
        self.y += height

    def drawn(self, title: Text, says: Text) -> Drawing:
        """All of it."""
        return Drawing(title, says, self.y + 6.0, tuple(self.shapes))


def bar(style: str, x: float, y: float, width: float, height: float) -> Bar:
    """A bar of a style. What waits is a thin line, whatever the colours."""
    return Bar(x, y + height / 2 - 1.5, width, 3.0, style) if style == "wait" else Bar(x, y, width, height, style)


def scaled(value: float, end: float) -> float:
    """A length on an axis that goes to `end`."""
    return value / end * (RIGHT - LEFT)


# -- interruptions

EXPECTED = message("move.pages.picture.expected", en="expected", ko="예상")
MEASURED = message("move.pages.picture.measured", en="measured", ko="실제")
OFF_TITLE = message(
    "move.pages.picture.off_title", en="Interruptions, expected and measured", ko="서비스 중단 시간 (예상과 실제)"
)
OFF_SAYS = message(
    "move.pages.picture.off_says",
    en=(
        "How long servers are off: measured for {measured:number} of {servers:number}. The longest was to take "
        "{expected:duration}; the longest measured one took {longest:duration}."
    ),
    ko=(
        "서버 {servers:number}대 중 {measured:number}대의 실제 중단 시간을 측정했습니다. 가장 긴 예상 시간은 "
        "{expected:duration}, 가장 긴 실제 시간은 {longest:duration}입니다."
    ),
)
OFF_PLANNED = message(
    "move.pages.picture.off_planned",
    en="How long servers are expected to be off: {servers:number} of them, the longest for {expected:duration}.",
    ko="서버 {servers:number}대의 예상 중단 시간입니다. 가장 긴 예상 시간은 {expected:duration}입니다.",
)
OFF_TIP = message(
    "move.pages.picture.off_tip",
    en="{name}: expected {expected:duration}, measured {measured}",
    ko="{name}: 예상 {expected:duration}, 실제 {measured}",
)
NOT_YET = message("move.pages.picture.not_yet", en="not yet", ko="아직 없음")
OFF_MORE = message(
    "move.pages.picture.off_more",
    en="and {count:number} more servers, expected to be off for up to {expected:duration}, measured up to {measured}",
    ko="그 밖의 서버 {count:number}대: 예상 최대 {expected:duration}, 실제 최대 {measured}",
)


def measured_text(seconds: float | None) -> Text:
    """How long it was, or that it is not known yet."""
    return NOT_YET() if seconds is None else DURATION(seconds=seconds)


def interruptions(downtimes: Sequence[Downtime]) -> Picture:
    """Of each server the expected time beside the measured one, the longest first."""
    measured = {one: one.measured_s for one in downtimes}
    ordered = sorted(
        downtimes, key=lambda one: (-max(one.expected_s, measured[one] or 0.0), one.server_name, one.server_old_id)
    )
    drawn, rest = ordered[:MOST], ordered[MOST:]
    known = [seconds for seconds in measured.values() if seconds is not None]
    expected = max((one.expected_s for one in downtimes), default=0.0)
    end = longest([expected, *known])
    canvas = Canvas([("expected", EXPECTED()), ("measured", MEASURED())] if known else [("expected", EXPECTED())])
    canvas.axis(end, 20.0 * len(drawn))
    for one in drawn:
        seconds, y = measured[one], canvas.y
        shapes = [bar("expected", LEFT, y + 3.0, scaled(one.expected_s, end), 5.0)]
        if seconds is not None:
            shapes.append(bar("measured", LEFT, y + 10.0, scaled(seconds, end), 7.0))
        value = DURATION(seconds=one.expected_s if seconds is None else seconds)
        name = one.server_name or one.server_old_id
        tip = OFF_TIP(name=name, expected=one.expected_s, measured=measured_text(seconds))
        canvas.row(name, shapes, value, tip, 20.0)
    if rest:
        of_rest = [seconds for one in rest if (seconds := measured[one]) is not None]
        canvas.note(
            OFF_MORE(
                count=len(rest),
                expected=max(one.expected_s for one in rest),
                measured=measured_text(max(of_rest, default=None)),
            )
        )
    if known:
        says = OFF_SAYS(measured=len(known), servers=len(downtimes), expected=expected, longest=max(known))
    else:
        says = OFF_PLANNED(servers=len(downtimes), expected=expected)
    rows = [
        (code(one.server_name or one.server_old_id), DURATION(seconds=one.expected_s), measured_text(measured[one]))
        for one in drawn
    ]
    return Picture(canvas.drawn(OFF_TITLE(), says), table(("server", "expected", "measured"), rows))


# -- data

AHEAD = message("move.pages.picture.ahead", en="ahead, servers running", ko="사전 복사(서버 실행 중)")
IN_WINDOW = message("move.pages.picture.in_window", en="in the window", ko="전환 중")
DATA_TITLE = message("move.pages.picture.data_title", en="Data by pass and volume", ko="회차와 볼륨별 데이터")
DATA_SAYS = message(
    "move.pages.picture.data_says",
    en=(
        "What was written to the new volumes: {ahead} ahead in {rounds:number} rounds while the servers ran, and "
        "{window} in the window, of {volumes:number} volumes."
    ),
    ko=(
        "새 볼륨에 기록한 데이터입니다. 볼륨은 {volumes:number}개이고, 서버가 실행되는 동안 {rounds:number}회에 걸쳐 "
        "{ahead}, 전환 중에 {window} 옮겼습니다."
    ),
)
BY_PASS = message("move.pages.picture.by_pass", en="By pass", ko="회차별")
BY_VOLUME = message("move.pages.picture.by_volume", en="By volume", ko="볼륨별")
ROUND = message("move.pages.picture.round", en="round {number}", ko="{number}회차")
EARLIER = message("move.pages.picture.earlier", en="rounds {first} to {last}", ko="{first}~{last}회차")
PASS_TIP = message(
    "move.pages.picture.pass_tip",
    en="{name}: {written} written, {read} read, of {volumes:number} volumes",
    ko="{name}: 기록 {written}, 읽기 {read}, 볼륨 {volumes:number}개",
)
VOLUME_TIP = message(
    "move.pages.picture.volume_tip",
    en="{name}: {ahead} ahead in {rounds:number} rounds, {window} in the window",
    ko="{name}: 사전 복사 {rounds:number}회 {ahead}, 전환 중 {window}",
)
DATA_MORE = message(
    "move.pages.picture.data_more",
    en="and {count:number} more volumes, {amount} together",
    ko="그 밖의 볼륨 {count:number}개, 모두 {amount}",
)


def data(carried: Sequence[Carried]) -> Picture:
    """What was carried, by pass and by volume."""
    volumes: dict[str, list[Carried]] = {}
    for one in carried:
        volumes.setdefault(one.volume_old_id, []).append(one)
    ordered = sorted(volumes.values(), key=lambda mine: (-_sum(mine), mine[0].volume_name, mine[0].volume_old_id))
    drawn, rest = ordered[:MOST], ordered[MOST:]
    ahead, window = [one for one in carried if one.round], [one for one in carried if not one.round]
    canvas = Canvas([("ahead", AHEAD()), ("window", IN_WINDOW())])
    canvas.head(BY_PASS())
    passes = list(_passes(ahead, window))
    end = longest(float(_sum(found)) for _, found in passes)
    for name, found in passes:
        style, amount = "ahead" if found and found[0].round else "window", _sum(found)
        tip = PASS_TIP(
            name=name, written=size(amount), read=size(sum(one.read for one in found)), volumes=len(_volumes(found))
        )
        canvas.row(name, [bar(style, LEFT, canvas.y + 3.0, scaled(amount, end), 12.0)], size(amount), tip)
    canvas.y += 6.0
    canvas.head(BY_VOLUME())
    end = longest(float(_sum(mine)) for mine in drawn)
    rows = []
    for mine in drawn:
        before, last = (sum(one.written for one in mine if bool(one.round) is early) for early in (True, False))
        name = mine[0].volume_name or mine[0].volume_old_id
        shapes = [bar("ahead", LEFT, canvas.y + 3.0, scaled(before, end), 12.0)] if before else []
        if last:
            shapes.append(bar("window", LEFT + scaled(before, end), canvas.y + 3.0, scaled(last, end), 12.0))
        rounds = len({one.round for one in mine if one.round})
        tip = VOLUME_TIP(name=name, ahead=size(before), rounds=rounds, window=size(last))
        canvas.row(name, shapes, size(before + last), tip)
        rows.append((code(name), size(before), size(last), size(before + last)))
    if rest:
        canvas.note(DATA_MORE(count=len(rest), amount=size(sum(map(_sum, rest)))))
    says = DATA_SAYS(
        ahead=size(_sum(ahead)),
        rounds=len({one.round for one in ahead}),
        window=size(_sum(window)),
        volumes=len(volumes),
    )
    return Picture(canvas.drawn(DATA_TITLE(), says), table(("volume", "ahead", "window", "all"), rows))


def _passes(ahead: Sequence[Carried], window: Sequence[Carried]) -> Iterator[tuple[Text, Sequence[Carried]]]:
    """The last rounds one by one, those before them together, the window."""
    rounds: dict[int, list[Carried]] = {}
    for one in sorted(ahead, key=lambda one: one.round):
        rounds.setdefault(one.round, []).append(one)
    numbers = list(rounds)
    if early := numbers[:-PASSES]:
        yield EARLIER(first=early[0], last=early[-1]), [one for number in early for one in rounds[number]]
    for number in numbers[-PASSES:]:
        yield ROUND(number=number), rounds[number]
    if window:
        yield IN_WINDOW(), window


def _sum(carried: Iterable[Carried]) -> int:
    return sum(one.written for one in carried)


def _volumes(carried: Iterable[Carried]) -> set[str]:
    return {one.volume_old_id for one in carried}
