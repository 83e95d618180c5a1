"""The list of the kinds: nothing that a module of theirs declares is forgotten in it, or is in it twice."""

import importlib
import pkgutil
from pathlib import Path

import pytest

from naru.inventory.archive import Archive
from naru.move import kinds
from naru.move.facts import Side
from naru.move.kind import Kind
from naru.move.mapping import Section
from naru.move.rules import RULES

from . import readings
from .readings import GOLDEN
from .scenario import MAP, PROJECTS
from .test_golden import Case, planned

pytestmark = pytest.mark.unit


def test_whatever_a_module_declares_is_in_the_list_once() -> None:
    modules = [
        importlib.import_module(f"{kinds.__name__}.{found.name}") for found in pkgutil.iter_modules(kinds.__path__)
    ]
    declared = [item for module in modules for item in vars(module).values() if isinstance(item, Kind | Section)]
    assert {item.name for item in declared} == {item.name for item in kinds.LIST if isinstance(item, Kind | Section)}
    assert len(set(kinds.RULES)) == len(kinds.RULES) and set(kinds.RULES) < set(RULES)
    assert len(kinds.BY_NAME) == len(kinds.KINDS) and len({item.name for item in kinds.SECTIONS}) == len(kinds.SECTIONS)


NOT_MADE = {
    "LBaaS load balancer",
    "application credential",
    "container cluster",
    "database instance",
    "default security group rule",
    "load balancer flavor",
    "secret",
    "secret container",
    "secret order",
    "secret quota",
    "segment",
    "share",
    "stack",
    "volume group",
    "volume transfer",
    "volume type",
}
"""Nothing of these kinds is ever made."""
NOT_SEEN = {
    *("role inference", "address group", "port forwarding"),
    *("load balancer", "listener", "pool", "pool member", "health monitor", "L7 policy", "L7 rule"),
    "load balancer quota",
}
"""The clouds that the golden plans are of have none of these, or they are made without a decision in them."""
NEW = "x:new"


def test_every_kind_tells_or_sends_a_field_that_nobody_thought_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an extension or a newer release would add it, on everything that the old cloud has."""
    monkeypatch.chdir(GOLDEN)
    lost, made = set(), set()
    with Archive(tmp_path / "archive.db") as archive:
        old, new = (Side(archive, *readings.load(archive, GOLDEN / f"{name}.jsonl.xz")) for name in ("old", "new"))
        for name in kinds.BY_NAME:
            for row in old.all(name).values():
                row.body[NEW] = {"of": "somebody"}
        draft = planned((old, new), Case("demo", PROJECTS, MAP))
    for decision in draft.decisions.values():
        if decision.decision == "create":
            made.add(decision.kind)
            told = NEW in [change.field for change in decision.changes]
            if not told and NEW not in str(draft.steps[decision.step].args.get("body")):
                lost.add(decision.kind)
    # one is listed with the fields of its user, who is told of by himself
    assert lost == {"group membership"}
    assert kinds.BY_NAME.keys() - made == NOT_MADE | NOT_SEEN
