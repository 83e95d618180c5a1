"""An operator's hooks at the moments of a move: two servers whose stops and starts are lines in a file, cut over and
rolled back by the commands, with hooks that write into the same file."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.move import hooks as around
from naru.move import moments, purposes
from naru.move.decisions import Decision
from naru.move.steps.hook import KIND, UNDO_HOOK, hook, undo_hook
from naru.move.work import DECISIONS, Work
from naru.plan import schema
from naru.plan.context import Context
from naru.plan.journal import Journal
from naru.plan.model import About, Plan, Step
from naru.plan.queries import reading
from naru.work import hooks
from naru.work.hooks import GO_ON, STOP

from ..plan.test_cli import naru, naru_json
from .described import described
from .test_golden import CASES, planned, sides
from .unchanged import NARU

__all__ = ["sides"]
pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]

TELL = """#!{python}
import json, sys
facts = json.load(sys.stdin)
with open("facts", "a") as file:
    file.write(json.dumps(facts) + "\\n")
with open("log", "a") as file:
    thing = facts.get("server") or facts.get("project")
    file.write(facts["moment"] + (" " + thing["name"] if thing else "") + "\\n")
"""


class Shop:
    """The work directory of a move of one project with the servers a and b."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.entries: list[dict[str, Any]] = []
        self.program("tell", TELL.format(python=sys.executable))

    def program(self, name: str, text: str) -> None:
        file = self.work / name
        file.write_text(text)
        file.chmod(0o755)

    def hook(self, moment: str, *command: str, on_failure: str = GO_ON, **more: Any) -> None:
        """Adds one to the file."""
        self.entries.append(
            {"moment": moment, "command": list(command) or ["./tell"], "on_failure": on_failure, **more}
        )
        self.write({"naru_hooks": 1, "hooks": self.entries})

    def write(self, content: Any) -> None:
        (self.work / hooks.FILE).write_text(yaml.safe_dump(content))

    def log(self) -> list[str]:
        file = self.work / "log"
        return file.read_text().splitlines() if file.exists() else []

    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.work / "facts").read_text().splitlines()]

    def start(self, *words: str) -> "subprocess.Popen[str]":
        argv = [*NARU, "-q", "move", *words, str(self.work)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _hook(work: Path, moment: str, back: str, purpose: str, kind: str, name: str, unit: str) -> Step:
    thing: dict[str, Any] = {"name": name, "old_id": name}
    if kind == "server":
        thing["addresses"] = ["10.0.0.5"]
    args: dict[str, Any] = {"cloud": "new", "service": "hooks", "directory": str(work), "moment": moment, "back": back}
    args["project"] = {"name": "shop", "old_id": "p"}
    args[kind] = thing if kind == "server" else args["project"]
    return Step(f"{moment} {name}", KIND, args, unit=unit, about=About(kind, name, name), purpose=purpose)


def _line(directory: Path, text: str, back: str, seconds: float = 0.0) -> dict[str, Any]:
    def argv(line: str) -> list[str]:
        return ["sh", "-c", f"echo {line} >> log; sleep {seconds}"]

    return {"argv": argv(text), "undo": argv(back), "cwd": str(directory)}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    work = tmp_path / "work"
    settings = {"from": "old", "to": "new", "projects": ["p"], "map": "", "key": "0123456789abcdef"}
    plan = Plan(modules=["naru.move.steps"], settings=settings, gates=["cutover shop", "finalize shop"])
    unit = "project shop"
    plan.add(Step("cutover p", "noop", unit=unit, gate="cutover shop"))
    whole = (moments.BEFORE_CUTOVER, moments.AFTER_ROLLBACK, purposes.TELL_CUTOVER, "project", "shop", unit)
    told = plan.add(_hook(work, *whole), after=["cutover p"]).id
    after = []
    for name in ("a", "b"):
        own = f"server {name}"
        made = Step(f"server/{name}", "noop", unit=own, about=About("server", name, name), purpose=purposes.MAKE)
        plan.add(made)
        plan.order(made.id, "cutover p")
        before = _hook(work, moments.BEFORE_STOP, moments.AFTER_BACK, purposes.TELL_STOP, "server", name, own)
        plan.add(before, after=["cutover p", told])
        stop = _line(work, f"stop {name}", f"old {name} runs")
        plan.add(Step(f"stop server/{name}", "command", stop, unit=own), after=[before.id, "cutover p", told])
        start = _line(work, f"{name} runs", f"new {name} off")
        plan.add(Step(f"start server/{name}", "command", start, unit=own), after=[f"stop server/{name}"])
        runs = _hook(work, moments.AFTER_START, moments.BEFORE_BACK, purposes.TELL_RUNS, "server", name, own)
        after.append(plan.add(runs, after=[f"start server/{name}"]).id)
    last = plan.add(
        _hook(work, moments.AFTER_CUTOVER, "", purposes.TELL_CUT_OVER, "project", "shop", unit), after=after
    )
    plan.add(Step("finalize p", "noop", unit=unit, gate="finalize shop"), after=[last.id])
    plan.add(Step("no way back p", "noop", unit=unit), after=["finalize p"])
    Journal.create(work, described(plan)).close()
    decisions = [Decision("server", name, name, "p", "create", "", step=f"server/{name}").dump() for name in ("a", "b")]
    decisions.append(Decision("project", "p", "shop", "", "match", "", new="new-p").dump())
    content = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}, "decisions": decisions}
    (work / DECISIONS).write_text(json.dumps({**content, "snapshots": {"old": 1, "new": 2}}))
    made_shop = Shop(work)
    naru("move", "prepare", work)
    with Journal.open(work) as journal, journal.write() as connection:
        ids = schema.steps.c.id
        for name in ("a", "b"):
            change = schema.steps.update().where(ids == f"server/{name}")
            connection.execute(change.values(result=json.dumps({"id": f"new-{name}"})))
    return made_shop


