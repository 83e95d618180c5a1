"""A small project moved between clouds whose volumes are on one Ceph cluster: rolled back, then moved for good."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from naru.lab import health
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content
from naru.lab.services import cinder
from naru.volumes.ceph.location import Rbd
from naru.volumes.engine.checksum import checksum

from ..lab.scenario import Rest
from .conftest import remove_crossing, snapshots
from .oracle import leftovers, project, snapshot
from .oracle.pairs import pair as pairs_of
from .scenario import Move, all_told, crossing_of, moving, of_others, same, told

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]

POOL, USER = "volumes-new", "cinder-new"
CAPS = f"profile rbd pool={POOL}, profile rbd-read-only pool=volumes, profile rbd-read-only pool=images"


def ceph(cloud: Cloud, *arguments: str) -> str:
    return content.run(arguments[0], "-c", str(cloud.ceph.conf("admin")), *arguments[1:]).decode()


@pytest.fixture
def shared(pair: Lab, crossing: Cloud) -> Iterator[Cloud]:
    """The old cloud, on whose cluster the new cloud's backend `ceph` has a pool and a key of its own meanwhile."""
    old, new = pair.cloud("old"), pair.cloud("new")
    ceph(old, "ceph", "osd", "pool", "create", POOL, "8")
    ceph(old, "ceph", "osd", "pool", "application", "enable", POOL, "rbd")
    key = ceph(old, "ceph", "auth", "get-or-create", f"client.{USER}", "mon", "profile rbd", "osd", CAPS)
    conf, keyring = old.ceph.conf(USER), old.ceph.keyring(USER)
    keyring.touch(mode=0o600)
    keyring.write_text(key)
    said = old.ceph.conf("cinder").read_text()
    conf.write_text(said.replace(str(old.ceph.keyring("cinder")), str(keyring)))

    file, storage = new.etc / "cinder" / "cinder.conf", pair.storage_yaml("new")
    before = {path: path.read_text() for path in (file, storage)}
    own = str(new.ceph.conf("cinder"))
    changed = before[file].replace("rbd_pool = volumes\n", f"rbd_pool = {POOL}\n")
    changed = changed.replace("rbd_user = cinder\n", f"rbd_user = {USER}\n").replace(own, str(conf))
    described = yaml.safe_load(before[storage])
    described["backends"]["ceph"] |= {"pool": POOL, "user": USER, "conf": str(conf)}
    try:
        _restarted(new, file, changed)
        storage.write_text(yaml.safe_dump(described))
        yield old
    finally:
        storage.write_text(before[storage])
        _restarted(new, file, before[file])
        left = ceph(old, "rbd", "ls", POOL).split()
        ceph(old, "ceph", "osd", "pool", "delete", POOL, POOL, "--yes-i-really-really-mean-it")
        ceph(old, "ceph", "auth", "rm", f"client.{USER}")
        conf.unlink()
        keyring.unlink()
    assert left == []


def _restarted(cloud: Cloud, file: Path, text: str) -> None:
    """Cinder's volume service with this configuration."""
    since = time.time()
    cloud.processes.stop(["cinder-volume"])
    file.write_text(text)
    cloud.processes.start(next(command for command in cinder.programs(cloud) if command.name == "cinder-volume"))
    health.wait(cloud, since)


def without_snapshots(old: Rest) -> None:
    """A volume with snapshots is copied: they are made on the new one, and a clone would not have them."""
    for item in old("volumev3", "GET", "/snapshots/detail?all_tenants=1")["snapshots"]:
        if item["name"] in ("first-boot", "settled"):
            old("volumev3", "DELETE", f"/snapshots/{item['id']}")
            old.gone("volumev3", f"/snapshots/{item['id']}")


@pytest.fixture
def moves(pair: Lab, shared: Cloud, tmp_path: Path) -> Iterator[list[Move]]:
    """There and back, and for good; what is not final is rolled back while the new cloud still knows its volumes."""
    back, final = (Move(pair, tmp_path / name, ("crossing",), map_file=None) for name in ("back", "work"))
    with moving(back), moving(final):
        yield [back, final]


def test_one_cluster_under_both_clouds(pair: Lab, shared: Cloud, moves: list[Move], clouds: dict[str, Rest]) -> None:
    without_snapshots(clouds["old"])
    before = snapshots(clouds)
    old_id, volumes = crossing_of(before["old"])
    (root,) = [item for item in volumes if item["name"] == "root"]
    digest = checksum(Rbd("volumes", f"volume-{root['id']}", str(shared.ceph.conf("cinder")), "cinder")).digest
    kept = f"volumes/volume-{root['id']}"

    def points() -> list[str]:
        return [item["name"] for item in json.loads(ceph(shared, "rbd", "snap", "ls", "-a", kept, "--format", "json"))]

    move, again = moves
    move.plan()
    move.phase("prepare")
    ahead = {row["title"]: row for row in move.ahead()}
    assert ahead["content of volume root, 1 GiB"]["way"] == "clone"
    assert ahead["content of volume data, 1 GiB"]["way"] == "copy"
    assert points() == []
    move.phase("cutover", kills=4, longest=6.0)
    assert points() == []  # independent already
    move.phase("rollback", kills=2)
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
    assert ceph(shared, "rbd", "ls", POOL).split() == []

    move = again
    move.plan()
    move.phase("prepare")
    move.phase("cutover", kills=3, longest=6.0)
    assert move.unexplained() == []
    after = snapshot(clouds["new"])
    wrong = [found for found in project(before["old"], after, old_id) if not told(found) and not of_others(found)]
    all_told(wrong)
    arrived = after["volume"][pairs_of(before["old"], after)["volume"][root["id"]]]
    new = f"volume-{arrived['id']}"
    assert ceph(shared, "rbd", "ls", POOL).split() == [new]
    assert checksum(Rbd(POOL, new, str(shared.ceph.conf(USER)), USER)).digest == digest
    state = move.phase("finalize")
    assert state["state"] == "done" and not state["failed"]
    remove_crossing(pair)  # Cinder deletes it as one of its own
    assert leftovers(clouds["new"], before["new"]) == {}
