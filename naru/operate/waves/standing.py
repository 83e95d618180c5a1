"""How far each host is: what the journals of the waves say, and what was left behind."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from naru.operate.drain import planner as drain
from naru.operate.waves import planner
from naru.operate.waves.work import Planned, Work
from naru.plan import leaving
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import StepRow, reading
from naru.plan.status import status

State = Literal["waiting", "draining", "upkeep", "done", "failed", "left"]
DRAINING = (drain.DISABLE, drain.MOVE, drain.PROOF, drain.EMPTY)


@dataclass(frozen=True)
class Standing:
    """How far a host is: `wave` is its number, that on paper for one that waits; of `servers` that move, `moved` are
    proved on their new hosts. `why` is the first error of one that failed, or why it was left behind. `seconds` is what
    is still expected, None when that is not known."""

    host: str
    rack: str
    wave: int
    state: State
    servers: int
    moved: int
    why: str = ""
    seconds: float | None = None


def standings(work: Work) -> list[Standing]:
    """All hosts, in the order of the plan."""
    planned, left = work.planned, work.left()
    found: dict[str, Standing] = {}
    spent: list[float] = []
    for number in work.waves.numbers():
        with Journal.open(work.waves.path(number)) as journal:
            of_wave, took = _of_wave(journal, number, planned)
            left |= leaving.left_out(journal).things
        found |= of_wave
        spent += took
    on_paper = {host: number for number, hosts in enumerate(planned.waves, 1) for host in hosts}
    beside = sum(spent) / len(spent) if spent else planner.upkeep_seconds(planned.settings)
    result = []
    for host in planned.hosts:
        rack = planned.racks.get(host, "")
        one = found.get(host) or Standing(
            *(host, rack, on_paper.get(host, 0), "waiting", planned.servers.get(host, 0), 0),
            seconds=planned.seconds.get(host, 0.0) + beside,
        )
        if host in left:
            one = Standing(host, rack, one.wave, "left", one.servers, one.moved, left[host])
        result.append(one)
    return result


def expected(found: Sequence[Standing]) -> float:
    """Seconds that are still to come: of each wave what its slowest host takes."""
    waves: dict[int, float] = {}
    for one in found:
        if one.seconds is not None:
            waves[one.wave] = max(waves.get(one.wave, 0.0), one.seconds)
    return sum(waves.values())


def _of_wave(journal: Journal, number: int, planned: Planned) -> tuple[dict[str, Standing], list[float]]:
    """The hosts of a wave, and the seconds that those took which are done, from empty to given back."""
    state = status(journal)
    with reading(journal) as now:
        steps = now.steps(args=True)
    mine: dict[str, list[StepRow]] = {}
    for step in steps:
        mine.setdefault(host_of(step), []).append(step)
    found = {host: _standing(host, planned.racks.get(host, ""), number, own, state.eta) for host, own in mine.items()}
    took = [_upkeep_took(own) for host, own in mine.items() if found[host].state == "done"]
    return found, [one for one in took if one is not None]


def host_of(step: StepRow) -> str:
    """The host, as Nova calls it, that a step of a wave is for."""
    return step.about_id if step.about and step.about.kind == "host" else str(step.args["host"])


def _standing(host: str, rack: str, number: int, steps: Sequence[StepRow], eta: float | None) -> Standing:
    proofs = [step for step in steps if step.purpose == drain.PROOF]
    moved = sum(step.state in OVER for step in proofs)
    failed = [step for step in steps if step.state == "failed"]
    under_way = [step for step in steps if step.state not in OVER]
    if not under_way:
        return Standing(host, rack, number, "done", len(proofs), moved)
    if failed and not any(step.state == "running" for step in steps):
        return Standing(host, rack, number, "failed", len(proofs), moved, failed[0].error)
    state: State = "draining" if under_way[0].purpose in DRAINING else "upkeep"
    left = None if eta is None else max(0.0, eta - time.time())
    return Standing(host, rack, number, state, len(proofs), moved, failed[0].error if failed else "", left)


def _upkeep_took(steps: Sequence[StepRow]) -> float | None:
    by_purpose: Mapping[str, StepRow] = {step.purpose: step for step in steps}
    first, last = by_purpose.get(drain.EMPTY), by_purpose.get(drain.ENABLE)
    if first is None or last is None or first.ended is None or last.ended is None:
        return None
    return max(0.0, last.ended - first.ended)
