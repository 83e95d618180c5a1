"""`naru move plan|prepare|finalize|rollback|status`: a move from its plan to its end."""

import argparse
import glob
import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lines, Lister, ShowOne, print_finding
from naru.cli.move import add_projects, check_clouds, facts
from naru.cli.plan_run import fields, run, workers
from naru.cli.plan_view import watch
from naru.errors import InputError
from naru.move import back, mapfile, planner, rollback, waves, work
from naru.move.downtime import downtimes
from naru.move.draft import Options
from naru.move.progress import ProgressReader
from naru.move.windows import PHASES
from naru.plan import control, timings
from naru.plan.journal import Journal, address
from naru.plan.kinds import load
from naru.plan.status import Status, status
from naru.plan.windows.needs import left_out, together
from naru.volumes import where
from naru.work import keys


def add_work(parser: argparse.ArgumentParser) -> None:
    """The argument that says which move is meant."""
    parser.add_argument("work", metavar="DIR", type=Path, help="the move's work directory")


def add_chosen(parser: argparse.ArgumentParser) -> None:
    """The option that says which of its projects are meant; none are all of them."""
    parser.add_argument(
        "--project", action="append", default=[], metavar="PROJECT", help="only this one; may be repeated"
    )


class PlanCommand(Lister):
    """Read both clouds and write the plan of a move: what is created, matched and left, and every problem at once.

    Nothing is changed on either cloud. The plan is text that can be read before anything happens: naru plan show DIR.
    Findings go to standard error; one of severity error keeps the plan from being run. One of each project says how
    long its servers are expected to be off: naru move downtime DIR lists them all. Planning again replaces a plan
    of which nothing was done yet.

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
            raise InputError("--work is missing", hint="Name a directory for this move, e.g. --work work/hanok.")
        directory = Path(arguments.work)
        storages = _storages(arguments)
        database = _database(arguments, storages)
        written = mapfile.load(arguments.map) if arguments.map else mapfile.EMPTY
        mapfile.check_clouds(written, arguments.old, arguments.new)
        check_clouds(arguments)
        key = (arguments.key or keys.default_key()).absolute()
        keys.ensure_key(key, directory)
        rehearsals = [_timings(source) for source in arguments.rehearsal]
        work.prepare(directory)
        with facts(arguments) as found:
            choices = mapfile.choose(found, written)
            text = mapfile.text(found, choices, written)
            settings = {
                "from": arguments.old,
                "to": arguments.new,
                "projects": sorted(found.projects),
                "map": hashlib.sha256(text.encode()).hexdigest(),
                "key": keys.fingerprint(key),
            }
            options = Options(
                key=str(key),
                storage=storages,
                directory=str(directory.absolute()),
            )
            draft = planner.make(found, choices, options, settings=settings, rehearsals=rehearsals)
            work.create(directory, draft, {"old": found.old.snapshot, "new": found.new.snapshot}, text, database)
        for finding in draft.plan.findings:
            print_finding(finding)
        self.exit_code = 1 if any(finding.severity == "error" for finding in draft.plan.findings) else 0
        return ("kind", "create", "match", "leave"), planner.counts(draft)


def _timings(directory: str) -> timings.Timings:
    with Journal.open(directory) as journal:
        return timings.of(journal)


def _storages(arguments: argparse.Namespace) -> tuple[str, str] | None:
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


def _database(arguments: argparse.Namespace, storages: tuple[str, str] | None) -> str:
    """The URL of --journal, "" without. Raises InputError where workers could not reach the journal."""
    url: str = arguments.journal or ""
    backends = where.load(Path(storages[0])).backends if storages else {}
    placed = [f"{name}: {backend.place}" for name, backend in sorted(backends.items()) if backend.place]
    if not url:
        if placed and storages:
            raise InputError(
                f"--storage {arguments.old}={storages[0]} has places, and workers need a journal on PostgreSQL",
                detail="\n".join(placed),
                hint="Name its database: --journal postgresql://HOST/DATABASE. Or remove `place` from the file.",
            )
        return ""
    parts = address(url) if "://" in url else None
    if parts is None or parts.get_backend_name() != "postgresql":
        raise InputError("--journal is no URL of a PostgreSQL database", hint="--journal postgresql://HOST/DATABASE")
    if parts.password:
        hint = "Put it into ~/.pgpass, here and where workers are; the URL is written into the work directory."
        raise InputError("--journal holds a password", hint=hint)
    if placed:
        workers()
    with Journal(url) as journal, journal.read():
        return url


def move_fields(move: work.Work, journal: Journal, state: Status) -> tuple[Sequence[str], Iterable[Any]]:
    """The state of a move as one thing's fields."""
    names, values = fields(state)
    back = rollback.rolled_back(journal, move.projects)
    return (*names, "taken back"), (*values, Lines(sorted(move.called[project] for project in back)))


