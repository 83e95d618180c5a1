"""A cut-over that is held back while content is copied ahead, until somebody releases it: here or in another terminal.

Whoever holds reads from the named pipe `hold` in the work directory, whoever releases writes to it: the kernel knows
whether somebody holds, also after a kill, and nothing is left of an earlier time.
"""

import os
import select
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from naru.errors import InputError, NaruError

HOLD = "hold"
_LOOK = 0.2
"""Seconds between two looks at whether it is over."""


@contextmanager
def holding(directory: Path) -> Iterator[threading.Event]:
    """Holds: the event is set when it is released, by `release` or by Enter where standard input is a terminal.

    Raises NaruError when another process holds.
    """
    if (there := _writer(directory)) is not None:
        os.close(there)
        raise NaruError(
            f"{directory}: another cut-over is holding",
            hint=f"Release it: naru move release {directory}. Or end it with Ctrl-C.",
        )
    path = directory / HOLD
    try:
        if not path.exists():
            os.mkfifo(path, 0o600)
        # for writing, too: else every writer that goes away is the end of the file
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise NaruError(f"{path} cannot be made", detail=error.strerror or "") from error
    released, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=_listen, args=(pipe, released, over), name="hold", daemon=True)
    thread.start()
    try:
        yield released
    finally:
        over.set()
        thread.join()
        path.unlink(missing_ok=True)
        os.close(pipe)


def release(directory: Path) -> None:
    """Releases the cut-over that is holding. Raises InputError when there is none."""
    pipe = _writer(directory)
    if pipe is None:
        raise InputError(
            f"{directory}: no cut-over is holding",
            hint="naru move cutover DIR --hold holds one; without --hold it begins at once.",
        )
    try:
        os.write(pipe, b"\n")
    finally:
        os.close(pipe)


def _writer(directory: Path) -> int | None:
    """The pipe, open to be written, if somebody reads it."""
    path = directory / HOLD
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # ENXIO: nobody has it open for reading
        return None
    if stat.S_ISFIFO(os.fstat(pipe).st_mode):
        return pipe
    os.close(pipe)
    raise InputError(f"{path} is something else than the pipe of a cut-over that is holding", hint="Move it away.")


def _listen(pipe: int, released: threading.Event, over: threading.Event) -> None:
    while not over.is_set() and not released.is_set():
        ready, _, _ = select.select([pipe, *_terminal()], [], [], _LOOK)
        if pipe in ready or (ready and sys.stdin.readline()):
            released.set()


def _terminal() -> list[int]:
    """Standard input, where somebody can press Enter: a terminal, and this is what it runs in the foreground."""
    try:
        mine = sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        return [sys.stdin.fileno()] if mine else []
    except (OSError, ValueError, AttributeError):  # closed, or none at all
        return []
