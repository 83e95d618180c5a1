"""The step kinds of a revival: the hung server proved to be off, what it had handed over, and the new one proved."""

from collections.abc import Mapping
from typing import Any

from naru.actions.clouds import POLL, RETRY, cloud, get, wait_for
from naru.actions.clouds import deadline as own_deadline
from naru.actions.power import ACTIONS, bring
from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain.guests import Guests
from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step
from naru.site.ssh import Unreachable

ARRIVE = 300.0
"""Seconds that ports and volumes may take to be where they are to be."""
OPERATOR = "the operator says so"


class Off(Arguments):
    """`server` of `cloud` on `host`, which was `status`. `is_off`: the operator vouches for it. `site` is the file of
    the site whose hosts are asked for their guests. It may take `deadline` seconds."""

    cloud: str
    server: str
    host: str
    status: str
    is_off: bool = False
    site: str = ""
    deadline: float = 600.0


class Ports(Arguments):
    """The `ports` (ids) of `server`."""

    cloud: str
    server: str
    ports: list[str]


class Volume(Arguments):
    """The `volume` of `server`, which has it at `device`."""

    cloud: str
    server: str
    volume: str
    device: str = ""


class Proof(Arguments):
    """The server that the step `made` has made has the `ports`, each with these addresses."""

    cloud: str
    made: str
    ports: dict[str, list[str]]


@step("revive.off", args=Off, undo="revive.off.undo", retry=RETRY, deadline=own_deadline)
def off(context: Context) -> dict[str, Any]:
    """Switches `server` off, and proves that it is: by Nova, and by libvirt where the site has its host. What Nova
    alone believes is no proof where a host is down: then the operator vouches for it (`is_off`), which a libvirt that
    answers and runs it contradicts."""
    args = context.args
    client = cloud(context, args["cloud"])
    guests = Guests(args.get("site", ""), context)
    if args.get("is_off"):
        try:
            told = guests.is_off(args["server"], args["host"])
        except (Transient, Unreachable) as error:
            told = f"not asked: {error.summary}"
        return {"proof": OPERATOR, "libvirt": told}
    server = _server(client, args["server"])
    if server["status"] != "SHUTOFF" and not server[compute.TASK]:
        _act(client, args["server"], {ACTIONS["SHUTOFF"]: None})
    wait_for(
        context,
        lambda: _server(client, args["server"]),
        lambda now: now["status"] == "SHUTOFF" and not now[compute.TASK],
        f"server {args['server']} is not off",
        float(args.get("deadline", 600.0)) - 60,
    )
    return {"proof": "Nova", "libvirt": guests.is_off(args["server"], args["host"])}


