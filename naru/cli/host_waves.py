"""`naru host waves plan|run|status|leave`: many compute hosts emptied, maintained by a command and given back."""

import argparse
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Command, Lister, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.host_options import add_drain_options, drain_settings
from naru.cli.plan import moment
from naru.cli.planned import OfWork
from naru.cli.site import add_site, find_site
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.operate.drain.work import Settings as Drain
from naru.operate.waves import leave, phases, planner
from naru.operate.waves.standing import Standing, expected, standings
from naru.operate.waves.work import Settings, Upkeep, Work
from naru.operate.waves.world import Wave
from naru.site.hostnames import host_of
from naru.site.site import Site
from naru.text import duration, plural

PROGRAMS = r"(reboot|shutdown|kexec|halt|poweroff|systemctl\s+(\S+\s+)*(reboot|kexec|halt|poweroff))"
BEGINS, ENDS = r"(^|[\n;&|({!]|\b(?:then|do|else)\s)\s*", r"(?=$|[\s;&|)'\"])"
BOOTS = re.compile(r"(^|[\s;&|(/'\"])" + PROGRAMS + ENDS + r"|\b(tel)?init\s+[06]\b")
"""What boots a host, or switches it off, wherever it stands in a line."""
MARKED = re.compile(BEGINS + r"(reboot|shutdown|systemctl\s+(\S+\s+)*(reboot|kexec))" + ENDS)
"""What boots a host as the shell's own word, before which a mark is left there."""
CALLED_OFF = re.compile(r"\bshutdown\s+(\S+\s+)*-c\b")
COMPUTE = "nova-compute"


