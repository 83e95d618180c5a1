"""A project with every trap at once: planned with each of them told, moved, found as the plan says, and rolled back
with the old cloud as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.lab.lab import Lab
from naru.messages import say
from naru.move.work import Work

from ..lab.scenario import Rest, connect
from . import traps
from .conftest import snapshots
from .oracle import leftovers, project, snapshot
from .scenario import Move, all_told, moving, same, told
from .traps import network, servers

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(2400)]

AREAS: tuple[Any, ...] = (network, servers)


@pytest.fixture(scope="module")
def site(pair: Lab) -> Iterator[traps.Site]:
    """The lab with the project of traps, which is removed afterwards."""
    old, new = (Rest(connect(pair, name)) for name in ("old", "new"))
    made = old("identity", "POST", "/projects", {"project": {"name": traps.PROJECT, "domain_id": "default"}})
    user = {"name": "trapper", "domain_id": "default", "password": "trapper-of-old"}
    person = old("identity", "POST", "/users", {"user": user})["user"]["id"]
    identity = made["project"]["id"]
    roles = {role["name"]: role["id"] for role in old("identity", "GET", "/roles")["roles"]}
    old("identity", "PUT", f"/projects/{identity}/users/{person}/roles/{roles['member']}")
    found = traps.Site(pair, old, new, identity, person)
    try:
        for area in AREAS:
            area.make(found)
        yield found
    finally:
        for area in reversed(AREAS):
            area.remove(found)
        for path in (f"/users/{person}", f"/projects/{identity}"):
            old("identity", "DELETE", path)


def all_said(move: Move) -> str:
    """What the plan tells: its findings, and why something is left or not as it was."""
    work = Work(move.work)
    with work.journal() as journal:
        found = [text for one in journal.findings() for text in (one.summary, one.detail)]
    for decision in work.decisions:
        found += [decision.why, *(change.why for change in decision.changes)]
    return "\n".join(say(text) for text in found)


def test_a_project_of_traps(site: traps.Site, clouds: dict[str, Rest], tmp_path: Path) -> None:
    before = snapshots(clouds)
    decided = tmp_path / "map.yaml"
    sections = {key: value for area in AREAS for key, value in area.MAP.items()}
    decided.write_text(yaml.safe_dump({"naru_map": 1, **sections}))
    with moving(Move(site.lab, tmp_path / "work", (traps.PROJECT,), map_file=decided)) as move:
        move.plan()
        said = all_said(move)
        for area in AREAS:
            missing = {name: text for name, text in area.TOLD.items() if text not in said}
            assert not missing, missing
        for phase in ("prepare", "cutover"):
            state = move.phase(phase)
            assert not state["failed"], state
        assert move.unexplained() == []
        after = snapshot(clouds["new"])
        wrong = project(before["old"], after, site.project)
        explained = [area.explained for area in AREAS]
        all_told([found for found in wrong if not told(found) and not any(why(found) for why in explained)])
        state = move.phase("rollback")
        assert state["state"] == "done" and not state["failed"]
        assert leftovers(clouds["new"], before["new"]) == {}
        differs = same(before["old"], snapshot(clouds["old"]))
        assert {what: fields for what, fields in differs.items() if not network.anew(what, fields)} == {}
