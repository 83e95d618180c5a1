"""What a new Neutron refuses, and what belongs to the operator: mapped, or told before anything happens."""

from typing import Any
from unittest.mock import Mock

import pytest

from naru.actions.create import Create
from naru.cloud.client import CloudError
from naru.errors import InputError
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Draft, Options
from naru.move.kinds import network, port, public_addresses, router, security_group
from naru.move.kinds.neutron_limits import port_owner, taken_rule
from naru.move.outcome import Difference, Item
from naru.move.pages import addresses
from naru.plan.errors import PlanError
from naru.report.blocks import Table

from .test_mapping import MINA, NEW, NEWEST, facts
from .test_progress import OLD

pytestmark = pytest.mark.unit

PUBLIC, INNER = OLD["network"]
(PORT,) = OLD["port"]
(SUBNET,) = OLD["subnet"]
(ROUTER,) = OLD["router"]


def drafted(
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    extensions: tuple[str, ...] = (),
    written: dict[str, Any] | None = None,
) -> Draft:
    itself = {"name": "new", **NEWEST, "extensions": {"network": list(extensions)}}
    found = facts({**OLD, **(old or {})}, {"cloud": [itself], **(new or {})}, "shop", "other")
    choices = mapfile.choose(found, mapfile.parse(written or {}))
    return planner.make(found, choices, Options(key="/key"), settings={})


def body(draft: Draft, step: str) -> dict[str, Any]:
    return dict(draft.steps[step].args["body"])


def changes(draft: Draft, kind: str, identity: str) -> dict[str, tuple[Any, Any, str]]:
    found = draft.decisions[kind, identity].changes
    return {change.field: (change.old, change.new, say(change.why)) for change in found}


def said(draft: Draft, severity: str) -> list[str]:
    return [say(one.summary) for one in draft.plan.findings if one.severity == severity]


# -- rules of security groups


def rule(identity: str, **fields: Any) -> dict[str, Any]:
    every = dict.fromkeys(("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"))
    return {"id": identity, "direction": "ingress", "ethertype": "IPv4", "description": "", **every, **fields}


def ports(protocol: str | None, first: int | None, last: int | None, **more: Any) -> dict[str, Any]:
    return {"protocol": protocol, "port_range_min": first, "port_range_max": last, "ethertype": "IPv4", **more}


@pytest.mark.parametrize(
    ("given", "taken", "why"),
    [
        (ports("tcp", 22, 22), (22, 22), ""),
        (ports("132", 1, 65535), (1, 65535), ""),
        (ports("icmp", 8, None), (8, None), ""),
        (ports("icmp", 0, 0), (0, 0), ""),
        (ports(None, None, None), (None, None), ""),
        (ports("vrrp", 1, 1), (None, None), "protocol vrrp has no ports"),
        (ports("47", 0, 0), (None, None), "protocol 47 has no ports"),
        (ports("esp", 500, None), (None, None), "protocol esp has no ports"),
        (ports("udp", 0, 0), None, "does not take these ports"),
        (ports("tcp", 22, None), None, "does not take these ports"),
        (ports("tcp", 23, 22), None, "does not take these ports"),
        (ports(None, 22, 22), None, "no ports without a protocol"),
        (ports("any", 22, 22), None, "no ports without a protocol"),
        (ports("icmp", 256, None), None, "this ICMP type or code"),
        (ports("icmp", None, 0), None, "this ICMP type or code"),
        (ports("icmpv6", None, None), None, "same IP version"),
        (ports("icmpv6", None, None, ethertype="IPv6"), (None, None), ""),
        (ports("tcp", 1, 2, remote_ip_prefix="::/0"), None, "same IP version"),
    ],
)
def test_rules_as_the_new_neutron_takes_them(given: Any, taken: Any, why: str) -> None:
    found, reason = taken_rule(given)
    assert (found and (found["port_range_min"], found["port_range_max"])) == taken
    assert why in say(reason) and bool(why) == bool(reason)


def group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"security group": [{"id": "g", "name": "web", "project_id": "p", "security_group_rules": list(rules)}]}


