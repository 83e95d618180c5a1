"""Volumes: made as empty ones of the same size and type, whose content comes later."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from naru.actions.arguments import ref
from naru.actions.create import Wait
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import copies
from naru.move.acting import actor, entered, owner_changes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, kept, thing
from naru.move.facts import Facts, Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import texts, volume_type
from naru.move.kinds.disks import root_volumes
from naru.move.kinds.zones import zone
from naru.move.mapping import LEAVE, Section, Use, zone_match
from naru.move.marks import MARK, mark, marked_in_metadata
from naru.move.purposes import ACCESS
from naru.move.steps.copying import VolumeCopy
from naru.move.steps.volume_content import CheckAccess

SERVICE = "block-storage"
# what Cinder shows an administrator among a volume's metadata
ADMIN_METADATA = ("readonly", "attached_mode")
ZONE = "volume availability zone"
IMAGE = "volume_image_metadata"
"""What an image left with a volume."""
AVAILABLE = Wait(field="status", until=["available"], fail=["error", "error_deleting"])
"""What Cinder's things are waited for."""

Copy = TypeVar("Copy", bound=VolumeCopy)


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    metadata = unmarked(row)
    metadata.pop("attached_mode", None)
    # Cinder tells of the flag when it was ever set
    readonly = str(metadata.pop("readonly", False)).lower() == "true"
    servers = [mapped("server", one) for one in servers_of(side, row)]
    return {"metadata": metadata, "readonly": readonly, "servers": sorted(servers)}


def servers_of(side: Side, row: Row) -> list[str]:
    """The servers that have the volume, as Nova says: Cinder may remember some that Nova forgot, and forgets those of a
    shelved server, for which it only reserves the volume."""
    return [one.id for one in side.by("server", "os-extended-volumes:volumes_attached.*.id", row.id)]


def holders(side: Side, row: Row) -> list[str]:
    """The servers that have the volume by what either Nova or Cinder says: those that may read or write it."""
    cinder = [str(item["server_id"]) for item in row.body.get("attachments") or [] if item["server_id"]]
    return list(dict.fromkeys([*cinder, *servers_of(side, row)]))


def unmarked(row: Row) -> dict[str, Any]:
    """The thing's metadata without a mark."""
    return {name: value for name, value in (row.body.get("metadata") or {}).items() if name != MARK}


KIND = Kind(
    "volume",
    path="/volumes",
    wrap="volume",
    item="/volumes/",
    sent=("name", "description", "size"),
    handled=frozenset(
        ("metadata", "bootable", "volume_image_metadata", "volume_type", "availability_zone", "multiattach")
    ),
    not_kept={
        "consistencygroup_id": message(
            "move.volume.consistency_group",
            en="consistency groups are gone",
            ko="일관성 그룹은 더 이상 지원되지 않습니다",
        )(),
        "replication_status": message(
            "move.volume.replication", en="is the backend's", ko="스토리지 백엔드가 정하는 값입니다"
        )(),
    },
    derived=frozenset(
        (
            *("os-vol-host-attr:host", "os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id"),
            *("os-vol-tenant-attr:tenant_id", "attachments", "snapshot_id", "source_volid", "migration_status"),
            *("service_uuid", "shared_targets", "provider_id", "cluster_name", "group_id", "volume_type_id"),
            *("encrypted", "consumes_quota", "encryption_key_id"),
        )
    ),
    not_compared=frozenset(("replication_status",)),
    compared=_compared,
    origins=frozenset(("snapshot_id", "source_volid", "volume_image_metadata.image_id")),
    owned=True,
    terraform="openstack_blockstorage_volume_v3",
)

