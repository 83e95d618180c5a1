"""A project moved whose volumes' content is carried by workers that know the storages and no cloud, one of them killed
inside a volume; judged by the oracle."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content

from ..lab.scenario import Rest
from ..outages import until
from ..plan.conftest import database, postgresql  # noqa: F401
from .conftest import snapshots
from .oracle import leftovers, snapshot
from .oracle.read import Cloud as Read
from .scenario import Move, at_workers, crossing_arrived, crossing_of, moving, same, worker

pytestmark = [
    pytest.mark.lab,
    pytest.mark.postgresql,
    pytest.mark.kill,
    pytest.mark.releases,
    pytest.mark.timeout(1800),
]

MIB = 1 << 20
PLACE = "storage@old"


@contextlib.contextmanager
def at_work(where: object, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    argv, env = worker(PLACE, where, home)
    with (home / "worker.err").open("ab") as said:
        process = subprocess.Popen(argv, env=env, cwd=home, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def before(clouds: dict[str, Rest], crossing: Cloud) -> dict[str, Read]:
    return snapshots(clouds)


@pytest.fixture
def move(pair: Lab, before: dict[str, Read], database: str, tmp_path: Path) -> Iterator[Move]:  # noqa: F811
    made = Move(pair, tmp_path / "work", ("crossing",), map_file=None)
    said = yaml.safe_load(made.storages["old"].read_text())
    for backend in said["backends"].values():
        backend["place"] = PLACE
    made.storages["old"] = tmp_path / "storage-old.yaml"
    made.storages["old"].write_text(yaml.safe_dump(said))
    try:
        yield made
    finally:
        with at_work(database, tmp_path), moving(made):
            pass


def test_content_is_carried_beside_the_storage(
    pair: Lab,
    crossing: Cloud,
    move: Move,
    clouds: dict[str, Rest],
    before: dict[str, Read],
    rewrite: Callable[[Cloud, dict[str, Any]], None],
    database: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    _, volumes = crossing_of(before["old"])
    (root,) = [item for item in volumes if content.backend(item) == "ceph"]
    state = move.work / "volumes" / root["id"] / "state.json"
    content.write(crossing, root, [content.Piece(64 * MIB, content.generate("much", 128 * MIB))])
    move.plan("--journal", database)
    with at_work(database, tmp_path):
        move.phase("prepare")
        move.run("rate", str(move.work), "8M")
    with at_work(database, tmp_path) as first:
        round_ = move.start("sync", str(move.work), "-f", "json")
        until(lambda: state.exists() and (json.loads(state.read_text())["running"] or {}).get("position", 0) > 0, 120)
        first.kill()
        first.wait()
        assert round_.poll() is None
        move.run("rate", str(move.work), "none")
        with at_work(database, tmp_path):
            _, said = round_.communicate(timeout=300)
            assert round_.returncode == 0, said
            for item in volumes:
                rewrite(crossing, item)
            began = time.monotonic()
            done = move.phase("cutover")
            print(f"cut over in {time.monotonic() - began:.0f} s")
            assert done["state"] == "held" and not done["failed"], done
            contents = {f"content volume/{item['id']}" for item in volumes}
            assert at_workers(move.work) >= contents and at_workers(move.work / "sync" / "1") == contents

            assert move.unexplained() == []
            crossing_arrived(pair, before["old"], snapshot(clouds["new"]))

            done = move.phase("rollback")
            assert done["state"] == "done" and not done["failed"]
            assert leftovers(clouds["new"], before["new"]) == {}
            assert same(before["old"], snapshot(clouds["old"])) == {}
