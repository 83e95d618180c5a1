"""`naru move ...`: a project from one cloud to another."""

import argparse
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from naru.cli.base import Lister
from naru.cli.inventory import ARCHIVE, add_archive, archive_file
from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.database import Database
from naru.inventory.read import read
from naru.inventory.user_quotas import read_user_quotas
from naru.move import mapfile
from naru.move.facts import Facts, Side


def add_projects(parser: argparse.ArgumentParser) -> None:
    """The options that say what is moved from where to where."""
    parser.add_argument("--from", dest="old", required=True, metavar="CLOUD", help="the old cloud, as in clouds.yaml")
    parser.add_argument("--to", dest="new", required=True, metavar="CLOUD", help="the new one")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--project", action="append", metavar="PROJECT", help="a name or id; may be repeated")
    which.add_argument("--all", action="store_true", help="every project but admin and the services' own")
    parser.add_argument(
        "--nova-database",
        metavar="CLOUD=FILE",
        help="a file with the URL of the old cloud's Nova database: key pairs come from there",
    )
    add_archive(parser)


def check_clouds(arguments: argparse.Namespace) -> None:
    """Raises InputError for options that can mean no two clouds, before anything is asked or written."""
    if arguments.old == arguments.new:
        raise InputError(f"--from and --to are both {arguments.old!r}", hint="Give two clouds.")
    if not all(arguments.project or ["-"]):
        raise InputError("--project is empty", hint="Give a project's name or id.")
    for name in (arguments.old, arguments.new):
        Cloud(name).close()
    _database(arguments)


def _database(arguments: argparse.Namespace) -> Database | None:
    """What --nova-database means."""
    if arguments.nova_database is None:
        return None
    cloud, equals, file = arguments.nova_database.partition("=")
    if not equals or not file or cloud != arguments.old:
        hint = f"Give it as --nova-database {arguments.old}=FILE. The new cloud is read by its API alone."
        raise InputError(f"--nova-database {arguments.nova_database}: not a file of --from", hint=hint)
    return Database(Path(file))


@contextmanager
def facts(arguments: argparse.Namespace) -> Iterator[Facts]:
    """Both clouds, read now and at once, into the work directory's archive when --work is given. After check_clouds."""
    console = Console(stderr=True, highlight=False)
    database = _database(arguments)
    with tempfile.TemporaryDirectory(prefix="naru-") as directory:
        file = archive_file(arguments) if arguments.work else Path(directory) / ARCHIVE
        with Archive(file) as archive, ThreadPoolExecutor(2) as pool:
            names = (arguments.old, arguments.new)
            with Cloud(arguments.old) as old, Cloud(arguments.new) as new:
                with console.status(f"reading {' and '.join(names)}"):
                    begun = list(pool.map(SideReading, (archive, archive), (old, new), (database, None)))
                    found = Facts(begun[0].side, begun[1].side, arguments.project)
                    called = {row.name for row in found.projects.values()}
                    same = {row.id for row in found.new.all("project").values() if row.name in called}
                    list(pool.map(SideReading.finish, begun, (set(found.projects), same)))
                yield found


class SideReading:
    """A cloud as it is now, as a new snapshot in the archive. Its lists are read at once, key pairs from `database` if
    one is given; `finish` reads what is asked for projects, since which they are follows from the lists."""

    def __init__(self, archive: Archive, cloud: Cloud, database: Database | None = None) -> None:
        self._archive, self._cloud = archive, cloud
        number = archive.begin(cloud.name)
        self._readings = read(cloud, lambda rows: archive.add(number, rows), database=database)
        self.side = Side(archive, number, cloud.name, cloud)
        self._check()

    def finish(self, projects: Collection[str]) -> Side:
        """The whole cloud, with the quotas of the users of `projects` (ids)."""
        found = read_user_quotas(self._cloud, self._archive, self.side.snapshot, projects)
        self._readings = [found if reading.kind == found.kind else reading for reading in self._readings]
        self._check()
        self._archive.end(self.side.snapshot, self._readings)
        return self.side

    def _check(self) -> None:
        """Raises InputError when something could not be read."""
        if failed := [f"{reading.kind}: {reading.problem}" for reading in self._readings if reading.failed]:
            self._archive.end(self.side.snapshot, self._readings)
            raise InputError(
                f"{self.side.cloud} cannot be read whole",
                detail="\n".join(failed),
                hint="A move needs an administrator of both clouds.",
            )


class MapCommand(Lister):
    """Show what the projects need of the old cloud, and what it becomes on the new one.

    Domains, roles, flavors, images of others, volume types, availability zones, external and shared networks, physical
    networks: each is matched by what is written in --map, else by its name and contents. With --suggest the result is
    written to the file; what was decided there before stays. Nothing on either cloud is changed.

    Exit code 0 when all is decided, 1 when something is not.
    """

    examples = """
naru move map --from old --to new --project hanok
naru move map --from old --to new --project hanok --suggest --map map.yaml
naru move map --from old --to new --all --map map.yaml -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_projects(parser)
        parser.add_argument("--map", type=Path, metavar="FILE", help="the map (with --suggest: map.yaml)")
        parser.add_argument("--suggest", action="store_true", help="write what could be matched to the file")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        file: Path | None = arguments.map or (Path("map.yaml") if arguments.suggest else None)
        written = mapfile.load(file) if file and (file.exists() or not arguments.suggest) else mapfile.EMPTY
        mapfile.check_clouds(written, arguments.old, arguments.new)
        check_clouds(arguments)
        with facts(arguments) as found:
            choices = mapfile.choose(found, written)
            if arguments.suggest and file:
                mapfile.save(file, mapfile.text(found, choices, written))
        self.exit_code = 1 if any(choice.target is None for choice in choices) else 0
        return ("section", "old", "new", "why", "used_by"), [
            (choice.need.section, choice.need.key, choice.target, choice.why, choice.need.users) for choice in choices
        ]
