"""Over random graphs: order respected, limits kept, a failure reaches exactly its dependents, rollback exact."""

import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naru.plan import rollback
from naru.plan.context import Context
from naru.plan.errors import HasDependents
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import STATES, Plan, Step
from naru.plan.ready import DONE, FAILED, RUNNING, SKIPPED, WAITING, Node, ReadyQueue

from . import kit

pytestmark = pytest.mark.unit
quick = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25)
GROUPS = ("a", "b", "c")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[str, ...]], list[tuple[int, int]], dict[str, int]]:
    """The groups of each step, edges as (after, before), limits."""
    some = st.lists(st.sampled_from(GROUPS), max_size=3, unique=True).map(tuple)
    groups = draw(st.lists(some, min_size=1, max_size=25))
    pairs = st.integers(1, max(1, len(groups) - 1)).flatmap(lambda a: st.tuples(st.just(a), st.integers(0, a - 1)))
    edges = draw(st.lists(pairs, unique=True, max_size=40)) if len(groups) > 1 else []
    limits = {group: draw(st.integers(1, 3)) for group in GROUPS}
    return groups, edges, limits


def numbered(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges of steps that count from 1."""
    return [(after + 1, before + 1) for after, before in edges]


def behind(edges: list[tuple[int, int]], starts: set[int]) -> set[int]:
    """What depends on the given steps, however far."""
    found: set[int] = set()
    for after, before in sorted(edges):
        if before in starts or before in found:
            found.add(after)
    return found


@settings(max_examples=100)
@given(graphs(), st.data())
def test_ready_queue_keeps_order_and_limits_and_isolates_failures(graph: Any, data: st.DataObject) -> None:
    groups, edges, limits = graph
    nodes = [Node("waiting", group, "", data.draw(st.floats(0, 10))) for group in groups]
    edges = numbered(edges)
    ready = ReadyQueue(nodes, edges, limits)
    numbers = range(1, len(groups) + 1)
    befores = {n: {before for after, before in edges if after == n} for n in numbers}
    running: set[int] = set()
    failed: set[int] = set()
    while True:
        most = data.draw(st.integers(1, 5))
        started, held = ready.take(most)
        assert not held
        running |= set(started)
        for n in started:
            assert all(ready.state(before) in (DONE, SKIPPED) for before in befores[n])
        counts = Counter(group for n in running for group in groups[n - 1])
        assert all(counts[group] <= limits[group] for group in GROUPS)
        if len(started) < most:
            # whatever could start has started
            for n in numbers:
                if ready.state(n) == WAITING and all(ready.state(before) in (DONE, SKIPPED) for before in befores[n]):
                    assert any(counts[group] == limits[group] for group in groups[n - 1])
        if not running:
            break
        n = data.draw(st.sampled_from(sorted(running)))
        running.remove(n)
        ending = data.draw(st.sampled_from([DONE, DONE, DONE, FAILED, WAITING]))
        if ending == FAILED:
            failed.add(n)
        ready.set(n, ending)
    blocked = behind(edges, failed)
    assert failed.isdisjoint(blocked)
    for n in numbers:
        assert ready.state(n) == (FAILED if n in failed else WAITING if n in blocked else DONE)


@settings(max_examples=60)
@given(graphs(), st.data())
def test_ready_queue_taken_up_again_is_the_same_as_one_that_went_on(graph: Any, data: st.DataObject) -> None:
    groups, edges, limits = graph
    names = ("waiting", "running", "done", "failed", "skipped", "undone", "held")
    went_on = ReadyQueue([Node("waiting", group, "", 1.0) for group in groups], numbered(edges), limits)
    for _ in range(data.draw(st.integers(0, 30))):
        for n in went_on.take()[0]:
            went_on.set(n, data.draw(st.sampled_from([DONE, FAILED, WAITING, SKIPPED])))
    nodes = [Node(names[went_on.state(n)], group, "", 1.0) for n, group in enumerate(groups, 1)]
    again = ReadyQueue(nodes, numbered(edges), limits)
    assert again.counts == went_on.counts
    assert set(again.take()[0]) == set(went_on.take()[0])


class World:
    """Steps whose effects are seen, and who knows what ran beside what."""

    def __init__(self, groups: list[tuple[str, ...]], edges: list[tuple[int, int]], failing: set[int]) -> None:
        self.kinds = Kinds()
        self.lock = threading.Lock()
        self.made: list[int] = []
        self.unmade: list[int] = []
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.failing = failing
        self.kinds.step("make", args=kit.Free, undo="unmake", retry=())(self.make)
        self.kinds.step("unmake", args=kit.Free, no_undo="it is an undo")(self.unmake)
        self.kinds.step("noop", args=kit.Free, no_undo="it does nothing")(lambda context: None)
        self.plan = Plan()
        for i, group in enumerate(groups):
            self.plan.add(Step(f"s{i}", "make", {"i": i, "groups": list(group)}, unit=f"u{i % 3}", limits=group))
        for after, before in edges:
            self.plan.order(f"s{before}", f"s{after}")

    def make(self, context: Context) -> int:
        i, groups = context.args["i"], context.args["groups"]
        with self.lock:
            self.running.update(groups)
            self.most |= self.running
        try:
            if i in self.failing:
                raise ValueError("as told")
            with self.lock:
                self.made.append(i)
            return i * 10
        finally:
            with self.lock:
                self.running.subtract(groups)

    def unmake(self, context: Context) -> None:
        i = context.args["args"]["i"]
        assert context.args["result"] == (None if i in self.failing else i * 10)
        with self.lock:
            self.unmade.append(i)


@quick
@given(graphs(), st.data())
def test_executor_and_rollback_over_random_graphs(graph: Any, data: st.DataObject) -> None:
    groups, edges, limits = graph
    failing = set(data.draw(st.lists(st.integers(0, len(groups) - 1), max_size=2, unique=True)))
    world = World(groups, edges, failing)
    world.plan.limits |= limits
    with tempfile.TemporaryDirectory() as directory, Journal.create(Path(directory) / "work", world.plan) as journal:
        outcome = Executor(journal, world.kinds).run()
        blocked = behind(edges, failing)
        failed = failing - blocked
        done = set(range(len(groups))) - failed - blocked
        assert outcome is (RunOutcome.FAILED if failed else RunOutcome.DONE)
        assert sorted(world.made) == sorted(done)
        place = {i: at for at, i in enumerate(world.made)}
        assert all(place[before] < place[after] for after, before in edges if after in place)
        assert all(world.most[group] <= limits[group] for group in GROUPS)
        by_id = kit.states(journal)
        assert {i for i in range(len(groups)) if by_id[f"s{i}"] == "failed"} == failed
        assert {i for i in range(len(groups)) if by_id[f"s{i}"] == "waiting"} == blocked

        rollback.start(journal, kinds=world.kinds)
        assert Executor(journal, world.kinds).run() is RunOutcome.DONE
        # what failed may have done half of it
        assert sorted(world.unmade) == sorted(done | failed)
        place = {i: at for at, i in enumerate(world.unmade)}
        assert all(place[after] < place[before] for after, before in edges if after in place and before in place)
        assert {kit.states(journal)[f"s{i}"] for i in range(len(groups))} == {"undone"}


@quick
@given(graphs(), st.data())
def test_units_rolled_back_one_by_one_over_random_graphs(graph: Any, data: st.DataObject) -> None:
    groups, edges, limits = graph
    failing = set(data.draw(st.lists(st.integers(0, len(groups) - 1), max_size=2, unique=True)))
    world = World(groups, edges, failing)
    world.plan.limits |= limits
    units = data.draw(st.sets(st.sampled_from(sorted({step.unit for step in world.plan.steps})), min_size=1))
    along = data.draw(st.none() | st.sets(st.sampled_from(("u0", "u1", "u2"))))
    with tempfile.TemporaryDirectory() as directory, Journal.create(Path(directory) / "work", world.plan) as journal:
        Executor(journal, world.kinds).run()
        before = kit.states(journal)
        began = {i for i in range(len(groups)) if before[f"s{i}"] != "waiting"}
        chosen = {i for i in range(len(groups)) if f"u{i % 3}" in units}
        resting = behind(edges, chosen) - chosen
        if along is None:
            # what has not begun waits on
            resting = {i for i in resting if i in began}
        allowed = {i for i in resting if f"u{i % 3}" in (along or ())}
        if resting - allowed:
            with pytest.raises(HasDependents) as caught:
                rollback.start(journal, units=units, along=along, kinds=world.kinds)
            assert set(caught.value.dependents) == {f"u{i % 3}" for i in resting - allowed}
            assert kit.states(journal) == before
            return
        chosen |= resting
        assert rollback.start(journal, units=units, along=along, kinds=world.kinds) == len(chosen & began)
        assert Executor(journal, world.kinds, undoing=True).run() is RunOutcome.DONE
        assert sorted(world.unmade) == sorted(chosen & began)
        after = kit.states(journal)
        for i in range(len(groups)):
            assert after[f"s{i}"] == ("undone" if i in chosen else before[f"s{i}"])

        if chosen != set(range(len(groups))):
            rollback.start(journal, kinds=world.kinds)
            assert Executor(journal, world.kinds).run() is RunOutcome.DONE
        # the rest, and nothing a second time
        assert sorted(world.unmade) == sorted(began)
        place = {i: at for at, i in enumerate(world.unmade)}
        assert all(place[after] < place[before] for after, before in edges if after in place and before in place)
        assert {kit.states(journal)[f"s{i}"] for i in range(len(groups))} == {"undone"}


@settings(max_examples=60)
@given(graphs(), st.data())
def test_barriers_wait_for_what_is_rolled_back_and_for_nothing_else(graph: Any, data: st.DataObject) -> None:
    groups, edges, _ = graph
    barriers = data.draw(st.sets(st.integers(0, len(groups) - 1)))
    names = ("waiting", "done", "failed", "skipped", "undone")
    states = [data.draw(st.sampled_from(names)) for _ in groups]
    limits = dict.fromkeys(GROUPS, len(groups))

    def startable(states: list[str]) -> set[int]:
        over = {i: ("done", "skipped", "undone") if i in barriers else ("done", "skipped") for i in range(len(groups))}
        return {
            i + 1
            for i, state in enumerate(states)
            if state == "waiting" and all(states[before] in over[i] for after, before in edges if after == i)
        }

    def queue_of(states: list[str]) -> ReadyQueue:
        nodes = [Node(states[i], group, "", 1.0, i in barriers) for i, group in enumerate(groups)]
        return ReadyQueue(nodes, numbered(edges), limits)

    went_on = queue_of(states)
    assert set(queue_of(states).take()[0]) == startable(states)
    for _ in range(data.draw(st.integers(0, 10))):
        i = data.draw(st.integers(0, len(groups) - 1))
        states[i] = data.draw(st.sampled_from(names))
        went_on.set(i + 1, STATES.index(states[i]))
    assert set(went_on.take()[0]) == startable(states)


def test_longest_path_goes_first() -> None:
    nodes = [Node("waiting", ("a",), "", seconds) for seconds in (5.0, 1.0, 1.0, 9.0, 3.0)]
    # 2 -> 4 is ten seconds, 1 five, 5 three, 3 one
    ready = ReadyQueue(nodes, [(4, 2)], {"a": 1})
    order = []
    while started := ready.take()[0]:
        order += started
        ready.set(started[0], DONE)
    assert order == [2, 4, 1, 5, 3]


def test_step_of_several_groups_starts_when_each_has_room_and_counts_in_all() -> None:
    groups = [("a", "b"), ("a",), ("b",), ("b", "a"), ()]
    nodes = [
        Node("waiting", group, "", seconds) for group, seconds in zip(groups, (5.0, 4.0, 3.0, 9.0, 1.0), strict=True)
    ]
    ready = ReadyQueue(nodes, [], {"a": 2, "b": 1})
    # the longest first; then a has room for one more, b for none, and nothing bounds the last
    assert ready.take() == ([4, 2, 5], [])
    assert ready.take() == ([], [])
    ready.set(4, DONE)
    assert ready.take() == ([1], [])
    ready.set(2, DONE)
    assert ready.take() == ([], [])
    ready.set(1, FAILED)
    assert ready.take() == ([3], [])


def test_gate_and_limit_count_from_the_next_take_on() -> None:
    some = (("a",), "cutover"), (("a",), ""), (("b",), "")
    ready = ReadyQueue([Node("waiting", *one, 1.0) for one in some], [], {"a": 2, "b": 0}, closed_gates=["cutover"])
    assert ready.take() == ([2], [1])
    ready.closed_gates.clear()
    assert list(ready.release()) == [1]
    ready.limits["b"] = 1
    assert ready.take() == ([1, 3], [])
    assert ready.counts[RUNNING] == 3
