"""Where steps run: the `Runner` port, and the inline one: threads for sync steps, an event loop for async ones."""

import asyncio
import json
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from naru.plan.context import Context
from naru.plan.errors import DeadlineExceeded, PlanError, StepCancelled, VerifyError
from naru.plan.kinds import StepKind

MOST_THREADS = 512
LOST = -1
"""The policy of an attempt whose worker was lost: it is retried as `kinds.LOST_WORKER` says."""
_TRACE_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt, as data that can cross processes.

    `state` is `done`, `failed` or `waiting` (it was asked to stop). `policy` is the index of the kind's retry policy
    for this error, LOST for a worker that was given up, None for no retry; `asked` the seconds the other side asked to
    wait.
    """

    state: str
    result: str | None = None
    error: str | None = None
    policy: int | None = None
    asked: float = 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "AttemptResult":
        return cls(**json.loads(text))


class Ended(NamedTuple):
    """The message with which a runner tells the executor that an attempt has ended."""

    n: int
    attempt: int
    result: AttemptResult


class Job(NamedTuple):
    """An attempt with everything it needs in this process. `undoes` is the number of the step that it undoes."""

    kind: StepKind
    context: Context
    queue: str
    undoes: int | None = None


class Runner(Protocol):
    """Runs attempts somewhere else than in the executor's own thread."""

    def start(self, jobs: Iterable[Job]) -> None:
        """Lets attempts begin. Idempotent: the same attempt may be given again after a crash."""

    def poll(self) -> Iterable[Ended]:
        """The attempts that have ended or were lost since the last call, unless the runner reports them by itself."""

    @property
    def patience(self) -> float:
        """Seconds after which `poll` is to be called again."""

    def cancel(self, context: Context, why: str) -> None:
        """Asks a running step to stop."""

    def close(self) -> None:
        """Frees what the runner holds; attempts still running are not waited for."""


def failure_result(kind: StepKind | None, context: Context, error: BaseException) -> AttemptResult:
    """The result for an error that a step raised; without a kind it is not tried again. An error of the shape of
    `NaruError` keeps its parts, and one with `after`, as `Transient` has it, is not tried again sooner."""
    if isinstance(error, StepCancelled | asyncio.CancelledError) and context.cancelled:
        error = context.stop_error()
        if isinstance(error, StepCancelled):
            return AttemptResult("waiting")
    parts = {"type": type(error).__name__, "summary": str(error) or type(error).__name__, "detail": "", "hint": ""}
    summary = getattr(error, "summary", None)
    if isinstance(summary, str):
        parts |= {"summary": summary, "detail": getattr(error, "detail", ""), "hint": getattr(error, "hint", "")}
    elif not isinstance(error, DeadlineExceeded):  # what no function means to raise
        parts["summary"] = f"{type(error).__name__}: {error}"
        parts["detail"] = "".join(traceback.format_exception(error))[-_TRACE_LENGTH:]
        parts["hint"] = "This is a bug. Its traceback is in naru plan status -f json: please report it with that."
    asked = float(getattr(error, "after", 0.0))
    text = json.dumps(context.redact(parts), ensure_ascii=False)
    return AttemptResult("failed", error=text, policy=kind.policy(error) if kind else None, asked=asked)


