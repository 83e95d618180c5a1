"""Who has a volume: what Nova says where Cinder says something else, of shelved servers, and of those that are left."""

from typing import Any

import pytest

from naru.inventory.rows import Row
from naru.messages import say
from naru.move.draft import Draft
from naru.move.facts import disks
from naru.move.kinds import volume

from .test_mapping import Given, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

VOLUME: dict[str, Any] = {"os-vol-tenant-attr:tenant_id": "p", "size": 1, "user_id": "", "metadata": {}}
SERVER: dict[str, Any] = {
    **{"id": "v", "name": "web", "tenant_id": "p", "user_id": "", "flavor_link": {"id": "f1"}, "image": ""},
    **{"status": "SHELVED_OFFLOADED", "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda", "metadata": {}},
    "os-extended-volumes:volumes_attached": [{"id": "data"}, {"id": "root"}],
}
RESERVED = [{**VOLUME, "id": name, "name": name, "status": "reserved", "attachments": []} for name in ("data", "root")]
DEVICES = [
    {"server_id": "v", "volumeId": name, "device": device}
    for name, device in (("data", "/dev/vdb"), ("root", "/dev/vda"))
]


def plan(server: dict[str, Any], volumes: list[dict[str, Any]], **old: Any) -> Draft:
    return planned(facts({**OLD, "server": [server], "volume": volumes, **old}))


def test_a_shelved_server_is_moved_with_the_volumes_that_are_reserved_for_it() -> None:
    draft = plan(SERVER, RESERVED, **{"volume attachment": DEVICES})
    assert {draft.decisions["volume", name].decision for name in ("data", "root")} == {"create"}
    (args,) = [step.args for step in draft.plan.steps if step.id == "server/v"]
    assert not [one for one in draft.plan.findings if "Nova says" in say(one.summary)]
    found = [(one["uuid"]["$ref"], one["boot_index"]) for one in args["body"]["block_device_mapping_v2"]]
    assert found == [("volume/root", 0), ("volume/data", -1)]


@pytest.mark.parametrize("status", ["SHUTOFF", "ACTIVE"])
def test_a_volume_that_is_reserved_for_another_reason_is_waited_for(status: str) -> None:
    draft = plan({**SERVER, "status": status}, RESERVED)
    assert draft.decisions["volume", "data"].decision == "leave"


def test_the_root_disk_is_the_one_that_nova_calls_so_though_cinder_forgot_another() -> None:
    old = Given(
        "old",
        {
            "server": [SERVER],
            "volume": [RESERVED[0], {**RESERVED[1], "attachments": [{"server_id": "v", "device": "/dev/vda"}]}],
        },
    )
    assert [row.id for row, _ in disks(old, old.all("server")["v"])] == ["root", "data"]


GHOST = {
    **VOLUME,
    "id": "data",
    "name": "data",
    "status": "in-use",
    "attachments": [{"server_id": "gone", "device": "/dev/vdb"}],
}


def test_a_volume_that_only_cinder_takes_for_attached_is_moved_and_told() -> None:
    draft = plan({**SERVER, "os-extended-volumes:volumes_attached": []}, [GHOST])
    (told,) = [say(one.summary) for one in draft.plan.findings if one.about == "data"]
    assert "Cinder says that it is attached to server gone, Nova does not" in told
    mapped = volume.KIND.compared(
        draft.facts.old, Row("volume", "data", "", "", "", GHOST), lambda _, one: f"new {one}"
    )
    assert mapped["servers"] == []


def test_the_volume_of_a_server_that_is_left_arrives_free_and_it_is_told() -> None:
    attached = {**GHOST, "attachments": [{"server_id": "v", "device": "/dev/vda"}]}
    server = {**SERVER, "status": "ERROR", "os-extended-volumes:volumes_attached": [{"id": "data"}]}
    draft = plan(server, [attached])
    assert [(one.old, one.new) for one in draft.decisions["volume", "data"].changes if one.field == "servers"] == [
        (["v"], [])
    ]
    assert any("arrives attached to none" in say(one.summary) for one in draft.plan.findings if one.about == "data")
