"""Both clouds of a move read from a tiny one by its command: whose quotas are asked for, where key pairs come from."""

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.cli.main import main
from naru.inventory import image_data
from naru.inventory.archive import Archive
from naru.inventory.cloud_reading import CloudReading
from naru.inventory.kinds import KINDS
from naru.inventory.read import Reading
from naru.inventory.rows import Row
from naru.messages import say
from naru.move import reading
from naru.plan.journal import Journal

from ..cloud.service import Handler, Service, clouds_yaml, serving, usual

pytestmark = pytest.mark.unit

THINGS: dict[str, list[dict[str, Any]]] = {
    "domains": [{"id": "default", "name": "Default"}],
    "projects": [{"id": name, "name": name, "domain_id": "default"} for name in ("shop", "other", "admin")],
    "users": [{"id": name, "name": name, "domain_id": "default"} for name in ("mina", "jun")],
    "roles": [{"id": "r", "name": "member", "domain_id": None}],
    "role_assignments": [
        {"role": {"id": "r"}, "user": {"id": "mina"}, "scope": {"project": {"id": name}}} for name in ("shop", "other")
    ],
}
QUOTA = {"instances": 10, "cores": 20}


def answer(request: Handler) -> None:
    """What a cloud answers whose Nova tells an administrator nobody's key pairs."""
    path, _, query = request.path.partition("?")
    service, _, rest = path.strip("/").partition("/v2.1" if path.startswith("/compute") else "/v3")
    if service == "identity" and not rest.strip("/"):
        link = [{"rel": "self", "href": f"{request.server.url}/identity/v3/"}]
        request.answer(200, {"version": {"id": "v3.8", "status": "stable", "links": link}, "resources": {}})
    elif request.command == "POST" or not rest.strip("/"):
        usual(request)
    elif "/os-keypairs" in path:
        request.answer(403, {"forbidden": {"message": "Policy doesn't allow it"}})
    elif "/os-quota-sets/" in path:
        request.answer(200, {"quota_set": QUOTA | ({"cores": 1} if "user_id" in query else {})})
    else:
        collections = {kind.collection: [] for kind in KINDS} if "/identity/v3/groups/" not in path else {"users": []}
        request.answer(200, collections | THINGS)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with serving() as server:
        server.usual = answer
        entry = json.loads(Path(clouds_yaml(tmp_path, server)).read_text())["clouds"]["c"]
        (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"old": entry, "new": entry}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        monkeypatch.chdir(tmp_path)
        yield server


MAP = ("move", "map", "--from", "old", "--to", "new", "--project", "shop", "--work", "w")


def test_a_refusal_of_key_pairs_is_told_once_with_what_to_do(
    server: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(MAP)) == 2
    told = capsys.readouterr().err
    assert told.count("key pair") == 1 and "cannot be read whole" in told
    assert "key pair: the identity may not list it; --nova-database reads them from Nova's database" in told


