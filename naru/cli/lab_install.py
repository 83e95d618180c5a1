"""`naru lab install` and `naru lab releases`: the releases' virtual environments."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cliff.columns import FormattableColumn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from naru.cli.base import Command, Lister
from naru.releases import install, overview


@contextmanager
def progress() -> Iterator[install.Progress]:
    """Shows installations on standard error: a bar for each release, or lines where that is no terminal."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (TextColumn("{task.fields[release]:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, TextColumn("{task.description}"), console=console) as bars:
        tasks: dict[str, Any] = {}

        def report(release: str, phase: str, done: int, total: int) -> None:
            if release not in tasks:
                tasks[release] = bars.add_task(phase, total=total, release=release)
            bars.update(tasks[release], description=phase, completed=done)

        yield report


def _lines(console: Console) -> install.Progress:
    began = time.monotonic()
    last: dict[str, str] = {}

    def report(release: str, phase: str, done: int, total: int) -> None:
        if last.get(release) != phase:
            last[release] = phase
            console.print(f"{time.monotonic() - began:6.1f} s  {release}: {phase} ({done}/{total} packages)")

    return report


class Install(Command):
    """Install releases of OpenStack, each into a virtual environment that all labs share.

    Without arguments: the oldest and the newest release. What is installed already is left as it is.
    """

    examples = """
naru lab install
naru lab install queens 2025.1
naru lab install --all
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("releases", nargs="*", metavar="RELEASE", help="a release by name: naru lab releases")
        parser.add_argument("--all", action="store_true", help="every release: some 10 GB, half an hour and more")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        wanted = overview.choose(arguments.releases, everything=arguments.all)
        with progress() as report:
            paths = install.install(wanted, report)
        for name, path in paths.items():
            print(f"{name} {path}")


class _Names(FormattableColumn[list[str]]):
    """Names: a list for programs, words for a person."""

    def human_readable(self) -> str:
        return " ".join(self._value)


class Releases(Lister):
    """List the releases of OpenStack that a lab can run, oldest first.

    Interpreter is the Python found for it; when it is empty, `naru lab install` says how to get one.
    """

    examples = """
naru lab releases
naru lab releases -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        columns = ("Name", "Released", "Python", "Interpreter", "Installed", "Services")
        return columns, [self._shown(row) for row in overview.rows()]

    @staticmethod
    def _shown(row: overview.Row) -> tuple[Any, ...]:
        released, services = row.released.isoformat(), _Names(row.services)
        return row.name, released, row.python, row.interpreter, row.installed, services
