"""The hand-over of passwords: readable with its key and in no other way."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken

from naru.errors import InputError, NaruError
from naru.move.handover import Password, read, write
from naru.work import keys

pytestmark = pytest.mark.unit

SECRET = "geheim-비밀-\n\"'"
ROWS = [
    Password("shop", "Default", "mina", "u1", SECRET),
    Password("", "", "<script>|`", "u2", ""),
]


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "work").mkdir()
    (tmp_path / "keys").mkdir()
    return tmp_path / "work" / "passwords.enc", tmp_path / "keys" / "move.key"


def test_round_trip(paths: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    write(*paths, ROWS)
    assert read(*paths) == ROWS
    for path in paths:
        assert path.stat().st_mode & 0o777 == 0o600
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]
        assert b"mina" not in path.read_bytes() and b"geheim" not in path.read_bytes()
    assert capfd.readouterr() == ("", "")
    assert SECRET not in repr(ROWS) and "geheim" not in str(ROWS[0])


def test_other_programs_can_read_it(paths: tuple[Path, Path]) -> None:
    write(*paths, ROWS)
    file, key = paths
    body = json.loads(Fernet(key.read_bytes().strip()).decrypt(file.read_bytes()))
    assert body["passwords"][0] == {
        "project": "shop",
        "domain": "Default",
        "user_name": "mina",
        "user_id": "u1",
        "password": SECRET,
    }


def test_its_key_opens_no_other_plans_and_is_not_the_key_file(paths: tuple[Path, Path]) -> None:
    file, key = paths
    write(file, key, ROWS, plan="one")
    assert read(file, key, plan="one") == ROWS
    own = Fernet(keys.handover_key(key, "one"))
    assert json.loads(own.decrypt(file.read_bytes()))["naru_handover"] == 1
    for other in (Fernet(key.read_bytes().strip()), Fernet(keys.handover_key(key, "two"))):
        with pytest.raises(InvalidToken):
            other.decrypt(file.read_bytes())
    with pytest.raises(InputError, match="does not open with the key"):
        read(file, key, plan="two")


def test_one_that_was_written_with_the_key_itself_is_still_read(paths: tuple[Path, Path]) -> None:
    write(*paths, ROWS)
    assert Fernet(paths[1].read_bytes().strip()).decrypt(paths[0].read_bytes())
    assert read(*paths, plan="one") == ROWS
    write(*paths, ROWS[:1], plan="one")
    assert read(*paths, plan="one") == ROWS[:1]


def test_written_again_with_the_same_key(paths: tuple[Path, Path]) -> None:
    write(*paths, ROWS[:1])
    key = paths[1].read_bytes()
    write(*paths, ROWS)
    assert paths[1].read_bytes() == key and read(*paths) == ROWS


def test_key_in_the_work_directory_is_refused(paths: tuple[Path, Path], tmp_path: Path) -> None:
    file, _ = paths
    (tmp_path / "link").symlink_to(tmp_path / "work")
    (tmp_path / "work" / "deep").mkdir()
    inside = (file.parent / "key", file.parent / "deep" / "key", tmp_path / "keys" / ".." / "work" / "key")
    for key in (*inside, tmp_path / "link" / "key"):
        with pytest.raises(InputError, match="would lie in the work directory"):
            write(file, key, ROWS)
    with pytest.raises(InputError, match="would lie in the work directory"):
        write(file, tmp_path / "key", ROWS, work=tmp_path)
    assert [entry.name for entry in file.parent.iterdir()] == ["deep"]
    assert list((tmp_path / "keys").iterdir()) == []


def test_wrong_key(paths: tuple[Path, Path], tmp_path: Path) -> None:
    file, _ = paths
    write(*paths, ROWS)
    other = tmp_path / "keys" / "other.key"
    other.write_bytes(Fernet.generate_key())
    other.chmod(0o600)
    before = file.read_bytes()
    with pytest.raises(InputError, match="does not open with the key"):
        read(file, other)
    with pytest.raises(InputError, match="does not open with the key"):
        write(file, other, [])  # would lose what is in it
    assert file.read_bytes() == before


def test_missing_key(paths: tuple[Path, Path]) -> None:
    file, key = paths
    write(*paths, ROWS)
    key.unlink()
    for attempt in (lambda: read(file, key), lambda: write(file, key, ROWS)):
        with pytest.raises(InputError, match=r"the key .*move\.key cannot be read"):
            attempt()
    assert not key.exists()  # a new one would be of no use for the file


@pytest.mark.parametrize("content", [b"", b"short", b"!" * 44, b"\xff" * 44])
def test_key_that_is_none(paths: tuple[Path, Path], content: bytes) -> None:
    paths[1].write_bytes(content)
    paths[1].chmod(0o600)
    with pytest.raises(InputError, match="is no key of a hand-over"):
        write(*paths, ROWS)
    assert not paths[0].exists()


def test_key_that_others_can_read(paths: tuple[Path, Path]) -> None:
    write(*paths, ROWS)
    paths[1].chmod(0o640)
    with pytest.raises(InputError, match="can be read by others"):
        read(*paths)


def test_damaged_file(paths: tuple[Path, Path]) -> None:
    write(*paths, ROWS)
    content = paths[0].read_bytes()
    for damaged in (content[:-8], b"", b"\xff", content[:40] + b"AAAA" + content[44:]):
        paths[0].write_bytes(damaged)
        with pytest.raises(InputError, match="does not open"):
            read(*paths)


def test_something_else_under_the_same_key(paths: tuple[Path, Path]) -> None:
    write(*paths, [])
    fernet = Fernet(paths[1].read_bytes().strip())
    for content, said in ((b"[]", "no hand-over"), (b"\xff", "no hand-over"), (b'{"naru_handover": 9}', "newer Naru")):
        paths[0].write_bytes(fernet.encrypt(content))
        with pytest.raises(InputError, match=said):
            read(*paths)


def test_no_file(paths: tuple[Path, Path]) -> None:
    write(*paths, ROWS)
    with pytest.raises(InputError, match=r"the hand-over .*other cannot be read"):
        read(paths[0].with_name("other"), paths[1])


def test_no_place(paths: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"the key .* cannot be written"):
        write(paths[0], tmp_path / "nowhere" / "key", ROWS)
    with pytest.raises(NaruError, match=r"the hand-over .* cannot be written"):
        write(tmp_path / "nowhere" / "file", paths[1], ROWS)


def test_leftovers_of_a_killed_run_are_in_nobodys_way(paths: tuple[Path, Path]) -> None:
    for path in paths:
        path.with_name(f".{path.name}.part").write_bytes(b"half")
    write(*paths, ROWS)
    paths[1].with_name(f".{paths[1].name}.part").hardlink_to(paths[1])  # killed between the key's link and the unlink
    write(*paths, ROWS)
    assert read(*paths) == ROWS
    for path in paths:
        assert list(path.parent.iterdir()) == [path]
