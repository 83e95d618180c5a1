"""Snapshots of volumes: from Ceph to Ceph they are made anew with the content that they had, oldest first."""

from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import COPIES, Draft, Rule, kept, mark, title
from naru.move.facts import disks
from naru.move.fields import unknown
from naru.move.kinds.compute import actor, owner_rules
from naru.move.kinds.volume import placed, type_name, way
from naru.volumes.where import HOST, Backends, described

FIELDS = ("name", "description", "metadata", "size", "volume_id")


def snapshots(draft: Draft) -> None:
    """While preparing, the content of each snapshot goes into the new volume, and a snapshot is made of that; the
    volume's further content comes on top. After the servers: they are booted once, on empty disks."""
    of: dict[str, list[Row]] = {}
    for row in draft.facts.owned("snapshot"):
        of.setdefault(str(row.body.get("volume_id")), []).append(row)
    if not of:
        return
    reach = _Reach(draft)
    users = _stopped(draft)
    for identity, rows in of.items():
        volume = draft.facts.old.all("volume").get(identity)
        before = [f"volume/{identity} properties", *users.get(identity, [])]
        for row in sorted(rows, key=lambda row: (str(row.body.get("created_at")), row.id)):
            if volume is None or volume.project != row.project or draft.ref("volume", identity) is None:
                draft.leave(row, "its volume is not moved", hint=_by_hand(row))
            elif row.status != "available":
                hint = "Wait until that is over; what is in error, reset or delete. Then plan again."
                draft.leave(row, f"it is {row.status}", hint=hint)
            elif why := reach.obstacle(volume):
                draft.leave(row, f"snapshots are kept from Ceph to Ceph alone, and {why}", hint=_by_hand(row))
            else:
                before = [_snapshot(draft, row, volume, before)]


def _stopped(draft: Draft) -> dict[str, list[str]]:
    """By old volume: the steps after which no server of the new cloud writes to its counterpart any more."""
    found: dict[str, list[str]] = {}
    for server in draft.facts.owned("server"):
        if draft.ref("server", server.id) is not None:
            for volume, _ in disks(draft.facts.old, server):
                found.setdefault(volume.id, []).append(f"server/{server.id} stopped")
    return found


def _by_hand(row: Row) -> str:
    return (
        "Its content is moved when a volume is made of it before planning:"
        f" openstack volume create --snapshot {row.id} NAME"
    )


class _Reach:
    """Which volumes lie on Ceph, on both sides. Where a new volume is going to be, Cinder's scheduler decides: its own
    list of pools says which it can choose from, the name of a type or backend says nothing."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._storages = draft.storages
        ask = getattr(draft.facts.new.features, "items", None)
        self._pools: list[dict[str, Any]] = []
        if self._storages and ask is not None:
            self._pools = list(ask("block-storage", "/scheduler-stats/get_pools?detail=true", "pools"))

    def obstacle(self, volume: Row) -> str:
        """Why the volume's snapshots cannot be carried; "" when they can."""
        if not self._storages:
            return "without --storage content goes by images"
        old, new = self._storages
        if not _keeps_history(str(volume.body.get(HOST)), old):
            return "its volume is not"
        pools = self._choice(volume)
        other = next((name for name in pools if not _keeps_history(name, new)), "")
        if other or not pools:
            return f"its new volume may come to {other or 'a pool that Cinder does not list'}"
        return ""

    def _choice(self, volume: Row) -> list[str]:
        """The pools that volumes of the new volume's type may come to; without a type, any."""
        kind, _ = type_name(self._draft, volume)
        types = self._draft.facts.new.named("volume type", kind) if kind else []
        wanted = next(((row.body.get("extra_specs") or {}).get("volume_backend_name") for row in types), None)
        return [
            str(pool["name"])
            for pool in self._pools
            if wanted is None or (pool.get("capabilities") or {}).get("volume_backend_name") == wanted
        ]


def _keeps_history(host: str, backends: Backends) -> bool:
    """Whether the storage of that backend of Cinder has snapshots whose content can be read at any time."""
    backend = described(host, backends)
    return backend is not None and backend.keeps_history


def _snapshot(draft: Draft, row: Row, volume: Row, before: list[str]) -> str:
    metadata = {**(row.body.get("metadata") or {}), "naru": mark(row)}
    # force: the new volume's server is there already, and stopped
    body: dict[str, Any] = {**kept(row, ("name", "description")), "metadata": metadata, "force": True}
    body["volume_id"] = draft.ref("volume", volume.id)
    rules = owner_rules(draft, row)
    rules.append(Rule("created_at", row.body.get("created_at"), None, "Cinder writes when it was made anew"))
    if row.body["size"] != volume.body["size"]:
        why = "its volume was extended later, and is made as large as it is now: zeroes follow"
        rules.append(Rule("size", row.body["size"], volume.body["size"], why))
    rules += [Rule(name, row.body[name], None, why) for name, why in unknown(row, frozenset(FIELDS))]
    who = actor(draft, row)
    step = draft.create(
        *(row, body),
        by="move.snapshot",
        group=COPIES,
        place=draft.place(volume),
        path="/snapshots",
        listing=["/snapshots/detail?all_tenants=1&volume_id=", body["volume_id"]],
        item="/snapshots/",
        wrap="snapshot",
        where={"metadata.naru": mark(row)},
        rules=rules,
        wait={"field": "status", "until": ["available"], "fail": ["error", "error_deleting"]},
        gone=True,
        after=[placed(volume), *before, draft.actors[row.project, str(row.body.get("user_id") or "")]],
        title_=f"{title(row)} of {title(volume)}, with its content",
        actor=who,
        carry={**way(draft, volume), "snapshot": row.id},
    )
    draft.marked_in_metadata(row, step, "/snapshots", "snapshot")
    return step
