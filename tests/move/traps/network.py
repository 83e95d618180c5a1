"""Traps of Neutron: what its newest release refuses of Pike's, and what belongs to the operator."""

from collections.abc import Mapping
from typing import Any

import openstack
from openstack.connection import Connection

from ...lab.scenario import IMAGE, Rest, flavor, wait
from ..oracle import Mismatch
from ..oracle.read import Cloud as Read
from . import PROJECT, Site

MAP: Mapping[str, Any] = {"addresses": {"elsewhere": "new"}}
WRONG: Mapping[str, Any] = {}
REFUSED: Mapping[str, str] = {"another public range": "no subnet of new holds 198.51.100."}
TOLD: Mapping[str, str] = {
    "rules with ports on a protocol without": "protocol vrrp has no ports",
    "rules with ports on another one": "protocol gre has no ports",
    "two rules that are one": "rules that are one to the new Neutron",
    "MTU": "its MTU of 1500 is larger than the new cloud has",
    "another public range": "the new cloud has another range; by the map it gets a new address",
    "a network that is shared with the project alone": "network provider is shared with project traps on new, too",
    "an external network of the project alone": "network partners is shared with project traps on new, too",
    "an operator's address scope": "address scope gone-scope is the operator's and has no counterpart on new",
    "an external network with a SLAAC subnet": "follows from a MAC address",
    "a gateway without an address": "its gateway has no address",
    "an operator's QoS policy": "QoS policy gone-gold is the operator's and has no counterpart on new",
    "an operator's subnet pool": "subnet pool gone-pool is the operator's and has no counterpart on new",
    "a range that is not in the pool of that name": "the pool of that name does not hold it",
    "networks of one name": "several are on networks of the same name (twin)",
}
EXTERNAL = {"router:external": True}


def member(site: Site) -> Rest:
    """The project's user on the old cloud."""
    config = openstack.config.OpenStackConfig(config_files=[str(site.lab.clouds_yaml)]).get_one("old")
    auth = {"auth_url": config.config["auth"]["auth_url"], "username": "trapper", "password": "trapper-of-old"}
    auth |= {"project_name": PROJECT, "user_domain_id": "default", "project_domain_id": "default"}
    return Rest(Connection(auth=auth, region_name=config.region_name))


def _make(rest: Rest, kind: str, **fields: Any) -> str:
    wrap = kind.replace("-", "_")
    return str(rest("network", "POST", f"/v2.0/{kind}s", {wrap: fields})[wrap]["id"])


