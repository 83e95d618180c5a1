"""Evacuations that were begun: which are gone on with, withdrawn, given up, over."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.operate.evacuate import phases, planner
from naru.operate.evacuate.work import Settings, Work, work_directory
from naru.operate.guard import begun
from naru.operate.guard.begun import AGAIN, Begun, is_back, may_begin, may_go_on
from naru.operate.guard.evacuations import Evacuations
from naru.operate.guard.evidence import Around, Host, Sign
from naru.operate.guard.ledger import Entry
from naru.operate.guard.policy import Policy
from naru.operate.guard.state import Directory
from naru.operate.guard.verdict import Case, Verdict
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step

from ..readings import HOST, facts, server, service
from .test_service import DEAD, Paper, Rounds

pytestmark = pytest.mark.unit


def said(outcome: Any, gate: str = "", **host: Any) -> Verdict:
    return Verdict("c0", outcome, gate, "", Case(Host("c0", "1", **{"nova": "down", **host}), Around(), Policy()))


EVACUATE, FLIGHT = said("evacuate"), said("none", "flight")
OPEN, OFF = Begun("c0", "c0-1"), Begun("c0", "c0-1", "failed", fenced=True, told=True)


@pytest.mark.parametrize(
    ("one", "verdict", "since", "goes"),
    [
        (OPEN, EVACUATE, AGAIN, True),
        (OPEN, EVACUATE, AGAIN - 1, False),
        (OPEN, None, AGAIN, False),
        *((OPEN, said("ask", gate), AGAIN, False) for gate in ("budget", "share", "fence")),
        *((OPEN, said("hold", gate), AGAIN, False) for gate in ("pace", "switch", "health", "viewpoint")),
        (OPEN._replace(withdrawn=True), EVACUATE, AGAIN, False),
        (OPEN._replace(failed=3), EVACUATE, AGAIN, False),
        *((OPEN._replace(state=state), EVACUATE, AGAIN, False) for state in begun.STOPPED),
        *((OPEN._replace(state=state), EVACUATE, AGAIN, True) for state in ("", "new", "failed", "interrupted")),
        (OFF, FLIGHT, AGAIN, True),
        (OFF._replace(withdrawn=True), FLIGHT, AGAIN, True),  # it was proved off at the same moment
        (OFF, said("alarm", "flight"), AGAIN, False),
        (OFF, said("hold", "viewpoint"), AGAIN, False),
        (OFF._replace(returned=True), FLIGHT, AGAIN, False),
    ],
)
def test_what_is_gone_on_with(one: Begun, verdict: Verdict | None, since: float, goes: bool) -> None:
    assert may_go_on(one, verdict, since) is goes


def test_what_is_well_and_what_is_over() -> None:
    alive = (Sign("storage", "s", "s", "alive", 1.0),)
    assert begun.is_well(said("alarm", "life", signs=alive)) and begun.is_well(said("hold", "viewpoint", signs=alive))
    assert begun.is_well(said("none", "candidate", nova="up")) and begun.is_well(said("alarm", "candidate"))
    assert not begun.is_well(said("hold", "life")) and not begun.is_well(said("hold", "candidate", nova="unknown"))
    assert may_begin([]) and may_begin([OFF._replace(returned=True), OPEN._replace(withdrawn=True)])
    assert not may_begin([OPEN]) and not may_begin([OFF._replace(withdrawn=True)])
    assert not may_begin([OPEN._replace(withdrawn=True, state="running")])  # its process has not stopped yet
    assert OFF._replace(failed=3).is_given_up and not OFF._replace(failed=3, state="running").is_given_up
    assert not OFF._replace(failed=3, returned=True).is_given_up
    back: dict[str, Any] = {"host": "c0", "status": "enabled", "forced_down": False}
    assert is_back(OFF, [back]) and not is_back(OFF._replace(state="running"), [back])
    assert not is_back(OFF._replace(told=False), [back])  # Nova was not told yet: that is how it was before
    for other in ({"status": "disabled"}, {"forced_down": True}, {"host": "c1"}):
        assert not is_back(OFF, [{**back, **other}])


def test_one_that_was_withdrawn_is_never_revived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts, and when the host fails again a human is asked: it would be the second of its rack within a day."""
    paper = Paper()
    rounds = Rounds(tmp_path, paper, monkeypatch, act=True)
    rounds.run(300)
    paper.dead = {DEAD}
    assert rounds.run(300)[DEAD] == ("evacuate", "") and rounds.started == ["c0-1"]
    paper.dead = set()
    assert rounds.run(30)[DEAD] == ("none", "candidate")
    assert (rounds.directory.path / "evacuations" / "c0-1" / "withdrawn").exists()
    paper.dead = {DEAD}
    assert rounds.run(300)[DEAD] == ("ask", "budget") and rounds.started == ["c0-1"]
    rounds.directory.approve(DEAD, "go", "kim")
    assert rounds.run(30)[DEAD] == ("evacuate", "")
    assert rounds.started == ["c0-1", "c0-2"] and len(rounds.directory.entries()) == 2


