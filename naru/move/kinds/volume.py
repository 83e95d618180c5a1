"""Volumes, as empty ones of the same size and type whose content comes later; groups."""

from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import COPIES, Draft, Rule, kept, mark, ref, title
from naru.move.fields import unknown
from naru.move.kinds.compute import actor, owner_rules
from naru.move.purposes import PLACE

SERVICE = "block-storage"
FIELDS = (
    "name",
    "description",
    "size",
    "metadata",
    "bootable",
    "volume_image_metadata",
    "volume_type",
    "availability_zone",
)
# what Cinder shows an administrator among a volume's metadata
ADMIN_METADATA = ("readonly", "attached_mode")


def types(draft: Draft) -> None:
    """Volume types are matched by the map."""
    for (section, _), choice in draft.choices.items():
        row = choice.need.row
        if (
            section == "volume_types"
            and row is not None
            and (target := draft.target("volume_types", "volume type", row))
        ):
            rules = [Rule("name", row.name, choice.target, choice.why)] if choice.target != row.name else []
            draft.match(row, target, choice.why, rules)


def volumes(draft: Draft) -> None:
    """Volumes in use or available. Others are waited for, or left where they can never be moved."""
    for row in draft.facts.owned("volume"):
        status = row.status
        if status.startswith("error"):
            draft.leave(row, f"it is in {status}", hint="Reset its state when its content is sound, then plan again.")
            continue
        if status not in ("available", "in-use"):
            hint = "Wait until that is over, or end it; then plan again."
            draft.leave(row, f"it is {status}", severity="error", hint=hint)
            continue
        if row.body.get("encrypted"):
            hint = "Its user copies it inside a server to a new encrypted volume; the key is theirs alone."
            draft.leave(row, "it is encrypted with a key that only its project may read", severity="error", hint=hint)
            continue
        _volume(draft, row)


def type_name(draft: Draft, row: Row) -> tuple[str | None, list[Rule]]:
    """The volume type on the new cloud."""
    name = row.body.get("volume_type")
    for old in draft.facts.old.named("volume type", str(name)) if name else []:
        choice = draft.chosen("volume_types", old)
        if choice and choice.target:
            new = draft.facts.new.named("volume type", choice.target)[0].name
            return new, [Rule("volume_type", name, new, choice.why)] if new != name else []
    return None, [Rule("volume_type", name, None, "it had none")] if not name else []


def zone(draft: Draft, section: str, kind: str, name: Any) -> tuple[str | None, list[Rule]]:
    """The availability zone to ask for: none where the new cloud has but one."""
    choice = draft.chosen(section, None, str(name or ""))
    if not name or choice is None or choice.target is None:
        return None, []
    rules = [Rule("availability_zone", name, choice.target, choice.why)] if choice.target != name else []
    zones = [row for row in draft.facts.new.all(kind).values() if row.name != "internal"]
    return (choice.target if len(zones) > 1 else None), rules


def _attachable(draft: Draft, row: Row, kind: str | None) -> list[Rule]:
    """Whether several servers may have it attached is said by the new type; where several have, it must."""
    types = draft.facts.new.named("volume type", kind) if kind else []
    may = any((one.body.get("extra_specs") or {}).get("multiattach") == "<is> True" for one in types)
    servers = len(row.body.get("attachments") or [])
    if servers > 1 and not may:
        draft.find(
            "error",
            f"{title(row)}: {servers} servers have it attached, and its volume type on {draft.new} allows one alone",
            about=row.id,
            hint="Map its type to one with multiattach, or detach it from all but one; then plan again.",
        )
    was = bool(row.body.get("multiattach"))
    return [Rule("multiattach", was, may, "the volume type on the new cloud says so")] if was != may else []


