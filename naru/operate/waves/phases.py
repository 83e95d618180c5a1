"""Hosts maintained in waves: the verbs that commands call, in the order in which an operator gives them.

Each may be interrupted, or killed, and given again: it goes on where it was. All that is known is in the work directory
(`naru.operate.waves.work.Work`).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.messages import say
from naru.operate import compute
from naru.operate.ceph import bearable
from naru.operate.drain.facts import Facts
from naru.operate.drain.guests import site_name
from naru.operate.drain.reading import Progress, read_all
from naru.operate.waves import planner, world
from naru.operate.waves.standing import Standing, standings
from naru.operate.waves.work import FIRST, Planned, Settings, Work, turn, work_directory, write
from naru.plan import control
from naru.plan.errors import PlanError
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Finding
from naru.plan.queries import reading
from naru.plan.run import Terminal
from naru.plan.run import run as run_plan
from naru.plan.status import status
from naru.site import site as sites
from naru.text import shortened

STANDS = 3
"""The exit code of a plan that somebody has stopped: paused, held or cancelled."""
GOES_ON = ("done", "failed")
"""The states of a wave after which the next one may begin: a host that failed holds up no other one."""


@dataclass(frozen=True)
class Outcome:
    """How the waves stand after a run: the hosts, those that were put off with what is in the way of each, and the exit
    code."""

    standings: Sequence[Standing]
    put_off: dict[str, str]
    exit_code: int


def plan(
    settings: Settings, hosts: Sequence[str], directory: Path, say_: Progress
) -> tuple[Planned, list[world.Wave], list[Finding]]:
    """Reads what is on the hosts and where it fits, and writes the waves into the work directory. Nothing is changed
    anywhere."""
    site = sites.load(Path(settings.drain.site))
    unknown = [host for host in hosts if not site_name(settings.drain.site, host)]
    if unknown:
        raise InputError(
            f"{site.file} has no host {', '.join(shortened(unknown, 5))}",
            hint="Commands are run over SSH: add the hosts that Nova calls so.",
        )
    racks = {host: site.hosts[site_name(settings.drain.site, host)].rack for host in hosts}
    ordered = world.in_order(list(dict.fromkeys(hosts)), racks.__getitem__)
    work_directory(directory).prepare()
    with Cloud(settings.drain.cloud) as cloud:
        found = read_all(cloud, ordered, settings.drain.settle, say_)
    paper = world.World({host: Facts(one) for host, one in found.items()})
    paper.check_alike()
    options = world.by_id(paper, settings.drain.options)
    settings = replace(settings, drain=replace(settings.drain, answers=options.answers))
    waves = world.propose(paper, ordered, options, settings.at_once, racks.__getitem__)
    planned = Planned(
        str(uuid.uuid4()),
        settings,
        tuple(ordered),
        racks,
        tuple(wave.hosts for wave in waves),
        {host: sum(bool(one.to) for one in mine) for wave in waves for host, mine in wave.decisions.items()},
        {host: planner.moves_seconds(mine, settings) for wave in waves for host, mine in wave.decisions.items()},
        world.statuses(paper, options),
        {host: planner.disabled(one) for host, one in paper.facts.items()},
    )
    write(directory, planned)
    return planned, waves, planner.findings(paper, waves, settings)


def run(work: Work, terminal: Terminal) -> Outcome:
    """Wave by wave: hosts emptied, their command run, their return proved, and given back. What was begun goes on, then
    what has failed is tried again, and then each further wave is planned from a new reading when it begins. Hosts of
    which a server is to be asked about by then are put off."""
    with work.exclusive():
        code = _again(work, terminal)
        if code is not None:
            return Outcome(standings(work), {}, code)
        put_off: dict[str, str] = {}
        while waiting := _waiting(work, put_off, terminal):
            begun = _begin(work, waiting, put_off, terminal)
            if begun is None:
                continue
            with begun:
                code = _run(begun, terminal)
            if code is not None:
                return Outcome(standings(work), put_off, code)
        found = standings(work)
        is_over = all(one.state in ("done", "left") for one in found)
        return Outcome(found, put_off, 0 if is_over else 1)


def _again(work: Work, terminal: Terminal) -> int | None:
    """Goes on with the waves that have begun; the exit code where one does not come to its end. What has failed is
    tried again when nothing is under way any more: else a host of another wave may be down at the same time."""
    for number in work.waves.numbers():
        if not _is_begun(work, number):
            Journal.remove(work.waves.path(number))  # killed before it began: what it was made of has aged
    for retry in (False, True):
        for number in work.waves.numbers():
            with Journal.open(work.waves.path(number)) as journal:
                if status(journal).state == "done" or (retry and not control.retry_any_failed(journal)):
                    continue
                code = _run(journal, terminal)
            if code is not None:
                return code
    return None


def _is_begun(work: Work, number: int) -> bool:
    with Journal.open(work.waves.path(number)) as journal, reading(journal) as now:
        return now.has_begun()


def _run(journal: Journal, terminal: Terminal) -> int | None:
    """The exit code of a run that does not go on; None for one after which others may begin."""
    load(journal.modules())
    state = run_plan(journal, terminal)
    if state.state in GOES_ON:
        return None
    if state.exit_code == STANDS:
        where = journal.name
        terminal.warn(f"{where} is {state.state}: naru plan status {where} says what for, naru plan resume goes on")
    return state.exit_code


def _waiting(work: Work, put_off: dict[str, str], terminal: Terminal) -> list[str]:
    """The hosts that the next wave is made of; none where too many have failed."""
    found = standings(work)
    waiting = [one.host for one in found if one.state == "waiting" and one.host not in put_off]
    failed = [one.host for one in found if one.state == "failed"]
    if waiting and len(failed) > work.settings.failures:
        terminal.warn(
            f"{len(failed)} hosts have failed ({', '.join(shortened(failed, 5))}): no further wave begins "
            f"(--failures {work.settings.failures})"
        )
        return []
    return waiting


def _begin(work: Work, waiting: Sequence[str], put_off: dict[str, str], terminal: Terminal) -> Journal | None:
    """The next wave; None when there is none of these hosts that can be emptied, which are then put off."""
    planned, settings = work.planned, work.settings
    rack = planned.racks.get(waiting[0])
    near = [host for host in waiting if planned.racks.get(host) == rack][: 2 * settings.at_once]
    with Cloud(settings.drain.cloud) as cloud:
        there = {one["host"] for one in compute.services(cloud)}
        for host in near:
            if host not in there:
                _put_off(put_off, host, "Nova has no compute service on it any more", terminal)
            elif not site_name(settings.drain.site, host):
                _put_off(put_off, host, f"{settings.drain.site} has no such host any more", terminal)
        near = [host for host in near if host not in put_off]
        if not near:
            return None
        found = read_all(cloud, near, settings.drain.settle, terminal.say)
    now = world.World({host: Facts(one) for host, one in found.items()})
    wave = _possible(work, now, near, waiting, put_off, terminal)
    if wave is None:
        return None
    plan_id = str(uuid.uuid4())
    load(planner.MODULES)
    with turn(work.directory):
        if not work.is_current():
            raise PlanError(
                f"{work.directory} was planned anew meanwhile", hint=f"Nothing of this wave was begun: {FIRST} DIR."
            )
        if work.left().keys() & set(wave.hosts):
            return None  # somebody has left one behind while this was made: what is left of it is made anew
        number = work.waves.following()
        made = planner.whole(now, wave, number, planned, plan_id)
        terminal.say(say(made.title))
        return work.waves.begin(number, made, plan_id)


def _possible(
    work: Work,
    now: world.World,
    near: Sequence[str],
    waiting: Sequence[str],
    put_off: dict[str, str],
    terminal: Terminal,
) -> world.Wave | None:
    """A wave of these hosts of which nothing is to be asked about, and of which Ceph bears that they are down together;
    None when all of them are put off."""
    planned, settings = work.planned, work.settings
    ready, at_once = list(near), settings.at_once
    options = world.still_meant(now, settings.drain.options, planned.answered)
    while ready:
        wave = world.next_wave(now, ready, options, at_once, lambda host: planned.racks.get(host, ""), later=waiting)
        ways = {
            host: planner.in_the_way(now.facts[host], wave.decisions[host]) or planner.taken(now.facts[host], planned)
            for host in wave.hosts
        }
        for host in (host for host, why in ways.items() if why):
            _put_off(put_off, host, ways[host], terminal)
        if any(ways.values()):
            ready = [host for host in ready if host not in put_off]  # what fits where is another thing without them
            continue
        together = _bearable(work, wave.hosts)
        if len(together) == len(wave.hosts):
            return wave
        ready, at_once = together, len(together)
    return None


def _put_off(put_off: dict[str, str], host: str, why: str, terminal: Terminal) -> None:
    put_off[host] = why
    terminal.warn(f"{host} is put off: {why}")


def _bearable(work: Work, hosts: Sequence[str]) -> list[str]:
    """Those of the hosts of which Ceph bears that they are down together."""
    file = work.settings.drain.site
    names = {site_name(file, host): host for host in hosts}
    return [names[name] for name in bearable(sites.load(Path(file)), list(names))]
