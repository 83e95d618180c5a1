"""Servers and what they need of Nova and Glance: which steps make them, and what is said of those that stay."""

import json
from typing import Any

import pytest

from naru.actions.image import ImageData
from naru.actions.power import Power
from naru.inventory.rows import Row
from naru.messages import say
from naru.move import mapfile
from naru.move.decisions import Decision
from naru.move.draft import Draft, Options
from naru.move.facts import Facts
from naru.move.kinds import BY_NAME, boot_image, flavor, image, key_pair, server, server_group, texts
from naru.move.kinds.disks import root_volumes
from naru.move.steps.by_image import disk_properties
from naru.plan.model import Plan, Step

from .test_mapping import Given

pytestmark = pytest.mark.unit

MINA, IMAGE = "a" * 32, "00000000-0000-4000-8000-000000000000"
SMALL = {"id": "f", "name": "small", "ram": 64, "vcpus": 1, "disk": 1, "swap": "", "rxtx_factor": 1.0}
DEBIAN = {"id": IMAGE, "name": "debian", "owner": "p", "status": "active", "size": 1000, "checksum": "c"}


def machine(identity: str, **more: Any) -> dict[str, Any]:
    body = {"id": identity, "name": identity, "tenant_id": "p", "user_id": MINA, "status": "ACTIVE", "metadata": {}}
    return {**body, "flavor_link": {"id": "f"}, "image": {"id": IMAGE}, **more}


def drafted(
    servers: list[dict[str, Any]],
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    there: bool = True,
) -> Draft:
    """What the rules make of these servers of one project; `old` and `new` are what else the clouds have, `there` says
    whether the new one has the projects already."""
    things = {
        "project": [{"id": name, "name": name.upper(), "domain_id": "default"} for name in "pq"],
        "user": [{"id": MINA, "name": "mina", "domain_id": "default"}],
        "flavor": [SMALL],
        "image": [DEBIAN],
        "server": servers,
    }
    facts = Facts(Given("old", things | (old or {})), Given("new", {"flavor": [SMALL], **(new or {})}), ["P", "Q"])
    choices = mapfile.choose(facts, mapfile.EMPTY)
    chosen = {(one.need.section, one.need.row.id if one.need.row else one.need.key): one for one in choices}
    draft = Draft(facts, chosen, Plan(settings={}), Options("key"), BY_NAME)
    for project in facts.projects.values():
        if there:
            draft.match(project, f"new {project.id}", "")
        else:
            draft.create(project, BY_NAME["project"].creation("new", {"name": project.name}))
    draft.match(facts.old.all("user")[MINA], "new mina", "")
    for volume in facts.old.all("volume").values():
        draft.match(volume, f"new {volume.id}", "")
    rules = (flavor.flavors, key_pair.key_pairs, image.images, boot_image.of_servers)
    for rule in (*rules, server_group.server_groups, server.servers):
        rule(draft)
    return draft


def test_what_users_would_not_show_is_in_no_plan() -> None:
    secret = "Z2VoZWltZXMgR2VoZWltbmlz"
    own = {"admin_password": secret, "db.token": secret, "role": "web", "compass": "north", "passed": "1"}
    webs = machine("w", metadata=own, **{"OS-EXT-SRV-ATTR:user_data": secret})
    disk = {"id": "v", "name": "v", "os-vol-tenant-attr:tenant_id": "p", "metadata": own}
    draft = drafted([webs], {"image": [DEBIAN | {"os_admin_secret": secret, "os_distro": "debian"}]})
    planned = {step.id: step.args for step in draft.plan.steps}
    assert secret not in json.dumps(planned)
    body = planned["server/w"]["body"]
    where = {"file": "archive.db", "snapshot": draft.facts.old.snapshot}
    assert body["user_data"] == {"$archive": ["server", "w"], "path": ["OS-EXT-SRV-ATTR:user_data"], **where}
    kept = {"role": "web", "compass": "north", "passed": "1"}
    assert {name: value for name, value in body["metadata"].items() if isinstance(value, str)} == kept | {
        "naru": body["metadata"]["naru"]
    }
    assert body["metadata"]["db.token"] == {"$archive": ["server", "w"], "path": ["metadata", "db.token"], **where}
    kept, _ = texts.pairs(draft, Row("volume", "v", "v", "p", "", disk), "metadata", own)
    assert kept["admin_password"]["$archive"] == ["volume", "v"]


