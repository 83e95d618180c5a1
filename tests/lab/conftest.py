"""The lab that the tests share: one pair of real clouds, Pike and the newest release, brought up once a session."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import release, spec
from naru.lab.lab import Lab

PORT_BASE = 19000


def ignore(*_: object) -> None:
    """A progress callback for tests."""


def processes_of(lab: Lab) -> dict[str, list[int]]:
    """Every live process that carries the mark of one of the lab's clouds, by cloud."""
    return {
        cloud.name: [process.pid for found in cloud.processes.tree().values() for process in found]
        for cloud in lab.clouds()
    }


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Clouds `old` (Pike) and `new` (the newest release), healthy. NARU_TEST_LAB=DIRECTORY uses and keeps a lab
    there, for a quick loop; otherwise it is made for the session, and nothing of it may be left at the end."""
    kept = os.environ.get("NARU_TEST_LAB")
    lab = Lab(Path(kept) if kept else tmp_path_factory.mktemp("lab") / "pair")
    newest = release.names()[-1]
    lab.up(None if lab.exists() else spec.build(["old=pike", f"new={newest}"], ["core"], 2, PORT_BASE), ignore, ignore)
    yield lab
    if kept:
        return
    clouds = lab.clouds()
    lab.down()
    assert not lab.directory.exists()
    assert not any(cloud.processes.tree() for cloud in clouds)
    assert str(lab.directory) not in Path("/proc/mounts").read_text()
