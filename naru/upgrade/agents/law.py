"""How many compute services and agents may start at a time: by what their starting does to the message queue, the
databases and those that run already.

Each that starts asks for all that it has to know, and all at once have brought clouds down: so when all is well one
begins, and as long as it is one more is let begin at each look. What is past half of a limit halves that number; past
the limit none begins until all is well again, and then half of the number that was too many.
"""

from typing import Literal, NamedTuple

Colour = Literal["green", "yellow", "red"]


class Load(NamedTuple):
    """What was measured; None for what could not be.

    - `unacked`: messages that consumers were given and have not acknowledged. It grows first: who consumes takes
      messages before they are worked on
    - `ready`: messages that wait in queues
    - `threads`: statements that run in the databases
    - `late`: of those that have reported since the beginning, how many of a hundred are overdue again
    - `latency`: seconds that Neutron's server takes to answer a call like those of agents
    - `left`: queues without a consumer that programs have left behind which ended: what goes to all goes there, too
    """

    unacked: float | None = None
    ready: float | None = None
    threads: float | None = None
    late: float | None = None
    latency: float | None = None
    left: float | None = None


BLIND = 10
"""How many may start at a time where nothing can be measured."""
LIMITS = Load(unacked=2000, ready=2000, threads=64, late=5, latency=2, left=2000)
"""Where nobody says otherwise."""


def judge(load: Load, limits: Load) -> tuple[Colour, str]:
    """How it is, and the measure that says so. What is not known says nothing."""
    shares = {
        name: found / limit
        for name, found, limit in zip(Load._fields, load, limits, strict=True)
        if found is not None and limit is not None
    }
    name = max(shares, key=lambda one: shares[one], default="")
    share = shares.get(name, 0.0)
    why = f"{name} {getattr(load, name):g} of {getattr(limits, name):g}" if name else "nothing is known"
    return ("red" if share > 1 else "yellow" if share > 0.5 else "green"), why


class Law:
    """The number that may start at a time, from look to look."""

    def __init__(self, limits: Load = LIMITS) -> None:
        self.limits = limits
        self.allowed = 0
        self._again = 1
        self._known: set[str] = set()
        self._red = False

    def look(self, load: Load, *, full: bool) -> tuple[int, Colour, str]:
        """The number after one more measure, how it is, and why; `full` when as many start as may. Where nothing ever
        was known it is BLIND."""
        colour, why = judge(load, self.limits)
        known = {name for name, found in load._asdict().items() if found is not None}
        if lost := sorted(self._known - known):
            self._again, self.allowed = self.allowed or self._again, 0
            return 0, "red", f"{lost[0]} is not known any more"
        self._known = known
        if not known:
            self.allowed = BLIND
            return self.allowed, colour, why
        if colour == "red":
            self._red = True
            self._again = max(1, self.allowed // 2, self._again if not self.allowed else 1)
            self.allowed = 0
        elif colour == "yellow":
            # one that was so before anything was started, one by one
            self.allowed = 0 if self._red and not self.allowed else max(1, self.allowed // 2)
        elif not self.allowed:
            self.allowed, self._red = self._again, False
        elif full:
            self.allowed += 1
        return self.allowed, colour, why
