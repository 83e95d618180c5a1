"""The plan as data: its checks, text, files and differences."""

import json
from pathlib import Path
from typing import Any

import pytest

from naru.messages import message
from naru.plan import planfile
from naru.plan.errors import PlanInputError
from naru.plan.model import About, Edge, Finding, Plan, Step
from naru.plan.text import diff, text

pytestmark = pytest.mark.unit
GOLDEN = Path(__file__).parent / "golden"


def problems(plan: Plan) -> str:
    with pytest.raises(PlanInputError) as caught:
        plan.check()
    return caught.value.detail


def plan_of(*edges: tuple[str, str]) -> Plan:
    ids = sorted({id for edge in edges for id in edge})
    return Plan(steps=[Step(id, "noop") for id in ids], edges=[Edge(*edge) for edge in edges])


def test_cycle_names_its_members_and_only_those() -> None:
    plan = plan_of(("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("d", "e"), ("x", "y"), ("y", "x"))
    assert problems(plan).splitlines() == ["cycle: c -> d -> b -> c", "cycle: y -> x -> y"]


def test_step_that_waits_for_itself_is_a_cycle() -> None:
    assert problems(plan_of(("a", "a"))) == "cycle: a -> a"


def test_every_problem_is_listed_at_once() -> None:
    plan = Plan(steps=[Step("a", "noop", gate="cutover"), Step("a", "noop", limits=("nova",)), Step("", "noop")])
    plan.order("a", "missing")
    plan.limits["rbd"] = -1
    assert problems(plan).splitlines() == [
        "step a: gate cutover is not among the plan's gates",
        "step a: there are two of this id",
        "step a: limit group nova has no limit in the plan",
        "step '' of kind 'noop': id and kind must not be empty",
        "limit rbd: -1 is negative",
        "edge a -> missing: there is no step missing",
    ]


def test_plan_without_steps_holds_together() -> None:
    Plan().check()


MOVE = message("test.plan.move", en="Test move of {name}", ko="{name}의 시험 이전")


def example() -> Plan:
    plan = Plan(
        title="Move project demo",
        limits={"default": 8, "nova@new": 4, "rbd@old": 2, "unused": 1},
        gates=["cutover"],
        modules=["naru.move.kinds"],
        settings={"project": "demo", "clouds": ["old", "new"]},
        findings=[
            Finding("info", "DNS names stay", about="zone example.org."),
            Finding("error", "Flavor m1.huge is missing", "the new cloud has m1.large", "map it", "server/web-1"),
        ],
    )
    plan.add(Step("quota", "quota.raise", {"servers": 10}, title="Raise the quota of demo"))
    plan.add(
        Step(
            "volume/root", "volume.copy", {"gib": 20, "from": "rbd"}, "web-1", ("rbd@old",), "storage", estimate=754.0
        ),
        after=["quota"],
    )
    plan.add(
        Step(
            "server/web-1",
            "server.create",
            {"name": "wéb"},
            "web-1",
            ("nova@new",),
            gate="cutover",
            title="Create web-1",
        ),
        after=["volume/root", "quota"],
    )
    return plan


@pytest.mark.parametrize(("name", "plan"), [("move", example()), ("empty", Plan())])
def test_text_is_the_golden_one(name: str, plan: Plan) -> None:
    assert text(plan) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_json_form_comes_back_whole() -> None:
    plan = example()
    again = planfile.parse(json.loads(json.dumps(planfile.dump(plan))))
    assert text(again) == text(plan)
    assert diff(plan, again) == []
    assert planfile.dump(again) == planfile.dump(plan)


def test_messages_several_groups_and_what_a_step_is_about_come_back_too() -> None:
    plan = Plan(title=MOVE(name="demo"), limits={"nova@new": 4, "disk": 1, "default": 8})
    plan.findings.append(Finding("info", MOVE(name="a finding"), hint=MOVE(name="a hint")))
    about = About("server", "4711", "web-1")
    plan.add(Step("x", "noop", limits=("nova@new", "disk"), title=MOVE(name="web-1"), about=about, purpose="start"))
    again = planfile.parse(json.loads(json.dumps(planfile.dump(plan))))
    assert (again.title, again.steps, again.findings) == (plan.title, plan.steps, plan.findings)
    shown = text(again)
    assert "Test move of demo\n" in shown
    facts = "noop()  limits nova@new, disk  purpose start  concerns server 4711 web-1"
    assert f"  x: Test move of web-1\n    {facts}\n" in shown
    assert "INFO: Test move of a finding\n    Test move of a hint\n" in shown


def test_files_with_older_field_names_are_read() -> None:
    plan = planfile.parse({"steps": [{"id": "a", "kind": "noop", "limit": "default", "place": "storage"}]})
    assert (plan.steps[0].limits, plan.steps[0].queue) == (("default",), "storage")


@pytest.mark.parametrize(
    ("setup", "input", "expected"),
    [
        ("unknown field", {"steps": [{"id": "a", "kind": "noop", "afer": []}]}, "steps.0.afer: Extra inputs"),
        ("missing field", {"steps": [{"id": "a"}]}, "steps.0.kind: Field required"),
        ("wrong type", {"steps": [{"id": 1, "kind": "noop"}]}, "steps.0.id: Input should be a valid string"),
        ("negative limit", {"limits": {"io": -1}}, "limits.io: Input should be greater than or equal to 0"),
    ],
)
def test_bad_file_names_the_field(setup: str, input: dict[str, Any], expected: str) -> None:
    with pytest.raises(PlanInputError) as caught:
        planfile.parse(input)
    assert expected in caught.value.detail, setup


def test_newer_plan_format_is_refused() -> None:
    with pytest.raises(PlanInputError, match="format 2"):
        planfile.parse({"naru_plan": 2})


@pytest.mark.parametrize("content", ["steps: [", "- a list", "just text"])
def test_file_that_is_no_plan_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(content)
    with pytest.raises(PlanInputError, match=r"plan\.yaml"):
        planfile.read(file)


def test_diff_names_what_changed() -> None:
    new = example()
    new.steps[1] = Step("volume/root", "volume.copy", {"gib": 30, "from": "rbd"}, "web-1", ("rbd@old",), estimate=754.0)
    del new.steps[0]
    new.edges = [edge for edge in new.edges if edge.before != "quota"]
    new.add(Step("dns", "dns.change"))
    new.limits["rbd@old"] = 3
    changes = [(change.change, change.what, change.field, change.old, change.new) for change in diff(example(), new)]
    assert changes == [
        ("removed", "step quota", "", "Raise the quota of demo", ""),
        ("changed", "step volume/root", "args", '{"from": "rbd", "gib": 20}', '{"from": "rbd", "gib": 30}'),
        ("changed", "step volume/root", "queue", "storage", ""),
        ("changed", "step volume/root", "after", "quota", ""),
        ("changed", "step server/web-1", "after", "quota, volume/root", "volume/root"),
        ("changed", "limit rbd@old", "value", "2", "3"),
        ("added", "step dns", "", "", "dns.change"),
    ]
