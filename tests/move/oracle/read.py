"""Everything of a cloud over the kinds that a move touches, as its APIs tell it.

The result is plain: `{kind: {id: item}}`. A kind that the cloud's release does not have is not in it. Items that an
API shows only through another one are made kinds of their own, with ids put together (`server/volume`). Lists in which
Neutron, Nova and Glance keep no order are sorted: Pike shuffles them at each call.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from .api import Api, Item, Rest
from .fields import UNORDERED, VOLATILE

Cloud = dict[str, dict[str, Item]]

# kind, service, path, collection
_PLAIN = (
    ("domain", "identity", "/domains", "domains"),
    ("project", "identity", "/projects", "projects"),
    ("user", "identity", "/users", "users"),
    ("group", "identity", "/groups", "groups"),
    ("credential", "identity", "/credentials", "credentials"),
    ("trust", "identity", "/OS-TRUST/trusts", "trusts"),
    ("region", "identity", "/regions", "regions"),
    ("service", "identity", "/services", "services"),
    ("endpoint", "identity", "/endpoints", "endpoints"),
    ("endpoint_group", "identity", "/OS-EP-FILTER/endpoint_groups", "endpoint_groups"),
    ("policy", "identity", "/policies", "policies"),
    ("consumer", "identity", "/OS-OAUTH1/consumers", "consumers"),
    ("identity_provider", "identity", "/OS-FEDERATION/identity_providers", "identity_providers"),
    ("mapping", "identity", "/OS-FEDERATION/mappings", "mappings"),
    ("limit", "identity", "/limits", "limits"),
    ("registered_limit", "identity", "/registered_limits", "registered_limits"),
    ("server", "compute", "/servers/detail?all_tenants=1", "servers"),
    ("aggregate", "compute", "/os-aggregates", "aggregates"),
    ("volume", "volumev3", "/volumes/detail?all_tenants=1", "volumes"),
    ("snapshot", "volumev3", "/snapshots/detail?all_tenants=1", "snapshots"),
    ("backup", "volumev3", "/backups/detail?all_tenants=1", "backups"),
    ("volume_type", "volumev3", "/types?is_public=None", "volume_types"),
    ("qos_spec", "volumev3", "/qos-specs", "qos_specs"),
    ("group_type", "volumev3", "/group_types?is_public=None", "group_types"),
    ("volume_group", "volumev3", "/groups/detail?all_tenants=1", "groups"),
    ("group_snapshot", "volumev3", "/group_snapshots/detail?all_tenants=1", "group_snapshots"),
    ("transfer", "volumev3", "/os-volume-transfer/detail?all_tenants=1", "transfers"),
    ("attachment", "volumev3", "/attachments?all_tenants=1", "attachments"),
    ("metadef", "image", "/v2/metadefs/namespaces?limit=100", "namespaces"),
    ("qos_policy", "network", "/v2.0/qos/policies", "policies"),
    ("address_scope", "network", "/v2.0/address-scopes", "address_scopes"),
    ("subnetpool", "network", "/v2.0/subnetpools", "subnetpools"),
    ("address_group", "network", "/v2.0/address-groups", "address_groups"),
    ("network", "network", "/v2.0/networks", "networks"),
    ("segment", "network", "/v2.0/segments", "segments"),
    ("segment_range", "network", "/v2.0/network-segment-ranges", "network_segment_ranges"),
    ("subnet", "network", "/v2.0/subnets", "subnets"),
    ("security_group", "network", "/v2.0/security-groups", "security_groups"),
    ("security_group_rule", "network", "/v2.0/security-group-rules", "security_group_rules"),
    ("default_rule", "network", "/v2.0/default-security-group-rules", "default_security_group_rules"),
    ("port", "network", "/v2.0/ports", "ports"),
    ("router", "network", "/v2.0/routers", "routers"),
    ("floatingip", "network", "/v2.0/floatingips", "floatingips"),
    ("trunk", "network", "/v2.0/trunks", "trunks"),
    ("rbac", "network", "/v2.0/rbac-policies", "rbac_policies"),
    ("metering_label", "network", "/v2.0/metering/metering-labels", "metering_labels"),
    ("metering_rule", "network", "/v2.0/metering/metering-label-rules", "metering_label_rules"),
    ("network_flavor", "network", "/v2.0/flavors", "flavors"),
    ("service_profile", "network", "/v2.0/service_profiles", "service_profiles"),
    ("local_ip", "network", "/v2.0/local-ips", "local_ips"),
    ("ndp_proxy", "network", "/v2.0/ndp-proxies", "ndp_proxies"),
    ("bgpvpn", "network", "/v2.0/bgpvpn/bgpvpns", "bgpvpns"),
    ("vpn_service", "network", "/v2.0/vpn/vpnservices", "vpnservices"),
    ("vpn_connection", "network", "/v2.0/vpn/ipsec-site-connections", "ipsec_site_connections"),
    ("ike_policy", "network", "/v2.0/vpn/ikepolicies", "ikepolicies"),
    ("ipsec_policy", "network", "/v2.0/vpn/ipsecpolicies", "ipsecpolicies"),
    ("endpoint_set", "network", "/v2.0/vpn/endpoint-groups", "endpoint_groups"),
    ("firewall_group", "network", "/v2.0/fwaas/firewall_groups", "firewall_groups"),
    ("firewall_policy", "network", "/v2.0/fwaas/firewall_policies", "firewall_policies"),
    ("firewall_rule", "network", "/v2.0/fwaas/firewall_rules", "firewall_rules"),
    ("tap_service", "network", "/v2.0/taas/tap_services", "tap_services"),
    ("tap_flow", "network", "/v2.0/taas/tap_flows", "tap_flows"),
    ("network_log", "network", "/v2.0/log/logs", "logs"),
)
# newest microversions that still tell what the oldest cloud tells
_FLAVORS, _QUOTAS, _FLAVOR_ID = "2.101", "2.56", "2.46"


def snapshot(rest: Rest) -> Cloud:
    """The whole cloud that `rest` is an administrator of, without what changes by itself (times, revisions, links).

    Two snapshots of a cloud in which nothing happened are equal. Raises Unreadable where a service refuses: a cloud
    that was read in part would hide what is in the other. Secrets of credentials are in it as hashes.
    """
    api = Api(rest)
    cloud: Cloud = {}
    for kind, service, path, collection in _PLAIN:
        items = api.items(service, path, collection)
        if items is not None:
            cloud[kind] = {_id(kind, item): item for item in items}
    _identity(api, cloud)
    _compute(api, cloud)
    _volume(api, cloud)
    _image(api, cloud)
    _network(api, cloud)
    return {
        kind: {identity: _steady(kind, item, "") for identity, item in sorted(items.items())}
        for kind, items in sorted(cloud.items())
    }


def _id(kind: str, item: Item) -> str:
    return str(item["namespace"] if kind == "metadef" else item["id"])


def _steady(kind: str, value: Any, path: str) -> Any:
    if isinstance(value, dict):
        inside = {key: f"{path}.{key}" if path else key for key in value}
        return {key: _steady(kind, one, inside[key]) for key, one in value.items() if inside[key] not in VOLATILE}
    if isinstance(value, list):
        items = [_steady(kind, one, f"{path}[]") for one in value]
        return sorted(items, key=_text) if path in UNORDERED.get(kind, ()) else items
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _keep(cloud: Cloud, kind: str, items: Iterable[tuple[str, Item]]) -> None:
    cloud.setdefault(kind, {}).update(items)


def _identity(api: Api, cloud: Cloud) -> None:
    for credential in cloud["credential"].values():
        credential["blob"] = _digest(credential["blob"])
    roles = api.items("identity", "/roles", "roles") or []
    for domain in cloud["domain"]:
        roles += api.items("identity", f"/roles?domain_id={quote(domain)}", "roles") or []
    _keep(cloud, "role", ((role["id"], role) for role in roles))
    inferences = (api.get("identity", "/role_inferences") or {}).get("role_inferences", [])
    for inference in inferences:
        prior = inference["prior_role"]["id"]
        implied = [one["id"] for one in inference["implies"]]
        _keep(cloud, "role_inference", ((f"{prior}/{one}", {"prior": prior, "implied": one}) for one in implied))
    assignments = api.items("identity", "/role_assignments", "role_assignments") or []
    for assignment in assignments:
        assignment.pop("links", None)
    _keep(cloud, "role_assignment", ((_text(assignment), assignment) for assignment in assignments))
    for group in cloud["group"]:
        members = api.items("identity", f"/groups/{group}/users", "users") or []
        pairs = [{"group_id": group, "user_id": member["id"]} for member in members]
        _keep(cloud, "group_member", ((f"{group}/{pair['user_id']}", pair) for pair in pairs))
    for user in cloud["user"]:
        # with the access rules in use; the others only their user may list
        items = api.items("identity", f"/users/{user}/application_credentials", "application_credentials")
        if items is not None:
            named = [{**item, "user_id": user} for item in items]
            _keep(cloud, "application_credential", ((item["id"], item) for item in named))


def _digest(blob: Any) -> str:
    """A credential's secret as something to compare: JSON in any spelling has one digest."""
    try:
        text = _text(json.loads(blob) if isinstance(blob, str) else blob)
    except ValueError:
        text = str(blob)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _compute(api: Api, cloud: Cloud) -> None:
    flavors = api.items("compute", "/flavors/detail?is_public=None", "flavors", _FLAVORS) or []
    for flavor in flavors:
        path = f"/flavors/{quote(flavor['id'], safe='')}"
        flavor["extra_specs"] = (api.get("compute", f"{path}/os-extra_specs") or {}).get("extra_specs", {})
        access: list[Item] = []
        if not flavor["os-flavor-access:is_public"]:
            access = api.items("compute", f"{path}/os-flavor-access", "flavor_access") or []
        flavor["access"] = [item["tenant_id"] for item in access]
        _keep(cloud, "flavor_access", ((f"{flavor['id']}/{item['tenant_id']}", item) for item in access))
    _keep(cloud, "flavor", ((flavor["id"], flavor) for flavor in flavors))
    _servers(api, cloud)
    groups = api.by_offset("compute", "/os-server-groups?all_projects=1", "server_groups") or []
    _keep(cloud, "server_group", ((group["id"], group) for group in groups))
    for user in cloud["user"]:
        keys = api.items("compute", f"/os-keypairs?user_id={user}", "keypairs") or []
        named = [{**key["keypair"], "user_id": user} for key in keys]
        _keep(cloud, "keypair", ((f"{user}/{key['name']}", key) for key in named))
    for project in cloud["project"]:
        path = f"/os-quota-sets/{project}"
        _quota(api, cloud, "compute_quota", project, path, _QUOTAS)
        for user in sorted(members(cloud, project)):
            _quota(api, cloud, "compute_user_quota", f"{project}/{user}", f"{path}?user_id={user}", _QUOTAS)


