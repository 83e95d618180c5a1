"""Which steps may start now: the graph in memory, without any I/O.

Steps are numbered from 0 here and everything about them is in arrays, so that a million of them fit in memory.
"""

import heapq
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from naru.plan.model import BARRIER, Plan

STATES = ("waiting", "running", "done", "failed", "skipped", "undone", "held")
# the last is no state of the journal, where such a step is waiting: it failed, and its pause before the next try runs
WAITING, RUNNING, DONE, FAILED, SKIPPED, UNDONE, HELD, PAUSING = range(8)
# states in which nobody waits for a step any more
_OVER = (DONE, SKIPPED)
_OVER_FOR_BARRIERS = (DONE, SKIPPED, UNDONE)
_STATE_NUMBER = {name: number for number, name in enumerate(STATES)}

UNKNOWN_ESTIMATE = 1.0
"""Seconds that a step of unknown duration is taken for when ready steps are put in order."""


class Node(NamedTuple):
    """What the schedule has to know of a step."""

    state: str
    limit: str
    gate: str
    estimate: float
    # what was taken back is not waited for
    barrier: bool = False


@dataclass
class _Group:
    """A limit group: its ready steps, longest path first, and how many of its steps run."""

    ready: list[tuple[float, int]] = field(default_factory=list)
    running: int = 0
    # seconds of estimated work not yet done
    left: float = 0.0