def test_one_that_goes_on_failing_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round after round, and by a guard that was begun again as well."""
    paper = Paper()
    rounds = Rounds(tmp_path, paper, monkeypatch, act=True)
    rounds.run(300)
    paper.dead = {DEAD}
    rounds.run(300)
    path = rounds.directory.path / "evacuations" / "c0-1"
    for _ in range(begun.TRIES):
        begun.write_failure(path)
    assert rounds.run(15)[DEAD] == ("ask", "flight") and rounds.run(15)[DEAD] == ("ask", "flight")
    again = Rounds(tmp_path, paper, monkeypatch, act=True)
    assert again.run(300)[DEAD] == ("ask", "flight") and again.started == []
    assert any("has failed too often: naru host status" in one for one in again.said)


@pytest.mark.parametrize(("code", "failures"), [(0, 0), (1, 1), (2, 1), (3, 0), (130, 0), (-9, 0)])
def test_only_what_fails_counts_as_failed(code: int, failures: int, tmp_path: Path) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    path = directory.begin(Entry("c0", ("cloud",), time.time(), ()), "")
    found = Evacuations(directory, [], lambda _: None)
    ends = f"import os; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})"
    child = subprocess.Popen([sys.executable, "-S", "-c", ends])
    found._children[path.name] = child
    child.wait(30)
    found.look([])
    assert found.found[0].failed == failures


def made(path: Path, fence: str, off: str = "", guard: str = "") -> None:
    """An evacuation in this directory whose step `fence` is in this state."""
    load(planner.MODULES)
    settings = Settings(str(path.parent / "site.yaml"), "x", HOST, off=off, trust=True, guard=guard)
    found = facts(server("a"), services=[service(HOST, state="down")])
    plan = planner.whole(found, [], settings, "p", earlier=[], has_power=True)
    Journal.create(path, plan, plan_id="p").close()
    work_directory(path).own()
    with Journal.open(path) as journal, journal.write() as connection:
        connection.exec_driver_sql(f"update steps set state = '{fence}', attempt = 1 where id = 'fence'")


def test_one_whose_host_was_returned_stays_so_while_it_is_enabled(tmp_path: Path) -> None:
    """`naru host return DIR --power-on` is done, then `--enable` begins, and may fail: the host lives, as it should."""
    directory = Directory(tmp_path / "guard", make=True)
    path = directory.begin(Entry("c0", ("cloud",), time.time(), ()), "")
    made(path, "done")
    found = Evacuations(directory, [], lambda _: None)
    found.look([])
    assert found.found[0].fenced and found.in_flight() == {"c0"}
    returns = Work(path).returns
    for number, state in ((1, "failed"), (2, "done"), (3, "failed")):
        returns.begin(number, Plan(steps=[Step("in", "noop")])).close()
        with Journal.open(returns.path(number)) as journal, journal.write() as connection:
            connection.exec_driver_sql(f"update steps set state = '{state}', attempt = 1")
        if number == 1:  # people are giving it back: what is left of the evacuation is not gone on with
            found.look([])
            one = found.found[0]
            assert one.state == "returning" and not one.is_over and not may_go_on(one, FLIGHT, AGAIN)
            assert not one._replace(failed=3).is_given_up
    found.look([])
    assert found.found[0].returned and found.in_flight() == set()
    assert (path / begun.RETURNED).exists()


def test_what_is_given_again_counts_until_the_host_is_proved_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text("naru_site: 1\nname: x\ncloud: x\n")
    planned: list[Settings] = []

    def plan(settings: Settings, *_: Any) -> Any:
        planned.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(phases, "plan", plan)
    monkeypatch.setattr(phases, "evacuate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    made(tmp_path / "failed", "failed")
    made(tmp_path / "fenced", "done", off="kim")

    def naru(name: str, *words: str) -> int:
        return main(["-q", "host", "evacuate", HOST, "--work", str(tmp_path / name), *words])

    assert naru("failed", "--off", "kim", "--site", str(tmp_path / "site.yaml")) == 130
    assert (planned[0].off, planned[0].trust) == ("kim", True)  # what is not given stays
    assert naru("fenced", "--off", "lee") == 2
    assert "--off has no effect any more: compute1 is proved off" in capsys.readouterr().err
    assert naru("fenced", "--off", "kim") == 130 and naru("fenced") == 130 and len(planned) == 1
    # a guard's that people go on with: what it knows of the host's controller is not forgotten
    assert (planned[0].guard, planned[0].by_hand) == ("", False)
    made(tmp_path / "guards", "failed", guard="/guard")
    assert naru("guards", "--site", str(tmp_path / "site.yaml")) == 130
    assert (planned[1].guard, planned[1].by_hand) == ("/guard", True)
    assert naru("guards", "--site", str(tmp_path / "site.yaml"), "--guard", "/guard") == 130
    assert (planned[2].guard, planned[2].by_hand) == ("/guard", False)


def test_an_evacuation_that_was_begun_before_is_read() -> None:
    given = Settings("site.yaml", "x", HOST, guard="/guard").dump()
    del given["by_hand"]
    assert Settings.load(given) == Settings("site.yaml", "x", HOST, guard="/guard")


def test_a_plan_whose_host_is_not_proved_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "one", "failed")
    settings = Settings("site.yaml", "x", HOST, off="kim")
    load(planner.MODULES)
    found = facts(server("a"), services=[service(HOST, state="down")])
    plan = planner.whole(found, [], settings, "q", earlier=[], has_power=True)
    monkeypatch.setattr(phases, "look", lambda *_: (plan, [], {}))
    phases.plan(settings, tmp_path / "one", lambda _: None, "q")
    work = Work(tmp_path / "one")
    assert (work.settings.off, work.plan_id) == ("kim", "q") and not phases.has_begun(tmp_path / "one")
    made(tmp_path / "two", "done")
    with pytest.raises(Exception, match="proved off meanwhile"):
        phases.plan(settings, tmp_path / "two", lambda _: None, "q")
