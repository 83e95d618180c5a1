"""Steps run elsewhere: a `Runner` that hands them to workers over Procrastinate, and the worker itself.

Needs the extra `workers`, and a journal on PostgreSQL. Its database also holds Procrastinate's
queues, that all journals there share. A queue only says that there is something to do, and carries what the
kind's `before` found out for it. Who may do it, and what came of it, is in the journal's leases: a job that is
delivered twice, late, or by a worker that has died does no harm.
"""

import asyncio
import dataclasses
import json
import logging
import math
import os
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from sqlalchemy import URL, select

from naru.plan import leases, schema
from naru.plan.context import Context
from naru.plan.engine import in_schema, schema_of
from naru.plan.errors import LeaseLost, PlanError, PlanInputError
from naru.plan.journal import Journal, address
from naru.plan.kinds import KINDS, Kinds, StepKind, load
from naru.plan.record import StartedStep, read_running, write_spoken
from naru.plan.runner import LOST, AttemptResult, Ended, Job, call, failure_result, result_json, run_before

TASK = "naru.step"
POLL = 0.2
"""Seconds between two looks of the executor at the leases."""
SAY_AGAIN = 10.0
"""Seconds after which a worker says again that a lease is not renewed."""
AGAIN = 3.0
"""Seconds after which a worker asks a database again that was gone."""
_log = logging.getLogger(__name__)
# it logs each job with all that it is given, and a database that is gone as a traceback for each of its tasks: what
# people have to know is said here
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)


def _database(where: str) -> URL:
    """The database of a journal, without its schema. Raises PlanInputError for one that is not on PostgreSQL."""
    url = address(where)
    if url is None or url.get_backend_name() != "postgresql":
        raise PlanInputError(f"{where}: workers need a journal on PostgreSQL", hint="--work postgresql://HOST/DATABASE")
    return in_schema(url, "")


def _conninfo(database: URL) -> str:
    return database.set(drivername="postgresql").render_as_string(hide_password=False)


def _queue(database: URL) -> procrastinate.App:
    """The database's queues, opened; made when there are none."""
    conninfo = _conninfo(database)
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=conninfo))
    try:
        # an executor and workers may come at once
        with psycopg.connect(conninfo) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [zlib.crc32(TASK.encode())])
            app.open()
            if not app.check_connection():
                app.schema_manager.apply_schema()
    except (psycopg.Error, ConnectorException) as error:
        raise PlanError(
            f"{database.render_as_string()}: the queues of the workers cannot be opened",
            detail=str(error.__cause__ or error).strip(),
            hint="The user of the database needs CREATE on it, and on its schema public.",
        ) from error
    return app


class _PhaseResult(NamedTuple):
    """The result of a `before` or `after`, which run here: a value, or how the attempt has ended."""

    job: Job
    value: Any
    then: Callable[[Job, Any], AttemptResult | None]
    outcome: AttemptResult | None


