"""Content that goes from one cloud to the other through Glance: that of volumes, whatever storage either cloud has, and
servers' own disks.

What is made on the way has a name of its own, by which it is found again, and is gone when the step is done.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, cloud, get, remove, send, wait_for
from naru.actions.image import image_at, limit, named, scratch_image, seconds, stream
from naru.actions.request import Action, From, Request
from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.inventory.image_data import beginning_of, formats, label_fits
from naru.move.steps.off import check_still, still
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step

VOLUME = "3.68"
"""The version of the volume API that can write an image into an existing volume (os-reimage)."""
REBUILD = "2.79"


# -- volumes


class VolumeImage(Action):
    """The content of the volume `source` (`from` in the arguments) on the cloud `old`, into the volume `to` on `cloud`.
    `properties` are requests that set what Cinder changes on the way, `size` is in bytes."""

    step_kind: ClassVar[str] = "move.volume_image"

    old: str
    source: From
    to: Id
    size: int
    properties: list[Request]


@step(
    "move.volume_image",
    args=VolumeImage,
    undo="move.volume_image.forget",
    retry=RETRY,
    deadline=limit,
    estimate=seconds,
)
def volume_image(context: Context) -> dict[str, Any]:
    """Writes the content of the volume `from` on the cloud `old` into the volume `to` on `cloud`: by an image of a
    snapshot, whatever storage either has. `properties` are requests that set what Cinder changes on the way.

    The servers of both are stopped. `size` is in bytes.
    """
    args = resolve(context.args, context.results(), context)
    old, new = cloud(context, args["old"]), cloud(context, args["cloud"])
    check_still(context, old.name, args["from"], _volume(old, args["from"]))
    return by_image(context, old, new, args["from"], args["to"], args["properties"])


def by_image(
    context: Context, old: Cloud, new: Cloud, source: str, target: str, properties: list[dict[str, Any]]
) -> dict[str, Any]:
    """As `move.volume_image`, for the volumes `source` and `target`."""
    name = f"naru-{source}"
    image = _read(context, old, source, name)
    copy = scratch_image(new, name, image)
    streamed = stream(context, old, image["id"], new, copy, scratch=True)
    _write(context, new, target, copy, properties)
    forget(context, old, new, source)
    return streamed


@step("move.volume_image.forget", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=1800.0)
def volume_image_forget(context: Context) -> None:
    """Deletes what a `move.volume_image` left on the way; the content goes with the volume."""
    args = context.undone.args
    forget(context, cloud(context, args["old"]), cloud(context, args["cloud"]), args["from"])


def _read(context: Context, old: Cloud, volume: str, name: str) -> dict[str, Any]:
    """An image with the volume's content, on its own cloud."""
    if (image := named(old, name)) is None:
        copy = _volume(old, volume)
        if copy["status"] != "available":
            copy = _copy(context, old, copy, name)
        body = {"image_name": name, "disk_format": "raw", "container_format": "bare", "force": False}
        answer = old("block-storage", "POST", f"/volumes/{copy['id']}/action", {"os-volume_upload_image": body})
        image = {"id": answer["os-volume_upload_image"]["image_id"]}
    return dict(
        wait_for(
            *(context, lambda: image_at(old, image["id"])),
            lambda found: found["status"] == "active" or _refuse(found, ("killed", "deleted")),
            f"image {image['id']} of volume {volume} is not written",
            limit(context.args),
        )
    )


