"""What is the operator's and not a project's: mapped by its name, shared as it was, or told; and the order of network
cards."""

from typing import Any

import pytest

from naru.move import mapfile
from naru.move.draft import Draft

from .test_mapping import MINA, NEW, facts, planned
from .test_network_limits import body, changes, drafted, info, said
from .test_progress import OLD

pytestmark = pytest.mark.unit

IMAGE = "00000000-0000-4000-8000-000000000000"
PUBLIC, INNER = OLD["network"]
(PORT,) = OLD["port"]
(SUBNET,) = OLD["subnet"]
(ROUTER,) = OLD["router"]
(FLOATING,) = OLD["floating IP"]
POOL = "subnet pool/pool"
GOLD = {"id": "gold", "name": "gold", "project_id": "z", "rules": []}


def test_an_operators_qos_policy_is_matched_by_its_name() -> None:
    gateway = ROUTER["external_gateway_info"] | {"qos_policy_id": "gold"}
    used = {
        "QoS policy": [GOLD],
        "port": [PORT | {"qos_policy_id": "gold"}],
        "floating IP": [FLOATING | {"qos_policy_id": "gold"}],
        "router": [ROUTER | {"external_gateway_info": gateway}],
    }
    known = ("qos", "qos-fip", "qos-gateway-ip")
    draft = drafted(used, {"QoS policy": [GOLD | {"id": "their gold", "project_id": "a"}]}, known)
    assert body(draft, "port/po")["qos_policy_id"] == body(draft, "floating IP/f")["qos_policy_id"] == "their gold"
    assert info(draft, "take gateway/ro")["qos_policy_id"] == "their gold"
    assert info(draft, "release gateway/ro", "undo")["qos_policy_id"] == "gold"
    draft = drafted(used, None, known)
    (text,) = [text for text in said(draft, "warning") if "gold" in text]
    assert "QoS policy gold is the operator's and has no counterpart on new: 1 port, 1 floating IP, 1 router" in text
    for kind, identity in (("port", "po"), ("floating IP", "f")):
        assert "qos_policy_id" not in body(draft, f"{kind}/{identity}")
        assert "qos_policy_id" in changes(draft, kind, identity)
    assert "external_gateway_info" in changes(draft, "router", "ro")
    assert not said(draft, "error")
    mapped = drafted(
        used, {"QoS policy": [GOLD | {"id": "other", "name": "silver"}]}, known, {"qos_policies": {"gold": "silver"}}
    )
    assert body(mapped, "port/po")["qos_policy_id"] == "other"


def test_an_operators_qos_policy_of_a_network() -> None:
    used = {"QoS policy": [GOLD], "network": [PUBLIC, INNER | {"qos_policy_id": "gold"}]}
    draft = drafted(used, {"QoS policy": [GOLD | {"id": "their gold", "project_id": "a"}]}, ("qos",))
    assert body(draft, "network/m")["qos_policy_id"] == "their gold"
    draft = drafted(used, None, ("qos",))
    assert "qos_policy_id" not in body(draft, "network/m") and "qos_policy_id" in changes(draft, "network", "m")
    (text,) = [text for text in said(draft, "warning") if "gold" in text]
    assert text.endswith("1 network do without it")
    # a cloud whose Neutron has no QoS at all, or none for what it is on
    draft = drafted(used, {"QoS policy": [GOLD | {"id": "their gold", "project_id": "a"}]})
    assert changes(draft, "network", "m")["qos_policy_id"] == ("gold", None, "new has no qos")
    bound = {"floating IP": [FLOATING | {"qos_policy_id": "gold"}], "QoS policy": [GOLD]}
    bound["router"] = [ROUTER | {"external_gateway_info": ROUTER["external_gateway_info"] | {"qos_policy_id": "gold"}}]
    draft = drafted(bound, {"QoS policy": [GOLD | {"id": "their gold", "project_id": "a"}]}, ("qos",))
    assert changes(draft, "floating IP", "f")["qos_policy_id"][2] == "new has no qos-fip"
    assert changes(draft, "router", "ro")["external_gateway_info"][2] == "new has no qos-gateway-ip"
    assert "qos_policy_id" not in info(draft, "take gateway/ro")


DEFAULT = GOLD | {"project_id": "q", "is_default": True}


