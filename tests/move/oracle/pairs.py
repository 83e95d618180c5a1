"""Which thing of the new cloud is the counterpart of which of the old one, by what they are.

Kind by kind, each after those that it names. A kind has keys, from the one that says most to the one that says least;
with each the still unpaired of both clouds are put together, and where several have one key, those go together that
differ in the fewest fields. So a thing of which one property was changed is still found, and the property reported.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from .api import Item
from .difference import differences
from .read import Cloud
from .scope import made_by_a_service, owner
from .shape import shape, text


class Side:
    """One cloud as keys see it: ids of the old one turned into those of the new one, as far as they are paired."""

    def __init__(self, cloud: Cloud, pairs: dict[str, dict[str, str]] | None) -> None:
        self.cloud = cloud
        self.pairs = pairs

    def ref(self, kind: str, identity: Any) -> Any:
        if self.pairs is None or not identity:
            return identity
        return self.pairs.get(kind, {}).get(identity, f"old {kind} {identity}")

    def translate(self, kinds: tuple[str, ...], identity: str) -> str:
        """An id in a field that names things of `kinds`; text that is no id stays as it is."""
        if self.pairs is None:
            return identity
        for kind in kinds:
            if identity in self.pairs.get(kind, {}):
                return self.pairs[kind][identity]
            if identity in self.cloud.get(kind, {}):
                return f"(no counterpart of {kind} {label(kind, self.cloud[kind][identity])})"
        return identity

    def owner(self, kind: str, item: Item) -> Any:
        return self.ref("project", owner(self.cloud, kind, item))

    def whole(self, kind: str, item: Item) -> str:
        return text(shape(kind, item, self.cloud, None, self.translate))

    def macs(self, server: Item) -> tuple[str, ...]:
        ports = self.cloud.get("port", {}).values()
        return tuple(sorted(port["mac_address"].lower() for port in ports if port["device_id"] == server["id"]))

    def cidrs(self, network: Item) -> tuple[str, ...]:
        subnets = self.cloud.get("subnet", {}).values()
        return tuple(sorted(subnet["cidr"] for subnet in subnets if subnet["network_id"] == network["id"]))

    def interfaces(self, router: Item) -> tuple[str, ...]:
        ports = self.cloud.get("port", {}).values()
        mine = (port for port in ports if port["device_id"] == router["id"] and not made_by_a_service("port", port))
        return tuple(sorted(str(self.addresses(port)) for port in mine))

    def addresses(self, port: Item) -> tuple[tuple[str, str], ...]:
        fixed = port["fixed_ips"]
        return tuple(sorted((str(self.ref("subnet", one["subnet_id"])), one["ip_address"]) for one in fixed))

    def rules(self, group: Item) -> tuple[str, ...]:
        names = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix")
        rules = self.cloud.get("security_group_rule", {}).values()
        return tuple(
            sorted(text([rule[name] for name in names]) for rule in rules if rule["security_group_id"] == group["id"])
        )

    def attached(self, volume: Item) -> tuple[tuple[str, str], ...]:
        found = volume["attachments"]
        return tuple(sorted((str(self.ref("server", one["server_id"])), str(one["device"])) for one in found))


def label(kind: str, item: Item) -> str:
    """What a human calls a thing."""
    for field in ("name", "floating_ip_address", "cidr", "description", "type"):
        if item.get(field):
            return str(item[field])
    if kind == "port":
        return ", ".join(one["ip_address"] for one in item["fixed_ips"]) or str(item["mac_address"])
    return ""


Key = Callable[[Side, Item], Any]


def _fields(kind: str, *names: str) -> Key:
    """The owner and some fields as they are."""

    def key(side: Side, item: Item) -> Any:
        return (side.owner(kind, item), *(text(item.get(name)) for name in names))

    return key


def _named(kind: str, *, domain: bool = False) -> tuple[Key, ...]:
    if domain:
        return (lambda side, item: (side.ref("domain", item.get("domain_id")), item["name"]),)
    return (_fields(kind, "name", "description"), _fields(kind, "name"))


def _whole(kind: str) -> Key:
    return lambda side, item: side.whole(kind, item)


def _refs(*fields: tuple[str, str], plain: tuple[str, ...] = ()) -> Key:
    """Things that are named, by kind and field, and some fields as they are."""

    def key(side: Side, item: Item) -> Any:
        return (*(side.ref(kind, item.get(name)) for kind, name in fields), *(text(item.get(name)) for name in plain))

    return key


def _if_any(value: Any, *more: Any) -> Any:
    return (value, *more) if value else None


_SHARED_NETWORK: Key = lambda side, item: _if_any(  # noqa: E731
    (item.get("router:external") or item.get("shared")) and item["name"], bool(item.get("router:external"))
)

KEYS: dict[str, tuple[Key, ...]] = {
    "domain": (lambda side, item: item["name"], lambda side, item: item["id"]),
    "project": (
        lambda side, item: (side.ref("domain", item.get("domain_id")), item["name"]),
        lambda side, item: _if_any(item.get("description"), side.ref("domain", item.get("domain_id"))),
    ),
    "user": _named("user", domain=True),
    "group": _named("group", domain=True),
    "role": _named("role", domain=True),
    "group_member": (_whole("group_member"),),
    "role_assignment": (_whole("role_assignment"),),
    "credential": (
        lambda side, item: item["id"],
        _refs(("user", "user_id"), ("project", "project_id"), plain=("type",)),
    ),
    "application_credential": (_refs(("user", "user_id"), plain=("name",)),),
    "trust": (_refs(("user", "trustor_user_id"), ("user", "trustee_user_id"), ("project", "project_id")),),
    "limit": (_fields("limit", "resource_name", "region_id"),),
    "flavor": (lambda side, item: item["id"], lambda side, item: item["name"]),
    "keypair": (_refs(("user", "user_id"), plain=("name",)), _refs(("user", "user_id"), plain=("public_key",))),
    "compute_quota": (_refs(("project", "project_id")),),
    "compute_user_quota": (_refs(("project", "project_id"), ("user", "user_id")),),
    "volume_quota": (_refs(("project", "project_id")),),
    "network_quota": (_refs(("project", "project_id")),),
    "qos_spec": (lambda side, item: item["name"],),
    "volume_type": (lambda side, item: item["name"],),
    "qos_policy": (
        *_named("qos_policy"),
        _fields("qos_policy", "description", "rules"),
        lambda side, item: _if_any(item["shared"] and item["name"]),
    ),
    "address_scope": (_fields("address_scope", "name", "ip_version"), _fields("address_scope", "name")),
    "subnetpool": (
        _fields("subnetpool", "name", "prefixes"),
        _fields("subnetpool", "name"),
        _fields("subnetpool", "prefixes"),
    ),
    "address_group": (*_named("address_group"), _fields("address_group", "addresses")),
    "network": (
        lambda side, item: (side.owner("network", item), item["name"], item.get("description"), side.cidrs(item)),
        lambda side, item: (side.owner("network", item), item["name"], side.cidrs(item)),
        *_named("network"),
        lambda side, item: _if_any(side.cidrs(item), side.owner("network", item)),
        lambda side, item: _if_any(item.get("description"), side.owner("network", item)),
        _SHARED_NETWORK,
    ),
    "subnet": (
        _refs(("network", "network_id"), plain=("cidr", "name")),
        _refs(("network", "network_id"), plain=("cidr",)),
        _refs(("network", "network_id"), plain=("name",)),
    ),
    "security_group": (
        lambda side, item: (
            side.owner("security_group", item),
            item["name"],
            item["description"],
            side.rules(item),
        ),
        _fields("security_group", "name", "description"),
        lambda side, item: (side.owner("security_group", item), item["name"], side.rules(item)),
        _fields("security_group", "name"),
        lambda side, item: (side.owner("security_group", item), item["description"], side.rules(item)),
    ),
    "security_group_rule": (
        _whole("security_group_rule"),
        _refs(("security_group", "security_group_id"), plain=("direction", "ethertype", "protocol", "port_range_min")),
        _refs(("security_group", "security_group_id"), plain=("direction",)),
        _refs(("security_group", "security_group_id")),
    ),
    "port": (
        lambda side, item: (side.ref("network", item["network_id"]), item["mac_address"].lower()),
        lambda side, item: _if_any(side.addresses(item), side.ref("network", item["network_id"])),
        lambda side, item: _if_any(item["mac_address"].lower(), side.owner("port", item)),
        lambda side, item: _if_any(item["name"], side.ref("network", item["network_id"])),
        lambda side, item: _if_any(item.get("description"), side.ref("network", item["network_id"])),
    ),
    "router": (
        lambda side, item: (side.owner("router", item), item["name"], item.get("description"), side.interfaces(item)),
        *_named("router"),
        lambda side, item: _if_any(side.interfaces(item), side.owner("router", item)),
    ),
    "floatingip": (
        _refs(("network", "floating_network_id"), plain=("floating_ip_address",)),
        _fields("floatingip", "floating_ip_address"),
        lambda side, item: _if_any(side.ref("port", item["port_id"]), item["fixed_ip_address"]),
        lambda side, item: _if_any(item.get("description"), side.owner("floatingip", item)),
    ),
    "port_forwarding": (
        _refs(("floatingip", "floatingip_id"), plain=("protocol", "external_port")),
        _refs(("floatingip", "floatingip_id"), ("port", "internal_port_id"), plain=("internal_port",)),
        _refs(("floatingip", "floatingip_id")),
    ),
    "conntrack_helper": (
        _refs(("router", "router_id"), plain=("protocol", "port", "helper")),
        _refs(("router", "router_id")),
    ),
    "trunk": (_refs(("port", "port_id")), *_named("trunk")),
    "rbac": (_whole("rbac"), _fields("rbac", "object_type", "target_tenant"), _fields("rbac", "object_type")),
    "image": (
        lambda side, item: item["id"],
        _fields("image", "name", "checksum", "size", "visibility"),
        _fields("image", "name", "checksum"),
        _fields("image", "name"),
        lambda side, item: _if_any(item["visibility"] in ("public", "community") and item["name"], item["checksum"]),
    ),
    "image_member": (_refs(("image", "image_id"), ("project", "member_id")),),
    "volume_group": _named("volume_group"),
    "server": (
        lambda side, item: (side.owner("server", item), item["name"], side.macs(item)),
        lambda side, item: _if_any(side.macs(item), side.owner("server", item)),
        *_named("server"),
    ),
    "volume": (
        lambda side, item: (
            side.owner("volume", item),
            item["name"],
            item["description"],
            item["size"],
            side.attached(item),
        ),
        lambda side, item: _if_any(side.attached(item), side.owner("volume", item), item["name"]),
        _fields("volume", "name", "description", "size"),
        *_named("volume"),
        _fields("volume", "description", "size"),
        lambda side, item: _if_any(side.attached(item), side.owner("volume", item)),
    ),
    "group_snapshot": (_refs(("volume_group", "group_id"), plain=("name",)),),
    "snapshot": (
        _refs(("volume", "volume_id"), plain=("name", "description")),
        _refs(("volume", "volume_id"), plain=("name",)),
        *_named("snapshot"),
        lambda side, item: _if_any(item["description"], side.ref("volume", item["volume_id"])),
    ),
    "backup": (
        _refs(("volume", "volume_id"), plain=("name", "description")),
        *_named("backup"),
        lambda side, item: _if_any(item["description"], side.ref("volume", item["volume_id"])),
    ),
    "server_group": (
        lambda side, item: (
            side.owner("server_group", item),
            item["name"],
            tuple(sorted(str(side.ref("server", member)) for member in item["members"])),
        ),
        _fields("server_group", "name"),
        lambda side, item: _if_any(
            tuple(sorted(str(side.ref("server", member)) for member in item["members"])),
            side.owner("server_group", item),
        ),
    ),
    "server_volume": (
        _refs(("server", "serverId"), ("volume", "volumeId")),
        _refs(("server", "serverId"), plain=("device",)),
    ),
    "server_port": (
        _refs(("server", "server_id"), ("port", "port_id")),
        _refs(("server", "server_id"), plain=("mac_addr",)),
    ),
    **{
        kind: _named(kind)
        for kind in (
            "metering_label",
            "metering_rule",
            "local_ip",
            "ndp_proxy",
            "bgpvpn",
            "ike_policy",
            "ipsec_policy",
            "vpn_service",
            "endpoint_set",
            "vpn_connection",
            "firewall_rule",
            "firewall_policy",
            "firewall_group",
            "tap_service",
            "tap_flow",
            "network_log",
        )
    },
}


def pair(old: Cloud, new: Cloud) -> dict[str, dict[str, str]]:
    """Counterparts over the whole of both clouds: ids of the new one by those of the old one, by kind."""
    pairs: dict[str, dict[str, str]] = {}
    sides = Side(old, pairs), Side(new, None)
    for kind, keys in KEYS.items():
        pairs[kind] = {}
        left = [
            {one: item for one, item in side.cloud.get(kind, {}).items() if not made_by_a_service(kind, item)}
            for side in sides
        ]
        for key in keys:
            of_new = _grouped(key, sides[1], left[1].items())
            for value, olds in _grouped(key, sides[0], left[0].items()).items():
                for one, other in _closest(kind, olds, of_new.get(value, []), *sides):
                    pairs[kind][one] = other
                    del left[0][one], left[1][other]
    return pairs


def _grouped(key: Key, side: Side, items: Iterable[tuple[str, Item]]) -> dict[Any, list[str]]:
    groups: dict[Any, list[str]] = defaultdict(list)
    for identity, item in items:
        value = key(side, item)
        if value is not None:
            groups[value].append(identity)
    return groups


def _closest(kind: str, olds: list[str], news: list[str], old: Side, new: Side) -> list[tuple[str, str]]:
    if len(olds) == len(news) == 1:
        return [(olds[0], news[0])]
    shaped = {one: shape(kind, new.cloud[kind][one], new.cloud, None, new.translate) for one in news}
    distances = []
    for one in olds:
        mine = shape(kind, old.cloud[kind][one], old.cloud, None, old.translate)
        distances += [(len(differences(kind, mine, shaped[other])), one, other) for other in news]
    found: list[tuple[str, str]] = []
    for _, one, other in sorted(distances):
        if not any(one == a or other == b for a, b in found):
            found.append((one, other))
    return found
