"""A server of a real cloud is brought up again from the snapshot of its volume, and taken back.

It is in a project in which the administrator has no role, and its port is one that Nova has made.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack.config
import pytest
import yaml
from openstack.connection import Connection

from naru.cli.main import main
from naru.lab.lab import Lab

from ..lab import scenario
from ..lab.scenario import Rest, connect, wait
from .test_drain_on_clouds import until_done

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(900)]


class Hung:
    """A server of a project: it boots from a volume that has a snapshot, and has a volume with data."""

    def __init__(self, lab: Lab, name: str, directory: Path) -> None:
        self.lab, self.cloud = lab, lab.cloud(name)
        self.rest = Rest(connect(lab, name))
        self.site = directory / "site.yaml"
        self.site.write_text(yaml.safe_dump({"naru_site": 1, "name": "lab", "cloud": name}))
        self.server = self.root = self.data = self.snapshot = ""
        self.owner = self.rest

    def get(self, server: str) -> dict[str, Any]:
        found: dict[str, Any] = self.rest("compute", "GET", f"/servers/{server}")["server"]
        return found

    def ports(self, server: str) -> list[tuple[str, str, str]]:
        found = self.rest("network", "GET", f"/v2.0/ports?device_id={server}")["ports"]
        return sorted((one["id"], one["mac_address"], one["fixed_ips"][0]["ip_address"]) for one in found)

    def owners(self, volume: str) -> list[str]:
        found = self.rest("volumev3", "GET", f"/volumes/{volume}")["volume"]
        return [one["server_id"] for one in found["attachments"]]

    def named(self) -> list[str]:
        found = self.rest("compute", "GET", "/servers/detail?all_tenants=1&name=^hung$")["servers"]
        return sorted(one["id"] for one in found)

    def roles(self) -> list[Any]:
        path = f"/v3/role_assignments?user.id={self.rest.session.get_user_id()}&scope.project.id={self.owner.project}"
        found: list[Any] = self.rest("identity", "GET", path)["role_assignments"]
        return found


@contextlib.contextmanager
def an_owner(lab: Lab, name: str, rest: Rest) -> Iterator[Rest]:
    """A user of a project of its own, with the role member."""
    project = rest("identity", "POST", "/v3/projects", {"project": {"name": "hung"}})["project"]["id"]
    fields = {"name": "hung", "password": "hung", "domain_id": "default"}
    user = rest("identity", "POST", "/v3/users", {"user": fields})["user"]["id"]
    (role,) = rest("identity", "GET", "/v3/roles?name=member")["roles"]
    rest("identity", "PUT", f"/v3/projects/{project}/users/{user}/roles/{role['id']}")
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    yield Rest(
        Connection(config=config.get_one(name, auth={"username": "hung", "password": "hung", "project_name": "hung"}))
    )
    rest("identity", "DELETE", f"/v3/users/{user}")
    rest("identity", "DELETE", f"/v3/projects/{project}")


@pytest.fixture(scope="module", params=["old", "new"])
def hung(pair: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Hung]:
    found = Hung(pair, request.param, tmp_path_factory.mktemp("revive"))
    admin = found.rest
    with (
        an_owner(pair, request.param, admin) as rest,
        scenario.network(rest) as network,
        scenario.image(rest) as image,
    ):
        found.owner = rest
        found.root = rest.volume(size=1, volume_type="nfs", name="hung-root", imageRef=image)
        found.data = rest.volume(size=1, volume_type="nfs", name="hung-data")
        disk = {"uuid": found.root, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
        body = {
            **{"name": "hung", "flavorRef": scenario.flavor(rest), "block_device_mapping_v2": [disk]},
            **{"networks": [{"uuid": network["network"]}], "metadata": {"role": "web"}},
        }
        found.server = rest("compute", "POST", "/servers", {"server": body})["server"]["id"]
        rest.wait_server(found.server, "ACTIVE")
        attach = {"volumeAttachment": {"volumeId": found.data}}
        rest("compute", "POST", f"/servers/{found.server}/os-volume_attachments", attach)
        rest.wait_volume(found.data, "in-use")
        fields = {"volume_id": found.root, "name": "nightly", "force": True}
        found.snapshot = rest("volumev3", "POST", "/snapshots", {"snapshot": fields})["snapshot"]["id"]
        wait(
            "the snapshot",
            lambda: rest("volumev3", "GET", f"/snapshots/{found.snapshot}")["snapshot"]["status"] == "available",
        )
        try:
            yield found
        finally:
            admin("compute", "POST", f"/servers/{found.server}/action", {"unlock": None})
            rest("compute", "DELETE", f"/servers/{found.server}")
            rest.gone("compute", f"/servers/{found.server}")
            rest("volumev3", "DELETE", f"/snapshots/{found.snapshot}")
            rest.gone("volumev3", f"/snapshots/{found.snapshot}")
            for volume in (found.root, found.data):
                rest.wait_volume(volume, "available")
                rest("volumev3", "DELETE", f"/volumes/{volume}")
                rest.gone("volumev3", f"/volumes/{volume}")


def test_there_and_back_whoever_is_killed(
    hung: Hung, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(hung.lab.clouds_yaml))
    work, ports = tmp_path / "work", hung.ports(hung.server)
    assert hung.roles() == []
    words = ["-q", "server", "revive", "hung", "--site", str(hung.site), "--work", str(work), "-f", "json"]
    assert main(words) == 0
    assert "enter" in [row["step"] for row in json.loads(capsys.readouterr().out)]
    assert hung.get(hung.server)["status"] == "ACTIVE"
    until_done("plan", "run", work, most=8.0)
    (new,) = set(hung.named()) - {hung.server}
    found = hung.get(new)
    assert (found["status"], found["metadata"]["role"]) == ("ACTIVE", "web")
    assert hung.ports(new) == ports and hung.ports(hung.server) == []
    assert hung.owners(hung.data) == [new] and hung.owners(hung.root) == [hung.server]
    assert hung.get(hung.server)["status"] == "SHUTOFF"
    assert hung.roles() == []
    (made,) = [
        one["id"]
        for one in hung.rest("volumev3", "GET", "/volumes/detail?all_tenants=1")["volumes"]
        if one["snapshot_id"] == hung.snapshot
    ]
    # and all of it back: nothing is left of the new one
    assert main(["-q", "plan", "rollback", str(work)]) == 0
    assert hung.named() == [hung.server]
    assert hung.get(hung.server)["status"] == "ACTIVE"
    assert hung.ports(hung.server) == ports
    assert hung.owners(hung.data) == [hung.server]
    hung.rest.gone("volumev3", f"/volumes/{made}")
    assert hung.roles() == []
