"""The step kinds that carry content from one cloud to the other through Glance: images, volumes, servers' own disks.

A stream goes from the old Glance into the new one without a file in between. What is made on the way has a name of
its own, by which it is found again, and is gone when the step is done.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.move.steps import RETRY, cloud, get, remove, resolve, send, wait_for
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step

CHUNK = 1 << 20
VOLUME = "3.68"
"""The version of the volume API that can write an image into a volume that is there (os-reimage)."""
REBUILD = "2.79"


def _limit(args: Mapping[str, Any]) -> float:
    return 1800.0 + float(args.get("size") or 0) / (5 << 20)


def _seconds(args: Mapping[str, Any]) -> float:
    return 5.0 + float(args.get("size") or 0) / (50 << 20)


@step("move.image_data", no_undo="the data goes with its image", retry=RETRY, deadline=_limit, estimate=_seconds)
def image_data(context: Context) -> dict[str, Any]:
    """Streams the data of the image `from` on the cloud `old` into the image `to` on `cloud`, and compares the sums."""
    args = resolve(context.args, context.results(), context)
    old, new = cloud(context, args["old"]), cloud(context, args["cloud"])
    return _stream(context, old, args["from"], new, args["to"])


def _stream(
    context: Context, old: Cloud, source: str, new: Cloud, target: str, *, scratch: bool = False
) -> dict[str, Any]:
    """Fills the image `target`, unless that is done; returns its size and sum. One that differs, because an old Glance
    took the part before a broken connection for all of it, is deleted when it is a `scratch` one, to be made again."""
    there = _image(old, source)
    size = int(there.get("size") or 0)

    def settled() -> dict[str, Any]:
        return dict(
            wait_for(
                *(context, lambda: _image(new, target)),
                lambda image: image["status"] not in ("saving", "importing"),
                f"image {target} is still being written by a process that is gone",
                600,
            )
        )

    found = settled()
    if found["status"] == "queued":
        answer = old.request("image", "GET", f"/images/{source}/file", stream=True)
        with answer:
            if answer.status_code == 204:  # an image of no bytes
                data: Any = b""
            else:
                data = _chunks(context, answer, size)
            headers = {"Content-Type": "application/octet-stream"}
            new.request("image", "PUT", f"/images/{target}/file", data=data, headers=headers)
        found = settled()
    if found["status"] not in ("active", "deactivated"):
        raise NaruError(f"image {target} on {new.name} is {found['status']} after its data was sent")
    for field in ("checksum", "size"):
        if there.get(field) is None or there[field] == found.get(field):
            continue
        differs = f"image {target} on {new.name} differs from {source}: {field} {found.get(field)}, not {there[field]}"
        if scratch:
            remove(context, new, "image", f"/images/{target}")
            raise Transient(differs)
        raise NaruError(differs, hint="Delete the image there, then: naru plan retry, of this step and its create.")
    return {"size": found.get("size"), "checksum": found.get("checksum")}


def _chunks(context: Context, answer: Any, size: int) -> Iterator[bytes]:
    """The data as it comes. Raises Transient when it ends too soon, which makes the new Glance drop what it has."""
    done = 0
    try:
        for chunk in answer.iter_content(CHUNK):
            done += len(chunk)
            context.progress(done, size)
            context.check()
            yield chunk
    except requests.RequestException as error:
        raise Transient(f"the image ended after {done} of {size} bytes", detail=str(error)) from error
    if size and done != size:
        raise Transient(f"the image ended after {done} of {size} bytes")


def _image(client: Cloud, identity: str) -> dict[str, Any]:
    found = get(client, "image", f"/images/{identity}", "")
    if found is None:
        raise NaruError(f"image {identity} is gone from {client.name}")
    return dict(found)


def _named(client: Cloud, name: str) -> dict[str, Any] | None:
    """The image of that name."""
    return next(iter(client.items("image", f"/images?name={name}", "images")), None)


def _scratch(client: Cloud, name: str, like: Mapping[str, Any]) -> str:
    """An image that only lives as long as its step; found, or made."""
    found = _named(client, name)
    if found is None:
        fields = {key: like[key] for key in ("disk_format", "container_format", "min_disk", "min_ram")}
        found = client("image", "POST", "/images", {"name": name, "visibility": "private", **fields})
    return str(found["id"])


# -- volumes


@step("move.volume_image", undo="move.volume_image.forget", retry=RETRY, deadline=_limit, estimate=_seconds)
def volume_image(context: Context) -> dict[str, Any]:
    """Writes the content of the volume `from` on the cloud `old` into the volume `to` on `cloud`: by an image of a
    snapshot, whatever storage either has. `properties` are requests that set what Cinder changes on the way.

    The servers of both are stopped. `size` is in bytes.
    """
    args = resolve(context.args, context.results(), context)
    old, new = cloud(context, args["old"]), cloud(context, args["cloud"])
    return by_image(context, old, new, args["from"], args["to"], args["properties"])


def by_image(
    context: Context, old: Cloud, new: Cloud, source: str, target: str, properties: list[dict[str, Any]]
) -> dict[str, Any]:
    """As `move.volume_image`, for the volumes `source` and `target`."""
    name = f"naru-{source}"
    image = _read(context, old, source, name)
    copy = _scratch(new, name, image)
    told = _stream(context, old, image["id"], new, copy, scratch=True)
    _write(context, new, target, copy, properties)
    forget(context, old, new, source)
    return told


@step("move.volume_image.forget", no_undo="it is an undo itself", retry=RETRY, deadline=1800.0)
def volume_image_forget(context: Context) -> None:
    """Deletes what a `move.volume_image` left on the way; the content goes with the volume."""
    args = context.args["args"]
    forget(context, cloud(context, args["old"]), cloud(context, args["cloud"]), args["from"])


def _read(context: Context, old: Cloud, volume: str, name: str) -> dict[str, Any]:
    """An image with the volume's content, on its own cloud."""
    if (image := _named(old, name)) is None:
        copy = _volume(old, volume)
        if copy["status"] != "available":
            copy = _copy(context, old, copy, name)
        body = {"image_name": name, "disk_format": "raw", "container_format": "bare", "force": False}
        answer = old("block-storage", "POST", f"/volumes/{copy['id']}/action", {"os-volume_upload_image": body})
        image = {"id": answer["os-volume_upload_image"]["image_id"]}
    return dict(
        wait_for(
            *(context, lambda: _image(old, image["id"])),
            lambda found: found["status"] == "active" or _refuse(found, ("killed", "deleted")),
            f"image {image['id']} of volume {volume} is not written",
            _limit(context.args),
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
                _limit(context.args),
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
    now = wait_for(context, lambda: _volume(new, volume), written, what, _limit(context.args))
    if attached:
        act({"os-reset_status": {"status": "in-use"}})
    told = now.get("volume_image_metadata") or {}
    for key in told:
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


@step("move.root_content", undo="move.root_content.forget", retry=RETRY, deadline=_limit, estimate=_seconds)
def root_content(context: Context) -> dict[str, Any]:
    """Gives the stopped server `to` on `cloud` the root disk of the stopped server `from` on the cloud `old`, by an
    image of it, which stays: the server is booted from it now. `project` owns it; `image` are its properties. A server
    that is `shelved` has such an image already."""
    args = resolve(context.args, context.results(), context)
    old, new = cloud(context, args["old"]), cloud(context, args["cloud"])
    name = f"naru-{args['from']}"
    source = _shelved(old, args["from"]) if args["shelved"] else _disk_image(context, old, args["from"], name)
    there = _named(new, name)
    if there is None:
        fields = {key: source[key] for key in ("disk_format", "container_format", "min_disk", "min_ram")}
        body = {"name": name, "visibility": "private", "owner": args["project"], **args["image"], **fields}
        there = new("image", "POST", "/images", body)
    told = _stream(context, old, source["id"], new, there["id"], scratch=True)
    path = f"/servers/{args['to']}"

    def look() -> Any:
        return get(new, "compute", path, "server")

    server = look()
    if server and server["image"]["id"] != there["id"] and server["status"] != "REBUILD":
        new("compute", "POST", f"{path}/action", {"rebuild": {"imageRef": there["id"]}}, version=REBUILD)
    now = wait_for(
        *(context, look),
        lambda now: now is None or (now["status"] in ("SHUTOFF", "ERROR") and not now.get("OS-EXT-STS:task_state")),
        f"server {args['to']} is not rebuilt",
        _limit(args),
    )
    if now is None:
        raise NaruError(f"server {args['to']} is gone from {new.name}", hint="Skip the step, or roll back.")
    if now["status"] == "ERROR":
        raise NaruError(f"server {args['to']} came to ERROR while its disk was written", hint="See its fault in Nova.")
    if not args["shelved"]:
        remove(context, old, "image", f"/images/{source['id']}")
    return {**told, "image": there["id"]}


def _disk_image(context: Context, old: Cloud, server: str, name: str) -> dict[str, Any]:
    """An image of a server's own disk, made by its cloud."""
    if _named(old, name) is None:
        try:
            old("compute", "POST", f"/servers/{server}/action", {"createImage": {"name": name}})
        except CloudError as error:
            if error.status == 409:
                raise Transient(error.summary, detail=error.detail) from error
            raise
    return dict(
        wait_for(
            *(context, lambda: _named(old, name) or {"status": "killed", "name": name}),
            lambda found: found["status"] == "active" or _refuse(found, ("killed", "deleted")),
            f"the image of server {server} is not written",
            _limit(context.args),
        )
    )


def _shelved(old: Cloud, server: str) -> dict[str, Any]:
    """The image that Nova keeps a shelved server's disk in: `<name>-shelved`, with the server as a property."""
    for image in old.items("image", f"/images?instance_uuid={server}", "images"):
        if image["name"].endswith("-shelved") and image["status"] == "active":
            return image
    raise NaruError(f"server {server} is shelved, and its image is not there", hint="Unshelve it, then plan again.")


@step("move.root_content.forget", no_undo="it is an undo itself", retry=RETRY, deadline=1800.0)
def root_content_forget(context: Context) -> None:
    """Deletes the images that a `move.root_content` made on both clouds."""
    args = context.args["args"]
    for client in (cloud(context, args["old"]), cloud(context, args["cloud"])):
        for image in list(client.items("image", f"/images?name=naru-{args['from']}", "images")):
            remove(context, client, "image", f"/images/{image['id']}")
