"""A project on two clouds, field by field; and what a cloud has that it had not."""

from dataclasses import dataclass
from typing import Any

from .api import Item, Rest
from .difference import differences
from .pairs import Side, label, pair
from .read import Cloud, snapshot
from .scope import SHARED, belonging, made_by_a_service
from .shape import shape


@dataclass(frozen=True)
class Mismatch:
    """What is not as it was. `field` is a path, or "" for a thing that is not there (`new` is None) or that is too
    much (`old` is None, and `old_id` is "")."""

    kind: str
    name: str
    old_id: str
    field: str
    old: Any
    new: Any


def project(old: Rest | Cloud, new: Rest | Cloud, old_project_id: str) -> list[Mismatch]:
    """Every difference between a project of the old cloud and its counterpart on the new one.

    A cloud is an administrator's REST or a snapshot of it. After a cut-over the old cloud has changed (servers
    stopped, addresses released): then its snapshot from before the move is what to compare with. References to what
    the project does not own (a shared network, somebody else's image, a user's default project) are followed too.
    """
    before, after = (cloud if isinstance(cloud, dict) else snapshot(cloud) for cloud in (old, new))
    pairs = pair(before, after)
    sides = Side(before, pairs), Side(after, None)
    new_project_id = pairs["project"].get(old_project_id)
    ours = belonging(before, old_project_id)
    theirs = belonging(after, new_project_id) if new_project_id else {}
    found: list[Mismatch] = []
    for kind in sorted(ours):
        for identity in sorted(ours[kind]):
            item = before[kind][identity]
            other = pairs[kind].get(identity)
            if other is None:
                found.append(Mismatch(kind, _name(kind, item, sides[0]), identity, "", item, None))
                continue
            mine = shape(kind, item, before, old_project_id, sides[0].translate)
            its = shape(kind, after[kind][other], after, new_project_id, sides[1].translate)
            found += [
                Mismatch(kind, _name(kind, item, sides[0]), identity, *difference)
                for difference in differences(kind, mine, its)
                if not _of_other_types(kind, difference[0], pairs, after)
            ]
    for kind in sorted(set(theirs) - SHARED):
        known = set(pairs.get(kind, {}).values())
        for identity in sorted(theirs[kind] - known):
            item = after[kind][identity]
            found.append(Mismatch(kind, _name(kind, item, sides[1]), "", "", None, item))
    return found


def _of_other_types(kind: str, path: str, pairs: dict[str, dict[str, str]], after: Cloud) -> bool:
    """A volume type that only the new cloud has also has limits, of which the old one could say nothing."""
    if kind != "volume_quota" or not path.startswith("of type."):
        return False
    name = path.removeprefix("of type.").partition(" ")[2]
    paired = set(pairs["volume_type"].values())
    return any(item["name"] == name and identity not in paired for identity, item in after["volume_type"].items())


def _name(kind: str, item: Item, side: Side) -> str:
    """What a human calls it: by its parts where it has no name of its own."""
    if kind == "role_assignment":
        named = {one["id"]: one["name"] for part in ("role", "user", "group") for one in side.cloud[part].values()}
        who = item["user"] if "user" in item else item["group"]
        return " ".join([*(str(named.get(one["id"], one["id"])) for one in (item["role"], who)), *item["scope"]])
    for parent, field in (("security_group", "security_group_id"), ("server", "serverId"), ("server", "server_id")):
        if kind != parent and field in item and item[field] in side.cloud[parent]:
            volume = side.cloud["volume"].get(item.get("volumeId", ""))
            own = label(kind, item) or (label("volume", volume) if volume else item.get("mac_addr", ""))
            return f"{label(parent, side.cloud[parent][item[field]])}: {own}"
    return label(kind, item)


def leftovers(rest: Rest | None, before: Cloud, after: Cloud | None = None) -> dict[str, list[Item]]:
    """What a cloud has after that it had not before, by kind: everything of all projects and of none.

    `before` is a snapshot; `after` another, or the cloud is read. What Neutron makes and keeps on its own, once
    somebody looked, is not counted: the group `default` of no project.
    """
    if after is None:
        if rest is None:
            raise ValueError("either the cloud or a snapshot of it is needed")
        after = snapshot(rest)
    found = {}
    for kind, items in after.items():
        more = [
            item
            for identity, item in items.items()
            if identity not in before.get(kind, {}) and not _kept_by_neutron(kind, item, after)
        ]
        if more:
            found[kind] = more
    return found


def _kept_by_neutron(kind: str, item: Item, cloud: Cloud) -> bool:
    if kind == "security_group_rule":
        group = cloud["security_group"].get(item["security_group_id"])
        return group is not None and made_by_a_service("security_group", group)
    return kind == "security_group" and made_by_a_service(kind, item)
