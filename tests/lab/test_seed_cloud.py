"""The demo sample on a real Pike: counted, read and taken out again by other means than the seeder's own."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content, remove, seeder
from naru.lab.seed.load import load

from .scenario import census, connect, ignore

pytestmark = pytest.mark.lab


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


def without_defaults(counted: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without the security groups of projects that stay: Neutron makes a project's when somebody first asks."""
    stay = counted["projects"].keys()
    return counted | {
        kind: {identity: item for identity, item in counted[kind].items() if item["tenant_id"] not in stay}
        for kind in ("security_groups", "security_group_rules")
    }


@contextlib.contextmanager
def without_manifest_left(cloud: Cloud) -> Iterator[None]:
    yield
    assert not seeder.manifest_path(cloud, "demo").exists()


def test_a_killed_seed_goes_on_to_the_declared_whole(
    pair: Lab, company: Cloud, empty: dict[str, dict[str, Any]]
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


def test_seeding_again_changes_nothing(pair: Lab, company: Cloud) -> None:
    before = census(pair, "old")
    manifest = seeder.manifest_path(company, "demo").read_bytes()
    result = seeder.seed(load("demo"), company, ignore)
    assert result.created == {}
    assert in_order(census(pair, "old")) == in_order(before)
    assert seeder.manifest_path(company, "demo").read_bytes() == manifest


def test_traps_are_really_there(pair: Lab, company: Cloud) -> None:
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


def test_the_manifest_is_what_other_readers_read(pair: Lab, company: Cloud, tmp_path: Path) -> None:
    volumes = census(pair, "old")["volumes"]
    entries = json.loads(seeder.manifest_path(company, "demo").read_text())["entries"]
    assert {entry["id"] for entry in entries if entry["kind"] == "volume"} == volumes.keys()
    assert {entry["backend"] for entry in entries} == {"ceph", "nfs", ""}
    # those that are larger, or have snapshots, are read slowly, and no differently
    plain = [
        entry
        for entry in entries
        if entry["kind"] == "volume"
        and entry["size"] == 1 << 30
        and not (company.nfs_export / f"volume-{entry['id']}.info").exists()
    ]
    for backend in ("ceph", "nfs"):
        for entry in [entry for entry in plain if entry["backend"] == backend][:1]:
            name = f"volume-{entry['id']}"
            if backend == "ceph":
                read = f"rbd -c {company.ceph.conf('cinder')} --id cinder export --no-progress volumes/{name} -"
            else:
                raw = tmp_path / name
                subprocess.run(["qemu-img", "convert", "-O", "raw", company.nfs_export / name, raw], check=True)
                read = f"cat {raw}"
            command = ["bash", "-o", "pipefail", "-c", f"{read} | sha256sum"]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert told.split()[0] == entry["sha256"], entry


def test_a_changed_byte_is_found(company: Cloud) -> None:
    sample = load("demo")
    entries = json.loads(seeder.manifest_path(company, "demo").read_text())["entries"]
    spoiled = {}
    for name, host in (("archive", "block@ceph#ceph"), ("archive-nfs", "block@nfs#nfs")):
        entry = next(entry for entry in entries if (entry["kind"], entry["name"]) == ("volume", name))
        volume = {"id": entry["id"], "size": entry["size"] >> 30, "os-vol-host-attr:host": host}
        spoiled[name] = volume, content.pieces(f"demo/hanok/volume/{name}", entry["size"], 1, 2)[0]
        content.write(company, volume, [content.Piece(0, b"\0" * 512)])
    checked, differences = seeder.check(sample, company, ignore)
    assert checked > 20 and {item.entry.name for item in differences} == spoiled.keys()
    whole = {entry["name"]: entry["sha256"] for entry in entries if entry["kind"] == "volume"}
    for name, (volume, first) in spoiled.items():
        content.write(company, volume, [first])
        assert content.digest(company, volume).sha256 == whole[name]


@pytest.mark.releases
@pytest.mark.last
def test_remove_leaves_nothing(pair: Lab, company: Cloud, empty: dict[str, dict[str, Any]]) -> None:
    with without_manifest_left(company):
        remove.remove(load("demo"), company, ignore)
    assert sizes(without_defaults(census(pair, "old"))) == sizes(without_defaults(empty))
    pool = subprocess.run(
        ["rbd", "-c", str(company.ceph.conf("cinder")), "--id", "cinder", "ls", "volumes"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert pool.stdout == ""
    assert not [path for path in company.nfs_export.iterdir() if path.name.startswith("volume-")]
    assert remove.remove(load("demo"), company, ignore) == {}
