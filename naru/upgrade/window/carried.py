"""What a new message queue has to be given of the old one, so that all who use that are let in."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from naru.errors import NaruError
from naru.site import rabbitmq
from naru.upgrade.check.programs import RABBITMQ, removed, version_of

BEFORE_3_6 = "rabbit_password_hashing_md5"
"""How passwords are kept of which it is not said."""


class Carried(NamedTuple):
    """What is made on a queue, as paths of its API with what is put there, in order; and, in words, what is not."""

    made: list[tuple[str, dict[str, Any]]]
    told: list[str]


def carried(old: Mapping[str, Any], new: Mapping[str, Any], vhosts: Collection[str]) -> Carried:
    """What the new queue has to be given so that all who use these virtual hosts of the old one are let in: by their
    definitions (GET /api/definitions). Passwords are carried as their hashes. What is there already is left as it
    is."""
    quote = rabbitmq.quoted
    made: list[tuple[str, dict[str, Any]]] = []
    told: list[str] = []
    of_vhosts = {one["name"]: one for one in old["vhosts"]}
    for vhost in vhosts:
        if vhost not in of_vhosts:
            told.append(f"there is no virtual host {vhost}")
        elif vhost not in {one["name"] for one in new["vhosts"]}:
            made.append((f"vhosts/{quote(vhost)}", _of_vhost(of_vhosts[vhost])))
    rights = [one for one in old["permissions"] if one["vhost"] in vhosts]
    wanted = {one["user"] for one in rights}
    there = {one["name"]: one for one in new["users"]}
    for user in old["users"]:
        if user["name"] not in wanted:
            told.append(f"the user {user['name']} has no right in these virtual hosts: it is not made")
        elif user["name"] in there:
            if there[user["name"]].get("password_hash") != user.get("password_hash"):
                told.append(f"the user {user['name']} is there, perhaps with another password, and is left as it is")
        else:
            if user.get("limits"):
                told.append(f"the limits of the user {user['name']} are not set")
            given = {"tags": _listed(user.get("tags", "")), "password_hash": user.get("password_hash", "")}
            given["hashing_algorithm"] = user.get("hashing_algorithm", BEFORE_3_6)
            made.append((f"users/{quote(user['name'])}", given))
    for kind in ("permissions", "topic_permissions"):
        name = kind.replace("_", "-")  # as the path has it
        fixed = ("vhost", "user", *(["exchange"] if kind == "topic_permissions" else []))
        have = {tuple(one[key] for key in fixed): one for one in new.get(kind, ())}
        for one in old.get(kind, ()):
            if one["vhost"] not in vhosts or one["user"] not in wanted:
                continue
            there_now = have.get(tuple(one[key] for key in fixed))
            if there_now is not None:
                if there_now != one:
                    told.append(f"the {name} of {one['user']} in {one['vhost']} are others there, and are left")
            else:
                given = {key: value for key, value in one.items() if key not in ("vhost", "user")}
                made.append((f"{name}/{quote(one['vhost'])}/{quote(one['user'])}", given))
    policies, refused = _policies(old, new, vhosts)
    others = [one for one in old.get("parameters", ()) if one.get("vhost") in vhosts]
    told += refused
    told += [f"the parameter {one['component']} {one['name']} of {one['vhost']} is not made" for one in others]
    return Carried([*made, *policies], told)


def _of_vhost(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a virtual host says of itself."""
    said = {**one.get("metadata", {}), **one}
    found = {"description": said.get("description"), "tags": _listed(said.get("tags") or "")}
    if said.get("default_queue_type") != "undefined":
        found["default_queue_type"] = said.get("default_queue_type")
    return {key: value for key, value in found.items() if value}


def _listed(tags: Any) -> str:
    """Tags as all versions take them."""
    return tags if isinstance(tags, str) else ",".join(tags)


def _policies(
    old: Mapping[str, Any], new: Mapping[str, Any], vhosts: Collection[str]
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """The policies by what the new version takes."""
    said = str(new.get("rabbit_version") or new.get("rabbitmq_version") or "")
    if not (version := version_of(said)):
        raise NaruError(f"RabbitMQ does not say its version: {said!r}")  # what it refuses is not known
    gone = {key for one in removed(RABBITMQ, version) for key in one.keys}
    there = {(one["vhost"], one["name"]): one for one in new.get("policies", ())}
    made, told = [], []
    for one in old.get("policies", ()):
        if one["vhost"] not in vhosts:
            continue
        name = f"the policy {one['name']} of {one['vhost']}"
        kept = {key: value for key, value in one["definition"].items() if key not in gone}
        given = {**{key: one[key] for key in ("pattern", "priority", "apply-to") if key in one}, "definition": kept}
        if left := [key for key in one["definition"] if key in gone]:
            told.append(f"{name}: RabbitMQ {version} has no {', '.join(left)}")
        if now := there.get((one["vhost"], one["name"])):
            if any(now.get(key) != value for key, value in given.items()):
                told.append(f"{name} is another one there, and is left as it is")
        elif kept:
            made.append((f"policies/{rabbitmq.quoted(one['vhost'])}/{rabbitmq.quoted(one['name'])}", given))
    return made, told
