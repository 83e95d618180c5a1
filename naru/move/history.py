"""What happened when, from the journals of a move: its rounds of copying ahead, what each pass carried, and how
addresses were changed over. How long servers were off is in `naru.move.downtime`."""

import datetime
import math
from collections.abc import Iterable, Iterator

from naru.move.outcome import AddressChange, Carried, Round
from naru.move.purposes import RELEASE, TAKE
from naru.move.steps.volume_content import VolumeContent
from naru.move.work import ROUNDS, Work
from naru.plan.journal import Journal
from naru.plan.queries import StepRow, reading

BY_IMAGE = "move.volume_image"
"""The step kind that carries the content of a volume through Glance."""


def rounds(work: Work) -> Iterator[Round]:
    """Those that have done something, in their order."""
    for number, done in _rounds(work):
        began, ended = [step.started for step in done if step.started], [step.ended for step in done if step.ended]
        if began and ended:
            yield Round(number, _time(min(began)), _time(max(ended)))


def carried(work: Work) -> Iterator[Carried]:
    """What each pass carried of each volume, round by round, the window last."""
    names = {decision.id: decision.name for decision in work.decisions if decision.kind == "volume"}
    for number, done in _rounds(work):
        yield from _carried(number, done, names)
    with work.journal() as journal, reading(journal) as now:
        done = now.steps(kind=(VolumeContent.step_kind, BY_IMAGE), states=["done"], result=True)
    yield from _carried(0, done, names)


def _rounds(work: Work) -> Iterator[tuple[int, list[StepRow]]]:
    """The number of each round, and the contents that it carried."""
    known = work.work.rounds(ROUNDS)
    for number in known.numbers():
        with Journal.open(known.path(number)) as journal, reading(journal) as now:
            yield number, now.steps(kind=VolumeContent.step_kind, states=["done"], result=True)


def _carried(number: int, done: Iterable[StepRow], names: dict[str, str]) -> Iterator[Carried]:
    for step in done:
        if step.about_id not in names or not step.result:
            continue
        # what goes through an image is read and written whole
        read, written = (int(step.result.get(key, step.result["size"])) for key in ("read", "written"))
        yield Carried(step.about_id, names[step.about_id], number, read, written, _time(step.ended))


def addresses(work: Work) -> Iterator[AddressChange]:
    """Those that are on the new cloud, in the order of the plan."""
    with work.journal() as journal, reading(journal) as now:
        released, taken = (now.steps(purpose=purpose, states=["done"]) for purpose in (RELEASE, TAKE))
        began = now.first_starts(released)
    first: dict[tuple[str, str], float] = {}
    for step in released:
        if step.about and step.n in began:
            key = step.about[:2]
            first[key] = min(began[step.n], first.get(key, math.inf))
    # a router's gateway and its routes are taken one after the other
    for about in dict.fromkeys(step.about for step in taken if step.about and step.about[:2] in first):
        last = max(step.ended or 0.0 for step in taken if step.about == about)
        yield AddressChange(about.kind, about.name or about.id, _time(first[about[:2]]), _time(last))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
