"""`naru move waves` and `naru move run`, on a plan of a move's shape whose steps are programs that write what they do.

The hour is what the tests say: nobody waits for it, and no window closes on a machine that is slow.
"""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.plan import control, rollback
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.plan.status import status
from naru.plan.windows import run as schedule_run

from ..plan.test_cli import naru, naru_json
from .described import described

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]

# ids of the projects, with what they are called
PROJECTS = {"1": "shop", "2": "lab", "3": "guild [x]", "4": "office"}
NEEDS = {"1": "4"}


def plan_of(directory: Path) -> Plan:
    """What a move's plan is made of, a few steps a project: each adds a line to the file `log`, and fails when there is
    a file `fail STEP`."""
    plan = Plan(title="Move", settings={"from": "old", "to": "new", "projects": sorted(PROJECTS)})
    for project, name in PROJECTS.items():
        plan.gates += [f"cutover {name}", f"finalize {name}"]

        def add(step: str, *after: str, gate: str = "", works: bool = False, project: str = project) -> str:
            identity = f"{step} {project}"
            script = f'test ! -e "fail {identity}" && sleep 0.2 && echo "{identity}" >> log'
            check = ["grep", "-qx", identity, "log"]
            args = {"argv": ["sh", "-c", script], "check": check, "cwd": str(directory)} if works else {}
            plan.add(Step(identity, "command" if works else "noop", args, unit=project, gate=gate), after=after)
            return identity

        made = add("make", works=True)
        begun = add("cutover", add("prepared", made), gate=f"cutover {name}")
        switched = add("switch", begun, works=True)
        final = add("finalize", begun, switched, gate=f"finalize {name}")
        add("no way back", add("quota", final, works=True))
    return described(plan)


