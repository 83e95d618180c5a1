"""`naru move leave` on real clouds: a server that is left in every phase, taken back, and rolled back with the rest;
then the case that it is for: a volume that the new Cinder refuses stays behind by one command, and all else is moved
for good."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.plan import schema
from naru.plan.journal import Journal

from ..lab.scenario import Rest
from .conftest import remove_crossing, snapshots
from .oracle import Mismatch, leftovers, project, snapshot
from .scenario import Move, all_told, crossing_of, moving, of_others, same, told

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]


@pytest.fixture
def move(pair: Lab, crossing: Cloud, tmp_path: Path) -> Iterator[Move]:
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made:
        yield made


def servers(rest: Rest) -> dict[str, str]:
    """The status of the project's servers, by name; other projects have servers with these names."""
    mine = {one["id"] for one in rest("identity", "GET", "/projects?name=crossing")["projects"]}
    found = rest("compute", "GET", "/servers/detail?all_tenants=1")["servers"]
    return {one["name"]: one["status"] for one in found if one["tenant_id"] in mine}


def leave(move: Move, thing: str, *more: str, code: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    """What the command said became of what, by kind and name."""
    rows = json.loads(move.run("leave", str(move.work), thing, *more, "-f", "json", code=code))
    return {(row["kind"], row["name"]): row for row in rows}


def test_a_server_is_left_in_every_phase_and_taken_back(
    pair: Lab, crossing: Cloud, move: Move, clouds: dict[str, Rest]
) -> None:
    before = snapshots(clouds)
    ours = set(servers(clouds["new"]))
    move.plan()
    move.phase("prepare")
    # what was made of it goes, and nothing else
    assert set(servers(clouds["new"])) - ours == {"web", "db"}
    seen = leave(move, "server/web", "--reason", "its owner says so", "--dry-run")
    assert set(servers(clouds["new"])) - ours == {"web", "db"}
    left = leave(move, "server/web", "--reason", "its owner says so")
    assert left == seen and {kind for kind, _ in left} == {"server", "port", "floating IP"}
    assert {row["on the new cloud"] for row in left.values()} == {"is undone"}
    assert set(servers(clouds["new"])) - ours == {"db"}
    ports = clouds["new"]("network", "GET", "/v2.0/ports?name=web")["ports"]
    assert not [one for one in ports if one["fixed_ips"][0]["ip_address"].startswith("10.77.0.")]
    # taken back, it is made again
    leave(move, "server/web", "--undo")
    state = move.phase("prepare")
    assert state["state"] == "held" and not state["failed"]
    assert set(servers(clouds["new"])) - ours == {"web", "db"}
    move.phase("cutover")
    assert servers(clouds["old"])["web"] == "SHUTOFF" and servers(clouds["new"])["web"] == "ACTIVE"
    assert move.unexplained() == []
    # left after the window: the old one runs again, at its own addresses. Its floating IP has no gateway to go back to
    process = move.start("leave", str(move.work), "server/web", "--reason", "it does not work there")
    _, told = process.communicate(timeout=1200)
    assert process.returncode == 1 and "is not reachable from subnet" in told, told
    assert servers(clouds["old"]) == {"web": "ACTIVE", "db": "SHUTOFF"}
    assert set(servers(clouds["new"])) - ours == {"db"}
    rows = json.loads(move.run("verify", str(move.work), "-f", "json"))
    assert {(row["kind"], row["why"]) for row in rows} == {
        ("server", "left: it does not work there"),
        ("port", "left with server web: it does not work there"),
        ("floating IP", "left with server web: it does not work there"),
    }
    state = move.phase("rollback")
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}


def refused_by_cinder(move: Move, name: str) -> str:
    """The volume gets a metadata key that no Cinder takes; the step that makes it."""
    decisions = json.loads((move.work / "decisions.json").read_text())["decisions"]
    (step,) = [one["step"] for one in decisions if (one["kind"], one["name"]) == ("volume", name)]
    with Journal.open(move.work) as journal, journal.write() as connection:
        mine = schema.steps.c.id == step
        args = json.loads(connection.execute(select(schema.steps.c.args).where(mine)).scalar_one())
        args["body"]["metadata"]["k" * 300] = "too long"
        connection.execute(update(schema.steps).where(mine).values(args=json.dumps(args)))
    return str(step)


def test_a_volume_that_cinder_refuses_is_left_and_all_else_is_moved(
    pair: Lab, crossing: Cloud, move: Move, clouds: dict[str, Rest]
) -> None:
    before = snapshots(clouds)
    old_id, _ = crossing_of(before["old"])
    move.plan()
    step = refused_by_cinder(move, "data")
    process = move.start("prepare", str(move.work), "-f", "json")
    out, _ = process.communicate(timeout=1200)
    assert process.returncode == 1
    (failed,) = json.loads(out)["failed"]
    # what it is about, the service's own words, and what can be done
    assert failed["id"] == step and failed["title"] == "create volume data of 1 GiB, empty"
    assert "400" in failed["summary"] and "metadata" in failed["detail"].lower(), failed
    (offer,) = [line for line in failed["hint"].splitlines() if "naru move leave" in line]
    words = shlex.split(offer.partition("naru move ")[2].replace("REASON", "'the new Cinder refuses it'"))
    assert words[:3] == ["leave", str(move.work), "volume/data"]
    out = move.run(*words, "-f", "json")
    left = {(row["kind"], row["name"]) for row in json.loads(out)}
    # the server that has it stays with it: it is never booted without its disk
    assert {("volume", "data"), ("server", "db"), ("volume", "root"), ("port", "db")} <= left
    assert ("server", "web") not in left
    for phase, after in (("prepare", "held"), ("cutover", "held"), ("finalize", "done")):
        state = move.phase(phase)
        assert state["state"] == after and not state["failed"], state
        assert servers(clouds["old"])["db"] == "ACTIVE"
    rows = json.loads(move.run("verify", str(move.work), "-f", "json"))
    assert ("volume", "data", "left: the new Cinder refuses it") in {
        (row["kind"], row["name"], row["why"]) for row in rows
    }
    assert all("the new Cinder refuses it" in row["why"] for row in rows)
    move.run("report", str(move.work), "--language", "en", "-f", "json")
    text = "".join(file.read_text() for file in (move.work / "report").glob("*.md"))
    assert "left with volume data: the new Cinder refuses it" in text
    # what is not left is there as it was
    gone = {row["old id"] for row in json.loads(out)}

    def is_left(found: Mismatch) -> bool:
        """Whether it is of a thing that was left, or is a field that named one."""
        return any(identity in f"{found.old_id} {found.old}" for identity in gone)

    differing = list(project(before["old"], snapshot(clouds["new"]), old_id))
    all_told([found for found in differing if not told(found) and not of_others(found) and not is_left(found)])
    remove_crossing(pair)
    assert leftovers(clouds["new"], before["new"]) == {}
