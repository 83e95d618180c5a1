"""A report's directory: whole, or not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.errors import InputError, NaruError
from naru.report.directory import write_directory

pytestmark = pytest.mark.unit


def write(directory: Path, *names: str) -> Path:
    return write_directory(((name, f"{name}\ud800") for name in ("marker", *names)), directory, marker="marker")


def failing() -> Iterator[tuple[str, str]]:
    yield "marker", ""
    raise NaruError("what comes next cannot be made")


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    directory = tmp_path / "report"
    directory.mkdir()
    for mode in (0o755, 0o750):
        directory.chmod(mode)
        write(directory, "a")
        assert directory.stat().st_mode & 0o777 == mode


def test_replaced_whole(tmp_path: Path) -> None:
    directory = write(tmp_path / "more" / "report", "a")
    assert (directory / "a").read_text() == "a\\ud800" and directory.stat().st_mode & 0o777 == 0o700
    assert write(directory, "b") == directory
    assert {file.name for file in directory.iterdir()} == {"marker", "b"}
    with pytest.raises(NaruError, match="what comes next"):
        write_directory(failing(), directory, marker="marker")
    assert {file.name for file in directory.iterdir()} == {"marker", "b"}
    assert [entry.name for entry in directory.parent.iterdir()] == ["report"]


@pytest.mark.parametrize("succeeds", [False, True])
def test_killed_between_the_renames(tmp_path: Path, succeeds: bool) -> None:
    directory = write(tmp_path / "report", "a")
    directory.rename(tmp_path / ".report.old")
    (tmp_path / ".report.new").mkdir()
    (tmp_path / ".report.new" / "half").touch()
    if succeeds:
        write(directory, "b")
    else:
        with pytest.raises(NaruError):
            write_directory(failing(), directory, marker="marker")
    assert (directory / ("b" if succeeds else "a")).exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="something else in it than a report"):
        write(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(InputError, match="not a directory"):
        write(tmp_path / "mine" / "thesis.txt")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="not a directory"):
        write(tmp_path / "link")
    with pytest.raises(InputError, match="a report cannot be written to"):
        write(Path("/"))
