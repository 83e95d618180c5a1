"""A move from its plan to its end: the verbs that commands call, in the order in which an operator gives them.

Each may be interrupted, or killed, and given again: it goes on where it was. All that is known is in the work directory
(`naru.move.work.Work`): the readings of both clouds, the map, the decisions, the journal.
"""

import functools
import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path

from naru.move import (
    back,
    freshness,
    gates,
    handover,
    hold,
    hooks,
    leave,
    mapfile,
    moments,
    pages,
    planner,
    reading,
    rollback,
    status,
    sync,
    verified,
    waves,
    work,
)
from naru.move.downtime import ahead
from naru.move.draft import Draft, Options
from naru.move.mapping import Choice
from naru.move.outcome import Outcome
from naru.move.progress import ProgressReader
from naru.move.reading import Clouds
from naru.move.refresh import Change
from naru.move.secrets import record
from naru.move.secrets import run as secrets_run
from naru.move.secrets.people import Given
from naru.move.windows import PHASES, WORDS
from naru.plan import control, timings
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import COMMANDS
from naru.plan.run import Terminal, run
from naru.plan.status import Status
from naru.plan.status import status as status_of
from naru.plan.windows import run as schedule_run
from naru.plan.windows import schedule as schedules
from naru.plan.windows.conductor import AgendaRow, Conductor, UnitState
from naru.text import duration
from naru.work import keys

HOLD_EVERY = 60.0
"""Seconds from the beginning of one round of copying ahead to that of the next, while a cut-over holds."""


def choices(
    clouds: Clouds, written: mapfile.Map, progress: reading.Progress, *, archive: Path | None, save_to: Path | None
) -> list[Choice]:
    """What the projects need of the old cloud, and what it becomes; saved as a map if a file is given."""
    mapfile.check_clouds(written, clouds.old, clouds.new)
    clouds.check()
    with reading.facts(clouds, archive, progress) as facts:
        made = mapfile.choose(facts, written)
        if save_to:
            mapfile.save(save_to, mapfile.text(facts, made, written))
    return made


def plan(
    clouds: Clouds,
    directory: Path,
    written: mapfile.Map,
    progress: reading.Progress,
    *,
    storage: tuple[str, str] | None = None,
    database: str = "",
    key: Path | None = None,
    rehearsals: Sequence[str] = (),
) -> Draft:
    """Reads both clouds and writes the plan of a move into the work directory. Nothing is changed on either cloud.

    `storage` are the files that describe the storage of both, `database` the URL of a PostgreSQL database for the
    journals, `key` the file that new users' passwords are derived from, `rehearsals` work directories of earlier moves.
    """
    work.check_database(database, clouds.old, storage)
    mapfile.check_clouds(written, clouds.old, clouds.new)
    clouds.check()
    key = (key or keys.default_key()).absolute()
    keys.ensure_key(key, directory)
    times = [timings.of_directory(earlier) for earlier in rehearsals]
    work.prepare(directory)
    with reading.facts(clouds, directory / work.ARCHIVE, progress) as facts:
        made = mapfile.choose(facts, written)
        text = mapfile.text(facts, made, written)
        settings = {
            COMMANDS: "naru move",
            "from": clouds.old,
            "to": clouds.new,
            "projects": sorted(facts.projects),
            # as the operator called them; none for all
            "asked": sorted(clouds.projects or []),
            "map": hashlib.sha256(text.encode()).hexdigest(),
            "key": keys.fingerprint(key),
            work.IDENTITY: (identity := str(uuid.uuid4())),
        }
        options = Options(key=str(key), storage=storage, directory=str(directory.absolute()), identity=identity)
        draft = planner.make(facts, made, options, settings=settings, rehearsals=times)
        snapshots = {"old": facts.old.snapshot, "new": facts.new.snapshot}
        work.create(directory, draft, snapshots, text, database, identity)
    return draft


def prepare(move: work.Work, terminal: Terminal, *, as_planned: bool = False) -> Status:
    """Makes everything on the new cloud that can be made without any effect on users. Refused, as every later phase,
    when something was made on the old cloud since the move was planned, unless it is to go on `as_planned`."""
    return _run(PHASES.prepare, move, [], terminal, alone=False, as_planned=as_planned)


def cut_over(
    move: work.Work, projects: Sequence[str], terminal: Terminal, *, alone: bool = False, as_planned: bool = False
) -> Status:
    """The window of these projects (names or ids), or of all: old servers stopped, content carried, addresses changed
    over, new servers started."""
    return _run(PHASES.window, move, projects, terminal, alone=alone, as_planned=as_planned)


