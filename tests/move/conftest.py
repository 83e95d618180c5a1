"""Reports that several tests read, and a small project that several tests move."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content, remove, seeder
from naru.lab.seed.load import load
from naru.move import freshness, reading
from naru.move.pages import write
from tests.move import outcomes

from ..lab.scenario import Rest, connect, ignore
from .oracle import snapshot
from .oracle.read import Cloud as Read
from .scenario import Move, moving

CROSSING = str(Path(__file__).with_name("crossing.yaml"))


@pytest.fixture(scope="module")
def all_right() -> Iterator[None]:
    """For moves of which there are no clouds: verification finds everything as it should be, and nothing has changed
    since they were planned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "outcome", lambda *_: SimpleNamespace(items=()))
        patch.setattr(freshness, "look", lambda *_: [])
        yield


@pytest.fixture(scope="session")
def clouds(pair: Lab) -> dict[str, Rest]:
    return {name: Rest(connect(pair, name)) for name in ("old", "new")}


def snapshots(clouds: dict[str, Rest]) -> dict[str, Read]:
    """Both clouds as they are now, to the oracle."""
    return {name: snapshot(rest) for name, rest in clouds.items()}


@pytest.fixture(scope="module")
def before(clouds: dict[str, Rest], company: Cloud) -> dict[str, Read]:
    """Both clouds with the company, as a test of its move finds and leaves them."""
    return snapshots(clouds)


@pytest.fixture
def move(pair: Lab, tmp_path: Path, before: dict[str, Read]) -> Iterator[Move]:
    """Of the company, rolled back at the end."""
    with moving(Move(pair, tmp_path / "work")) as made:
        yield made


@pytest.fixture(scope="package")
def crossed(pair: Lab) -> Iterator[None]:
    """After the last test of moves the project that several of them move is gone, from both clouds."""
    yield
    remove_crossing(pair)


def remove_crossing(pair: Lab) -> None:
    for name in ("old", "new"):
        remove.remove(load(CROSSING), pair.cloud(name), ignore)


@pytest.fixture(scope="module")
def crossing(pair: Lab, crossed: None) -> Cloud:
    """`old` with the project of that name: what the module before left of it is completed."""
    seeder.seed(load(CROSSING), pair.cloud("old"), ignore)
    return pair.cloud("old")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(outcomes.company(), tmp_path_factory.mktemp("company") / "report").parent


@pytest.fixture(scope="session")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(outcomes.nasty(), tmp_path_factory.mktemp("nasty") / "report").parent


def peek(cloud: Cloud, volume: dict[str, Any], offset: int, length: int, scratch: Path) -> content.Piece:
    """What is there now."""
    name = f"volume-{volume['os-vol-mig-status-attr:name_id'] or volume['id']}"
    where = f"rbd:volumes/{name}:conf={cloud.ceph.conf('cinder')}:id=cinder"
    if content.backend(volume) == "nfs":
        info = cloud.nfs_export / f"{name}.info"
        where = str(cloud.nfs_export / (json.loads(info.read_text())["active"] if info.exists() else name))
    kind = content.run("qemu-img", "info", "-U", "--output", "json", where)
    # qemu-img counts from the beginning, not from what it skips
    count = ["bs=512", f"skip={offset // 512}", f"count={(offset + length) // 512}", f"if={where}"]
    content.run("qemu-img", "dd", "-U", "-f", json.loads(kind)["format"], "-O", "raw", *count, f"of={scratch}")
    data = scratch.read_bytes()
    assert len(data) == length
    return content.Piece(offset, data)


@pytest.fixture
def rewrite(tmp_path: Path) -> Iterator[Callable[[Cloud, dict[str, Any]], None]]:
    """Changes a volume's content as its user would; afterwards it is what it was."""
    saved: list[tuple[Cloud, dict[str, Any], list[content.Piece]]] = []

    def write(cloud: Cloud, volume: dict[str, Any]) -> None:
        places = [(0, 4096), ((volume["size"] << 29) - 4096, 65536)]
        saved.append((cloud, volume, [peek(cloud, volume, *place, tmp_path / "piece") for place in places]))
        new = [content.Piece(offset, content.generate(f"{volume['id']} {offset}", length)) for offset, length in places]
        content.write(cloud, volume, new)

    yield write
    for cloud, volume, pieces in saved:
        content.write(cloud, volume, pieces)
