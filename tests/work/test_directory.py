"""Work directories: whose they are, who may read them, and their rounds."""

import os
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.plan.journal import DATABASE, Journal
from naru.plan.model import Plan, Step
from naru.work.directory import WorkDirectory

from ..plan import kit

pytestmark = pytest.mark.unit


def work(path: Path, capability: str = "upgrade") -> WorkDirectory:
    return WorkDirectory(path, capability, f"naru {capability} start")


def test_it_is_its_owners_alone_and_one_capabilitys(tmp_path: Path) -> None:
    mine = work(tmp_path / "a" / "w")
    mine.prepare()
    assert mine.path.stat().st_mode & 0o777 == 0o700
    with pytest.raises(InputError, match="is missing"):
        mine.journal()
    mine.create(Plan(title="One", steps=[Step("a", "noop")]))
    with pytest.raises(InputError, match="belongs to naru upgrade"):
        work(mine.path, "move").prepare()
    mine.prepare()
    mine.create(Plan(title="Two", steps=[Step("a", "noop")]))
    with mine.journal() as journal:
        assert journal.plan().title == "Two"
    kit.run(mine.path)
    with pytest.raises(InputError, match="this upgrade has begun") as refused:
        mine.create(Plan(title="Three"))
    assert "naru upgrade start" in refused.value.hint
    with pytest.raises(InputError, match="this upgrade has begun"):
        mine.prepare()


def test_a_directory_that_is_there_keeps_its_mode_and_what_is_put_there_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        tmp_path.chmod(0o755)
        mine = work(tmp_path)
        mine.prepare()
        mine.create(Plan(title="One", steps=[Step("a", "noop")]))
        mine.rounds("check").begin(1, Plan()).close()
        with mine.journal() as journal:
            kit.run(journal.where)
            assert tmp_path.stat().st_mode & 0o777 == 0o755
            files = [file for file in tmp_path.rglob("*") if file.is_file()]
            assert {"journal.db", "journal.db-wal", "work.json"} <= {file.name for file in files}
            for file in files:
                assert file.stat().st_mode & 0o777 == 0o600, file
    finally:
        os.umask(before)


def test_a_plan_without_a_capabilitys_settings_is_not_its(tmp_path: Path) -> None:
    Journal.create(tmp_path, Plan(title="something else")).close()
    with pytest.raises(InputError, match="holds a plan that naru upgrade did not make"):
        work(tmp_path).prepare(settings=["from"])


def test_what_is_no_directory_and_what_is_damaged_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        work(tmp_path / "file" / "w").prepare()
    (tmp_path / "work.json").write_text("{")
    with pytest.raises(InputError, match=r"work\.json cannot be read"):
        work(tmp_path).prepare()


def test_rounds_are_numbered_and_one_whose_making_was_killed_is_none(tmp_path: Path) -> None:
    mine = work(tmp_path)
    mine.create(Plan())
    rounds = mine.rounds("check")
    assert (rounds.numbers(), rounds.last(), rounds.following()) == ([], None, 1)
    rounds.begin(1, Plan(title="first")).close()
    rounds.begin(2, Plan(title="second")).close()
    rounds.path(3).mkdir()
    rounds.path(3).joinpath(DATABASE).touch()
    assert (rounds.numbers(), rounds.following()) == ([1, 2], 3)
    newest = rounds.last()
    assert newest
    with newest:
        assert newest.plan().title == "second" and newest.directory == tmp_path / "check" / "2"
