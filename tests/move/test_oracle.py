"""The oracle itself: that it takes a flawless move for one, and finds each single flaw."""

import copy
from typing import Any

import pytest

from .oracle import Mismatch, leftovers, project, snapshot
from .oracle.api import Unreadable
from .oracle.fake import FakeRest, newest
from .oracle.fields import KEEPS_ID, SERVICE_PORTS, UNCOMPARED, VOLATILE
from .oracle.mutate import EXCUSED, Path, flaws, owned, put, unfound
from .oracle.pairs import KEYS, pair
from .oracle.read import Cloud
from .oracle.sample import Items, pike
from .oracle.scope import belonging
from .oracle.shape import is_unequal

pytestmark = pytest.mark.unit


@pytest.fixture
def old() -> Cloud:
    return snapshot(FakeRest(pike()))


@pytest.fixture
def new() -> Cloud:
    return snapshot(FakeRest(newest(pike())))


def test_a_flawless_move_has_no_mismatch(old: Cloud, new: Cloud) -> None:
    assert project(old, new, "o-shop") == []
    assert project(FakeRest(pike()), FakeRest(newest(pike())), "o-shop") == []
    assert project(old, old, "o-shop") == [] and project(new, new, "n-shop") == []


def test_the_sample_has_every_page_read(old: Cloud) -> None:
    for kind, items in pike().items():
        assert len(old.get(kind, {})) == len(items), kind
    assert old["server"]["o-srv"]["flavor"]["id"] == "4711"  # which only an old microversion tells


def test_each_single_changed_property_is_found(old: Cloud, new: Cloud) -> None:
    things = owned(new, "n-shop")
    assert set(things) >= set(pike()) - {"trust"}
    # what the older release does not show at all can say this or that: only its defaults are known
    some = [flaw for flaw in flaws(things, new) if any(flaw[2][0] in item for item in old[flaw[0]].values())]
    assert len(some) > 500
    assert unfound(old, "o-shop", new, iter(some)) == []


def test_what_a_newer_release_shows_has_to_be_its_default(old: Cloud, new: Cloud) -> None:
    for kind, field, value in (
        ("server", "locked_reason", "ask first"),
        ("security_group", "stateful", False),
        ("image", "os_hidden", True),
        ("port", "numa_affinity_policy", "required"),
        ("server", "scheduler_hints", {"different_host": ["x"]}),
        ("project", "tags", ["x"]),
    ):
        after = copy.deepcopy(new)
        identity = sorted(belonging(new, "n-shop")[kind])[0]
        after[kind][identity][field] = value
        assert (kind, field) in {(one.kind, one.field.partition(".")[0]) for one in project(old, after, "o-shop")}


@pytest.mark.parametrize("kind", ["server", "volume", "network", "image"])
def test_each_property_that_went_is_found(old: Cloud, new: Cloud, kind: str) -> None:
    """A field that the new cloud does not answer at all."""
    told = {field for item in old[kind].values() for field in item} - _NEEDED[kind]
    for item in owned(new, "n-shop")[kind]:
        for field in sorted(told & set(item)):
            if not is_unequal(kind, field) and (kind, field) not in EXCUSED:
                value = item.pop(field)
                assert project(old, new, "o-shop"), field
                item[field] = value


# without which an API's answer is none at all
_NEEDED = {
    "server": {"id", "flavor", "name", "tenant_id"},
    "volume": {"attachments", "metadata", "name", "description", "size", "volume_type", "os-vol-tenant-attr:tenant_id"},
    "network": {"id", "name"},
    "image": {"id", "name", "visibility", "checksum", "owner"},
}


