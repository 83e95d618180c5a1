"""`naru upgrade rate`: how fast environments are shipped."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from naru.cli.base import ShowOne
from naru.cli.planned import OfWork
from naru.cli.rate import add_rate, settled
from naru.upgrade.work import Work


class Rate(OfWork, ShowOne):
    """Cap what is sent to all hosts together when environments are shipped, or show the cap; what runs follows within
    seconds.

    It holds for naru upgrade prepare, and for what naru upgrade agents ships to hosts that were not reached then. How
    many hosts at a time is a limit group: naru plan limit ship 2 --work DIR.
    """

    examples = """
naru upgrade rate work/seoul 80M
naru upgrade rate work/seoul none
naru upgrade rate work/seoul
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_rate(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return settled(Work(arguments.work).directory, arguments.rate)
