"""Secrets, containers and ACLs moved from the oldest Barbican that a lab has to the newest, by a process that is killed
again and again; what they hold is nowhere on the disk."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack.config
import pytest
import yaml
from openstack.connection import Connection

from naru.lab import spec
from naru.lab.lab import Lab
from naru.move.work import Work
from naru.releases import release

from ..lab.scenario import Rest, connect, ignore
from .scenario import Move, ended

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(3600)]

PORT_BASE = 31400
PROJECT = "vault"
KILLS = 12


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Stein and the newest release, both with Barbican. NARU_TEST_SECRETS=DIRECTORY uses and keeps a lab of these."""
    kept = os.environ.get("NARU_TEST_SECRETS")
    made = Lab(Path(kept) if kept else tmp_path_factory.mktemp("secrets") / "lab")
    clouds = ["old=stein", f"new={release.names()[-1]}"]
    made.up(None if made.exists() else spec.build(clouds, ["core", "barbican"], 1, PORT_BASE), ignore, ignore)
    try:
        yield made
    finally:
        if not kept:
            made.down()


class As(Rest):
    """A user in a project, by a password."""

    def __init__(self, auth_url: str, user: str, password: str, project: str) -> None:
        auth = {"auth_url": auth_url, "user_id": user, "password": password, "project_id": project}
        super().__init__(Connection(auth=auth, region_name="RegionOne", identity_api_version="3"))

    def barbican(self, method: str, path: str, body: Any = None, data: bytes | None = None, **headers: str) -> Any:
        more = {"json": body} if data is None else {"data": data}
        answer = self.session.request(
            f"/v1{path}",
            method,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            endpoint_filter={"service_type": "key-manager", "interface": "public"},
            **more,
        )
        return answer

    def payload(self, identity: str, kind: str) -> bytes:
        return bytes(self.barbican("GET", f"/secrets/{identity}/payload", Accept=kind).content)


def last(reference: str) -> str:
    return reference.rpartition("/")[2]


class Company:
    """A project of the old cloud with two people, and what it keeps in Barbican."""

    def __init__(self, lab: Lab) -> None:
        self.admin = Rest(connect(lab, "old"))
        self.auth_url = str(self._config(lab).config["auth"]["auth_url"])
        identity = self.admin
        made = identity("identity", "POST", "/projects", {"project": {"name": PROJECT, "domain_id": "default"}})
        self.project = str(made["project"]["id"])
        roles = {one["name"]: one["id"] for one in identity("identity", "GET", "/roles")["roles"]}
        self.passwords = {name: f"pw-{uuid.uuid4()}" for name in ("vera", "luka")}
        self.users = {}
        for name, password in self.passwords.items():
            body = {"user": {"name": name, "password": password, "domain_id": "default"}}
            self.users[name] = str(identity("identity", "POST", "/users", body)["user"]["id"])
            for role in ("member", "creator"):
                path = f"/projects/{self.project}/users/{self.users[name]}/roles/{roles[role]}"
                identity("identity", "PUT", path)
        self.mark = uuid.uuid4().hex
        self.vera = As(self.auth_url, self.users["vera"], self.passwords["vera"], self.project)
        self.secrets: dict[str, tuple[str, bytes, str]] = {}
        """By name: id, what it holds, content type."""
        self._fill()

    @staticmethod
    def _config(lab: Lab) -> Any:
        return openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)]).get_one("old")

    def _store(self, name: str, payload: bytes, kind: str, **fields: Any) -> str:
        answer = self.vera.barbican("POST", "/secrets", {"name": name, **fields})
        identity = last(answer.json()["secret_ref"])
        if payload:
            self.vera.barbican("PUT", f"/secrets/{identity}", data=payload, Content_Type=kind)
        self.secrets[name] = (identity, payload, kind)
        return identity

    def _fill(self) -> None:
        mark = self.mark.encode()
        binary, text = "application/octet-stream", "text/plain"
        certificate = self._store("crt", b"-----BEGIN CERTIFICATE-----\n" + mark, binary, secret_type="certificate")
        key = self._store("key", b"-----BEGIN PRIVATE KEY-----\n" + mark, binary, secret_type="private")
        words = {"secret_type": "passphrase", "expiration": "2099-01-02T03:04:05"}
        phrase = self._store("phrase", mark + "-é\n".encode(), text, **words)
        about = {"secret_type": "symmetric", "algorithm": "aes", "bit_length": 256, "mode": "cbc"}
        self._store("raw", bytes(range(256)) + mark, binary, **about)
        self._store("empty", b"", text)
        for number in range(8):
            self._store(f"more-{number}", mark + str(number).encode(), text)
        acl = {"read": {"project-access": False, "users": [self.users["luka"]]}}
        self.vera.barbican("PUT", f"/secrets/{phrase}/acl", acl)
        self.vera.barbican("PUT", f"/secrets/{phrase}/metadata", {"metadata": {"place": "rack-3"}})
        refs = {"certificate": certificate, "private_key": key}
        base = str(self.vera.barbican("GET", "/secrets?limit=1").json()["secrets"][0]["secret_ref"]).rpartition("/")[0]
        body = {
            **{"name": "tls", "type": "certificate"},
            "secret_refs": [{"name": name, "secret_ref": f"{base}/{one}"} for name, one in refs.items()],
        }
        self.container = last(self.vera.barbican("POST", "/containers", body).json()["container_ref"])


