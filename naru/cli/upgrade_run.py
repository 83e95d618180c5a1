"""`naru upgrade plan|prepare|rehearse|run|agents|finalize|rollback|status|timings`: from plan to end, or back."""

import argparse
import datetime
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister, ShowOne, argument, print_error, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.plan_run import fields
from naru.cli.planned import OfWork
from naru.cli.rate import HELP as RATE_HELP
from naru.cli.rate import cap
from naru.cli.site import add_site, find_site, progress
from naru.cli.terminal import Terminal
from naru.cli.upgrade import add_goal, add_services, add_start, start_of
from naru.errors import InputError, NaruError
from naru.messages import say
from naru.plan.status import Status, status
from naru.plan.timings import p95
from naru.text import duration, utc
from naru.upgrade import phases, rehearsal
from naru.upgrade.agents import law, load
from naru.upgrade.freeze import freeze
from naru.upgrade.window import overrun
from naru.upgrade.work import Settings, Work

MEGABYTES = 512
REHEARSALS = 3


def add_users(parser: argparse.ArgumentParser) -> None:
    """Adds the option for users who are asked before an upgrade and after it."""
    parser.add_argument(
        "--as",
        dest="users",
        action="append",
        default=[],
        metavar="CLOUD",
        help="a user, as a cloud of clouds.yaml: what it may read is compared (several times; else those of last time)",
    )


class PlanCommand(Lister):
    """Look for what is in the way of an upgrade, and write its plan into a work directory. Nothing is changed anywhere.

    What is found goes to standard error, with what cures it (see naru upgrade check, which lists all of it). What
    blocks is an error, and keeps the plan from being run: cure it, and plan again. The plan is what is prepared days
    ahead (naru upgrade prepare), the window (naru upgrade run) and what comes after it (naru upgrade agents).

    The work is done on one host of the site (--on), which reaches the databases and has MariaDB's programs (client and
    server): dumps lie on it, the releases' own code runs on it, copies of the databases are made on it. Without --on it
    is the first host of the first database.

    Exit codes: 0, 1 something blocks, 2 bad input.
    """

    examples = """
naru upgrade plan --to 2026.1 --work work/seoul
naru upgrade plan --site seoul.yaml --to queens --on tools1 --work work/seoul
naru upgrade plan --to 2026.1 --services glance --work work/glance
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        add_directory(parser, current=NEVER, as_type=Path)
        add_start(parser)
        add_goal(parser)
        add_services(parser)
        parser.add_argument("--on", default="", metavar="HOST", help="the host that does the work")
        parser.add_argument(
            "--memory",
            type=int,
            default=MEGABYTES,
            metavar="MB",
            help="megabytes of the buffer pool of rehearsals' database server (%(default)s); as much as the "
            "databases' own has, if times are to be the same",
        )
        parser.add_argument(
            "--rehearsals",
            type=int,
            default=REHEARSALS,
            metavar="N",
            help="how many rehearsals are wanted before the upgrade (%(default)s)",
        )
        parser.add_argument(
            "--window",
            type=DURATION,
            default=0.0,
            metavar="TIME",
            help="how long the window is, as 4h: an upgrade that does not fit it there and back is refused",
        )
        parser.add_argument(
            "--row-by-row",
            action="store_true",
            help="have the releases' own code fill every row, also where one statement gives all of them the same "
            "values: some ten milliseconds a server more",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.memory < 32 or arguments.rehearsals < 0:
            raise InputError("--memory is at least 32, and --rehearsals at least 0")
        site = find_site(arguments)
        settings = Settings(
            site=str(arguments.site.absolute()),
            start=start_of(arguments, site),
            goal=arguments.goal,
            services=tuple(arguments.services),
            host=arguments.on,
            megabytes=arguments.memory,
            rehearsals=arguments.rehearsals,
            window=arguments.window,
            row_by_row=arguments.row_by_row,
        )
        with progress() as shown:
            made = phases.plan(site, settings, arguments.work, shown)
        print_findings(made.findings, every=self.app.options.verbose_level > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
        if self.app.options.verbose_level and not self.exit_code:
            print(f"naru: next: naru upgrade prepare {arguments.work}", file=sys.stderr)
        return ("step", "what"), ((step.id, say(step.title)) for step in made.steps)


class Prepare(OfWork, ShowOne):
    """Install the environments of all releases on the way, ship them to the host that does the work, and see that they
    run there; and see that the services that are to start are there. The wanted release's environment is shipped to all
    hosts with a service under next: that has it of here (environment: in the site), and tried there. No user is
    touched, and nothing that runs is: environments lie beside it, in /opt/naru.

    Of hosts with compute services and agents some may not answer, or have no room: these are told, and keep the upgrade
    from nothing; naru upgrade agents ships to them, too. What is sent to all hosts together is capped by --rate, which
    naru upgrade rate changes while it runs.

    Given again it goes on where it was. Ctrl-C once lets running steps finish and stops, twice stops at once. Exit
    codes: 0 done, 1 failed steps, 2 bad input, 130 interrupted.
    """

    examples = """
