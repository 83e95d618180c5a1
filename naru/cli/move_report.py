"""`naru move verify|report|handover`: what a move came to, compared, written down, handed over."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move import progress
from naru.cli.move_plan import add_work
from naru.errors import InputError
from naru.move import handover, pages, reading, work
from naru.move.outcome import Outcome
from naru.work import keys

REPORT = "report"
HANDOVER = "handover.enc"


def outcome(move: work.Work) -> Outcome:
    """What the move came to: the old cloud as it was when it was planned, the new one read now."""
    with progress() as show:
        return reading.outcome(move, show)


class Verify(Lister):
    """Compare everything that was moved, field by field: the old cloud as it was against the new one as it is.

    Each difference is explained by a rule of the plan, or it is an error. What comes at the cut-over, or at the end, is
    compared after that. Exit code 0 when every difference is explained, 1 when one is not.
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
        rows = [
            (item.kind, item.name, item.old_id, difference.field, difference.old, difference.new, difference.rule)
            for item in outcome(work.Work(arguments.work)).items
            for difference in item.differences
            if arguments.all or not difference.rule
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
        pages.write(outcome(work.Work(arguments.work)), directory, arguments.language or ("en", "ko"))
        files = sorted(file for file in directory.iterdir() if file.is_file())
        return ("file", "bytes"), [(str(file), file.stat().st_size) for file in files]


class Handover(Lister):
    """Write the new users' passwords into an encrypted file, or show them with --show.

    The key is the file that the move was planned with; it never lies in the work directory.
    """

    examples = """
naru move handover work/hanok
naru move handover work/hanok --show --project hanok
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--key", type=Path, metavar="FILE", help=f"the key ({keys.default_key()})")
        parser.add_argument("--to", type=Path, metavar="FILE", help=f"the encrypted file (DIR/{HANDOVER})")
        parser.add_argument("--show", action="store_true", help="show the passwords instead of writing a file")
        parser.add_argument("--project", metavar="PROJECT", help="only the users of this one")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        key = (arguments.key or keys.default_key()).absolute()
        move = work.Work(arguments.work)
        move.check_key(key)
        rows = _passwords(move, outcome(move), key, arguments.project)
        if arguments.show:
            fields = ("project", "domain", "user", "user id", "password")
            return fields, [(row.project, row.domain, row.user_name, row.user_id, row.password) for row in rows]
        file = arguments.to or arguments.work / HANDOVER
        handover.write(file, key, rows, work=arguments.work)
        return ("file", "users", "key"), [(str(file), len({row.user_id for row in rows}), str(key))]


def _passwords(move: work.Work, found: Outcome, key: Path, project: str | None) -> list[handover.Password]:
    names = {item.old_id: item.name for item in found.projects}
    if project is not None and project not in names and project not in names.values():
        raise InputError(f"--project {project!r} is not moved here", hint=f"It is one of: {', '.join(names.values())}.")
    new = {item.old_id: item.new_id for item in found.items if item.kind == "user"}
    return [
        handover.Password(
            names[task.project],
            str(task.detail.get("domain", "")),
            task.name,
            new[task.old_id],
            keys.password(key, keys.of_user(move.old, task.old_id)),
        )
        for task in found.tasks
        if task.kind == "password" and new[task.old_id] and project in (None, task.project, names[task.project])
    ]
