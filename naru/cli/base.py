"""What every command shares: help with examples, and one way for an error to reach a person."""

import argparse
import datetime
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cliff import columns, command, lister, show

from naru.cli import directory
from naru.errors import NaruError
from naru.files import state_directory, write_whole
from naru.messages import Message, Text, say
from naru.plan.findings import Group, grouped
from naru.plan.model import Finding
from naru.text import parse_duration, parse_rate, shortened


def argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """For argparse's `type`: reads an argument by `parse`, whose ValueError's message is shown to the user whole."""

    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


DURATION = argument(parse_duration)
RATE = argument(parse_rate)


def print_error(error: NaruError) -> None:
    """Writes the three parts of `error` to standard error, without a traceback."""
    print(f"naru: {error.summary}", file=sys.stderr)
    for part in (error.detail, error.hint):
        for line in part.splitlines():
            print(f"      {line}", file=sys.stderr)


NAMED = 5
"""How many of the things that a finding is about are named, unless all are asked for."""


def print_findings(findings: Iterable[Finding], *, every: bool = False) -> None:
    """Writes a plan's findings to standard error, those of one kind as one with their number; with `every` all that
    they are about, and what each of them says."""
    for group in grouped(findings):
        number = f" ({len(group.findings)} times)" if len(group.findings) > 1 else ""
        print(f"{group.severity}: {say(group.summary)}{number}", file=sys.stderr)
        if number:
            _print_names(group, every)
        for part in (group.detail, group.hint):
            _print_part(part)


def _print_names(group: Group, every: bool) -> None:
    if every:
        for one in group.findings:
            print(f"      - {say(one.name)}", file=sys.stderr)
            for part in (one.detail, one.hint):
                _print_part(part, "        ")
        return
    names = [say(name) for name in group.names]
    said = shortened((name.replace("\n", " ") for name in names), NAMED)
    hidden = len(names) > NAMED or any(one.detail or one.hint for one in group.findings)
    parts = [", ".join(said), *(["-v says all of it"] if hidden else [])]
    _print_part("; ".join(filter(None, parts)))


def _print_part(part: Text, margin: str = "      ") -> None:
    for line in say(part).splitlines():
        print(f"{margin}{line}", file=sys.stderr)


def _told(error: Exception) -> NaruError:
    """The error for a person: what the system refused names the file, what nobody thought of is a bug."""
    if isinstance(error, NaruError):
        return error
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return NaruError(f"{error.filename}: {reason}" if error.filename else reason)
    return _bug(error)


def _bug(error: Exception) -> NaruError:
    """What nobody thought of: its type, and where the traceback is."""
    trace = "".join(traceback.format_exception(error))
    state = state_directory() / "tracebacks"
    file = state / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, trace)
        where = f"Its traceback is in {file}"
    except OSError:
        where = trace
    return NaruError(
        f"this is a bug of Naru: {type(error).__name__}: {error}",
        detail=where,
        hint="What was written to the journal is safe. Report the bug with the traceback and the command.",
    )


class Command(command.Command):
    """A command whose docstring's first paragraph is its summary and whose `examples` end its help.

    `take_action` may raise `NaruError`: it is printed as one message and becomes the exit code.
    A command that ends well, but not with 0, sets `exit_code`.
    """

    examples: str = ""
    exit_code: int = 0

    def get_epilog(self) -> str:
        """None of cliff's own, which reads all that is installed to find out whose plugin a command is."""
        return ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        if self.examples:
            lines = "\n".join(f"  {line}" for line in self.examples.strip().splitlines())
            parser.epilog = f"examples:\n{lines}"
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            directory.settle(parsed_args)
            return int(super().run(parsed_args) or 0) or self.exit_code
        except BrokenPipeError:
            raise
        except Exception as error:
            if getattr(self.app.options, "debug", False):
                raise
            told = _told(error)
            print_error(told)
            return told.exit_code

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        raise NotImplementedError


class Lister(Command, lister.Lister):
    """A command that answers with a table: `-f table|json|yaml|csv|value`. Messages among the values become words."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Any]) -> Any:
        return super().produce_output(parsed_args, column_names, map(_in_words, data))


class ShowOne(Command, show.ShowOne):
    """A command that answers with one thing's fields: `-f table|json|yaml|shell|value`. Messages among the values
    become words."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Any]) -> Any:
        return super().produce_output(parsed_args, column_names, _in_words(data))


def _in_words(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(say(value) if isinstance(value, Message) else value for value in values)


class Lines(columns.FormattableColumn[Any]):
    """A list or a mapping: a line for each item where a person reads it, itself in JSON and YAML."""

    @classmethod
    def of(cls, value: Any) -> Any:
        """The value in this form, if it has items; else itself."""
        return cls(value) if isinstance(value, (list, dict)) else value

    def human_readable(self) -> str:
        if isinstance(self._value, dict):
            return "\n".join(f"{value} {key}" for key, value in self._value.items())
        return "\n".join(map(str, self._value))

    def machine_readable(self) -> Any:
        return self._value
