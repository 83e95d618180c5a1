"""The demo sample on a real Pike: counted, read and taken out again by other means than the seeder's own."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content, remove, seeder
from naru.lab.seed.load import load
from tests.lab.conftest import ignore
from tests.lab.scenario import Rest, connect

pytestmark = pytest.mark.lab

SEED = """
import sys
from pathlib import Path
from naru.lab.lab import Lab
from naru.lab.seed import seeder
from naru.lab.seed.load import load
seeder.seed(load("demo"), Lab(Path(sys.argv[1])).cloud(sys.argv[2]), lambda done, total, what: print(done, flush=True))
"""
COLLECTIONS = (
    ("identity", "/projects", "projects"),
    ("identity", "/users", "users"),
    ("identity", "/groups", "groups"),
    ("identity", "/role_assignments", "role_assignments"),
    ("compute", "/servers/detail?all_tenants=1", "servers"),
    ("compute", "/os-server-groups?all_projects=1", "server_groups"),
    ("compute", "/flavors/detail?is_public=None", "flavors"),
    ("volumev3", "/volumes/detail?all_tenants=1", "volumes"),
    ("volumev3", "/snapshots/detail?all_tenants=1", "snapshots"),
    ("volumev3", "/backups/detail?all_tenants=1", "backups"),
    ("volumev3", "/types?is_public=None", "volume_types"),
    ("image", "/v2/images?limit=500", "images"),
    *(
        ("network", f"/v2.0/{path}", path.rpartition("/")[2].replace("-", "_"))
        for path in ("networks", "subnets", "ports", "routers", "floatingips", "security-groups", "trunks")
    ),
    *(
        ("network", f"/v2.0/{path}", path.rpartition("/")[2].replace("-", "_"))
        for path in ("security-group-rules", "subnetpools", "address-scopes", "qos/policies", "rbac-policies")
    ),
)
# what changes by itself
RESTLESS = {"updated_at", "updated", "links", "progress", "self", "schema", "file", "OS-EXT-STS:task_state", "hostId"}


def census(lab: Lab, name: str) -> dict[str, dict[str, Any]]:
    """Everything in the cloud as its APIs tell it, by kind and id. Without the
    group `default` of no project, which Neutron makes for the gateway ports of routers and keeps."""
    rest = Rest(connect(lab, name))
    found = {}
    for service, path, collection in COLLECTIONS:
        items = rest(service, "GET", path)[collection]
        found[collection] = {
            item.get("id") or json.dumps(item, sort_keys=True): {
                key: value for key, value in item.items() if key not in RESTLESS
            }
            for item in items
            if not (collection.startswith("security_group") and not item["tenant_id"])
        }
    return found


def in_order(counted: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The same with all lists sorted: Neutron of Pike shuffles those of subnets, tags and routes."""
    return {
        kind: {
            identity: {
                field: sorted(value, key=str) if isinstance(value, list) else value for field, value in item.items()
            }
            for identity, item in items.items()
        }
        for kind, items in counted.items()
    }


