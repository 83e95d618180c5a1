"""Waves: which projects can be moved in one night, so that whatever a project needs is moved before it or with it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from naru.move.decisions import Decision
from naru.move.dependencies import Dependency, dependencies, needed, together
from naru.move.facts import Side
from naru.move.work import Work


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
    dependencies: list[Dependency]
    needs: dict[str, set[str]]
    sizes: dict[str, Size]


def projects(move: Work) -> Projects:
    """The projects of a move, as the old cloud was when it was planned."""
    with move.archive() as archive:
        old = Side(archive, move.snapshots["old"], move.old)
        found = dependencies(old, move.projects)
        found_sizes = sizes(old, move.decisions, move.projects)
    return Projects(move.called, found, needed(found), found_sizes)


def waves(
    projects: Iterable[str],
    needs: Mapping[str, Collection[str]],
    servers: Mapping[str, int],
    *,
    most_projects: int | None = None,
    most_servers: int | None = None,
) -> list[list[str]]:
    """The fewest waves in which each project comes after those that it needs, unless they need one another.

    With a bound, what could go at once is spread over several waves. Projects that go together stay together: a group
    of them that is over the bound has a wave of its own. Within a wave the order is that of `projects`.
    """
    order = {project: number for number, project in enumerate(projects)}
    levels: list[list[tuple[str, ...]]] = []
    level: dict[str, int] = {}
    for group in together(order, needs):
        others = {other for project in group for other in needs.get(project, ()) if other not in group}
        mine = 1 + max((level[other] for other in others), default=-1)
        level |= dict.fromkeys(group, mine)
        while len(levels) <= mine:
            levels.append([])
        levels[mine].append(tuple(sorted(group, key=order.__getitem__)))
    found: list[list[str]] = []
    for groups in levels:
        wave: list[str] = []
        for group in sorted(groups, key=lambda group: order[group[0]]):
            more = [*wave, *group]
            over = most_projects is not None and len(more) > most_projects
            over = over or (most_servers is not None and sum(servers.get(name, 0) for name in more) > most_servers)
            if wave and over:
                found.append(wave)
                wave = []
            wave = [*wave, *group]
        found.append(wave)
    return found
