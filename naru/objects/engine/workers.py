"""Many objects at a time, within limits: threads that ask the clouds, and one, the caller's, that all else is done in.

The caller's thread alone writes the state and calls what its caller gave (`naru.volumes.control.Control`); threads end
soon after it says so, also one in the middle of a large object or of a wait.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Self, TypeVar

from naru.errors import NaruError
from naru.volumes.control import Control, Throttle

Done = TypeVar("Done")


class Stopped(Exception):
    """The pass ends before this object was done."""


class Workers(Generic[Done]):
    """At most `parallel` threads. `done` is called in the caller's thread with each result; what a task raises is
    raised there by `submit` or `drain`, after which nothing further begins."""

    def __init__(self, parallel: int, control: Control, done: Callable[[Done], None]) -> None:
        self._control = control
        self._done = done
        self._most = parallel * 4
        self._going = 0
        self._ended: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._executor = ThreadPoolExecutor(parallel, thread_name_prefix="naru-object")
        self.lists = ThreadPoolExecutor(4, thread_name_prefix="naru-listing")
        """For pages of listings, which are asked for ahead."""
        self._stopping = threading.Event()
        self._cap = control.rate()
        self._throttle = Throttle(lambda: self._cap)
        self._turn = threading.Lock()
        self._looked = 0.0

    def tick(self) -> None:
        """For the threads, while they wait. Raises Stopped."""
        if self._stopping.is_set():
            raise Stopped

    def pass_by(self, count: int) -> None:
        """For the threads: returns when so many bytes may pass. Raises Stopped."""
        self.tick()
        if self._cap is not None:
            with self._turn:
                self._throttle.take(count, self.tick)

    def submit(self, task: Callable[[], Done]) -> None:
        """Has the task done, when there is room for one more."""
        while self._going >= self._most:
            self._take()
        self.look()
        self._going += 1
        self._executor.submit(self._run, task)
        while self._going and not self._ended.empty():
            self._take()

    def drain(self) -> None:
        """Returns when all are done."""
        while self._going:
            self._take()

    def _run(self, task: Callable[[], Done]) -> None:
        try:
            self.tick()
            self._ended.put((task(), None))
        except BaseException as error:  # noqa: BLE001 (raised in the caller's thread)
            self._ended.put((None, error))

    def _take(self) -> None:
        while True:
            self.look()
            try:
                found, error = self._ended.get(timeout=0.1)
                break
            except queue.Empty:
                continue
        self._going -= 1
        if error is not None:
            raise error
        self._done(found)

    def look(self) -> None:
        """For the caller's thread, now and then: whether it is to end, and what the cap is now."""
        now = time.monotonic()
        if now - self._looked > 0.1:
            self._looked = now
            self._control.check()
            self._cap = self._control.rate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        """What is done by then is told all the same: it is what the next pass need not look at."""
        self._stopping.set()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self.lists.shutdown(wait=True, cancel_futures=True)
        while kind is not None and not self._ended.empty():
            found, error = self._ended.get()
            if error is None:
                with contextlib.suppress(NaruError):  # something worse is being raised
                    self._done(found)