def test_key_pairs_come_from_the_database_and_quotas_of_the_projects_users(
    server: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = "user_id TEXT, name TEXT, fingerprint TEXT, public_key TEXT, type TEXT"
    with closing(sqlite3.connect(tmp_path / "nova.db")) as database:
        database.execute(f"CREATE TABLE key_pairs ({columns})")
        database.execute("INSERT INTO key_pairs VALUES ('mina', 'laptop', 'aa', 'ssh-rsa AAAA', 'ssh')")
        database.commit()
    (tmp_path / "nova.url").touch(mode=0o600)
    (tmp_path / "nova.url").write_text(f"sqlite:///{tmp_path}/nova.db")
    allowed = ("os-keypairs",)  # on the new cloud its API is asked, which tells of nobody else's
    before = answer

    def lenient(request: Handler) -> None:
        if any(word in request.path for word in allowed):
            request.answer(200, {"keypairs": []})
        else:
            before(request)

    server.usual = lenient
    assert main([*MAP, "--nova-database", "old=nova.url"]) in (0, 1), capsys.readouterr().err
    asked = [path for _, path in server.asked]
    assert asked.count("/compute/v2.1/os-keypairs") == 1  # of the new cloud alone, and there of mina alone
    # the project's own, and its one user's, on both clouds; of the others their own alone
    assert asked.count("/compute/v2.1/os-quota-sets/shop") == 4
    assert asked.count("/compute/v2.1/os-quota-sets/other") == 2
    with Archive(tmp_path / "w" / "archive.db", create=False) as archive:
        for snapshot in archive.snapshots():
            assert snapshot.ended
            (row,) = archive.rows(snapshot.number, kind="user compute quota")
            assert (row.id, row.body["cores"]) == ("shop/mina", 1)
            (itself,) = archive.rows(snapshot.number, kind="cloud")
            assert (itself.id, itself.body["user_id"]) == (snapshot.cloud, "u")
            assert itself.body["versions"]["compute"] == "2.96"
            sources = [reading.source for reading in snapshot.readings if reading.kind == "key pair"]
            assert sources == (["from Nova's database"] if snapshot.cloud == "old" else [""])
    capsys.readouterr()
    assert main(["archive", "list", "--work", "w", "-f", "json"]) == 0
    remarks = {row["cloud"]: row["remark"] for row in json.loads(capsys.readouterr().out)}
    assert remarks == {"old": "key pair from Nova's database", "new": ""}


def test_key_pairs_and_application_credentials_are_asked_of_the_projects_users_alone(
    server: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def lenient(request: Handler) -> None:
        asked.append(request.path)
        path = request.path.partition("?")[0]
        if path.rstrip("/").endswith("/identity/v3"):
            link = [{"rel": "self", "href": f"{request.server.url}/identity/v3/"}]
            home = "https://docs.openstack.org/api/openstack-identity/3/rel/application_credentials"
            version = {"id": "v3.14", "status": "stable", "links": link}
            request.answer(200, {"version": version, "resources": {home: {}}})
        elif "os-keypairs" in request.path:
            request.answer(200, {"keypairs": [{"keypair": {"name": "laptop", "public_key": "ssh-rsa AAAA"}}]})
        else:
            answer(request)

    server.usual = lenient
    assert main(list(MAP)) in (0, 1), capsys.readouterr().err
    pairs = [path for path in asked if "os-keypairs" in path]
    assert len(pairs) == 2 and all("user_id=mina" in path for path in pairs)  # one on each cloud
    secrets = [path.partition("?")[0] for path in asked if "application_credentials" in path]
    assert secrets == ["/identity/v3/users/mina/application_credentials"] * 2
    with Archive(tmp_path / "w" / "archive.db", create=False) as archive:
        for snapshot in archive.snapshots():
            assert [row.id for row in archive.rows(snapshot.number, kind="key pair")] == ["mina/laptop"]
            (told,) = [reading for reading in snapshot.readings if reading.kind == "key pair"]
            assert (told.count, told.problem) == (1, "")


def test_before_a_phase_the_same_users_are_asked_again(
    server: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop = {"keypair": {"name": "laptop", "public_key": "ssh-rsa AAAA"}}
    pairs = [laptop]
    asked: list[str] = []

    def lenient(request: Handler) -> None:
        if "os-keypairs" in request.path:
            asked.append(request.path)
            request.answer(200, {"keypairs": pairs})
        else:
            answer(request)

    server.usual = lenient
    assert main(["move", "plan", *MAP[2:]]) == 0, capsys.readouterr().err
    asked.clear()
    capsys.readouterr()
    assert main(["move", "refresh", "w", "-f", "json"]) == 0, capsys.readouterr()
    assert json.loads(capsys.readouterr().out) == []
    assert len(asked) == 2 and all("user_id=mina" in path for path in asked)
    pairs.clear()
    assert main(["move", "refresh", "w", "-f", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {(row["change"], row["cloud"], row["id"]) for row in rows} >= {("gone", "new", "mina/laptop")}


def test_before_a_phase_what_came_from_a_database_is_not_asked_for(
    server: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "nova.db")) as database:
        columns = "user_id TEXT, name TEXT, fingerprint TEXT, public_key TEXT, type TEXT"
        database.execute(f"CREATE TABLE key_pairs ({columns})")
        database.commit()
    (tmp_path / "nova.url").touch(mode=0o600)
    (tmp_path / "nova.url").write_text(f"sqlite:///{tmp_path}/nova.db")
    refused: list[str] = []

    def lenient(request: Handler) -> None:
        if "os-keypairs" in request.path and not refused:
            request.answer(200, {"keypairs": []})
        else:
            answer(request)

    server.usual = lenient
    assert main(["move", "plan", *MAP[2:], "--nova-database", "old=nova.url"]) == 0, capsys.readouterr().err
    refused.append("from now on")
    capsys.readouterr()
    assert main(["move", "refresh", "w", "-f", "json"]) == 0, capsys.readouterr().err


def test_a_scheduler_that_is_down_is_no_reason_to_refuse(
    server: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def down(request: Handler) -> None:
        if "get_pools" in request.path:
            request.answer(400, {"badRequest": {"message": "no scheduler answers"}})
        elif "os-keypairs" in request.path:
            request.answer(200, {"keypairs": []})
        else:
            answer(request)

    server.usual = down
    assert main(["move", "plan", *MAP[2:]]) in (0, 1), capsys.readouterr().err
    assert [path for _, path in server.asked].count("/volume/v3/scheduler-stats/get_pools") == 1  # the new cloud's
    with Journal.open(tmp_path / "w") as journal:
        told = {say(found.summary): say(found.detail) for found in journal.findings()}
    assert "get_pools" in told["volume pool of new: cannot be read, and is taken for unknown"]


def test_what_is_read_last_is_known_although_it_was_asked_for_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(CloudReading):
        """A cloud of which nothing is read but what the data of an image is."""

        def __init__(self, archive: Archive, cloud: Any, *_: Any, **__: Any) -> None:
            self.cloud, self.archive, self.snapshot = cloud, archive, archive.begin(cloud.name)
            self._readings = {"project": Reading("project")}

        def user_quotas(self, projects: Collection[str]) -> None:
            self._keep(Reading("user compute quota"))

        def of_users(self, users: Collection[str], kinds: Collection[str]) -> None:
            self._keep(Reading("key pair"))

        def image_data(self, images: Collection[str]) -> None:
            rows = [Row.of(image_data.KIND, {"image_id": one, "formats": ["raw"], "problem": ""}) for one in images]
            self.archive.add(self.snapshot, rows)
            self._keep(Reading(image_data.KIND.name, len(rows)))

    monkeypatch.setattr(reading, "CloudReading", Later)
    with Archive(tmp_path / "archive.db") as archive:
        side = reading._SideReading(archive, SimpleNamespace(name="old"))
        # as the map's sections do, which look at all kinds
        assert not side.side.all("image data") and not side.side.named("image data", "i")
        side.finish([], [], images={"i"})
        assert side.side.all("image data")["i"].body["formats"] == ["raw"]
        assert [row.id for row in side.side.named("image data", "i")] == ["i"]


@pytest.mark.parametrize(("options", "count", "remark"), [(("--project", "other"), 1, ""), ((), None, "--project")])
def test_an_inventory_asks_for_the_users_of_the_project_that_is_asked_for(
    server: Service, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], count: int | None, remark: str
) -> None:
    assert main(["inventory", "old", *options, "-f", "json"]) == 1
    rows = {row["kind"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["user compute quota"]["count"] == count and remark in rows["user compute quota"]["remark"]
    assert (rows["key pair"]["count"], "--nova-database" in rows["key pair"]["remark"]) == (None, True)
    asked = [path for _, path in server.asked]
    assert asked.count("/compute/v2.1/os-quota-sets/other") == (2 if count else 1)
    assert asked.count("/compute/v2.1/os-quota-sets/shop") == 1
