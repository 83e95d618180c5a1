"""The work directory of an upgrade: its plan, what that was made from, and the rehearsals.

    DIRECTORY/journal.db          the plan: what is prepared
    DIRECTORY/rehearsal/NUMBER/   a rehearsal, a plan of its own
    DIRECTORY/freeze/NUMBER/      a freeze, which thaw takes back
    DIRECTORY/settle/1/           what settles compute services after the way back
    DIRECTORY/archive.db          what the cloud had before, and has after
    DIRECTORY/tokens.json         tokens of users, until they were accepted after the upgrade
    DIRECTORY/lost.txt            what users had written, and a way back has lost
    DIRECTORY/guests.jsonl        whether guests answered, all the time

What the plan was made from, which is what is asked of the site once more for each rehearsal, is in its settings.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from naru.plan.journal import Journal
from naru.plan.model import COMMANDS
from naru.upgrade.finding import Span
from naru.work.directory import Rounds, WorkDirectory

CAPABILITY = "upgrade"
KIND, FREEZE, SETTLE = "rehearsal", "freeze", "settle"
"""The rounds in a work directory."""
FIRST = "naru upgrade prepare"
REHEARSED = "rehearsed"
"""What the journal of a rehearsal remembers when it came to its end, there and back."""


@dataclass(frozen=True)
class Settings:
    """What an upgrade was planned with: the site's file, the release that runs and the one that is wanted, the services
    by name, the host that does the work ("": nobody said), the megabytes of the copy's server, how many rehearsals are
    wanted, the seconds that the window has (0: nobody said), and whether every row is migrated by the releases' own
    code alone."""

    site: str
    start: str
    goal: str
    services: tuple[str, ...]
    host: str
    megabytes: int
    rehearsals: int
    window: float
    row_by_row: bool = False

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        return {COMMANDS: "naru upgrade", **vars(self), "services": list(self.services)}

    @classmethod
    def load(cls, found: dict[str, Any]) -> Self:
        """Of a plan's settings. Raises KeyError for those of another plan."""
        more = {"services": tuple(found["services"]), "row_by_row": found.get("row_by_row", False)}
        return cls(**{name: found[name] for name in cls.__annotations__ if name not in more} | more)

    @property
    def span(self) -> Span:
        return Span(self.start, self.goal)


class Work:
    """The work directory of an upgrade that was planned. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        command = "naru upgrade plan --to RELEASE --work DIR"
        self.settings, self.plan_id = self.work.planned("an upgrade", command, Settings.load)

    def journal(self) -> Journal:
        return self.work.journal()

    @property
    def rehearsals(self) -> Rounds:
        """The rehearsals."""
        return self.work.rounds(KIND)

    @property
    def freezes(self) -> Rounds:
        """The freezes."""
        return self.work.rounds(FREEZE)

    @property
    def settlings(self) -> Rounds:
        """What settles compute services after the way back: one, or none."""
        return self.work.rounds(SETTLE)


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)
