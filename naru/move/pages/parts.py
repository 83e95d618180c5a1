"""What of an outcome each project is concerned with, and the numbers in it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from naru.move.outcome import ContentResult, Difference, Downtime, Item, Outcome, Project, Task
from naru.plan.model import Finding

LAST_PHASE = "finalize"
ROLLED_BACK = "rollback"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Part:
    """What of an outcome one project is concerned with."""

    project: Project
    items: Sequence[Item]
    tasks: Sequence[Task]
    downtimes: Sequence[Downtime]
    contents: Sequence[ContentResult]
    findings: Sequence[Finding]


def parts(outcome: Outcome) -> Iterator[Part]:
    """That of each project, by one pass over everything."""
    items: dict[str, list[Item]] = {project.old_id: [] for project in outcome.projects}
    for item in outcome.items:
        for identity in dict.fromkeys((item.project, *item.used_by)):
            if identity in items:
                items[identity].append(item)
    tasks = _grouped(outcome.tasks, lambda task: task.project)
    downtimes = _grouped(outcome.downtimes, lambda downtime: downtime.server_old_id)
    contents = _grouped(outcome.contents, lambda content: content.volume_old_id)
    findings = _grouped(outcome.findings, lambda finding: finding.about)
    for project in outcome.projects:
        own = items[project.old_id]
        ids = dict.fromkeys((project.old_id, *(item.old_id for item in own)))
        yield Part(
            project,
            own,
            tasks.get(project.old_id, []),
            [downtime for item in own if item.kind == "server" for downtime in downtimes.get(item.old_id, [])],
            [content for item in own if item.kind == "volume" for content in contents.get(item.old_id, [])],
            [finding for identity in ids for finding in findings.get(identity, [])],
        )


def _grouped(things: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    result: dict[str, list[_T]] = {}
    for thing in things:
        result.setdefault(key(thing), []).append(thing)
    return result


def phase_of(outcome: Outcome, project: Project) -> str:
    """The last phase that was done of the project."""
    return ROLLED_BACK if project.rolled_back else outcome.phase


def differing(items: Iterable[Item]) -> Iterator[tuple[Item, Difference]]:
    """Each difference with its thing."""
    return ((item, difference) for item in items for difference in item.differences)


def unexplained(items: Iterable[Item]) -> list[tuple[Item, Difference]]:
    """Those differences that no rule explains."""
    return [(item, difference) for item, difference in differing(items) if not difference.why]


def standing(outcome: Outcome) -> list[Item]:
    """Things of what was not rolled back: they are on the new cloud, or will be."""
    back = {project.old_id for project in outcome.projects if phase_of(outcome, project) == ROLLED_BACK}
    shared = [] if outcome.phase == ROLLED_BACK else [""]
    known = {*shared, *(project.old_id for project in outcome.projects)} - back
    return [item for item in outcome.items if item.project in known]


def missing(item: Item) -> bool:
    """Whether it is not there although it should be, or is gone."""
    return any(not difference.field for difference in item.differences)


@dataclass(frozen=True)
class Numbers:
    """How many items there are, how many were created, matched and left, and how many fields differ."""

    items: int
    created: int
    matched: int
    left: int
    differences: int


def count(items: Iterable[Item]) -> Numbers:
    """Of the items."""
    items = list(items)
    by = Counter(item.decision for item in items)
    return Numbers(len(items), by["create"], by["match"], by["leave"], sum(1 for _ in differing(items)))
