"""Plans as files: the JSON or YAML form, read and written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from naru import messages
from naru.messages import Message
from naru.plan.errors import PlanInputError
from naru.plan.model import DEFAULT_LIMIT, About, Finding, Plan, Step
from naru.plan.plan_rows import dump_finding

FORMAT = 1


def _text(value: Any) -> Any:
    """A text as it is in a file: words, or what `messages.dump` made of a message."""
    if isinstance(value, dict) and value.keys() == {"message", "values", "text"}:
        return messages.load(value)
    if not isinstance(value, str):
        raise ValueError("give a text")
    return value


def _several(value: Any) -> Any:
    """One group may be given as a text."""
    return [value] if isinstance(value, str) else value


_Text = Annotated[str | Message, BeforeValidator(_text)]


class _AboutInFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    id: str
    name: str = ""


class _StepInFile(BaseModel):
    # the second name of each pair is an older one, for a single group and for a queue
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    id: str
    kind: str
    args: dict[str, Any] = {}
    unit: str = ""
    limits: Annotated[list[str], BeforeValidator(_several)] = Field(
        [DEFAULT_LIMIT], validation_alias=AliasChoices("limits", "limit")
    )
    queue: str = Field("", validation_alias=AliasChoices("queue", "place"))
    gate: str = ""
    title: _Text = ""
    estimate: Annotated[float, Field(ge=0)] = 0.0
    about: _AboutInFile | None = None
    purpose: str = ""
    after: list[str] = []


class _FindingInFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    severity: Literal["error", "warning", "info"]
    summary: _Text
    detail: _Text = ""
    hint: _Text = ""
    about: str = ""


class _PlanInFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    naru_plan: int = FORMAT
    title: _Text = ""
    modules: list[str] = []
    settings: dict[str, Any] = {}
    limits: dict[str, Annotated[int, Field(ge=0)]] = {}
    gates: list[str] = []
    findings: list[_FindingInFile] = []
    steps: list[_StepInFile] = []


def parse(data: Mapping[str, Any], source: str = "the plan") -> Plan:
    """A plan from its JSON form; `source` is named in errors. Raises `PlanInputError` that lists every bad field."""
    try:
        form = _PlanInFile.model_validate(data)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise PlanInputError(f"{source} is not a plan", detail="\n".join(problems)) from None
    if form.naru_plan != FORMAT:
        raise PlanInputError(
            f"{source} has plan format {form.naru_plan}, this version reads {FORMAT}",
            hint="use the version that wrote it",
        )
    plan = Plan(
        title=form.title,
        findings=[Finding(one.severity, one.summary, one.detail, one.hint, one.about) for one in form.findings],
        gates=form.gates,
        modules=form.modules,
        settings=form.settings,
    )
    plan.limits |= form.limits
    for step in form.steps:
        plan.add(
            Step(
                id=step.id,
                kind=step.kind,
                args=step.args,
                unit=step.unit,
                limits=tuple(step.limits),
                queue=step.queue,
                gate=step.gate,
                title=step.title,
                estimate=step.estimate,
                about=About(step.about.kind, step.about.id, step.about.name) if step.about else None,
                purpose=step.purpose,
            ),
            after=step.after,
        )
    plan.check()
    return plan


def read(path: Path) -> Plan:
    """A plan from a JSON or YAML file (JSON is YAML too)."""
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanInputError(f"{path}: cannot be read", detail=error.strerror or str(error)) from None
    try:
        data = json.loads(content) if path.suffix == ".json" else yaml.safe_load(content)
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise PlanInputError(f"{path}: neither JSON nor YAML", detail=str(error)) from None
    if not isinstance(data, dict):
        raise PlanInputError(f"{path}: a plan is a mapping with the key steps, this is a {type(data).__name__}")
    return parse(data, str(path))


def dump(plan: Plan) -> dict[str, Any]:
    """The JSON form of a plan, which `parse` reads; a step's edges are its `after`, empty fields are left out."""
    befores = plan.befores()
    steps = []
    for step in plan.steps:
        row = {name: value for name in Step.__dataclass_fields__ if (value := getattr(step, name))}
        row |= {"title": messages.dump(step.title)} if step.title else {}
        row["limits"] = list(step.limits)
        if step.about:
            row["about"] = {name: value for name, value in step.about._asdict().items() if value}
        if step.id in befores:
            row["after"] = befores[step.id]
        steps.append(row)
    return {
        "naru_plan": FORMAT,
        "title": messages.dump(plan.title),
        "modules": plan.modules,
        "settings": plan.settings,
        "limits": plan.limits,
        "gates": plan.gates,
        "findings": [dump_finding(finding) for finding in plan.findings],
        "steps": steps,
    }