naru upgrade prepare work/seoul
naru upgrade prepare work/seoul --rate 80M
naru upgrade prepare work/seoul -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--rate", type=argument(cap), metavar="RATE", help=f"{RATE_HELP} (else that of before)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, phases.prepare(Work(arguments.work), Terminal.of(self.app.options), arguments.rate))


class Rehearse(OfWork, Lister):
    """Rehearse an upgrade on a copy of the databases: every hop, and the way back, every second recorded.

    The databases are dumped in one transaction, while everybody goes on, and the dump is put into a server that is made
    for it on the host that does the work. There each release's own code makes its schema steps and its online data
    migrations, service beside service, with a dump before each hop, and its own upgrade checks (naru upgrade check DIR
    lists what they say); then the first dump is put back beside and in their place, and compared. In the end nothing of
    it is left on the host. What would fail in the window fails here. The running cloud's databases are read, and not
    written to.

    One that was interrupted goes on when the command is given again; one that failed is taken away first, and another
    one begun. One of which a step was skipped does not count. Exit codes: 0 done, 1 failed or skipped steps, 2 bad
    input, 130 interrupted.
    """

    examples = """
naru upgrade rehearse work/seoul
naru upgrade rehearse work/seoul --times 3
naru upgrade rehearse work/seoul -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--times", type=int, default=1, metavar="N", help="so many, one after the other (1)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.times < 1:
            raise InputError("--times is at least 1")
        upgrade, terminal = Work(arguments.work), Terminal.of(self.app.options)
        for _ in range(arguments.times):
            state = phases.rehearse(upgrade, terminal)
            if state.exit_code:
                self.exit_code = state.exit_code
                print_failed(state)
                return _COLUMNS, ()
        done, wanted = len(rehearsal.rehearsed(upgrade)), upgrade.settings.rehearsals
        if self.app.options.verbose_level:
            print(f"naru: {done} of {wanted} rehearsals are done", file=sys.stderr)
        return _COLUMNS, _table(upgrade, arguments.formatter == "table")


def print_failed(state: Status) -> None:
    """What has failed, to standard error."""
    for step in state.failed:
        print_error(NaruError(f"{step.title or step.id}: {step.summary}", detail=step.detail, hint=step.hint))


_COLUMNS = ("what", "median", "p95", "runs")


class Run(OfWork, ShowOne):
    """The window of an upgrade: stop the services that run, dump their databases, take these through the releases, and
    start the services of the wanted release. Users' servers are not touched; no API answers meanwhile.

    Stopped are the site's services of those that are upgraded, on all hosts, compute services and agents too; they are
    masked, so that no boot starts one, and stay as they are for the way back. The dump fails when anybody writes
    meanwhile, and is checked. Each release's own code makes its schema steps and its online data migrations, with a
    dump before each hop; one that fails or is cut off begins from that dump when the command is given again. Then the
    site's services under next: are started on controllers, each until it answers. Compute services and agents follow:
    naru upgrade agents.

    Refused before it was rehearsed as often as the plan wants (naru upgrade status), when there and back do not fit the
    plan's window by the rehearsals' 95th percentile, when something is in the way that was not when it was planned or
    one of the services' own checks has failed in a rehearsal (naru upgrade check), and where the site has write gates
    before it is frozen (naru upgrade freeze).
    While it runs it says when the window ends, and until when one can turn back by then, by the rehearsals. When that
    moment has come, and what is left takes longer than the window, what runs comes to its end, nothing more begins, and
    it is asked whether to go on; with no terminal, or no yes, the exit code is 3. --go-on goes on without asking.

    Given again it goes on where it was; naru upgrade rollback goes back from any point. Exit codes: 0 done, 1 failed
    steps, 2 bad input, 3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru upgrade run work/seoul
