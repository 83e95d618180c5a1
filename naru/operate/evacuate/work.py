"""The work directory of an evacuation.

DIRECTORY/journal.db        the plan: the host fenced, Nova told, the servers evacuated and proved
DIRECTORY/reading.json      what the cloud said when it was planned
DIRECTORY/return/NUMBER/    the host's return, a plan of its own
DIRECTORY/evacuate.lock     held by the command that evacuates the host, or gives it back
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from naru.plan.journal import Journal
from naru.plan.model import COMMANDS
from naru.work.directory import Rounds, WorkDirectory

CAPABILITY = "evacuate"
RETURN = "return"
FIRST = "naru host evacuate HOST --work DIR"
READING = "reading.json"
MARK = "naru evacuate"


@dataclass(frozen=True)
class Settings:
    """What an evacuation was planned with: the site's file, the cloud by its name in clouds.yaml, the host as Nova
    calls it, what the operator has said of servers (`answers`, by name or id), whether disks of servers lie on storage
    that hosts share, who says that the host has no power (`off`, "" for nobody), whether the power controller is the
    host's own on the operator's word (`trust`), how many servers at a time, how many seconds its power controller has
    to go on saying off (`settle`), and the directory of the guard that has decided it, if one has; with `by_hand`
    people go on with it, without its word."""

    site: str
    cloud: str
    host: str
    answers: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False
    off: str = ""
    trust: bool = False
    at_once: int = 4
    settle: float = 20.0
    reason: str = ""
    guard: str = ""
    by_hand: bool = False

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        return {COMMANDS: "naru host", "evacuates": True, **vars(self), "answers": dict(self.answers)}

    @classmethod
    def load(cls, found: dict[str, Any]) -> Self:
        """Of a plan's settings. Raises KeyError for those of another plan."""
        if not found["evacuates"]:
            raise KeyError("evacuates")
        known = {"by_hand": False, **found}  # which plans of before do not say
        return cls(**{name: known[name] for name in cls.__annotations__})


class Work:
    """The work directory of an evacuation that was planned. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        self.settings, self.plan_id = self.work.planned("an evacuation", FIRST, Settings.load)

    def journal(self) -> Journal:
        return self.work.journal()

    def alone(self) -> AbstractContextManager[None]:
        """What is looked at before is so until it is done. Raises PlanError while another command
        evacuates this host, or gives it back."""
        hint = f"naru host status {self.directory} --watch shows it; Ctrl-C there ends it."
        return self.work.alone("evacuates this host, or gives it back", hint)

    @property
    def returns(self) -> Rounds:
        """The host's returns."""
        return self.work.rounds(RETURN)


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)


def is_one(path: Path) -> bool:
    """Whether the directory is of an evacuation."""
    return work_directory(path).owner == CAPABILITY


def mark(plan: str) -> str:
    """What the reason of a compute service begins with that this plan has disabled."""
    return f"{MARK} {plan}"
