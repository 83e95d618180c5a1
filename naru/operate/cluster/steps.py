"""The step kinds of a cloud's way down and up, beside those of databases, of Ceph and of servers."""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from naru.actions.clouds import RETRY, cloud
from naru.errors import NaruError
from naru.operate.cluster import members, reading
from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.site import rabbitmq
from naru.site import site as sites
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.site.tunnel import open_socket

PATIENCE = 900.0
"""Seconds that a host may take to boot, a queue to be whole, Ceph to be clean, services to report."""
POLL = (1.0, 5.0)
STATE = "[ ! -d /run/systemd/system ] || systemctl is-system-running 2>/dev/null || :"
"""Says how far a host has booted."""


class OfSite(Arguments):
    """The site in the file `site`."""

    site: str


class Off(OfSite):
    """Nothing runs on the site's hosts; those that are `lost` are not looked at."""

    lost: list[str] = []


class Reach(OfSite):
    """`host` of the site, for `seconds` at most."""

    host: str
    seconds: float = PATIENCE


class Queue(OfSite):
    """The `nodes` of the queue `queue` that ran."""

    queue: str
    nodes: list[str]


class Answers(OfSite):
    """The service on `host` with `port`."""

    host: str
    port: int


class Records(OfSite):
    """The services' records as they were: `services` as `reading.records` gives them, of `cloud`."""

    cloud: str
    services: dict[str, Any]


class Same(OfSite):
    """What the `record` has, a reading; `left` are servers (ids) in it that nobody brings back: what has become of them
    is told."""

    record: dict[str, Any]
    left: list[str] = []


@step("cluster.record", args=OfSite, no_undo="it changes nothing", deadline=1800, retry=())
def record(context: Context) -> dict[str, Any]:
    """Records all that runs, and how, before anything is stopped: what the way up restores. Refused when a database is
    not whole any more, or a host does not answer."""
    if context.earlier:
        return dict(context.earlier)  # what was recorded first counts: something may have been stopped since
    site, fleet = opened(context)
    with fleet:
        found = reading.read(site, fleet, lambda what: None)
    wrong = [f"{host}: {one['error']}" for host, one in found["hosts"].items() if "error" in one]
    for name, database in found["databases"].items():
        for host, one in database["members"].items():
            if "error" in one or (database["kind"] == "galera" and not members.is_synced(one)):
                wrong.append(f"{name} on {host}: {one.get('error') or one.get('state')}")
    wrong += [f"queue {name}: {one['error']}" for name, one in found["queues"].items() if "error" in one]
    wrong += [f"Ceph {name}: {one['error']}" for name, one in found["ceph"].items() if "error" in one]
    if found["cloud"] and "error" in found["cloud"]:
        wrong.append(f"the cloud: {found['cloud']['error']}")
    if wrong:
        raise PlanError(
            "not all is whole any more: nothing was stopped", detail="\n".join(wrong), hint="Mend it first."
        )
    return found


@step("cluster.down", args=Off, no_undo="it changes nothing", deadline=1800, retry=())
def down(context: Context) -> dict[str, Any]:
    """Proves that nothing runs any more of what was to stop. Of a host that does not answer nobody knows that: the
    proof fails for it, and is skipped by somebody who does know."""
    site, fleet = opened(context)
    lost = context.args.get("lost", [])
    with fleet:
        hosts, states = reading.services(site, fleet)
    left = [id for id, one in states.items() if "error" not in one and reading.is_on(one)]
    if left:
        hint = "A boot, or somebody, has started it again: naru cluster down stops it once more."
        raise PlanError(f"{len(left)} services run", detail="\n".join(left), hint=hint)
    silent = [f"{host}: {one['error']}" for host, one in hosts.items() if "error" in one and host not in lost]
    if silent:
        raise PlanError(
            f"{len(silent)} hosts do not answer: what runs there is not known",
            detail="\n".join(silent),
            hint="If you know that they are off: naru plan skip, with a reason; or naru cluster down --lost HOST.",
        )
    return {"stopped": len(states)}


@step(
    "cluster.reach",
    args=Reach,
    no_undo="it changes nothing",
    deadline=lambda args: float(args.get("seconds", PATIENCE)) + 60,
    retry=(),
)
def reach(context: Context) -> dict[str, Any]:
    """Waits until `host` answers by SSH and has booted."""
    args = context.args
    _, fleet = opened(context)
    with fleet:

        def problem() -> str:
            try:
                said = fleet.run(args["host"], STATE, seconds=30).out.strip()
            except NaruError as error:
                return error.summary
            return f"it is {said}" if said in ("stopping", "initializing", "offline") else ""

        hint = "Switch it on, see to its network; then give the command again."
        wait(context, problem, args["host"], seconds=args.get("seconds", PATIENCE), hint=hint)
    return {}