class Phase(ShowOne):
    """A phase: the gates before it are opened, and what can run is run."""

    phase = ""
    done = ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        if self.phase:
            add_chosen(parser)
            parser.add_argument(
                "--alone", action="store_true", help="also without the projects that those of --project need"
            )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with move.journal() as journal:
            if self.phase:
                for gate in self.gates(move, journal, move.chosen(arguments.project), arguments.alone):
                    control.release(journal, gate)
            state = run(journal, wait=False, quiet=self.app.options.verbose_level == 0)
            told = move_fields(move, journal, state)
        # what waits at the gates of later phases is just where this phase ends
        self.exit_code = 0 if state.state == "held" else state.exit_code
        return told

    def gates(self, move: work.Work, journal: Journal, projects: Sequence[str], alone: bool) -> list[str]:
        """The gates before the phase of these projects, or of all. Raises InputError for some that cannot be alone."""
        if not projects:
            return [f"{self.phase} *"]
        progress = ProgressReader(journal, move.projects)
        states = progress.read()
        if back := [project for project in projects if states[project].rolled_back]:
            raise InputError(
                f"{move.listed(back)} {'was' if len(back) == 1 else 'were'} taken back", hint=rollback.ANEW
            )
        if not alone and move.projects.keys() - set(projects):
            self._check_alone(move, projects, progress)
        # a gate's name is a pattern to the journal, and a project may be called anything
        return [glob.escape(progress.gates[self.phase, project]) for project in projects]

    def _check_alone(self, move: work.Work, projects: Sequence[str], progress: ProgressReader) -> None:
        """Raises InputError when the projects need others that have not come as far, and do not come with them."""
        found, states = waves.projects(move), progress.read()
        over = {project for project, state in states.items() if PHASES.done(state, self.phase)}
        # who was let go on before goes on, and with it those that it goes together with
        for group in together(move.projects, found.needs):
            if not set(projects).isdisjoint(group):
                over |= {project for project in group if self.phase in states[project].open}
        missing = left_out(set(projects) - over, found.needs, over)
        if not missing:
            return
        back = [project for project in missing if states[project].rolled_back]
        if back:
            hint = f"{move.listed(back)} {'was' if len(back) == 1 else 'were'} taken back."
        else:
            hint = f"Give them together: naru move {self.phase} {move.arguments({*projects, *missing})}"
        concerned = {*projects, *missing}
        raise InputError(
            f"{move.listed(projects)} cannot be {self.done} without {move.listed(missing)}",
            detail="\n".join(
                need.text(found.names)
                for need in found.dependencies
                if need.unit in concerned and need.needs in missing
            ),
            hint=f"{hint}\nIf you know better: --alone",
        )


class Prepare(Phase):
    """Make everything on the new cloud that can be made without any effect on users: all but the cut-over.

    May be interrupted and run again: it goes on where it was. Exit codes: 0 prepared, 1 failed steps (the others go
    on), 2 bad input, 130 interrupted.
    """

    examples = """
naru move prepare work/hanok
naru move prepare work/hanok -q -f json
"""


class Finalize(Phase):
    """End the move: exact quotas; what the old cloud held for a rollback is given up. There is no way back after it.

    The old servers stay where they are, stopped. One that needs others is finalized after them or with them, for those
    could not be taken back any more. Exit codes as of prepare.
    """

    phase = "finalize"
    done = "finalized"
    examples = """
naru move finalize work/hanok
naru move finalize work/all --project hanok
"""


class Rollback(ShowOne):
    """Take the move back, or some of its projects: the old servers run as before, nothing is left on the new cloud.

    At any time until finalize. What was written on the new servers since the cut-over is lost with them, and it is
    said of which; with --carry-back what their volumes hold is carried back to the old ones, from storage to storage,
    while the servers of both clouds are off: all data of both sides is read, what differs is copied and read again.
    With --project the other projects stay as they are, and so does what belongs to no project until all is taken back;
    refused when others rest on it. A project that was taken back is moved again by another plan, in another work
    directory. May be interrupted and run again; a rollback that was begun can be told to carry back what is left to be
    taken back. Exit codes as of prepare.
    """

    examples = """
naru move rollback work/hanok
naru move rollback work/all --project hanok
naru move rollback work/hanok --carry-back
naru plan show work/hanok --rollback
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_chosen(parser)
        parser.add_argument(
            "--carry-back", action="store_true", help="carry what was written to the new volumes back to the old ones"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with move.journal() as journal:
            load(journal.modules())
            if arguments.carry_back:
                back.check(journal)
            projects = move.chosen(arguments.project)
            for line in back.told(move, journal, projects, arguments.carry_back):
                print(f"naru: {line}", file=sys.stderr, flush=True)
            for step in rollback.start(move, journal, projects, carry_back=arguments.carry_back):
                print(f"naru: too late for {step}: not carried back", file=sys.stderr)
            state = run(journal, wait=False, quiet=self.app.options.verbose_level == 0, undoing=True)
            told = move_fields(move, journal, state)
        self.exit_code = state.exit_code
        return told


class StatusCommand(ShowOne):
    """Show how far the move is, once or live."""

    examples = """
naru move status work/hanok
naru move status work/hanok --watch
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--watch", action="store_true", help="draw it live until no executor runs it any more")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        move = work.Work(arguments.work)
        with move.journal() as journal:
            state = watch(journal, lambda state: not state.executor) if arguments.watch else status(journal)
            return move_fields(move, journal, state)


class DowntimeList(Lister):
    """List how long each server is off: what the plan expects, and what was measured as soon as it runs again.

    In seconds, from the beginning of its stop on the old cloud to the end of its start on the new one, with all that
    this waits for: other servers' stops, content, addresses, the limits of both clouds. The expected time is that of
    all projects cut over at once. The measured one in parts: the stop, until the old cloud says that it is off;
    content, until its volumes are there and compared; wait, for addresses and others; start, until the new cloud says
    that it runs.
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
        projects = {decision.id: decision.project for decision in move.decisions if decision.kind == "server"}
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
            )
            for found in downtimes(move)
        ]
        shown = ("server", "old id", "project", "expected", "measured", "stopped", "started")
        return (*shown, "stop", "content", "wait", "start"), rows
