"""The three phases of a unit, and how far a unit is."""

from dataclasses import dataclass, field

ROLLED_BACK = "rolled back"
"""The state of a unit that was rolled back: it does not go on."""


@dataclass(frozen=True)
class Phases:
    """The names of the three phases, as commands, gates and files have them: everything is prepared; then each unit
    goes through the phase `window`, which begins in a time window and behind a gate of its own; then it is finished."""

    prepare: str
    window: str
    end: str

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
    gate is released. It is `stuck` when something of its current phase failed or was undone, and all that is left of
    the phase waits for that. A unit that was rolled back, or is being rolled back, is `rolled_back` and nothing else.
    """

    reached: int = 0
    begun: bool = False
    stuck: bool = False
    open: frozenset[str] = field(default_factory=frozenset)
    rolled_back: bool = False
