"""Commands of a move in any order, with failures, skips and kills: each does what it says, and never more."""

import contextlib
import io
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.cli.main import main
from naru.plan import control
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS
from naru.plan.model import Plan, Step
from naru.plan.run import COMMANDS

from ..plan import kit
from ..plan.test_properties import quick
from .described import described
from .test_run import decided

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]

# shop needs office
PROJECTS = {"1": "shop", "2": "lab", "4": "office"}
PHASE = {"make": "prepare", "copy": "prepare", "stop": "cutover", "start": "cutover", "end": "finalize"}
"""The phase that each step belongs to, by the first word of its id; the second is its project."""


def _act(context: Context) -> None:
    """Adds a line to the log; fails, or is killed before or after it, where a file says so."""
    directory = Path(context.args["directory"])
    if (directory / f"fail {context.id}").exists():
        raise ValueError("as told")
    for when in ("before", "after"):
        if (killed := directory / f"kill {when} {context.id}").exists():
            killed.unlink()
            if when == "after":
                _write(directory, context.id)
            os.kill(os.getpid(), signal.SIGKILL)
    _write(directory, context.id)


def _write(directory: Path, line: str) -> None:
    with (directory / "log").open("a") as log:
        log.write(f"{line}\n")


@KINDS.step("test.act", args=kit.Free, undo="test.unact")
def act(context: Context) -> None:
    _act(context)


@KINDS.step("test.unact", args=kit.Free, no_undo="it is an undo")
def unact(context: Context) -> None:
    _act(context)


@KINDS.step("test.end", args=kit.Free, commit="the way back is given up")
def end(context: Context) -> None:
    _act(context)


def plan_of(directory: Path) -> Plan:
    plan = Plan(
        title="Move", settings={"from": "old", "to": "new", "projects": sorted(PROJECTS), COMMANDS: "naru move"}
    )
    for project, name in PROJECTS.items():
        plan.gates += [f"cutover {name}", f"finalize {name}"]

        def add(step: str, *after: str, kind: str = "noop", gate: str = "", project: str = project) -> str:
            args = {"directory": str(directory)} if kind != "noop" else {}
            plan.add(Step(f"{step} {project}", kind, args, unit=project, gate=gate), after=after)
            return f"{step} {project}"

        made = add("make", kind="test.act")
        begun = add("cutover", made, add("copy", made, kind="test.act"), gate=f"cutover {name}")
        started = add("start", add("stop", begun, kind="test.act"), kind="test.act")
        add("no way back", add("end", add("finalize", begun, started, gate=f"finalize {name}"), kind="test.end"))
    plan.order("start 4", "stop 1")
    return described(plan)


STEPS = [f"{step} {project}" for step in PHASE for project in PROJECTS]
some = st.none() | st.sampled_from(sorted(PROJECTS.values()))
commands = st.lists(
    st.tuples(st.sampled_from(["cutover", "cutover", "finalize", "rollback"]), some)
    | st.tuples(st.sampled_from(["fail", "kill before", "kill after", "skip", "retry"]), st.sampled_from(STEPS))
    | st.tuples(st.sampled_from(["prepare", "prepare", "mend", "plan run"]), st.none()),
    min_size=2,
    max_size=9,
)


def given_command(words: list[str], *, after: float = 60.0) -> int:
    """The exit code of a command that is run in a process of its own; negative: the signal that killed it. It is killed
    after so many seconds."""
    child = os.fork()
    if child == 0:
        code = 70
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            code = main(words)
        if code not in (0, 2):  # for whoever has to find out why
            os.write(2, said.getvalue().encode())
        os._exit(code)
    until = time.monotonic() + after
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert after < 60, f"{words} did not end"
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)


@contextlib.contextmanager
def a_move() -> Iterator[Path]:
    """A work directory, beside which lie the log and what is to fail."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory) / "work"
        Journal.create(work, plan_of(Path(directory))).close()
        things = {
            "network": [{"id": "n", "name": "lan", "project_id": "4"}],
            "port": [{"id": "p", "project_id": "1", "network_id": "n"}],
        }
        decided(work, PROJECTS, things)
        yield work


def log(work: Path) -> list[str]:
    file = work.parent / "log"
    return file.read_text().splitlines() if file.exists() else []


def change(work: Path, what: str, step: str) -> None:
    """What an operator does to the plan itself, and what befalls steps."""
    if what == "mend":
        for file in [*work.parent.glob("fail *"), *work.parent.glob("kill *")]:
            file.unlink()
    elif what in ("skip", "retry"):
        with Journal.open(work) as journal, contextlib.suppress(PlanError):
            control.skip(journal, "as told", steps=[step]) if what == "skip" else control.retry(journal, steps=[step])
    else:
        (work.parent / f"{what} {step}").touch()


@quick
@given(commands)
def test_a_command_runs_its_phase_and_nothing_else(commands: list[tuple[str, str | None]]) -> None:
    with a_move() as work:
        for verb, what in commands:
            if verb in ("fail", "kill before", "kill after", "skip", "retry", "mend"):
                change(work, verb, what or "")
                continue
            before = log(work)
            words = ["-q", *verb.split()] if verb == "plan run" else ["-q", "move", verb]
            code = given_command([*words, str(work), *(["--project", what] if what else [])])
            assert code in (0, 1, 2, -signal.SIGKILL)
            for line in log(work)[len(before) :]:
                step, project = line.removeprefix("undo/").split("#")[0].split()
                if line.startswith("undo/"):
                    assert verb == "rollback" and what in (None, PROJECTS[project])
                    continue
                assert PHASE[step] == verb and what in (None, PROJECTS[project])
                if step == "end":
                    assert {f"stop {project}", f"start {project}"} <= set(log(work)) | skipped(work)


def skipped(work: Path) -> set[str]:
    with Journal.open(work) as journal:
        return {id for id, state in kit.states(journal).items() if state == "skipped"}


def test_the_window_is_not_begun_by_what_is_given_to_go_on_with_preparing() -> None:
    with a_move() as work:
        change(work, "fail", "copy 2")
        assert given_command(["-q", "move", "prepare", str(work)]) == 1
        assert given_command(["-q", "move", "cutover", str(work)]) == 2
        change(work, "skip", "copy 2")
        assert given_command(["-q", "move", "finalize", str(work)]) == 2
        assert given_command(["-q", "move", "prepare", str(work)]) == 0
        assert {line.split()[0] for line in log(work)} == {"make", "copy"}
        change(work, "kill after", "stop 2")
        assert given_command(["-q", "move", "cutover", str(work), "--project", "lab"]) == -signal.SIGKILL
        assert given_command(["-q", "move", "prepare", str(work)]) == 0
        assert [line for line in log(work) if line.startswith(("stop", "start"))] == ["stop 2"]
        assert given_command(["-q", "move", "cutover", str(work), "--project", "lab"]) == 0
        assert given_command(["-q", "move", "cutover", str(work)]) == 0
        assert given_command(["-q", "move", "finalize", str(work)]) == 0
        assert {line.split()[0] for line in log(work)} == set(PHASE)