def test_one_rule_that_is_refused_takes_no_other_with_it() -> None:
    draft = drafted(
        group(
            rule("1", protocol="vrrp", port_range_min=1, port_range_max=1),
            rule("2", port_range_min=5, port_range_max=5),
            rule("3", protocol="tcp", port_range_min=22, port_range_max=22),
            rule("4", protocol="6", port_range_min=22, port_range_max=22, remote_ip_prefix="0.0.0.0/0"),
            rule("5", remote_group_id="elsewhere"),
        )
    )
    sent = draft.steps["security group/g rules"].args["rules"]
    assert [(one["protocol"], one["port_range_min"]) for one in sent] == [("vrrp", None), ("tcp", 22)]
    texts = "\n".join(said(draft, "warning"))
    assert "protocol vrrp has no ports" in texts and "no ports without a protocol" in texts and "it names a" in texts
    assert any("rules that are one" in text for text in said(draft, "info"))
    told = [change.old for change in draft.decisions["security group", "g"].changes]
    assert len(told) == 4


def test_what_is_told_of_rules_is_no_difference() -> None:
    old = rule("1", protocol="vrrp", port_range_min=1, port_range_max=1), rule("2", remote_group_id="elsewhere")
    more = rule("3", protocol="tcp"), rule("4", protocol="tcp", remote_ip_prefix="0.0.0.0/0")
    given = Row.of(BY_NAME["security group"], group(*old, *more)["security group"][0])
    arrived = Row.of(
        BY_NAME["security group"], group(rule("8", protocol="112"), rule("9", protocol="tcp"))["security group"][0]
    )
    compare = security_group.KIND.compared
    there = compare(Mock(), arrived, lambda kind, identity: identity)
    assert compare(Mock(), given, lambda kind, identity: "new g" if identity == "g" else identity) == there
    other = Row.of(BY_NAME["security group"], group(rule("8", protocol="112"))["security group"][0])
    assert compare(Mock(), other, lambda kind, identity: identity) != there


def test_a_rule_that_nobody_knew_of_is_named_and_the_others_are_made() -> None:
    asked = []

    def client(service: str, method: str, path: str, body: dict[str, Any]) -> None:
        asked.append(body["security_group_rule"]["protocol"])
        if asked[-1] != "tcp":
            raise CloudError("refused", status={"odd": 400, "same": 409}[asked[-1]], detail="it is odd")

    with pytest.raises(PlanError, match="1 of 3 rules") as caught:
        security_group._each(client, [rule("1", protocol=name) for name in ("odd", "same", "tcp")])  # type: ignore[arg-type]
    assert asked == ["odd", "same", "tcp"] and "protocol odd: it is odd" in caught.value.detail


# -- ports


@pytest.mark.parametrize(
    ("types", "owner", "wanted"),
    [
        ([], "compute:nova", ""),
        ([[], []], "compute:nova", ""),
        ([["compute:nova"]], "compute:nova", "compute:nova"),
        ([["compute:nova"], []], "", "compute:nova"),
        ([["a", "b"], ["b"]], "compute:x", "b"),
        ([["a"], ["b"]], "compute:x", ""),
    ],
)
def test_the_owner_that_subnets_with_service_types_want(types: list[list[str]], owner: str, wanted: str) -> None:
    assert port_owner(types, owner) == wanted


def test_a_port_on_a_subnet_with_service_types() -> None:
    typed = {"id": "t", "network_id": "m", "cidr": "10.0.0.0/24", "project_id": "q", "service_types": ["compute:nova"]}
    address = {"fixed_ips": [{"subnet_id": "t", "ip_address": "10.0.0.9"}]}
    things = {"subnet": [SUBNET, typed], "port": [PORT | address]}
    draft = drafted(things, None, ("subnet-service-types",))
    assert body(draft, "port/po")["device_owner"] == "compute:nova"
    assert changes(draft, "port", "po")["device_owner"][1] == "compute:nova"
    assert "device_owner" not in body(drafted(things), "port/po")  # there the subnet has none


def test_the_dns_name_of_a_port_without_a_server() -> None:
    named = {"port": [PORT | {"dns_name": "lonely", "device_id": ""}]}
    assert body(drafted(named, None, ("dns-integration",)), "port/po")["dns_name"] == "lonely"
    draft = drafted(named)
    assert "dns_name" not in body(draft, "port/po")
    assert changes(draft, "port", "po")["dns_name"] == ("lonely", None, "new has no dns-integration")
    server = {"id": "v", "name": "v", "tenant_id": "p", "user_id": MINA, "status": "BUILD"}
    of_server = {"port": [PORT | {"dns_name": "v", "device_id": "v"}], "server": [server]}
    assert "dns_name" not in body(drafted(of_server, None, ("dns-integration",)), "port/po")