def _network(rest: Rest, name: str, *cidrs: str, **fields: Any) -> str:
    made = _make(rest, "network", name=name, **fields)
    for cidr in cidrs:
        more: dict[str, Any] = {"ip_version": 4}
        if ":" in cidr:
            more = {"ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
        else:
            more["enable_dhcp"] = False
        owner = {"project_id": fields["project_id"]} if "project_id" in fields else {}
        _make(rest, "subnet", network_id=made, cidr=cidr, **more, **owner)
    return made


def _subnet(rest: Rest, network: str) -> str:
    return str(rest("network", "GET", f"/v2.0/subnets?network_id={network}")["subnets"][0]["id"])


def make(site: Site) -> None:
    old, new, own = site.old, site.new, {"project_id": site.project}
    # what the operator has, on both clouds or on one
    for rest, ranges in ((old, "198.51.100.0/24"), (new, "192.0.2.0/24")):
        _network(rest, "elsewhere", ranges, **EXTERNAL)
        _network(rest, "six", "203.0.113.0/24", "2001:db8:6::/64", **EXTERNAL)
        _network(rest, "bare", **EXTERNAL)
        _network(rest, "owned", "100.64.9.0/24", **EXTERNAL, **(own if rest is old else {}))
        _network(rest, "provider", "10.60.0.0/24")
        _alone(rest, _network(rest, "partners", "198.18.9.0/24", **EXTERNAL))
        _policy(rest, "gold")
        _make(rest, "subnetpool", name="pool", prefixes=["10.70.0.0/16"], default_prefixlen=24)
        prefix = "10.72.0.0/16" if rest is old else "10.73.0.0/16"
        _make(rest, "subnetpool", name="other-pool", prefixes=[prefix], default_prefixlen=24)
    _policy(old, "gone-gold")
    scope = _make(old, "address-scope", name="gone-scope", ip_version=4)
    scoped = {"address_scope_id": scope, "prefixes": ["10.74.0.0/16"]}
    _make(old, "subnetpool", name="scoped", default_prefixlen=24, **scoped, **own)
    _make(old, "subnetpool", name="gone-pool", prefixes=["10.71.0.0/16"], default_prefixlen=24)
    _network(new, "teller", "10.62.0.0/24")  # of which the new cloud's largest MTU is known
    ids = {item["name"]: item["id"] for item in old("network", "GET", "/v2.0/networks")["networks"]}
    policies = {item["name"]: item["id"] for item in old("network", "GET", "/v2.0/qos/policies")["policies"]}
    pools = {item["name"]: item["id"] for item in old("network", "GET", "/v2.0/subnetpools")["subnetpools"]}
    for name, action in (("provider", "access_as_shared"), ("partners", "access_as_external")):
        share = {"object_type": "network", "object_id": ids[name], "action": action, "target_tenant": site.project}
        old("network", "POST", "/v2.0/rbac-policies", {"rbac_policy": share})
    # networks
    _make(old, "network", name="big", **{"provider:network_type": "local"}, mtu=1500, **own)
    _make(old, "network", name="small", mtu=1300, qos_policy_id=policies["gone-gold"], **own)
    first = _network(old, "twin", "10.63.0.0/24", **own)
    middle = _network(old, "middle", **own)
    pooled = {"subnetpool_id": pools["pool"], "ip_version": 4, "cidr": "10.70.5.0/24"}
    _make(old, "subnet", network_id=middle, **pooled, **own)
    second = _network(old, "twin", **own)
    typed = {"service_types": ["compute:nova"], "ip_version": 4, "cidr": "10.61.0.0/24"}
    _make(old, "subnet", network_id=second, **typed, **own)
    for pool, cidr in (("gone-pool", "10.71.5.0/24"), ("other-pool", "10.72.5.0/24")):
        fields = {"subnetpool_id": pools[pool], "ip_version": 4, "cidr": cidr}
        _make(old, "subnet", network_id=_network(old, f"of-{pool}", **own), **fields, **own)
    # rules
    odd = _make(old, "security-group", name="odd", **own)
    for rule in (
        {"protocol": "vrrp", "port_range_min": 1, "port_range_max": 1},
        {"protocol": "gre", "port_range_min": 1, "port_range_max": 1},
        {"protocol": "esp"},
        {"protocol": "udp"},
        {"protocol": "udp", "port_range_min": 1, "port_range_max": 65535},
        {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "10.0.0.0/8"},
    ):
        _make(old, "security-group-rule", security_group_id=odd, direction="ingress", ethertype="IPv4", **rule, **own)
    # routers and addresses
    for name, network in (
        ("to-elsewhere", "elsewhere"),
        ("to-six", "six"),
        ("to-bare", "bare"),
        ("to-owned", "owned"),
        ("to-partners", "partners"),
    ):
        _make(old, "router", name=name, external_gateway_info={"network_id": ids[network]}, **own)
    _make(old, "router", name="spread", distributed=True, **own)  # which the lab's agents take without a gateway alone
    routers = {item["name"]: item["id"] for item in old("network", "GET", "/v2.0/routers")["routers"]}
    port = _make(old, "port", network_id=middle, fixed_ips=[{"ip_address": "10.70.5.1"}], **own)
    interface = {"port_id": port}
    old("network", "PUT", f"/v2.0/routers/{routers['to-elsewhere']}/add_router_interface", interface)
    _make(old, "port", name="lonely", network_id=middle, dns_name="lonely", **own)
    # a server with a card on each
    cards = [
        _make(old, "port", network_id=first, **own),
        _make(old, "port", network_id=middle, qos_policy_id=policies["gold"], security_groups=[odd], **own),
        _make(old, "port", network_id=second, device_owner="compute:nova", **own),
        _make(old, "port", network_id=ids["provider"], **own),
    ]
    _make(old, "floatingip", floating_network_id=ids["elsewhere"], port_id=cards[1], **own)
    _server(member(site), cards)
    # Neutron gives it to each network that is made after it
    own_policy = _policy(old, "house", is_default=True, **own)
    assert old("network", "GET", f"/v2.0/qos/policies/{own_policy}")["policy"]["is_default"]
    old("network", "PUT", f"/v2.0/quotas/{site.project}", {"quota": {"port": 1, "network": 2, "router": 0}})


def _alone(rest: Rest, network: str) -> None:
    """Nobody may use the external network any more, but for whom it is shared with by name."""
    for policy in rest("network", "GET", f"/v2.0/rbac-policies?object_id={network}")["rbac_policies"]:
        rest("network", "DELETE", f"/v2.0/rbac-policies/{policy['id']}")


def _policy(rest: Rest, name: str, **more: Any) -> str:
    fields = {"name": name, **(more or {"shared": True})}
    found = rest("network", "POST", "/v2.0/qos/policies", {"policy": fields})["policy"]
    limit = {"bandwidth_limit_rule": {"max_kbps": 10000}}
    rest("network", "POST", f"/v2.0/qos/policies/{found['id']}/bandwidth_limit_rules", limit)
    return str(found["id"])


def _server(rest: Rest, cards: list[str]) -> None:
    fields = {"name": "carded", "disk_format": "raw", "container_format": "bare"}
    image = str(rest("image", "POST", "/v2/images", fields)["id"])
    rest.session.put(
        f"/v2/images/{image}/file",
        data=IMAGE,
        headers={"Content-Type": "application/octet-stream"},
        endpoint_filter={"service_type": "image", "interface": "public"},
    )
    networks = [{"port": card} for card in cards]
    body = {"name": "carded", "flavorRef": flavor(rest), "imageRef": image, "networks": networks}
    made = rest("compute", "POST", "/servers", {"server": body})["server"]["id"]
    rest.wait_server(made, "ACTIVE")

    def all_told() -> bool:
        return len(rest("compute", "GET", f"/servers/{made}")["server"]["addresses"]) == len(cards) - 1

    wait("Nova to tell the addresses", all_told)


def remove(site: Site) -> None:
    own = member(site)
    for server in own("compute", "GET", "/servers")["servers"]:
        own("compute", "DELETE", f"/servers/{server['id']}")
        own.gone("compute", f"/servers/{server['id']}")
    for image in own("image", "GET", "/v2/images?name=carded")["images"]:
        own("image", "DELETE", f"/v2/images/{image['id']}")
    _clear(site.old, site.project)
    for rest in (site.old, site.new):
        for path, names in (
            ("networks", ("elsewhere", "six", "bare", "owned", "provider", "partners", "teller")),
            ("subnetpools", ("pool", "gone-pool", "other-pool")),
            ("address-scopes", ("gone-scope",)),
            ("qos/policies", ("gold", "gone-gold", "house")),
        ):
            key = path.rpartition("/")[2].replace("-", "_")
            for item in rest("network", "GET", f"/v2.0/{path}")[key]:
                if item["name"] in names:
                    rest("network", "DELETE", f"/v2.0/{path}/{item['id']}")


def _clear(rest: Rest, project: str) -> None:
    """Removes all that a project has in Neutron."""

    def mine(path: str, key: str = "") -> list[dict[str, Any]]:
        return list(rest("network", "GET", f"/v2.0/{path}?project_id={project}")[key or path.replace("-", "_")])

    for address in mine("floatingips"):
        rest("network", "DELETE", f"/v2.0/floatingips/{address['id']}")
    for router in mine("routers"):
        path = f"/v2.0/routers/{router['id']}"
        rest("network", "PUT", path, {"router": {"external_gateway_info": {}, "routes": []}})
        for port in rest("network", "GET", f"/v2.0/ports?device_id={router['id']}")["ports"]:
            rest("network", "PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})
        rest("network", "DELETE", path)
    for path in ("ports", "networks", "subnetpools"):
        for item in mine(path):
            rest("network", "DELETE", f"/v2.0/{path}/{item['id']}")
    for group in mine("security-groups"):
        if group["name"] != "default":
            rest("network", "DELETE", f"/v2.0/security-groups/{group['id']}")
    rest(
        "network", "PUT", f"/v2.0/quotas/{project}", {"quota": {"port": -1}}
    )  # a project without one has none to delete
    rest("network", "DELETE", f"/v2.0/quotas/{project}")


def check(site: Site, after: Read) -> None:
    """The project's default policy has arrived as such, and no network has it that did not have it before."""
    (project,) = [identity for identity, item in after["project"].items() if item["name"] == PROJECT]
    of_it = {item["name"]: item for item in site.new("network", "GET", "/v2.0/qos/policies")["policies"]}
    assert of_it["house"]["is_default"] and of_it["house"]["project_id"] == project
    assert [rule["max_kbps"] for rule in of_it["house"]["rules"]] == [10000]
    networks = [item for item in after["network"].values() if item["project_id"] == project]
    assert len(networks) >= 7 and {item["qos_policy_id"] for item in networks} == {None}


def explained(found: Mismatch) -> str:
    return _EXPLAINED.get((found.kind, found.field), "")


_EXPLAINED = {
    ("floatingip", "floating_ip_address"): "the new cloud has another public range",
    ("router", "external_gateway_info.external_fixed_ips"): "the same; and an address by SLAAC",
    **{
        (kind, field): "the operator's there" for kind in ("network", "subnet") for field in ("project_id", "tenant_id")
    },
    ("subnet", "router:external"): "told by newer releases alone",
    ("network", "mtu"): "the largest that is allowed",
    ("network", "qos_policy_id"): "the operator's, which the new cloud does not have",
    ("subnet", "subnetpool_id"): "the operator's, which the new cloud does not have, or another one",
    ("subnetpool", "address_scope_id"): "the operator's, which the new cloud does not have",
    ("port", "port_security_enabled"): "of a router's interface",
    ("port", "security_groups"): "of a router's interface",
    ("rbac", ""): "an external network that the new cloud shares by itself",
    ("security_group_rule", ""): "a rule without its port, and one that is the same as another",
    ("security_group_rule", "protocol"): "these, paired with one another",
    **{("security_group_rule", f"port_range_{end}"): "a rule without its ports" for end in ("min", "max")},
}


def anew(what: str, fields: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether it is but a router's address by the MAC address of its gateway's port, which a rollback makes anew."""
    if set(fields) != {"external_gateway_info"}:
        return False
    before, after = (
        [one for one in (info or {}).get("external_fixed_ips", []) if ":" not in one["ip_address"]]
        for info in fields["external_gateway_info"]
    )
    return what.startswith("router ") and before == after
