"""A schedule that is run: gates are opened when their time has come, and the plan runs whenever something of it can.

All it knows is in the schedule, the time and the journal: killed at any instant, it goes on where it was.
"""

import datetime
import glob
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from naru.plan import control
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.ready import Scope
from naru.plan.run import Terminal, run
from naru.plan.windows.conductor import Conductor, UnitState
from naru.plan.windows.phases import ROLLED_BACK, Phases
from naru.plan.windows.progress import ProgressReader
from naru.text import duration

TICK = 2.0
"""Seconds between two looks at what is due while steps run."""
LOOK = 5.0
"""Seconds between two looks, while nothing runs, at whether an operator has changed something."""
STOPPED = {"interrupted": 130, "paused": 3, "cancelled": 3}
"""States in which a run ends whatever the schedule says, and the exit codes."""
WORDS = {0: "done", 1: "failed", 3: "held", 130: "interrupted"}
"""What the exit codes of a run say."""


def passed(phases: Phases, progress: ProgressReader) -> set[str]:
    """The gates that need not be kept closed: of units for which the phase behind is done. Others may rest on those."""
    return {
        progress.gates[phase, unit]
        for unit, state in progress.read().items()
        for phase in phases.names[1:]
        if phases.done(state, phase)
    }


class ScheduledRun:
    """A run of a schedule, by its conductor."""

    def __init__(
        self,
        journal: Journal,
        progress: ProgressReader,
        conductor: Conductor,
        terminal: Terminal,
        may_end: Callable[[Collection[str]], Collection[str]] = lambda units: units,
        may_begin: Callable[[Collection[str]], Collection[str]] = lambda units: units,
    ) -> None:
        """`may_end` says which units, for which the last phase is due, may go through it now; `may_begin` the same of
        their window."""
        self._journal = journal
        self._progress = progress
        self._conductor = conductor
        self._terminal = terminal
        self._may_end = may_end
        self._may_begin = may_begin
        # the gates that this run has opened, for as long as it goes on
        self._open: set[str] = set()

    def run(self) -> tuple[int, list[UnitState]]:
        """Runs until nothing comes any more: the exit code, and where every unit is."""
        begin = self._conductor.schedule.prepare
        if begin and begin > now():
            self._say("preparing begins", begin)
            self._wait(begin)
        while True:
            self._leave_to_others()
            revision = self._progress.revision()
            self._conduct(self._journal, self._progress)
            passes = self._open | passed(self._conductor.phases, self._progress)
            with self._clock():
                state = run(self._journal, self._terminal, scope=Scope(passes)).state
            at, progress = now(), self._progress.read()
            states = self._conductor.states(progress, at)
            if state in STOPPED:
                return STOPPED[state], states
            if all(unit.state in ("done", ROLLED_BACK) for unit in states):
                return 0, states
            # what was opened or fixed in the last instant of the run, and what became due in it
            if self._progress.revision() != revision or self._conduct(self._journal, self._progress):
                continue
            following = self._conductor.next(progress, at)
            if following is None:
                return (1 if any(unit.state == "failed" for unit in states) else 3), states
            self._say(following.what, following.at)
            self._wait(following.at, revision)

    def _leave_to_others(self) -> None:
        """While an operator runs a phase from elsewhere it waits: what that may do, the operator has said."""
        if self._journal.is_running():
            self._terminal.say("another executor runs the plan: this goes on when that has ended")
        while self._journal.is_running():
            sleep(LOOK)

    def _wait(self, until: datetime.datetime, revision: int | None = None) -> None:
        """Sleeps until then, or until somebody changes the plan of that revision."""
        # a little at a time: a signal in the very moment a sleep begins is seen when it ends
        while (left := (until - now()).total_seconds()) > 0 and revision in (None, self._progress.revision()):
            sleep(min(left, LOOK))

    def _say(self, what: str, at: datetime.datetime) -> None:
        left = duration(max(0.0, (at - now()).total_seconds()))
        self._terminal.say(f"next, at {at.isoformat()} (in {left}): {what}")

    @contextmanager
    def _clock(self) -> Iterator[None]:
        """Does what is due beside the steps that run. Raises PlanError when that could not be done at the last try."""
        over = threading.Event()

        def tick() -> None:
            # a journal of its own: the thread must not share a connection pool with the executor's transactions
            with Journal.open(self._journal.where) as own:
                progress = self._progress.beside(own)
                problem: PlanError | None = None
                while not over.wait(TICK):
                    try:
                        self._conduct(own, progress, running=True)
                        problem = None
                    except PlanError as error:  # the next try may go well
                        problem = error
                if problem:
                    raise problem

        with ThreadPoolExecutor(1, thread_name_prefix="schedule") as pool:
            ticking = pool.submit(tick)
            try:
                yield
            finally:
                over.set()
            ticking.result()

    def _conduct(self, journal: Journal, progress: ProgressReader, *, running: bool = False) -> bool:
        """Opens and holds the gates that are due, and says whether it opened one. They are open for this run alone: one
        that is killed leaves none."""
        due = self._conductor.due(progress.read(), now())
        phases = self._conductor.phases
        waiting: set[tuple[str, str]] = set()
        opened = False
        for phase, may in ((phases.window, self._may_begin), (phases.end, self._may_end)):
            asked = [
                one.unit
                for one in due
                if one.phase == phase and one.release and progress.gates[phase, one.unit] not in self._open
            ]
            ready = may(asked) if asked else ()
            waiting |= {(phase, unit) for unit in asked if unit not in ready}
        for change in due:
            if (change.phase, change.unit) in waiting:
                continue
            gate = progress.gates[change.phase, change.unit]
            if change.release and gate not in self._open:
                self._open.add(gate)
                opened = True
                if running:
                    control.open_for_run(journal, gate)
            elif not change.release:
                self._open.discard(gate)
                # a gate's name is a pattern to the journal, and a unit may be called anything
                control.hold(journal, glob.escape(gate))
        return opened


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


now: Callable[[], datetime.datetime] = _now
sleep = time.sleep
