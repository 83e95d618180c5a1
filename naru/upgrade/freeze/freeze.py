"""Freeze and thaw: users' writes are refused at the load balancer, what works behind it by itself is stopped, and what
is under way comes to its end; all of it as it was again.

Each freeze is a round of its own in the work directory, which thaw takes back: so it may be tried, given up, and made
again. From freeze to thaw nothing that users do can be lost: a way back needs nobody's leave.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from naru.actions.hosts.switching import switch
from naru.errors import InputError, NaruError
from naru.messages import message
from naru.plan import control, rollback
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import About, Plan, Step
from naru.plan.queries import reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status
from naru.releases import path
from naru.site import site as sites
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.site.write_gate import state
from naru.site.write_gate.allowed import allowed
from naru.site.write_gate.rules import HORIZON
from naru.text import shortened
from naru.upgrade import claim, gates
from naru.upgrade.freeze import busy
from naru.upgrade.freeze.busy import Thing
from naru.upgrade.freeze.draining import Draining
from naru.upgrade.planner import MODULES
from naru.upgrade.window.placed import COMPUTE
from naru.upgrade.window.window import HOSTS, LIMITS, NEW, OLD, START, STOP_TITLE
from naru.upgrade.work import Work

CLOSE, CALLER = "close", "caller"
"""What the steps are for."""
FROZEN, STILL = "frozen", "still"
"""What the journal of a round remembers: the moment (seconds since 1970) from which on the gates were closed
everywhere, and the one from which on nothing was under way."""
PATIENCE = 30.0
"""Seconds that a host may not answer."""
CALLERS = (
    *("aodh", "designate", "heat", "ironic", "magnum", "manila", "masakari", "mistral", "octavia", "senlin"),
    *("trove", "watcher", "zun"),
)
"""Projects whose services call APIs or change things on hosts without a user who asks them: what of them has no port is
stopped. Octavia would replace load balancers that it takes for dead, Masakari start servers elsewhere."""

TITLE = message("upgrade.freeze.title", en="Freeze {number} of {cloud}", ko="{cloud} 동결 {number}회차")
_CLOSE = message("upgrade.title.close", en="close the write gates at {host}", ko="{host}의 쓰기 차단")


def freeze(upgrade: Work, terminal: Terminal, *, allow: Sequence[str] = ()) -> Status:
    """Closes the write gates on all hosts of the load balancers, sees that they are closed by sending requests, and
    stops what calls APIs by itself. One that was interrupted goes on. Raises InputError where there are no gates."""
    with upgrade.journal() as journal:
        refuse_errors(journal)
        if gates.is_back(journal):
            raise InputError(f"{upgrade.directory}: it was rolled back", hint="Plan again, into another directory.")
    site = sites.load(Path(upgrade.settings.site))
    with _round(upgrade, site, allow) as journal:
        claim.take(upgrade, site)
        load(journal.modules())
        control.retry_any_failed(journal)
        found = run(journal, terminal)
        for step in found.failed:
            terminal.warn(f"{step.id} is left as it is by: {_skip(journal, step.id)}")
        if found.state == "done":
            if reasons := _open_ones(site, journal):
                journal.remember(FROZEN, None)
                journal.remember(STILL, None)
                raise NaruError(
                    "users can write: not all gates are closed",
                    detail="\n".join(shortened(reasons, 20)),
                    hint=f"Mend it and give the command again; or naru upgrade thaw {upgrade.directory}; or leave a "
                    f"host as it is: {_skip(journal, 'close/BALANCER@HOST')}",
                )
            if not journal.recall(FROZEN):
                journal.remember(FROZEN, time.time())
        return found


def settle(upgrade: Work, terminal: Terminal, *, seconds: float, leave: Sequence[str]) -> list[Thing]:
    """Waits until nothing is under way, and each queue was empty once, but what is to be left, by id; gives what is
    there then. Raises NaruError after so many `seconds`."""
    site = sites.load(Path(upgrade.settings.site))
    with _last(upgrade) as journal:
        journal.remember(STILL, None)
        for one in leave:
            control.remark(journal, f"left as it is: {one}")
        with Fleet(site) as fleet:
            draining = Draining(site, fleet, leave)
            found = busy.settle(
                lambda: [*busy.look(site, upgrade.settings.services), *draining.look()],
                terminal.say,
                seconds=seconds,
                leave=leave,
            )
        journal.remember(STILL, time.time())
    return found


def thaw(upgrade: Work, terminal: Terminal) -> Status:
    """Opens the gates and starts what was stopped. Raises InputError while services or databases are on their way:
    users would write to what is changed, or thrown away."""
    with upgrade.journal() as journal:
        _check_over(upgrade, journal)
    with _last(upgrade) as journal:
        load(journal.modules())
        with journal.exclusive():
            pass  # what another terminal freezes or thaws is not to be told anything
        with reading(journal) as now:
            begun = now.is_rolling_back()
        if begun:
            control.retry_any_failed(journal)
        else:
            # what was stopped may not start: users are let in all the same
            rollback.start(journal, waits={CLOSE: ()})
        found = run(journal, terminal, undoing=True)
    give_up(upgrade, terminal)
    return found


def give_up(upgrade: Work, terminal: Terminal) -> None:
    """Lets other upgrades have the cloud, when this one has neither a way back nor users' writes refused."""
    with upgrade.journal() as journal:
        is_over = gates.is_over(journal)
    if is_over and not _has_closed(upgrade):
        for line in claim.give_up(upgrade, sites.load(Path(upgrade.settings.site))):
            terminal.warn(line)


