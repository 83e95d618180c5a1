"""The words in which messages and files speak of a capability's units."""

from dataclasses import dataclass

from naru.plan.windows.phases import Phases


@dataclass(frozen=True)
class Vocabulary:
    """The words of one capability. Schedules name units under the key `units`, and phases as `phases` does. All other
    words stand in sentences."""

    plan: str
    """The thing that has the units, as in `the move has no project x`."""
    unit: str
    units: str
    phases: Phases
    opening: str
    openings: str
    """The phase `window` as a noun, singular and plural: `cut-over`, `cut-overs`."""
    passed: str
    """What is said of a unit after that phase: `cut over`."""
    ended: str
    """What is said of a unit after the last phase: `finalized`."""
    listing: str
    """The command that shows the units, and writes a first schedule with --suggest FILE."""
    again: str
    """What to do with a unit that was rolled back."""