@step("cluster.queue", args=Queue, no_undo="it changes nothing", deadline=2 * PATIENCE, retry=())
def queue(context: Context) -> dict[str, Any]:
    """Waits until all `nodes` of a queue run that ran before, as one."""
    args = context.args
    site, fleet = opened(context)
    wanted = set(args["nodes"])

    def problem() -> str:
        seen = reading.queue_nodes(site, fleet, args["queue"])
        if "error" in seen:
            return str(seen["error"])
        missing = sorted(wanted - {name for name, runs in seen["nodes"].items() if runs})
        return f"not running: {', '.join(missing)}" if missing else f"split: {seen['split']}" if seen["split"] else ""

    hint = "The node that stopped last has to start for the others to: see its log. force_boot loses what only it had."
    with fleet:
        wait(context, problem, f"the queue {args['queue']}", hint=hint)
    return {"nodes": sorted(wanted)}


@step("cluster.answers", args=Answers, no_undo="it changes nothing", deadline=PATIENCE + 60, retry=())
def answers(context: Context) -> dict[str, Any]:
    """Waits until the service on `host` accepts connections at its port."""
    args = context.args
    site, fleet = opened(context)

    async def connect() -> None:
        address = rabbitmq.bracketed(site.hosts[args["host"]].address).strip("[]")
        async with open_socket(fleet.remote(args["host"]), address, args["port"]):
            pass

    def problem() -> str:
        try:
            fleet.call(connect())
        except NaruError as error:
            return error.summary
        return ""

    with fleet:
        wait(context, problem, f"port {args['port']} on {args['host']}")
    return {}


@step("cluster.records", args=Records, no_undo="it changes nothing", deadline=PATIENCE + 120, retry=RETRY)
def records(context: Context) -> dict[str, Any]:
    """Waits until the records of Nova's, Cinder's and Neutron's services are as they were: up, disabled for the same
    reason."""
    args = context.args
    before = {"cloud": {"services": args["services"]}}

    def problem() -> str:
        try:
            return "\n".join(reading.missing_records(before, cloud(context, args["cloud"])))
        except NaruError as error:
            return error.summary

    hint = "Whoever disabled or removed one since knows why; naru plan skip, with a reason, if it is right so."
    wait(context, problem, f"the services of {args['cloud']}", hint=hint)
    return {"services": len(args["services"])}


@step("cluster.same", args=Same, no_undo="it changes nothing", deadline=1800, retry=())
def same(context: Context) -> dict[str, Any]:
    """Proves that all is as the record has it: services, units, databases, queues, Ceph's flags, records, servers.
    What has become of servers that are left to their owners is in the step's log and result."""
    site, fleet = opened(context)
    before, rest = parted(context.args["record"], context.args.get("left", []))
    last: list[reading.Reading] = []

    def problem() -> str:
        last[:] = [reading.read(site, fleet, lambda what: None)]
        return "\n".join(reading.differences(before, last[0]))

    with fleet:
        wait(context, problem, "the cloud", seconds=120.0, hint="naru plan skip, with a reason, if it is right so.")
    left = reading.differences(rest, last[0])
    for one in left:
        context.log(f"left to its owner: {one}")
    return {"same": len(before["services"]), "left": left}


def parted(record: reading.Reading, left: Collection[str]) -> tuple[reading.Reading, reading.Reading]:
    """A record without the servers that are left to their owners, and one of these alone."""
    servers = (record["cloud"] or {}).get("servers", [])
    mine, others = ([one for one in servers if (one["id"] in left) is is_left] for is_left in (False, True))
    rest = {"services": {}, "databases": {}, "queues": {}, "ceph": {}, "cloud": {"servers": others}}
    return {**record, "cloud": record["cloud"] and {**record["cloud"], "servers": mine}}, rest


def wait(context: Context, problem: Callable[[], str], what: str, *, seconds: float = PATIENCE, hint: str = "") -> None:
    """Waits until there is no problem. Raises PlanError with the last one."""
    end = time.monotonic() + seconds
    pause = POLL[0]
    while told := problem():
        if time.monotonic() > end:
            raise PlanError(f"{what}: not as it should be after {seconds:g} s", detail=told, hint=hint)
        context.sleep(pause)
        pause = min(POLL[1], pause * 1.3)


def opened(context: Context) -> tuple[Site, Fleet]:
    """The site of a step, and connections to its hosts, which the caller ends."""
    site = sites.load(Path(context.args["site"]))
    return site, Fleet(site)