def steps(draft: Draft) -> dict[str, Step]:
    return {step.id: step for step in draft.plan.steps}


def decision(draft: Draft, kind: str, identity: str) -> Decision:
    return draft.decisions[kind, identity]


@pytest.mark.parametrize(
    ("status", "task", "made", "said"),
    [
        ("ACTIVE", None, True, ""),
        ("SHUTOFF", None, True, ""),
        ("PAUSED", None, True, "its memory stays behind"),
        ("SHELVED_OFFLOADED", None, True, "it arrives switched off"),
        ("RESCUE", "rescuing", False, "its own disk cannot be read meanwhile"),
        ("ERROR", None, False, "it is in error"),
        ("BUILD", None, False, "it is BUILD"),
        ("ACTIVE", "deleting", False, "it is ACTIVE, deleting"),
    ],
)
def test_what_becomes_of_a_server_follows_from_its_status(status: str, task: Any, made: bool, said: str) -> None:
    draft = drafted([machine("v", status=status, **{"OS-EXT-STS:task_state": task})])
    assert decision(draft, "server", "v").decision == ("create" if made else "leave")
    summaries = [say(found.summary) for found in draft.plan.findings]
    assert len(summaries) == bool(said) and all(said in text for text in summaries)


def test_all_that_is_in_the_way_of_a_server_is_said_at_once() -> None:
    nic = {"id": "o", "device_id": "v", "device_owner": "compute:nova", "mac_address": "fa:16:3e:00:00:01"}
    draft = drafted([machine("v", image={"id": "gone"})], {"port": [nic]})
    assert say(decision(draft, "server", "v").why) == "its port o is not moved"
    draft = drafted([machine("v", image="")])
    assert say(decision(draft, "server", "v").why) == "it has neither an image nor a volume to boot from"


def test_a_server_is_stopped_when_it_has_booted_and_only_then_locked() -> None:
    draft = drafted([machine("v", locked=True, locked_reason="audit")])
    made = steps(draft)
    assert made["server/v stopped"].args == {
        **{"cloud": "new", "service": "compute", "server": {"$ref": "server/v", "field": "id"}, "to": "SHUTOFF"}
    }
    assert made["server/v locked"].args["requests"][0]["body"] == {"lock": {"locked_reason": "audit"}}
    assert ("server/v stopped", "server/v locked") in draft.plan.edges
    assert (f"image/{IMAGE} data", "server/v") in draft.plan.edges
    assert {step.unit for name, step in made.items() if name.startswith("server/")} == {"server v v"}


def test_a_flavor_that_was_deleted_has_a_private_one_stand_in() -> None:
    remembered = {"original_name": "gone", "ram": 1, "vcpus": 2, "disk": 3, "extra_specs": {"hw:x": "y"}}
    draft = drafted([machine("v", flavor_link={}, flavor=remembered)])
    body = steps(draft)["flavor/gone"].args["body"]
    assert (body["name"], body["vcpus"], body["os-flavor-access:is_public"], "id" in body) == ("gone", 2, False, False)
    before = {step for step, after in draft.plan.edges if after == "server/v"}
    assert {"flavor/gone", "flavor/gone specs", "flavor/gone access p"} <= before


