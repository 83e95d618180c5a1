"""`naru move verify|report|handover`: what a move came to, compared, written down, handed over."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move import progress
from naru.cli.move_plan import add_work
from naru.move import handover, phases, work
from naru.move.left import by_operator
from naru.work import keys

REPORT = "report"
HANDOVER = "handover.enc"


class Verify(Lister):
    """Compare everything that was moved, field by field: the old cloud as it was against the new one as it is.

    Each difference is explained by a rule of the plan, or it is an error. What comes at the cut-over, or at the end, is
    compared after that; what was left behind (naru move leave) is listed with the reason. Exit code 0 when every
    difference is explained, 1 when one is not.
    """

    examples = """
naru move verify work/hanok
naru move verify work/hanok --all
naru move verify work/hanok -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--all", action="store_true", help="also the differences that a rule explains")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with progress() as show:
            outcome = phases.verify(work.Work(arguments.work), show)
        rows = [
            (item.kind, item.name, item.old_id, difference.field, difference.old, difference.new, difference.rule)
            for item in outcome.items
            for difference in item.differences
            if arguments.all or not difference.rule
        ]
        rows += [
            (item.kind, item.name, item.old_id, "", item.name or item.old_id, None, item.why)
            for item in outcome.items
            if by_operator(item.why)
        ]
        self.exit_code = 1 if any(not row[-1] for row in rows) else 0
        return ("kind", "name", "old id", "field", "old", "new", "why"), rows


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
