"""Plans of a move's shape that tests write by hand: what each step is about and for, as the planner would say it."""

import dataclasses

from naru.move import purposes
from naru.plan.model import About, Plan

# how the ids in these plans begin: what the rest of one is the id of, and the step's purpose
_IDS = {
    "stop server/": ("server", purposes.STOP),
    "start server/": ("server", purposes.START),
    "content server/": ("server", purposes.ROOT_CONTENT),
    "content volume/": ("volume", purposes.CONTENT),
    "access volume/": ("volume", purposes.ACCESS),
    "cutover ": ("project", purposes.CUTOVER),
    "finalize ": ("project", purposes.FINALIZE),
    "no way back ": ("project", purposes.END),
}


def described(plan: Plan) -> Plan:
    """The plan with `about` and `purpose` of the steps that have such ids."""
    for number, step in enumerate(plan.steps):
        for begin, (kind, purpose) in _IDS.items():
            if step.id.startswith(begin):
                about = About(kind, step.id.removeprefix(begin))
                plan.steps[number] = dataclasses.replace(step, about=about, purpose=purpose)
    return plan
