"""The work directory of hosts that are added.

DIRECTORY/journal.db              the plan
DIRECTORY/before/, DIRECTORY/after/    inventory and site.yaml as they were found, and with the new hosts
DIRECTORY/after/group_vars, host_vars  links to those beside the inventory
DIRECTORY/runs/                   what ansible-runner keeps of each of kolla-ansible's runs
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from naru.plan.journal import Journal
from naru.plan.model import COMMANDS
from naru.work.directory import WorkDirectory

CAPABILITY = "scale"
FIRST = "naru scale run"
RUNS = "runs"


@dataclass(frozen=True)
class Settings:
    """What a growth was planned with: the site's file, the cloud by its name in clouds.yaml, the new hosts with their
    addresses ("" for none), the host that they are to be like, the inventory, where kolla-ansible is and its
    configuration, the aggregates they come to, what canaries are made of ("" for no canaries), and the bytes of packets
    that have to go from host to host whole (0: not tried)."""

    site: str
    cloud: str
    hosts: Mapping[str, str]
    like: str
    inventory: str
    kolla: str
    config: str
    aggregates: tuple[str, ...] = ()
    flavor: str = ""
    image: str = ""
    network: str = ""
    mtu: int = 0

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        return {COMMANDS: "naru scale", **vars(self), "aggregates": list(self.aggregates), "hosts": dict(self.hosts)}

    @classmethod
    def load(cls, found: dict[str, Any]) -> Self:
        """Of a plan's settings. Raises KeyError for those of another plan."""
        return cls(**{name: found[name] for name in cls.__annotations__} | {"aggregates": tuple(found["aggregates"])})


@dataclass(frozen=True)
class Texts:
    """A file with what it was and what it becomes."""

    file: Path
    old: str
    new: str = field(repr=False)


def _settings(found: dict[str, Any]) -> str:
    """Of which growth the settings of a plan are. Raises KeyError for those of another plan."""
    return str(found["grows"]) if "grows" in found else Settings.load(found).cloud


class Work:
    """The work directory of a growth that was planned. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        command = "naru scale compute, or osd, HOST --work DIR"
        _, self.plan_id = self.work.planned("a growth", command, _settings)

    def journal(self) -> Journal:
        return self.work.journal()


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, FIRST)
