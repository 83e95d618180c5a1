"""The sample on a newer cloud, and clouds that answer like the services without being any."""

import copy
import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .sample import Items

_NEWER: dict[str, dict[str, Any]] = {
    "domain": {"options": {}, "tags": []},
    "project": {"options": {}, "tags": []},
    "user": {"federated": []},
    "role": {"options": {}, "description": None},
    "flavor": {"description": None, "swap": 0},
    "server": {
        "locked_reason": None,
        "trusted_image_certificates": None,
        "pinned_availability_zone": None,
        "scheduler_hints": {"group": ["n-sgrp"]},
        "OS-EXT-SRV-ATTR:host": "compute9",
        "hostId": "7070",
    },
    "server_volume": {"tag": None, "delete_on_termination": True, "attachment_id": "x", "bdm_uuid": "y"},
    "volume": {"consumes_quota": True, "volume_type_id": "n-type", "shared_targets": False, "service_uuid": "z"},
    "snapshot": {"consumes_quota": True},
    "backup": {"user_id": "n-mina", "metadata": {}},
    "image": {"os_hidden": False, "os_hash_algo": "sha512", "os_hash_value": "c0ffee", "virtual_size": 4},
    "network": {"provider:network_type": "geneve", "provider:segmentation_id": 7},
    "subnet": {"dns_publish_fixed_ip": False},
    "security_group": {"stateful": True, "shared": False},
    "security_group_rule": {
        "remote_address_group_id": None,
        "normalized_cidr": None,
        "belongs_to_default_sg": False,
        "project_id": "n-shop",
        "tenant_id": "n-shop",
    },
    "port": {"binding:host_id": "compute9", "propagate_uplink_status": True, "dns_assignment": [], "status": "DOWN"},
    "router": {"enable_ndp_proxy": False, "availability_zones": []},
    "floatingip": {"qos_policy_id": None, "port_details": None, "status": "ACTIVE"},
}
_GONE = {"volume": ("consistencygroup_id",), "server_volume": ("id",), "server_group": ("policies", "metadata")}


def newest(old: Items) -> Items:
    """The same project, moved without a flaw: other ids, what a newer release adds and takes away, other orders of
    lists that have none."""
    new: Items = json.loads(json.dumps(old).replace('"o-', '"n-'))
    for kind, items in new.items():
        for item in items:
            item.update(copy.deepcopy(_NEWER.get(kind, {})))
            for field in _GONE.get(kind, ()):
                item.pop(field, None)
            for field in ("tags", "security_groups", "allocation_pools", "fixed_ips", "access"):
                if field in item:
                    item[field].reverse()
        items.reverse()
    for group in new["server_group"]:
        group.update(policy="anti-affinity", rules={})
    for pool in new["subnetpool"]:
        pool.update({name: int(pool[name]) for name in ("default_prefixlen", "min_prefixlen", "max_prefixlen")})
    for port in new["port"]:
        port["mac_address"] = port["mac_address"].upper()
    new["port"] = [port for port in new["port"] if port["device_owner"] != "network:dhcp"]
    return new


class _Answer:
    def __init__(self, body: Any) -> None:
        self.status_code = 404 if body is None else 200
        self.text = str(body)
        self._body = body

    def json(self) -> Any:
        return copy.deepcopy(self._body)


