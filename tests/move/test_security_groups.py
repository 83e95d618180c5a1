"""Security groups: what is told of them."""

import pytest

from .test_mapping import facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("shared", [False, True])
def test_that_newer_clouds_say_who_shares_a_group_is_no_loss(shared: bool) -> None:
    group = {"id": "g", "name": "web", "project_id": "p", "security_group_rules": [], "shared": shared}
    draft = planned(facts({**OLD, "security group": [group]}))
    assert draft.decisions["security group", "g"].changes == ()
