"""`naru move plan|prepare|finalize|rollback|status`: a move from its plan to its end."""

import argparse
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from cliff.columns import FormattableColumn

from naru.cli.base import Lines, Lister, ShowOne, print_findings
from naru.cli.directory import add_directory
from naru.cli.move import add_projects, clouds, progress
from naru.cli.move_view import MoveView
from naru.cli.plan_run import fields
from naru.cli.plan_view import add_watch, look
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.messages import say
from naru.move import kept, leave, mapfile, phases, planner, work
from naru.move.decisions import Decision
from naru.move.downtime import hooks, standing
from naru.move.left import Left
from naru.move.rollback import rolled_back
from naru.move.status import ROLLED_BACK, next_commands, off_lines, projects
from naru.plan.status import Status
from naru.text import count
from naru.volumes import where
from naru.work import keys


def add_work(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which move is meant, by its work directory."""
    add_directory(parser, as_type=Path)


def add_as_planned(parser: argparse.ArgumentParser) -> None:
    """The option that lets a phase go on without what was made since the move was planned."""
    parser.add_argument(
        "--as-planned", action="store_true", help="although things were made since: they stay on the old cloud"
    )


def add_chosen(parser: argparse.ArgumentParser) -> None:
    """The option that says which of its projects are meant; none are all of them."""
    parser.add_argument(
        "--project", action="append", default=[], metavar="PROJECT", help="only this one; may be repeated"
    )


class PlanCommand(Lister):
    """Read both clouds and write the plan of a move: what is created, matched and left, and every problem at once.

    Nothing is changed on either cloud. The plan is text that can be read before anything happens: naru plan show DIR.
    Findings go to standard error, those of one kind together, with -v each of them; one of severity error keeps the
    plan from being run. One of them says how long the servers of each project are expected to be off: naru move
    downtime DIR lists them all. After them, each reason why something is not as it was (`mapped`: it has another value;
    `not kept`: it has none), with -v whose; and last how many things are kept as they are, mapped, not kept whole, and
    left on the old cloud. Planning again replaces a plan of which nothing was done yet.

    Exit code 0, or 1 when a finding is an error.
    """

    examples = """
naru move plan --from old --to new --project hanok --work work/hanok
naru move plan --from old --to new --project hanok --project hanok-lab --map map.yaml --work work/hanok
naru move plan --from old --to new --all --map map.yaml --work work/all -f json
naru move plan --from old --to new --all --work /srv/moves/all --journal postgresql://naru@db.example/moves
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_projects(parser)
        parser.add_argument("--map", type=Path, metavar="FILE", help="what of the old cloud becomes what of the new")
        parser.add_argument(
            "--storage",
            action="append",
            default=[],
            metavar="CLOUD=FILE",
            help="where a cloud's Cinder backends keep their volumes; give both, or all content goes by images",
        )
        parser.add_argument(
            "--journal",
            metavar="URL",
            help="the PostgreSQL database for the journals, as workers need it (default: files in the work directory)",
        )
        parser.add_argument(
            "--key", type=Path, metavar="FILE", help=f"where new users' passwords come from ({keys.default_key()})"
        )
        parser.add_argument(
            "--rehearsal",
            metavar="DIR",
            action="append",
            default=[],
            help="the work directory of an earlier move of the same: its times become the estimates (repeatable)",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if not arguments.work:
            raise InputError("the work directory is missing", hint="Name one for this move, e.g. --work work/hanok.")
        with progress() as show:
            draft = phases.plan(
                clouds(arguments),
                Path(arguments.work),
                mapfile.load(arguments.map) if arguments.map else mapfile.EMPTY,
                show,
                storage=_storage(arguments),
                database=arguments.journal or "",
                key=arguments.key,
                rehearsals=arguments.rehearsal,
            )
        every = self.app.options.verbose_level > 1
        print_findings(draft.plan.findings, every=every)
        decisions = list(draft.decisions.values())
        print_reasons(decisions, every=every)
        self._last = how_many_are_kept(decisions, every=every)
        self.exit_code = 1 if any(finding.severity == "error" for finding in draft.plan.findings) else 0
        return ("kind", "create", "match", "leave"), planner.counts(draft)

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Any]) -> Any:
        found = super().produce_output(parsed_args, column_names, data)
        sys.stdout.flush()
        print(self._last, file=sys.stderr)
        return found


def print_reasons(decisions: Collection[Decision], *, every: bool) -> None:
    """Writes to standard error why things are not as they were, each reason once, with `every` all that it is true
    of."""
    for one in kept.reasons(decisions):
        what = "not kept" if one.lost else "mapped"
        print(f"{what}: {one.kind} {one.field}: {say(one.why)} ({count(len(one.names), 'time')})", file=sys.stderr)
        for name in one.names if every else ():
            print(f"      - {name}", file=sys.stderr)


