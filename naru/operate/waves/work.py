"""The work directory of hosts that are maintained in waves.

DIRECTORY/hosts.json      what was planned: settings, the hosts, the waves on paper
DIRECTORY/left.json       hosts that were left behind, and why
DIRECTORY/wave/NUMBER/    a wave, a plan of its own: made from a new reading when it begins
DIRECTORY/back/NUMBER/    what was put back of hosts that were left behind
DIRECTORY/waves.lock      held by the command that runs them
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from naru.errors import InputError
from naru.files import FileLock, write_whole
from naru.operate.drain.work import Settings as Drain
from naru.work.directory import Rounds, WorkDirectory

CAPABILITY = "waves"
FIRST = "naru host waves run"
FILE, LEFT, TURN = "hosts.json", "left.json", "turn.lock"
WAVE, BACK = "wave", "back"
"""The kinds of rounds in a work directory."""
FORMAT = 1


@dataclass(frozen=True)
class Upkeep:
    """What is done to each host between its drain and its return. `command` is a line for its shell, "" for none;
    `repeat` whether one that was cut off may be run again by itself; `reboot` whether Naru boots the host after it;
    `boots` whether it has another boot afterwards. `deadline` are the seconds for the command, `patience` those that
    the host may take to be back."""

    command: str = ""
    repeat: bool = False
    reboot: bool = False
    boots: bool = False
    deadline: float = 7200.0
    patience: float = 1200.0


@dataclass(frozen=True)
class Settings:
    """What was planned: how each host is drained (its `host` is "" here), what is done to it then, how many at a time,
    of how many failed ones on no further wave begins, and whether servers are brought home."""

    drain: Drain
    upkeep: Upkeep
    at_once: int = 1
    failures: int = 1

    def dump(self) -> dict[str, Any]:
        return {**asdict(self), "drain": self.drain.dump()}

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> "Settings":
        """Raises KeyError or TypeError for what is something else."""
        own = {**found, "drain": Drain.load(found["drain"]), "upkeep": Upkeep(**found["upkeep"])}
        return cls(**own)


@dataclass(frozen=True)
class Planned:
    """What the file has: the `id` that scheduling is disabled with, the hosts in order, their racks, and on paper: the
    waves, and per host how many servers move in how many seconds. `answered` are the statuses of servers (by id) for
    which answers were given, `disabled` why hosts were disabled then, "" for those that were not."""

    id: str
    settings: Settings
    hosts: tuple[str, ...]
    racks: Mapping[str, str] = field(default_factory=dict)
    waves: tuple[tuple[str, ...], ...] = ()
    servers: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    answered: Mapping[str, str] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)


class Work:
    """The work directory of a plan in waves. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        self.planned = self._read()

    @property
    def settings(self) -> Settings:
        return self.planned.settings

    def _read(self) -> Planned:
        file = self.directory / FILE
        try:
            found = json.loads(file.read_text())
            if found.pop("naru_hosts") != FORMAT:
                raise InputError(f"{file} is of another Naru", hint="Use the Naru that has made it.")
            found["settings"] = Settings.load(found["settings"])
            found["waves"] = tuple(map(tuple, found["waves"]))
            return Planned(**{**found, "hosts": tuple(found["hosts"])})
        except FileNotFoundError as error:
            hint = "naru host waves plan HOST... --work DIR makes one."
            raise InputError(f"{self.directory} is not the work directory of hosts in waves", hint=hint) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file} cannot be read", detail=repr(error), hint="Plan anew, elsewhere.") from error

    @property
    def waves(self) -> Rounds:
        """The waves that have begun."""
        return self.work.rounds(WAVE)

    @property
    def backs(self) -> Rounds:
        """What was put back of hosts that were left behind."""
        return self.work.rounds(BACK)

    def left(self) -> dict[str, str]:
        """The hosts that were left behind, and why."""
        file = self.directory / LEFT
        try:
            found: dict[str, str] = json.loads(file.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise InputError(f"{file} cannot be read", detail=str(error), hint='It is {"HOST": "why", ...}.') from error
        return found

    def is_current(self) -> bool:
        """Whether the directory still has what was read from it, and was not planned anew since."""
        return self._read().id == self.planned.id

    def leave(self, host: str, reason: str) -> None:
        """Leaves a host behind; one that is left already keeps its reason. To be called in one's `turn`."""
        found = {host: reason} | self.left()
        write_whole(self.directory / LEFT, json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    def exclusive(self) -> AbstractContextManager[None]:
        """One command at a time runs the waves. Raises PlanError when another one does."""
        return self.work.alone("runs these waves", f"See how far it is: naru host waves status {self.directory}")


@contextmanager
def turn(directory: Path) -> Iterator[None]:
    """For the moment in which something is decided by what is in the directory and written down there: a wave that
    begins, a host that is left, a plan. Others wait for as long."""
    with FileLock(directory / TURN) as lock:
        lock.take(wait=True)
        yield


def write(directory: Path, planned: Planned) -> None:
    """Writes what was planned, in place of what of nothing has begun yet; no host of it is left behind. Raises
    InputError where it has."""
    work = work_directory(directory)
    with turn(directory):
        if work.rounds(WAVE).numbers():
            raise InputError(
                f"{directory}: these waves have begun",
                hint=f"Go on ({FIRST} {directory}), or plan into another directory.",
            )
        (directory / LEFT).unlink(missing_ok=True)  # before: killed in between, nobody is left of whom nobody said so
        content = {"naru_hosts": FORMAT, **asdict(planned), "settings": planned.settings.dump()}
        write_whole(directory / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        work.own()


def is_of_waves(directory: Path) -> bool:
    """Whether the directory is one of hosts in waves."""
    return (directory / FILE).is_file()


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)
