"""What people call a thing that has no name, or whose name is but an id: by what it is known by. A port is called by
its address, an assignment by role, person and place: names with slashes between them, the same in every language."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from naru.inventory.kinds import values
from naru.inventory.rows import Row

if TYPE_CHECKING:
    from naru.move.facts import Side


def called(side: "Side", row: Row) -> str:
    """What the thing is called where it has no name of its own; "" for what is known by its name, or its id alone."""
    found = _CALLED.get(row.kind)
    if found is None or (row.name and row.kind in _NAMED):
        return ""
    return found(side, row)


def _name(side: "Side", kind: str, identity: object) -> str:
    """The name of another thing, else its id."""
    row = side.all(kind).get(str(identity))
    return (row.called or row.name if row else "") or str(identity)


def _port(side: "Side", row: Row) -> str:
    addresses = [str(one["ip_address"]) for one in row.body.get("fixed_ips") or []]
    return ", ".join(addresses) or str(row.body.get("mac_address") or "")


def _floating_ip(side: "Side", row: Row) -> str:
    return str(row.body.get("floating_ip_address") or "")


def _forwarding(side: "Side", row: Row) -> str:
    return f"{_name(side, 'floating IP', row.body.get('floatingip_id'))}:{row.name}"


def _volume(side: "Side", row: Row) -> str:
    """By where it is attached."""
    for item in row.body.get("attachments") or []:
        return f"{_name(side, 'server', item.get('server_id'))}:{item.get('device') or ''}"
    return ""


def _quota(side: "Side", row: Row) -> str:
    return _name(side, "project", row.project or row.id)


def _user_quota(side: "Side", row: Row) -> str:
    return f"{_name(side, 'project', row.project)}/{_name(side, 'user', row.body.get('user_id'))}"


_SHARED = {
    "network": "network",
    "qos_policy": "QoS policy",
    "security_group": "security group",
    "address_scope": "address scope",
    "subnetpool": "subnet pool",
    "address_group": "address group",
}
"""What RBAC policies call the kinds of what they share."""


def _sharing(side: "Side", row: Row) -> str:
    kind, shared = _SHARED.get(str(row.body.get("object_type")), ""), row.body.get("object_id")
    return f"{kind}/{_name(side, kind, shared)}" if kind else ""


def _assignment(side: "Side", row: Row) -> str:
    def first(path: str) -> str:
        return str(next(values(row.body, path), "") or "")

    who = _name(side, "user", first("user.id")) if first("user.id") else _name(side, "group", first("group.id"))
    where = ""
    for kind in ("project", "domain"):
        if identity := first(f"scope.{kind}.id"):
            where = _name(side, kind, identity)
    return "/".join(part for part in (_name(side, "role", first("role.id")), who, where) if part)


def _membership(side: "Side", row: Row) -> str:
    return f"{_name(side, 'group', row.body.get('group_id'))}/{_name(side, 'user', row.body.get('id'))}"


def _image_member(side: "Side", row: Row) -> str:
    return f"{_name(side, 'image', row.body.get('image_id'))}/{_name(side, 'project', row.body.get('member_id'))}"


def _flavor_access(side: "Side", row: Row) -> str:
    return f"{_name(side, 'flavor', row.body.get('flavor_id'))}/{_name(side, 'project', row.body.get('tenant_id'))}"


_CALLED: Mapping[str, Callable[["Side", Row], str]] = {
    "port": _port,
    "floating IP": _floating_ip,
    "port forwarding": _forwarding,
    "volume": _volume,
    "compute quota": _quota,
    "volume quota": _quota,
    "network quota": _quota,
    "user compute quota": _user_quota,
    "RBAC policy": _sharing,
    "role assignment": _assignment,
    "group membership": _membership,
    "image member": _image_member,
    "flavor access": _flavor_access,
}
_NAMED = frozenset(("port", "volume"))
"""Those of them that may have a name of their own, which goes before."""
