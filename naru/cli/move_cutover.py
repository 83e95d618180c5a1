"""`naru move cutover|release`: the window, at once or held back until somebody releases it."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from naru.cli.base import DURATION, ShowOne
from naru.cli.move_plan import PhaseOfProjects, add_work, move_fields
from naru.cli.move_view import MoveView
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.move import hold, phases, work
from naru.plan.status import Status, status


class Cutover(PhaseOfProjects):
    """The window: stop the old servers, carry their content, change the addresses over, start the new servers.

    Projects that are not prepared wait until they are. One that needs others is cut over after them or with them, or is
    refused: naru move waves shows who needs whom. With --hold nothing of it happens yet: rounds of copying ahead
    (naru move sync) go on, so that the last changes stay small, and after each it is said how long the window's content
    and the longest interruption are expected to take; until Enter is pressed here, or naru move release DIR is given
    in another terminal. Then the window begins at once: a round that is under way is broken off. Ctrl-C while it holds:
    nothing is cut over. Exit codes as of prepare.
    """

    examples = """
naru move cutover work/hanok
naru move cutover work/all --project hanok
naru move cutover work/hanok --hold --every 5m
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--hold", action="store_true", help="copy ahead, again and again, until it is released")
        parser.add_argument(
            "--every",
            type=DURATION,
            metavar="TIME",
            help=f"with --hold: begin a round this often ({phases.HOLD_EVERY:.0f}s)",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.every and not arguments.hold:
            raise InputError("--every is for a cut-over that holds", hint="Give --hold as well.")
        if arguments.hold:
            move = work.Work(arguments.work)
            terminal = Terminal.of(self.app.options, MoveView(move).draw)
            every = arguments.every or phases.HOLD_EVERY
            code = phases.hold_cut_over(
                *(move, arguments.project, terminal),
                alone=arguments.alone,
                every=every,
                as_planned=arguments.as_planned,
            )
            if code:
                self.exit_code = code
                with move.journal() as journal:
                    state = status(journal)
                return move_fields(move, state)
        return super().take_action(arguments)

    def run_phase(self, move: work.Work, arguments: argparse.Namespace, terminal: Terminal) -> Status:
        return phases.cut_over(
            move, arguments.project, terminal, alone=arguments.alone, as_planned=arguments.as_planned
        )


class Release(ShowOne):
    """Let a cut-over begin that is holding (naru move cutover DIR --hold). Exit code 2 when none is."""

    examples = "naru move release work/hanok"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory = work.Work(arguments.work).directory
        hold.release(directory)
        return ("cut-over",), ("released",)
