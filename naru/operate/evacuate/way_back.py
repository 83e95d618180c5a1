"""The return of a host that was evacuated, in the only order that loses nothing.

When nova-compute starts it destroys every guest of its own for which there is a record of an evacuation, also of one
that has not come to an end: so it may start only when each record has. Nova then is told that the host is not down any
more, and it is enabled only when that is asked for.
"""

import time
from typing import Any

from naru.actions.clouds import TooLong, cloud, get, polling, wait_for
from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.messages import message
from naru.operate import compute
from naru.operate.drain.guests import AS_IT_SHOULD, Guests
from naru.operate.evacuate.fencing import Fencing
from naru.operate.evacuate.planner import HOST, of_host
from naru.operate.evacuate.steps import GOOD, RETRY, UNDER_WAY, OfHost
from naru.operate.evacuate.work import Work, mark
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load, step
from naru.plan.model import About, Plan, Step

UP = 1800.0
"""Seconds that a host may take to boot, and its nova-compute to clean up."""
SEVERAL, REPORTING = 4, 60.0
"""Reports, over so many seconds, after which nova-compute surely runs and has cleaned up what it cleans up."""
TITLE = message("evacuate.title.back", en="Return of {host} ({cloud})", ko="{host} 호스트 되돌리기({cloud})")
_ENDED = message(
    "evacuate.title.ended", en="no evacuation of {host} is under way", ko="{host}의 진행 중인 대피 없음 확인"
)
_ON = message("evacuate.title.on", en="{host} is switched on", ko="{host} 전원 켜기")
_CLEAN = message("evacuate.title.clean", en="{host} has cleaned up", ko="{host} 정리 완료 확인")
_IN = message("evacuate.title.in", en="Nova takes {host} for up", ko="Nova에 {host} 복귀 기록")
_ENABLE = message("evacuate.title.enable", en="servers are scheduled to {host} again", ko="{host}에 서버 배치 재개")


def plan(work: Work, *, power_on: bool, enable: bool) -> Plan:
    """The return: records ended, the host on, cleaned up, in, and with `enable` in use."""
    load([__name__])
    settings = work.settings
    host, args = settings.host, of_host(settings, work.plan_id)
    made = Plan(title=TITLE(host=host, cloud=settings.cloud), modules=[__name__], limits={HOST: 1})
    made.settings = {**settings.dump(), "power_on": power_on, "enable": enable}
    last: list[str] = []
    for name, title, is_wanted in (
        ("ended", _ENDED, True),
        ("on", _ON, power_on),
        ("clean", _CLEAN, True),
        ("in", _IN, True),
        ("enable", _ENABLE, enable),
    ):
        if is_wanted:
            about = About("host", host, host)
            one = Step(name, f"evacuate.return.{name}", args, host, (HOST,), title=title(host=host), about=about)
            last = [made.add(one, after=last).id]
    KINDS.check_arguments(made)
    return made


def options(journal: Journal) -> tuple[bool, bool]:
    """What a return was begun with: whether it switches the host on, and enables it."""
    found = journal.settings()
    return bool(found.get("power_on")), bool(found.get("enable"))


@step("evacuate.return.ended", args=OfHost, no_undo="it changes nothing", retry=RETRY, deadline=600)
def ended(context: Context) -> dict[str, Any]:
    """Every record of an evacuation from `host` has come to its end. One that has not, of a server that Nova still has
    there, would have nova-compute destroy that guest."""
    client = cloud(context, context.args["cloud"])
    check_ended(client, context.args["host"])
    return {"records": len(compute.evacuations(client, context.args["host"]))}


def check_ended(client: Cloud, host: str) -> None:
    """Raises NaruError where a record has not come to its end."""
    bad = []
    for one in compute.evacuations(client, host):
        server = compute.server(client, one["instance_uuid"]) if one["status"] in (*UNDER_WAY, *GOOD) else None
        if server is not None and server[compute.HOST] == host and one["status"] != "completed":
            bad.append(f"server {server['name']} ({server['id']}): {one['status']}, and Nova has it still there")
    if bad:
        raise NaruError(
            f"{len(bad)} evacuations from {host} have not come to an end: the host may not come back",
            detail="\n".join(bad),
            hint="Its nova-compute would destroy these guests. Wait; or, when they stay so, see to each server first.",
        )


@step("evacuate.return.on", args=OfHost, no_undo="it is switched off by hand", retry=RETRY, deadline=600)
def switch_on(context: Context) -> dict[str, Any]:
    """Switches `host` on by its power controller, until that says on. Records are looked at once more: this may run
    long after they were."""
    check_ended(cloud(context, context.args["cloud"]), context.args["host"])
    fencing = Fencing(context, context.args)
    state, identified = fencing.says()
    if not identified:
        raise NaruError(f"its power controller is {state}, or is not known to be its own", hint="Switch it on by hand.")
    end = time.monotonic() + 300
    while True:
        fencing.order("on")  # also where it says on: what is neither on nor off, as a fence has it, is not off
        context.sleep(3.0)
        if fencing.says()[0] == "on":
            return {"on": True}
        if time.monotonic() > end:
            raise NaruError("its power controller does not say on", hint="Switch it on by hand.")


