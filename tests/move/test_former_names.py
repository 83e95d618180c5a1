"""Plans that were made before modules and step kinds got other names."""

import pytest

from naru.plan.errors import PlanInputError
from naru.plan.kinds import KINDS, load

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("module", ["naru.move.storage", "naru.move.content"])
def test_a_module_under_its_old_name(module: str) -> None:
    load([module])
    assert KINDS.get("move.content.access").name == "move.content.access"


def test_a_step_kind_under_its_old_name() -> None:
    load(["naru.move.steps"])
    for old, new in (("place", "access"), ("settle", "flatten"), ("back", "undo")):
        assert KINDS.get(f"move.content.{old}").name == f"move.content.{new}"


def test_a_module_that_never_was() -> None:
    for name in ("naru.move.never", "naru.never.was", "never"):
        with pytest.raises(PlanInputError, match=name):
            load([name])
