"""The step kinds of servers: stopped and started, and none left that nobody knew of."""

from typing import Any, Literal

from naru.actions.arguments import Id
from naru.actions.clouds import RETRY, cloud
from naru.actions.looks import Server
from naru.actions.power import LIMIT, bring, settled
from naru.cloud.client import Unavailable
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.cluster import guests, reading
from naru.operate.cluster.steps import opened
from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.errors import PlanError, Transient
from naru.plan.kinds import step
from naru.site.hostnames import named

TRIES = 6
"""How often a server is tried to start that Nova refuses to, before the others go on without it."""
SHOWN = 20
RUNS = """cat /proc/sys/kernel/random/boot_id
[ ! -d /run/libvirt ] || echo libvirt
for one in $(grep -lzx -e -uuid /proc/[0-9]*/cmdline 2>/dev/null); do
  tr '\\0' '\\n' <"$one" 2>/dev/null | grep -x -A 1 -e -uuid | grep -qx -e "$1" && echo runs
done
:"""
"""Says which boot a host has, whether it has libvirt, and whether QEMU runs a server (`$1`, its id) there."""


class Guest(Arguments):
    """The state that `server` of `cloud` is brought `to`. Of one that is to run, `boots` has which boot its host had
    when it was recorded, by the host's name in `site`."""

    cloud: str
    server: Id
    to: Literal["SHUTOFF", "ACTIVE"]
    site: str = ""
    boots: dict[str, str] = {}


class Quiet(Arguments):
    """No server of `cloud` runs but those with an answer in `answers`, by name or id, and those on hosts that are
    `lost`."""

    cloud: str
    answers: dict[str, str] = {}
    lost: list[str] = []


@step("cluster.guest", args=Guest, no_undo="the other way brings it back", deadline=2 * LIMIT + 120, retry=RETRY)
def guest(context: Context) -> dict[str, Any]:
    """Stops `server`, by its own system as far as that listens, or starts it, and waits until it is so. One that is
    gone, since its owner has deleted it, is left so.

    After a power loss Nova still calls a server ACTIVE of which nothing runs, and to start it does nothing: when its
    host has booted since the record, and no QEMU runs it there, Nova is told to stop it first. A server that does not
    start holds up no other: the step says so, and the last proof fails for it."""
    args = context.args
    client = cloud(context, args["cloud"])
    if args["to"] == "SHUTOFF":
        return {"seconds": bring(context, client, args["server"], "SHUTOFF", gone=True)}
    found = settled(context, client, args["server"])
    fell = found is not None and found["status"] == "ACTIVE" and has_fallen(context, found)
    try:
        if fell:
            context.log(f"server {args['server']} is ACTIVE, and went down with its host: it is stopped, then started")
            bring(context, client, args["server"], "SHUTOFF", gone=True, found=found)
        return {"seconds": bring(context, client, args["server"], "ACTIVE", gone=True), "fell": fell}
    except Unavailable:
        raise
    except NaruError as error:
        context.check()  # it may be that the step is to stop
        if isinstance(error, Transient) and context.attempt < TRIES:
            raise
        context.log(f"server {args['server']} does not start, the others go on: {error}")
        return {"failed": error.summary}


def has_fallen(context: Context, found: Server) -> bool:
    """Whether a server that Nova calls ACTIVE went down with its host: that has booted since the record, and nothing
    runs the server there. Where a site does not have the host, the record not its boot, or the host no libvirt, Nova is
    believed."""
    boots = context.args.get("boots", {})
    host = named(str(found.get(compute.HOST) or ""), boots)
    if not host:
        return False
    _, fleet = opened(context)
    with fleet:
        said = fleet.call(fleet.remote(host).checked(["sh", "-c", RUNS, "naru", found["id"]], seconds=60))
    boot, *has = said.split()
    return boot != boots[host] and "libvirt" in has and "runs" not in has


@step("cluster.quiet", args=Quiet, no_undo="it changes nothing", deadline=900, retry=RETRY)
def quiet(context: Context) -> dict[str, Any]:
    """Proves that no server runs any more, nor is about to, that was not answered to be left: also none that somebody
    has made or started since the plan was made. After this nobody can stop one any more but its host."""
    args = context.args
    every = reading.servers(cloud(context, args["cloud"]))
    servers = [one for one in every if not named(str(one.get(compute.HOST) or ""), args.get("lost", []))]
    left = guests.running(servers, args.get("answers", {}))
    if left:
        names = [f"{one['name']} ({one['id']}) is {one['status']}" for one in left]
        raise PlanError(
            f"{len(left)} servers run, or are about to: no service was stopped",
            detail="\n".join(names[:SHOWN]),
            hint="Stop them, then give naru cluster down again; the way up does not start them. If they may end with "
            "their hosts: naru plan skip, with a reason.",
        )
    return {"servers": len(servers)}
