"""Files are followed through rotation, and whatever kills the watch, each record is counted once."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.watch import follow
from naru.watch.follow import Follower
from naru.watch.formats import KNOWN
from naru.watch.match import Matcher
from naru.watch.place import Here
from naru.watch.store import Store
from naru.watch.times import Clock

from ..processes import started
from .lines import FRAMES, line, traceback


class Log:
    """A file of records that are numbered, each with a traceback, and what was read of it."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "log" / "nova-compute.log"
        self.file.parent.mkdir()
        self.work = directory / "watch"
        self.store = Store(self.work, make=True)
        self.number = 0
        follower = Follower(self.store, Here("h1"), [str(self.file.parent / "*.log")], KNOWN, Matcher([]), Clock(None))
        self.follower = follower

    def write(self, count: int = 1) -> None:
        with self.file.open("a") as out:
            for _ in range(count):
                self.number += 1
                text = "\n".join([line(f"number {self.number} failed"), *traceback(*FRAMES)])
                out.write(f"{text}\n{line('fine', 'INFO')}\n")

    def read(self) -> int:
        """How many records there are, when all files were read."""
        for _ in self.follower.round():
            pass
        return self.counted()

    def wait(self, watch: "subprocess.Popen[bytes]") -> None:
        """Until the watch has read something."""
        before, until = self.counted(), time.monotonic() + 120
        while self.counted() == before:
            assert watch.poll() is None and time.monotonic() < until
            time.sleep(0.02)

    def counted(self) -> int:
        """How many records there are so far."""
        return sum(one["count"] for one in self.store.groups())


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """A file of which nothing is held back."""
    monkeypatch.setattr(follow, "QUIET", 0)
    made = Log(tmp_path)
    yield made
    made.store.close()


pytestmark = pytest.mark.unit


def test_each_record_once(log: Log) -> None:
    for count in (1, 3, 0, 500, 1):
        log.write(count)
        assert log.read() == log.number
    (group,) = log.store.groups()
    assert (group["exception"], group["frame"]) == ("NovaException", "nova/compute/manager.py:spawn")
    assert log.store.hosts()[group["key"]] == {"h1": log.number}
    messages = [one.body["message"] for one in log.store.examples(group["key"])]
    assert messages[:2] == ["number 1 failed", "number 2 failed"]
    assert messages[-1] == f"number {log.number} failed"
    assert len(messages) == 5


def test_what_is_half_written_waits(log: Log) -> None:
    log.write(2)
    with log.file.open("a") as out:
        out.write(line("number 3 failed"))
    assert log.read() == 2
    with log.file.open("a") as out:
        out.write("\n")
    log.number += 1
    log.write(1)
    assert log.read() == 4


def test_renamed(log: Log) -> None:
    log.write(5)
    assert log.read() == 5
    log.write(5)
    log.file.rename(f"{log.file}.1")
    log.write(2)
    assert log.read() == 12
    Path(f"{log.file}.1").rename(f"{log.file}.2")
    log.file.rename(f"{log.file}.1")
    log.write(1)
    assert log.read() == 13


def test_copied_and_truncated(log: Log) -> None:
    log.write(5)
    assert log.read() == 5
    log.write(3)
    shutil.copy(log.file, f"{log.file}.1")
    os.truncate(log.file, 0)
    assert log.read() == 8
    log.write(20)  # more than was read before
    assert log.read() == 28
    assert log.store.setting("lost") is None


def test_truncated_and_soon_larger_than_before(log: Log) -> None:
    log.write(3)
    assert log.read() == 3
    os.truncate(log.file, 0)
    log.write(50)
    assert log.read() == 53
    assert log.store.setting("lost") == 1


def test_packed(log: Log) -> None:
    log.write(5)
    assert log.read() == 5
    log.write(5)
    with gzip.open(f"{log.file}.1.gz", "wb") as out:
        out.write(log.file.read_bytes())
    log.file.unlink()
    log.write(1)
    assert log.read() == 11


def test_rotated_several_times_between_two_looks(log: Log) -> None:
    log.write(5)
    assert log.read() == 5
    for _ in range(3):
        log.write(2)
        for number in (3, 2, 1):
            if (old := Path(f"{log.file}.{number}")).exists():
                old.rename(f"{log.file}.{number + 1}")
        log.file.rename(f"{log.file}.1")
    log.write(1)
    assert log.read() == log.number == 12


def test_copied_and_truncated_again_before_it_was_looked_at(log: Log) -> None:
    """The file was empty when it was looked at, and what came then is in a copy already."""
    log.write(5)
    assert log.read() == 5
    for number in (1, 2):
        shutil.copy(log.file, f"{log.file}.{number}")
        os.truncate(log.file, 0)
        assert log.read() == log.number
        time.sleep(0.02)
        log.write(3)
    shutil.copy(log.file, f"{log.file}.3")
    os.truncate(log.file, 0)
    log.write(1)
    assert log.read() == log.number