def result_json(context: Context, result: Any) -> str | None:
    """A step's result as the journal keeps it. Raises PlanError for what is not JSON."""
    if result is None:
        return None
    try:
        # what is no JSON is to be told as that
        result = json.loads(json.dumps(result, ensure_ascii=False))
        return json.dumps(context.redact(result), separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise PlanError(
            f"step kind {context.kind} returned what is not JSON", detail=str(error), hint="return dicts, lists, texts"
        ) from None


def run_before(kind: StepKind, context: Context) -> Any:
    """Calls the kind's `before`: the value for its function, as that gets it, out of JSON."""
    assert kind.before is not None
    return json.loads(json.dumps(kind.before(context)))


def _unverified(context: Context) -> VerifyError:
    return VerifyError(f"step {context.id} returned, but its check says it is not done")


def call(kind: StepKind, context: Context) -> AttemptResult:
    """Runs a step's function, sync or async, to its end in the calling thread, and its check."""
    if context.cancelled:
        return AttemptResult("waiting")
    context.started = time.monotonic()
    try:
        if kind.is_async:
            return asyncio.run(_call_watched(kind, context))
        if kind.before is not None:
            context.given = run_before(kind, context)
        result = kind.run(context)
        if kind.verify is not None and not kind.verify(context):
            raise _unverified(context)
        if kind.after is not None:
            result = kind.after(context, result)
        return AttemptResult("done", result_json(context, result))
    # whatever a step raises is data; an exit or an interrupt inside a step's thread ends the step and not the program
    except BaseException as error:  # noqa: BLE001
        return failure_result(kind, context, error)


async def _call_watched(kind: StepKind, context: Context) -> AttemptResult:
    """Runs an async step and cancels it when it is asked to stop: there is no loop of the executor's to do so."""
    task = asyncio.ensure_future(call_async(kind, context))
    while not (await asyncio.wait({task}, timeout=0.2))[0]:
        if context.cancelled:
            task.cancel()
    return task.result()


async def call_async(kind: StepKind, context: Context) -> AttemptResult:
    """Runs an async step's function and its check, within its deadline."""
    try:
        async with asyncio.timeout(context.deadline) as limit:
            result = await kind.run(context)
            if kind.verify is not None:
                answer = kind.verify(context)
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if not answer:
                    raise _unverified(context)
        return AttemptResult("done", result_json(context, result))
    except BaseException as error:  # noqa: BLE001
        if isinstance(error, TimeoutError) and limit.expired():
            context.cancel("deadline")
            error = context.stop_error()
        return failure_result(kind, context, error)


class Inline:
    """Runs steps in this process. `ended` is told of every attempt that ended, from whichever thread it ran in.

    Threads are added only when started steps have found none for a moment: short steps, however many, share a few.
    """

    def __init__(self, ended: Callable[[Ended], None]) -> None:
        self._ended = ended
        self._todo: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[Context, asyncio.Task[None]] = {}

    def start(self, jobs: Iterable[Job]) -> None:
        coroutines = []
        for job in jobs:
            if job.kind.is_async:
                coroutines.append(job)
            else:
                self._todo.put(job)
        if not self._threads and not self._todo.empty():
            self._add_thread()
        if coroutines:
            self._ensure_loop().call_soon_threadsafe(self._start_tasks, coroutines)

    def poll(self) -> Iterable[Ended]:
        for _ in range(min(self._todo.qsize(), MOST_THREADS - self._threads)):
            self._add_thread()
        return ()

    @property
    def patience(self) -> float:
        return math.inf if self._todo.empty() or self._threads >= MOST_THREADS else 0.003

    def cancel(self, context: Context, why: str) -> None:
        """Asks a running step to stop: an async one at its next await, a sync one when it looks."""
        context.cancel(why)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel_task, context)

    def close(self) -> None:
        for _ in range(self._threads):
            self._todo.put(None)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _add_thread(self) -> None:
        # daemons: the second interrupt must not wait for a step that does not look whether it is to stop
        self._threads += 1
        threading.Thread(target=self._run_jobs, name=f"step-{self._threads}", daemon=True).start()

    def _run_jobs(self) -> None:
        while (job := self._todo.get()) is not None:
            context = job.context
            self._ended(Ended(context.n, context.attempt, call(job.kind, context)))

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="async steps", daemon=True).start()
        return self._loop

    def _start_tasks(self, jobs: Iterable[Job]) -> None:
        assert self._loop is not None
        for job in jobs:
            self._tasks[job.context] = self._loop.create_task(self._run_task(job))

    async def _run_task(self, job: Job) -> None:
        context = job.context
        result = await call_async(job.kind, context)
        del self._tasks[context]
        self._ended(Ended(context.n, context.attempt, result))

    def _cancel_task(self, context: Context) -> None:
        task = self._tasks.get(context)
        if task is not None:
            task.cancel()
