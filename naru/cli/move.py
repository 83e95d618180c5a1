"""`naru move ...`: a project from one cloud to another."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cliff.columns import FormattableColumn
from rich.console import Console

from naru.cli.base import Lister
from naru.cli.directory import NEVER, add_directory
from naru.cli.inventory import archive_file
from naru.errors import InputError
from naru.inventory.database import Database
from naru.messages import say
from naru.move import mapfile, phases
from naru.move.reading import Clouds


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
    add_directory(parser, current=NEVER, optional=True)


def clouds(arguments: argparse.Namespace) -> Clouds:
    """What these options mean. Raises InputError for options that mean nothing."""
    if not all(arguments.project or ["-"]):
        raise InputError("--project is empty", hint="Give a project's name or id.")
    return Clouds(arguments.old, arguments.new, arguments.project, _database(arguments))


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
def progress() -> Iterator[Callable[[str], None]]:
    """Shows on standard error what is being done, for as long as it takes."""
    with Console(stderr=True, highlight=False).status("") as status:
        yield status.update


class UsedBy(FormattableColumn[Any]):
    """What uses something of the old cloud: as the map's file says it; JSON has the numbers."""

    def human_readable(self) -> str:
        return say(self._value.used_by)

    def machine_readable(self) -> dict[str, int]:
        return dict(self._value.users)


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
        with progress() as show:
            archive = archive_file(arguments) if arguments.work else None
            choices = phases.choices(
                clouds(arguments), written, show, archive=archive, save_to=file if arguments.suggest else None
            )
        self.exit_code = 1 if any(choice.target is None for choice in choices) else 0
        return ("section", "old", "new", "why", "used_by"), [
            (choice.need.section, choice.need.key, choice.target, choice.why, UsedBy(choice.need)) for choice in choices
        ]