def _copy(context: Context, old: Cloud, volume: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A volume with the content of one that is attached, by a snapshot of it."""

    def find(kind: str) -> dict[str, Any] | None:
        path = f"/{kind}/detail?all_tenants=1&name={name}"
        return next((item for item in old.items("block-storage", path, kind) if item["name"] == name), None)

    def ready(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
        wrap, path = kind.removesuffix("s"), f"/{kind}/{item['id']}"
        return dict(
            wait_for(
                *(context, lambda: get(old, "block-storage", path, wrap)),
                lambda found: found["status"] == "available" or _refuse(found, ("error",)),
                f"{wrap} {item['id']} is not available",
                limit(context.args),
            )
        )

    point = find("snapshots")
    if point is None:
        body = {"volume_id": volume["id"], "name": name, "force": True}
        point = old("block-storage", "POST", "/snapshots", {"snapshot": body})["snapshot"]
    point = ready("snapshots", point)
    copy = find("volumes")
    if copy is None:
        body = {"snapshot_id": point["id"], "size": volume["size"], "name": name}
        copy = old("block-storage", "POST", "/volumes", {"volume": body})["volume"]
    return ready("volumes", copy)


def _refuse(item: Mapping[str, Any], states: tuple[str, ...]) -> bool:
    if item["status"] in states:
        raise NaruError(f"{item.get('name')} is {item['status']}", hint="See the log of Cinder; then: naru plan retry.")
    return False


def _write(context: Context, new: Cloud, volume: str, image: str, properties: list[dict[str, Any]]) -> None:
    """Puts the image's content into the volume. It may be attached to a server that is stopped."""
    path = f"/volumes/{volume}"

    def act(body: dict[str, Any], again: bool = True) -> None:
        new("block-storage", "POST", f"{path}/action", body, version=VOLUME, again=again)

    found = _volume(new, volume)
    attached = bool(found["attachments"])
    if found["status"] != "downloading":
        if found["status"] == "in-use":
            act({"os-reset_status": {"status": "error"}})  # Cinder writes into no volume that it believes in use
        act({"os-reimage": {"image_id": image, "reimage_reserved": False}}, again=False)

    def written(now: dict[str, Any]) -> bool:
        # Cinder goes back to the status before: only what it says of the image tells that it was written
        of = (now.get("volume_image_metadata") or {}).get("image_id")
        return now["status"] != "downloading" and (of == image or _refuse(now, ("error",)))

    what = f"volume {volume} is not written"
    now = wait_for(context, lambda: _volume(new, volume), written, what, limit(context.args))
    if attached:
        act({"os-reset_status": {"status": "in-use"}})
    metadata = now.get("volume_image_metadata") or {}
    for key in metadata:
        request = {"method": "POST", "path": f"{path}/action", "body": {"os-unset_image_metadata": {"key": key}}}
        send(new, "block-storage", {**request, "version": VOLUME, "ok": [404]})
    for request in properties:
        send(new, "block-storage", request)


def _volume(client: Cloud, identity: str) -> dict[str, Any]:
    found = get(client, "block-storage", f"/volumes/{identity}", "volume")
    if found is None:
        raise NaruError(f"volume {identity} is gone from {client.name}")
    return dict(found)


def forget(context: Context, old: Cloud, new: Cloud, volume: str) -> None:
    """Deletes what `by_image` left of a volume on the way."""
    name = f"naru-{volume}"
    for client in (old, new):
        for image in list(client.items("image", f"/images?name={name}", "images")):
            remove(context, client, "image", f"/images/{image['id']}")
    for kind in ("volumes", "snapshots"):  # the volume stands on the snapshot
        for item in list(old.items("block-storage", f"/{kind}/detail?all_tenants=1&name={name}", kind)):
            if item["name"] == name:
                remove(context, old, "block-storage", f"/{kind}/{item['id']}", kind.removesuffix("s"), gone=True)


# -- servers' own disks


BOOT_IMAGES = ("kernel_id", "ramdisk_id")
"""Properties of an image that name others, which Nova boots it with."""
_NOT_OF_A_DISK = frozenset(
    (
        # what Glance says of any image
        *("id", "name", "owner", "status", "visibility", "protected", "os_hidden", "tags", "checksum", "os_hash_algo"),
        *("os_hash_value", "size", "virtual_size", "created_at", "updated_at", "self", "file", "schema", "locations"),
        *("direct_url", "stores", "disk_format", "container_format", "min_disk", "min_ram"),
        # what Nova writes into an image that it makes of a server
        *("base_image_ref", "instance_uuid", "user_id", "owner_id", "owner_user_name", "owner_project_name"),
        *("image_type", "image_state", "image_location", "boot_roles", "block_device_mapping", "bdm_v2", "mappings"),
        *("root_device_name", "cache_in_nova", "clean_attempts", "network_allocated", *BOOT_IMAGES),
    )
)


def disk_properties(image: Mapping[str, Any]) -> dict[str, Any]:
    """What an image says of the disk in it, for Nova and for people: all of its properties but those that are about the
    image itself. A signature is one of its own bytes, which another image does not have."""
    return {
        name: value
        for name, value in image.items()
        if name not in _NOT_OF_A_DISK and not name.startswith(("os_glance_", "img_signature")) and value is not None
    }


class RootContent(Action):
    """The root disk of the server `source` (`from` in the arguments) on the cloud `old`, for the server `to` on
    `cloud`, by an image that `project` owns and that has the properties `image`. A server that was `shelved` when
    it was planned had an image of its disk already. `size` is in bytes."""

    step_kind: ClassVar[str] = "move.root_content"

    old: str
    source: From
    to: Id
    project: Id
    image: dict[str, Any]
    shelved: bool
    size: int


@step(
    "move.root_content",
    args=RootContent,
    undo="move.root_content.forget",
    retry=RETRY,
    deadline=limit,
    estimate=seconds,
)
def root_content(context: Context) -> dict[str, Any]:
    """Gives the stopped server `to` on `cloud` the root disk of the stopped server `from` on the cloud `old`, by an
    image of it, which stays: the server is booted from it now. `project` owns it; `image` are its properties. A server
    that is `shelved` has such an image already."""
    args = resolve(context.args, context.results(), context)
    old, new = cloud(context, args["old"]), cloud(context, args["cloud"])
    name = f"naru-{args['from']}"
    shelved = still(context, old, args["from"])["status"].startswith("SHELVED")
    source = _shelved(old, args["from"]) if shelved else _disk_image(context, old, args["from"], name)
    image = named(new, name)
    if image is None:
        fields = {key: source[key] for key in ("disk_format", "container_format", "min_disk", "min_ram")}
        found = formats(beginning_of(old, source["id"])) if fields["container_format"] == "bare" else []
        if len(found) == 1 and not label_fits(fields["disk_format"], found):
            fields["disk_format"] = found[0]  # a newer Glance refuses a label that does not fit
        own = {"name": name, "visibility": "private", "owner": args["project"]}
        body = {**own, **disk_properties(source), **args["image"], **fields}
        image = new("image", "POST", "/images", body)
    streamed = stream(context, old, source["id"], new, image["id"], scratch=True)
    path = f"/servers/{args['to']}"

    def look() -> Any:
        return get(new, "compute", path, "server")

    server = look()
    if server and server["image"]["id"] != image["id"] and server["status"] != "REBUILD":
        rebuild = {"rebuild": {"imageRef": image["id"]}}
        new("compute", "POST", f"{path}/action", rebuild, version=REBUILD if new.supports("compute", REBUILD) else "")
    now = wait_for(
        *(context, look),
        lambda now: now is None or (now["status"] in ("SHUTOFF", "ERROR") and not now.get("OS-EXT-STS:task_state")),
        f"server {args['to']} is not rebuilt",
        limit(args),
    )
    if now is None:
        raise NaruError(f"server {args['to']} is gone from {new.name}", hint="Skip the step, or roll back.")
    if now["status"] == "ERROR":
        raise NaruError(f"server {args['to']} came to ERROR while its disk was written", hint="See its fault in Nova.")
    if not shelved:
        remove(context, old, "image", f"/images/{source['id']}")
    return {**streamed, "image": image["id"]}


def _disk_image(context: Context, old: Cloud, server: str, name: str) -> dict[str, Any]:
    """An image of a server's own disk, made by its cloud."""
    if named(old, name) is None:
        try:
            old("compute", "POST", f"/servers/{server}/action", {"createImage": {"name": name}})
        except CloudError as error:
            if error.status == 409:
                raise Transient(error.summary, detail=error.detail) from error
            raise
    return dict(
        wait_for(
            *(context, lambda: named(old, name) or {"status": "killed", "name": name}),
            lambda found: found["status"] == "active" or _refuse(found, ("killed", "deleted")),
            f"the image of server {server} is not written",
            limit(context.args),
        )
    )


def _shelved(old: Cloud, server: str) -> dict[str, Any]:
    """The image that Nova keeps a shelved server's disk in: `<name>-shelved`, with the server as a property."""
    for image in old.items("image", f"/images?instance_uuid={server}", "images"):
        if image["name"].endswith("-shelved") and image["status"] == "active":
            return image
    raise NaruError(f"server {server} is shelved, and its image is not there", hint="Unshelve it, then plan again.")


@step("move.root_content.forget", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=1800.0)
def root_content_forget(context: Context) -> None:
    """Deletes the images that a `move.root_content` made on both clouds."""
    args = context.undone.args
    for client in (cloud(context, args["old"]), cloud(context, args["cloud"])):
        for image in list(client.items("image", f"/images?name=naru-{args['from']}", "images")):
            remove(context, client, "image", f"/images/{image['id']}")
