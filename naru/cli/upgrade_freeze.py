"""`naru upgrade busy|freeze|thaw`: what a cloud is at, and users' writes refused and let through again."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister, ShowOne, argument
from naru.cli.directory import add_directory
from naru.cli.inventory import counting
from naru.cli.planned import OfWork
from naru.cli.site import SITE, add_site, find_site
from naru.cli.terminal import Terminal
from naru.cli.upgrade import add_services
from naru.cli.upgrade_run import add_users, ended, print_failed
from naru.site import site as sites
from naru.site.model import network
from naru.text import duration
from naru.upgrade.compare import verify
from naru.upgrade.freeze import busy, freeze
from naru.upgrade.freeze.busy import Thing
from naru.upgrade.work import Work

WAIT = 1800.0


class BusyList(Lister):
    """List what a cloud is at: servers that are being built or moved, volumes that are copied, uploads.

        wait    comes to its end by itself; cut off, its user sees an error
        abort   so does it, and an operator may end it: a live migration
        park    waits for its user, and goes on after an upgrade: a resize that is not confirmed
        stuck   has been so for a day: nothing is at it

    Of an upgrade that was planned (DIR), or of any site (--site). The databases of the site are asked, in transactions
    that can only read. Exit codes: 0 nothing comes to its end, 1 something does, 2 bad input.
    """

    examples = """
naru upgrade busy work/seoul
naru upgrade busy --site seoul.yaml --services nova,cinder -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, optional=True, as_type=Path)
        add_site(parser)
        parser.set_defaults(site=None)
        add_services(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.site or arguments.work is None:
            arguments.site = arguments.site or Path(SITE)
            site, services = find_site(arguments), arguments.services
        else:
            settings = Work(arguments.work).settings
            site, services = sites.load(Path(settings.site)), arguments.services or settings.services
        found = busy.look(site, services)
        self.exit_code = 1 if any(one.how in ("wait", "abort") for one in found) else 0
        return _table(found, arguments.formatter == "table")


class Freeze(OfWork, Lister):
    """Refuse users' writes, and wait until nothing is under way: before the window of an upgrade.

    At each host of the load balancers the write gates (naru site gate rules) are closed: reading goes on, logins too,
    writing gets 503 with Retry-After; the cloud's own services and the addresses of --allow go on writing. That it is
    so is seen by requests through each of them. Then what calls APIs without a user is stopped (heat-engine, Octavia's
    workers, Masakari, ...: of the site's services those of such projects that have no port). What is under way is
    waited for; what is left at the end is listed: it waits for its user, or nothing is at it. Where the site says
    cloud:, everything that the cloud has is listed and kept, for naru upgrade verify; and what the users of --as are
    answered, with a token of each, for as long as it is good.

    naru upgrade thaw takes all of it back. Until then nothing that users do can be lost: naru upgrade rollback needs
    no --lose-writes. Given again it goes on. Exit codes: 0 frozen, 1 it is not, 2 bad input, 130 interrupted.
    """

    examples = """
naru upgrade freeze work/seoul
naru upgrade freeze work/seoul --allow 10.9.0.0/24 --wait 1h
naru upgrade freeze work/seoul --as seoul-member --as seoul-reader
naru upgrade freeze work/seoul --leave 3f9f7ad2-6a5c-4bd5-9f3e-5d0c3f1f4b7e
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--allow",
            action="append",
            default=[],
            type=argument(network),
            metavar="NETWORK",
            help="an address or network that goes on writing, as operators' (several times)",
        )
        parser.add_argument(
            "--wait",
            type=DURATION,
            default=WAIT,
            metavar="TIME",
            help="how long it waits for what is under way (30m)",
        )
        parser.add_argument(
            "--leave",
            action="append",
            default=[],
            metavar="ID",
            help="do not wait for this one (several times); it is recorded",
        )
        add_users(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        upgrade, terminal = Work(arguments.work), Terminal.of(self.app.options)
        verify.check_users(upgrade, arguments.users)
        state = freeze.freeze(upgrade, terminal, allow=arguments.allow)
        if state.exit_code:
            self.exit_code = state.exit_code
            print_failed(state)
            return _table([], True)
        left = freeze.settle(upgrade, terminal, seconds=arguments.wait, leave=arguments.leave)
        with counting("read the cloud") as count:
            verify.keep_before(upgrade, terminal, count, arguments.users)
        if self.app.options.verbose_level:
            print(f"naru: frozen; next: naru upgrade run {arguments.work}", file=sys.stderr)
        return _table(left, arguments.formatter == "table")


class Thaw(OfWork, ShowOne):
    """Let users write again: before the window, when it is not to be today, or after it.

    The write gates are as they were before the freeze, and what was stopped by it runs again; one that does not start
    holds up nothing. Refused while the window or the way back is not over, and before compute services of the wanted
    release run: users would write to what is changed or thrown away, or get errors.

    From now on a way back from the window loses what users write. Given again it goes on. Exit codes: 0 done, 1 failed
    steps, 2 bad input, 130 interrupted.
    """

    examples = """
naru upgrade thaw work/seoul
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, freeze.thaw(Work(arguments.work), Terminal.of(self.app.options)))


def _table(things: Sequence[Thing], for_people: bool) -> tuple[Sequence[str], Iterable[Any]]:
    shown = (one._replace(seconds=duration(one.seconds)) if for_people else one for one in things)  # type: ignore[arg-type]
    return Thing._fields, shown