@pytest.mark.parametrize(("name", "kept"), [("small", "small"), ("Small", "Small")])
def test_a_flavor_that_was_deleted_and_made_anew_gets_another_name_than_its_successor(name: str, kept: str) -> None:
    remembered = {"original_name": "small", "ram": 1, "vcpus": 1, "disk": 1, "ephemeral": 0, "swap": 0}
    earlier = machine("u", flavor_link={"id": "gone"}, flavor=remembered)
    draft = drafted([earlier, machine("v")], {"flavor": [SMALL | {"name": name}]}, {"flavor": []})
    names = {one: steps(draft)[f"flavor/{one}"].args["body"]["name"] for one in ("f", "gone")}
    assert names == {"f": kept, "gone": "small-gone"}
    (change,) = [one for one in decision(draft, "flavor", "gone").changes if one.field == "name"]
    assert (change.old, change.new) == ("small", "small-gone")


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [("a/b", "ssh-rsa AAAA", "does not take its name"), ("a", "ssh-rsa AAAA", "does not take a key like this")],
)
def test_a_key_pair_that_nova_refuses_is_left(name: str, key: str, why: str) -> None:
    pair = {"user_id": MINA, "keypair": {"name": name, "public_key": key}}
    draft = drafted([machine("v", key_name=name)], {"key pair": [pair]})
    left = decision(draft, "key pair", f"{MINA}/{name}")
    assert left.decision == "leave" and why in say(left.why)
    assert "key_name" in [change.field for change in decision(draft, "server", "v").changes]


def test_a_key_pair_is_compared_with_that_of_the_new_user() -> None:
    row = Row("key pair", f"{MINA}/k", "k", "", "", {"user_id": MINA})
    assert key_pair.KIND.counterpart
    assert key_pair.KIND.counterpart(row, lambda kind, identity: f"new {kind}") == "new user/k"


def test_an_image_gets_its_data_and_then_its_members() -> None:
    members = [{"image_id": IMAGE, "member_id": name, "status": "accepted"} for name in ("q", "z")]
    draft = drafted([machine("v")], {"image member": members})
    data = steps(draft)[f"image/{IMAGE} data"]
    assert (data.kind, data.args["from"], data.args["size"]) == ("cloud.image_data", IMAGE, 1000)
    assert (f"image/{IMAGE} data", f"image/{IMAGE} member q") in draft.plan.edges
    assert decision(draft, "image member", f"{IMAGE}/z").decision == "leave"
    ids = steps(draft)[f"image/{IMAGE}"].args["find"]["ids"]
    assert ids[0] == IMAGE and len(set(ids)) == 20


def test_volumes_that_servers_are_booted_from_are_the_first_of_those_without_an_image() -> None:
    def volume(identity: str, device: str) -> dict[str, Any]:
        attached = [{"server_id": "v", "device": device}]
        return {"id": identity, "name": identity, "os-vol-tenant-attr:tenant_id": "p", "attachments": attached}

    attached = {"os-extended-volumes:volumes_attached": [{"id": "data"}, {"id": "root"}]}
    volumes = {"volume": [volume("data", "/dev/vdb"), volume("root", "/dev/vda")]}
    draft = drafted([machine("v", image="", **attached)], volumes)
    assert root_volumes(draft) == {"root"}
    mapping = steps(draft)["server/v"].args["body"]["block_device_mapping_v2"]
    assert [(disk["uuid"], disk["boot_index"]) for disk in mapping] == [("new root", 0), ("new data", -1)]
    assert root_volumes(drafted([machine("v", **attached)], volumes)) == set()


def test_only_what_is_given_is_among_the_arguments() -> None:
    power = Power(cloud="c", service="compute", server="s", to="ACTIVE")
    assert power.arguments() == {"cloud": "c", "service": "compute", "server": "s", "to": "ACTIVE"}
    assert Power(**power.arguments(), back="SHUTOFF").arguments()["back"] == "SHUTOFF"
    data = ImageData(cloud="c", service="image", old="o", source="i", to={"$ref": "image/i"}, size=None)
    assert data.arguments() == {
        **{"cloud": "c", "service": "image", "old": "o", "from": "i", "to": {"$ref": "image/i"}, "size": None}
    }


def release(compute: str) -> dict[str, Any]:
    """A new cloud whose Nova goes up to this microversion."""
    versions = {"compute": compute, "block-storage": "3.71"}
    return {"cloud": [{"name": "new", "user_id": "a", "versions": versions, "extensions": {}}]}


