"""Room for flavors on the new cloud: by what Placement said when the cloud was read."""

from typing import Any

import pytest

from naru.messages import say

from .test_mapping import facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

SERVER = {"id": "v", "name": "web", "tenant_id": "p", "user_id": "", "flavor_link": {"id": "f1"}, "status": "ERROR"}


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ([], []),  # a cloud without Placement
        ([("VCPU:1,MEMORY_MB:64,DISK_GB:1", 1)], []),
        ([("VCPU:1,MEMORY_MB:64", 0), ("VCPU:1,MEMORY_MB:64,DISK_GB:1", 1)], []),
        ([("VCPU:1,MEMORY_MB:64,DISK_GB:1", 0)], [("no host of new has room for flavor small", "f1")]),
    ],
)
def test_a_flavor_without_a_host_is_an_error(candidates: list[tuple[str, int]], said: list[tuple[str, str]]) -> None:
    rows: list[dict[str, Any]] = [{"resources": one, "candidates": count} for one, count in candidates]
    found = facts({**OLD, "server": [SERVER]}, {"allocation candidates": rows})
    plan = planned(found).plan
    errors = [finding for finding in plan.findings if finding.severity == "error" and "room" in say(finding.summary)]
    assert [(say(finding.summary), finding.about) for finding in errors] == said
    assert [finding.detail for finding in errors] == [one for one, count in candidates if not count][: len(said)]
