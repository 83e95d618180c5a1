"""`naru watch sources`: whether what is no file can be read."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.watch import phases
from naru.watch.sources import Settings


class Check(Lister):
    """Ask each source of a file, as journals, OpenSearch and Loki, whether it can be read, and what is there. Nothing
    is kept. Of what is pushed it is said where it is listened, once secrets and certificate are read.

    Exit codes: 0, 1 one cannot be read, 2 bad input.
    """

    examples = """
naru watch sources sources.yaml
naru watch sources sources.yaml --site site.yaml -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", type=Path, metavar="FILE", help="the sources, as naru watch run --sources takes it")
        parser.add_argument("--site", type=Path, metavar="FILE", help="the site whose hosts' journals are meant")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = str(arguments.site.absolute()) if arguments.site else ""
        found = phases.check(Settings(site=site, sources=str(arguments.file.absolute())))
        self.exit_code = 0 if all(fine for _, fine, _ in found) else 1
        return ("source", "readable", "what"), found