SERVERS = ("a", "b")


def test_each_moment_comes_in_its_place_with_its_facts(shop: Shop) -> None:
    for moment in moments.MOMENTS:
        shop.hook(moment)
    naru("move", "cutover", shop.work)
    log = shop.log()
    assert log[:2] == ["before-cutover", "before-project-cutover shop"]
    assert log[-2:] == ["after-project-cutover shop", "after-cutover"]
    for name in SERVERS:
        lines = [f"before-old-server-stops {name}", f"stop {name}", f"{name} runs", f"after-new-server-runs {name}"]
        assert [line for line in log if line in lines] == lines
    assert len(log) == 12
    found = {(one["moment"], one.get("server", {}).get("name")): one for one in shop.facts()}
    stopped = found[moments.BEFORE_STOP, "a"]
    assert stopped["server"] == {"name": "a", "old_id": "a", "new_id": "new-a", "addresses": ["10.0.0.5"]}
    assert stopped["project"] == {"name": "shop", "old_id": "p", "new_id": None}
    with Journal.open(shop.work) as journal:
        move = {"id": journal.plan_id, "directory": str(shop.work), "from": "old", "to": "new"}
    assert (stopped["move"], stopped["attempt"], stopped["naru_hook"]) == (move, 1, 1)
    assert found["before-cutover", None]["projects"] == [{"name": "shop", "old_id": "p", "new_id": "new-p"}]
    assert (found["after-cutover", None]["state"], found["after-cutover", None]["failures"]) == ("done", [])
    assert len({one["key"] for one in shop.facts()}) == len(shop.facts())


def test_a_rollback_has_its_moments_and_users_come_first(shop: Shop) -> None:
    for moment in moments.MOMENTS:
        shop.hook(moment)
    naru("move", "cutover", shop.work)
    (shop.work / "log").unlink()
    naru("move", "rollback", shop.work)
    log = shop.log()
    assert log[0] == "before-rollback" and log[-2:] == ["after-project-rollback shop", "after-rollback"]
    for name in SERVERS:
        lines = [
            f"before-new-server-stops {name}",
            f"new {name} off",
            f"old {name} runs",
            f"after-old-server-runs {name}",
        ]
        assert [line for line in log if line in lines] == lines
    assert len(log) == 11


