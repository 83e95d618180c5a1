"""Both clouds on one storage: where the plan makes clones independent. What its steps do: tests/volumes."""

from typing import Any

import pytest

from naru.move import cutover
from naru.move.draft import COPIES, FLATTENS, Draft, Options
from naru.move.facts import Facts
from naru.move.kinds import BY_NAME
from naru.plan.model import Plan

from .test_mapping import Given
from .test_snapshots import NOTHING

VOLUME = "4b1ce5b2-3a6c-4f6d-9f4e-0d1c2b3a4958"


def drafted(server: str, storage: tuple[str, str] = ("old.yaml", "new.yaml"), **volume: Any) -> Draft:
    """The window of a project with a server, in some state, and its volume."""
    old: dict[str, Any] = {
        "project": [{"id": "p", "name": "shop", "domain_id": "default"}],
        "server": [
            {"id": "s", "name": "web", "tenant_id": "p", "user_id": "u", "image": "", "status": server, "flavor": {}}
        ],
        "volume": [
            {
                "id": VOLUME,
                "name": "data",
                "size": 1,
                "os-vol-tenant-attr:tenant_id": "p",
                "attachments": [{"server_id": "s"}],
                **volume,
            }
        ],
    }
    facts = Facts(Given("old", old), Given("new", {}), ["shop"])
    draft = Draft(facts, {}, Plan(), Options("key", storage, "/work"), BY_NAME)
    for kind in ("project", "server", "volume"):
        for row in facts.old.all(kind).values():
            draft.made(row, draft.step(f"{kind}/{row.id}", NOTHING, "", project="p"))
    draft.step(f"access volume/{VOLUME}", NOTHING, "", project="p")
    cutover.cut_over(draft)
    cutover.finalize(draft)
    draft.plan.check()
    return draft


def befores(plan: Plan, step: str) -> set[str]:
    """All that comes before a step."""
    found: set[str] = set()
    left = [step]
    while left:
        after = left.pop()
        new = {edge.before for edge in plan.edges if edge.after == after} - found
        found |= new
        left += new
    return found


@pytest.mark.unit
@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF"])
def test_clones_become_independent_after_the_window_and_before_the_end(state: str) -> None:
    plan = drafted(state).plan
    flatten = f"flatten volume/{VOLUME}"
    before = befores(plan, flatten)
    # a server that was off when the move was planned may run when the window begins
    assert f"content volume/{VOLUME}" in before and "start server/s" in before
    assert not any(name.startswith("finalize") for name in before)
    # the window is over without it, the way back is not given up without it
    assert flatten not in befores(plan, "finalize p")
    assert flatten in befores(plan, "no way back p") and flatten in befores(plan, f"clean volume/{VOLUME}")
    limits = {step.id: step.limits for step in plan.steps}
    assert limits[flatten] == (FLATTENS,) and limits[f"content volume/{VOLUME}"] == (COPIES,)
