"""`naru volume clone|flatten`: content that is not copied, because both volumes are on one storage."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from naru.cli.base import ShowOne
from naru.cli.volume import add_location
from naru.cli.volume_copy import controlled
from naru.errors import InputError
from naru.volumes.engine import clone
from naru.volumes.open import parse
from naru.volumes.volume import PREFIX, Location

JOB = "adopt"  # in the names of snapshots, and of a release in which clone was called so: what it began can be ended


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_location(parser, "source", "rbd:..., file:... or qcow2:...; see naru volume where --help")
    add_location(parser, "target", "the same; it has to exist")
    parser.add_argument(
        "--job", default=JOB, metavar="NAME", help=f"part of the point's name, naru-NAME-final (default: {JOB})"
    )


def _parsed(arguments: argparse.Namespace) -> tuple[Location, Location]:
    if not re.fullmatch(r"[\w.-]+", arguments.job, re.ASCII):
        raise InputError(f"--job {arguments.job!r}: a name is of letters, digits, _, . and -")
    return parse(arguments.source), parse(arguments.target)


class Clone(ShowOne):
    """Give a volume the content of another one on the same storage, in seconds and without a copy.

    On one Ceph cluster the target becomes a clone of a last point of the source: with its own name, and what it was
    before kept aside; naru volume flatten makes it independent later, while it is in use. On one file system with
    reflinks it becomes a reflink. Nobody may have either volume open. The target's key must be able to read the
    source's pool, and those of its parents, until then. May be interrupted and run again. Exit codes: 0 done, 1 a
    storage failed, 2 bad input, also where it cannot be done, 130 interrupted.
    """

    examples = """
naru volume clone rbd:old-volumes/volume-1@id=cinder rbd:new-volumes/volume-2@id=cinder2 --check
naru volume clone rbd:old-volumes/volume-1@id=cinder rbd:new-volumes/volume-2@id=cinder2
naru volume clone rbd:old-volumes/volume-1@id=cinder rbd:new-volumes/volume-2@id=cinder2 --undo
naru volume clone file:/mnt/nfs/volume-1 file:/mnt/nfs/volume-2
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_common(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--check", action="store_true", help="only say whether it can be done, and if not, why")
        how.add_argument("--undo", action="store_true", help="undo it, as far as it came")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        source, target = _parsed(arguments)
        with controlled("cloning", None, self.app.options.verbose_level == 0) as control:
            if arguments.undo:
                clone.undo(source, target, arguments.job, control)
                return ("restored",), (str(target),)
            if arguments.check:
                found = clone.method(source, target)
                return ("way", "why"), (found.name, found.why)
            done = clone.clone(source, target, arguments.job, control)
        shown = done._asdict() | {"point": f"{PREFIX}{done.point}" if done.point else ""}
        return tuple(shown), tuple(shown.values())


class Adopt(Clone):
    """The former name of naru volume clone, which does the same."""

    examples = ""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        print("naru: volume adopt is called volume clone now; the old name still works", file=sys.stderr)
        return super().take_action(arguments)


class Flatten(ShowOne):
    """Make a cloned volume independent of its source, while it is in use, and compare what it was with the source.

    Both are compared as they were when the clone was made, over the whole address space. When they are equal, the
    source's last point and what the target was before are removed; else all is kept, and the difference is shown.
    Nothing is done with a volume that was not cloned. May be interrupted and run again. Exit codes as of clone.
    """

    examples = """
naru volume flatten rbd:old-volumes/volume-1@id=cinder rbd:new-volumes/volume-2@id=cinder2
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_common(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        source, target = _parsed(arguments)
        with controlled("flattening", None, self.app.options.verbose_level == 0) as control:
            done = clone.flatten(source, target, arguments.job, control)
        return done._fields, done
