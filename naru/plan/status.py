"""The state of a plan at a moment, read from its journal by whoever wants to see it."""

import json
import time
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from naru.messages import load, say
from naru.plan import schema
from naru.plan.journal import Journal
from naru.plan.model import COMMANDS, LIVE, OVER, STATES, About
from naru.plan.plan_rows import about_of
from naru.plan.queries import behind, gates

_steps = schema.steps
MOST = 20
"""How many running, and how many failed steps are listed."""


class RunningStep(NamedTuple):
    """A step under way. `seconds` since it began; `done` of `total` in `counted`, as it last reported."""

    id: str
    title: str
    queue: str
    attempt: int
    seconds: float
    done: float | None
    total: float | None
    counted: str


class FailedStep(NamedTuple):
    """A failed step: what it was to do, the parts of its error, and the thing that it is about."""

    id: str
    title: str
    attempt: int
    summary: str
    detail: str
    hint: str
    about: About | None = None


class LimitGroup(NamedTuple):
    """A limit group with steps left."""

    name: str
    limit: int
    running: int
    left: int


class Status(NamedTuple):
    """The state of a plan.

    `state` is one word for all: `new`, `running`, `paused`, `cancelled`, `held`, `failed`, `interrupted`, `done`.
    `blocked` counts the steps that wait behind failed ones; `eta` is seconds since 1970, None when there is none;
    `bytes` and `bytes_total` sum over the steps that report bytes; `undoing` is how many steps of rollbacks are over,
    and of how many, while that is what goes on or was the last that did; `commands` is how the commands begin that run
    the plan, "" for `naru plan`.
    """

    title: str
    state: str
    mode: str
    executor: str
    counts: dict[str, int]
    blocked: int
    groups: list[LimitGroup]
    gates: dict[str, bool]
    running: list[RunningStep]
    failed: list[FailedStep]
    started: float | None
    seen: float | None
    eta: float | None
    bytes: float
    bytes_total: float
    undoing: tuple[int, int] | None
    commands: str

    @property
    def steps(self) -> int:
        return sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        """1 failed steps, 3 held, paused or cancelled, 130 interrupted, else 0."""
        return {"failed": 1, "held": 3, "paused": 3, "cancelled": 3, "interrupted": 130}.get(self.state, 0)


def status(journal: Journal) -> Status:
    """Reads the state of a plan. Does not disturb an executor."""
    alive = journal.is_running()
    now = time.time()
    with journal.read() as connection:
        setup = connection.execute(select(schema.setup)).mappings().one()
        mode = connection.execute(select(schema.control.c.mode)).scalar_one()
        run = connection.execute(select(schema.runs).order_by(schema.runs.c.id.desc()).limit(1)).mappings().first()
        counts = dict.fromkeys(STATES, 0)
        for state, count in connection.execute(select(_steps.c.state, func.count()).group_by(_steps.c.state)):
            counts[state] = count
        progress = schema.progress
        sums = select(func.sum(progress.c.done), func.sum(func.coalesce(progress.c.total, progress.c.done)))
        moved, to_move = connection.execute(sums.where(progress.c.unit == "bytes")).one()
        return Status(
            title=say(load(json.loads(setup["title"]))),
            state=_word(alive, mode, counts, run),
            mode=mode,
            executor=f"{run['host']}:{run['pid']}" if alive and run else "",
            counts=counts,
            blocked=_blocked(connection) if counts["failed"] else 0,
            groups=_groups(connection),
            gates=gates(connection),
            running=_running(connection, now),
            failed=_failed(connection),
            started=run["started"] if run else None,
            seen=run["seen"] if run else None,
            eta=run["eta"] if run and alive else None,
            bytes=moved or 0.0,
            bytes_total=to_move or 0.0,
            undoing=_undoing(connection),
            commands=json.loads(setup["settings"]).get(COMMANDS, ""),
        )


def _undoing(connection: Connection) -> tuple[int, int] | None:
    """None where no rollback is under way, and others go on."""
    over = func.sum(case((_steps.c.state.in_(OVER), 1), else_=0))
    undone, every = connection.execute(select(over, func.count()).where(_steps.c.undoes.is_not(None))).one()
    if not every:
        return None
    left = select(_steps.c.n).where(_steps.c.undoes.is_(None), _steps.c.state.in_((*LIVE, "failed"))).limit(1)
    if undone == every and connection.execute(left).first():
        return None
    return int(undone), int(every)


def _word(alive: bool, mode: str, counts: dict[str, int], run: Any) -> str:
    left = counts["waiting"] + counts["running"] + counts["held"] + counts["failed"]
    if not left:
        return "done"
    if mode != "run":
        return str(mode)
    if alive:
        return "held" if counts["held"] and not counts["running"] and not counts["failed"] else "running"
    if run is None:
        return "new"
    if run["outcome"] in (None, "interrupted"):
        return "interrupted"
    if counts["failed"]:
        return "failed"
    return "held" if counts["held"] else "interrupted"


def _blocked(connection: Connection) -> int:
    """How many waiting steps are behind failed ones, however far."""
    found = behind(("failed",))
    query = select(func.count()).select_from(found).join(_steps, _steps.c.n == found.c.n)
    return int(connection.execute(query.where(_steps.c.state.in_(("waiting", "held")))).scalar_one())


def _groups(connection: Connection) -> list[LimitGroup]:
    running = func.sum(case((_steps.c.state == "running", 1), else_=0))
    query = (
        select(_steps.c.limits, running, func.count())
        .where(_steps.c.state.in_(("waiting", "running", "held", "failed")))
        .group_by(_steps.c.limits)
    )
    counts: dict[str, tuple[int, int]] = {}
    for groups, run, left in connection.execute(query):
        for group in json.loads(groups):
            before = counts.get(group, (0, 0))
            counts[group] = (before[0] + run, before[1] + left)
    limits = connection.execute(select(schema.limits).order_by(schema.limits.c.name))
    return [LimitGroup(row.name, row.value, *counts[row.name]) for row in limits if row.name in counts]


def _running(connection: Connection, now: float) -> list[RunningStep]:
    progress = schema.progress
    query = (
        select(_steps, progress.c.done, progress.c.total, progress.c.unit.label("counted"))
        .join(progress, progress.c.step == _steps.c.n, isouter=True)
        .where(_steps.c.state == "running")
        .order_by(_steps.c.started, _steps.c.n)
        .limit(MOST)
    )
    return [
        RunningStep(
            row.id,
            say(load(json.loads(row.title))) or row.kind,
            row.queue,
            row.attempt,
            max(0.0, now - row.started),
            row.done,
            row.total,
            row.counted or "",
        )
        for row in connection.execute(query)
    ]


def _failed(connection: Connection) -> list[FailedStep]:
    columns = (_steps.c[name] for name in ("id", "title", "attempt", "error", "about_kind", "about_id", "about_name"))
    query = select(*columns).where(_steps.c.state == "failed").order_by(_steps.c.n).limit(MOST)
    failed = []
    for id, title, attempt, text, *about in connection.execute(query):
        error = json.loads(text) if text else {}
        summary, detail, hint = (error.get(name, "") for name in ("summary", "detail", "hint"))
        words = say(load(json.loads(title)))
        failed.append(FailedStep(id, words, attempt, summary, detail, hint, about_of(*about)))
    return failed