# -- quotas


@pytest.mark.parametrize("extensions", [(), ("quota-check-limit-default",)])
def test_a_network_quota_below_what_is_used_is_forced_where_that_is_known(extensions: tuple[str, ...]) -> None:
    quota = {"network quota": [{"project_id": "p", "port": 0}]}
    there = {"network quota": [{"project_id": "x", "port": 500}]}
    draft = drafted(quota, there, extensions)
    for step, value in (("lifted", -1), ("exact", 0)):
        (request,) = draft.steps[f"network quota/p {step}"].args["requests"]
        assert request["body"]["quota"] == {"port": value} | ({"force": True} if extensions else {})


# -- networks


def mtu(new: list[dict[str, Any]], wanted: int) -> tuple[str, tuple[Any, ...] | None, list[str], list[str]]:
    there = {"network": [*NEW["network"], *({"project_id": "a", "name": "n", **one} for one in new)]}
    draft = drafted({"network": [PUBLIC, INNER | {"mtu": wanted}]}, there, ("net-mtu-writable",))
    assert body(draft, "network/m")["mtu"] == wanted
    found = changes(draft, "network", "m").get("mtu")
    return draft.steps["network/m"].kind, found, said(draft, "warning"), said(draft, "info")


def test_an_mtu_that_is_larger_than_networks_there_have_is_told() -> None:
    tunnel = {"id": "t", "mtu": 1442, "provider:network_type": "geneve"}
    flat = {"id": "f", "mtu": 9000, "provider:network_type": "flat"}
    kind, found, warnings, _ = mtu([tunnel, flat], 1500)
    assert kind == "move.network" and found and found[:2] == (1500, 1442) and "at most 1442" in found[2]
    assert any("network inner: its MTU of 1500 is larger" in text for text in warnings)
    assert mtu([tunnel, flat], 1442)[:2] == ("cloud.create", None)
    assert mtu([tunnel, flat], 1300)[:2] == ("cloud.create", None)
    kind, found, warnings, infos = mtu([], 1450)
    assert (kind, found) == ("move.network", None) and not any("MTU" in text for text in warnings)
    assert "new has no network that would tell its largest MTU (1 networks with up to 1450 are moved)" in infos


def test_an_mtu_that_neutron_refuses_becomes_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def made(context: Any, before: Any = lambda args: {}) -> dict[str, str]:
        given.append(before({}))
        if not given[-1]:
            raise CloudError("refused", status=400, detail="Invalid input: Requested MTU is too big, maximum is 1442")
        return {"id": "new"}

    monkeypatch.setattr(network, "made_as", made)
    assert network.make_network(Mock()) == {"id": "new"} and given == [{}, {"mtu": 1442}]
    other = CloudError("refused", status=400, detail="Invalid input for name")
    monkeypatch.setattr(network, "made_as", Mock(side_effect=other))
    with pytest.raises(CloudError):
        network.make_network(Mock())


def test_that_a_network_came_out_smaller_is_explained_and_nothing_else_is() -> None:
    adjusted = network.KIND.adjusted
    assert adjusted("mtu", 1500, 1442)
    assert not adjusted("mtu", 1442, 1500) and not adjusted("mtu", 1500, None) and not adjusted("name", "b", "a")
    assert issubclass(network.Largest, Create)


def test_an_external_network_of_a_moved_project_is_mapped_like_others() -> None:
    mine = {"network": [PUBLIC | {"project_id": "p"}, INNER]}
    draft = drafted(mine)
    assert draft.decisions["network", "n"].new == "n2" and not said(draft, "error")
    draft = drafted({"network": [PUBLIC | {"project_id": "p"}, INNER]}, {"network": [], "subnet": []})
    assert any(text.startswith("networks: public is not decided") for text in said(draft, "error"))
    alone = {"id": "x", "name": "alone", "project_id": "p", "router:external": True}
    draft = drafted({"network": [PUBLIC, INNER, alone]})
    assert any(text.startswith("networks: alone is not decided") for text in said(draft, "error"))


# -- addresses

