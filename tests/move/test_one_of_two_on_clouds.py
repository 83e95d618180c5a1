"""The demo company in one work directory: two projects cut over, one of them rolled back while the other stays, then
the rest; judged by snapshots of both clouds."""

import json
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest
from .oracle import leftovers, snapshot
from .oracle.pairs import pair as pairs_of
from .oracle.read import Cloud as Read
from .scenario import Move, same

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(2400)]

STAYS, BACK = "hanok", "hanok-lab"


def named(item: dict[str, Any] | None, ids: set[str]) -> bool:
    text = json.dumps(item, default=str)
    return any(identity in text for identity in ids)


def owned(cloud: Read, project: str) -> set[str]:
    """The project's id and those of the things it owns."""
    owners = ("project_id", "tenant_id", "os-vol-tenant-attr:tenant_id", "owner")
    return {project} | {
        identity
        for items in cloud.values()
        for identity, item in items.items()
        if any(item.get(owner) == project for owner in owners)
    }


def of_others(one: Read, other: Read, ids: set[str]) -> dict[str, Any]:
    """What differs between two snapshots of one cloud and names none of these ids."""
    return {
        key: fields
        for key, fields in same(one, other).items()
        for kind, _, identity in [key.partition(" ")]
        if not named(one.get(kind, {}).get(identity), ids)
        and not named(other.get(kind, {}).get(identity), ids)
        and not named({"id": identity}, ids)
    }


def test_one_comes_back_while_the_other_stays(
    pair: Lab, company: Cloud, move: Move, clouds: dict[str, Rest], before: dict[str, Read]
) -> None:
    move.plan()
    move.phase("prepare")
    work = str(move.work)
    refused = move.start("cutover", work, "--project", BACK)
    assert f"{BACK} cannot be cut over without" in refused.communicate(timeout=300)[1] and refused.returncode == 2
    move.run("cutover", work, "--project", STAYS)
    move.run("cutover", work, "--project", BACK)
    assert move.unexplained() == []
    middle = {name: snapshot(rest) for name, rest in clouds.items()}
    refused = move.start("rollback", work, "--project", STAYS)
    told = refused.communicate(timeout=300)[1]
    assert f"{STAYS} cannot be rolled back alone" in told and BACK in told and refused.returncode == 1

    move.phase("rollback", "--project", BACK, kills=4, longest=6.0)

    after = {name: snapshot(rest) for name, rest in clouds.items()}
    old = {item["name"]: identity for identity, item in before["old"]["project"].items()}
    new = pairs_of(before["old"], middle["new"])["project"]
    # nothing on the new cloud names it any more, and nothing of the others has changed
    gone = {new[old[BACK]]}
    assert [item for items in after["new"].values() for item in items.values() if named(item, gone)] == []
    assert of_others(middle["new"], after["new"], owned(middle["new"], new[old[BACK]])) == {}
    # on the old cloud it is as it was before, and what was cut over is as it was after that
    assert of_others(middle["old"], after["old"], owned(before["old"], old[BACK])) == {}
    assert of_others(before["old"], after["old"], owned(before["old"], old[STAYS])) == {}
    assert move.unexplained() == []
    assert json.loads(move.run("status", work, "-f", "json"))["rolled back"] == [BACK]

    state = move.phase("rollback", kills=2)
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
