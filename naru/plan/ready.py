"""Which steps may start now: the graph in memory, without any I/O.

Steps have the numbers of the journal, from 1 on, and everything about them is in arrays, so that a million of them fit
in memory. The arrays have an entry 0 that belongs to no step.

A step counts against all groups in its `limits` while it runs, and starts only when each of them has room: it takes all
of them at once or none, so no step holds one group while it waits for another. Steps with the same groups share a
queue; there are few different combinations of groups, however many steps.
"""

import heapq
import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from naru.plan.model import BARRIER, OVER, STATES, Plan

_STATE_NUMBER = {name: number for number, name in enumerate(STATES)}
# numbers, for arrays of states
WAITING, RUNNING, DONE, FAILED, SKIPPED, UNDONE, HELD = (
    _STATE_NUMBER[name] for name in ("waiting", "running", "done", "failed", "skipped", "undone", "held")
)
# not a state of the journal, where such a step is waiting: it failed, and its pause before the next try runs
PAUSING = len(STATES)
# states in which a step holds up nobody
_OVER = tuple(_STATE_NUMBER[name] for name in OVER)
_OVER_FOR_BARRIERS = (*_OVER, UNDONE)

UNKNOWN_ESTIMATE = 1.0
"""Seconds that a step of unknown duration is taken for when ready steps are put in order."""


class Node(NamedTuple):
    """A step as far as the schedule has to know it."""

    state: str
    limits: tuple[str, ...]
    gate: str
    estimate: float
    # what was rolled back is not waited for
    barrier: bool = False


class Scope(NamedTuple):
    """The part of a plan that a run is for: a phase of some units, between gates. It passes the gates that `passes`
    names, and those that are opened for it while it runs (`control.open_for_run`); what is behind any other gate it
    leaves alone, also when that was begun. With `after` it runs nothing but what is behind one of those gates."""

    passes: Collection[str] = ()
    after: Collection[str] | None = None


@dataclass
class _Load:
    """How much of a limit group is in use."""

    running: int = 0
    # seconds of estimated work not yet done
    left: float = 0.0


@dataclass
class _Combination:
    """The limit groups that some steps have in common, and those of the steps that are ready, longest path first."""

    groups: tuple[str, ...]
    loads: tuple[_Load, ...]
    ready: list[tuple[float, int]] = field(default_factory=list)


