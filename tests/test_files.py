"""Small files that are written whole or not at all."""

from pathlib import Path

import pytest

from naru.files import write_whole

pytestmark = pytest.mark.unit


def test_it_takes_the_place_of_one_that_others_could_read(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text("before, and longer")
    file.chmod(0o644)
    write_whole(file, "after")
    assert file.read_text() == "after"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_it_as_it_was_and_does_not_hinder_the_next(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    write_whole(file, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "after \ud800")
    assert file.read_text() == "before"
    write_whole(file, "after")
    assert file.read_text() == "after"
    assert list(tmp_path.iterdir()) == [file]


def test_what_people_share_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    write_whole(file, "new", private=False)
    file.chmod(0o640)
    (tmp_path / ".map.yaml.new").write_text("of one that was killed")
    write_whole(file, "shared", private=False)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("shared", 0o640)
    (tmp_path / ".map.yaml.new").touch(0o644)
    write_whole(file, "secret")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("secret", 0o600)
    assert list(tmp_path.iterdir()) == [file]