def _has_closed(upgrade: Work) -> bool:
    """Whether something of a freeze is left, be it that it was not made whole, or not taken back whole: another upgrade
    would find gates closed, and have them opened under it."""
    last = upgrade.freezes.last()
    if last is None:
        return False
    with last, reading(last) as now:
        return any(step.attempt and step.state not in ("undone", "skipped") for step in now.steps())


def when_frozen(upgrade: Work) -> float | None:
    """Since when users' writes are refused, in seconds since 1970; None when they are not."""
    numbers = upgrade.freezes.numbers()
    if not numbers:
        return None
    with Journal.open(upgrade.freezes.path(numbers[-1])) as journal:
        with reading(journal) as now:
            back = now.is_rolling_back() or any(step.state == "undone" for step in now.steps())
        moment = journal.recall(FROZEN)
        return None if back or moment is None else float(moment)


def check(upgrade: Work, site: Site) -> None:
    """Raises InputError when users can write although the site has gates, or something is under way."""
    if not list(state.balancers(site)):
        return
    hint = f"naru upgrade freeze {upgrade.directory}; or, recorded, --without-freeze REASON"
    if when_frozen(upgrade) is None:
        raise InputError(f"{upgrade.directory}: it is not frozen: users can write", hint=hint)
    with _last(upgrade) as journal:
        if not journal.recall(STILL):
            raise InputError(f"{upgrade.directory}: it is not known that nothing is under way", hint=hint)
        reasons = _open_ones(site, journal)
    if reasons:
        raise InputError(
            f"{upgrade.directory}: users can write: not all gates are closed any more",
            detail="\n".join(shortened(reasons, 20)),
            hint=hint,
        )


def covers(upgrade: Work, moment: float) -> bool:
    """Whether users' writes have been refused since before the moment (seconds since 1970), and are now. Where only
    some services are upgraded, others, whose gates are open, write to them for users."""
    frozen = when_frozen(upgrade)
    if frozen is None or frozen > moment or upgrade.settings.services:
        return False
    try:
        with _last(upgrade) as journal:
            # as the gates themselves say: endpoints need a database, which may be on its way back
            return not _open_ones(sites.load(Path(upgrade.settings.site)), journal, probe=False)
    except NaruError:
        return False


def _round(upgrade: Work, site: Site, allow: Sequence[str]) -> Journal:
    """The round that is under way or done; a new one after the last was taken back."""
    numbers = upgrade.freezes.numbers()
    if numbers:
        journal = Journal.open(upgrade.freezes.path(numbers[-1]))
        with reading(journal) as now:
            thawing, steps = now.is_rolling_back(), now.steps()
        if not all(step.state in ("undone", "skipped") for step in steps):
            before = journal.settings()["allow"]
            if not thawing and set(allow) <= set(before):
                return journal
            journal.close()
            what = "its thaw was begun" if thawing else f"it is frozen, and lets through: {', '.join(before) or '-'}"
            raise InputError(f"{upgrade.directory}: {what}", hint=f"First: naru upgrade thaw {upgrade.directory}")
        journal.close()
    number = upgrade.freezes.following()
    states = _states(site, probe=False)
    return upgrade.freezes.begin(number, plan(site, upgrade.settings.services, number, allow, states))


def _skip(journal: Journal, step: str) -> str:
    return f"naru plan skip {step} --reason TEXT --work {journal.where}"


def _last(upgrade: Work) -> Journal:
    numbers = upgrade.freezes.numbers()
    if not numbers:
        hint = f"naru upgrade freeze {upgrade.directory}"
        raise InputError(f"{upgrade.directory}: it is not frozen", hint=hint)
    return Journal.open(upgrade.freezes.path(numbers[-1]))


