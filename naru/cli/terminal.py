"""The terminal at which a command was given: what happens is said there, and a plan that runs is drawn."""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext

from naru.cli.plan_view import Draw, draw_plan, watching
from naru.plan.journal import Journal


class Terminal:
    """Standard error, as `naru.plan.run.Terminal` asks for it. A `quiet` one shows warnings alone."""

    def __init__(self, quiet: bool, draw: Draw = draw_plan) -> None:
        self._quiet = quiet
        self._draw = draw

    @classmethod
    def of(cls, options: argparse.Namespace, draw: Draw = draw_plan) -> "Terminal":
        """By the options of the whole program: quiet with -q."""
        return cls(options.verbose_level == 0, draw)

    def say(self, line: str) -> None:
        """What happens, for whoever wants to know."""
        if not self._quiet:
            self.warn(line)

    def warn(self, line: str) -> None:
        """What somebody has to know."""
        print(f"naru: {line}", file=sys.stderr, flush=True)

    def watching(self, journal: Journal) -> AbstractContextManager[None]:
        """Draws a plan that runs, for as long."""
        return nullcontext() if self._quiet else watching(journal, self._draw)
