"""`naru volume copy|verify|check`: the long ones, with progress, a cap and an end by Ctrl-C that loses nothing."""

import argparse
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blake3 import blake3

from naru.cli.base import RATE, Lines, ShowOne
from naru.cli.directory import ANY, add_directory
from naru.cli.volume import POINT, add_location, typed_point
from naru.errors import InputError
from naru.signals import ENDING, taken
from naru.volumes.control import Control
from naru.volumes.engine import state
from naru.volumes.engine.checksum import check
from naru.volumes.engine.copy import copy
from naru.volumes.engine.verify import verify
from naru.volumes.open import open_volume, parse
from naru.volumes.volume import Extent, Location, stored_name


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_location(parser, "source", "rbd:..., file:... or qcow2:...; see naru volume where --help")
    add_location(parser, "target", "the same; it has to exist")
    parser.add_argument("--rate", type=RATE, metavar="BYTES", help="a cap in bytes of data a second, like 80M")
    add_directory(parser, positional=False, what="the work directory, which keeps the state", current=ANY)


def _state(arguments: argparse.Namespace, source: Location, target: Location) -> Path:
    """Where the state of this pair is."""
    return Path(arguments.work) / "volumes" / blake3(f"{source} {target}".encode()).hexdigest(16)


@contextmanager
def controlled(what: str, rate: float | Callable[[], float | None] | None, quiet: bool) -> Iterator[Control]:
    """Draws progress on standard error. The first Ctrl-C or SIGTERM ends in order, the second at once. `rate` is the
    cap, or gives it whenever it is asked."""
    cap = rate if callable(rate) else lambda: rate
    with _asked() as asked:

        def check() -> None:
            if asked.is_set():
                raise KeyboardInterrupt

        if quiet or not sys.stderr.isatty():
            yield Control(check, rate=cap)
        else:
            with _drawn(what) as progress:
                yield Control(check, progress, cap)


@contextmanager
def _asked() -> Iterator[threading.Event]:
    """Set by the first signal. Python runs a handler only when the call that it is in returns, and one into a storage's
    library may take minutes when the storage does not answer: so a thread listens."""
    asked = threading.Event()
    receiver, sender = socket.socketpair()

    def listen() -> None:
        while received := receiver.recv(1):
            if received[0] not in ENDING:
                continue
            if asked.is_set():
                os._exit(130)
            asked.set()
            print("naru: stopping; the same command goes on. Once more stops at once", file=sys.stderr)

    sender.setblocking(False)
    listener = threading.Thread(target=listen, name="naru-signals", daemon=True)
    listener.start()
    woken = signal.set_wakeup_fd(sender.fileno())
    try:
        with taken(lambda *_: None):
            yield asked
    finally:
        signal.set_wakeup_fd(woken)
        sender.close()
        listener.join()
        receiver.close()


