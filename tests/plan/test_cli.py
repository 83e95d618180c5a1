"""The commands, as an operator runs them."""

import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from naru.cli.main import main
from naru.cli.plan_view import picture
from naru.plan import rollback
from naru.plan.journal import Journal
from naru.plan.model import COMMANDS, Plan, Step
from naru.plan.status import status

pytestmark = pytest.mark.unit
PLAN = """
title: Try
limits: {io: 2}
gates: [cutover]
settings: {cloud: old}
steps:
  - id: make
    kind: command
    unit: one
    limit: io
    args: {argv: [mkdir, made], check: [test, -d, made], undo: [rmdir, made], cwd: %(cwd)s}
  - {id: fails, kind: command, unit: two, args: {argv: [sh, -c, "echo no space; exit 3"]}, after: [make]}
  - {id: after, kind: noop, unit: two, after: [fails]}
  - {id: start, kind: noop, unit: one, gate: cutover, after: [make]}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(PLAN % {"cwd": tmp_path})
    naru("plan", "create", tmp_path / "plan.yaml", "--work", tmp_path / "work")
    return tmp_path / "work"


Start = Callable[..., subprocess.Popen[str]]


class Answer(NamedTuple):
    stdout: str
    stderr: str


def naru(*words: object, code: int = 0) -> Answer:
    """Runs a command in this process, which is much quicker than in one of its own."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        found = main([str(word) for word in words])
    assert found == code, f"{words}: {found}\n{out.getvalue()}\n{errors.getvalue()}"
    return Answer(out.getvalue(), errors.getvalue())


@pytest.fixture
def started() -> Iterator[Start]:
    """A function that starts a command in a process of its own, which does not outlive the test."""
    processes = []

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "naru.cli.main", *map(str, words)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def naru_json(*words: object, code: int = 0) -> Any:
    return json.loads(naru(*words, "-f", "json", code=code).stdout)


