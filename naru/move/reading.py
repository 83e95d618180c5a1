"""How the two clouds of a move are read: both at once to plan it, the new one again to see what it came to."""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.capacity import resources
from naru.inventory.cloud_reading import CloudReading
from naru.inventory.database import Database
from naru.inventory.kinds import ELSEWHERE, KINDS
from naru.inventory.read import OF_USERS
from naru.move import mapfile, result
from naru.move.facts import Facts, Side, boots_from_volume
from naru.move.kinds.flavor import asked_of, flavor_id
from naru.move.kinds.image import has_data
from naru.move.outcome import Outcome
from naru.move.work import ARCHIVE, Work

OF_THE_NEW = frozenset(("volume pool",))
"""What is asked of the new cloud alone: where its volumes may come to."""
ELSEWHERES = frozenset(kind.name for kind in KINDS if kind.each == ELSEWHERE)
"""What further services have: see `naru.inventory.elsewhere`."""
DISPENSABLE = OF_THE_NEW | {
    *("allocation candidates", "aggregate", "hypervisor", "compute service", "network agent"),
    *("network availability zone", "QoS specification", "volume type access", "image data"),
    *ELSEWHERES,
}
"""What a plan is made without where it cannot be read. Rules take it for unknown, and the plan says so; a scheduler or
agent that is down keeps nobody from planning."""

# is told what is being read, as a text
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Clouds:
    """Two clouds of clouds.yaml and the projects (names or ids; None for all) that are moved from the one to the other.
    With a `database` the old cloud's key pairs come from there."""

    old: str
    new: str
    projects: list[str] | None
    database: Database | None = None

    def check(self) -> None:
        """Raises InputError for what can be no two clouds, before anything is asked or written."""
        if self.old == self.new:
            raise InputError(f"--from and --to are both {self.old!r}", hint="Give two clouds.")
        for name in (self.old, self.new):
            Cloud(name).close()


@contextmanager
def facts(clouds: Clouds, archive_file: Path | None, progress: Progress) -> Iterator[Facts]:
    """Both clouds as they are now; kept in the archive if one is given."""
    with (
        tempfile.TemporaryDirectory(prefix="naru-") as directory,
        Archive(archive_file or Path(directory) / ARCHIVE) as archive,
    ):
        with Cloud(clouds.old) as old, Cloud(clouds.new) as new:
            found = read(archive, old, new, clouds.projects, clouds.database, progress)
        yield found


def read(
    archive: Archive, old: Cloud, new: Cloud, projects: list[str] | None, database: Database | None, progress: Progress
) -> Facts:
    """Both clouds as they are now, at once, for a move of `projects` (names or ids; None for all); the old one's key
    pairs from `database`, if one is given. Raises InputError for a cloud that cannot be read whole."""
    progress(f"reading {old.name} and {new.name}")
    with ThreadPoolExecutor(2) as pool:
        sides = (archive, archive), (old, new), (database, None), (OF_THE_NEW, ())
        ours, theirs = pool.map(_SideReading, *sides)
        facts = Facts(ours.side, theirs.side, projects)
        same = _named(facts.new, "project", (row.name for row in facts.projects.values()))
        flavors = [need.row for need in mapfile.needs(facts) if need.section == "flavors" and need.row]
        known = facts.old.all("flavor")
        # the map may make any flavor of the new cloud of one: which, is not known yet
        there = facts.new.all("flavor").values()
        ways = {boots_from_volume(facts.old, row) for row in facts.owned("server")}
        wanted = [(row.body, theirs.side.extra_specs(row.id)) for row in there]
        wanted += [(row.body, ours.side.extra_specs(row.id)) for row in flavors if row.id in known]
        wanted += [asked_of(facts.old, row) for row in facts.owned("server") if flavor_id(facts.old, row) not in known]
        room = {resources(fields, specs, from_volume=way) for fields, specs in wanted for way in ways}
        images = {need.row.id for need in mapfile.needs(facts) if need.section == "images" and need.row}
        images |= {row.id for row in facts.owned("image")}
        looked = {one for one in images if has_data(facts.old.all("image")[one])}
        theirs_of_name = _named(facts.new, "user", (row.name for row in facts.users.values()))
        users: tuple[Collection[str], ...] = (facts.users, theirs_of_name)
        list(pool.map(_SideReading.finish, (ours, theirs), (facts.projects, same), users, ((), room), (looked, ())))
        ours.elsewhere(facts.projects)
        list(pool.map(_SideReading.end, (ours, theirs)))
    return facts


