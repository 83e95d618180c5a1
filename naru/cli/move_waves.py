"""`naru move waves`: which projects can be moved together, and in which order."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lines, Lister
from naru.cli.move_plan import add_work
from naru.errors import InputError
from naru.move import mapfile, waves
from naru.move.rollback import rolled_back
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan.windows import schedule
from naru.plan.windows.phases import ROLLED_BACK
from naru.plan.windows.waves import waves as in_waves


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


class Waves(Lister):
    """Show in which waves the projects of a move can be cut over, so that what a project needs is there before it.

    A project needs another one when something of it names something of that one: a shared network, an image, a security
    group, an address. Those that need one another are cut over together. Nothing on either cloud is asked or changed:
    the waves follow from what was read when the move was planned. Projects that were rolled back are in no wave. With
    --suggest they are written as a schedule whose times are left to be filled in, for naru move run.
    """

    examples = """
naru move waves work/all
naru move waves work/all --max-projects 20 --max-servers 200
naru move waves work/all --suggest schedule.yaml
naru move waves work/all -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--max-projects", type=_count, metavar="N", help="at most so many projects in a wave")
        parser.add_argument("--max-servers", type=_count, metavar="N", help="at most so many servers in a wave")
        parser.add_argument("--suggest", type=Path, metavar="FILE", help="write the waves as a schedule")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        file: Path | None = arguments.suggest
        if file and file.exists():
            raise InputError(f"--suggest {file}: the file is there already", hint="Name another file, or remove it.")
        work = Work(arguments.work)
        move = waves.projects(work)
        with work.journal() as journal:
            back = rolled_back(journal, move.names)
        found = in_waves(
            sorted(move.names.keys() - back, key=lambda project: move.names[project]),
            move.needs,
            {project: size.servers for project, size in move.sizes.items()},
            most_units=arguments.max_projects,
            most_weight=arguments.max_servers,
        )
        why = [[need.text(move.names) for need in move.dependencies if need.unit in wave] for wave in found]
        if file:
            mapfile.save(file, schedule.text(PHASES, found, move.names, why))
        rows = [
            self._row(number, wave, reasons, move)
            for number, (wave, reasons) in enumerate(zip(found, why, strict=True), 1)
        ]
        if back:
            rows.append(self._row(None, sorted(back, key=move.names.__getitem__), [ROLLED_BACK], move))
        return ("wave", "projects", "servers", "volumes", "gib", "why"), rows

    def _row(self, number: int | None, wave: list[str], why: list[str], move: waves.Projects) -> tuple[Any, ...]:
        size = sum((move.sizes[project] for project in wave), waves.Size())
        called = Lines([move.names[project] for project in wave])
        return number, called, size.servers, size.volumes, size.gib, Lines(why)
