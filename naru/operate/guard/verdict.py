"""Verdicts: what is to be done with each host in a round, each with all that it was made from."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from naru.operate.guard import evidence
from naru.operate.guard.evidence import Around, Host
from naru.operate.guard.gates import GATES, Outcome
from naru.operate.guard.policy import Policy

FORMAT = 1
APPROVED_BY = ("go", "off")


class Verdict(NamedTuple):
    """What becomes of a host: `gate` is the one that stopped it, "" for none. `case` is all that it was made from, so
    that it is made again by `again`."""

    host: str
    outcome: Outcome
    gate: str
    why: str
    case: "Case"


class Case(NamedTuple):
    """What a verdict is made from."""

    host: Host
    around: Around
    policy: Policy


def decide(case: Case) -> Verdict:
    """The verdict on one host: a function of its case alone."""
    for gate in GATES:
        stop = gate.stops(*case)
        if stop:
            return Verdict(case.host.name, stop.outcome, gate.name, stop.why, case)
    return Verdict(case.host.name, "evacuate", "", "dead on every path, and all gates are open", case)


def judge(
    hosts: Collection[Host],
    around: Around,
    policy: Policy,
    approved: Mapping[str, Collection[str]] | None = None,
    begun: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Verdict]:
    """The verdicts of a round, by host. What one of them takes of the limits, the next ones do not have. `approved` is
    what a human has said, by host; `begun` what the limits were before its own evacuation took of them, of hosts whose
    evacuation was begun and has not proved them off: these come first, and all is asked of them again."""
    found = []
    taken, before = around, begun or {}
    for host in sorted(hosts, key=lambda one: (one.name not in before, one.name)):
        said = tuple(sorted((approved or {}).get(host.name, ())))
        own = dataclasses.replace(taken, approved=said, **before.get(host.name, {}))
        verdict = decide(Case(host, own, policy))
        if verdict.outcome == "evacuate":
            taken = dataclasses.replace(taken, chosen=taken.chosen + 1, spent=_spent(taken, host, host.name in before))
        found.append(verdict)
    return sorted(found, key=lambda one: one.host)


def _spent(around: Around, host: Host, is_counted: bool) -> Mapping[str, int]:
    """What is spent once it is evacuated as well, unless that is counted already."""
    return {**around.spent, **{area: around.spent.get(area, 0) + (not is_counted) for area in host.areas.values()}}


def written(verdict: Verdict) -> dict[str, Any]:
    """As JSON."""
    host, around, policy = verdict.case
    case = {"host": evidence.dump(host), "around": evidence.dump(around), "policy": policy.model_dump()}
    return {
        **{"naru_verdict": FORMAT, "host": verdict.host, "outcome": verdict.outcome},
        **{"gate": verdict.gate, "why": verdict.why, "case": case},
    }


def again(record: Mapping[str, Any]) -> Verdict:
    """The verdict that is made today from what a record has: the same as then, or a gate has changed. Limits that there
    are no more are left out."""
    case = record["case"]
    policy = Policy.model_validate({name: one for name, one in case["policy"].items() if name in Policy.model_fields})
    return decide(Case(evidence.host_of(case["host"]), evidence.around_of(case["around"]), policy))


def told(verdicts: Iterable[Verdict]) -> dict[str, dict[str, Any]]:
    """What the steps of evacuations are told of a round, by host: of one that is well nothing."""
    return {
        one.host: {"outcome": one.outcome, "gate": one.gate, "why": one.why, "alive": one.case.host.lives}
        for one in verdicts
        if one.outcome != "none" or one.gate == "flight"
    }


def summary(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many hosts each outcome is of."""
    found: dict[str, int] = {}
    for one in verdicts:
        found[one.outcome] = found.get(one.outcome, 0) + 1
    return found
