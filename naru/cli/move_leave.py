"""`naru move leave`: one thing stays on the old cloud, and the rest goes on."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move_plan import add_work
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.move import phases, work


class Leave(Lister):
    """Leave one thing on the old cloud, with all that exists only for it or cannot be without it, in all phases.

    At any time before its project is finalized: what is to be done of it is skipped, what was done is undone, and
    everything else goes on. A server goes with a volume that it has, its ports and addresses with a server; others are
    made without it where they can be: a port without a security group. --dry-run shows what that means and changes
    nothing. verify and the report say that it was left, and why. With --undo it is moved after all: give the phases
    again.

    After a cut-over the old server of a left one is started again; what was written on the new one since is lost.

    THING is KIND/NAME, KIND/ID, a name or an id on the old cloud. Exit codes: 0 done, 1 something could not be undone
    on the new cloud (given again, it goes on with that), 2 bad input, 130 interrupted.
    """

    examples = """
naru move leave work/hanok volume/db-wal --reason "the new Cinder refuses it" --dry-run
naru move leave work/hanok volume/db-wal --reason "the new Cinder refuses it"
naru move leave work/hanok "security group/web" --reason "made by hand" -f json
naru move leave work/hanok volume/db-wal --undo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("thing", metavar="THING", help="what is left: KIND/NAME, KIND/ID, a name or an id")
        parser.add_argument(
            "--reason", default="", metavar="TEXT", help="why: it is kept in the journal and told in the report"
        )
        parser.add_argument("--undo", action="store_true", help="move it after all")
        parser.add_argument("--dry-run", action="store_true", help="only show what that means")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory: Path = arguments.work
        if arguments.undo and arguments.reason:
            raise InputError("--reason is for what is left", hint="Give --undo without it.")
        move, thing, terminal = work.Work(directory), arguments.thing, Terminal.of(self.app.options)
        if arguments.dry_run:
            rows = phases.leaving(move, thing, arguments.reason, terminal, undo=arguments.undo)
        elif arguments.undo:
            rows, self.exit_code = phases.take_back(move, thing, terminal)
        else:
            rows, self.exit_code = phases.leave_behind(move, thing, arguments.reason, terminal)
        return ("kind", "name", "old id", "project", "becomes", "on the new cloud", "why"), rows
