"""An operator's hooks around the commands of a move, and beside what they run; the moments are in `naru.move.moments`.

    with around(move, journal, phase, projects, terminal) as ended:
        return ended(run(journal, terminal, scope=scope))

Each time that hooks of a command were run is an event of the journal, `hook MOMENT`.
"""

import datetime
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from naru.errors import InputError
from naru.messages import say
from naru.move import moments
from naru.move.purposes import MAKE
from naru.move.steps.hook import KIND, UNDO_HOOK, told
from naru.move.work import Work
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.leaving import left_out
from naru.plan.queries import Failure, StepRow, reading
from naru.plan.run import Terminal
from naru.plan.status import Status
from naru.work import hooks

POLL = 1.0
"""Seconds between two looks at what has failed."""
NOTE = "hook {moment}"
"""The key under which the journal remembers how the hooks of a command's moment ended."""


@contextmanager
def around(
    move: Work, journal: Journal, command: str, projects: Collection[str], terminal: Terminal
) -> Iterator[Callable[[Status], Status]]:
    """Runs the hooks before a command that is for these projects (ids; none: all of them), those of failures beside it,
    and those after it when the function that this gives was called with the state that it ended in.

    Raises InputError for a file that is wrong, and HookFailed when the command may not begin; a rollback always may.
    """
    teller, began = _Teller(move, journal, projects, terminal), time.time()
    try:
        teller.of_failures = any(hook.moment == moments.FAILED for hook in check(move, journal))
    except InputError as error:
        if command != moments.ROLLBACK:
            raise
        terminal.warn(f"{error}\nThe rollback goes on without hooks.")
    # the number of the run that follows: the same again when the command is given again because this was killed
    with reading(journal) as now:
        following = now.last_run() + 1
    # what another executor keeps from beginning is refused in a moment
    if command == moments.RUN or not journal.is_running():
        teller.tell(journal, f"before-{command}", following, hint=f"naru move {command} given again runs it again.")
    ended: list[Status] = []

    def end(state: Status) -> Status:
        ended.append(state)
        return state

    with teller.beside():
        yield end
    for state in ended:
        # what waits at the gates of later phases is just where this one ends
        word = "done" if state.state == "held" and command != moments.RUN else state.state
        failures = [{"step": one.id, "title": one.title, "summary": one.summary} for one in state.failed]
        teller.tell(journal, f"after-{command}", following, state=word, failures=failures)
    for step in _steps(journal):
        if step.ended is not None and step.ended >= began:
            for line in _problems(step):
                terminal.warn(
                    f"hook at {step.result['moment']} of {step.about.name if step.about else step.id}: {line}"
                )


def check(move: Work, journal: Journal) -> list[hooks.Hook]:
    """The move's hooks. Raises InputError for what is wrong in their file, and for hooks that would never run, since
    the plan was made by a Naru that knew none."""
    found = hooks.load(move.directory, moments.MOMENTS)
    names = sorted({hook.moment for hook in found if hook.moment in moments.OF_STEPS})
    if names:
        with reading(journal) as now:
            known = bool(now.steps(kind=KIND))
        if not known:
            raise InputError(
                f"{move.directory / hooks.FILE}: this move was planned by an older version of Naru",
                detail=f"Its plan has no place for hooks at {', '.join(names)}.",
                hint="Plan it again, if nothing of it was done yet, or take these hooks out of the file.",
            )
    return found


