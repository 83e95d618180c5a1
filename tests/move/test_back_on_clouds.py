"""A project whose cut-over is held until it is released, in which users write afterwards, and that is moved back with
what they wrote; judged by the clouds and their storages."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content
from naru.volumes.engine import proof

from ..lab.scenario import Rest
from .conftest import peek, snapshots
from .oracle import leftovers, snapshot
from .oracle.pairs import pair as pairs_of
from .oracle.read import Cloud as Read
from .scenario import Move, crossing_of, moving, same

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def before(clouds: dict[str, Rest], crossing: Cloud) -> dict[str, Read]:
    return snapshots(clouds)


@pytest.fixture
def move(pair: Lab, before: dict[str, Read], tmp_path: Path) -> Iterator[Move]:
    with moving(Move(pair, tmp_path / "work", ("crossing",), map_file=None)) as made:
        yield made


def write(cloud: Cloud, volume: dict[str, Any], what: str) -> None:
    """As users do: at the beginning, at the end, and between."""
    size = volume["size"] << 30
    places = ((0, 4096), (size // 2 + 512, 70_144), (size - 4096, 4096))
    pieces = [content.Piece(at, content.generate(f"{what} {volume['id']} {at}", length)) for at, length in places]
    content.write(cloud, volume, pieces)


def test_held_cut_over_and_carried_back(
    pair: Lab, crossing: Cloud, move: Move, clouds: dict[str, Rest], before: dict[str, Read]
) -> None:
    _, volumes = crossing_of(before["old"])
    booted = {item["id"] for item in volumes if str(item.get("bootable")).lower() == "true"}
    move.plan()
    move.phase("prepare")

    held = move.start("cutover", str(move.work), "--hold", "--every", "2s", "-f", "json")
    for number in range(2, 5):
        while not (move.work / "sync" / str(number)).exists():
            assert held.poll() is None, held.communicate()
            time.sleep(0.2)
        for item in volumes:
            write(crossing, item, f"round {number}")
    assert same(before["old"], snapshot(clouds["old"])) == {}
    assert held.poll() is None, held.communicate()
    move.run("release", str(move.work))
    out, error = held.communicate(timeout=600)
    assert held.returncode == 0 and json.loads(out)["state"] == "held", error
    assert move.unexplained() == []

    after = snapshot(clouds["new"])
    pairs = pairs_of(before["old"], after)["volume"]
    new = {item["id"]: after["volume"][pairs[item["id"]]] for item in volumes}
    for item in volumes:
        arrived = content.digest(pair.cloud("new"), new[item["id"]])
        # its guest has been booted meanwhile, and may have written to it
        if item["id"] not in booted:
            assert arrived == content.digest(crossing, item), item["name"]
        check_proofs(move, item["id"], new[item["id"]]["id"])

    for item in new.values():
        write(pair.cloud("new"), item, "since")
    expected = {old: content.digest(pair.cloud("new"), item) for old, item in new.items()}
    state = move.phase("rollback", "--carry-back", kills=4)
    assert state["state"] == "done" and not state["failed"], state
    assert leftovers(clouds["new"], before["new"]) == {}
    assert same(before["old"], snapshot(clouds["old"])) == {}
    for item in volumes:
        if item["id"] not in booted:
            assert content.digest(crossing, item) == expected[item["id"]], item["name"]
        # whatever a guest has done to its root since: the end of it is what was written there
        end = (item["size"] << 30) - 4096
        piece = peek(crossing, item, end, 4096, move.work.parent / "piece")
        assert piece.data == content.generate(f"since {new[item['id']]['id']} {end}", 4096), item["name"]


def check_proofs(move: Move, old: str, new: str) -> None:
    """What is kept of the comparisons is whole, and the archive has it under both ids."""
    argv = [sys.executable, "-m", "naru.cli.main", "archive", "show", old, "--kind", "volume", "--work", str(move.work)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120)
    [told] = [item["content"] for item in json.loads(done.stdout) if "content" in item]
    assert [item["target"] for item in told] == [new]
    proofs = [proof.load(item) for item in told[0]["proofs"]]
    assert proofs == proof.read(move.work / "volumes" / old) and len(proofs) >= 3
    assert proofs[-1].source_digest == proofs[-1].target_digest
