"""The executor: starts what may start, in the order of the longest path, and writes to the journal what becomes of it.

One thread, `run`, decides and writes. In each turn it commits, in one transaction, the endings that have come in since
the last turn and the intent to run the steps that may start now; only then do those start. So there is one disk
flush for as many steps as are under way, and a step's intent is on disk before its effect, its result after it.
"""

import heapq
import time
from collections.abc import Iterable
from enum import StrEnum
from queue import Empty, SimpleQueue

from naru.plan.context import Context
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, LOST_WORKER, Kind, Kinds
from naru.plan.record import Ending, Moment, Record, Work
from naru.plan.runner import Ended, Inline, Job, Runner, failed
from naru.plan.schedule import DONE, FAILED, HELD, PAUSING, RUNNING, STATES, UNDONE, WAITING

POLL = 0.2
"""Seconds between two looks at what the operator has changed; progress is written as often."""
BEAT = 1.0
"""Seconds between two signs of life in the journal."""
GRACE = 2.0
"""Seconds that steps are given to end themselves after the second interrupt."""


class Outcome(StrEnum):
    """What a run came to; the value is what the journal records."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed steps, 3 held, paused or cancelled, 130 interrupted."""
        return {Outcome.DONE: 0, Outcome.FAILED: 1, Outcome.INTERRUPTED: 130}.get(self, 3)


