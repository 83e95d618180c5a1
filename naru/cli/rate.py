"""The cap on what a plan's steps carry together, as commands of several capabilities take and show it."""

import argparse
import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import argument
from naru.text import parse_rate
from naru.work import rate

HELP = "bytes a second, like 80M or 1.5G; none for no cap"


def cap(text: str) -> float:
    """An argument's cap; 0.0 for none."""
    try:
        return 0.0 if text == "none" else parse_rate(text)
    except ValueError as error:
        raise ValueError(f"{error}; none for no cap") from error


def add_rate(parser: argparse.ArgumentParser) -> None:
    """Adds the argument `rate` behind that of the work directory, which may be left out."""
    parser.add_argument("rate", nargs="?", type=argument(cap), metavar="RATE", help=HELP)
    parser.set_defaults(settle=_one_word(parser.get_default("settle")))


def settled(directory: Path, given: float | None) -> tuple[Sequence[str], Iterable[Any]]:
    """Sets the cap if one is `given`, and shows what it is."""
    if given is not None:
        rate.set_rate(directory, given or None)
    return ("bytes a second",), (rate.rate(directory),)


def _one_word(settle: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """A single word that is a rate, and no directory, is the rate."""

    def read(arguments: argparse.Namespace) -> None:
        word = arguments.directory
        if word and arguments.rate is None and not Path(word).exists():
            with contextlib.suppress(ValueError):
                arguments.rate, arguments.directory = cap(word), None
        settle(arguments)

    return read
