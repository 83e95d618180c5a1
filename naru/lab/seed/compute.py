"""Server groups and servers, with their disks, interfaces, attachments and the state they are left in."""

import base64
from typing import Any

from naru.errors import NaruError
from naru.lab.seed import model
from naru.lab.seed.context import Context, changed
from naru.lab.seed.load import Key
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import Body, Until

# what leads from ACTIVE to each state
_ACTIONS: dict[str, tuple[str, Any]] = {
    "SHUTOFF": ("os-stop", None),
    "PAUSED": ("pause", None),
    "SUSPENDED": ("suspend", None),
    "SHELVED_OFFLOADED": ("shelve", None),
    "RESCUE": ("rescue", None),
}


def server_group(context: Context, project: Project, thing: model.ServerGroup) -> Body:
    found = context.find("server_group", thing, project.ref)
    if not found:
        body: dict[str, Any] = {"name": thing.name, "policies": [thing.policy]}
        version = ""
        if thing.rules and context.can(context.features.version("compute", "2.64"), "rules of server groups"):
            body = {"name": thing.name, "policy": thing.policy, "rules": thing.rules}
            version = "2.64"
        actor = context.actor(project, thing.user)
        found = context.api(
            "compute", "POST", "/os-server-groups", {"server_group": body}, version=version, actor=actor
        )["server_group"]
        context.note(Key("server_group", project.ref, thing.ref), found["id"], True)
    else:
        context.note(Key("server_group", project.ref, thing.ref), found["id"], False)
    yield from ()


def server(context: Context, project: Project, thing: model.Server) -> Body:
    """The server, its volumes one after the other, its tags, its state, its lock: each only where it is not so yet."""
    actor = context.actor(project, thing.user)
    found = context.find("server", thing, project.ref)
    key = Key("server", project.ref, thing.ref)
    if found and found["status"] == "ERROR":
        raise NaruError(f"it is in error: {found.get('fault', {}).get('message')}", hint="Delete it and seed again.")
    if found:
        context.note(key, found["id"], False)
    else:
        body, hints, version = _body(context, project, thing)
        request = {"server": body, **({"os:scheduler_hints": hints} if hints else {})}
        made = context.api("compute", "POST", "/servers", request, version=version, actor=actor)["server"]
        context.note(key, made["id"], True)
        found = {"id": made["id"], "status": "BUILD", "locked": False, "tags": None}
    if found["status"] == "BUILD":
        yield Until("server", found["id"], "ACTIVE")
        found |= {"status": "ACTIVE", "OS-EXT-STS:task_state": None}
    path = f"/servers/{found['id']}"
    for attachment in thing.attachments:
        if Key("volume", project.ref, attachment.volume) in context.skipped:
            continue
        yield from _attach(context, project, thing, attachment, path, actor)
    if thing.tags:
        have = context.api("compute", "GET", f"{path}/tags")["tags"]
        if changed(thing.tags, have):
            context.api("compute", "PUT", f"{path}/tags", {"tags": thing.tags}, actor=actor)
    under_way = found.get("OS-EXT-STS:task_state") or found["status"] == "SHELVED"  # by a run that was killed
    if thing.state != "ACTIVE" and found["status"] == "ACTIVE" and not under_way:
        action, argument = _ACTIONS[thing.state]
        context.api("compute", "POST", f"{path}/action", {action: argument}, actor=actor)
        under_way = True
    if under_way:
        yield Until("server", found["id"], thing.state)
    if thing.locked and not found["locked"]:
        argument, version = None, ""
        if thing.locked_reason and context.can(context.features.version("compute", "2.73"), "reasons of locks"):
            argument, version = {"locked_reason": thing.locked_reason}, "2.73"
        context.api("compute", "POST", f"{path}/action", {"lock": argument}, version=version, actor=actor)


def _body(context: Context, project: Project, thing: model.Server) -> tuple[dict[str, Any], dict[str, str], str]:
    """The request's server, its scheduler hints, and the microversion it needs ("" for the least)."""
    body: dict[str, Any] = thing.given("name", "description", "metadata", "config_drive", "availability_zone")
    body |= thing.given("access_ipv4")
    if thing.disk_config:
        body["OS-DCF:diskConfig"] = thing.disk_config
    body["flavorRef"] = context.id("flavor", project.ref, thing.flavor)
    body["imageRef"] = context.id("image", project.ref, thing.image) if thing.image else ""
    body["networks"] = [_nic(context, project, nic) for nic in thing.networks] or "none"
    if thing.disks:
        body["block_device_mapping_v2"] = [_disk(context, project, disk) for disk in thing.disks]
        if thing.image:  # Nova wants the image as a disk, too, where disks are listed
            local = {"source_type": "image", "destination_type": "local", "uuid": body["imageRef"], "boot_index": 0}
            body["block_device_mapping_v2"].insert(0, local | {"delete_on_termination": True})
    if thing.key_pair:
        body["key_name"] = thing.key_pair
    if thing.user_data is not None:
        body["user_data"] = base64.b64encode(thing.user_data.encode()).decode()
    if thing.security_groups:
        groups = [context.id("security_group", project.ref, name) for name in thing.security_groups]
        body["security_groups"] = [{"name": group} for group in groups]
    version = ""
    if thing.hostname and context.can(context.features.version("compute", "2.90"), "hostnames of servers"):
        body["hostname"] = thing.hostname
        version = "2.90"
    hints = {}
    if thing.server_group:
        hints["group"] = context.id("server_group", project.ref, thing.server_group)
    return body, hints, version


def _nic(context: Context, project: Project, nic: model.Nic) -> dict[str, Any]:
    body = nic.given("fixed_ip", "tag")
    if nic.port:
        return body | {"port": context.id("port", project.ref, nic.port)}
    return body | {"uuid": context.id("network", project.ref, str(nic.network))}


def _disk(context: Context, project: Project, disk: model.Disk) -> dict[str, Any]:
    body = disk.given("guest_format", "device_name", "tag")
    body |= {"boot_index": disk.boot_index, "delete_on_termination": disk.delete_on_termination}
    if disk.size is not None:
        body["volume_size"] = disk.size
    for kind, text in (("volume", disk.volume), ("image", disk.image), ("snapshot", disk.snapshot)):
        if text:
            identity = context.id(kind, project.ref, text)
            return body | {"source_type": kind, "destination_type": "volume", "uuid": identity}
    return body | {"source_type": "blank", "destination_type": "local"}


def _attach(
    context: Context,
    project: Project,
    thing: model.Server,
    attachment: model.Attachment,
    path: str,
    actor: tuple[str, str],
) -> Body:
    volume_id = context.id("volume", project.ref, attachment.volume)
    path += "/os-volume_attachments"
    used = context.api("volumev3", "GET", f"/volumes/{volume_id}")["volume"]
    have = context.api.list("compute", path, "volumeAttachments")
    if not any(item["volumeId"] == volume_id for item in have):
        version = ""
        if used["status"] == "in-use":
            if not context.can(context.features.version("compute", "2.60"), "a volume attached to several servers"):
                return
            version = "2.60"
        elif used["multiattach"] and context.features.version("compute", "2.60"):
            version = "2.60"
        body = {"volumeId": volume_id, **attachment.given("device", "tag")}
        if attachment.delete_on_termination:
            what = "delete_on_termination of volumes attached later"
            if context.can(context.features.version("compute", "2.79"), what):
                body["delete_on_termination"] = True
                version = "2.79"
        context.api("compute", "POST", path, {"volumeAttachment": body}, version=version, actor=actor)
    if used["status"] != "in-use":
        yield Until("volume", volume_id, "in-use")
