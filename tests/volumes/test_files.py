"""Raw and qcow2 files with qemu's own tools as the oracle, and the commands as an operator runs them."""

import contextlib
import ctypes
import errno
import fcntl
import io
import json
import mmap
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.cli.main import main
from naru.errors import InputError
from naru.volumes.engine.checksum import checksum
from naru.volumes.engine.copy import copy
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import open_volume

from .conftest import MIB, Writer, file, identical, spoil

pytestmark = pytest.mark.unit

SIZE = 24 * MIB


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def naru(*arguments: object) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Answer(code, out.getvalue(), err.getvalue())


def overlay(base: File, name: str, *options: str) -> File:
    """A qcow2 file above `base`, as Cinder's snapshot of an attached volume makes one."""
    path = Path(base.path).with_name(name)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base.path, *(options or ("-F", base.format)), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return File(str(path), "qcow2")


@settings(max_examples=12)
@given(seed=st.integers(0, 1000), counts=st.lists(st.integers(0, 12), min_size=1, max_size=3), data=st.data())
def test_the_target_is_the_source_after_every_pass(seed: int, counts: list[int], data: Any) -> None:
    kinds = data.draw(st.tuples(*[st.sampled_from(["raw", "qcow2"])] * 2))
    with tempfile.TemporaryDirectory() as directory:
        source, target = (file(Path(directory), SIZE, kind) for kind in kinds)
        writer = Writer(source, SIZE, seed)
        for count in counts:
            if count:
                writer.change(count)
            done = copy(source, target, Path(directory) / "state")
            assert identical(source, target)
        assert done.written <= done.data
        again = copy(source, target, Path(directory) / "state")
        assert (again.written, again.zeroed) == (0, 0)


def test_a_chain_of_backing_files_is_flattened_on_the_way(tmp_path: Path) -> None:
    base = file(tmp_path, SIZE)
    Writer(base, SIZE, 1).change(20)
    middle = overlay(base, "middle")
    Writer(middle, SIZE, 2).change(20)
    top = overlay(middle, "top")
    Writer(top, SIZE, 3).change(20)
    for kind in ("raw", "qcow2"):
        target = file(tmp_path, SIZE, kind)
        copy(top, target, tmp_path / kind)
        assert identical(top, target)
        assert verify(top, target).equal


def test_a_chain_that_could_lead_anywhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    secret, target = file(tmp_path / "elsewhere", SIZE), file(tmp_path, SIZE)
    outside = tmp_path / "outside"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret.path, str(outside)], check=True
    )
    with pytest.raises(InputError, match="another directory"):
        copy(File(str(outside), "qcow2"), target, tmp_path / "state")
    top = overlay(file(tmp_path, SIZE), "top")
    header = Path(top.path).read_bytes()
    # the header extension that has the backing file's format: under another number it is none
    Path(top.path).write_bytes(header.replace(b"\xe2\x79\x2a\xca", b"\x12\x34\x56\x78", 1))
    with pytest.raises(InputError, match="does not say of which format"):
        copy(top, target, tmp_path / "state")


def test_a_guests_qcow2_header_in_a_raw_disk_is_only_bytes(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x" * 1000)
    trap = tmp_path / "trap"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(trap)], check=True)
    with trap.open("r+b") as opened:
        opened.truncate(SIZE)
    target = file(tmp_path, SIZE)
    copy(File(str(trap)), target, tmp_path / "state")
    assert Path(target.path).read_bytes() == trap.read_bytes()


def test_holes_stay_holes_and_garbage_goes(tmp_path: Path) -> None:
    source, target = file(tmp_path, SIZE), file(tmp_path, SIZE)
    Writer(source, SIZE).change(3, 64 << 10)
    Path(target.path).write_bytes(os.urandom(SIZE))
    copy(source, target, tmp_path / "state")
    assert identical(source, target)
    assert Path(target.path).stat().st_blocks * 512 <= 4 * (64 << 10) + 65536


def test_a_digest_depends_on_content_alone(tmp_path: Path) -> None:
    one, other, larger = file(tmp_path, SIZE), file(tmp_path, SIZE, "qcow2"), file(tmp_path, SIZE + 512)
    Writer(one, SIZE).change(20)
    for target in (other, larger):
        copy(one, target, tmp_path / target.format / str(len(target.path)))
    digests = {checksum(where).digest for where in (one, other, larger)}
    assert len(digests) == 1
    assert digests == {verify(one, larger).target_digest}
    spoil(other, 7 * MIB)
    assert checksum(other).digest not in digests


def test_what_is_not_there_or_too_small(tmp_path: Path) -> None:
    source, small = file(tmp_path, SIZE), file(tmp_path, SIZE - 512, "qcow2")
    with pytest.raises(InputError, match="too small"):
        copy(source, small, tmp_path / "state")
    with pytest.raises(InputError, match="fewer than"):
        verify(source, small)
    Writer(source, SIZE).change(5)
    copy(source, small, tmp_path / "state", grow=True)
    assert identical(source, small)
    for wrong in (File(str(tmp_path / "missing")), File(str(tmp_path / "missing"), "qcow2"), File(str(tmp_path))):
        with pytest.raises(InputError, match=r"cannot be opened|neither a file"), open_volume(wrong):
            pass
    with pytest.raises(InputError, match="qemu-img info"), open_volume(File(source.path, "qcow2")):
        pass
    with pytest.raises(InputError, match="no stable points"), open_volume(source, point="a"):
        pass


