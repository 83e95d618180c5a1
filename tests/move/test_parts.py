"""The small parts of a move that stand alone: keys and passwords, references, rules of security groups."""

from pathlib import Path
from typing import Any

import pytest

from naru.actions.arguments import password, resolve, url
from naru.actions.clouds import matches
from naru.errors import InputError
from naru.inventory.rows import Row
from naru.inventory.security_group_rules import same_rule
from naru.move.decisions import Decision
from naru.move.kind import OWN, Kind
from naru.move.kinds import BY_NAME, network, port
from naru.move.verify import Verifier
from naru.plan.arguments import references
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import KINDS
from naru.work import keys

from .test_mapping import Given

pytestmark = pytest.mark.unit


def context() -> Context:
    return Context(n=1, id="s", kind="k", unit="", args={}, attempt=1, earlier=None, reader=lambda _: {})


def test_a_password_follows_from_the_key_alone(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    keys.ensure_key(tmp_path / "key", work)
    keys.ensure_key(tmp_path / "key", work)  # what is there stays
    keys.ensure_key(tmp_path / "other", work)
    first = keys.password(tmp_path / "key", "old/1")
    assert first == keys.password(tmp_path / "key", "old/1") and len(first) == 32
    assert first != keys.password(tmp_path / "key", "old/2") != keys.password(tmp_path / "other", "old/2")
    assert keys.fingerprint(tmp_path / "key") != keys.fingerprint(tmp_path / "other")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_a_key_is_used_for_each_plan_and_purpose_by_itself(tmp_path: Path) -> None:
    key, work = tmp_path / "key", tmp_path / "work"
    work.mkdir()
    key.write_bytes(b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")  # 0, 1, ... 31
    key.chmod(0o600)
    found = {keys.password(key, of, plan) for of in ("old/1", "old/2") for plan in ("", "one", "two")}
    assert len(found) == 6 and all(len(one) == 32 for one in found)
    # what a plan of before made users with, and what one of now does: neither may ever change
    assert keys.password(key, "old/1") == "z76aZgLOjMa-qMsNIVyK3RUAXm-qaA1-"
    assert keys.password(key, "old/1", "one") == "2E9kvCe_Qqh_-hOcD88G7Zm596HgaA1-"
    derived = {keys.handover_key(key, plan) for plan in ("one", "two")}
    assert len(derived) == 2 and keys.handover_key(key) == key.read_text() not in derived
    plans = [resolve(password("old/1", str(key), plan), {}, context()) for plan in ("", "one")]
    assert plans == ["z76aZgLOjMa-qMsNIVyK3RUAXm-qaA1-", "2E9kvCe_Qqh_-hOcD88G7Zm596HgaA1-"]
    assert password("old/1", str(key)) == {"$password": "old/1", "key": str(key)}


@pytest.mark.parametrize(("name", "spoil"), [("work/key", ""), ("key", "no key"), ("key", "open")])
def test_a_key_that_gives_passwords_away_is_refused(tmp_path: Path, name: str, spoil: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = tmp_path / name
    if spoil:
        keys.ensure_key(file, work)
    if spoil == "no key":
        file.write_text("password")
    if spoil == "open":
        file.chmod(0o644)
    with pytest.raises(InputError):
        keys.ensure_key(file, work)


def test_references_are_found_and_resolved_at_any_depth() -> None:
    body = {
        "a": [{"$ref": "one", "field": "id"}],
        "b": {"c": {"$ref": "two", "field": "deep.id"}},
        "d": [0, "", None, False],
    }
    assert list(references(body)) == ["one", "two"]
    results = {"one": {"id": "1"}, "two": {"deep": {"id": "2"}}}
    assert resolve(body, results, context()) == {"a": ["1"], "b": {"c": "2"}, "d": [0, "", None, False]}
    assert url(["/x/", "1", "/y"]) == "/x/1/y"
    with pytest.raises(PlanError, match="one"):
        resolve(body, {"one": None, "two": {}}, context())


def test_a_password_is_not_in_what_a_step_records(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    keys.ensure_key(tmp_path / "key", work)
    running = context()
    resolved = resolve({"password": password("old/1", str(tmp_path / "key"))}, {}, running)
    assert resolved["password"] == keys.password(tmp_path / "key", "old/1")
    assert resolved["password"] not in running.redact(str(resolved))


def test_a_thing_is_found_by_every_value_and_not_by_fewer() -> None:
    item = {"mac_address": "fa:16:3e:AA:00:01", "fixed_ips": [{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.2"}]}
    assert matches(item, {"mac_address": "FA:16:3e:aa:00:01", "fixed_ips.*.ip_address": "10.0.0.2"})
    assert not matches(item, {"mac_address": "fa:16:3e:aa:00:01", "fixed_ips.*.ip_address": "10.0.0.3"})
    assert not matches(item, {"name": None})
    assert matches({"domain_id": None}, {"domain_id": None})


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"protocol": "icmpv6"}, {"protocol": "ipv6-icmp"}, True),
        ({"protocol": "6"}, {"protocol": "TCP"}, True),
        ({"protocol": None}, {"protocol": ""}, True),
        ({"port_range_min": 1, "port_range_max": 65535}, {}, True),
        ({"port_range_min": 0, "port_range_max": 0}, {}, False),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {}, True),
        ({"remote_ip_prefix": "10.0.0.7"}, {"remote_ip_prefix": "10.0.0.7/32"}, True),
        ({"remote_ip_prefix": "10.0.0.0/8"}, {"remote_ip_prefix": "10.0.0.0/9"}, False),
        ({"protocol": "icmp", "ethertype": "IPv6"}, {"protocol": "58", "ethertype": "IPv6"}, True),
        ({"protocol": "icmp", "ethertype": "IPv4"}, {"protocol": "58", "ethertype": "IPv4"}, False),
        ({"direction": "ingress"}, {"direction": "egress"}, False),
        ({"remote_group_id": "a"}, {"remote_group_id": "b"}, False),
    ],
)
def test_rules_that_neutron_takes_for_the_same(one: dict[str, Any], other: dict[str, Any], equal: bool) -> None:
    assert (same_rule(one) == same_rule(other)) is equal


def test_a_field_that_nobody_thought_of_is_told() -> None:
    body = {"id": "1", "name": "n", "mtu": 0, "x:new": "value", "x:none": None, "x:false": False, "shared": True}
    row = Row("network", "1", "n", "p", "ACTIVE", body)
    assert [change.field for change in network.KIND.unknown(row)] == ["x:new", "x:false"]


def test_the_step_kinds_of_older_journals_are_known() -> None:
    """What a journal has that was written before a kind was renamed, can still be run and rolled back."""
    assert KINDS.get("move.content.settle") is KINDS.get("move.content.flatten")
    assert KINDS.get("move.content.back") is KINDS.get(KINDS.get("move.content").undo)


@pytest.mark.parametrize("kind", BY_NAME.values(), ids=BY_NAME)
def test_what_is_derived_is_neither_sent_nor_said_to_be_lost_for_another_reason(kind: Kind) -> None:
    assert not kind.derived & {*kind.sent, *kind.handled, *kind.not_kept, *OWN}
    assert not kind.derived & kind.not_compared


@pytest.mark.parametrize(
    ("field", "lost", "differs"),
    [("device_id", False, False), ("binding:profile", True, False), ("x:new", True, True), ("name", False, True)],
    ids=["derived", "not compared", "unknown", "sent"],
)
def test_what_is_reported_as_lost_and_what_is_compared_are_two_things(field: str, lost: bool, differs: bool) -> None:
    body = {"id": "o", "name": "n", "mac_address": "fa:16:3e:00:00:01", "project_id": "p", field: "old"}
    changes = port.KIND.unknown(Row("port", "o", "n", "p", "ACTIVE", body))
    assert [change.field for change in changes] == [field] * lost
    old, new = Given("old", {"port": [body]}), Given("new", {"port": [{**body, "id": "n", field: "new"}]})
    decision = Decision("port", "o", "n", "p", "create", "", step="port/o")
    found = Verifier(old, new, {"port o": "n"}, set(), set()).differences(decision)
    assert [difference.field for difference in found] == [field] * differs
