"""Runs a program to its end, with everything that it starts: what steps of kind `command` and hooks have in common."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from naru.plan import supervisor
from naru.plan.errors import PlanError

OUTPUT = 4096
"""Bytes of a program's output, from its end, that are kept."""
_SUPERVISOR = supervisor.__file__


class ProgramResult(NamedTuple):
    """How a program ended: its exit code (negative: the signal; None: it was ended at its deadline), and the end of its
    output and error output, as text."""

    code: int | None
    output: str


class _Overdue(Exception):
    """The program's deadline has passed."""


def run_program(
    argv: Sequence[str],
    *,
    check: Callable[[], None],
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    given: str = "",
    deadline: float | None = None,
) -> ProgramResult:
    """Runs a program under a supervisor. `given` is its standard input, `deadline` seconds. `check` is called about ten
    times a second; what it raises ends the program, and is raised. When this returns or raises, the program and all
    that it started have ended; with this process they end as well. Raises PlanError for one that cannot be run."""
    end = None if deadline is None else time.monotonic() + deadline

    def look() -> None:
        check()
        if end is not None and time.monotonic() > end:
            raise _Overdue

    # files and not pipes: what is written is read when all is over, and nobody waits for a reader
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as text:
        text.write(given.encode())
        text.seek(0)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                process = subprocess.Popen(
                    # without the environment's wishes and site packages: the program's environment is not its own
                    [sys.executable, "-I", "-S", _SUPERVISOR, str(text.fileno()), *argv],
                    stdin=theirs.fileno(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=[text.fileno()],
                    cwd=cwd,
                    env=env,
                    start_new_session=True,
                )
            except OSError as error:
                raise PlanError(f"{argv[0]} cannot be run", detail=str(error)) from None
            theirs.close()
            try:
                answer = _wait(look, process, ours)
            except _Overdue:
                return ProgramResult(None, _end_of(output))
        if "error" in answer:
            raise PlanError(f"{argv[0]} cannot be run", detail=answer["error"])
        return ProgramResult(int(answer["code"]), _end_of(output))


def _end_of(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT))
    return output.read().decode(errors="replace").strip()


def _wait(check: Callable[[], None], process: "subprocess.Popen[bytes]", control: socket.socket) -> dict[str, Any]:
    """The supervisor's last words, as data. It, and all that it started, has ended when this returns or raises."""
    said = b""
    control.settimeout(0.1)
    try:
        while True:
            try:
                more = control.recv(4096)
            except TimeoutError:
                check()
                continue
            if not more:
                break
            said += more
    finally:
        # immediately when it has said all; when the program is to be ended, it does that first
        with contextlib.suppress(OSError):
            control.shutdown(socket.SHUT_WR)
        try:
            process.wait(timeout=2 * supervisor.PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if not said:
        # somebody killed it
        return {"code": process.returncode}
    answer: dict[str, Any] = json.loads(said)
    return answer
