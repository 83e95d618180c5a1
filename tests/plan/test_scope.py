"""Runs that are for a part of a plan, between gates: nothing outside of it is begun, or gone on with."""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.plan import control, rollback
from naru.plan.context import Context
from naru.plan.errors import PlanInputError
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import Plan, Step
from naru.plan.queries import reading
from naru.plan.ready import Scope
from naru.plan.record import Record

from . import kit
from .test_properties import graphs, quick

pytestmark = pytest.mark.unit
GATES = ("x", "y")


class World:
    """Steps that write down that they ran; those in `failing` fail."""

    def __init__(self) -> None:
        self.lock, self.made, self.failing = threading.Lock(), [], set[str]()
        self.kinds = Kinds()
        self.kinds.step("make", args=kit.Free, undo="unmake")(self.make)
        self.kinds.step("unmake", args=kit.Free, no_undo="it is an undo")(lambda context: None)
        self.kinds.step("noop", args=kit.Free, no_undo="it does nothing")(lambda context: None)

    def make(self, context: Context) -> None:
        with self.lock:
            if context.id in self.failing:
                raise ValueError("as told")
            self.made.append(context.id)

    def run(self, journal: Journal, scope: Scope | None) -> RunOutcome:
        return Executor(journal, self.kinds, scope=scope).run()


def chain(*gates: str) -> Plan:
    """Steps s0, s1, ... one after the other, each at its gate."""
    plan = Plan(gates=list(GATES))
    for i, gate in enumerate(gates):
        plan.add(Step(f"s{i}", "make", unit="u", gate=gate), after=[f"s{i - 1}"] if i else [])
    return plan


@quick
@given(graphs(), st.data())
def test_a_run_does_all_of_its_scope_and_nothing_else(graph: Any, data: st.DataObject) -> None:
    groups, edges, _ = graph
    steps = range(len(groups))
    gate = [data.draw(st.sampled_from(("", "", *GATES))) for _ in steps]
    plan, world = Plan(gates=list(GATES)), World()
    for i in steps:
        plan.add(Step(f"s{i}", "make", unit="u", gate=gate[i]))
    before: dict[int, set[int]] = {i: set() for i in steps}
    for after, earlier in edges:
        plan.order(f"s{earlier}", f"s{after}")
        before[after].add(earlier)
    # the gates that a step is at or behind: steps wait for earlier ones alone
    gates: dict[int, set[str]] = {}
    for i in steps:
        gates[i] = ({gate[i]} - {""}).union(*(gates[earlier] for earlier in before[i]))
    some = st.sets(st.sampled_from(GATES))
    with tempfile.TemporaryDirectory() as directory, Journal.create(Path(directory) / "work", plan) as journal:
        for _ in range(data.draw(st.integers(1, 4))):
            scope = Scope(data.draw(some), data.draw(st.none() | some))
            done = {int(id[1:]) for id in world.made}
            for i in steps:
                inside = gates[i] <= set(scope.passes) and (scope.after is None or gates[i] & set(scope.after))
                if inside and before[i] <= done:
                    done.add(i)
            outcome = world.run(journal, scope)
            assert {int(id[1:]) for id in world.made} == done and len(world.made) == len(done)
            assert outcome is (RunOutcome.DONE if done == set(steps) else RunOutcome.HELD)
            with reading(journal) as now:
                assert now.held_gates() == set(GATES)


def test_what_was_begun_behind_a_gate_is_left_alone_by_a_run_that_does_not_pass_it(tmp_path: Path) -> None:
    world = World()
    world.failing = {"s2"}
    with Journal.create(tmp_path / "work", chain("", "x", "", "")) as journal:
        assert world.run(journal, Scope()) is RunOutcome.HELD
        assert world.run(journal, Scope({"x"}, {"x"})) is RunOutcome.FAILED
        assert world.made == ["s0", "s1"]
        world.failing = set()
        control.retry(journal, steps=["s2"])
        # what failed elsewhere is no failure of this run, and what can go on there does not
        assert world.run(journal, Scope()) is RunOutcome.HELD
        control.skip(journal, "it is broken", steps=["s2"])
        control.release(journal, "x")
        assert world.run(journal, Scope()) is RunOutcome.HELD
        assert world.made == ["s0", "s1"]
        assert world.run(journal, Scope({"x"}, {"x"})) is RunOutcome.DONE
        assert world.made == ["s0", "s1", "s3"]


def test_a_run_that_was_killed_leaves_no_gate_open(tmp_path: Path) -> None:
    world = World()
    with Journal.create(tmp_path / "work", chain("", "x")) as journal:
        killed = Record(journal, scope=Scope({"x"}))
        killed.begin()
        assert killed.ready().closed_gates == {"y"}
        assert world.run(journal, Scope()) is RunOutcome.HELD
        assert world.run(journal, None) is RunOutcome.HELD
        assert world.made == ["s0"]


def test_a_gate_is_opened_for_a_run_and_held_again_while_it_goes_on(tmp_path: Path) -> None:
    world = World()
    plan = chain("", "x", "", "y")
    with Journal.create(tmp_path / "work", plan) as journal:

        def opens(context: Context) -> None:
            gate = {"s0": "x", "s2": "y"}.get(context.id)
            with Journal.open(tmp_path / "work") as other:
                if gate:
                    control.open_for_run(other, gate)
                if context.id == "s2":
                    control.hold(other, "y")
                    with reading(other) as now:
                        assert now.held_gates() == {"y"}
                        revision = now.revision()
                    # it looks at what was changed a few times a second
                    until = time.monotonic() + 60
                    while executor._record._revision != revision and time.monotonic() < until:
                        time.sleep(0.01)
            world.made.append(context.id)

        kinds = Kinds()
        kinds.step("make", args=kit.Free, no_undo="it is a test's")(opens)
        executor = Executor(journal, kinds, scope=Scope())
        assert executor.run() is RunOutcome.HELD
        assert world.made == ["s0", "s1", "s2"]
        with reading(journal) as now:
            assert now.held_gates() == set(GATES)
        with pytest.raises(PlanInputError, match="no gate z"):
            control.open_for_run(journal, "z")


def test_a_rollback_that_was_begun_waits_for_its_own_run(tmp_path: Path) -> None:
    world = World()
    plan = chain("", "x")
    plan.add(Step("t", "make", unit="v", gate="y"))
    with Journal.create(tmp_path / "work", plan) as journal:
        world.run(journal, Scope({"x"}))
        rollback.start(journal, units=["u"], kinds=world.kinds)
        assert world.run(journal, Scope({"y"})) is RunOutcome.DONE
        assert kit.states(journal) | {"undo/s0": "waiting", "undo/s1": "waiting", "t": "done"} == kit.states(journal)
        assert Executor(journal, world.kinds, undoing=True).run() is RunOutcome.DONE
        assert kit.states(journal)["s0"] == "undone"