IN_ERROR = message("move.volume.in_error", en="it is in {status}", ko="현재 상태: {status}")
STATUS = message("move.volume.status", en="it is {status}", ko="현재 상태: {status}")
ENCRYPTED = message(
    "move.volume.encrypted",
    en="it is encrypted with a key that only its project may read",
    ko="해당 프로젝트만 읽을 수 있는 키로 암호화되어 있습니다",
)
NO_TYPE = message("move.volume.no_type", en="it had none", ko="기존에도 지정되어 있지 않았습니다")
TYPE_SAYS = message(
    "move.volume.type_says",
    en="the volume type on the new cloud says so",
    ko="새 클라우드의 볼륨 유형에 따릅니다",
)
ONE_SERVER = message(
    "move.volume.one_server",
    en="{thing}: {servers} servers have it attached, and its volume type on {cloud} allows one alone",
    ko="{thing}: 서버 {servers}대에 연결되어 있는데, {cloud} 클라우드의 볼륨 유형은 한 대에만 연결할 수 있습니다",
)
RESET = message(
    "move.volume.reset",
    en="Reset its state when its content is sound, then plan again.",
    ko="내용에 문제가 없다면 상태를 재설정한 뒤 계획을 다시 세워 주십시오.",
)
WAIT = message(
    "move.volume.wait",
    en="Wait until that is over, or end it; then plan again.",
    ko="작업이 끝나기를 기다리거나 중단한 뒤 계획을 다시 세워 주십시오.",
)
COPY_INSIDE = message(
    "move.volume.copy_inside",
    en="Its user copies it inside a server to a new encrypted volume; the key is theirs alone.",
    ko="키는 사용자만 가지고 있으므로, 사용자가 서버 안에서 새 암호화 볼륨으로 직접 복사해야 합니다.",
)
NO_SERVER = message("move.volume.no_server", en="its server is not moved", ko="연결된 서버를 이전하지 않습니다")
FREE = message(
    "move.volume.free",
    en="{thing} is moved, and its server is not: it arrives attached to none ({servers:list})",
    ko="{thing}: 연결된 서버를 이전하지 않으므로 아무 서버에도 연결되지 않은 상태로 이전합니다({servers:list})",
)
WOULD_ENCRYPT = message(
    "move.volume.would_encrypt",
    en="{thing}: the type {type} of {cloud} is encrypted, and content that goes from storage to storage is not",
    ko="{thing}: {cloud} 클라우드의 {type} 유형은 암호화되는데, 스토리지 사이에서 복사하는 내용은 암호화되지 않습니다",
)
NO_STORAGE = message(
    "move.volume.no_storage",
    en="Map its type to one without encryption, or plan without --storage: by images Cinder encrypts it.",
    ko="map.yaml에서 암호화하지 않는 유형을 지정하거나 --storage 없이 계획을 세워 주십시오. 이미지로 옮기면 Cinder가"
    " 암호화합니다.",
)
MULTIATTACH = message(
    "move.volume.multiattach",
    en="Map its type to one with multiattach, or detach it from all but one; then plan again.",
    ko="map.yaml에서 다중 연결(multiattach)이 되는 볼륨 유형을 지정하거나 한 대만 남기고 연결을 해제한 뒤 계획을 다시"
    " 세워 주십시오.",
)
EMPTY = message(
    "move.title.empty_volume",
    en="create {thing} of {size} GiB, empty",
    ko="빈 {thing} 생성({size} GiB)",
)
PROPERTIES = message(
    "move.title.volume_properties",
    en="flags and image metadata of {thing}",
    ko="{thing}의 플래그와 이미지 메타데이터",
)
ACCESS_TITLE = message(
    "move.title.placed",
    en="check that the content of {thing} can be reached on both sides",
    ko="{thing}: 양쪽 클라우드에서 내용에 접근할 수 있는지 확인",
)


# -- the map


def _zones(facts: Facts) -> Iterator[Use]:
    for kind in ("volume", "snapshot", "backup"):
        for row in facts.owned(kind):
            if name := row.body.get("availability_zone"):
                yield Use(kind, name=name)


ZONES = Section("volume_zones", ZONE, "where volumes are", _zones, zone_match(ZONE), mentioned=True)


