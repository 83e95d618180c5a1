"""A project whose people are in a directory that both clouds know: they are matched, never made and never changed."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import exceptions
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from naru.lab import spec
from naru.lab.api import PATHS, Api
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.releases import release

from ..lab.scenario import come_up
from .scenario import Move, moving

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]
PORT_BASE = 27000
PROJECT = "harbor"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Pike and the newest release, each with a directory of its own that has the same people in it."""
    lab = Lab(tmp_path_factory.mktemp("directory") / "lab")
    come_up(lab, spec.build(["old=pike", f"new={release.names()[-1]}"], ["ldap"], 1, PORT_BASE))
    yield lab
    lab.down()


class Person:
    """Somebody of the directory, in the project, with the password that is there."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        auth = v3.Password(
            auth_url=cloud.url("keystone", "/v3"),
            username=name,
            password=cloud.secret,
            user_domain_name="directory",
            project_name=PROJECT,
            project_domain_id="default",
        )
        self.session = Session(auth=auth, timeout=120)

    def __call__(self, service: str, method: str, path: str, body: Any = None) -> Any:
        root = self.cloud.url(service, PATHS[service].format(project=self.session.get_project_id()))
        answer = self.session.request(f"{root}{path}", method, json=body)
        return answer.json() if answer.content else None


def until(api: Person, service: str, path: str, kind: str, status: str) -> None:
    deadline = time.monotonic() + 120
    while api(service, "GET", path)[kind]["status"] != status:
        assert time.monotonic() < deadline, f"{path} does not become {status}"
        time.sleep(0.5)


def of_directory(api: Api, kind: str) -> dict[str, str]:
    """The users or groups of the directory, id by name."""
    (domain,) = api("keystone", "GET", "/domains?name=directory")["domains"]
    return {item["name"]: item["id"] for item in api("keystone", "GET", f"/{kind}?domain_id={domain['id']}")[kind]}


def grant(api: Api, project: str, who: str) -> None:
    (role,) = api("keystone", "GET", "/roles?name=member")["roles"]
    api("keystone", "PUT", f"/projects/{project}/{who}/roles/{role['id']}")


@pytest.fixture(scope="module")
def harbor(lab: Lab) -> str:
    """The project's id: sora is its member, and made what is in it; jun is it through the group crew."""
    cloud = lab.cloud("old")
    api = Api(cloud)
    project = api.ensure("keystone", "/projects", "project", {"name": PROJECT, "domain_id": "default"})["id"]
    grant(api, project, f"users/{of_directory(api, 'users')['sora']}")
    grant(api, project, f"groups/{of_directory(api, 'groups')['crew']}")
    sora = Person(cloud, "sora")
    sora("nova", "POST", "/os-keypairs", {"keypair": {"name": "anchor"}})
    network = sora("neutron", "POST", "/networks", {"network": {"name": "quay"}})["network"]["id"]
    subnet = {"name": "quay", "network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4}
    sora("neutron", "POST", "/subnets", {"subnet": subnet})
    volume = {"name": "hold", "size": 1, "volume_type": "ceph"}
    volume = sora("cinder", "POST", "/volumes", {"volume": volume})["volume"]
    until(sora, "cinder", f"/volumes/{volume['id']}", "volume", "available")
    flavors = sora("nova", "GET", "/flavors")["flavors"]
    root = {"uuid": volume["id"], "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    server = {
        **{"name": "tug", "networks": [{"uuid": network}], "key_name": "anchor", "block_device_mapping_v2": [root]},
        "flavorRef": next(flavor["id"] for flavor in flavors if flavor["name"] == "m1.nano"),
    }
    # a volume without an image boots where the hypervisor is a fake one, once it says that it may
    sora("cinder", "POST", f"/volumes/{volume['id']}/action", {"os-set_bootable": {"bootable": True}})
    made = sora("nova", "POST", "/servers", {"server": server})["server"]["id"]
    until(sora, "nova", f"/servers/{made}", "server", "ACTIVE")
    return str(project)


def people(cloud: Cloud) -> str:
    """All that the directory holds."""
    config = str(cloud.etc / "ldap" / "slapd.conf")
    return subprocess.run(["/usr/sbin/slapcat", "-f", config], capture_output=True, text=True, check=True).stdout


def test_they_are_matched_and_may_what_they_might(lab: Lab, harbor: str, tmp_path: Path) -> None:
    old, new = lab.cloud("old"), lab.cloud("new")
    before = {cloud.name: people(cloud) for cloud in (old, new)}
    assert "uid=sora" in before["old"]
    with moving(Move(lab, tmp_path / "work", (PROJECT,), map_file=None)) as move:
        move.plan()
        decided = json.loads((move.work / "decisions.json").read_text())["decisions"]
        matched = {row["name"] for row in decided if row["kind"] in ("user", "group") and row["decision"] == "match"}
        assert matched == {"sora", "jun", "crew"}
        for phase in ("prepare", "cutover"):
            move.phase(phase, kills=1)
        assert move.unexplained() == []

        # their password is the directory's, on the new cloud, too
        sora, jun = Person(new, "sora"), Person(new, "jun")
        assert [item["keypair"]["name"] for item in sora("nova", "GET", "/os-keypairs")["keypairs"]] == ["anchor"]
        (server,) = sora("nova", "GET", "/servers/detail")["servers"]
        assert (server["name"], server["status"]) == ("tug", "ACTIVE")
        assert [item["name"] for item in jun("nova", "GET", "/servers")["servers"]] == ["tug"]
        assert {cloud.name: people(cloud) for cloud in (old, new)} == before

        move.phase("rollback")
        with pytest.raises(exceptions.ClientException):
            Person(new, "sora").session.get_token()
        assert set(of_directory(Api(new), "users")) == {"sora", "jun"}
        assert {cloud.name: people(cloud) for cloud in (old, new)} == before


def test_somebody_who_is_not_there_yet_is_an_error_before_anything_is_done(
    lab: Lab, harbor: str, tmp_path: Path
) -> None:
    old = lab.cloud("old")
    entry = tmp_path / "mina.ldif"
    entry.write_text("dn: uid=mina,ou=people,dc=naru\nobjectClass: inetOrgPerson\nuid: mina\ncn: Mina\nsn: Oh\n")
    address = ["-x", "-H", f"ldap://127.0.0.1:{old.ports['ldap']}", "-D", "cn=admin,dc=naru", "-w", old.secret]
    subprocess.run(["ldapadd", *address, "-f", str(entry)], check=True, capture_output=True)
    api = Api(old)
    grant(api, harbor, f"users/{of_directory(api, 'users')['mina']}")
    move = Move(lab, tmp_path / "work", (PROJECT,), map_file=None)
    process = move.start("plan", "--from", "old", "--to", "new", "--project", PROJECT, "--work", str(move.work))
    out, error = process.communicate(timeout=600)
    assert process.returncode == 1, error
    assert "user mina is not moved: it comes from a directory, and is not on the new cloud yet" in out + error
