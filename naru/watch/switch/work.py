"""The work directory of notifications that are switched on.

DIRECTORY/journal.db        the plan
DIRECTORY/files.json        the files that are changed: host, path, and the digests of what is there and what will be
DIRECTORY/files/HOST/PATH   each as it will be, with the passwords in it, for its owner alone; / of PATH is %2F
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from naru.errors import InputError
from naru.plan.journal import Journal
from naru.plan.model import COMMANDS
from naru.work.directory import HINT_DAMAGED, WorkDirectory

CAPABILITY = "notifications"
FIRST = "naru watch notifications on"
FILES, CONTENT = "files.json", "files"


@dataclass(frozen=True)
class Settings:
    """What was planned: the site's file, the services ((): all that send notifications), and Nova's format."""

    site: str
    services: tuple[str, ...] = ()
    format: str = "both"

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        given = {"site": self.site, "services": list(self.services), "format": self.format}
        return {COMMANDS: "naru watch notifications", **given}

    @classmethod
    def load(cls, found: dict[str, Any]) -> Self:
        """Of a plan's settings. Raises KeyError for those of another plan."""
        return cls(str(found["site"]), tuple(found["services"]), str(found["format"]))


@dataclass(frozen=True)
class Changed:
    """A file that the plan changes, with the digests of what it was and what it becomes."""

    host: str
    path: str
    before: str
    after: str


class Work:
    """A work directory that was planned. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        command = "naru watch notifications plan --work DIR"
        self.settings, self.plan_id = self.work.planned("notifications", command, Settings.load)

    def journal(self) -> Journal:
        return self.work.journal()

    def files(self) -> list[Changed]:
        """What is changed. Raises InputError where that cannot be read."""
        file = self.directory / FILES
        try:
            return [Changed(**one) for one in json.loads(file.read_text())]
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{file} cannot be read", detail=repr(error), hint=HINT_DAMAGED) from error


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)


def source(directory: Path, host: str, path: str) -> Path:
    """Where the file of a host lies that will be put in place."""
    return directory.absolute() / CONTENT / quote(host, safe="") / quote(path, safe="")
