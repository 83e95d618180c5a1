"""The Ansible collection, run by Ansible: its modules are what the commands are, exit codes become what Ansible knows,
and check mode changes nothing. Plans of a few commands stand for all others."""

import contextlib
import importlib.util
import io
import json
import os
import runpy
import shutil
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from naru import __version__
from naru.cli import collection as made
from naru.cli.main import main

from ..plan.test_cli import naru, naru_json
from .collection import ROOT, Playbook, task

pytestmark = pytest.mark.unit
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def playbook(tmp_path: Path) -> Playbook:
    return Playbook(tmp_path)


def plan(directory: Path, **commands: list[str]) -> Path:
    """A work directory with a plan of commands, one after the other."""
    steps: list[dict[str, Any]] = []
    for name, argv in commands.items():
        after = [steps[-1]["id"]] if steps else []
        steps.append({"id": name, "kind": "command", "title": name, "args": {"argv": argv}, "after": after})
    file = directory / "plan.json"
    file.write_text(json.dumps({"naru_plan": 1, "title": "Commands", "steps": steps}))
    naru("plan", "create", file, "--work", directory / "work")
    return directory / "work"


def test_modules_are_what_the_commands_are() -> None:
    for name, text in made.files().items():
        assert (ROOT / "ansible" / name).read_text() == text, f"{name}: make docs"
    assert yaml.safe_load((ROOT / "ansible" / "galaxy.yml").read_text())["version"] == __version__


@pytest.mark.releases
def test_it_is_built_and_each_module_has_its_page(playbook: Playbook, tmp_path: Path) -> None:
    playbook.program("ansible-galaxy", "collection", "build", playbook.collection, "--output-path", tmp_path / "built")
    with tarfile.open(tmp_path / "built" / f"naru-openstack-{__version__}.tar.gz") as archive:
        names = archive.getnames()
    assert "plugins/modules/tenant.py" in names and "playbooks/drain.yml" in names and "modules.yaml" not in names
    modules = [one.stem for one in (playbook.collection / "plugins" / "modules").glob("*.py")]
    pages = json.loads(playbook.program("ansible-doc", "--json", *(f"naru.openstack.{one}" for one in modules)))
    assert len(pages) == len(modules) == len(made.modules()) + 1
    for page in pages.values():
        assert page["doc"]["description"] and page["examples"] and page["return"]


@pytest.mark.releases
@pytest.mark.parametrize("name", ["drain", "tenants", "upgrade_check"])
def test_example_playbooks_are_whole(playbook: Playbook, name: str) -> None:
    playbook.program("ansible-playbook", "-i", "hosts", "--syntax-check", f"naru.openstack.{name}")


class Ended(Exception):
    """A module has answered."""


class Module:
    """What a module has of Ansible's AnsibleModule, and naru's commands run in this process."""

    def __init__(self, params: dict[str, Any], *, check: bool = False, diff: bool = False) -> None:
        self.params = {"naru": sys.executable, "chdir": None, "wait": True, **params}
        self.check_mode = check
        self._diff = diff

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main(argv[1:])
        return code, out.getvalue(), errors.getvalue()

    def exit_json(self, **answer: Any) -> None:
        raise Ended(answer | {"failed": False})

    def fail_json(self, **answer: Any) -> None:
        raise Ended(answer | {"failed": True})