def type_name(draft: Draft, row: Row) -> tuple[str | None, list[FieldChange]]:
    """The volume type on the new cloud."""
    name = row.body.get("volume_type")
    for old in draft.facts.old.named(volume_type.KIND.name, str(name)) if name else []:
        choice = draft.choice(volume_type.SECTION.name, old)
        if choice and choice.target not in (None, LEAVE):
            new = draft.facts.new.named(volume_type.KIND.name, choice.target)[0].name
            return new, [FieldChange("volume_type", name, new, choice.why)] if new != name else []
    return None, [FieldChange("volume_type", name, None, NO_TYPE())] if not name else []


# -- rules


def pools(draft: Draft, row: Row) -> list[str]:
    """The pools of the new cloud that volumes of the new volume's type may come to; without a type, any."""
    kind, _ = type_name(draft, row)
    types = draft.facts.new.named(volume_type.KIND.name, kind) if kind else []
    wanted = next(((one.body.get("extra_specs") or {}).get("volume_backend_name") for one in types), None)
    return [
        pool.name
        for pool in draft.facts.new.all("volume pool").values()
        if wanted is None or (pool.body.get("capabilities") or {}).get("volume_backend_name") == wanted
    ]


def volumes(draft: Draft) -> None:
    """Volumes in use or available. Others are waited for, or left where they can never be moved."""
    for row in draft.facts.owned(KIND.name):
        status = row.status
        if status.startswith("error"):
            draft.leave(row, IN_ERROR(status=status), hint=RESET())
        elif status not in ("available", "in-use") and not (status == "reserved" and _shelved(draft, row)):
            draft.leave(row, STATUS(status=status), severity="error", hint=WAIT())
        elif row.body.get("encrypted"):
            draft.leave(row, ENCRYPTED(), severity="error", hint=COPY_INSIDE())
        else:
            _volume(draft, row)


def _shelved(draft: Draft, row: Row) -> bool:
    """Whether the volume is reserved for servers that are shelved."""
    known = draft.facts.old.all("server")
    servers = [known[identity].status for identity in servers_of(draft.facts.old, row)]
    return bool(servers) and set(servers) == {"SHELVED_OFFLOADED"}


def left_behind(draft: Draft) -> None:
    """Volumes of servers that are not moved, and those that only Cinder takes for attached: nobody has them there."""
    for row in draft.facts.owned(KIND.name):
        decision = draft.decisions.get((KIND.name, row.id))
        servers = servers_of(draft.facts.old, row)
        gone = [one for one in servers if draft.ref("server", one) is None]
        if decision and decision.decision == "create" and gone:
            moved = [one for one in servers if one not in gone]
            draft.change(row, FieldChange("servers", servers, moved, NO_SERVER()))
            draft.report("info", FREE(thing=thing(row), servers=gone), about=row.id)


def _attachable(draft: Draft, row: Row, kind: str | None) -> list[FieldChange]:
    """Whether several servers may have it attached is said by the new type; where several have, it must."""
    types = draft.facts.new.named(volume_type.KIND.name, kind) if kind else []
    may = any((one.body.get("extra_specs") or {}).get("multiattach") == "<is> True" for one in types)
    servers = len(holders(draft.facts.old, row))
    if servers > 1 and not may:
        said = ONE_SERVER(thing=thing(row), servers=servers, cloud=draft.new)
        draft.report("error", said, about=row.id, hint=MULTIATTACH())
    was = bool(row.body.get("multiattach"))
    return [FieldChange("multiattach", was, may, TYPE_SAYS())] if was != may else []


def _encrypted(draft: Draft, row: Row, kind: str | None) -> None:
    """A type with encryption on the new cloud puts a header before the content, which a copy past Cinder would
    overwrite; through Glance Cinder encrypts it."""
    types = draft.facts.new.named(volume_type.KIND.name, kind) if kind and draft.options.storage else []
    if any((draft.facts.new.all("volume type encryption").get(one.id)) for one in types):
        said = WOULD_ENCRYPT(thing=thing(row), type=kind, cloud=draft.new)
        draft.report("error", said, about=row.id, hint=NO_STORAGE())


