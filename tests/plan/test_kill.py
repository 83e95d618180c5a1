"""Killed at any instant: nothing lost, nothing done twice, the same end state. For the executor and for rollback."""

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from naru.plan import control, rollback
from naru.plan.errors import PlanError
from naru.plan.executor import Executor
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step

from . import kit

pytestmark = pytest.mark.kill
fork = multiprocessing.get_context("fork")
UNITS, EACH = 40, 50
# how often: in every run, and in the long one
TIMES = pytest.mark.parametrize("times", [60, pytest.param(200, marks=pytest.mark.releases)])


def live(where: Path) -> None:
    """The life of one executor."""
    with Journal.open(where) as journal:
        Executor(journal).run()


def live_and_die_in_commit(where: Path, commits: int) -> None:
    """The life of an executor that is killed while its n-th commit is being made."""
    now = threading.Event()

    def kill() -> None:
        now.wait()
        time.sleep(random.random() * 0.002)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with Journal.open(where) as journal:
        left = [commits]

        @event.listens_for(journal.engine, "commit")
        def commit(_: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                now.set()

        Executor(journal).run()


def kill_until_done(where: Path, made: Path) -> int:
    """Starts executors and kills them at random instants until one comes to the end; how many were killed."""
    kills = 0
    longer = 1.0
    while True:
        before = kit.all_things(made)
        process = fork.Process(target=live, args=(where,))
        process.start()
        # from the first instants of a process to well into its work
        process.join(0.005 * 60 ** random.random() * longer)
        process.kill()
        process.join()
        if process.exitcode == 0:
            return kills
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        # on a busy machine processes that die too soon would never come to anything
        longer = longer * 1.3 if kit.all_things(made) == before else 1.0


def assert_all_made(work: Path, made: Path, expected: list[str]) -> None:
    assert kit.all_things(made) == expected
    with Journal.open(work) as journal:
        assert set(kit.states(journal).values()) == {"done"}
        assert kit.events(journal, expected[0]).count("done") == 1


@TIMES
def test_executor_killed_loses_and_repeats_nothing(tmp_path: Path, times: int) -> None:
    kills = rounds = 0
    while kills < times:
        work, made = tmp_path / f"work-{rounds}", tmp_path / f"made-{rounds}"
        plan = kit.things_plan(made, UNITS, EACH, nap=0.02)
        Journal.create(work, plan).close()
        kills += kill_until_done(work, made)
        assert_all_made(work, made, sorted(step.id for step in plan.steps))
        rounds += 1


@TIMES
def test_rollback_killed_leaves_nothing(tmp_path: Path, times: int) -> None:
    kills = rounds = 0
    while kills < times:
        work, made = tmp_path / f"work-{rounds}", tmp_path / f"made-{rounds}"
        plan = kit.things_plan(made, UNITS, EACH, undo_nap=0.02)
        Journal.create(work, plan).close()
        kit.run(work)
        assert len(kit.all_things(made)) == UNITS * EACH
        with Journal.open(work) as journal:
            rollback.start(journal)
        kills += kill_until_done(work, made)
        assert kit.all_things(made) == []
        with Journal.open(work) as journal:
            by_id = kit.states(journal)
            assert {by_id[step.id] for step in plan.steps} == {"undone"}
            assert {state for id, state in by_id.items() if id.startswith("undo/")} == {"done"}
            assert len(by_id) == 2 * UNITS * EACH
        rounds += 1


@TIMES
def test_rollback_of_some_units_killed_at_any_instant_leaves_the_others(tmp_path: Path, times: int) -> None:
    kills = rounds = 0
    while kills < times // 4:
        work, made = tmp_path / f"work-{rounds}", tmp_path / f"made-{rounds}"
        plan = kit.things_plan(made, UNITS, EACH, undo_nap=0.02)
        # a unit depends on the one before it
        back = {f"unit-{number}" for number in range(UNITS // 2, UNITS)}
        Journal.create(work, plan).close()
        kit.run(work)
        with Journal.open(work) as journal:
            rollback.start(journal, units=back)
        kills += kill_until_done(work, made)
        assert kit.all_things(made) == sorted(step.id for step in plan.steps if step.unit not in back)
        with Journal.open(work) as journal:
            by_id = kit.states(journal)
            expected = {step.id: "undone" if step.unit in back else "done" for step in plan.steps}
            assert {step: by_id[step] for step in expected} == expected
            assert rollback.start(journal) == len([step for step in plan.steps if step.unit not in back])
        kit.run(work)
        assert kit.all_things(made) == []
        rounds += 1


def test_killed_within_commits_of_the_journal(tmp_path: Path) -> None:
    kills = rounds = 0
    while kills < 60:
        work, made = tmp_path / f"work-{rounds}", tmp_path / f"made-{rounds}"
        plan = kit.things_plan(made, 10, 20, nap=0.005)
        Journal.create(work, plan).close()
        while True:
            process = fork.Process(target=live_and_die_in_commit, args=(work, random.randint(1, 12)))
            process.start()
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL
            kills += 1
        assert_all_made(work, made, sorted(step.id for step in plan.steps))
        rounds += 1


def live_without_space(where: Path, most: int) -> None:
    """The life of an executor that can make no file longer than `most` bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert_stopped_by_journal(where)


def assert_stopped_by_journal(where: Path) -> None:
    with pytest.raises(PlanError, match="the journal cannot be written"):
        live(where)


def test_disk_full_by_file_size_limit(tmp_path: Path) -> None:
    work, made = tmp_path / "work", tmp_path / "made"
    plan = kit.things_plan(made, 10, 20)
    Journal.create(work, plan).close()
    used = max(path.stat().st_size for path in work.iterdir())
    process = fork.Process(target=live_without_space, args=(work, used + 40_000))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert 0 < len(kit.all_things(made)) < 200
    kit.run(work)
    assert_all_made(work, made, sorted(step.id for step in plan.steps))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that gives a file system of its own the size it is told, and its directory."""
    directory = tmp_path / "disk"
    directory.mkdir()

    def sized(size: str) -> Path:
        options = f"remount,size={size}" if directory.is_mount() else f"size={size}"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", directory], check=True, capture_output=True, text=True
        )
        return directory

    try:
        sized("4m")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no right to mount a file system here: {error}")
    yield sized
    subprocess.run(["umount", directory], check=True)


def test_disk_full(tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    made, work = tmp_path / "made", small_disk("4m") / "work"
    plan = kit.things_plan(made, 20, 50)
    Journal.create(work, plan).close()
    filler = small_disk("4m") / "filler"
    with filler.open("wb") as file:
        while os.statvfs(work).f_bavail * os.statvfs(work).f_frsize > 200_000:
            file.write(bytes(4096))
            file.flush()
    assert_stopped_by_journal(work)
    assert 0 < len(kit.all_things(made)) < 1000
    filler.unlink()
    small_disk("64m")
    kit.run(work)
    assert_all_made(work, made, sorted(step.id for step in plan.steps))


DAEMONS = r"""
import os, sys, time

def daemon(name):
    # detaches itself as is usual: forks twice, and is in a session of its own
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(os.path.join(sys.argv[1], name), "w") as file:
        file.write(str(os.getpid()))
    if name == "first":
        daemon("of the first")
    time.sleep(600)
    os._exit(0)

daemon("first")
daemon("second")
with open(os.path.join(sys.argv[1], "itself"), "w") as file:
    file.write(str(os.getpid()))
time.sleep(float(sys.argv[2]))
"""
NAMES = ("first", "of the first", "second", "itself")


def daemons(directory: Path, seconds: float) -> Plan:
    """A command that leaves daemons behind when it ends."""
    directory.mkdir()
    argv = [sys.executable, "-c", DAEMONS, str(directory), str(seconds)]
    return Plan(steps=[Step("long", "command", {"argv": argv})])


def pids(directory: Path) -> list[int]:
    """Of all that the command has started, as soon as all of them run."""
    end = time.monotonic() + 60
    while True:
        found = [(directory / name).read_text() if (directory / name).exists() else "" for name in NAMES]
        if all(found):
            return [int(pid) for pid in found]
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_all_end(found: list[int]) -> None:
    end = time.monotonic() + 10
    while any(lives(pid) for pid in found):
        assert time.monotonic() < end, "what the command started outlived its step"
        time.sleep(0.02)


@pytest.mark.unit
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_executor_takes_all_with_it_that_its_commands_started(tmp_path: Path, number: int) -> None:
    Journal.create(tmp_path / "work", daemons(tmp_path / "pids", 600)).close()
    process = fork.Process(target=live, args=(tmp_path / "work",))
    process.start()
    found = pids(tmp_path / "pids")
    assert all(lives(pid) for pid in found)
    assert process.pid
    os.kill(process.pid, number)
    process.join()
    assert_all_end(found)


@pytest.mark.unit
def test_cancelled_step_takes_all_with_it_that_its_command_started(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "work", daemons(tmp_path / "pids", 600)) as journal:
        thread = threading.Thread(target=lambda: Executor(journal).run())
        thread.start()
        found = pids(tmp_path / "pids")
        control.cancel(journal)
        thread.join()
        assert not any(lives(pid) for pid in found)
        assert kit.states(journal) == {"long": "waiting"}


@pytest.mark.unit
def test_command_that_has_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    Journal.create(tmp_path / "work", daemons(tmp_path / "pids", 2)).close()
    kit.run(tmp_path / "work")
    assert not any(lives(pid) for pid in pids(tmp_path / "pids"))
    with Journal.open(tmp_path / "work") as journal:
        assert kit.states(journal) == {"long": "done"}
