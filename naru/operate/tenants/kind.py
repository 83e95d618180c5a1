"""What is to be known of every kind of thing that a file declares."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOTHING: tuple[Any, ...] = (None, "")
"""What says nothing where a text is expected: services tell the two apart nowhere."""


@dataclass(frozen=True)
class Field:
    """A field of a thing. `default` is what it has where nobody said anything: not written by an export. One that is
    `fixed` cannot be changed once the thing is made; of one that is `unordered` the order says nothing. Where the
    service lacks the `extension`, or is older than `since` (a microversion), it does not have the field."""

    default: Any = None
    fixed: bool = False
    unordered: bool = False
    extension: str = ""
    since: str = ""

    def same(self, one: Any, other: Any) -> bool:
        """Whether two values are one."""
        return bool(self._plain(one) == self._plain(other))

    def sent(self, value: Any) -> Any:
        """The value in a request: no service takes null for a text."""
        return "" if value is None and self.default == "" else value

    def is_default(self, value: Any) -> bool:
        """Whether the value is what a thing has anyway."""
        return self.same(value, self.default)

    def _plain(self, value: Any) -> Any:
        if value in NOTHING:
            return None
        if isinstance(value, (list, tuple)):
            items = [json.dumps(item, sort_keys=True) for item in value]
            return sorted(items) if self.unordered else items
        return value


@dataclass(frozen=True)
class Kind:
    """A kind: `name` as the inventory calls it, where it is made (`path`), how requests have it (`wrap`), where it is
    listed (`listing`, `collection`), by which `method` it is changed."""

    name: str
    service: str
    path: str
    wrap: str
    collection: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    method: str = "PUT"
    listing: str = ""


TEXT = Field("")
