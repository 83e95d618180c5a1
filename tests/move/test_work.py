"""The work directory of a move: a plan takes the place of one of which nothing was done."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.move import work
from naru.plan.journal import Journal
from naru.work.directory import WorkDirectory

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
