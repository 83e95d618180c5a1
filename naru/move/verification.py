"""What `naru move verify` shows: how many things are in which state, and one by one what is not as it should be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from naru.messages import Text, message
from naru.move.kinds import BY_NAME
from naru.move.left import by_operator
from naru.move.outcome import STATES, Item, Outcome

SUMMARY = message(
    "move.verify.summary",
    en="{right:number} right, {explained:number} explained, {differs:number} differ, {failed:number} failed, "
    "{due:number} not made yet, {later:number} for later phases, {left:number} left, {back:number} rolled back",
    ko="동일 {right:number}개, 설명된 차이 {explained:number}개, 설명되지 않은 차이 {differs:number}개, 실패 "
    "{failed:number}개, 아직 만들지 않음 {due:number}개, 다음 단계에서 만듦 {later:number}개, 이전하지 않음 "
    "{left:number}개, 되돌림 {back:number}개",
)
NOT_AT_END = message(
    "move.verify.not_at_end",
    en="it was begun and is not at its end, {steps:number} steps are left: naru move status, then give it again",
    ko="시작했지만 {steps:number}단계가 남아 있습니다. naru move status로 확인한 뒤 다시 실행해 주십시오",
)
NOT_YET = message("move.verify.not_yet", en="not made yet: {phase}", ko="아직 만들지 않았습니다(단계: {phase})")


class Line(NamedTuple):
    """One thing, or one field of it: see `Item` and `Difference`."""

    state: str
    kind: str
    name: str
    old_id: str
    field: str
    old: Any
    new: Any
    why: Text


COLUMNS = ("state", "kind", "name", "old id", "field", "old", "new", "why")


def summary(outcome: Outcome) -> Text:
    """How many things are in which state, in a line."""
    count = Counter(item.state for item in outcome.items)
    due = sum(1 for item in outcome.items if item.state == "not yet" and item.due)
    return SUMMARY(
        right=count["right"],
        explained=count["explained"],
        differs=count["differs"],
        failed=count["failed"],
        due=due,
        later=count["not yet"] - due,
        left=count["left"],
        back=count["rolled back"],
    )


def counts(outcome: Outcome) -> list[tuple[Any, ...]]:
    """(kind, how many in each of STATES), in the order of the kinds."""
    count = Counter((item.kind, item.state) for item in outcome.items)
    kinds = [kind for kind in BY_NAME if any(found == kind for found, _ in count)]
    return [(kind, *(count[kind, state] for state in STATES)) for kind in kinds]


def rows(outcome: Outcome, called: Mapping[str, str], *, every: bool) -> list[Line]:
    """What is not as it should be by now: things, then failed steps, then phases that are not at their end. With
    `every` also what is explained, comes later or was left. `called` has the projects' names by old id."""
    found = [line for item in outcome.items for line in _of(item, every)]
    made = {(item.kind, item.old_id) for item in outcome.items if item.state == "failed"}
    for failure in outcome.failures:
        if (failure.kind, failure.old_id) not in made:
            name = failure.name or called.get(failure.project, "")
            where = (failure.kind or "step", name, failure.old_id)
            found.append(Line("failed", *where, failure.step, "done", "failed", failure.error))
    for left in outcome.unfinished:
        where = ("project", called[left.project], left.project)
        found.append(Line("not yet", *where, left.phase, "done", None, NOT_AT_END(steps=left.steps)))
    return found


def _of(item: Item, every: bool) -> Iterator[Line]:
    where = (item.kind, item.name, item.old_id)
    if item.state in ("failed", "not yet"):
        if item.due or every:
            why = item.reason or NOT_YET(phase=item.phase)
            yield Line(item.state, *where, "", item.name or item.old_id, None, why)
    elif item.state == "left" and (every or by_operator(item.why)):
        yield Line(item.state, *where, "", item.name or item.old_id, None, item.reason or item.why)
    elif item.state != "left":
        for one in item.differences:
            state = item.state if item.state == "rolled back" else "explained" if one.why else "differs"
            if every or not one.why:
                yield Line(state, *where, one.field, one.old, one.new, one.why)
