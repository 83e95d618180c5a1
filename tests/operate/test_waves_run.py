"""In which order waves go on, what is put off, and what is said of one that somebody has stopped."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from naru.cli.main import main
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain import steps
from naru.operate.drain.facts import Facts
from naru.operate.waves import phases, planner
from naru.operate.waves.work import Planned, Work
from naru.plan import control, schema
from naru.plan.context import Context
from naru.plan.journal import Journal
from naru.plan.status import Status, status

from . import readings
from .test_waves import HOSTS, SETTINGS, Quiet, begun, made, site_file, work_of

pytestmark = pytest.mark.unit


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return site_file(tmp_path)


@pytest.fixture
def work(site: Path, tmp_path: Path) -> Work:
    return work_of(site, tmp_path)


def put(journal: Journal, state: str, *ids: str) -> None:
    with journal.write() as connection:
        change = update(schema.steps).values(attempt=1, state=state, started=1.0)
        connection.execute(change.where(schema.steps.c.id.in_(ids)) if ids else change)


class Told(Quiet):
    """A terminal that keeps what it is warned of."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, line: str) -> None:
        self.warned.append(line)


def test_what_has_failed_is_tried_again_when_nothing_is_under_way(
    work: Work, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begun(work, site) as first:
        put(first, "done")
        put(first, "failed", "compute1/run")
        put(first, "waiting", "compute1/back", "compute1/agents-back", "compute1/enable")
    with work.waves.begin(2, made(site), "other-id") as second:
        put(second, "done", "compute1/disable")  # the executor was killed in the middle of it
    ran = []

    def run(journal: Journal, terminal: Any) -> Status:
        number = int(Path(journal.name).name)
        with journal.read() as connection:
            of = select(schema.steps.c.state).where(schema.steps.c.id == "compute1/run")
            ran.append((number, connection.execute(of).scalar_one()))
        if number == 2 or ran[-1][1] != "failed":
            put(journal, "done")
        return status(journal)._replace(state="failed" if ran[-1] == (1, "failed") else "done")

    monkeypatch.setattr(phases, "run_plan", run)
    assert phases._again(work, Quiet()) is None
    # the second wave's host is back before the command of the first one's is given once more
    assert ran == [(1, "failed"), (2, "waiting"), (1, "waiting")]
    ran.clear()
    assert phases._again(work, Quiet()) is None and ran == []


def test_it_is_said_why_a_wave_stands(work: Work, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with begun(work, site) as journal:
        put(journal, "done", "compute1/disable")
        control.pause(journal)
    monkeypatch.setattr(phases, "run_plan", lambda journal, _: status(journal)._replace(state="paused"))
    terminal = Told()
    assert phases._again(work, terminal) == 3
    (said,) = terminal.warned
    assert "wave/1 is paused" in said and "naru plan resume" in said


# -- hosts that somebody else has


def disabled(reason: str | None) -> Facts:
    service = readings.service("compute1", status="disabled", disabled_reason=reason)
    return Facts(readings.reading(services=[service]))


@pytest.mark.parametrize(
    ("reason", "was", "said"),
    [
        ("bad memory", "", "somebody has disabled it since (bad memory)"),
        ("bad memory", "bad memory", ""),  # it was so when it was planned, which the plan has warned of
        (None, "", "somebody has disabled it since (no reason is given)"),
        ("naru drain id: kernel", "", ""),  # ours
        ("naru drain other: kernel", "naru drain other: kernel", "another work directory empties it"),
    ],
)
def test_a_host_that_somebody_else_has_disabled_is_put_off(reason: str | None, was: str, said: str) -> None:
    planned = Planned("id", SETTINGS, HOSTS, disabled={"compute1": was})
    found = planner.taken(disabled(reason), planned)
    assert found.startswith(said) and bool(found) == bool(said)
    assert planner.taken(Facts(readings.reading()), planned) == ""


def test_two_work_directories_do_not_empty_one_host(monkeypatch: pytest.MonkeyPatch) -> None:
    service = {"status": "disabled", "disabled_reason": "naru drain other: kernel"}
    monkeypatch.setattr(steps, "cloud", lambda *_: None)
    monkeypatch.setattr(compute, "service", lambda *_: service)
    args = {"cloud": "one", "host": "compute1", "plan": "id"}
    context = Context(n=1, id="s", kind="k", unit="u", args=args, attempt=1, earlier=None, reader=lambda _: {})
    with pytest.raises(NaruError, match="compute1 is emptied by another work directory"):
        steps.disable(context)
    service["disabled_reason"] = "bad memory"
    assert steps.disable(context) == {"ours": False, "reason": "bad memory"}
    service["disabled_reason"] = "naru drain id: kernel"
    assert steps.disable(context)["ours"]


@pytest.mark.parametrize(
    ("later", "ours"),
    [(None, True), ("bad memory", False), ("naru drain other", None)],
)
def test_of_two_that_disable_a_host_at_once_the_later_one_has_it(
    later: str | None, ours: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read that it is enabled; `later` is the reason of the other one, who writes after us."""
    service: dict[str, Any] = {"status": "enabled", "disabled_reason": None}

    def disable(_: Any, __: Any, reason: str) -> None:
        service.update(status="disabled", disabled_reason=reason)

    def sleep(_: float) -> None:
        if later:
            service["disabled_reason"] = later

    monkeypatch.setattr(steps, "cloud", lambda *_: None)
    monkeypatch.setattr(compute, "service", lambda *_: dict(service))
    monkeypatch.setattr(compute, "disable", disable)
    context: Any = SimpleNamespace(args={"cloud": "one", "host": "compute1", "plan": "id", "reason": ""}, sleep=sleep)
    if ours is None:
        with pytest.raises(NaruError, match="compute1 is emptied by another work directory"):
            steps.disable(context)
        return
    assert steps.disable(context) == {"ours": ours, "reason": later or "naru drain id"}


def test_a_wave_is_no_drain_of_one_host(work: Work, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(work, site).close()
    assert main(["host", "return", str(work.waves.path(1))]) == 2
    assert "is a wave of many hosts, no drain of one" in capsys.readouterr().err
