"""The executor: starts what may start, in the order of the longest path, and writes to the journal what becomes of it.

One thread, `run`, decides and writes. In each turn it commits, in one transaction, the endings that have come in since
the last turn and the intent to run the steps that may start now; only then do those start. So there is one disk
flush for as many steps as are under way, and a step's intent is on disk before its effect, its result after it.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from queue import Empty, SimpleQueue

from naru.plan.context import Context
from naru.plan.errors import PlanInputError
from naru.plan.events import Event
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, LOST_WORKER, Kinds, StepKind
from naru.plan.model import STATES
from naru.plan.ready import DONE, FAILED, HELD, PAUSING, RUNNING, UNDONE, WAITING, Scope
from naru.plan.record import Batch, Ending, Record, StartedStep
from naru.plan.runner import LOST, Ended, Inline, Job, Runner, failure_result

POLL = 0.2
"""Seconds between two looks at what the operator has changed; progress is written as often."""
BEAT = 1.0
"""Seconds between two signs of life in the journal."""
GRACE = 2.0
"""Seconds that steps are given to end themselves after the second interrupt."""


class RunOutcome(StrEnum):
    """How a run ended; the value is what the journal records."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed steps, 3 held, paused or cancelled, 130 interrupted."""
        return {RunOutcome.DONE: 0, RunOutcome.FAILED: 1, RunOutcome.INTERRUPTED: 130}.get(self, 3)