def _volume(draft: Draft, row: Row) -> None:
    metadata = {key: value for key, value in (row.body.get("metadata") or {}).items() if key not in ADMIN_METADATA}
    body: dict[str, Any] = {**kept(row, ("name", "description", "size")), "metadata": {**metadata, "naru": mark(row)}}
    rules = owner_rules(draft, row)
    kind, why = type_name(draft, row)
    place, where = zone(draft, "volume_zones", "volume availability zone", row.body.get("availability_zone"))
    body |= {name: value for name, value in (("volume_type", kind), ("availability_zone", place)) if value is not None}
    rules += [*why, *where, *_attachable(draft, row, kind)]
    rules += [Rule(name, row.body[name], None, why) for name, why in unknown(row, frozenset((*FIELDS, "multiattach")))]
    step = draft.create(
        *(row, body),
        path="/volumes",
        listing=["/volumes/detail?all_tenants=1&project_id=", draft.ref("project", row.project)],
        item="/volumes/",
        wrap="volume",
        where={"metadata.naru": mark(row)},
        rules=rules,
        wait={"field": "status", "until": ["available"], "fail": ["error", "error_deleting"]},
        gone=True,
        after=[_enter(draft, row)],
        title_=f"create {title(row)} of {row.body['size']} GiB, empty",
        actor=actor(draft, row),
    )
    draft.marked_in_metadata(row, step, "/volumes", "volume")
    _properties(draft, row, step)
    if draft.storage:
        draft.step(
            placed(row),
            "move.content.place",
            way(draft, row),
            title=f"the content of {title(row)} can be reached on both sides",
            project=row.project,
            place=draft.place(row),
            about=row,
            purpose=PLACE,
        )


def placed(row: Row) -> str:
    """The step after which the volume's content can be copied."""
    return f"place volume/{row.id}"


def way(draft: Draft, row: Row) -> dict[str, Any]:
    """The arguments of the steps that carry the volume's content from storage to storage."""
    assert draft.storage
    return {
        "cloud": draft.new,
        "service": COPIES,
        "old": draft.old,
        "from": row.id,
        "to": draft.ref("volume", row.id),
        "size": int(row.body["size"]) << 30,
        "storage": list(draft.storage),
        "directory": f"{draft.directory}/volumes/{row.id}",
    }


def _enter(draft: Draft, row: Row) -> str:
    actor(draft, row)
    return draft.actors[row.project, str(row.body.get("user_id") or "")]


def _properties(draft: Draft, row: Row, step: str) -> None:
    """The bootable flag, what an image left with the volume, and the read-only flag: the administrator's."""
    requests = properties(draft, row, ref(step), bootable=True if row.id in draft.roots() else None)
    if requests:
        draft.step(
            f"{step} properties",
            "move.call",
            {"cloud": draft.new, "service": SERVICE, "requests": requests},
            title=f"flags and image metadata of {title(row)}",
            project=row.project,
        )


def properties(draft: Draft, row: Row, volume: Any, *, bootable: bool | None = None) -> list[dict[str, Any]]:
    """The requests that set the properties of a volume that have requests of their own; `bootable` in place of what
    the old volume says, for one that a server is to be booted from."""
    path = ["/volumes/", volume, "/action"]
    requests: list[dict[str, Any]] = []
    flag = is_bootable(row) if bootable is None else bootable
    requests.append({"method": "POST", "path": path, "body": {"os-set_bootable": {"bootable": flag}}})
    if told := row.body.get("volume_image_metadata"):
        image = draft.ref("image", told.get("image_id"))
        told = {**told, "image_id": image} if image is not None else told
        requests.append({"method": "POST", "path": path, "body": {"os-set_image_metadata": {"metadata": told}}})
    if str((row.body.get("metadata") or {}).get("readonly")).lower() == "true":
        requests.append({"method": "POST", "path": path, "body": {"os-update_readonly_flag": {"readonly": True}}})
    return requests


def is_bootable(row: Row) -> bool:
    """The volume's bootable flag, which Cinder writes as a text."""
    return str(row.body.get("bootable")).lower() == "true"


def left(draft: Draft) -> None:
    """Groups and transfers are not made: told."""
    for row in draft.facts.owned("volume group"):
        draft.leave(row, "volume groups are not moved", hint="Make it anew with the new volumes.")
    for row in draft.facts.owned("volume transfer"):
        draft.leave(row, "a transfer under way ends with the move", severity="info")
