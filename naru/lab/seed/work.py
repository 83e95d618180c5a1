"""Running many dependent tasks at once: threads for what calls an API, one poll of a list for all that waits.

A task is a generator. It runs in a thread until it yields an `Until`, then holds no thread: the thing is looked for
in a list of its kind, together with all others, and the task goes on when it is there. So five hundred servers that
boot cost one request a second, and not five hundred.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from naru.errors import NaruError

POLL = 1.0
# receives (tasks done, tasks in all, what was just finished)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Until:
    """A task waits until the thing `id` of `kind` has the status; `gone` waits until it is not listed at all."""

    kind: str
    id: str
    status: str


GONE = "gone"
Body = Iterator[Until]


@dataclass(eq=False)
class Task:
    """Something to do after all of `needs` are done. `key` names it; `body` is the generator's maker."""

    key: Any
    needs: frozenset[Any]
    body: Callable[[], Body]
    running: Body | None = None
    waiting: Until | None = None
    since: float = field(default=0.0)


# receives (kind, status) and returns the ids that have it now; a status of "error" means any that ends a wait
Lister = Callable[[str, str], set[str]]


def run(tasks: Iterable[Task], lister: Lister, progress: Progress, threads: int, timeout: float = 900) -> None:
    """Runs every task, at most `threads` of them in a call at once. `timeout`: seconds one wait may take.

    After the first error nothing new is begun, what runs is let end, and the error is raised with the task's name.
    """
    todo = {task.key: task for task in tasks}
    total = len(todo)
    done: set[Any] = set()
    waiting: list[Task] = []
    failure: NaruError | None = None
    polled = 0.0
    with ThreadPoolExecutor(threads) as pool:
        active: dict[Future[Until | None], Task] = {}

        def step(task: Task) -> None:
            active[pool.submit(_advance, task)] = task

        ready = _Ready(todo)
        while True:
            if failure is None:
                for task in ready.take():
                    step(task)
            if not active and (failure is not None or not waiting):
                break
            finished, _ = wait(active, timeout=0 if not active else POLL / 4, return_when=FIRST_COMPLETED)
            for future in finished:
                task = active.pop(future)
                try:
                    task.waiting = future.result()
                except NaruError as error:
                    failure = failure or NaruError(f"{task.key}: {error.summary}", detail=error.detail, hint=error.hint)
                    continue
                if task.waiting:
                    task.since = time.monotonic()
                    waiting.append(task)
                else:
                    done.add(task.key)
                    ready.done(task.key)
                    progress(len(done), total, str(task.key))
            if waiting and failure is None and time.monotonic() - polled >= POLL:
                try:
                    over = _poll(waiting, lister, timeout)
                except NaruError as error:
                    failure = error
                    over = []
                polled = time.monotonic()
                for task in over:
                    waiting.remove(task)
                    step(task)
            elif not active:
                time.sleep(POLL / 4)
    if failure is not None:
        raise failure
    if len(done) < total:
        stuck = ", ".join(str(key) for key in list(todo)[:5] if key not in done)
        raise NaruError(f"these wait for each other: {stuck}")


class _Ready:
    """Which tasks have everything they need."""

    def __init__(self, todo: dict[Any, Task]) -> None:
        self._left = {key: set(task.needs & todo.keys()) for key, task in todo.items()}
        self._after: dict[Any, list[Any]] = {}
        for key, needs in self._left.items():
            for need in needs:
                self._after.setdefault(need, []).append(key)
        self._todo = todo
        self._next = [key for key, needs in self._left.items() if not needs]

    def take(self) -> list[Task]:
        taken, self._next = [self._todo[key] for key in self._next], []
        return taken

    def done(self, key: Any) -> None:
        for after in self._after.get(key, ()):
            self._left[after].discard(key)
            if not self._left[after]:
                self._next.append(after)


def _advance(task: Task) -> Until | None:
    """Runs the task's body to its next wait, None at its end."""
    task.running = task.running or task.body()
    return next(task.running, None)


def _failed(kind: str, status: str) -> str:
    """The status that ends a wait for `status` in vain, empty for none. Only Cinder says that a deletion has failed."""
    return "error" if status != GONE else "error_deleting" if kind in ("volume", "snapshot") else ""


def _poll(waiting: list[Task], lister: Lister, timeout: float) -> list[Task]:
    """The tasks whose wait is over. Raises NaruError when what one waits for has failed, or takes too long."""
    wanted = {(task.waiting.kind, task.waiting.status) for task in waiting if task.waiting}
    wanted |= {(kind, failed) for kind, status in wanted if (failed := _failed(kind, status))}
    lists = {pair: lister(*pair) for pair in wanted}
    over = []
    for task in waiting:
        assert task.waiting
        until = task.waiting
        if (until.id in lists[until.kind, until.status]) != (until.status == GONE):
            over.append(task)
        elif until.id in lists.get((until.kind, _failed(until.kind, until.status)), ()):
            done = "delete" if until.status == GONE else "make"
            raise NaruError(f"{task.key}: the cloud could not {done} {until.kind} {until.id}: it is in error")
        elif time.monotonic() - task.since > timeout:
            raise NaruError(f"{task.key}: {until.kind} {until.id} is not {until.status} after {timeout:.0f} s")
    return over