ELSEWHERE = {"subnet": [{**NEW["subnet"][0], "cidr": "192.0.2.0/24"}]}
MAPPED = {"networks": {"public": "internet"}}


def test_another_public_range_has_to_be_decided() -> None:
    draft = drafted(None, ELSEWHERE, written=MAPPED)
    (text,) = [text for text in said(draft, "error") if text.startswith("addresses: public")]
    assert "no subnet of new holds 198.18.0.5, 198.18.0.9" in text


def test_new_addresses_by_the_map() -> None:
    draft = drafted(None, ELSEWHERE, written=MAPPED | {"addresses": {"public": "new"}})
    assert not said(draft, "error")
    made = body(draft, "floating IP/f")
    assert "floating_ip_address" not in made and made["description"].startswith("naru:")
    assert changes(draft, "floating IP", "f")["floating_ip_address"][0] == "198.18.0.9"
    assert changes(draft, "router", "ro")["gateway"][0] == "198.18.0.5"
    (request,) = draft.steps["take gateway/ro"].args["requests"]
    assert request["body"]["router"]["external_gateway_info"] == {"network_id": "n2", "enable_snat": True}


def test_what_has_an_address_is_left_by_the_map() -> None:
    draft = drafted(None, ELSEWHERE, written=MAPPED | {"addresses": {"public": "leave"}})
    assert draft.decisions["floating IP", "f"].decision == "leave" and not said(draft, "error")
    assert "take gateway/ro" not in draft.steps and "release gateway/ro" not in draft.steps
    assert "gateway" in changes(draft, "router", "ro")


def test_an_address_that_the_mapped_network_does_not_hold_is_an_error() -> None:
    there = {
        "network": [*NEW["network"], {"id": "n3", "name": "third", "project_id": "a", "router:external": True}],
        "subnet": [*NEW["subnet"], {"id": "s3", "name": "", "network_id": "n3", "cidr": "192.0.2.0/24"}],
    }
    draft = drafted(None, there, written={"networks": {"public": "third"}})
    assert any("third of new has no subnet that holds 198.18.0.9" in text for text in said(draft, "error"))


def test_an_address_is_kept_where_a_subnet_of_another_size_holds_it() -> None:
    wider = {"subnet": [{**NEW["subnet"][0], "cidr": "198.18.0.0/16"}]}
    draft = drafted(None, wider, written=MAPPED)
    assert not said(draft, "error") and body(draft, "floating IP/f")["floating_ip_address"] == "198.18.0.9"


def test_only_words_of_the_section_are_taken() -> None:
    with pytest.raises(InputError, match="does not fit") as caught:
        drafted(None, ELSEWHERE, written=MAPPED | {"addresses": {"public": "none"}})
    assert "none is none of keep, new, leave" in caught.value.detail


def test_the_report_has_new_addresses_beside_the_old_ones() -> None:
    why = public_addresses.NEW_ADDRESS()
    found = [
        ("floating IP", Difference("floating_ip_address", "198.18.0.9", "192.0.2.7", why)),
        ("router", Difference("gateway", ["198.18.0.5"], ["192.0.2.8"], why)),
        ("port", Difference("fixed_ips", {"subnet_id": "s", "ip_address": "198.18.0.6"}, None, why)),
        ("network", Difference("mtu", 1500, 1450, "another reason")),
    ]
    items = [Item(kind, "1", "2", kind, "p", "create", "", (difference,)) for kind, difference in found]
    (_, _, table) = addresses.blocks(Mock(items=items))
    assert isinstance(table, Table)
    told = [tuple(cell[0].text if isinstance(cell, tuple) else say(cell) for cell in row[2:]) for row in table.rows]
    assert told == [
        ("198.18.0.9", "192.0.2.7"),
        ("198.18.0.5", "192.0.2.8"),
        ("198.18.0.6", "not known yet"),
    ]
    assert not list(addresses.blocks(Mock(items=items[3:])))


# -- routers


def info(draft: Draft, step: str, which: str = "requests") -> dict[str, Any]:
    return dict(draft.steps[step].args[which][0]["body"]["router"]["external_gateway_info"])


