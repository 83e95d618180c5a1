"""Verification: every thing of the archive against the new cloud, field by field.

Whatever differs is explained by a rule of the plan, or it is an error. References are compared by what they mean: the
old id of a network against the new id of that network's counterpart. What is compared of a kind, its declaration says.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from naru.inventory import kinds as inventory
from naru.inventory.compare import comparable
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.decisions import Decision
from naru.move.facts import Side
from naru.move.kind import NOTHING, OWN, Kind, Mapped
from naru.move.kinds import BY_NAME
from naru.move.left import Key, Left
from naru.move.outcome import Difference

PROJECT_ROLLED_BACK = message(
    "move.verify.project_rolled_back", en="its project was rolled back", ko="프로젝트의 이전을 되돌렸습니다"
)
JOINED_ROLLED_BACK = message(
    "move.verify.joined_rolled_back",
    en="a project that it joined was rolled back",
    ko="함께 쓰던 프로젝트의 이전을 되돌렸습니다",
)

NOTHING_LEFT = Left()


class Verifier:
    """Compares `old`, as it was, with `new`, as it is. `made` has the new id by kind and old id joined by a blank;
    `done` the projects (old ids) that are cut over, `final` those that are finalized, `rolled_back` those rolled back,
    `undone` the steps that joined these to others; `left` is what was left behind; `ran` which old servers (ids) ran
    when they were stopped, where that is known."""

    def __init__(
        self,
        old: Side,
        new: Side,
        made: Mapping[str, str],
        done: set[str],
        final: set[str],
        rolled_back: Collection[str] = (),
        undone: Collection[str] = (),
        left: Left = NOTHING_LEFT,
        ran: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self.old = old
        self.new = new
        self.made = made
        self.done = done
        self.final = final
        self.rolled_back = rolled_back
        self.undone = undone
        self._left = left
        # what has no id of its own is named by nothing: a quota has its project's
        self._left_ids = {key.id: key for key in left.things if inventory.BY_NAME[key.kind].key == ("id",)}
        self.ran = ran

    def differences(self, decision: Decision) -> Iterator[Difference]:
        """How the thing's counterpart differs from it. What is not there at all differs in the field ""."""
        row = self.old.all(decision.kind).get(decision.id)
        kind = BY_NAME[decision.kind]
        if row is None or decision.decision == "leave":
            return
        if decision.decision == "match":
            if decision.new not in self.new.all(kind.name):
                yield Difference("", row.name or row.id, None, "")
            return
        if kind.relation:
            return
        if decision.project in self.rolled_back:
            yield Difference("", row.name or row.id, None, PROJECT_ROLLED_BACK())
            return
        if decision.step in self.undone:
            yield Difference("", row.name or row.id, None, JOINED_ROLLED_BACK())
            return
        if kind.at_end and decision.project not in self.final:
            return
        counterpart = self.new.all(kind.name).get(self._counterpart(kind, decision, row))
        if counterpart is None:
            yield Difference("", row.name or row.id, None, "")
            return
        expected, actual = view(kind, self.old, row, self._map), view(kind, self.new, counterpart, _as_it_is)
        if decision.project in self.done:
            found = replace(row, status="ACTIVE" if self.ran[row.id] else "SHUTOFF") if row.id in self.ran else row
            expected |= kind.after_cutover(self.old, row, self._map) | kind.arrives(found)
            actual |= kind.after_cutover(self.new, counterpart, _as_it_is)
        for field in sorted(expected):
            nothing = expected[field] in (*NOTHING, *kind.harmless.get(field, ()))
            if field not in actual and (nothing or kind.says_nothing(field, expected[field])):
                continue
            if comparable(field, expected[field], kind.ordered) != comparable(field, actual.get(field), kind.ordered):
                old, new = expected[field], actual.get(field)
                yield Difference(field, old, new, self._why(decision, field, old) or kind.adjusted(field, old, new))

    def _counterpart(self, kind: Kind, decision: Decision, row: Row) -> str:
        if kind.counterpart is not None:
            return kind.counterpart(row, self._new)
        return self._new(kind.name, decision.id)

    def _new(self, kind: str, identity: Any) -> str:
        """The id of the counterpart, "" for what has none."""
        return self.made.get(f"{kind} {identity}", "")

    def _map(self, kind: str, identity: Any) -> Any:
        """The id of the counterpart; what has none stands for itself."""
        return self.made.get(f"{kind} {identity}", identity)

    def _why(self, decision: Decision, field: str, old: Any) -> Text:
        """Why the field differs from what was `old`; "" when nothing explains it."""
        missing = self._left.without.get(Key(decision.kind, decision.id), {}).get(field)
        if missing is None:
            missing = next((self._left_ids[one] for one in _texts(old) if one in self._left_ids), None)
        if missing is not None:
            row = self.old.all(missing.kind).get(missing.id)
            return self._left.why_without(missing, (row and (row.called or row.name)) or missing.id)
        planned = next((change.why for change in decision.changes if change.field == field), "")
        if field == "default_project_id" and self.old.all("user")[decision.id].body[field] in self.rolled_back:
            return PROJECT_ROLLED_BACK()
        return planned or BY_NAME[decision.kind].not_kept.get(field, "")


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)


def _as_it_is(kind: str, identity: Any) -> Any:
    return identity


def view(kind: Kind, side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """The thing in the fields that are to be the same on both clouds, with every id `mapped`."""
    leave = OWN | kind.derived | kind.not_compared
    body = {name: value for name, value in row.body.items() if name not in leave}
    for path, named in inventory.BY_NAME[row.kind].references.items():
        name, _, rest = path.partition(".")
        if name in body:
            body[name] = _put(body[name], rest, named, mapped)
    return body | kind.compared(side, row, mapped)


def _put(value: Any, path: str, kind: str, mapped: Mapped) -> Any:
    """The value with the ids at the path mapped."""
    if not path:
        return mapped(kind, value) if isinstance(value, str) and value else value
    step, _, rest = path.partition(".")
    if step == "*" and isinstance(value, list):
        return [_put(item, rest, kind, mapped) for item in value]
    if isinstance(value, dict) and step in value:
        return {**value, step: _put(value[step], rest, kind, mapped)}
    return value
