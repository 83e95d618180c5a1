"""The live picture of a plan, drawn from its journal: the same one for `run`, `rollback` and `status --watch`."""

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from naru.plan.journal import Journal
from naru.plan.queries import in_one_line
from naru.plan.status import RunningStep, Status, status
from naru.text import duration, size

REFRESH = 0.5
"""Seconds between two pictures on a terminal."""
BETWEEN = "between phases"
"""What a plan with commands of its own is while it waits for the next of them."""
LINE = 10.0
"""Seconds between two lines where there is no terminal."""


def line(state: Status) -> str:
    """The state in one line: `running: 120/400 done, 8 running, 1 failed, 1.5 GiB, about 3 min 05 s left`."""
    counts = state.counts
    names = ["running", "held", "failed", "skipped", "undone"]
    word, done = state.state, f"{counts['done']}/{state.steps} done"
    if state.commands and word == "held":
        word = BETWEEN
    if state.commands:
        names.remove("held")  # that is all of the later phases
    if state.undoing:
        done = f"{state.undoing[0]}/{state.undoing[1]} undone"
        names.remove("undone")
    parts = [f"{word}: {done}"]
    parts += [f"{counts[name]} {name}" for name in names if counts[name]]
    if state.blocked:
        parts.append(f"{state.blocked} blocked")
    if state.bytes:
        parts.append(size(state.bytes))
    if state.eta is not None:
        parts.append(f"about {duration(max(0.0, state.eta - time.time()))} left")
    return ", ".join(parts)


Draw = Callable[[Journal, Status], RenderableType]
"""Makes the picture of a plan's state, of which the journal may be asked more."""


def draw_plan(journal: Journal, state: Status) -> RenderableType:
    """The picture of any plan."""
    return picture(state)


def picture(state: Status) -> Group:
    """The state as a picture some 30 lines high at most."""
    table = Table.grid(padding=(0, 2))
    for step in state.running[:15]:
        table.add_row(Text(step.id), Text(step.title), bar(step), amount(step), duration(step.seconds))
    counts = state.counts
    ended, all_steps = counts["done"] + counts["skipped"] + counts["undone"], state.steps
    if state.undoing:
        ended, all_steps = state.undoing
    parts: list[Any] = [
        Text(state.title, style="bold"),
        whole(ended, all_steps),
        Text(line(state)),
        table,
    ]
    parts += [
        Text(f"failed: {step.title or step.id}: {in_one_line(step.summary, step.detail)}", style="red")
        for step in state.failed[:10]
    ]
    held = [name for name, is_held in state.gates.items() if is_held]
    if held and counts["held"] and not state.commands:
        parts.append(Text(f"held at {', '.join(held)}: naru plan release GATE", style="yellow"))
    return Group(*parts)


def whole(ended: int, every: int) -> Table:
    """How far all of it is: a line of its own, since a bar alone does not end one."""
    table = Table.grid()
    table.add_row(ProgressBar(total=max(1, every), completed=ended, width=60))
    return table


def bar(step: RunningStep) -> Any:
    """How far it is, where it tells that."""
    if step.done is None or not step.total:
        return Text("")
    return ProgressBar(total=step.total, completed=step.done, width=20)


def amount(step: RunningStep) -> str:
    """What it has done so far, and how long it has to go."""
    if step.done is None:
        return ""
    if step.counted != "bytes":
        return f"{step.done:.0f}" + (f"/{step.total:.0f}" if step.total else "")
    moved = size(step.done) + (f" of {size(step.total)}" if step.total else "")
    if not step.total or not step.done or not step.seconds:
        return moved
    return f"{moved}, {duration((step.total - step.done) * step.seconds / step.done)} left"


def watch(journal: Journal, until: Callable[[Status], bool], draw: Draw = draw_plan) -> Status:
    """Draws on standard error, a picture on a terminal and lines elsewhere, until `until` says so; the last state."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                state = status(journal)
                live.update(draw(journal, state), refresh=True)
                if until(state):
                    return state
                time.sleep(REFRESH)
    said, next_line = "", 0.0
    while True:
        state = status(journal)
        if (now := time.monotonic()) >= next_line or until(state):
            next_line = now + LINE
            if (text := line(state)) != said:
                console.print(text, highlight=False, soft_wrap=True)
                said = text
        if until(state):
            return state
        time.sleep(REFRESH)


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Adds the option by which a status is drawn live."""
    parser.add_argument("--watch", action="store_true", help="draw it live until no executor runs it any more")


def look(journal: Journal, *, live: bool, draw: Draw = draw_plan) -> Status:
    """Where a plan stands: now, or drawn `live` until no executor runs it any more."""
    return watch(journal, lambda state: not state.executor, draw) if live else status(journal)


@contextmanager
def watching(journal: Journal, draw: Draw = draw_plan) -> Iterator[None]:
    """Draws beside what the caller does, until that is over."""
    over = threading.Event()
    # a journal of its own: the thread must not share a connection pool with the executor's transactions
    with Journal.open(journal.where) as own:
        thread = threading.Thread(target=watch, args=(own, lambda _: over.is_set(), draw), name="view", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=5)
