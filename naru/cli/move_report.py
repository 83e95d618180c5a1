"""`naru move verify|report|handover`: what a move came to, compared, written down, handed over."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move import progress
from naru.cli.move_plan import add_work
from naru.cli.terminal import Terminal
from naru.messages import say
from naru.move import handover, phases, verification, work
from naru.move.outcome import STATES
from naru.work import keys

REPORT = "report"
HANDOVER = "handover.enc"


class Verify(Lister):
    """Compare everything that was moved, field by field: the old cloud as it was against the new one as it is.

    At any time. The table has what is not as it should be by now: what differs and nothing explains it, what is
    missing, what failed, what is not made although its phase was begun, and each such phase that is not at its end;
    and, with the reason, what the operator has left behind (naru move leave). With --all also what the plan explains,
    what a later phase makes, what the plan leaves and what was rolled back; with --counts how many things of each kind
    are in which state. Exit code 0 when all is as it should be, 1 when it is not.
    """

    examples = """
naru move verify work/hanok
naru move verify work/hanok --all
naru move verify work/hanok --counts
naru move verify work/hanok -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="also what is explained, not due yet, left, rolled back")
        which.add_argument("--counts", action="store_true", help="how many of each kind are in which state")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with progress() as show:
            outcome = phases.verify(move, show)
        terminal = Terminal.of(self.app.options)
        terminal.say(say(verification.summary(outcome)))
        self.exit_code = 1 if outcome.is_wrong else 0
        if arguments.counts:
            return ("kind", *STATES), verification.counts(outcome)
        return verification.COLUMNS, verification.rows(outcome, move.called, every=arguments.all)


class Report(Lister):
    """Write the report: for each project's users and for the operators, in English and Korean, as HTML and Markdown;
    the map from old ids to new as CSV, JSON and Terraform's import blocks.

    It holds no password. Those are handed over by: naru move handover.
    """

    examples = """
naru move report work/hanok
naru move report work/hanok --to /srv/reports/hanok --language ko
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--to", type=Path, metavar="DIR", help=f"where to write it (DIR/{REPORT})")
        parser.add_argument("--language", action="append", choices=("en", "ko"), help="may be repeated (en and ko)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory = arguments.to or arguments.work / REPORT
        with progress() as show:
            files = phases.report(work.Work(arguments.work), directory, arguments.language or ("en", "ko"), show)
        return ("file", "bytes"), [(str(file), file.stat().st_size) for file in files]


class Handover(Lister):
    """Write the new users' passwords into an encrypted file, or show them with --show.

    The key is the file that the move was planned with; it never lies in the work directory. --show-key shows the key
    of this file alone, which is derived from that: for whoever is to open the file, and nothing else, elsewhere.
    """

    examples = """
naru move handover work/hanok
naru move handover work/hanok --show --project hanok
naru move handover work/hanok --show-key
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--key", type=Path, metavar="FILE", help=f"the key ({keys.default_key()})")
        parser.add_argument("--to", type=Path, metavar="FILE", help=f"the encrypted file (DIR/{HANDOVER})")
        parser.add_argument("--show", action="store_true", help="show the passwords instead of writing a file")
        parser.add_argument("--show-key", action="store_true", help="show the encrypted file's own key (Fernet's)")
        parser.add_argument("--project", metavar="PROJECT", help="only the users of this one")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        key = (arguments.key or keys.default_key()).absolute()
        move = work.Work(arguments.work)
        if arguments.show_key:
            move.check_key(key)
            return ("key",), [(keys.handover_key(key, move.identity()),)]
        with progress() as show:
            rows = phases.passwords(move, key, arguments.project, show)
        if arguments.show:
            fields = ("project", "domain", "user", "user id", "password")
            return fields, [(row.project, row.domain, row.user_name, row.user_id, row.password) for row in rows]
        file = arguments.to or arguments.work / HANDOVER
        handover.write(file, key, rows, work=arguments.work, plan=move.identity())
        return ("file", "users", "key"), [(str(file), len({row.user_id for row in rows}), str(key))]
