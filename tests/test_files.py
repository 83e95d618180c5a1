"""Small files that are written whole or not at all, and locks that are files."""

import os
import subprocess
from pathlib import Path

import pytest

from naru.files import FileLock, write_whole

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


def test_a_lock_that_is_given_up_is_free_while_another_thread_starts_a_program(tmp_path: Path) -> None:
    """Between its fork and its exec a program has every descriptor of the process."""
    file = tmp_path / "lock"
    waits, ends = os.pipe()
    with FileLock(file) as lock, FileLock(file) as other:
        assert lock.take() and not other.take()
        child = os.fork()
        if not child:
            os.close(ends)
            os.read(waits, 1)
            os._exit(0)
    try:
        with FileLock(file) as lock:
            assert lock.take()
    finally:
        os.close(ends)
        os.waitpid(child, 0)
        os.close(waits)


def test_a_lock_that_programs_hold_as_well_stays_theirs(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as lock:
        assert lock.take()
        program = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    with program, FileLock(tmp_path / "lock") as lock:
        assert not lock.take()
        program.communicate(timeout=10)
        assert lock.take()


def test_a_link_to_a_file_that_is_not_private_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, file = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.write_text("old")
    file.symlink_to(target)
    write_whole(file, "new", private=False)
    assert file.is_symlink() and target.read_text() == "new"
    # what is private takes the place of a link: nobody else chooses where it lies
    write_whole(file, "secret")
    assert not file.is_symlink() and target.read_text() == "new"
