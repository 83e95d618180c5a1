"""The work directory of a cloud that is taken down and brought up.

DIRECTORY/journal.db      the plan of the way down; the result of its step `record` is what ran before
DIRECTORY/reading.json    what was seen when it was planned
DIRECTORY/way/NUMBER/     each further way, up or down, a plan of its own
DIRECTORY/cluster.lock    held by the command that goes one
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from naru.operate.cluster.order import Profile
from naru.plan.journal import Journal
from naru.plan.model import COMMANDS
from naru.work.directory import Rounds, WorkDirectory

CAPABILITY = "cluster"
WAY = "way"
"""The rounds in a work directory; as a setting of one, which way it goes."""
UP, DOWN = "up", "down"
FIRST = "naru cluster down"
READING = "reading.json"


@dataclass(frozen=True)
class Settings:
    """What it was planned with: the site's file, the choices of `Profile`, where the databases' dumps lie (a directory
    on `backup_host`), what becomes of servers that are to be asked about, by name or id, the waves in which servers
    are stopped and started by name or id, how many servers and services at once, and why Ceph may be unhealthy."""

    site: str
    flags: str = "noout"
    computes: str = "first"
    guests: str = "stop"
    backup_host: str = ""
    backup: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    order: tuple[tuple[str, ...], ...] = ()
    at_once: int = 8
    unhealthy: str = ""

    @property
    def profile(self) -> Profile:
        return Profile(self.flags, self.computes, self.guests)  # type: ignore[arg-type]

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        given = {**vars(self), "answers": dict(self.answers), "order": [list(one) for one in self.order]}
        return {COMMANDS: "naru cluster", **given}

    @classmethod
    def load(cls, found: dict[str, Any]) -> Self:
        """Of a plan's settings. Raises KeyError for those of another plan."""
        given = {name: found[name] for name in cls.__annotations__}
        return cls(**given | {"order": tuple(tuple(one) for one in found["order"])})


class Work:
    """The work directory of a cloud that is to go down. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        self.settings, self.plan_id = self.work.planned(
            "a whole cluster", "naru cluster plan down --work DIR", Settings.load
        )

    def journal(self) -> Journal:
        return self.work.journal()

    def alone(self) -> AbstractContextManager[None]:
        """One way is looked at, planned and gone before another one is. Raises PlanError while another command goes
        one."""
        hint = f"naru cluster status {self.directory} --watch shows it; Ctrl-C there ends it."
        return self.work.alone("takes this cloud down or up", hint)

    @property
    def ways(self) -> Rounds:
        """The ways after the first."""
        return self.work.rounds(WAY)


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)
