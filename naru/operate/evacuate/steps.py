"""The step kinds of an evacuation: the host proved off, Nova told, servers evacuated and proved."""

import time
from typing import Any

from naru.actions.arguments import Id
from naru.actions.clouds import POLL, SETTLE, cloud, get, polling, wait_for
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain.proof import CURE_AFTER, Arrival
from naru.operate.evacuate.fencing import Fencing
from naru.operate.evacuate.work import MARK, mark
from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step

REASON = 255
"""Characters that Nova keeps of a reason."""
UNDER_WAY = ("accepted", "pre-migrating", "queued", "preparing", "running")
GOOD = ("done", "completed")
SERVER = 900.0
"""Seconds that the evacuation of one server may take, counted from its record."""
ARRIVE = 180.0
RETRY = (
    Retry(on=(Unavailable,), tries=12, pause=2.0, longest=30.0),
    # longer than a guard that was begun again sees too little
    Retry(on=(Transient,), tries=30, pause=1.0, longest=10.0),
)


class OfHost(Arguments):
    """`host` of `cloud`, as Nova calls it, and the plan whose mark counts. How it is proved off: the `site` whose power
    controllers are asked, whether the host's is its own on the operator's word (`trust`), who has said that it has no
    power (`off`), `settle` seconds, the `guard`'s directory, and whether people go on `by_hand` with what it began."""

    cloud: str
    host: str
    plan: str
    site: str
    trust: bool = False
    off: str = ""
    settle: float = 20.0
    guard: str = ""
    by_hand: bool = False
    reason: str = ""


class OfServer(OfHost):
    """`server` on that host, which was `status` when the host failed. `earlier` are the records of evacuations that
    were there when it was planned."""

    server: Id
    status: str
    earlier: list[Any]


class Proof(Arguments):
    """`server` was evacuated from `host` by the step `evacuated`, with its ports and volumes."""

    cloud: str
    host: str
    server: Id
    status: str
    evacuated: str
    locked: bool
    ports: list[str]
    volumes: list[str]


class End(OfHost):
    """Nothing is left on the host but the servers `left` (ids)."""

    left: list[str]


@step("evacuate.fence", args=OfHost, no_undo="naru host return brings it back", retry=RETRY, deadline=900)
def fence(context: Context) -> dict[str, Any]:
    """Proves `host` off: switched off by its power controller, if that is its own, and read back; or by the word of
    whoever has seen it, if nothing says otherwise. A host that lives is never switched off."""
    args = context.args
    fencing = Fencing(context, args)
    client = cloud(context, args["cloud"])
    found = _service(client, args["host"])
    if found["state"] == "up" and not found.get("forced_down"):
        raise NaruError(f"Nova says that {args['host']} is up", hint="It is drained then: naru host plan.")
    if args["off"]:
        fencing.word.check_off(args["off"], live=True)
        fencing.word.check()
        fencing.check_off()
        return {"proof": f"{args['off']} says so; its controller says {fencing.says()[0]}"}
    fencing.check_dead()
    ordered = fencing.says()[0] != "off"
    if ordered:
        fencing.order_off()
    fencing.word.check()
    proof = fencing.prove()
    fencing.word.check()  # a heartbeat, or a file that goes on being written: its controller is another host's
    return {"proof": proof.why, "ordered": ordered}


@step("evacuate.record", args=OfHost, no_undo="naru host return brings it back", retry=RETRY, deadline=600)
def record(context: Context) -> dict[str, Any]:
    """Tells Nova that `host` is down, and that nothing is scheduled to it, with a reason that names the plan. What a
    human has disabled keeps their reason. Refused where another plan evacuates it."""
    args = context.args
    client = cloud(context, args["cloud"])
    fencing = Fencing(context, args)
    fencing.word.check_off(args["off"], live=False)
    fencing.check_off()
    found = _service(client, args["host"])
    reason, ours = str(found.get("disabled_reason") or ""), mark(args["plan"])
    _check_other(args, reason)
    is_theirs = found["status"] == "disabled" and not reason.startswith(ours)
    if not (found.get("forced_down") and (is_theirs or reason.startswith(ours))):
        text = f"{ours}: {args['reason']}" if args["reason"] else ours
        compute.force_down(client, found, None if is_theirs else text[:REASON])
        context.sleep(SETTLE)  # of two that write at once the later one stays: whoever does not find itself stops
    found = _service(client, args["host"])
    reason = str(found.get("disabled_reason") or "")
    _check_other(args, reason)
    if not found.get("forced_down") or found["state"] != "down":
        raise Transient(f"Nova does not take {args['host']} for down yet")
    return {"ours": reason.startswith(ours), "reason": reason}


