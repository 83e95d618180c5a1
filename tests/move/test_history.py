"""What happened when: rounds, what each pass carried, and addresses, from journals written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.move import history, sync
from naru.move.decisions import Decision
from naru.move.purposes import RELEASE, TAKE
from naru.move.work import DECISIONS, ROUNDS, Work
from naru.plan import schema
from naru.plan.journal import Journal
from naru.plan.model import About, Plan, Step

pytestmark = pytest.mark.unit

BEGAN = 1_800_000_000.0
VOLUME, ADDRESS = About("volume", "v", "data"), About("floating IP", "f", "203.0.113.7")


def write(directory: Path, *steps: tuple[Step, float, float, dict[str, Any]], settings: Any = None) -> None:
    """A plan whose steps are done: from when to when, and with what result."""
    plan = Plan(settings=settings or {}, limits={"x": 1})
    for step, *_ in steps:
        plan.add(step)
    with Journal.create(directory, plan) as journal, journal.write() as connection:
        for n, (_, began, ended, result) in enumerate(steps, 1):
            values = {"state": "done", "attempt": 1, "started": BEGAN + began, "ended": BEGAN + ended}
            table = schema.steps
            connection.execute(update(table).where(table.c.n == n).values(**values, result=json.dumps(result)))
            row = {"at": BEGAN + began, "step": n, "attempt": 1, "what": "started", "detail": ""}
            connection.execute(schema.events.insert(), [row])


def step(id: str, kind: str, about: About, purpose: str = "") -> Step:
    return Step(id, kind, limits=("x",), about=about, purpose=purpose)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    result = {"size": 100, "read": 7, "written": 5}
    write(
        tmp_path,
        (step("free", "k", ADDRESS, RELEASE), 10, 11, {}),
        (step("delete", "k", ADDRESS, RELEASE), 12, 13, {}),
        (step("set", "k", ADDRESS, TAKE), 14, 15, {}),
        (step("more", "k", ADDRESS, TAKE), 16, 17, {}),
        (step("other", "k", About("router", "r", "edge"), TAKE), 16, 17, {}),
        (step("content", sync.KIND, VOLUME), 20, 30, result),
        (step("image", history.BY_IMAGE, About("volume", "w", "logs")), 20, 40, {"size": 50, "checksum": None}),
        settings={"from": "old", "to": "new", "projects": ["p"]},
    )
    for number in (1, 2):
        directory = tmp_path / ROUNDS / str(number)
        write(directory, (step("content", sync.KIND, VOLUME), -100 * number, -50 * number, {**result, "written": 90}))
    decisions = [Decision("volume", id, name, "p", "create", "") for id, name in (("v", "data"), ("w", "logs"))]
    told = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}}
    told |= {"snapshots": {"old": 1, "new": 2}, "decisions": [one.dump() for one in decisions]}
    (tmp_path / DECISIONS).write_text(json.dumps(told))
    return Work(tmp_path)


def test_what_each_pass_carried(work: Work) -> None:
    found = [(one.volume_name, one.round, one.read, one.written) for one in history.carried(work)]
    # what goes by an image is read and written whole
    assert found == [("data", 1, 7, 90), ("data", 2, 7, 90), ("data", 0, 7, 5), ("logs", 0, 50, 50)]


def test_rounds(work: Work) -> None:
    first, second = history.rounds(work)
    assert (first.number, second.number) == (1, 2)
    assert first.began == "2027-01-15T07:58:20.000+00:00" and first.ended == "2027-01-15T07:59:10.000+00:00"


def test_addresses_from_the_first_release_to_the_last_taking(work: Work) -> None:
    (found,) = history.addresses(work)  # the router's was never released
    assert (found.kind, found.name) == ("floating IP", "203.0.113.7")
    assert (found.began[17:23], found.ended[17:23]) == ("10.000", "17.000")
