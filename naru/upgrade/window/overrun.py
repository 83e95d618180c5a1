"""The end of the window while it runs: until when one can turn back and be done by then, and whether to go on, asked in
time.

Times are those of the rehearsals, each at the 95th percentile: what is left of the hops, and the way back; and what it
has taken in this window to stop the services, which starting them again takes, too.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from naru.plan import control
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import StepRow
from naru.plan.run import Terminal, beside
from naru.plan.timings import p95
from naru.text import duration, utc
from naru.upgrade import gates
from naru.upgrade.rehearsal import FORWARD, Rehearsed, rehearsed
from naru.upgrade.window.window import POINT, STOP, STOP_API
from naru.upgrade.work import Work

PAUSE = 0.5
"""Seconds between two looks."""
WENT_ON, PAUSED = "went on past the last moment to turn back", "paused to ask"
"""What the journal remembers: that the operator has decided to go on, and that the run was paused for the question."""
Ask = Callable[[str], bool]
"""Asks the operator whether to go on; False for no, and for nobody there."""


class Forecast(NamedTuple):
    """When the window ends, until when one can turn back within it, and when the hops are over by the rehearsals
    (seconds since 1970); whether they are over."""

    ends: float
    turn_back: float
    over: float
    done: bool

    @property
    def is_due(self) -> bool:
        """Whether it is to be asked now: the last moment has come, and the hops will not be over in the window."""
        return not self.done and self.over > self.ends and time.time() >= self.turn_back

    def __str__(self) -> str:
        last = f"the last moment to turn back within it is {utc(self.turn_back)}"
        left = "" if self.done else f"; by the rehearsals the databases are there at {utc(self.over)}"
        return f"the window ends at {utc(self.ends)} (UTC), {last}{left}"


def forecast(steps: Sequence[StepRow], runs: Sequence[Rehearsed], window: float, now: float) -> Forecast | None:
    """By the steps of the window, as they are `now`, and rehearsals. None where nobody has said how long the window is,
    nothing was rehearsed, or nothing has begun."""
    began = min((step.started for step in steps if step.started is not None), default=None)
    if not window or not runs or began is None:
        return None
    mine = [step for step in steps if step.purpose in FORWARD or step.purpose == POINT]
    stops = [step for step in steps if step.purpose in (STOP, STOP_API) and step.started and step.ended]
    stopping = max((step.ended or 0.0 for step in stops), default=0.0) - min(
        (step.started or 0.0 for step in stops), default=0.0
    )
    ends = began + window
    back = p95(sorted(one.back for one in runs)) + max(stopping, 0.0)
    left = [step for step in mine if step.state not in OVER]
    return Forecast(ends, ends - back, now + _seconds_left(mine, left, runs, now), not left)


def _seconds_left(mine: Sequence[StepRow], left: Sequence[StepRow], runs: Sequence[Rehearsed], now: float) -> float:
    """What is left of the dump, and of the hops as much of the rehearsals' time as of the longest service's way."""
    took = {step.id: p95(sorted(one.steps[step.id] for one in runs if step.id in one.steps) or [0.0]) for step in mine}
    every, rest = defaultdict[str, float](float), defaultdict[str, float](float)
    for step in mine:
        if step.purpose == POINT:
            continue
        service = step.about.name if step.about else step.unit
        every[service] += took[step.id]
    seconds = 0.0
    for step in left:
        since = now - step.started if step.state == "running" and step.started else 0.0
        if step.purpose == POINT:
            seconds = max(seconds, p95(sorted(one.dump for one in runs)) - since)
        else:
            rest[step.about.name if step.about else step.unit] += max(took[step.id] - since, 0.0)
    whole = max(every.values(), default=0.0)
    share = max(rest.values(), default=0.0) / whole if whole else 0.0
    return max(seconds, 0.0) + share * p95(sorted(one.hops for one in runs))


def look(upgrade: Work, journal: Journal) -> Forecast | None:
    """The same of an upgrade as it is now; None where it was taken back, or cannot be any more."""
    if gates.is_back(journal) or gates.is_final(journal):
        return None
    return forecast(gates.of_window(journal), rehearsed(upgrade), upgrade.settings.window, time.time())


def go_on(journal: Journal, why: str) -> None:
    """Records that the operator goes on, whatever the time: it is asked no more."""
    control.remark(journal, f"on past the last moment to turn back: {why}")
    journal.remember(WENT_ON, True)


def may_go_on(upgrade: Work, journal: Journal, terminal: Terminal, ask: Ask) -> bool:
    """Whether nothing is to be asked, or the operator says so. The pause for the question is ended."""
    lift(journal)
    found = look(upgrade, journal)
    if found is None or not found.is_due or journal.recall(WENT_ON):
        return True
    late = duration(found.over - found.ends)
    terminal.warn(f"{found}: {late} after it")
    if ask("Go on past the end of the window? No: nothing more is begun, and you can turn back."):
        go_on(journal, "the operator was asked")
        return True
    terminal.warn(
        f"it goes no further. Back: naru upgrade rollback {upgrade.directory}; on: naru upgrade run "
        f"{upgrade.directory} --go-on REASON"
    )
    return False


def lift(journal: Journal) -> None:
    """Ends the pause that was made for the question, where there is one."""
    if journal.recall(PAUSED):
        control.resume(journal)
        journal.remember(PAUSED, None)


@contextmanager
def watched(upgrade: Work, terminal: Terminal) -> Iterator[None]:
    """Says, while the window runs, when it ends and until when one can turn back, and pauses it when it is to be
    asked: what runs comes to its end, and nothing more begins."""
    runs = rehearsed(upgrade)
    said = ""

    def once() -> bool:
        nonlocal said
        with upgrade.journal() as journal:
            found = forecast(gates.of_window(journal), runs, upgrade.settings.window, time.time())
            if found is None:
                return True
            late = not found.done and found.over > found.ends
            line = f"{utc(found.turn_back)} {late}"
            if line != said and (late or not said):
                terminal.say(str(found))
                said = line
            if found.is_due and not journal.recall(WENT_ON):
                journal.remember(PAUSED, True)
                control.pause(journal)
                return False
        return True

    if not upgrade.settings.window or not runs:
        yield
        return
    with beside(once, PAUSE):
        yield
