"""What people call a thing that has no name, or whose name is but an id or not enough: by what it is known by. A port
is called by its address, an assignment by role, person and place with slashes between them, a snapshot by its volume
too: the same in every language, in titles, findings and commands."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from naru.inventory.kinds import POLICY_KINDS, values
from naru.inventory.rows import Row

if TYPE_CHECKING:
    from naru.move.facts import Side


def called(side: "Side", row: Row) -> str:
    """What the thing is called where it has no name of its own; "" for what is known by its name, or its id alone."""
    found = _CALLED.get(row.kind)
    if found is None or (row.name and row.kind in _NAMED):
        return ""
    return found(side, row)


def name_of(side: "Side", kind: str, identity: object) -> str:
    """What the thing of that id is called, else the id itself."""
    row = side.all(kind).get(str(identity))
    return (row.called or row.name if row else "") or str(identity)


def _port(side: "Side", row: Row) -> str:
    addresses = [str(one["ip_address"]) for one in row.body.get("fixed_ips") or []]
    return ", ".join(addresses) or str(row.body.get("mac_address") or "")


def _floating_ip(side: "Side", row: Row) -> str:
    return str(row.body.get("floating_ip_address") or "")


def _forwarding(side: "Side", row: Row) -> str:
    return f"{name_of(side, 'floating IP', row.body.get('floatingip_id'))}:{row.name}"


def _volume(side: "Side", row: Row) -> str:
    """By where it is attached."""
    for item in row.body.get("attachments") or []:
        return f"{name_of(side, 'server', item.get('server_id'))}:{item.get('device') or ''}"
    return ""


def _of_volume(side: "Side", row: Row) -> str:
    """With its volume: snapshots and backups of many bear one name."""
    volume = side.all("volume").get(str(row.body.get("volume_id")))
    return f"{volume.called or volume.name or volume.id}:{row.name or row.id}" if volume else ""


def _quota(side: "Side", row: Row) -> str:
    return name_of(side, "project", row.project or row.id)


def _user_quota(side: "Side", row: Row) -> str:
    return f"{name_of(side, 'project', row.project)}/{name_of(side, 'user', row.body.get('user_id'))}"


def _sharing(side: "Side", row: Row) -> str:
    kind, shared = POLICY_KINDS.get(str(row.body.get("object_type")), ""), row.body.get("object_id")
    return f"{kind}/{name_of(side, kind, shared)}" if kind else ""


def _assignment(side: "Side", row: Row) -> str:
    def first(path: str) -> str:
        return str(next(values(row.body, path), "") or "")

    who = name_of(side, "user", first("user.id")) if first("user.id") else name_of(side, "group", first("group.id"))
    where = ""
    for kind in ("project", "domain"):
        if identity := first(f"scope.{kind}.id"):
            where = name_of(side, kind, identity)
    return "/".join(part for part in (name_of(side, "role", first("role.id")), who, where) if part)


def _membership(side: "Side", row: Row) -> str:
    return f"{name_of(side, 'group', row.body.get('group_id'))}/{name_of(side, 'user', row.body.get('id'))}"


def _image_member(side: "Side", row: Row) -> str:
    return f"{name_of(side, 'image', row.body.get('image_id'))}/{name_of(side, 'project', row.body.get('member_id'))}"


def _flavor_access(side: "Side", row: Row) -> str:
    return f"{name_of(side, 'flavor', row.body.get('flavor_id'))}/{name_of(side, 'project', row.body.get('tenant_id'))}"


def _listener(side: "Side", row: Row) -> str:
    return f"{row.body.get('protocol')}:{row.body.get('protocol_port')}"


def _member(side: "Side", row: Row) -> str:
    """With its pool: several have the same server."""
    address = f"{row.body.get('address')}:{row.body.get('protocol_port')}"
    return f"{name_of(side, 'pool', row.body.get('pool_id'))}/{row.name or address}"


def _monitor(side: "Side", row: Row) -> str:
    return f"{row.body.get('type')}:{row.body.get('url_path') or ''}".rstrip(":")


def _policy(side: "Side", row: Row) -> str:
    return f"{name_of(side, 'listener', row.body.get('listener_id'))}/{row.body.get('position')}"


def _rule(side: "Side", row: Row) -> str:
    says = " ".join(str(row.body.get(name) or "") for name in ("type", "compare_type", "key", "value"))
    return f"{name_of(side, 'L7 policy', row.body.get('l7policy_id'))}/{' '.join(says.split())}"


_CALLED: Mapping[str, Callable[["Side", Row], str]] = {
    "port": _port,
    "floating IP": _floating_ip,
    "port forwarding": _forwarding,
    "volume": _volume,
    "snapshot": _of_volume,
    "backup": _of_volume,
    "compute quota": _quota,
    "volume quota": _quota,
    "network quota": _quota,
    "user compute quota": _user_quota,
    "RBAC policy": _sharing,
    "role assignment": _assignment,
    "group membership": _membership,
    "image member": _image_member,
    "flavor access": _flavor_access,
    "listener": _listener,
    "pool member": _member,
    "health monitor": _monitor,
    "L7 policy": _policy,
    "L7 rule": _rule,
    "load balancer quota": _quota,
}
_NAMED = frozenset(("port", "volume", "listener", "health monitor", "L7 policy"))
"""Those of them that may have a name of their own, which goes before."""
