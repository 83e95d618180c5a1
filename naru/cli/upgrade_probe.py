"""`naru upgrade probe`: whether guests answer all through an upgrade."""

import argparse
import contextlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister, argument
from naru.cli.planned import OfWork
from naru.cli.terminal import Terminal
from naru.text import duration, utc
from naru.upgrade.compare import guests
from naru.upgrade.compare.asking import PORT, Guest
from naru.upgrade.compare.guests import Seen
from naru.upgrade.work import Work


class Probe(OfWork, Lister):
    """Ask guests all through an upgrade whether they are there, and show which were silent, how long and when.

    They are asked from this machine, in one of three ways:

        ADDRESS[:PORT]        a TCP connection is opened and closed; refused is an answer, too
        icmp:ADDRESS          by an echo request (ping)
        kept:ADDRESS[:PORT]   by a TCP connection that stays open, over which nothing is sent: it has to last, as a
                              user's would. One that the guest itself closes in order is opened again

    Begin before naru upgrade freeze, in a terminal of its own, and interrupt it (Ctrl-C) when all is done. What was
    seen is in the work directory, also when the command was killed; given again it goes on there. Without guests it
    shows what was seen so far. naru upgrade verify and report tell of it.

    Exit codes: 0 nothing is wrong, 1 a guest was silent for more than 5 s, is silent still, or has never answered, or a
    connection was cut, 2 bad input.
    """

    examples = """
naru upgrade probe work/seoul --guest 203.0.113.7 --guest 203.0.113.8:443
naru upgrade probe work/seoul --guest icmp:203.0.113.7 --guest kept:203.0.113.7:22
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
            metavar="[icmp:|kept:]ADDRESS[:PORT]",
            help=f"a guest that this machine reaches, as by its floating IP (several times; port {PORT})",
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
    longest = duration(one.longest) if one.lost else ""
    return one.guest, one.sent, one.lost, longest, since, one.answers, one.cut
