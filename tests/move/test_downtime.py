"""How long servers are off: expected from a plan worked out on paper, measured from a journal written by hand."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.cli import main
from naru.messages import say
from naru.move import downtime
from naru.move.decisions import Decision
from naru.move.draft import Draft, Options
from naru.move.kinds import BY_NAME
from naru.move.pages import maps
from naru.move.work import DECISIONS, Work
from naru.plan import schema
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from tests.move import outcomes

from .described import described

pytestmark = pytest.mark.unit

BEGAN = 1_800_000_000.0


def window() -> Plan:
    """Two servers that stop one after the other; both wait for the address, `db` for its content besides."""
    settings = {"from": "old", "to": "new", "projects": ["p"]}
    plan = Plan(limits={"old": 1, "new": 4}, gates=["cutover p"], settings=settings)
    plan.add(Step("made before", "k", limits=("new",), estimate=1000.0))
    plan.add(Step("cutover p", "noop", limits=("new",), gate="cutover p"), after=["made before"])
    for server in ("web", "db"):
        plan.add(Step(f"stop server/{server}", "k", limits=("old",), estimate=10.0), after=["cutover p"])
    plan.add(Step("content volume/v", "k", limits=("new",), estimate=60.0), after=["stop server/db"])
    plan.add(Step("take address", "k", limits=("new",), estimate=5.0), after=["stop server/db", "stop server/web"])
    plan.add(Step("start server/web", "k", limits=("new",), estimate=10.0), after=["stop server/web", "take address"])
    after = ["stop server/db", "take address", "content volume/v"]
    plan.add(Step("start server/db", "k", limits=("new",), estimate=10.0), after=after)
    return described(plan)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    decisions = [Decision("server", name, name.upper(), "p", "create", "") for name in ("web", "db", "off")]
    told = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}}
    told["snapshots"] = {"old": 1, "new": 2}
    directory = tmp_path / "work"
    Journal.create(directory, window()).close()
    (directory / DECISIONS).write_text(json.dumps({**told, "decisions": [one.dump() for one in decisions]}))
    return directory


def happened(work: Path, step: str, *events: tuple[str, float], state: str = "done", ended: float = 0.0) -> None:
    """Writes what became of a step: events with their seconds since the window began."""
    with Journal.open(work) as journal:
        n = journal.numbers([step])[step]
        with journal.write() as connection:
            steps = schema.steps
            values = {"state": state, "started": BEGAN + events[-1][1], "ended": BEGAN + ended}
            connection.execute(update(steps).where(steps.c.n == n).values(values))
            for what, at in events:
                row = {"at": BEGAN + at, "step": n, "attempt": 1, "what": what, "detail": ""}
                connection.execute(schema.events.insert(), [row])


def test_expected_is_from_its_stop_to_its_start_with_all_that_this_waits_for() -> None:
    # db stops first, since its path is the longest: 0 to 10; web 10 to 20; the address 20 to 25
    assert downtime.expected(window()) == {"db": 10 + 60 + 10, "web": 10 + 5 + 10}


def test_a_rollback_in_the_journal_does_not_change_what_was_expected(work: Path) -> None:
    with Journal.open(work) as journal, journal.write() as connection:
        row = {"id": "undo stop server/db", "kind": "k", "limits": '["old"]', "n": 99, "undoes": 3, "estimate": 1e6}
        row |= {"args": "{}", "unit": "", "queue": "", "gate": "", "title": '""'}
        row |= {"about_kind": "server", "about_id": "db", "about_name": "", "purpose": "undo"}
        connection.execute(schema.steps.insert(), [row])
    assert {found.server_old_id: found.expected_s for found in downtime.downtimes(Work(work))} == {"db": 80, "web": 25}


def test_measured_is_from_the_first_attempt_of_the_stop_to_the_end_of_the_start(work: Path) -> None:
    happened(work, "stop server/db", ("started", 0.0), ("interrupted", 3.0), ("started", 30.0), ended=31.0)
    assert [found.measured_s for found in downtime.downtimes(Work(work))] == [None, None]
    happened(work, "start server/db", ("started", 70.0), ended=72.5)
    web, db = downtime.downtimes(Work(work))
    assert (web.stopped_at, web.started_at, web.measured_s) == ("", "", None)
    assert db.measured_s == 72.5
    assert db.stopped_at == datetime.datetime.fromtimestamp(BEGAN, datetime.UTC).isoformat(timespec="milliseconds")


def test_what_was_rolled_back_is_not_measured(work: Path) -> None:
    happened(work, "stop server/db", ("started", 0.0), ("undone", 50.0), state="undone", ended=1.0)
    happened(work, "start server/db", ("started", 20.0), ("undone", 40.0), state="undone", ended=21.0)
    assert downtime.downtimes(Work(work))[1].stopped_at == ""
    happened(work, "stop server/db", ("started", 100.0), ended=101.0)
    happened(work, "start server/db", ("started", 109.0), ended=110.0)
    assert downtime.downtimes(Work(work))[1].measured_s == 10


def test_command_lists_every_server(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    happened(work, "stop server/web", ("started", 0.0), ended=1.0)
    happened(work, "start server/web", ("started", 8.0), ended=9.25)
    assert main.main(["move", "downtime", str(work), "-f", "json"]) == 0
    web, db = json.loads(capsys.readouterr().out)
    assert (web["server"], web["old id"], web["project"]) == ("WEB", "web", "shop")
    assert (web["expected"], web["measured"]) == (25, 9.25)
    assert (db["expected"], db["measured"], db["stopped"]) == (80, None, "")
    assert [web[part] for part in ("stop", "content", "wait", "start")] == [1, 0, 7, 1.25]
    assert [db[part] for part in ("stop", "content", "wait", "start")] == [None] * 4


def test_the_parts_are_the_whole(work: Path) -> None:
    happened(work, "stop server/db", ("started", 0.0), ("interrupted", 3.0), ("started", 30.0), ended=31.0)
    happened(work, "content volume/v", ("started", 31.5), ended=40.0)
    happened(work, "take address", ("started", 31.5), ended=42.0)
    happened(work, "start server/db", ("started", 42.25), ended=50.0)
    db = downtime.downtimes(Work(work))[1]
    assert (db.stop_s, db.content_s, db.wait_s, db.start_s) == (31, 9, 2.25, 7.75)
    assert db.measured_s == 50


class _Facts:
    """Two projects, of which one has servers that run."""

    def __init__(self) -> None:
        self.projects = {key: _Row(key, f"project {key}", "") for key in ("p", "q")}

    def owned(self, _: str, project: str) -> list[Any]:
        rows = [_Row("web", "web", "p"), _Row("db", "db", "p"), _Row("off", "off", "q")]
        return [row for row in rows if row.project == project]


class _Row:
    def __init__(self, id: str, name: str, project: str) -> None:
        self.id, self.name, self.project = id, name, project


def test_the_plans_reader_is_told_of_each_project_with_servers_that_run() -> None:
    draft = Draft(_Facts(), {}, window(), Options(key=""), BY_NAME)  # type: ignore[arg-type]
    downtime.findings(draft)
    [finding] = draft.plan.findings
    assert finding.severity == "info" and "project project p" in say(finding.summary)
    assert "2, the longest for about 1 min 20 s" in say(finding.summary)
    assert say(finding.detail) == "db: 1 min 20 s\nweb: 25 s"


def test_the_reports_maps_have_expected_beside_measured() -> None:
    company = outcomes.company()
    lines = maps.downtimes_as_csv(company.downtimes).splitlines()
    assert lines[0] == ",".join(maps.DOWNTIMES)
    assert lines[1].split(",")[1:4] == ["web-1", "90", "90.0"]
    assert lines[2].split(",")[1:4] == ["web-2", "4000", ""]
    [first, *_] = json.loads(maps.as_json(company, company.projects, (), company.downtimes, ()))["downtimes"]
    assert (first["expected_s"], first["measured_s"]) == (90, 90.0)
