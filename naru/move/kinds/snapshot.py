"""Snapshots of volumes: from Ceph to Ceph they are made anew with the content that they had, oldest first."""

from typing import Any

from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.accepts import block_storage
from naru.move.acting import actor, entered, owner_changes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, kept, thing
from naru.move.facts import Side, disks
from naru.move.kind import Kind, Mapped
from naru.move.kinds import server, texts, volume
from naru.move.kinds.volume_group import NOT_MOVED as GROUPS_NOT_MOVED
from naru.move.marks import MARK, mark, marked_in_metadata
from naru.move.steps.snapshot_content import Snapshot, SnapshotCopy
from naru.volumes.where import HOST, Backends, described


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"metadata": volume.unmarked(row)}


KIND = Kind(
    "snapshot",
    path="/snapshots",
    wrap="snapshot",
    item="/snapshots/",
    sent=("name", "description"),
    handled=frozenset(("metadata", "size", "volume_id")),
    not_kept={"group_snapshot_id": GROUPS_NOT_MOVED()},
    derived=frozenset(
        (
            *("os-extended-snapshot-attributes:project_id", "os-extended-snapshot-attributes:progress"),
            "consumes_quota",
        )
    ),
    compared=_compared,
    owned=True,
)

NO_VOLUME = message("move.snapshot.no_volume", en="its volume is not moved", ko="스냅샷의 볼륨을 이전하지 않습니다")
NO_STORAGE = message(
    "move.snapshot.no_storage",
    en="snapshots are kept from Ceph to Ceph alone, and without --storage content goes by images",
    ko="스냅샷은 Ceph에서 Ceph로만 이전합니다. --storage를 지정하지 않아 내용을 이미지로 옮깁니다",
)
NOT_ON_CEPH = message(
    "move.snapshot.not_on_ceph",
    en="snapshots are kept from Ceph to Ceph alone, and its volume is not",
    ko="스냅샷은 Ceph에서 Ceph로만 이전합니다. 기존 볼륨이 Ceph에 있지 않습니다",
)
OTHER_POOL = message(
    "move.snapshot.other_pool",
    en="snapshots are kept from Ceph to Ceph alone, and its new volume may come to {pool}",
    ko="스냅샷은 Ceph에서 Ceph로만 이전합니다. 새 볼륨이 다른 저장소에 만들어질 수 있습니다({pool})",
)
UNKNOWN_POOL = message(
    "move.snapshot.unknown_pool",
    en="snapshots are kept from Ceph to Ceph alone, and its new volume may come to a pool that Cinder does not list",
    ko="스냅샷은 Ceph에서 Ceph로만 이전합니다. 새 볼륨이 Cinder가 알려 주지 않는 풀에 만들어질 수 있습니다",
)
WAIT = message(
    "move.snapshot.wait",
    en="Wait until that is over; what is in error, reset or delete. Then plan again.",
    ko="작업이 끝날 때까지 기다려 주십시오. 오류 상태이면 상태를 재설정하거나 삭제한 뒤 계획을 다시 세워 주십시오.",
)
BY_HAND = message(
    "move.snapshot.by_hand",
    en="Its content is moved when a volume is made of it before planning: openstack volume create --snapshot {id} NAME",
    ko="계획을 세우기 전에 이 스냅샷으로 볼륨을 만들면 내용이 함께 이전됩니다. 명령:"
    " openstack volume create --snapshot {id} NAME",
)
MADE_ANEW = message(
    "move.snapshot.made_anew",
    en="Cinder writes when it was made anew",
    ko="Cinder가 새로 만든 시각을 기록합니다",
)
EXTENDED = message(
    "move.snapshot.extended",
    en="its volume was extended later, and is made as large as it is now: zeroes follow",
    ko="이후 볼륨이 확장되어 스냅샷도 지금 크기로 만듭니다. 늘어난 부분은 0으로 채워집니다",
)
WITH_CONTENT = message(
    "move.title.snapshot",
    en="{thing}, with its content",
    ko="{thing} 생성과 내용 복사",
)


