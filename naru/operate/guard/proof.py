"""Whether a host is off: never the answer to an order, always what is read back, twice, with nothing to the contrary.

The steps of an evacuation and the simulator of the tests ask the same function.
"""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from naru.operate.guard.evidence import PowerState


class Look(NamedTuple):
    """One look at the host after it was fenced: at the time `at` (a clock that only goes forward), what its power
    controller says, whether that was known to be its own, and which signs of life there were."""

    at: float
    power: PowerState
    identified: bool
    alive: Sequence[str] = ()


class Proof(NamedTuple):
    """Whether it is proved (`wait`: not yet), and why."""

    state: Literal["off", "wait", "refused"]
    why: str


def by_power(looks: Collection[Look], settle: float) -> Proof:
    """Proved off by its power controller: `off`, read by at least two looks that are `settle` seconds apart, without
    any other word and without a sign of life in between or after. A look that it did not answer says nothing: what it
    said before counts no more, and it is looked at anew."""
    last: list[Look] = []
    for one in looks:
        if one.alive:
            return Proof("refused", f"its power controller says {one.power}, and it lives: {', '.join(one.alive)}")
        if one.power == "unreachable":
            last = []
            continue
        if not one.identified:
            return Proof("refused", "whether the power controller is its own is not known")
        if one.power == "off":
            last.append(one)
        elif last:
            return Proof("refused", f"its power controller said off, and now says {one.power}")
    if not last:
        return Proof("wait", "its power controller does not say off")
    if last[-1].at - last[0].at < settle:
        return Proof("wait", f"off since {last[-1].at - last[0].at:.0f} s of {settle:.0f}")
    return Proof("off", f"its power controller says off, {len(last)} times in {last[-1].at - last[0].at:.0f} s")
