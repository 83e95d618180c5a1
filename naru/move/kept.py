"""What a plan keeps, thing by thing, and each reason why something is not as it was: before anything happens."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from naru.messages import Text
from naru.move.decisions import Decision, FieldChange
from naru.move.kind import NOTHING


class Tally(NamedTuple):
    """How many things are kept as they are; have a value that is another on the new cloud; have one that is not kept;
    are left on the old cloud. Each is counted once, by the last of these that is true of it."""

    kept: int
    mapped: int
    not_kept: int
    left: int


class Reason(NamedTuple):
    """Why a field of things of a kind is not as it was (`lost` when the new cloud has nothing in its place), and what
    these are called."""

    lost: bool
    kind: str
    field: str
    why: Text
    names: list[str]


def lost(change: FieldChange) -> bool:
    """Whether the new cloud has nothing in place of what there was."""
    return change.new in NOTHING and change.old not in NOTHING


def tally(decisions: Iterable[Decision]) -> Tally:
    """Of all things that a plan has decided about."""
    found = dict.fromkeys(Tally._fields, 0)
    for one in decisions:
        found[_standing(one)] += 1
    return Tally(**found)


def _standing(one: Decision) -> str:
    if one.decision == "leave":
        return "left"
    if any(lost(change) for change in one.changes):
        return "not_kept"
    return "mapped" if one.changes else "kept"


def reasons(decisions: Collection[Decision]) -> list[Reason]:
    """Those of one kind, field and reason together; what is lost first."""
    found: dict[tuple[bool, str, str, Text], list[str]] = {}
    for one in decisions:
        for change in one.changes:
            found.setdefault((lost(change), one.kind, change.field, change.why), []).append(one.name or one.id)
    return [Reason(*key, names) for key, names in sorted(found.items(), key=lambda item: not item[0][0])]
