"""No project is finalized that was never found to be right since its cut-over."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from naru.move import freshness, reading, verified
from naru.move.outcome import Difference, Item
from naru.plan.journal import Journal
from naru.plan.queries import reading as journal_reading

from ..plan.test_cli import naru, naru_json
from .test_run import Clock, clock, log, scheduled, work

__all__ = ["clock", "work"]
pytestmark = pytest.mark.unit


class Verification:
    """Stands in for the comparison of both clouds: what is wrong, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.wrong: dict[str, str] = {}

    def outcome(self, *_: object) -> SimpleNamespace:
        self.asked += 1
        return SimpleNamespace(
            items=[
                Item("network", "n", "m", "lan", project, "create", "", (Difference("mtu", 1500, 1400, rule),))
                for project, rule in self.wrong.items()
            ],
            failures=(),
            unfinished=(),
            is_wrong=bool(self.wrong),
        )


@pytest.fixture
def verification(monkeypatch: pytest.MonkeyPatch) -> Verification:
    made = Verification()
    monkeypatch.setattr(reading, "outcome", made.outcome)
    monkeypatch.setattr(freshness, "look", lambda *_: [])
    return made


def test_what_differs_is_not_finalized(work: Path, verification: Verification) -> None:
    naru("-q", "move", "prepare", work)
    naru("-q", "move", "cutover", work)
    verification.wrong = {"2": "", "4": "a rule explains it"}
    told = naru("move", "finalize", work, code=2).stderr
    assert (
        "lab: not as on the old cloud, and finalize cannot be rolled back" in told and "lab: network lan: mtu" in told
    )
    assert f"naru move finalize {work} --project 'guild [x]' --project office --project shop" in told
    assert not [line for line in log(work) if line.startswith("quota")]
    # what was right is not compared again, whatever users do to it
    asked = verification.asked
    verification.wrong = {"1": "", "2": "", "3": "", "4": ""}
    naru("-q", "move", "finalize", work, "--project", "office", "--project", "shop", "--project", "guild [x]")
    assert verification.asked == asked
    naru("-q", "move", "finalize", work, code=2)
    naru("-q", "move", "finalize", work, "--despite", "seen by mina")
    with Journal.open(work) as journal, journal_reading(journal) as now:
        assert ("remark", "finalized despite differences: seen by mina") in [
            (event.what, event.detail) for event in now.events()
        ]
    assert sorted(log(work))[4:8] == ["quota 1", "quota 2", "quota 3", "quota 4"]


def test_verify_is_remembered_for_what_is_cut_over(work: Path, verification: Verification) -> None:
    naru("-q", "move", "prepare", work)
    naru("-q", "move", "cutover", work, "--project", "office")
    naru("move", "verify", work)
    with Journal.open(work) as journal:
        assert verified.verified(journal) == {"4"}


def test_a_schedule_finalizes_what_is_right(work: Path, clock: Clock, verification: Verification) -> None:
    verification.wrong = {"2": ""}
    file = scheduled(work, {"a": (["office", "lab"], 1, 3, 12)})
    answer = naru("move", "run", work, "--schedule", file, "-f", "json", code=3)
    assert "not finalized: lab: not as on the old cloud" in answer.stderr and "quota 4" in log(work)
    assert "quota 2" not in log(work) and verification.asked < 5
    verification.wrong = {}
    naru("move", "verify", work)
    rows = naru_json("-q", "move", "run", work, "--schedule", file)
    assert {row["project"]: row["state"] for row in rows} == {"office": "done", "lab": "done"}
