"""`naru upgrade probe`: whether guests answer all through an upgrade."""

import argparse
import contextlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister, argument
from naru.cli.terminal import Terminal
from naru.cli.upgrade_run import OfWork
from naru.text import duration, utc
from naru.upgrade import guests
from naru.upgrade.guests import Guest, Seen
from naru.upgrade.work import Work


class Probe(OfWork, Lister):
    """Ask guests all through an upgrade whether they are there, and show which were silent, how long and when.

    A TCP connection to each is opened and closed, from this machine; refused is an answer, too. Begin before naru
    upgrade freeze, in a terminal of its own, and interrupt it (Ctrl-C) when all is done. What was seen is in the work
    directory, also when the command was killed; given again it goes on there. Without guests it shows what was seen so
    far. naru upgrade verify and report tell of it.

    Exit codes: 0 nothing is wrong, 1 a guest was silent for more than 5 s, is silent still, or has never answered, 2
    bad input.
    """

    examples = """
naru upgrade probe work/seoul --guest 203.0.113.7 --guest 203.0.113.8:443
naru upgrade probe work/seoul --guests guests.txt --for 6h
naru upgrade probe work/seoul
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--guest",
            action="append",
            default=[],
            type=argument(Guest.parse),
            metavar="ADDRESS[:PORT]",
            help=f"a guest that this machine reaches, as by its floating IP (several times; port {guests.PORT})",
        )
        parser.add_argument("--guests", type=Path, metavar="FILE", help="a file with a guest a line")
        parser.add_argument("--every", type=DURATION, default=1.0, metavar="TIME", help="how often each is asked (1s)")
        parser.add_argument(
            "--for", dest="seconds", type=DURATION, default=math.inf, metavar="TIME", help="end after so long"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory = Work(arguments.work).directory
        asked = [*arguments.guest, *(guests.listed(arguments.guests) if arguments.guests else ())]
        if asked:
            with contextlib.suppress(KeyboardInterrupt):  # that is how it ends
                say = Terminal.of(self.app.options).say
                guests.probe(directory, asked, arguments.every, arguments.seconds, say)
        found = guests.record(directory)
        self.exit_code = 1 if guests.is_wrong(found) else 0
        if arguments.formatter != "table":
            return Seen._fields, found.guests
        return Seen._fields, map(_shown, found.guests)


def _shown(one: Seen) -> tuple[Any, ...]:
    since = "" if one.since is None else utc(one.since)
    return one.guest, one.sent, one.lost, duration(one.longest) if one.lost else "", since, one.answers
