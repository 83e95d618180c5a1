"""A project with every trap at once: planned with each of them told, moved, found as the plan says, and rolled back
with the old cloud as it was."""

import json
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


def decided_by(site: traps.Site, directory: Path, name: str) -> Move:
    """A move with the decisions of that name of all areas."""
    directory.mkdir()
    sections = {key: value for area in AREAS for key, value in getattr(area, name).items()}
    file = directory / "map.yaml"
    file.write_text(yaml.safe_dump({"naru_map": 1, **sections}))
    return Move(site.lab, directory / "work", (traps.PROJECT,), map_file=file)


def missing(move: Move, name: str) -> dict[str, str]:
    """What of the texts of that name the plan does not say."""
    said = all_said(move)
    return {trap: text for area in AREAS for trap, text in getattr(area, name).items() if text not in said}


def rolled_back(move: Move) -> dict[str, Any]:
    """On a busy machine the new cloud may be too slow to say that a server is off: given again, it goes on."""
    for _ in range(4):
        process = move.start("rollback", str(move.work), "-f", "json")
        out, error = process.communicate(timeout=1200)
        if process.returncode == 0:
            break
        assert "does not say that server" in out, f"{out}\n{error}"
    return dict(json.loads(out))


def test_what_cannot_be_is_refused_before_anything_happens(site: traps.Site, tmp_path: Path) -> None:
    move = decided_by(site, tmp_path / "refused", "WRONG")
    move.plan(code=1)
    assert (move.work / "decisions.json").exists(), move.errors
    assert missing(move, "REFUSED") == {}
    process = move.start("prepare", str(move.work))
    assert "findings of severity error" in process.communicate(timeout=300)[1] and process.returncode == 2


def test_a_project_of_traps(site: traps.Site, clouds: dict[str, Rest], tmp_path: Path) -> None:
    before = snapshots(clouds)
    with moving(decided_by(site, tmp_path / "move", "MAP")) as move:
        move.plan()
        assert missing(move, "TOLD") == {}
        assert not move.phase("prepare")["failed"]
        move.ahead()
        assert not move.phase("cutover")["failed"]
        assert move.unexplained() == []
        after = snapshot(clouds["new"])
        servers.check(site, before["old"], after)
        network.check(site, after)
        wrong = project(before["old"], after, site.project)
        explained = [area.explained for area in AREAS]
        all_told([found for found in wrong if not told(found) and not any(why(found) for why in explained)])
        state = rolled_back(move)
        assert state["state"] == "done" and not state["failed"]
        assert leftovers(clouds["new"], before["new"]) == {}
        differs = same(before["old"], snapshot(clouds["old"]))
        assert {what: fields for what, fields in differs.items() if not network.anew(what, fields)} == {}
