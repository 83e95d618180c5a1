"""The demo company, moved from Pike into releases between: each field goes in a form that the new cloud has."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.lab import Lab
from naru.lab.seed import seeder
from naru.lab.seed.load import load

from ..lab.scenario import Rest, come_up, connect, ignore
from .conftest import snapshots
from .oracle import leftovers, project, snapshot
from .scenario import PROJECTS, Move, all_told, moving, same, told

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(3600)]

PORT_BASE = 31200
RELEASES = ("train", "yoga", "2023.1", "2025.1")


@pytest.fixture(scope="module", params=RELEASES)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Pike with the company, and a cloud of a release between."""
    made = Lab(tmp_path_factory.mktemp("between") / "lab")
    come_up(made, spec.build(["old=pike", f"new={request.param}"], ["core"], 2, PORT_BASE))
    try:
        seeder.seed(load("demo"), made.cloud("old"), ignore)
        yield made
    finally:
        made.down()


def said_of_backups(work: Path) -> tuple[set[str], set[str]]:
    """Backups of which the plan says that the new Cinder looks into them, and refuses, and those of which it says that
    Cinder forgets their zone."""
    decisions = json.loads((work / "decisions.json").read_text())["decisions"]
    refused = [one for one in decisions if one["why"] and one["why"]["message"] == "move.backup.looks_into_files"]
    assert {one["decision"] for one in refused} <= {"leave"}
    zones = [
        one["id"]
        for one in decisions
        for rule in one["rules"]
        if rule["field"] == "availability_zone" and rule["why"]["message"] == "move.backup.forgets_zone"
    ]
    return {one["id"] for one in refused}, set(zones)


def test_the_company_moves_into_a_release_between(lab: Lab, tmp_path: Path) -> None:
    clouds = {name: Rest(connect(lab, name)) for name in ("old", "new")}
    before = snapshots(clouds)
    with moving(Move(lab, tmp_path / "work")) as move:
        move.plan()
        assert not move.phase("prepare")["failed"]
        move.ahead()
        assert not move.phase("cutover")["failed"]
        assert move.unexplained() == []
        after = snapshot(clouds["new"])
        ids = [identity for identity, item in before["old"]["project"].items() if item["name"] in PROJECTS]
        assert len(ids) == len(PROJECTS)
        left, without_zone = said_of_backups(move.work)
        wrong = [found for one in ids for found in project(before["old"], after, one) if not told(found)]
        as_said = [
            found
            for found in wrong
            if found.kind == "backup"
            and found.new is None
            and (found.old_id in left or (found.field == "availability_zone" and found.old_id in without_zone))
        ]
        all_told([found for found in wrong if found not in as_said])
        state = move.phase("rollback")
        assert state["state"] == "done" and not state["failed"]
        assert leftovers(clouds["new"], before["new"]) == {}
        assert same(before["old"], snapshot(clouds["old"])) == {}
