"""`naru host plan|drain|return|status`: a compute host emptied for maintenance, and given back; one that has failed is
given back, and looked at, by the same two last."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, ShowOne, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.host_options import add_drain_options, drain_settings
from naru.cli.planned import OfWork, StatusOfWork, ended
from naru.cli.site import add_site, find_site
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.operate.drain import phases, planner
from naru.operate.drain.work import Work
from naru.operate.evacuate import phases as evacuate_phases
from naru.operate.evacuate import work as evacuation
from naru.plan.journal import Journal
from naru.text import plural


class PlanCommand(Lister):
    """Decide for each server on a compute host what becomes of it when the host is emptied, and where it fits. Nothing
    is changed anywhere.

        live   migrated while it runs
        cold   migrated while it is off, and confirmed before the host goes down
        leave  stays, and is as it was when the host comes back
        ask    you decide: cure what is said, or give --answer, and plan again

    Read are the servers with all that ties them to the host (server groups, zones, pinned CPUs, devices, ports,
    volumes), and the room on other hosts. The plan is not run while one server is to be asked about. The cloud is the
    one that the site names in clouds.yaml, as an administrator.

    Exit codes: 0, 1 something is to be asked or in the way, 2 bad input.
    """

    examples = """
naru host plan compute7 --site site.yaml --work work/compute7
naru host plan compute7 --work work/compute7 --answer db-1=cold --answer old-test=leave
naru host plan compute7 --work work/compute7 --onto compute8,compute9 --at-once 2 --reason "new kernel"
naru host plan compute7 --work work/compute7 -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", help="the host, as Nova calls it")
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        add_drain_options(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        settings = drain_settings(arguments, site, arguments.host)
        made, decisions = phases.plan(settings, arguments.work, Terminal.of(self.app.options).say)
        verbose = self.app.options.verbose_level
        print_findings(made.findings, every=verbose > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
        if verbose:
            told = [f"{number} {action}" for action, number in planner.counted(decisions).items() if number]
            count = len(decisions)
            print(
                f"naru: {settings.host}: {count} {plural('server', count)}{': ' if told else ''}{', '.join(told)}",
                file=sys.stderr,
            )
            if not self.exit_code:
                print(f"naru: next: naru host drain {arguments.work}", file=sys.stderr)
        columns = ("server", "name", "project", "status", "what", "to", "why", "seconds")
        return columns, planner.table(decisions)


class Drain(OfWork, ShowOne):
    """Empty the host: no more servers are scheduled to it, and those on it are moved as it was planned, each proved on
    its new host, until nothing is left but what stays.

    Scheduling is disabled with a reason that names the plan; a host that somebody else has disabled keeps their reason.
    Limits can be changed while it runs: naru plan limit "from compute7" 2 --work DIR. A live migration that comes to no
    end is ended and tried again after the others. Locks and states stay as they are. A server is proved by Nova, its
    ports and their bindings, its volumes and Placement, and by libvirt where the site has its hosts.

    Given again it goes on where it was, and tries again what failed. Exit codes: 0 done, 1 failed steps, 2 bad input,
    3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru host drain work/compute7
naru host drain work/compute7 -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, phases.drain(Work(arguments.work), Terminal.of(self.app.options)))


class Return(OfWork, ShowOne):
    """Give the host back. After a drain: once its compute service is up, servers are scheduled to it again, if and only
    if it was this plan that has disabled that. What was begun of a move, and not ended, is ended first.

    With --back the servers that were moved are brought home, each proved as in a drain; those that moved on or were
    deleted are left alone. A server that is off cannot be brought back before Queens, whose Nova takes no host for it.

    After an evacuation: no record of it is under way (else nova-compute would destroy guests when it starts), with
    --power-on the host is switched on, its nova-compute has cleaned up, Nova takes it for up. Scheduling to it stays
    disabled, until --enable. Nothing is moved back.

    It can be given at any time of a plan that does not run. Given again it goes on. Exit codes as of naru host drain.
    """

    examples = """
naru host return work/compute7
naru host return work/compute7 --back
naru host return work/compute7-failed --power-on
naru host return work/compute7-failed --enable
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--back", action="store_true", help="after a drain: bring the servers home that were moved")
        parser.add_argument("--power-on", action="store_true", help="after an evacuation: switch the host on")
        parser.add_argument("--enable", action="store_true", help="after an evacuation: have servers scheduled to it")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        terminal = Terminal.of(self.app.options)
        if not evacuation.is_one(arguments.work):
            if arguments.power_on or arguments.enable:
                raise InputError("--power-on and --enable are for a host that was evacuated; a drained one is enabled")
            return ended(self, phases.give_back(Work(arguments.work), terminal, home=arguments.back))
        if arguments.back:
            raise InputError(
                "--back is for a host that was drained", hint="Drain hosts that have too many servers: naru host plan."
            )
        work = evacuation.Work(arguments.work)
        given = {"power_on": arguments.power_on, "enable": arguments.enable}
        return ended(self, evacuate_phases.give_back(work, terminal, **given))


class StatusCommand(StatusOfWork):
    """Show where a drain or an evacuation stands, or the return of its host once that has begun; with --watch until
    nothing runs any more.

    Exit codes: 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted, else 0.
    """

    examples = """
naru host status work/compute7
naru host status work/compute7 --watch
"""

    def journal(self, work: Path) -> AbstractContextManager[Journal]:
        planned = evacuation.Work(work) if evacuation.is_one(work) else Work(work)
        return planned.returns.last() or planned.journal()