@step("revive.off.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=960)
def on_again(context: Context) -> None:
    """Switches it on again, if it was on, and this has switched it off."""
    args, done = context.undone.args, context.undone.result
    if args["status"] == "ACTIVE" and not (done and done.get("proof") == OPERATOR):
        bring(context, cloud(context, args["cloud"]), args["server"], "ACTIVE", gone=True)


@step("revive.ports", args=Ports, undo="revive.ports.undo", retry=RETRY, deadline=ARRIVE + 120)
def ports(context: Context) -> dict[str, Any]:
    """Takes the `ports` from `server`, which is off: they keep addresses, floating IPs and all else. They are not
    detached, which would delete those that Nova has made."""
    args = context.args
    client = cloud(context, args["cloud"])
    for identity in args["ports"]:
        port = get(client, "network", f"/ports/{identity}", "port")
        if port is None:
            raise NaruError(f"port {identity} is gone", hint="Plan again.")
        if port["device_id"] not in ("", args["server"]):
            raise NaruError(f"port {identity} belongs to {port['device_id']}", hint="Look who took it; plan again.")
        if port["device_id"]:
            free = {"device_id": "", "device_owner": "", "binding:host_id": ""}
            client("network", "PUT", f"/ports/{identity}", {"port": free})
    return {"ports": args["ports"]}


@step("revive.ports.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=ARRIVE + 120)
def ports_back(context: Context) -> None:
    """Gives the ports back to the server, once nobody has them."""
    args = context.undone.args
    client = cloud(context, args["cloud"])
    for identity in args["ports"]:

        def look(identity: str = identity) -> Any:
            return get(client, "network", f"/ports/{identity}", "port") or {"device_id": args["server"]}

        port = wait_for(
            context, look, lambda now: now["device_id"] in ("", args["server"]), f"port {identity} is not free", ARRIVE
        )
        if port["device_id"] == "":
            body = {"interfaceAttachment": {"port_id": identity}}
            client("compute", "POST", f"/servers/{args['server']}/os-interface", body)
            wait_for(context, look, lambda now: now["device_id"] == args["server"], f"port {identity}", ARRIVE)


@step("revive.detach", args=Volume, undo="revive.detach.undo", retry=RETRY, deadline=ARRIVE + 120)
def detach(context: Context) -> dict[str, Any]:
    """Takes a `volume` with data from `server`, which is off."""
    args = context.args
    client = cloud(context, args["cloud"])
    path = f"/servers/{args['server']}/os-volume_attachments/{args['volume']}"
    if _owners(client, args["volume"]) == {args["server"]}:
        try:
            client("compute", "DELETE", path)
        except CloudError as error:
            if error.status == 409:
                raise Transient(error.summary, detail=error.detail) from error
            if error.status != 404:
                raise
    _until(context, client, args["volume"], "available")
    return {"volume": args["volume"]}


@step("revive.detach.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=ARRIVE + 120)
def attach_again(context: Context) -> None:
    """Gives the volume back to the server."""
    args = context.undone.args
    client = cloud(context, args["cloud"])
    if args["server"] in _owners(client, args["volume"]):
        return
    _until(context, client, args["volume"], "available")
    body: dict[str, Any] = {"volumeId": args["volume"], **({"device": args["device"]} if args.get("device") else {})}
    client("compute", "POST", f"/servers/{args['server']}/os-volume_attachments", {"volumeAttachment": body})
    _until(context, client, args["volume"], "in-use")


@step("revive.proof", args=Proof, no_undo="it changes nothing", retry=RETRY, deadline=ARRIVE + 120)
def proof(context: Context) -> dict[str, Any]:
    """Proves that the new server runs with its `ports` and addresses."""
    args = context.args
    client = cloud(context, args["cloud"])
    identity = context.results()[args["made"]]["id"]

    def problems() -> list[str]:
        server = _server(client, identity)
        found = [] if server["status"] == "ACTIVE" and not server[compute.TASK] else [f"it is {server['status']}"]
        here = {one["id"]: one for one in client.items("network", f"/ports?device_id={identity}", "ports")}
        for port, addresses in args["ports"].items():
            now = here.get(port)
            if now is None:
                found.append(f"port {port} is not its own")
            elif sorted(one["ip_address"] for one in now["fixed_ips"]) != sorted(addresses):
                found.append(f"port {port} has other addresses")
            elif now.get("binding:host_id") != server[compute.HOST] or now.get("binding:vif_type") == "binding_failed":
                found.append(f"port {port} is bound to {now.get('binding:host_id')}")
            elif now["status"] != "ACTIVE":
                found.append(f"port {port} is {now['status']}")
        return found

    wait_for(context, problems, lambda found: not found, f"server {identity} is not as it should be", ARRIVE)
    return {"server": identity, "host": str(_server(client, identity)[compute.HOST])}


def _act(client: Cloud, server: str, action: Mapping[str, Any]) -> None:
    try:
        client("compute", "POST", f"/servers/{server}/action", dict(action))
    except CloudError as error:
        if error.status == 409:
            raise Transient(error.summary, detail=error.detail) from error
        raise


def _server(client: Cloud, identity: str) -> compute.Item:
    found = compute.server(client, identity)
    if found is None:
        raise NaruError(f"server {identity} is gone from {client.name}", hint="See who deleted it.")
    return found


def _owners(client: Cloud, volume: str) -> set[str]:
    found = get(client, "block-storage", f"/volumes/{volume}", "volume")
    if found is None:
        raise NaruError(f"volume {volume} is gone")
    return {str(one["server_id"]) for one in found["attachments"]}


def _until(context: Context, client: Cloud, volume: str, status: str) -> None:
    wait_for(
        context,
        lambda: get(client, "block-storage", f"/volumes/{volume}", "volume") or {"status": "gone"},
        lambda now: now["status"] == status,
        f"volume {volume} is not {status}",
        ARRIVE,
        POLL[1],
    )
