"""A small project cut over and rolled back with hooks that tell a load balancer, which is a file: a server is taken out
of it while it still runs, and put back when it runs again. Killed on the way."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.move import moments
from naru.work.hooks import FILE, GO_ON, STOP

from ..lab.scenario import Rest
from .conftest import snapshots
from .oracle import leftovers
from .scenario import Move, crossing_of, moving, same

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]

# drain|undrain, and the cloud that the server is asked of; the balancer has a line for each address
BALANCER = """#!{python}
import fcntl, json, pathlib, sys, time
from naru.cloud.client import Cloud
facts = json.load(sys.stdin)
what, side = sys.argv[1:]
server = facts["server"]
with Cloud(facts["move"]["from" if side == "old" else "to"]) as cloud:
    status = cloud("compute", "GET", "/servers/" + server[side + "_id"])["server"]["status"]
time.sleep(1)
with open("balancer", "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    pool = set(file.read().split()) - set(server["addresses"])
    if what == "undrain":
        pool |= set(server["addresses"])
    pathlib.Path("balancer").write_text("\\n".join(sorted(pool)) + "\\n")
    with open("told", "a") as told:
        told.write(json.dumps([what, side, server["name"], status, facts["key"], facts["moment"]]) + "\\n")
"""


@pytest.fixture
def move(pair: Lab, crossing: Cloud, tmp_path: Path) -> Iterator[Move]:
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made:
        yield made


def told(move: Move) -> list[list[str]]:
    return [json.loads(line) for line in (move.work / "told").read_text().splitlines()]


def test_a_load_balancer_is_told_before_servers_stop_and_when_they_run(
    pair: Lab, move: Move, clouds: dict[str, Rest]
) -> None:
    before = snapshots(clouds)
    project, _ = crossing_of(before["old"])
    servers = {
        item["name"]: {str(one["addr"]) for network in item["addresses"].values() for one in network}
        for item in before["old"]["server"].values()
        if item["tenant_id"] == project and item["status"] == "ACTIVE"  # others have servers of these names
    }
    everything = set().union(*servers.values())
    assert servers.keys() == {"web", "db"} and len(everything) >= 3
    move.plan()
    move.phase("prepare")
    move.ahead()
    # written after planning
    balancer = move.work / "balancer"
    balancer.write_text("\n".join(sorted(everything)) + "\n")
    program = move.work / "lb"
    program.write_text(BALANCER.format(python=sys.executable))
    program.chmod(0o755)
    entries: list[dict[str, Any]] = [
        {"moment": moment, "command": ["./lb", what, side], "on_failure": GO_ON if what == "undrain" else failing}
        for moment, what, side, failing in (
            (moments.BEFORE_STOP, "drain", "old", STOP),
            (moments.AFTER_START, "undrain", "new", GO_ON),
            (moments.BEFORE_BACK, "drain", "new", GO_ON),
            (moments.AFTER_BACK, "undrain", "old", GO_ON),
        )
    ]
    people = ("before-cutover", moments.BEFORE_CUTOVER, moments.AFTER_CUTOVER, "after-cutover", moments.AFTER_ROLLBACK)
    entries += [
        {"moment": one, "command": ["sh", "-c", f"echo {one} >> people"], "on_failure": GO_ON} for one in people
    ]
    (move.work / FILE).write_text(yaml.safe_dump({"naru_hooks": 1, "hooks": entries}))
    assert len(json.loads(move.run("hooks", str(move.work), "-f", "json"))) == len(entries)

    state = move.phase("cutover", kills=2, longest=6.0)
    assert not state["failed"] and state["state"] == "held"
    found = told(move)
    for name in servers:
        mine = [line for line in found if line[2] == name]
        # at least once each, under one key, while the old server still ran, and when the new one did
        assert [line[0] for line in mine] == sorted((line[0] for line in mine), key=["drain", "undrain"].index)
        assert {tuple(line[:2]) for line in mine} == {("drain", "old"), ("undrain", "new")}
        assert {line[3] for line in mine} == {"ACTIVE"}
        assert len({line[4] for line in mine}) == 2
    assert set(balancer.read_text().split()) == everything
    downtimes = json.loads(move.run("downtime", str(move.work), "-f", "json"))
    assert all(row["hooks"] > 2 for row in downtimes if row["server"] in servers)
    lines = (move.work / "people").read_text().splitlines()
    assert lines[-2:] == [moments.AFTER_CUTOVER, "after-cutover"] and lines[0] == "before-cutover"

    (move.work / "told").unlink()
    state = move.phase("rollback", kills=1, longest=6.0)
    assert state["state"] == "done" and not state["failed"]
    found = told(move)
    for name in servers:
        mine = [line for line in found if line[2] == name]
        assert {tuple(line[:2]) for line in mine} == {("drain", "new"), ("undrain", "old")}
        assert {line[3] for line in mine} == {"ACTIVE"}
    assert set(balancer.read_text().split()) == everything
    assert moments.AFTER_ROLLBACK in (move.work / "people").read_text()
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshots(clouds)["old"]) == {}
