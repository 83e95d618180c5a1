"""Leases: the right of one worker at a time to write to one destination, lost when it is not renewed.

Every lease on a destination has a `fence`, a number greater than all before it. A worker whose lease has expired is
refused by the journal, and refuses itself: it compares the time since it last asked for renewal with the lease's
length, on a clock that goes on while the process is stopped. The executor gives a worker up only after another half
of that length, so that what was being written at the last check has ended.
"""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Float, and_, literal_column, select, update

from naru.plan import schema
from naru.plan.errors import LeaseLost
from naru.plan.journal import Journal

SECONDS = 30.0
"""How long a lease lasts without renewal. A worker renews it at least three times in that time."""
MARGIN = 0.2
"""The part of a lease's length, before its end, in which a worker that could not renew it stops what it is doing."""
GRACE = 0.5
"""The part of a lease's length that the executor waits beyond its end before it gives the worker up."""

_leases = schema.leases


def _clock() -> float:
    """Seconds on a clock that also counts while this machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _now(connection: Connection) -> ColumnElement[float]:
    """The database's own time, the one all workers agree on, as seconds since 1970."""
    if connection.dialect.name == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Float)
    return literal_column("extract(epoch from clock_timestamp())", Float)


def clock(journal: Journal) -> float:
    """The time by which the journal's leases run out, as seconds since 1970."""
    with journal.read() as connection:
        return float(connection.execute(select(_now(connection))).scalar_one())


class Lease:
    """A worker's lease, as a step sees it; see `context.Lease`."""

    def __init__(self, target: str, fence: int, holder: str, seconds: float, asked: float) -> None:
        self.target = target
        self.fence = fence
        self.holder = holder
        self.seconds = seconds
        self._until = asked + seconds
        self._lost = threading.Event()

    def check(self) -> None:
        """Raises `LeaseLost` when the lease has ended, as far as can be known here."""
        if self._lost.is_set() or _clock() >= self._until:
            self._lost.set()
            raise LeaseLost(
                f"the lease on {self.target} has ended: this worker was given up for dead",
                detail=f"holder {self.holder}, fence {self.fence}",
                hint="another worker goes on with the step; no action is needed",
            )

    @property
    def ending(self) -> bool:
        """Whether it was not renewed for so long that the work has to stop, so that it has when the lease ends."""
        return self._lost.is_set() or _clock() >= self._until - MARGIN * self.seconds

    def renewed(self, asked: float) -> None:
        self._until = asked + self.seconds

    def lose(self) -> None:
        self._lost.set()


def acquire(
    journal: Journal, target: str, step: int, attempt: int, holder: str, seconds: float = SECONDS
) -> Lease | None:
    """Takes the lease on `target` for an attempt; None while another one has it or this attempt has had it before.

    None for good when the attempt is not the step's current one: see `is_current`.
    """
    asked = _clock()
    with journal.write() as connection:
        now = _now(connection)
        current = select(schema.steps.c.n).where(
            schema.steps.c.n == step, schema.steps.c.attempt == attempt, schema.steps.c.state == "running"
        )
        if connection.execute(current.with_for_update()).first() is None:
            return None
        row = connection.execute(select(_leases).where(_leases.c.target == target).with_for_update()).first()
        if row is None:
            values = {"target": target, "step": step, "attempt": attempt, "holder": holder, "fence": 1}
            connection.execute(_leases.insert().values(**values, expires=now + seconds))
            return Lease(target, 1, holder, seconds, asked)
        change = (
            update(_leases)
            .where(_leases.c.target == target, _leases.c.fence == row.fence, _leases.c.holder == "")
            .values(step=step, attempt=attempt, holder=holder, fence=row.fence + 1, expires=now + seconds, outcome=None)
        )
        if (row.step, row.attempt) == (step, attempt) or not connection.execute(change).rowcount:
            return None
        return Lease(target, row.fence + 1, holder, seconds, asked)


def is_current(journal: Journal, step: int, attempt: int) -> bool:
    """Whether this attempt is still to be run: nobody has begun it, ended it, or given it up."""
    with journal.read() as connection:
        taken = select(_leases.c.target).where(_leases.c.step == step, _leases.c.attempt == attempt)
        if connection.execute(taken).first() is not None:
            return False
        query = select(schema.steps.c.n).where(
            schema.steps.c.n == step, schema.steps.c.attempt == attempt, schema.steps.c.state == "running"
        )
        return connection.execute(query).first() is not None


def renew(connection: Connection, lease: Lease) -> bool:
    """Prolongs a lease; False when it had ended already."""
    asked = _clock()
    change = update(_leases).where(_mine(connection, lease)).values(expires=_now(connection) + lease.seconds)
    if not connection.execute(change).rowcount:
        return False
    lease.renewed(asked)
    return True


def finish(connection: Connection, lease: Lease, outcome: str) -> None:
    """Leaves the result of the attempt (JSON) for the executor. Raises `LeaseLost` when the lease has ended."""
    if not connection.execute(update(_leases).where(_mine(connection, lease)).values(outcome=outcome)).rowcount:
        lease.lose()
        lease.check()


def _mine(connection: Connection, lease: Lease) -> ColumnElement[bool]:
    return and_(
        _leases.c.target == lease.target,
        _leases.c.holder == lease.holder,
        _leases.c.fence == lease.fence,
        _leases.c.outcome.is_(None),
        _leases.c.expires > _now(connection),
    )


class LeaseView(NamedTuple):
    """A lease as the executor sees it: `outcome` is there when the attempt has ended, `lost`: its worker is gone."""

    step: int
    attempt: int
    holder: str
    outcome: str | None
    lost: bool


def look(journal: Journal, steps: Sequence[int], seconds: float = SECONDS) -> list[LeaseView]:
    """The leases of these steps. Those whose time and grace are over are taken away here, for good."""
    views = []
    with journal.write() as connection:
        gone = _leases.c.expires + seconds * GRACE < _now(connection)
        query = select(_leases, gone.label("gone")).where(_leases.c.step.in_(steps)).with_for_update()
        for row in connection.execute(query).all():
            lost = row.outcome is None and (row.holder == "" or bool(row.gone))
            if lost:
                connection.execute(update(_leases).where(_leases.c.target == row.target).values(holder=""))
            views.append(LeaseView(row.step, row.attempt, row.holder, row.outcome, lost))
    return views


def free(connection: Connection, attempts: Sequence[tuple[int, int]]) -> None:
    """Gives up the leases of attempts (n, attempt) whose outcome the executor has written down."""
    for step, attempt in attempts:
        mine = and_(_leases.c.step == step, _leases.c.attempt == attempt)
        connection.execute(update(_leases).where(mine).values(holder="", outcome=None))


def live_steps(connection: Connection) -> set[int]:
    """The steps that a worker may be writing for at this moment."""
    query = select(_leases.c.step).where(_leases.c.outcome.is_(None), _leases.c.holder != "")
    return set(connection.execute(query.where(_leases.c.expires > _now(connection))).scalars())
