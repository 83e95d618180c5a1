"""Rollback: what is undone, in which order, and when it is refused."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.plan import control, rollback, schema
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import HasDependents, PlanError, PlanInputError
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import BARRIER, Plan, Step
from naru.plan.text import text

from . import kit

pytestmark = pytest.mark.unit


@pytest.fixture
def made() -> set[str]:
    return set()


@pytest.fixture
def kinds(made: set[str]) -> Kinds:
    kinds = Kinds()
    for name in ("noop", BARRIER):
        kinds.step(name, args=kit.Free, no_undo="it does nothing")(lambda context: None)

    @kinds.step("make", args=kit.Free, undo="unmake", retry=())
    def make(context: Context) -> str:
        if context.args.get("fails"):
            raise ValueError("as told")
        made.add(context.id)
        return f"id-of-{context.id}"

    @kinds.step("unmake", args=Undo, no_undo="it is an undo")
    def unmake(context: Context) -> None:
        assert context.args["result"] in (f"id-of-{context.args['step']}", None)
        made.discard(context.args["step"])

    @kinds.step("delete", args=kit.Free, commit="the old volume is gone")
    def delete(context: Context) -> None:
        return

    return kinds


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    plan = Plan(title="Two servers")
    plan.add(Step("net", "make", unit="network", title="Make the network"))
    plan.add(Step("look", "noop", unit="a"), after=["net"])
    plan.add(Step("a1", "make", unit="a"), after=["look"])
    plan.add(Step("a2", "make", {"fails": True}, unit="a"), after=["a1"])
    plan.add(Step("a3", "make", unit="a"), after=["a2"])
    plan.add(Step("b1", "make", unit="b"), after=["net"])
    with Journal.create(tmp_path / "work", plan) as journal:
        yield journal


def test_preview_is_the_reverse_of_what_began(journal: Journal, kinds: Kinds) -> None:
    Executor(journal, kinds).run()
    before = kit.states(journal)
    plan = rollback.preview(journal, kinds=kinds)
    assert [step.id for step in plan.steps] == ["undo/b1", "undo/a2", "undo/a1", "undo/look", "undo/net"]
    assert plan.befores() == {
        "undo/a1": ["undo/a2"],
        "undo/look": ["undo/a1"],
        "undo/net": ["undo/b1", "undo/look"],
    }
    plan.check()
    assert "Nothing to undo: look (it does nothing)" in text(plan)
    assert kit.states(journal) == before


def test_everything_comes_back_and_can_go_forwards_again(journal: Journal, kinds: Kinds, made: set[str]) -> None:
    assert Executor(journal, kinds).run() is RunOutcome.FAILED
    assert made == {"net", "a1", "b1"}
    control.cancel(journal)
    assert rollback.start(journal, kinds=kinds) == 5
    assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert made == set()
    assert {state for id, state in kit.states(journal).items() if not id.startswith("undo/")} == {"undone"}
    assert rollback.start(journal, kinds=kinds) == 0
    with pytest.raises(PlanInputError, match="nothing to roll back"):
        rollback.preview(journal, kinds=kinds)

    control.retry(journal, steps=["net", "b1"])
    assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert made == {"net", "b1"}
    rollback.start(journal, kinds=kinds)
    assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert made == set()
    assert "undo/net#2" in kit.states(journal)


def test_arguments_that_an_undo_does_not_take_are_refused(journal: Journal, kinds: Kinds, made: set[str]) -> None:
    Executor(journal, kinds).run()
    with pytest.raises(PlanInputError, match="4 problems") as caught:
        rollback.start(journal, args={"unmake": {"cary": True}}, kinds=kinds)
    assert "undo/a1: unmake: cary: Extra inputs are not permitted" in caught.value.detail
    assert len(made) == 2 + 1 and rollback.start(journal, kinds=kinds) == 5


def test_one_unit_comes_back_and_the_others_stay(journal: Journal, kinds: Kinds, made: set[str]) -> None:
    Executor(journal, kinds).run()
    rollback.start(journal, units=["a"], kinds=kinds)
    assert kit.states(journal)["a3"] == "undone"
    Executor(journal, kinds).run()
    assert made == {"net", "b1"}
    states = kit.states(journal)
    assert (states["a1"], states["a2"], states["net"], states["b1"]) == ("undone", "undone", "done", "done")


def test_unit_that_others_rest_on_is_refused_or_takes_them_along(
    journal: Journal, kinds: Kinds, made: set[str]
) -> None:
    Executor(journal, kinds).run()
    with pytest.raises(PlanError, match="other units depend on") as caught:
        rollback.start(journal, units=["network"], kinds=kinds)
    assert "a1 of unit a" in caught.value.detail and "b1 of unit b" in caught.value.detail
    rollback.start(journal, units=["network"], with_dependents=True, kinds=kinds)
    Executor(journal, kinds).run()
    assert made == set()


def test_commit_step_that_has_begun_is_the_end_of_the_way_back(tmp_path: Path, kinds: Kinds) -> None:
    plan = Plan(gates=["finalize"])
    plan.add(Step("a", "make", unit="a"))
    plan.add(Step("old", "delete", unit="a", gate="finalize"), after=["a"])
    with Journal.create(tmp_path / "work", plan) as journal:
        Executor(journal, kinds).run()
        assert rollback.preview(journal, kinds=kinds).steps
        control.skip(journal, "it stays", steps=["old"])
        assert rollback.preview(journal, kinds=kinds).steps
        control.retry(journal, steps=["old"])
        control.release(journal, "finalize")
        Executor(journal, kinds).run()
        with pytest.raises(PlanError, match="can no longer be rolled back") as caught:
            rollback.start(journal, kinds=kinds)
        assert caught.value.detail == "old: the old volume is gone"
        assert kit.states(journal) == {"a": "done", "old": "done"}


def test_rollback_of_a_unit_while_the_rest_goes_on(tmp_path: Path, kinds: Kinds, made: set[str]) -> None:
    go = threading.Event()
    kinds.step("wait", args=kit.Free, no_undo="a test's")(lambda context: go.wait(10) and None)
    plan = Plan(steps=[Step("a", "make", unit="a"), Step("b", "wait", unit="b"), Step("c", "make", unit="b")])
    plan.order("b", "c")
    with Journal.create(tmp_path / "work", plan) as journal:
        outcomes: list[RunOutcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(Executor(journal, kinds).run()))
        thread.start()
        while kit.states(journal)["a"] != "done":
            go.wait(0.01)
        with pytest.raises(PlanError, match="1 of the steps to be rolled back are running"):
            rollback.start(journal, units=["b"], kinds=kinds)
        rollback.start(journal, units=["a"], kinds=kinds)
        while kit.states(journal)["a"] != "undone":
            go.wait(0.01)
        assert made == set()
        go.set()
        thread.join(10)
        assert outcomes == [RunOutcome.DONE]
        assert made == {"c"}


def test_order_holds_through_a_skipped_step(tmp_path: Path, kinds: Kinds) -> None:
    plan = Plan()
    plan.add(Step("a", "make"))
    plan.add(Step("b", "make", {"fails": True}), after=["a"])
    plan.add(Step("c", "make"), after=["b"])
    with Journal.create(tmp_path / "work", plan) as journal:
        control.skip(journal, "made by hand", steps=["b"])
        Executor(journal, kinds).run()
        undo = rollback.preview(journal, kinds=kinds)
        assert undo.befores() == {"undo/a": ["undo/b"], "undo/b": ["undo/c"]}
        assert {step.id: step.kind for step in undo.steps}["undo/b"] == "noop"
        control.retry(journal, steps=["b"])
        assert rollback.preview(journal, kinds=kinds).befores() == undo.befores()


@pytest.mark.parametrize("state", ["running", "waiting", "held"])
def test_interrupted_step_is_undone_and_does_not_run_again(
    journal: Journal, kinds: Kinds, made: set[str], state: str
) -> None:
    with journal.write() as connection:
        made.add("net")
        connection.execute(schema.steps.update().where(schema.steps.c.id == "net").values(state=state, attempt=1))
    rollback.start(journal, kinds=kinds)
    assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert made == set()
    assert kit.events(journal, "net") == ["undone"]


def test_several_units_come_back_and_what_is_asked_for_twice_goes_on(
    journal: Journal, kinds: Kinds, made: set[str]
) -> None:
    Executor(journal, kinds).run()
    with pytest.raises(PlanInputError, match="no unit nobody"):
        rollback.start(journal, units=["a", "nobody"], kinds=kinds)
    assert rollback.start(journal, units=["a", "b"], kinds=kinds) == 4
    assert rollback.start(journal, units=["b"], kinds=kinds) == 0
    with pytest.raises(PlanInputError, match="nothing to roll back in unit b"):
        rollback.preview(journal, units=["b"], kinds=kinds)
    Executor(journal, kinds).run()
    assert made == {"net"}
    assert rollback.start(journal, units=["a", "b"], kinds=kinds) == 0
    with pytest.raises(PlanInputError, match="nothing to roll back in unit a, b"):
        rollback.preview(journal, units=["a", "b"], kinds=kinds)


def test_everything_comes_back_after_one_unit_that_was_on_its_way(
    journal: Journal, kinds: Kinds, made: set[str]
) -> None:
    Executor(journal, kinds).run()
    rollback.start(journal, units=["a"], kinds=kinds)
    assert rollback.start(journal, kinds=kinds) == 2
    befores = journal.plan().befores()
    assert befores["undo/net"] == ["undo/b1", "undo/look"]
    assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert made == set()


def test_units_go_along_and_nothing_is_left_to_wait_for_ever(tmp_path: Path, kinds: Kinds, made: set[str]) -> None:
    plan = Plan(gates=["later"])
    plan.add(Step("a", "make", unit="a"))
    plan.add(Step("share", "make", unit="both", gate="later"), after=["a"])
    plan.add(Step("b", "make", unit="b", gate="later", title="Make b"), after=["share"])
    with Journal.create(tmp_path / "work", plan) as journal:
        Executor(journal, kinds).run()
        # what has not begun is no hindrance, unless somebody asks that nothing is left
        assert rollback.preview(journal, units=["a"], kinds=kinds).steps
        with pytest.raises(HasDependents) as caught:
            rollback.start(journal, units=["a"], along=["both"], kinds=kinds)
        assert caught.value.dependents == {"b": ["Make b"]}
        rollback.start(journal, units=["b", "a"], along=["both"], kinds=kinds)
        Executor(journal, kinds).run()
        assert made == set() and kit.states(journal)["share"] == "undone"


def test_barrier_waits_for_what_comes_back_and_holds_nobody(tmp_path: Path, kinds: Kinds, made: set[str]) -> None:
    plan = Plan(gates=["later"])
    plan.add(Step("a", "make", unit="a"))
    plan.add(Step("b", "make", unit="b", gate="later"))
    plan.add(Step("all", BARRIER), after=["a", "b"])
    plan.add(Step("last", "make"), after=["all"])
    with Journal.create(tmp_path / "work", plan) as journal:
        Executor(journal, kinds).run()
        assert made == {"a"}
        rollback.start(journal, units=["b"], along=(), kinds=kinds)
        assert Executor(journal, kinds).run() is RunOutcome.DONE
        assert made == {"a", "last"}
        rollback.start(journal, units=["a"], along=(), kinds=kinds)
        assert Executor(journal, kinds).run() is RunOutcome.DONE
        assert made == {"last"} and kit.states(journal)["all"] == "done"
        control.retry(journal, steps=["a", "b"])
        rollback.start(journal, kinds=kinds)
        assert Executor(journal, kinds).run() is RunOutcome.DONE
        assert made == set()


def test_run_that_undoes_leaves_all_else(tmp_path: Path, kinds: Kinds, made: set[str]) -> None:
    plan = Plan(steps=[Step("a", "make", unit="a"), Step("b", "make", {"fails": True}, unit="b")])
    plan.add(Step("c", "make", unit="b"), after=["b"])
    plan.add(Step("d", "make", unit="d"))
    with Journal.create(tmp_path / "work", plan) as journal:
        control.skip(journal, "not yet", steps=["d"])
        Executor(journal, kinds).run()
        control.retry(journal, steps=["d"])
        rollback.start(journal, units=["a"], kinds=kinds)
        assert Executor(journal, kinds, undoing=True).run() is RunOutcome.DONE
        states = kit.states(journal)
        assert (states["a"], states["b"], states["c"], states["d"]) == ("undone", "failed", "waiting", "waiting")
        assert made == set()
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert made == {"d"}
