"""`naru plan run|status|rollback`: running a plan, or watching it run."""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from cliff.columns import FormattableColumn

from naru.cli.base import ShowOne
from naru.cli.plan import add_work, moment, where
from naru.cli.plan_view import watch, watching
from naru.plan import rollback
from naru.plan.errors import PlanInputError
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.runner import Runner
from naru.plan.status import Status, status


class _Rows(FormattableColumn[Any]):
    """Rows that a table shows as lines, and JSON as they are."""

    form = ""

    def human_readable(self) -> str:
        return "\n".join(self.form.format(**row) for row in self._value)


class _Groups(_Rows):
    form = "{name}: {limit} at once, {running} running, {left} left"


class _Running(_Rows):
    form = "{id}: {title}, {seconds:.0f} s"


class _Failed(_Rows):
    form = "{id}: {summary}"


class _Counts(FormattableColumn[Any]):
    def human_readable(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._value.items() if value)


def fields(state: Status) -> tuple[Sequence[str], Iterable[Any]]:
    """A state as one thing's fields."""
    shown = {
        "title": state.title,
        "state": state.state,
        "steps": _Counts(state.counts),
        "blocked": state.blocked,
        "limits": _Groups([group._asdict() for group in state.groups]),
        "gates": _Counts({name: "held" if held else "open" for name, held in state.gates.items()}),
        "running": _Running([step._asdict() for step in state.running]),
        "failed": _Failed([step._asdict() for step in state.failed]),
        "bytes": int(state.bytes),
        "started": moment(state.started),
        "expected end": moment(state.eta),
        "executor": state.executor,
    }
    return tuple(shown), tuple(shown.values())


def run(
    journal: Journal, *, wait: bool, quiet: bool, undoing: bool = False, stop: threading.Event | None = None
) -> Status:
    """Runs a journal's plan in this process, or with `undoing` its rollbacks alone, drawn unless `quiet`, interrupts
    handled; the state it ended in. When another thread sets `stop` it ends at once, as by a second Ctrl-C."""
    load(journal.modules())
    executor = Executor(journal, remote=_workers(journal), wait=wait, undoing=undoing)
    with _interrupts(executor), _stopped(executor, stop), contextlib.nullcontext() if quiet else watching(journal):
        outcome = executor.run()
    # an interrupt may come when the run is over already: whoever goes on after it is to know
    if executor.interrupted and outcome is not RunOutcome.DONE:
        outcome = RunOutcome.INTERRUPTED
    return status(journal)._replace(state=outcome.value)


def _workers(journal: Journal) -> Runner | None:
    """The runner for steps of worker queues, when the plan has some and the journal is one that workers can reach."""
    if journal.directory is not None or not journal.queues():
        return None
    found: Runner = workers().Workers(journal)
    return found


def workers() -> ModuleType:
    """The module that needs the extra `workers`. Raises PlanInputError without that."""
    try:
        from naru.plan import workers as module
    except ModuleNotFoundError as error:
        raise PlanInputError(
            "steps at workers need more than is installed",
            detail=str(error),
            hint="pip install naru-openstack[workers]",
        ) from None
    return module


@contextlib.contextmanager
def _interrupts(executor: Executor) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets running steps finish, the second ends at once."""
    said = ("running steps finish, then it stops; once more stops at once", "stopping at once")

    def interrupt(*_: object) -> None:
        executor.interrupt()
        if said_left:
            print(f"naru: {said_left.pop(0)}", file=sys.stderr)

    said_left = list(said)
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _stopped(executor: Executor, stop: threading.Event | None) -> Iterator[None]:
    """Ends the run when `stop` is set."""
    over = threading.Event()

    def watch(stop: threading.Event) -> None:
        while not over.wait(0.1):
            if stop.is_set():
                executor.interrupt()
                executor.interrupt()
                return

    if stop is None:
        yield
        return
    thread = threading.Thread(target=watch, args=(stop,), name="stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Runs(ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--wait", action="store_true", help="stay while paused or held, until that is taken back")
        return parser

    def run_journal(self, journal: Journal, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        state = run(journal, wait=parsed_args.wait, quiet=self.app.options.verbose_level == 0)
        self.exit_code = state.exit_code
        return fields(state)


class Run(_Runs):
    """Run a plan, or go on with one that was interrupted.

    Ctrl-C once lets running steps finish and stops, twice stops at once. Exit codes: 0 done, 1 failed steps, 2 bad
    input, 3 held, paused or cancelled, 130 interrupted.
    """

    examples = """
naru plan run work/demo
naru plan run work/demo --wait
naru plan run work/demo -f json
"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            return self.run_journal(journal, parsed_args)


class Rollback(_Runs):
    """Take back what was done, of some units or of everything, in the reverse order.

    Refused when a step without a way back has begun; `naru plan show --rollback` shows it before. A rollback that was
    interrupted goes on with `naru plan run`, or when it is given again. Of units, steps of others that can run do so
    meanwhile.
    """

    examples = """
naru plan rollback work/demo --unit server/web-1
naru plan rollback work/demo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--unit", action="append", metavar="UNIT", help="only this unit; may be repeated")
        parser.add_argument(
            "--with-dependents", action="store_true", help="also the steps of other units that rest on the unit"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            load(journal.modules())
            rollback.start(journal, units=parsed_args.unit, with_dependents=parsed_args.with_dependents)
            return self.run_journal(journal, parsed_args)


class StatusShow(ShowOne):
    """Show the state of a plan, once or live.

    Exit codes: 1 failed steps, 3 held, paused or cancelled, 130 interrupted, else 0.
    """

    examples = """
naru plan status work/demo
naru plan status work/demo --watch
naru plan status work/demo -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--watch", action="store_true", help="draw it live until no executor runs it any more")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            state = watch(journal, lambda state: not state.executor) if parsed_args.watch else status(journal)
        self.exit_code = state.exit_code
        return fields(state)