def how_many_are_kept(decisions: Collection[Decision], *, every: bool) -> str:
    """The last line of a plan; it says how those that are not kept are named, unless `every` one was."""
    number = kept.tally(decisions)
    names = " (-v names them)" if number.not_kept and not every else ""
    return f"kept {number.kept:,}, mapped {number.mapped:,}, not kept {number.not_kept:,}{names}, left {number.left:,}"


def _storage(arguments: argparse.Namespace) -> tuple[str, str] | None:
    """The files of --storage, of the old cloud and the new."""
    files: dict[str, str] = {}
    for text in arguments.storage:
        cloud, equals, file = text.partition("=")
        if not equals or not file or cloud not in (arguments.old, arguments.new):
            hint = f"Give CLOUD=FILE for --from and --to, as in --storage {arguments.old}=FILE."
            raise InputError(f"--storage {text}: not a file of --from or --to", hint=hint)
        if cloud in files:
            raise InputError(f"--storage {cloud} is given twice", hint="Give one file for each cloud.")
        where.load(Path(file))
        files[cloud] = str(Path(file).absolute())
    if files and len(files) < 2:
        missing = ({arguments.old, arguments.new} - files.keys()).pop()
        raise InputError(
            f"--storage of {missing} is missing", hint="Content goes from one storage to the other: give both."
        )
    return (files[arguments.old], files[arguments.new]) if files else None


def move_fields(move: work.Work, state: Status) -> tuple[Sequence[str], Iterable[Any]]:
    """The state of a move as one thing's fields."""
    with move.journal() as journal:
        found = projects(move, journal)
        shown = dict(zip(*fields(leave.with_offers(move, journal, state)), strict=True))
        left = [f"{key.kind} {one.name}: {one.reason}" for key, one in Left.of(journal).asked.items()]
    first = {
        "title": shown.pop("title"),
        "projects": Projects({move.called[one.id]: one.at for one in found}),
        "next": Lines(next_commands(move, found)),
        "servers off": Lines(list(off_lines(move, found))),
    }
    shown = {**first, **shown}
    del shown["gates"]  # the commands open them, and say by the projects where they are
    shown["rolled back"] = Lines(sorted(move.called[one.id] for one in found if one.at == ROLLED_BACK))
    shown["left"] = Lines(left)
    return tuple(shown), tuple(shown.values())


class Projects(FormattableColumn[Any]):
    """Where each project is; JSON has a mapping, a table the projects of each word together."""

    def human_readable(self) -> str:
        at: dict[str, list[str]] = {}
        for name, word in self._value.items():
            at.setdefault(word, []).append(name)
        return "\n".join(f"{word}: {', '.join(sorted(names))}" for word, names in at.items())


class Phase(ShowOne):
    """A phase of a move, and where the move is after it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        terminal = Terminal.of(self.app.options, MoveView(move).draw)
        state = self.run_phase(move, arguments, terminal)
        # what waits at the gates of later phases is just where this phase ends
        self.exit_code = 0 if state.state == "held" else state.exit_code
        return move_fields(move, state)

    def run_phase(self, move: work.Work, arguments: argparse.Namespace, terminal: Terminal) -> Status:
        """Runs it; the state that the plan ended in."""
        raise NotImplementedError


class ForwardPhase(Phase):
    """A phase before which both clouds are read again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_as_planned(parser)
        return parser


class PhaseOfProjects(ForwardPhase):
    """A phase that some of the projects may go through before the others."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_chosen(parser)
        parser.add_argument(
            "--alone", action="store_true", help="also without the projects that those of --project need"
        )
        return parser


class Prepare(ForwardPhase):
    """Make everything on the new cloud that can be made without any effect on users: all but the cut-over.

    First both clouds are read again: it is refused when something was made on the old one since the move was planned.
    May be interrupted and run again: it goes on where it was. Exit codes: 0 prepared, 1 failed steps (the others go
    on), 2 bad input, 130 interrupted.
    """

    examples = """
naru move prepare work/hanok
naru move prepare work/hanok -q -f json
"""

    def run_phase(self, move: work.Work, arguments: argparse.Namespace, terminal: Terminal) -> Status:
        return phases.prepare(move, terminal, as_planned=arguments.as_planned)


class Finalize(PhaseOfProjects):
    """End the move: exact quotas; what the old cloud held for a rollback is given up. No rollback after that.

    Projects that were not found to be right since their cut-over (naru move verify) are compared first, and refused
    when something differs. The old servers stay where they are, stopped. One that needs others is finalized after them
    or with them, for those could not be rolled back any more. Exit codes as of prepare.
    """

    examples = """
