"""Step kinds that make images which are no copies: one that names snapshots of volumes, and an empty stand-in."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import DEADLINE, RETRY, cloud, deadline
from naru.actions.create import Create, make
from naru.actions.image import image_at
from naru.actions.request import Action
from naru.plan.context import Context
from naru.plan.kinds import step

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}

EMPTY = 1 << 20
"""Bytes of an image that stands in: zeroes, which every storage and Glance's inspector take for a raw disk."""


class MappedImage(Create):
    """An image whose property `block_device_mapping` is `mapping`, in which snapshots of the new cloud are named."""

    step_kind: ClassVar[str] = "move.mapped_image"

    mapping: list[dict[str, Any]]


@step("move.mapped_image", args=MappedImage, undo="cloud.delete", retry=RETRY, deadline=deadline)
def mapped_image(context: Context) -> dict[str, Any]:
    """Makes an image as `cloud.create` does, with `mapping` as the text that Nova reads its volumes from."""

    def mapped(args: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"block_device_mapping": json.dumps(args["mapping"])}

    return make(context, mapped)


class NamedSnapshots(Action):
    """The property `block_device_mapping` of the image `image` on `cloud`: `mapping`, in which snapshots of that cloud
    are named."""

    step_kind: ClassVar[str] = "move.image_mapping"

    image: Id
    mapping: list[dict[str, Any]]


@step("move.image_mapping", args=NamedSnapshots, no_undo="it goes with its image", retry=RETRY, deadline=deadline)
def image_mapping(context: Context) -> dict[str, Any]:
    """Gives an image the property `block_device_mapping`, as the text that Nova reads its volumes from."""
    args = resolve(context.args, context.results(), context)
    text = json.dumps(args["mapping"])
    change = [{"op": "add", "path": "/block_device_mapping", "value": text}]
    new = cloud(context, args["cloud"])
    new.request("image", "PATCH", f"/images/{args['image']}", body=change, headers=PATCH)
    return {"mapping": text}


class EmptyData(Action):
    """`size` bytes of zeroes for the image `to` on `cloud`."""

    step_kind: ClassVar[str] = "move.empty_image"

    to: Id
    size: int


@step("move.empty_image", args=EmptyData, no_undo="the data goes with its image", retry=RETRY, deadline=DEADLINE)
def empty_image(context: Context) -> dict[str, Any]:
    """Fills the image `to` on `cloud` with `size` bytes of zeroes, unless that is done."""
    args = resolve(context.args, context.results(), context)
    new = cloud(context, args["cloud"])
    if image_at(new, args["to"])["status"] == "queued":
        headers = {"Content-Type": "application/octet-stream"}
        new.request("image", "PUT", f"/images/{args['to']}/file", data=bytes(args["size"]), headers=headers)
    found = image_at(new, args["to"])
    return {"size": found.get("size"), "status": found["status"]}
