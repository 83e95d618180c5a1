"""Backups of volumes: made anew in the names of their users, each as a full one of a temporary volume."""

from collections.abc import Iterator
from typing import Any

from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move import copies
from naru.move.accepts import block_storage
from naru.move.acting import actor, entered, owner_changes
from naru.move.decisions import FieldChange
from naru.move.draft import COPIES, LIMITS, Draft, kept, thing
from naru.move.facts import Facts, Side
from naru.move.kind import Kind
from naru.move.kinds import texts, volume
from naru.move.kinds.snapshot import MADE_ANEW, WAIT
from naru.move.kinds.zones import zone
from naru.move.mapping import Match, Need, Section, Use
from naru.move.marks import mark, marked
from naru.move.steps.backup import Backup, BackupCopy, Volumes
from naru.volumes.files.cinder import FileDriver
from naru.volumes.where import HOST, Backends, described

DEFAULT = "default"
"""The container that the new cloud puts backups into by itself."""
# what Cinder's drivers call the one container that they put all backups into
_CONTAINERS = ("backups", "volumebackups")

KIND = Kind(
    "backup",
    path="/backups",
    wrap="backup",
    item="/backups/",
    version="3.51",  # the first in which a backup's metadata and availability zone can be said
    sent=("name", "metadata"),
    handled=frozenset(
        (
            *("description", "size", "container", "availability_zone"),
            *("volume_id", "snapshot_id", "is_incremental", "data_timestamp"),
        )
    ),
    derived=frozenset(
        (
            *("os-backup-project-attr:project_id", "object_count", "has_dependent_backups", "fail_reason"),
            "encryption_key_id",
        )
    ),
    origins=frozenset(("volume_id", "snapshot_id")),
    owned=True,
)

