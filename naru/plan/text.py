"""The text form of a plan, which people review and golden tests compare, and the difference of two plans."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from naru.messages import say
from naru.plan.model import Plan, Step
from naru.text import count, duration

SEVERITIES = ("error", "warning", "info")


def text(plan: Plan) -> str:
    """The whole plan, unit by unit, the same plan always as the same text.

    Units and the steps within them keep the plan's order. Everything a step is is shown, but for empty fields.
    """
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    units = list(dict.fromkeys(step.unit for step in plan.steps))
    yield say(plan.title) or "(no title)"
    counts = [count(len(plan.steps), "step"), count(len(units), "unit"), count(len(set(plan.edges)), "edge")]
    yield ", ".join([*counts, count(len(plan.findings), "finding")])
    if plan.steps:
        used = {group for step in plan.steps for group in step.limits}
        yield "limits: " + ", ".join(f"{group} {plan.limits[group]}" for group in sorted(used))
    for name, values in (("gates", plan.gates), ("modules", plan.modules)):
        if values:
            yield f"{name}: " + ", ".join(sorted(values))
    for key, value in sorted(plan.settings.items()):
        yield f"setting {key}: {_json(value)}"
    for severity in SEVERITIES:
        for finding in plan.findings:
            if finding.severity == severity:
                yield ""
                yield f"{severity.upper()}: {say(finding.summary)}" + (f" [{finding.about}]" if finding.about else "")
                for part in (finding.detail, finding.hint):
                    for line in say(part).splitlines():
                        yield f"    {line}"
    befores = plan.befores()
    by_unit: dict[str, list[Step]] = {unit: [] for unit in units}
    for step in plan.steps:
        by_unit[step.unit].append(step)
    for unit, steps in by_unit.items():
        yield ""
        yield f"unit {unit}" if unit else "no unit"
        for step in steps:
            yield f"  {step.id}: {say(step.title) or step.kind}"
            yield "    " + "  ".join(_facts(step))
            if step.id in befores:
                yield "    after " + ", ".join(befores[step.id])


def _facts(step: Step) -> Iterator[str]:
    yield f"{step.kind}({', '.join(f'{key}={_json(value)}' for key, value in sorted(step.args.items()))})"
    if step.limits:
        yield f"limit{'s' if len(step.limits) > 1 else ''} {', '.join(step.limits)}"
    if step.gate:
        yield f"gate {step.gate}"
    if step.queue:
        yield f"at {step.queue}"
    if step.estimate:
        yield f"about {duration(step.estimate)}"
    if step.purpose:
        yield f"purpose {step.purpose}"
    if step.about:
        yield f"concerns {' '.join(filter(None, step.about))}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Change(NamedTuple):
    """One difference of two plans. `change` is `added`, `removed` or `changed`; old and new are empty if absent."""

    change: str
    what: str
    field: str
    old: str
    new: str


def diff(old: Plan, new: Plan) -> list[Change]:
    """The differences between two plans: steps field by field, limits, gates, modules, settings, findings."""
    changes = []
    old_rows, new_rows = _rows(old), _rows(new)
    for what in dict.fromkeys([*old_rows, *new_rows]):
        before, after = old_rows.get(what), new_rows.get(what)
        if before is None:
            changes.append(Change("added", what, "", "", _summary(new_rows[what])))
            continue
        if after is None:
            changes.append(Change("removed", what, "", _summary(before), ""))
            continue
        for name in dict.fromkeys([*before, *after]):
            if before.get(name, "") != after.get(name, ""):
                changes.append(Change("changed", what, name, before.get(name, ""), after.get(name, "")))
    return changes


def _summary(row: dict[str, str]) -> str:
    return row.get("title") or row.get("kind") or row.get("value", "")


def _rows(plan: Plan) -> dict[str, dict[str, str]]:
    """Everything in a plan by name, each a row of texts by field."""
    befores = plan.befores()
    rows: dict[str, dict[str, str]] = {"plan": {"title": say(plan.title)}}
    for step in plan.steps:
        rows[f"step {step.id}"] = {
            "kind": step.kind,
            "args": _json(step.args),
            "unit": step.unit,
            "limits": ", ".join(step.limits),
            "queue": step.queue,
            "gate": step.gate,
            "title": say(step.title),
            "estimate": _json(step.estimate),
            "about": " ".join(step.about or ()),
            "purpose": step.purpose,
            "after": ", ".join(befores.get(step.id, ())),
        }
    for group, limit in sorted(plan.limits.items()):
        rows[f"limit {group}"] = {"value": str(limit)}
    for name, values in (("gate", plan.gates), ("module", plan.modules)):
        rows |= {f"{name} {value}": {} for value in sorted(values)}
    for key, value in sorted(plan.settings.items()):
        rows[f"setting {key}"] = {"value": _json(value)}
    for finding in plan.findings:
        summary = say(finding.summary) + (f" [{finding.about}]" if finding.about else "")
        rows[f"{finding.severity} {summary}"] = {"detail": say(finding.detail), "hint": say(finding.hint)}
    return rows
