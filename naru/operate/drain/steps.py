"""The step kinds of a drain: scheduling taken from a host and given back, servers moved, and proofs."""

import time
from typing import Any, Literal

from naru.actions.arguments import Id
from naru.actions.clouds import POLL, SETTLE, cloud, wait_for
from naru.actions.durations import DAY
from naru.cloud.client import Cloud, Unavailable
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain.emptiness import allocation_problems, server_problems
from naru.operate.drain.guests import Guests
from naru.operate.drain.mover import SILENT, Busy, Moved, Mover, Stuck
from naru.operate.drain.proof import CURE_AFTER, Arrival
from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step

MARK = "naru drain"
REASON = 255
"""Characters that Nova keeps of a reason."""
ARRIVE = 180.0
"""Seconds that ports, Placement and volumes may take to be as they should after a server has moved."""
UP = 600.0
"""Seconds that the compute service of a host that comes back may take."""
RETRY = (
    Retry(on=(Unavailable,), tries=8, pause=2.0, longest=30.0),
    Retry(on=(Stuck,), tries=2, pause=60.0),
    Retry(on=(Busy,), tries=40, pause=3.0, longest=15.0),
    Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),
)


def mark(plan: str) -> str:
    """What the reason of a service begins with that this plan has disabled."""
    return f"{MARK} {plan}"


def is_marked(reason: str, plan: str = "") -> bool:
    """Whether a reason is that of a drain; with a `plan` whether it is its mark."""
    return reason.startswith(mark(plan)) if plan else reason.startswith(f"{MARK} ")


class Scheduling(Arguments):
    """`host` of `cloud`; `plan` is the id of the plan whose mark counts, `reason` the operator's."""

    cloud: str
    host: str
    plan: str
    reason: str = ""


class Move(Arguments):
    """`server` on `host`, which was `status`, is moved to the host `to` (with `exact` to no other one), in the way
    (live, cold) that `ways` has for its status then. `stuck` are seconds, see `naru.operate.drain.convergence`;
    `complete` whether it may be forced; one of which for `silent` seconds nothing new is seen has failed."""

    cloud: str
    host: str
    server: Id
    status: str
    to: str
    ways: dict[str, Literal["live", "cold"]]
    exact: bool = False
    stuck: float = 120.0
    complete: bool = False
    silent: float = SILENT


class Proof(Arguments):
    """`server` was moved from `host` by the step `move`. `nodes` are the host's resource providers, `bindings` whether
    Neutron shows the bindings of ports. `site` is the file of the site whose hosts are asked for their guests."""

    cloud: str
    host: str
    server: Id
    move: str
    locked: bool
    ports: list[str]
    volumes: list[str]
    nodes: list[str]
    bindings: bool
    site: str = ""


class Empty(Arguments):
    """Nothing is on `host` but the servers `left`, by id with the status that each had when it was planned ("" for an
    old disk alone), of those that were there then (`known`)."""

    cloud: str
    host: str
    left: dict[str, str]
    known: list[str]
    nodes: list[str]
    site: str = ""


@step("drain.disable", args=Scheduling, undo="drain.disable.undo", retry=RETRY, deadline=600)
def disable(context: Context) -> dict[str, Any]:
    """Disables scheduling to `host`, with a reason that begins with the plan's mark. What somebody else has disabled
    keeps their reason; one that another drain has disabled is refused: that one boots it, or gives it back."""
    args = context.args
    client = cloud(context, args["cloud"])
    found = _service(client, args["host"])
    if found["status"] != "disabled":
        text = f"{mark(args['plan'])}: {args['reason']}" if args.get("reason") else mark(args["plan"])
        compute.disable(client, found, text[:REASON])
        context.sleep(SETTLE)  # of two that write at once the later one stays: whoever does not find itself stops
        found = _service(client, args["host"])
        if found["status"] != "disabled":
            raise Transient(f"scheduling to {args['host']} is not disabled yet")
    reason = found.get("disabled_reason") or ""
    if is_marked(reason) and not is_marked(reason, args["plan"]):
        raise NaruError(
            f"{args['host']} is emptied by another work directory",
            detail=f"Nova has it disabled with the reason {reason}",
            hint="Give it back there, or leave it behind there, and give this command again. Where that directory "
            "is lost, set another reason: openstack compute service set --disable --disable-reason TEXT.",
        )
    return {"ours": is_marked(reason, args["plan"]), "reason": reason}