@pytest.mark.parametrize(
    ("newest", "asked", "fields"),
    [
        ("2.53", "2.53", {"description", "tags"}),
        ("2.79", "2.79", {"description", "tags"}),
        ("2.90", "2.90", {"description", "tags", "hostname"}),
        ("2.103", "2.96", {"description", "tags", "hostname"}),
    ],
)
def test_fields_are_asked_for_in_a_version_that_has_them(newest: str, asked: str, fields: set[str]) -> None:
    texts = {"description": "d", "tags": ["t"], "OS-EXT-SRV-ATTR:hostname": "v1", "name": "v1"}
    draft = drafted([machine("v", **texts)], new=release(newest))
    args = steps(draft)["server/v"].args
    assert args["version"] == asked
    assert {"description", "tags", "hostname"} & args["body"].keys() == fields


def test_a_host_name_that_cannot_be_kept_is_told() -> None:
    named = machine("v", **{"OS-EXT-SRV-ATTR:hostname": "web.example.com", "name": "web.example.com"})
    draft = drafted([named], new=release("2.90"))
    assert "OS-EXT-SRV-ATTR:hostname" in [change.field for change in decision(draft, "server", "v").changes]
    (told,) = [found for found in draft.plan.findings if found.about == "v"]
    assert "host name than web.example.com" in say(told.summary)
    kept = drafted([named], new=release("2.94"))
    assert steps(kept)["server/v"].args["body"]["hostname"] == "web.example.com" and not kept.plan.findings


def test_disks_that_only_the_image_asks_for_are_the_flavors_and_told() -> None:
    """Nova bounds the local disks of an image by the flavor's, and so does the warning."""
    local = [
        {"boot_index": 0, "source_type": "image", "destination_type": "local"},
        {"source_type": "blank", "destination_type": "local", "volume_size": 2, "guest_format": None},
        {"source_type": "blank", "destination_type": "local", "volume_size": 1, "guest_format": "swap"},
    ]
    large = {**SMALL, "OS-FLV-EXT-DATA:ephemeral": 5, "swap": 1024}
    described = DEBIAN | {"block_device_mapping": json.dumps(local)}
    draft = drafted([machine("v")], {"flavor": [large], "image": [described]}, {"flavor": [large]})
    (told,) = [found for found in draft.plan.findings if found.about == "v" and found.severity == "warning"]
    assert "ephemeral disk of 5 GiB, swap disk of 1024 MiB arrives empty" in say(told.summary)
    assert "block_device_mapping_v2" not in steps(draft)["server/v"].args["body"]


@pytest.mark.parametrize("link", [True, False])
def test_disks_whose_content_no_api_reads_are_told(link: bool) -> None:
    large = {**SMALL, "OS-FLV-EXT-DATA:ephemeral": 5, "swap": 64}
    remembered = {"original_name": "gone", "ram": 1, "vcpus": 1, "disk": 1, "ephemeral": 5, "swap": 64}
    one = machine("v") if link else machine("v", flavor_link={}, flavor=remembered)
    draft = drafted([one], {"flavor": [large]}, {"flavor": [large]})
    (told,) = [found for found in draft.plan.findings if found.about == "v"]
    assert "ephemeral disk of 5 GiB, swap disk of 64 MiB arrives empty" in say(told.summary)
    (change,) = [one for one in decision(draft, "server", "v").changes if one.field == "local disks"]
    assert change.old == {"OS-FLV-EXT-DATA:ephemeral": 5, "swap": 64}


