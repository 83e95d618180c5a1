"""Where the servers of a host fit, tried out on paper: what Nova's scheduler will decide is foreseen, not replaced.

Known are sizes, zones, server groups and required traits; of what else a scheduler looks at (aggregates' metadata,
NUMA, PCI devices) Nova has the last word when the server moves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from naru.messages import Text, message
from naru.operate.drain.facts import Server, Target

NO_HOST = message(
    "drain.room.no_host", en="no other host may take servers", ko="서버를 받을 수 있는 다른 호스트가 없습니다"
)
NO_ZONE = message(
    "drain.room.zone", en="no other host in the zone {zone}", ko="가용 영역 {zone}에 다른 호스트가 없습니다"
)
NO_TRAIT = message(
    "drain.room.trait",
    en="no other host has what it requires: {traits:list}",
    ko="필요한 특성이 있는 호스트가 없습니다: {traits:list}",
)
NO_GROUP = message(
    "drain.room.group",
    en="every host that could take it has another server of its group {group}, which are to be apart",
    ko="받을 수 있는 모든 호스트에 함께 있으면 안 되는 서버 그룹 {group}의 다른 서버가 있습니다",
)
NO_ROOM = message(
    "drain.room.full", en="no host has room: {lacks:list}", ko="자리가 있는 호스트가 없습니다: {lacks:list}"
)
APART = ("anti-affinity",)
_REQUIRED = "trait:"


class Placed(NamedTuple):
    """Where a server fits: on `host`, or, when that is "", why nowhere."""

    host: str
    why: Text = ""


def place(
    servers: Iterable[Server], targets: Sequence[Target], only: Collection[str] = (), rather_not: Collection[str] = ()
) -> Mapping[str, Placed]:
    """By server where it fits, the biggest first, each on the host with the most memory free; on those of `only`, if
    any are given, and on those of `rather_not` where no other one can take it."""
    free = {one.name: None if one.free is None else dict(one.free) for one in targets if not only or one.name in only}
    taken: dict[str, set[str]] = {}  # by host the groups of servers that were put there
    open_to = [one for one in targets if one.name in free]
    found = {}
    for server in sorted(servers, key=lambda one: (-one.memory, one.name, one.id)):
        fitting, why = _fitting(server, open_to, free, taken)
        if not fitting:
            found[server.id] = Placed("", why)
            continue
        fitting = [one for one in fitting if one.name not in rather_not] or fitting
        best = max(
            fitting, key=lambda one: ((free[one.name] or {}).get("MEMORY_MB", 0.0), -len(taken.get(one.name, ())))
        )
        left = free[best.name]
        if left is not None:
            for name, amount in server.needs.items():
                left[name] = left.get(name, 0.0) - amount
        if server.group:
            taken.setdefault(best.name, set()).add(server.group.id)
        found[server.id] = Placed(best.name)
    return found


def _fitting(
    server: Server,
    targets: list[Target],
    free: Mapping[str, dict[str, float] | None],
    taken: Mapping[str, set[str]],
) -> tuple[list[Target], Text]:
    """The hosts that can take it; where there are none, why: the first condition that leaves none."""
    if not targets:
        return [], NO_HOST()
    zone = server.zone if server.pinned is None else server.pinned
    left = [one for one in targets if not zone or one.zone == zone]
    if not left:
        return [], NO_ZONE(zone=zone)
    traits = {name.removeprefix(_REQUIRED) for name, value in server.specs.items() if _is_required(name, value)}
    left = [one for one in left if traits <= one.traits]
    if not left:
        return [], NO_TRAIT(traits=sorted(traits))
    group = server.group
    if group and group.policy in APART:
        others = {host for member, host in group.members.items() if member != server.id}
        left = [one for one in left if one.name not in others and group.id not in taken.get(one.name, ())]
        if not left:
            return [], NO_GROUP(group=group.name)
    lacks = {one.name: _lacking(server, free[one.name]) for one in left}
    fitting = [one for one in left if not lacks[one.name]]
    return fitting, "" if fitting else NO_ROOM(lacks=[f"{name}: {lack}" for name, lack in lacks.items()])


def _is_required(name: str, value: str) -> bool:
    return name.startswith(_REQUIRED) and value == "required"


def _lacking(server: Server, free: Mapping[str, float] | None) -> str:
    """What a host has too little of, as `MEMORY_MB 2048 of 4096`; "" for nothing. Of a host of which nothing is known
    nothing is missing."""
    if free is None:
        return ""
    return " ".join(
        f"{name} {max(0, int(free.get(name, 0)))} of {amount}"
        for name, amount in server.needs.items()
        if free.get(name, 0.0) < amount
    )