def finalize(
    move: work.Work,
    projects: Sequence[str],
    terminal: Terminal,
    *,
    alone: bool = False,
    despite: str = "",
    as_planned: bool = False,
) -> Status:
    """The end: exact quotas; what the old cloud held for a rollback is given up. Refused for projects that were never
    found to be right since their cut-over, unless the operator says why they are finalized `despite` that."""
    with move.journal() as journal:
        chosen = gates.chosen(move, journal, projects)
        scope = gates.scope(PHASES.end, move, journal, chosen, alone=alone)
        if despite.strip():
            control.remark(journal, f"finalized despite differences: {despite.strip()}")
        else:
            verified.check(move, journal, chosen, terminal.say)
        freshness.check(PHASES.end, move, chosen, terminal, as_planned=as_planned)
        with hooks.around(move, journal, PHASES.end, chosen, terminal) as ended:
            return ended(leave.to_its_end(move, journal, terminal, scope))


def _run(
    phase: str, move: work.Work, projects: Sequence[str], terminal: Terminal, *, alone: bool, as_planned: bool
) -> Status:
    """Runs a phase and nothing else: its gates are open for this run alone."""
    with move.journal() as journal:
        chosen = move.chosen(projects)
        scope = gates.scope(phase, move, journal, chosen, alone=alone)
        freshness.check(phase, move, chosen, terminal, as_planned=as_planned)
        with hooks.around(move, journal, phase, chosen, terminal) as ended:
            state = ended(leave.to_its_end(move, journal, terminal, scope))
    if state.state == "failed":
        again = f"naru move {phase} {move.arguments(move.chosen(projects))}"
        terminal.say(
            f"when the cause is fixed: naru plan retry --failed --work {move.directory}, then {again}\n"
            f"to go on without a thing, which stays on {move.old}: naru move leave {move.directory} THING --reason"
            f" REASON, then {again}"
        )
    _warn_of_off(move, terminal)
    return state


def _warn_of_off(move: work.Work, terminal: Terminal) -> None:
    """Also to those who want it quiet: servers that run on neither cloud when a command ends."""
    with move.journal() as journal:
        found = status.projects(move, journal)
    lines = list(status.off_lines(move, found))
    if lines:
        terminal.warn("\n".join([*lines, *status.next_commands(move, found)]))


def hold_cut_over(
    move: work.Work,
    projects: Sequence[str],
    terminal: Terminal,
    *,
    alone: bool = False,
    every: float = HOLD_EVERY,
    as_planned: bool = False,
) -> int:
    """Copies ahead, round after round, until the cut-over is released, here or in another terminal: 0 then, else the
    exit code with which the rounds ended."""
    with move.journal() as journal:
        left = gates.hold_before_window(move, journal, move.chosen(projects), alone=alone)
    freshness.check(PHASES.window, move, left, terminal, as_planned=as_planned)
    with hold.holding(move.directory) as released:
        terminal.say(f"holding; the window begins with naru move release {move.directory}, or with Enter here")
        for found in sync.run_rounds(move, left, terminal, every=every, stop=released):
            if released.is_set():
                break
            if found.code not in (0, 1):
                return found.code
            if (longest := ahead(move, {one.volume: one.seconds for one in found.done}, left)) is not None:
                terminal.say(f"the longest interruption now: about {duration(longest)}")
    terminal.say("released; the window begins")
    return 0


def roll_back(
    move: work.Work,
    projects: Sequence[str],
    terminal: Terminal,
    *,
    carry_back: bool = False,
    off: Sequence[str] = (),
) -> Status:
    """Rolls these projects (names or ids) back, or the whole move: the old servers run as before. `off` are servers
    (names or old ids, or `all`) of which the operator knows that they are off on the new cloud."""
    with move.journal() as journal:
        load(journal.modules())
        if carry_back:
            back.check(journal)
        chosen = move.chosen(projects)
        for line in (*back.told(move, journal, chosen, carry_back), *record.left_by_rollback(journal, chosen)):
            terminal.warn(line)
        for step in rollback.start(move, journal, chosen, carry_back=carry_back):
            terminal.warn(f"too late for {step}: not carried back")
        for server in rollback.take_for_off(move, journal, off):
            terminal.say(f"{server} is taken for off on the new cloud")
        with (
            hooks.around(move, journal, moments.ROLLBACK, chosen, terminal) as ended,
            rollback.telling_who_waits(move, terminal),
        ):
            state = run(journal, terminal, undoing=True)
            # said while the new cloud was asked, which had the last word of the run
            while rollback.skip_taken_for_off(journal):
                state = run(journal, terminal, undoing=True)
            ended(state)
    _warn_of_off(move, terminal)
    return state


