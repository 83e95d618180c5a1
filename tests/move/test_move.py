"""The demo company moved from Pike to the newest release and back again, killed at random instants on the way; judged
by the oracle, which shares no code with the product."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content

from ..lab.scenario import Rest
from .oracle import leftovers, project, snapshot
from .oracle.pairs import pair as pairs_of
from .oracle.read import Cloud as Read
from .scenario import PROJECTS, Move, all_told, backups_as_they_were, same, snapshots_as_they_were, told

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]


@pytest.mark.parametrize(
    "times", [1, pytest.param(5, marks=pytest.mark.releases)], ids=["killed 10 times", "killed 50 times"]
)
def test_there_and_back(
    times: int,
    pair: Lab,
    move: Move,
    clouds: dict[str, Rest],
    before: dict[str, Read],
    company: Cloud,
    rewrite: Callable[[Cloud, dict[str, Any]], None],
) -> None:
    move.plan()
    assert same(before["old"], snapshot(clouds["old"])) == {}
    assert leftovers(clouds["new"], before["new"]) == {}
    state = move.phase("prepare", kills=2 * times)
    assert state["state"] == "held" and not state["failed"]
    assert same(before["old"], snapshot(clouds["old"])) == {}
    assert move.unexplained() == []
    mine = {identity for identity, item in before["old"]["project"].items() if item["name"] in PROJECTS}
    volumes = [item for item in before["old"]["volume"].values() if item["os-vol-tenant-attr:tenant_id"] in mine]
    carried = move.ahead(kills=2 * times)
    assert {row["volume"] for row in carried} <= {item["id"] for item in volumes}
    for item in volumes:  # as users would meanwhile
        if item["id"] in {row["volume"] for row in carried}:
            rewrite(company, item)
    again = {row["volume"]: row for row in move.ahead()}
    assert again.keys() == {row["volume"] for row in carried}
    for item in volumes:
        if item["id"] in again and content.backend(item) == "ceph":
            assert not again[item["id"]]["whole"] and again[item["id"]]["compared"] < 16 << 20, again[item["id"]]
    state = move.phase("cutover", kills=3 * times)
    assert state["state"] == "held" and not state["failed"]
    assert move.unexplained() == []
    after = snapshot(clouds["new"])
    names = {item["name"]: identity for identity, item in before["old"]["project"].items()}
    wrong = [found for name in PROJECTS for found in project(before["old"], after, names[name]) if not told(found)]
    all_told(wrong)

    pairs = pairs_of(before["old"], after)["volume"]
    for item in volumes:
        arrived = after["volume"][pairs[item["id"]]]
        assert content.digest(pair.cloud("new"), arrived) == content.digest(company, item), item["name"]
    snapshots = snapshots_as_they_were(company, pair.cloud("new"), before["old"], after, mine)
    assert snapshots == ["before-upgrade", "year-1", "year-2"]
    labs = {"old": company, "new": pair.cloud("new")}
    assert backups_as_they_were(clouds, labs, before["old"], mine) == ["db-wal-backup", "weekly", "weekly-2"]

    rows = json.loads(move.run("report", str(move.work), "-f", "json"))
    assert {Path(row["file"]).suffix for row in rows} >= {".html", ".md", ".csv", ".json", ".tf"}
    passwords = json.loads(move.run("handover", str(move.work), "--key", str(move.key), "--show", "-f", "json"))
    assert {row["user"] for row in passwords} >= {"mina", "jun", "sora", "guildmaster"}
    for row in passwords:
        for file in move.work.rglob("*"):
            assert not file.is_file() or row["password"].encode() not in file.read_bytes(), file

    state = move.phase("rollback", kills=3 * times)
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
