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
from naru.plan.errors import RestedOn
from naru.plan.executor import Executor, Outcome
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import Plan, Step
from naru.plan.schedule import DONE, FAILED, RUNNING, SKIPPED, STATES, WAITING, Node, Schedule

from . import kit

pytestmark = pytest.mark.unit
quick = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25)
GROUPS = ("a", "b", "c")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, int]], dict[str, int]]:
    """The group of each step, edges as (after, before), limits."""
    groups = draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=25))
    pairs = st.integers(1, max(1, len(groups) - 1)).flatmap(lambda a: st.tuples(st.just(a), st.integers(0, a - 1)))
    edges = draw(st.lists(pairs, unique=True, max_size=40)) if len(groups) > 1 else []
    limits = {group: draw(st.integers(1, 3)) for group in GROUPS}
    return groups, edges, limits


def behind(edges: list[tuple[int, int]], starts: set[int]) -> set[int]:
    """What depends on the given steps, however far."""
    found: set[int] = set()
    for after, before in sorted(edges):
        if before in starts or before in found:
            found.add(after)
    return found


@settings(max_examples=100)
@given(graphs(), st.data())
def test_schedule_keeps_order_and_limits_and_isolates_failures(graph: Any, data: st.DataObject) -> None:
    groups, edges, limits = graph
    nodes = [Node("waiting", group, "", data.draw(st.floats(0, 10))) for group in groups]
    schedule = Schedule(nodes, edges, limits)
    befores = {i: {before for after, before in edges if after == i} for i in range(len(groups))}
    running: set[int] = set()
    failed: set[int] = set()
    while True:
        started, held = schedule.take(data.draw(st.integers(1, 5)))
        assert not held
        running |= set(started)
        for i in started:
            assert all(schedule.state(before) in (DONE, SKIPPED) for before in befores[i])
        for group, count in Counter(groups[i] for i in running).items():
            assert count <= limits[group]
        if not running:
            break
        i = data.draw(st.sampled_from(sorted(running)))
        running.remove(i)
        ending = data.draw(st.sampled_from([DONE, DONE, DONE, FAILED, WAITING]))
        if ending == FAILED:
            failed.add(i)
        schedule.set(i, ending)
    blocked = behind(edges, failed)
    assert failed.isdisjoint(blocked)
    for i in range(len(groups)):
        assert schedule.state(i) == (FAILED if i in failed else WAITING if i in blocked else DONE)


@settings(max_examples=60)
@given(graphs(), st.data())
def test_schedule_taken_up_again_is_the_same_as_one_that_went_on(graph: Any, data: st.DataObject) -> None:
    groups, edges, limits = graph
    names = ("waiting", "running", "done", "failed", "skipped", "undone", "held")
    went_on = Schedule([Node("waiting", group, "", 1.0) for group in groups], edges, limits)
    for _ in range(data.draw(st.integers(0, 30))):
        for i in went_on.take()[0]:
            went_on.set(i, data.draw(st.sampled_from([DONE, FAILED, WAITING, SKIPPED])))
    nodes = [Node(names[went_on.state(i)], group, "", 1.0) for i, group in enumerate(groups)]
    again = Schedule(nodes, edges, limits)
    assert again.counts == went_on.counts
    assert set(again.take()[0]) == set(went_on.take()[0])


