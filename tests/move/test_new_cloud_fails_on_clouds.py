"""A rollback while a service of the new cloud refuses, hangs or is gone: users have their old servers within a minute.

The old servers and addresses are looked at on the old cloud itself. When the service is back, the rollback is given
again and leaves nothing on either cloud.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest
from .conftest import snapshots
from .fault_proxy import Faults
from .oracle import leftovers, snapshot
from .oracle.read import Cloud as Read
from .scenario import NARU, SERVICES, Move, crossing_of, moving, same, through_proxies

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]

FAULTS = {"refuses": "503", "hangs": "silence", "is gone": "reset"}
MINUTE = 60.0


@pytest.fixture(scope="module")
def before(clouds: dict[str, Rest], crossing: Cloud) -> dict[str, Read]:
    return snapshots(clouds)


@pytest.fixture
def faults() -> Faults:
    return Faults(0.0, 0)


@pytest.fixture
def move(pair: Lab, before: dict[str, Read], faults: Faults, tmp_path: Path) -> Iterator[Move]:
    """Cut over, through proxies before the services of the new cloud."""
    with (
        moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made,
        through_proxies(made, ("new",), faults),
    ):
        made.plan()
        for phase in ("prepare", "cutover"):
            assert not made.phase(phase)["failed"]
        yield made
        faults.broken.clear()


def until_they_run(old: Rest, project: str) -> None:
    """Waits until every server of the project runs on the old cloud, or three minutes."""
    began = time.monotonic()
    while time.monotonic() - began < 3 * MINUTE:
        servers = old("compute", "GET", f"/servers/detail?all_tenants=1&project_id={project}")["servers"]
        if servers and all(server["status"] == "ACTIVE" for server in servers):
            return
        time.sleep(0.5)


def until_asked(process: subprocess.Popen[str]) -> str:
    """The line in which a rollback asks whether a server is off; "" when it ends without."""
    assert process.stderr
    return next((line for line in process.stderr if "--off" in line), "")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", SERVICES)
def test_the_old_servers_run_within_a_minute(
    pair: Lab,
    crossing: Cloud,
    move: Move,
    faults: Faults,
    clouds: dict[str, Rest],
    before: dict[str, Read],
    service: str,
    fault: str,
) -> None:
    project, _ = crossing_of(before["old"])
    faults.broken[pair.cloud("new").ports[service]] = FAULTS[fault]
    began = time.monotonic()
    process = move.start("rollback", str(move.work))
    others = []
    try:
        if service in ("nova", "keystone"):
            # the new cloud cannot say that the new servers are off: the operator is asked within the minute, and
            # answers in another terminal
            said = until_asked(process)
            asked = time.monotonic() - began
            assert said and asked < MINUTE, asked
            began = time.monotonic()
            others.append(move.start("rollback", str(move.work), "--off", "all"))
        until_they_run(clouds["old"], project)
        took = time.monotonic() - began
        print(json.dumps({"service": service, "fault": fault, "seconds": round(took, 1)}))
        servers = clouds["old"]("compute", "GET", f"/servers/detail?all_tenants=1&project_id={project}")["servers"]
        assert {server["status"] for server in servers} == {"ACTIVE"} and took < MINUTE
    finally:
        for one in (process, *others):
            one.kill()
            one.communicate()
    faults.broken.clear()
    state = json.loads(rolled_back(move))
    assert state["state"] == "done" and not state["failed"], state
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}


def rolled_back(move: Move) -> str:
    """The rollback given again, with what failed retried, as an operator does."""
    for _ in range(3):
        process = move.start("rollback", str(move.work), "-f", "json")
        out, _ = process.communicate(timeout=900)
        if not process.returncode:
            return out
        retry = [*NARU, "-q", "plan", "retry", "--failed", "--work", str(move.work)]
        subprocess.run(retry, check=True, capture_output=True, timeout=60)
    raise AssertionError(out)
