"""The data of an image, from one cloud into another, as a stream without a file in between; and scratch images, which
only live as long as the step that needs them, and are found again by their name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import requests

from naru.actions import durations
from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, cloud, get, remove, wait_for
from naru.actions.request import Action, From
from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step

CHUNK = 1 << 20
"""Bytes that are sent at a time."""


class ImageData(Action):
    """The data of the image `source` (`from` in the arguments) on the cloud `old`, into the image `to` on `cloud`.
    `size` is in bytes, None for what Glance does not know."""

    step_kind: ClassVar[str] = "cloud.image_data"

    old: str
    source: From
    to: Id
    size: int | None


def limit(args: Mapping[str, Any]) -> float:
    """Seconds that a stream of `size` bytes may take."""
    return durations.limit(float(args.get("size") or 0), more=1800.0)


def seconds(args: Mapping[str, Any]) -> float:
    """Seconds that a stream of `size` bytes takes, about."""
    return durations.expected(float(args.get("size") or 0), durations.STREAM, more=5.0)


@step(
    "cloud.image_data",
    args=ImageData,
    no_undo="the data goes with its image",
    retry=RETRY,
    deadline=limit,
    estimate=seconds,
)
def image_data(context: Context) -> dict[str, Any]:
    """Streams the data of the image `from` on the cloud `old` into the image `to` on `cloud`, and compares the
    checksums."""
    args = resolve(context.args, context.results(), context)
    old, new = cloud(context, args["old"]), cloud(context, args["cloud"])
    return stream(context, old, args["from"], new, args["to"])


def stream(
    context: Context, old: Cloud, source: str, new: Cloud, target: str, *, scratch: bool = False
) -> dict[str, Any]:
    """Fills the image `target`, unless that is done; returns its size and checksum. One that differs, because an old
    Glance took the part before a broken connection for all of it, is deleted when it is a `scratch` one, to be made
    again."""
    original = image_at(old, source)
    size = int(original.get("size") or 0)

    @contextmanager
    def data() -> Iterator[Any]:
        with old.request("image", "GET", f"/images/{source}/file", stream=True) as answer:
            # 204: an image of no bytes
            yield b"" if answer.status_code == 204 else _chunks(context, answer, size)

    return fill(context, new, target, data, original, source, scratch=scratch)


def fill(
    context: Context,
    new: Cloud,
    target: str,
    data: Callable[[], AbstractContextManager[Any]],
    original: Mapping[str, Any],
    source: str,
    *,
    scratch: bool = False,
) -> dict[str, Any]:
    """Fills the image `target` with `data`, unless that is done; returns its size and checksum, as `original` has them,
    or else whatever they are. What `source` is said to be is for the message when they are not."""

    def settled() -> dict[str, Any]:
        return dict(
            wait_for(
                *(context, lambda: image_at(new, target)),
                lambda image: image["status"] not in ("saving", "importing"),
                f"image {target} is still being written by a process that is gone",
                600,
            )
        )

    found = settled()
    if found["status"] == "queued":
        try:
            with data() as sent:
                headers = {"Content-Type": "application/octet-stream"}
                new.request("image", "PUT", f"/images/{target}/file", data=sent, headers=headers)
        except CloudError as error:
            if error.status != 409:  # another one began to send it a moment before
                raise
        found = settled()
    if found["status"] not in ("active", "deactivated"):
        raise NaruError(f"image {target} on {new.name} is {found['status']} after its data was sent")
    for field in ("checksum", "size"):
        if original.get(field) is None or original[field] == found.get(field):
            continue
        differs = (
            f"image {target} on {new.name} differs from {source}: {field} {found.get(field)}, not {original[field]}"
        )
        if scratch:
            remove(context, new, "image", f"/images/{target}")
            raise Transient(differs)
        raise NaruError(
            differs,
            hint=f"Delete image {target} on {new.name}, then: naru plan retry, of this step and of its create.",
        )
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


def image_at(client: Cloud, identity: str) -> dict[str, Any]:
    """The image as it is now. Raises NaruError when it is gone."""
    found = get(client, "image", f"/images/{identity}", "")
    if found is None:
        raise NaruError(f"image {identity} is gone from {client.name}")
    return dict(found)


def named(client: Cloud, name: str) -> dict[str, Any] | None:
    """The image of that name, None when there is none."""
    return next(iter(client.items("image", f"/images?name={name}", "images")), None)


def scratch_image(client: Cloud, name: str, like: Mapping[str, Any]) -> str:
    """The id of an image, in the format of `like`, that only lives as long as its step; found, or made."""
    found = named(client, name)
    if found is None:
        fields = {key: like[key] for key in ("disk_format", "container_format", "min_disk", "min_ram")}
        found = client("image", "POST", "/images", {"name": name, "visibility": "private", **fields})
    return str(found["id"])