class Schedule:
    """The ready queues. A step is ready when all it waits for is done or skipped (for a barrier: or undone); `take`
    gives the ones that may start.

    `limits` and `held` (gates) may be changed at any time and count from the next `take` on.
    """

    @classmethod
    def of(cls, plan: Plan) -> "Schedule":
        """That of a plan of which nothing was done, all gates held; steps are numbered as they stand in it."""
        number = {step.id: n for n, step in enumerate(plan.steps)}
        nodes = (Node("waiting", step.limit, step.gate, step.estimate, step.kind == BARRIER) for step in plan.steps)
        edges = ((number[edge.after], number[edge.before]) for edge in set(plan.edges))
        return cls(nodes, edges, plan.limits, plan.gates)

    def __init__(
        self,
        nodes: Iterable[Node],
        edges: Iterable[tuple[int, int]],
        limits: Mapping[str, int],
        held: Iterable[str] = (),
    ) -> None:
        """`edges` are pairs of (after, before) as numbers from 0."""
        self.limits = dict(limits)
        self.held = set(held)
        self.counts = [0] * (len(STATES) + 1)
        self._names: list[str] = []
        numbers: dict[str, int] = {}

        def number(name: str) -> int:
            if name not in numbers:
                numbers[name] = len(self._names)
                self._names.append(name)
            return numbers[name]

        self._state = bytearray()
        self._limit, self._gate = array("I"), array("I")
        self._estimate = array("f")
        self._barriers: set[int] = set()
        for state, limit, gate, estimate, barrier in nodes:
            if barrier:
                self._barriers.add(len(self._state))
            self._state.append(_STATE_NUMBER[state])
            self._limit.append(number(limit))
            self._gate.append(number(gate))
            self._estimate.append(estimate or UNKNOWN_ESTIMATE)
        self._groups = {self._names[n]: _Group() for n in dict.fromkeys(self._limit)}
        self._link(edges)
        self._path = self._longest_paths()
        for i, now in enumerate(self._state):
            self.counts[now] += 1
            group = self._group(i)
            group.running += now == RUNNING
            if now not in (DONE, SKIPPED, UNDONE):
                group.left += self._estimate[i]
            if now in (WAITING, HELD) and not self._waits[i]:
                heapq.heappush(group.ready, (-self._path[i], i))

    def _link(self, edges: Iterable[tuple[int, int]]) -> None:
        """Turns the edges into one array of followers, those of step i at [first[i], first[i+1])."""
        size = len(self._state)
        befores, afters = array("I"), array("I")
        first = array("I", bytes(4 * (size + 1)))
        self._waits = array("I", bytes(4 * size))
        for after, before in edges:
            befores.append(before)
            afters.append(after)
            first[before + 1] += 1
            over = _OVER_FOR_BARRIERS if after in self._barriers else _OVER
            if self._state[before] not in over:
                self._waits[after] += 1
        for i in range(size):
            first[i + 1] += first[i]
        self._first = first
        self._followers = array("I", bytes(4 * len(afters)))
        place = array("I", first)
        for before, after in zip(befores, afters, strict=True):
            self._followers[place[before]] = after
            place[before] += 1

    def _longest_paths(self) -> "array[float]":
        """For each step the estimated seconds of the longest chain that begins with it."""
        size = len(self._state)
        path = array("f", self._estimate)
        before_count = array("I", bytes(4 * size))
        for after in self._followers:
            before_count[after] += 1
        order = array("I", (i for i in range(size) if not before_count[i]))
        for i in order:
            for after in self.followers(i):
                before_count[after] -= 1
                if not before_count[after]:
                    order.append(after)
        for i in reversed(order):
            followers = self.followers(i)
            if followers:
                path[i] += max(path[after] for after in followers)
        return path

    def __len__(self) -> int:
        return len(self._state)

    def followers(self, i: int) -> Sequence[int]:
        """The steps that wait for step i."""
        return self._followers[self._first[i] : self._first[i + 1]]

    def state(self, i: int) -> int:
        return self._state[i]

    def _group(self, i: int) -> _Group:
        return self._groups[self._names[self._limit[i]]]

    def take(self, most: int = 1000) -> tuple[list[int], list[int]]:
        """Two lists: the steps that start now, which become running, and those found held at a gate, which become held.

        Longest path first within each group, as many as the group's limit leaves room for, at most `most` in all.
        """
        started: list[int] = []
        held: list[int] = []
        state, gate = self._state, self._gate
        closed = {n for n, name in enumerate(self._names) if name in self.held}
        for name, group in self._groups.items():
            room = min(self.limits.get(name, 0) - group.running, most - len(started))
            while room > 0 and group.ready:
                i = heapq.heappop(group.ready)[1]
                # an entry may be out of date: the operator skipped the step, or what it waits for was undone
                if state[i] not in (WAITING, HELD) or self._waits[i]:
                    continue
                if gate[i] in closed:
                    if state[i] == WAITING:
                        self._count(i, HELD)
                        held.append(i)
                    continue
                self._count(i, RUNNING)
                group.running += 1
                started.append(i)
                room -= 1
        return started, held

    def _count(self, i: int, state: int) -> None:
        self.counts[self._state[i]] -= 1
        self.counts[state] += 1
        self._state[i] = state

    def set(self, i: int, state: int) -> None:
        """Records that step i is now in this state, and makes ready what that makes ready, itself included."""
        was = self._state[i]
        if was == state:
            return
        group = self._group(i)
        self._count(i, state)
        group.running += (state == RUNNING) - (was == RUNNING)
        group.left += self._estimate[i] * (
            (state not in (DONE, SKIPPED, UNDONE)) - (was not in (DONE, SKIPPED, UNDONE))
        )
        for_steps = (state in _OVER) - (was in _OVER)
        for_barriers = (state in _OVER_FOR_BARRIERS) - (was in _OVER_FOR_BARRIERS)
        if for_steps or for_barriers:
            for after in self.followers(i):
                self._waits[after] -= for_barriers if after in self._barriers else for_steps
                if not self._waits[after] and self._state[after] in (WAITING, HELD):
                    heapq.heappush(self._group(after).ready, (-self._path[after], after))
        if state == WAITING and not self._waits[i]:
            heapq.heappush(group.ready, (-self._path[i], i))

    def release(self) -> Iterator[int]:
        """The held steps whose gate is open now become waiting, and ready. To be called after `held` has changed."""
        open_again = [i for i, state in enumerate(self._state) if state == HELD and self.gate(i) not in self.held]
        for i in open_again:
            self.set(i, WAITING)
            yield i

    def gate(self, i: int) -> str:
        return self._names[self._gate[i]]

    def seconds_left(self, running: Iterable[tuple[int, float]] = ()) -> float:
        """A lower bound, by the estimates: the longest path not yet done, or the work of the most loaded group.

        `running` are the running steps and for how many seconds each has run.
        """
        longest = max((-group.ready[0][0] for group in self._groups.values() if group.ready), default=0.0)
        begun = max((self._path[i] - min(ran, self._estimate[i]) for i, ran in running), default=0.0)
        loads = (group.left / max(1, self.limits.get(name, 0)) for name, group in self._groups.items())
        return max(longest, begun, *loads, 0.0)

    def estimate(self, i: int) -> float:
        """Seconds."""
        return self._estimate[i]
