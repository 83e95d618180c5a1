"""The return of a drained host: one command at a time, and no less than was asked for."""

from pathlib import Path
from typing import Any

import pytest

from naru.operate.drain import phases, planner, way_back
from naru.operate.drain.rules import decide
from naru.operate.drain.work import Settings, Work, work_directory
from naru.operate.evacuate import phases as evacuation
from naru.operate.evacuate.work import Work as Evacuation
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step
from naru.plan.status import status

from .guard.test_begun import made as evacuated
from .readings import facts, server

pytestmark = pytest.mark.unit


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A drain that has begun."""
    (tmp_path / "site.yaml").write_text("naru_site: 1\nname: x\ncloud: x\n")
    settings = Settings(str(tmp_path / "site.yaml"), "x", "compute1")
    load(planner.MODULES)
    found = facts(server("a"))
    plan = planner.whole(found, decide(found, settings.options), settings, "p")
    directory = tmp_path / "drain"
    work_directory(directory).create(plan, plan_id="p")
    with Journal.open(directory) as journal, journal.write() as connection:
        connection.exec_driver_sql("update steps set state = 'done', attempt = 1 where id = 'disable'")
    return Work(directory)


def test_one_command_at_a_time_has_the_host(work: Work, tmp_path: Path) -> None:
    terminal: Any = None
    with work.alone():
        for begin in (lambda: phases.drain(work, terminal), lambda: phases.give_back(work, terminal, home=False)):
            with pytest.raises(PlanError, match="another command empties this host, or gives it back"):
                begin()
    evacuated(tmp_path / "failed", "done")
    other = Evacuation(tmp_path / "failed")
    given = {"power_on": True, "enable": False}
    with other.alone():
        for begin in (
            lambda: evacuation.evacuate(other, terminal),
            lambda: evacuation.give_back(other, terminal, **given),
        ):
            with pytest.raises(PlanError, match="another command evacuates this host, or gives it back"):
                begin()


def test_nobody_begins_to_drain_while_the_return_is_being_made(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a return has to take back was read of the journal: nothing is added to that meanwhile."""
    tried: list[str] = []

    def plan(*_: Any, **__: Any) -> Plan:
        terminal: Any = None
        with pytest.raises(PlanError):
            phases.drain(Work(work.directory), terminal)
        tried.append("drain")
        return Plan(steps=[Step("enable", "noop")], settings={way_back.HOME: False})

    monkeypatch.setattr(phases, "Cloud", Clouds)
    monkeypatch.setattr(way_back, "plan", plan)
    monkeypatch.setattr(phases, "_run", lambda journal, _: status(journal))
    no_terminal: Any = None
    phases.give_back(work, no_terminal, home=False)
    assert tried == ["drain"] and work.returns.numbers() == [1]


class Clouds:
    """In the place of one."""

    def __init__(self, _: str) -> None: ...

    def __enter__(self) -> "Clouds":
        return self

    def __exit__(self, *_: Any) -> None: ...


def test_servers_are_brought_home_after_a_return_that_had_failed_without_them(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first return, without --back, has failed; given again with it, both are done, and not the first alone."""
    ran: list[bool] = []

    def run(journal: Journal, _: Any) -> Any:
        home = way_back.is_home(journal)
        ran.append(home)
        return status(journal)._replace(state="failed" if len(ran) == 1 else "done")

    def plan(*_: Any, home: bool, **__: Any) -> Plan:
        return Plan(steps=[Step("enable", "noop")], settings={way_back.HOME: home})

    monkeypatch.setattr(phases, "Cloud", Clouds)
    monkeypatch.setattr(way_back, "plan", plan)
    monkeypatch.setattr(phases, "_run", run)
    terminal: Any = None
    assert phases.give_back(work, terminal, home=False).state == "failed"
    assert phases.give_back(work, terminal, home=True).state == "done"
    assert ran == [False, False, True] and work.returns.numbers() == [1, 2]