def _check_other(args: Any, reason: str) -> None:
    if reason.startswith(MARK) and not reason.startswith(mark(args["plan"])):
        raise NaruError(
            f"{args['host']} is evacuated by another plan: {reason}",
            hint="Go on with that one, or give the host back by it: naru host return.",
        )


def _service(client: Cloud, host: str) -> compute.Item:
    found = [one for one in compute.services(client) if one["host"] == host]
    if len(found) != 1:
        raise NaruError(f"{client.name} has {len(found)} compute services on {host}", hint="Look who changed it.")
    return found[0]


@step("evacuate.server", args=OfServer, no_undo="a drain moves it back", retry=RETRY, deadline=SERVER + 600)
def evacuate(context: Context) -> dict[str, Any]:
    """Has Nova build `server` anew on a host of the scheduler's choice, and waits for it. One that is gone, or that is
    elsewhere already, is left alone; one under way is waited for. Before it is asked the host is once more seen off."""
    args, began = context.args, time.monotonic()
    client = cloud(context, args["cloud"])
    if context.attempt > 1:
        context.sleep(SETTLE)  # the request of a killed attempt has left its record by then
    server = compute.server(client, args["server"])
    if server is None:
        return {"gone": True}
    over = set(args["earlier"]) | set((context.earlier or {}).get("over", ()))
    found = _record(client, args, over)
    if server[compute.HOST] != args["host"]:
        how = "evacuated" if found else "already"
        return {"to": server[compute.HOST], "how": how, **_settled(context, client, args, over, began)}
    if found is None or found["status"] not in (*UNDER_WAY, *GOOD):
        if found is not None:
            over.add(found["id"])
            context.save({"over": sorted(over)})
        _ask(context, client, args, server)
    to = _arrived(context, client, args, over)
    return {"to": to, "how": "evacuated", **_settled(context, client, args, over, began)}


def _record(client: Cloud, args: Any, over: set[Any]) -> compute.Item | None:
    """The newest record of its evacuation that is not over."""
    mine = [one for one in compute.evacuations(client, args["host"]) if one["instance_uuid"] == args["server"]]
    return next((one for one in mine if one["id"] not in over), None)


def _ask(context: Context, client: Cloud, args: Any, server: compute.Item) -> None:
    fencing = Fencing(context, args)
    fencing.word.check_off(args["off"], live=False)
    fencing.check_off()
    service = _service(client, args["host"])
    _check_other(args, str(service.get("disabled_reason") or ""))
    if not service.get("forced_down"):
        raise NaruError(
            f"somebody has told Nova that {args['host']} is not down any more",
            hint="Nothing more is evacuated. See who did, and what runs on it.",
        )
    if server[compute.TASK]:
        raise Transient(f"something is being done to it: {server[compute.TASK]}")
    form = compute.evacuate_form(client, "")
    try:
        client("compute", "POST", f"/servers/{args['server']}/action", form.body, version=form.version)
    except CloudError as error:
        if error.status == 409:
            raise Transient(error.summary, detail=error.detail) from error
        raise


def _arrived(context: Context, client: Cloud, args: Any, over: set[Any]) -> str:
    """Waits until it is on another host; its name. Raises NaruError with what Nova says when it does not get there."""
    end = time.monotonic() + SERVER
    for _ in polling(context, POLL[1]):
        server = compute.server(client, args["server"])
        if server is None:
            return ""
        found = _record(client, args, over)
        here = str(server[compute.HOST])
        if here != args["host"] and not server[compute.TASK]:
            return here
        if found and found["status"] not in (*UNDER_WAY, *GOOD) and not server[compute.TASK]:
            context.save({"over": sorted({*over, found["id"]})})
            raise NaruError(
                f"Nova did not bring it up elsewhere: {found['status']}",
                detail=compute.why(client, args["server"]),
                hint="Make room, or see the reason; given again the command tries it once more.",
            )
        if time.monotonic() > end:
            state = found["status"] if found else "no record"
            why = compute.why(client, args["server"])
            raise NaruError(f"it is not elsewhere after {SERVER:.0f} s: {state}", detail=why)
    raise AssertionError