@step("drain.disable.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_disable(context: Context) -> dict[str, Any]:
    """Enables scheduling again, if the mark is there."""
    return _enable(context, context.undone.args)


@step("drain.enable", args=Scheduling, no_undo="another drain disables it", retry=RETRY, deadline=UP + 60)
def enable(context: Context) -> dict[str, Any]:
    """Enables scheduling to `host` again, once its compute service is up, if and only if the plan's mark is there: what
    others have disabled, before or since, stays so."""
    args = context.args
    client = cloud(context, args["cloud"])
    wait_for(
        context,
        lambda: _service(client, args["host"]),
        lambda found: found["state"] == "up" and not found.get("forced_down"),
        f"the compute service of {args['host']} is not up",
        UP,
    )
    return _enable(context, args)


def _enable(context: Context, args: Any) -> dict[str, Any]:
    client = cloud(context, args["cloud"])
    found = _service(client, args["host"])
    reason = found.get("disabled_reason") or ""
    if found["status"] == "enabled":
        return {"enabled": True}
    if not reason.startswith(mark(args["plan"])):
        return {"enabled": False, "reason": reason}
    compute.enable(client, found)
    if _service(client, args["host"])["status"] != "enabled":
        raise Transient(f"scheduling to {args['host']} is not enabled yet")
    return {"enabled": True}


def _service(client: Cloud, host: str) -> compute.Item:
    found = compute.service(client, host)
    if found is None:
        raise NaruError(f"{client.name} has no compute service on {host} any more", hint="Look who removed it.")
    return found


@step("drain.move", args=Move, no_undo="naru host return --back moves it home", retry=RETRY, deadline=DAY)
def move(context: Context) -> dict[str, Any]:
    """Moves `server` off `host`: live, or cold and confirmed. One that is gone, or that somebody else has moved, is
    left where it is. One that does not come away within its patience is tried again after others."""
    began = time.monotonic()
    moved = Mover(context, cloud(context, context.args["cloud"]), context.args).move()
    return _told(moved, began)


@step("drain.settle", args=Move, no_undo="it only ends what was begun", retry=RETRY, deadline=DAY)
def settle(context: Context) -> dict[str, Any]:
    """Waits for what was begun of a `drain.move` that did not end, confirms it, and says where the server is."""
    began = time.monotonic()
    mover = Mover(context, cloud(context, context.args["cloud"]), context.args)
    server = mover.resume(is_ours=True)
    if server is None:
        return _told(None, began)
    return _told(Moved(str(server[compute.HOST]), mover.how or "already", mover.before, mover.copied), began)


def _told(moved: Moved | None, began: float) -> dict[str, Any]:
    if moved is None:
        return {"gone": True}
    return {**moved._asdict(), "seconds": round(time.monotonic() - began, 1)}


@step("drain.proof", args=Proof, no_undo="it changes nothing", retry=RETRY, deadline=ARRIVE + 120)
def proof(context: Context) -> dict[str, Any]:
    """Proves that `server` has arrived: Nova's host and status, the bindings and status of its ports, its volumes,
    Placement, and, where the site's hosts can be asked, libvirt on both sides. A port that stays DOWN is changed to
    what it is, so that its agent looks again."""
    args = context.args
    came = context.results()[args["move"]]
    if came is None:
        return {"left": "its move was left out"}
    if came.get("gone"):
        return {"gone": True}
    client = cloud(context, args["cloud"])
    arrival = Arrival(client, args, came["to"], came["status"])
    begun = time.monotonic()

    def cure(port: str) -> bool:
        return time.monotonic() - begun > CURE_AFTER * (1 + arrival.cured.count(port))

    found = _none_left(context, lambda: arrival.problems(time.monotonic(), cure), f"server {args['server']}", ARRIVE)
    if found is None:
        return {"gone": True}
    guests = Guests(args.get("site", ""), context)
    told = guests.moved(args["server"], args["host"], came["to"], is_running=came["status"] in ("ACTIVE", "PAUSED"))
    return {"host": came["to"], "libvirt": told, "cured": arrival.cured}


@step("drain.empty", args=Empty, no_undo="it changes nothing", retry=RETRY, deadline=ARRIVE + 120)
def empty(context: Context) -> dict[str, Any]:
    """Proves that nothing is left on `host` but the servers `left`, in the status that they had: by Nova, by migrations
    under way, by Placement, and by libvirt where the host can be asked."""
    args = context.args
    client = cloud(context, args["cloud"])
    left, host = args["left"], args["host"]

    def problems() -> list[str]:
        found = server_problems(client, host, left, args["known"])
        return [*found, *allocation_problems(client, host, left, args["nodes"])]

    _none_left(context, problems, f"{host} is not empty", ARRIVE)
    return {"left": sorted(left), "libvirt": Guests(args.get("site", ""), context).none_but(host, left)}


def _none_left(context: Context, look: Any, what: str, limit: float) -> Any:
    """Waits until there are no problems; what was seen last. Raises NaruError that names those that stay."""
    end = time.monotonic() + limit
    found = look()
    while found and time.monotonic() < end:
        context.sleep(POLL[1])
        found = look()
    if found:
        hint = "Cure it and give the command again; naru plan skip, with a reason, if it is right so."
        raise NaruError(f"{what}: {len(found)} things are not as they should be", detail="\n".join(found), hint=hint)
    return found
