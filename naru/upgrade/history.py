"""What became of an upgrade, as its journals have it: when what was done, how long users were refused or had no API."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from naru.messages import Text, message
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import EventRow, Failure, StepRow, reading
from naru.site import site as sites
from naru.upgrade.compare.verified import VERIFIED
from naru.upgrade.freeze import freeze
from naru.upgrade.rehearsal import FORWARD, Rehearsed, rehearsed
from naru.upgrade.window import hops, window
from naru.upgrade.work import Work

STOPPED = message("upgrade.phase.stopped", en="services stopped", ko="서비스 중지")
POINT = message("upgrade.phase.point", en="databases dumped, to go back to", ko="되돌릴 지점 덤프")
HOPS = message("upgrade.phase.hops", en="databases taken through the releases", ko="데이터베이스 릴리스 전환")
STARTED = message(
    "upgrade.phase.started", en="new services started, until they answer", ko="새 서비스 시작과 응답 확인"
)
AGENTS = message("upgrade.phase.agents", en="compute services and agents", ko="컴퓨트 서비스와 에이전트")
REFUSED = message("upgrade.phase.refused", en="users' writes refused", ko="사용자 쓰기 차단")
SILENT = message("upgrade.phase.silent", en="no API", ko="API 중단")
BACK = message("upgrade.phase.back", en="the way back", ko="되돌리기")


class Phase(NamedTuple):
    """Something that was done, from when to when (seconds since 1970; None for what has not begun, or not ended), and
    the seconds that it took in rehearsals (None where none knows)."""

    what: Text
    began: float | None
    ended: float | None
    rehearsed: float | None = None

    @property
    def seconds(self) -> float | None:
        """None for what has not ended."""
        return None if self.began is None or self.ended is None else self.ended - self.began


class History(NamedTuple):
    """`cloud` is the site's name. `phases` are in their order; `refused` are the spans in which users' writes were
    refused, `silent` those in which no API answered. `remarks` are what operators have said, `failures` what has
    failed on the way, `verified` what was found by the newest comparison (None for none), with when."""

    cloud: str
    plan: Text
    phases: list[Phase]
    refused: list[Phase]
    silent: list[Phase]
    rehearsals: list[Rehearsed]
    remarks: list[EventRow]
    failures: list[Failure]
    verified: dict[str, Any] | None
    is_back: bool


def history(upgrade: Work) -> History:
    """All of it, as it is now."""
    found, site = rehearsed(upgrade), sites.load(Path(upgrade.settings.site))
    with upgrade.journal() as journal:
        title, verified = journal.plan().title, journal.recall(VERIFIED)
        with reading(journal) as now:
            steps = now.steps()
            undone = [step for step in now.steps(rollbacks=True) if step.undoes is not None]
            remarks = [event for event in now.events() if event.what == Event.REMARK]
            failures = now.failures(0)
    refused = []
    for number in upgrade.freezes.numbers():
        with Journal.open(upgrade.freezes.path(number)) as journal:
            refused.append(_refused(journal))
            with reading(journal) as now:
                remarks += [event for event in now.events() if event.what == Event.REMARK]
                failures += now.failures(0)
    mine = [step for step in steps if step.unit in window.UNITS]
    back = bool(undone) and all(step.state in OVER for step in undone)
    return History(
        site.content.name,
        title,
        _phases(mine, undone, found),
        refused,
        _silent(mine, undone),
        found,
        sorted(remarks, key=lambda one: one.at),
        sorted(failures, key=lambda one: one.at),
        verified,
        back,
    )


def _phases(steps: Sequence[StepRow], undone: Sequence[StepRow], runs: Sequence[Rehearsed]) -> list[Phase]:
    def of(what: Text, purposes: Iterable[str], unit: str, took: float | None = None) -> Phase:
        return _span(what, [step for step in steps if step.purpose in purposes and step.unit == unit], took)

    def median(part: str) -> float | None:
        return statistics.median(getattr(run, part) for run in runs) if runs else None

    found = [
        of(STOPPED(), {window.STOP_API, window.STOP}, window.CLOUD),
        of(POINT(), {window.POINT}, window.CLOUD, median("dump")),
        of(HOPS(), FORWARD | {hops.DUMP}, window.CLOUD, median("hops")),
        of(STARTED(), {window.START, window.ANSWER}, window.CLOUD),
        of(AGENTS(), {window.START, window.ANSWER}, window.NEW),
    ]
    return found + ([_span(BACK(), undone, median("back"))] if undone else [])


def _silent(steps: Sequence[StepRow], undone: Sequence[StepRow]) -> list[Phase]:
    """From the first API that was stopped to the last that answered; taken back, to the last that runs again: another
    span, when the new ones had answered before."""
    apis = [step for step in steps if step.purpose == window.STOP_API]
    numbers = {step.n for step in apis}
    began = _span("", apis).began
    answered = _span("", [step for step in steps if step.purpose == window.ANSWER and step.unit == window.CLOUD]).ended
    back, again = _span("", undone).began, _span("", [step for step in undone if step.undoes in numbers]).ended
    if back is None:
        return [Phase(SILENT(), began, answered)]
    if answered is None or answered > back:
        return [Phase(SILENT(), began, again)]
    return [Phase(SILENT(), began, answered), Phase(SILENT(), back, again)]


def _refused(journal: Journal) -> Phase:
    """From the first gate that was closed to the last that was opened."""
    with reading(journal) as now:
        closed = now.steps(purpose=freeze.CLOSE)
        numbers = {step.n for step in closed}
        opened = [step for step in now.steps(rollbacks=True) if step.undoes in numbers]
    return Phase(REFUSED(), _span("", closed).began, _span("", opened).ended if opened else None)


def _span(what: Text, steps: Sequence[StepRow], took: float | None = None) -> Phase:
    """From the beginning of the first to the end of the last, when all have ended."""
    began = [step.started for step in steps if step.started is not None]
    ended = [step.ended for step in steps if step.ended is not None]
    over = bool(steps) and all(step.state in (*OVER, "undone") for step in steps)
    return Phase(what, min(began, default=None), max(ended, default=None) if over else None, took)
