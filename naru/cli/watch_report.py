"""`naru watch report`: the page of a watch, for who has no terminal."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister
from naru.cli.watch import OfWatch
from naru.watch.pages import facts, write
from naru.watch.store import Store

REPORT = "report"


class Report(OfWatch, Lister):
    """Write the page: groups of errors with their rates, states, hosts, examples with tracebacks and all that their
    requests left, what changes of the cloud did, and the health of the watch itself. In English and Korean, as HTML and
    Markdown, each a file that needs nothing beside it. An earlier page there is replaced.

    Secrets are not in it, as far as they are known as such; users' and projects' ids are.

    Exit codes: 0, 2 bad input.
    """

    examples = """
naru watch report watch
naru watch report watch --since 7d --to /srv/reports/errors --language ko
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--since", type=DURATION, default=86400.0, metavar="TIME", help="seen within (1d)")
        parser.add_argument("--to", type=Path, metavar="DIR", help=f"where to write it (DIR/{REPORT})")
        parser.add_argument("--language", action="append", choices=("en", "ko"), help="may be repeated (en and ko)")
        parser.add_argument("--name", default="", metavar="TEXT", help="what the cloud is called (DIR's name)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        name = arguments.name or arguments.work.absolute().name

        def show(text: str) -> None:
            if self.app.options.verbose_level and sys.stderr.isatty():
                print(f"\r{text}", end="", file=sys.stderr, flush=True)

        with Store(arguments.work) as store:
            found = facts.facts(store, name, arguments.since, time.time(), show)
        files = write.write(found, arguments.to or arguments.work / REPORT, arguments.language or ("en", "ko"))
        return ("file", "bytes"), [(str(file), file.stat().st_size) for file in files]