@contextmanager
def _drawn(what: str) -> Iterator[Callable[[int, int | None], None]]:
    # a pass over a small difference is shorter than the loading of what draws it
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    shown = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*shown, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def progress(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield progress


class Copy(ShowOne):
    """Copy a volume's content into another that exists already: once all of it, then, each time, what changed.

    The first call copies everything, each later one what changed since. A call that was interrupted or killed is gone
    on with by the next. From Ceph every pass ends at a snapshot of our own (naru-JOB-NUMBER; the one before is
    removed); from a file, all data is read and what differs is written. The target may hold anything before: it will
    be as the source is, and zero beyond it. Exit codes: 0 done, 1 a storage failed, 2 bad input, 130 interrupted.
    """

    examples = """
naru volume copy rbd:volumes/volume-1@conf=/etc/ceph/old.conf rbd:volumes/volume-2@conf=/etc/ceph/new.conf
naru volume copy qcow2:/mnt/nfs/volume-1.3c9e rbd:volumes/volume-2@id=cinder --rate 80M --work work/hanok
naru volume copy file:/mnt/nfs/volume-1 file:/mnt/other/volume-2 -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_common(parser)
        parser.add_argument("--job", default="", metavar="NAME", help="part of the points' names; random without")
        parser.add_argument("--grow", action="store_true", help="make a target that is too small larger")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        source, target = parse(arguments.source), parse(arguments.target)
        if source == target:
            raise InputError(f"{source} is the source and the target", hint="Give two volumes.")
        if not re.fullmatch(r"[\w.-]*", arguments.job, re.ASCII):
            raise InputError(f"--job {arguments.job!r}: a name is of letters, digits, _, . and -")
        directory = _state(arguments, source, target)
        if not state.exists(directory):  # it is kept of volumes that exist
            for location in (source, target):
                with open_volume(location):
                    pass
        with controlled("copying", arguments.rate, self.app.options.verbose_level == 0) as control:
            done = copy(source, target, directory, job=arguments.job, grow=arguments.grow, control=control)
        shown = done._asdict() | {"point": _full(done.point), "since": _full(done.since), "state": str(directory)}
        return tuple(shown), tuple(shown.values())


class Verify(ShowOne):
    """Compare the contents of two volumes over their whole address space by checksums, and repair what differs.

    A source with points is read at the point of the last copy, unless --point names another. The digests depend on
    content alone: equal ones mean equal content, on whatever storage. Exit codes: 0 equal, or made equal with
    --repair; 1 different.
    """

    examples = """
naru volume verify rbd:volumes/volume-1@conf=/etc/ceph/old.conf rbd:volumes/volume-2@conf=/etc/ceph/new.conf
naru volume verify rbd:volumes/volume-1 file:/mnt/nfs/volume-2 --repair --proof volume-2.proof
naru volume verify rbd:volumes/volume-1 rbd:new/volume-2 --changed --repair -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_common(parser)
        parser.add_argument("--point", metavar="POINT", help=POINT)
        parser.add_argument(
            "--changed",
            action="store_true",
            help="only what changed since both were last found equal",
        )
        parser.add_argument("--repair", action="store_true", help="copy ranges that differ again")
        parser.add_argument(
            "--proof", type=Path, metavar="FILE", help="write the source's checksum of every 64 KiB here"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        source, target = parse(arguments.source), parse(arguments.target)
        directory = _state(arguments, source, target)
        known = state.exists(directory)
        point = typed_point(arguments.point) or (state.last_point(directory) if known else "")
        with controlled("verifying", arguments.rate, self.app.options.verbose_level == 0) as control:
            found = verify(
                source,
                target,
                point=point,
                changed=arguments.changed,
                repair=arguments.repair,
                directory=directory if known else None,
                proof=arguments.proof,
                control=control,
            )
        self.exit_code = 0 if found.equal else 1
        shown = found._asdict() | {"different": _ranges(found.different), "point": _full(point)}
        return tuple(shown), tuple(shown.values())


class Check(ShowOne):
    """Compare a volume with the checksums that were kept of one (naru volume verify --proof FILE), however long ago.

    For a volume that has been moved: whether it still is what it was then, without the other side. A move keeps them
    as DIR/volumes/ID/records-POINT. Exit codes: 0 as it was, 1 different, 2 bad input, 130 interrupted.
    """

    examples = """
naru volume check rbd:volumes/volume-2@conf=/etc/ceph/new.conf volume-2.proof
naru volume check file:/mnt/nfs/volume-2 volume-2.proof -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_location(parser, "location", "rbd:..., file:... or qcow2:...; see naru volume where --help")
        parser.add_argument("proof", type=Path, metavar="FILE", help="what naru volume verify --proof FILE wrote")
        parser.add_argument("--point", metavar="POINT", help=POINT)
        parser.add_argument("--rate", type=RATE, metavar="BYTES", help="a cap in bytes of data a second, like 80M")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with controlled("reading", arguments.rate, self.app.options.verbose_level == 0) as control:
            found = check(
                parse(arguments.location), arguments.proof, point=typed_point(arguments.point), control=control
            )
        self.exit_code = 0 if found.equal else 1
        shown = found._asdict() | {"different": _ranges(found.different)}
        return tuple(shown), tuple(shown.values())


def _ranges(different: Iterable[Extent]) -> Any:
    return Lines.of([f"{extent.offset}+{extent.length}" for extent in different])


def _full(point: str) -> str:
    return stored_name(point) if point else ""
