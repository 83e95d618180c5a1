"""Kinds that every plan may use, enough for a plan written by hand: `noop`, `barrier`, `sleep`, `command`."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from naru.plan.context import Context
from naru.plan.errors import PlanError, PlanInputError
from naru.plan.kinds import Retry, step
from naru.plan.model import BARRIER

OUTPUT = 4096
"""Bytes of a command's output, from its end, that its result keeps."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@step("noop", no_undo="it does nothing")
def noop(context: Context) -> None:
    """Does nothing: a point where edges meet, or where a gate is."""


@step(BARRIER, no_undo="it does nothing")
def barrier(context: Context) -> None:
    """Does nothing: a point that waits for others until they are done, skipped or taken back. Nothing rests on those
    because it comes after it."""


@step("sleep", no_undo="time has passed", estimate=lambda args: float(args.get("seconds", 0)))
def sleep(context: Context) -> None:
    """Waits `seconds`, with progress."""
    seconds = float(context.args["seconds"])
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        context.progress(passed, seconds, "count")
        context.sleep(min(0.2, seconds - passed))
    context.progress(seconds, seconds, "count")


def _deadline(args: Mapping[str, Any]) -> float:
    return float(args.get("deadline", 24 * 3600))


@step("command", undo="command.undo", deadline=_deadline, retry=Retry(tries=1))
def command(context: Context) -> dict[str, Any]:
    """Runs the program `argv`; it is done when it exits with 0.

    `check` is a program that exits with 0 when the effect is already there: `argv` is then not run. `undo` takes the
    effect back. `env` maps names in the program's environment to names in Naru's: the way to hand over a secret, whose
    value is never recorded. `cwd` is the directory, `deadline` seconds (a day). A killed executor takes it with it.
    """
    check = context.args.get("check")
    if check is not None and _run(context, check)[0] == 0:
        return {"found": True}
    return _demand(context, context.args["argv"])


@step("command.undo", no_undo="it is an undo itself", deadline=_deadline, retry=Retry(tries=1))
def command_undo(context: Context) -> dict[str, Any] | None:
    """Runs the program `undo` of a command step; a step without one is left as it is."""
    # a rollback gives the step's own arguments and result
    args = context.args["args"]
    return _demand(context, args["undo"]) if "undo" in args else None


def _demand(context: Context, argv: Any) -> dict[str, Any]:
    code, output = _run(context, argv)
    if code != 0:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        raise PlanError(f"{argv[0]} {how}", detail=output, hint="naru plan events shows every attempt")
    return {"output": output}


def _run(context: Context, argv: Any) -> tuple[int, str]:
    """Runs a program in a process group of its own: its exit code (negative: the signal) and the end of its output."""
    args = context.args.get("args", context.args)
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise PlanInputError(f"step {context.id}: a command is a list of texts, not {argv!r}")
    environment = os.environ | {name: context.secret(source) for name, source in args.get("env", {}).items()}
    context.log(subprocess.list2cmdline(argv))
    # a file and not a pipe: a pipe would stay open as long as any grandchild lives
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=args.get("cwd"),
                env=environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            raise PlanError(f"{argv[0]} cannot be run", detail=str(error)) from None
        try:
            while True:
                try:
                    process.wait(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    context.check()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT))
        return process.returncode, output.read().decode(errors="replace").strip()


def _die_with_parent() -> None:
    """In the child: ends with the executor, so that a resumed run does not meet a command of the last one."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