class World:
    """Steps whose effects are seen, and who knows what ran beside what."""

    def __init__(self, groups: list[str], edges: list[tuple[int, int]], failing: set[int]) -> None:
        self.kinds = Kinds()
        self.lock = threading.Lock()
        self.made: list[int] = []
        self.unmade: list[int] = []
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.failing = failing
        self.kinds.step("make", undo="unmake", retry=())(self.make)
        self.kinds.step("unmake", no_undo="it is an undo")(self.unmake)
        self.kinds.step("noop", no_undo="it does nothing")(lambda context: None)
        self.plan = Plan()
        for i, group in enumerate(groups):
            self.plan.add(Step(f"s{i}", "make", {"i": i, "group": group}, unit=f"u{i % 3}", limit=group))
        for after, before in edges:
            self.plan.order(f"s{before}", f"s{after}")

    def make(self, context: Context) -> int:
        i, group = context.args["i"], context.args["group"]
        with self.lock:
            self.running[group] += 1
            self.most[group] = max(self.most[group], self.running[group])
        try:
            if i in self.failing:
                raise ValueError("as told")
            with self.lock:
                self.made.append(i)
            return i * 10
        finally:
            with self.lock:
                self.running[group] -= 1

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
        assert outcome is (Outcome.FAILED if failed else Outcome.DONE)
        assert sorted(world.made) == sorted(done)
        place = {i: at for at, i in enumerate(world.made)}
        assert all(place[before] < place[after] for after, before in edges if after in place)
        assert all(world.most[group] <= limits[group] for group in GROUPS)
        by_id = kit.states(journal)
        assert {i for i in range(len(groups)) if by_id[f"s{i}"] == "failed"} == failed
        assert {i for i in range(len(groups)) if by_id[f"s{i}"] == "waiting"} == blocked

        rollback.start(journal, kinds=world.kinds)
        assert Executor(journal, world.kinds).run() is Outcome.DONE
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
            with pytest.raises(RestedOn) as caught:
                rollback.start(journal, units=units, along=along, kinds=world.kinds)
            assert set(caught.value.resting) == {f"u{i % 3}" for i in resting - allowed}
            assert kit.states(journal) == before
            return
        chosen |= resting
        assert rollback.start(journal, units=units, along=along, kinds=world.kinds) == len(chosen & began)
        assert Executor(journal, world.kinds, undoing=True).run() is Outcome.DONE
        assert sorted(world.unmade) == sorted(chosen & began)
        after = kit.states(journal)
        for i in range(len(groups)):
            assert after[f"s{i}"] == ("undone" if i in chosen else before[f"s{i}"])

        if chosen != set(range(len(groups))):
            rollback.start(journal, kinds=world.kinds)
            assert Executor(journal, world.kinds).run() is Outcome.DONE
        # the rest, and nothing a second time
        assert sorted(world.unmade) == sorted(began)
        place = {i: at for at, i in enumerate(world.unmade)}
        assert all(place[after] < place[before] for after, before in edges if after in place and before in place)
        assert {kit.states(journal)[f"s{i}"] for i in range(len(groups))} == {"undone"}


@settings(max_examples=60)
@given(graphs(), st.data())
def test_barriers_wait_for_what_is_taken_back_and_for_nothing_else(graph: Any, data: st.DataObject) -> None:
    groups, edges, _ = graph
    barriers = data.draw(st.sets(st.integers(0, len(groups) - 1)))
    names = ("waiting", "done", "failed", "skipped", "undone")
    states = [data.draw(st.sampled_from(names)) for _ in groups]
    limits = dict.fromkeys(GROUPS, len(groups))

    def ready(states: list[str]) -> set[int]:
        over = {i: ("done", "skipped", "undone") if i in barriers else ("done", "skipped") for i in range(len(groups))}
        return {
            i
            for i, state in enumerate(states)
            if state == "waiting" and all(states[before] in over[i] for after, before in edges if after == i)
        }

    def schedule_of(states: list[str]) -> Schedule:
        nodes = [Node(states[i], group, "", 1.0, i in barriers) for i, group in enumerate(groups)]
        return Schedule(nodes, edges, limits)

    went_on = schedule_of(states)
    assert set(schedule_of(states).take()[0]) == ready(states)
    for _ in range(data.draw(st.integers(0, 10))):
        i = data.draw(st.integers(0, len(groups) - 1))
        states[i] = data.draw(st.sampled_from(names))
        went_on.set(i, STATES.index(states[i]))
    assert set(went_on.take()[0]) == ready(states)


def test_longest_path_goes_first() -> None:
    nodes = [Node("waiting", "a", "", seconds) for seconds in (5.0, 1.0, 1.0, 9.0, 3.0)]
    # 1 -> 3 is ten seconds, 0 five, 4 three, 2 one
    schedule = Schedule(nodes, [(3, 1)], {"a": 1})
    order = []
    while started := schedule.take()[0]:
        order += started
        schedule.set(started[0], DONE)
    assert order == [1, 3, 0, 4, 2]


def test_gate_and_limit_count_from_the_next_take_on() -> None:
    nodes = [Node("waiting", "a", "cutover", 1.0), Node("waiting", "a", "", 1.0), Node("waiting", "b", "", 1.0)]
    schedule = Schedule(nodes, [], {"a": 2, "b": 0}, held=["cutover"])
    assert schedule.take() == ([1], [0])
    schedule.held.clear()
    assert list(schedule.release()) == [0]
    schedule.limits["b"] = 1
    assert schedule.take() == ([0, 2], [])
    assert schedule.counts[RUNNING] == 3