@pytest.fixture(scope="module")
def company(lab: Lab) -> Iterator[Company]:
    made = Company(lab)
    yield made
    for user in made.users.values():
        made.admin("identity", "DELETE", f"/users/{user}")
    made.admin("identity", "DELETE", f"/projects/{made.project}")


def test_secrets_arrive_whole_by_a_process_that_is_killed_and_leave_no_trace(
    lab: Lab, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Move(lab, tmp_path / "work", (PROJECT,), None)
    move.storages = {}
    move.plan()
    # the administrator is not in the project: told, and nobody's role was changed for it
    assert "whether it has secrets in Barbican cannot be seen" in move.errors
    assert not move.phase("prepare")["failed"]

    monkeypatch.setenv("NARU_OLD_PASSWORD", company.passwords["vera"])
    command = ("secrets", str(move.work), "--as", "vera", "--key", str(move.key))
    listed = json.loads(move.run(*command, "--nothing", "-f", "json"))
    assert {row["state"] for row in listed} == {"can be moved"} and len(listed) == len(company.secrets) + 1
    move.killed(KILLS, 9.0, *command)
    rows = json.loads(move.run(*command, "-f", "json"))
    assert {row["state"] for row in rows} == {"moved"} and len(rows) == len(company.secrets) + 1

    new = Rest(connect(lab, "new"))
    (project,) = new("identity", "GET", f"/projects?name={PROJECT}")["projects"]
    users = {one["name"]: one["id"] for one in new("identity", "GET", "/users")["users"]}
    handed = json.loads(move.run("handover", str(move.work), "--show", "--key", str(move.key), "-f", "json"))
    (password,) = [row["password"] for row in handed if row["user"] == "vera"]
    auth_url = yaml.safe_load(lab.clouds_yaml.read_text())["clouds"]["new"]["auth"]["auth_url"]
    vera = As(auth_url, users["vera"], password, project["id"])
    there = {one["name"]: one for one in vera.barbican("GET", "/secrets?limit=100").json()["secrets"]}
    assert there.keys() == company.secrets.keys()
    assert vera.barbican("GET", "/secrets?limit=100").json()["total"] == len(company.secrets)
    old = {one["name"]: one for one in company.vera.barbican("GET", "/secrets?limit=100").json()["secrets"]}
    own = {"created", "updated", "secret_ref", "creator_id", "status"}
    for name, (_, payload, kind) in company.secrets.items():
        for field, value in old[name].items():
            if field not in own:
                assert there[name][field] == value, (name, field)
        assert there[name]["creator_id"] == users["vera"]
        if payload:
            assert vera.payload(last(there[name]["secret_ref"]), kind) == payload, name
    phrase = last(there["phrase"]["secret_ref"])
    read = vera.barbican("GET", f"/secrets/{phrase}/acl").json()["read"]
    assert (read["project-access"], read["users"]) == (False, [users["luka"]])
    assert vera.barbican("GET", f"/secrets/{phrase}/metadata").json() == {"metadata": {"place": "rack-3"}}
    (box,) = vera.barbican("GET", "/containers").json()["containers"]
    assert (box["name"], box["type"]) == ("tls", "certificate")
    assert {one["name"]: one["secret_ref"] for one in box["secret_refs"]} == {
        "certificate": there["crt"]["secret_ref"],
        "private_key": there["key"]["secret_ref"],
    }

    move.run("report", str(move.work))
    found = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(found) > 10
    for file in found:
        content = file.read_bytes()
        assert company.mark.encode() not in content, file
        assert company.passwords["vera"].encode() not in content, file
    with Work(move.work).journal() as journal:
        kept = json.dumps(journal.recall_all(""))
    assert company.mark not in kept and kept.count('"done": true') == len(company.secrets) + 1

    back = json.loads(move.run(*command, "--undo", "-f", "json"))
    assert {row["state"] for row in back} == {"removed"}
    assert vera.barbican("GET", "/secrets").json()["total"] == 0
    assert vera.barbican("GET", "/containers").json()["total"] == 0
    assert company.vera.barbican("GET", "/secrets").json()["total"] == len(company.secrets)
    assert not move.phase("rollback")["failed"]


def test_an_administrator_with_a_role_in_the_project_plans_with_the_secrets(
    lab: Lab, company: Company, tmp_path: Path
) -> None:
    move = Move(lab, tmp_path / "work", (PROJECT,), None)
    move.storages = {}
    admin = company.admin
    roles = {one["name"]: one["id"] for one in admin("identity", "GET", "/roles")["roles"]}
    path = f"/projects/{company.project}/users/{admin.session.get_user_id()}/roles/{roles['creator']}"
    admin("identity", "PUT", path)
    try:
        move.plan()
    finally:
        admin("identity", "DELETE", path)
    decided = json.loads((move.work / "decisions.json").read_text())["decisions"]
    kinds = [one["kind"] for one in decided if one["kind"].startswith("secret")]
    assert sorted(kinds) == ["secret"] * len(company.secrets) + ["secret container"]
    assert "its creator vera" in move.errors and "--as vera" in move.errors
    out, _ = ended(move.start("verify", str(move.work), "-f", "json"))
    assert json.loads(out or "[]") == []
