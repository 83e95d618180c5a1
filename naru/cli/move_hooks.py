"""`naru move hooks`: the operator's own commands at the moments of a move, checked and tried."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.directory import add_directory, demanded
from naru.move import hooks, moments
from naru.move.work import Work
from naru.text import duration
from naru.work.hooks import FILE


class Hooks(Lister):
    """List and check the hooks of a move: which program runs at which moment, and what came of it so far.

    They stand in hooks.yaml in the work directory, and may be changed at any time. With --try the hooks of one moment
    run at once, with example facts ("example": true): nothing of the move is done, and nothing is recorded. With
    --moments the moments are listed that a hook can be for.

    Exit codes: 0, 1 when a hook that was tried fails, 2 when the file is wrong (each field is named).
    """

    examples = """
naru move hooks work/hanok
naru move hooks work/hanok --try before-old-server-stops
naru move hooks --moments
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, as_type=Path, optional=True)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--try", dest="moment", metavar="MOMENT", help="run the hooks of this moment, as an example")
        which.add_argument("--moments", action="store_true", help="list the moments")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.moments:
            return ("moment", "when", "a failing hook"), moments.listed()
        move = Work(demanded(arguments))
        if arguments.moment is not None:
            ran = hooks.try_moment(move, arguments.moment)
            self.exit_code = 1 if any(one.problem for one in ran) else 0
            fields = ("command", "exit", "seconds", "problem", "output")
            return fields, [(" ".join(one.command), one.exit, one.seconds, one.problem, one.output) for one in ran]
        rows = hooks.listed(move)
        if not rows:
            self.app.stderr.write(f"naru: {move.directory / FILE} has no hooks: naru move hooks --moments lists them\n")
        return hooks.Listed._fields, [(*row[:2], duration(row.deadline), *row[3:]) for row in rows]