def test_the_commands(tmp_path: Path) -> None:
    source, target = file(tmp_path, SIZE), file(tmp_path, SIZE, "qcow2")
    Writer(source, SIZE).change(20)
    where = json.loads(naru("volume", "where", source, "-f", "json").out)
    assert where["location"] == str(source) and where["size"] == SIZE and where["points"] == []
    ranges = json.loads(naru("volume", "diff", source, "-f", "json").out)
    assert ranges and all(item["length"] > 0 and item["zero"] is False for item in ranges)
    done = json.loads(naru("volume", "copy", source, target, "--work", tmp_path, "-f", "json").out)
    assert done["number"] == 1 and done["read"] <= sum(item["length"] for item in ranges) + 65536 * 2 * len(ranges)
    same = naru("volume", "verify", source, target, "--work", tmp_path, "-f", "json")
    assert same.code == 0 and json.loads(same.out)["equal"] is True
    spoil(target, 5 * MIB)
    wrong = naru("volume", "verify", source, target, "--work", tmp_path, "-f", "json")
    assert wrong.code == 1 and json.loads(wrong.out)["different"]
    # a pass relies on what it wrote; the verification has told it that this is not there
    again = json.loads(naru("volume", "copy", source, target, "--work", tmp_path, "-f", "json").out)
    assert again["written"] + again["zeroed"] > 0 and identical(source, target)
    spoil(target, SIZE - 512)
    assert naru("volume", "verify", source, target, "--work", tmp_path, "--repair").code == 0
    assert identical(source, target)
    assert json.loads(naru("volume", "points", source, "-f", "json").out) == []
    assert json.loads(naru("volume", "clean", source, "-f", "json").out) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("where", "x:y"), "no location"),
        (("where", "1-2", "--cloud", "old"), "belong together"),
        (("points", "file:/nonexistent"), "cannot be opened"),
        (("copy", "file:/nonexistent", "file:/nonexistent-2", "--work", "{}"), "cannot be opened"),
    ],
)
def test_bad_input_is_told_without_a_traceback(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    answer = naru("volume", *(argument.format(tmp_path) for argument in arguments))
    assert answer.code == 2 and message in answer.err and "Traceback" not in answer.err


def test_files_have_no_points_and_say_so(tmp_path: Path) -> None:
    answer = naru("volume", "points", file(tmp_path, SIZE), "--make", "x")
    assert answer.code == 2 and "no stable points" in answer.err


def in_cache(path: str) -> int:
    """How many pages of the file the kernel has cached."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        pages = (ctypes.c_ubyte * -(-len(content) // mmap.PAGESIZE))()
        address = ctypes.c_char.from_buffer(content)
        assert not libc.mincore(ctypes.addressof(address), len(content), pages), ctypes.get_errno()
        del address
    return sum(page & 1 for page in pages)


def odd(directory: Path) -> File:
    """A file that ends within a page, with data up to its end and in the middle."""
    made = file(directory, SIZE)
    with Path(made.path).open("r+b") as content:
        for at, length in ((3 * MIB + 512, 8 * MIB), (SIZE - MIB, MIB + 777)):
            content.seek(at)
            content.write(os.urandom(length))
        os.fsync(content.fileno())
    return made


def beside(source: File) -> File:
    """An empty file of just its size: qemu-img would make it one of whole sectors."""
    target = Path(source.path).with_name("target")
    with target.open("wb") as file:
        file.truncate(Path(source.path).stat().st_size)
    return File(str(target))


def test_a_source_is_read_past_the_cache(tmp_path: Path) -> None:
    source = odd(tmp_path)
    target = beside(source)
    try:
        os.close(os.open(source.path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        pytest.skip("this file system reads through its cache alone")
    for number in range(2):
        assert copy(source, target, tmp_path / "state").number == number + 1
        # only the piece that ends within a page is read through it
        assert in_cache(source.path) * mmap.PAGESIZE <= 4 * MIB
    assert Path(target.path).read_bytes() == Path(source.path).read_bytes()


@pytest.mark.parametrize("refused", ["open", "read"])
def test_a_file_system_that_has_to_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    opened, preadv = os.open, os.preadv
    seen = []

    def refuse(flags: int) -> None:
        if flags & os.O_DIRECT:
            seen.append(flags)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def open_or_not(path: str, flags: int, *rest: int) -> int:
        refuse(flags)
        return opened(path, flags, *rest)

    def read_or_not(fd: int, *rest: Any) -> int:
        refuse(fcntl.fcntl(fd, fcntl.F_GETFL))
        return preadv(fd, *rest)

    if refused == "open":
        monkeypatch.setattr(os, "open", open_or_not)
    else:
        monkeypatch.setattr(os, "preadv", read_or_not)
    source = odd(tmp_path)
    target = beside(source)
    copy(source, target, tmp_path / "state")
    assert seen and verify(source, target).equal
    assert Path(target.path).read_bytes() == Path(source.path).read_bytes()


def test_what_a_guest_has_not_yet_on_the_disk_is_read(tmp_path: Path) -> None:
    source = odd(tmp_path)
    target = beside(source)
    with Path(source.path).open("r+b", buffering=0) as guest:
        for number in range(3):  # in the cache, and not synced
            content = os.urandom(MIB)
            os.pwrite(guest.fileno(), content, 8 * MIB + number * 4096)
            copy(source, target, tmp_path / "state")
            with Path(target.path).open("rb") as copied:
                assert os.pread(copied.fileno(), MIB, 8 * MIB + number * 4096) == content
