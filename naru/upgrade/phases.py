"""An upgrade from its plan to its end or back: the verbs that commands call, in the order in which an operator gives
them.

Each may be interrupted, or killed, and given again: it goes on where it was. All that is known is in the work directory
(`naru.upgrade.work.Work`). Plan, prepare and rehearse change nothing for a user: rehearsals work on a copy.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.plan import control, rollback
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan
from naru.plan.queries import reading
from naru.plan.ready import Scope
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status
from naru.site import site as sites
from naru.site.site import Site
from naru.text import shortened
from naru.upgrade import claim, facts, gates, planner, rehearsal
from naru.upgrade.agents.load import governed, lift
from naru.upgrade.back import left, written
from naru.upgrade.back.off import Off, waiting
from naru.upgrade.back.off import check as check_off
from naru.upgrade.back.off import leave as leave_off
from naru.upgrade.back.quiet import QUIET
from naru.upgrade.check.check import check
from naru.upgrade.check.rows import Progress
from naru.upgrade.freeze import freeze
from naru.upgrade.window import overrun
from naru.upgrade.window.hops import SYNC
from naru.upgrade.window.window import AGENTS, CLOUD, END, FINALIZE, NEW, OLD, PREPARE, START, WAITS, WINDOW
from naru.upgrade.work import Settings, Work, work_directory
from naru.work.rate import set_rate

EXAMPLES = 10
_LATE = {WINDOW, AGENTS, PREPARE}
SCOPES = {
    PREPARE: Scope({PREPARE}),
    WINDOW: Scope({WINDOW}, {WINDOW}),
    AGENTS: Scope(_LATE, _LATE),
    FINALIZE: Scope({*_LATE, FINALIZE}, {*_LATE, FINALIZE}),
}
"""What each command runs: `agents` with what was left on hosts of compute services when it was prepared, the window
without."""


def plan(site: Site, settings: Settings, directory: Path, progress: Progress) -> Plan:
    """Asks the site's databases and hosts what is in the way, and writes the plan of an upgrade into the work
    directory. Nothing is changed anywhere."""
    load(planner.MODULES)
    found = check(site, settings.span, settings.services, progress)
    known = facts.read(site, settings, found)
    site.named([known.host])
    plan_id = str(uuid.uuid4())
    written = replace(settings, host=known.host).dump()
    made = planner.whole(known, written, plan_id, directory)
    work = work_directory(directory)
    work.prepare(written.keys())
    work.create(made, plan_id=plan_id)
    return made


def prepare(upgrade: Work, terminal: Terminal, cap: float | None = None) -> Status:
    """Installs the environments of all releases on the way here, ships them to the host that does the work, the wanted
    one to those of services that have it of here, and sees that they run there. `cap` is how many bytes a second that
    may be from now on, 0 as many as go; None leaves it as it is."""
    with upgrade.journal() as journal:
        refuse_errors(journal)
        if cap is not None:
            set_rate(upgrade.directory, cap or None)
        return _run(journal, terminal, SCOPES[PREPARE])


def rehearse(upgrade: Work, terminal: Terminal) -> Status:
    """One rehearsal: on a copy of the databases all hops and the way back, each step timed. One that was interrupted
    goes on; one that failed is taken away, and another one begun. Raises InputError when it is not prepared."""
    with upgrade.journal() as journal:
        gates.check_prepared(upgrade, journal)
        if gates.has_begun(journal):
            raise InputError(
                f"{upgrade.directory}: its window has begun: there is nothing to rehearse any more",
                hint="Plan another upgrade in a directory of its own.",
            )
    return rehearsal.go_on(upgrade, terminal) or rehearsal.begin(upgrade, terminal)


def check_window(
    upgrade: Work,
    progress: Progress,
    *,
    without_rehearsal: str = "",
    without_freeze: str = "",
    despite_checks: str = "",
) -> None:
    """Whether the window may begin, or go on. Raises InputError until it was rehearsed as often as is wanted, and where
    the site has write gates until it is frozen, and when one of the services' own checks has failed, unless the
    operator says why not; and when there and back do not fit the window. What is in the way by now is looked for once
    more before it begins."""
    with upgrade.journal() as journal:
        gates.check_open(upgrade, journal)
        if not gates.has_begun(journal):
            if without_rehearsal.strip():
                control.remark(journal, f"without rehearsal: {without_rehearsal.strip()}")
            else:
                gates.check_rehearsed(upgrade)
            if without_freeze.strip():
                control.remark(journal, f"without freeze: {without_freeze.strip()}")
            else:
                freeze.check(upgrade, sites.load(Path(upgrade.settings.site)))
            if despite_checks.strip():
                control.remark(journal, f"despite the services' own checks: {despite_checks.strip()}")
            else:
                gates.check_status(upgrade)
            gates.check_again(upgrade, progress)


def window(upgrade: Work, terminal: Terminal, ask: overrun.Ask, *, go_on: str = "") -> Status:
    """The window: the services stopped, their databases dumped and taken through the releases, those of the wanted
    release started. When it is time to turn back and the end of the window will not do, it is paused, and goes on where
    the operator says so: asked, or ahead by the reason to `go_on`. Given again it goes on where it was."""
    with upgrade.journal() as journal:
        gates.check_open(upgrade, journal)
        with journal.exclusive():
            pass  # another terminal's pause for the question is that one's
        if go_on.strip():
            overrun.go_on(journal, go_on.strip())
        claim.take(upgrade, sites.load(Path(upgrade.settings.site)))
        while overrun.may_go_on(upgrade, journal, terminal, ask):
            gates.check_open(upgrade, journal)  # while it was asked another terminal may have gone back
            with overrun.watched(upgrade, terminal):
                found = _run(journal, terminal, SCOPES[WINDOW])
            if not journal.recall(overrun.PAUSED):
                return found
            if found.state != "paused":
                overrun.lift(journal)
                return found
        return status(journal)._replace(state="paused")


def agents(upgrade: Work, terminal: Terminal, given: Mapping[str, float]) -> Status:
    """Compute services and agents of the wanted release started, so many at a time as the load allows, and never more
    than the limit group says. `given` are limits of the load by name, and how many `failures` there may be before no
    more are started; where that is under way already, it has them from then on."""
    with upgrade.journal() as journal:
        gates.check_open(upgrade, journal)
        gates.check_window_over(upgrade, journal)
        site = Path(upgrade.settings.site)
        found = governed(journal, upgrade.directory, site, terminal, given, scope=SCOPES[AGENTS])
        with reading(journal) as now:
            started = now.steps(unit=NEW, purpose=START, states=["done"], result=True)
        silent = [step.id for step in started if step.result and step.result.get("reported", 0) is None]
        if silent:
            names = ", ".join(shortened([name.partition("/")[2] for name in silent], EXAMPLES))
            terminal.warn(
                f"of {len(silent)} it is only known that they run, the database has no report of them: {names}"
            )
        return found


def finalize(upgrade: Work, terminal: Terminal, *, despite: str = "") -> Status:
    """The way back given up: dumps and what hosts have for it are removed. Refused before everything is done, and
    before it was compared and nothing is wrong, unless the operator says why it is finalized `despite` that."""
    with upgrade.journal() as journal:
        gates.check_open(upgrade, journal)
        gates.check_all_over(upgrade, journal)
        if despite.strip():
            control.remark(journal, f"finalized despite: {despite.strip()}")
        else:
            gates.check_verified(upgrade, journal)
        found = _run(journal, terminal, SCOPES[FINALIZE])
    freeze.give_up(upgrade, terminal)
    return found


def back(upgrade: Work, terminal: Terminal, *, lose_writes: bool = False, off: Collection[str] = ()) -> Status:
    """The way back from any point of the window or after it: what was started is stopped, the databases are as they
    were dumped, the services that were stopped run again, those of compute hosts last. When users could write since, it
    is refused unless what they wrote is to be lost. Next services on hosts that the operator says are `off` are not
    waited for."""
    with upgrade.journal() as journal:
        load(journal.modules())
        gates.check_not_final(upgrade, journal)
        check_off(journal, off)
        with journal.exclusive():
            pass  # what another terminal runs is not to be told anything
        with reading(journal) as now:
            begun, ends = now.is_rolling_back(), bool(now.steps(unit=END))
        if begun:
            control.retry_any_failed(journal)
        elif not gates.is_back(journal):
            if not gates.has_begun(journal):
                freeze.give_up(upgrade, terminal)
                raise InputError(f"{upgrade.directory}: the window has not begun: there is nothing to take back")
            starts = [step.started for step in gates.of_window(journal) if step.purpose == START and step.started]
            lost = _lost(upgrade, journal, min(starts), lose_writes=lose_writes) if starts else []
            control.resume(journal)  # what was paused or cancelled to go back
            rollback.start(journal, units=[CLOUD, NEW, *([END] if ends else [])], waits=WAITS)
            for line in lost:
                control.remark(journal, line)
                terminal.warn(line)
        lift(upgrade.directory)
        taken = leave_off(journal, off)
        for one in taken:
            terminal.say(f"{one.host} is taken for off: {one.steps} steps there are not waited for")
        found = run(journal, terminal, undoing=True)
        if gates.is_back(journal) and gates.has_begun_of(journal, OLD):
            # what was stopped on compute hosts: it needs the services that are back now
            left.note(journal)
            rollback.start(journal, units=[OLD])
            found = run(journal, terminal, undoing=True)
        _tell_of_off(upgrade, journal, terminal, taken)
        with reading(journal) as now:
            quiet = now.steps(unit=OLD, purpose=QUIET, args=True)
            is_changed = any(step.attempt for step in now.steps(unit=CLOUD, purpose=SYNC))
        leaving = left.leaving(journal)
        if leaving:
            what = f"nova-compute on {', '.join(shortened(leaving, EXAMPLES))} leaves guests as they are"
            terminal.warn(f"{what}: see naru upgrade guests {upgrade.directory}, then naru upgrade settle")
        # not reached in the window, or not stopped, it may have run on all the time
        if loud := [step.args["host"] for step in quiet if is_changed and step.args["host"] not in leaving]:
            what = f"nova-compute on {', '.join(shortened(loud, EXAMPLES))} was not told to leave guests as they are"
            terminal.warn(f"{what}: it deals with them by what the databases have again")
    freeze.give_up(upgrade, terminal)
    return found


def _tell_of_off(upgrade: Work, journal: Journal, terminal: Terminal, taken: Collection[Off]) -> None:
    for one in taken:
        if one.commands:
            terminal.warn(f"{one.host}: before it is in the network again, on it: {'; '.join(one.commands)}")
    for host in waiting(journal):
        terminal.warn(
            f"{host}: what was started there could not be stopped, and may write to the databases: they wait for it."
            f" When it is off: naru upgrade rollback {upgrade.directory} --off {host}"
        )


def _lost(upgrade: Work, journal: Journal, began: float, *, lose_writes: bool) -> list[str]:
    """What users have written since the first of the new services was started, which is lost; all of it is in a file,
    since what it made elsewhere stays there. Raises InputError unless it may be lost."""
    found: list[written.Written] = []
    try:
        found = written.since(upgrade.settings, began)
        lost = [str(one) for one in found]
    except NaruError as error:
        lost = [f"it cannot be found out what: {error.summary}"]  # a way back needs nothing of what is left
    stopped = [step.started for step in gates.of_window(journal) if step.started]
    is_covered = freeze.covers(upgrade, min(stopped))
    if not is_covered and not lose_writes:
        raise InputError(
            f"{upgrade.directory}: the new services were started: what users have written since would be lost",
            detail="\n".join(lost or ["nothing is found in the tables that say when; of Keystone it is not known"]),
            hint="--lose-writes goes back all the same.",
        )
    if found:
        write_whole(upgrade.directory / written.FILE, written.lines(found), private=False)
        lost.append(f"each of them: {upgrade.directory / written.FILE}")
    if is_covered:  # only who is let through can have written
        return [f"lost, written while users were refused: {line}" for line in lost]
    return [f"lost: {line}" for line in lost]


def _run(journal: Journal, terminal: Terminal, scope: Scope) -> Status:
    load(journal.modules())
    control.retry_any_failed(journal)
    return run(journal, terminal, scope=scope)