ALL_IN_ONE = message(
    "move.backup.all_in_one",
    en="{cloud} keeps all backups in it; {other} has its own",
    ko="{cloud} 클라우드는 모든 백업을 이곳에 넣습니다. {other} 클라우드에서는 그 클라우드가 정한 곳에 넣습니다",
)
USERS_OWN = message("move.backup.users_own", en="as its users called it", ko="사용자가 정한 이름입니다")
RESTORE_INSIDE = message(
    "move.backup.restore_inside",
    en="Its user restores it and copies it inside a server to a new encrypted volume; the key is theirs alone.",
    ko="키는 사용자만 가지고 있으므로, 사용자가 백업을 복원한 뒤 서버 안에서 새 암호화 볼륨으로 직접 복사해야 합니다.",
)
NO_SERVICE = message(
    "move.backup.no_service",
    en="no cinder-backup of {cloud} runs",
    ko="{cloud} 클라우드에서 실행 중인 cinder-backup이 없습니다",
)
START_ONE = message(
    "move.backup.start_one",
    en="Start one, then plan again.",
    ko="하나를 시작한 뒤 계획을 다시 세워 주십시오.",
)
ROOM = message(
    "move.backup.room",
    en="{project}: {count} backups are made anew, full ones of {size} GiB in all",
    ko="{project}: 백업 {count}개를 모두 전체 백업으로 새로 만듭니다(합계 {size} GiB)",
)
EACH_TAKES = message(
    "move.backup.each_takes",
    en="Each takes a volume of its size on both clouds while it is made, {count} at a time;"
    " on the old one in the administrator's project, whose quotas count.",
    ko="백업을 만드는 동안 두 클라우드에 같은 크기의 볼륨이 하나씩 필요하며, 한 번에 {count}개씩 만듭니다. 기존"
    " 클라우드에서는 관리자 프로젝트에 만들므로 그 할당량이 적용됩니다.",
)
OF_A_TEMPORARY_VOLUME = message(
    "move.backup.of_a_temporary_volume",
    en="it is of a temporary volume: the next incremental one of the moved volume needs a full one before it",
    ko="임시 볼륨의 백업으로 만들어집니다. 이전된 볼륨의 증분 백업을 만들려면 먼저 전체 백업을 만들어야 합니다",
)
NO_USER = message(
    "move.backup.no_user",
    en="this Cinder does not tell who made it",
    ko="이 버전의 Cinder는 누가 만들었는지 알려 주지 않습니다",
)
FULL = message(
    "move.backup.full",
    en="it is made as a full one, with all that it held",
    ko="내용을 모두 담은 전체 백업으로 만듭니다",
)
OF_A_VOLUME = message(
    "move.backup.of_a_volume",
    en="it is made of a volume with its content",
    ko="같은 내용을 담은 볼륨의 백업으로 만듭니다",
)
NO_FIELD = message(
    "move.backup.no_field",
    en="backups of {cloud} have no such field",
    ko="{cloud} 클라우드의 백업에는 없는 항목입니다",
)
OWN_CONTAINER = message(
    "move.backup.own_container", en="is made of the backup's id", ko="백업 ID로 만들어지는 값입니다"
)
NOT_IN_ZONE = message(
    "move.backup.not_in_zone",
    en="no cinder-backup of {cloud} is in {zone}",
    ko="{cloud} 클라우드의 그 가용 영역({zone})에는 cinder-backup이 없습니다",
)
FORGETS_ZONE = message(
    "move.backup.forgets_zone",
    en="the Cinder of {cloud} does not keep the zone that is asked for",
    ko="{cloud} 클라우드의 Cinder는 요청한 가용 영역을 저장하지 않습니다",
)
LOOKS_INTO_FILES = message(
    "move.backup.looks_into_files",
    en="its volume had snapshots in a file, so it may hold a qcow2 file, and the Cinder of {cloud} makes no backup of a"
    " volume in a file with that content ({pool})",
    ko="볼륨이 스냅샷과 함께 파일로 저장되어 백업에 qcow2 파일이 들어 있을 수 있습니다. {cloud} 클라우드의 Cinder는"
    " 파일에 저장된 볼륨({pool})의 내용이 그러하면 백업을 만들지 못합니다",
)
ELSEWHERE = message(
    "move.backup.elsewhere",
    en="Map its volume type to one that is not in files, or restore it on the old cloud and keep what it holds.",
    ko="볼륨 유형을 파일에 저장하지 않는 유형에 연결하거나, 기존 클라우드에서 복원하여 내용을 보관하십시오.",
)
WITH_CONTENT = message(
    "move.title.backup",
    en="{thing} of {size} GiB, with its content",
    ko="{thing} 생성과 내용 복사({size} GiB)",
)


# -- the map


def own_container(row: Row) -> bool:
    """Whether the backup is in a container of its own, as a driver for files calls it when nobody else does."""
    return row.id in str(row.body.get("container"))


def _containers(facts: Facts) -> Iterator[Use]:
    for row in facts.owned(KIND.name):
        if (container := row.body.get("container")) and not own_container(row):
            yield Use(KIND.name, name=container)


def _container(facts: Facts, need: Need) -> Match:
    projects = {row.project for row in facts.old.all(KIND.name).values() if row.body.get("container") == need.key}
    if need.key in _CONTAINERS or len(projects) > 1:
        return DEFAULT, ALL_IN_ONE(cloud=facts.old.cloud, other=facts.new.cloud)
    return need.key, USERS_OWN()


CONTAINERS = Section("backup_containers", "", "that backups are in", _containers, _container)


# -- rules


