"""`naru move rollback --project` and cutting over what goes together, on a plan of a move's shape whose steps are
programs that write what they do and what they undo."""

import datetime
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from naru.move import result, sync
from naru.move.decisions import Decision
from naru.move.draft import CLOUD, COPIES
from naru.move.rollback import finalized, rolled_back, units
from naru.move.verify import PROJECT_ROLLED_BACK, Verifier
from naru.move.work import ROUNDS, Work
from naru.plan import schema
from naru.plan.journal import Journal
from naru.plan.model import BARRIER, Plan, Step

from ..plan import kit
from ..plan.test_cli import naru, naru_json
from .described import described
from .test_mapping import Given
from .test_run import decided

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]

# shop needs office; lab and guild need each other; two are called twin
PROJECTS = {"1": "shop", "2": "lab", "3": "guild [x]", "4": "office", "5": "twin", "6": "twin"}
CALLED = {**PROJECTS, "5": "5", "6": "6"}


def plan_of(directory: Path) -> Plan:
    """A few steps a project, each of which makes a file; a share of office's network with shop; a server of shop's."""
    plan = Plan(
        title="Move",
        settings={"from": "old", "to": "new", "projects": sorted(PROJECTS)},
        modules=["tests.move.lasting", "naru.move.steps"],
        limits={"default": 4, COPIES: 1},
    )
    things = directory / "things"
    things.mkdir()

    def add(step: str, *after: str, unit: str, gate: str = "", works: bool = True, undo: bool = True) -> str:
        script = f'test ! -e "{directory}/fail {step}" && touch "{step}"'
        args: dict[str, Any] = {"argv": ["sh", "-c", script], "cwd": str(things)}
        if undo:
            args["undo"] = ["sh", "-c", f'sleep 0.05; rm -f "{step}"']
        plan.add(Step(step, "command" if works else "noop", args if works else {}, unit=unit, gate=gate), after=after)
        return step

    add("domain", unit=CLOUD)
    add("prepared", "domain", unit=CLOUD, works=False)
    last = []
    for project, name in CALLED.items():
        plan.gates += [f"cutover {name}", f"finalize {name}"]
        unit = f"project {name}"
        made = add(f"make {project}", "domain", unit=unit)
        last += [add(f"prepared {project}", "prepared", made, unit=unit, works=False)]
        begun = add(f"cutover {project}", f"prepared {project}", unit=unit, gate=f"cutover {name}", works=False)
        switched = add(f"switch {project}", begun, unit=unit)
        final = add(f"finalize {project}", begun, switched, unit=unit, gate=f"finalize {name}", works=False)
        plan.add(Step(f"no way back {project}", "lasting", unit=unit), after=[final])
    add("server s", "make 1", unit="server web 00000000")
    plan.order("server s", "prepared 1")
    plan.order("make 4", "make 1")
    add("share 4 with 1", "make 4", "make 1", unit=CLOUD)
    plan.order("make 3", "switch 2")
    plan.order("make 2", "switch 3")
    plan.add(Step("everything", BARRIER, unit=CLOUD), after=[*last, "share 4 with 1"])
    add("switch off", "everything", unit=CLOUD)
    return described(plan)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    Journal.create(directory, plan_of(tmp_path)).close()
    things = {
        "project": [{"id": project, "name": name, "domain_id": "d"} for project, name in PROJECTS.items()],
        "user": [{"id": "u", "name": "mina", "default_project_id": "1"}],
        "volume": [{"id": "v", "size": 1, "os-vol-tenant-attr:tenant_id": "1"}],
        "network": [{"id": f"n{project}", "name": "lan", "project_id": project} for project in "234"],
        "port": [
            {"id": "p1", "project_id": "1", "network_id": "n4"},
            {"id": "p2", "project_id": "2", "network_id": "n3"},
            {"id": "p3", "project_id": "3", "network_id": "n2"},
        ],
    }
    server = {"kind": "server", "id": "s", "step": "server s"}
    decided(directory, PROJECTS, things, server, {"kind": "volume", "id": "v"})
    return directory


def things(work: Path) -> set[str]:
    return {path.name for path in (work.parent / "things").iterdir()}


def states(work: Path) -> dict[str, str]:
    with Journal.open(work) as journal:
        return kit.states(journal)


