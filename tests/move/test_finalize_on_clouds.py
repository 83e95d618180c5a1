"""A small project moved with its content by images, and back; prepared, and back; then moved for good: copied ahead,
cut over and finalized. Killed on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content

from ..lab.scenario import Rest
from .conftest import remove_crossing, snapshots
from .oracle import leftovers, project, snapshot
from .oracle.pairs import pair as pairs_of
from .scenario import Move, all_told, backups_as_they_were, crossing_of, moving, of_others, same, told

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


def points(cloud: Cloud, volumes: set[str]) -> list[str]:
    """The snapshots of ours of these volumes on the cloud's Ceph."""
    listed = content.run("rbd", "-c", str(cloud.ceph.conf("cinder")), "--id", "cinder", "ls", "-l", "volumes").decode()
    return [line for line in listed.splitlines() if "@naru-" in line and any(volume in line for volume in volumes)]


class OwnQuota:
    """The quota of the user in the project, on either cloud."""

    def __init__(self, pair: Lab, clouds: dict[str, Rest]) -> None:
        self.pair = pair
        self.clouds = clouds

    def ids(self, name: str) -> tuple[str, str]:
        (project,) = self.clouds[name]("identity", "GET", "/projects?name=crossing")["projects"]
        (user,) = self.clouds[name]("identity", "GET", "/users?name=ferry")["users"]
        return project["id"], user["id"]

    def call(self, name: str, method: str, body: Any = None) -> Any:
        project, user = self.ids(name)
        return self.clouds[name]("compute", method, f"/os-quota-sets/{project}?user_id={user}", body)

    def read(self, name: str) -> dict[str, int]:
        found = self.call(name, "GET")["quota_set"]
        return {field: found[field] for field in ("instances", "cores", "ram")}

    def rows(self, project: str) -> int:
        """How many quotas of users the new Nova has: of a project that is gone its API says nothing."""
        query = text("SELECT count(*) FROM project_user_quotas WHERE project_id = :project")
        with create_engine(self.pair.cloud("new").database_url("nova_api")).connect() as connection:
            return int(connection.execute(query, {"project": project}).scalar_one())


@pytest.fixture
def move(pair: Lab, crossing: Cloud, tmp_path: Path) -> Iterator[Move]:
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made:
        yield made


@pytest.mark.releases
def test_content_by_images_and_back_from_the_end(
    pair: Lab, crossing: Cloud, move: Move, clouds: dict[str, Rest], rewrite: Callable[[Cloud, dict[str, Any]], None]
) -> None:
    """As it is done where the storage cannot be reached: no --storage. Rolled back before the last step of all."""
    quota = OwnQuota(pair, clouds)
    quota.call("old", "PUT", {"quota_set": {"instances": 3, "cores": -1, "force": True}})
    before = snapshots(clouds)
    old_id, volumes = crossing_of(before["old"])
    for item in volumes:
        rewrite(crossing, item)
    move.storages = {}
    move.plan()
    move.phase("prepare")
    state = move.phase("cutover", kills=5)
    assert state["state"] == "held" and not state["failed"]
    assert move.unexplained() == []
    after = snapshot(clouds["new"])
    wrong = [
        found
        for found in project(before["old"], after, old_id)
        if found.kind != "snapshot" and not told(found) and not of_others(found)  # Glance carries no snapshots
    ]
    all_told(wrong)
    pairs = pairs_of(before["old"], after)["volume"]
    for item in volumes:
        arrived = after["volume"][pairs[item["id"]]]
        assert content.digest(pair.cloud("new"), arrived) == content.digest(crossing, item), item["name"]
    labs = {"old": crossing, "new": pair.cloud("new")}
    assert backups_as_they_were(clouds, labs, before["old"], {old_id}) == ["daily", "weekly"]

    assert quota.read("new") == {"instances": -1, "cores": -1, "ram": -1}
    new_id, _ = quota.ids("new")
    # all of the end but the last step, after which it cannot be rolled back
    assert main(["plan", "limit", "network@old", "0", "--work", str(move.work)]) == 0
    state = move.phase("finalize")
    assert state["state"] == "held" and not state["failed"], state
    assert quota.read("new") == quota.read("old") and quota.rows(new_id) == 2
    assert (quota.read("new")["instances"], quota.read("new")["cores"]) == (3, -1)
    assert main(["plan", "limit", "network@old", "4", "--work", str(move.work)]) == 0

    state = move.phase("rollback", kills=2, longest=5.0)
    assert state["state"] == "done" and not state["failed"]
    assert quota.rows(new_id) == 0
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
    quota.call("old", "DELETE")


@pytest.mark.releases
def test_prepared_and_rolled_back_under_fire(pair: Lab, crossing: Cloud, move: Move, clouds: dict[str, Rest]) -> None:
    before = snapshots(clouds)
    move.plan()
    state = move.phase("prepare", kills=8)
    assert state["state"] == "held" and not state["failed"]
    state = move.phase("rollback", kills=6, longest=5.0)
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}


def test_moved_for_good(pair: Lab, crossing: Cloud, move: Move, clouds: dict[str, Rest]) -> None:
    quota = OwnQuota(pair, clouds)
    quota.call("old", "PUT", {"quota_set": {"instances": 3, "cores": -1, "force": True}})
    before = snapshots(clouds)
    old_id, mine = crossing_of(before["old"])
    volumes = {item["id"] for item in mine}
    move.plan()
    move.phase("prepare", kills=4)
    assert {row["title"] for row in move.ahead(kills=2)} == {
        "content of volume root, 1 GiB",
        "content of volume data, 1 GiB",
    }
    assert points(crossing, volumes)
    move.phase("cutover", kills=3, longest=5.0)
    state = move.phase("finalize", kills=4, longest=4.0)
    assert state["state"] == "done" and not state["failed"]
    assert move.unexplained() == []
    assert points(crossing, volumes) == []
    after = snapshot(clouds["new"])
    # what may differ before it may not any more: quotas are exact
    wrong = [
        found
        for found in project(before["old"], after, old_id)
        if (found.kind.endswith("quota") or not told(found)) and not of_others(found)
    ]
    all_told(wrong)
    assert quota.read("new") == quota.read("old") and quota.read("new")["instances"] == 3
    refused = move.start("rollback", str(move.work))
    assert "finalized and cannot be rolled back" in refused.communicate(timeout=300)[1] and refused.returncode == 1
    quota.call("old", "DELETE")
    remove_crossing(pair)
    assert leftovers(clouds["new"], before["new"]) == {}
