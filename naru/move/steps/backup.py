"""Backups of volumes that are made anew, whatever either cloud keeps them in.

A backup is read by its own Cinder alone, and written by the new one alone. So it is restored into a volume on the old
cloud, the content of that goes into one on the new, and there a backup is made of it. Both volumes live as long as the
step. They take the name of the backup's volume, since that is part of the new backup too, and is what restoring it
brings back: the copy's directory says which they are; before it does, they are found by a name of their own.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from naru.actions import durations
from naru.actions.arguments import resolve, url
from naru.actions.clouds import RETRY, client, cloud, get, matches, remove, send, wait_for
from naru.actions.create import Create, delete, make
from naru.actions.request import From, Part
from naru.cloud.client import Cloud
from naru.errors import NaruError
from naru.files import write_whole
from naru.move.draft import COPIES
from naru.move.steps import by_image
from naru.move.steps.copying import AGAIN, copy_and_compare, job_of
from naru.move.steps.rate import controlled
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.volumes.engine.points import clean
from naru.volumes.where import load, location

SERVICE = "block-storage"
TEMPORARY = "temporary.json"
"""The file in a copy's directory with ids of temporary volumes: by cloud (`old`, `cloud`), and how far they are."""
RESTORING = "restoring-backup"
BUSY = ("creating", "backing-up", "downloading", "uploading", "deleting")
# what Cinder puts among a volume's metadata by itself
CINDERS = ("readonly", "attached_mode", "src_backup_id")


def _limit(args: Mapping[str, Any]) -> float:
    return durations.limit(float(args["size"]), times=3)


def _seconds(args: Mapping[str, Any]) -> float:
    return durations.expected(float(args["size"]), durations.IMAGES, times=3, more=20.0)


class Volumes(Part):
    """The fields of the temporary volumes that are made on the cloud `old` and on `cloud`, the new one."""

    old: dict[str, Any]
    cloud: dict[str, Any]


class BackupCopy(Part):
    """What the backup `source` (`from` in the arguments) holds, by temporary `volumes`. `storage` are the files that
    describe the storage of both clouds; without, the content goes by an image. `directory` is the copy's own."""

    source: From
    volumes: Volumes
    storage: list[str] | None
    directory: str


class Backup(Create):
    """A backup on the new cloud with the content `carry` of one on the cloud `old`; `size` is in bytes."""

    step_kind: ClassVar[str] = "move.backup"
    limit_group: ClassVar[str] = COPIES

    old: str
    size: int
    carry: BackupCopy


@step("move.backup", args=Backup, undo="move.backup.forget", retry=AGAIN, deadline=_limit, estimate=_seconds)
def backup(context: Context) -> dict[str, Any]:
    """Makes a backup as `cloud.create` does, of a volume with the content of the backup `carry.from` on `old`.

    `carry.volumes` are the requests' bodies of the temporary volumes on `old` and on `cloud`; `carry.storage` the files
    that describe the backends of both, or null: then the content goes by an image. `carry.directory` is the copy's own,
    `size` is in bytes.
    """
    made = make(context, before=lambda args: {"volume_id": _filled(context, args)})
    _forget(context)
    return made


@step(
    "move.backup.forget",
    args=Undo,
    no_undo="it is an undo itself",
    retry=RETRY,
    deadline=lambda args: _limit(args["args"]),
)
def backup_forget(context: Context) -> None:
    """Deletes the backup that a `move.backup` made, and what it left on the way on both clouds."""
    args = _args(context)
    if context.undone.result is None:  # Cinder deletes none that is still being made, which may take long
        admin, find = cloud(context, args["cloud"]), resolve(args["find"], context.undone.results, context)
        for item in admin.items(SERVICE, url(find["path"]), find["collection"], args["version"]):
            if matches(item, find["where"]):
                _ended(context, admin, item["id"], "creating")
    delete(context)
    _forget(context)


def _ended(context: Context, client: Cloud, backup: str, busy: str) -> dict[str, Any] | None:
    """The backup as soon as it is in another state than `busy`, None when it is gone."""
    found: dict[str, Any] | None = wait_for(
        *(context, lambda: get(client, SERVICE, f"/backups/{backup}", "backup")),
        lambda now: now is None or now["status"] != busy,
        f"backup {backup} on {client.name} is {busy}",
        _limit(_args(context)),
    )
    return found


# -- the temporary volumes