def test_what_a_router_says_is_asked_for_false_too() -> None:
    said_so = {"router": [ROUTER | {"distributed": False, "ha": True}]}
    made = body(drafted(said_so, None, ("dvr", "l3-ha")), "router/ro")
    assert (made["distributed"], made["ha"]) == (False, True)
    made = body(drafted(said_so), "router/ro")
    assert "distributed" not in made and "ha" not in made
    assert "distributed" not in body(drafted(None, None, ("dvr",)), "router/ro")


@pytest.mark.parametrize(
    ("field", "extension", "value", "told"),
    [
        ("distributed", "dvr", True, True),
        ("ha", "l3-ha", True, True),
        ("distributed", "dvr", False, False),  # a cloud that knows no others has none but such routers
        ("ha", "l3-ha", False, False),
    ],
)
def test_what_a_router_cannot_be_on_the_new_cloud_is_told(field: str, extension: str, value: bool, told: bool) -> None:
    draft = drafted({"router": [ROUTER | {field: value}]})
    assert field not in body(draft, "router/ro")
    expected = {field: (value, None, f"new has no {extension}")} if told else {}
    assert {name: one for name, one in changes(draft, "router", "ro").items() if name == field} == expected


def test_a_gateway_without_an_address_is_taken_so() -> None:
    bare = {"router": [ROUTER | {"external_gateway_info": {"network_id": "n", "external_fixed_ips": []}}]}
    draft = drafted(bare)
    assert info(draft, "release gateway/ro", "undo") == {"network_id": "n", "enable_snat": True}
    assert info(draft, "take gateway/ro") == {"network_id": "n2", "enable_snat": True}
    assert "hold gateway/ro" not in draft.steps
    assert any("its gateway has no address" in text for text in said(draft, "info"))
    assert not draft.steps["no way back q"].args.get("requests")


def test_a_gateways_slaac_address_is_asked_for_by_its_subnet() -> None:
    six = {"id": "s6", "name": "", "network_id": "n", "cidr": "2001:db8::/64", "ipv6_address_mode": "slaac"}
    addresses = [
        {"subnet_id": "sn", "ip_address": "198.18.0.5"},
        {"subnet_id": "s6", "ip_address": "2001:db8::f816:3eff:fe00:1"},
    ]
    things = {
        "subnet": [SUBNET, six | {"project_id": "z"}],
        "router": [ROUTER | {"external_gateway_info": {"network_id": "n", "external_fixed_ips": addresses}}],
    }
    there = {"subnet": [*NEW["subnet"], six | {"id": "n6", "network_id": "n2", "project_id": "a"}]}
    draft = drafted(things, there)
    undone = info(draft, "release gateway/ro", "undo")["external_fixed_ips"]
    assert undone == [addresses[0], {"subnet_id": "s6"}]
    taken = info(draft, "take gateway/ro")["external_fixed_ips"]
    assert taken == [{"subnet_id": "sn2", "ip_address": "198.18.0.5"}, {"subnet_id": "n6"}]
    assert body(draft, "hold gateway/ro")["fixed_ips"] == [addresses[0]]
    assert any("follows from a MAC address" in text for text in said(draft, "warning"))
    row = draft.facts.old.all("router")["ro"]
    assert router.KIND.after_cutover(draft.facts.old, row, Mock())["gateway"] == ["198.18.0.5"]


# -- found on clouds


def test_the_held_gateway_address_takes_nothing_of_the_projects_quota() -> None:
    held = body(drafted(), "hold gateway/ro")
    assert held == {
        **{"network_id": "n", "admin_state_up": False, "name": router.HELD},
        "fixed_ips": ROUTER["external_gateway_info"]["external_fixed_ips"],
    }


def test_a_port_on_a_network_that_was_there_may_be_down_until_the_cut_over() -> None:
    up, down = (Row.of(BY_NAME["port"], PORT | {"admin_state_up": value}) for value in (True, False))
    assert "admin_state_up" in port.KIND.not_compared
    one, other = (port.KIND.after_cutover(Mock(), row, Mock()) for row in (up, down))
    assert one != other


def test_a_routers_interface_has_no_security_groups() -> None:
    groups = group()["security group"]
    interface = PORT | {"device_owner": "network:router_interface", "device_id": "ro", "security_groups": ["g"]}
    draft = drafted({"port": [interface], "security group": groups})
    assert body(draft, "port/po")["security_groups"] == []
    assert changes(draft, "port", "po")["security_groups"][:2] == (["g"], [])