@pytest.mark.parametrize("kind", sorted(set(pike()) - {"trust", "domain", "project"}))
def test_what_is_missing_and_what_is_too_much_is_found(old: Cloud, new: Cloud, kind: str) -> None:
    for identity in belonging(new, "n-shop")[kind]:
        after = copy.deepcopy(new)
        del after[kind][identity]
        found = project(old, after, "o-shop")
        assert any(one.kind == kind and one.new is None and one.field == "" for one in found), identity
    if kind in ("user", "group", "role", "flavor", "volume_type", "qos_spec") or kind.endswith("quota"):
        return  # of several projects, or no thing of its own
    for identity in belonging(old, "o-shop")[kind]:
        before = copy.deepcopy(old)
        del before[kind][identity]
        found = project(before, new, "o-shop")
        assert any(one.kind == kind and one.old is None and one.old_id == "" for one in found), identity


def test_a_project_without_a_counterpart_is_missing_whole(old: Cloud, new: Cloud) -> None:
    del new["project"]["n-shop"]
    found = project(old, new, "o-shop")
    assert Mismatch("project", "shop", "o-shop", "", old["project"]["o-shop"], None) in found
    assert {one.kind for one in found if one.field == ""} >= {"server", "network", "port", "volume"}


def field_of(found: list[Mismatch]) -> set[tuple[str, str]]:
    return {(one.kind, one.field) for one in found}


@pytest.mark.parametrize(
    ("kind", "identity", "path", "value", "reported"),
    [
        ("subnet", "n-sub-1", ("dns_nameservers",), ["10.0.0.2", "10.0.0.3"], "dns_nameservers"),
        ("subnet", "n-sub-1", ("gateway_ip",), "10.0.0.1", "gateway_ip"),
        ("network", "n-net-1", ("qos_policy_id",), None, "qos_policy_id"),
        ("network", "n-net-2", ("description",), "other", "description"),
        ("network", "n-net-2", ("name",), "other", "name"),
        ("port", "n-port-1", ("security_groups",), ["n-sg-1"], "security_groups"),
        ("port", "n-port-1", ("mac_address",), "fa:16:3e:00:00:99", "mac_address"),
        ("port", "n-port-3", ("fixed_ips", 0, "ip_address"), "10.0.0.254", "fixed_ips"),
        ("security_group_rule", "n-rule-2", ("remote_group_id",), "n-sg-2", "remote_group_id"),
        ("security_group_rule", "n-rule-3", ("remote_ip_prefix",), None, "remote_ip_prefix"),
        ("floatingip", "n-fip", ("fixed_ip_address",), "10.0.0.9", "fixed_ip_address"),
        ("floatingip", "n-fip", ("floating_ip_address",), "198.18.0.99", "floating_ip_address"),
        ("router", "n-router", ("external_gateway_info", "enable_snat"), True, "external_gateway_info.enable_snat"),
        ("trunk", "n-trunk", ("sub_ports", 0, "segmentation_id"), 101, "sub_ports"),
        ("rbac", "n-rbac", ("target_tenant",), "n-shop", "target_tenant"),
        ("server", "n-srv", ("flavor", "id"), "other", "flavor.id"),
        ("volume", "n-vol-2", ("metadata", "readonly"), "False", "readonly"),
        ("volume", "n-vol-1", ("metadata", "zero"), "", "metadata.zero"),
        ("volume", "n-vol-root", ("volume_image_metadata", "note"), None, "volume_image_metadata.note"),
        ("server_group", "n-sgrp", ("members",), [], "members"),
        ("image", "image-1", ("instance_uuid",), "o-srv", "instance_uuid"),
        ("volume_quota", "n-shop", ("gigabytes_ceph",), -1, "of type.gigabytes ceph"),
        ("flavor", "4711", ("access",), [], "access"),
    ],
)
def test_one_flaw_is_one_mismatch(
    old: Cloud, new: Cloud, kind: str, identity: str, path: Path, value: Any, reported: str
) -> None:
    """Where one property of a thing is another, the thing itself is still found, and the property named."""
    put(new[kind][identity], path, value)
    found = project(old, new, "o-shop")
    assert (kind, reported) in field_of(found)
    assert all(one.field for one in found if one.kind == kind)


