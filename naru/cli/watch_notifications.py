"""`naru watch notifications plan|on|off|status`: services send notifications, and do not any more."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, ShowOne, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.planned import OfWork, StatusOfWork, ended
from naru.cli.site import add_site, find_site
from naru.cli.terminal import Terminal
from naru.messages import say
from naru.plan.journal import Journal
from naru.watch.switch import phases
from naru.watch.switch.reading import FORMATS
from naru.watch.switch.work import Settings, Work


class PlanCommand(Lister):
    """Plan how a site's services come to send notifications. Nothing is changed anywhere.

    The configuration of each service that sends some is read on its hosts (services[].config), and compared with what
    is needed: driver messagingv2; a transport_url where there is none, as mostly of Keystone and Glance; retry, without
    which calls to APIs wait for a message queue that is away; Nova's format. What changes in each file is shown,
    without passwords; the files as they will be lie in the work directory, for its owner alone.

    Exit codes: 0, 1 something is in the way, 2 bad input.
    """

    examples = """
naru watch notifications plan --site site.yaml --work work/notifications
naru watch notifications plan --work work/notifications --service nova-conductor --service cinder-scheduler
naru watch notifications plan --work work/notifications --nova-format unversioned
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument("--service", action="append", default=[], metavar="NAME", help="this one alone (several)")
        parser.add_argument(
            "--nova-format", default=FORMATS[0], choices=FORMATS, help="Nova's notification_format (%(default)s)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        settings = Settings(str(site.file.absolute()), tuple(arguments.service), arguments.nova_format)
        made, lines = phases.plan(settings, arguments.work)
        print_findings(made.findings, every=self.app.options.verbose_level > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
        if self.app.options.verbose_level:
            print("\n".join(lines), file=sys.stderr)
            if not self.exit_code and made.steps:
                print(f"naru: next: naru watch notifications on {arguments.work}", file=sys.stderr)
        return ("step", "what"), ((step.id, say(step.title)) for step in made.steps)


class On(OfWork, ShowOne):
    """Switch notifications on as it was planned: files put in place, services started anew, one after another, and
    nova-compute on ten hosts at a time (naru plan limit changes that). Refused where a file is not any more as it was
    planned.

    Given again it goes on where it was, and tries again what failed. Exit codes: 0 done, 1 failed steps, 2 bad input,
    3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru watch notifications on work/notifications
naru watch notifications on work/notifications -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, phases.on(Work(arguments.work), Terminal.of(self.app.options)))


class Off(OfWork, ShowOne):
    """Switch notifications off again: each file is put back as it was, byte by byte, with its owner and mode, and the
    services are started anew. It can be given at any time of a plan that does not run.

    Refused where somebody has changed a file since, unless --anyway: what they wrote is then kept in the plan's
    directory on the host, /var/lib/naru. Exit codes as of naru watch notifications on.
    """

    examples = """
naru watch notifications off work/notifications
naru watch notifications off work/notifications --anyway
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--anyway", action="store_true", help="also where files were changed since")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        terminal = Terminal.of(self.app.options)
        return ended(self, phases.off(Work(arguments.work), terminal, anyway=arguments.anyway))


class StatusCommand(StatusOfWork):
    """Show how far it is, once, or with --watch until nothing runs any more.

    Exit codes: 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted, else 0.
    """

    examples = """
naru watch notifications status work/notifications
naru watch notifications status work/notifications --watch
"""

    def journal(self, work: Path) -> AbstractContextManager[Journal]:
        return Work(work).journal()
