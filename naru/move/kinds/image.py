"""Images: of the projects, with data, members and every property; and those of others that the map says to copy."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from naru.actions import durations
from naru.actions.arguments import ref
from naru.actions.create import Create
from naru.actions.image import ImageData
from naru.actions.request import Request
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.called import name_of
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, own_text, thing
from naru.move.facts import Facts
from naru.move.kind import Kind
from naru.move.kinds import image_format
from naru.move.kinds.flavor import MAY_USE
from naru.move.kinds.rbac_policy import NO_PROJECT
from naru.move.mapping import ABSENT, CREATE, LEAVE, Match, Need, Section, Use, of_others, same_name
from naru.move.steps.images import PATCH, MappedImage, NamedSnapshots


def _member_used_by(users: showing.Users, row: Row) -> Iterable[str]:
    """The project that shares the image, and the one that it is shared with."""
    image = users.old.all("image").get(row.body["image_id"])
    return {row.body["member_id"], *([image.project] if image else ())}


_MAPPING = "block_device_mapping"
"""The property with the volumes that Nova makes for whatever is booted from the image."""

KIND = Kind(
    "image",
    path="/images",
    sent=("name", "visibility", "container_format", "disk_format", "min_disk", "min_ram", "tags", "os_hidden"),
    handled=frozenset(("protected", _MAPPING)),
    derived=frozenset(
        (
            *("checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size", "locations", "direct_url", "stores"),
            "owner_specified.openstack.md5",
        )
    ),
    not_compared=frozenset(("name",)),
    owned=True,
    terraform="openstack_images_image_v2",
    used_by=showing.shared_or("server", "image.id"),
)
MEMBER = Kind("image member", handled=frozenset(("image_id", "member_id")), relation=True, used_by=_member_used_by)

# what Glance says of an image that is no property of its own
_NO_PROPERTY = frozenset(
    (
        *(*KIND.sent, "protected"),
        *("id", "owner", "status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size"),
        *("created_at", "updated_at", "self", "file", "schema", "locations", "direct_url", "stores"),
    )
)
# properties that Nova and users write ids into
_NAMES_OTHERS = ("base_image_ref", "instance_uuid", "owner_id", "user_id", "kernel_id", "ramdisk_id")
_SPARE = 20
"""Ids that an image may get: one that Glance ever had, if only of an image that a rollback deleted, is not free."""

SAME = message("move.image.same", en="same name and content", ko="이름과 내용이 같습니다")
OTHER_CONTENT = message(
    "move.image.other_content",
    en="one of that name has other content",
    ko="이름은 같지만 내용이 다릅니다",
)
STATUS = message("move.image.status", en="it is {status}", ko="현재 상태: {status}")
EXISTS = message("move.image.exists", en="same id and content", ko="ID와 내용이 같습니다")
GLANCES = message(
    "move.image.glances_own",
    en="Glance keeps this for itself",
    ko="Glance가 내부에서 사용하는 속성입니다",
)
NAMES_OTHER = message(
    "move.image.names_other",
    en="it names a thing of the old cloud, and is kept as it was",
    ko="기존 클라우드의 리소스를 가리키는 값이며 그대로 두었습니다",
)
NO_OWNER = message(
    "move.image.no_owner",
    en="its project is not moved with it",
    ko="속한 프로젝트를 함께 이전하지 않습니다",
)
ADD_MEMBER = message(
    "move.image.add_member",
    en="When that project is there: openstack image add project {image} PROJECT",
    ko="그 프로젝트가 새 클라우드에 생기면 다음 명령을 실행해 주십시오: openstack image add project {image} PROJECT",
)
NO_SNAPSHOTS = message(
    "move.image.no_snapshots",
    en="it was made of a server on volumes, and is made of snapshots that are not moved: {snapshots:list}",
    ko="볼륨으로 부팅하는 서버의 이미지이며, 이미지를 이루는 스냅샷을 이전하지 않습니다({snapshots:list})",
)
MAKE_AN_IMAGE = message(
    "move.image.make_an_image",
    en="Its user makes an image with the content: a volume of the snapshot, then openstack image create --volume.",
    ko="사용자가 그 스냅샷으로 볼륨을 만든 뒤 openstack image create --volume 명령으로 내용이 담긴 이미지를 만들 수"
    " 있습니다.",
)
IDS_REWRITTEN = message(
    "move.image.ids_rewritten",
    en="it names the snapshots of the new cloud",
    ko="새 클라우드의 스냅샷을 가리키도록 바꾸었습니다",
)
NAMES_OLD_SNAPSHOTS = message(
    "move.image.names_old_snapshots",
    en="it names snapshots of the old cloud that are not moved, as it did: {snapshots:list}",
    ko="이전하지 않는 기존 클라우드의 스냅샷을 그대로 가리킵니다({snapshots:list})",
)
SNAPSHOTS = message("move.title.image_snapshots", en="snapshots that {thing} names", ko="{thing}이(가) 가리키는 스냅샷")
LEFT_BY_MAP = message("move.image.left_by_map", en="the map leaves it", ko="map.yaml에서 leave로 정했습니다")
AS_DATA = message("move.image.as_data", en="it says what its data is", ko="실제 데이터 형식에 맞게 바꾸었습니다")
ORPHANS = message(
    "move.image.orphans",
    en="images of projects that were deleted are not moved: {images:list}",
    ko="삭제된 프로젝트의 이미지는 이전하지 않습니다({images:list})",
)
GIVE_AWAY = message(
    "move.image.give_away",
    en="To move one, give it to a project that is: openstack image set --project PROJECT IMAGE; then plan again.",
    ko="이전하려면 이전하는 프로젝트로 소유자를 바꾼 뒤(openstack image set --project PROJECT IMAGE) 계획을 다시 세워"
    " 주십시오.",
)
NO_DATA = message(
    "move.image.no_data",
    en="it has no data, and Glance takes such an image as raw alone",
    ko="데이터가 없는 이미지이며 Glance는 이런 이미지를 raw로만 받습니다",
)
DATA = message("move.title.image_data", en="data of {thing}", ko="{thing}의 데이터")
STATE = message("move.title.image_state", en="state of {thing}", ko="{thing}의 상태")


@dataclass
class Usable:
    """When servers can be booted from an image, all by old ids. `ready`: by image, the step after which it is whole, ""
    for one that the new cloud has already. `access`: by (project, image of another project), the step that lets the
    project use it."""

    ready: dict[str, str] = field(default_factory=dict)
    access: dict[tuple[str, str], str] = field(default_factory=dict)
    not_booted: set[str] = field(default_factory=set)
    """Images that no server is asked to be booted from: they only name snapshots of volumes, of which Nova would make
    further volumes."""


def of_snapshots(row: Row) -> bool:
    """Whether the image was made of a server that boots from a volume: it has no data, and names snapshots."""
    return not row.body.get("size") and bool(_mapping(row))


def has_data(row: Row) -> bool:
    """Whether the image has data that can be read."""
    return row.status == "active" and bool(row.body.get("size"))


def _mapping(row: Row) -> list[dict[str, Any]]:
    """The block devices that an image names; empty for one that names none, or in a way that Nova does not read."""
    try:
        found = json.loads(row.body.get(_MAPPING) or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _names_snapshots(row: Row) -> bool:
    return any(entry.get("snapshot_id") for entry in _mapping(row))


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    known = facts.old.all(KIND.name)
    for server in facts.owned("server"):
        identity = (server.body.get("image") or {}).get("id")
        if identity in known and not of_snapshots(known[identity]):
            yield from of_others(facts, KIND.name, identity, "server")


def _match(facts: Facts, need: Need) -> Match:
    found = same_name(facts, KIND.name, need)
    assert need.row
    checksum = need.row.body.get("checksum")
    same = [row for row in found if checksum and row.body.get("checksum") == checksum]
    if same:
        return same[0].id if len(found) > 1 else same[0].name, SAME()
    if found:
        return None, OTHER_CONTENT()
    return CREATE, ABSENT()


SECTION = Section("images", "image", "of others, that servers were booted from", _uses, _match, creatable=True)


# -- rules


def images(draft: Draft) -> None:
    """The projects' images, with the same id where it is free; others that servers were booted from, as the map
    says."""
    for row in draft.facts.owned(KIND.name):
        if row.body["status"] not in ("active", "queued", "deactivated"):
            draft.leave(row, STATUS(status=row.body["status"]))
            continue
        if not of_snapshots(row):
            _copy(draft, row)
    for (section, _), choice in draft.choices.items():
        other = choice.need.row
        if section != SECTION.name or other is None or choice.target is None:
            continue
        if choice.target == CREATE:
            _copy(draft, other)
        elif target := draft.target(SECTION.name, KIND.name, other):
            draft.match(other, target, choice.why)
            draft.note(Usable).ready[other.id] = ""
    known = draft.facts.old.all(KIND.name)
    projects = draft.facts.old.all("project")
    orphans = [row for row in known.values() if row.project and row.project not in projects]
    names = [row.name or row.id for row in orphans if (KIND.name, row.id) not in draft.decisions]
    if draft.facts.whole and names:
        draft.report("warning", ORPHANS(images=names), hint=GIVE_AWAY())
    draft.note(Usable).not_booted |= {row.id for row in known.values() if of_snapshots(row)}


def _of_the_new_cloud(draft: Draft, row: Row) -> tuple[list[dict[str, Any]], list[str]]:
    """The block devices that an image names with the snapshots of the new cloud, and the snapshots that are not
    moved, which stay as they are."""
    mapping, missing = [], []
    for entry in _mapping(row):
        snapshot = entry.get("snapshot_id")
        new = draft.ref("snapshot", snapshot) if snapshot else None
        mapping.append({**entry, "snapshot_id": new} if new is not None else entry)
        missing += [snapshot] if snapshot and new is None else []
    return mapping, missing


def of_servers_on_volumes(draft: Draft) -> None:
    """Images that were made of servers which boot from volumes, after the snapshots that they name: with the ids that
    these have on the new cloud. One whose snapshots are not all moved is left, since nothing could be made of it."""
    for row in draft.facts.owned(KIND.name):
        if (KIND.name, row.id) in draft.decisions or not of_snapshots(row):
            continue
        mapping, missing = _of_the_new_cloud(draft, row)
        if missing:
            draft.leave(row, NO_SNAPSHOTS(snapshots=missing), hint=MAKE_AN_IMAGE())
        else:
            _copy(draft, row, mapping)


def named_snapshots(draft: Draft) -> None:
    """An image with data whose owner wrote snapshots into it gets their names last, when its servers are made: Nova
    makes a volume of each for whatever is booted from it, and these servers have theirs."""
    for row in draft.facts.old.all(KIND.name).values():
        decision = draft.decisions.get((KIND.name, row.id))
        if decision is None or decision.decision != "create" or of_snapshots(row) or not _names_snapshots(row):
            continue
        mapping, missing = _of_the_new_cloud(draft, row)
        if missing:
            value = row.body[_MAPPING]
            draft.change(row, FieldChange(_MAPPING, value, value, NAMES_OLD_SNAPSHOTS(snapshots=missing)))
        else:
            draft.change(row, FieldChange(_MAPPING, row.body[_MAPPING], None, IDS_REWRITTEN()))
        booted = [one.id for one in draft.facts.owned("server") if (one.body.get("image") or {}).get("id") == row.id]
        draft.step(
            f"{decision.step} snapshots",
            NamedSnapshots(cloud=draft.new, service=KIND.service, image=ref(decision.step), mapping=mapping),
            SNAPSHOTS(thing=thing(row)),
            about=row,
            project=_project(draft, row),
            after=[draft.note(Usable).ready[row.id], *draft.makers("server", booted)],
        )


def accept(image: Any, project: Any, status: str) -> list[dict[str, Any]]:
    """The requests that let a project use an image, as it has said itself that it will."""
    path = [f"{KIND.path}/", image, "/members"]
    requests: list[dict[str, Any]] = [{"method": "POST", "path": path, "body": {"member": project}, "ok": [409]}]
    if status != "pending":
        requests.append({"method": "PUT", "path": [*path, "/", project], "body": {"status": status}})
    return requests


def spare_ids(first: str) -> list[str]:
    """Ids that an image may get, of which it gets the first that is free."""
    return [first, *(str(uuid.uuid5(uuid.UUID(first), str(number))) for number in range(1, _SPARE))]


def _copy(draft: Draft, row: Row, mapping: list[dict[str, Any]] | None = None) -> None:
    """The image made anew, unless the new cloud has it; `mapping` are the block devices of one that names snapshots."""
    existing = draft.facts.new.all(KIND.name).get(row.id)
    if (
        existing is not None
        and existing.body.get("checksum") == row.body.get("checksum")
        and existing.status == row.status
    ):
        draft.match(row, existing.id, EXISTS())
        draft.note(Usable).ready[row.id] = ""
        return
    label = image_format.label(draft, row)
    if label == LEAVE:
        draft.leave(row, LEFT_BY_MAP())
        return
    body, changes = draft.sent(KIND, row)
    body = {name: value for name, value in body.items() if value is not None}
    named_later = mapping is None and _names_snapshots(row)
    if label:
        changes.append(FieldChange("disk_format", body.get("disk_format"), label, AS_DATA()))
        body["disk_format"] = label
    for name, value in row.body.items():
        if name in _NO_PROPERTY or value is None or ((mapping or named_later) and name == _MAPPING):
            continue
        if name.startswith("os_glance_"):
            changes.append(FieldChange(name, value, None, GLANCES()))
        else:
            body[name] = draft.private(row, name) if own_text(name) else value
            if name in _NAMES_OTHERS:
                changes.append(FieldChange(name, value, value, NAMES_OTHER()))
    if owner := draft.ref("project", row.project):
        body["owner"] = owner
    elif row.project:
        changes.append(FieldChange("owner", row.project, "the administrator's project", NO_OWNER()))
    closing = Request(**_protected(False))
    if mapping:
        if (label := body.get("disk_format")) != "raw":
            body["disk_format"] = "raw"
            changes.append(FieldChange("disk_format", label, "raw", NO_DATA()))
        changes.append(FieldChange(_MAPPING, row.body[_MAPPING], None, IDS_REWRITTEN()))
        fields = KIND.creation_fields(draft.new, body, None, ids=spare_ids(row.id))
        action: Create = MappedImage(**fields, closing=closing, mapping=mapping)
    else:
        action = KIND.creation(draft.new, body, ids=spare_ids(row.id), closing=closing)
    step = draft.create(row, action, changes=changes)
    last = _data(draft, row, step)
    draft.note(Usable).ready[row.id] = last
    _members(draft, row, step, last)
    _finish(draft, row, step, last)


def _protected(protected: bool) -> dict[str, Any]:
    """The request to an image's path that protects it, or lets it be deleted again."""
    return {
        "method": "PATCH",
        "body": [{"op": "replace", "path": "/protected", "value": protected}],
        "headers": PATCH,
    }