@pytest.fixture(scope="module")
def ours() -> Iterator[ModuleType]:
    """The modules' shared part, as Ansible imports it."""
    name = "ansible_collections.naru.openstack.plugins.module_utils.naru"
    found = importlib.util.spec_from_file_location(name, ROOT / "ansible" / "plugins" / "module_utils" / "naru.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, name, module)
        found.loader.exec_module(module)
        yield module


@pytest.fixture
def run(ours: ModuleType) -> Callable[..., dict[str, Any]]:
    """Runs an action of a module and returns its answer."""

    def run(name: str, *, check: bool = False, diff: bool = False, **params: Any) -> dict[str, Any]:
        file = ROOT / "ansible" / "plugins" / "modules" / f"{name}.py"
        actions = runpy.run_path(str(file), run_name="module")["ACTIONS"]
        with pytest.raises(Ended) as ended:
            ours.Run(Module(params, check=check, diff=diff), actions[params["action"]]).go()
        return dict(ended.value.args[0])

    return run


def test_check_mode_tells_and_does_nothing_a_second_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    made, done = tmp_path / "made", tmp_path / "done"
    work = str(plan(tmp_path, make=["mkdir", str(made)], end=["mkdir", str(done)]))
    told = run("plan", action="run", work=work, check=True, diff=True)
    assert told["changed"] and [row["id"] for row in told["result"]] == ["make", "end"]
    assert told["diff"] == {"before": "", "after": "make\nend\n"}
    assert naru_json("plan", "status", work)["state"] == "new" and not made.exists()

    ran = run("plan", action="run", work=work)
    assert ran["changed"] and ran["outcome"] == "done" and ran["result"]["steps"]["done"] == 2
    assert made.is_dir() and done.is_dir()

    again, checked = run("plan", action="run", work=work), run("plan", action="run", work=work, check=True)
    assert not again["changed"] and not checked["changed"] and checked["result"] == []


def test_exit_codes_fail_the_task_with_what_naru_says(run: Run, tmp_path: Path) -> None:
    work = str(plan(tmp_path, first=["true"], second=["sh", "-c", "echo the disk is full >&2; exit 7"]))
    assert run("plan", action="pause", work=work)["changed"] and not run("plan", action="pause", work=work)["changed"]
    paused = run("plan", action="run", work=work)
    assert (paused["failed"], paused["outcome"], paused["exit_code"]) == (True, "paused", 3)
    assert run("plan", action="resume", work=work)["changed"]
    failed = run("plan", action="run", work=work)
    assert (failed["failed"], failed["outcome"], failed["exit_code"], failed["changed"]) == (True, "failed", 1, True)
    assert "sh exited with 7" in failed["msg"] and failed["result"]["failed"][0]["id"] == "second"
    status = run("plan", action="status", work=work)
    assert (status["failed"], status["exit_code"], status["changed"]) == (False, 1, False)
    missing = run("plan", action="run", work=str(tmp_path / "none"))
    assert (missing["failed"], missing["outcome"]) == (True, "bad input") and str(tmp_path / "none") in missing["msg"]


@pytest.mark.parametrize(
    "module, params, said",
    [
        ("plan", {"action": "limit", "work": "w"}, "action=limit needs group, value"),
        ("plan", {"action": "limit", "work": "w", "group": "-x", "value": 0}, "group: -x begins with -"),
        ("plan", {"action": "run", "work": "w", "reason": "x"}, "action=run does not take reason"),
        ("plan", {"action": "steps", "work": "w", "unit": ["a", "b"]}, "action=steps takes one unit"),
        ("upgrade", {"action": "path", "from": "--to=rocky", "to": "queens"}, "naru upgrade path: bad input"),
    ],
)
def test_what_an_action_does_not_take_is_said(run: Run, module: str, params: dict[str, Any], said: str) -> None:
    answer = run(module, **params)
    assert answer["failed"] and said in answer["msg"]


def test_a_plan_that_has_begun_is_left_alone_and_that_of_another_refused(run: Run, tmp_path: Path) -> None:
    steps = [{"id": "one", "kind": "command", "args": {"argv": ["true"]}}]
    text = {"naru_plan": 1, "title": "Drain", "settings": {"host": "compute7"}, "steps": steps}
    (tmp_path / "plan.json").write_text(json.dumps(text))
    naru("plan", "create", tmp_path / "plan.json", "--work", tmp_path / "work")
    work = str(tmp_path / "work")
    naru("plan", "run", work)
    same = run("host", action="plan", host="compute7", work=work)
    assert (same["failed"], same["changed"], same["begun"]) == (False, False, True)
    other = run("host", action="plan", host="compute8", work=work)
    assert other["failed"] and "of host compute7 and not compute8" in other["msg"]


GROWTH = {
    "hosts": {"compute8": "192.0.2.18"},
    "like": "compute7",
    "inventory": "/etc/multinode",
    "commands": "naru scale",
}
MOVE = {"from": "old", "to": "new", "projects": ["1"], "asked": ["hanok", "shop"], "commands": "naru move"}

UPGRADE = {"start": "pike", "goal": "queens", "services": [], "commands": "naru upgrade"}


@pytest.mark.parametrize(
    ("module", "settings", "params", "other"),
    [
        ("scale", GROWTH, {"hosts": ["compute8=192.0.2.18"]}, ""),
        ("scale", GROWTH, {"hosts": ["compute8=192.0.2.18"], "inventory": "multinode", "chdir": "/etc"}, ""),
        ("scale", GROWTH, {"hosts": ["compute9=192.0.2.18"]}, "hosts"),
        ("scale", GROWTH, {"hosts": ["compute8=192.0.2.18", "compute9"]}, "hosts"),
        ("scale", GROWTH, {"hosts": ["compute8=192.0.2.19"]}, "hosts"),
        ("scale", GROWTH, {"hosts": ["compute8=192.0.2.18"], "inventory": "/srv/multinode"}, "inventory"),
        ("scale", {**GROWTH, "aggregates": ["ssd"]}, {"hosts": ["compute8=192.0.2.18"], "aggregate": ["ssd"]}, ""),
        ("scale", {**GROWTH, "aggregates": ["ssd"]}, {"hosts": ["compute8=192.0.2.18"]}, "aggregate"),
        ("upgrade", UPGRADE, {"to": "queens"}, ""),
        ("upgrade", UPGRADE, {"to": "queens", "services": ["nova"]}, "services"),
        ("upgrade", UPGRADE, {"to": "queens", "from": "ocata"}, "from"),
        ("move", MOVE, {"project": ["shop", "hanok"]}, ""),
        ("move", MOVE, {"project": ["carpenters"]}, "project"),
        ("move", MOVE, {"all": True}, "project"),
        ("move", {**MOVE, "asked": []}, {"all": True}, ""),
    ],
)
def test_a_plan_that_has_begun_is_the_same_by_all_that_it_changes(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    settings: dict[str, Any],
    params: dict[str, Any],
    other: str,
) -> None:
    answers = {"status": {"steps": {"done": 1}}, "show": {"settings": settings}}
    monkeypatch.setattr(Module, "run_command", lambda self, argv, **_: (0, json.dumps(answers[argv[2]]), ""))
    usual = {"scale": {"like": "compute7", "inventory": "/etc/multinode"}, "move": {"from": "old", "to": "new"}}
    given = usual.get(module, {})
    action = "compute" if module == "scale" else "plan"
    answer = run(module, action=action, work="work", **{**given, **params})
    assert answer["failed"] == bool(other) and (other or answer["begun"])
    assert not other or f"holds a plan that has begun, of {other} " in answer["msg"]


def test_a_plan_in_check_mode_is_made_and_gone(ours: ModuleType, tmp_path: Path) -> None:
    steps = [{"id": "one", "kind": "noop", "args": {}}]
    (tmp_path / "plan.json").write_text(json.dumps({"naru_plan": 1, "title": "None", "steps": steps}))
    create = ours.Action("plan create", "plan", arguments=["file"], options=["work"], needed=["file"], has_json=False)
    params = {"action": "create", "file": str(tmp_path / "plan.json"), "work": str(tmp_path / "work")}
    for check, there in ((True, False), (False, True)):
        module = Module(params, check=check)
        with pytest.raises(Ended) as ended:
            ours.Run(module, create).go()
        answer = ended.value.args[0]
        assert (answer["failed"], answer["changed"]) == (False, True) and (tmp_path / "work").exists() == there
        made = next(Path(word.removeprefix("--work=")) for word in answer["command"] if word.startswith("--work="))
        assert made.exists() == there


def test_values_stay_values(ours: ModuleType) -> None:
    action = ours.Action(
        "host plan", "plan", arguments=["host"], options=["answer", "onto,", "project", "back", "at_once"]
    )
    params = {"host": "c7", "answer": {"db": "cold"}, "onto": ["a", "b"], "project": ["x", "-y"], "back": True}
    assert action.argv(params) == [
        *("host", "plan", "--answer=db=cold", "--onto=a,b", "--project=x", "--project=-y", "--back", "c7"),
        *("-f", "json"),
    ]


def test_who_looks_whether_a_command_has_ended_keeps_nobody_from_beginning_it(
    ours: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    job, begun = ours.begin(["true", "x"], str(tmp_path))
    assert begun and ours.ended(job, 30) is not None
    looking = ours._lock(str(Path(ours.jobs()) / job))
    threading.Timer(0.1, os.close, (looking,)).start()
    assert ours.begin(["true", "x"], str(tmp_path)) == (job, True)
    assert ours.ended(job, 30).rc == 0


def test_what_was_begun_goes_on_and_is_waited_for(
    ours: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    going = tmp_path / "going"
    argv = ["sh", "-c", f"until [ -e {going} ]; do sleep 0.05; done; echo '[1]'; echo said >&2; exit 3"]
    job, begun = ours.begin(argv, str(tmp_path))
    assert begun and ours.ended(job, 0) is None
    assert ours.begin(argv, str(tmp_path)) == (job, False)  # not a second time
    going.touch()
    told = ours.ended(job, 30)
    assert (told.rc, told.result, told.messages) == (3, [1], ["said"])
    assert told.answer(changed=False)["outcome"] == "paused"
    # the shell that would have written the exit code down is killed: that is no success
    job, begun = ours.begin(["sh", "-c", "kill -9 $PPID"], str(tmp_path))
    assert begun and ours.ended(job, 30).answer(changed=False)["outcome"] == "killed"
    with pytest.raises(FileNotFoundError):
        ours.ended("none", 0)


@pytest.mark.releases
def test_ansible_itself_runs_them(playbook: Playbook, tmp_path: Path) -> None:
    made, going = tmp_path / "made", tmp_path / "going"
    work = plan(tmp_path, make=["mkdir", str(made)], wait=["sh", "-c", f"until [ -e {going} ]; do sleep 0.1; done"])
    run = task("plan", action="run", work=str(work), wait=False, register="run")
    (told,) = playbook.run([run], "--check")
    assert told["changed"] and not made.exists()
    begun, looked, again, refused, path = playbook.run(
        [
            run,
            task("job", job="{{ run.job }}", timeout=0),
            run,
            task("plan", action="limit", work=str(work), ignore=True),
            task("upgrade", action="path", to="queens", **{"from": "pike"}),
        ]
    )
    assert begun["changed"] and begun["outcome"] == "running" and not looked["finished"]
    assert not again["changed"] and again["job"] == begun["job"]
    assert refused["task"] == "failed" and "action=limit needs group, value" in refused["msg"]
    assert path["result"][0]["service"] == "keystone" and not path["changed"]
    going.touch()
    (ended,) = playbook.run([task("job", job=begun["job"], timeout=60)])
    assert ended["finished"] and ended["result"]["state"] == "done" and made.is_dir()


@pytest.mark.releases
def test_sanity(playbook: Playbook, tmp_path: Path) -> None:
    """As far as it runs here: with the one Python that runs the tests. pip is Python's own and not downloaded."""
    home = tmp_path / "home"
    (home / ".ansible" / "test" / "cache").mkdir(parents=True)
    (home / ".ansible" / "test" / "cache" / "get_pip_24_2.py").write_text("import ensurepip\nensurepip.bootstrap()\n")
    playbook.env["HOME"] = str(home)
    version = ".".join(map(str, sys.version_info[:2]))
    playbook.directory = playbook.collection
    playbook.program("ansible-test", "sanity", "--python", version, "--color", "no", seconds=1200)
    shutil.rmtree(home)
