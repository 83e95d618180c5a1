"""Images: of the projects, with data, members and every property; and those of others that the map says to copy."""

import uuid
from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import Draft, Rule, kept, ref, title
from naru.move.mapping import CREATE

SERVICE = "image"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
# properties that Nova and users write ids into
NAMES_OTHERS = ("base_image_ref", "instance_uuid", "owner_id", "user_id", "kernel_id", "ramdisk_id")
# an id that Glance ever had, if only of an image that a rollback deleted, is not free any more
SPARE = 20
UNPROTECTED = [{"op": "replace", "path": "/protected", "value": False}]
BASE = ("name", "visibility", "container_format", "disk_format", "min_disk", "min_ram", "tags", "os_hidden")
# what Glance says of an image that is no property of its own
NO_PROPERTY = frozenset(
    (
        *BASE,
        *("id", "owner", "status", "protected", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size"),
        *("created_at", "updated_at", "self", "file", "schema", "locations", "direct_url", "stores"),
    )
)


def images(draft: Draft) -> None:
    """The projects' images, with the same id where it is free; others that servers stand on, as the map says."""
    for row in draft.facts.owned("image"):
        if row.body["status"] not in ("active", "queued", "deactivated"):
            draft.leave(row, f"it is {row.body['status']}")
            continue
        _copy(draft, row)
    for (section, _), choice in draft.choices.items():
        row_ = choice.need.row
        if section != "images" or row_ is None or choice.target is None:
            continue
        if choice.target == CREATE:
            _copy(draft, row_)
        elif target := draft.target("images", "image", row_):
            draft.match(row_, target, choice.why)
            draft.bootable[row_.id] = ""


def _copy(draft: Draft, row: Row) -> None:
    there = draft.facts.new.all("image").get(row.id)
    if there is not None and there.body.get("checksum") == row.body.get("checksum") and there.status == row.status:
        draft.match(row, there.id, "same id and content")
        draft.bootable[row.id] = ""
        return
    body: dict[str, Any] = {name: value for name, value in kept(row, BASE).items() if value is not None}
    rules = []
    for name, value in row.body.items():
        if name in NO_PROPERTY:
            continue
        if name.startswith("os_glance_"):
            rules.append(Rule(name, value, None, "Glance keeps this for itself"))
        else:
            body[name] = value
            if name in NAMES_OTHERS:
                rules.append(Rule(name, value, value, "it names a thing of the old cloud, and is kept as it was"))
    if owner := draft.ref("project", row.project):
        body["owner"] = owner
    elif row.project:
        rules.append(Rule("owner", row.project, "the administrator's project", "its project is not moved with it"))
    step = draft.create(
        *(row, body),
        path="/images",
        wrap="",
        ids=[row.id, *(str(uuid.uuid5(uuid.UUID(row.id), str(number))) for number in range(1, SPARE))],
        rules=rules,
        closing={
            "method": "PATCH",
            "body": [{"op": "replace", "path": "/protected", "value": False}],
            "headers": PATCH,
        },
    )
    last = _data(draft, row, step)
    draft.bootable[row.id] = last
    _members(draft, row, step, last)
    _finish(draft, row, step, last)


def _data(draft: Draft, row: Row, step: str) -> str:
    if row.body["status"] == "queued":
        return step
    return draft.step(
        f"{step} data",
        "move.image_data",
        {
            "cloud": draft.new,
            "service": SERVICE,
            "old": draft.old,
            "from": row.id,
            "to": ref(step),
            "size": row.body["size"],
        },
        title=f"data of {title(row)}",
        project=row.project if row.project in draft.facts.projects else "",
        estimate=float(row.body["size"] or 0) / (100 << 20),
    )


def _members(draft: Draft, row: Row, step: str, last: str) -> None:
    """Who else may use it: a step for each, that goes with either project."""
    for member in draft.facts.old.by("image member", "image_id", row.id):
        found = draft.ref("project", member.body["member_id"])
        if found is None:
            hint = f"When that project is there: openstack image add project {row.id} PROJECT"
            draft.leave(member, f"project {member.body['member_id']} is not moved with it", hint=hint)
            continue
        other = member.body["member_id"]
        path = ["/images/", ref(step), "/members"]
        requests: list[dict[str, Any]] = [{"method": "POST", "path": path, "body": {"member": found}, "ok": [409]}]
        if member.body["status"] != "pending":
            state = {"status": member.body["status"]}
            requests.append({"method": "PUT", "path": [*path, "/", found], "body": state})
        draft.access[other, row.id] = draft.step(
            f"{step} member {other}",
            "move.call",
            {
                "cloud": draft.new,
                "service": SERVICE,
                "requests": requests,
                "undo": [{"method": "DELETE", "path": [*path, "/", found], "ok": [404]}],
            },
            title=f"{draft.facts.projects[other].name} may use {title(row)}",
            project=other,
            after=[last],
            # an image of a project that is not moved stays for as long as anything does
            joins=row.project in draft.facts.projects,
        )
        draft.made(member, draft.access[other, row.id])


def _finish(draft: Draft, row: Row, step: str, last: str) -> None:
    """Protection and deactivation, which come after the data."""
    requests: list[dict[str, Any]] = []
    if row.body.get("protected"):
        change = [{"op": "replace", "path": "/protected", "value": True}]
        requests.append({"method": "PATCH", "path": ["/images/", ref(step)], "body": change, "headers": PATCH})
    if row.body["status"] == "deactivated":
        requests.append({"method": "POST", "path": ["/images/", ref(step), "/actions/deactivate"]})
    if requests:
        draft.step(
            f"{step} finish",
            "move.call",
            {"cloud": draft.new, "service": SERVICE, "requests": requests},
            title=f"state of {title(row)}",
            project=row.project if row.project in draft.facts.projects else "",
            after=[last],
        )