def backups(draft: Draft) -> None:
    """While preparing, those of a volume one after the other, oldest first: so they are in the same order again."""
    before: dict[str, str] = {}
    obstacle = _obstacle(draft)
    for row in sorted(draft.facts.owned(KIND.name), key=lambda row: (str(row.body.get("created_at")), row.id)):
        identity = str(row.body.get("volume_id"))
        of = draft.facts.old.all(volume.KIND.name).get(identity)
        if row.status != "available":
            draft.leave(row, volume.STATUS(status=row.status), hint=WAIT())
        elif row.body.get("encryption_key_id") or (of and of.body.get("encrypted")):
            draft.leave(row, volume.ENCRYPTED(), hint=RESTORE_INSIDE())
        elif obstacle:
            draft.leave(row, obstacle, hint=START_ONE())
        elif of and (pool := _guessing(draft, of)):
            draft.leave(row, LOOKS_INTO_FILES(cloud=draft.new, pool=pool), hint=ELSEWHERE())
        else:
            before[identity] = _backup(draft, row, of, before.get(identity, ""))
    _room(draft)


def _obstacle(draft: Draft) -> Text:
    """Why none can be restored on the old cloud or made on the new one; "" when they can."""
    for side in (draft.facts.old, draft.facts.new):
        if not _zones(side):
            return NO_SERVICE(cloud=side.cloud)
    return ""


def _guessing(draft: Draft, of: Row) -> str:
    """The pool of the new cloud where a backup of the volume's newest file could not be made anew; "" when there is
    none. Cinder's driver for NFS backs up a volume that has snapshots as its newest file, a qcow2 file."""
    if not draft.storages or block_storage.keeps_formats(draft.facts.new):
        return ""
    old, new = draft.storages
    snapshots = draft.facts.old.all("snapshot").values()
    if not _in_file(str(of.body.get(HOST)), old) or not any(one.body.get("volume_id") == of.id for one in snapshots):
        return ""
    return next((pool for pool in volume.pools(draft, of) if _in_file(pool, new)), "")


def _in_file(host: str, backends: Backends) -> bool:
    return isinstance(described(host, backends), FileDriver)


def _zones(side: Side) -> set[str]:
    """The availability zones where the cloud makes backups."""
    services = [row.body for row in side.all("volume service").values() if row.body["binary"] == "cinder-backup"]
    return {one["zone"] for one in services if (one["status"], one["state"]) == ("enabled", "up")}


def _room(draft: Draft) -> None:
    """What it takes: full backups are larger than incremental ones, and temporary volumes are volumes."""
    for project in draft.facts.projects.values():
        made = [row for row in draft.facts.owned(KIND.name, project.id) if draft.ref(KIND.name, row.id)]
        if made:
            draft.report(
                "info",
                ROOM(project=project.name, count=len(made), size=sum(map(_size, made))),
                detail=EACH_TAKES(count=LIMITS[COPIES]),
                about=project.id,
            )


def _size(row: Row) -> int:
    return int(row.body["size"])


def _backup(draft: Draft, row: Row, of: Row | None, before: str) -> str:
    """The step that makes the backup, after the step `before`."""
    more, changes = _changes(draft, row)
    metadata, refused = texts.pairs(draft, row, "metadata", row.body.get("metadata") or {})
    if "metadata" in row.body:
        more["metadata"] = metadata
    described = {"description": row.body.get("description")}
    if block_storage.checks(draft.facts.new):
        changes += [*refused, *texts.mend(draft, row, described, {"description": block_storage.DESCRIPTION})]
    body: dict[str, Any] = {**kept(row, KIND.sent), "description": mark(row), **more}
    version = draft.facts.new.version(volume.SERVICE, KIND.version)
    for name, since in block_storage.BACKUP_FIELDS.items():
        if name in body and not draft.facts.new.supports(volume.SERVICE, since):
            changes += [FieldChange(name, given, None, NO_FIELD(cloud=draft.new))] if (given := body.pop(name)) else []
    listing = ["/backups/detail?all_tenants=1&project_id=", draft.ref("project", row.project)]
    after = [before, entered(draft, row)]
    step = draft.create(
        row,
        Backup(
            **KIND.creation_fields(draft.new, body, {"description": mark(row)}, listing) | {"version": version},
            wait=volume.AVAILABLE,
            gone=True,
            actor=actor(draft, row),
            old=draft.old,
            size=_size(row) << 30,
            carry=BackupCopy(
                source=row.id,
                volumes=Volumes(old=_old_volume(row, of), cloud=_new_volume(draft, row, of)),
                storage=list(draft.options.storage) if draft.options.storage else None,
                directory=copies.of_backup(draft.options.directory, row.id),
            ),
        ),
        changes=changes,
        title=WITH_CONTENT(thing=thing(row), size=_size(row)),
        after=after,
    )
    unmark = {
        "method": "PUT",
        "body": {KIND.wrap: described},
        "version": version,
    }
    marked(draft, KIND, row, step, field="description", unmark=unmark, version=version)
    return step