def snapshots(draft: Draft) -> None:
    """While preparing, the content of each snapshot goes into the new volume, and a snapshot is made of that; the
    volume's further content comes on top. After the servers: they are booted once, on empty disks."""
    of: dict[str, list[Row]] = {}
    for row in draft.facts.owned(KIND.name):
        of.setdefault(str(row.body.get("volume_id")), []).append(row)
    if not of:
        return
    reach = _Reach(draft)
    users = _stopped(draft)
    for identity, rows in of.items():
        own = draft.facts.old.all(volume.KIND.name).get(identity)
        before = [volume.properties_step(own), *users.get(identity, [])] if own else []
        for row in sorted(rows, key=lambda row: (str(row.body.get("created_at")), row.id)):
            if own is None or own.project != row.project or draft.ref(volume.KIND.name, identity) is None:
                draft.leave(row, NO_VOLUME(), hint=BY_HAND(id=row.id))
            elif row.status != "available":
                draft.leave(row, volume.STATUS(status=row.status), hint=WAIT())
            elif why := reach.obstacle(own):
                draft.leave(row, why, hint=BY_HAND(id=row.id))
            else:
                before = [_snapshot(draft, row, own, before)]


def _stopped(draft: Draft) -> dict[str, list[str]]:
    """By old volume: the steps after which no server of the new cloud writes to its counterpart any more."""
    found: dict[str, list[str]] = {}
    for row in draft.facts.owned(server.KIND.name):
        if draft.ref(server.KIND.name, row.id) is not None:
            for disk, _ in disks(draft.facts.old, row):
                found.setdefault(disk.id, []).append(server.stopped_step(row))
    return found


class _Reach:
    """Which volumes lie on Ceph, on both sides. Where a new volume is going to be, Cinder's scheduler decides: its own
    list of pools says which it can choose from, the name of a type or backend says nothing."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._storages = draft.storages

    def obstacle(self, row: Row) -> Text:
        """Why the volume's snapshots cannot be carried; "" when they can."""
        if not self._storages:
            return NO_STORAGE()
        old, new = self._storages
        if not _keeps_history(str(row.body.get(HOST)), old):
            return NOT_ON_CEPH()
        pools = volume.pools(self._draft, row)
        other = next((name for name in pools if not _keeps_history(name, new)), "")
        if other:
            return OTHER_POOL(pool=other)
        return "" if pools else UNKNOWN_POOL()


def _keeps_history(host: str, backends: Backends) -> bool:
    """Whether the storage of that backend of Cinder has snapshots whose content can be read at any time."""
    backend = described(host, backends)
    return backend is not None and backend.keeps_history


def _snapshot(draft: Draft, row: Row, of: Row, before: list[str]) -> str:
    """The step that makes the snapshot of the new volume, after the steps `before`."""
    metadata, refused = texts.pairs(draft, row, "metadata", row.body.get("metadata") or {})
    # force: the new volume's server is there already, and stopped
    body: dict[str, Any] = {**kept(row, KIND.sent), "metadata": {**metadata, MARK: mark(row)}, "force": True}
    body["volume_id"] = draft.ref(volume.KIND.name, of.id)
    changes = [*owner_changes(draft, row), *refused]
    if block_storage.checks(draft.facts.new):
        changes += texts.mend(draft, row, body, {"description": block_storage.DESCRIPTION})
    changes.append(FieldChange("created_at", row.body.get("created_at"), None, MADE_ANEW()))
    if row.body["size"] != of.body["size"]:
        changes.append(FieldChange("size", row.body["size"], of.body["size"], EXTENDED()))
    listing = ["/snapshots/detail?all_tenants=1&volume_id=", body["volume_id"]]
    after = [volume.access_step(of), *before, entered(draft, row)]
    step = draft.create(
        row,
        Snapshot(
            **KIND.creation_fields(draft.new, body, {"metadata.naru": mark(row)}, listing),
            wait=volume.AVAILABLE,
            gone=True,
            actor=actor(draft, row),
            carry=volume.copy_action(draft, of, SnapshotCopy, snapshot=row.id),
        ),
        queue=draft.queue(of),
        changes=changes,
        title=WITH_CONTENT(thing=thing(row)),
        after=after,
    )
    marked_in_metadata(draft, KIND, row, step)
    return step