naru move finalize work/hanok
naru move finalize work/all --project hanok
naru move finalize work/hanok --despite "the customer has changed the addresses since"
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--despite", default="", metavar="REASON", help="although verify finds differences; the reason is recorded"
        )
        return parser

    def run_phase(self, move: work.Work, arguments: argparse.Namespace, terminal: Terminal) -> Status:
        return phases.finalize(
            *(move, arguments.project, terminal),
            alone=arguments.alone,
            despite=arguments.despite,
            as_planned=arguments.as_planned,
        )


class Rollback(ShowOne):
    """Roll the move back, or some of its projects: the old servers run as before, nothing is left on the new cloud.

    At any time until finalize. What was written on the new servers since the cut-over is lost with them, and it is
    said of which; with --carry-back what their volumes hold is carried back to the old ones, from storage to storage,
    while the servers of both clouds are off: all data of both sides is read, what differs is copied and read again.
    With --project the other projects stay as they are, and so does what belongs to no project until all is rolled back;
    refused when others rest on it. A project that was rolled back is moved again by another plan, in another work
    directory.

    Old servers are started first, each as soon as the new one is off; then addresses return; then what was made is
    removed. What cannot be undone holds up nothing that does not need it; when the new cloud does not say that a server
    is off, say so with --off. May be interrupted and run again; a rollback that was begun can still be told to carry
    back what is left. Exit codes as of prepare.
    """

    examples = """
naru move rollback work/hanok
naru move rollback work/all --project hanok
naru move rollback work/hanok --carry-back
naru move rollback work/hanok --off web-1
naru plan show work/hanok --rollback
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_chosen(parser)
        parser.add_argument(
            "--carry-back", action="store_true", help="carry what was written to the new volumes back to the old ones"
        )
        parser.add_argument(
            "--off",
            action="append",
            default=[],
            metavar="SERVER",
            help="a server (name or old id, or all) that is off on the new cloud, whatever that says or does not say",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        terminal = Terminal.of(self.app.options, MoveView(move).draw)
        state = phases.roll_back(move, arguments.project, terminal, carry_back=arguments.carry_back, off=arguments.off)
        self.exit_code = state.exit_code
        return move_fields(move, state)


class StatusCommand(ShowOne):
    """Show how far the move is, once or live."""

    examples = """
naru move status work/hanok
naru move status work/hanok --watch
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_watch(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with move.journal() as journal:
            state = look(journal, live=arguments.watch, draw=MoveView(move).draw)
        return move_fields(move, state)


class Refresh(Lister):
    """Read both clouds again and show what has changed since the move was planned; nothing else is done.

    What is new on the old cloud is moved by no step: phases are refused then, unless they are given --as-planned. What
    is gone, or changed, is told before each phase. Exit code 0 when nothing has changed, else 1.
    """

    examples = """
naru move refresh work/hanok
naru move refresh work/hanok -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with progress() as show:
            changes = phases.refresh(move, show)
        self.exit_code = 1 if changes else 0
        return ("change", "cloud", "project", "kind", "name", "id", "field", "planned", "now"), [
            (
                *(one.what, one.cloud, move.called.get(one.project, ""), one.kind, one.name, one.id),
                *(one.field, one.old, one.new),
            )
            for one in changes
        ]


class DowntimeList(Lister):
    """List how long each server is off: what the plan expects, and what was measured as soon as it runs again.

    In seconds, from the beginning of its stop on the old cloud to the end of its start on the new one, with all that
    this waits for: other servers' stops, content, addresses, the limits of both clouds. The expected time is that of
    all projects cut over at once. The measured one in parts: the stop, until the old cloud says that it is off;
    content, until its volumes are there and compared; wait, for addresses and others; start, until the new cloud says
    that it runs. Beside it: what hooks took before the stop and after the start.
    """

    examples = """
naru move downtime work/hanok
naru move downtime work/hanok -f json
naru move downtime work/hanok --sort-column expected
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with move.journal() as journal:
            back = rolled_back(journal, move.projects)
        projects = {decision.id: decision.project for decision in move.decisions if decision.kind == "server"}
        told = hooks(move)
        rows = [
            (
                found.server_name,
                found.server_old_id,
                move.projects.get(projects[found.server_old_id], ""),
                found.expected_s,
                found.measured_s,
                found.stopped_at,
                found.started_at,
                *found.parts,
                told.get(found.server_old_id),
            )
            for found in standing(move, back)
        ]
        shown = ("server", "old id", "project", "expected", "measured", "stopped", "started")
        return (*shown, "stop", "content", "wait", "start", "hooks"), rows
