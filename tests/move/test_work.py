"""The work directory of a move: a plan takes the place of one of which nothing was done."""

import contextlib
import itertools
import json
import multiprocessing
import random
import time
from pathlib import Path

import pytest

from naru.errors import InputError, NaruError
from naru.move import work
from naru.move.draft import Draft
from naru.plan.journal import Journal
from naru.work.directory import WorkDirectory

from ..plan.conftest import database, postgresql  # noqa: F401
from .test_mapping import facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit


def test_whether_a_plan_has_begun_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    begun = [False, True]

    def check(self: WorkDirectory) -> None:
        asked.append(self.path)
        if begun.pop(0):
            raise InputError("it has begun")

    monkeypatch.setattr(WorkDirectory, "check_unbegun", check)
    draft, snapshots = planned(facts(OLD)), {"old": 1, "new": 2}
    work.create(tmp_path, draft, snapshots, "naru_map: 1\n")
    work.create(tmp_path, draft, snapshots, "naru_map: 1\n")
    assert asked == [tmp_path]
    with Journal.open(tmp_path) as journal:
        before = journal.plan_id
    with pytest.raises(InputError, match="it has begun"):
        work.create(tmp_path, draft, snapshots, "naru_map: 1\nroles: {}\n")
    with Journal.open(tmp_path) as journal:
        assert journal.plan_id == before and "roles" not in (tmp_path / work.MAP).read_text()


def _draft() -> Draft:
    draft = planned(facts(OLD))
    draft.plan.settings |= {"from": draft.old, "to": draft.new, "projects": sorted(draft.facts.projects)}
    return draft


def test_files_of_another_plan_are_told(tmp_path: Path) -> None:
    draft, snapshots = _draft(), {"old": 1, "new": 2}
    work.create(tmp_path, draft, snapshots, "naru_map: 1\n")
    other = (tmp_path / work.DECISIONS).read_text()
    work.create(tmp_path, draft, snapshots, "naru_map: 1\n")
    assert not list((tmp_path / work.NEXT).iterdir())
    work.Work(tmp_path).journal().close()
    (tmp_path / work.DECISIONS).write_text(other)
    with pytest.raises(InputError, match="is of another move than") as refused:
        work.Work(tmp_path).journal()
    assert "plan: " in refused.value.detail and "naru move plan" in refused.value.hint
    work.create(tmp_path, draft, snapshots, "naru_map: 1\n")
    work.Work(tmp_path).journal().close()


def test_what_was_planned_before_plans_were_named_is_taken_as_it_is(tmp_path: Path) -> None:
    work.create(tmp_path, _draft(), {"old": 1, "new": 2}, "naru_map: 1\n")
    older = json.loads((tmp_path / work.DECISIONS).read_text())
    del older["plan"]
    (tmp_path / work.DECISIONS).write_text(json.dumps(older))
    work.Work(tmp_path).journal().close()


def _plan_again_and_again(directory: Path, urls: list[str], first: int) -> None:
    draft = _draft()
    for number in itertools.count(first):
        draft.plan.title = f"plan {number}"
        with contextlib.suppress(NaruError):  # a killed planner's connection has the lock for a moment
            work.create(directory, draft, {"old": number, "new": number}, f"{number}", urls[number % len(urls)])


def _killed(directory: Path, urls: list[str], times: int, longest: float = 0.4) -> None:
    fork = multiprocessing.get_context("fork")
    seen: set[int] = set()
    seed = random.Random(directory.name)
    for life in range(times):
        process = fork.Process(target=_plan_again_and_again, args=(directory, urls, life * 1000))
        process.start()
        time.sleep(seed.uniform(0.02, longest))
        process.kill()
        process.join()
        if not Journal.exists(directory):
            assert not seen
            continue
        found = work.Work(directory)
        with found.journal() as journal:
            title = str(journal.plan().title)
        number = found.snapshots["old"]
        assert title == f"plan {number}" and (directory / work.MAP).read_text() == str(number)
        seen.add(number)
    assert len(seen) > 2


@pytest.mark.kill
@pytest.mark.parametrize("times", [30, pytest.param(300, marks=pytest.mark.releases)])
def test_a_kill_while_planning_again_leaves_one_plan_with_its_decisions(tmp_path: Path, times: int) -> None:
    _killed(tmp_path, [""], times)


@pytest.mark.kill
@pytest.mark.postgresql
@pytest.mark.parametrize("times", [10, pytest.param(60, marks=pytest.mark.releases)])
def test_so_does_one_where_the_journal_goes_from_a_file_to_a_database_and_back(
    tmp_path: Path,
    database: str,  # noqa: F811
    times: int,
) -> None:
    _killed(tmp_path, ["", database, database], times, longest=3.0)
