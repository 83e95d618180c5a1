"""A project made of traps: what the new cloud refuses, changes or does not have, what is easily lost without a word.

Each module is an area, with these names:

- `make(site)` makes its traps on the old cloud, and on the new one what lies in their way.
- `remove(site)` removes what it made that does not belong to the project.
- `MAP` is what the operator decides, as a map file has it.
- `WRONG` is what an operator might decide who knows no better, `REFUSED` what the plan then says: by the trap's name, a
  part of an error.
- `TOLD` is what the plan has to say of each trap: by the trap's name, a part of a finding or of a decision's reason.
- `explained(found)` says why a difference between the old thing and the new one is as it should be, or "".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from naru.lab.lab import Lab

from ...lab.scenario import Rest
from ..oracle import Mismatch

PROJECT = "traps"


@dataclass
class Site:
    """Both clouds, to their administrator, and the project on the old one; `old` acts in the project."""

    lab: Lab
    old: Rest
    new: Rest
    project: str
    user: str


class Area(Protocol):
    """A module of traps."""

    MAP: Mapping[str, Any]
    WRONG: Mapping[str, Any]
    REFUSED: Mapping[str, str]
    TOLD: Mapping[str, str]

    def make(self, site: Site) -> None: ...

    def remove(self, site: Site) -> None: ...

    def explained(self, found: Mismatch) -> str: ...
