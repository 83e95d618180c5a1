"""Commands on something that was planned: what those of all capabilities have in common."""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from naru.cli.base import Command, ShowOne
from naru.cli.directory import add_directory
from naru.cli.plan_run import fields
from naru.cli.plan_view import add_watch, look
from naru.plan.journal import Journal
from naru.plan.status import Status


class OfWork(Command):
    """A command on something that was planned: its work directory, a path, is the argument `work`."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, as_type=Path)
        return parser


def ended(command: ShowOne, state: Status) -> tuple[Sequence[str], Iterable[Any]]:
    """How a run ended, as a command's answer and its exit code."""
    command.exit_code = state.exit_code
    return fields(state)


class StatusOfWork(OfWork, ShowOne):
    """Where something stands, once, or with --watch until nothing runs it any more."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_watch(parser)
        return parser

    def journal(self, work: Path) -> AbstractContextManager[Journal]:
        """The journal of what is looked at, in a work directory."""
        raise NotImplementedError

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with self.journal(arguments.work) as journal:
            return ended(self, look(journal, live=arguments.watch))