@pytest.mark.parametrize(
    ("known", "default", "policy", "asked"),
    [
        (("qos", "qos-default"), True, None, True),
        (("qos", "qos-default"), False, None, False),
        (("qos", "qos-default"), True, "gold", False),
        (("qos",), True, None, False),  # it cannot be a default there
    ],
)
def test_a_network_without_a_qos_policy_does_not_get_the_projects_default(
    known: tuple[str, ...], default: bool, policy: str | None, asked: bool
) -> None:
    """Neutron gives it to each network of the project that is made without one, though null is asked for."""
    used = {"QoS policy": [DEFAULT | {"is_default": default}], "network": [PUBLIC, INNER | {"qos_policy_id": policy}]}
    draft = drafted(used, None, known)
    step = draft.steps.get("network/m no policy")
    assert bool(step) == asked
    if step:
        (request,) = step.args["requests"]
        assert (request["method"], request["body"]) == ("PUT", {"network": {"qos_policy_id": None}})
        assert request["path"] == ["/networks/", {"$ref": "network/m", "field": "id"}]
    kept = "qos-default" in known
    assert body(draft, "QoS policy/gold").get("is_default") == (default if kept else None)
    assert ("is_default" in changes(draft, "QoS policy", "gold")) == (default and not kept)


def test_a_project_has_one_default_qos_policy() -> None:
    there = {
        "project": [{"id": "nq", "name": "other", "domain_id": "default"}],
        "QoS policy": [{"id": "x", "name": "theirs", "project_id": "nq", "is_default": True, "rules": []}],
    }
    draft = drafted({"QoS policy": [DEFAULT]}, there, ("qos", "qos-default"))
    assert body(draft, "QoS policy/gold")["is_default"] is False
    assert changes(draft, "QoS policy", "gold")["is_default"][:2] == (True, False)
    assert "network/m no policy" in draft.steps  # theirs would be given to it


def test_a_pool_without_a_default_quota_says_nothing_of_it() -> None:
    pool = {"id": "pool", "name": "mine", "project_id": "p", "prefixes": ["10.0.0.0/8"], "is_default": False}
    lengths = {"default_prefixlen": "24", "min_prefixlen": "8", "max_prefixlen": "32"}
    assert "default_quota" not in body(drafted({"subnet pool": [pool | lengths | {"default_quota": None}]}), POOL)
    assert body(drafted({"subnet pool": [pool | lengths | {"default_quota": 0}]}), POOL)["default_quota"] == 0


@pytest.mark.parametrize(
    ("prefixes", "lengths", "others", "why"),
    [
        (["10.0.0.0/8"], (8, 32), [], ""),
        (["10.1.0.0/16"], (8, 32), [], "does not hold it"),
        (["10.0.0.0/8"], (26, 32), [], "prefixes of 26 to 32 bits"),
        (["10.0.0.0/8"], (8, 32), ["10.0.0.128/25"], "has given it to somebody else (10.0.0.128/25)"),
        (None, (8, 32), [], "not moved"),
    ],
)
def test_a_subnet_of_an_operators_pool(prefixes: Any, lengths: tuple[int, int], others: list[str], why: str) -> None:
    pool = {"id": "pool", "name": "pool", "project_id": "z", "prefixes": ["10.0.0.0/8"]}
    pool |= {"min_prefixlen": str(lengths[0]), "max_prefixlen": str(lengths[1])}
    subnet = {"id": "sm", "name": "", "network_id": "m", "cidr": "10.0.0.0/24", "project_id": "q", "ip_version": 4}
    used = {"subnet pool": [pool], "subnet": [SUBNET, subnet | {"subnetpool_id": "pool"}]}
    there = {
        "subnet pool": [pool | {"id": "theirs", "prefixes": prefixes}] if prefixes else [],
        "subnet": [
            *NEW["subnet"],
            *(subnet | {"id": cidr, "cidr": cidr, "network_id": "x", "subnetpool_id": "theirs"} for cidr in others),
        ],
    }
    draft = drafted(used, there)
    assert body(draft, "subnet/sm").get("subnetpool_id") == (None if why else "theirs")
    found = changes(draft, "subnet", "sm").get("subnetpool_id")
    assert why in found[2] if found else not why


def shared(action: str = "access_as_shared", **more: Any) -> dict[str, Any]:
    policy = {"project_id": "z", "object_type": "network", "object_id": "w", "target_tenant": "p", "action": action}
    return {"id": "rz", **policy, **more}


PROVIDER = {"id": "w", "name": "provider", "project_id": "z", "router:external": False}
THERE = {"id": "w2", "name": "provider", "project_id": "a", "router:external": False}


def reached(old: list[dict[str, Any]], new: list[dict[str, Any]], **more: Any) -> Draft:
    nic = PORT | {"id": "nic", "network_id": "w", "device_owner": "compute:nova", "mac_address": "fa:16:3e:00:00:02"}
    things = {"network": [PUBLIC, INNER, PROVIDER], "port": [PORT, nic], "RBAC policy": [*OLD["RBAC policy"], *old]}
    there = {"network": [*NEW["network"], THERE | more], "RBAC policy": new}
    return drafted(things, there)


