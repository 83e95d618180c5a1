"""What a cloud is and can do, and whether it has room for flavors: rows of a reading, with no question left open."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.capacity import KIND, read_room, resources
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import read
from naru.inventory.rows import Row

from ..cloud import service
from ..cloud.service import Handler, Service, clouds_yaml, serving, usual

pytestmark = pytest.mark.unit

PLACEMENT = "/placement"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A cloud with Placement, too."""
    token = service.token

    def with_placement(server: Service) -> dict[str, Any]:
        found = token(server)
        endpoint = {"interface": "public", "region": "r", "url": f"{server.url}{PLACEMENT}"}
        found["token"]["catalog"].append({"type": "placement", "name": "p", "id": "p", "endpoints": [endpoint]})
        return found

    monkeypatch.setattr(service, "token", with_placement)
    with serving() as started:
        yield started


def answer(request: Handler) -> None:
    path, _, query = request.path.partition("?")
    if path.rstrip("/") == PLACEMENT:
        link = [{"rel": "self", "href": ""}]
        version = {"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT", "links": link}
        request.answer(200, {"versions": [version]})
    elif path.rstrip("/") == "/identity/v3" and "json-home" in str(request.headers["Accept"]):
        request.answer(200, {"resources": {"https://docs/rel/domain_config": {}, "https://docs/rel/users": {}}})
    elif path == f"{PLACEMENT}/allocation_candidates":
        assert request.headers["OpenStack-API-Version"] == "placement 1.16" and "limit=1" in query
        request.answer(200, {"allocation_requests": [] if "MEMORY_MB:999" in query else [{}]})
    else:
        usual(request)


def test_what_a_cloud_can_do_is_a_row(server: Service, tmp_path: Path) -> None:
    server.usual = answer
    rows: list[Row] = []
    with Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud:
        (reading,) = read(cloud, rows.extend, [BY_NAME["cloud"]])
    assert (reading.kind, reading.count, reading.problem) == ("cloud", 1, "")
    assert [(row.id, row.name, row.project) for row in rows] == [("c", "c", "")]
    versions = {"identity": "3.14", "compute": "2.96", "block-storage": "3.71"}
    assert rows[0].body == {
        **{"name": "c", "auth_url": f"{server.url}/identity/v3", "region": "r", "user_id": "u"},
        "versions": versions,  # no image and no network service is in the catalogue, and Placement is not asked
        "extensions": {"identity": ["domain_config", "users"]},
        "catalogue": [
            *({"type": name, "name": name} for name in ("block-storage", "compute", "identity")),
            {"type": "placement", "name": "p"},
        ],
    }


def flavor(specs: dict[str, str] | None = None, from_volume: bool = False, **fields: Any) -> str:
    body = {"id": "f", "name": "f", "vcpus": 2, "ram": 512, "disk": 0, **fields}
    return resources(body, specs or {}, from_volume=from_volume)


def test_the_resources_of_a_flavor_are_those_that_nova_asks_for() -> None:
    assert flavor() == "VCPU:2,MEMORY_MB:512"
    assert flavor(disk=3, swap="") == "VCPU:2,MEMORY_MB:512,DISK_GB:3"
    sizes: dict[str, Any] = {"disk": 3, "OS-FLV-EXT-DATA:ephemeral": 10, "swap": 1025}
    assert flavor(**sizes) == "VCPU:2,MEMORY_MB:512,DISK_GB:15"
    assert flavor(from_volume=True, **sizes) == "VCPU:2,MEMORY_MB:512,DISK_GB:12"
    assert flavor(from_volume=True, disk=3) == "VCPU:2,MEMORY_MB:512"
    own = {"resources:VCPU": "0", "resources:CUSTOM_GOLD": "1", "resources1:VGPU": "1", "trait:X": "required"}
    assert flavor(own) == "MEMORY_MB:512,CUSTOM_GOLD:1"
    assert flavor({"hw:cpu_policy": "dedicated"}) == "MEMORY_MB:512"


def test_room_is_asked_for_once_each(server: Service, tmp_path: Path) -> None:
    server.usual = answer
    wanted = {flavor(), flavor(ram=999)}
    with Archive(tmp_path / "a.db") as archive, Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud:
        reading = read_room(cloud, archive, archive.begin("c"), wanted)
        rows = {row.id: row.body for row in archive.rows(1, kind=KIND.name)}
    assert (reading.kind, reading.count, reading.problem, reading.failed) == (KIND.name, 2, "", False)
    assert {name: body["candidates"] for name, body in rows.items()} == {
        "VCPU:2,MEMORY_MB:512": 1,
        "VCPU:2,MEMORY_MB:999": 0,
    }
    assert server.count("GET", f"{PLACEMENT}/allocation_candidates") == 2


def test_a_refusal_is_told(server: Service, tmp_path: Path) -> None:
    server.usual = answer
    server.deeds["GET", f"{PLACEMENT}/allocation_candidates"] = [lambda request: request.answer(403)] * 4
    with Archive(tmp_path / "a.db") as archive, Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud:
        reading = read_room(cloud, archive, archive.begin("c"), {"VCPU:1"})
    assert (reading.failed, reading.count, reading.problem) == (True, 0, "the identity may not list it")


def test_a_cloud_without_placement_is_not_asked(tmp_path: Path) -> None:
    with (
        serving() as server,
        Archive(tmp_path / "a.db") as archive,
        Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud,
    ):
        reading = read_room(cloud, archive, archive.begin("c"), {"VCPU:1"})
    assert (reading.failed, reading.problem) == (False, "no placement service")
