"""The step kind of trying a new host: a server booted there, moved to another host and back, and deleted."""

from typing import Any

from naru.actions.clouds import RETRY, SETTLE, cloud, remove, wait_for
from naru.cloud.client import Cloud
from naru.errors import NaruError
from naru.operate import compute
from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.kinds import step

BOOT = 600.0
"""Seconds that a canary may take to boot, or to move."""
UNDER_WAY = ("ACTIVE", "BUILD", "MIGRATING")
"""What a canary is that an earlier attempt has left and that may still become what it should be."""


class Canary(Arguments):
    """A server of this flavor and image, on this network ("" for none), on the new `host`, to the host `like` and
    back."""

    cloud: str
    host: str
    like: str
    plan: str
    flavor: str
    image: str
    network: str


@step("scale.canary", args=Canary, undo="scale.canary.undo", retry=RETRY, deadline=3 * BOOT)
def canary(context: Context) -> dict[str, Any]:
    """Boots a server on the new host, past the scheduler, moves it live to the other host and back, and deletes it."""
    args = context.args
    client = cloud(context, args["cloud"])
    if context.attempt > 1:
        context.sleep(SETTLE)  # a request of a process that was killed may still be on its way
    identity = _taken_up(context, client, args) or _boot(client, args)
    _settled(context, client, identity, "")
    for target in (args["like"], args["host"]):
        if _where(client, identity) == target:
            continue  # an earlier attempt has brought it so far
        body = {"os-migrateLive": {"host": target, "block_migration": "auto", "force": True}}
        client("compute", "POST", f"/servers/{identity}/action", body, version="2.30")
        _settled(context, client, identity, target)
    remove(context, client, "compute", f"/servers/{identity}", "server", gone=True)
    return {"server": identity, "moved": [args["like"], args["host"]]}


@step("scale.canary.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_canary(context: Context) -> None:
    """Deletes a canary that was left."""
    args = context.undone.args
    client = cloud(context, args["cloud"])
    if identity := _canary(client, args):
        remove(context, client, "compute", f"/servers/{identity}", "server", gone=True)


def _taken_up(context: Context, client: Cloud, args: Any) -> str:
    """The canary that an earlier attempt has left, if it can still be moved; "" for none. One in error, or switched
    off, would fail every attempt: it is removed."""
    identity = _canary(client, args)
    found = compute.server(client, identity) if identity else None
    if found is None:
        return ""
    if found["status"] in UNDER_WAY:
        return identity
    context.log(f"the canary {identity} is {found['status']}: {compute.why(client, identity)}")
    remove(context, client, "compute", f"/servers/{identity}", "server", gone=True)
    return ""


def _name(args: Any) -> str:
    return f"naru-canary-{args['host']}-{args['plan'][:8]}"


def _canary(client: Cloud, args: Any) -> str:
    """The canary that an earlier attempt has left; "" for none."""
    path = f"/servers?all_tenants=1&name=^{_name(args)}$"
    return next((str(one["id"]) for one in client.items("compute", path, "servers")), "")


def _boot(client: Cloud, args: Any) -> str:
    body = {
        "name": _name(args),
        "flavorRef": args["flavor"],
        "imageRef": args["image"],
        "networks": [{"uuid": args["network"]}] if args["network"] else "none",
        "availability_zone": f"nova:{args['host']}",
    }
    version = "2.37" if not args["network"] else ""
    made = client("compute", "POST", "/servers", {"server": body}, version=version)
    return str(made["server"]["id"])


def _where(client: Cloud, identity: str) -> str:
    return str((compute.server(client, identity) or {}).get(compute.HOST, ""))


def _settled(context: Context, client: Cloud, identity: str, host: str) -> None:
    """Waits until the canary is ACTIVE, with nothing being done to it, on the host ("" for any). Raises NaruError where
    it does not come."""

    def look() -> compute.Item:
        found = compute.server(client, identity)
        if found is None or found["status"] == "ERROR":
            raise NaruError(f"the canary {identity} is in error", detail=compute.why(client, identity))
        return found

    def done(found: compute.Item) -> bool:
        return found["status"] == "ACTIVE" and not found[compute.TASK]

    found = wait_for(context, look, done, f"the canary {identity} is not ready", BOOT)
    if host and found[compute.HOST] != host:
        raise NaruError(
            f"the canary {identity} did not come to {host}: it is on {found[compute.HOST]}",
            detail=compute.why(client, identity),
        )
