"""One item in the form in which two clouds' items are compared: spelt alike, in the other cloud's ids, without what
cannot be equal."""

import json
import re
from collections.abc import Callable
from typing import Any

from .api import Item
from .fields import KEEPS_ID, REFERENCES, UNEQUAL, UNORDERED
from .read import Cloud

Translate = Callable[[tuple[str, ...], str], str]

# what Nova writes into a port's binding:profile when it places the port
_PLACED = {"pci_vendor_info", "pci_slot", "physical_network", "os_vif_delegation", "migrating_to", "allocation"}
_TUNNELS = {"vxlan", "gre", "geneve", "local"}
_PROTOCOLS = {"icmpv6": "ipv6-icmp", "any": None}


def text(value: Any) -> str:
    """A value as text that tells False, 0, "" and null apart."""
    return json.dumps(value, sort_keys=True)


def shape(kind: str, item: Item, cloud: Cloud, project: str | None, translate: Translate) -> Item:
    """`item` of `cloud` for comparison. `translate` turns an id of one of some kinds into the other cloud's.

    `project` narrows what tells of several projects (who may use a flavor or a volume type) to one."""
    item = dict(item)  # what is spelt otherwise further inside is made anew
    if kind in _SPELL:
        _SPELL[kind](item, cloud)
    if "access" in item and project is not None:
        item["access"] = [one for one in item["access"] if one == project]
    shaped: Item = _walk(kind, item, "", translate)
    return shaped


def is_unequal(kind: str, path: str) -> bool:
    """Whether a table says that a field cannot be equal on two clouds."""
    if path in UNEQUAL.get(kind, {}):
        return True
    return path in UNEQUAL[""] and not (path == "id" and kind in KEEPS_ID)


def _walk(kind: str, value: Any, path: str, translate: Translate) -> Any:
    if isinstance(value, dict):
        inside = {key: f"{path}.{key}" if path else key for key in value}
        return {key: _walk(kind, one, inside[key], translate) for key, one in value.items() if _told(kind, inside[key])}
    if isinstance(value, list):
        items = [_walk(kind, one, f"{path}[]", translate) for one in value]
        return sorted(items, key=text) if path in UNORDERED.get(kind, ()) else items
    kinds = REFERENCES.get(kind, {}).get(path) or REFERENCES[""].get(path)
    if kinds and isinstance(value, str) and value:
        return translate(kinds, value)
    return value


def _told(kind: str, path: str) -> bool:
    return not is_unequal(kind, path)


def _server(item: Item, cloud: Cloud) -> None:
    """`image` as an id ("" without one); `nics`, MAC addresses in the guest's order; `disks`, volumes in its order."""
    image = item.get("image")
    item["image"] = image["id"] if isinstance(image, dict) else image
    item["nics"] = []
    for addresses in item.get("addresses", {}).values():
        for address in addresses:
            mac = address["OS-EXT-IPS-MAC:mac_addr"].lower()
            if mac not in item["nics"]:
                item["nics"].append(mac)
    attached = [one for one in cloud.get("server_volume", {}).values() if one["serverId"] == item["id"]]
    attached.sort(key=lambda one: (len(one["device"] or ""), one["device"] or ""))
    item["disks"] = [one["volumeId"] for one in attached]


def _flavor(item: Item, cloud: Cloud) -> None:
    if item["swap"] == "":  # none, until 2.75
        item["swap"] = 0


def _server_group(item: Item, cloud: Cloud) -> None:
    if "policies" in item:  # until 2.63 a list of one, without rules
        policies = item.pop("policies")
        item["policy"] = policies[0] if policies else None
        item["rules"] = {}


def _volume(item: Item, cloud: Cloud) -> None:
    item["metadata"] = dict(item["metadata"])
    readonly = item["metadata"].pop("readonly", "False")  # shown once it was set, or the volume attached
    item["readonly"] = str(readonly).lower() == "true"


def _volume_quota(item: Item, cloud: Cloud) -> None:
    """Limits per volume type as a dictionary of their own."""
    names = {kind["name"] for kind in cloud.get("volume_type", {}).values()}
    for key in list(item):
        what, _, name = key.partition("_")
        if what in ("volumes", "gigabytes", "snapshots") and name in names:
            item.setdefault("of type", {})[f"{what} {name}"] = item.pop(key)


def _backup(item: Item, cloud: Cloud) -> None:
    if item["id"] in (item.get("container") or ""):
        item["container"] = "(made of the backup's id)"


def _subnetpool(item: Item, cloud: Cloud) -> None:
    for name in ("min_prefixlen", "default_prefixlen", "max_prefixlen"):
        if str(item[name]).isdigit():  # text on Pike
            item[name] = int(item[name])


def _network(item: Item, cloud: Cloud) -> None:
    # a tunnel is a cloud's own matter, its kind and number too; a VLAN is a wire that leads out of the cloud
    if item.get("provider:network_type") in _TUNNELS:
        item["provider:network_type"] = "tunnel"
        item.pop("provider:segmentation_id", None)


def _rule(item: Item, cloud: Cloud) -> None:
    item["protocol"] = _PROTOCOLS.get(item["protocol"], item["protocol"])
    # all ports that there are is no limit: newer Neutrons write it so
    if (item["port_range_min"], item["port_range_max"]) == (1, 65535):
        item["port_range_min"] = item["port_range_max"] = None


def _port(item: Item, cloud: Cloud) -> None:
    item["mac_address"] = item["mac_address"].lower()
    if "allowed_address_pairs" in item:
        pairs = item["allowed_address_pairs"]
        item["allowed_address_pairs"] = [{**pair, "mac_address": pair["mac_address"].lower()} for pair in pairs]
    # compute:<availability zone>, which the server tells; a router's interface by the router's build
    item["device_owner"] = re.sub("^compute:.*", "compute", item["device_owner"])
    item["device_owner"] = re.sub(
        "^network:(router_interface_distributed|ha_router_replicated_interface)$",
        "network:router_interface",
        item["device_owner"],
    )
    if item.get("binding:profile"):
        profile = item["binding:profile"].items()
        item["binding:profile"] = {key: value for key, value in profile if key not in _PLACED}


def _server_port(item: Item, cloud: Cloud) -> None:
    item["mac_addr"] = item["mac_addr"].lower()


def _router(item: Item, cloud: Cloud) -> None:
    if len(item.get("external_gateways") or ()) <= 1:
        item.pop("external_gateways", None)  # the first is external_gateway_info


_SPELL: dict[str, Callable[[Item, Cloud], None]] = {
    "server": _server,
    "flavor": _flavor,
    "server_group": _server_group,
    "server_port": _server_port,
    "volume": _volume,
    "volume_quota": _volume_quota,
    "backup": _backup,
    "subnetpool": _subnetpool,
    "network": _network,
    "security_group_rule": _rule,
    "port": _port,
    "router": _router,
}
