"""Processes are started, found, and ended by their own identity only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.lab.process import Command, Processes, memory

from ..outages import until

pytestmark = pytest.mark.unit

ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path, f"test:{tmp_path}")
    yield made
    made.stop()
    assert made.tree() == {}


def gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_starts_once_and_stops(processes: Processes) -> None:
    command = Command("sleeper", ("sleep", "300"), ENV)
    first = processes.start(command)
    assert first.alive()
    assert processes.start(command) == first
    assert processes.find("sleeper") == first
    assert memory(first.pid) > 0
    processes.stop(["sleeper"])
    assert gone(first.pid)
    assert processes.find("sleeper") is None
    assert processes.names() == []


def test_output_goes_to_the_log(processes: Processes) -> None:
    running = processes.start(Command("talker", ("sh", "-c", "echo out; echo err >&2"), ENV))
    while running.alive():
        time.sleep(0.01)
    assert processes.log_file("talker").read_text() == "out\nerr\n"


def test_what_ignores_sigterm_is_killed_after_its_grace(processes: Processes) -> None:
    program = ("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    running = processes.start(Command("stubborn", program, ENV, grace=0.5))
    began = time.monotonic()
    processes.stop()
    assert gone(running.pid)
    assert 0.4 < time.monotonic() - began < 5


def test_children_end_with_their_leader(processes: Processes) -> None:
    program = (
        "import os, time\nfor _ in range(3):\n    os.fork() or (os.setpgid(0, 0), time.sleep(300))\ntime.sleep(300)"
    )
    processes.start(Command("parent", (sys.executable, "-c", program), ENV))
    while len(members := processes.tree()["parent"]) < 4:
        time.sleep(0.05)
    processes.stop(["parent"])
    assert all(gone(member.pid) for member in members)


def test_a_dead_leaders_children_are_found_even_when_they_hide_their_environment(processes: Processes) -> None:
    # what setproctitle does: the memory of the environment is overwritten
    program = "import subprocess\nsubprocess.Popen(['env', '-i', 'sleep', '300'])"
    leader = processes.start(Command("leader", (sys.executable, "-c", program), ENV))
    while leader.alive():
        time.sleep(0.02)
    (child,) = processes.tree()["leader"]
    processes.stop()
    assert gone(child.pid)


def test_a_reused_pid_is_not_ours(processes: Processes) -> None:
    running = processes.start(Command("victim", ("sleep", "300"), ENV))
    record = processes.run / "victim"
    time.sleep(0.05)  # start times are told in ticks of 10 ms, and no pid is reused within one
    other = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        # the record of a process that ended, whose pid the kernel gave to somebody else since
        record.write_text(record.read_text().replace(f" {running.pid} (", f" {other.pid} ("))
        assert processes.find("victim") is None
        processes.stop(["victim"])
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    processes.stop()
    assert gone(running.pid)  # found by its mark, though its record was lost


def test_a_record_of_an_earlier_boot_is_not_ours(processes: Processes) -> None:
    processes.start(Command("before", ("sleep", "300"), ENV))
    record = processes.run / "before"
    boot, rest = record.read_text().split(maxsplit=1)
    record.write_text(f"{boot[::-1]} {rest}")
    assert processes.find("before") is None


def test_a_starter_killed_at_any_instant_leaves_no_process_unrecorded(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from naru.lab.process import Command, Processes\n"
        f"made = Processes(Path({str(tmp_path)!r}), 'test:killed')\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        f"    made.start(Command(f'p{{n}}', ('sleep', '300'), {ENV!r}))\n"
    )
    made = Processes(tmp_path, "test:killed")
    for attempt in range(10):
        starter = subprocess.Popen([sys.executable, "-c", program])
        while not made.names():
            time.sleep(0.005)
        time.sleep(attempt * 0.007)
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
        time.sleep(0.1)
        found = {member.pid for members in made.tree().values() for member in members}
        marked = {
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and b"NARU_LAB=test:killed" in _environ(entry)
        }
        assert marked and marked <= found
        made.stop()
        assert all(gone(pid) for pid in marked)
        assert made.names() == []


def _environ(entry: Path) -> bytes:
    try:
        return (entry / "environ").read_bytes()
    except OSError:
        return b""


def test_a_program_that_is_not_there_says_so(processes: Processes, tmp_path: Path) -> None:
    running = processes.start(Command("absent", ("/no/such/program",), ENV))
    until(lambda: not running.alive())  # the shell that was to become it may be ending still
    assert "/no/such/program" in processes.log_file("absent").read_text()
    with pytest.raises(NaruError, match="cannot be started"):
        processes.start(Command("nowhere", ("true",), ENV, cwd=tmp_path / "absent"))


def test_one_of_which_threads_still_end_is_not_dead(processes: Processes) -> None:
    """Killed, a daemon of many threads may hold its locks for a moment after its first thread is a zombie."""
    code = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""
    running = processes.start(Command("half", (sys.executable, "-c", code), ENV))
    until(lambda: "Z" in Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0])
    assert running.alive() and processes.find("half")
    running.signal(signal.SIGKILL)
    until(lambda: not running.alive())
