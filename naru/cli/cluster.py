"""`naru cluster plan down|down|up|status`: a whole cloud taken down in order, and brought up as it was."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from naru import yamlfile
from naru.cli.base import Lister, ShowOne, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.host_options import answers_of
from naru.cli.planned import OfWork, StatusOfWork, ended
from naru.cli.site import add_site, find_site
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.operate.cluster import phases
from naru.operate.cluster.order import FLAGS
from naru.operate.cluster.work import Settings, Work
from naru.plan.journal import Journal
from naru.site.site import Site

BACKUP = "/var/lib/naru-backup"
NO_FLAGS = "none"


class PlanDown(Lister):
    """Look at all that runs of a cloud, and plan how it goes down: in which order, and why there. Nothing is changed
    anywhere.

    Read are the site's hosts and services, databases, queues, Ceph, and the cloud's own records and servers. The plan
    is not run as long as something is in the way: a host that does not answer, a database that is not whole (there
    would be no right backup), members that the site does not know, Ceph that is not healthy, a server that you have to
    decide about.

    Exit codes: 0, 1 something is in the way, 2 bad input.
    """

    examples = """
naru cluster plan down --site site.yaml --work work/down
naru cluster plan down --site site.yaml --work work/down --backup ctl1:/srv/backup --order waves.yaml
naru cluster plan down --site site.yaml --work work/down --flags recovery --answer old-test=leave
naru cluster plan down --site site.yaml --work work/down -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument(
            "--backup",
            default="",
            metavar="[HOST:]DIR",
            help=f"where the databases' dumps are kept; by default {BACKUP} on the first host of each",
        )
        parser.add_argument(
            "--flags",
            choices=[*FLAGS, NO_FLAGS],
            default="noout",
            help="Ceph's: noout, recovery (noout, nobackfill, norecover), all six, or none (%(default)s)",
        )
        parser.add_argument("--computes", choices=["first", "last"], default="first", help="when compute services stop")
        parser.add_argument(
            "--guests",
            choices=["stop", "leave"],
            default="stop",
            help="whether servers are stopped before (%(default)s)",
        )
        parser.add_argument(
            "--answer",
            action="append",
            default=[],
            metavar="SERVER=leave",
            help="a server (name or id) that is left as it is (several times)",
        )
        parser.add_argument(
            "--order",
            type=Path,
            metavar="FILE",
            help="waves of servers, as they start: a list of lists of names or ids",
        )
        parser.add_argument("--at-once", type=int, default=8, metavar="N", help="servers at a time (%(default)s)")
        parser.add_argument("--unhealthy-because", default="", metavar="TEXT", help="why Ceph need not be HEALTH_OK")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        if arguments.at_once < 1:
            raise InputError("--at-once is at least 1")
        host, directory = _backup(arguments.backup, site)
        settings = Settings(
            site=str(arguments.site.absolute()),
            flags="" if arguments.flags == NO_FLAGS else arguments.flags,
            computes=arguments.computes,
            guests=arguments.guests,
            backup_host=host,
            backup=directory,
            answers=answers_of(arguments.answer, ("leave",)),
            order=_order(arguments.order) if arguments.order else (),
            at_once=arguments.at_once,
            unhealthy=arguments.unhealthy_because,
        )
        made, rows = phases.plan(settings, arguments.work, Terminal.of(self.app.options).say)
        verbose = self.app.options.verbose_level
        print_findings(made.findings, every=verbose > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
        if verbose and not self.exit_code:
            print(f"naru: next: naru cluster down {arguments.work}", file=sys.stderr)
        return ("order", "what", "names", "why"), rows


def add_lost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lost", action="append", default=[], metavar="HOST", help="a host that does not come back (several times)"
    )


def _backup(text: str, site: Site) -> tuple[str, str]:
    """The host, "" for each database's first, and the directory."""
    host, colon, directory = text.rpartition(":")
    directory = (directory if colon else text).rstrip("/") or BACKUP
    if not directory.startswith("/") or any(sign.isspace() for sign in directory):
        raise InputError(f"--backup {text}: give a path from / on, as ctl1:/srv/backup")
    if colon and host not in site.hosts:
        raise InputError(f"--backup {text}: the site has no host {host!r}", hint=f"It has: {', '.join(site.hosts)}.")
    return host, directory


def _order(file: Path) -> tuple[tuple[str, ...], ...]:
    found = yamlfile.load(file)
    shape = 'Write it as: [["db-*"], ["app-1", "app-2"]]'
    if not isinstance(found, list) or not all(isinstance(one, list) for one in found):
        raise InputError(f"{file}: it is no list of lists of names", hint=shape)
    for number, wave in enumerate(found, 1):
        if not wave or not all(isinstance(name, str) for name in wave):
            raise InputError(f"{file}: wave {number} is not a list of names", hint=shape)
    return tuple(tuple(wave) for wave in found)


class Down(OfWork, ShowOne):
    """Take the cloud down as it was planned: what runs is recorded, the databases are dumped and the dumps read back,
    servers stop in their order, then services, queues, databases, and in the end it is proved that nothing runs.

    What is stopped is held: no boot starts it. Before anything is stopped all is looked at once more, and refused when
    it is not as it was planned. Hosts are not switched off.

    Given again it goes on where it was, and tries again what failed; after a way up that came to no end it stops all
    once more, hosts that are --lost left out.

    Exit codes: 0 done, 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru cluster down work/down
naru cluster down work/down -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_lost(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        state = phases.down(Work(arguments.work), Terminal.of(self.app.options), lost=arguments.lost)
        return ended(self, state)


class Up(OfWork, ShowOne):
    """Bring the cloud up as it was recorded: hosts answer, Ceph has its OSDs and loses the flags that were set for it,
    the newest member of each Galera cluster begins it and the others join until they are Synced, queues are whole,
    services start in order and report as they did, servers start in waves, and all is proved to be as it was.

    It can be given at any time: after the whole way down or a part of it, after a power loss, and again. Whatever is
    there already is left as it is. A Galera cluster is begun by nobody whose disk is not proved to be the newest one:
    --lost HOST gives a host up, --behind lets a database begin with less than was seen of it.

    Exit codes: as of naru cluster down.
    """

    examples = """
naru cluster up work/down
naru cluster up work/down --lost db3
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_lost(parser)
        parser.add_argument(
            "--behind", action="store_true", help="a database may begin with less than was seen of it: writes are lost"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        terminal = Terminal.of(self.app.options)
        state = phases.up(Work(arguments.work), terminal, lost=arguments.lost, behind=arguments.behind)
        return ended(self, state)


class StatusCommand(StatusOfWork):
    """Show where the way stands that was gone last, down or up; with --watch until nothing runs any more.

    Exit codes: 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted, else 0.
    """

    examples = """
naru cluster status work/down
naru cluster status work/down --watch
"""

    def journal(self, work: Path) -> AbstractContextManager[Journal]:
        return phases.now(Work(work))