class ReadyQueue:
    """The ready queues. A step is ready when all it waits for is done or skipped (for a barrier: or undone); `take`
    gives the ones that may start.

    `limits` and `closed_gates` may be changed at any time and count from the next `take` on.

    With a `scope`, steps out of it are never ready, and count in `outside` in place of `counts`: both are numbers of
    steps by state.
    """

    @classmethod
    def of(cls, plan: Plan) -> "ReadyQueue":
        """The queue of a plan of which nothing was done, all gates closed; steps are numbered as in its journal."""
        number = {step.id: n for n, step in enumerate(plan.steps, 1)}
        nodes = (Node("waiting", step.limits, step.gate, step.estimate, step.kind == BARRIER) for step in plan.steps)
        edges = ((number[edge.after], number[edge.before]) for edge in set(plan.edges))
        return cls(nodes, edges, plan.limits, plan.gates)

    def __init__(
        self,
        nodes: Iterable[Node],
        edges: Iterable[tuple[int, int]],
        limits: Mapping[str, int],
        closed_gates: Iterable[str] = (),
        scope: Scope | None = None,
    ) -> None:
        """`nodes` are the steps from number 1 on, `edges` pairs of (after, before)."""
        self.limits = dict(limits)
        self._closed = set(closed_gates)
        self._scope = scope
        self.counts = [0] * (len(STATES) + 1)
        self.outside = [0] * (len(STATES) + 1)
        self._gates: dict[str, int] = {}
        self._loads: dict[str, _Load] = {}
        self._combinations: list[_Combination] = []
        combinations: dict[tuple[str, ...], int] = {}
        # entry 0 belongs to no step
        self._state = bytearray([DONE])
        self._combination, self._gate = array("I", [0]), array("I", [0])
        self._estimate = array("f", [0.0])
        self._barriers: set[int] = set()
        for state, groups, gate, estimate, barrier in nodes:
            if barrier:
                self._barriers.add(len(self._state))
            if groups not in combinations:
                combinations[groups] = len(self._combinations)
                loads = tuple(self._loads.setdefault(group, _Load()) for group in groups)
                self._combinations.append(_Combination(groups, loads))
            self._state.append(_STATE_NUMBER[state])
            self._combination.append(combinations[groups])
            self._gate.append(self._gates.setdefault(gate, len(self._gates)))
            self._estimate.append(estimate or UNKNOWN_ESTIMATE)
        self._gate_names = list(self._gates)
        self._link(edges)
        self._out = self._out_of_scope()
        self._path = self._longest_paths()
        for n in range(1, len(self._state)):
            now = self._state[n]
            (self.outside if self._out[n] else self.counts)[now] += 1
            combination = self._combinations[self._combination[n]]
            for load in combination.loads:
                load.running += now == RUNNING
                if now not in _OVER_FOR_BARRIERS and not self._out[n]:
                    load.left += self._estimate[n]
            if self._may_start(n):
                heapq.heappush(combination.ready, (-self._path[n], n))

    @property
    def closed_gates(self) -> set[str]:
        """The gates that are closed."""
        return self._closed

    @closed_gates.setter
    def closed_gates(self, gates: Iterable[str]) -> None:
        before, self._closed = self._closed, set(gates)
        if self._scope is None or self._closed == before:
            return
        was, self._out = self._out, self._out_of_scope()
        for n in range(1, len(self._state)):
            if was[n] == self._out[n]:
                continue
            state, sign = self._state[n], -1 if self._out[n] else 1
            self.counts[state] += sign
            self.outside[state] -= sign
            combination = self._combinations[self._combination[n]]
            if state not in _OVER_FOR_BARRIERS:
                for load in combination.loads:
                    load.left += sign * self._estimate[n]
            if self._may_start(n):
                heapq.heappush(combination.ready, (-self._path[n], n))

    def _out_of_scope(self) -> bytearray:
        """By step: 1 when the scope does not go as far. What is held at a gate itself is not: it waits there."""
        out = bytearray(len(self._state))
        if self._scope is None:
            return out
        closed = {number for name, number in self._gates.items() if name in self._closed}
        behind = self._behind(closed)
        after = self._scope.after
        if after is None:
            return behind
        gates = {number for name, number in self._gates.items() if name in after}
        begun = self._behind(gates)
        for n in range(len(out)):
            out[n] = behind[n] or not (begun[n] or self._gate[n] in gates)
        return out

    def _behind(self, gates: Collection[int]) -> bytearray:
        """By step: 1 when it waits, however far, for one at these gates."""
        behind = bytearray(len(self._state))
        if not gates:
            return behind
        stack = [n for n, gate in enumerate(self._gate) if gate in gates]
        while stack:
            for after in self.followers(stack.pop()):
                if not behind[after]:
                    behind[after] = 1
                    stack.append(after)
        return behind

    def _may_start(self, n: int) -> bool:
        """Whether nothing keeps step n from starting but its gate, and its groups."""
        return self._state[n] in (WAITING, HELD) and not self._waits[n] and not self._out[n]

    def _link(self, edges: Iterable[tuple[int, int]]) -> None:
        """Turns the edges into one array of followers, those of step n at [first[n], first[n+1])."""
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
            path[i] += max((path[after] for after in self.followers(i) if not self._out[after]), default=0.0)
        return path

    def __len__(self) -> int:
        return len(self._state) - 1

    def followers(self, n: int) -> Sequence[int]:
        """The steps that wait for step n."""
        return self._followers[self._first[n] : self._first[n + 1]]

    def state(self, n: int) -> int:
        return self._state[n]

    def take(self, most: int = 1000) -> tuple[list[int], list[int]]:
        """Two lists: the steps that start now, which become running, and those found held at a gate, which become held.

        Longest path first, as many as the limits of their groups leave room for, at most `most` in all.
        """
        started: list[int] = []
        newly_held: list[int] = []
        closed = {number for name, number in self._gates.items() if name in self.closed_gates}
        # the first ready step of each combination of groups with room; a combination that has none any more is
        # dropped: nothing of it can start before this is called again
        heads: list[tuple[tuple[float, int], int]] = []
        for number, combination in enumerate(self._combinations):
            self._drop_unready(combination, closed, newly_held)
            if combination.ready and self._room(combination) > 0:
                heads.append((combination.ready[0], number))
        heapq.heapify(heads)
        while heads and len(started) < most:
            number = heads[0][1]
            combination = self._combinations[number]
            room = self._room(combination)
            if room <= 0:
                heapq.heappop(heads)
                continue
            n = heapq.heappop(combination.ready)[1]
            self._count(n, RUNNING)
            for load in combination.loads:
                load.running += 1
            started.append(n)
            if room > 1:
                self._drop_unready(combination, closed, newly_held)
            if room > 1 and combination.ready:
                heapq.heapreplace(heads, (combination.ready[0], number))
            else:
                heapq.heappop(heads)
        return started, newly_held

    def is_limited(self) -> bool:
        """Whether a step would start but for a limit of one of its groups."""
        closed = {number for name, number in self._gates.items() if name in self.closed_gates}
        return any(
            self._may_start(n) and self._gate[n] not in closed
            for combination in self._combinations
            if self._room(combination) <= 0
            for _, n in combination.ready
        )

    def _room(self, combination: _Combination) -> float:
        """How many more steps of the combination its groups leave room for."""
        room: float = math.inf
        for group, load in zip(combination.groups, combination.loads, strict=True):
            room = min(room, self.limits.get(group, 0) - load.running)
        return room

    def _drop_unready(self, combination: _Combination, closed: set[int], newly_held: list[int]) -> None:
        """Leaves at the head of the queue a step that may start, if there is one. Those found held at a gate become
        held and are added to `newly_held`, while the combination has room."""
        ready, state = combination.ready, self._state
        while ready and self._room(combination) > 0:
            n = ready[0][1]
            # an entry may be out of date: the operator skipped the step, or what it waits for was undone
            if self._may_start(n):
                if self._gate[n] not in closed:
                    return
                if state[n] == WAITING:
                    self._count(n, HELD)
                    newly_held.append(n)
            heapq.heappop(ready)

    def _count(self, n: int, state: int) -> None:
        counts = self.outside if self._out[n] else self.counts
        counts[self._state[n]] -= 1
        counts[state] += 1
        self._state[n] = state

    def set(self, n: int, state: int) -> None:
        """Records that step n is now in this state, and makes ready what that makes ready, itself included."""
        was = self._state[n]
        if was == state:
            return
        combination = self._combinations[self._combination[n]]
        self._count(n, state)
        running = (state == RUNNING) - (was == RUNNING)
        left = self._estimate[n] * ((state not in _OVER_FOR_BARRIERS) - (was not in _OVER_FOR_BARRIERS))
        if self._out[n]:
            left = 0.0
        for load in combination.loads:
            load.running += running
            load.left += left
        for_steps = (state in _OVER) - (was in _OVER)
        for_barriers = (state in _OVER_FOR_BARRIERS) - (was in _OVER_FOR_BARRIERS)
        if for_steps or for_barriers:
            for after in self.followers(n):
                self._waits[after] -= for_barriers if after in self._barriers else for_steps
                if self._may_start(after):
                    ready = self._combinations[self._combination[after]].ready
                    heapq.heappush(ready, (-self._path[after], after))
        if state == WAITING and self._may_start(n):
            heapq.heappush(combination.ready, (-self._path[n], n))

    def release(self) -> Iterator[int]:
        """Held steps whose gate is open now become waiting, and ready. To be called when `closed_gates` has changed."""
        open_again = [
            n for n, state in enumerate(self._state) if state == HELD and self.gate(n) not in self.closed_gates
        ]
        for n in open_again:
            self.set(n, WAITING)
            yield n

    def gate(self, n: int) -> str:
        return self._gate_names[self._gate[n]]

    def seconds_left(self, running: Iterable[tuple[int, float]] = ()) -> float:
        """A lower bound, by the estimates: the longest path not yet done, or the work of the most loaded group.

        `running` are the running steps and for how many seconds each has run.
        """
        longest = max((-one.ready[0][0] for one in self._combinations if one.ready), default=0.0)
        begun = max((self._path[n] - min(ran, self._estimate[n]) for n, ran in running), default=0.0)
        loads = (load.left / max(1, self.limits.get(group, 0)) for group, load in self._loads.items())
        return max(longest, begun, *loads, 0.0)

    def estimate(self, n: int) -> float:
        """Seconds."""
        return self._estimate[n]
