"""A plan is built by an ordered list of small rules: the list is the documentation of what a plan holds, and why."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from naru.plan.model import Plan

Facts = TypeVar("Facts")
Rule = Callable[[Plan, Facts], None]


def build(rules: Sequence[Rule[Facts]], facts: Facts, plan: Plan | None = None) -> Plan:
    """Lets every rule add its steps, edges and findings to the plan, in order, and checks the whole once.

    A rule is a function `(plan, facts)` whose docstring says what it adds and why; it may look at what the rules
    before it added (`plan.find`). `plan` brings title, limits, gates, modules and settings. Raises `PlanInputError`.
    """
    plan = Plan() if plan is None else plan
    for rule in rules:
        rule(plan, facts)
    plan.check()
    return plan


def explain(rules: Sequence[Rule[Facts]]) -> str:
    """The rules as a numbered text, from their docstrings."""
    lines = []
    for number, rule in enumerate(rules, 1):
        doc = " ".join((rule.__doc__ or "").split())
        lines.append(f"{number}. {rule.__name__.replace('_', ' ').strip()}: {doc}")
    return "\n".join(lines)
