"""Room for flavors on the new cloud: by what Placement said when the cloud was read."""

from typing import Any

import pytest

from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Options

from .test_mapping import FLAVOR, facts, planned
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


BIG = "VCPU:8,MEMORY_MB:64,DISK_GB:1"
SMALL = "VCPU:1,MEMORY_MB:64,DISK_GB:1"


@pytest.mark.parametrize(("without", "said"), [(SMALL, []), (BIG, [("no host of new has room for flavor big", "f1")])])
def test_room_is_needed_for_what_the_map_makes_of_a_flavor(without: str, said: list[tuple[str, str]]) -> None:
    rows: list[dict[str, Any]] = [{"resources": one, "candidates": int(one != without)} for one in (SMALL, BIG)]
    big = {**FLAVOR, "id": "f8", "name": "big", "vcpus": 8, "swap": 0}
    found = facts({**OLD, "server": [SERVER]}, {"allocation candidates": rows, "flavor": [big]})
    written = mapfile.EMPTY.model_copy(update={"flavors": {"small": "big"}})
    draft = planner.make(found, mapfile.choose(found, written), Options(key="/key"), settings={})
    errors = [one for one in draft.plan.findings if "has room" in say(one.summary)]
    assert [(say(one.summary), one.about) for one in errors] == said
