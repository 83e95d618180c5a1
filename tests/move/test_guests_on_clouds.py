"""Real guests, which write a line a second to their disks, moved while they run: every line up to the stop arrives.

NARU_TEST_GUEST_MOVE=DIRECTORY uses and keeps a lab there, for a quick loop.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.guests import heartbeats
from naru.lab.lab import Lab
from naru.releases import release

from ..lab import scenario
from ..lab.scenario import Rest, come_up
from ..lab.test_guests import beating, boot, left_of, namespaces, ready
from .conftest import snapshots
from .oracle import leftovers, snapshot
from .oracle.pairs import pair as pairs_of
from .scenario import Move, moving, same

pytestmark = [pytest.mark.guests, pytest.mark.releases, pytest.mark.timeout(2400)]

PORT_BASE = 29000
PROJECT = "ferry"
BACKENDS = ("ceph", "nfs")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two clouds three years apart, each with a host for real guests."""
    kept = os.environ.get("NARU_TEST_GUEST_MOVE")
    made = Lab(Path(kept) if kept else tmp_path_factory.mktemp("guests") / "move")
    clouds = ["old=2023.1", f"new={release.names()[-1]}"]
    come_up(made, spec.build(clouds, None, 1, PORT_BASE, guests=1))
    yield made
    if kept:
        return
    inside = {cloud.name: namespaces(cloud) for cloud in made.clouds()}
    both = made.clouds()
    made.down()
    assert [left for cloud in both for left in left_of(cloud, inside[cloud.name])] == []


@pytest.fixture(scope="module")
def user(lab: Lab) -> Rest:
    """Somebody with a project of their own on the old cloud."""
    admin = scenario.connect(lab, "old")
    rest = Rest(admin)
    project = rest("identity", "POST", "/projects", {"project": {"name": PROJECT, "domain_id": "default"}})["project"]
    person = {
        "name": "ferryman",
        "domain_id": "default",
        "password": "rows across",
        "default_project_id": project["id"],
    }
    made = rest("identity", "POST", "/users", {"user": person})["user"]
    roles = {role["name"]: role["id"] for role in rest("identity", "GET", "/roles")["roles"]}
    rest("identity", "PUT", f"/projects/{project['id']}/users/{made['id']}/roles/{roles['member']}")
    names = {"username": "ferryman", "password": "rows across", "project_name": PROJECT}
    return Rest(admin.connect_as(**names, user_domain_id="default", project_domain_id="default"))


def test_guests_moved_while_they_run(lab: Lab, user: Rest, tmp_path: Path) -> None:
    old, new = lab.cloud("old"), lab.cloud("new")
    clouds = {name: Rest(scenario.connect(lab, name)) for name in ("old", "new")}
    guests = {}
    with scenario.network(user) as network:
        for backend in BACKENDS:
            guests[backend] = boot(user, backend, network["network"])
            ready(user, guests[backend][0], 1)
        before = snapshots(clouds)
        with moving(Move(lab, tmp_path / "work", (PROJECT,), map_file=None)) as move:
            move.plan()
            move.phase("prepare")
            move.ahead()
            move.ahead()
            for _, root in guests.values():
                beating(old, root, 1)  # they run on, and lost nothing by what was read of them
            state = move.phase("cutover")
            assert state["state"] == "held" and not state["failed"], state
            assert move.unexplained() == []
            after = snapshot(clouds["new"])
            pairs = pairs_of(before["old"], after)
            for backend, (server, root) in guests.items():
                last = heartbeats.of_volume(old, root)
                assert last.lines[-1] == "off 1" and last.gaps() == [], backend
                ready(clouds["new"], pairs["server"][server], 2)
                arrived = beating(new, pairs["volume"][root], 2)
                assert arrived.lines[: len(last.lines)] == last.lines, backend
                assert arrived.boots == [1, 2]
            told = {row["old id"]: row for row in json.loads(move.run("downtime", str(move.work), "-f", "json"))}
            for backend, (server, _) in guests.items():
                row = told[server]
                parts = {part: row[part] for part in ("stop", "content", "wait", "start")}
                assert sum(parts.values()) == pytest.approx(row["measured"], abs=0.01)
                print(f"\n{backend}: off for {row['measured']:.1f} s: {parts}")

            # back: the old guests go on with what they had
            began = time.monotonic()
            move.phase("rollback")
            print(f"\nrolled back in {time.monotonic() - began:.1f} s")
            assert leftovers(clouds["new"], before["new"]) == {}
            for server, root in guests.values():
                ready(user, server, 2)
                assert beating(old, root, 2).boots == [1, 2]
            assert same(before["old"], snapshot(clouds["old"])) == {}
        for server, root in guests.values():
            user("compute", "DELETE", f"/servers/{server}")
            user.gone("compute", f"/servers/{server}")
            user("volumev3", "DELETE", f"/volumes/{root}")
            user.gone("volumev3", f"/volumes/{root}")
