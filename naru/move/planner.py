"""The plan of a move: made of what is known of both clouds and of what the map says, by the rules in their order."""

from collections.abc import Mapping, Sequence
from typing import Any

from naru.inventory.kinds import BY_NAME
from naru.messages import message
from naru.move import acting, downtime
from naru.move.draft import Draft, Options
from naru.move.facts import Facts
from naru.move.kinds import BY_NAME as OF_MOVE
from naru.move.mapping import Choice
from naru.move.rules import RULES
from naru.plan import timings
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan

TITLE = message(
    "move.plan.title",
    en="Move {projects} from {old} to {new}",
    ko="{projects} 이전: {old}에서 {new}(으)로",
)
MODULES = (
    "naru.actions.create",
    "naru.actions.call",
    "naru.actions.power",
    "naru.actions.image",
    "naru.move.marks",
    "naru.move.switching",
    "naru.move.steps",
    "naru.move.kinds",
)
"""The modules that register the step kinds of a move."""


def make(
    facts: Facts,
    choices: Sequence[Choice],
    options: Options,
    *,
    settings: Mapping[str, Any],
    rehearsals: Sequence[timings.Timings] = (),
) -> Draft:
    """The plan and its decisions: from the same facts always the same. `settings` are kept with the plan; what a step
    took in `rehearsals` becomes its estimate. Raises InputError for a new cloud without the role that lets somebody act
    in a project."""
    acting.role(facts)
    names = ", ".join(row.name for row in facts.projects.values())
    plan = Plan(
        title=TITLE(projects=names, old=facts.old.cloud, new=facts.new.cloud),
        modules=list(MODULES),
        settings=dict(settings),
    )
    chosen = {
        (choice.need.section, choice.need.row.id if choice.need.row else choice.need.key): choice for choice in choices
    }
    draft = Draft(facts, chosen, plan, options, OF_MOVE)
    for rule in RULES:
        rule(draft)
    _drop_idle(draft)
    plan.check()
    load(plan.modules)
    KINDS.check_arguments(plan)
    draft.plan = timings.with_estimates(plan, KINDS, rehearsals)
    downtime.findings(draft)
    return draft


def _drop_idle(draft: Draft) -> None:
    """Limits of groups that no step is in."""
    used = {group for step in draft.plan.steps for group in step.limits}
    draft.plan.limits = {name: value for name, value in draft.plan.limits.items() if name in used}


def counts(draft: Draft) -> list[tuple[str, int, int, int]]:
    """(kind, created, matched, left) of every kind with a decision, in the order of the kinds."""
    found: dict[str, list[int]] = {}
    for decision in draft.decisions.values():
        place = ("create", "match", "leave").index(decision.decision)
        found.setdefault(decision.kind, [0, 0, 0])[place] += 1
    order = list(BY_NAME)
    return [(kind, *found[kind]) for kind in sorted(found, key=order.index)]  # type: ignore[misc]
