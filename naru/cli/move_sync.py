"""`naru move sync|rate`: content copied ahead while the old servers run, and how fast."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff.columns import FormattableColumn

from naru.cli.base import DURATION, Lister, ShowOne
from naru.cli.move_plan import add_as_planned, add_chosen, add_work
from naru.cli.rate import add_rate, settled
from naru.cli.terminal import Terminal
from naru.move import sync, work
from naru.text import size

BYTES = ("size", "read", "written", "compared")
SHOWN = ("project", "title", "number", "read", "written", "compared", "repaired", "seconds", "way")
"""What a table has of a volume, as far as a terminal is wide; all formats for programs have all of it."""


class Bytes(FormattableColumn[int]):
    """An amount as people read it, in JSON a number."""

    def human_readable(self) -> str:
        return size(self._value)

    def machine_readable(self) -> int:
        return self._value


class Sync(Lister):
    """Copy the volumes' content ahead, while the old servers run; each further round only what changed since.

    The cut-over then carries and compares the last changes alone. May be repeated, interrupted and run again: it goes
    on inside a volume. With --every it goes round again and again, with --until as soon as the next round, and so the
    content's part of the window, is expected to take no longer than that; with both it goes on until then. How many
    volumes at once: naru plan limit DIR/sync/NUMBER copies N; how fast: naru move rate.

    Exit codes: 0 done, 1 failed copies (the others go on), 2 bad input, 3 --until was not reached: rounds do not get
    shorter any more, 130 interrupted.
    """

    examples = """
naru move sync work/hanok
naru move sync work/hanok --project hanok --until 10s
naru move sync work/all --every 1h
naru move sync work/hanok -q -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_chosen(parser)
        add_as_planned(parser)
        parser.add_argument("--whole", action="store_true", help="compare everything, not only what changed")
        parser.add_argument("--every", type=DURATION, metavar="TIME", help="begin a round this often, like 1h")
        parser.add_argument("--until", type=DURATION, metavar="TIME", help="go on until the next one takes no longer")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        self.exit_code, copied = sync.sync(
            work.Work(arguments.work),
            arguments.project,
            Terminal.of(self.app.options),
            whole=arguments.whole,
            every=arguments.every,
            until=arguments.until,
            as_planned=arguments.as_planned,
        )
        if arguments.formatter == "table" and not arguments.columns:
            arguments.columns = list(SHOWN)
        rows = [one._asdict() for one in copied]
        return sync.Copied._fields, [
            tuple(Bytes(value) if name in BYTES else value for name, value in row.items()) for row in rows
        ]


class Rate(ShowOne):
    """Cap what the copies of a move carry together, or show the cap; running ones follow within a second.

    It holds for rounds of copying ahead and for the cut-over.
    """

    examples = """
naru move rate work/hanok 80M
naru move rate work/hanok none
naru move rate work/hanok
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_rate(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return settled(work.Work(arguments.work).directory, arguments.rate)