def _old_volume(row: Row, of: Row | None) -> dict[str, Any]:
    """The temporary volume on the old cloud, like the one that the backup is of as long as that exists."""
    like = {name: of.body.get(name) for name in ("volume_type", "availability_zone")} if of else {}
    return {"size": _size(row), **{name: value for name, value in like.items() if value}}


def _new_volume(draft: Draft, row: Row, of: Row | None) -> dict[str, Any]:
    """The temporary volume on the new cloud, like the moved one."""
    kind = place = None
    if of:
        kind, _ = volume.type_name(draft, of)
        place, _ = zone(draft, volume.ZONES.name, volume.ZONE, of.body.get("availability_zone"))
    like = {"volume_type": kind, "availability_zone": place}
    return {"size": _size(row), **{name: value for name, value in like.items() if value}}


def _changes(draft: Draft, row: Row) -> tuple[dict[str, Any], list[FieldChange]]:
    """What else is asked for, and what is not the same."""
    body: dict[str, Any] = {}
    changes = [FieldChange(name, row.body.get(name), None, MADE_ANEW()) for name in ("created_at", "data_timestamp")]
    changes.append(FieldChange("volume_id", row.body.get("volume_id"), None, OF_A_TEMPORARY_VOLUME()))
    if row.body.get("user_id"):
        changes += owner_changes(draft, row)
    else:
        changes.append(FieldChange("user_id", None, "the administrator", NO_USER()))
    if row.body.get("is_incremental"):
        changes.append(FieldChange("is_incremental", True, False, FULL()))
    if row.body.get("snapshot_id"):
        changes.append(FieldChange("snapshot_id", row.body["snapshot_id"], None, OF_A_VOLUME()))
    if container := row.body.get("container"):
        choice = draft.choice(CONTAINERS.name, None, container)
        if own_container(row):
            changes.append(FieldChange("container", container, None, OWN_CONTAINER()))
        elif choice and choice.target not in (None, DEFAULT):
            body["container"] = choice.target
            if choice.target != container:
                changes.append(FieldChange("container", container, choice.target, choice.why))
        elif choice:
            changes.append(FieldChange("container", container, None, choice.why))
    place, where = _zone(draft, row)
    body |= {"availability_zone": place} if place else {}
    return body, [*changes, *where]


def _zone(draft: Draft, row: Row) -> tuple[str | None, list[FieldChange]]:
    """The availability zone to ask for: the mapped one if backups are made there, for a volume's need not be one."""
    name = row.body.get("availability_zone")
    choice = draft.choice(volume.ZONES.name, None, str(name or ""))
    if not name or choice is None or choice.target is None:
        return None, []
    if not block_storage.keeps_backups_zone(draft.facts.new):
        return choice.target, [FieldChange("availability_zone", name, None, FORGETS_ZONE(cloud=draft.new))]
    zones = _zones(draft.facts.new)
    if choice.target not in zones:
        why = NOT_IN_ZONE(cloud=draft.new, zone=choice.target)
        return min(zones), [FieldChange("availability_zone", name, min(zones), why)]
    if choice.target == name:
        return name, []
    return choice.target, [FieldChange("availability_zone", name, choice.target, choice.why)]
