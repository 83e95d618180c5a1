"""What a check of a cloud before its upgrade has found, and where the cloud stands and goes."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from naru.releases import release

State = Literal["blocks", "on the way", "right", "later", "unknown", "warns", "unseen"]
"""`blocks`: to be cured before the way is begun. `on the way`: the online data migrations of a release on it do it.
`later`: the release that runs has no such column or table yet, so that it is looked for once it has. `unknown`: it
could not be found out. `warns`: to be read, the code goes on with it. Of services' own checks alone, `unseen`: what
looks for it cannot do that in a rehearsal, or there was none."""


class Finding(NamedTuple):
    """What was found of one thing. `release` is the one whose code does not go on with it, or that is the first without
    the code that changes it; `where` is a schema, a group of hosts, or a program; `number` says how many rows or hosts
    it is, of which `examples` are some; `proof` is the statement or the command that shows it."""

    state: State
    service: str
    release: str
    where: str
    what: str
    number: int
    examples: tuple[str, ...]
    cure: str
    proof: str


@dataclass(frozen=True)
class Span:
    """Where the cloud stands and where it goes."""

    start: str
    goal: str

    def passes(self, name: str) -> bool:
        """Whether the cloud comes to the release, or past it."""
        order = release.names()
        return order.index(self.start) < order.index(name) <= order.index(self.goal)

    def next(self, name: str) -> str | None:
        """The release after that one, None after the newest."""
        order = release.names()
        at = order.index(name) + 1
        return order[at] if at < len(order) else None
