"""What happens to the old cloud after a move was planned, and while its window is open: servers that are started,
things that are made, a round of copying ahead in another terminal."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest, wait
from .conftest import snapshots
from .oracle import leftovers, snapshot
from .scenario import Move, crossing_arrived, crossing_of, moving, same

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(2400)]


def finals(move: Move) -> list[Path]:
    return list(move.work.glob("volumes/*/final"))


def refreshed(move: Move, code: int) -> set[tuple[str, str, str, str]]:
    rows = json.loads(move.run("refresh", str(move.work), "-f", "json", code=code))
    return {(row["change"], row["kind"], row["name"], row["field"]) for row in rows}


def test_a_server_that_was_started_and_a_port_that_was_made_since(
    pair: Lab,
    crossing: Cloud,
    clouds: dict[str, Rest],
    tmp_path: Path,
    rewrite: Callable[[Cloud, dict[str, Any]], None],
) -> None:
    old = clouds["old"]
    project, volumes = crossing_of(snapshot(old))
    servers = old("compute", "GET", "/servers/detail?all_tenants=1")["servers"]
    (db,) = [item["id"] for item in servers if item["name"] == "db" and item["tenant_id"] == project]
    (web,) = [item["id"] for item in servers if item["name"] == "web" and item["tenant_id"] == project]
    old("compute", "POST", f"/servers/{db}/action", {"os-stop": None})
    old.wait_server(db, "SHUTOFF")
    empty = snapshot(clouds["new"])
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as move:
        move.plan()
        assert refreshed(move, 0) == set()
        move.phase("prepare")
        move.ahead()
        assert refreshed(move, 0) == set()
        # its users go on: one server is started and writes, one is stopped
        old("compute", "POST", f"/servers/{db}/action", {"os-start": None})
        old("compute", "POST", f"/servers/{web}/action", {"os-stop": None})
        old.wait_server(db, "ACTIVE")
        old.wait_server(web, "SHUTOFF")
        for item in volumes:
            rewrite(crossing, item)
        running = {("changed", "server", "db", "status"), ("changed", "server", "web", "status")}
        assert refreshed(move, 1) == running
        (network,) = [
            item["id"]
            for item in old("network", "GET", f"/v2.0/networks?tenant_id={project}")["networks"]
            if item["name"] == "front"
        ]
        body = {"port": {"name": "late", "network_id": network, "tenant_id": project}}
        late = old("network", "POST", "/v2.0/ports", body)["port"]["id"]
        assert refreshed(move, 1) == running | {("new", "port", "late", "")}
        for phase in ("prepare", "sync", "cutover"):
            process = move.start(phase, str(move.work))
            _, error = process.communicate(timeout=300)
            assert process.returncode == 2 and "port late: made since" in error and "--as-planned" in error
        old.wait_server(db, "ACTIVE")  # no window began
        old("network", "DELETE", f"/v2.0/ports/{late}")
        before = snapshots(clouds)
        state = move.phase("cutover", kills=2, longest=15.0)
        assert state["state"] == "held" and not state["failed"], state
        crossing_arrived(pair, before["old"], snapshot(clouds["new"]))
        assert move.unexplained() == []
        counts = json.loads(move.run("verify", str(move.work), "--counts", "-f", "json"))
        assert next(row for row in counts if row["kind"] == "server")["differs"] == 0
        old.wait_server(db, "SHUTOFF")
        arrived = clouds["new"]("compute", "GET", "/servers/detail?all_tenants=1")["servers"]
        states = {item["name"]: item["status"] for item in arrived if item["name"] in ("db", "web")}
        assert states == {"db": "ACTIVE", "web": "SHUTOFF"}
        rows = json.loads(move.run("downtime", str(move.work), "-f", "json"))
        assert {row["server"]: row["measured"] is not None for row in rows} == {"db": True, "web": False}
        state = move.phase("rollback", kills=1)
        assert state["state"] == "done" and not state["failed"]
        assert same(before["old"], snapshot(old)) == {}
        assert leftovers(clouds["new"], empty) == {}
    old("compute", "POST", f"/servers/{web}/action", {"os-start": None})
    old.wait_server(web, "ACTIVE")


def test_a_round_of_copying_ahead_gives_way_to_the_window(
    pair: Lab, crossing: Cloud, clouds: dict[str, Rest], tmp_path: Path
) -> None:
    before = snapshots(clouds)
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as move:
        move.plan()
        move.phase("prepare")
        move.run("rate", str(move.work), "20K")
        ahead = move.start("sync", str(move.work), "-f", "json")
        wait("copying", lambda: list(move.work.glob("volumes/*/state.json")))
        time.sleep(3.0)
        assert ahead.poll() is None
        window = move.start("cutover", str(move.work), "-f", "json")
        wait("the window's content", lambda: len(finals(move)) == 2)
        window.kill()
        window.communicate()
        out, error = ahead.communicate(timeout=300)
        assert ahead.returncode == 0, error
        assert {row["way"] for row in json.loads(out)} == {"gave way"}, out
        move.run("rate", str(move.work), "none")
        state = move.phase("cutover")
        assert state["state"] == "held" and not state["failed"], state
        crossing_arrived(pair, before["old"], snapshot(clouds["new"]))
        assert move.unexplained() == []
        state = move.phase("rollback")
        assert state["state"] == "done" and not state["failed"]
        assert leftovers(clouds["new"], before["new"]) == {}
        assert same(before["old"], snapshot(clouds["old"])) == {}