naru upgrade run work/seoul --go-on "the window may last until 05:00"
naru upgrade run work/seoul --without-rehearsal "the same was rehearsed in work/busan"
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--without-rehearsal", default="", metavar="REASON", help="although it was not rehearsed; it is recorded"
        )
        parser.add_argument(
            "--without-freeze", default="", metavar="REASON", help="although users can write; it is recorded"
        )
        parser.add_argument(
            "--go-on",
            default="",
            metavar="REASON",
            help="go on when the window will not do and it is time to turn back, unasked; it is recorded",
        )
        parser.add_argument(
            "--despite-checks",
            default="",
            metavar="REASON",
            help="although one of the services' own upgrade checks has failed; it is recorded",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        upgrade, terminal = Work(arguments.work), Terminal.of(self.app.options)
        with progress() as shown:
            phases.check_window(
                upgrade,
                shown,
                without_rehearsal=arguments.without_rehearsal,
                without_freeze=arguments.without_freeze,
                despite_checks=arguments.despite_checks,
            )
        return ended(self, phases.window(upgrade, terminal, _asked, go_on=arguments.go_on))


def _asked(question: str) -> bool:
    """The operator's answer; no where there is no terminal, or no answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"naru: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class Agents(OfWork, ShowOne):
    """Start compute services and agents of the wanted release, after the window.

    How many at a time follows what their starting does, measured every five seconds: messages in RabbitMQ that are not
    acknowledged or wait, statements that run in the databases, services and agents whose report is overdue, how long
    Neutron's server takes to answer a call, queues that were left behind. One begins; as long as all is well one more
    is let begin at each look; past half of a limit that number is halved, past a limit none begins until all is well
    again. Never are there more than the limit group computes says (50), which may be changed while it runs: naru plan
    limit computes 2 --work DIR; so may the other limits, by this command in another terminal. What cannot be measured
    is said, and counts for nothing.

    One counts as started when it has reported and works on as many ports, routers or networks as before. Agents of
    hosts that share a router or a network of DHCP are not started at the same time, and none beside one that did not
    come back. One that does not start or report holds up no other, until more have failed than may: then no more are
    started. Given again all of these are tried again. Exit codes as of naru upgrade run.
    """

    examples = """
naru upgrade agents work/seoul
naru upgrade agents work/seoul --max-unacked 500 --max-threads 32
naru upgrade agents work/seoul --max-latency 5 --max-failures 20
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_limits(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, phases.agents(Work(arguments.work), Terminal.of(self.app.options), limits_of(arguments)))


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how much load what is started may make."""
    for name, what in _MEASURES.items():
        limit = getattr(law.LIMITS, name)
        parser.add_argument(f"--max-{name}", type=float, metavar="N", help=f"limit of {what} ({limit:g})")
    parser.add_argument(
        "--max-failures",
        type=int,
        metavar="N",
        help=f"how many may not start or report before no more are started ({load.FAILURES})",
    )


def limits_of(arguments: argparse.Namespace) -> dict[str, float]:
    """What these options say, by name. Raises InputError."""
    given = {name: getattr(arguments, f"max_{name}") for name in (*_MEASURES, "failures")}
    given = {name: limit for name, limit in given.items() if limit is not None}
    for name, limit in given.items():
        if limit < 0 or (limit == 0 and name != "failures"):
            raise InputError(f"--max-{name} {limit:g}: it is {'at least' if name == 'failures' else 'above'} 0")
    return given


_MEASURES = {
    "unacked": "messages that are not acknowledged",
    "ready": "messages that wait",
    "threads": "statements that run in the databases",
    "late": "services and agents that are overdue, of a hundred",
    "latency": "seconds that Neutron's server takes to answer a call",
    "left": "queues that programs which ended have left behind",
}


class Finalize(OfWork, ShowOne):
    """Give up the way back of an upgrade, when all of it is done and nothing is missed.

    The dumps of the window are removed, and what hosts remember of what was there before. Services of the old release
    stay as they are: stopped, and masked. Refused while something is left to do, and unless naru upgrade verify has
    found nothing wrong. After it there is no rollback. Given again it goes on. Exit codes as of naru upgrade run.
    """

    examples = """
naru upgrade finalize work/seoul
naru upgrade finalize work/seoul --despite "two networks were deleted by their owner"
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--despite", default="", metavar="REASON", help="although verify has not found all well; it is recorded"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        upgrade, terminal = Work(arguments.work), Terminal.of(self.app.options)
        return ended(self, phases.finalize(upgrade, terminal, despite=arguments.despite))


class Rollback(OfWork, ShowOne):
    """Take an upgrade back, from any point of its window or after it: what was started is stopped, the databases are as
    they were dumped, the services that were stopped run again as they were.

    Where nothing was written to the databases since, they are left alone. Else the dump is restored beside them,
    compared row by row count and checksum, and then put in their place. Once the new services were started users may
    have written, unless they were refused from before the window until now (naru upgrade freeze): then --lose-writes is
    needed, and everything written since the window began is lost, while what it made elsewhere (volumes, servers on
    hosts) stays there without a record.

    A host on which a next service cannot be stopped lets the databases wait: it may write to them. When it is off, say
    so with --off; what has to be done on it before it is in the network again is told.

    Given again it goes on where it was. What is prepared stays. Exit codes as of naru upgrade run.
    """

    examples = """
naru upgrade rollback work/seoul
naru upgrade rollback work/seoul --lose-writes
naru upgrade rollback work/seoul --off ctl12
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--lose-writes", action="store_true", help="although what was written since the window began is lost"
        )
        parser.add_argument(
            "--off",
            action="append",
            default=[],
            metavar="HOST",
            help="a host of next services that is off, whatever it says or does not say; may be given several times",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        upgrade, terminal = Work(arguments.work), Terminal.of(self.app.options)
        return ended(self, phases.back(upgrade, terminal, lose_writes=arguments.lose_writes, off=arguments.off))


def ended(command: ShowOne, state: Status) -> tuple[Sequence[str], Iterable[Any]]:
    """How a run ended. That other gates are held is no failure."""
    command.exit_code = 0 if state.state == "held" and not state.failed else state.exit_code
    return fields(state)


class TimingsList(OfWork, Lister):
    """Show how long the rehearsals of an upgrade took, side by side: each step, and the whole way there and back.

    Of each the median, the 95th percentile, and every run. `all hops` is from the beginning of the first to the end of
    the last, with services beside each other. Seconds with -f json.
    """

    examples = """
naru upgrade timings work/seoul
naru upgrade timings work/seoul -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return _COLUMNS, _table(Work(arguments.work), arguments.formatter == "table")


def _table(upgrade: Work, for_people: bool) -> list[tuple[Any, ...]]:
    runs = rehearsal.times(upgrade)
    rows = {
        "dump": [run.dump for run in runs],
        "all hops": [run.hops for run in runs],
        "the way back": [run.back for run in runs],
    }
    for run in runs:
        for name, seconds in run.steps.items():
            rows.setdefault(name, []).append(seconds)
    shown: Any = duration if for_people else lambda seconds: round(seconds, 3)
    return [
        (
            name,
            shown(statistics.median(seconds)),
            shown(p95(sorted(seconds))),
            ", ".join(map(duration, seconds)) if for_people else [round(one, 3) for one in seconds],
        )
        for name, seconds in rows.items()
    ]


class StatusCommand(OfWork, ShowOne):
    """Show where an upgrade stands: what is prepared, how many rehearsals are done of those that are wanted, since when
    users' writes are refused, and once the window has begun when it ends and until when one can turn back by then.

    Exit codes: 1 failed steps, 2 bad input, else 0.
    """

    examples = """
naru upgrade status work/seoul
naru upgrade status work/seoul -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        upgrade = Work(arguments.work)
        with upgrade.journal() as journal:
            state = status(journal)
        columns, values = fields(state)
        self.exit_code = 1 if state.failed else 0
        done, wanted = len(rehearsal.rehearsed(upgrade)), upgrade.settings.rehearsals
        last = upgrade.rehearsals.last()
        now = "none"
        if last is not None:
            with last:
                now = f"{upgrade.rehearsals.numbers()[-1]}: {status(last).state}"
        moment = freeze.when_frozen(upgrade)
        with upgrade.journal() as journal:
            found = overrun.look(upgrade, journal)
        times = (None, None) if found is None else (utc(found.ends), utc(found.turn_back))
        since = (
            None if moment is None else datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(" ", "seconds")
        )
        more = {"rehearsals": done, "wanted": wanted, "last rehearsal": now, "frozen since": since}
        more |= dict(zip(("window ends", "turn back by"), times, strict=True))
        return (*columns, *more), (*values, *more.values())
