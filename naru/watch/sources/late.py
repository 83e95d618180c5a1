"""What comes late: stores give entries in the order of when they were written, and some of them come after later ones.

The last minute is read again each time. What of it was counted is known by its identity.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Self

OVERLAP = 60.0
"""Seconds that an entry may come late by."""


@dataclass
class Cursor:
    """`newest` is when the newest entry was written that was counted, and `begin` from when on it is to be read, both
    in seconds since 1970; `seen` those that were counted, by identity with when they were written, of the time that is
    read again; `after` is where a page ended that more follow, and None where all was read."""

    newest: float
    begin: float
    seen: dict[str, float] = field(default_factory=dict)
    after: Any = None

    @classmethod
    def read(cls, text: str, begin: float) -> Self:
        """Of the text that is kept; "" for one that begins at a moment."""
        return cls(**json.loads(text)) if text else cls(begin, begin)

    def text(self, held: float | None = None) -> str:
        """To be kept, with what nobody will give again forgotten. `held` is when the first entry was written that was
        not counted yet."""
        begin = self.newest - OVERLAP
        self.begin = max(self.begin, begin if held is None else min(begin, held))
        self.seen = {one: moment for one, moment in self.seen.items() if moment >= self.begin}
        return json.dumps(vars(self))
