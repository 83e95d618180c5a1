"""One flaw at a time in a cloud that was read: what an oracle has to find."""

from collections.abc import Iterator
from typing import Any

from .api import Item
from .compare import project
from .read import Cloud
from .scope import belonging
from .shape import is_unequal

Path = tuple[Any, ...]
Flaw = tuple[str, str, Path, Any]  # kind, id, path, the value before

# what a flaw cannot be told from, and why
EXCUSED = {
    ("image", "virtual_size"): "older Glances do not know it",
    ("image", "os_hash_algo"): "older Glances do not know it",
    ("image", "os_hash_value"): "older Glances do not know it",
    ("network", "provider:segmentation_id"): "of a tunnel, which is the cloud's own matter",
    ("network", "provider:network_type"): "of a tunnel, which is the cloud's own matter",
    ("port", "device_owner"): "after `compute:` an availability zone",
    ("volume", "metadata.readonly"): "whatever is not true is no",
    ("backup", "container"): "made of the backup's id",
}
_OTHER_LISTS = {
    "allowed_address_pairs": [{"ip_address": "10.0.0.99", "mac_address": "fa:16:3e:00:00:99"}],
    "attachments": [{"server_id": "another", "device": "/dev/vdz"}],
    "fixed_ips": [{"subnet_id": "another", "ip_address": "10.0.0.99"}],
}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value inside a value that holds no others, with the way to it; empty lists and dictionaries too."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in parts:
        yield from leaves(one, (*path, key))
    if not isinstance(value, (dict, list)) or not value:
        yield path, value


def other(value: Any, field: Any = "") -> Any:
    """Another value, as near as possible: True for False, "" for null, null for ""."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x" if value else None
    return _OTHER_LISTS.get(field, ["x"]) if isinstance(value, list) else {"x": "x"}


def put(item: Any, path: Path, value: Any) -> None:
    """Sets what is at `path` inside `item`."""
    for key in path[:-1]:
        item = item[key]
    item[path[-1]] = value


def dotted(path: Path) -> str:
    """A path as the tables of fields write it."""
    text = ""
    for key in path:
        text += "[]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def flaws(items: dict[str, list[Item]], cloud: Cloud) -> Iterator[Flaw]:
    """Every field of `items`, but for those of which a table says why they cannot count."""
    for kind, some in items.items():
        for item in some:
            identity = next(one for one, this in cloud[kind].items() if this is item)
            for path, value in list(leaves(item)):
                starts = [dotted(path[:length]) for length in range(1, len(path) + 1)]
                if path and not any(is_unequal(kind, start) or (kind, start) in EXCUSED for start in starts):
                    yield kind, identity, path, value


def owned(cloud: Cloud, project_id: str, most: int | None = None) -> dict[str, list[Item]]:
    """What belongs to a project, by kind: all of it, or the `most` things of each kind that say most."""
    return {
        kind: sorted((cloud[kind][one] for one in ids), key=lambda item: -len(str(item)))[:most]
        for kind, ids in belonging(cloud, project_id).items()
        if ids
    }


def unfound(before: Cloud, old_id: str, after: Cloud, found: Iterator[Flaw]) -> list[Flaw]:
    """The flaws that, put one at a time into `after`, make no mismatch. `after` is as it was afterwards."""
    missed = []
    for kind, identity, path, value in found:
        item = after[kind][identity]
        put(item, path, other(value, path[-1]))
        if not project(before, after, old_id):
            missed.append((kind, identity, path, value))
        put(item, path, value)
    return missed