def test_a_plan_from_file_to_done_and_back(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made"
    assert "\nunit one\n  make: command\n" in naru("plan", "show", tmp_path / "plan.yaml").stdout
    assert naru_json("plan", "status", work)["state"] == "new"

    answer = naru_json("plan", "run", work, code=1)
    assert made.is_dir()
    assert (answer["state"], answer["steps"]["done"], answer["steps"]["held"], answer["blocked"]) == ("failed", 1, 1, 1)
    assert answer["failed"][0]["summary"] == "sh exited with 3"
    assert answer["failed"][0]["detail"] == "no space"

    naru("plan", "skip", "fails", "--reason", "not needed", "--work", work)
    assert naru_json("plan", "run", work, code=3)["state"] == "held"
    monkeypatch.setenv("NARU_WORK", str(work))
    naru("plan", "release", "cutover")
    assert naru_json("plan", "run", work)["steps"]["done"] == 3

    events = naru_json("plan", "events", work, "--step", "make", "--requests")
    assert [event["what"] for event in events] == ["started", "sent", "sent", "done"]
    assert events[1]["detail"] == "test -d made"
    kinds = naru_json("plan", "timings", work)
    assert {row["kind"]: row["steps"] for row in kinds} == {"command": 1, "noop": 2}
    assert naru_json("plan", "timings", work, work, "--by", "whole")[0]["what"] == "wall clock"

    undo = json.loads(naru("plan", "show", work, "--rollback", "-f", "json").stdout)
    assert [step["id"] for step in undo["steps"]] == ["undo/start", "undo/after", "undo/fails", "undo/make"]
    assert naru_json("plan", "rollback", work)["steps"]["undone"] == 4
    assert not made.exists()
    assert naru_json("plan", "diff", tmp_path / "plan.yaml", work) == []
    assert {row["state"] for row in naru_json("plan", "steps", work, "--unit", "one") if "undo" not in row["id"]} == {
        "undone"
    }


def test_units_are_rolled_back_and_the_command_again_goes_on(work: Path, tmp_path: Path) -> None:
    naru("plan", "run", work, code=1)
    undo = json.loads(naru("plan", "show", work, "--rollback", "--unit", "one", "--unit", "two", "-f", "json").stdout)
    assert [step["id"] for step in undo["steps"]] == ["undo/fails", "undo/make"]
    assert "steps of other units depend" in naru("plan", "rollback", work, "--unit", "one", code=1).stderr
    with Journal.open(work) as journal:
        rollback.start(journal, units=["one", "two"])
    assert naru_json("plan", "rollback", work, "--unit", "one", "--unit", "two")["state"] == "done"
    assert not (tmp_path / "made").exists()
    assert naru_json("plan", "rollback", work, "--unit", "one")["state"] == "done"
    assert "nothing to roll back" in naru("plan", "show", work, "--rollback", "--unit", "one", code=2).stderr
    assert "no unit three" in naru("plan", "rollback", work, "--unit", "three", code=2).stderr


def test_interrupted_run_says_so_and_goes_on(tmp_path: Path, started: Start) -> None:
    steps = [{"id": f"s{i}", "kind": "sleep", "args": {"seconds": 0.5}} for i in range(60)]
    (tmp_path / "plan.json").write_text(json.dumps({"limits": {"default": 1}, "steps": steps}))
    work = tmp_path / "work"
    naru("plan", "create", tmp_path / "plan.json", "--work", work)
    process = started("plan", "run", work)
    while naru_json("plan", "status", work)["steps"]["running"] == 0:
        time.sleep(0.1)
    naru("plan", "run", work, code=1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "running steps finish" in said
    answer = naru_json("plan", "status", work, code=130)
    assert answer["steps"]["running"] == 0 and 1 <= answer["steps"]["done"] < 60
    naru("plan", "limit", "default", 60, "--work", work)
    assert naru_json("plan", "run", work)["steps"]["done"] == 60


def test_paused_from_another_process_while_it_runs(tmp_path: Path, started: Start) -> None:
    steps = [{"id": f"s{i}", "kind": "sleep", "args": {"seconds": 0.3}} for i in range(60)]
    (tmp_path / "plan.json").write_text(json.dumps({"limits": {"default": 1}, "steps": steps}))
    work = tmp_path / "work"
    naru("plan", "create", tmp_path / "plan.json", "--work", work)
    process = started("plan", "run", work, "--wait")
    while not naru_json("plan", "status", work)["executor"]:
        time.sleep(0.1)
    watching = started("plan", "status", work, "--watch")
    naru("plan", "pause", work)
    time.sleep(1)
    paused = naru_json("plan", "status", work, code=3)
    assert paused["state"] == "paused" and paused["steps"]["waiting"] > 0 and paused["executor"]
    naru("plan", "limit", "default", 60, "--work", work)
    naru("plan", "resume", work)
    process.communicate(timeout=300)
    assert process.returncode == 0
    _, said = watching.communicate(timeout=300)
    assert watching.returncode == 0
    assert said.splitlines()[-1].startswith("done: 60/60 done")


@pytest.mark.parametrize(
    ("setup", "words", "expected"),
    [
        ("no journal", ["status", "nothing"], "no journal there"),
        ("unknown step", ["retry", "nope"], "no step nope"),
        ("unknown group", ["limit", "nope", "1"], "no limit group nope"),
        ("bad arguments", ["retry", "make", "--args", "{"], "--args is not JSON"),
        ("done twice", ["create", "plan.yaml", "--work", "work"], "there is a journal already"),
        ("unknown module", ["kinds", "--module", "no.such"], "module no.such"),
        ("neither step nor unit", ["skip", "--reason", "x"], "name either steps or one unit"),
    ],
)
def test_bad_input_is_2_and_one_message(
    work: Path, monkeypatch: pytest.MonkeyPatch, setup: str, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(work.parent)
    monkeypatch.setenv("NARU_WORK", "work")
    done = naru("plan", *words, code=2)
    assert done.stderr.startswith("naru: ") and expected in done.stderr, setup
    assert "Traceback" not in done.stderr


def test_module_of_the_plan_registers_its_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "naru_test_kinds.py").write_text(
        "from naru.plan.arguments import Arguments\n"
        "from naru.plan.kinds import step\n\n"
        "class Greet(Arguments):\n"
        "    name: str\n\n"
        "@step('mine.greet', args=Greet, no_undo='words are free')\n"
        "def greet(context):\n"
        "    return {'said': f\"hello {context.args['name']}\"}\n"
    )
    step = {"id": "a", "kind": "mine.greet", "args": {"name": "world"}}
    (tmp_path / "plan.json").write_text(json.dumps({"modules": ["naru_test_kinds"], "steps": [step]}))
    work = tmp_path / "work"
    naru("plan", "create", tmp_path / "plan.json", "--work", work, code=2)
    monkeypatch.syspath_prepend(tmp_path)
    naru("plan", "create", tmp_path / "plan.json", "--work", work)
    naru("plan", "run", work)


def test_command_hands_over_a_secret_and_does_not_record_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = {"id": "a", "kind": "command", "args": {"argv": ["sh", "-c", "echo $P"], "env": {"P": "OLD_PASSWORD"}}}
    (tmp_path / "plan.json").write_text(json.dumps({"steps": [step]}))
    work = tmp_path / "work"
    naru("plan", "create", tmp_path / "plan.json", "--work", work)
    monkeypatch.setenv("OLD_PASSWORD", "s3cret-w0rd")
    naru("plan", "run", work)
    for file in work.iterdir():
        assert b"s3cret-w0rd" not in file.read_bytes()


def test_a_plan_with_commands_of_its_own(tmp_path: Path) -> None:
    plan = Plan(title="theirs", settings={COMMANDS: "naru lift"}, gates=["window"])
    plan.add(Step("step", "noop", gate="window"))
    work = tmp_path / "work"
    Journal.create(work, plan).close()
    for command in (("run", work), ("rollback", work), ("release", "window", "--work", work)):
        told = naru("plan", *command, code=2).stderr
        assert "is run by naru lift" in told and "naru lift --help" in told
    with Journal.open(work) as journal:
        state = status(journal)
    assert state.commands == "naru lift" and state.gates == {"window": True}
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(picture(state._replace(counts={**state.counts, "held": 1})))
    console.print(picture(state._replace(counts={**state.counts, "held": 1}, commands="")))
    assert console.export_text().count("naru plan release GATE") == 1


def test_all_that_failed_is_retried(work: Path) -> None:
    assert "no step has failed" in naru("plan", "retry", "--failed", "--work", work, code=2).stderr
    naru_json("plan", "run", work, code=1)
    assert "is given alone" in naru("plan", "retry", "fails", "--failed", "--work", work, code=2).stderr
    assert naru("plan", "retry", "--failed", "--work", work).stdout == "to be run again: fails\n"
    assert naru_json("plan", "run", work, code=1)["failed"][0]["id"] == "fails"
