"""`naru move run`: the phases of many projects, at the times of a schedule."""

import argparse
import datetime
import glob
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move_plan import add_work
from naru.cli.plan_run import run
from naru.move.progress import ProgressReader
from naru.move.waves import projects
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan import control
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.windows import schedule as schedules
from naru.plan.windows.conductor import Conductor, UnitState
from naru.plan.windows.phases import ROLLED_BACK
from naru.text import duration

TICK = 2.0
"""Seconds between two looks at what is due while steps run."""
LOOK = 5.0
"""Seconds between two looks, while nothing runs, at whether an operator has changed something."""
STOPPED = {"interrupted": 130, "paused": 3, "cancelled": 3}
"""States in which a run ends whatever the schedule says, and the exit codes."""


class Run(Lister):
    """Move many projects at the times of a schedule: prepare all, cut over wave by wave, finalize.

    Waits between the phases, and says what is next and when. Ctrl-C ends it at any time (while steps run: once lets
    them finish, twice ends at once); run again, it goes on: all it knows is in the work directory. A project that
    failed holds those that need it, and no others; when it is mended (naru plan retry), also from another terminal, it
    goes on. A project whose cut-over has not begun by its window's latest time is held.

    The last table has each project. Exit codes: 0 all done, 1 projects failed, 2 bad input, 3 projects are held, 130
    interrupted.
    """

    examples = """
naru move run work/all --schedule schedule.yaml --dry-run
naru move run work/all --schedule schedule.yaml
naru move run work/all --schedule schedule.yaml --until prepare
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--schedule", type=Path, required=True, metavar="FILE", help="the waves and their times")
        parser.add_argument("--dry-run", action="store_true", help="show what is done when, and do nothing")
        parser.add_argument(
            "--until", choices=PHASES.names, default=PHASES.end, help="the last phase (default: finalize)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        schedule = schedules.load(PHASES, arguments.schedule)
        directory = Work(arguments.work)
        move = projects(directory)
        with directory.journal() as journal:
            progress = ProgressReader(journal, move.names)
            progress.check()
            now, states = _now(), progress.read()
            ids = schedules.check(
                *(PHASES, arguments.schedule, schedule, move.names, move.dependencies),
                now=now,
                before=schedules.last(PHASES, journal),
                passed={project for project, state in states.items() if PHASES.done(state, PHASES.window)},
            )
            conductor = Conductor(PHASES, schedule, ids, move.needs, move.names, arguments.until)
            if arguments.dry_run:
                return ("at", "phase", "wave", "projects", "at_once"), conductor.agenda(states)
            schedules.remember(journal, schedule)
            quiet = self.app.options.verbose_level == 0
            self.exit_code, found = _ScheduledRun(journal, progress, conductor, quiet).run()
        return ("wave", "project", "reached", "state", "why"), found


class _ScheduledRun:
    """A run of a schedule: opens gates when their time has come, and runs the plan whenever something of it can run."""

    def __init__(self, journal: Journal, progress: ProgressReader, conductor: Conductor, quiet: bool) -> None:
        self._journal = journal
        self._progress = progress
        self._conductor = conductor
        self._quiet = quiet

    def run(self) -> tuple[int, list[UnitState]]:
        """Runs until nothing comes any more: the exit code, and where every project is."""
        begin = self._conductor.schedule.prepare
        if begin and begin > _now():
            self._say("preparing begins", begin)
            self._wait(begin)
        while True:
            self._leave_to_others()
            revision = self._progress.revision()
            _conduct(self._journal, self._progress, self._conductor)
            with self._clock():
                state = run(self._journal, wait=False, quiet=self._quiet).state
            now, progress = _now(), self._progress.read()
            states = self._conductor.states(progress, now)
            if state in STOPPED:
                return STOPPED[state], states
            if all(project.state in ("done", ROLLED_BACK) for project in states):
                return 0, states
            # what was opened or mended in the last instant of the run
            if self._progress.revision() != revision:
                continue
            following = self._conductor.next(progress, now)
            if following is None:
                return (1 if any(project.state == "failed" for project in states) else 3), states
            self._say(following.what, following.at)
            self._wait(following.at, revision)

    def _leave_to_others(self) -> None:
        """While an operator runs the plan from elsewhere, the gates alone are seen to: steps run there."""
        if self._journal.is_running() and not self._quiet:
            print("another executor runs the plan: gates are opened for it", file=sys.stderr, flush=True)
        while self._journal.is_running():
            _conduct(self._journal, self._progress, self._conductor)
            _sleep(LOOK)

    def _wait(self, until: datetime.datetime, revision: int | None = None) -> None:
        """Sleeps until then, or until somebody changes the plan of that revision."""
        # a little at a time: a signal in the very moment a sleep begins is seen when it ends
        while (left := (until - _now()).total_seconds()) > 0 and revision in (None, self._progress.revision()):
            _sleep(min(left, LOOK))

    def _say(self, what: str, at: datetime.datetime) -> None:
        if not self._quiet:
            left = duration(max(0.0, (at - _now()).total_seconds()))
            print(f"next, at {at.isoformat()} (in {left}): {what}", file=sys.stderr, flush=True)

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
                        _conduct(own, progress, self._conductor)
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


def _conduct(journal: Journal, progress: ProgressReader, conductor: Conductor) -> None:
    """Opens and holds the gates that are due."""
    for change in conductor.due(progress.read(), _now()):
        # a gate's name is a pattern to the journal, and a project may be called anything
        gate = glob.escape(progress.gates[change.phase, change.unit])
        (control.release if change.release else control.hold)(journal, gate)


_sleep = time.sleep


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
