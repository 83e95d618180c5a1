"""Which projects stand on things of which others, from what the rows of the inventory name, and who moves with whom.

A project needs another one when something of it names something of that one: its ports a shared network, its servers an
image, its security groups a group. Whom a thing is shared with, or belongs to, is no need.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from naru.inventory.kinds import KINDS
from naru.inventory.rows import Row
from naru.move.facts import Side

# where a volume or a backup once came from is a remark: nothing of it stands on that any more
REMARKS = frozenset(
    (
        *(("volume", "snapshot_id"), ("volume", "source_volid"), ("volume", "volume_image_metadata.image_id")),
        *(("backup", "volume_id"), ("backup", "snapshot_id")),
    )
)
# an address leaves the old cloud before the gateway it is behind does, and comes to the new one after it: neither
# project can be cut over without the other
BOTH_WAYS = frozenset(
    (("floating IP", "port_id"), ("floating IP", "router_id"), ("port forwarding", "internal_port_id"))
)


@dataclass(frozen=True, order=True)
class Dependency:
    """`project` needs `needs` (ids): `count` times for the same reason, `why` in words."""

    project: str
    needs: str
    why: str
    count: int

    def text(self, names: Mapping[str, str]) -> str:
        """`hanok-lab needs hanok: port, network office (3)`; `names` are the projects' by id."""
        times = f" ({self.count})" if self.count > 1 else ""
        return f"{names[self.project]} needs {names[self.needs]}: {self.why}{times}"


def dependencies(old: Side, projects: Collection[str]) -> list[Dependency]:
    """What the projects need of one another, sorted."""
    rows = (row for kind in KINDS if kind.references for row in old.all(kind.name).values())
    found = Counter(need for row in rows for need in _needs(old, projects, row))
    return sorted(Dependency(*need, count) for need, count in found.items())


def _needs(old: Side, projects: Collection[str], row: Row) -> Iterator[tuple[str, str, str]]:
    """(project, the one it needs, why) for everything of another project that the row names."""
    if row.project not in projects:
        return
    for path, kind, identity in row.references():
        if kind == "project" or (row.kind, path) in REMARKS:
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


def needed(dependencies: Iterable[Dependency]) -> dict[str, set[str]]:
    """By project: those that it needs."""
    found: dict[str, set[str]] = {}
    for dependency in dependencies:
        found.setdefault(dependency.project, set()).add(dependency.needs)
    return found


def left_out(projects: Iterable[str], needs: Mapping[str, Collection[str]], over: Collection[str]) -> set[str]:
    """Those that the projects need, however far round, and that are neither among them nor `over`."""
    found = set(projects)
    stack = list(found)
    given = frozenset(found)
    while stack:
        new = set(needs.get(stack.pop(), ())) - found - set(over)
        found |= new
        stack += new
    return found - given


def together(projects: Iterable[str], needs: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """The projects in groups that have to be cut over together, since each of a group needs every other in the end;
    a group comes after all those that it needs. (Tarjan's strongly connected components.)"""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    groups: list[tuple[str, ...]] = []
    for start in sorted(projects):
        # a stack of its own and no recursion: a chain of projects may be longer than Python's
        path: list[tuple[str, Iterator[str]]] = []
        following: str | None = start if start not in order else None
        while following is not None or path:
            if following is not None:
                order[following] = low[following] = len(order)
                stack.append(following)
                waiting.add(following)
                path.append((following, iter(sorted(needs.get(following, ())))))
            here, rest = path[-1]
            following = None
            for other in rest:
                if other not in order:
                    following = other
                    break
                if other in waiting:
                    low[here] = min(low[here], order[other])
            if following is not None:
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[here])
            if low[here] == order[here]:
                place = stack.index(here)
                groups.append(tuple(sorted(stack[place:])))
                waiting.difference_update(stack[place:])
                del stack[place:]
    return groups
