"""Images, and volumes with their data, snapshots and backups."""

import hashlib
import json
from typing import Any

from naru.lab.seed import content, model
from naru.lab.seed.context import Context
from naru.lab.seed.load import Key
from naru.lab.seed.manifest import Entry
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import Body, Until

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def image(context: Context, project: Project, thing: model.Image) -> Body:
    """The image, its bytes, then what may only be said once it has them."""
    actor = context.actor(project, thing.user)
    found = context.find("image", thing, project.ref)
    if not found:
        body = thing.given("name", "disk_format", "container_format", "min_disk", "min_ram", "tags") | thing.properties
        body |= {"disk_format": thing.disk_format, "container_format": thing.container_format}
        if thing.visibility in ("private", "shared"):
            body["visibility"] = thing.visibility
        found = context.api("image", "POST", "/images", body, actor=actor)
        context.note(Key("image", project.ref, thing.ref), found["id"], True)
    else:
        context.note(Key("image", project.ref, thing.ref), found["id"], False)
    path = f"/images/{found['id']}"
    if thing.content and found["status"] == "queued":
        text = f"{context.declaration.name}/{project.ref}/image/{thing.ref}"
        data = content.image(context.cloud, text, thing.content.size_mib, thing.disk_format)
        headers = {"Content-Type": "application/octet-stream"}
        context.api.request("image", "PUT", f"{path}/file", data=data, headers=headers, actor=actor)
    _members(context, thing, found, actor)
    changes = []
    if thing.hidden and context.can(context.features.version("image", "2.7"), "hidden images"):
        changes.append({"op": "replace", "path": "/os_hidden", "value": True})
    changes.append({"op": "replace", "path": "/visibility", "value": thing.visibility})
    changes.append({"op": "replace", "path": "/protected", "value": thing.protected})
    changes = [change for change in changes if found.get(str(change["path"])[1:]) != change["value"]]
    if changes:
        context.api.request("image", "PATCH", path, data=json.dumps(changes).encode(), headers=PATCH)
    if thing.deactivated and found["status"] != "deactivated":
        context.api("image", "POST", f"{path}/actions/deactivate")
    yield from ()


def _members(context: Context, thing: model.Image, found: dict[str, Any], actor: tuple[str, str]) -> None:
    if not thing.members:
        return
    path = f"/images/{found['id']}/members"
    have = {item["member_id"]: item["status"] for item in context.api.list("image", path, "members", actor=actor)}
    for member in thing.members:
        target = context.project_id(member.project)
        if target not in have:
            context.api("image", "POST", path, {"member": target}, actor=actor)
        if have.get(target, "pending") != member.status:
            consumer = context.declaration.things[Key("project", "", member.project)]
            body = {"status": member.status}
            context.api("image", "PUT", f"{path}/{target}", body, actor=context.actor(consumer))


# -- volumes


def volume(context: Context, project: Project, thing: model.Volume) -> Body:
    """The volume, its flags, and its data up to the first snapshot that wants it attached."""
    actor = context.actor(project, thing.user)
    key = Key("volume", project.ref, thing.ref)
    specs = getattr(context.declaration.things.get(Key("volume_type", "", thing.type)), "extra_specs", {})
    if specs.get("multiattach") == "<is> True":
        on = specs.get("volume_backend_name")
        if not context.can(on in context.features.multiattach, f"multiattach volumes on {on}"):
            context.skipped.add(key)
            return
    found = context.find("volume", thing, project.ref)
    if not found:
        body: dict[str, Any] = thing.given("name", "description", "size", "metadata") | {"volume_type": thing.type}
        if thing.source and thing.source.image:
            body["imageRef"] = context.id("image", project.ref, thing.source.image)
        elif thing.source and thing.source.snapshot:
            body["snapshot_id"] = context.id("snapshot", project.ref, thing.source.snapshot)
        elif thing.source and thing.source.volume:
            body["source_volid"] = context.id("volume", project.ref, thing.source.volume)
        made = context.api("volumev3", "POST", "/volumes", {"volume": body}, actor=actor)["volume"]
        context.note(key, made["id"], True)
        found = {**made, "status": "creating"}
    else:
        context.note(key, found["id"], False)
    if found["status"] != "in-use":
        yield Until("volume", found["id"], "available")
    # asked again as the administrator: where it lies is not in an ordinary user's answer
    found = context.api("volumev3", "GET", f"/volumes/{found['id']}")["volume"]
    _flags(context, thing, found, actor)
    for number, item in enumerate(thing.snapshots):
        if item.attached:
            return
        yield from _snapshot(context, project, thing, found, number, actor)
    _last_round(context, project, thing, found)


def attached_snapshots(context: Context, project: Project, thing: model.Volume) -> Body:
    """The snapshots from the first one that wants the volume attached, and the last round of writes."""
    actor = context.actor(project, thing.user)
    identity = context.id("volume", project.ref, thing.ref)
    found = context.api("volumev3", "GET", f"/volumes/{identity}")["volume"]
    first = next(number for number, item in enumerate(thing.snapshots) if item.attached)
    for number in range(first, len(thing.snapshots)):
        yield from _snapshot(context, project, thing, found, number, actor)
    _last_round(context, project, thing, found)


