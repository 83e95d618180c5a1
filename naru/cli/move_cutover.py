"""`naru move cutover|release`: the window, at once or held back until somebody releases it."""

import argparse
import glob
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from naru.cli.base import DURATION, ShowOne
from naru.cli.move_plan import Phase, add_work, move_fields
from naru.cli.move_sync import rounds
from naru.errors import InputError
from naru.move import hold, work
from naru.move.downtime import ahead
from naru.move.progress import ProgressReader
from naru.plan import control
from naru.plan.status import status
from naru.text import duration

EVERY = 60.0


class Cutover(Phase):
    """The window: stop the old servers, carry their content, change the addresses over, start the new servers.

    Projects that are not prepared wait until they are. One that needs others is cut over after them or with them, or is
    refused: naru move waves shows who needs whom. With --hold nothing of it happens yet: rounds of copying ahead
    (naru move sync) go on, so that the last changes stay small, and after each it is said how long the window's content
    and the longest interruption are expected to take; until Enter is pressed here, or naru move release DIR is given
    in another terminal. Then the window begins at once: a round that is under way is broken off. Ctrl-C while it holds:
    nothing is cut over. Exit codes as of prepare.
    """

    phase = "cutover"
    done = "cut over"
    examples = """
naru move cutover work/hanok
naru move cutover work/all --project hanok
naru move cutover work/hanok --hold --every 5m
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--hold", action="store_true", help="copy ahead, again and again, until it is released")
        parser.add_argument(
            "--every", type=DURATION, metavar="TIME", help=f"with --hold: begin a round this often ({EVERY:.0f}s)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.every and not arguments.hold:
            raise InputError("--every is for a cut-over that holds", hint="Give --hold as well.")
        if arguments.hold and (code := self._hold(arguments)):
            self.exit_code = code
            move = work.Work(arguments.work)
            with move.journal() as journal:
                return move_fields(move, journal, status(journal))
        return super().take_action(arguments)

    def _hold(self, arguments: argparse.Namespace) -> int:
        """Copies ahead until it is released; the exit code when it ends otherwise, else 0."""
        move = work.Work(arguments.work)
        projects = self._ready(move, move.chosen(arguments.project), arguments.alone)
        quiet = self.app.options.verbose_level == 0
        with hold.holding(move.directory) as released:
            self._say(f"holding; the window begins with naru move release {arguments.work}, or with Enter here")
            every = arguments.every or EVERY
            for found in rounds(move, projects, every=every, quiet=quiet, say=self._say, stop=released):
                if released.is_set():
                    break
                if found.code not in (0, 1):
                    return found.code
                if (longest := ahead(move, {one.volume: one.seconds for one in found.done}, projects)) is not None:
                    self._say(f"the longest interruption now: about {duration(longest)}")
        self._say("released; the window begins")
        return 0

    def _say(self, line: str) -> None:
        if self.app.options.verbose_level:
            print(f"naru: {line}", file=sys.stderr, flush=True)

    def _ready(self, move: work.Work, chosen: Sequence[str], alone: bool) -> list[str]:
        """The projects (ids) that are to be cut over, all prepared and none begun, behind gates that are held."""
        with move.journal() as journal:
            self.gates(move, journal, chosen, alone)
            progress = ProgressReader(journal, move.projects)
            states = progress.read()
            left = [
                project
                for project in chosen or move.projects
                if states[project].reached < 2 and not states[project].rolled_back
            ]
            if not left:
                raise InputError(f"{move.directory}: all of it is cut over")
            for project in left:
                name = move.called[project]
                if states[project].begun:
                    raise InputError(f"the cut-over of {name} has begun", hint="Go on with it: without --hold.")
                if not states[project].reached:
                    raise InputError(f"{name} is not prepared", hint=f"naru move prepare {move.directory}")
            for project in left:
                control.hold(journal, glob.escape(progress.gates["cutover", project]))
        return left


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