def _known(directory: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((directory / TEMPORARY).read_text())
    except FileNotFoundError:
        return {}
    return found


def _know(directory: Path, **more: str) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(directory / TEMPORARY, json.dumps({**_known(directory), **more}))


def _name(side: str, backup: str) -> str:
    """What a temporary volume is called at first. A volume whose name begins like the old cloud's is given the name and
    description of the backup's volume by Cinder when it is restored."""
    return f"restore_backup_naru-{backup}" if side == "old" else f"naru-{backup}"


def _named(client: Cloud, name: str) -> list[str]:
    items = client.items(SERVICE, f"/volumes/detail?all_tenants=1&name={name}", "volumes")
    return [item["id"] for item in items if item["name"] == name]


def _settled(context: Context, client: Cloud, volume: str, busy: tuple[str, ...] = BUSY) -> dict[str, Any] | None:
    """The volume when nothing is under way with it, None when it is gone."""
    found: dict[str, Any] | None = wait_for(
        *(context, lambda: get(client, SERVICE, f"/volumes/{volume}", "volume")),
        lambda now: now is None or now["status"] not in busy,
        f"volume {volume} on {client.name} is busy",
        _limit(_args(context)),
    )
    return found


def _args(context: Context) -> Mapping[str, Any]:
    """The arguments of the `move.backup`, also for its undo."""
    found: Mapping[str, Any] = context.args.get("args", context.args)
    return found


def _temporary(context: Context, side: str, maker: Cloud, carry: Mapping[str, Any]) -> dict[str, Any]:
    """The temporary volume of one side, found or made, unless what is found came to nothing."""
    admin, directory = cloud(context, context.args[side]), Path(carry["directory"])
    name = _name(side, carry["from"])
    for identity in (_known(directory).get(side), *_named(admin, name)):
        found = _settled(context, admin, identity) if identity else None
        if found is None:
            continue
        if not found["status"].startswith("error"):
            _know(directory, **{side: found["id"]})
            return found
        remove(context, admin, SERVICE, f"/volumes/{identity}", "volume", gone=True)
    body = {**carry["volumes"][side], "name": name}
    made = maker(SERVICE, "POST", "/volumes", {"volume": body})["volume"]
    _know(directory, **{side: made["id"]})
    return _sound(_settled(context, admin, made["id"]), made["id"], admin)


def _sound(volume: dict[str, Any] | None, identity: str, client: Cloud) -> dict[str, Any]:
    if volume is None or volume["status"].startswith("error"):
        state = volume["status"] if volume else "gone"
        raise NaruError(
            f"volume {identity} on {client.name} is {state}", hint="See Cinder's log; then: naru plan retry."
        )
    return volume


def _restored(context: Context, carry: Mapping[str, Any]) -> dict[str, Any]:
    """A volume on the old cloud with the content of the backup."""
    old, directory = cloud(context, context.args["old"]), Path(carry["directory"])
    volume = _temporary(context, "old", old, carry)
    identity = volume["id"]
    if _known(directory).get("restored") == identity:
        return volume
    if volume["status"] != RESTORING:  # else it is an earlier attempt's, which goes on
        if _ended(context, old, carry["from"], "restoring") is None:
            raise NaruError(f"backup {carry['from']} is gone from {old.name}", hint="Skip the step: naru plan skip.")
        old(SERVICE, "POST", f"/backups/{carry['from']}/restore", {"restore": {"volume_id": identity}})
    volume = _sound(_settled(context, old, identity, (*BUSY, RESTORING)), identity, old)
    _know(directory, restored=identity)
    return volume


def _filled(context: Context, args: Mapping[str, Any]) -> str:
    """The id of a volume on the new cloud, in the project, that is what the backup's volume was."""
    carry, new = args["carry"], cloud(context, args["cloud"])
    directory = Path(carry["directory"])
    source = _restored(context, carry)
    target = _temporary(context, "cloud", client(context, args), carry)
    if _known(directory).get("carried") != target["id"]:
        _know(directory, carrying=source["id"])
        _copy(context, carry, source, target)
        _know(directory, carried=target["id"])
    named = source["name"] != _name("old", carry["from"])
    fields = {
        "name": source["name"] if named else "",
        "description": source["description"] if named else "",
        "metadata": {name: value for name, value in source["metadata"].items() if name not in CINDERS},
    }
    path = f"/volumes/{target['id']}"
    send(new, SERVICE, {"method": "PUT", "path": path, "body": {"volume": fields}})
    if image := source.get("volume_image_metadata"):
        body = {"os-set_image_metadata": {"metadata": image}}
        send(new, SERVICE, {"method": "POST", "path": f"{path}/action", "body": body})
    return str(target["id"])


def _copy(context: Context, carry: Mapping[str, Any], source: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Copies the content from the one volume to the other, and compares it."""
    old, new = cloud(context, context.args["old"]), cloud(context, context.args["cloud"])
    if carry["storage"] is None:
        by_image.by_image(context, old, new, source["id"], target["id"], [])
        return
    directory = Path(carry["directory"])
    described = [load(Path(file)) for file in carry["storage"]]
    here, there = location(source, described[0], restored=True), location(target, described[1])
    context.log(f"copy and compare {here} {there}")
    job, control = job_of(source["id"]), controlled(context, directory)
    copy_and_compare(here, there, directory, job=job, ahead=False, whole=False, control=control)


def _forget(context: Context) -> None:
    """Deletes the temporary volumes, with all that was made for them."""
    args = _args(context)
    carry, directory = args["carry"], Path(args["carry"]["directory"])
    known = _known(directory)
    for side in ("cloud", "old"):
        admin = cloud(context, args[side])
        for identity in dict.fromkeys((known.get(side), *_named(admin, _name(side, carry["from"])))):
            found = _settled(context, admin, identity, (*BUSY, RESTORING)) if identity else None
            if identity is None or found is None:
                continue
            if known.get("carrying") == identity:
                if carry["storage"] is None:
                    by_image.forget(context, admin, cloud(context, args["cloud"]), identity)
                else:
                    clean(location(found, load(Path(carry["storage"][0]))), job_of(identity))
            remove(context, admin, SERVICE, f"/volumes/{identity}", "volume", gone=True)
    if directory.exists():
        shutil.rmtree(directory)
