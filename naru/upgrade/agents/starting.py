"""The steps that start compute services and agents: each counts as started when it has reported and works on what it
worked on before, and hosts that share a router or a network of DHCP are not at it at the same time."""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from naru.actions import durations
from naru.actions.hosts.command import Command, command
from naru.actions.hosts.container import Container, container
from naru.actions.hosts.place import Place
from naru.actions.hosts.unit import Unit, unit
from naru.errors import NaruError
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.site import site as sites
from naru.upgrade.agents.reports import Cache, Report, Seen, Turns, lacks, read, short

PATIENCE = 300.0
"""Seconds within which it has to have reported, with all that it works on: most report every ten or thirty."""
PAUSE = 2.0
HAD = "had"
"""What an attempt keeps for the next one: how many things it worked on."""
AGENTS = "neutron-"
"""How the programs begin that carry users' networks."""
KINDS = {"host.unit": "upgrade.start_unit", "host.container": "upgrade.start_container"}
"""By the kind of the step that starts a service the one that waits for its report, too."""
COMMAND = "upgrade.start_command"


class LeftAlone(PlanError):
    """A host that was left as it was for the sake of another one that did not come back: nothing of its own failed."""


_turns = Turns()
_caches: dict[str, Cache] = {}


class StartUnit(Unit):
    """See `start_unit`."""

    step_kind: ClassVar[str] = "upgrade.start_unit"

    program: str


class StartContainer(Container):
    """See `start_container`."""

    step_kind: ClassVar[str] = "upgrade.start_container"

    program: str


class StartCommand(Command):
    """See `start_command`."""

    step_kind: ClassVar[str] = "upgrade.start_command"

    program: str


@step(StartUnit.step_kind, args=StartUnit, undo="host.unit.undo", deadline=durations.DAY, retry=())
def start_unit(context: Context) -> dict[str, Any]:
    """As host.unit; then waits until `program` has reported from there. What did so before has to work on as many
    ports, routers or networks as it did, or as many as it has by the database where these are fewer; of one that the
    database does not know under the host's name it is only known that it runs. An agent of Neutron waits for those of
    hosts that share a router or a network of DHCP with its own, and is left alone when one of these did not come
    back."""
    return started(context, unit)


@step(StartContainer.step_kind, args=StartContainer, undo="host.container.undo", deadline=durations.DAY, retry=())
def start_container(context: Context) -> dict[str, Any]:
    """As host.container; and as `upgrade.start_unit`."""
    return started(context, container)


@step(StartCommand.step_kind, args=StartCommand, undo="host.command.undo", deadline=durations.DAY, retry=())
def start_command(context: Context) -> dict[str, Any]:
    """As host.command; and as `upgrade.start_unit`."""
    return started(context, command)


def started(context: Context, start: Callable[[Context], dict[str, Any]]) -> dict[str, Any]:
    """Starts it, and waits for its report. Raises PlanError when it does not start, or does not report in time."""
    place = Place(context, context.args, context.id)
    program, host = context.args["program"], place.host
    reports = _cache(context.args, place)
    before = _before(reports, program, host)
    if before is None:
        return {**start(context), "reported": None}
    before = _as_first(context, before)
    if not program.startswith(AGENTS):
        return {**start(context), **_reported(context, reports, program, host, before)}
    _take(context, reports, host)
    lost = True
    try:
        found = {**start(context), **_reported(context, reports, program, host, before)}
        lost = False
    finally:
        # an interrupt says nothing of it
        _turns.give(short(host), lost=lost and not context.cancelled)
    return found


def _cache(args: Mapping[str, Any], place: Place) -> Cache:
    file = str(args.get("site", sites.FILE))
    return _caches.setdefault(file, Cache(lambda: read(place.site, place.fleet)))


def _before(reports: Cache, program: str, host: str) -> Report | None:
    """What it reported last; None where the database does not know it. Raises PlanError where that does not answer."""
    try:
        return reports.get().find(program, host)
    except NaruError as error:
        raise PlanError(f"{host}: what {program} reports is not known: {error.summary}", hint=error.hint) from error


def _as_first(context: Context, before: Report) -> Report:
    """What it reported last, with what it worked on before the first attempt: one that was started and works on less
    has reported that by now."""
    first = (context.earlier or {}).get(HAD)
    before = before._replace(has=max((one for one in (first, before.has) if one is not None), default=None))
    context.save({HAD: before.has})
    return before


def _take(context: Context, reports: Cache, host: str) -> None:
    told = ""
    while True:
        partners = _partners(reports, host)
        if lost := _turns.lost(partners):
            raise LeftAlone(
                f"{host}: left as it was: {lost}, which has routers or networks in common with it, did not come back",
                hint=f"See to {lost}, then give the command again; for one that stays away naru plan skip takes its "
                "agents as started.",
            )
        busy = _turns.take(short(host), partners)
        if not busy:
            return
        if busy != told:
            context.log(f"wait for {busy}, which has routers or networks in common with {host}")
            told = busy
        context.sleep(PAUSE)


def _partners(reports: Cache, host: str) -> frozenset[str]:
    try:
        seen: Seen = reports.get()
    except NaruError as error:
        raise PlanError(
            f"{host}: who shares a router with it is not known: {error.summary}", hint=error.hint
        ) from error
    return seen.partners.get(short(host), frozenset())


def _reported(context: Context, reports: Cache, program: str, host: str, before: Report) -> dict[str, Any]:
    began = time.monotonic()
    while True:
        try:
            said = lacks(before, reports.get(began).find(program, host))
        except NaruError as error:
            said = f"what it reports is not known: {error.summary}"
        seconds = time.monotonic() - began
        if not said:
            return {"reported": round(seconds, 1)}
        if seconds > PATIENCE:
            raise PlanError(
                f"{host}: {program} runs, and for {PATIENCE:.0f} s {said}",
                hint="See its log there. Given again it is waited for once more; naru plan skip takes it as started.",
            )
        context.sleep(PAUSE)