def test_what_is_shared_with_the_project_alone_is_shared_there_too() -> None:
    draft = reached([shared()], [])
    made = body(draft, "RBAC policy/rz")
    assert (made["object_id"], made["target_tenant"]) == ("w2", {"$ref": "project/p", "field": "id"})
    assert (made["action"], made["project_id"]) == ("access_as_shared", "a")
    assert draft.decisions["RBAC policy", "rz"].project == "p"
    assert "network provider is shared with project shop on new, too" in said(draft, "info")
    assert not [step for step in draft.steps if step.startswith("share ")]
    draft = reached([shared("access_as_external")], [])
    assert body(draft, "RBAC policy/rz")["action"] == "access_as_external"


def test_a_network_that_servers_have_ports_on_is_shared_unless_it_is() -> None:
    draft = reached([shared(target_tenant="*")], [])
    assert body(draft, "share network/w p")["object_id"] == "w2"
    assert any("is shared with project shop" in text for text in said(draft, "warning"))
    open_to_all = shared(id="r2", object_id="w2", target_tenant="*")
    for found in (reached([shared(target_tenant="*")], [open_to_all]), reached([], [], shared=True)):
        assert not [step for step in found.steps if step.startswith(("share ", "RBAC policy/rz"))]
    assert "RBAC policy/rz" not in reached([shared()], [open_to_all]).steps


# -- network cards


def cards(*addresses: tuple[str, str]) -> list[str]:
    """What is said of a server with these (network's name, MAC address) in Nova's order; "" for what it does not
    tell."""
    told: dict[str, list[dict[str, str]]] = {}
    nics = []
    for name, mac in addresses:
        if name:
            told.setdefault(name, []).append({"addr": "10.0.0.1", "OS-EXT-IPS-MAC:mac_addr": mac})
        nic = {"id": mac, "network_id": "m", "device_id": "v", "device_owner": "compute:nova", "mac_address": mac}
        nics.append({**nic, "project_id": "p", "fixed_ips": [{"subnet_id": "sm", "ip_address": "10.0.0.1"}]})
    server = {"id": "v", "name": "web", "tenant_id": "p", "user_id": MINA, "status": "ACTIVE", "addresses": told}
    server |= {"image": {"id": IMAGE}, "flavor_link": {"id": "f1"}}
    subnet = {"id": "sm", "name": "", "network_id": "m", "cidr": "10.0.0.0/24", "project_id": "q"}
    image = {"id": IMAGE, "name": "debian", "owner": "p", "checksum": "c1", "status": "active", "size": 1}
    draft = drafted({"server": [server], "port": nics, "subnet": [SUBNET, subnet], "image": [image]})
    return [text for text in said(draft, "warning") if "network cards" in text]


def test_an_order_of_network_cards_that_nova_does_not_tell() -> None:
    assert cards(("a", "1"), ("b", "2"), ("c", "3")) == []
    assert cards(("a", "1"), ("b", "2"), ("b", "3")) == []
    assert cards(("a", "1"), ("a", "2")) == []
    (text,) = cards(("a", "1"), ("", "2"))
    assert "Nova tells no address of port 2" in text
    (text,) = cards(("a", "1"), ("b", "2"), ("a", "3"))
    assert "several are on networks of the same name (a)" in text


def test_the_map_that_is_suggested_names_what_is_the_operators() -> None:
    found = facts({**OLD, "QoS policy": [GOLD], "port": [PORT | {"qos_policy_id": "gold"}]}, None, "shop", "other")
    text = mapfile.text(found, mapfile.choose(found, mapfile.EMPTY), mapfile.EMPTY)
    assert "  gold: leave  # not on the new cloud; there is none on new; 1 port" in text
    assert "  public: keep  # new has a subnet with these addresses; 1 floating IP, 1 router" in text
    assert planned(found)


def test_what_the_new_cloud_shares_already_is_matched_and_not_made() -> None:
    mine = {
        "network": [PUBLIC | {"project_id": "p"}, INNER],
        "RBAC policy": [shared(project_id="p", object_id="n", target_tenant="*")],
    }
    draft = drafted(mine, {"RBAC policy": [shared(id="r9", object_id="n2", target_tenant="*")]})
    decision = draft.decisions["RBAC policy", "rz"]
    assert (decision.decision, decision.new) == ("match", "r9") and "RBAC policy/rz" not in draft.steps
