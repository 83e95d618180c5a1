"""A watched service, for tests of changes."""

from pathlib import Path

import pytest

from .cloud import Cloud


@pytest.fixture
def cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr("naru.watch.follow.QUIET", 0)
    monkeypatch.setattr("naru.watch.following.QUIET", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Cloud(tmp_path, capsys)
