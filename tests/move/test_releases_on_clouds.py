"""The demo company, moved from Pike into releases between: each field goes in a form that the new cloud has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.lab import Lab
from naru.lab.seed import seeder
from naru.lab.seed.load import load

from ..lab.scenario import Rest, connect, ignore
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
    made.up(spec.build(["old=pike", f"new={request.param}"], ["core"], 2, PORT_BASE), ignore, ignore)
    try:
        seeder.seed(load("demo"), made.cloud("old"), ignore)
        yield made
    finally:
        made.down()


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
        all_told([found for one in ids for found in project(before["old"], after, one) if not told(found)])
        state = move.phase("rollback")
        assert state["state"] == "done" and not state["failed"]
        assert leftovers(clouds["new"], before["new"]) == {}
        assert same(before["old"], snapshot(clouds["old"])) == {}
