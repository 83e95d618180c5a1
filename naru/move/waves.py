"""The projects of a move as the units of waves: what they are called, need of one another, how large they are, and in
which waves they can be cut over."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from naru.errors import InputError
from naru.move import mapfile
from naru.move.decisions import Decision
from naru.move.dependencies import dependencies
from naru.move.facts import Side
from naru.move.rollback import rolled_back
from naru.move.windows import WORDS
from naru.move.work import Work
from naru.plan.windows import schedule
from naru.plan.windows.needs import UnitNeed, needed
from naru.plan.windows.phases import ROLLED_BACK
from naru.plan.windows.waves import waves as in_waves


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
    dependencies: list[UnitNeed]
    needs: dict[str, set[str]]
    sizes: dict[str, Size]


def projects(move: Work) -> Projects:
    """The projects of a move, as the old cloud was when it was planned."""
    with move.archive() as archive:
        old = Side(archive, move.snapshots["old"], move.old)
        found = dependencies(old, move.projects)
        found_sizes = sizes(old, move.decisions, move.projects)
    return Projects(move.called, found, needed(found), found_sizes)


@dataclass(frozen=True)
class Wave:
    """Projects (their names) that are cut over at the same time, how large they are together, and what each needs of
    others. Those without a `number` were rolled back and are in no wave."""

    number: int | None
    projects: list[str]
    size: Size
    why: list[str]


def waves(
    move: Work, *, most_projects: int | None = None, most_servers: int | None = None, save_to: Path | None = None
) -> list[Wave]:
    """The waves in which the projects of a move can be cut over, so that what a project needs comes before it; with
    `save_to` written there as a schedule whose times are to be filled in. Raises InputError when that file exists."""
    if save_to and save_to.exists():
        raise InputError(f"--suggest {save_to}: the file is there already", hint="Name another file, or remove it.")
    known = projects(move)
    with move.journal() as journal:
        back = rolled_back(journal, known.names)
    units = in_waves(
        sorted(known.names.keys() - back, key=known.names.__getitem__),
        known.needs,
        {project: size.servers for project, size in known.sizes.items()},
        most_units=most_projects,
        most_weight=most_servers,
    )
    why = [[need.text(known.names) for need in known.dependencies if need.unit in wave] for wave in units]
    if save_to:
        mapfile.save(save_to, schedule.text(WORDS, units, known.names, why))

    def wave(number: int | None, members: Iterable[str], why: list[str]) -> Wave:
        members = list(members)
        names = [known.names[project] for project in members]
        return Wave(number, names, sum((known.sizes[project] for project in members), Size()), why)

    found = [
        wave(number, members, reasons) for number, (members, reasons) in enumerate(zip(units, why, strict=True), 1)
    ]
    if back:
        found.append(wave(None, sorted(back, key=known.names.__getitem__), [ROLLED_BACK]))
    return found