class _Teller:
    """Runs the hooks of one command of a move."""

    def __init__(self, move: Work, journal: Journal, projects: Collection[str], terminal: Terminal) -> None:
        self._move = move
        self._journal = journal
        self._projects = list(projects or move.projects)
        self._terminal = terminal
        # whether there were hooks of failures when the command began, and the newest event of which they know
        self.of_failures = False
        self._told = 0

    def tell(self, journal: Journal, moment: str, occurrence: int, *, hint: str = "", **more: Any) -> None:
        """Runs the hooks of a moment, and records how they ended. Those that fail and stop nothing are warned of."""
        directory = self._move.directory
        try:
            found = hooks.at(directory, moments.MOMENTS, moment)
        except InputError as error:
            # it was right when the command began, unless that is a rollback: what is under way goes on
            self._terminal.warn(f"{error}\nHooks of {moment} do not run.")
            return
        if not found:
            return
        facts = moments.facts(journal, directory, moment, str(occurrence), projects=self._named(journal), **more)
        try:
            ran = hooks.run(directory, found, facts, hint=hint)
        except hooks.HookFailed as error:
            self._remember(journal, moment, facts, error.ran)
            raise
        self._remember(journal, moment, facts, ran)
        for line in hooks.failed(hooks.written(ran)):
            self._terminal.warn(f"hook at {moment}: {line}")

    def _remember(self, journal: Journal, moment: str, facts: Mapping[str, Any], ran: Collection[hooks.Ran]) -> None:
        note = {"key": facts["key"], "told": self._told, "hooks": hooks.written(ran)}
        journal.remember(NOTE.format(moment=moment), note)

    def _named(self, journal: Journal) -> list[dict[str, Any]]:
        """The command's projects, with the ids that those have on the new cloud that are there."""
        known = {one.id: one.new for one in self._move.planned if one.kind == "project"}
        with reading(journal) as now:
            for step in now.steps(purpose=MAKE, states=["done"], result=True):
                if step.about and step.about.kind == "project" and step.result:
                    known[step.about.id] = step.result["id"]
        return [
            {"name": self._move.projects[identity], "old_id": identity, "new_id": known.get(identity) or None}
            for identity in self._projects
        ]

    # -- what failed

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Tells of what fails, beside what the caller runs, within seconds; and of the rest when that is over."""
        key = NOTE.format(moment=moments.FAILED)
        if (note := self._journal.recall(key)) is None:
            with reading(self._journal) as now:
                note = {"told": now.last_event(), "hooks": []}
            if self.of_failures:  # who is killed before the first failure is told leaves where to begin
                self._journal.remember(key, note)
        self._told = note["told"]
        over = threading.Event()

        def look() -> None:
            # a journal of its own: the thread must not share a connection pool with the executor's transactions
            with Journal.open(self._journal.where) as own:
                while not over.wait(POLL):
                    try:
                        self._tell_failures(own)
                    except PlanError as error:  # such as a database that is gone for a moment: the next look sees all
                        self._terminal.warn(f"hooks of {moments.FAILED}: {error.summary}")

        with ThreadPoolExecutor(1, thread_name_prefix="hooks") as pool:
            looking = pool.submit(look)
            try:
                yield
            finally:
                over.set()
            looking.result()
        self._tell_failures(self._journal)

    def _tell_failures(self, journal: Journal) -> None:
        with reading(journal) as now:
            found = now.failures(self._told)
        if not found:
            return
        self._told = found[-1].event
        # what its operator left behind meanwhile is no failure any more
        left = left_out(journal).steps
        if told := [_failure(one) for one in found if one.step.id not in left]:
            self.tell(journal, moments.FAILED, found[0].event, failures=told)


def _failure(one: Failure) -> dict[str, Any]:
    about = one.step.about
    return {
        "at": datetime.datetime.fromtimestamp(one.at, datetime.UTC).isoformat(timespec="seconds"),
        "step": one.step.id,
        "title": say(one.step.title),
        "unit": one.step.unit,
        "thing": about._asdict() if about else None,
        **{part: str(one.error.get(part, "")) for part in ("summary", "detail", "hint")},
    }


# -- what ran, and a try


class Listed(NamedTuple):
    """A hook of the file: how often it ran in this move, how often it failed, and why it did so last."""

    moment: str
    command: str
    deadline: float
    on_failure: str
    ran: int
    failed: int
    last_problem: str


def listed(move: Work) -> list[Listed]:
    """The hooks of a move, with what came of them. Raises InputError for a file that is wrong."""
    with move.journal() as journal:
        found = check(move, journal)
        known: dict[tuple[str, str], list[str]] = {}
        for moment, ran in _history(journal):
            for one in ran:
                known.setdefault((moment, json.dumps(one["command"])), []).append(one["problem"])
    rows = []
    for hook in found:
        problems = known.get((hook.moment, json.dumps(hook.command)), [])
        bad = [problem for problem in problems if problem]
        last = bad[-1] if bad else ""
        shown = (hook.moment, hook.called, hook.deadline, hook.on_failure)
        rows.append(Listed(*shown, len(problems), len(bad), last))
    return rows


def try_moment(move: Work, moment: str) -> list[hooks.Ran]:
    """Runs the hooks of a moment with example facts, of this move where it has such: nothing is recorded, nothing of
    the move is done. Raises InputError for a moment that there is not, or that has no hooks."""
    if moment not in moments.MOMENTS:
        raise InputError(f"--try {moment}: there is no such moment", hint=f"Moments: {', '.join(moments.MOMENTS)}")
    with move.journal() as journal:
        found = [hook for hook in check(move, journal) if hook.moment == moment]
        if not found:
            file = move.directory / hooks.FILE
            raise InputError(f"{file} has no hook at {moment}", hint=f"Add one to it: `- moment: {moment}`")
        facts = moments.facts(
            journal, move.directory, moment, "example", example=True, **_example(move, journal, moment)
        )
    everything = [hook.model_copy(update={"on_failure": hooks.GO_ON}) for hook in found]
    return hooks.run(move.directory, everything, facts)


def _history(journal: Journal) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The moments at which hooks ran, and how they ended: of the last time of every step, and of all commands."""
    for step in _steps(journal):
        yield step.result["moment"], step.result.get("hooks", [])
    names = {NOTE.format(moment=moment): moment for moment in moments.MOMENTS if moment not in moments.OF_STEPS}
    with reading(journal) as now:
        for event in now.events():
            if event.what in names:
                yield names[event.what], json.loads(event.detail)["hooks"]


