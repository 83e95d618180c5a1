"""A volume that two servers have attached: carried once, when both are stopped, and attached to both again.

Train is the old cloud here: Pike's Nova attaches a volume to one server alone.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.lab import Lab
from naru.lab.seed import content, remove, seeder
from naru.lab.seed.load import load
from naru.releases import release

from ..lab.scenario import Rest, come_up, connect, ignore
from .conftest import snapshots
from .oracle import leftovers, project, snapshot
from .oracle.pairs import pair as pairs_of
from .oracle.read import Cloud as Read
from .scenario import Move, all_told, moving, same, told

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(2400)]

PORT_BASE = 30400
TYPE = {
    "name": "ceph-multi",
    "description": "for cluster file systems",
    "extra_specs": {"volume_backend_name": "ceph", "multiattach": "<is> True"},
}
# matched by name; Train's roles cannot be immutable
NEWER = ("role", "member", "options.immutable")
SAMPLE = str(Path(__file__).with_name("shared.yaml"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """NARU_TEST_SHARED=DIRECTORY uses and keeps a lab there, for a quick loop."""
    kept = os.environ.get("NARU_TEST_SHARED")
    made = Lab(Path(kept) if kept else tmp_path_factory.mktemp("shared") / "lab")
    clouds = ["old=train", f"new={release.names()[-1]}"]
    come_up(made, spec.build(clouds, ["core"], 2, PORT_BASE))
    new = Rest(connect(made, "new"))
    if TYPE["name"] not in [found["name"] for found in new("volumev3", "GET", "/types")["volume_types"]]:
        new("volumev3", "POST", "/types", {"volume_type": TYPE})
    yield made
    if not kept:
        made.down()


def users_of(read: Read, volume: str) -> set[str]:
    return {item["server_id"] for item in read["volume"][volume]["attachments"]}


def test_a_volume_of_two_servers(lab: Lab, tmp_path: Path) -> None:
    old, new = lab.cloud("old"), lab.cloud("new")
    seeder.seed(load(SAMPLE), old, ignore)
    clouds = {name: Rest(connect(lab, name)) for name in ("old", "new")}
    before = snapshots(clouds)
    (fleet,) = [identity for identity, item in before["old"]["project"].items() if item["name"] == "fleet"]
    volumes = {item["name"]: item for item in before["old"]["volume"].values()}
    hold = volumes["hold"]["id"]
    assert len(users_of(before["old"], hold)) == 2
    with moving(Move(lab, tmp_path / "work", ("fleet",), map_file=None)) as move:
        move.plan()
        move.phase("prepare", kills=1)
        assert len([row for row in move.ahead() if row["volume"] == hold]) == 1
        state = move.phase("cutover", kills=2)
        assert state["state"] == "held" and not state["failed"], state
        assert move.unexplained() == []
        after = snapshot(clouds["new"])
        wrong = [found for found in project(before["old"], after, fleet) if not told(found)]
        all_told([found for found in wrong if (found.kind, found.name, found.field) != NEWER])
        pairs = pairs_of(before["old"], after)
        arrived = pairs["volume"][hold]
        assert users_of(after, arrived) == {pairs["server"][server] for server in users_of(before["old"], hold)}
        for item in volumes.values():
            there = after["volume"][pairs["volume"][item["id"]]]
            assert content.digest(new, there) == content.digest(old, item), item["name"]
        state = move.phase("rollback", kills=1)
        assert state["state"] == "done" and not state["failed"]
        assert leftovers(clouds["new"], before["new"]) == {}
        assert same(before["old"], snapshot(clouds["old"])) == {}
    remove.remove(load(SAMPLE), old, ignore)
