"""A project moved, verified and moved back while every tenth request to either cloud goes wrong; judged by the oracle,
which asks the clouds themselves and not the proxies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest
from .conftest import snapshots
from .fault_proxy import AFTER, BEFORE, Faults
from .oracle import leftovers, snapshot
from .oracle.read import Cloud as Read
from .scenario import Move, crossing_arrived, moving, same, through_proxies

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]

RATE = 0.1
SEED = 20171121
# seconds: more than any of the lab's services takes for an answer, and what each silence costs
TIMEOUT = 15


@pytest.fixture(scope="module")
def before(clouds: dict[str, Rest], crossing: Cloud) -> dict[str, Read]:
    return snapshots(clouds)


@pytest.fixture
def faults() -> Faults:
    return Faults(RATE, SEED)


@pytest.fixture
def move(pair: Lab, before: dict[str, Read], faults: Faults, tmp_path: Path) -> Iterator[Move]:
    with (
        moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made,
        through_proxies(made, ("old", "new"), faults, api_timeout=TIMEOUT),
    ):
        yield made


def test_every_tenth_request_goes_wrong(
    pair: Lab, crossing: Cloud, move: Move, faults: Faults, clouds: dict[str, Rest], before: dict[str, Read]
) -> None:
    move.plan()
    assert same(before["old"], snapshot(clouds["old"])) == {}
    assert leftovers(clouds["new"], before["new"]) == {}

    for phase in ("prepare", "cutover"):
        state = move.phase(phase)
        assert state["state"] == "held" and not state["failed"], state
    assert move.unexplained() == []
    after = snapshot(clouds["new"])
    crossing_arrived(pair, before["old"], after)
    (new_id,) = [identity for identity, item in after["project"].items() if item["name"] == "crossing"]
    new = {server["name"]: server["status"] for server in after["server"].values() if server["tenant_id"] == new_id}
    assert new == {"web": "ACTIVE", "db": "ACTIVE"}

    state = move.phase("rollback")
    assert state["state"] == "done" and not state["failed"], state
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}

    print(json.dumps({"requests": faults.asked, "faults": {" ".join(key): n for key, n in faults.given.items()}}))
    assert sum(faults.given.values()) > faults.asked * RATE / 2
    assert {fault for _, fault in faults.given} == {*BEFORE, *AFTER}
    assert {when for when, _ in faults.given} == {"before", "after"}
