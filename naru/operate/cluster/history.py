"""What the ways that were gone have come to, as their journals have it: the first one down, then each further way, down
or up, in the order in which they were gone. What one has done, a later one may have taken back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from naru.operate.cluster import planner, way_up
from naru.operate.cluster.reading import Reading
from naru.operate.cluster.work import DOWN, WAY, Work
from naru.plan.journal import Journal
from naru.plan.queries import JournalView, StepRow
from naru.plan.queries import reading as looking


@dataclass
class Past:
    """`left` is how far members of databases had come when they stopped last, by `SERVICE@HOST` in the order in which
    they did; `flags` by Ceph cluster those that were set and not taken away since; `stopped` the servers (ids) that
    were stopped and not started since; `saved` the databases of which a backup was read back."""

    left: dict[str, dict[str, Any]] = field(default_factory=dict)
    flags: dict[str, list[str]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    saved: set[str] = field(default_factory=set)

    def add(self, way: str, now: JournalView) -> None:
        """Adds what a further way has come to."""
        if way == DOWN:
            self._add_left(now.steps(kind="cluster.left", args=True, result=True))
            self._add_flags(now.steps(purpose=planner.FLAG, args=True, result=True))
            self.stopped |= {_id(one) for one in now.steps(purpose=planner.GUEST, states=["done"])}
            self.saved |= {_id(one) for one in now.steps(purpose=planner.READ_BACK, states=["done"])}
            return
        for one in now.steps(purpose=way_up.UNFLAG, states=["done"], args=True):
            mine = self.flags.get(one.args["ceph"], [])
            self.flags[one.args["ceph"]] = [flag for flag in mine if flag not in one.args["flags"]]
        # one whose start began may run, whatever became of the step
        begun = [one for one in now.steps(purpose=way_up.GUEST) if one.started is not None]
        self.stopped -= {_id(one) for one in begun}

    def _add_left(self, steps: list[StepRow]) -> None:
        done = [one for one in steps if one.state == "done" and one.about]
        for one in sorted(done, key=lambda each: each.ended or 0.0):
            self.left.pop(_id(one), None)
            self.left[_id(one)] = {**one.result, "database": one.args["database"]}

    def _add_flags(self, steps: list[StepRow]) -> None:
        for one in steps:
            # one that failed has said before which flags it was about to set
            mine = self.flags.setdefault(one.args["ceph"], [])
            mine += [flag for flag in (one.result or {}).get("ours", []) if flag not in mine]


def past(work: Work) -> Past:
    """What all ways have come to."""
    found = Past()
    for way, journal in _journals(work):
        with journal, looking(journal) as now:
            found.add(way, now)
    return found


def record(journal: Journal) -> Reading | None:
    """What the first way down has recorded; None before it has."""
    with looking(journal) as now:
        (found,) = now.steps(purpose=planner.RECORD, result=True)
    return found.result if found.state == "done" else None


def _journals(work: Work) -> Iterator[tuple[str, Journal]]:
    yield DOWN, work.journal()
    for number in work.ways.numbers():
        journal = Journal.open(work.ways.path(number))
        yield journal.settings()[WAY], journal


def _id(step: StepRow) -> str:
    assert step.about
    return step.about.id
