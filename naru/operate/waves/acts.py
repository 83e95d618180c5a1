"""The step kinds that do something to a host that is empty: its command, and its boot.

Both are begun only while the host is still as it was when that was decided. What a step before has proved may be hours
old by then: a command that failed in the night is tried again in the morning, and a colleague has enabled the host
meanwhile.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from naru.actions import durations
from naru.actions.clouds import cloud
from naru.actions.hosts.command import Command, perform
from naru.actions.hosts.place import HostAction, Place
from naru.errors import NaruError
from naru.operate import compute, osds
from naru.operate.drain.emptiness import server_problems
from naru.operate.drain.guests import Guests
from naru.operate.waves.upkeep import EVERY, RETRY, Host, boots_within, late
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.site.ssh import Refused

ASK_AGAIN = 60.0
"""Seconds after which a host that has not gone down is told once more to boot."""
BEAR = 300.0
"""Seconds that Ceph may take until it bears that the host goes down, when that is asked once more."""
REBOOT = "if [ -d /run/systemd/system ]; then systemctl reboot; else reboot; fi"
HINT = (
    "Nothing was begun on it. Disable and empty it, then give the command again; or leave it behind: naru host waves "
    "leave."
)


class Act(HostAction):
    """`host` of the site is what Nova calls `compute` on `cloud`. Nothing is on it but the servers `left`, by id with
    the status that each had; the step `disabled` has disabled it, or noted why it was ("" for none). Ceph bears that
    the hosts `together` are down, by the site's names, where they have a part of the clusters `storage`."""

    step_kind: ClassVar[str] = ""

    cloud: str
    compute: str
    left: dict[str, str] = {}
    disabled: str = ""
    storage: list[str] = []
    together: list[str] = []


class Run(Act, Command):
    """See `run`."""

    step_kind: ClassVar[str] = "waves.run"


class Boot(Act):
    """`before` is the step that has noted the boot which is to end, `after` the command before it, which has noted that
    in which it ended; "" for none."""

    step_kind: ClassVar[str] = "waves.reboot"

    before: str
    after: str = ""
    seconds: float = 1200.0


def check_still(context: Context) -> None:
    """Raises NaruError where the host is not disabled and empty any more, or Ceph does not bear that it goes down."""
    args = context.args
    client = cloud(context, args["cloud"])
    host, left = args["compute"], args.get("left") or {}
    found = compute.service(client, host)
    problems = server_problems(client, host, left)
    if said := _not_ours(found, (context.results().get(args.get("disabled", "")) or {}).get("reason")):
        problems.insert(0, said)
    if problems:
        raise NaruError(f"{host} is not as it was when it was emptied", detail="\n".join(problems), hint=HINT)
    Guests(args.get("site", ""), context).none_but(host, left)
    for name in args.get("storage") or []:
        cluster = osds.cluster(context, name, args["together"])
        osds.wait_until_borne(context, cluster, args["host"], args["together"], BEAR)


def _not_ours(found: compute.Item | None, was: str | None) -> str:
    """Who else may be at the host by now, as its compute service has it: `was` is the reason that it was disabled for,
    None where that is not known. "" for nobody."""
    if found is None:
        return "it has no nova-compute"
    if found["status"] != "disabled":
        return "servers are scheduled to it: somebody has enabled it"
    reason = found.get("disabled_reason") or ""
    return "" if was in (None, reason) else f"somebody has disabled it meanwhile ({reason or 'no reason is given'})"


@step("waves.run", args=Run, undo="host.command.undo", retry=RETRY, deadline=durations.own)
def run(context: Context) -> dict[str, Any]:
    """As `host.command`, begun only on a host that is still disabled and empty; notes in which boot it ended, where the
    host is up then."""
    found = perform(context, begins=lambda: check_still(context))
    return {**found, "boot": Host(Place(context, context.args, context.id)).boot()}


@step("waves.reboot", args=Boot, no_undo="a boot stays", retry=RETRY, deadline=boots_within)
def reboot(context: Context) -> dict[str, Any]:
    """Boots `host`, unless it has another boot by now than that in which its command ended, or was noted before, and
    waits for it. It is told to boot only while it is still disabled and empty."""
    args = context.args
    place = Place(context, args, context.id)
    results = context.results()
    # a power cut in the middle of the command is not the boot after it
    ended: Mapping[str, Any] = (results.get(args["after"]) if args.get("after") else None) or {}
    was = ended.get("boot") or results[args["before"]]["boot"]
    return {"boot": _boot(context, place, was, lambda: check_still(context))}


def _boot(context: Context, place: Place, was: str, check: Callable[[], None]) -> str:
    args = context.args
    end = time.monotonic() + float(args["seconds"])
    host, said, again = Host(place), "", 0.0
    while (now := host.boot()) in (None, was):
        if now == was and time.monotonic() > again:
            check()
            context.log(f"{args['host']}: {REBOOT}")
            said, again = _tell_to_boot(place), time.monotonic() + ASK_AGAIN
        if time.monotonic() > end:
            raise late(args["host"], args, host.why if now is None else f"has not booted{said}")
        context.sleep(EVERY)
    return str(now)


def _tell_to_boot(place: Place) -> str:
    """What the host said against it, in words; "" for nothing. A connection that ends meanwhile is how one answers that
    takes it."""
    try:
        ran = place.ask(lambda remote: remote.run(REBOOT, seconds=60.0))
    except Refused:
        raise
    except NaruError:
        return ""
    return f": {ran.errors.strip()[-300:]}" if ran.code > 0 and ran.errors.strip() else ""
