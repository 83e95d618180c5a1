"""`naru server revive`: a hung server brought up elsewhere from what was saved of it."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.site import add_site, find_site
from naru.errors import InputError
from naru.messages import say
from naru.operate.revive import phases
from naru.operate.revive.planner import Options


class Revive(Lister):
    """Plan to bring a hung server up again, from the newest snapshot of its root volume, or, where it does not boot
    from a volume, from the newest image that was made of it. Nothing is changed before naru plan run.

    The hung server is locked, switched off and proved to be off, by Nova and by libvirt where the site has its host. It
    stays, with its root disk, until you delete it. The new one has its name, flavor, zone, server group and metadata,
    and its ports, so its addresses and floating IPs; it has another id. Volumes with data go over to it (--data move),
    or are made of their newest snapshots, or stay.

    naru plan rollback gives ports and volumes back to the hung server, and starts it if it ran. A host that is down
    switches nothing off: evacuate the server, which keeps its disk, or see that the host is off and say --is-off.

    Exit codes: 0, 1 something is in the way, 2 bad input.
    """

    examples = """
naru server revive web-1 --work work/web-1
naru server revive web-1 --from nightly-2026-11-29 --data snapshot --work work/web-1
naru plan run work/web-1
naru plan rollback work/web-1
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="SERVER", help="its name or id")
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument(
            "--from",
            dest="source",
            default="",
            metavar="SOURCE",
            help="a snapshot or image (name or id), not the newest",
        )
        parser.add_argument(
            "--data",
            choices=("move", "snapshot", "leave"),
            default="move",
            help="volumes with data go over, are made of their newest snapshots, or stay (%(default)s)",
        )
        parser.add_argument(
            "--is-off", action="store_true", help="you vouch that the hung server is off, as when its host is"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        if arguments.is_off and arguments.data == "move":
            raise InputError(
                "--is-off: a host that is down gives no volume away", hint="Give --data snapshot, or --data leave."
            )
        options = Options(arguments.data, arguments.is_off, arguments.source, str(arguments.site.absolute()))
        made = phases.plan(site.cloud, arguments.server, options, arguments.work)
        verbose = self.app.options.verbose_level
        print_findings(made.findings, every=verbose > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
        if verbose and not self.exit_code:
            print(f"naru: next: naru plan run {arguments.work}", file=sys.stderr)
        return ("step", "kind", "what"), [(one.id, one.kind, say(one.title)) for one in made.steps]