def _project(draft: Draft, row: Row) -> str:
    """The project that the steps of an image belong to, "" for none."""
    return row.project if row.project in draft.facts.projects else ""


def _data(draft: Draft, row: Row, step: str) -> str:
    """The step that carries its data, if it has any; the last one before it can be used."""
    if row.body["status"] == "queued":
        return step
    size = row.body["size"]
    return draft.step(
        f"{step} data",
        ImageData(cloud=draft.new, service=KIND.service, old=draft.old, source=row.id, to=ref(step), size=size),
        DATA(thing=thing(row)),
        about=row,
        project=_project(draft, row),
        estimate=durations.expected(float(size or 0), durations.IMAGES, more=0.0),
    )


def _members(draft: Draft, row: Row, step: str, last: str) -> None:
    """Who else may use it: a step for each, that goes with either project."""
    for member in draft.facts.old.by(MEMBER.name, "image_id", row.id):
        other = member.body["member_id"]
        found = draft.ref("project", other)
        if found is None:
            draft.leave(
                member, NO_PROJECT(project=name_of(draft.facts.old, "project", other)), hint=ADD_MEMBER(image=row.id)
            )
            continue
        path = [f"{KIND.path}/", ref(step), "/members"]
        requests = accept(ref(step), found, member.body["status"])
        shared = draft.call(
            f"{step} member {other}",
            KIND.service,
            requests,
            MAY_USE(project=draft.facts.projects[other].name, thing=thing(row)),
            undo=[{"method": "DELETE", "path": [*path, "/", found], "ok": [404]}],
            about=row,
            project=other,
            after=[last],
            # an image of a project that is not moved stays for as long as anything does
            joins=row.project in draft.facts.projects,
        )
        draft.note(Usable).access[other, row.id] = shared
        draft.made(member, shared)


def _finish(draft: Draft, row: Row, step: str, last: str) -> None:
    """Protection and deactivation, which come after the data."""
    requests: list[dict[str, Any]] = []
    if row.body.get("protected"):
        requests.append({**_protected(True), "path": [f"{KIND.path}/", ref(step)]})
    if row.body["status"] == "deactivated":
        requests.append({"method": "POST", "path": [f"{KIND.path}/", ref(step), "/actions/deactivate"]})
    if requests:
        title = STATE(thing=thing(row))
        project = _project(draft, row)
        draft.call(f"{step} finish", KIND.service, requests, title, about=row, project=project, after=[last])
