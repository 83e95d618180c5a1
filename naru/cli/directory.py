"""Which work directory a command is for: one rule, in the same words, for all commands.

DIR, else --work DIR, else $NARU_WORK, else the current directory if it is a work directory. Commands whose arguments
are other things have --work alone. Some that make what they need there take the current directory whatever it is
(`ANY`); what makes a whole move never does (`NEVER`).
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from naru.errors import InputError

VARIABLE = "NARU_WORK"
WORK = "the work directory"
JOURNAL = "the work directory, or its journal's URL"

HERE, ANY, NEVER = "if it is a work directory", "whatever it is", "never"
"""Whether the current directory is meant when none is named."""
_ELSE = {
    HERE: f"else ${VARIABLE}, else the current directory if it is a work directory",
    ANY: f"else ${VARIABLE}, else the current directory",
    NEVER: f"else ${VARIABLE}",
}


def add_directory(
    parser: argparse.ArgumentParser,
    *,
    positional: bool = True,
    what: str = WORK,
    current: str = HERE,
    optional: bool = False,
    as_type: Callable[[str], Any] = str,
) -> None:
    """Adds the arguments that say which directory is meant: DIR if it may be `positional`, and --work. When the command
    runs, `work` of what it is given is that directory, as `as_type`; None where it is `optional` and none is named.
    `current` says when the current directory counts."""
    told = f"{what} ({_ELSE[current]})"
    if positional:
        parser.add_argument("directory", nargs="?", metavar="DIR", help=told)
        parser.add_argument("--work", metavar="DIR", help="the same as DIR")
    else:
        parser.add_argument("--work", metavar="DIR", help=told)

    def settle(arguments: argparse.Namespace) -> None:
        arguments.work = _directory(arguments, positional, current, optional, as_type)

    parser.set_defaults(settle=settle)


def settle(arguments: argparse.Namespace) -> None:
    """Puts the directory that is meant in its place; for a command that has none, nothing. Raises InputError where none
    is named, and where two are."""
    if found := vars(arguments).pop("settle", None):
        found(arguments)


def demanded(arguments: argparse.Namespace) -> Any:
    """The directory of a command that can do without one, where it cannot. Raises InputError when none is named."""
    if arguments.work is None:
        raise _missing(positional=True, current=HERE)
    return arguments.work


def _directory(
    arguments: argparse.Namespace, positional: bool, current: str, optional: bool, as_type: Callable[[str], Any]
) -> Any:
    named: str | None = getattr(arguments, "directory", None) if positional else None
    if named and arguments.work and named != arguments.work:
        raise InputError(
            f"two work directories are named: {named}, and --work {arguments.work}", hint="Give one of them."
        )
    found = named or arguments.work or os.environ.get(VARIABLE)
    if not found and (current == ANY or (current == HERE and _is_here())):
        found = "."
    if found:
        return as_type(found)
    if optional:
        return None
    raise _missing(positional, current)


def _is_here() -> bool:
    """Whether the current directory is a work directory: it has one of these files."""
    # what speaks to databases takes half a second to load: not for every command, of which many need none
    from naru.plan.journal import DATABASE, POINTER
    from naru.work.directory import OWNER

    return any(Path(name).exists() for name in (DATABASE, POINTER, OWNER, "archive.db", "decisions.json", "watch.db"))


def _missing(positional: bool, current: str) -> InputError:
    ways = "Neither DIR nor --work DIR is given, nor is" if positional else "--work DIR is not given, nor is"
    here = f", and the current directory, {Path.cwd()}, is none" if current == HERE else ""
    return InputError(
        "the work directory is missing",
        detail=f"{ways} ${VARIABLE} set{here}.",
        hint=f"Give it as {'DIR' if positional else '--work DIR'}, like work/hanok.",
    )