@step("evacuate.return.clean", args=OfHost, no_undo="it changes nothing", retry=RETRY, deadline=UP + 60)
def clean(context: Context) -> dict[str, Any]:
    """Waits until nova-compute of `host` has started and made an end of all records: guests that are elsewhere are
    destroyed there, allocations given back. Where it reports and leaves records open, as older ones do with guests that
    their libvirt does not have, libvirt is asked: only when it has none of them is that right. In the end libvirt says
    that it runs none but what Nova has there: nothing has started a guest again that is elsewhere."""
    args = context.args
    client = cloud(context, args["cloud"])
    reports: dict[str, float] = {}
    end = time.monotonic() + UP
    for _ in polling(context):
        left, now = _open(client, args["host"]), time.monotonic()
        if not left:
            try:
                told = Guests(args["site"], context).none_but(args["host"], _here(client, args["host"]))
                return {"completed": len(compute.evacuations(client, args["host"])), "libvirt": told}
            except Transient:  # it has not booted yet
                if now > end:
                    raise
                continue
        reports.setdefault(str(_service(client, args["host"]).get("updated_at")), now)
        # the first is from before, and the second may be anybody's change
        if len(reports) > SEVERAL and now - list(reports.values())[1] > REPORTING:
            return _without_nova(context, client, left)
        if now > end:
            raise TooLong(f"nova-compute of {args['host']} has not started and cleaned up after {UP:.0f} s")
    raise AssertionError


def _open(client: Cloud, host: str) -> list[compute.Item]:
    """Records that are done and not completed; of servers that were deleted since nothing is left to clean up."""
    found = [one for one in compute.evacuations(client, host) if one["status"] == "done"]
    return [one for one in found if compute.server(client, one["instance_uuid"]) is not None]


def _here(client: Cloud, host: str) -> list[str]:
    """The servers that Nova has there."""
    return [str(one["id"]) for one in compute.servers_on(client, host)]


def _without_nova(context: Context, client: Cloud, left: list[compute.Item]) -> dict[str, Any]:
    args = context.args
    told = Guests(args["site"], context).none_but(args["host"], _here(client, args["host"]))
    if told != AS_IT_SHOULD:
        raise NaruError(
            f"nova-compute of {args['host']} reports, and has not made an end of {len(left)} evacuations",
            detail=f"libvirt there: {told}",
            hint="It was not started since, or has none of these guests: start it again. When you have seen that none "
            "of them runs there: naru plan skip clean, with a reason, and give the command again.",
        )
    return {"left": len(left), "libvirt": told}


@step("evacuate.return.in", args=OfHost, no_undo="an evacuation tells Nova again", retry=RETRY, deadline=900)
def come_in(context: Context) -> dict[str, Any]:
    """Tells Nova that `host` is not down any more, waits until it is up, and proves that nothing of servers that are
    elsewhere is left on it. Scheduling to it stays disabled."""
    args = context.args
    client = cloud(context, args["cloud"])
    found = _service(client, args["host"])
    if found.get("forced_down"):
        try:
            compute.unforce_down(client, found)
        except CloudError as error:
            if error.status != 400:
                raise
            raise Transient(error.summary, detail=error.detail) from error
    wait_for(
        context,
        lambda: _service(client, args["host"]),
        lambda now: now["state"] == "up" and not now.get("forced_down"),
        f"the compute service of {args['host']} is not up",
        600.0,
    )
    told = Guests(args["site"], context).none_but(args["host"], _here(client, args["host"]))
    return {"foreign": _foreign(context, client, args["host"]), "libvirt": told}


def _foreign(context: Context, client: Cloud, host: str) -> int:
    """Waits until no server that is elsewhere has an allocation on the host. Raises NaruError where one keeps it."""
    if not client.has("placement") or not client.supports("compute", "2.53"):
        return 0
    nodes = [
        str(one["id"])
        for one in client.items("compute", "/os-hypervisors/detail", "hypervisors", "2.53")
        if one["service"]["host"] == host
    ]
    end = time.monotonic() + 180
    while True:
        here = {one["id"] for one in compute.servers_on(client, host)}
        held = {
            name
            for node in nodes
            for name in get(client, "placement", f"/resource_providers/{node}/allocations", "allocations") or {}
        }
        left = sorted(name for name in held - here if compute.server(client, name) is not None)
        if not left:
            return 0
        if time.monotonic() > end:
            raise NaruError(
                f"Placement has allocations on {host} of {len(left)} servers that are elsewhere",
                detail="\n".join(left),
                hint="nova-manage placement heal_allocations, or openstack resource provider allocation unset.",
            )
        context.sleep(2.0)


@step("evacuate.return.enable", args=OfHost, no_undo="disable it by hand", retry=RETRY, deadline=300)
def enable(context: Context) -> dict[str, Any]:
    """Servers are scheduled to `host` again, if and only if it was this evacuation that has disabled it."""
    args = context.args
    client = cloud(context, args["cloud"])
    found = _service(client, args["host"])
    reason = str(found.get("disabled_reason") or "")
    if found["status"] == "disabled" and not reason.startswith(mark(args["plan"])):
        return {"enabled": False, "reason": reason}
    compute.enable(client, found)
    return {"enabled": True}


def _service(client: Cloud, host: str) -> compute.Item:
    found = compute.service(client, host)
    if found is None:
        raise NaruError(f"{client.name} has no compute service on {host} any more", hint="Look who removed it.")
    return found
