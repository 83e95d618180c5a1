"""Runs one program, and ends it with everything that it started: beside the executor, as a process of its own.

Run as a file, with a socket as its standard input. Its arguments are the number of the open file that is the program's
standard input, and the program's words. What it starts is this process's to end, however it has detached itself:
orphans come to it (Linux: a child subreaper) and not to init. It ends all of them

- when the program has ended: what that left in the background would be nobody's;
- when the other end of the socket is closed or shut down: the step was asked to stop, or the executor died, be it by
  SIGKILL. So the executor that takes up the plan does not meet what the last one's command started.

Then it says in one line of JSON on the socket what came of it: `code`, the exit code or less than 0 for a signal, or
`error`, why the program could not be started. It imports the standard library alone, and little of it: it is started
for every command.
"""

# ruff: noqa: PTH112, PTH123, PTH208 (pathlib takes longer to import than all the rest)
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PATIENCE = 10.0
"""Seconds for which processes that do not end are killed again; what another user owns cannot be."""


def main(argv: list[str]) -> None:
    given, argv = int(argv[0]), argv[1:]
    control = socket.socket(fileno=os.dup(0))
    control.setblocking(False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    # a child's end wakes the wait below
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    if select.select([control], [], [], 0)[0]:
        return  # the executor is gone already
    try:
        # a session of its own: a program that signals its whole process group does not reach this process
        process = subprocess.Popen(
            argv, stdin=given, start_new_session=True, preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, 9)
        )
    except OSError as error:
        _say(control, {"error": str(error)})
        return
    code = None
    while code is None:
        readable = select.select([control.fileno(), wake], [], [])[0]
        code = _reap(process.pid)
        if control.fileno() in readable:
            break
        _drain(wake)
    _end_all(wake)
    process.returncode = -signal.SIGKILL if code is None else code
    _say(control, {"code": process.returncode})


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _reap(wanted: int) -> int | None:
    """Takes in the children that have ended; the exit code of the wanted one, None when it was not among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        if pid == wanted:
            found = os.waitstatus_to_exitcode(status)


def _end_all(wake: int) -> None:
    """Kills all descendants, until there are none: each that is killed leaves its children to this process."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        _reap(0)
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        for pid in _descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        select.select([wake], [], [], 0.02)
        _drain(wake)


def _descendants() -> list[int]:
    """The processes below this one, from the table of all."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # the second field is the program's name in parentheses, which may have any in it
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue  # it has ended
            children.setdefault(parent, []).append(int(name))
    found = []
    todo = [os.getpid()]
    while todo:
        mine = children.get(todo.pop(), [])
        found += mine
        todo += mine
    return found


def _drain(wake: int) -> None:
    try:
        while os.read(wake, 512):
            pass
    except BlockingIOError:
        return


def _say(control: socket.socket, what: dict[str, object]) -> None:
    try:
        control.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        return  # nobody is there any more


if __name__ == "__main__":
    main(sys.argv[1:])
