"""What is asked of a cloud about a server that hangs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from naru.actions.clouds import get
from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.operate import compute

Item = Mapping[str, Any]
ROLES = ("member", "_member_")
"""The role that an administrator takes in a project for a while, the first one that there is."""


@dataclass(frozen=True)
class Disk:
    """A volume of the server, at `device`; its available snapshots, the newest first."""

    volume: Item
    device: str
    snapshots: tuple[Item, ...]

    @property
    def id(self) -> str:
        return str(self.volume["id"])


@dataclass(frozen=True)
class Found:
    """The server with all that is needed to bring it up again. `root` is the volume that it boots from, if it does;
    `images` are those that were made of it, the newest first. `role` is what the administrator `user` needs for a while
    in its project, "" for nothing."""

    server: Item
    host_state: str
    ports: tuple[Item, ...]
    root: Disk | None
    data: tuple[Disk, ...]
    images: tuple[Item, ...]
    group: str
    user: str
    role: str
    can_reason: bool
    flavor: str


def read(cloud: Cloud, named: str) -> Found:
    """The server with this name or id. Raises InputError where there is none, or several."""
    server = _server(cloud, named)
    service = compute.service(cloud, str(server[compute.HOST]))
    attached = get(cloud, "compute", f"/servers/{server['id']}/os-volume_attachments", "volumeAttachments") or []
    disks = [_disk(cloud, one) for one in attached]
    at_root = str(server.get("OS-EXT-SRV-ATTR:root_device_name") or "")
    root = None if server.get("image") else next((one for one in disks if one.device == at_root), None)
    groups = cloud.items("compute", "/os-server-groups?all_projects=True", "server_groups")
    user = cloud.user_id
    return Found(
        server=server,
        host_state=str(service["state"]) if service else "gone",
        ports=tuple(cloud.items("network", f"/ports?device_id={server['id']}", "ports")),
        root=root,
        data=tuple(one for one in disks if one is not root),
        images=_images(cloud, server),
        group=next((str(one["id"]) for one in groups if server["id"] in one["members"]), ""),
        user=user,
        role=_role(cloud, user, str(server["tenant_id"])),
        can_reason=cloud.supports("compute", "2.73"),
        flavor=_flavor(cloud, server["flavor"]),
    )


def _server(cloud: Cloud, named: str) -> Item:
    found = compute.server(cloud, named) if _is_id(named) else None
    if found is not None:
        return found
    listed = cloud.items("compute", f"/servers/detail?all_tenants=1&name={quote(named, safe='')}", "servers")
    mine = [one for one in listed if one["name"] == named]
    if len(mine) != 1:
        what = f"no server {named!r}" if not mine else f"{len(mine)} servers {named!r}"
        hint = f"Give its id: {', '.join(one['id'] for one in mine)}" if mine else "Give its name or id."
        raise InputError(f"{cloud.name} has {what}", hint=hint)
    server = compute.server(cloud, str(mine[0]["id"]))
    if server is None:
        raise InputError(f"{cloud.name}: server {named} has just gone")
    return server


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4


def _disk(cloud: Cloud, attachment: Item) -> Disk:
    volume = get(cloud, "block-storage", f"/volumes/{attachment['volumeId']}", "volume") or {}
    path = f"/snapshots/detail?all_tenants=1&volume_id={attachment['volumeId']}"
    listed = [one for one in cloud.items("block-storage", path, "snapshots") if one["status"] == "available"]
    found = [one for one in listed if one["volume_id"] == attachment["volumeId"]]
    newest = sorted(found, key=lambda one: str(one["created_at"]), reverse=True)
    return Disk({**volume, "id": attachment["volumeId"]}, str(attachment["device"]), tuple(newest))


def _images(cloud: Cloud, server: Item) -> tuple[Item, ...]:
    """Nova notes in an image of a server whose it is."""
    path = f"/images?owner={server['tenant_id']}&status=active"
    found = [one for one in cloud.items("image", path, "images") if one.get("instance_uuid") == server["id"]]
    return tuple(sorted(found, key=lambda one: str(one["created_at"]), reverse=True))


def _role(cloud: Cloud, user: str, project: str) -> str:
    """The id of the role to take; "" where the user has one in the project."""
    path = f"/role_assignments?user.id={user}&scope.project.id={project}&effective"
    if any(True for _ in cloud.items("identity", path, "role_assignments")):
        return ""
    known = {str(one["name"]).lower(): str(one["id"]) for one in cloud.items("identity", "/roles", "roles")}
    found = next((known[name] for name in ROLES if name in known), "")
    if not found:
        raise InputError(
            f"{cloud.name} has no role {ROLES[0]}", hint=f"Give the administrator a role in the project {project}."
        )
    return found


def _flavor(cloud: Cloud, flavor: Item) -> str:
    """The flavor's id; "" for one that is there no more. From 2.47 on servers show its name alone."""
    if "id" in flavor:
        return str(flavor["id"])
    found = cloud.items("compute", "/flavors/detail?is_public=None", "flavors")
    return next((str(one["id"]) for one in found if one["name"] == flavor.get("original_name")), "")
