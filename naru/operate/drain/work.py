"""The work directory of a drain: its plan, what that was made from, and the ways back.

DIRECTORY/journal.db        the plan: scheduling disabled, servers moved, the host proved empty
DIRECTORY/reading.json      what the cloud said when it was planned
DIRECTORY/return/NUMBER/    a return, a plan of its own
DIRECTORY/drain.lock        held by the command that empties the host, or gives it back
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from naru.errors import InputError
from naru.operate.drain.rules import Options
from naru.plan.journal import Journal
from naru.plan.model import COMMANDS
from naru.work.directory import Rounds, WorkDirectory

CAPABILITY = "drain"
RETURN = "return"
"""The rounds in a work directory."""
FIRST = "naru host drain"
READING = "reading.json"


@dataclass(frozen=True)
class Settings:
    """What a drain was planned with: the site's file, the cloud by its name in clouds.yaml, the host, what the operator
    has said (`Options`), how many servers move at a time in all, from and to one host, how long is waited for one that
    does not converge (seconds), whether it may be forced then, and how long for servers that are busy."""

    site: str
    cloud: str
    host: str
    answers: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    leave_stopped: bool = False
    at_once: int = 4
    per_source: int = 1
    per_target: int = 1
    stuck: float = 120.0
    complete: bool = False
    settle: float = 60.0
    reason: str = ""

    @property
    def options(self) -> Options:
        return Options(self.answers, self.only, self.leave_stopped)

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        return {COMMANDS: "naru host", **vars(self), "only": list(self.only), "answers": dict(self.answers)}

    @classmethod
    def load(cls, found: dict[str, Any]) -> Self:
        """Of a plan's settings. Raises KeyError for those of another plan."""
        return cls(**{name: found[name] for name in cls.__annotations__} | {"only": tuple(found["only"])})


class Work:
    """The work directory of a drain that was planned. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        self.settings, self.plan_id = self.work.planned("a drain", "naru host plan HOST --work DIR", Settings.load)
        if not self.settings.host:
            raise InputError(
                f"{directory} is a wave of many hosts, no drain of one",
                hint="naru host waves run goes on with it; naru host waves leave HOST --return gives one host back.",
            )

    def journal(self) -> Journal:
        return self.work.journal()

    def alone(self) -> AbstractContextManager[None]:
        """What is looked at before is so until it is done. Raises PlanError while another command
        empties this host, or gives it back."""
        hint = f"naru host status {self.directory} --watch shows it; Ctrl-C there ends it."
        return self.work.alone("empties this host, or gives it back", hint)

    @property
    def returns(self) -> Rounds:
        """The ways back."""
        return self.work.rounds(RETURN)


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)