def test_identifiers_of_a_part() -> None:
    """By their first four bytes, each once; what only looks like one is none."""
    one, other = "b0bf378c-589b-4bee-9d1b-0a0b3c95b45d", "11111111-2222-3333-4444-555555555555"
    text = f"req-{one} req-{other} x{one} -2222-3333-4444-555555555555 2026 -11-2222-3333-4444-555555555555 {one[:-1]}"
    assert follow._ids(text.encode()) == bytes.fromhex("11111111b0bf378c")
    assert follow._ids(b"-2222-3333-4444-555555555555") == b""


def test_gone_before_it_was_read_is_told(log: Log) -> None:
    log.write(5)
    assert log.read() == 5
    log.write(5)
    log.file.unlink()
    assert log.read() == 5
    assert log.store.setting("lost") == 1


WATCH = """
import sys
from naru.cli.main import main
from naru.watch import follow, phases
follow.CHUNK, phases.EVERY = 4000, 0.01
sys.exit(main(sys.argv[1:]))
"""


def killed(tmp_path: Path, kills: int) -> None:
    """Files are written and rotated in every way, and the watch is killed again and again while it reads them. A file
    is rotated when that was read which the rotation before it had taken away, as a rotation a day leaves time for: what
    is gone before it was read is lost, which is told (`test_gone_before_it_was_read_is_told`)."""
    chance = random.Random(kills)
    log = Log(tmp_path)
    words = ["-q", "watch", "run", str(log.work), "--files", str(log.file.parent / "*.log"), "--host", "h1"]
    log.write()
    assert main([*words, "--once"]) == 0
    rotated, rotations = 0, 0
    for number in range(kills):
        with started([sys.executable, "-c", WATCH, *words], stdout=subprocess.DEVNULL) as watch:
            if number % 2:  # the others are killed whenever it is, also while they start
                log.write()
                log.wait(watch)
            until = time.monotonic() + 0.3 + chance.random() * 0.7
            while time.monotonic() < until:
                if log.number - log.counted() < 300:  # one that is behind is waited for
                    log.write(chance.randrange(60))
                if chance.random() < 0.2 and log.counted() > rotated:
                    rotated, rotations = log.number, rotations + 1
                    _rotate(log.file, chance.choice(["rename", "copy"]))
                time.sleep(0.02)
            assert watch.poll() is None
            os.kill(watch.pid, signal.SIGKILL)
    assert main([*words, "--once"]) == 0
    assert log.read() == log.number
    assert len(log.store.groups()) == 1
    assert log.store.setting("lost") is None
    assert rotations >= kills / 20
    log.store.close()


def _rotate(file: Path, way: str) -> None:
    for number in range(400, 0, -1):
        if (old := Path(f"{file}.{number}")).exists():
            old.rename(f"{file}.{number + 1}")
    if way == "rename":
        file.rename(f"{file}.1")
    else:
        shutil.copy(file, f"{file}.1")
        os.truncate(file, 0)


@pytest.mark.kill
def test_killed(tmp_path: Path) -> None:
    killed(tmp_path, 4)


@pytest.mark.kill
@pytest.mark.releases
def test_killed_200_times(tmp_path: Path) -> None:
    killed(tmp_path, 200)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(tmp_path)
    log.write(3)
    work = str(log.work)
    assert main(["watch", "groups", str(tmp_path / "none")]) == 2
    assert "nothing was watched" in capsys.readouterr().err
    assert main(["watch", "run", work, "--once"]) == 2
    assert "--files" in capsys.readouterr().err
    assert main(["watch", "run", work, "--files", str(log.file), "--host", "h1", "--once", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings_and_worse"] == 3
    assert main(["watch", "groups", work, "--since", "36500d", "-f", "json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert (group["count"], group["hosts"], group["state"]) == (3, {"h1": 3}, "open")
    assert group["where"] == "nova/compute/manager.py:spawn"
    key = group["group"]
    assert main(["watch", "show", work, key[:4], "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["message"] for one in shown["examples"]] == [f"number {n} failed" for n in (1, 2, 3)]
    assert main(["watch", "mute", work, key, "--for", "1h", "--reason", "known"]) == 0
    assert _listed(work, capsys) == []
    log.write(1)
    assert main(["watch", "open", work, key]) == 0
    assert main(["watch", "resolve", work, key]) == 0
    assert _listed(work, capsys) == []
    # what was written before that does not bring it back
    assert main(["watch", "run", work, "--once"]) == 0
    assert _listed(work, capsys) == []
    assert main(["watch", "show", work, "nothing"]) == 2


def _listed(work: str, capsys: pytest.CaptureFixture[str]) -> list[object]:
    capsys.readouterr()
    assert main(["watch", "groups", work, "--since", "36500d", "-f", "json"]) == 0
    return list(json.loads(capsys.readouterr().out))