def test_a_server_that_names_an_image_and_boots_from_its_volume_is_made_so() -> None:
    attachments = [{"server_id": "v", "device": "/dev/vda"}]
    volume = {"id": "w", "name": "w", "os-vol-tenant-attr:tenant_id": "p", "attachments": attachments}
    attached = {"os-extended-volumes:volumes_attached": [{"id": "w"}], "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda"}
    draft = drafted([machine("v", **attached)], {"volume": [volume]})
    body = steps(draft)["server/v"].args["body"]
    assert body["imageRef"] == {"$ref": f"image/{IMAGE}", "field": "id"}
    assert [(disk["uuid"], disk["boot_index"]) for disk in body["block_device_mapping_v2"]] == [("new w", 0)]
    assert root_volumes(draft) == {"w"}
    gone = drafted([machine("v", image={"id": "gone"}, **attached)], {"volume": [volume]})
    assert "imageRef" not in steps(gone)["server/v"].args["body"] and "image/gone" not in steps(gone)


def test_an_empty_image_stands_in_for_one_that_was_deleted() -> None:
    draft = drafted([machine("v", image={"id": "gone"}), machine("w", image={"id": "gone"})])
    assert decision(draft, "image", "gone").decision == "create"
    made = steps(draft)["image/gone data"]
    assert made.kind == "move.empty_image" and ("image/gone data", "server/v") in draft.plan.edges
    assert steps(draft)["server/w"].args["body"]["imageRef"] == {"$ref": "image/gone", "field": "id"}
    told = [say(found.summary) for found in draft.plan.findings]
    assert len([text for text in told if "its image gone was deleted" in text]) == 2


ACCESS = {"flavor_id": "f", "tenant_id": "np"}


@pytest.mark.parametrize(("access", "given"), [([], True), ([ACCESS], False)])
def test_a_project_is_let_to_a_private_flavor_that_is_there(access: list[dict[str, Any]], given: bool) -> None:
    private = {**SMALL, "os-flavor-access:is_public": False}
    draft = drafted([machine("v")], new={"flavor": [private], "flavor access": access})
    if given:
        made = steps(draft)["flavor/f access p"].args
        assert made["requests"][0]["body"] == {"addTenantAccess": {"tenant": "new p"}}
        assert made["undo"][0]["body"] == {"removeTenantAccess": {"tenant": "new p"}}
        assert ("flavor/f access p", "server/v") in draft.plan.edges
        assert "private on new" in say(draft.plan.findings[0].summary)
    draft = drafted([machine("v")], new={"flavor": [private], "flavor access": [{**ACCESS, "tenant_id": "new p"}]})
    assert "flavor/f access p" not in steps(draft)


OTHERS = {**DEBIAN, "owner": "x", "visibility": "private"}


@pytest.mark.parametrize(
    ("visibility", "member", "asked"),
    [
        ("public", "", []),
        ("shared", "accepted", []),
        ("shared", "pending", ["POST", "PUT"]),
        ("shared", "", ["POST", "PUT"]),
        ("private", "", ["POST", "PUT"]),
    ],
)
def test_a_project_is_let_to_an_image_of_others_that_is_there(visibility: str, member: str, asked: list[str]) -> None:
    there = {**DEBIAN, "owner": "theirs", "visibility": visibility}
    members = [{"image_id": IMAGE, "member_id": "new p", "status": member}] if member else []
    draft = drafted([machine("v")], {"image": [OTHERS]}, {"image": [there], "image member": members})
    step = steps(draft).get(f"image/{IMAGE} member p")
    assert ([one["method"] for one in step.args["requests"]] if step else []) == asked
    if asked:
        assert step and step.args["undo"][0]["method"] == "DELETE" and (step.id, "server/v") in draft.plan.edges
    shared = steps(draft).get(f"image/{IMAGE} shared")
    assert bool(shared) == (visibility == "private")
    if shared and step:
        assert [one["body"][0]["value"] for one in (*shared.args["requests"], *shared.args["undo"])] == [
            "shared",
            "private",
        ]
        assert (shared.id, step.id) in draft.plan.edges


@pytest.mark.parametrize("visibility", ["shared", "private"])
def test_a_project_that_is_made_is_let_to_an_image_of_others(visibility: str) -> None:
    there = {**DEBIAN, "owner": "theirs", "visibility": visibility}
    members = [{"image_id": IMAGE, "member_id": "another", "status": "accepted"}]
    draft = drafted([machine("v")], {"image": [OTHERS]}, {"image": [there], "image member": members}, there=False)
    step = steps(draft)[f"image/{IMAGE} member p"]
    assert step.args["requests"][0]["body"]["member"] == {"$ref": "project/p", "field": "id"}