class Executor:
    """Runs the plan of one journal until nothing more can start.

    `remote` runs the steps that have a place; without it such a plan is refused. With `wait`, `run` goes
    on while the plan is paused or held at a gate, until the operator lets it go on. With `undoing` it runs the steps of
    rollbacks and leaves all others as they are.
    """

    def __init__(
        self,
        journal: Journal,
        kinds: Kinds = KINDS,
        *,
        remote: Runner | None = None,
        wait: bool = False,
        undoing: bool = False,
    ) -> None:
        self.journal = journal
        self._kinds = kinds
        self._wait = wait
        self._ended: SimpleQueue[Ended | None] = SimpleQueue()
        self._inline = Inline(self._ended.put)
        self._remote = remote
        self._record = Record(journal, undoing=undoing)
        self._jobs: dict[int, tuple[Job, int | None]] = {}
        self._deadlines: list[tuple[float, int, int]] = []
        self._pauses: list[tuple[float, int]] = []
        self._failures: dict[int, int] = {}
        # seconds that steps took in this run, and were expected to
        self._took = self._estimated = 0.0
        self._interrupts = 0
        self._mode = "run"
        self._moment = Moment()

    def interrupt(self) -> None:
        """The first call lets running steps finish and ends the run, the second ends it at once.

        May be called from a signal handler or another thread.
        """
        self._interrupts += 1
        self._ended.put(None)

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to end, be it when there was nothing more to run anyway."""
        return self._interrupts > 0

    def run(self) -> Outcome:
        """Runs until nothing more can start, and returns what it came to.

        Raises `PlanError` when another executor has the journal or when the journal cannot be written; whatever
        happens, what was committed is safe and the next run goes on from there.
        """
        with self.journal.exclusive():
            self._check()
            left = self._record.begin()
            self._schedule = self._record.schedule()
            try:
                # steps that workers were given by an executor that is gone
                self._start(left)
                outcome = self._turns()
                self._record.end(outcome.value)
            finally:
                self._inline.close()
                if self._remote is not None:
                    self._remote.close()
        return outcome

    def _check(self) -> None:
        """Raises `PlanInputError` for a plan with errors, or with kinds or places this process cannot run."""
        errors = [finding.summary for finding in self.journal.findings() if finding.severity == "error"]
        if errors:
            raise PlanInputError(
                f"{self.journal.name}: the plan has findings of severity error and is not run", detail="\n".join(errors)
            )
        self._kinds.check(self.journal.kinds())
        places = self.journal.places()
        if places and self._remote is None:
            raise PlanInputError(
                f"{self.journal.name}: the plan has steps placed at {', '.join(places)}",
                hint="workers need a journal on PostgreSQL, and the extra: pip install naru-openstack[workers]",
            )

    def _turns(self) -> Outcome:
        next_look = next_beat = 0.0
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + POLL
                self._look()
            if now >= next_beat:
                next_beat = now + BEAT
                self._record.alive(self._seconds_left())
            self._collect(now)
            self._choose()
            self._write()
            outcome = self._outcome()
            # the operator may have retried or released something since the last look
            if outcome is not None and (self._interrupts or not self._look()):
                return outcome
            self._receive(self._patience(next_look))

    def _patience(self, next_look: float) -> float:
        """Seconds to wait for the next ending."""
        until = [next_look, *(entry[0] for entry in (self._deadlines[:1] + self._pauses[:1]))]
        patience = max(0.0, min(until) - time.monotonic())
        for runner in self._runners():
            patience = min(patience, runner.patience)
        return patience

    def _runners(self) -> list[Runner]:
        return [self._inline] if self._remote is None else [self._inline, self._remote]

    def _receive(self, patience: float) -> None:
        """Waits for an ending and takes in all that have come by then."""
        try:
            message = self._ended.get(timeout=patience) if patience > 0 else self._ended.get_nowait()
            while True:
                if message is not None:
                    self._take_in(message)
                message = self._ended.get_nowait()
        except Empty:
            return

    def _collect(self, now: float) -> None:
        """What time brings: endings the runners have to be asked for, deadlines, the ends of pauses."""
        for runner in self._runners():
            for message in runner.poll():
                self._take_in(message)
        while self._deadlines and self._deadlines[0][0] <= now:
            _, n, attempt = heapq.heappop(self._deadlines)
            job = self._jobs.get(n)
            if job is None or job[0].context.attempt != attempt:
                continue
            context = job[0].context
            # it may have waited for a thread: the deadline counts from when its function began
            end = context.started + (context.deadline or 0.0)
            if end > now:
                heapq.heappush(self._deadlines, (end, n, attempt))
                continue
            self._cancel(job[0], "deadline")
            self._moment.events.append((n, attempt, "overdue", "its deadline has passed"))
        while self._pauses and self._pauses[0][0] <= now:
            _, n = heapq.heappop(self._pauses)
            if self._schedule.state(n - 1) == PAUSING:
                self._schedule.set(n - 1, WAITING)

    def _take_in(self, message: Ended) -> None:
        """Turns the end of an attempt into what the journal will say, and lets the schedule know."""
        n, attempt, outcome = message
        held = self._jobs.get(n)
        if held is None or held[0].context.attempt != attempt:
            return
        job, undoes = self._jobs.pop(n)
        if job.context.has_spoken:
            self._moment.contexts.append(job.context)
        state, what, detail = outcome.state, outcome.state, ""
        if state == "done":
            self._failures.pop(n, None)
            self._took += time.monotonic() - job.context.started
            self._estimated += self._schedule.estimate(n - 1)
            self._schedule.set(n - 1, DONE)
            if undoes is not None:
                self._schedule.set(undoes - 1, UNDONE)
        elif state == "waiting":
            what = "stopped"
            self._schedule.set(n - 1, WAITING)
        else:
            detail = outcome.error or ""
            pause = self._pause(n, job.kind, outcome.policy, outcome.asked)
            if pause is None:
                self._schedule.set(n - 1, FAILED)
            else:
                state, what = "waiting", "retry"
                self._schedule.set(n - 1, PAUSING)
                heapq.heappush(self._pauses, (time.monotonic() + pause, n))
        error = outcome.error if state != "done" else None
        self._moment.endings.append(
            Ending(n, attempt, state, outcome.result, error, what, detail, undoes, bool(job.place))
        )

    def _pause(self, n: int, kind: Kind, policy: int | None, asked: float) -> float | None:
        """Seconds until the next try of a failed step; None: it has failed for good."""
        if policy is None:
            return None
        failures = self._failures[n] = self._failures.get(n, 0) + 1
        pause = (LOST_WORKER if policy < 0 else kind.retry[policy]).seconds(failures, asked)
        if pause is None:
            del self._failures[n]
        return pause

    def _choose(self) -> None:
        """Adds to the moment the steps that start in it."""
        if self._interrupts or self._mode != "run":
            return
        started, held = self._schedule.take()
        self._moment.starts += [i + 1 for i in started]
        self._moment.holds += [i + 1 for i in held]

    def _write(self) -> None:
        """Commits the moment, and only then lets the steps in it begin."""
        moment, self._moment = self._moment, Moment()
        if moment:
            self._start(self._record.write(moment))

    def _start(self, works: Iterable[Work]) -> None:
        """Gives attempts, whose intent is on disk, to the runners."""
        inline, remote = [], []
        now = time.monotonic()
        for work in works:
            kind = self._kinds.get(work.kind)
            context = Context(
                n=work.n,
                id=work.id,
                kind=work.kind,
                unit=work.unit,
                args=work.args,
                attempt=work.attempt,
                earlier=work.earlier,
                reader=self.journal.results_before,
                counter=self.journal.running,
            )
            job = Job(kind, context, work.place)
            self._jobs[work.n] = (job, work.undoes)
            if work.place:
                remote.append(job)
                continue
            try:
                context.deadline = kind.deadline_for(work.args)
            # a kind's function that cannot make anything of the arguments fails its step, not the run
            except Exception as error:  # noqa: BLE001
                self._ended.put(Ended(work.n, work.attempt, failed(kind, context, error)))
                continue
            inline.append(job)
            if context.deadline is not None:
                heapq.heappush(self._deadlines, (now + context.deadline, work.n, work.attempt))
        if inline:
            self._inline.start(inline)
        if remote:
            assert self._remote is not None
            self._remote.start(remote)

    def _look(self) -> bool:
        """Takes over what the operator has changed, and what running steps have said; whether there was a change."""
        self._moment.contexts += [job.context for job, _ in self._jobs.values() if job.context.has_spoken]
        changes = self._record.changes()
        if changes is None:
            return False
        if changes.graph:
            # what has ended but is not written yet would look as if it still ran
            self._write()
            self._schedule = self._record.schedule()
            for _, n in self._pauses:
                if self._schedule.state(n - 1) == WAITING:
                    self._schedule.set(n - 1, PAUSING)
        self._mode = changes.mode
        self._schedule.limits = changes.limits
        self._schedule.held = changes.held
        for n, state in changes.steps:
            if n not in self._jobs:
                self._failures.pop(n, None)
                self._schedule.set(n - 1, STATES.index(state))
        self._moment.releases += [i + 1 for i in self._schedule.release()]
        if changes.mode == "cancelled":
            for job, _ in self._jobs.values():
                self._cancel(job, "cancelled by the operator")
        return True

    def _cancel(self, job: Job, why: str) -> None:
        runner = self._remote if job.place and self._remote is not None else self._inline
        runner.cancel(job.context, why)

    def _seconds_left(self) -> float:
        """The estimates' lower bound, corrected by how long the steps took that have already ended in this run."""
        now = time.monotonic()
        running = [(n - 1, now - job.context.started) for n, (job, _) in self._jobs.items()]
        pace = self._took / self._estimated if self._estimated else 1.0
        return self._schedule.seconds_left(running) * pace

    def _outcome(self) -> Outcome | None:
        """What the run has come to, or None while something runs or can still start."""
        if self._interrupts > 1:
            self._give_up()
            return Outcome.INTERRUPTED
        counts = self._schedule.counts
        if self._jobs or self._moment or counts[RUNNING]:
            return None
        if self._interrupts:
            return Outcome.INTERRUPTED
        if self._mode == "cancelled":
            return Outcome.CANCELLED
        unfinished = counts[WAITING] + counts[HELD] + counts[FAILED] + counts[PAUSING]
        if self._mode == "paused" and unfinished:
            return None if self._wait else Outcome.PAUSED
        if counts[PAUSING]:
            return None
        if counts[HELD] and self._wait:
            return None
        if counts[FAILED]:
            return Outcome.FAILED
        # steps that wait although nothing failed: at a gate, or in a group whose limit is 0
        return Outcome.HELD if counts[HELD] or counts[WAITING] else Outcome.DONE

    def _give_up(self) -> None:
        """Asks every step to stop, and records those that do so in a moment."""
        for job, _ in self._jobs.values():
            self._cancel(job, "interrupted")
        end = time.monotonic() + GRACE
        while any(not job.place for job, _ in self._jobs.values()) and (left := end - time.monotonic()) > 0:
            self._receive(left)
        self._write()
