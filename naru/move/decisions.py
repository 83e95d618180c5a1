"""What becomes of every thing of the old cloud, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from naru.messages import Text, dump, load


@dataclass(frozen=True)
class FieldChange:
    """A field of a thing that is not on the new cloud what it was on the old, and why."""

    field: str
    old: Any
    new: Any
    why: Text


Decided = Literal["create", "match", "leave"]
"""What may become of a thing."""


@dataclass(frozen=True)
class Decision:
    """What becomes of one thing: `create` (a step makes it), `match` (the new cloud has it already) or `leave` (it is
    not moved). `new` is the id of what it was matched with, `step` the step that makes it, `result` where its id is in
    the result of that step: one step makes a load balancer with all that is in it."""

    kind: str
    id: str
    name: str
    project: str
    decision: Decided
    why: Text
    new: str = ""
    step: str = ""
    changes: tuple[FieldChange, ...] = ()
    result: str = "id"

    def dump(self) -> dict[str, Any]:
        """The decision as JSON, which calls the changes `rules`."""
        raw = {**vars(self), "why": dump(self.why)}
        if self.result == "id":
            del raw["result"]
        raw["rules"] = [{**vars(change), "why": dump(change.why)} for change in raw.pop("changes")]
        return raw

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> "Decision":
        """What `dump` gave."""
        fields = {**raw, "why": load(raw["why"])}
        changes = tuple(FieldChange(**{**one, "why": load(one["why"])}) for one in fields.pop("rules"))
        return cls(**fields, changes=changes)
