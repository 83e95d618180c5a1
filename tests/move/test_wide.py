"""A project of 50 servers and some 600 things moved from Pike to the newest release: every property kept or told, by
the oracle, which shares no code with the product. The demo company, with all that is hard about a move, is in
test_move.

With seeding and cleaning up it takes longer than all of test_move: it runs with the releases (make test-releases), and
by `pytest -m releases tests/move/test_wide.py` alone.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content, remove, seeder
from naru.lab.seed.load import load
from naru.lab.seed.manifest import Entry, Manifest

from ..lab.scenario import Rest, connect, ignore
from .oracle import Mismatch, leftovers, project, snapshot
from .oracle.pairs import pair as pairs_of
from .oracle.read import Cloud as Read
from .scenario import Move, all_told, moving

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(3600)]

SAMPLE = "wide"
SERVERS = 50


@pytest.fixture(scope="module")
def wide(pair: Lab) -> Iterator[Cloud]:
    """`old` with the sample, which is taken out again: other tests count what is there."""
    cloud, sample = pair.cloud("old"), load(SAMPLE)
    seeder.seed(sample, cloud, ignore)
    yield cloud
    remove.remove(sample, cloud, ignore)


@pytest.fixture
def move(pair: Lab, wide: Cloud, tmp_path: Path) -> Iterator[Move]:
    with moving(Move(pair, tmp_path / "work", (SAMPLE,), map_file=None)) as made:
        yield made


def told(found: Mismatch) -> str:
    """Why a mismatch is as it should be; "" for one that should not be."""
    if found.kind.endswith("quota"):
        return "lifted until finalize"
    if (found.kind, found.field) == ("flavor", "id"):
        return "matched by name"
    return ""


def test_fifty_servers_arrive_as_they_were(pair: Lab, wide: Cloud, move: Move) -> None:
    clouds = {name: Rest(connect(pair, name)) for name in ("old", "new")}
    before = {name: snapshot(rest) for name, rest in clouds.items()}
    move.plan()
    rows = json.loads(move.run("downtime", str(move.work), "-f", "json"))
    assert len(rows) == SERVERS
    assert all(row["expected"] > 0 and row["measured"] is None for row in rows)

    for phase in ("prepare", "cutover"):
        state = move.phase(phase)
        assert state["state"] == "held" and not state["failed"]
        assert move.unexplained() == []
    rows = json.loads(move.run("downtime", str(move.work), "-f", "json"))
    assert all(row["measured"] > 0 for row in rows)

    after = snapshot(clouds["new"])
    identity = next(key for key, item in before["old"]["project"].items() if item["name"] == SAMPLE)
    assert len(after["server"]) - len(before["new"]["server"]) == SERVERS
    wrong = [found for found in project(before["old"], after, identity) if not told(found)]
    all_told(wrong)
    _same_content(pair.cloud("new"), wide, before["old"], after, identity)

    state = move.phase("rollback")
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}


def _same_content(new: Cloud, old: Cloud, before: Read, after: Read, project_id: str) -> None:
    """Every volume holds what it was seeded with: the checksums were taken then, from the old storage."""
    entries = Manifest(seeder.manifest_path(old, SAMPLE)).entries.values()
    volumes = [entry for entry in entries if entry.kind == "volume" and entry.project_id == project_id]
    assert len(volumes) >= SERVERS
    counterparts = pairs_of(before, after)["volume"]

    def differs(entry: Entry) -> bool:
        found = content.digest(new, after["volume"][counterparts[entry.id]])
        return (found.size, found.sha256) != (entry.size, entry.sha256)

    with ThreadPoolExecutor(2) as pool:
        wrong = [entry.name for entry, bad in zip(volumes, pool.map(differs, volumes), strict=True) if bad]
    assert not wrong
