"""A command goes on by itself after a fault in a C library.

librados and librbd run threads of their own in this process, and abort it where they find themselves in an impossible
state; old releases do so once in thousands of images. Whoever gives the command again loses nothing, as
after SIGKILL. So the process becomes the same command again, at once, with the same process id and terminal.
"""

import ctypes
import os
import signal
import sys

FAULTS = (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV)
TIMES = 3
"""So often in one command; then the fault ends it."""
COUNT = "NARU_FAULTS"
"""The environment variable that counts them."""
LONGEST = 10
"""Seconds: a fault can leave the process unable to do even this; then SIGALRM ends it."""

_libc = ctypes.CDLL(None)
_libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
_libc.signal.restype = ctypes.c_void_p


def go_on_after_faults() -> None:
    """From now on one of FAULTS starts this process's command again. Python's own handlers cannot do that: they run
    when the main thread is next at work, which is never. Does nothing when it was done TIMES times."""
    if int(os.environ.get(COUNT) or 0) < TIMES:
        for fault in FAULTS:
            _libc.signal(fault, ctypes.cast(_handler, ctypes.c_void_p))


def _start_again(fault: int) -> None:
    # In the thread that the fault is in. Files, sockets and locks of this run are closed by the kernel: Python and the
    # libraries open them so.
    signal.alarm(LONGEST)
    count = int(os.environ.get(COUNT) or 0) + 1
    name = signal.Signals(fault).name
    text = f"naru: a fault in a C library ended this run ({name}); it goes on from where it was ({count} of {TIMES})\n"
    os.write(2, text.encode())
    os.environ[COUNT] = str(count)
    signal.alarm(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # libraries block signals in their threads
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


_handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_start_again)