def _quota(api: Api, cloud: Cloud, kind: str, identity: str, path: str, version: str = "latest") -> None:
    service = "compute" if kind.startswith("compute") else "volumev3"
    found = (api.get(service, path, version) or {}).get("quota_set")
    if found is not None:
        project, _, user = identity.partition("/")
        found.pop("id", None)
        _keep(cloud, kind, [(identity, {**found, "project_id": project, **({"user_id": user} if user else {})})])


def members(cloud: Cloud, project: str) -> set[str]:
    """The users that have a role in a project, directly or through a group of theirs."""
    found: set[str] = set()
    for assignment in cloud.get("role_assignment", {}).values():
        if assignment["scope"].get("project", {}).get("id") != project:
            continue
        if "user" in assignment:
            found.add(assignment["user"]["id"])
        else:
            group = assignment["group"]["id"]
            pairs = cloud.get("group_member", {}).values()
            found |= {pair["user_id"] for pair in pairs if pair["group_id"] == group}
    return found & set(cloud["user"])


def _servers(api: Api, cloud: Cloud) -> None:
    # from 2.47 on a server shows its flavor's content, and only before that its id
    older = api.items("compute", "/servers/detail?all_tenants=1", "servers", _FLAVOR_ID) or []
    flavors = {server["id"]: server["flavor"].get("id") for server in older}
    for identity, server in cloud["server"].items():
        server["flavor"] = {**server["flavor"], "id": flavors.get(identity)}
        path = f"/servers/{identity}"
        volumes = api.items("compute", f"{path}/os-volume_attachments", "volumeAttachments") or []
        _keep(cloud, "server_volume", ((f"{identity}/{item['volumeId']}", item) for item in volumes))
        ports = api.items("compute", f"{path}/os-interface", "interfaceAttachments") or []
        named = [{**item, "server_id": identity} for item in ports]
        _keep(cloud, "server_port", ((f"{identity}/{item['port_id']}", item) for item in named))