def of(*projects: str, switched: bool = False) -> set[str]:
    """What there is of the projects."""
    found = {f"make {project}" for project in projects} | ({"server s"} if "1" in projects else set())
    return found | ({f"switch {project}" for project in projects} if switched else set())


SHARED = {"domain", "switch off"}


def test_one_project_comes_back_and_the_others_go_on(work: Path) -> None:
    assert naru_json("-q", "move", "prepare", work)["rolled back"] == []
    assert things(work) == {*SHARED, "share 4 with 1", *of(*PROJECTS)}
    naru("-q", "move", "cutover", work, "--project", "office", "--project", "shop")
    answer = naru_json("-q", "move", "rollback", work, "--project", "shop")
    assert (answer["state"], answer["rolled back"]) == ("done", ["shop"])
    # what joined it to another is gone with it; what is nobody's has stayed
    assert things(work) == {*SHARED, *of(*"23456"), "switch 4"}
    found = states(work)
    assert found["switch 1"] == found["server s"] == found["share 4 with 1"] == "undone"
    assert found["everything"] == found["switch 4"] == "done" and found["cutover 2"] == "held"

    told = naru("move", "cutover", work, "--project", "shop", code=2).stderr
    assert "shop was rolled back" in told and "into another work directory" in told
    # a rollback that was killed at its very end is given again
    again = naru_json("-q", "move", "rollback", work, "--project", "shop")
    assert (again["state"], again["rolled back"]) == ("done", ["shop"])
    assert naru_json("-q", "move", "prepare", work)["rolled back"] == ["shop"]
    assert naru_json("-q", "move", "cutover", work)["state"] == "held"
    assert naru_json("move", "status", work)["rolled back"] == ["shop"]
    assert things(work) == {*SHARED, *of(*"23456", switched=True)}
    assert naru_json("-q", "move", "finalize", work)["state"] == "done"
    with Journal.open(work) as journal:
        assert finalized(journal, PROJECTS) == set("23456") and rolled_back(journal, PROJECTS) == {"1"}
    progress = result.Reached.of(Work(work))
    assert (progress.phase, progress.rolled_back, progress.undone) == ("finalize", {"1"}, {"share 4 with 1"})


