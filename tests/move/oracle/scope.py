"""Whose a thing is, and what belongs to a project: what it owns, who has a role in it, and what those use."""

from typing import Any

from .api import Item
from .fields import SERVICE_PORTS, UNCOMPARED
from .read import Cloud, members

# things that have no owner of their own: their parent's kind, and the field that names it
_PARENTS = {
    "security_group_rule": ("security_group", "security_group_id"),
    "server_volume": ("server", "serverId"),
    "server_port": ("server", "server_id"),
    "port_forwarding": ("floatingip", "floatingip_id"),
    "conntrack_helper": ("router", "router_id"),
    "image_member": ("image", "image_id"),
    "metering_rule": ("metering_label", "metering_label_id"),
    "group_snapshot": ("volume_group", "group_id"),
}
_OWNERS = (
    "project_id",
    "tenant_id",
    "os-vol-tenant-attr:tenant_id",
    "os-extended-snapshot-attributes:project_id",
    "os-backup-project-attr:project_id",
    "owner",
)
# kinds that several projects use: on the new cloud there may be more of them
SHARED = {"domain", "project", "user", "group", "role", "flavor", "volume_type", "qos_spec"}


def owner(cloud: Cloud, kind: str, item: Item) -> str | None:
    """The id of the project that owns an item, by its parent where that decides."""
    if kind in _PARENTS:
        parent_kind, field = _PARENTS[kind]
        parent = cloud.get(parent_kind, {}).get(item[field])
        return None if parent is None else owner(cloud, parent_kind, parent)
    if kind in ("role_assignment", "user", "group", "role", "domain", "project"):
        return None
    if kind == "volume_group" and "project_id" not in item:  # until 3.58
        mine = [volume for volume in cloud["volume"].values() if volume.get("group_id") == item["id"]]
        return owner(cloud, "volume", mine[0]) if mine else None
    return next((item[field] for field in _OWNERS if item.get(field)), None)


def made_by_a_service(kind: str, item: Item) -> bool:
    """Whether a service makes such a thing for itself, on each cloud its own."""
    if kind == "security_group_rule" or kind == "security_group":
        # for the gateway ports of routers, which are nobody's, Neutron makes and keeps a group `default`
        return kind == "security_group" and not (item.get("project_id") or item.get("tenant_id"))
    return kind == "port" and item["device_owner"] in SERVICE_PORTS


def belonging(cloud: Cloud, project: str) -> dict[str, set[str]]:
    """The ids of what belongs to a project, by kind."""
    found: dict[str, set[str]] = {
        kind: {
            identity
            for identity, item in items.items()
            if owner(cloud, kind, item) == project and not made_by_a_service(kind, item)
        }
        for kind, items in cloud.items()
        if kind not in UNCOMPARED
    }
    found["project"] = {project}
    found["domain"] = {cloud["project"][project]["domain_id"]}
    found["role_assignment"] = set(_assignments(cloud, project))
    assignments = [cloud["role_assignment"][one] for one in found["role_assignment"]]
    found["role"] = {one["role"]["id"] for one in assignments}
    found["group"] = {one["group"]["id"] for one in assignments if "group" in one}
    found["user"] = members(cloud, project) | {one["user"]["id"] for one in assignments if "user" in one}
    of_groups = [one for one in cloud.get("group_member", {}).items() if one[1]["group_id"] in found["group"]]
    found["group_member"] = {identity for identity, _ in of_groups}
    found["user"] |= {item["user_id"] for _, item in of_groups}
    for kind in ("server", "volume", "server_group"):
        found["user"] |= {cloud[kind][one]["user_id"] for one in found[kind] if cloud[kind][one].get("user_id")}
    found["user"] &= set(cloud["user"])
    found["keypair"] = _where(cloud, "keypair", lambda item: item["user_id"] in found["user"])
    # a second factor or a certificate is of no project
    found["credential"] |= _where(
        cloud, "credential", lambda item: not item.get("project_id") and item["user_id"] in found["user"]
    )
    found["rbac"] = found.get("rbac", set()) | _where(cloud, "rbac", lambda item: item["target_tenant"] == project)
    flavors = {cloud["server"][one]["flavor"].get("id") for one in found["server"]}
    found["flavor"] = _where(cloud, "flavor", lambda item: item["id"] in flavors or project in item["access"])
    types = {cloud["volume"][one]["volume_type"] for one in found["volume"]}
    found["volume_type"] = _where(cloud, "volume_type", lambda item: item["name"] in types or project in item["access"])
    specs = {cloud["volume_type"][one].get("qos_specs_id") for one in found["volume_type"]}
    found["qos_spec"] = _where(cloud, "qos_spec", lambda item: item["id"] in specs)
    return found


def _where(cloud: Cloud, kind: str, wanted: Any) -> set[str]:
    return {identity for identity, item in cloud.get(kind, {}).items() if wanted(item)}


def _assignments(cloud: Cloud, project: str) -> list[str]:
    """On the project itself, and what it inherits from the projects and the domain above it."""
    above: set[str] = set()
    parent = cloud["project"][project].get("parent_id")
    while parent and parent not in above:
        above.add(parent)
        parent = cloud["project"].get(parent, {}).get("parent_id")
    above.add(cloud["project"][project]["domain_id"])
    found = []
    for identity, item in cloud["role_assignment"].items():
        scope = item["scope"]
        on = scope.get("project", scope.get("domain", {})).get("id")
        if (on == project and "project" in scope) or (on in above and "OS-INHERIT:inherited_to" in scope):
            found.append(identity)
    return found
