"""Plans as files: the JSON or YAML form, read and written."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from naru.plan.errors import PlanInputError
from naru.plan.model import Finding, Plan, Step

FORMAT = 1


class _StepInFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    kind: str
    args: dict[str, Any] = {}
    unit: str = ""
    limit: str = "default"
    place: str = ""
    gate: str = ""
    title: str = ""
    estimate: Annotated[float, Field(ge=0)] = 0.0
    after: list[str] = []


class _FindingInFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    severity: Literal["error", "warning", "info"]
    summary: str
    detail: str = ""
    hint: str = ""
    about: str = ""


class _PlanInFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    naru_plan: int = FORMAT
    title: str = ""
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
        findings=[Finding(**finding.model_dump()) for finding in form.findings],
        gates=form.gates,
        modules=form.modules,
        settings=form.settings,
    )
    plan.limits |= form.limits
    for step in form.steps:
        fields = step.model_dump()
        after = fields.pop("after")
        plan.add(Step(**fields), after=after)
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
        row = {key: value for key, value in asdict(step).items() if value}
        if step.id in befores:
            row["after"] = befores[step.id]
        steps.append(row)
    return {
        "naru_plan": FORMAT,
        "title": plan.title,
        "modules": plan.modules,
        "settings": plan.settings,
        "limits": plan.limits,
        "gates": plan.gates,
        "findings": [asdict(finding) for finding in plan.findings],
        "steps": steps,
    }
