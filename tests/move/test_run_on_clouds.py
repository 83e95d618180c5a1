"""The demo company moved by a schedule of two waves, by runs of which some were killed, and rolled back; judged by
snapshots of both clouds."""

import datetime
import itertools
import json
from pathlib import Path

import pytest
import yaml

from ..lab.scenario import Rest
from .oracle import leftovers, project, snapshot
from .oracle.read import Cloud as Read
from .scenario import Move, all_told, same, told

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(2400)]


def test_two_waves(move: Move, clouds: dict[str, Rest], before: dict[str, Read], tmp_path: Path) -> None:
    move.plan()
    work, schedule = str(move.work), tmp_path / "schedule.yaml"
    move.run("waves", work, "--max-projects", "2", "--suggest", str(schedule))
    said = yaml.safe_load(schedule.read_text())
    waves = [wave["projects"] for wave in said["waves"]]
    assert len(waves) >= 2 and sorted(itertools.chain(*waves)) == sorted(move.projects)
    now = datetime.datetime.now(datetime.UTC)
    for number, wave in enumerate(said["waves"]):
        wave.pop("prepare", None)
        wave.pop("finalize", None)
        wave["cutover"] = {
            "start": now + datetime.timedelta(seconds=30 + 60 * number),
            "latest": now + datetime.timedelta(hours=2),
        }
    schedule.write_text(yaml.safe_dump(said))

    command = ("run", work, "--schedule", str(schedule))
    move.run(*command, "--dry-run")
    assert leftovers(clouds["new"], before["new"]) == {}
    move.killed(4, 90.0, *command)
    found = {row["project"]: row for row in json.loads(move.run(*command, "-f", "json"))}
    assert {name: row["state"] for name, row in found.items()} == dict.fromkeys(move.projects, "done"), found
    assert {name: row["reached"] for name, row in found.items()} == dict.fromkeys(move.projects, "cutover"), found
    assert move.unexplained() == []
    after = snapshot(clouds["new"])
    for identity, item in before["old"]["project"].items():
        if item["name"] in move.projects:
            all_told([one for one in project(before["old"], after, identity) if not told(one)])
    state = move.phase("rollback")
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
