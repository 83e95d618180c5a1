"""Signals that a command takes while something of it goes on."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)
"""What asks a command to end: Ctrl-C, and who stops a service."""


@contextmanager
def taken(do: Callable[..., Any]) -> Iterator[None]:
    """Has `do` called with a signal's number and frame whenever one asks to end; as it was before at the end. Only in
    the main thread."""
    before = {number: signal.signal(number, do) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
