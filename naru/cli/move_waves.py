"""`naru move waves`: which projects can be moved together, and in which order."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lines, Lister
from naru.cli.move_plan import add_work
from naru.move import waves
from naru.move.work import Work


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
        found = waves.waves(
            Work(arguments.work),
            most_projects=arguments.max_projects,
            most_servers=arguments.max_servers,
            save_to=arguments.suggest,
        )
        return ("wave", "projects", "servers", "volumes", "gib", "why"), [
            (wave.number, Lines(wave.projects), wave.size.servers, wave.size.volumes, wave.size.gib, Lines(wave.why))
            for wave in found
        ]
