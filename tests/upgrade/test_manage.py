"""What a release's manage commands say and how they exit, and what becomes of it: the script that runs them on a host,
with stand-ins for the commands."""

import os
import subprocess
from pathlib import Path

import pytest

from naru.actions.databases.server import script as database_script
from naru.upgrade.window.steps import script

pytestmark = pytest.mark.unit

FAILED = 70
"""The exit code of a script that has found out that something went wrong."""
COMMAND = "nova-manage --config-file service.conf db online_data_migrations"
SYNC = "glance-manage --config-file service.conf db_sync"


def run(
    directory: Path, body: str, command: str = COMMAND, turns: int = 5, cells: str = ""
) -> "tuple[subprocess.CompletedProcess[str], list[str]]":
    """The script's end, and the configuration's second line at each run of the command, a program of this `body`, in
    which $run is how often it was run before."""
    environment, scratch, runs = directory / "environment", directory / "scratch", directory / "runs"
    (environment / "bin").mkdir(parents=True)
    scratch.mkdir()
    (scratch / "password").write_text("a-password")
    (environment / "bin" / "python").symlink_to("/bin/true")
    runs.touch()
    program = environment / "bin" / command.split()[0]
    program.write_text(f"#!/bin/sh\nrun=$(wc -l <{runs})\nsed -n 2p service.conf >>{runs}\n{body}\n")
    program.chmod(0o755)
    text = database_script("client") + script("configuration") + script("manage")
    done = subprocess.run(
        ["sh", "-c", text, "naru", str(environment), str(turns), cells, f"{'cell:' if cells else ''}{command}"],
        env={
            **os.environ,
            "NARU_SCRATCH": str(scratch),
            "NARU_OWN": str(directory / "own"),
            "NARU_CONFIG": "[database]\nconnection = @cell@" if cells else "[database]\nconnection = @nova@",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not (directory / "own").exists()  # a password was in it
    return done, runs.read_text().splitlines()


def test_online_data_migrations_are_run_until_they_find_nothing_more(tmp_path: Path) -> None:
    done, runs = run(tmp_path, 'echo "turn $run"; [ "$run" = 2 ] || exit 1')
    assert done.returncode == 0, done
    assert len(runs) == 3 and "turn 2" in done.stdout


def test_those_that_never_find_nothing_more_fail(tmp_path: Path) -> None:
    done, runs = run(tmp_path, "exit 1", turns=3)
    assert done.returncode == FAILED and len(runs) == 4
    assert f"{COMMAND} exited with 1" in done.stderr


def test_some_that_failed_without_progress_end_the_hop_with_their_table(tmp_path: Path) -> None:
    done, runs = run(tmp_path, 'echo "| migrate_thing | 50 | 0 |"; exit 2')
    assert done.returncode == FAILED and len(runs) == 1
    assert "| migrate_thing | 50 | 0 |" in done.stdout and f"{COMMAND} exited with 2" in done.stderr


@pytest.mark.parametrize("code", [0, 1])
def test_an_error_that_is_swallowed_ends_the_hop(tmp_path: Path, code: int) -> None:
    """As Pike's and Queens' commands say it."""
    done, runs = run(tmp_path, f'echo "Error attempting to run <function migrate_thing>"; exit {code}')
    assert done.returncode == FAILED and len(runs) == 1
    assert "<function migrate_thing>" in done.stdout and "some of the migrations have failed" in done.stderr


@pytest.mark.parametrize(
    "said",
    [
        "Can't locate revision identified by '2023_1_expand01'",
        "VersionNotFoundError: Database schema file with version 402 doesn't exist.",
    ],
)
def test_a_database_of_another_release_ends_the_hop_with_the_commands_own_words(tmp_path: Path, said: str) -> None:
    done, runs = run(tmp_path, f'echo "{said}"; exit 1', SYNC, turns=0)
    assert done.returncode == FAILED and len(runs) == 1
    assert said in done.stdout and f"{SYNC} exited with 1" in done.stderr


def test_each_cell_is_gone_through_and_one_that_fails_ends_it(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    done, runs = run(tmp_path / "all", "exit 0", cells="nova nova_cell0")
    assert done.returncode == 0 and [line.partition("@localhost/")[2].partition("?")[0] for line in runs] == [
        *("nova", "nova_cell0")
    ]
    (tmp_path / "first").mkdir()
    done, runs = run(tmp_path / "first", "exit 3", cells="nova nova_cell0")
    assert done.returncode == FAILED and len(runs) == 1
