"""Which projects stand on things of which others, from what the rows of the inventory name.

A project needs another one when something of it names something of that one: its ports a shared network, its servers an
image, its security groups a group. Whom a thing is shared with, or belongs to, is no need.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from naru.inventory.kinds import KINDS
from naru.inventory.rows import Row
from naru.move import kinds as move_kinds
from naru.move.facts import Side
from naru.plan.windows.needs import UnitNeed

ORIGINS = frozenset((kind.name, path) for kind in move_kinds.KINDS for path in kind.origins)
BOTH_WAYS = frozenset((kind.name, path) for kind in move_kinds.KINDS for path in kind.both_ways)


def dependencies(old: Side, projects: Collection[str]) -> list[UnitNeed]:
    """What the projects need of one another, sorted."""
    rows = (row for kind in KINDS if kind.references for row in old.all(kind.name).values())
    found = Counter(need for row in rows for need in _needs(old, projects, row))
    return sorted(UnitNeed(*need, count) for need, count in found.items())


def _needs(old: Side, projects: Collection[str], row: Row) -> Iterator[tuple[str, str, str]]:
    """(project, the one it needs, why) for everything of another project that the row names."""
    if row.project not in projects:
        return
    for path, kind, identity in row.references():
        if kind == "project" or (row.kind, path) in ORIGINS:
            continue
        other = _find(old, kind, identity)
        if other is None or other.project == row.project or other.project not in projects:
            continue
        # a port names its server, but it is the server that needs the port
        user, used = (other, row) if kind == "device" else (row, other)
        yield user.project, used.project, f"{user.kind}, {used.kind} {used.name or used.id}"
        if (row.kind, path) in BOTH_WAYS:
            yield used.project, user.project, f"{used.kind}, {user.kind} {user.name or user.id}"


def _find(old: Side, kind: str, identity: str) -> Row | None:
    """The thing that is named; a device is a server or a router."""
    kinds = ("server", "router") if kind == "device" else (kind,)
    return next((row for name in kinds if (row := old.all(name).get(identity))), None)
