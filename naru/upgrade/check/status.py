"""What the services' own upgrade checks have said in rehearsals, on the copy: `nova-status upgrade check` and the like.

Each was run by a release's own code when its hop was done, before its services would start. What is known of a check
to be otherwise than it says is in `naru/releases/services/`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from naru.plan.journal import Journal
from naru.plan.queries import reading
from naru.releases import path
from naru.releases.path import Corrected, Status, Way
from naru.upgrade.finding import Finding, State
from naru.upgrade.window import hops
from naru.upgrade.work import Work

CHECKED = "checked"
"""What the journal of a rehearsal remembers: by service and release, what was said."""
CODES: Sequence[State] = ("right", "warns", "blocks")
"""What a check's result means, by its code."""


class Said(NamedTuple):
    """What a service's program of a release has said, in which rehearsal: see `naru.upgrade.window.steps.check`."""

    rehearsal: int
    result: Mapping[str, Any]


class _Found(NamedTuple):
    """What is found, in whichever release."""

    state: State
    what: str
    cure: str


def keep(journal: Journal) -> None:
    """Remembers what the checks of a rehearsal have said so far: once it is taken away its steps have no results."""
    with reading(journal) as now:
        steps = now.steps(purpose=hops.CHECK, args=True, result=True)
    said = [(step.args["service"], step.args["release"], step.result) for step in steps if step.result]
    journal.remember(CHECKED, said)


def check(upgrade: Work, wanted: Collection[str]) -> list[Finding]:
    """What the newest rehearsal has found that came so far (see `over`), of the services `wanted` by name, else of
    all."""
    settings = upgrade.settings
    ways = path.ways(settings.start, settings.goal, [*(wanted or settings.services)])
    said = _said(upgrade)
    again = f"naru upgrade rehearse {upgrade.directory}"
    return [one for way in ways for one in judged(way, said, again)]


def _said(upgrade: Work) -> dict[tuple[str, str], Said]:
    """By service and release."""
    found: dict[tuple[str, str], Said] = {}
    for number in upgrade.rehearsals.numbers():
        with Journal.open(upgrade.rehearsals.path(number)) as journal:
            for service, name, result in journal.recall(CHECKED) or ():
                found[service, name] = over(found.get((service, name)), Said(number, result))
    return found


def over(before: Said | None, newest: Said) -> Said:
    """What counts of two rehearsals: the newer one, and of checks that ended with an error in it what has failed or
    warned in the other, each with its own `rehearsal`. A success of before is not known any more."""
    if before is None:
        return newest
    checks = newest.result.get("checks", ())
    errors = {one["check"] for one in checks if "error" in one}
    kept = [
        {"rehearsal": before.rehearsal, **one}
        for one in before.result.get("checks", ())
        if one.get("code") and ("error" in newest.result or one["check"] in errors)
    ]
    return Said(newest.rehearsal, {**newest.result, "checks": [*kept, *checks]})


def judged(way: Way, said: Mapping[tuple[str, str], Said], again: str) -> Iterator[Finding]:
    """What is found of a service, the same of several releases as one: its `release` is the first of them, and all are
    its examples; of checks that were not run these are. `again` is the command that runs the checks."""
    found: dict[_Found, dict[str, tuple[str, int]]] = {}  # its examples, with the release and rehearsal of the first
    program = way.service.status.program if way.service.status else ""
    for hop in way.hops:
        if status := way.service.checks(hop.release):
            one = said.get((way.service.name, hop.release))
            for each, example, number in _each(status, hop.release, one, again):
                found.setdefault(each, {}).setdefault(example, (hop.release, number))
    for each, examples in found.items():
        name, number = next(iter(examples.values()))
        ran = f"{program} upgrade check, by the code of {name}, in rehearsal {number}"
        proof = "" if each.state == "unseen" else ran
        yield Finding(each.state, way.service.name, name, program, each.what, 0, tuple(examples), each.cure, proof)


def _each(status: Status, name: str, said: Said | None, again: str) -> Iterator[tuple[_Found, str, int]]:
    """What is found of each check of a release's program, with an example and the rehearsal (0 for none)."""
    by_hand = f"{status.program} upgrade check by hand, with the wanted release's code and configuration"
    if status.unseen:
        yield _Found("unseen", status.unseen, by_hand), name, 0
        return
    if said is None:
        yield _Found("unseen", "no rehearsal has run its checks", again), name, 0
        return
    if "error" in said.result:
        yield _Found("unknown", said.result["error"], again), name, said.rehearsal
    corrections = {check: one for one in status.of(name) for check in one.checks}
    for check in said.result.get("checks", ()):
        corrected = corrections.get(check["check"])
        number = check.get("rehearsal", said.rehearsal)
        if "error" in check:
            yield _Found("unknown", f"{check['check']}: {check['error']}", again), name, number
        elif "code" not in check:
            yield _Found("unseen", corrected.why if corrected else "it was not run", by_hand), check["check"], number
        else:
            yield _judged(check, corrected, again), name, number


def _judged(check: Mapping[str, Any], corrected: Corrected | None, again: str) -> _Found:
    what = check["check"]
    if check["code"] == 0:
        return _Found("right", what, "")
    if corrected:
        return _Found(corrected.state, f"{what}: {corrected.why}", corrected.cure)
    return _Found(CODES[check["code"]], f"{what}: {check['details']}", f"As the check says; then {again}")
