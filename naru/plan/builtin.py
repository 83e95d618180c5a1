"""Kinds that every plan may use, enough for a plan written by hand: `noop`, `barrier`, `sleep`, `command`."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError, PlanInputError
from naru.plan.kinds import Retry, step
from naru.plan.model import BARRIER
from naru.plan.program import run_program


class Nothing(Arguments):
    """No arguments."""


class Sleep(Arguments):
    seconds: Annotated[float, Field(ge=0)]


Argv = Annotated[list[str], Field(min_length=1)]


class Command(Arguments):
    """See `command`."""

    argv: Argv
    check: Argv | None = None
    undo: Argv | None = None
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    deadline: Annotated[float, Field(gt=0)] = 24 * 3600.0


@step("noop", args=Nothing, no_undo="it does nothing")
def noop(context: Context) -> None:
    """Does nothing: a point where edges meet, or where a gate is."""


@step(BARRIER, args=Nothing, no_undo="it does nothing")
def barrier(context: Context) -> None:
    """Does nothing: a point that waits for others until they are done, skipped or undone. Nothing depends on those
    because it comes after it."""


@step("sleep", args=Sleep, no_undo="time has passed", estimate=lambda args: float(args.get("seconds", 0)))
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


@step("command", args=Command, undo="command.undo", deadline=_deadline, retry=Retry(tries=1))
def command(context: Context) -> dict[str, Any]:
    """Runs the program `argv`; it is done when it exits with 0.

    `check` is a program that exits with 0 when the effect is already there: `argv` is then not run. `undo` undoes
    the effect. `env` maps names in the program's environment to names in Naru's: the way to hand over a secret, whose
    value is never recorded. `cwd` is the directory, `deadline` seconds (a day). With the
    program ends all that it has started, also what it left in the background, and with a killed executor both do.
    """
    check = context.args.get("check")
    if check is not None and _run(context, context.args, check)[0] == 0:
        return {"found": True}
    return _demand(context, context.args, context.args["argv"])


@step("command.undo", args=Undo, no_undo="it is an undo itself", deadline=_deadline, retry=Retry(tries=1))
def command_undo(context: Context) -> dict[str, Any] | None:
    """Runs the program `undo` of a command step; a step without one is left as it is."""
    args = context.undone.args
    return _demand(context, args, args["undo"]) if "undo" in args else None


def _demand(context: Context, args: Mapping[str, Any], argv: Any) -> dict[str, Any]:
    code, output = _run(context, args, argv)
    if code != 0:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        raise PlanError(f"{argv[0]} {how}", detail=output, hint="naru plan events shows every attempt")
    return {"output": output}


def _run(context: Context, args: Mapping[str, Any], argv: Any) -> tuple[int, str]:
    """Runs a program under a supervisor: its exit code (negative: the signal) and the end of its output. `args` are
    the command step's."""
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise PlanInputError(f"step {context.id}: a command is a list of texts, not {argv!r}")
    environment = os.environ | {name: context.secret(source) for name, source in args.get("env", {}).items()}
    context.log(subprocess.list2cmdline(argv))
    code, output = run_program(argv, check=context.check, env=environment, cwd=args.get("cwd"))
    assert code is not None  # its deadline is the step's
    return code, output
