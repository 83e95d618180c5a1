"""Storages that fail under a copy: a share or a pool that is full, a file that is taken away, a server that ends.

What is tried here ends in one message that names the volume and says what to do, and the same command then goes on; or
it goes on by itself. The end is compared by qemu-img or cmp. Ceph's daemons are in test_outages.py.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naru.volumes.engine.copy import copy
from naru.volumes.engine.verify import verify
from naru.volumes.files.location import File
from naru.volumes.open import open_volume
from naru.volumes.volume import VolumeError

from ..outages import until
from .conftest import MIB, Writer, file, identical
from .test_kill import NARU, start

pytestmark = pytest.mark.unit

SIZE = 20 * MIB


def one_message(said: str) -> str:
    """What was said, if it is one message for a person."""
    assert said.count("naru: ") == 1 and "Traceback" not in said, said
    return said


def full_source(directory: Path) -> File:
    path = directory / "source"
    path.write_bytes(os.urandom(SIZE))
    return File(str(path))


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_file_system_that_is_full(tmp_path: Path, kind: str) -> None:
    """In a mount namespace of its own, whose small tmpfs goes with it."""
    if os.geteuid():
        pytest.skip("needs root, to mount")
    source, mount = full_source(tmp_path), tmp_path / "small"
    mount.mkdir()
    target = File(f"{mount}/target", kind)
    script = f"""
mount -t tmpfs -o size=12m small {mount} && qemu-img create -q -f {kind} {target.path} {SIZE} || exit 99
{NARU} volume copy {source} {target} --work {tmp_path}; echo "exit $?"
mount -o remount,size=64m {mount}
{NARU} volume copy {source} {target} --work {tmp_path} -f json; echo "exit $?"
qemu-img compare -f raw -F {kind} {source.path} {target.path}
"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    said = one_message(done.stderr)
    assert str(target) in said and "No space left on device" in said and "make space" in said
    assert [line for line in done.stdout.splitlines() if line.startswith(("exit", "Images"))] == [
        *("exit 1", "exit 0", "Images are identical.")
    ]
    assert '"resumed": true' in done.stdout