def sizes(counted: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {kind: len(items) for kind, items in counted.items()}


@contextlib.contextmanager
def without_manifest_left(cloud: Cloud) -> Iterator[None]:
    yield
    assert not seeder.manifest_path(cloud, "demo").exists()


@pytest.fixture(scope="module")
def empty(pair: Lab) -> dict[str, dict[str, Any]]:
    """What `old` holds without the sample."""
    cloud = pair.cloud("old")
    remove.remove(load("demo"), cloud, ignore)
    return census(pair, "old")


@pytest.fixture(scope="module")
def killed(pair: Lab, empty: dict[str, dict[str, Any]]) -> Cloud:
    """`old` seeded by runs of which the first three were killed at different places."""
    cloud = pair.cloud("old")
    for after in (25, 70, 110):
        with subprocess.Popen(
            [sys.executable, "-c", SEED, str(pair.directory), "old"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                if int(line) >= after:
                    break
            time.sleep(0.3)
            os.kill(process.pid, signal.SIGKILL)
    seeder.seed(load("demo"), cloud, ignore)
    return cloud


def test_a_killed_seed_goes_on_to_the_declared_whole(
    pair: Lab, killed: Cloud, empty: dict[str, dict[str, Any]]
) -> None:
    sample = load("demo")
    counted = census(pair, "old")
    made = {kind: len(items) - len(empty[kind]) for kind, items in counted.items()}
    declared = {
        kind: sum(key.kind == name for key in sample.things)
        for kind, name in (
            *(("projects", "project"), ("users", "user"), ("groups", "group"), ("servers", "server")),
            *(("networks", "network"), ("subnets", "subnet"), ("routers", "router"), ("floatingips", "floating_ip")),
            *(("snapshots", "snapshot"), ("backups", "backup"), ("trunks", "trunk"), ("flavors", "flavor")),
        )
    }
    assert {kind: made[kind] for kind in declared} == declared
    # all that are declared but the one Pike cannot have, and the two that servers brought
    assert made["volumes"] == sum(key.kind == "volume" for key in sample.things) - 1 + 2
    servers = {item["name"]: item["status"] for item in counted["servers"].values()}
    for key, thing in sample.things.items():
        if key.kind == "server" and key.ref != "probe":
            assert servers[thing.name] == thing.state


def test_seeding_again_changes_nothing(pair: Lab, killed: Cloud) -> None:
    before = census(pair, "old")
    manifest = seeder.manifest_path(killed, "demo").read_bytes()
    result = seeder.seed(load("demo"), killed, ignore)
    assert result.created == {}
    assert in_order(census(pair, "old")) == in_order(before)
    assert seeder.manifest_path(killed, "demo").read_bytes() == manifest


def test_traps_are_really_there(pair: Lab, killed: Cloud) -> None:
    counted = census(pair, "old")

    def named(kind: str, name: str) -> dict[str, Any]:
        (item,) = [item for item in counted[kind].values() if item["name"] == name]
        return dict(item)

    assert named("subnets", "back-v4")["gateway_ip"] is None
    assert named("subnets", "front-v4")["dns_nameservers"] == ["10.10.0.3", "10.10.0.2", "192.0.2.53"]
    assert named("networks", "back")["port_security_enabled"] is False
    assert named("ports", "nogroups")["security_groups"] == []
    # Neutron may add the address of the SLAAC subnet by itself
    assert [ip["ip_address"] for ip in named("ports", "web-2")["fixed_ips"]][:2] == ["10.10.0.5", "10.10.1.5"]
    assert len(named("routers", "edge")["routes"]) == 2
    assert named("projects", "hanok-closed")["enabled"] is False
    assert named("users", "former")["enabled"] is False
    servers = connect(pair, "old").compute.servers(all_projects=True)
    assert {server.name for server in servers if server.is_locked} == {"db", "stopped"}
    groups = {item["id"]: item["name"] for item in counted["security_groups"].values()}
    remote = {
        (groups[rule["security_group_id"]], groups[rule["remote_group_id"]])
        for rule in counted["security_group_rules"].values()
        if rule["remote_group_id"]
    }
    assert {("web", "db"), ("db", "web")} <= remote
    mina = named("users", "mina")["id"]
    assert {item["user_id"] for item in counted["servers"].values() if item["name"] == "db"} == {mina}


def test_the_manifest_is_what_other_readers_read(pair: Lab, killed: Cloud, tmp_path: Path) -> None:
    volumes = census(pair, "old")["volumes"]
    entries = json.loads(seeder.manifest_path(killed, "demo").read_text())["entries"]
    assert {entry["id"] for entry in entries if entry["kind"] == "volume"} == volumes.keys()
    assert {entry["backend"] for entry in entries} == {"ceph", "nfs", ""}
    for entry in entries:
        if entry["size"] > 1 << 30:  # the others are read slowly, and no differently
            continue
        if entry["backend"] == "ceph" and entry["kind"] == "volume":
            conf = killed.ceph.conf("cinder")
            command = f"rbd -c {conf} --id cinder export --no-progress volumes/volume-{entry['id']} - | sha256sum"
            read = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True)
            assert read.stdout.split()[0] == entry["sha256"], entry
        elif entry["kind"] == "volume" and not (killed.nfs_export / f"volume-{entry['id']}.info").exists():
            source, raw = killed.nfs_export / f"volume-{entry['id']}", tmp_path / "raw"
            subprocess.run(["qemu-img", "convert", "-O", "raw", str(source), str(raw)], check=True)
            with raw.open("rb") as stream:
                assert hashlib.file_digest(stream, "sha256").hexdigest() == entry["sha256"], entry


def test_a_changed_byte_is_found(killed: Cloud) -> None:
    sample = load("demo")
    entries = json.loads(seeder.manifest_path(killed, "demo").read_text())["entries"]
    spoiled = {}
    for name, host in (("archive", "block@ceph#ceph"), ("archive-nfs", "block@nfs#nfs")):
        entry = next(entry for entry in entries if (entry["kind"], entry["name"]) == ("volume", name))
        volume = {"id": entry["id"], "size": entry["size"] >> 30, "os-vol-host-attr:host": host}
        spoiled[name] = volume, content.pieces(f"demo/hanok/volume/{name}", entry["size"], 1, 2)[0]
        content.write(killed, volume, [content.Piece(0, b"\0" * 512)])
    checked, differences = seeder.check(sample, killed, ignore)
    assert checked > 20 and {item.entry.name for item in differences} == spoiled.keys()
    for volume, first in spoiled.values():
        content.write(killed, volume, [first])
    assert seeder.check(sample, killed, ignore)[1] == []


def test_remove_leaves_nothing(pair: Lab, killed: Cloud, empty: dict[str, dict[str, Any]]) -> None:
    with without_manifest_left(killed):
        remove.remove(load("demo"), killed, ignore)
    assert sizes(census(pair, "old")) == sizes(empty)
    pool = subprocess.run(
        ["rbd", "-c", str(killed.ceph.conf("cinder")), "--id", "cinder", "ls", "volumes"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert pool.stdout == ""
    assert not [path for path in killed.nfs_export.iterdir() if path.name.startswith("volume-")]
    assert remove.remove(load("demo"), killed, ignore) == {}
