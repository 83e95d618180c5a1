"""What has changed on both clouds since a move was planned: they are read again, and compared with the readings that
the plan stands on.

What was made since is in no step of the plan. What is gone leaves steps that could only fail. What changed otherwise
arrives as it was when it was planned. All of it is told, before anything is done.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from naru.inventory.compare import comparable
from naru.inventory.rows import Row
from naru.move.decisions import Decision
from naru.move.facts import Side
from naru.move.kind import Kind
from naru.move.kinds import BY_NAME, port
from naru.move.kinds.neutron import is_services
from naru.move.left import by_operator
from naru.move.verify import view

What = Literal["new", "gone", "changed"]

PARENTS = {
    "key pair": "user",
    "group membership": "group",
    "port forwarding": "floating IP",
    "image member": "image",
}
"""Kinds without a project whose things belong to another thing of the move: to what."""
OF_MATCHED = frozenset(("key pair", "group membership"))
"""Those of them that are moved also where the new cloud has the other thing already."""
PARTS = {
    "security group": "security_group_rules",
    "server": "os-extended-volumes:volumes_attached",
    "trunk": "sub_ports",
    "QoS policy": "rules",
    "address group": "addresses",
}
"""Fields with parts that are made one by one: one more is something new."""
OURS = "naru-"
"""How the names begin of what a move makes on the old cloud for a while."""
# kinds of such things
FOR_A_WHILE = frozenset(("snapshot", "volume", "image"))


class Change(NamedTuple):
    """Something that is not as it was when the move was planned. `field` is "" for a whole thing. A field that is
    `new` has parts (`new`) that it had not, and that no step of the plan makes."""

    what: What
    cloud: str
    kind: str
    id: str
    name: str
    project: str
    field: str = ""
    old: Any = None
    new: Any = None


@dataclass(frozen=True)
class Known:
    """What a plan stands on: the `old` cloud and the `new` one as they were, its `decisions`, the `projects` (old ids)
    that count, those of them whose window has `begun`, the ids of what steps have `made` so far, and the kinds that are
    `unread` now."""

    old: Side
    new: Side
    decisions: Collection[Decision]
    projects: Collection[str]
    begun: Collection[str] = ()
    made: Collection[str] = ()
    unread: Collection[str] = ()


def changes(known: Known, old: Side, new: Side) -> Iterator[Change]:
    """What of the `known` is another thing on both clouds as they are now: first what is new, then what is gone, then
    what changed, of the old cloud; then what was matched and is gone or changed on the new one."""
    mine = {(one.kind, one.id): one for one in known.decisions}
    yield from _new(known, old, mine)
    for decision in known.decisions:
        if _counts(known, decision):
            yield from _old(known, old, decision)
    for decision in known.decisions:
        if decision.decision == "match" and decision.new and _counts(known, decision):
            yield from _matched(known, new, decision)


def _counts(known: Known, decision: Decision) -> bool:
    """Whether it is of a project that counts, or of none of the move's. What becomes of a thing that its operator left
    behind is no matter."""
    if by_operator(decision.why):
        return False
    return not decision.project or decision.project in known.projects or decision.kind == "project"


def _new(known: Known, old: Side, mine: Mapping[tuple[str, str], Decision]) -> Iterator[Change]:
    for kind in BY_NAME.values():
        if kind.name in known.old.unread or kind.name in old.unread or kind.name in known.unread:
            continue  # it was not read, now or then
        before = known.old.all(kind.name)
        for row in old.all(kind.name).values():
            if row.id in before or not _is_ours(known, kind, row, mine):
                continue
            yield Change("new", old.cloud, kind.name, row.id, row.name, row.project)


def _is_ours(known: Known, kind: Kind, row: Row, mine: Mapping[tuple[str, str], Decision]) -> bool:
    """Whether a plan that was made now would be about the thing, which is not one that the move has made itself."""
    if row.id in known.made or (kind.name in FOR_A_WHILE and row.name.startswith(OURS)):
        return False
    if parent := PARENTS.get(kind.name):
        found = (mine.get((parent, identity)) for _, target, identity in row.references() if target == parent)
        moved = ("create", "match") if kind.name in OF_MATCHED else ("create",)
        return any(one is not None and one.decision in moved and _counts(known, one) for one in found)
    if not kind.owned or row.project not in known.projects:
        return False
    return kind is not port.KIND or not is_services(row) or row.body.get("device_owner") in port.INTERFACES


def _old(known: Known, old: Side, decision: Decision) -> Iterator[Change]:
    before = known.old.all(decision.kind).get(decision.id)
    if before is None or decision.decision == "match" or decision.kind in old.unread or decision.kind in known.unread:
        return
    about = (old.cloud, decision.kind, decision.id, decision.name, decision.project)
    now = old.all(decision.kind).get(decision.id)
    if now is None:
        yield Change("gone", *about)
        return
    if decision.project in known.begun:
        return  # the window itself changes it: addresses leave, servers are stopped
    kind = BY_NAME[decision.kind]
    part = PARTS.get(kind.name, "")
    if part and (more := _more(before.body.get(part) or [], now.body.get(part) or [])):
        yield Change("new", *about, part, None, more)
    for name, one, other in _differing(kind, known.old, before, old, now):
        yield Change("changed", *about, name, one, other)


def _more(before: list[Any], now: list[Any]) -> list[Any]:
    """The parts that are there now and were not."""
    had = {_key(item) for item in before}
    return [item for item in now if _key(item) not in had]


def _key(item: Any) -> str:
    if isinstance(item, dict):
        return str(item.get("id") or item.get("port_id") or sorted(item.items()))
    return str(item)


def _differing(kind: Kind, was: Side, before: Row, side: Side, now: Row) -> Iterator[tuple[str, Any, Any]]:
    """The fields that a move has to do with, and a server's status, that are not what they were."""
    expected = view(kind, was, before, _as_it_is) | kind.after_cutover(was, before, _as_it_is)
    actual = view(kind, side, now, _as_it_is) | kind.after_cutover(side, now, _as_it_is)
    for name in sorted(expected.keys() | actual.keys()):
        one, other = expected.get(name), actual.get(name)
        if comparable(name, one, kind.ordered) != comparable(name, other, kind.ordered):
            yield name, one, other


def _matched(known: Known, new: Side, decision: Decision) -> Iterator[Change]:
    before, now = (side.all(decision.kind).get(decision.new) for side in (known.new, new))
    about = (new.cloud, decision.kind, decision.new, decision.name, decision.project)
    if before is None or decision.kind in new.unread or decision.kind in known.unread:
        return
    if now is None:
        yield Change("gone", *about)
        return
    for name, one, other in _differing(BY_NAME[decision.kind], known.new, before, new, now):
        yield Change("changed", *about, name, one, other)


def _as_it_is(kind: str, identity: Any) -> Any:
    return identity
