"""A storage backend that nothing in the product knows: all of the engine works with it, once it is in the list. What
docs/how-to/add-a-storage-backend.md says was tried with it."""

import random
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.errors import InputError
from naru.volumes import open as opening
from naru.volumes.blocks import Buffer
from naru.volumes.control import Control, no_tick
from naru.volumes.engine.checksum import checksum
from naru.volumes.engine.clone import Flattened, Method, clone, flatten, method, undo
from naru.volumes.engine.copy import copy
from naru.volumes.engine.points import clean
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import backend_of, open_volume, parse
from naru.volumes.volume import CHUNK, Location

from .chunks import Chunks, ChunksBackend, ChunksDriver, make
from .conftest import file
from .test_passes import Killed, killed_after

pytestmark = pytest.mark.unit

SIZE = 6 * CHUNK + 512


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BACKENDS", (*opening.BACKENDS, ChunksBackend()))


def change(location: Location, seed: int, count: int = 4) -> None:
    """Writes some random pieces, and zeroes."""
    rng, buffer = random.Random(seed), Buffer(CHUNK)
    with open_volume(location, write=True) as volume:
        for _ in range(count):
            length = rng.randrange(512, CHUNK, 512)
            offset = rng.randrange(0, SIZE, CHUNK)
            length = min(length, SIZE - offset)
            if rng.random() < 0.25:
                volume.zero(offset, length).wait(no_tick)
                continue
            buffer.view[:length] = rng.randbytes(length)
            volume.write(buffer, 0, offset, length).wait(no_tick)
        volume.flush()


@pytest.mark.parametrize("side", ["source", "target", "both"])
def test_copied_by_differences_and_killed(tmp_path: Path, side: str) -> None:
    source: Location = make(tmp_path / "a", SIZE) if side != "target" else file(tmp_path, SIZE)
    target: Location = make(tmp_path / "b", SIZE + CHUNK) if side != "source" else file(tmp_path, SIZE + CHUNK)
    history = backend_of(source).keeps_history
    for seed in range(4):
        change(source, seed)
        if seed % 2:
            with pytest.raises(Killed):
                copy(source, target, tmp_path / "state", job="m", control=Control(check=killed_after(seed)))
        done = copy(source, target, tmp_path / "state", job="m")
        assert done.resumed == bool(seed % 2) and bool(done.since) == (history and seed > 0)
        found = verify(source, target, point=done.point, changed=True, directory=tmp_path / "state")
        assert found.equal and bool(found.since) == (history and seed > 0)
        assert checksum(source).digest == checksum(target).digest == found.source_digest
    assert clean(source) == (["m-4"] if history else [])


def test_cloned_undone_flattened(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a", SIZE), make(tmp_path / "b", SIZE)
    change(source, 1)
    change(target, 2)
    was, digest = checksum(target).digest, checksum(source).digest
    assert method(source, target) == Method("clone")
    for _ in range(2):
        assert clone(source, target, "m").shared == SIZE and checksum(target).digest == digest
    change(target, 3)
    assert checksum(source).digest == digest
    for _ in range(2):
        undo(source, target, "m")
        assert checksum(target).digest == was
    clone(source, target, "m")
    assert flatten(source, target, "m") == Flattened(True)
    assert flatten(source, target, "m") == Flattened()
    undo(source, target, "m")
    assert checksum(target).digest == digest


def test_on_two_storages_it_is_copied(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a", SIZE), file(tmp_path, SIZE)
    assert method(source, target) == method(target, source) == Method("copy")
    assert flatten(source, target, "m") == Flattened()
    with pytest.raises(InputError, match="cannot share"):
        clone(source, target, "m")


def test_its_locations_are_those_of_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = make(tmp_path / "a", SIZE)
    assert parse(str(where)) == where and parse("file:/a") == File("/a")
    assert main(["volume", "where", str(where), "-f", "json"]) == 0
    assert '"by differences"' in capsys.readouterr().out
    with pytest.raises(InputError) as raised:
        parse("lvm:a")
    assert "chunks:DIR" in raised.value.hint


def test_a_driver_of_cinder_for_it() -> None:
    described = ChunksDriver.model_validate({"kind": "chunks", "root": "/srv"})
    assert described.keeps_history and described.location("volume-1") == Chunks("/srv/volume-1")


def test_the_former_name_of_clone_does_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = [str(make(tmp_path / name, SIZE)) for name in "ab"]
    shown = {}
    for name in ("clone", "adopt"):
        assert main(["volume", name, *both, "--check", "-f", "json"]) == 0
        shown[name] = capsys.readouterr()
    assert shown["clone"].out == shown["adopt"].out and '"clone"' in shown["clone"].out
    assert not shown["clone"].err and "called volume clone now" in shown["adopt"].err