MAPPING = [{"source_type": "snapshot", "destination_type": "volume", "boot_index": 0, "snapshot_id": "s"}]
OF_SNAPSHOTS = {
    **{"id": IMAGE, "name": "golden", "owner": "p", "status": "active", "size": 0, "checksum": "d41d"},
    **{
        "disk_format": "qcow2",
        "container_format": "bare",
        "block_device_mapping": json.dumps(MAPPING),
        "bdm_v2": "True",
    },
}
SNAPSHOT = {"id": "s", "name": "s", "os-extended-snapshot-attributes:project_id": "p"}


@pytest.mark.parametrize("moved", [True, False])
def test_an_image_of_snapshots_names_those_of_the_new_cloud(moved: bool) -> None:
    draft = drafted([], {"image": [OF_SNAPSHOTS], "snapshot": [SNAPSHOT]})
    if moved:
        draft.match(draft.facts.old.all("snapshot")["s"], "new s", "")
    image.of_servers_on_volumes(draft)
    found = decision(draft, "image", IMAGE)
    if not moved:
        assert found.decision == "leave" and "snapshots that are not moved: s" in say(found.why)
        return
    made = steps(draft)[f"image/{IMAGE}"]
    assert made.kind == "move.mapped_image" and made.args["mapping"] == [{**MAPPING[0], "snapshot_id": "new s"}]
    assert made.args["body"]["disk_format"] == "raw" and "block_device_mapping" not in made.args["body"]
    assert made.args["body"]["bdm_v2"] == "True" and f"image/{IMAGE} data" in steps(draft)


@pytest.mark.parametrize("moved", [True, False])
def test_an_image_with_data_gets_the_names_of_its_snapshots_when_its_servers_are_made(moved: bool) -> None:
    further = {"source_type": "snapshot", "destination_type": "volume", "device_name": "/dev/vdb", "snapshot_id": "s"}
    written = json.dumps([further, {"source_type": "blank", "destination_type": "local", "volume_size": 0}])
    named = DEBIAN | {"owner": "p", "block_device_mapping": written}
    old = {"image": [named], "snapshot": [SNAPSHOT]}
    draft = drafted([machine("v")], old)
    if moved:
        draft.match(draft.facts.old.all("snapshot")["s"], "new s", "")
    image.of_servers_on_volumes(draft)
    image.named_snapshots(draft)
    made, last = steps(draft)[f"image/{IMAGE}"], steps(draft)[f"image/{IMAGE} snapshots"]
    assert "block_device_mapping" not in made.args["body"]
    assert last.kind == "move.image_mapping"
    assert [one.get("snapshot_id") for one in last.args["mapping"]] == ["new s" if moved else "s", None]
    assert last.args["mapping"][1]["volume_size"] == 0
    befores = {edge.before for edge in draft.plan.edges if edge.after == last.id}
    assert {f"image/{IMAGE} data", "server/v"} <= befores
    (change,) = [one for one in decision(draft, "image", IMAGE).changes if one.field == "block_device_mapping"]
    assert ("of the new cloud" in say(change.why)) == moved
    assert moved or ("that are not moved, as it did: s" in say(change.why) and change.new == written)


def test_what_an_image_says_of_its_disk_is_kept_when_the_disk_goes_by_another_one() -> None:
    said = {"os_secure_boot": "required", "hw_firmware_type": "uefi", "img_hide_hypervisor_id": "true", "mine": "x"}
    other = {"trait:HW_CPU_X86_AVX2": "required", "base_image_ref": "b", "img_signature": "s", "os_glance_x": "y"}
    assert disk_properties({**DEBIAN, **said, **other}) == {**said, "trait:HW_CPU_X86_AVX2": "required"}
