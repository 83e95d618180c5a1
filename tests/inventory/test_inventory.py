"""The inventory of both clouds, against what their APIs answer to other questions."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from naru.cloud.client import Cloud as Client
from naru.cloud.client import CloudError
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.kinds import ELSEWHERE, SECRET
from naru.inventory.kinds import KINDS as DECLARED
from naru.inventory.read import NO_FLAVOR, NO_IMAGE, NOT_ASKED, Reading, read
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest, census, connect

pytestmark = pytest.mark.lab

# our kind by the collection of the independent census
KINDS = {
    "projects": "project",
    "users": "user",
    "groups": "group",
    "role_assignments": "role assignment",
    "servers": "server",
    "server_groups": "server group",
    "flavors": "flavor",
    "volumes": "volume",
    "snapshots": "snapshot",
    "backups": "backup",
    "volume_types": "volume type",
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "routers": "router",
    "floatingips": "floating IP",
    "security_groups": "security group",
    "trunks": "trunk",
    "subnetpools": "subnet pool",
    "address_scopes": "address scope",
    "policies": "QoS policy",
    "rbac_policies": "RBAC policy",
}

NOT_THERE = {
    **{"user compute quota": NOT_ASKED, "allocation candidates": NO_FLAVOR, "image data": NO_IMAGE},
    "LBaaS load balancer": "no lbaasv2 in its network service",
    **{kind.name: "no load-balancer service" for kind in DECLARED if kind.service == "load-balancer"},
    **{kind.name: NOT_ASKED for kind in DECLARED if kind.each == ELSEWHERE},
}
"""What is not read of a cloud without further services when no single things are asked for."""


def client(pair: Lab, name: str) -> Client:
    return Client(name, config_files=[str(pair.clouds_yaml)])


@pytest.fixture(scope="module")
def taken(pair: Lab, company: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, list[Reading], Any]:
    """The old cloud with the demo company in it: the archive, the readings, and every path that was asked."""
    asked: Counter[str] = Counter()

    def count(answer: requests.Response, *_: Any, **__: Any) -> None:
        asked[answer.request.path_url.partition("?")[0]] += 1

    archive = Archive(tmp_path_factory.mktemp("inventory") / "archive.db")
    with client(pair, "old") as cloud:
        cloud._http.hooks["response"].append(count)
        number = archive.begin("old")
        readings = read(cloud, lambda rows: archive.add(number, rows))
        archive.end(number, readings)
    return archive, readings, asked


def test_nothing_of_the_cloud_is_left_out(pair: Lab, taken: Any) -> None:
    archive, readings, _ = taken
    assert [reading for reading in readings if reading.failed] == []
    for collection, items in census(pair, "old").items():
        if collection not in KINDS:
            continue
        rows = {row.id: row for row in archive.rows(1, kind=KINDS[collection])}
        if collection == "security_groups":  # the census leaves out those of nobody
            rows = {identity: row for identity, row in rows.items() if row.project}
        if collection == "role_assignments":
            assert len(rows) == len(items)
            continue
        assert rows.keys() == items.keys(), collection
        for identity, item in items.items():
            # an older version's fields are all there, with the same values, but for what newer versions renamed
            same = {name: rows[identity].body.get(name) for name in item if name in rows[identity].body}
            assert same.get("name") == item.get("name"), (collection, identity)
            if collection not in ("servers", "server_groups", "volumes"):
                assert same.keys() == item.keys(), (collection, identity)


def test_what_pike_tells_only_in_older_or_newer_versions_is_there(pair: Lab, taken: Any) -> None:
    archive, *_ = taken
    servers = list(archive.rows(1, kind="server"))
    flavors = {row.id for row in archive.rows(1, kind="flavor")}
    for row in servers:
        assert {"tags", "locked", "description", "OS-EXT-SRV-ATTR:user_data", "host_status"} <= row.body.keys()
        assert row.body["flavor"]["vcpus"] >= 1 and row.body["flavor_link"]["id"] in flavors
    assert any(row.body["tags"] for row in servers)
    keys = list(archive.rows(1, kind="key pair"))
    assert len(keys) == 5 and all(row.body["user_id"] and row.body["keypair"]["public_key"] for row in keys)
    problems = {reading.kind: reading.problem for reading in taken[1] if reading.problem}
    assert problems == {
        "application credential": "no application_credentials in its identity service",
        "address group": "no address-group in its network service",
        "default security group rule": "no security-groups-default-rules in its network service",
        "port forwarding": "no floating-ip-port-forwarding in its network service",
        **NOT_THERE,
    }


def test_every_projects_quotas_are_there(pair: Lab, taken: Any) -> None:
    archive, *_ = taken
    projects = {row.id: row.name for row in archive.rows(1, kind="project")}
    for kind in ("compute quota", "volume quota", "network quota"):
        assert {row.id for row in archive.rows(1, kind=kind)} == projects.keys()
    (lab,) = [identity for identity, name in projects.items() if name == "hanok-lab"]
    told = {
        kind: next(row for row in archive.rows(1, kind=f"{kind} quota") if row.id == lab)
        for kind in ("compute", "volume")
    }
    assert told["compute"].body["instances"] == 5
    assert (told["volume"].body["gigabytes_nfs"], told["volume"].body["volumes"]) == (0, 5)
    assert {row.name for row in archive.rows(1, kind="compute availability zone")} >= {"nova"}
    hosts = {row.body["hypervisor_hostname"] for row in archive.rows(1, kind="hypervisor")}
    assert hosts >= {"compute1", "compute2"}


def test_a_users_own_quota_is_read_of_the_project_that_is_asked_for(pair: Lab, company: Cloud, tmp_path: Path) -> None:
    work = ("--work", str(tmp_path))
    done = naru(pair, "inventory", "old", "--project", "hanok", "--save", *work, "-f", "json")
    assert done.returncode == 0, done.stderr
    told = {row["kind"]: row for row in json.loads(done.stdout)}["user compute quota"]
    assert (told["count"], told["remark"]) == (1, "")
    with Archive(tmp_path / "archive.db", create=False) as archive:
        (row,) = archive.rows(1, kind="user compute quota")
        ((_, jun),) = [found for found in archive.find("jun", 1) if found[1].kind == "user"]
    assert row.body["user_id"] == jun.id and (row.body["instances"], row.body["cores"]) == (30, 50)


def test_key_pairs_by_database_are_those_by_api(pair: Lab, company: Cloud, taken: Any, tmp_path: Path) -> None:
    file = tmp_path / "nova.url"
    file.touch(mode=0o600)
    file.write_text(pair.cloud("old").database_url("nova_api"))
    done = naru(pair, "inventory", "old", "--nova-database", str(file), "--save", "--work", str(tmp_path), "-f", "json")
    assert done.returncode == 0, done.stderr
    told = {row["kind"]: row for row in json.loads(done.stdout)}["key pair"]
    assert (told["count"], told["remark"]) == (5, "from Nova's database")
    with Archive(tmp_path / "archive.db", create=False) as archive:
        assert list(archive.rows(1, kind="key pair")) == list(taken[0].rows(1, kind="key pair"))
    assert pair.cloud("old").secret not in done.stdout + done.stderr
    # Pike's database nova has a table of that name, too: what it holds was moved away by Newton
    file.write_text(pair.cloud("old").database_url("nova"))
    done = naru(pair, "inventory", "old", "--nova-database", str(file))
    assert done.returncode == 2 and "nova_api" in done.stderr


def test_no_request_is_made_for_each_server_or_volume(taken: Any) -> None:
    archive, _, asked = taken
    ids = {row.id for kind in ("server", "volume", "port", "snapshot") for row in archive.rows(1, kind=kind)}
    # Cinder knows of no attachment of a server that is shelved
    ids -= {row.id for row in archive.rows(1, kind="server") if row.status == "SHELVED_OFFLOADED"}
    assert ids and not [path for path in asked if any(part in ids for part in path.split("/"))]
    assert sum(count for path, count in asked.items() if path.endswith("/servers/detail")) == 2  # one is for 2.46
    assert sum(count for path, count in asked.items() if path.endswith("/v2.0/ports")) == 1


def test_what_things_refer_to_is_in_the_inventory(taken: Any) -> None:
    archive, *_ = taken
    rows = list(archive.rows(1))
    there = {(row.kind, row.id) for row in rows}
    missing = {
        (row.kind, path)
        for row in rows
        for path, kind, identity in row.references()
        if kind != "device" and (kind, identity) not in there and row.project
    }
    # the parent of a project at the top is its domain; an image that was deleted is still the origin of its volumes
    missing -= {("project", "parent_id"), ("volume", "volume_image_metadata.image_id"), ("server", "image.id")}
    assert missing == set()


def test_secrets_are_not_kept(pair: Lab, taken: Any) -> None:
    archive, *_ = taken
    credentials = list(archive.rows(1, kind="credential"))
    assert credentials and all(row.body["blob"] == SECRET for row in credentials)
    told = Rest(connect(pair, "old"))("identity", "GET", "/credentials")["credentials"]
    secrets = [json.loads(item["blob"])["secret"] for item in told]
    text = "".join(json.dumps(row.body) for row in archive.rows(1))
    assert secrets and not [secret for secret in secrets if secret in text]


def test_the_newest_release_is_read_whole(pair: Lab) -> None:
    found: Counter[str] = Counter()
    with client(pair, "new") as cloud:
        assert cloud.newest("compute") >= (2, 103) and cloud.supports("image", "2.7")
        readings = read(cloud, lambda rows: found.update(row.kind for row in rows))
    assert {reading.kind: reading.problem for reading in readings if reading.problem} == NOT_THERE
    assert found["network"] >= 1 and found["flavor"] >= 4


def test_an_ordinary_user_is_told_what_he_may_not_list(pair: Lab) -> None:
    with client(pair, "new-user") as cloud:
        failed = {reading.kind for reading in read(cloud, lambda rows: None) if reading.failed}
    assert {"project", "user", "server"} <= failed


def test_a_refusal_is_one_clear_error(pair: Lab) -> None:
    with client(pair, "old") as cloud, pytest.raises(CloudError) as refused:
        cloud("network", "GET", "/networks/none")
    assert refused.value.status == 404 and refused.value.request_id.startswith("req-")
    assert "could not be found" in refused.value.detail
    with pytest.raises(InputError, match=r"not in .*clouds\.yaml"):
        client(pair, "nowhere")


def test_silence_is_one_clear_error(pair: Lab, tmp_path: Path) -> None:
    text = pair.clouds_yaml.read_text().replace(f":{pair.cloud('old').ports['keystone']}/", ":9/")
    (tmp_path / "clouds.yaml").write_text(text)
    with Client("old", config_files=[str(tmp_path / "clouds.yaml")]) as cloud:
        with pytest.raises(CloudError, match="does not answer") as silent:
            cloud.endpoint("compute")
        assert silent.value.status == 0


def naru(pair: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(pair.clouds_yaml)}
    argv = [sys.executable, "-m", "naru.cli.main", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=300)


def test_the_commands(pair: Lab, company: Cloud, tmp_path: Path) -> None:
    done = naru(pair, "inventory", "old", "--project", "hanok", "--save", "--work", str(tmp_path), "-f", "json")
    assert done.returncode == 0, done.stderr
    counts = {row["kind"]: row["count"] for row in json.loads(done.stdout)}
    assert counts["server"] == 12 and counts["address group"] is None and counts["project"] == 1
    done = naru(pair, "archive", "show", "hanok", "--kind", "project", "--work", str(tmp_path))
    (project,) = json.loads(done.stdout)
    assert {"kind": "server", "field": "tenant_id"}.items() <= next(
        item for item in project["named_by"] if item["kind"] == "server"
    ).items()
    done = naru(pair, "archive", "list", "--work", str(tmp_path), "-f", "json")
    assert json.loads(done.stdout)[0]["cloud"] == "old"
    done = naru(pair, "archive", "show", "nothing", "--work", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "") and "nothing" in done.stderr
    done = naru(pair, "inventory", "old", "--project", "none")
    assert done.returncode == 2 and "no such project" in done.stderr and "Traceback" not in done.stderr


def test_a_second_reading_differs_in_what_was_changed_alone(pair: Lab, company: Cloud, tmp_path: Path) -> None:
    rest = Rest(connect(pair, "old"))
    (network,) = rest("network", "GET", "/v2.0/networks?name=lab")["networks"]
    work = ("--work", str(tmp_path))
    assert naru(pair, "inventory", "old", "--save", *work).returncode == 0
    assert naru(pair, "archive", "diff", *work).returncode == 2  # one reading alone
    assert naru(pair, "inventory", "old", "--save", *work).returncode == 0
    same = naru(pair, "archive", "diff", "--project", "hanok-lab", *work, "-f", "json")
    assert (same.returncode, json.loads(same.stdout)) == (0, [])
    rest("network", "PUT", f"/v2.0/networks/{network['id']}", {"network": {"description": "another"}})
    try:
        naru(pair, "inventory", "old", "--save", *work)
        # of this project alone: on a busy machine a service of the cloud may be late with its heartbeat
        other = naru(pair, "archive", "diff", "--project", "hanok-lab", *work, "-f", "json")
        (row,) = json.loads(other.stdout)
        assert other.returncode == 1
        assert (row["change"], row["id"], row["field"]) == ("changed", network["id"], "description")
        assert (row["before"], row["after"]) == (network["description"], "another")
    finally:
        description = {"network": {"description": network["description"]}}
        rest("network", "PUT", f"/v2.0/networks/{network['id']}", description)
