"""`naru move sync|rate`: content copied ahead while the old servers run, and how fast."""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from naru.cli.base import DURATION, Lister, ShowOne, argument
from naru.cli.move_plan import add_chosen, add_work
from naru.cli.plan_run import run
from naru.errors import NaruError
from naru.move import storage, sync, work
from naru.plan.status import Status
from naru.text import parse_rate

LOOK = 1.0  # seconds between two looks at whether it was interrupted
MOST = 10  # failures of one round that are told one by one


class Round(NamedTuple):
    """What a round of copying ahead came to: what it did of each volume, what the next one, and the window's content,
    are expected to take in seconds (None: not known yet), and the exit code of its run."""

    done: list[sync.Copied]
    expected: float | None
    code: int


def rounds(
    move: work.Work,
    projects: Collection[str],
    *,
    quiet: bool,
    say: Callable[[str], None],
    whole: bool = False,
    every: float | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Round]:
    """Rounds of copying ahead of some projects, or of all, one after the other or one in `every` so many seconds.

    When another thread sets `stop`, the round that is under way is broken off, and no further one begins.
    """
    stop = stop or threading.Event()
    while not stop.is_set():
        began = time.monotonic()
        known = sync.rounds(move)
        with sync.next_round(move, projects, whole=whole) as journal:
            if sync.rounds(move) == known:
                say(f"going on with {journal.name}, as it was asked for")
            state = run(journal, wait=False, quiet=quiet, stop=stop)
            _tell_failed(state, move)
            done = sync.copied(move, journal)
            expected = sync.expected(journal, done)
        after = "the next will only carry what changes" if expected is None else f"the next: about {expected:.0f} s"
        say(f"{journal.name} ended; {after}")
        yield Round(done, expected, state.exit_code)
        if every:
            end = began + every
            say(f"the next round begins in {max(0.0, end - time.monotonic()):.0f} s")
            # never long at once: a Ctrl-C in the very moment in which a wait begins is seen when it ends
            while (left := end - time.monotonic()) > 0 and not stop.wait(min(left, LOOK)):
                pass


def _tell_failed(state: Status, move: work.Work) -> None:
    """Also to those who want it quiet: what failed is in no row of the answer."""
    for step in state.failed[:MOST]:
        print(f"naru: {step.id}: {NaruError(step.summary, detail=step.detail, hint=step.hint)}", file=sys.stderr)
    if state.failed:
        more = f"and {len(state.failed) - MOST} more; " if len(state.failed) > MOST else ""
        print(
            f"naru: {more}the next round goes on with it: naru move sync {move.directory}", file=sys.stderr, flush=True
        )


class Sync(Lister):
    """Copy the volumes' content ahead, while the old servers run; each further round only what changed since.

    The cut-over then carries and compares the last changes alone. May be repeated, interrupted and run again: it goes
    on inside a volume. With --every it goes round again and again, with --until as soon as the next round, and so the
    content's part of the window, is expected to take no longer than that; with both it goes on until then. How many
    volumes at once: naru plan limit DIR/sync/NUMBER copies N; how fast: naru move rate.

    Exit codes: 0 done, 1 failed copies (the others go on), 2 bad input, 3 --until was not reached: rounds do not get
    shorter any more, 130 interrupted.
    """

    examples = """
naru move sync work/hanok
naru move sync work/hanok --project hanok --until 10s
naru move sync work/all --every 1h
naru move sync work/hanok -q -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_chosen(parser)
        parser.add_argument("--whole", action="store_true", help="compare everything, not only what changed")
        parser.add_argument("--every", type=DURATION, metavar="TIME", help="begin a round this often, like 1h")
        parser.add_argument("--until", type=DURATION, metavar="TIME", help="go on until the next one takes no longer")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        before: float | None = None
        quiet = self.app.options.verbose_level == 0
        for found in rounds(
            move, arguments.project, whole=arguments.whole, every=arguments.every, quiet=quiet, say=self._say
        ):
            self.exit_code = found.code
            if self.exit_code or self._ended(arguments, found.expected, before):
                break
            before = found.expected
        return sync.Copied._fields, found.done

    def _say(self, text: str) -> None:
        if self.app.options.verbose_level:
            print(f"naru: {text}", file=sys.stderr, flush=True)

    def _ended(self, arguments: argparse.Namespace, expected: float | None, before: float | None) -> bool:
        if arguments.until is None:
            return not arguments.every
        if expected is None:
            return False
        if expected <= arguments.until:
            return True
        if not arguments.every and before is not None and expected > 0.9 * before:
            self.exit_code = 3
            return True
        return False


class Rate(ShowOne):
    """Cap what the copies of a move carry together, or show the cap; running ones follow within a second.

    It holds for rounds of copying ahead and for the cut-over.
    """

    examples = """
naru move rate work/hanok 80M
naru move rate work/hanok none
naru move rate work/hanok
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument(
            "rate",
            nargs="?",
            type=argument(_cap),
            metavar="RATE",
            help="bytes a second, like 80M or 1.5G; none for no cap",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory: Path = work.Work(arguments.work).directory
        if arguments.rate is not None:
            storage.set_rate(directory, arguments.rate or None)
        return ("bytes a second",), (storage.rate(directory),)


def _cap(text: str) -> float:
    """0.0 for none."""
    return 0.0 if text == "none" else parse_rate(text)