def leave_behind(move: work.Work, thing: str, reason: str, terminal: Terminal) -> tuple[list[leave.Row], int]:
    """Leaves a thing of the move on the old cloud, with what exists only for it or cannot be without it, in all phases;
    what of it is on the new cloud already is undone. What became of what, and the exit code."""
    with move.journal() as journal:
        return leave.leave(move, journal, thing, reason, terminal)


def take_back(move: work.Work, thing: str, terminal: Terminal) -> tuple[list[leave.Row], int]:
    """Moves a thing after all that was left."""
    with move.journal() as journal:
        return leave.leave(move, journal, thing, "", terminal, undo=True)


def leaving(move: work.Work, thing: str, reason: str, terminal: Terminal, *, undo: bool = False) -> list[leave.Row]:
    """What `leave_behind`, or `take_back`, would do. Nothing is changed."""
    with move.journal() as journal:
        change = leave.planned(move, journal, thing, reason, undo=undo)
        for line in leave.warnings(move, journal, change):
            terminal.say(line)
        return change.rows


def agenda(move: work.Work, file: Path, until: str = PHASES.end) -> list[AgendaRow]:
    """What a schedule (a file) does when; nothing is done."""
    with move.journal() as journal:
        conductor, _, progress = _conductor(move, journal, file, until)
        return conductor.agenda(progress.read())


def scheduled(
    move: work.Work, file: Path, terminal: Terminal, until: str = PHASES.end, *, as_planned: bool = False
) -> tuple[int, list[UnitState]]:
    """All phases of many projects at the times of a schedule (a file): the exit code, and where every project is."""
    with move.journal() as journal:
        conductor, schedule, progress = _conductor(move, journal, file, until)
        if not all(PHASES.done(state, PHASES.prepare) for state in progress.read().values()):
            freshness.check(PHASES.prepare, move, [], terminal, as_planned=as_planned)
        schedules.remember(journal, schedule)
        ends, begins = verified.Watch(move, terminal), freshness.Watch(move, terminal, as_planned=as_planned)
        may_begin = functools.partial(begins.may_begin, PHASES.window)
        with hooks.around(move, journal, moments.RUN, (), terminal) as ended:
            code, states = schedule_run.ScheduledRun(
                *(journal, progress, conductor, terminal, ends.may_end, may_begin)
            ).run()
            if code in (0, 1):
                leave.afterwards(move, journal, terminal)
            ended(status_of(journal)._replace(state=schedule_run.WORDS[code]))
        return code, states


def _conductor(
    move: work.Work, journal: Journal, file: Path, until: str
) -> tuple[Conductor, schedules.Schedule, ProgressReader]:
    schedule = schedules.load(WORDS, file)
    projects = waves.projects(move)
    progress = ProgressReader(journal, projects.names)
    progress.check()
    ids = schedules.check(
        *(WORDS, file, schedule, projects.names, projects.dependencies),
        now=schedule_run.now(),
        before=schedules.last(WORDS, journal),
        passed={project for project, state in progress.read().items() if PHASES.done(state, PHASES.window)},
    )
    return Conductor(WORDS, schedule, ids, projects.needs, projects.names, until), schedule, progress


def refresh(move: work.Work, progress: reading.Progress) -> list[Change]:
    """What has changed on both clouds since the move was planned. Nothing is touched but the archive."""
    return freshness.look(move, progress)


def verify(move: work.Work, progress: reading.Progress) -> Outcome:
    """Everything that was moved compared, field by field: the old cloud as it was, the new one read now."""
    outcome = reading.outcome(move, progress)
    verified.remember(move, outcome)
    return outcome


def report(move: work.Work, directory: Path, languages: Sequence[str], progress: reading.Progress) -> list[Path]:
    """Writes the report for users and operators into a directory; its files."""
    pages.write(verify(move, progress), directory, tuple(languages))
    return sorted(file for file in directory.iterdir() if file.is_file())


def secrets(
    move: work.Work, user: str, given: Given, wish: secrets_run.Wish, terminal: Terminal
) -> tuple[list[secrets_run.Row], int]:
    """Secrets and containers of Barbican, as one of the users with credentials of its own: listed, moved, or removed
    from the new cloud again. What became of each, and the exit code."""
    return secrets_run.run(move, user, given, wish, terminal)


def passwords(move: work.Work, key: Path, project: str | None, progress: reading.Progress) -> list[handover.Password]:
    """The new users' passwords, of all projects or of one (name or id), by the key that the move was planned with."""
    move.check_key(key)
    return handover.passwords(verify(move, progress), move.old, key, project, plan=move.identity())
