"""The oracle on real clouds: what it reads is steady, a project compared with itself has no mismatch, and one flaw at a
time put into what was read is found."""

import copy

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest, connect
from .oracle import leftovers, project, snapshot
from .oracle.fields import UNCOMPARED
from .oracle.mutate import flaws, owned, unfound
from .oracle.pairs import KEYS
from .oracle.read import Cloud as Read

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def read(pair: Lab, company: Cloud) -> Read:
    return snapshot(Rest(connect(pair, "old")))


def test_a_cloud_in_which_nothing_happens_is_as_before(pair: Lab, read: Read) -> None:
    for name in ("old", "new"):
        rest = Rest(connect(pair, name))
        before = read if name == "old" else snapshot(rest)
        again = snapshot(rest)
        assert again == before
        assert leftovers(rest, before, again) == {}
        assert set(again) <= {*KEYS, *UNCOMPARED}


def test_something_more_is_left_over(pair: Lab) -> None:
    rest = Rest(connect(pair, "new"))
    before = snapshot(rest)
    made = rest("network", "POST", "/v2.0/networks", {"network": {"name": "left"}})["network"]["id"]
    role = rest("identity", "POST", "/roles", {"role": {"name": "left"}})["role"]["id"]
    fields = {"name": "left", "ram": 64, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": False}
    flavor = rest("compute", "POST", "/flavors", {"flavor": fields})["flavor"]["id"]
    access = {"addTenantAccess": {"tenant": rest.project}}
    rest("compute", "POST", f"/flavors/{flavor}/action", access)
    found = leftovers(rest, before)
    rest("compute", "DELETE", f"/flavors/{flavor}")
    rest("network", "DELETE", f"/v2.0/networks/{made}")
    rest("identity", "DELETE", f"/roles/{role}")
    assert {kind: [item.get("name") for item in items] for kind, items in found.items() if kind != "segment"} == {
        "flavor": ["left"],
        "flavor_access": [None],
        "network": ["left"],
        "role": ["left"],
    }
    assert leftovers(rest, before) == {}


def test_a_project_is_as_itself(read: Read) -> None:
    names = {item["name"]: identity for identity, item in read["project"].items()}
    assert {"hanok", "hanok-lab", "hanok-closed", "carpenters"} <= set(names)
    for identity in names.values():
        assert project(read, read, identity) == []


def test_a_project_of_another_name_is_all_missing(read: Read) -> None:
    after = copy.deepcopy(read)
    (hanok,) = (identity for identity, item in read["project"].items() if item["name"] == "hanok")
    after["project"][hanok].update(name="another", description="")
    found = project(read, after, hanok)
    assert {one.kind for one in found if one.field == ""} >= {
        "project",
        "server",
        "volume",
        "network",
        "port",
        "router",
    }
    # these are found by what is theirs alone, an address and an id, and have another owner
    assert {("floatingip", "project_id"), ("image", "owner")} <= {(one.kind, one.field) for one in found}


def test_each_flaw_in_what_was_read_is_found(read: Read) -> None:
    """One thing of each kind, the one that says most, with every field of it changed by turns."""
    after = copy.deepcopy(read)
    (hanok,) = (identity for identity, item in read["project"].items() if item["name"] == "hanok")
    things = owned(after, hanok, 1)
    assert len(things) > 30
    # who else may use a flavor or a volume type is no matter of this project
    ours = [flaw for flaw in flaws(things, after) if flaw[2][0] != "access" or flaw[3] == hanok]
    assert len(ours) > 300
    assert unfound(read, hanok, after, iter(ours)) == []
    assert after == read