def _volume(draft: Draft, row: Row) -> None:
    metadata = {key: value for key, value in (row.body.get("metadata") or {}).items() if key not in ADMIN_METADATA}
    metadata, refused = texts.pairs(draft, row, "metadata", metadata)
    body: dict[str, Any] = {**kept(row, KIND.sent), "metadata": {**metadata, MARK: mark(row)}}
    changes = [*owner_changes(draft, row), *refused]
    kind, why = type_name(draft, row)
    place, where = zone(draft, ZONES.name, ZONE, row.body.get("availability_zone"))
    body |= {name: value for name, value in (("volume_type", kind), ("availability_zone", place)) if value is not None}
    changes += [*why, *where, *_attachable(draft, row, kind)]
    _encrypted(draft, row, kind)
    after = [entered(draft, row)]
    step = draft.create(
        row,
        KIND.creation(
            *(draft.new, body),
            where={"metadata.naru": mark(row)},
            listing=["/volumes/detail?all_tenants=1&project_id=", draft.ref("project", row.project)],
            wait=AVAILABLE,
            gone=True,
            actor=actor(draft, row),
        ),
        changes=changes,
        title=EMPTY(thing=thing(row), size=row.body["size"]),
        after=after,
    )
    marked_in_metadata(draft, KIND, row, step)
    _properties(draft, row, step)
    if draft.options.storage:
        draft.step(
            *(access_step(row), copy_action(draft, row, CheckAccess), ACCESS_TITLE(thing=thing(row))),
            about=row,
            project=row.project,
            queue=draft.queue(row),
            purpose=ACCESS,
        )


def access_step(row: Row) -> str:
    """The step after which the volume's content can be copied."""
    return f"access volume/{row.id}"


def copy_action(draft: Draft, row: Row, action: type[Copy], **more: Any) -> Copy:
    """The action that carries the volume's content from storage to storage; `more` are its further fields."""
    assert draft.options.storage
    fields: dict[str, Any] = {
        "cloud": draft.new,
        "service": action.limit_group,
        "old": draft.old,
        "source": row.id,
        "to": draft.ref(KIND.name, row.id),
        "size": int(row.body["size"]) << 30,
        "storage": list(draft.options.storage),
        "directory": copies.of_volume(draft.options.directory, row.id),
    }
    return action(**fields, **more)


def properties_step(row: Row) -> str:
    """The step that sets the volume's properties."""
    return f"volume/{row.id} properties"


def _properties(draft: Draft, row: Row, step: str) -> None:
    """The bootable flag, what an image left with the volume, and the read-only flag: the administrator's."""
    bootable = True if row.id in root_volumes(draft) else None
    draft.change(row, *texts.pairs(draft, row, IMAGE, row.body.get(IMAGE) or {})[1])
    requests = properties(draft, row, ref(step), bootable=bootable)
    title = PROPERTIES(thing=thing(row))
    draft.call(properties_step(row), SERVICE, requests, title, about=row, project=row.project)


def properties(draft: Draft, row: Row, volume: Any, *, bootable: bool | None = None) -> list[Mapping[str, Any]]:
    """The requests that set the properties of a volume that have requests of their own; `bootable` in place of what
    the old volume says, for one that a server is to be booted from."""
    path = ["/volumes/", volume, "/action"]
    flag = is_bootable(row) if bootable is None else bootable
    bodies: list[dict[str, Any]] = [{"os-set_bootable": {"bootable": flag}}]
    metadata, _ = texts.pairs(draft, row, IMAGE, row.body.get(IMAGE) or {})
    if metadata:
        image = draft.ref("image", metadata.get("image_id"))
        metadata = {**metadata, "image_id": image} if image is not None else metadata
        bodies.append({"os-set_image_metadata": {"metadata": metadata}})
    if str((row.body.get("metadata") or {}).get("readonly")).lower() == "true":
        bodies.append({"os-update_readonly_flag": {"readonly": True}})
    return [{"method": "POST", "path": path, "body": body} for body in bodies]


def is_bootable(row: Row) -> bool:
    """The volume's bootable flag, which Cinder writes as a text."""
    return str(row.body.get("bootable")).lower() == "true"
