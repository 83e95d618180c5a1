"""Waves and windows in the words of a capability that is not a move: hosts that are upgraded."""

import datetime
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.plan.journal import Journal
from naru.plan.model import Plan
from naru.plan.windows import schedule
from naru.plan.windows.conductor import Conductor, GateChange
from naru.plan.windows.needs import UnitNeed
from naru.plan.windows.phases import Phases, UnitProgress
from naru.plan.windows.vocabulary import Vocabulary

pytestmark = pytest.mark.unit

WORDS = Vocabulary(
    plan="upgrade",
    unit="host",
    units="hosts",
    phases=Phases(prepare="download", window="switch", end="clean"),
    opening="switch",
    openings="switches",
    passed="switched",
    ended="cleaned",
    listing="naru upgrade hosts WORK",
    again="naru upgrade plan takes it in again",
)
NAMES = {"1": "web", "2": "db"}
NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
FILE = """
naru_schedule: 1
waves:
  - name: one
    hosts: [db]
    switch: {start: 2030-01-02T22:00:00Z, latest: 2030-01-03T02:00:00Z}
    clean: 2030-01-04T02:00:00Z
  - name: two
    hosts: [web]
    switch: {start: 2030-01-03T22:00:00Z, latest: 2030-01-04T02:00:00Z}
"""


def test_a_schedule_in_a_capabilitys_own_words(tmp_path: Path) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text(FILE)
    loaded = schedule.load(WORDS, file)
    needs = [UnitNeed("1", "2", "its database", 1)]
    ids = schedule.check(WORDS, file, loaded, NAMES, needs, now=NOW, before=None)
    assert ids == [["2"], ["1"]]
    with Journal.create(tmp_path / "work", Plan()) as journal:
        schedule.remember(journal, loaded)
        assert schedule.last(WORDS, journal) == loaded
        assert journal.recall("schedule")["waves"][0]["hosts"] == ["db"]
    conductor = Conductor(WORDS, loaded, ids, {"1": {"2"}}, NAMES, WORDS.phases.end)
    ready, done = UnitProgress(reached=1), UnitProgress(reached=2, begun=True, open=frozenset({"switch"}))
    evening = loaded.waves[0].window.start
    assert conductor.due({"1": ready, "2": ready}, evening) == [GateChange("switch", "2", True)]
    assert conductor.due({"1": ready, "2": done}, loaded.waves[1].window.start) == [GateChange("switch", "1", True)]
    following = conductor.next({"1": ready, "2": ready}, NOW)
    assert following and following.what == "switch of wave one begins: db"
    db, web = conductor.states({"1": ready, "2": UnitProgress(rolled_back=True)}, evening)
    assert (db.state, db.why) == ("rolled back", WORDS.again) and web.why == "needs db, rolled back"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("hosts: [db]", "projects: [db]"), "there is no such field; there are: name, hosts, download, switch, clean"),
        (("hosts: [db]", "hosts: [mail]"), "waves.0.hosts.0: the upgrade has no host mail; naru upgrade hosts WORK"),
        (("hosts: [web]", "hosts: [db]"), "waves.1.hosts.0: db is at waves.0.hosts.0 already"),
    ],
)
def test_what_is_wrong_is_said_in_them(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text(FILE.replace(*change))
    with pytest.raises(InputError) as refused:
        schedule.check(WORDS, file, schedule.load(WORDS, file), NAMES, [], now=NOW, before=None)
    assert expected in refused.value.detail


def test_a_suggestion_is_in_them_too() -> None:
    suggested = schedule.text(WORDS, [["2"], ["1"]], NAMES, [[], ["web needs db: its database"]])
    assert "    hosts:\n      - db\n    switch:\n      start: null  # switches begin\n" in suggested
