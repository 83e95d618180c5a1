"""What units need of one another, and which of them have to go together."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class UnitNeed:
    """`unit` needs `needs` (ids): `count` times for the same reason, `why` in words."""

    unit: str
    needs: str
    why: str
    count: int

    def text(self, names: Mapping[str, str]) -> str:
        """`hanok-lab needs hanok: port, network office (3)`; `names` are the units' by id."""
        times = f" ({self.count})" if self.count > 1 else ""
        return f"{names[self.unit]} needs {names[self.needs]}: {self.why}{times}"


def needed(needs: Iterable[UnitNeed]) -> dict[str, set[str]]:
    """By unit: those that it needs."""
    found: dict[str, set[str]] = {}
    for need in needs:
        found.setdefault(need.unit, set()).add(need.needs)
    return found


def left_out(units: Iterable[str], needs: Mapping[str, Collection[str]], over: Collection[str]) -> set[str]:
    """Those that the units need, however far round, and that are neither among them nor `over`."""
    found = set(units)
    stack = list(found)
    given = frozenset(found)
    while stack:
        new = set(needs.get(stack.pop(), ())) - found - set(over)
        found |= new
        stack += new
    return found - given


def together(units: Iterable[str], needs: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """The units in groups that have to go together, since each of a group needs every other in the end;
    a group comes after all those that it needs. (Tarjan's strongly connected components.)"""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    groups: list[tuple[str, ...]] = []
    for start in sorted(units):
        # a stack of its own and no recursion: a chain of units may be longer than Python's
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
