"""A rollback whose new cloud does not say that a server is off: the old one waits, and the operator can say so."""

import json
from pathlib import Path

import pytest

from naru.move.rollback import take_for_off
from naru.move.work import Work
from naru.plan.context import Context
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS
from naru.plan.model import Plan, Step

from ..plan import kit
from ..plan.test_cli import naru, naru_json
from .described import described
from .test_run import decided

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]
# ids of servers with what they are called; two have the same name
SERVERS = {"s1": "web", "s2": "db", "s3": "web"}


@KINDS.step("test.power", args=kit.Free, undo="test.power.undo")
def power(context: Context) -> None:
    """Brings a server where it is to be, which nobody sees."""


@KINDS.step("test.power.undo", args=kit.Free, no_undo="it is an undo")
def undo_power(context: Context) -> None:
    """Fails for the new servers of which a file says that their cloud is silent, and writes which old ones run."""
    step, directory = context.args["step"], Path(context.args["args"]["directory"])
    server = step.rpartition("/")[2]
    if step.startswith("start"):
        if (directory / f"silent {server}").exists():
            if (slow := directory / f"slow {server}").exists():
                slow.unlink()
                move = Work(directory / "work")
                with move.journal() as journal:  # as another terminal's --off does
                    take_for_off(move, journal, [server])
            raise ValueError("no answer")
    else:
        with (directory / "running").open("a") as running:
            running.write(f"{server}\n")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A move of a project that is cut over, whose new cloud is silent about s1 and s3."""
    directory = tmp_path / "work"
    plan = Plan(title="Move", settings={"from": "old", "to": "new", "projects": ["1"]})
    plan.gates += ["cutover shop", "finalize shop"]
    plan.add(Step("cutover 1", "noop", unit="1", gate="cutover shop"))
    args = {"directory": str(tmp_path)}
    for server in SERVERS:
        plan.add(Step(f"stop server/{server}", "test.power", args, unit=server), after=["cutover 1"])
        plan.add(Step(f"start server/{server}", "test.power", args, unit=server), after=[f"stop server/{server}"])
    started = [f"start server/{server}" for server in SERVERS]
    plan.add(Step("finalize 1", "noop", unit="1", gate="finalize shop"), after=["cutover 1", *started])
    plan.add(Step("no way back 1", "noop", unit="1"), after=["finalize 1"])
    Journal.create(directory, described(plan)).close()
    servers = [
        {"kind": "server", "id": server, "name": name, "step": f"start server/{server}"}
        for server, name in SERVERS.items()
    ]
    decided(directory, {"1": "shop"}, {}, *servers)
    naru("-q", "move", "cutover", directory)
    for server in ("s1", "s3"):
        (tmp_path / f"silent {server}").touch()
    return directory


def running(work: Path) -> list[str]:
    file = work.parent / "running"
    return sorted(file.read_text().split()) if file.exists() else []


def test_the_operator_says_that_a_server_is_off(work: Path) -> None:
    told = naru("-q", "move", "rollback", work, code=1).stderr
    # one that is silent holds up nobody else
    assert running(work) == ["s2"]
    assert "the old server web waits until new says that the new one is off" in told
    assert f"naru move rollback {work} --off s1" in told
    told = naru("move", "rollback", work, "--off", "s1", code=1).stderr
    assert "web is taken for off on the new cloud" in told and running(work) == ["s1", "s2"]
    assert naru_json("-q", "move", "rollback", work, "--off", "all")["state"] == "done"
    assert running(work) == ["s1", "s2", "s3"]
    # what the operator has said holds: nothing is left to be done, nothing is asked again
    assert naru_json("-q", "move", "rollback", work)["state"] == "done"
    assert running(work) == ["s1", "s2", "s3"]


def test_the_operator_says_so_while_the_new_cloud_is_still_being_asked(work: Path) -> None:
    (work.parent / "slow s1").touch()
    told = naru("-q", "move", "rollback", work, code=1).stderr
    assert running(work) == ["s1", "s2"]
    assert "--off s3" in told and "--off s1" not in told
    assert naru_json("-q", "move", "rollback", work, "--off", "s3")["state"] == "done"


def test_what_could_not_be_undone_is_tried_again_when_the_rollback_is_given_again(work: Path) -> None:
    naru("-q", "move", "rollback", work, code=1)
    naru("-q", "move", "rollback", work, code=1)  # the new cloud is silent still
    assert running(work) == ["s2"]
    for server in ("s1", "s3"):
        (work.parent / f"silent {server}").unlink()
    assert naru_json("-q", "move", "rollback", work)["state"] == "done"
    assert running(work) == ["s1", "s2", "s3"]


def test_a_server_is_named_clearly(work: Path) -> None:
    naru("-q", "move", "rollback", work, code=1)
    assert "several servers are called that" in naru("move", "rollback", work, "--off", "web", code=2).stderr
    assert "does not move such a server" in naru("move", "rollback", work, "--off", "w*", code=2).stderr
    assert running(work) == ["s2"]


def test_a_failure_says_what_why_and_what_next(work: Path) -> None:
    naru("-q", "move", "rollback", work, code=1)
    told = naru("move", "status", work).stdout
    assert "undo/start server/s1" in told and "ValueError: no answer" in told
    assert "This is a bug." in told and "Traceback" not in told
    failed = json.loads(naru("move", "status", work, "-f", "json").stdout)["failed"]
    assert {step["id"] for step in failed} == {"undo/start server/s1", "undo/start server/s3"}
    assert all("Traceback" in step["detail"] for step in failed)