def _named(side: Side, kind: str, names: Iterable[str]) -> set[str]:
    """The ids of the things of the kind with one of these names, in whichever domain, and however they are written: the
    counterparts of things with these names are among them."""
    wanted = {name.casefold() for name in names}
    return {row.id for row in side.all(kind).values() if row.name.casefold() in wanted}


def outcome(move: Work, progress: Progress) -> Outcome:
    """What a move came to: the old cloud as it was when it was planned, the new one read now. Raises InputError for a
    cloud that cannot be read whole."""
    move.journal().close()
    with move.archive() as archive, Cloud(move.old) as old, Cloud(move.new) as new:
        progress(f"reading {move.new}")
        reading = _SideReading(archive, new)
        made = move.made()
        projects = {new_id for old_id in move.projects if (new_id := made.get(f"project {old_id}"))}
        people = [one.name for one in move.decisions if one.kind == "user"]
        reading.finish(projects, _named(reading.side, "user", people))
        reading.end()
        before = Side(archive, move.snapshots["old"], move.old)
        return result.outcome(move, before, reading.side, (old, new))


@dataclass(frozen=True)
class Again:
    """Both clouds as they were when a move was planned, and as they are now; `unread` are kinds that were not asked for
    again."""

    old_then: Side
    new_then: Side
    old: Side
    new: Side
    unread: frozenset[str]


@contextmanager
def again(move: Work, progress: Progress) -> Iterator[Again]:
    """Reads both clouds of a move again. Raises InputError for a cloud that cannot be read whole. Key pairs that came
    from a database are not read again: a plan does not know which one."""
    move.journal().close()
    with move.archive() as archive, Cloud(move.old) as old, Cloud(move.new) as new:
        progress(f"reading {old.name} and {new.name}")
        (planned,) = [one for one in archive.snapshots() if one.number == move.snapshots["old"]]
        unread = DISPENSABLE | {reading.kind for reading in planned.readings if reading.source}
        sides = (archive, archive), (old, new), (None, None), (unread, unread)
        with ThreadPoolExecutor(2) as pool:
            ours, theirs = pool.map(_SideReading, *sides)
            users = {one.id: one.name for one in move.planned if one.kind == "user"}
            asked: tuple[Collection[str], ...] = (users, _named(theirs.side, "user", users.values()))
            list(pool.map(_SideReading.finish, (ours, theirs), (move.projects, ()), asked))
            list(pool.map(_SideReading.end, (ours, theirs)))
        old_then, new_then = (
            Side(archive, move.snapshots[side], name) for side, name in (("old", move.old), ("new", move.new))
        )
        yield Again(old_then, new_then, ours.side, theirs.side, unread)


class _SideReading:
    """A cloud as it is now, as a new snapshot in the archive. Its lists are read at once; `finish` reads what is asked
    for projects, users and flavors, since which they are follows from the lists: key pairs from `database` if one is
    given."""

    def __init__(
        self, archive: Archive, cloud: Cloud, database: Database | None = None, without: Collection[str] = ()
    ) -> None:
        self._reading = CloudReading(archive, cloud, database, without={*without, *OF_USERS})
        self._of_users = OF_USERS.difference(without)
        self.side = Side(archive, self._reading.snapshot, cloud.name)
        self._check()

    def finish(
        self,
        projects: Collection[str],
        users: Collection[str],
        room: Collection[str] = (),
        images: Collection[str] = (),
    ) -> None:
        """Reads the quotas of the users of `projects` (ids), the key pairs and application credentials of `users`
        (ids), whether there is `room` for resources, and what the data of `images` (ids) is."""
        before = self._reading.readings
        self._reading.user_quotas(projects)
        self._reading.of_users(users, self._of_users)
        if room:
            self._reading.room(room)
        if images:
            self._reading.image_data(images)
        # what is read last has been asked for already: the map's sections look at all kinds
        self.side.forget({reading.kind for reading in self._reading.readings if reading not in before})
        self._check()

    def elsewhere(self, projects: Collection[str]) -> None:
        """Reads what further services have of `projects` (ids)."""
        self._reading.elsewhere(projects)
        self.side.forget(ELSEWHERES)

    def end(self) -> None:
        """Says in the archive that the reading is whole."""
        self._reading.end()

    def _check(self) -> None:
        """Raises InputError when something could not be read that is needed."""
        failed = [
            f"{reading.kind}: {reading.problem}"
            for reading in self._reading.readings
            if reading.failed and reading.kind not in DISPENSABLE
        ]
        if failed:
            self._reading.end()
            raise InputError(
                f"{self.side.cloud} cannot be read whole",
                detail="\n".join(failed),
                hint="A move needs an administrator of both clouds.",
            )
