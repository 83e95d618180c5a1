"""What a tenant calls its units and their phases, and how far a unit is."""

from dataclasses import dataclass, field

ROLLED_BACK = "rolled back"
"""The state of a unit that goes on no more."""


@dataclass(frozen=True)
class Phases:
    """The words of a tenant. `prepare`, `window` and `end` are the phases, as commands, gates and files name them; the
    units are in files under the key `units`. All other words stand in sentences."""

    plan: str
    """What has the units, as in `the move has no project x`."""
    unit: str
    units: str
    prepare: str
    window: str
    end: str
    opening: str
    openings: str
    """The window's phase as a noun, one and several: `cut-over`, `cut-overs`."""
    passed: str
    """What a unit is after it: `cut over`."""
    ended: str
    """What a unit is after the last phase: `finalized`."""
    listing: str
    """The command that shows the units, and writes a first schedule with --suggest FILE."""
    again: str
    """What to do with a unit that was rolled back."""

    @property
    def names(self) -> tuple[str, str, str]:
        return self.prepare, self.window, self.end

    def number(self, phase: str) -> int:
        """The phase's place among the three, from 0 on."""
        return self.names.index(phase)

    def done(self, progress: "UnitProgress", phase: str) -> bool:
        """Whether the phase is done."""
        return progress.reached > self.number(phase)

    def last(self, progress: "UnitProgress") -> str:
        """The last phase that is done, "" for none."""
        return self.names[progress.reached - 1] if progress.reached else ""


@dataclass(frozen=True)
class UnitProgress:
    """How far a unit is.

    `reached` is how many of the phases are done, `begun` whether its window's phase has begun, `open` the phases whose
    gate is released. It is `stuck` when something of the phase that it is in failed or was undone, and all that is left
    of the phase is that or waits for it. One that was rolled back, or is on its way, is `rolled_back` and nothing else.
    """

    reached: int = 0
    begun: bool = False
    stuck: bool = False
    open: frozenset[str] = field(default_factory=frozenset)
    rolled_back: bool = False