class Workers:
    """The runner for steps that have a queue. See `runner.Runner` for what the methods owe.

    `seconds` is the length of the leases: a worker that is killed is replaced after one and a half times that.
    """

    def __init__(self, journal: Journal, seconds: float = leases.SECONDS) -> None:
        self._journal = journal
        self._seconds = seconds
        self._plan_id: str = journal.setup()["plan_id"]
        self._app = _queue(_database(journal.where))
        self._jobs: dict[int, Job] = {}
        self._announced: dict[int, float] = {}
        # by step: its job in the queue
        self._queued: dict[int, int] = {}
        # steps with a `before` or `after` under way, and what came of those
        self._busy: set[int] = set()
        self._phases: SimpleQueue[_PhaseResult] = SimpleQueue()
        self._next_look = 0.0

    def start(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._jobs[job.context.n] = job
            self._begin(job)

    def _begin(self, job: Job) -> None:
        """Announces the step to the workers, as soon as it is known what they are given."""
        kind, context = job.kind, job.context
        self._announced[context.n] = time.monotonic()
        if kind.before is None:
            self._announce(job, None)
        else:
            # what is in the queue still would be given what was found out long ago
            self._withdraw(context.n)
            self._phase(job, lambda: run_before(kind, context), self._announce)

    def _announce(self, job: Job, given: Any) -> AttemptResult | None:
        n, attempt = job.context.n, job.context.attempt
        if job.context.cancelled:
            return AttemptResult("waiting")
        self._announced[n], job.context.given = time.monotonic(), given
        lock = f"{self._plan_id}/{n}/{attempt}"
        task = self._app.configure_task(TASK, queue=job.queue, queueing_lock=lock)
        try:
            self._queued[n] = task.defer(
                plan=self._plan_id,
                schema=schema_of(self._journal.engine.url),
                step=n,
                attempt=attempt,
                seconds=self._seconds,
                given=given,
                at=leases.clock(self._journal),
            )
        except AlreadyEnqueued:
            # it is in the queue still: no worker has come to it
            return None
        return None

    def _withdraw(self, n: int) -> bool:
        """Takes a step's job out of the queue; False when a worker has it, or there is none."""
        job = self._queued.pop(n, None)
        return job is not None and self._app.job_manager.cancel_job_by_id(job, delete_job=True)

    def _phase(self, job: Job, run: Callable[[], Any], then: Callable[[Job, Any], AttemptResult | None]) -> None:
        """Runs what of a step has to be done in this process, in a thread; `poll` goes on with what it returned."""

        def phase() -> None:
            try:
                ended = _PhaseResult(job, run(), then, None)
            # whatever a step raises is data
            except BaseException as error:  # noqa: BLE001
                ended = _PhaseResult(job, None, then, failure_result(job.kind, job.context, error))
            self._phases.put(ended)

        self._busy.add(job.context.n)
        # a daemon, as the threads of other steps: see `runner.Inline`
        threading.Thread(target=phase, name=f"phase of step {job.context.n}", daemon=True).start()

    def poll(self) -> list[Ended]:
        if not self._jobs or time.monotonic() < self._next_look:
            return []
        self._next_look = time.monotonic() + POLL
        ended = self._take_in_phases()
        seen = set()
        for view in leases.look(self._journal, list(self._jobs.keys() - self._busy), self._seconds):
            job = self._jobs[view.step]
            if job.context.attempt != view.attempt:
                continue
            seen.add(view.step)
            outcome = _lost(view) if view.lost else None
            if view.outcome is not None:
                outcome = AttemptResult.from_json(view.outcome)
                if outcome.state == "done" and job.kind.after is not None:
                    self._end(job, outcome)
                    continue
            if outcome is not None:
                ended.append(Ended(view.step, view.attempt, outcome))
        for n, _, _ in ended:
            self._jobs.pop(n, None)
            self._queued.pop(n, None)
        for n, job in self._jobs.items():
            # announced, but nobody has begun: a worker may have died between taking the job and the lease
            if n not in seen | self._busy and time.monotonic() - self._announced[n] > self._seconds:
                self._begin(job)
        return ended

    def _end(self, job: Job, outcome: AttemptResult) -> None:
        """Goes on here with what the function returned at a worker."""
        kind, context = job.kind, job.context
        result = None if outcome.result is None else json.loads(outcome.result)
        # what a worker needed of the deadline was counted there
        limit = kind.deadline_for(context.args)
        context.deadline = None if limit is None else time.monotonic() - context.started + limit
        assert kind.after is not None
        after = kind.after
        self._phase(
            job, lambda: result_json(context, after(context, result)), lambda _, text: AttemptResult("done", text)
        )

    def _take_in_phases(self) -> list[Ended]:
        ended: list[Ended] = []
        while True:
            try:
                job, value, then, outcome = self._phases.get_nowait()
            except Empty:
                return ended
            n = job.context.n
            self._busy.discard(n)
            if self._jobs.get(n) is job and (outcome := outcome or then(job, value)) is not None:
                ended.append(Ended(n, job.context.attempt, outcome))

    @property
    def patience(self) -> float:
        return POLL

    def cancel(self, context: Context, why: str) -> None:
        """Withdraws from the queue what no worker has begun. Workers see for themselves that the plan is cancelled;
        when the executor ends they go on."""
        context.cancel(why)
        job = self._jobs.get(context.n)
        if job is not None and self._withdraw(context.n):
            self._phases.put(_PhaseResult(job, None, self._announce, AttemptResult("waiting")))

    def close(self) -> None:
        self._app.close()


def _lost(lease: leases.LeaseView) -> AttemptResult:
    parts = {
        "type": LeaseLost.__name__,
        "summary": f"worker {lease.holder} has not renewed its lease and was given up",
        "detail": "",
        "hint": "",
    }
    return AttemptResult("failed", error=json.dumps(parts), policy=LOST)


def _told(error: Exception) -> str:
    """An error in one line."""
    parts = (getattr(error, "summary", "") or repr(error), getattr(error, "detail", ""))
    return " ".join(": ".join(part for part in parts if part).split())


class Worker:
    """A process that runs the steps of some queues, `concurrency` at a time, until it is asked to stop: those of all
    journals in the database of the journal `where`."""

    def __init__(self, where: str, queues: Sequence[str], concurrency: int = 1, kinds: Kinds = KINDS) -> None:
        self._database = _database(where)
        self._queues = list(queues)
        self._concurrency = concurrency
        self._kinds = kinds
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="step")
        self._active: dict[leases.Lease, tuple[Journal, Context]] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """Works until SIGINT or SIGTERM, which let running steps finish."""
        _queue(self._database).close()
        threads = [
            threading.Thread(target=loop, name=name, daemon=True)
            for name, loop in (("leases", self._beat), ("ends of leases", self._guard))
        ]
        for thread in threads:
            thread.start()
        try:
            while not self._served():
                time.sleep(AGAIN)
            self._threads.shutdown()
        finally:
            self._over.set()
            for thread in threads:
                thread.join(5.0)

    def _served(self) -> bool:
        """Takes jobs out of the queues until it is asked to stop; False when the database is gone before that. Steps
        that run go on meanwhile, each for as long as its lease is valid."""
        told = "a connection was lost"
        try:
            if asyncio.run(self._serve()):
                return True
        except (psycopg.Error, ConnectorException) as error:
            told = " ".join(str(error.__cause__ or error).split())
        _log.warning("the database does not answer; it is asked again every %.0f s: %s", AGAIN, told)
        return False

    async def _serve(self) -> bool:
        """Whether it ended because it was asked to: Procrastinate ends as well when its connections are lost."""
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=_conninfo(self._database)))

        @app.task(name=TASK)
        async def task(**job: Any) -> None:
            await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._job(**job))

        asked = asyncio.Event()
        async with app.open_async():
            working = asyncio.ensure_future(
                app.run_worker_async(
                    queues=self._queues,
                    name=self._name,
                    concurrency=self._concurrency,
                    fetch_job_polling_interval=1.0,
                    delete_jobs="always",
                    install_signal_handlers=False,
                )
            )

            def stop() -> None:
                if not asked.is_set():  # once: it waits for the steps that run
                    asked.set()
                    working.cancel()

            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            try:
                await working
            except asyncio.CancelledError:
                if not asked.is_set():
                    raise
        return asked.is_set()

    def _job(self, *, plan: str, schema: str, step: int, attempt: int, seconds: float, given: Any, at: float) -> None:
        """Runs one attempt under a lease, unless the word of it is out of date."""
        url = in_schema(self._database, schema).render_as_string(hide_password=False)
        try:
            with Journal.open(url) as journal:
                if journal.setup()["plan_id"] == plan and self._is_fresh(journal, given, at, seconds):
                    self._attempt(journal, step, attempt, seconds, given)
        except PlanError as error:
            # the executor announces again what nobody has begun
            _log.warning("step %s of plan %s: %s", step, plan, _told(error))
        except Exception:
            _log.exception("step %s of plan %s", step, plan)
            raise

    def _is_fresh(self, journal: Journal, given: Any, at: float, seconds: float) -> bool:
        """Whether what the step is given was found out a moment ago. Without an executor, nobody renews it."""
        return given is None or leases.clock(journal) - at < 3 * seconds

    def _attempt(self, journal: Journal, step: int, attempt: int, seconds: float, given: Any) -> None:
        with journal.read() as connection:
            work = next(iter(read_running(connection, [step])), None)
        if work is None or work.attempt != attempt:
            return
        kind, target, deadline = None, f"step {work.id}", None
        problem: Exception | None = None
        try:
            kind = self._kind(journal, work)
            deadline = kind.deadline_for(work.args)
            if kind.writes is not None:
                target = kind.writes(work.args)
        # a kind that is not installed here, or that cannot make anything of the arguments, fails its step
        except Exception as error:  # noqa: BLE001
            problem = error
        while (lease := leases.acquire(journal, target, step, attempt, self._name, seconds)) is None:
            # another step writes to the same destination, or a worker that has not been given up yet
            if not leases.is_current(journal, step, attempt) or self._over.wait(seconds / 10):
                return
        context = Context(
            n=step,
            id=work.id,
            kind=kind.name if kind else work.kind,
            unit=work.unit,
            args=work.args,
            attempt=attempt,
            earlier=work.earlier,
            reader=journal.results_before,
            counter=lambda kinds: journal.running(self._kinds.names(kinds)),
            failures=journal.has_failed,
            lease=lease,
            plan=journal.plan_id,
        )
        context.deadline, context.given = deadline, given
        self._active[lease] = (journal, context)
        _log.info("%s, attempt %s", work.id, attempt)
        try:
            if problem is None:
                assert kind is not None
                outcome = call(kind, context)
            else:
                outcome = failure_result(kind, context, problem)
            self._finish(journal, lease, context, outcome.to_json())
        finally:
            del self._active[lease]

    def _finish(self, journal: Journal, lease: leases.Lease, context: Context, outcome: str) -> None:
        """Leaves the outcome (JSON) for the executor as soon as the database answers, if the lease lasts until then."""
        while True:
            try:
                with journal.write() as connection:
                    # first, and in the same transaction: what a worker without a lease says is not to be written
                    leases.finish(connection, lease, outcome)
                    write_spoken(connection, context)
                return
            except LeaseLost as error:
                _log.warning("%s: %s", context.id, error.summary)
                return
            except PlanError as error:
                _log.warning("%s has ended, which is not written yet: %s", context.id, _told(error))
            try:
                lease.check()
            except LeaseLost as error:
                _log.error("%s: it ended, but that could not be written in time: %s", context.id, error.summary)
                return
            time.sleep(min(AGAIN, lease.seconds / 10))

    def _kind(self, journal: Journal, work: StartedStep) -> StepKind:
        """The kind of a step, without what is done of it in the executor."""
        load(journal.modules())
        return dataclasses.replace(self._kinds.get(work.kind), before=None, after=None)

    def _beat(self) -> None:
        """Renews the leases, writes what the steps say, and tells them when they are to stop."""
        said: dict[leases.Lease, float] = {}
        while not self._over.wait(min([0.5, *(lease.seconds / 3 for lease in list(self._active))])):
            for lease, (journal, context) in list(self._active.items()):
                try:
                    self._renew(journal, lease, context)
                # whatever it is, it is tried again at the next turn: if this goes on, `_guard` sees it
                except Exception as error:  # noqa: BLE001
                    if time.monotonic() - said.get(lease, -math.inf) > SAY_AGAIN:
                        said[lease] = time.monotonic()
                        _log.warning("%s: its lease is not renewed: %s", context.id, _told(error))
                else:
                    said.pop(lease, None)

    def _guard(self) -> None:
        """Stops the steps whose leases are about to end. It asks nobody: what renews them may be waiting for a database
        that does not answer."""
        stopped: set[leases.Lease] = set()
        while not self._over.wait(min([0.2, *(lease.seconds / 20 for lease in list(self._active))])):
            active = list(self._active.items())
            stopped &= {lease for lease, _ in active}
            for lease, (_, context) in active:
                if lease.ending and lease not in stopped:
                    stopped.add(lease)
                    _log.error("%s: its lease could not be renewed, and it is stopped before that ends", context.id)
                    context.cancel("its lease could not be renewed")

    def _renew(self, journal: Journal, lease: leases.Lease, context: Context) -> None:
        with journal.write() as connection:
            if leases.renew(connection, lease):
                write_spoken(connection, context)
                if connection.execute(select(schema.control.c.mode)).scalar_one() == "cancelled":
                    context.cancel("cancelled by the operator")
            elif lease in self._active:
                lease.lose()
                context.cancel("its lease was lost")
