"""Backups of volumes: made anew in the names of their users, each as a full one of a temporary volume."""

from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import COPIES, LIMITS, Draft, Rule, kept, mark, title
from naru.move.facts import Side
from naru.move.fields import unknown
from naru.move.kinds.compute import actor, owner_rules
from naru.move.kinds.volume import type_name, zone
from naru.move.mapping import DEFAULT, own_container

VERSION = "3.51"
"""The version of the volume API in which a backup's metadata and availability zone can be said."""
FIELDS = (
    *("name", "description", "metadata", "size", "container", "availability_zone"),
    *("volume_id", "snapshot_id", "is_incremental", "data_timestamp"),
)
ANEW = "Cinder writes when it was made anew"


def backups(draft: Draft) -> None:
    """While preparing, those of a volume one after the other, oldest first: so they are in the same order again."""
    before: dict[str, str] = {}
    obstacle = _obstacle(draft)
    for row in sorted(draft.facts.owned("backup"), key=lambda row: (str(row.body.get("created_at")), row.id)):
        of = str(row.body.get("volume_id"))
        volume = draft.facts.old.all("volume").get(of)
        if row.status != "available":
            hint = "Wait until that is over; what is in error, reset or delete. Then plan again."
            draft.leave(row, f"it is {row.status}", hint=hint)
        elif row.body.get("encryption_key_id") or (volume and volume.body.get("encrypted")):
            hint = (
                "Its user restores it and copies it inside a server to a new encrypted volume; the key is theirs alone."
            )
            draft.leave(row, "it is encrypted with a key that only its project may read", hint=hint)
        elif obstacle:
            draft.leave(row, obstacle, hint="Start one, then plan again.")
        else:
            before[of] = _backup(draft, row, volume, before.get(of, ""))
    _room(draft)


def _obstacle(draft: Draft) -> str:
    """Why none can be restored on the old cloud or made on the new one; "" when they can."""
    for side in (draft.facts.old, draft.facts.new):
        if not _zones(side):
            return f"no cinder-backup of {side.cloud} runs"
    return ""


def _zones(side: Side) -> set[str]:
    """The availability zones where the cloud makes backups."""
    services = [row.body for row in side.all("volume service").values() if row.body["binary"] == "cinder-backup"]
    return {one["zone"] for one in services if (one["status"], one["state"]) == ("enabled", "up")}


def _room(draft: Draft) -> None:
    """What it takes: full backups are larger than incremental ones, and temporary volumes are volumes."""
    for project in draft.facts.projects.values():
        made = [row for row in draft.facts.owned("backup", project.id) if draft.ref("backup", row.id)]
        if made:
            draft.find(
                "info",
                f"{project.name}: {len(made)} backups are made anew, full ones of {sum(map(_size, made))} GiB in all",
                detail=f"Each takes a volume of its size on both clouds while it is made, {LIMITS[COPIES]} at a time;"
                " on the old one in the administrator's project, whose quotas count.",
                about=project.id,
            )


def _size(row: Row) -> int:
    return int(row.body["size"])


def _backup(draft: Draft, row: Row, volume: Row | None, before: str) -> str:
    body: dict[str, Any] = {**kept(row, ("name", "metadata")), "description": mark(row)}
    more, rules = _rules(draft, row)
    who = actor(draft, row)
    step = draft.create(
        *(row, body | more),
        by="move.backup",
        group=COPIES,
        path="/backups",
        listing=["/backups/detail?all_tenants=1&project_id=", draft.ref("project", row.project)],
        item="/backups/",
        wrap="backup",
        where={"description": mark(row)},
        version=VERSION,
        rules=rules,
        wait={"field": "status", "until": ["available"], "fail": ["error", "error_deleting"]},
        gone=True,
        after=[before, draft.actors[row.project, str(row.body.get("user_id") or "")]],
        title_=f"{title(row)} of {_size(row)} GiB, with its content",
        actor=who,
        old=draft.old,
        size=_size(row) << 30,
        carry={
            "from": row.id,
            "volumes": {"old": _there(row, volume), "cloud": _here(draft, row, volume)},
            "storage": list(draft.storage) if draft.storage else None,
            "directory": f"{draft.directory}/backups/{row.id}",
        },
    )
    final = {"backup": {"description": row.body.get("description")}}
    draft.marked(
        *(row, step, "/backups", "backup"),
        field="description",
        unmark={"method": "PUT", "body": final, "version": VERSION},
        version=VERSION,
    )
    return step


def _there(row: Row, volume: Row | None) -> dict[str, Any]:
    """The temporary volume on the old cloud, like the one that the backup is of as long as that is there."""
    like = {name: volume.body.get(name) for name in ("volume_type", "availability_zone")} if volume else {}
    return {"size": _size(row), **{name: value for name, value in like.items() if value}}


def _here(draft: Draft, row: Row, volume: Row | None) -> dict[str, Any]:
    """The temporary volume on the new cloud, like the moved one."""
    kind = place = None
    if volume:
        kind, _ = type_name(draft, volume)
        place, _ = zone(draft, "volume_zones", "volume availability zone", volume.body.get("availability_zone"))
    like = {"volume_type": kind, "availability_zone": place}
    return {"size": _size(row), **{name: value for name, value in like.items() if value}}


def _rules(draft: Draft, row: Row) -> tuple[dict[str, Any], list[Rule]]:
    """What else is asked for, and what is not the same."""
    body: dict[str, Any] = {}
    rules = [Rule(name, row.body.get(name), None, ANEW) for name in ("created_at", "data_timestamp")]
    why = "it is of a temporary volume: the next incremental one of the moved volume needs a full one before it"
    rules.append(Rule("volume_id", row.body.get("volume_id"), None, why))
    if row.body.get("user_id"):
        rules += owner_rules(draft, row)
    else:
        rules.append(Rule("user_id", None, "the administrator", "this Cinder does not tell who made it"))
    if row.body.get("is_incremental"):
        rules.append(Rule("is_incremental", True, False, "it is made as a full one, with all that it held"))
    if row.body.get("snapshot_id"):
        rules.append(Rule("snapshot_id", row.body["snapshot_id"], None, "it is made of a volume with its content"))
    if container := row.body.get("container"):
        choice = draft.chosen("backup_containers", None, container)
        if own_container(row):
            rules.append(Rule("container", container, None, "is made of the backup's id"))
        elif choice and choice.target not in (None, DEFAULT):
            body["container"] = choice.target
            rules += [Rule("container", container, choice.target, choice.why)] if choice.target != container else []
        elif choice:
            rules.append(Rule("container", container, None, choice.why))
    place, where = _zone(draft, row)
    body |= {"availability_zone": place} if place else {}
    rules += [*where, *(Rule(name, row.body[name], None, why) for name, why in unknown(row, frozenset(FIELDS)))]
    return body, rules


def _zone(draft: Draft, row: Row) -> tuple[str | None, list[Rule]]:
    """The availability zone to ask for: the mapped one if backups are made there, for a volume's need not be one."""
    name = row.body.get("availability_zone")
    choice = draft.chosen("volume_zones", None, str(name or ""))
    if not name or choice is None or choice.target is None:
        return None, []
    zones = _zones(draft.facts.new)
    if choice.target not in zones:
        why = f"no cinder-backup of {draft.new} is in {choice.target}"
        return min(zones), [Rule("availability_zone", name, min(zones), why)]
    rules = [Rule("availability_zone", name, choice.target, choice.why)] if choice.target != name else []
    return choice.target, rules
