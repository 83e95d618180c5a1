"""What verifications leave: the records of every block at the point that was compared last, whatever was compared
before and wherever it was killed, and a chain that shows when."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.errors import InputError
from naru.move.steps.copying import copy_and_compare
from naru.volumes.blocks import BLOCK, RECORD, ZERO
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import Control
from naru.volumes.engine import proof as proofs
from naru.volumes.engine import verify as verifying
from naru.volumes.engine.checksum import check, checksum
from naru.volumes.engine.copy import copy
from naru.volumes.engine.state import opened
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import open_volume
from naru.volumes.volume import Location

from ..plan.test_cli import naru
from .conftest import MIB, Make, Writer, identical, spoil
from .memory import MemoryVolume
from .test_passes import CHANGES, SIZE, Killed, change, killed_after, one_pass

SOURCE, TARGET = File("/source"), File("/target")


def expected(content: bytes) -> list[bytes]:
    """The records of a content, made without the product."""
    blocks = [content[at : at + BLOCK].ljust(BLOCK, b"\0") for at in range(0, len(content), BLOCK)]
    return [blake3(block).digest(RECORD) if any(block) else ZERO for block in blocks]


def digest(records: list[bytes]) -> str:
    found = blake3()
    for number, record in enumerate(records):
        if record != ZERO:
            found.update(number.to_bytes(8, "little") + record)
    return found.hexdigest()


def kept(file: Path, blocks: int) -> list[bytes]:
    data = file.read_bytes().ljust(blocks * RECORD, b"\0")
    assert not any(data[blocks * RECORD :])
    return [data[at : at + RECORD] for at in range(0, blocks * RECORD, RECORD)]


@pytest.mark.unit
@settings(max_examples=25)
@given(
    rounds=st.lists(
        st.tuples(CHANGES, st.lists(st.integers(0, 5), max_size=2), st.sampled_from(["changed", "whole", "not"])),
        min_size=1,
        max_size=5,
    ),
    unlisted=st.sets(st.integers(0, 5), max_size=2),
    spoilt=st.lists(st.integers(0, SIZE // 4096 - 1), max_size=1),
)
def test_the_records_are_those_of_the_last_point(rounds: Any, unlisted: Any, spoilt: Any) -> None:
    """Whether all was compared or what changed, repaired or not, not at all in some rounds, and killed in between."""
    source, target = MemoryVolume(SIZE), MemoryVolume(SIZE)
    source.unlisted = unlisted

    @contextmanager
    def open_memory(location: Location, *, point: str = "", write: bool = False) -> Iterator[MemoryVolume]:
        found = source if location == SOURCE else target
        yield found.at(point) if point else found

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "open_volume", open_memory)
        patch.setattr(verifying, "tidy", lambda *_: None)
        # the state is that of the pair that one_pass names
        patch.setattr(verifying, "opened", lambda directory, *_: opened(directory, File("/a"), File("/a")))
        directory = Path(name)
        for seed, (changes, kills, how) in enumerate(rounds):
            change(source, changes, seed)
            one_pass(source, target, directory, [])
            if how == "not":
                continue
            for page in spoilt:
                target.content[page * 4096] ^= 1
            with opened(directory, File("/a"), File("/a")) as state:
                point, verified = state.at, state.verified
            before = proofs.read(directory)
            for count in kills:
                control = Control(check=killed_after(count))
                try:
                    checked(directory, point, how, control)
                except Killed:
                    with opened(directory, File("/a"), File("/a")) as state:
                        assert state.verified == verified
                    assert proofs.read(directory) == before
                    continue
                break
            found = checked(directory, point, how, Control())
            records = expected(bytes(source.content))
            assert found.equal and found.source_digest == found.target_digest == digest(records)
            assert kept(directory / f"records-{point}", len(records)) == records
            assert [file.name for file in directory.glob("records*")] == [f"records-{point}"]
            last = proofs.read(directory)[-1]
            assert (last.point, last.since, last.chain, last.size) == (point, found.since, found.chain, SIZE)
            assert last.source_digest == digest(records)


def checked(directory: Path, point: str, how: str, control: Control) -> verifying.Comparison:
    return verifying.verify(
        SOURCE, TARGET, point=point, changed=how == "changed", repair=True, directory=directory, control=control
    )


@pytest.mark.unit
def test_a_chain_that_was_tampered_with_is_none(tmp_path: Path) -> None:
    proof = proofs.Proof("2026-01-01T00:00:00+00:00", "a", "b", "", "", 10, 10, "d", "d", ((0, 5),))
    with opened(tmp_path, SOURCE, TARGET) as state:
        for _ in range(3):
            (tmp_path / "fresh").touch()
            proofs.keep(state, tmp_path / "fresh", proof)
    log = tmp_path / "proofs"
    written = log.read_text()
    assert len({found.chain for found in proofs.read(tmp_path)}) == 3
    assert log.stat().st_mode & 0o777 == 0o600
    log.write_text(written + '{"at": "20')  # killed while it wrote
    assert len(proofs.read(tmp_path)) == 3
    with opened(tmp_path, SOURCE, TARGET) as state:
        (tmp_path / "fresh").touch()
        proofs.keep(state, tmp_path / "fresh", proof)
    assert len(proofs.read(tmp_path)) == 4
    lines = written.splitlines(keepends=True)
    for wrong in (written.replace('"size": 10', '"size": 11', 1), "".join(lines[1:]), lines[0] + lines[2], "x\n"):
        log.write_text(wrong)
        with pytest.raises(InputError, match="is not what was written"):
            proofs.read(tmp_path)


@pytest.mark.unit
def test_a_volume_is_checked_against_what_was_kept_long_ago(volume: Make, tmp_path: Path) -> None:
    source, target, file = volume("raw", 24 * MIB), volume("qcow2", 24 * MIB + 512), tmp_path / "a.proof"
    Writer(source, 24 * MIB).change(20)
    copy(source, target, tmp_path / "state")
    found = verify(source, target, directory=tmp_path / "state", proof=file)
    assert file.stat().st_mode & 0o777 == 0o600
    Path(source.path).unlink()  # type: ignore[union-attr]
    file.chmod(0o400)
    told = json.loads(naru("volume", "check", target, file, "-f", "json").stdout)
    assert told["equal"] and told["digest"] == told["kept_digest"] == found.source_digest == checksum(target).digest
    spoil(target, 7 * MIB + 512)
    told = json.loads(naru("volume", "check", target, file, "-f", "json", code=1).stdout)
    assert told["different"] == [f"{7 * MIB}+{BLOCK}"] and told["digest"] == checksum(target).digest
    assert check(target, tmp_path / "state" / "records").different == check(target, file).different
    assert "holds no records" in naru("volume", "check", target, tmp_path / "none", code=2).stderr


@pytest.mark.ceph
@pytest.mark.parametrize("kind", ["rbd:old", "raw"])
def test_rounds_ahead_and_the_window_leave_the_records_of_the_end(volume: Make, tmp_path: Path, kind: str) -> None:
    size = 96 * MIB
    source, target = volume(kind, size), volume("rbd:new", size)
    writer, state = Writer(source, size), tmp_path / "state"
    for number in range(4):
        writer.change(30)
        ahead = number < 3
        done, found = copy_and_compare(source, target, state, job="m", ahead=ahead, whole=False, control=Control())
        assert bool(found.since) == (kind == "rbd:old" and number > 0)
        assert check(target, proofs.records(state, done.point)).equal
    assert identical(source, target)
    assert found.source_digest == checksum(source).digest == checksum(target).digest
    told = proofs.read(state)
    assert [proof.since for proof in told[1:]] == [proof.point for proof in told[:-1]]
    assert told[-1].chain == found.chain
    spoil(target, 50 * MIB)
    different = check(target, proofs.records(state, done.point)).different
    assert [extent.offset for extent in different] == [50 * MIB]


@pytest.mark.ceph
@pytest.mark.parametrize("kind", ["rbd:old", "raw"])
def test_a_pass_that_was_begun_ahead_is_not_the_last_one(volume: Make, tmp_path: Path, kind: str) -> None:
    """Killed while the old server ran; what that wrote until it was stopped has to arrive."""
    source, target = volume(kind, 96 * MIB), volume("rbd:new", 96 * MIB)
    writer, state = Writer(source, 96 * MIB), tmp_path / "state"
    writer.change(60)
    with pytest.raises(Killed):
        copy_and_compare(
            source,
            target,
            state,
            job="m",
            ahead=True,
            whole=False,
            control=Control(check=killed_after(40 if kind == "rbd:old" else 6)),
        )
    writer.change(60)
    copy_and_compare(source, target, state, job="m", ahead=False, whole=False, control=Control())
    assert identical(source, target)


@pytest.mark.ceph
@pytest.mark.parametrize("count", [1, 3, 6])
def test_killed_while_changes_are_compared(volume: Make, tmp_path: Path, count: int) -> None:
    source, target = volume("rbd:old", 96 * MIB), volume("rbd:new", 96 * MIB)
    writer, state = Writer(source, 96 * MIB), tmp_path / "state"
    assert isinstance(source, Rbd)
    for _ in range(2):
        writer.change(30)
        point = copy(source, target, state, job="m").point
        with pytest.raises(Killed):
            verify(
                *(source, target),
                point=point,
                changed=True,
                directory=state,
                control=Control(check=killed_after(count)),
            )
        point = copy(source, target, state).point
        found = verify(source, target, point=point, changed=True, repair=True, directory=state)
        assert found.equal and check(target, proofs.records(state, point)).equal
    assert found.since
    assert found.source_digest == checksum(source).digest
    with open_volume(source) as now:
        assert [item.name for item in now.points()] == [point]


@pytest.mark.ceph
@pytest.mark.parametrize("kind", ["rbd:old", "raw"])
def test_carried_back_and_moved_again(volume: Make, tmp_path: Path, kind: str) -> None:
    """What a rollback does with what was written since; the points of the first move are of no account to it."""
    size = 96 * MIB
    old, new, newer = volume(kind, size), volume("rbd:new", size), volume("rbd:new", size)
    Writer(old, size).change(40)
    copy_and_compare(old, new, tmp_path / "state", job="m", ahead=False, whole=False, control=Control())
    Writer(new, size, 2).change(40)
    back = verify(new, old, repair=True)
    assert back.repaired and identical(new, old)
    _, found = copy_and_compare(old, newer, tmp_path / "again", job="m2", ahead=False, whole=False, control=Control())
    assert not found.since and identical(new, newer)
    assert found.source_digest == back.source_digest
