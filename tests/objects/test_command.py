"""What `naru object` says of bad input, and its cap."""

import json
from pathlib import Path

import pytest

from naru.cli.main import main

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "clouds.yaml").write_text("clouds: {}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("copy old old", "old is the source and the target"),
        ("copy old/ new", "'old/' is no account"),
        ("copy old new", "cloud 'old' is not in"),
        ("verify old new --map none.yaml", "none.yaml cannot be read"),
        ("copy old new --map map.yaml", "map.yaml: users.a: 7 is not a text"),
        ("copy old new --work spoilt", "spoilt/rate: 'much' is not a rate"),
        ("copy old new --parallel 0", "'0' is not a number from 1 to 256"),
        ("copy old new --rate fast", "'fast' is not a rate"),
    ],
)
def test_bad_input_is_one_clear_error(
    words: str, says: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "map.yaml").write_text("users: {a: 7}")
    (directory / "spoilt").mkdir()
    (directory / "spoilt" / "rate").write_text("much")
    try:
        code = main(["object", *words.split()])
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capsys.readouterr().err
    assert code == 2 and says in told and "Traceback" not in told


def test_the_cap_is_kept_in_the_work_directory(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, cap in (("rate work 2K", 2048), ("rate work", 2048), ("rate work none", None)):
        assert main(["object", *words.split(), "-f", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"bytes a second": cap}
