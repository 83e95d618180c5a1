"""What tests of the watch share: a watched service, and two real clouds that send notifications."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.lab import Lab
from naru.releases import release

from ..lab.scenario import come_up
from .cloud import Cloud

PORT_BASE = 29000


@pytest.fixture
def cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr("naru.watch.follow.QUIET", 0)
    monkeypatch.setattr("naru.watch.following.QUIET", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Cloud(tmp_path, capsys)


@pytest.fixture(scope="package")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Both clouds, whose services send notifications, Nova's in both formats. NARU_TEST_TELLING=DIRECTORY uses and
    keeps a lab of such there, for a quick loop."""
    kept = os.environ.get("NARU_TEST_TELLING")
    lab = Lab(Path(kept) if kept else tmp_path_factory.mktemp("telling") / "lab")
    clouds = ["old=pike", f"new={release.names()[-1]}"]
    wanted = spec.build(clouds, ["core"], 1, PORT_BASE, notifications=True, log_lines=True)
    come_up(lab, wanted)
    yield lab
    if not kept:
        lab.down()
