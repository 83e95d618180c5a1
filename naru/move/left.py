"""What of a move was left behind by its operator, as the journal has it, and what is said of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from naru.messages import Message, Text, message
from naru.move.decisions import Decision
from naru.move.draft import THING
from naru.plan import leaving
from naru.plan.journal import Journal

LEFT = message("move.left", en="left: {reason}", ko="남겨 둠: {reason}")
LEFT_WITH = message("move.left.with", en="left with {thing}: {reason}", ko="{thing}와(과) 함께 남겨 둠: {reason}")
WITHOUT = message(
    "move.left.without", en="made without {thing}, left: {reason}", ko="{thing} 없이 만듦. 남겨 둔 이유: {reason}"
)


class Key(NamedTuple):
    """A thing of the old cloud: its kind, and its id there."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    @classmethod
    def of(cls, text: str) -> "Key":
        """What `str` gave."""
        kind, _, identity = text.partition("/")
        return cls(kind, identity)


@dataclass(frozen=True)
class Asked:
    """That an operator has left a thing: what that is called, the reason, who it was, and when (seconds since 1970)."""

    name: str
    reason: str
    who: str
    at: float


@dataclass(frozen=True)
class Left:
    """What is left: the things that were `asked` for; those that go with them, each `along` with one of those; and what
    stays but is made `without` something of it, by the field."""

    asked: Mapping[Key, Asked] = field(default_factory=dict)
    along: Mapping[Key, Key] = field(default_factory=dict)
    without: Mapping[Key, Mapping[str, Key]] = field(default_factory=dict)

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> "Left":
        """What `dump` gave; of an empty mapping, nothing."""
        return cls(
            {Key.of(key): Asked(**asked) for key, asked in raw.get("asked", {}).items()},
            {Key.of(key): Key.of(root) for key, root in raw.get("along", {}).items()},
            {
                Key.of(key): {name: Key.of(other) for name, other in fields.items()}
                for key, fields in raw.get("without", {}).items()
            },
        )

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "asked": {str(key): vars(asked) for key, asked in self.asked.items()},
            "along": {str(key): str(root) for key, root in self.along.items()},
            "without": {
                str(key): {name: str(other) for name, other in fields.items()} for key, fields in self.without.items()
            },
        }

    @classmethod
    def of(cls, journal: Journal) -> "Left":
        """As it is now."""
        return cls.load(leaving.left_out(journal).things)

    @property
    def things(self) -> set[Key]:
        """Everything that is left."""
        return {*self.asked, *self.along}

    def __contains__(self, key: object) -> bool:
        return key in self.asked or key in self.along

    def root(self, key: Key) -> Key:
        """The thing that was asked for, with which this one is left."""
        return self.along.get(key, key)

    def reason(self, key: Key) -> str:
        """The operator's reason for what is left."""
        return self.asked[self.root(key)].reason

    def why(self, key: Key) -> Text:
        """What is said of a thing that is left."""
        if key in self.asked:
            return LEFT(reason=self.asked[key].reason)
        root = self.root(key)
        return LEFT_WITH(thing=THING(kind=root.kind, name=self.asked[root].name), reason=self.reason(key))

    def why_without(self, other: Key, name: str) -> Text:
        """What is said of a field that is not as it was because `other`, which is called so, is left."""
        return WITHOUT(thing=THING(kind=other.kind, name=name), reason=self.reason(other))

    def applied(self, decisions: Iterable[Decision]) -> list[Decision]:
        """The decisions, with those of what is left."""
        planned = list(decisions)
        if not self.asked:
            return planned
        return [
            replace(one, decision="leave", why=self.why(key)) if (key := Key(one.kind, one.id)) in self else one
            for one in planned
        ]


def by_operator(why: Text) -> bool:
    """Whether it is said of a thing that an operator has left."""
    return isinstance(why, Message) and why.id in (LEFT.id, LEFT_WITH.id)
