"""Running a journal's plan in this process: the executor with its workers, interrupts handled, shown where the command
was given."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Protocol

from naru.plan.errors import PlanInputError
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import COMMANDS
from naru.plan.ready import Scope
from naru.plan.runner import Runner
from naru.plan.status import Status, status
from naru.signals import taken


def check_commands(journal: Journal) -> None:
    """Raises PlanInputError for a plan that is to be run by commands of its own: they know what may happen when."""
    if commands := journal.settings().get(COMMANDS):
        raise PlanInputError(
            f"{journal.name} is run by {commands}, which knows what may happen when",
            hint=f"{commands} --help lists its commands; all that was interrupted goes on when it is given again.",
        )


class Terminal(Protocol):
    """Where a command was given."""

    def say(self, line: str) -> None:
        """Reports progress, for whoever wants to know."""

    def warn(self, line: str) -> None:
        """Reports what the operator has to know."""

    def watching(self, journal: Journal) -> AbstractContextManager[None]:
        """Shows a plan that runs, for as long."""


def run(
    journal: Journal,
    terminal: Terminal,
    *,
    wait: bool = False,
    wait_for_limits: bool | Callable[[], bool] = False,
    undoing: bool = False,
    purpose: str = "",
    scope: Scope | None = None,
    stop: threading.Event | None = None,
) -> Status:
    """Runs a journal's plan, or with `undoing` its rollbacks alone (with a `purpose`: those steps of them that have
    it), or with a `scope` a phase of it, shown on the terminal; the state it ended in. With `wait` it goes on while the
    plan is paused, held, or at a limit of 0; with `wait_for_limits` in the last case alone, as long as it says so where
    it is a function. When another thread sets `stop` it ends immediately, as by a second Ctrl-C."""
    load(journal.modules())
    with journal.exclusive():
        pass  # refused before the run of another one is shown as if it were this one's
    executor = Executor(
        journal,
        remote=_remote(journal),
        wait=wait,
        wait_for_limits=wait_for_limits,
        undoing=undoing,
        purpose=purpose,
        scope=scope,
    )
    with _interrupts(executor, terminal), _stopped(executor, stop), terminal.watching(journal):
        outcome = executor.run()
    # an interrupt may come when the run is over already: whoever goes on after it is to know
    if executor.interrupted and outcome is not RunOutcome.DONE:
        outcome = RunOutcome.INTERRUPTED
    return status(journal)._replace(state=outcome.value)


def _remote(journal: Journal) -> Runner | None:
    """The runner for steps at workers, when the plan has some and the journal is one that workers can reach."""
    if journal.directory is not None or not journal.queues(ever=True):
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


@contextmanager
def _interrupts(executor: Executor, terminal: Terminal) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets running steps finish, the second ends immediately."""
    left = ["running steps finish, then it stops; once more stops at once", "stopping at once"]

    def interrupt(*_: object) -> None:
        executor.interrupt()
        if left:
            terminal.warn(left.pop(0))

    with taken(interrupt):
        yield


@contextmanager
def _stopped(executor: Executor, stop: threading.Event | None) -> Iterator[None]:
    """Ends the run when `stop` is set."""
    if stop is None:
        yield
        return

    def look() -> bool:
        if not stop.is_set():
            return True
        executor.interrupt()
        executor.interrupt()
        return False

    with beside(look, 0.1):
        yield


@contextmanager
def beside(look: Callable[[], bool], every: float) -> Iterator[None]:
    """Calls `look` every so many seconds, in a thread of its own, until it returns False or the block is left."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every) and look():
            pass

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
