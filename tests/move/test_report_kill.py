"""The report and the hand-over, killed at random instants: whole or not there, and nothing left behind."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naru.move import handover
from naru.move.pages import write
from tests.move import outcomes

from ..processes import started

pytestmark = pytest.mark.kill

REPORT = """
import sys
from pathlib import Path
from naru.move.pages import write
from tests.move import outcomes
print("ready", flush=True)
while True:
    write(outcomes.company(), Path(sys.argv[1]))
"""
HANDOVER = """
import itertools, sys
from pathlib import Path
from naru.move.handover import Password, write
print("ready", flush=True)
for number in itertools.count(1):
    write(Path(sys.argv[1]), Path(sys.argv[2]), [Password("p", "d", "u", str(n), "x" * 99) for n in range(number % 40)])
"""


def _killed(program: str, *arguments: Path, longest_s: float) -> None:
    """Runs the program and kills it at some instant after it began."""
    with started([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0, longest_s))
        process.send_signal(signal.SIGKILL)


def test_report_killed_anywhere(tmp_path: Path) -> None:
    directory = tmp_path / "report"
    write(outcomes.company(), directory)
    expected = {file.name: file.read_bytes() for file in directory.iterdir()}
    for _ in range(20):
        _killed(REPORT, directory, longest_s=0.5)
        if directory.exists():
            assert {file.name: file.read_bytes() for file in directory.iterdir()} == expected
        if random.random() < 0.5:
            write(outcomes.company(), directory)
            assert [entry.name for entry in tmp_path.iterdir()] == ["report"]
    write(outcomes.company(), directory)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


def test_handover_killed_anywhere(tmp_path: Path) -> None:
    file, key = tmp_path / "work" / "passwords", tmp_path / "keys" / "key"
    for _ in range(20):
        for path in (file, key):
            path.parent.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
        _killed(HANDOVER, file, key, longest_s=random.choice((0.01, 0.2)))
        if file.exists():
            found = handover.read(file, key)
            assert [row.user_id for row in found] == [str(number) for number in range(len(found))]
        handover.write(file, key, [])
        for path in (file, key):
            assert list(path.parent.iterdir()) == [path]
            assert path.stat().st_mode & 0o777 == 0o600
