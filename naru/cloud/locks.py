"""Locks that nobody waits for longer than its patience lasts."""

import threading
from collections.abc import Callable

LOOK = 0.2
"""Seconds between two looks, while waiting, at whether whoever waits is to stop."""


class PatientLock:
    """A lock whose waiters ask their `patience` while they wait, which raises what is to end the waiting. It is not
    reentrant."""

    def __init__(self, patience: Callable[[], object]) -> None:
        self._patience = patience
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        while not self._lock.acquire(timeout=LOOK):
            self._patience()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class PatientLocks:
    """One lock for each name: who holds that of one service keeps nobody from another."""

    def __init__(self, patience: Callable[[], object]) -> None:
        self._patience = patience
        self._locks: dict[str, PatientLock] = {}

    def of(self, name: str) -> PatientLock:
        """The lock of that name."""
        # setdefault is atomic: two threads get the same one
        return self._locks.setdefault(name, PatientLock(self._patience))