def _steps(journal: Journal) -> list[StepRow]:
    """The steps that ran hooks, with their results."""
    with reading(journal) as now:
        found = now.steps(kind=(KIND, UNDO_HOOK), states=["done", "failed"], result=True, rollbacks=True)
    return [step for step in found if step.result]


def _problems(step: StepRow) -> list[str]:
    """What failed and stopped nothing, of the hooks of a step: one that failed itself says it of itself."""
    if step.state == "failed":
        return []
    return [*hooks.failed(step.result.get("hooks", ())), *filter(None, [step.result.get("problem")])]


def _example(move: Work, journal: Journal, moment: str) -> dict[str, Any]:
    """Facts like those of the moment."""
    thing = {"name": "example", "old_id": "0" * 32, "new_id": None}
    if moment in moments.OF_STEPS:
        with reading(journal) as now:
            for step in now.steps(kind=KIND, args=True):
                if step.state != "skipped" and moment in (step.args["moment"], step.args.get("back")):
                    return {
                        kind: told(now, kind, step.args[kind]) for kind in ("project", "server") if kind in step.args
                    }
        server = {"server": {**thing, "addresses": ["192.0.2.10"]}} if "server" in moment else {}
        return {"project": thing, **server}
    projects = [{"name": name, "old_id": identity, "new_id": None} for identity, name in move.projects.items()]
    failure = {"step": "server/example", "title": "example", "summary": "this is an example: nothing has failed"}
    more: dict[str, Any] = {"failures": [failure]} if moment == moments.FAILED else {}
    if moment.startswith("after-") and not more:
        more = {"state": "done", "failures": []}
    return {"projects": projects, **more}
