"""A project moved while Ceph fails under both clouds, daemon after daemon, and its target is full at first; judged by
the oracle. The commands are given again until they are done, as an operator would."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content

from ..lab.scenario import Rest
from ..outages import weather, without_room
from .conftest import snapshots
from .oracle import leftovers, snapshot
from .oracle.read import Cloud as Read
from .scenario import Move, crossing_arrived, crossing_of, moving, same

pytestmark = [pytest.mark.lab, pytest.mark.ceph, pytest.mark.releases, pytest.mark.timeout(2400)]

MIB = 1 << 20
MOST = 12  # times that a command is given


@pytest.fixture(scope="module")
def before(clouds: dict[str, Rest], crossing: Cloud) -> dict[str, Read]:
    return snapshots(clouds)


@pytest.fixture
def move(pair: Lab, before: dict[str, Read], tmp_path: Path) -> Iterator[Move]:
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made:
        yield made


def until_done(move: Move, phase: str) -> tuple[Any, int]:
    """What a command answers that ended well, and how often it did not before. Each time it is told for people."""
    for failed in range(MOST):
        process = move.start(phase, str(move.work), "-f", "json")
        out, said = process.communicate(timeout=600)
        if not process.returncode:
            return json.loads(out), failed
        assert process.returncode == 1 and "Traceback" not in said, said
    raise AssertionError(said)


def test_daemons_fail_all_the_way(
    pair: Lab,
    crossing: Cloud,
    move: Move,
    clouds: dict[str, Rest],
    before: dict[str, Read],
    rewrite: Callable[[Cloud, dict[str, Any]], None],
) -> None:
    _, volumes = crossing_of(before["old"])
    (root,) = [item for item in volumes if content.backend(item) == "ceph"]
    ceph = [pair.cloud(name).ceph for name in ("old", "new")]
    content.write(crossing, root, [content.Piece(64 * MIB, content.generate("much", 48 * MIB))])
    move.plan()
    move.phase("prepare")

    with without_room(ceph[1]):
        process = move.start("sync", str(move.work))
        _, said = process.communicate(timeout=600)
        assert process.returncode == 1 and "Disk quota exceeded" in said and "Traceback" not in said, said
    move.run("rate", str(move.work), "2M")
    with weather(1, *ceph) as had:
        _, failed = until_done(move, "sync")
    print(json.dumps({"sync": dict(had), "failed": failed}))
    assert had.total() >= 3
    for item in volumes:
        rewrite(crossing, item)
    with weather(2, *ceph) as had:
        state, failed = until_done(move, "cutover")
        assert state["state"] == "held" and not state["failed"], state
    print(json.dumps({"cutover": dict(had), "failed": failed}))
    assert had.total() >= 3

    assert move.unexplained() == []
    crossing_arrived(pair, before["old"], snapshot(clouds["new"]))

    with weather(3, *ceph) as had:
        state, failed = until_done(move, "rollback")
    print(json.dumps({"rollback": dict(had), "failed": failed}))
    assert state["state"] == "done" and not state["failed"]
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