def _settled(context: Context, client: Cloud, args: Any, over: set[Any], began: float) -> dict[str, Any]:
    """Brought back to what it was: Nova starts what was off when an earlier try, one of those that are `over`, has left
    it in ERROR. Without such a try it is its owner who has started it since."""

    def settled() -> compute.Item | None:
        found = compute.server(client, args["server"])
        return None if found is None or found[compute.TASK] else found

    server = settled()
    has_failed = bool(over - set(args["earlier"]))
    if server and has_failed and args["status"] == "SHUTOFF" and server["status"] == "ACTIVE":
        try:
            client("compute", "POST", f"/servers/{args['server']}/action", {"os-stop": None})
        except CloudError as error:
            if error.status != 409:
                raise
            raise Transient(error.summary, detail=error.detail) from error  # Nova is about to do so
        wait_for(context, settled, lambda found: found and found["status"] == "SHUTOFF", "it does not stop", ARRIVE)
    return {"seconds": round(time.monotonic() - began, 1)}


@step("evacuate.proof", args=Proof, no_undo="it changes nothing", retry=RETRY, deadline=ARRIVE + 120)
def proof(context: Context) -> dict[str, Any]:
    """Proves that `server` is up where it came: Nova's host and status, its ports and their bindings, its volumes, its
    allocation there. (That of the source goes when its compute service starts again, or is deleted.)"""
    args = context.args
    came = context.results()[args["evacuated"]]
    if came is None:
        return {"left": "its evacuation was left out"}
    if came.get("gone") or not came["to"]:
        return {"gone": True}
    client = cloud(context, args["cloud"])
    status = "ACTIVE" if args["status"] == "ERROR" else args["status"]
    arrival = Arrival(client, {**args, "nodes": [], "bindings": False}, came["to"], status)
    begun = time.monotonic()

    def problems() -> list[str] | None:
        def cure(port: str) -> bool:
            return time.monotonic() - begun > CURE_AFTER * (1 + arrival.cured.count(port))

        found = arrival.problems(time.monotonic(), cure)
        return found if found is None else [*found, *_unallocated(client, args["server"])]

    found = problems()
    while found and time.monotonic() - begun < ARRIVE:
        context.sleep(POLL[1])
        found = problems()
    if found is None:
        return {"gone": True}
    if found:
        hint = "Cure it and give the command again; naru plan skip, with a reason, if it is right so."
        raise NaruError(f"{len(found)} things are not as they should be", detail="\n".join(found), hint=hint)
    return {"host": came["to"], "cured": arrival.cured}


def _unallocated(client: Cloud, server: str) -> list[str]:
    """What Placement does not have of it where it is."""
    if not client.has("placement"):
        return []
    found = compute.server(client, server)
    if found is None:
        return []
    held = get(client, "placement", f"/allocations/{server}", "allocations") or {}
    path = f"/resource_providers?name={found[compute.NODE]}"
    nodes = get(client, "placement", path, "resource_providers") or []
    is_there = any(one["uuid"] in held for one in nodes)
    return [] if is_there else [f"Placement does not have it on {found[compute.NODE]}"]


@step("evacuate.end", args=End, no_undo="it changes nothing", retry=RETRY, deadline=600)
def end(context: Context) -> dict[str, Any]:
    """Says what is left on `host`, once all that could be done was: none but the servers `left`, the host still off."""
    args = context.args
    client = cloud(context, args["cloud"])
    Fencing(context, args).check_off()
    here = compute.servers_on(client, args["host"])
    unknown = [f"{one['name']} ({one['id']}) is {one['status']}" for one in here if one["id"] not in args["left"]]
    if unknown:
        raise NaruError(
            f"{len(unknown)} servers are left on {args['host']} that were to be evacuated",
            detail="\n".join(unknown),
            hint="Their own steps say why. The host stays off and is not used; give the command again.",
        )
    return {"left": sorted(one["id"] for one in here)}
