"""What people call a thing in a finding: a name, and never an id where any name is known."""

from collections.abc import Iterator

from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.move.facts import Side

SHARED = ("network", "QoS policy", "security group", "address scope", "subnet pool", "address group")
"""What RBAC policies share; its id is in their `object_id`."""


def called(side: Side, row: Row) -> str:
    """Its own name. A thing that only joins others (a member, an assignment, a quota) is called by theirs, a port by
    its network and addresses, a snapshot or backup also by its volume; what has none of these by its id."""
    kind = BY_NAME[row.kind]
    if row.kind in ("snapshot", "backup"):
        volume = side.all("volume").get(str(row.body.get("volume_id")))
        return f"{row.name or row.id} ({volume.name or volume.id})" if volume else row.name or row.id
    joins = kind.title in kind.references or set(kind.key) <= kind.references.keys()
    if row.name and not joins:
        return row.name
    names = [*_names(side, row), *_addresses(row)]
    return " / ".join(dict.fromkeys(names)) or row.name or row.id


def name_of(side: Side, kind: str, identity: str) -> str:
    """What the thing of that id is called; the id itself when the cloud has no such thing."""
    row = side.all(kind).get(identity)
    return called(side, row) if row else identity


def _names(side: Side, row: Row) -> Iterator[str]:
    """Of the things that it joins. Whose it is says nothing of a thing with an id of its own."""
    kind = BY_NAME[row.kind]
    owner = {"project_id"} if kind.key == ("id",) else set()
    wanted = {"network_id"} if row.kind == "port" else kind.references.keys() - owner
    if row.kind == "RBAC policy":
        for shared in SHARED:
            yield from _named(side, shared, str(row.body.get("object_id")))
    for path, named, identity in row.references():
        if path in wanted:
            yield from _named(side, named, identity)


def _named(side: Side, kind: str, identity: str) -> Iterator[str]:
    row = side.all(kind).get(identity) if kind in BY_NAME else None
    if row and row.name:
        yield row.name


def _addresses(row: Row) -> Iterator[str]:
    for one in row.body.get("fixed_ips") or ():
        yield str(one.get("ip_address", ""))
