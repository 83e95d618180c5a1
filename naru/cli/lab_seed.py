"""`naru lab seed`: filling a lab's cloud with a declared tenant."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from naru.cli.base import Lines, ShowOne
from naru.cli.lab import add_name, find_lab
from naru.errors import InputError
from naru.lab.cloud import Cloud
from naru.lab.seed import remove, seeder
from naru.lab.seed.load import Declaration, load
from naru.lab.seed.work import Progress as Report

EVERY = 10.0
"""Seconds between two lines of progress."""


def _lines(what: str) -> Report:
    """Says at most now and then, on standard error, how far it is."""
    said = time.monotonic()

    def report(done: int, total: int, last: str) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            print(f"{what}: {done}/{total}  {last}", file=sys.stderr, flush=True)

    return report


@contextmanager
def seed_progress(what: str) -> Iterator[Report]:
    """A bar on standard error with counts and the time that is left; a line now and then where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what)
        return
    columns = (
        TextColumn("[bold]{task.fields[what]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, what=what)

        def report(done: int, total: int, last: str) -> None:
            bar.update(task, completed=done, total=total, description=last)

        yield report


def setting(text: str) -> tuple[str, int]:
    """NAME=NUMBER as the two parts."""
    name, _, number = text.partition("=")
    try:
        return name, int(number)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: give NAME=NUMBER, as in servers=50") from error


class Seed(ShowOne):
    """Fill a cloud with a sample: what its file declares and is not there yet, with data in the volumes.

    SAMPLE is `demo` (a small company), `large` (projects and servers in numbers), `wide` (one project of 50 servers and
    some 600 things) or a file's path. What the cloud's release does not have is skipped and listed under
    not_in_this_release. May be repeated at any time.
    Exit code of --check: 1 when a volume, snapshot or image is not as it was written.
    """

    examples = """
naru lab seed demo --cloud old
naru lab seed large --cloud old --set projects=10 --set servers=50
naru lab seed demo --cloud old --check
naru lab seed ./company.yaml --cloud new -f json
naru lab seed demo --cloud old --remove
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("sample", metavar="SAMPLE", help="the sample's name, or the path of its file")
        parser.add_argument("--cloud", default="old", metavar="CLOUD", help="the cloud to fill (%(default)s)")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=setting,
            metavar="NAME=NUMBER",
            help="one of the sample's parameters; may be repeated",
        )
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--check", action="store_true", help="compare all data with the checksum manifest")
        action.add_argument("--remove", action="store_true", help="delete the sample's projects and all in them")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        declaration = load(arguments.sample, dict(arguments.set))
        lab = find_lab(arguments)
        cloud = lab.cloud(arguments.cloud)
        if not lab.runs(cloud):
            raise InputError(f"{cloud.name} is not running", hint="Start it with: naru lab start")
        action = self._check if arguments.check else self._remove if arguments.remove else self._seed
        with seed_progress(f"{declaration.name} on {cloud.name}") as report:
            answer = action(declaration, cloud, report)
        row = {"sample": declaration.name, "cloud": cloud.name, **answer}
        return tuple(row), tuple(row.values())

    def _seed(self, declaration: Declaration, cloud: Cloud, report: Report) -> dict[str, Any]:
        result = seeder.seed(declaration, cloud, report)
        return {
            "created": Lines(result.created),
            "found": Lines(result.found),
            "not_in_this_release": Lines(result.missing),
            "manifest": str(result.manifest),
            "seconds": round(result.seconds, 1),
        }

    def _check(self, declaration: Declaration, cloud: Cloud, report: Report) -> dict[str, Any]:
        checked, differences = seeder.check(declaration, cloud, report)
        self.exit_code = 1 if differences else 0
        rows = [f"{item.entry.kind} {item.entry.id} ({item.entry.name}) {item.problem}" for item in differences]
        return {"checked": checked, "differences": Lines(rows)}

    def _remove(self, declaration: Declaration, cloud: Cloud, report: Report) -> dict[str, Any]:
        return {"removed": Lines(remove.remove(declaration, cloud, report))}
