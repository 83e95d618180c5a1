"""When each step of a plan is to begin and end: the plan played through with its estimates, under its limits."""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

from naru.plan.model import Plan
from naru.plan.ready import DONE, ReadyQueue


class Span(NamedTuple):
    """A step's expected time, in seconds since the plan was begun."""

    began: float
    ended: float


def forecast(plan: Plan) -> Mapping[str, Span]:
    """The time of every step, by its id, if it takes as long as its estimate says; one of unknown duration is taken
    for a second.

    Steps start as the executor starts them: the longest path first, as many of a group at once as its limit allows (a
    group that is stopped is taken for one with a limit of 1). Gates cost no time: when nothing else can run, all that
    steps are held at are opened together. What the steps have come to so far does not count.
    """
    ready = ReadyQueue.of(plan)
    ready.limits = {name: max(1, limit) for name, limit in plan.limits.items()}
    spans: dict[str, Span] = {}
    running: list[tuple[float, int]] = []
    closed: set[str] = set()
    now = 0.0
    while True:
        started, newly_held = ready.take(len(plan.steps) or 1)
        for n in started:
            end = now + ready.estimate(n)
            spans[plan.steps[n - 1].id] = Span(now, end)
            heapq.heappush(running, (end, n))
        closed |= {ready.gate(n) for n in newly_held}
        if running:
            now = running[0][0]
            while running and running[0][0] == now:
                ready.set(heapq.heappop(running)[1], DONE)
        elif closed:
            ready.closed_gates -= closed
            closed = set()
            list(ready.release())
        else:
            return spans
