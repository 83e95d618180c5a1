"""How the caller of a long operation controls it: stops it, slows it down, sees how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

Tick = Callable[[], None]
"""What is called while something is waited for; it may raise."""


def no_tick() -> None:
    """For a caller that has nothing to do while it waits."""


def _nothing(*_: object) -> None:
    return


def _no_cap() -> float | None:
    return None


@dataclass(frozen=True)
class Control:
    """Callbacks of one operation, all called in its own thread.

    `check` is called between pieces of work and while waiting, and raises to end it; what was done is kept.
    `progress` is given bytes done and expected of this operation. `rate` returns the cap in bytes of data a second,
    None for no cap, and may change at any time. `memory` is how many bytes of content may be held at once. A step
    of a plan gives its context's `check` and `progress`.
    """

    check: Callable[[], None] = _nothing
    progress: Callable[[int, int | None], None] = _nothing
    rate: Callable[[], float | None] = _no_cap
    memory: int = 64 << 20


class Throttle:
    """Holds its caller back so that no more bytes pass than `rate` allows; a second's worth may come at once."""

    def __init__(self, rate: Callable[[], float | None]) -> None:
        self._rate = rate
        self._free = 0.0
        self._then = time.monotonic()

    def take(self, count: int, tick: Tick) -> bool:
        """Returns when `count` bytes may pass: whether they had to wait."""
        self._free -= count
        waited = False
        while (rate := self._rate()) is not None:
            now = time.monotonic()
            self._free = min(self._free + (now - self._then) * rate, rate)
            self._then = now
            if self._free >= 0:
                return waited
            waited = True
            tick()
            time.sleep(min(0.2, -self._free / rate) if rate > 0 else 0.2)
        self._free, self._then = 0.0, time.monotonic()
        return waited
