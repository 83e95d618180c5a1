"""The projects of a move as the units of waves: what they are called, need of one another, and how large they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from naru.move.decisions import Decision
from naru.move.dependencies import dependencies
from naru.move.facts import Side
from naru.move.work import Work
from naru.plan.windows.needs import Need, needed


@dataclass(frozen=True)
class Size:
    """How much of a project, or of several, is moved. `gib` is the size of the volumes."""

    servers: int = 0
    volumes: int = 0
    gib: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.servers + other.servers, self.volumes + other.volumes, self.gib + other.gib)


def sizes(old: Side, decisions: Iterable[Decision], projects: Iterable[str]) -> dict[str, Size]:
    """By project: what is moved of it."""
    found = dict.fromkeys(projects, Size())
    for decision in decisions:
        if decision.decision == "leave" or decision.project not in found:
            continue
        if decision.kind == "server":
            found[decision.project] += Size(servers=1)
        if decision.kind == "volume":
            found[decision.project] += Size(volumes=1, gib=int(old.all("volume")[decision.id].body["size"]))
    return found


@dataclass(frozen=True)
class Projects:
    """The projects of a move: what they are called by id, and what they need of one another."""

    names: dict[str, str]
    dependencies: list[Need]
    needs: dict[str, set[str]]
    sizes: dict[str, Size]


def projects(move: Work) -> Projects:
    """The projects of a move, as the old cloud was when it was planned."""
    with move.archive() as archive:
        old = Side(archive, move.snapshots["old"], move.old)
        found = dependencies(old, move.projects)
        found_sizes = sizes(old, move.decisions, move.projects)
    return Projects(move.called, found, needed(found), found_sizes)