def test_what_a_hook_says_and_how_it_ended_is_in_the_journal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANCER_TOKEN", "hunter2hunter2")
    shop.program("speak", "#!/bin/sh\necho token $BALANCER_TOKEN; env | grep -c BALANCER_TOKEN; exit 3\n")
    shop.hook(moments.BEFORE_STOP, "./speak", "web")
    shop.hook("before-cutover", "./speak", "people")
    said = naru("move", "cutover", shop.work).stderr
    assert "hook at before-cutover: ./speak people exited with 3" in said
    assert "hook at before-old-server-stops of a: ./speak web exited with 3" in said
    with Journal.open(shop.work) as journal, reading(journal) as now:
        (step,) = now.steps(ids=["before-old-server-stops a"], result=True)
        requests = [row.detail for row in now.requests(step=step.id)]
        (event,) = [json.loads(row.detail) for row in now.events() if row.what == "hook before-cutover"]
    assert step.state == "done" and requests == ["./speak web"]
    for (one,) in (step.result["hooks"], event["hooks"]):
        assert (one["exit"], one["output"], one["problem"]) == (3, "token ***\n1", "exited with 3")
        assert 0 < one["seconds"] < 10
    for file in shop.work.rglob("journal.db*"):
        assert b"hunter2" not in file.read_bytes()


def test_a_hook_that_fails_and_stops_keeps_its_server_running(shop: Shop) -> None:
    shop.hook(moments.BEFORE_STOP, "./refuse", on_failure=STOP)
    shop.program("refuse", "#!/bin/sh\n[ -e mended ] || { grep -q new-a && echo busy && exit 4; }; exit 0\n")
    shop.hook(moments.AFTER_CUTOVER)
    naru("move", "cutover", shop.work, code=1)
    # the others go on, and what is not whole is not told to be cut over
    assert shop.log() == ["stop b", "b runs"]
    (failed,) = naru_json("move", "status", shop.work)["failed"]
    assert failed["summary"] == "hook ./refuse at before-old-server-stops: exited with 4"
    assert failed["detail"] == "busy" and hooks.FILE in failed["hint"]
    assert naru_json("move", "hooks", shop.work)[0]["failed"] == 1
    (shop.work / "mended").touch()
    naru("plan", "retry", failed["id"], "--work", shop.work)
    naru("move", "cutover", shop.work)
    assert shop.log() == ["stop b", "b runs", "stop a", "a runs", "after-project-cutover shop"]


def test_a_command_does_not_begin_when_its_hook_stops_it(shop: Shop) -> None:
    shop.hook("before-cutover", "false", on_failure=STOP)
    shop.hook("before-cutover")
    said = naru("move", "cutover", shop.work, code=1).stderr
    assert "hook false at before-cutover: exited with 1" in said and "naru move cutover" in said
    assert shop.log() == [] and naru_json("plan", "steps", shop.work, "--state", "done")[-1]["id"].startswith("server/")
    shop.entries = [{**shop.entries[0], "command": ["true"]}, shop.entries[1]]
    shop.hook("after-cutover")
    naru("move", "cutover", shop.work)
    with Journal.open(shop.work) as journal, reading(journal) as now:
        keys = [json.loads(row.detail)["key"] for row in now.events() if row.what == "hook before-cutover"]
    assert len(keys) == 2 and keys[0] == keys[1]  # the same moment, told again


