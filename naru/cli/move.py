"""`naru move ...`: a project from one cloud to another."""

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Sequence
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
from naru.inventory.read import read
from naru.move import mapping
from naru.move.facts import Facts, Side


def add_projects(parser: argparse.ArgumentParser) -> None:
    """The options that say what is moved from where to where."""
    parser.add_argument("--from", dest="old", required=True, metavar="CLOUD", help="the old cloud, as in clouds.yaml")
    parser.add_argument("--to", dest="new", required=True, metavar="CLOUD", help="the new one")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--project", action="append", metavar="PROJECT", help="a name or id; may be repeated")
    which.add_argument("--all", action="store_true", help="every project but admin and the services' own")
    add_archive(parser)


@contextmanager
def facts(arguments: argparse.Namespace) -> Iterator[Facts]:
    """Both clouds, read now and at once, into the work directory's archive when --work is given."""
    if arguments.old == arguments.new:
        raise InputError(f"--from and --to are both {arguments.old!r}", hint="Give two clouds.")
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="naru-") as directory:
        file = archive_file(arguments) if arguments.work else Path(directory) / ARCHIVE
        with Archive(file) as archive, ThreadPoolExecutor(2) as pool:
            names = (arguments.old, arguments.new)
            with console.status(f"reading {' and '.join(names)}"):
                old, new = pool.map(lambda name: _read(archive, name), names)
            yield Facts(old, new, arguments.project)


def _read(archive: Archive, name: str) -> Side:
    with Cloud(name) as cloud:
        number = archive.begin(name)
        readings = read(cloud, lambda rows: archive.add(number, rows))
        archive.end(number, readings)
    if failed := [f"{reading.kind}: {reading.problem}" for reading in readings if reading.failed]:
        raise InputError(
            f"{name} cannot be read whole",
            detail="\n".join(failed),
            hint="A move needs an administrator of both clouds.",
        )
    return Side(archive, number, name)


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
        written = mapping.load(file) if file and (file.exists() or not arguments.suggest) else mapping.EMPTY
        with facts(arguments) as found:
            choices = mapping.choose(found, written)
            if arguments.suggest and file:
                mapping.save(file, mapping.text(found, choices, written))
        self.exit_code = 1 if any(choice.target is None for choice in choices) else 0
        return ("section", "old", "new", "why", "used_by"), [
            (choice.need.section, choice.need.key, choice.target, choice.why, choice.need.users) for choice in choices
        ]
