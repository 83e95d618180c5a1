"""`naru upgrade guests|settle`: after the way back, guests that are otherwise than Nova has them, and compute services
that look after them again."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from naru.cli.base import Lister, ShowOne
from naru.cli.planned import OfWork
from naru.cli.terminal import Terminal
from naru.cli.upgrade_run import add_limits, ended, limits_of
from naru.upgrade.back import settle
from naru.upgrade.back.settle import Differing
from naru.upgrade.work import Work


class Guests(OfWork, Lister):
    """After a rollback, show which guests are otherwise than Nova has them.

    Since the dump users have started, stopped and deleted servers, of which the restored databases know nothing. So the
    compute services of before were started so that they leave guests as they are. Each guest that differs is listed,
    with what becomes of it when they look after guests again (naru upgrade settle): start, stop or delete it by hand
    before, where that is not what its user wants. libvirt is asked on each host. Nothing is changed.

        guest    running, off, paused, or none: there is no such domain
        nova     Nova's state of the server; deleted, or unknown: Nova has no record of it

    Exit codes: 0 nothing differs, 1 something does, or a host does not say it, 2 bad input.
    """

    examples = """
naru upgrade guests work/seoul
naru upgrade guests work/seoul -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        found = settle.differing(Work(arguments.work))
        self.exit_code = 1 if found else 0
        if self.app.options.verbose_level:
            print(f"naru: {len(found) or 'no'} guests are otherwise than Nova has them", file=sys.stderr)
        return Differing._fields, found


class Settle(OfWork, ShowOne):
    """After a rollback, let Nova look after guests again.

    The compute services of before were started so that they compare no power states, destroy nothing that runs though
    it was deleted, and start nothing after a boot: see first what differs, naru upgrade guests. Their configuration is
    brought back, and they are started anew, as many at a time as with naru upgrade agents. One that does not start
    holds up no other; given again it goes on. Exit codes as of naru upgrade run.
    """

    examples = """
naru upgrade settle work/seoul
naru upgrade settle work/seoul --max-unacked 500
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_limits(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        given, terminal = limits_of(arguments), Terminal.of(self.app.options)
        return ended(self, settle.restart(Work(arguments.work), terminal, given))