def _flags(context: Context, thing: model.Volume, found: dict[str, Any], actor: tuple[str, str]) -> None:
    path = f"/volumes/{found['id']}/action"
    if thing.bootable is not None and (found["bootable"] == "true") != thing.bootable:
        context.api("volumev3", "POST", path, {"os-set_bootable": {"bootable": thing.bootable}}, actor=actor)
    if thing.image_metadata.items() - found.get("volume_image_metadata", {}).items():
        body = {"os-set_image_metadata": {"metadata": thing.image_metadata}}
        context.api("volumev3", "POST", path, body, actor=actor)
    if thing.readonly and found["metadata"].get("readonly") != "True":
        context.api("volumev3", "POST", path, {"os-update_readonly_flag": {"readonly": True}}, actor=actor)


def _pieces(context: Context, project: Project, thing: model.Volume, number: int) -> list[content.Piece]:
    text = f"{context.declaration.name}/{project.ref}/volume/{thing.ref}"
    return content.pieces(text, thing.size << 30, thing.pieces, number)


def _snapshot(
    context: Context, project: Project, thing: model.Volume, found: dict[str, Any], number: int, actor: tuple[str, str]
) -> Body:
    item = thing.snapshots[number]
    key = Key("snapshot", project.ref, item.ref)
    present = context.find("snapshot", item, project.ref, volume_id=found["id"])
    if present:
        context.note(key, present["id"], False)
    else:
        content.write(context.cloud, found, _pieces(context, project, thing, number))
        body = {"volume_id": found["id"], "force": item.attached, **item.given("name", "description", "metadata")}
        present = context.api("volumev3", "POST", "/snapshots", {"snapshot": body}, actor=actor)["snapshot"]
        context.note(key, present["id"], True)
    if present["status"] != "available":
        yield Until("snapshot", present["id"], "available")


def _last_round(context: Context, project: Project, thing: model.Volume, found: dict[str, Any]) -> None:
    if found["id"] not in context.manifest.written:
        rounds = range(len(thing.snapshots) + 1)
        content.write(context.cloud, found, _pieces(context, project, thing, rounds[-1]))
        extents = sorted(
            [piece.offset, len(piece.data)] for number in rounds for piece in _pieces(context, project, thing, number)
        )
        context.manifest.mark(found["id"], extents)


def backup(context: Context, project: Project, thing: model.Volume, item: model.Backup) -> Body:
    actor = context.actor(project, thing.user)
    volume_id = context.id("volume", project.ref, thing.ref)
    key = Key("backup", project.ref, item.ref)
    found = context.find("backup", item, project.ref, volume_id=volume_id)
    if not found:
        body = {"volume_id": volume_id, "force": True, **item.given("name", "description", "container", "incremental")}
        found = context.api("volumev3", "POST", "/backups", {"backup": body}, actor=actor)["backup"]
        found["status"] = "creating"
        context.note(key, found["id"], True)
    else:
        context.note(key, found["id"], False)
    if found["status"] != "available":
        yield Until("backup", found["id"], "available")


# -- checksums


def contents(context: Context) -> list[tuple[str, dict[str, Any]]]:
    """Every volume, snapshot and image of the sample's projects, as (kind, what the API says), those that servers
    brought with them included."""
    projects = {context.project_id(project.ref) for project in context.declaration.sample.projects}
    found = []
    for kind in ("volume", "snapshot", "image"):
        for item in context.fresh(kind):
            owner = item.get("os-vol-tenant-attr:tenant_id") or item.get("os-extended-snapshot-attributes:project_id")
            if (owner or item.get("owner")) in projects and item["status"] not in ("queued", "error"):
                found.append((kind, item))
    return found


def entry(context: Context, kind: str, item: dict[str, Any]) -> Entry:
    """Reads the content of a volume, snapshot or image and adds it up."""
    if kind == "image":
        answer = context.api.request("image", "GET", f"/images/{item['id']}/file")
        total = hashlib.sha256(answer.content).hexdigest()
        return Entry(kind, item["id"], item["name"] or "", item["owner"], "", len(answer.content), total)
    if kind == "snapshot":
        volume = context.api("volumev3", "GET", f"/volumes/{item['volume_id']}")["volume"]
        read = content.digest(context.cloud, volume, item["id"])
        owner = item["os-extended-snapshot-attributes:project_id"]
        return Entry(kind, item["id"], item["name"] or "", owner, content.backend(volume), *read)
    read = content.digest(context.cloud, item)
    extents = context.manifest.written.get(item["id"], [])
    owner = item["os-vol-tenant-attr:tenant_id"]
    return Entry(kind, item["id"], item["name"] or "", owner, content.backend(item), *read, extents)
