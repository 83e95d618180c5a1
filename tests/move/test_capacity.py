"""Room for flavors on the new cloud: by what Placement said when the cloud was read."""

from typing import Any

import pytest

from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Options

from .test_mapping import FLAVOR, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

SERVER = {
    "id": "v",
    "name": "web",
    "tenant_id": "p",
    "user_id": "",
    "flavor_link": {"id": "f1"},
    "status": "ERROR",
    "image": {"id": "i"},
}


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


def test_a_server_on_a_volume_needs_no_room_for_its_root_disk() -> None:
    rows = [{"resources": "VCPU:1,MEMORY_MB:64,DISK_GB:1", "candidates": 0}]
    found = facts({**OLD, "server": [{**SERVER, "image": ""}]}, {"allocation candidates": rows})
    assert not [one for one in planned(found).plan.findings if "room" in say(one.summary)]
    rows = [{"resources": "VCPU:1,MEMORY_MB:64", "candidates": 0}]
    found = facts({**OLD, "server": [{**SERVER, "image": ""}]}, {"allocation candidates": rows})
    assert [one for one in planned(found).plan.findings if "room" in say(one.summary)]


def test_a_flavor_that_was_deleted_needs_room_as_servers_remember_it() -> None:
    remembered = {"original_name": "gone", "ram": 64, "vcpus": 1, "disk": 9, "ephemeral": 2, "swap": 1024}
    specs = {"extra_specs": {"resources:CUSTOM_GOLD": "1"}}
    server = {**SERVER, "flavor_link": {"id": "f0"}, "flavor": remembered | specs}
    rows = [{"resources": "VCPU:1,MEMORY_MB:64,DISK_GB:12,CUSTOM_GOLD:1", "candidates": 0}]
    draft = planned(facts({**OLD, "server": [server]}, {"allocation candidates": rows}))
    (told,) = [one for one in draft.plan.findings if "has room" in say(one.summary)]
    assert (say(told.summary), told.about) == ("no host of new has room for flavor gone", "f0")


HOST = {"binary": "nova-compute", "status": "enabled", "state": "up"}
DOWN = [
    {"id": "3", **HOST, "state": "down"},
    {"id": "4", **HOST, "status": "disabled"},
    {"id": "5", **HOST, "binary": "x"},
]
APART = {
    "id": "g",
    "name": "apart",
    "project_id": "p",
    "user_id": "",
    "policies": ["anti-affinity"],
    "members": ["a", "b"],
}


@pytest.mark.parametrize(
    ("hosts", "more", "written", "policy", "said"),
    [
        (2, {}, {}, "anti-affinity", ""),
        (0, {}, {}, "anti-affinity", ""),  # not known
        (1, {}, {}, "anti-affinity", "2 servers are to be on different hosts, and new has 1"),
        (1, {}, {"apart": "soft-anti-affinity"}, "soft-anti-affinity", ""),
        (1, {}, {"apart": "anti-affinity"}, "anti-affinity", ""),  # hosts will be added
        (1, {}, {"apart": "affinity"}, "anti-affinity", "affinity is no policy for that"),
        (1, {"policy": "anti-affinity", "rules": {"max_server_per_host": 2}}, {}, "anti-affinity", ""),
        (1, {"policies": ["affinity"]}, {}, "affinity", ""),
    ],
)
def test_a_group_with_more_servers_than_hosts_is_decided_by_the_map(
    hosts: int, more: dict[str, Any], written: dict[str, str], policy: str, said: str
) -> None:
    services = [{"id": str(number), **HOST} for number in range(hosts)] + (DOWN if hosts else [])
    servers = [{**SERVER, "id": name} for name in "ab"]
    found = facts({**OLD, "server": servers, "server group": [{**APART, **more}]}, {"compute service": services})
    decided = mapfile.EMPTY.model_copy(update={"server_groups": written})
    draft = planner.make(found, mapfile.choose(found, decided), Options(key="/key"), settings={})
    (args,) = [step.args for step in draft.plan.steps if step.id == "server group/g"]
    assert args["body"]["policy"] == policy
    told = [say(one.summary) for one in draft.plan.findings if one.about == "map server_groups"]
    assert len(told) == bool(said) and all(said in text for text in told)
    if policy.startswith("soft"):
        assert [(one.field, one.new) for one in draft.decisions["server group", "g"].changes if one.field == "policy"]