def test_a_hook_that_hangs_holds_the_window_no_longer_than_its_deadline(shop: Shop) -> None:
    shop.program("hang", "#!/bin/sh\necho begun\n(setsid sh -c 'echo $$ > pid; exec sleep 600' &)\nexec sleep 600\n")
    shop.hook(moments.BEFORE_STOP, "./hang", deadline="1.5s")
    begun = time.monotonic()
    naru("move", "cutover", shop.work)
    assert time.monotonic() - begun < 20
    assert {"stop a", "a runs", "stop b", "b runs"} == set(shop.log())
    pid = int((shop.work / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with Journal.open(shop.work) as journal, reading(journal) as now:
        (step,) = now.steps(ids=["before-old-server-stops a"], result=True)
    (one,) = step.result["hooks"]
    assert (one["exit"], one["output"]) == (None, "begun") and "1.5 s" in one["problem"]
    assert 1.5 <= one["seconds"] < 8


def test_killed_in_the_middle_of_a_hook_the_moment_is_told_again_with_its_key(shop: Shop) -> None:
    shop.hook(moments.BEFORE_STOP)
    shop.hook(moments.BEFORE_STOP, "sh", "-c", "echo $$ >> pids; [ -e go ] || exec sleep 600", deadline="10m")
    process = shop.start("cutover")
    end = time.monotonic() + 60
    while not (shop.work / "pids").exists() or len((shop.work / "pids").read_text().split()) < 2:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not [line for line in shop.log() if line.startswith("stop")]
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in (shop.work / "pids").read_text().split()):
        assert time.monotonic() < end
        time.sleep(0.05)
    (shop.work / "go").touch()
    naru("move", "cutover", shop.work)
    for name in SERVERS:
        told = [one for one in shop.facts() if one["server"]["name"] == name]
        assert [one["attempt"] for one in told] == [1, 2] and len({one["key"] for one in told}) == 1
        assert shop.log().index(f"stop {name}") > shop.log().index(f"before-old-server-stops {name}")


def test_what_is_cut_over_again_after_a_rollback_is_another_moment(shop: Shop) -> None:
    shop.hook(moments.BEFORE_STOP)
    naru("move", "cutover", shop.work)
    naru("move", "rollback", shop.work)
    naru("plan", "retry", "before-old-server-stops a", "stop server/a", "cutover p", "--work", shop.work)
    naru("plan", "retry", "before-project-cutover shop", "server/a", "server/b", "--work", shop.work)
    with Journal.open(shop.work) as journal, journal.write() as connection:
        # nobody does this by commands: a plan that was rolled back is made anew
        connection.execute(schema.gates.update().values(held=False))
    from tests.plan import kit

    kit.run(shop.work)
    keys = [one["key"] for one in shop.facts() if one["server"]["name"] == "a"]
    assert len(keys) == 2 and keys[1] == f"{keys[0]}#2"


def test_hooks_may_be_changed_at_any_time(shop: Shop) -> None:
    naru("move", "cutover", shop.work)
    assert "before" not in "".join(shop.log())
    shop.hook(moments.AFTER_BACK)
    naru("move", "rollback", shop.work)
    assert [line for line in shop.log() if line.startswith("after-old")] != []


def test_nothing_begins_with_a_file_that_is_wrong_but_a_rollback_goes_on(shop: Shop) -> None:
    naru("move", "cutover", shop.work)
    shop.write({"naru_hooks": 1, "hooks": [{"moment": "before-lunch", "command": ["true"], "on_failure": GO_ON}]})
    said = naru("move", "finalize", shop.work, "--despite", "test", code=2).stderr
    assert "hooks[0].moment: there is no before-lunch" in said
    said = naru("move", "rollback", shop.work).stderr
    assert "before-lunch" in said and "goes on without hooks" in said
    assert {"old a runs", "old b runs"} <= set(shop.log())


def test_hooks_that_fail_hold_up_no_rollback(shop: Shop) -> None:
    naru("move", "cutover", shop.work)
    shop.program("fail", "#!/bin/sh\nexit 1\n")
    for moment in ("before-rollback", moments.BEFORE_BACK, moments.AFTER_BACK, moments.AFTER_ROLLBACK):
        shop.hook(moment, "./fail")
    said = naru("move", "rollback", shop.work).stderr
    assert {"old a runs", "old b runs"} <= set(shop.log())
    assert said.count("./fail exited with 1") == 6


def test_what_fails_is_told_while_the_rest_goes_on(shop: Shop) -> None:
    naru("plan", "retry", "stop server/a", "--work", shop.work, code=2)  # only what failed can be
    with Journal.open(shop.work) as journal, journal.write() as connection:
        steps = schema.steps
        for name, line in (("a", "exit 5"), ("b", "sleep 5; echo stop b >> log")):
            args = {"argv": ["sh", "-c", line], "cwd": str(shop.work)}
            connection.execute(steps.update().where(steps.c.id == f"stop server/{name}").values(args=json.dumps(args)))
    shop.hook(moments.FAILED)
    naru("move", "cutover", shop.work, code=1)
    assert shop.log() == ["after-failure", "stop b", "b runs"]
    (told,) = shop.facts()
    (failure,) = told["failures"]
    assert (failure["step"], failure["summary"]) == ("stop server/a", "sh exited with 5")
    assert failure["thing"] == {"kind": "server", "id": "a", "name": ""}
    # told once
    naru("move", "cutover", shop.work, code=1)
    assert shop.log().count("after-failure") == 1


def test_a_failure_that_a_killed_run_did_not_tell_is_told_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(shop.work) as journal, journal.write() as connection:
        args = {"argv": ["sh", "-c", "exit 5"], "cwd": str(shop.work)}
        connection.execute(
            schema.steps.update().where(schema.steps.c.id == "stop server/a").values(args=json.dumps(args))
        )
    shop.hook(moments.FAILED)
    with monkeypatch.context() as patch:
        patch.setattr(around._Teller, "_tell_failures", lambda *_: None)
        naru("move", "cutover", shop.work, code=1)
    assert "after-failure" not in shop.log()
    naru("move", "cutover", shop.work, code=1)
    assert shop.log().count("after-failure") == 1


def test_a_plan_of_an_older_naru_is_refused_with_hooks_that_it_has_no_place_for(tmp_path: Path) -> None:
    from ..cli import moves

    work = moves.move(tmp_path / "work")
    shop = Shop(work)
    shop.hook("before-cutover")
    assert naru_json("move", "hooks", work)[0]["moment"] == "before-cutover"
    shop.hook(moments.BEFORE_STOP)
    said = naru("move", "hooks", work, code=2).stderr
    assert "older version" in said and moments.BEFORE_STOP in said


def test_hooks_are_listed_with_what_came_of_them_and_tried(shop: Shop) -> None:
    shop.hook(moments.BEFORE_STOP)
    shop.hook(moments.AFTER_CUTOVER, "false")
    rows = naru_json("move", "hooks", shop.work)
    assert [(row["moment"], row["deadline"], row["ran"]) for row in rows] == [
        (moments.BEFORE_STOP, "30 s", 0),
        (moments.AFTER_CUTOVER, "30 s", 0),
    ]
    (tried,) = naru_json("move", "hooks", shop.work, "--try", moments.BEFORE_STOP)
    assert (tried["exit"], tried["problem"]) == (0, "") and shop.log() == ["before-old-server-stops a"]
    (told,) = shop.facts()
    assert told["example"] is True and told["server"]["new_id"] == "new-a" and told["key"].endswith("/example")
    assert naru_json("move", "hooks", shop.work, "--try", moments.AFTER_CUTOVER, code=1)[0]["exit"] == 1
    naru("move", "hooks", shop.work, "--try", moments.FAILED, code=2)
    naru("move", "hooks", shop.work, "--try", "before-lunch", code=2)
    naru("move", "cutover", shop.work)
    rows = naru_json("move", "hooks", shop.work)
    assert [(row["ran"], row["failed"], row["last_problem"]) for row in rows] == [(2, 0, ""), (1, 1, "exited with 1")]
    assert {row["moment"] for row in naru_json("move", "hooks", "--moments")} == set(moments.MOMENTS)


@pytest.mark.parametrize("moment", moments.MOMENTS)
def test_every_moment_can_be_tried(shop: Shop, moment: str) -> None:
    shop.hook(moment)
    assert naru_json("move", "hooks", shop.work, "--try", moment)[0]["problem"] == ""
    (told,) = shop.facts()
    assert ("server" in told) == ("server" in moment) and ("project" in told) == (moment in moments.OF_STEPS)


RIGHT: dict[str, Any] = {"moment": moments.BEFORE_STOP, "command": ["./tell"], "on_failure": STOP}
WRONG = [
    (
        {**RIGHT, "when": "now"},
        "hooks[0].when: there is no such field; there are: moment, command, deadline, on_failure",
    ),
    ({**RIGHT, "moment": "before-stop"}, "hooks[0].moment: there is no before-stop; give one of before-prepare"),
    ({**RIGHT, "command": ["./none"]}, "hooks[0].command: there is no file"),
    ({**RIGHT, "command": ["./plain"]}, "plain is not executable; chmod +x"),
    ({**RIGHT, "command": ["no-such-program"]}, "hooks[0].command: there is no program no-such-program in PATH"),
    ({**RIGHT, "command": "./tell web"}, "hooks[0].command: give a list"),
    ({**RIGHT, "command": []}, "hooks[0].command: give a list"),
    ({**RIGHT, "command": ["./tell", 5]}, "hooks[0].command[1]: give a text, in quotes"),
    ({**RIGHT, "deadline": "soon"}, "hooks[0].deadline: 'soon' is not a duration; like 30s"),
    ({**RIGHT, "deadline": 30}, "hooks[0].deadline: 30 is not a duration; like 30s"),
    ({**RIGHT, "on_failure": "ignore"}, "hooks[0].on_failure: write `stop` or `go on`"),
    ({"moment": moments.BEFORE_STOP, "command": ["true"]}, "hooks[0].on_failure: is missing; write `stop` or `go on`"),
    ({**RIGHT, "moment": moments.AFTER_BACK}, "hooks[0].on_failure: nothing waits for after-old-server-runs"),
    ("drain", "hooks[0]: give its fields: moment"),
]


@pytest.mark.parametrize("entry, says", WRONG)
def test_what_is_wrong_in_the_file_is_said_with_its_field_and_what_to_write(
    shop: Shop, entry: dict[str, Any], says: str
) -> None:
    (shop.work / "plain").write_text("#!/bin/sh\n")
    shop.write({"naru_hooks": 1, "hooks": [entry]})
    for command in ("hooks", "cutover"):
        said = naru("move", command, shop.work, code=2).stderr
        assert str(shop.work / hooks.FILE) in said and says in said
    assert shop.log() == []


def test_every_plan_has_a_place_for_hooks_around_every_server(sides: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from .readings import GOLDEN

    monkeypatch.chdir(GOLDEN)
    plan = planned(sides, next(case for case in CASES if case.name == "demo")).plan
    befores = plan.befores()
    steps = {step.id: step for step in plan.steps}

    def about(purpose: str) -> dict[str, Step]:
        return {step.about.id: step for step in plan.find(purpose=purpose) if step.about}

    stops, told = about(purposes.STOP), about(purposes.TELL_STOP)
    assert stops.keys() == told.keys() and len(stops) > 5
    for server, step in stops.items():
        assert told[server].id in befores[step.id]
        begins = about(purposes.TELL_CUTOVER)[told[server].args["project"]["old_id"]]
        assert begins.id in befores[told[server].id]
        assert told[server].args["server"]["addresses"] or not step.args["runs"]
        # nobody is told of one that is off when its window begins
        assert told[server].args["ran"] == step.args["ran"]
    starts, told = about(purposes.START), about(purposes.TELL_RUNS)
    assert starts.keys() == told.keys()
    for server, step in starts.items():
        assert befores[told[server].id] == [step.id]
        assert told[server].args["ran"] == {"$ref": step.id, "field": "ran"}
    for project, last in about(purposes.TELL_CUT_OVER).items():
        mine = {step.id for step in told.values() if step.args["project"]["old_id"] == project}
        assert mine <= set(befores[last.id])
    for step in about(purposes.FINALIZE).values():
        assert [steps[one].purpose for one in befores[step.id]].count(purposes.TELL_CUT_OVER) == 1


@pytest.mark.parametrize(("found", "told"), [({"ran": {"s": True}}, 2), ({"ran": {"s": False}}, 0), (None, 2)])
def test_of_a_server_that_is_off_nobody_is_told(shop: Shop, found: Any, told: int) -> None:
    shop.hook("before-old-server-stops")
    shop.hook("after-old-server-runs", on_failure=GO_ON)
    args = {
        **{"directory": str(shop.work), "moment": "before-old-server-stops", "back": "after-old-server-runs"},
        **{"project": {"name": "shop", "old_id": "p"}, "server": {"name": "web", "old_id": "s", "addresses": []}},
        **{"ran": {"$ref": "servers p", "field": "ran.s"}, "runs": True},
    }
    results = {"servers p": found} if found else {}
    undone = {"step": "told", "kind": KIND, "args": args, "result": None, "results": results}
    asked = Context(
        n=1, id="cutover p", kind=KIND, unit="", args=args, attempt=1, earlier=None, reader=lambda _: results
    )
    back = Context(n=2, id="cutover p", kind=UNDO_HOOK, unit="", args=undone, attempt=1, earlier=None, reader=dict)
    assert [bool(hook(asked)), bool(undo_hook(back))].count(True) == told


def test_a_move_reads_its_hooks_where_it_lies(shop: Shop) -> None:
    shop.hook("before-prepare")
    assert [one.moment for one in around.listed(Work(shop.work))] == ["before-prepare"]
