"""Steps placed elsewhere: a `Runner` that hands them to workers over Procrastinate, and the worker itself.

Needs the extra `workers`, and a journal on PostgreSQL, whose database also holds Procrastinate's queues. The queue only
carries the word that there is something to do. Who may do it, and what came of it, is in the journal's leases: a job
that is delivered twice, late, or by a worker that has died does no harm.
"""

import asyncio
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import inspect, select

from naru.plan import leases, schema
from naru.plan.context import Context
from naru.plan.errors import LeaseLost, PlanError, PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds
from naru.plan.record import said, works
from naru.plan.runner import Ended, Job, Outcome, call, failed

TASK = "naru.step"
POLL = 0.2
"""Seconds between two looks of the executor at the leases."""
_log = logging.getLogger(__name__)


def _conninfo(journal: Journal) -> str:
    url = journal.engine.url
    if url.get_backend_name() != "postgresql":
        raise PlanInputError(
            f"{journal.name}: workers need a journal on PostgreSQL", hint="--work postgresql://HOST/DATABASE"
        )
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class Workers:
    """The runner for steps that have a place. See `runner.Runner` for what the methods owe.

    `seconds` is the length of the leases: a worker that is killed is replaced after one and a half times that.
    """

    def __init__(self, journal: Journal, seconds: float = leases.SECONDS) -> None:
        self._journal = journal
        self._seconds = seconds
        self._plan_id: str = journal.setup()["plan_id"]
        connector = procrastinate.SyncPsycopgConnector(conninfo=_conninfo(journal))
        self._app = procrastinate.App(connector=connector)
        self._app.open()
        with journal.read() as connection:
            installed = inspect(connection).has_table("procrastinate_jobs")
        if not installed:
            self._app.schema_manager.apply_schema()
        self._jobs: dict[int, Job] = {}
        self._told: dict[int, float] = {}
        self._next_look = 0.0

    def start(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._jobs[job.context.n] = job
            self._tell(job)

    def _tell(self, job: Job) -> None:
        n, attempt = job.context.n, job.context.attempt
        self._told[n] = time.monotonic()
        lock = f"{self._plan_id}/{n}/{attempt}"
        task = self._app.configure_task(TASK, queue=job.place, queueing_lock=lock)
        try:
            task.defer(plan=self._plan_id, step=n, attempt=attempt, seconds=self._seconds)
        except AlreadyEnqueued:
            # it is in the queue still: no worker has come to it
            return

    def poll(self) -> list[Ended]:
        if not self._jobs or time.monotonic() < self._next_look:
            return []
        self._next_look = time.monotonic() + POLL
        ended, seen = [], set()
        for held in leases.look(self._journal, list(self._jobs), self._seconds):
            if self._jobs[held.step].context.attempt != held.attempt:
                continue
            seen.add(held.step)
            if held.outcome is not None:
                ended.append(Ended(held.step, held.attempt, Outcome.from_json(held.outcome)))
            elif held.lost:
                ended.append(Ended(held.step, held.attempt, _lost(held)))
        for n, _, _ in ended:
            del self._jobs[n], self._told[n]
        for n, job in self._jobs.items():
            # told, but nobody has begun: a worker may have died with the word and before it took the lease
            if n not in seen and time.monotonic() - self._told[n] > self._seconds:
                self._tell(job)
        return ended

    @property
    def patience(self) -> float:
        return POLL

    def cancel(self, context: Context, why: str) -> None:
        """Workers see for themselves that the plan is cancelled; when the executor ends they go on."""

    def close(self) -> None:
        self._app.close()


def _lost(held: leases.Held) -> Outcome:
    parts = {
        "type": LeaseLost.__name__,
        "summary": f"worker {held.holder} has not renewed its lease and was given up",
        "detail": "",
        "hint": "",
    }
    return Outcome("failed", error=json.dumps(parts), policy=-1)


class Worker:
    """A process that runs the steps of some places, `concurrency` at a time, until it is told to stop."""

    def __init__(self, journal: Journal, places: Sequence[str], concurrency: int = 1, kinds: Kinds = KINDS) -> None:
        self._journal = journal
        self._places = list(places)
        self._concurrency = concurrency
        self._kinds = kinds
        self._plan_id: str = journal.setup()["plan_id"]
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="step")
        self._active: dict[leases.HeldLease, Context] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """Works until SIGINT or SIGTERM, which let running steps finish."""
        conninfo = _conninfo(self._journal)
        self._kinds.check(self._journal.kinds())
        with self._journal.read() as connection:
            if not inspect(connection).has_table("procrastinate_jobs"):
                raise PlanError(
                    f"{self._journal.name}: nothing has been handed to workers yet", hint="start naru plan run first"
                )
        beat = threading.Thread(target=self._beat, name="leases", daemon=True)
        beat.start()
        try:
            asyncio.run(self._serve(conninfo))
        finally:
            self._over.set()
            beat.join()

    async def _serve(self, conninfo: str) -> None:
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=conninfo))

        @app.task(name=TASK)
        async def task(plan: str, step: int, attempt: int, seconds: float) -> None:
            if plan != self._plan_id:
                raise PlanInputError(f"step {step} belongs to another plan, {plan}")
            await asyncio.get_running_loop().run_in_executor(self._threads, self._attempt, step, attempt, seconds)

        async with app.open_async():
            await app.run_worker_async(
                queues=self._places,
                name=self._name,
                concurrency=self._concurrency,
                fetch_job_polling_interval=1.0,
                delete_jobs="always",
            )

    def _attempt(self, step: int, attempt: int, seconds: float) -> None:
        """Runs one attempt under a lease, unless it is out of date."""
        journal = self._journal
        with journal.read() as connection:
            work = next(iter(works(connection, [step])), None)
        if work is None or work.attempt != attempt:
            return
        kind = self._kinds.get(work.kind)
        target, deadline, problem = f"step {work.id}", None, None
        try:
            deadline = kind.deadline_for(work.args)
            if kind.writes is not None:
                target = kind.writes(work.args)
        # a kind's function that cannot make anything of the arguments fails its step
        except Exception as error:  # noqa: BLE001
            problem = error
        while (lease := leases.acquire(journal, target, step, attempt, self._name, seconds)) is None:
            # another step writes to the same destination, or a worker that has not been given up yet
            if not leases.is_current(journal, step, attempt) or self._over.wait(seconds / 10):
                return
        context = Context(
            n=step,
            id=work.id,
            kind=work.kind,
            unit=work.unit,
            args=work.args,
            attempt=attempt,
            earlier=work.earlier,
            reader=journal.results_before,
            lease=lease,
        )
        context.deadline = deadline
        self._active[lease] = context
        try:
            outcome = call(kind, context) if problem is None else failed(kind, context, problem)
        finally:
            del self._active[lease]
        try:
            with journal.write() as connection:
                # first, and in the same transaction: what a worker without a lease says is not to be written
                leases.finish(connection, lease, outcome.to_json())
                said(connection, context)
        except LeaseLost as error:
            _log.warning("%s: %s", work.id, error.summary)

    def _beat(self) -> None:
        """Renews the leases, writes what the steps say, and tells them when they are to stop."""
        while not self._over.wait(min([0.5, *(lease.seconds / 3 for lease in list(self._active))])):
            for lease, context in list(self._active.items()):
                try:
                    self._renew(lease, context)
                except PlanError as error:
                    # the lease runs out by itself if this goes on
                    _log.warning("%s", error)

    def _renew(self, lease: leases.HeldLease, context: Context) -> None:
        with self._journal.write() as connection:
            if leases.renew(connection, lease):
                said(connection, context)
                if connection.execute(select(schema.control.c.mode)).scalar_one() == "cancelled":
                    context.cancel("cancelled by the operator")
            elif lease in self._active:
                lease.lose()
                context.cancel("its lease was lost")
