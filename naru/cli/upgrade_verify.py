"""`naru upgrade verify|report`: what users have after an upgrade, compared with what they had before; what was done."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.inventory import counting
from naru.cli.planned import OfWork
from naru.cli.terminal import Terminal
from naru.cli.upgrade_run import add_users
from naru.errors import InputError
from naru.messages import LANGUAGES
from naru.upgrade import report
from naru.upgrade.compare import verify, writes
from naru.upgrade.compare.verified import NOT_WELL, Verified
from naru.upgrade.work import Work


class Verify(OfWork, Lister):
    """Compare what a cloud has now with what it had before the upgrade, by the API, as its administrator.

    Before is what naru upgrade freeze has read, or --before. Everything is listed, in the microversions that the cloud
    had before: projects, users, flavors, servers, volumes, images, networks, ports, ...

        wrong               gone, or changed
        not known           a list that could not be read before, or a user who cannot be asked
        not compared        there was nothing to compare with
        passing             a user was given at first what had been refused, and not when asked once more
        new                 there now, and was not before
        another release's   a field that the new release has and the old one had not, or the other way round

    The site's cloud: says which cloud of clouds.yaml it is (OS_CLIENT_CONFIG_FILE says where that is). What services
    say of themselves (versions, states, what is free) may differ; each has to be there. Nothing is changed.

    Users of --as (clouds of clouds.yaml, given before) are asked as themselves for the same as before, by requests that
    change nothing: who was refused has to be refused still, and who was answered, answered. Their tokens of before have
    to be good once the window has begun, if they have not expired.

    With --write-as, and never without, a small thing of each kind is made as that user, and deleted again: a security
    group, a network with a subnet, a volume of 1 GiB, a key pair, an image; with --flavor and --image a server. All of
    them are called naru-try-ID, and what is left of a command that was killed is deleted by the next one. Beside
    --before it is what they are compared with. While write gates are closed this machine has to be let through (naru
    upgrade freeze --allow).

    Exit codes: 0 nothing is wrong, 1 something is, or a list could not be read, 2 bad input.
    """

    examples = """
naru upgrade verify work/seoul
naru upgrade verify work/seoul --before --as seoul-member --as seoul-reader
naru upgrade verify work/seoul --before --write-as seoul-member
naru upgrade verify work/seoul --write-as seoul-member --flavor m1.tiny --image cirros
naru upgrade verify work/seoul -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--before", action="store_true", help="read the cloud as it is, ahead of the window, for later"
        )
        add_users(parser)
        parser.add_argument(
            "--write-as",
            action="append",
            default=[],
            metavar="CLOUD",
            help="a user, as a cloud of clouds.yaml: a thing of each kind is made and deleted (several times)",
        )
        parser.add_argument("--flavor", default="", metavar="NAME", help="of the server that is made, by name or id")
        parser.add_argument("--image", default="", metavar="NAME", help="the same of its image")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        upgrade, terminal = Work(arguments.work), Terminal.of(self.app.options)
        writers = list(dict.fromkeys(arguments.write_as))
        if arguments.users and not arguments.before:
            raise InputError("--as goes with --before: users are asked for what they were asked for then")
        if arguments.before:
            verify.check_users(upgrade, arguments.users)
        writes.check(writers, arguments.flavor, arguments.image)
        if arguments.before:
            return Verified._fields, self._before(upgrade, terminal, arguments, writers)
        try_writes = partial(writes.try_all, upgrade, writers, arguments.flavor, arguments.image, terminal.say)
        with counting("read the cloud") as count:
            found = verify.verify(upgrade, count, try_writes)
        wrong = sum(one.judged in NOT_WELL for one in found)
        self.exit_code = 1 if wrong else 0
        if self.app.options.verbose_level:
            print(
                f"naru: {wrong or 'nothing'} wrong" + (f", of {len(found)} differences" if found else ""),
                file=sys.stderr,
            )
        if arguments.formatter != "table":
            return Verified._fields, found
        return Verified._fields, (one._replace(examples="\n".join(one.examples)) for one in found)  # type: ignore[arg-type]

    def _before(
        self, upgrade: Work, terminal: Terminal, arguments: argparse.Namespace, writers: Sequence[str]
    ) -> Sequence[Verified]:
        """Tries writes, and reads the cloud, for later."""
        problems = []
        if writers:
            try_writes = partial(writes.try_all, upgrade, writers, arguments.flavor, arguments.image, terminal.say)
            problems += [
                f"{user}: {one.kind} failed: {one.why}"
                for user, every in verify.try_before(upgrade, try_writes).items()
                for one in every
                if one.how == "failed"
            ]
        with counting("read the cloud") as count:
            problems += verify.read_before(upgrade, count, arguments.users)
        for problem in problems:
            terminal.warn(problem)
        self.exit_code = 1 if problems else 0
        return ()


class Report(OfWork, Lister):
    """Write the report of an upgrade: for operators, what was done when, beside the rehearsals, what was recorded, what
    failed on the way, and the newest comparison (naru upgrade verify); for users, what they could not do and for how
    long. In English and Korean, as HTML and Markdown. At any time; an earlier report is replaced.
    """

    examples = """
naru upgrade report work/seoul
naru upgrade report work/seoul --to /srv/reports/seoul --language ko
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--to", type=Path, metavar="DIRECTORY", help="where to write it (DIR/report)")
        parser.add_argument("--language", action="append", choices=LANGUAGES, help="may be repeated (en and ko)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory = arguments.to or arguments.work / "report"
        files = report.write(Work(arguments.work), directory, arguments.language or LANGUAGES)
        return ("file", "bytes"), [(str(file), file.stat().st_size) for file in files]
