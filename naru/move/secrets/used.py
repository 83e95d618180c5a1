"""Who names a secret by its old reference: images and volumes that the move has made get the new one. Listeners of load
balancers have theirs set where they are made."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from naru.cloud.client import Cloud, CloudError
from naru.inventory.elsewhere import last_part
from naru.move.facts import Side
from naru.move.work import Work

NAMES = ("img_signature_certificate_uuid", "cinder_encryption_key_id")
"""Properties of images, and of volumes that were made of them, that name a secret by its id."""
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
R = TypeVar("R")


def set_again(move: Work, references: Mapping[str, str], row: Callable[..., R]) -> Iterator[R]:
    """Puts the new ids into what is on the new cloud already, as its administrator; a row (of `row`) for each thing and
    property. What has another value by now is left alone."""
    ids = {last_part(old): last_part(new) for old, new in references.items()}
    wanted = list(_wanted(move, ids))
    if not wanted:
        return
    made = move.made()
    with Cloud(move.new) as cloud:
        for kind, old, name, project, values in wanted:
            new = made.get(f"{kind} {old}", "")
            if not new:
                continue  # not made yet: set by the next call
            called = move.called.get(project, "")
            try:
                done = _SET[kind](cloud, new, values, ids)
            except CloudError as error:
                why = f"{', '.join(values)}: {' '.join(str(error).split())}"
                yield row(kind, name, called, old, new, "", "failed", why)
            else:
                if done:
                    yield row(kind, name, called, old, new, "", "set again", ", ".join(done))


def _wanted(move: Work, ids: Mapping[str, str]) -> Iterator[tuple[str, str, str, str, dict[str, str]]]:
    """(kind, old id, name, project, property: secret) of all that is made and names one of the secrets."""
    with move.archive() as archive:
        side = Side(archive, move.snapshots["old"], move.old)
        for one in move.decisions:
            if one.kind not in _SET or one.decision != "create":
                continue
            body = side.all(one.kind)[one.id].body
            properties = body if one.kind == "image" else body.get("volume_image_metadata") or {}
            values = {name: str(properties[name]) for name in NAMES if properties.get(name) in ids}
            if values:
                yield one.kind, one.id, one.name, one.project, values


def _image(cloud: Cloud, new: str, values: Mapping[str, str], ids: Mapping[str, str]) -> list[str]:
    there = cloud("image", "GET", f"/images/{new}")
    stale = [name for name, value in values.items() if there.get(name) == value]
    if stale:
        body = [{"op": "replace", "path": f"/{name}", "value": ids[values[name]]} for name in stale]
        cloud("image", "PATCH", f"/images/{new}", body, headers=PATCH)
    return stale


def _volume(cloud: Cloud, new: str, values: Mapping[str, str], ids: Mapping[str, str]) -> list[str]:
    there = cloud("block-storage", "GET", f"/volumes/{new}")["volume"].get("volume_image_metadata") or {}
    stale = [name for name, value in values.items() if there.get(name) == value]
    if stale:
        body = {"os-set_image_metadata": {"metadata": {name: ids[values[name]] for name in stale}}}
        cloud("block-storage", "POST", f"/volumes/{new}/action", body)
    return stale


_SET: Mapping[str, Callable[[Cloud, str, Mapping[str, str], Mapping[str, str]], list[str]]] = {
    "image": _image,
    "volume": _volume,
}