def test_the_rest_comes_back_afterwards(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    naru("-q", "move", "rollback", work, "--project", "shop", "--project", "5")
    assert things(work) == {*SHARED, *of(*"2346")}
    assert naru_json("-q", "move", "rollback", work)["state"] == "done"
    assert things(work) == set()
    assert {state for step, state in states(work).items() if not step.startswith("undo/")} == {"undone"}
    assert result.Reached.of(Work(work)).phase == "rollback"


def test_users_are_switched_off_when_a_project_that_could_not_be_made_is_rolled_back(work: Path) -> None:
    (work.parent / "fail make 1").touch()
    naru("-q", "move", "prepare", work, code=1)
    assert "switch off" not in things(work) and states(work)["share 4 with 1"] == "waiting"
    naru("-q", "move", "rollback", work, "--project", "shop")
    assert things(work) == {"domain", *of(*"23456")} and states(work)["share 4 with 1"] == "undone"
    naru("-q", "move", "prepare", work)
    assert things(work) == {*SHARED, *of(*"23456")}


def test_nothing_of_the_others_runs_while_one_is_rolled_back(work: Path) -> None:
    (work.parent / "fail make 2").touch()
    naru("-q", "move", "prepare", work, code=1)
    (work.parent / "fail make 2").unlink()
    naru("plan", "retry", "make 2", "--work", work)
    naru("plan", "release", "cutover *", "--work", work)
    before = things(work)
    naru("-q", "move", "rollback", work, "--project", "5")
    assert things(work) == before - of("5")
    # nor does preparing go through a gate that is open
    naru("-q", "move", "prepare", work)
    assert things(work) == {*SHARED, "share 4 with 1", *of(*"12346")}
    naru("-q", "move", "cutover", work)
    assert things(work) == {*SHARED, "share 4 with 1", *of(*"12346", switched=True)}


def test_who_is_needed_by_others_is_not_rolled_back_alone(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    before = states(work)
    told = naru("move", "rollback", work, "--project", "office", code=1).stderr
    assert "office cannot be rolled back alone: shop depends on it" in told and "shop: make 1" in told
    assert f"naru move rollback {work} --project office --project shop" in told
    # also what has not begun: it would wait for ever
    told = naru("move", "rollback", work, "--project", "guild [x]", code=1).stderr
    assert "lab depends on it" in told and "--project 'guild [x]' --project lab" in told
    assert states(work) == before
    naru("-q", "move", "rollback", work, "--project", "office", "--project", "1")
    assert things(work) == {*SHARED, *of(*"2356")}


def test_finalized_projects_are_named_and_the_others_can_come_back(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    naru("-q", "move", "cutover", work, "--project", "office", "--project", "shop", "--project", "5")
    naru("-q", "move", "finalize", work, "--project", "office")
    told = naru("move", "rollback", work, code=1).stderr
    assert "office is finalized and cannot be rolled back" in told
    assert "--project 5 --project 6 --project 'guild [x]' --project lab --project shop" in told
    told = naru("move", "rollback", work, "--project", "office", "--project", "shop", code=1).stderr
    assert "office is finalized" in told and f"naru move rollback {work} --project shop" in told
    naru("-q", "move", "rollback", work, "--project", "shop")
    assert things(work) == {*SHARED, *of(*"23456"), "switch 4", "switch 5"}
    both = ("--project", "lab", "--project", "guild [x]")
    told = naru("-q", "move", "finalize", work, *both, "--project", "5", code=2).stderr
    assert "guild [x], lab are not cut over yet" in told and f"naru move finalize {work} --project 5" in told
    naru("-q", "move", "cutover", work, *both)
    naru("-q", "move", "finalize", work, *both, "--project", "5")
    assert "repaired" not in naru("move", "rollback", work, code=1).stderr  # 6 waits, not cut over


def test_who_goes_together_is_not_cut_over_alone(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    before = states(work)
    told = naru("move", "cutover", work, "--project", "lab", code=2).stderr
    assert "lab cannot be cut over without guild [x]" in told
    assert "lab needs guild [x]: port, network lan" in told and "--alone" in told
    assert f"naru move cutover {work} --project 'guild [x]' --project lab" in told
    assert "needs office" in naru("move", "cutover", work, "--project", "shop", code=2).stderr
    assert states(work) == before
    naru("-q", "move", "cutover", work, "--project", "lab", "--alone")
    # one without the other would be worse than one that is late
    naru("-q", "move", "cutover", work, "--project", "guild [x]")
    naru("-q", "move", "cutover", work, "--project", "office")
    naru("-q", "move", "cutover", work, "--project", "shop")
    assert {"switch 1", "switch 2", "switch 3", "switch 4"} <= things(work)
    told = naru("move", "finalize", work, "--project", "shop", code=2).stderr
    assert "shop cannot be finalized without office" in told
    naru("-q", "move", "finalize", work, "--project", "shop", "--project", "office")


@pytest.mark.parametrize("command", ["cutover", "finalize", "rollback", "sync"])
def test_a_project_that_is_none_of_the_moves_is_told(work: Path, command: str) -> None:
    for text in ("sho", "sh*", ""):
        told = naru("move", command, work, "--project", text, code=2).stderr
        assert f"--project {text}: {work} does not move it" in told
        assert "Projects: 5, 6, guild [x], lab, office, shop" in told
    assert "Several projects have this name" in naru("move", command, work, "--project", "twin", code=2).stderr
    assert set(states(work).values()) == {"waiting"}


def test_waves_and_schedules_leave_out_who_was_rolled_back(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    naru("-q", "move", "rollback", work, "--project", "shop")
    rows = naru_json("move", "waves", work)
    assert rows[-1]["projects"] == ["shop"] and rows[-1]["wave"] is None and rows[-1]["why"] == ["rolled back"]
    assert all("shop" not in row["projects"] for row in rows[:-1])
    now = datetime.datetime.now(datetime.UTC)
    window = {"start": now + datetime.timedelta(seconds=2), "latest": now + datetime.timedelta(hours=1)}
    file = work.parent / "schedule.yaml"
    wave = {"name": "w", "projects": ["office", "shop"], "cutover": window, "at_once": 2}
    file.write_text(yaml.safe_dump({"naru_schedule": 1, "waves": [wave]}))
    rows = naru_json("-q", "move", "run", work, "--schedule", file)
    assert {row["project"]: row["state"] for row in rows} == {"office": "done", "shop": "rolled back"}
    assert "switch 4" in things(work) and "switch 1" not in things(work)


def test_what_was_rolled_back_is_no_difference(work: Path) -> None:
    users = {"user": [{"id": "u", "name": "mina", "default_project_id": "1"}]}
    old = Given("old", {**users, "network": [{"id": "n", "name": "lan", "project_id": "1"}]})
    new = Given("new", {"user": [{"id": "nu", "name": "mina", "default_project_id": None}]})
    verifier = Verifier(old, new, {"user u": "nu"}, set(), set(), {"1"}, {"share"})
    user = Decision("user", "u", "mina", "", "create", "", step="user/u")
    network = Decision("network", "n", "lan", "1", "create", "", step="network/n")
    told = [difference for decision in (user, network) for difference in verifier.differences(decision)]
    told_back = PROJECT_ROLLED_BACK()
    assert {(found.field, found.why) for found in told} == {("default_project_id", told_back), ("", told_back)}
    joined = Decision("network", "n", "lan", "4", "create", "", step="share")
    assert all(found.why for found in verifier.differences(joined))
    lost = Decision("network", "n", "lan", "4", "create", "", step="network/n")
    assert [found.why for found in verifier.differences(lost)] == [""]


def test_the_units_of_a_project_are_its_own_and_its_servers(work: Path) -> None:
    with Journal.open(work) as journal:
        found = units(Work(work), journal)
    assert found["1"] == {"project shop", "server web 00000000"} and found["5"] == {"project 5"}


def test_a_round_with_volumes_of_a_project_that_was_rolled_back_is_over(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    with Journal.open(work) as journal, journal.write() as connection:
        content = {"kind": sync.KIND, "args": '{"from": "v"}'}
        connection.execute(update(schema.steps).where(schema.steps.c.id == "switch 1").values(content))
    steps = [Step("switch 1", sync.KIND, limits=(COPIES,))]
    Journal.create(work / ROUNDS / "1", Plan(limits={COPIES: 1}, steps=steps)).close()
    with sync.next_round(Work(work), []) as journal:
        assert journal.directory == work / ROUNDS / "1"
    naru("-q", "move", "rollback", work, "--project", "shop")
    assert "It was rolled back" in naru("move", "sync", work, "--project", "shop", code=2).stderr
    assert "There are no volumes" in naru("move", "sync", work, "--project", "office", code=2).stderr


def test_nothing_was_begun(work: Path) -> None:
    for words in ((), ("--project", "shop")):
        told = naru("-q", "move", "rollback", work, *words, code=2).stderr
        assert "nothing of " in told and "was begun" in told
    assert set(naru_json("move", "status", work)["projects"].values()) == {"planned"}
    naru("-q", "move", "prepare", work)
    assert set(naru_json("move", "status", work)["projects"].values()) == {"prepared"}


def test_everything_was_rolled_back(work: Path) -> None:
    naru("-q", "move", "prepare", work)
    answer = naru_json("-q", "move", "rollback", work)
    assert set(answer["projects"].values()) == {"rolled back"} and "planned anew" in answer["next"][0]
    for phase in ("prepare", "cutover", "finalize"):
        assert "everything was rolled back" in naru("-q", "move", phase, work, code=2).stderr
    assert naru_json("-q", "move", "rollback", work)["state"] == "done"


@pytest.mark.parametrize("seed", range(3))
def test_it_goes_on_wherever_it_was_killed(work: Path, seed: int) -> None:
    naru("-q", "move", "prepare", work)
    naru("-q", "move", "cutover", work)
    moment = random.Random(seed)
    command = [sys.executable, "-m", "naru.cli.main", "-q", "move", "rollback", str(work), "--project", "shop"]
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment.uniform(0.5, 2.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    if seed % 2:
        # whoever asks for all of it gets that, too
        naru("-q", "move", "rollback", work)
        assert things(work) == set()
        return
    naru("-q", "move", "rollback", work, "--project", "shop")
    assert things(work) == {*SHARED, *of(*"23456", switched=True)}
    naru("-q", "move", "rollback", work)
    assert things(work) == set()