def decided(
    directory: Path, projects: dict[str, str], things: dict[str, list[dict[str, Any]]], *decisions: dict[str, Any]
) -> None:
    """What beside the journal is in a work directory: the old cloud with these things and an empty new one, and what
    was decided about things of the project 1."""
    with Archive(directory / "archive.db") as archive:
        snapshot = archive.begin("old")
        archive.add(snapshot, [Row.of(BY_NAME[kind], body) for kind, bodies in things.items() for body in bodies])
        archive.end(snapshot, [])
        empty = archive.begin("new")
        archive.end(empty, [])
    usual = {"name": "", "project": "1", "decision": "create", "why": "", "new": "", "step": "", "rules": []}
    told = {
        "naru_decisions": 1,
        "from": "old",
        "to": "new",
        "snapshots": {"old": snapshot, "new": empty},
        "projects": projects,
        "decisions": [usual | decision for decision in decisions],
    }
    (directory / "decisions.json").write_text(json.dumps(told))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work directory in which `shop` needs `office`."""
    directory = tmp_path / "work"
    Journal.create(directory, plan_of(tmp_path)).close()
    things = {
        "network": [{"id": "n", "name": "lan", "project_id": "4"}],
        "port": [{"id": "p", "project_id": "1", "network_id": "n"}],
        "volume": [{"id": "v", "size": 7, "os-vol-tenant-attr:tenant_id": "1"}],
    }
    decided(directory, PROJECTS, things, {"kind": "volume", "id": "v"}, {"kind": "server", "id": "s"})
    return directory


NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
DRIVER = """
import datetime, pathlib, sys, types
from naru.cli import main
from naru.move import freshness, reading
freshness.look = lambda *_: []
reading.outcome = lambda *_: types.SimpleNamespace(items=())
from naru.plan.windows import run as schedule_run
schedule_run.now = lambda: datetime.datetime.fromisoformat(pathlib.Path(sys.argv[1]).read_text())
schedule_run.TICK = schedule_run.LOOK = 0.05
sys.exit(main.main(sys.argv[2:]))
"""


class Clock:
    """Hours after noon. Sleeping until a time makes it that time; while steps run it stands still."""

    def __init__(self) -> None:
        self.now = NOON

    def sleep(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(schedule_run, "now", lambda: clock.now)
    monkeypatch.setattr(schedule_run, "sleep", clock.sleep)
    monkeypatch.setattr(schedule_run, "TICK", 0.05)
    monkeypatch.setattr(schedule_run, "LOOK", 1800.0)
    return clock


def at(hours: float) -> str:
    return (NOON + datetime.timedelta(hours=hours)).isoformat()


def scheduled(work: Path, waves: Mapping[str, Any], file: str = "schedule.yaml") -> Path:
    """A schedule of waves: their projects, and in hours after noon the window and the time of finalizing."""
    path = work.parent / file
    content = []
    for name, (projects, start, latest, finalize) in waves.items():
        window = {"start": at(start), "latest": at(latest)}
        content.append({"name": name, "projects": projects, "cutover": window, "at_once": 2})
        content[-1] |= {"finalize": at(finalize)} if finalize else {}
    path.write_text(yaml.safe_dump({"naru_schedule": 1, "waves": content}))
    return path


def log(work: Path) -> list[str]:
    file = work.parent / "log"
    return file.read_text().splitlines() if file.exists() else []


def waits(work: Path) -> bool:
    """Whether all that needs no gate was run, and nothing runs."""
    with Journal.open(work) as journal:
        state = status(journal)
    return state.counts["held"] == len(PROJECTS) and not state.executor


def states(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["project"]: row["state"] for row in rows}


def test_waves_are_shown_and_suggested(work: Path) -> None:
    file = work.parent / "suggested.yaml"
    assert naru_json("move", "waves", work, "--suggest", file) == [
        {"wave": 1, "projects": ["guild [x]", "lab", "office"], "servers": 0, "volumes": 0, "gib": 0, "why": []},
        {
            "wave": 2,
            "projects": ["shop"],
            "servers": 1,
            "volumes": 1,
            "gib": 7,
            "why": ["shop needs office: port, network lan"],
        },
    ]
    assert [row["projects"] for row in naru_json("move", "waves", work, "--max-projects", 1)][-1] == ["shop"]
    assert "is there already" in naru("move", "waves", work, "--suggest", file, code=2).stderr
    told = naru("move", "run", work, "--schedule", file, code=2)
    assert f"{file} is not a valid schedule" in told.stderr and "waves.0.cutover.start: no time yet" in told.stderr
    assert log(work) == []


def test_waves_are_run_at_their_times(work: Path, clock: Clock) -> None:
    file = scheduled(work, {"a": (["office", "lab"], 1, 3, 12), "b": (["shop"], 1, 3, None)})
    agenda = naru_json("move", "run", work, "--schedule", file, "--dry-run")
    assert [(row["phase"], row["projects"]) for row in agenda] == [
        ("prepare", "office, lab"),
        ("prepare", "shop"),
        ("cutover", "lab, office"),
        ("cutover", "shop"),
        ("finalize", "office, lab"),
    ]
    assert log(work) == []
    answer = naru("move", "run", work, "--schedule", file, "-f", "json")
    assert {row["project"]: row["reached"] for row in json.loads(answer.stdout)} == {
        "office": "finalize",
        "lab": "finalize",
        "shop": "cutover",
    }
    assert "next, at 2030-01-01T13:00:00+00:00 (in 1 h 00 min): cut-over of wave a begins: lab, office" in answer.stderr
    assert "next, at 2030-01-02T00:00:00+00:00 (in 11 h 00 min): wave a is finalized: office, lab" in answer.stderr
    done = log(work)
    assert sorted(done[:4]) == ["make 1", "make 2", "make 3", "make 4"]
    # shop comes after office, which it needs; nothing orders it and lab
    assert sorted(done[4:7]) == ["switch 1", "switch 2", "switch 4"] and done.index("switch 4") < done.index("switch 1")
    assert sorted(done[7:]) == ["quota 2", "quota 4"]
    # again: there is nothing left to do, and times that are over are known
    assert naru_json("-q", "move", "run", work, "--schedule", file) == json.loads(answer.stdout)
    assert log(work) == done


def test_what_becomes_due_in_the_last_instant_of_a_run_goes_on_in_its_window(
    work: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody looks while steps run: shop's turn comes when office is through, and with it the run ends
    monkeypatch.setattr(schedule_run, "TICK", 3600.0)
    file = scheduled(work, {"a": (["office"], 1, 3, None), "b": (["shop"], 1, 3, None)})
    assert states(naru_json("-q", "move", "run", work, "--schedule", file)) == {"office": "done", "shop": "done"}
    assert clock.now == NOON + datetime.timedelta(hours=1)


def test_nothing_is_prepared_before_its_time(work: Path, clock: Clock) -> None:
    file = scheduled(work, {"a": (["office"], 4, 5, None)})
    content = yaml.safe_load(file.read_text())
    content["waves"][0]["prepare"] = at(2)
    file.write_text(yaml.safe_dump(content))
    told = naru("move", "run", work, "--schedule", file, "--until", "prepare").stderr
    assert "next, at 2030-01-01T14:00:00+00:00 (in 2 h 00 min): preparing begins" in told
    assert clock.now == NOON + datetime.timedelta(hours=2) and len(log(work)) == 4


def test_a_project_that_failed_holds_who_needs_it_and_goes_on_when_it_is_mended(work: Path, clock: Clock) -> None:
    (work.parent / "fail switch 4").touch()
    file = scheduled(work, {"a": (["office", "lab", "guild [x]"], 1, 3, None), "b": (["shop"], 1, 3, None)})
    rows = naru_json("-q", "move", "run", work, "--schedule", file, code=1)
    assert states(rows) == {"office": "failed", "lab": "done", "guild [x]": "done", "shop": "held"}
    assert "needs office" in next(row["why"] for row in rows if row["project"] == "shop")
    (work.parent / "fail switch 4").unlink()
    naru("plan", "retry", "switch 4", "--work", work)
    # it has begun, and so goes on; the window of the other one is over
    clock.sleep(1)
    rows = naru_json("-q", "move", "run", work, "--schedule", file, code=3)
    assert states(rows) == {"office": "done", "lab": "done", "guild [x]": "done", "shop": "held"}
    assert "its window closed" in next(row["why"] for row in rows if row["project"] == "shop")
    file = scheduled(work, {"b": (["shop"], 4, 5, None)}, "again.yaml")
    assert states(naru_json("-q", "move", "run", work, "--schedule", file)) == {"shop": "done"}
    assert log(work).count("switch 4") == log(work).count("switch 1") == 1


def test_what_is_mended_meanwhile_goes_on(work: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = work.parent / "fail make 4"
    broken.touch()

    def mend(seconds: float) -> None:
        clock.sleep(seconds)
        if broken.exists() and "make 2" in log(work):
            broken.unlink()
            with Journal.open(work) as journal:
                control.retry(journal, steps=["make 4"])

    monkeypatch.setattr(schedule_run, "sleep", mend)
    file = scheduled(work, {"a": (["office", "shop"], 1, 3, None)})
    assert states(naru_json("-q", "move", "run", work, "--schedule", file)) == {"office": "done", "shop": "done"}


def test_a_run_from_elsewhere_is_not_disturbed(work: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file = scheduled(work, {"a": (["office"], 1, 3, None)})
    with contextlib.ExitStack() as elsewhere:
        elsewhere.enter_context(elsewhere.enter_context(Journal.open(work)).exclusive())

        def sleep(seconds: float) -> None:
            clock.sleep(seconds)
            elsewhere.close()

        monkeypatch.setattr(schedule_run, "sleep", sleep)
        told = naru("move", "run", work, "--schedule", file)
    assert "another executor runs the plan" in told.stderr and "switch 4" in log(work)


def test_only_what_is_asked_for_is_run(work: Path, clock: Clock) -> None:
    file = scheduled(work, {"a": (["office"], 1, 3, 4)})
    rows = naru_json("-q", "move", "run", work, "--schedule", file, "--until", "prepare")
    assert [(row["reached"], row["state"]) for row in rows] == [("prepare", "done")]
    rows = naru_json("-q", "move", "run", work, "--schedule", file, "--until", "cutover")
    assert [(row["reached"], row["state"]) for row in rows] == [("cutover", "done")]
    assert clock.now == NOON + datetime.timedelta(hours=1)


def test_what_cannot_be_run_is_told(work: Path, clock: Clock) -> None:
    file = scheduled(work, {"a": (["shop"], 1, 3, None)})
    assert "shop needs office" in naru("move", "run", work, "--schedule", file, code=2).stderr
    file = scheduled(work, {"a": (["office"], -1, 3, None)})
    assert "waves.0.cutover.start" in naru("move", "run", work, "--schedule", file, code=2).stderr
    assert "is not the work directory of a move" in naru("move", "waves", work.parent, code=2).stderr
    naru("plan", "run", work, code=3)
    with Journal.open(work) as journal:
        rollback.start(journal)
    file = scheduled(work, {"a": (["office"], 1, 3, None)})
    assert "a rollback is not at its end" in naru("move", "run", work, "--schedule", file, code=2).stderr


def test_a_pause_ends_it_and_nothing_is_begun_meanwhile(work: Path, clock: Clock) -> None:
    with Journal.open(work) as journal:
        control.pause(journal)
    file = scheduled(work, {"a": (["office"], 1, 3, None)})
    rows = naru_json("-q", "move", "run", work, "--schedule", file, code=3)
    assert states(rows) == {"office": "held"} and log(work) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_wherever_it_was_ended(work: Path, number: signal.Signals) -> None:
    """Ended while it waits for the window, and while steps run in it."""
    file = scheduled(work, {"a": (["office", "lab"], 1, 3, 12), "b": (["shop"], 1, 3, None)})
    hour = work.parent / "hour"
    command = [sys.executable, "-c", DRIVER, str(hour), "move", "run", str(work), "--schedule", str(file), "-f", "json"]

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ended(process: subprocess.Popen[str], until: Callable[[], bool]) -> str:
        end = time.monotonic() + 60
        while not until():
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.02)
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == (-9 if number == signal.SIGKILL else 130), errors
        assert "Traceback" not in errors
        return errors

    hour.write_text(at(0))
    ended(started(), lambda: waits(work))
    hour.write_text(at(2))
    ended(started(), lambda: len(log(work)) > 4)
    hour.write_text(at(13))
    out, errors = started().communicate(timeout=300)
    found = states(json.loads(out))
    assert found["office"] == found["lab"] == "done", errors
    # the window of the third is over, unless it had begun before
    assert found["shop"] == ("done" if "switch 1" in log(work) else "held")
    assert all(log(work).count(f"switch {project}") == 1 for project in "24")