def test_the_order_of_nics_and_disks_counts(old: Cloud, new: Cloud) -> None:
    new["server"]["n-srv"]["addresses"]["same"].reverse()
    one, other = (new["server_volume"][f"n-srv/{volume}"] for volume in ("n-vol-root", "n-vol-1"))
    one["device"], other["device"] = other["device"], one["device"]
    assert {("server", "nics"), ("server", "disks")} <= field_of(project(old, new, "o-shop"))


def test_things_of_one_name_are_told_apart_by_what_they_are(old: Cloud, new: Cloud) -> None:
    pairs = pair(old, new)
    for kind in ("network", "security_group", "volume", "port"):
        assert all(other == one.replace("o-", "n-", 1) for one, other in pairs[kind].items()), kind
    assert set(pairs["volume"]) == set(old["volume"]) and set(pairs["network"]) == set(old["network"])


def test_twins_that_differ_in_one_field_are_paired_by_the_rest(old: Cloud, new: Cloud) -> None:
    for cloud, ids in ((old, ("o-net-1", "o-net-2")), (new, ("n-net-1", "n-net-2"))):
        for one in ids:
            cloud["network"][one].update(description="", qos_policy_id=None)
    assert project(old, new, "o-shop") == []


def test_what_services_make_for_themselves_is_nobodys(old: Cloud, new: Cloud) -> None:
    for number, device_owner in enumerate(SERVICE_PORTS):
        port = {**copy.deepcopy(new["port"]["n-port-5"]), "id": f"n-own-{number}", "device_owner": device_owner}
        new["port"][port["id"]] = {**port, "mac_address": f"fa:16:3e:01:00:{number:02x}"}
    assert project(old, new, "o-shop") == []


def test_leftovers_are_whatever_is_more(new: Cloud) -> None:
    before = copy.deepcopy(new)
    assert leftovers(None, before, new) == {} and leftovers(FakeRest(newest(pike())), before) == {}
    for kind in new:
        identity, item = next(iter(new[kind].items()), ("", {}))
        after = {**new, kind: {**new[kind], f"{identity}-more": {**item, "id": "more"}}}
        assert list(leftovers(None, before, after)) == [kind], kind
    kept = {"id": "nobody", "name": "default", "project_id": "", "tenant_id": "", "security_group_rules": []}
    assert leftovers(None, before, {**new, "security_group": {**new["security_group"], "nobody": kept}}) == {}


def test_a_snapshot_is_steady_but_for_changes(old: Cloud) -> None:
    items = pike()
    for some in items.values():
        some.reverse()
        for item in some:
            item.update({field: "later" for field in ("updated_at", "revision_number") if field in item})
            for field in ("tags", "security_groups", "allocation_pools"):
                if field in item:
                    item[field].reverse()
    assert snapshot(FakeRest(items)) == old
    items["port"][0]["name"] = "renamed"
    assert snapshot(FakeRest(items)) != old
    assert not VOLATILE & {field for kind in old.values() for item in kind.values() for field in item}


def test_secrets_are_not_in_a_snapshot(old: Cloud) -> None:
    assert old["credential"]["hash-1"]["blob"].startswith("sha256:")


def test_a_refusal_is_an_error() -> None:
    class Refusing(FakeRest):
        def request(self, *arguments: Any, **options: Any) -> Any:
            answer = super().request(*arguments, **options)
            if "/v2.0/ports" in arguments[0]:
                answer.status_code = 403
            return answer

    with pytest.raises(Unreadable, match=r"/v2\.0/ports: 403"):
        snapshot(Refusing(pike()))


def test_every_kind_that_is_read_is_compared_or_excused(old: Cloud, new: Cloud) -> None:
    known = set(KEYS) | set(UNCOMPARED)
    assert {*old, *new} <= known
    assert not set(KEYS) & set(UNCOMPARED)
    assert set(KEYS) >= KEEPS_ID


def test_items_of_an_unread_kind_do_not_break(old: Cloud) -> None:
    items: Items = newest(pike())
    del items["trunk"]
    found = project(old, FakeRest(items), "o-shop")
    assert field_of(found) == {("trunk", "")}