def _volume(api: Api, cloud: Cloud) -> None:
    for identity, kind in cloud["volume_type"].items():
        access: list[Item] = []
        if not kind.get("os-volume-type-access:is_public", kind.get("is_public", True)):
            path = f"/types/{identity}/os-volume-type-access"
            access = api.items("volumev3", path, "volume_type_access") or []
        kind["access"] = [item["project_id"] for item in access]
        _keep(cloud, "volume_type_access", ((f"{identity}/{item['project_id']}", item) for item in access))
        kind["encryption"] = api.get("volumev3", f"/types/{identity}/encryption") or {}
    for project in cloud["project"]:
        _quota(api, cloud, "volume_quota", project, f"/os-quota-sets/{project}")


def _image(api: Api, cloud: Cloud) -> None:
    images: list[Item] = []
    # an administrator's list has everybody's, but neither community images nor (Rocky and later) hidden ones
    for more in ("", "&visibility=community", "&os_hidden=true", "&os_hidden=true&visibility=community"):
        images += api.items("image", f"/v2/images?limit=100{more}", "images") or []
    _keep(cloud, "image", ((image["id"], image) for image in images))
    for image in cloud["image"].values():
        if image["visibility"] == "shared":
            found = api.items("image", f"/v2/images/{image['id']}/members", "members") or []
            _keep(cloud, "image_member", ((f"{image['id']}/{one['member_id']}", one) for one in found))


def _network(api: Api, cloud: Cloud) -> None:
    for identity in cloud["floatingip"]:
        found = api.items("network", f"/v2.0/floatingips/{identity}/port_forwardings", "port_forwardings") or []
        named = [{**item, "floatingip_id": identity} for item in found]
        _keep(cloud, "port_forwarding", ((item["id"], item) for item in named))
    for identity in cloud["router"]:
        found = api.items("network", f"/v2.0/routers/{identity}/conntrack_helpers", "conntrack_helpers") or []
        named = [{**item, "router_id": identity} for item in found]
        _keep(cloud, "conntrack_helper", ((item["id"], item) for item in named))
    quotas = api.items("network", "/v2.0/quotas", "quotas") or []
    _keep(cloud, "network_quota_row", ((item.get("project_id") or item["tenant_id"], item) for item in quotas))
    for project in cloud["project"]:
        quota = (api.get("network", f"/v2.0/quotas/{project}") or {}).get("quota")
        if quota is not None:
            _keep(cloud, "network_quota", [(project, {**quota, "project_id": project})])
