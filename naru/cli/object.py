"""`naru object copy|verify|rate`: a Swift account carried to another one, and compared."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from blake3 import blake3

from naru.cli.base import RATE, Lines, ShowOne, argument
from naru.cli.directory import ANY, add_directory
from naru.cli.rate import add_rate, settled
from naru.cli.volume_copy import controlled
from naru.errors import InputError
from naru.objects.engine import PARALLEL
from naru.objects.mapping import load
from naru.objects.where import FORMS, Place, open_account, parse
from naru.objects.wire import Account
from naru.work.rate import rate


def _parallel(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 256:
        raise ValueError(f"{text!r} is not a number from 1 to 256")
    return number


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help=FORMS)
    parser.add_argument("target", metavar="TARGET", help="the same; an account that does not exist is made")
    parser.add_argument(
        "--container", action="append", default=[], metavar="NAME", help="only this container; may be repeated"
    )
    parser.add_argument(
        "--map", type=Path, metavar="FILE", help="ids of projects and users, names of policies: old to new"
    )
    parser.add_argument(
        "--parallel", type=argument(_parallel), default=PARALLEL, metavar="N", help="objects at a time (%(default)s)"
    )
    parser.add_argument(
        "--rate", type=RATE, metavar="BYTES", help="a cap in bytes a second, like 80M; else that of naru object rate"
    )
    add_directory(parser, positional=False, what="the work directory, which keeps the state", current=ANY)


def _sides(arguments: argparse.Namespace) -> tuple[Place, Place]:
    source, target = parse(arguments.source), parse(arguments.target)
    if source == target:
        raise InputError(f"{source} is the source and the target", hint="Give two accounts.")
    return source, target


def _cap(arguments: argparse.Namespace) -> Callable[[], float | None]:
    """The cap whenever it is asked for. Raises InputError for a file that holds none; one that is spoilt while
    something runs leaves it as it was."""
    work = Path(arguments.work)
    known = rate(work)

    def now() -> float | None:
        nonlocal known
        with suppress(InputError):
            known = rate(work)
        return known

    return (lambda: arguments.rate) if arguments.rate else now


def _state(arguments: argparse.Namespace, source: str, target: str) -> Path:
    """Where the state of this pair is, by the URLs of both accounts."""
    return Path(arguments.work) / "objects" / blake3(f"{source} {target}".encode()).hexdigest(16)


class _OfTwo(ShowOne):
    """A command on two accounts."""

    @contextmanager
    def working(self, arguments: argparse.Namespace, what: str) -> Iterator[tuple[Account, Account, dict[str, Any]]]:
        """Both accounts, and what copying and comparing are given alike. Draws progress of `what`."""
        mapping, cap = load(arguments.map), _cap(arguments)
        with ExitStack() as stack:
            source, target = (open_account(side, arguments.parallel + 8) for side in _sides(arguments))
            stack.callback(source.close)
            stack.callback(target.close)
            control = stack.enter_context(controlled(what, cap, self.app.options.verbose_level == 0))
            only, parallel = arguments.container, arguments.parallel
            yield source, target, {"mapping": mapping, "only": only, "parallel": parallel, "control": control}


class Copy(_OfTwo):
    """Carry a Swift account to another one: once all of it, then, each time, what changed.

    Containers and objects with their metadata, access lists by --map, static and dynamic large objects, expiry. From
    cloud to cloud, without a local file; checked by the target against each object's ETag. A call that was interrupted
    or killed is gone on with by the next. What was carried and the source has no more is deleted; what others put into
    the target stays. Exit codes: 0 done, 1 something was refused or a cloud did not answer, 2 bad input, 130
    interrupted.
    """

    examples = """
naru object copy old new --work work/hanok
naru object copy old/hanok new/hanok --map ids.yaml --rate 80M --work work/hanok
naru object copy old new --container photos --container photos_segments -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_common(parser)
        parser.add_argument(
            "--delete-others",
            action="store_true",
            help="delete what the target's containers have that the source's have not, whoever put it there",
        )
        parser.add_argument(
            "--keep-modified",
            action="store_true",
            help="note when an object was last changed as X-Object-Meta-Naru-Last-Modified (seconds since 1970)",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from naru.objects.engine.copy import copy

        with self.working(arguments, "copying") as (source, target, common):
            directory = _state(arguments, source.url, target.url)
            done = copy(
                source,
                target,
                directory,
                delete_others=arguments.delete_others,
                keep_modified=arguments.keep_modified,
                **common,
            )
        self.exit_code = 1 if done.problems else 0
        shown = done._asdict() | {"state": str(directory)}
        return tuple(shown), tuple(Lines.of(value) for value in shown.values())


class Verify(_OfTwo):
    """Compare two Swift accounts: containers, their metadata, the number and bytes of objects, the ETag of each.

    Of large objects the ETags of both sides are asked for. --metadata compares the headers of each object, too, by a
    request for each on both sides; --content reads everything on both sides. Exit codes: 0 equal; 1 different.
    """

    examples = """
naru object verify old new --work work/hanok
naru object verify old/hanok new/hanok --map ids.yaml --metadata
naru object verify old new --container photos --content -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_common(parser)
        parser.add_argument("--metadata", action="store_true", help="compare the headers of each object")
        parser.add_argument("--content", action="store_true", help="read each object on both sides and compare")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from naru.objects.engine.verify import verify

        with self.working(arguments, "comparing") as (source, target, common):
            found = verify(source, target, metadata=arguments.metadata, content=arguments.content, **common)
        self.exit_code = 0 if found.equal else 1
        shown = found._asdict()
        return tuple(shown), tuple(Lines.of(value) for value in shown.values())


class Rate(ShowOne):
    """Cap what the copies and comparisons of a work directory carry, or show the cap; a running one follows within a
    second, unless it was given --rate.

    It is the cap of naru move rate of the same directory.
    """

    examples = """
naru object rate work/hanok 80M
naru object rate work/hanok none
naru object rate work/hanok
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, current=ANY)
        add_rate(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        work = Path(arguments.work)
        if arguments.rate is not None:
            work.mkdir(parents=True, exist_ok=True)
        return settled(work, arguments.rate)
