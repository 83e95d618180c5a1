"""Rehearsals: rounds in the work directory, each on a copy of the databases that is taken away again; their times."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError, NaruError
from naru.plan import rollback, timings
from naru.plan.control import retry_any_failed
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.queries import StepRow, reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status
from naru.plan.timings import Timings, p95
from naru.site import site as sites
from naru.text import shortened
from naru.upgrade import facts, planner
from naru.upgrade.check.status import keep
from naru.upgrade.window import hops
from naru.upgrade.work import REHEARSED, Work

FORWARD = {hops.DUMP, hops.SYNC, hops.ONLINE, hops.EXTRACT}


class Rehearsed(NamedTuple):
    """What a rehearsal took, in seconds: of each step, and from the beginning of the first to the end of the last of
    those that dump, that go through the releases, and that go back."""

    number: int
    steps: dict[str, float]
    dump: float
    hops: float
    back: float
    times: Timings


def rehearsed(upgrade: Work) -> list[Rehearsed]:
    """The rehearsals that came to their end, in order."""
    return [one for number in upgrade.rehearsals.numbers() if (one := _rehearsed(upgrade, number))]


def times(upgrade: Work) -> list[Rehearsed]:
    """The same. Raises InputError when there is none."""
    found = rehearsed(upgrade)
    if not found:
        hint = f"naru upgrade rehearse {upgrade.directory}"
        raise InputError(f"{upgrade.directory}: no rehearsal came to its end", hint=hint)
    return found


def there_and_back(found: Sequence[Rehearsed]) -> float:
    """The seconds that dump, hops and the way back take, each at the 95th percentile of the rehearsals."""
    each = (sorted(getattr(one, part) for one in found) for part in ("dump", "hops", "back"))
    return sum(p95(seconds) for seconds in each)


def go_on(upgrade: Work, terminal: Terminal) -> Status | None:
    """Goes on with a rehearsal that was interrupted, and takes away what is left of one that failed; None when another
    one is to be begun. One of which something was skipped counts as failed."""
    last = upgrade.rehearsals.last()
    if last is None:
        return None
    with last:
        with last.exclusive():
            pass  # what another terminal rehearses is not taken away
        if not _is_over(last) and not status(last).failed:
            terminal.say(f"{upgrade.directory}: going on with rehearsal {upgrade.rehearsals.numbers()[-1]}")
            return _run(last, terminal)
        _take_away(last, terminal)
    return None


def begin(upgrade: Work, terminal: Terminal) -> Status:
    """Another one, of the databases as they are now."""
    settings, number = upgrade.settings, upgrade.rehearsals.following()
    site = sites.load(Path(settings.site))
    known = facts.read(site, settings)
    earlier = [one.times for one in rehearsed(upgrade)]
    made = planner.rehearsal(known, number, upgrade.plan_id, settings.megabytes, earlier)
    with upgrade.rehearsals.begin(number, made) as journal:
        return _run(journal, terminal)


def _rehearsed(upgrade: Work, number: int) -> Rehearsed | None:
    with Journal.open(upgrade.rehearsals.path(number)) as journal:
        if not journal.recall(REHEARSED):
            return None
        with reading(journal) as now:
            steps = [step for step in now.steps() if step.started is not None and step.ended is not None]
        seconds = {step.id: step.ended - step.started for step in steps if step.ended and step.started}
        return Rehearsed(
            number,
            seconds,
            dump=_span(step for step in steps if step.purpose == planner.DUMP),
            hops=_span(step for step in steps if step.purpose in FORWARD),
            back=_span(step for step in steps if step.purpose == planner.BACK),
            times=timings.of(journal),
        )


def _span(steps: Iterable[StepRow]) -> float:
    """Seconds from the beginning of the first to the end of the last."""
    spans = [(step.started, step.ended) for step in steps if step.started is not None and step.ended is not None]
    return max((ended for _, ended in spans), default=0.0) - min((began for began, _ in spans), default=0.0)


def _is_over(journal: Journal) -> bool:
    """Whether a rehearsal came to its end, and nothing of it is left on its host."""
    with reading(journal) as now:
        return all(step.state in ("undone", "skipped") for step in now.steps())


def _run(journal: Journal, terminal: Terminal) -> Status:
    load(journal.modules())
    if not journal.recall(REHEARSED):
        found = run(journal, terminal)
        keep(journal)
        if found.state != "done":
            return found
        if skipped := _skipped(journal):
            terminal.warn(
                f"it does not count as a rehearsal, of which was skipped: {', '.join(shortened(skipped, 10))}"
            )
            _take_away(journal, terminal)
            return status(journal)._replace(state="failed")
        journal.remember(REHEARSED, True)
    _take_away(journal, terminal)
    return status(journal)._replace(state="done")


def _skipped(journal: Journal) -> list[str]:
    """What the operator has left out, and the window will do; without a service's own checks, which prove nothing."""
    with reading(journal) as now:
        return [step.id for step in now.steps(states=["skipped"]) if step.purpose != hops.CHECK]


def _take_away(journal: Journal, terminal: Terminal) -> None:
    """Leaves nothing of a rehearsal on its host: the copy's server and the dumps. Raises NaruError."""
    load(journal.modules())
    if _is_over(journal):
        return
    terminal.say("removing the copy and its dumps")
    with reading(journal) as now:
        begun = now.is_rolling_back()
    if begun:
        retry_any_failed(journal)
    else:
        rollback.start(journal)
    found = run(journal, terminal, undoing=True)
    if not _is_over(journal):
        reasons = "\n".join(f"{step.id}: {step.summary}" for step in found.failed)
        raise NaruError("what the rehearsal made could not be removed", detail=reasons, hint="Give the command again.")
