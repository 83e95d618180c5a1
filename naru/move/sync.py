"""Copying ahead of the window, while the old servers run: rounds over all volumes, each a small plan of its own.

A round lies in the work directory's `sync/NUMBER`, a journal like any other: it can be watched, limited, resumed. What
it leaves is in the copies' directories (see `storage`): a later round, and the cut-over, only carry what changed since.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select

from naru.errors import InputError
from naru.move.draft import COPIES, LIMITS
from naru.move.rollback import ANEW
from naru.move.steps import resolve
from naru.move.work import Work
from naru.plan import schema
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.plan.status import status

DIRECTORY = "sync"
KIND = "move.content"
HISTORY = "move.snapshot"
OPEN = ("waiting", "held")
"""States in the move's plan of a content that is not cut over yet."""


class Copied(NamedTuple):
    """What a round did of one volume; numbers are bytes and seconds. `whole` says that everything was compared. `way`
    is `copy`, or `clone` or `reflink`: then there was nothing to do, both volumes are on one storage; `why` says why
    what is on one storage is copied all the same."""

    project: str
    volume: str
    title: str
    size: int
    number: int
    read: int
    written: int
    compared: int
    whole: bool
    repaired: int
    seconds: float
    way: str
    why: str


def next_round(work: Work, projects: Collection[str], *, whole: bool = False) -> Journal:
    """The round that was begun and not ended, unless something of it was cut over or taken back since, or a new one, of
    some projects (names or ids) or of all. With `whole` a new one compares everything, not only what changed since both
    sides were last found equal.

    Raises InputError when there is nothing that could be copied, with the reason.
    """
    numbers = rounds(work)
    if numbers:
        journal = Journal.open(_path(work, numbers[-1]))
        still = {step.id for step in _steps(work, KIND) if step.state in OPEN}
        if status(journal).state not in ("done", "failed") and _left(journal) <= still:
            return journal
        journal.close()
    number = (numbers[-1] if numbers else 0) + 1
    return Journal.create(_path(work, number), _plan(work, projects, number, whole), work.database())


def rounds(work: Work) -> list[int]:
    """The numbers of the rounds that were begun, in their order; one whose making was killed is none."""
    found = [path for path in (work.directory / DIRECTORY).glob("*") if path.name.isdigit()]
    return sorted(int(path.name) for path in found if Journal.exists(path))


def _left(journal: Journal) -> set[str]:
    """The steps of a round that are not done."""
    with journal.read() as connection:
        steps = schema.steps.c
        return set(connection.execute(select(steps.id).where(steps.state.not_in(("done", "skipped")))).scalars())


def _path(work: Work, number: int) -> Path:
    return work.directory / DIRECTORY / str(number)


def _plan(work: Work, projects: Collection[str], number: int, whole: bool) -> Plan:
    chosen = work.chosen(projects) or work.projects
    plan = Plan(
        title=f"Round {number} of copying ahead",
        modules=["naru.move.storage"],
        limits={COPIES: LIMITS[COPIES]},
        settings={},
    )
    results = work.results()
    owners = _owners(work)
    contents = [(step, json.loads(step.args)) for step in _steps(work, KIND)]
    mine = [(step, args) for step, args in contents if owners.get(args["from"], "") in chosen]
    # whoever carries later content first has to carry the snapshot's again
    unfinished = {
        json.loads(step.args)["carry"]["from"]
        for step in _steps(work, HISTORY)
        if step.state not in ("done", "skipped")
    }
    for step, args in mine:
        if args["from"] in unfinished:
            continue
        if f"place volume/{args['from']}" in results and step.state in OPEN:
            resolved = {**resolve(args, results, None), "ahead": True, "whole": whole}
            place, title, estimate = step.place, step.title, step.estimate
            plan.add(Step(step.id, KIND, resolved, step.unit, COPIES, place, title=title, estimate=estimate))
    if not plan.steps:
        why = _why([step for step, _ in contents], [step for step, _ in mine])
        raise InputError(f"{work.directory}: there is nothing to copy ahead", hint=why)
    return plan


def _owners(work: Work) -> dict[str, str]:
    """By volume: its project. Ids on the old cloud."""
    return {decision.id: decision.project for decision in work.decisions if decision.kind == "volume"}


def _steps(work: Work, kind: str) -> list[Any]:
    with work.journal() as journal, journal.read() as connection:
        steps = schema.steps.c
        query = select(steps.id, steps.args, steps.unit, steps.place, steps.title, steps.estimate, steps.state)
        return list(connection.execute(query.where(steps.kind == kind).order_by(steps.n)))


def _why(contents: list[Any], chosen: list[Any]) -> str:
    if not contents:
        return (
            "Its volumes go by images, in the window: cut over without copying ahead, or plan anew, with the --storage"
            " of both clouds."
        )
    if not chosen:
        return "There are no volumes."
    left = [step for step in chosen if step.state != "undone"]
    if not left:
        return f"It was taken back. {ANEW}"
    if all(step.state == "done" for step in left):
        return "All of it has been cut over."
    return "Make the volumes on the new cloud first: naru move prepare."


def copied(work: Work, journal: Journal) -> list[Copied]:
    """What a round has done so far, by volume."""
    owners = _owners(work)
    with journal.read() as connection:
        steps = schema.steps.c
        rows = connection.execute(select(steps.args, steps.title, steps.result).where(steps.state == "done"))
        found = []
        for row in rows:
            volume, result = json.loads(row.args)["from"], json.loads(row.result)
            names = ("size", "read", "written", "compared", "whole", "repaired", "seconds", "way", "why")
            told = {name: result[name] for name in names}
            found.append(
                Copied(work.projects.get(owners.get(volume, ""), ""), volume, row.title, number=result["pass"], **told)
            )
        return sorted(found, key=lambda copied: -copied.seconds)


def expected(journal: Journal, done: Collection[Copied]) -> float | None:
    """The seconds that the contents of the window will take, if as much changes as before this round: the round again,
    as many volumes at a time. None when it carried a volume for the first time, which says nothing."""
    if not done or any(one.number == 1 for one in done):
        return None
    with journal.read() as connection:
        at_once = connection.execute(select(schema.limits.c.value).where(schema.limits.c.name == COPIES)).scalar_one()
    seconds = [one.seconds for one in done]
    return max(*seconds, sum(seconds) / max(1, int(at_once)))