def plan(site: Site, wanted: Sequence[str], number: int, allow: Sequence[str], states: Sequence[state.State]) -> Plan:
    """The plan of a freeze: of the services `wanted`, else of all that have gates, by how these are. Raises InputError
    for a service without one."""
    known = list(dict.fromkeys(one.service for one in states if one.service))
    services = list(wanted) or known
    needed = wanted or (*path.services(), HORIZON)
    if missing := [name for name in needed if name not in known and state.ports_of(site, name)]:
        reasons = [f"{one.host}: {one.why}" for one in states if not one.service]
        raise InputError(
            f"{site.file}: no load balancer has a write gate of {', '.join(missing)}",
            detail="\n".join(reasons),
            hint="naru site gate rules has the lines that it needs.",
        )
    made = Plan(title=TITLE(number=number, cloud=site.content.name), modules=MODULES, limits=dict(LIMITS))
    made.settings = {"services": services, "allow": list(allow)}
    closed = []
    common = {"site": str(site.file.absolute()), "patience": PATIENCE}
    fronts = [(balancer, gate, one) for one in _fronts(site) for balancer, gate in state.balancers(one)]
    for balancer, gate, of in fronts:
        through = allowed(of, gate, allow)
        for host in of.named(balancer.hosts):
            has = [one.service for one in states if (one.balancer, one.host) == (balancer.name, host.name)]
            mine = [name for name in services if name in has or has == [""]]
            args = {**common, "host": host.name, "balancer": balancer.name, "services": mine, "allow": through}
            args |= {"next": True} if of is not site else {}
            about = About("host", host.name, host.name)
            id = f"close/{balancer.name}@{host.name}"
            if id in [one.id for one in made.steps]:
                continue  # the running load balancer of this name is there, too
            step = Step(
                id, "host.write_gate", args, limits=(HOSTS,), title=_CLOSE(host=host.name), about=about, purpose=CLOSE
            )
            if mine:
                closed.append(made.add(step).id)
    if not closed:
        hint = "Give a load balancer its write_gate: naru site gate rules has what it needs."
        raise InputError(f"{site.file}: no load balancer has a write gate", hint=hint)
    for step in _callers(site, common) if not wanted else ():
        made.add(step, after=closed)
    return made


def _callers(site: Site, common: dict[str, Any]) -> Iterator[Step]:
    """What calls APIs by itself, stopped."""
    for service in site.part.services:
        if service.port or service.project not in CALLERS:
            continue
        for host in site.named(service.hosts):
            kind, args = switch(service.managed, on=False)
            about = About("service", f"{service.name}@{host.name}", service.name)
            title = STOP_TITLE(service=service.name, host=host.name)
            id = f"stop/{service.name}@{host.name}"
            args = {**common, "host": host.name, **args}
            yield Step(id, kind, args, service.name, (HOSTS,), title=title, about=about, purpose=CALLER)


def _fronts(site: Site) -> list[Site]:
    """The site, and as it will be those of its load balancers that are on other hosts: users come to them in the
    window, and their gates are closed before."""
    running = {host.name for balancer, _ in state.balancers(site) for host in site.named(balancer.hosts)}
    later = Site(site.content, site.file, next_part=True)
    coming = site.content.next.load_balancers if site.content.next else ()
    further = tuple(one for one in coming if not running.issuperset(host.name for host in later.named(one.hosts)))
    later.part = later.part.model_copy(update={"load_balancers": further})
    return [site, later] if further else [site]


def _states(site: Site, *, probe: bool = True) -> list[state.State]:
    found = []
    for one in _fronts(site):
        with Fleet(one) as fleet:
            where = state.endpoints(one, fleet) if probe else []
            found += state.look(one, fleet, where)
    return found


def _open_ones(site: Site, journal: Journal, *, probe: bool = True) -> list[str]:
    """Why not all gates of a round are closed; without the hosts that the operator has left as they are."""
    with reading(journal) as now:
        left = {step.about_id for step in now.steps() if step.purpose == CLOSE and step.state == "skipped"}
    states = [one for one in _states(site, probe=probe) if one.host not in left]
    return state.open_ones(states, journal.settings()["services"])


def _check_over(upgrade: Work, journal: Journal) -> None:
    """Raises InputError while a window or a way back is neither to be begun nor over, or no compute service runs."""
    if not gates.has_begun(journal):
        return
    is_back = gates.is_back(journal)
    with reading(journal) as now:
        under_way = now.is_rolling_back()
        computes = [one for one in now.steps(unit=NEW, purpose=START) if one.about and one.about.name == COMPUTE]
    # a host that does not answer on the way back, when all else is there, keeps users from nothing
    if gates.has_begun_of(journal, OLD) if is_back else under_way:
        hint = f"naru upgrade rollback {upgrade.directory}"
        raise InputError(f"{upgrade.directory}: the way back is not over: what users write would be lost", hint=hint)
    if is_back:
        return
    gates.check_window_over(upgrade, journal)
    if computes and not any(step.state == "done" for step in computes):
        hint = f"naru upgrade agents {upgrade.directory}"
        raise InputError(f"{upgrade.directory}: no compute service runs: whatever users ask for would fail", hint=hint)