def test_a_work_directory_that_is_full(tmp_path: Path) -> None:
    """Its manifest must not be believed where it could not be written: what is missing there would count as zeroes."""
    if os.geteuid():
        pytest.skip("needs root, to mount")
    source, work = full_source(tmp_path), tmp_path / "work"
    work.mkdir()
    target = file(tmp_path, SIZE)
    # one window's records of this volume are 6 KiB
    script = f"""
mount -t tmpfs -o size=24k small {work} && head -c 16k /dev/zero > {work}/other || exit 99
{NARU} volume copy {source} {target} --work {work}; echo "exit $?"
rm {work}/other
mount -o remount,size=64m {work}
{NARU} volume copy {source} {target} --work {work}; echo "exit $?"
cmp {source.path} {target.path} && echo same
head -c {SIZE} /dev/zero > {source.path}
{NARU} volume copy {source} {target} --work {work}; echo "exit $?"
cmp {source.path} {target.path} && echo same
"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    said = one_message(done.stderr)
    assert str(work) in said and "No space left on device" in said and "make space" in said
    assert [line for line in done.stdout.splitlines() if line.startswith(("exit", "same"))] == [
        *("exit 1", "exit 0", "same", "exit 0", "same")
    ]


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
@pytest.mark.parametrize("which", ["source", "target"])
def test_a_file_that_is_taken_away(tmp_path: Path, kind: str, which: str) -> None:
    """What is written into a file that has no name any more is lost, however well it went."""
    source, target = file(tmp_path, SIZE, kind), file(tmp_path, SIZE, kind)
    Writer(source, SIZE).change(60)
    gone = Path((source if which == "source" else target).path)
    process = start(source, target, tmp_path, "--rate", "12M")
    until(lambda: list(tmp_path.glob("volumes/*/state.json")))
    gone.rename(tmp_path / "elsewhere")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1 and str(gone) in one_message(said)
    assert "cannot be found any more" in said and "its share mounted" in said
    file(tmp_path, SIZE, kind)  # another one, which may well get the first one's number
    Path(source.path).exists() or (tmp_path / "elsewhere").rename(source.path)
    if which == "target":
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, target.path, str(SIZE)], check=True)
    done = copy(source, target, next(tmp_path.glob("volumes/*")))
    assert done.number == 1 and identical(source, target)


def test_a_file_that_is_replaced(tmp_path: Path) -> None:
    source, target = file(tmp_path, SIZE), file(tmp_path, SIZE)
    Writer(source, SIZE).change(20)
    copy(source, target, tmp_path / "state")
    with open_volume(target, write=True) as opened:
        other = file(tmp_path, SIZE)
        Path(other.path).replace(target.path)
        with pytest.raises(VolumeError, match="another file"):
            opened.confirm()
    assert not verify(source, target).equal
    assert copy(source, target, tmp_path / "state").written
    assert identical(source, target)


def test_a_file_that_has_the_number_of_one_that_was_removed(tmp_path: Path) -> None:
    """Else the manifest of the one would be believed of the other."""
    first = file(tmp_path, SIZE)
    with open_volume(first) as opened:
        before = opened.identity()
    number = Path(first.path).stat().st_ino
    Path(first.path).unlink()
    os.sync()
    for count in range(20_000):
        path = tmp_path / f"again-{count}"
        path.touch()
        if path.stat().st_ino == number:
            break
    else:
        pytest.skip("this file system did not give a number again")
    with open_volume(File(str(path))) as opened:
        assert opened.identity() != before


def test_a_source_that_is_made_shorter(tmp_path: Path) -> None:
    source, target = full_source(tmp_path), file(tmp_path, SIZE)
    process = start(source, target, tmp_path, "--rate", "4M")
    # not before it has read how long it is: what is announced to be written is in the state after that
    until(lambda: any('"limit": 2' in path.read_text() for path in tmp_path.glob("volumes/*/state.json")))
    os.truncate(source.path, SIZE // 2)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert str(source) in one_message(said) and "made shorter" in said
    copy(source, target, next(tmp_path.glob("volumes/*")))
    assert identical(source, target)


def servers(location: File) -> list[int]:
    """The qemu-nbd processes of a qcow2 file."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended since
            if command.startswith(b"qemu-nbd") and location.path.encode() in command:
                found.append(int(process.name))
    return found


KILLED = """
import os, signal, sys, time
from naru.volumes.files import qcow2
from naru.volumes.open import open_volume
from naru.volumes.open import parse
others = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # as a process has in earnest
qcow2.NbdClient = lambda *_: (time.sleep(float(sys.argv[2])), os.kill(os.getpid(), signal.SIGKILL))
with open_volume(parse(sys.argv[1]), write=True):
    pass
"""


def test_a_server_of_a_qcow2_file_whose_client_was_killed_before_they_agreed(tmp_path: Path) -> None:
    """It would keep the file locked for ever, also for those who want to run a guest on it."""
    target = file(tmp_path, SIZE, "qcow2")
    for after in range(0, 50, 2):  # milliseconds: the server starts meanwhile
        arguments = [sys.executable, "-c", KILLED, str(target), str(after / 1000)]
        assert subprocess.run(arguments).returncode == -signal.SIGKILL
    time.sleep(1)  # they may be starting still
    until(lambda: not servers(target))
    Writer(target, SIZE).change(1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_of_a_qcow2_file_that_ends_or_hangs(tmp_path: Path, number: signal.Signals) -> None:
    source, target = full_source(tmp_path), file(tmp_path, SIZE, "qcow2")
    process = start(source, target, tmp_path, "--rate", "12M")
    until(lambda: list(tmp_path.glob("volumes/*/state.json")) and servers(target))
    (server,) = servers(target)
    os.kill(server, number)
    if number == signal.SIGSTOP:
        time.sleep(0.5)
        began = time.monotonic()
        process.terminate()
        time.sleep(0.5)
        process.terminate()
        _, said = process.communicate(timeout=10)
        assert process.returncode == 130 and time.monotonic() - began < 5
        os.kill(server, signal.SIGCONT)
    else:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 1 and str(target) in said and "the same command goes on" in said.lower()
    one_message(said)
    again = start(source, target, tmp_path)
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert identical(source, target)
