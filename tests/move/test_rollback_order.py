"""What a rollback of a whole move waits for: whatever single step of it cannot be done, users get back what does not
need that. On the plan of the demo company, as it is when all is cut over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select, update

from naru.move import purposes
from naru.move.rollback import WAITS
from naru.move.steps.volume_content import UNDO_CONTENT
from naru.plan import control, rollback, schema
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.queries import reading

from .readings import GOLDEN
from .test_golden import CASES, planned, sides

__all__ = ["sides"]
pytestmark = pytest.mark.unit


class Undo(NamedTuple):
    """A rollback's step: what it undoes, and whether it does anything."""

    n: int
    id: str
    purpose: str
    about: str
    kind: str
    works: bool


class Rollback:
    """The steps of a rollback, and what waits for each."""

    def __init__(self, journal: Journal) -> None:
        steps, edges = schema.steps, schema.edges
        undone = steps.alias()
        query = select(steps.c.n, undone.c.id, undone.c.purpose, undone.c.about_id, steps.c.kind)
        with journal.read() as connection:
            rows = connection.execute(query.join_from(steps, undone, undone.c.n == steps.c.undoes)).all()
            self.steps = [Undo(*row, row.kind != "noop") for row in rows]
            self._followers: dict[int, list[int]] = {}
            for after, before in connection.execute(select(edges.c.after, edges.c.before)):
                self._followers.setdefault(before, []).append(after)
        self._by_number = {step.n: step for step in self.steps}

    def of(self, *purposes: str) -> list[Undo]:
        return [step for step in self.steps if step.purpose in purposes]

    def held_up_by(self, step: Undo) -> list[Undo]:
        """What cannot be done without it."""
        found: set[int] = set()
        stack = [step.n]
        while stack:
            for after in self._followers.get(stack.pop(), ()):
                if after not in found:
                    found.add(after)
                    stack.append(after)
        return [self._by_number[n] for n in sorted(found)]


@pytest.fixture
def journal(sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """The demo's, with all done that comes before finalizing."""
    monkeypatch.chdir(GOLDEN)  # where the files are that describe the storage
    plan = planned(sides, next(case for case in CASES if case.name == "demo")).plan
    plan.findings = []
    load(plan.modules)
    number = {step.id: n for n, step in enumerate(plan.steps, 1)}
    followers: dict[int, list[int]] = {}
    for edge in plan.edges:
        followers.setdefault(number[edge.before], []).append(number[edge.after])
    left = [number[step.id] for step in plan.steps if step.gate.startswith("finalize ")]
    final: set[int] = set(left)
    while left:
        new = set(followers.get(left.pop(), ())) - final
        final |= new
        left += new
    with Journal.create(tmp_path / "work", plan) as journal:
        with journal.write() as connection:
            done = update(schema.steps).where(schema.steps.c.n.not_in(final))
            connection.execute(done.values(state="done", attempt=1, result="{}"))
        yield journal


def test_no_single_step_holds_up_old_servers_and_addresses_that_do_not_need_it(journal: Journal) -> None:
    rollback.start(journal, waits=WAITS)
    plan = Rollback(journal)
    assert len(plan.of(purposes.STOP)) > 5 and len(plan.of(purposes.RELEASE)) > 5
    started = {step.about for step in plan.of(purposes.START)}
    for step in plan.steps:
        waiting = plan.held_up_by(step)
        servers = {one.about for one in waiting if one.purpose == purposes.STOP}
        # an old server needs nothing but the new one to be off, and the hooks before that, which cannot fail
        needed = step.purpose in (purposes.START, purposes.TELL_RUNS)
        assert servers == ({step.about} & started if needed else set()), step.id
        # an address needs no server
        if any(one.purpose == purposes.RELEASE for one in waiting):
            address = (purposes.RELEASE, purposes.TAKE)
            assert step.purpose in address or step.id.startswith("port forwarding/"), step.id


def test_a_project_is_told_to_be_back_when_its_old_servers_run_and_its_addresses_are_back(journal: Journal) -> None:
    rollback.start(journal, waits=WAITS)
    plan = Rollback(journal)
    told = {step.n for step in plan.of(purposes.TELL_CUTOVER)}
    before = [step for step in plan.steps if told & {one.n for one in plan.held_up_by(step)}]
    assert {step.n for step in plan.of(purposes.STOP, purposes.RELEASE)} <= {step.n for step in before}
    # what was made for the move is removed afterwards, or meanwhile
    assert not [step.id for step in before if step.id.startswith(("server/", "volume/", "port/", "kept "))]
    for step in plan.of(purposes.TELL_RUNS):
        # told before the new one stops, and so before the old one starts
        assert {purposes.START, purposes.STOP, purposes.TELL_STOP} <= {one.purpose for one in plan.held_up_by(step)}


def test_two_never_run_or_answer_at_once(journal: Journal) -> None:
    rollback.start(journal, waits=WAITS)
    plan = Rollback(journal)
    for step in plan.of(purposes.START):
        assert [one.about for one in plan.held_up_by(step) if one.purpose == purposes.STOP] == [step.about], step.id
    taken = {step.about for step in plan.of(purposes.RELEASE)} & {step.about for step in plan.of(purposes.TAKE)}
    assert len(taken) > 5
    for step in plan.of(purposes.TAKE):
        if step.about in taken:
            back = {one.about for one in plan.held_up_by(step) if one.purpose == purposes.RELEASE}
            assert step.about in back, step.id


def test_data_that_is_carried_back_comes_before_the_old_server(journal: Journal) -> None:
    waits = {**WAITS, purposes.STOP: (purposes.START, purposes.CONTENT, purposes.ROOT_CONTENT)}
    rollback.start(journal, waits=waits, args={UNDO_CONTENT: {"carry": True}})
    plan = Rollback(journal)
    assert any(one.purpose == purposes.STOP for step in plan.of(purposes.CONTENT) for one in plan.held_up_by(step))


def test_data_can_still_be_carried_back_when_a_rollback_has_begun(journal: Journal) -> None:
    rollback.start(journal, waits=WAITS)
    assert not any(
        one.purpose == purposes.STOP
        for step in Rollback(journal).of(purposes.CONTENT)
        for one in Rollback(journal).held_up_by(step)
    )
    waits = {**WAITS, purposes.STOP: (purposes.START, purposes.CONTENT, purposes.ROOT_CONTENT)}
    rollback.change(journal, UNDO_CONTENT, {"carry": True}, waits=waits)
    plan = Rollback(journal)
    assert any(one.purpose == purposes.STOP for step in plan.of(purposes.CONTENT) for one in plan.held_up_by(step))


def test_an_undo_that_was_skipped_is_not_made_again(journal: Journal) -> None:
    rollback.start(journal, waits=WAITS)
    with reading(journal) as now:
        undo = now.steps(purpose=rollback.UNDO, rollbacks=True)[0]
    control.skip(journal, "as told", steps=[undo.id])
    assert rollback.start(journal, waits=WAITS) == 0
    with reading(journal) as now:
        steps = {step.n: step for step in now.steps()}
        assert undo.undoes is not None and steps[undo.undoes].state == "undone"
