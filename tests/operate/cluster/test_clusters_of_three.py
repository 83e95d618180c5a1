"""Real clusters of three of MariaDB (Galera) and RabbitMQ down and up, without hosts: which member begins it after an
orderly way down, after members say of themselves what is not true, after power was lost, and after the command was
killed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mariadb, pytest.mark.releases, pytest.mark.timeout(1800)]

PROGRAMS = ("mariadbd", "mariadb-install-db", "rsync", "unshare", "ip")
SCENARIOS = ("down_and_up", "newest", "lost", "power_lost", "running")
SECONDS = 1200


@pytest.mark.parametrize(
    "scenarios", [("down_and_up", "newest", "lost", "power_lost", "running"), ("killed",)], ids=" ".join
)
def test_databases(scenarios: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    said = inside("three", tmp_path_factory, *scenarios)
    assert all(name in said for name in scenarios)


def test_queues(tmp_path_factory: pytest.TempPathFactory) -> None:
    said = inside("brokers", tmp_path_factory)
    assert "down" in said and "up" in said


def inside(module: str, tmp_path_factory: pytest.TempPathFactory, *words: str) -> str:
    """What a module of these tests says, in namespaces of its own."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing or os.getuid():
        pytest.skip(f"needs root, and the programs {', '.join(missing)}" if missing else "needs root")
    directory = tmp_path_factory.mktemp("three")
    for one in (directory, *directory.parents):  # MariaDB runs as a user of its own
        if one.stat().st_uid == os.getuid() and str(one).startswith(str(tmp_path_factory.getbasetemp().parent)):
            one.chmod(0o711)
    # the shell is process 1 there, and reaps what the three leave; killed, all of it ends
    own = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bash", "-c", '"$@"; exit $?', "three"]
    argv = [*own, sys.executable, "-m", f"tests.operate.cluster.{module}", str(directory), *words]
    root = Path(__file__).parents[3]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