class FakeRest:
    """A cloud that holds `items`; what it does not know is 404. Collections come in pages of one item, as the
    services of each kind page."""

    def __init__(self, items: Items) -> None:
        self.items = items
        self.session = self
        self.asked: list[str] = []

    def request(self, path: str, method: str, endpoint_filter: dict[str, str], headers: Any, raise_exc: bool) -> Any:
        assert method == "GET" and not raise_exc
        self.asked.append(path)
        url = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        service, parts = endpoint_filter["service_type"], [unquote(part) for part in url.path.strip("/").split("/")]
        return _Answer(getattr(self, f"_{service}")(parts, query, headers))

    def _page(self, kind: str, name: str, path: str, query: dict[str, str], style: str) -> Any:
        found, start = self.items.get(kind, []), int(query.get("marker", 0))
        body: dict[str, Any] = {name: found[start : start + 1]}
        if start + 1 < len(found):
            reference = f"http://cloud/{path}?marker={start + 1}&all_tenants=1"
            body.update(
                {"next": reference} if style == "next" else {f"{name}_links": [{"rel": "next", "href": reference}]}
            )
        return body

    def _identity(self, parts: list[str], query: dict[str, str], headers: Any) -> Any:
        match parts:
            case ["groups", group, "users"]:
                members = [pair["user_id"] for pair in self.items["group_member"] if pair["group_id"] == group]
                return {"users": [user for user in self.items["user"] if user["id"] in members]}
            case ["roles"] if "domain_id" in query:
                return {"roles": []}
            case ["OS-TRUST", "trusts"]:
                return {"trusts": self.items["trust"]}
            case [name] if name.removesuffix("s") in self.items:
                return {name: self.items[name.removesuffix("s")]}
        return None

    def _compute(self, parts: list[str], query: dict[str, str], headers: Any) -> Any:
        path = "/".join(parts)
        match parts:
            case ["servers", "detail"]:
                body = copy.deepcopy(self._page("server", "servers", path, query, "links"))
                for server in body["servers"]:
                    if headers["OpenStack-API-Version"] == "compute 2.46":
                        server["flavor"] = {"id": server["flavor"]["id"]}
                    else:
                        del server["flavor"]["id"]
                return body
            case ["servers", server, "os-volume_attachments"]:
                return {"volumeAttachments": [one for one in self.items["server_volume"] if one["serverId"] == server]}
            case ["servers", server, "os-interface"]:
                return {
                    "interfaceAttachments": [one for one in self.items["server_port"] if one["server_id"] == server]
                }
            case ["flavors", "detail"]:
                return self._page("flavor", "flavors", path, query, "links")
            case ["flavors", flavor, "os-extra_specs"]:
                return {"extra_specs": self._one("flavor", flavor)["extra_specs"]}
            case ["flavors", flavor, "os-flavor-access"]:
                return {"flavor_access": [{"tenant_id": one} for one in self._one("flavor", flavor)["access"]]}
            case ["os-server-groups"]:
                return {"server_groups": self.items["server_group"][int(query["offset"]) :][:1]}
            case ["os-keypairs"]:
                mine = [one for one in self.items["keypair"] if one["user_id"] == query["user_id"]]
                return {"keypairs": [{"keypair": one} for one in mine]}
            case ["os-quota-sets", project]:
                kind = "compute_user_quota" if "user_id" in query else "compute_quota"
                return self._quota(kind, project)
        return None

    def _volumev3(self, parts: list[str], query: dict[str, str], headers: Any) -> Any:
        path = "/".join(parts)
        match parts:
            case [("volumes" | "snapshots" | "backups") as name, "detail"]:
                return self._page(name.removesuffix("s"), name, path, query, "links")
            case ["types"]:
                return {"volume_types": self.items["volume_type"]}
            case ["types", kind, "os-volume-type-access"]:
                return {"volume_type_access": [{"project_id": one} for one in self._one("volume_type", kind)["access"]]}
            case ["qos-specs"]:
                return {"qos_specs": self.items["qos_spec"]}
            case ["os-quota-sets", project]:
                return self._quota("volume_quota", project)
        return None

    def _image(self, parts: list[str], query: dict[str, str], headers: Any) -> Any:
        match parts:
            case ["v2", "images"]:
                if "os_hidden" in query or "visibility" in query:
                    return {"images": []}
                return self._page("image", "images", "/".join(parts), query, "next")
            case ["v2", "images", image, "members"]:
                return {"members": [one for one in self.items["image_member"] if one["image_id"] == image]}
        return None

    def _network(self, parts: list[str], query: dict[str, str], headers: Any) -> Any:
        path = "/".join(parts)
        match parts:
            case ["v2.0", "qos", "policies"]:
                return self._page("qos_policy", "policies", path, query, "links")
            case ["v2.0", "rbac-policies"]:
                return self._page("rbac", "rbac_policies", path, query, "links")
            case ["v2.0", "quotas"]:
                return {"quotas": self.items["network_quota"]}
            case ["v2.0", "quotas", project]:
                mine = [one for one in self.items["network_quota"] if one["project_id"] == project]
                return {"quota": mine[0]} if mine else None
            case ["v2.0", name] if name.removesuffix("s").replace("-", "_") in self.items:
                plural = name.replace("-", "_")
                return self._page(plural.removesuffix("s"), plural, path, query, "links")
        return None

    def _one(self, kind: str, identity: str) -> dict[str, Any]:
        return next(item for item in self.items[kind] if item["id"] == identity)

    def _quota(self, kind: str, project: str) -> Any:
        mine = [one for one in self.items[kind] if one["project_id"] == project]
        return {"quota_set": mine[0]} if mine else None
