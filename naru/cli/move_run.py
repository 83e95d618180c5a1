"""`naru move run`: the phases of many projects, at the times of a schedule."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move_plan import add_as_planned, add_work
from naru.cli.terminal import Terminal
from naru.move import phases
from naru.move.windows import PHASES
from naru.move.work import Work


class Run(Lister):
    """Move many projects at the times of a schedule: prepare all, cut over wave by wave, finalize.

    Waits between the phases, and says what is next and when. Ctrl-C ends it at any time (while steps run: once lets
    them finish, twice ends at once); run again, it goes on: all it knows is in the work directory. A project that
    failed holds those that need it, and no others; when it is mended (naru plan retry), also from another terminal, it
    goes on. A project whose cut-over has not begun by its window's latest time is held.

    The last table has each project. Exit codes: 0 all done, 1 projects failed, 2 bad input, 3 projects are held, 130
    interrupted.
    """

    examples = """
naru move run work/all --schedule schedule.yaml --dry-run
naru move run work/all --schedule schedule.yaml
naru move run work/all --schedule schedule.yaml --until prepare
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--schedule", type=Path, required=True, metavar="FILE", help="the waves and their times")
        parser.add_argument("--dry-run", action="store_true", help="show what is done when, and do nothing")
        parser.add_argument(
            "--until", choices=PHASES.names, default=PHASES.end, help="the last phase (default: finalize)"
        )
        add_as_planned(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move, file, until = Work(arguments.work), arguments.schedule, arguments.until
        if arguments.dry_run:
            return ("at", "phase", "wave", "projects", "at_once"), phases.agenda(move, file, until)
        self.exit_code, states = phases.scheduled(
            move, file, Terminal.of(self.app.options), until, as_planned=arguments.as_planned
        )
        return ("wave", "project", "reached", "state", "why"), states