class PlanCommand(Lister):
    """Propose waves in which hosts are emptied, maintained by a command and given back, and say what becomes of their
    servers. Nothing is changed anywhere.

    A wave has up to --hosts-at-once hosts of one rack, as far as their servers fit elsewhere while none of them takes
    any. Hosts of later waves take servers only where nothing else has room, since those would move twice. Each wave is
    planned anew when it begins. Hosts are named as Nova calls them, and have to be in the site, over whose SSH the
    command is run. What becomes of a server, and --answer: naru host plan --help.

    Exit codes: 0, 1 something is to be asked or in the way, 2 bad input.
    """

    examples = """
naru host waves plan compute1 compute2 --run "apt-get -y upgrade && reboot" --work work/june
naru host waves plan --rack r1 --rack r2 --hosts-at-once 4 --run ./patch.sh --reboot --work work/racks
naru host waves plan --all --hosts-at-once 8 --run "dnf -y update" --reboot --failures 3 --work work/all
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("hosts", nargs="*", metavar="HOST", help="hosts, as Nova calls them")
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument("--rack", action="append", default=[], metavar="RACK", help="the site's hosts of a rack")
        parser.add_argument("--all", action="store_true", help=f"all hosts on which the site has {COMPUTE}")
        parser.add_argument("--hosts-at-once", type=int, default=1, metavar="N", help="hosts of a wave (%(default)s)")
        parser.add_argument("--run", default="", metavar="COMMAND", help="a line for the shell of each empty host")
        parser.add_argument(
            "--repeat", action="store_true", help="the command may be run again by itself when it was cut off"
        )
        parser.add_argument("--reboot", action="store_true", help="boot each host after its command")
        parser.add_argument(
            "--boots",
            choices=("yes", "no"),
            help="whether the command boots the host, so that another boot is waited for (without: whether it says "
            "reboot or shutdown as a word of its own)",
        )
        upkeep = Upkeep()
        parser.add_argument(
            "--run-for",
            type=DURATION,
            default=upkeep.deadline,
            metavar="TIME",
            help="after which the command is ended (2h)",
        )
        parser.add_argument(
            "--back-within",
            type=DURATION,
            default=upkeep.patience,
            metavar="TIME",
            help="how long a host may take to be back (20m)",
        )
        parser.add_argument(
            "--failures", type=int, default=1, metavar="N", help="no further wave with more failed hosts (%(default)s)"
        )
        add_drain_options(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        settings = _settings(arguments, drain_settings(arguments, site, host=""))
        hosts = _hosts(arguments, site)
        say = Terminal.of(self.app.options).say
        _, waves, findings = phases.plan(settings, hosts, arguments.work, say)
        verbose = self.app.options.verbose_level
        print_findings(findings, every=verbose > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in findings) else 0
        if verbose and not self.exit_code:
            print(f"naru: next: naru host waves run {arguments.work}", file=sys.stderr)
        return ("wave", "host", "rack", "servers", "live", "cold", "leave", "ask", "seconds"), _rows(
            waves, site, settings
        )


def _settings(arguments: argparse.Namespace, drain: Drain) -> Settings:
    if min(arguments.hosts_at_once, arguments.failures + 1) < 1:
        raise InputError("--hosts-at-once is at least 1, and --failures at least 0")
    if not arguments.run.strip() and not arguments.reboot:
        raise InputError(
            "what is done to each host is missing", hint="Give --run COMMAND, --reboot, or both: see --help."
        )
    boots = arguments.boots == "yes" if arguments.boots else does_boot(arguments.run)
    if arguments.boots != "no" and is_unmarked(arguments.run):
        raise InputError(
            "the command boots the host in a way by which its end is not told from a power cut",
            hint="Leave the boot out of it and give --reboot; or write reboot, shutdown or systemctl reboot as a "
            "command of the line itself, without a path, sudo or exec: it runs as root. --boots no if it does not.",
        )
    if arguments.reboot and boots:
        raise InputError(
            "the command boots the host, and --reboot would boot it again",
            hint="Give one of them; --boots no if the command does not.",
        )
    upkeep = Upkeep(
        *(arguments.run.strip(), arguments.repeat, arguments.reboot, arguments.reboot or boots),
        deadline=arguments.run_for,
        patience=arguments.back_within,
    )
    return Settings(drain, upkeep, arguments.hosts_at_once, arguments.failures)


def does_boot(line: str) -> bool:
    """Whether a line boots the host, by its words; a shutdown that is called off is none."""
    return bool(BOOTS.search(CALLED_OFF.sub("", line)))


def is_unmarked(line: str) -> bool:
    """Whether a line boots the host in a way that leaves no mark there, beside what does."""
    return bool(BOOTS.search(MARKED.sub(r"\1", CALLED_OFF.sub("", line))))


def _hosts(arguments: argparse.Namespace, site: Site) -> list[str]:
    """The hosts that are meant. Of racks, and of all, those on which the site has nova-compute, by the site's names."""
    computes = {host.name for one in site.part.services if one.name == COMPUTE for host in site.named(one.hosts)}
    found = list(arguments.hosts)
    if (arguments.all or arguments.rack) and not computes:
        raise InputError(f"{site.file}: it has no service {COMPUTE}", hint="Add it, or name the hosts.")
    for rack in arguments.rack:
        mine = [host.name for host in site.hosts.values() if host.rack == rack and host.name in computes]
        if not mine:
            known = sorted({host.rack for host in site.hosts.values() if host.rack})
            hint = f"It has: {', '.join(known[:20])}." if known else "It names no racks: hosts[].rack."
            raise InputError(f"{site.file}: no host with {COMPUTE} is in the rack {rack!r}", hint=hint)
        found += mine
    if arguments.all:
        found += [name for name in site.hosts if name in computes]
    if not found:
        raise InputError("no host is named", hint="Give hosts, --rack RACK or --all.")
    return list(dict.fromkeys(found))


def _rows(waves: Sequence[Wave], site: Site, settings: Settings) -> Iterable[tuple[Any, ...]]:
    for number, wave in enumerate(waves, 1):
        for host, mine in wave.decisions.items():
            known = host_of(site, host)
            counts = [sum(one.action == action for one in mine) for action in ("live", "cold", "leave", "ask")]
            seconds = f"{planner.moves_seconds(mine, settings):g}"
            yield (number, host, known.rack if known else "", len(mine), *counts, seconds)


