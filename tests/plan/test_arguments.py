"""Arguments of steps are checked when a plan is made, and when an operator changes them."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from naru.plan import control
from naru.plan.arguments import PASSWORD, REF, Arguments, Value, references
from naru.plan.context import Context
from naru.plan.errors import PlanInputError
from naru.plan.executor import Executor
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds, load
from naru.plan.model import Plan, Step

from . import kit

pytestmark = pytest.mark.unit


class Disk(Arguments):
    size: Value[int]
    type: Literal["ssd", "hdd"] = "hdd"


class Server(Arguments):
    name: Value[str]
    disks: list[Disk] = Field(default_factory=list)
    labels: dict[str, Value[str]] = Field(default_factory=dict)
    request: Any = None


@dataclass
class Volume:
    size: Value[int]
    tags: list[str] = dataclasses.field(default_factory=list)


@pytest.fixture
def kinds() -> Kinds:
    kinds = Kinds()
    kinds.step("server", no_undo="a test", args=Server)(lambda context: None)
    kinds.step("volume", no_undo="a test", args=Volume)(lambda context: None)
    kinds.step("free", args=kit.Free, no_undo="a test")(lambda context: None)
    return kinds


SECRET = {PASSWORD: "mina", "key": "/etc/key"}


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("server", {"name": "web"}, []),
        ("server", {"name": {REF: "s", "field": "name"}, "labels": {"a": SECRET, "b": {REF: "s"}}}, []),
        ("server", {"name": "web", "disks": [{"size": {REF: "s"}, "type": "ssd"}], "request": {"x": [SECRET]}}, []),
        ("server", {}, ["name: Field required"]),
        ("server", {"name": 7}, ["name: Input should be a valid string"]),
        ("server", {"name": "web", "nmae": "x"}, ["nmae: Extra inputs are not permitted"]),
        ("server", {"name": {REF: "s", "filed": "name"}}, ["name.filed: Extra inputs are not permitted"]),
        ("server", {"name": {PASSWORD: "mina"}}, ["name.key: Field required"]),
        (
            "server",
            {"name": "web", "disks": [{"size": "20", "type": "nvme"}]},
            ["disks.0.size: Input should be a valid integer", "disks.0.type: Input should be 'ssd' or 'hdd'"],
        ),
        ("volume", {"size": 20, "tags": ["a"]}, []),
        ("volume", {"size": {REF: "s"}}, []),
        ("volume", {"size": True, "colour": "red"}, ["size: Input should be a valid integer", "colour: Extra inputs"]),
        ("free", {"whatever": 1}, []),
    ],
)
def test_every_bad_field_is_named(kinds: Kinds, kind: str, args: dict[str, Any], expected: list[str]) -> None:
    found = kinds.problems(kind, args)
    assert len(found) == len(expected), found
    assert all(one.startswith(f"{kind}: {start}") for one, start in zip(found, expected, strict=True)), found


def test_every_bad_step_of_a_plan_is_listed(kinds: Kinds) -> None:
    plan = Plan(steps=[Step("s", "free")])
    plan.add(Step("a", "server", {"name": {REF: "s"}}), after=["s"])
    kinds.check_arguments(plan)
    plan.add(Step("b", "server", {"name": {REF: "s"}, "x": 1}))
    plan.add(Step("c", "volume", {}))
    with pytest.raises(PlanInputError) as caught:
        kinds.check_arguments(plan)
    assert caught.value.detail.splitlines() == [
        "b: server: x: Extra inputs are not permitted",
        "b: refers to the step s, for which it does not wait",
        "c: volume: size: Field required",
    ]
    with pytest.raises(PlanInputError, match="no module registers"):
        kinds.check_arguments(Plan(steps=[Step("a", "unknown")]))


def test_a_model_that_is_none_is_refused(kinds: Kinds) -> None:
    with pytest.raises(TypeError, match="is not a model of arguments"):
        kinds.step("x", no_undo="a test", args=dict)


def test_an_operator_cannot_give_a_step_wrong_arguments(tmp_path: Path) -> None:
    kinds = Kinds()

    @kinds.step("server", no_undo="a test", args=Server, retry=())
    def server(context: Context) -> None:
        raise ValueError("as asked")

    with Journal.create(tmp_path, Plan(steps=[Step("a", "server", {"name": "web"})])) as journal:
        Executor(journal, kinds).run()
        with pytest.raises(PlanInputError, match="name: Input should be a valid string"):
            control.retry(journal, steps=["a"], args={"name": 7}, kinds=kinds)
        assert control.retry(journal, steps=["a"], args={"name": "db"}, kinds=kinds) == ["a"]
        assert journal.plan().steps[0].args == {"name": "db"}


def test_built_in_kinds_say_what_they_take() -> None:
    load([])
    for kind, args in (("noop", {}), ("barrier", {}), ("sleep", {"seconds": 1}), ("command", {"argv": ["true"]})):
        assert KINDS.problems(kind, args) == []
        assert KINDS.problems(kind, {**args, "more": 1}) == [f"{kind}: more: Extra inputs are not permitted"]
    assert KINDS.problems("command", {"argv": []}) and KINDS.problems("sleep", {"seconds": -1})


def test_a_large_plan_is_checked_in_seconds(kinds: Kinds) -> None:
    args = {"name": "web", "disks": [{"size": 1}, {"size": {REF: "s0"}}], "labels": {"a": "b", "c": "d"}}
    plan = Plan(steps=[Step("s0", "free")])
    for number in range(1, 130_001):
        plan.add(Step(f"s{number}", "server", args), after=["s0"])
    began = time.process_time()
    kinds.check_arguments(plan)
    assert time.process_time() - began < 10


def test_references_are_found_at_any_depth() -> None:
    assert list(references({"a": [{"b": {REF: "x", "field": "y"}}, {REF: "z"}], "c": SECRET})) == ["x", "z"]
