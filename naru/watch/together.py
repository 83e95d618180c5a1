"""Several followers side by side: what they want to have read is read by threads, so many at a time; what they do with
it, and write, is done by one thread.

A follower is a generator. It gives what is to be asked, a function without arguments, and is sent its answer, or has
its error raised.
"""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from naru.errors import NaruError

T = TypeVar("T")
Ask = Callable[[], Any]
Steps = Generator[Ask, Any, T]
AT_ONCE = 16
"""How many are read at a time, where nobody says it."""
_LONGEST = 60.0
"""Seconds after which one that failed again and again is tried again, at most."""


def alone(steps: Steps[T]) -> T:
    """Goes all steps of one follower, in the thread that calls. Raises what it raises."""
    try:
        ask = next(steps)
        while True:
            try:
                answer = ask()
            except Exception as error:  # noqa: BLE001 - raised where the follower asked
                ask = steps.throw(error)
            else:
                ask = steps.send(answer)
    except StopIteration as end:
        found: T = end.value
        return found


class _Answer(NamedTuple):
    value: Any = None
    error: BaseException | None = None


@dataclass
class _One:
    """A follower: how a round of it begins, the round that goes on, when the next one is due (by the monotonic clock),
    how often it failed since it did not, and why it did the last time."""

    begin: Callable[[], Steps[Any]]
    steps: Steps[Any] | None = None
    due: float = 0.0
    failures: int = 0
    why: str = ""
    rounds: int = 0


class Together:
    """Followers by their names. One that fails with a NaruError is tried again after a while that grows; the others go
    on. Nothing that was read is given to them any more once `goes_on` says no."""

    def __init__(self, at_once: int = AT_ONCE, goes_on: Callable[[], bool] = lambda: True) -> None:
        self._at_once, self._goes_on, self._every = at_once, goes_on, 1.0
        self._threads = 0
        self._asked: SimpleQueue[tuple[_One, Ask] | None] = SimpleQueue()
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._all: dict[str, _One] = {}

    def add(self, name: str, begin: Callable[[], Steps[Any]]) -> None:
        """A follower, whose rounds `begin` begins. A text that a round ends with is told as why not all was read."""
        self._all[name] = _One(begin)
        if self._threads < min(self._at_once, len(self._all)):
            self._threads += 1
            # daemons: a host that does not answer must not hold up the end
            threading.Thread(target=self._read, name=f"naru-watch-{self._threads}", daemon=True).start()

    def post(self, work: Callable[[], None]) -> None:
        """Has something done by the thread that calls `go`; for other threads."""
        self._events.put(work)

    def close(self) -> None:
        """Ends the threads, each when what it reads has ended."""
        for _ in range(self._threads):
            self._asked.put(None)

    def go(self, seconds: float | None, every: float) -> dict[str, str]:
        """Follows for so many seconds, each follower again so long after its round has ended; None: one round of each.
        By name why the last round failed. Ends at once where it does not go on."""
        begun, self._every = time.monotonic(), every
        wanted = {name: one.rounds + 1 for name, one in self._all.items()}
        while True:
            now = time.monotonic()
            if seconds is None and all(self._all[name].rounds >= rounds for name, rounds in wanted.items()):
                break
            if seconds is not None and now - begun >= seconds:
                break
            for name, one in self._all.items():
                if one.steps is None and (one.due <= now if seconds is not None else one.rounds < wanted[name]):
                    one.steps = one.begin()
                    self._step(one, _Answer(), first=True)
            due = min((one.due for one in self._all.values() if one.steps is None), default=now + every)
            wait = every if seconds is None else min(max(due - now, 0.0), begun + seconds - now)
            try:
                work = self._events.get(timeout=max(wait, 0.001))
            except Empty:
                continue
            if not self._goes_on():  # asked after the reading: what was read may be newer than the end
                break
            work()
        return {name: one.why for name, one in self._all.items() if one.why}

    def _read(self) -> None:
        """What a thread does."""
        while (wanted := self._asked.get()) is not None:
            one, ask = wanted
            try:
                answer = _Answer(ask())
            except BaseException as error:  # noqa: BLE001 - raised where the follower asked
                answer = _Answer(error=error)
            self._events.put(partial(self._step, one, answer))

    def _step(self, one: _One, answer: _Answer, *, first: bool = False) -> None:
        steps = one.steps
        assert steps is not None
        try:
            if first:
                ask = next(steps)
            elif answer.error is not None:
                ask = steps.throw(answer.error)
            else:
                ask = steps.send(answer.value)
        except StopIteration as end:
            self._end(one, end.value if isinstance(end.value, str) else "")
        except NaruError as error:
            self._end(one, error.summary, failed=True)
        else:
            self._asked.put((one, ask))

    def _end(self, one: _One, why: str, *, failed: bool = False) -> None:
        one.steps, one.why, one.rounds = None, why, one.rounds + 1
        one.failures = min(one.failures + 1, 20) if failed else 0
        one.due = time.monotonic() + min(self._every * 2**one.failures, max(_LONGEST, self._every))
