"""What has to be so before a phase of an upgrade, and how far it is."""

from pathlib import Path

from naru.errors import InputError
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import StepRow, reading
from naru.site import site as sites
from naru.text import duration, shortened
from naru.upgrade.check import status
from naru.upgrade.check.check import check
from naru.upgrade.check.rows import Progress
from naru.upgrade.compare.verified import NOT_WELL, VERIFIED
from naru.upgrade.rehearsal import rehearsed, there_and_back
from naru.upgrade.window.window import AHEAD, CLOUD, END, NEW, OLD, UNITS
from naru.upgrade.work import Work


def check_prepared(upgrade: Work, journal: Journal) -> None:
    """Raises InputError when something that is prepared ahead is left to do. What is prepared on hosts of
    compute services and agents may be: `agents` does that, too."""
    with reading(journal) as now:
        left = [step for step in now.steps() if step.unit not in (*UNITS, AHEAD) and step.state not in OVER]
    if left:
        raise InputError(
            f"{upgrade.directory}: it is not prepared: {len(left)} steps are left",
            hint=f"naru upgrade prepare {upgrade.directory}",
        )


def check_open(upgrade: Work, journal: Journal) -> None:
    """Raises InputError for an upgrade that has no window, is not prepared, or was rolled back."""
    refuse_errors(journal)
    mine = of_window(journal)
    with reading(journal) as now:
        back = now.is_rolling_back()
    if back or any(step.state == "undone" for step in mine):
        raise InputError(
            f"{upgrade.directory}: it was rolled back", hint="Plan again, into another directory: naru upgrade plan"
        )
    if not mine:
        raise InputError(
            f"{upgrade.directory}: its plan has no window: the site has no services of the wanted release",
            hint="Name them under next: in the site, and plan again.",
        )
    check_prepared(upgrade, journal)


def check_rehearsed(upgrade: Work) -> None:
    """Raises InputError when it was not rehearsed as often as is wanted, or does not fit its window."""
    settings, found = upgrade.settings, rehearsed(upgrade)
    if len(found) < settings.rehearsals:
        raise InputError(
            f"{upgrade.directory}: {len(found)} of {settings.rehearsals} wanted rehearsals are done",
            hint=f"naru upgrade rehearse {upgrade.directory}; or, recorded, --without-rehearsal REASON",
        )
    needed = there_and_back(found) if found else 0.0
    if settings.window and needed > settings.window:
        raise InputError(
            f"{upgrade.directory}: there and back take {duration(needed)}, and the window has "
            f"{duration(settings.window)}",
            detail="Dump, all hops and the way back, each at the 95th percentile of the rehearsals.",
            hint="Plan with a longer window, or make the databases smaller (archive deleted rows).",
        )


def check_again(upgrade: Work, progress: Progress) -> None:
    """Raises InputError for what is in the way by now."""
    settings = upgrade.settings
    site = sites.load(Path(settings.site))
    found = [one for one in check(site, settings.span, settings.services, progress) if one.state == "blocks"]
    if found:
        raise InputError(
            f"{upgrade.directory}: {len(found)} things are in the way that were not when it was planned",
            detail="\n".join(f"{one.where}: {one.what}: {', '.join(one.examples)}" for one in found),
            hint="\n".join(dict.fromkeys(one.cure for one in found)),
        )


def check_status(upgrade: Work) -> None:
    """Raises InputError when a service's own upgrade check has failed, was not right in a later rehearsal, and is not
    known to be wrong."""
    found = [one for one in status.check(upgrade, ()) if one.state == "blocks"]
    if found:
        raise InputError(
            f"{upgrade.directory}: {len(found)} of the services' own upgrade checks failed, and were not right since",
            detail="\n".join(f"{one.where} of {', '.join(one.examples)}: {one.what}" for one in found),
            hint=f"naru upgrade check {upgrade.directory}; or, recorded, --despite-checks REASON",
        )


def check_window_over(upgrade: Work, journal: Journal) -> None:
    """Raises InputError when something of the window is left to do: of controllers and databases, which compute
    services and agents need."""
    left = [step for step in of_window(journal) if step.state not in OVER]
    if left:
        raise InputError(
            f"{upgrade.directory}: the window is not over: {len(left)} steps are left",
            hint=f"naru upgrade run {upgrade.directory}",
        )


def check_all_over(upgrade: Work, journal: Journal) -> None:
    """Raises InputError when something of the window or of what comes after it is left to do."""
    check_window_over(upgrade, journal)
    with reading(journal) as now:
        left = [step for unit in (OLD, NEW) for step in now.steps(unit=unit) if step.state not in OVER]
    if left:
        raise InputError(
            f"{upgrade.directory}: {len(left)} steps of compute services and agents are left",
            detail="\n".join(shortened([step.id for step in left], 10)),
            hint=f"naru upgrade agents {upgrade.directory}; or for hosts that are gone, with a reason: naru plan skip",
        )


def check_verified(upgrade: Work, journal: Journal) -> None:
    """Raises InputError when the newest comparison found something wrong, or there was none."""
    found = journal.recall(VERIFIED)
    with reading(journal) as now:
        done = max((step.ended or 0.0 for unit in (CLOUD, NEW) for step in now.steps(unit=unit)), default=0.0)
    after = bool(found) and found["at"] > done
    wrong = [one for one in found["found"] if one[0] in NOT_WELL] if after else []
    if not after or wrong:
        what = f"{len(wrong)} differences are wrong or not known" if after else "it was not compared since it was done"
        hint = f"naru upgrade verify {upgrade.directory}; or, recorded, --despite REASON"
        raise InputError(f"{upgrade.directory}: {what}", hint=hint)


def check_not_final(upgrade: Work, journal: Journal) -> None:
    """Raises InputError when the way back was given up."""
    if is_final(journal):
        raise InputError(
            f"{upgrade.directory}: it was finalized: there is no way back",
            hint="The dumps are gone, and hosts do not know any more what was there before.",
        )


def has_begun(journal: Journal) -> bool:
    """Whether anything of the window has begun, on controllers or compute hosts. What was skipped ahead of it, as for a
    host that is gone, has not."""
    with reading(journal) as now:
        steps = [step for unit in UNITS for step in now.steps(unit=unit)]
    return any(step.attempt or step.state not in ("waiting", "held", "skipped") for step in steps)


def is_final(journal: Journal) -> bool:
    """Whether the way back was given up, or that was begun."""
    with reading(journal) as now:
        return any(step.state in ("running", "done", "failed") for step in now.steps(unit=END))


def is_over(journal: Journal) -> bool:
    """Whether the cloud is nobody's: the window has not begun, all of it was taken back, or there is no way back."""
    is_taken_back = is_back(journal) and not has_begun_of(journal, OLD)
    return not has_begun(journal) or is_taken_back or is_final(journal)


def is_back(journal: Journal) -> bool:
    """Whether controllers and databases are as they were before the window."""
    mine = of_window(journal)
    return all(step.state == "undone" for step in mine) and bool(mine)


def has_begun_of(journal: Journal, unit: str) -> bool:
    """Whether anything of a unit was begun, and no rollback of it."""
    with reading(journal) as now:
        begun = any(step.state in ("done", "running", "failed") for step in now.steps(unit=unit))
        back = {step.undoes for step in now.steps(unit=unit, rollbacks=True) if step.undoes is not None}
        return begun and not back


def of_window(journal: Journal) -> list[StepRow]:
    """The steps of the window that are of controllers and databases."""
    with reading(journal) as now:
        return now.steps(unit=CLOUD)