class Executor:
    """Runs the plan of one journal until nothing more can start.

    `remote` runs the steps that have a queue; without it such a plan is refused. With `wait`, `run` goes on while the
    plan is paused, held at a gate or at a limit of 0, until that is changed; with `wait_for_limits` at a limit of 0
    alone, as long as it says so where it is a function. With `undoing` it runs the steps of rollbacks (with a
    `purpose`: those that have it) and leaves all others as they are; with a `scope` it runs what that says, and no
    rollback.
    """

    def __init__(
        self,
        journal: Journal,
        kinds: Kinds = KINDS,
        *,
        remote: Runner | None = None,
        wait: bool = False,
        wait_for_limits: bool | Callable[[], bool] = False,
        undoing: bool = False,
        purpose: str = "",
        scope: Scope | None = None,
    ) -> None:
        self.journal = journal
        self._kinds = kinds
        self._wait = wait
        self._wait_for_limits = wait_for_limits if callable(wait_for_limits) else lambda: wait or bool(wait_for_limits)
        self._ended: SimpleQueue[Ended | None] = SimpleQueue()
        self._inline = Inline(self._ended.put)
        self._remote = remote
        self._record = Record(journal, undoing=undoing, purpose=purpose, scope=scope)
        self._jobs: dict[int, Job] = {}
        self._deadlines: list[tuple[float, int, int]] = []
        self._pauses: list[tuple[float, int]] = []
        self._failures: dict[int, int] = {}
        # seconds that steps took in this run, and were expected to
        self._took = self._estimated = 0.0
        self._interrupts = 0
        self._mode = "run"
        self._plan = ""
        self._batch = Batch()

    def interrupt(self) -> None:
        """The first call lets running steps finish and ends the run, the second ends it immediately.

        May be called from a signal handler or another thread.
        """
        self._interrupts += 1
        self._ended.put(None)

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop, even if nothing was left to run."""
        return self._interrupts > 0

    def run(self) -> RunOutcome:
        """Runs until nothing more can start, and returns what it came to.

        Raises `PlanError` when another executor has the journal or when the journal cannot be written; whatever
        happens, what was committed is safe and the next run goes on from there.
        """
        with self.journal.exclusive():
            self._check()
            self._plan = self.journal.plan_id
            left = self._record.begin()
            self._ready = self._record.ready()
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
        """Raises `PlanInputError` for a plan with errors, or with kinds or queues this process cannot run."""
        refuse_errors(self.journal)
        self._kinds.check(self.journal.kinds())
        queues = self.journal.queues()
        if queues and self._remote is None:
            raise self._needs_workers(queues)

    def _needs_workers(self, queues: Sequence[str]) -> PlanInputError:
        """The error of a plan with steps for these queues, which this executor cannot give to anybody."""
        return PlanInputError(
            f"{self.journal.name}: the plan has steps for the worker queues {', '.join(queues)}",
            detail="" if self.journal.directory is None else "The journal is a file, which workers cannot reach.",
            hint="Workers need a journal on PostgreSQL (naru plan create FILE --work URL, naru move plan --journal URL)"
            f" and to be there: naru worker --queue {queues[0]} --work URL. For both: pip install"
            " naru-openstack[workers]. A plan whose journal is a file cannot be given to workers any more.",
        )

    def _turns(self) -> RunOutcome:
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
        """Takes in what time brings: endings the runners have to be asked for, deadlines, the ends of pauses."""
        for runner in self._runners():
            for message in runner.poll():
                self._take_in(message)
        while self._deadlines and self._deadlines[0][0] <= now:
            _, n, attempt = heapq.heappop(self._deadlines)
            job = self._jobs.get(n)
            if job is None or job.context.attempt != attempt:
                continue
            context = job.context
            # it may have waited for a thread: the deadline counts from when its function began
            end = context.started + (context.deadline or 0.0)
            if end > now:
                heapq.heappush(self._deadlines, (end, n, attempt))
                continue
            self._cancel(job, "deadline")
            self._batch.events.append((n, attempt, Event.OVERDUE, "its deadline has passed"))
        while self._pauses and self._pauses[0][0] <= now:
            _, n = heapq.heappop(self._pauses)
            if self._ready.state(n) == PAUSING:
                self._ready.set(n, WAITING)

    def _take_in(self, message: Ended) -> None:
        """Turns the end of an attempt into what the journal will say, and lets the schedule know."""
        n, attempt, result = message
        job = self._jobs.get(n)
        if job is None or job.context.attempt != attempt:
            return
        del self._jobs[n]
        if job.context.has_spoken:
            self._batch.contexts.append(job.context)
        state, what, detail = result.state, Event.FAILED, ""
        if state == "done":
            what = Event.DONE
            self._failures.pop(n, None)
            self._took += time.monotonic() - job.context.started
            self._estimated += self._ready.estimate(n)
            self._ready.set(n, DONE)
            if job.undoes is not None:
                self._ready.set(job.undoes, UNDONE)
        elif state == "waiting":
            what = Event.STOPPED
            self._ready.set(n, WAITING)
        else:
            detail = result.error or ""
            pause = self._pause(n, job.kind, result.policy, result.asked)
            if pause is None:
                self._ready.set(n, FAILED)
            else:
                state, what = "waiting", Event.RETRY
                self._ready.set(n, PAUSING)
                heapq.heappush(self._pauses, (time.monotonic() + pause, n))
        error = result.error if state != "done" else None
        self._batch.endings.append(
            Ending(n, attempt, state, result.result, error, what, detail, job.undoes, bool(job.queue))
        )

    def _pause(self, n: int, kind: StepKind, policy: int | None, asked: float) -> float | None:
        """Seconds until the next try of a failed step; None: it has failed for good."""
        if policy is None:
            return None
        failures = self._failures[n] = self._failures.get(n, 0) + 1
        pause = (LOST_WORKER if policy == LOST else kind.retry[policy]).seconds(failures, asked)
        if pause is None:
            del self._failures[n]
        return pause

    def _choose(self) -> None:
        """Adds to the batch the steps that start in it."""
        if self._interrupts or self._mode != "run":
            return
        started, newly_held = self._ready.take()
        self._batch.starts += started
        self._batch.holds += newly_held

    def _write(self) -> None:
        """Commits the batch, and only then lets the steps in it begin."""
        batch, self._batch = self._batch, Batch()
        if batch:
            self._start(self._record.write(batch))

    def _start(self, steps: Iterable[StartedStep]) -> None:
        """Gives attempts, whose intent is on disk, to the runners."""
        inline, remote = [], []
        now = time.monotonic()
        for step in steps:
            kind = self._kinds.get(step.kind)
            context = Context(
                n=step.n,
                id=step.id,
                kind=kind.name,
                unit=step.unit,
                args=step.args,
                attempt=step.attempt,
                earlier=step.earlier,
                reader=self.journal.results_before,
                counter=lambda kinds: self.journal.running(self._kinds.names(kinds)),
                failures=self.journal.has_failed,
                plan=self._plan,
                run=self._record.run,
            )
            job = Job(kind, context, step.queue, step.undoes)
            self._jobs[step.n] = job
            if step.queue and self._remote is not None:
                remote.append(job)
                continue
            if step.queue:
                # an operator made it runnable since the plan was checked
                unplaced = self._needs_workers([step.queue])
                self._ended.put(Ended(step.n, step.attempt, failure_result(kind, context, unplaced)))
                continue
            try:
                context.deadline = kind.deadline_for(step.args)
            # a kind's function that cannot make anything of the arguments fails its step, not the run
            except Exception as error:  # noqa: BLE001
                self._ended.put(Ended(step.n, step.attempt, failure_result(kind, context, error)))
                continue
            inline.append(job)
            if context.deadline is not None:
                heapq.heappush(self._deadlines, (now + context.deadline, step.n, step.attempt))
        if inline:
            self._inline.start(inline)
        if remote and self._remote is not None:
            self._remote.start(remote)

    def _look(self) -> bool:
        """Takes over what the operator has changed, and what running steps have said; whether there was a change."""
        self._batch.contexts += [job.context for job in self._jobs.values() if job.context.has_spoken]
        changes = self._record.changes()
        if changes is None:
            return False
        if changes.graph:
            # what has ended but is not written yet would look as if it still ran
            self._write()
            self._ready = self._record.ready()
            for _, n in self._pauses:
                if self._ready.state(n) == WAITING:
                    self._ready.set(n, PAUSING)
        self._mode = changes.mode
        self._ready.limits = changes.limits
        self._ready.closed_gates = changes.closed_gates
        for n, state in changes.steps:
            if n not in self._jobs:
                self._failures.pop(n, None)
                self._ready.set(n, STATES.index(state))
        self._batch.releases += self._ready.release()
        if changes.mode == "cancelled":
            for job in self._jobs.values():
                self._cancel(job, "cancelled by the operator")
        return True

    def _cancel(self, job: Job, why: str) -> None:
        runner = self._remote if job.queue and self._remote is not None else self._inline
        runner.cancel(job.context, why)

    def _seconds_left(self) -> float:
        """The estimates' lower bound, corrected by how long the steps took that have already ended in this run."""
        now = time.monotonic()
        running = [(n, now - job.context.started) for n, job in self._jobs.items()]
        pace = self._took / self._estimated if self._estimated else 1.0
        return self._ready.seconds_left(running) * pace

    def _outcome(self) -> RunOutcome | None:
        """What the run has come to, or None while something runs or can still start."""
        if self._interrupts > 1:
            self._give_up()
            return RunOutcome.INTERRUPTED
        counts, outside = self._ready.counts, self._ready.outside
        if self._jobs or self._batch or counts[RUNNING] or outside[RUNNING]:
            return None
        if self._interrupts:
            return RunOutcome.INTERRUPTED
        if self._mode == "cancelled":
            return RunOutcome.CANCELLED
        unfinished = counts[WAITING] + counts[HELD] + counts[FAILED] + counts[PAUSING]
        if self._mode == "paused" and unfinished:
            return None if self._wait else RunOutcome.PAUSED
        if counts[PAUSING]:
            return None
        if (self._wait and counts[HELD]) or (self._ready.is_limited() and self._wait_for_limits()):
            return None
        if counts[FAILED]:
            return RunOutcome.FAILED
        # steps that wait although nothing failed: at a gate, or behind one, or in a group whose limit is 0
        left = counts[HELD] + counts[WAITING] + sum(outside[state] for state in (WAITING, HELD, FAILED, PAUSING))
        return RunOutcome.HELD if left else RunOutcome.DONE

    def _give_up(self) -> None:
        """Asks every step to stop, and records those that do so in a moment."""
        for job in self._jobs.values():
            self._cancel(job, "interrupted")
        end = time.monotonic() + GRACE
        while any(not job.queue for job in self._jobs.values()) and (left := end - time.monotonic()) > 0:
            self._receive(left)
        self._write()
