"""`naru twin load`: users' calls on a twin, as the site's logs have them."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, argument
from naru.cli.terminal import Terminal
from naru.cli.twin import add_twin
from naru.errors import InputError
from naru.site import site as sites
from naru.text import count
from naru.twin import mix, replay
from naru.twin.mix import Mix
from naru.twin.replay import Summary
from naru.twin.twin import Twin

DAYS, SECONDS = 7, 60.0
MIX = "mix.json"


def _positive(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise ValueError(f"{text!r} is no number above 0, as 20")
    return found


def _days(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ValueError(f"{text!r} is no number of days, as 7")
    return int(text)


class LoadList(Lister):
    """Make the calls on a twin that the site's users make: the same mix of paths and projects, at a rate.

    What was asked for, how often and by which project is counted once in the logs of the site's API services, on their
    hosts (or --mix names a file), and kept with the twin; --days counts anew. Repeated are reads, which were answered
    well, each as an ordinary user of its project and with ids of that project's own things. Writes are not: logs do not
    have what was written.

    Exit codes: 0 all were answered, 1 some failed (no answer within a minute, or a server's error), 2 bad input, 130
    interrupted.
    """

    examples = """
naru twin load /srv/twin
naru twin load /srv/twin --rate 50 --seconds 600
naru twin load /srv/twin --days 1 -f json
naru twin load /srv/twin --mix mix.json --rate 200
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_twin(parser)
        parser.add_argument(
            "--rate", type=argument(_positive), metavar="N", help="calls a second (as in the logs, on the average)"
        )
        parser.add_argument(
            "--seconds", type=argument(_positive), default=SECONDS, metavar="N", help="for how long (%(default)g)"
        )
        parser.add_argument(
            "--days",
            type=argument(_days),
            metavar="N",
            help=f"count anew, in the logs of so many days (at first {DAYS})",
        )
        parser.add_argument("--mix", type=Path, metavar="FILE", help="the calls, instead of the logs'")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        twin = Twin(arguments.work)
        asked = twin.spec()
        if arguments.mix and arguments.days:
            raise InputError("--mix and --days exclude each other: the calls are a file's, or the logs'")
        replay.check(twin.cloud())
        found = self._mix(arguments, twin.directory / MIX, Path(asked.site))
        rate = arguments.rate or found.rate
        done = replay.replay(twin.cloud(), found, rate, arguments.seconds)
        print(f"naru: {done.rate:.1f} calls a second, of {rate:.1f} that were wanted", file=sys.stderr)
        if done.left_out:
            left = f"{count(done.left_out, 'call')} of the logs cannot be repeated"
            print(f"naru: {left}: docs/reference/twin.md says which", file=sys.stderr)
        self.exit_code = 1 if any(one.failed for one in done.services) else 0
        return Summary._fields, done.services

    def _mix(self, arguments: argparse.Namespace, kept: Path, site: Path) -> Mix:
        if arguments.mix:
            return mix.load(arguments.mix)
        if kept.exists() and not arguments.days:
            return mix.load(kept)
        terminal = Terminal.of(self.app.options)
        found = mix.read(sites.load(site), arguments.days or DAYS, terminal.warn)
        mix.save(found, kept)
        return found
