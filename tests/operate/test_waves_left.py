"""A host that is left behind: what it is asked before; two who decide at once are not in each other's way."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.errors import InputError, NaruError
from naru.operate.waves import leave, phases, quiet, world
from naru.operate.waves.standing import standings
from naru.operate.waves.work import Work, turn, write
from naru.plan import leaving, locks, schema
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.journal import Journal

from .test_waves import HOSTS, NOTHING, Quiet, begun, cloud, no_rack, several, site_file, states, work_of

pytestmark = pytest.mark.unit


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return site_file(tmp_path)


@pytest.fixture
def work(site: Path, tmp_path: Path) -> Work:
    return work_of(site, tmp_path)


def became(journal: Journal, **states: str) -> None:
    """Steps of compute1, by their purpose, were begun and are in these states."""
    with journal.write() as connection:
        for purpose, state in states.items():
            chosen = schema.steps.c.id == f"compute1/{purpose}"
            connection.execute(update(schema.steps).where(chosen).values(attempt=1, state=state, started=1.0))


# -- what is asked of the host


@pytest.mark.parametrize(
    ("run", "choice", "may_be_down"),
    [
        ("failed", leave.Choice(), False),  # its command may still run: it was not seen to end
        ("running", leave.Choice(), False),
        ("done", leave.Choice(), True),  # one that does not boot
        ("done", leave.Choice(give_back=True), False),
    ],
)
def test_a_host_whose_command_was_begun_is_asked(
    run: str, choice: leave.Choice, may_be_down: bool, work: Work, site: Path
) -> None:
    with begun(work, site) as journal:
        became(journal, run=run)
    made = leave._asked(work, "compute1", choice)
    assert made is not None
    (step,) = made.steps
    assert (step.kind, step.args["command"], step.args["plan"]) == ("waves.quiet", "compute1/run", "wave-id")
    assert step.args["may_be_down"] == may_be_down


def test_a_host_on_which_nothing_was_begun_or_that_is_back_is_not_asked(work: Work, site: Path) -> None:
    with begun(work, site) as journal:
        assert leave._asked(work, "compute1", leave.Choice()) is None
        became(journal, run="done", back="done")
        assert leave._asked(work, "compute1", leave.Choice()) is None
    with pytest.raises(InputError, match="--off is of a host that is not asked"):
        leave.leave(work, "compute1", "why", Quiet(), leave.Choice(give_back=True, off=True))


def test_nothing_is_left_while_the_command_goes_on(work: Work, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        state = "failed"

    with begun(work, site) as journal:
        became(journal, disable="done", run="failed")
    monkeypatch.setattr(leave, "run", lambda journal, terminal: Failed())
    found = leave.leave(work, "compute1", "why", Quiet(), leave.Choice(give_back=True))
    assert found is not None and found.state == "failed"
    assert work.left() == {} and states(work)["compute1"] == "failed"


class There:
    """A host, and a command on it, in place of those that are asked over SSH."""

    def __init__(self, state: str = "ended", boot: str | None = "boot", why: str = "", scheduled: bool = False) -> None:
        self.state, self.now, self.why, self.is_scheduled = state, boot, why, scheduled
        self.answers = not why.startswith("does not answer")
        self.host, self.did = "compute1", []

    def boot(self) -> str | None:
        return None if self.is_scheduled else self.now

    def look(self) -> "There":
        return self

    def stop(self) -> None:
        self.did.append("stop")
        self.state = "cut"

    def ask(self, work: Any) -> None:
        self.did.append("cancel")
        self.is_scheduled = False


def asked(there: There, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    for name in ("Place", "Host", "Detached"):
        monkeypatch.setattr(quiet, name, lambda *_, **__: there)
    args = {"host": "compute1", "command": "compute1/run", "plan": "wave-id", "run": 3, **more}
    context = Context(n=1, id="s", kind="k", unit="u", args=args, attempt=1, earlier=None, reader=lambda n: {})
    found: dict[str, Any] = quiet.quiet(context)
    return found


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (There("running"), "its command still runs"),
        (There(scheduled=True, why="is about to go down"), "is about to go down"),
        (There(boot=None, why="does not answer (no route)"), "does not answer"),
        (There(boot=None, why="is on its way down or up (stopping)"), "is on its way down"),
    ],
)
def test_a_host_that_still_does_something_is_not_left(there: There, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NaruError, match=said):
        asked(there, monkeypatch)
    assert there.did == []


def test_what_goes_on_is_ended_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "EVERY", 0.0)
    there = There("running", scheduled=True, why="is about to go down")
    assert asked(there, monkeypatch, end=True) == {"ended": True}
    assert there.did == ["stop", "cancel"]
    assert asked(There(), monkeypatch) == {"ended": False}
    down = There(boot=None, why="does not answer (no route)")
    assert "no route" in asked(down, monkeypatch, may_be_down=True)["down"]
    with pytest.raises(NaruError, match="does not answer"):
        asked(down, monkeypatch, end=True)


# -- two at once


def test_while_a_step_of_it_runs_nothing_is_written_down(work: Work, site: Path) -> None:
    with begun(work, site) as journal:
        became(journal, disable="running")
        with locks.file_lock(journal.directory) as take:
            assert take()
            with pytest.raises(PlanError, match="1 of the steps to be left out are running"):
                leave.leave(work, "compute1", "why", Quiet(), leave.Choice())
        assert work.left() == {} and leaving.left_out(journal).things == {}
        assert not [one for one in states(work).values() if one == "left"]


def test_a_host_that_is_left_while_its_wave_is_made_is_not_in_it(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cloud(compute1=several("a", 1))
    made = world.next_wave(found, HOSTS[:2], NOTHING, 2, no_rack)

    def meanwhile(*_: Any) -> world.Wave:
        leave.leave(work, "compute1", "why", Quiet(), leave.Choice())  # in another terminal
        return made

    class Nobody:
        def __init__(self, name: str) -> None:
            pass

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(phases, "Cloud", Nobody)
    monkeypatch.setattr(phases.compute, "services", lambda _: [{"host": host} for host in HOSTS])
    monkeypatch.setattr(phases, "read_all", lambda *_: {host: one.reading for host, one in found.facts.items()})
    monkeypatch.setattr(phases, "_possible", meanwhile)
    assert phases._begin(work, list(HOSTS[:2]), {}, Quiet()) is None
    assert work.waves.numbers() == [] and standings(work)[0].state == "left"


def test_two_that_leave_hosts_at_once_both_do(work: Work) -> None:
    hosts = list(HOSTS)
    threads = [
        threading.Thread(target=leave.leave, args=(work, host, "why", Quiet(), leave.Choice())) for host in hosts
    ]
    with turn(work.directory):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(20)
    assert work.left() == dict.fromkeys(hosts, "why")


def test_a_new_plan_leaves_nobody_behind(work: Work) -> None:
    leave.leave(work, "compute1", "why", Quiet(), leave.Choice())
    write(work.directory, work.planned)
    assert work.left() == {} and work.is_current()