class Run(OfWork, Lister):
    """Wave by wave: empty hosts, run their command, prove that they are back, give them back.

    A host that fails stays disabled with the waves' reason, and holds up no other one; with more failed hosts than
    --failures no further wave begins. Given again it goes on where it was, and tries again what failed. A command that
    was begun on a host is found there and waited for, never run twice by itself. A wave is a plan like any other: naru
    plan limit, pause and skip take DIR/wave/NUMBER.

    Exit codes: 0 all are done or left behind, 1 hosts failed or were put off, 2 bad input, 3 paused or cancelled, 130
    interrupted.
    """

    examples = """
naru host waves run work/june
naru host waves run work/june -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        outcome = phases.run(Work(arguments.work), Terminal.of(self.app.options))
        self.exit_code = outcome.exit_code
        if self.app.options.verbose_level:
            _tell(outcome.standings, arguments.work)
        return _COLUMNS, [_row(one, outcome.put_off) for one in outcome.standings]


_COLUMNS = ("wave", "host", "rack", "state", "moved", "servers", "why", "seconds left")


def _row(one: Standing, put_off: dict[str, str]) -> tuple[Any, ...]:
    left = "" if one.seconds is None else f"{one.seconds:.0f}"
    why = one.why or (f"put off: {put_off[one.host]}" if one.host in put_off else "")
    return (one.wave or "", one.host, one.rack, one.state, one.moved, one.servers, why, left)


def _tell(found: Sequence[Standing], directory: Path) -> None:
    for one in found:
        if one.state == "failed":
            print(
                f"naru: to leave it behind: naru host waves leave {one.host} --work {directory} --reason TEXT",
                file=sys.stderr,
            )


class StatusCommand(OfWork, Lister):
    """Show how far each host is, and when all will be done: by what is expected of moves, and what commands took on the
    hosts that are done.

    Exit codes: 1 hosts failed, 2 bad input, else 0.
    """

    examples = """
naru host waves status work/june
naru host waves status work/june -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        found = standings(Work(arguments.work))
        self.exit_code = 1 if any(one.state == "failed" for one in found) else 0
        if self.app.options.verbose_level:
            counts = {
                state: sum(one.state == state for one in found) for state in dict.fromkeys(x.state for x in found)
            }
            said = ", ".join(f"{number} {state}" for state, number in counts.items())
            print(f"naru: {len(found)} {plural('host', len(found))}: {said}", file=sys.stderr)
            if left := expected(found):
                at = moment(time.time() + left)
                print(f"naru: about {duration(left)} left, until {at} if it runs on", file=sys.stderr)
            _tell(found, arguments.work)
        return _COLUMNS, [_row(one, {}) for one in found]


class Leave(Command):
    """Leave a host behind: its steps that are left are skipped, moves that were begun are ended, and others go on. It
    stays disabled with the waves' reason; with --return servers are scheduled to it again, once its compute service is
    up. What was moved stays where it is.

    Where its command or boot was begun the host is asked first: nothing is left behind while that goes on there, or a
    shutdown is scheduled, or it cannot be asked. --end ends it; --off is for a host that is off.

    It can be given beside naru host waves run, while no step of the host runs, and given again. Exit codes: 0 done, 1
    failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru host waves leave compute7 --work work/june --reason "does not boot, ticket 4711"
naru host waves leave compute7 --work work/june --reason "patched by hand" --return
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, positional=False, as_type=Path)
        parser.add_argument("host", metavar="HOST", help="the host, as Nova calls it")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why: it is kept")
        parser.add_argument("--return", dest="give_back", action="store_true", help="servers are scheduled to it again")
        parser.add_argument(
            "--end", action="store_true", help="its command is ended where it still runs, and a shutdown called off"
        )
        parser.add_argument(
            "--off", action="store_true", help="the host is off, or out of reach for good: it is not asked"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        if not arguments.reason.strip():
            raise InputError("--reason says nothing", hint="It is what the next reader will ask for.")
        terminal = Terminal.of(self.app.options)
        choice = leave.Choice(arguments.give_back, arguments.end, arguments.off)
        state = leave.leave(Work(arguments.work), arguments.host, arguments.reason, terminal, choice)
        self.exit_code = state.exit_code if state else 0
        for failed in state.failed if state else ():
            print(f"naru: {failed.summary}\n{failed.detail}", file=sys.stderr)
        if not self.exit_code:
            print(f"{arguments.host} is left behind", file=self.app.stdout)
