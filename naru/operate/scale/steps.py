"""The step kinds of growing: kolla-ansible's runs, hosts kept out of scheduling, proved, tried, opened;
files written."""

import contextlib
import hashlib
import time
from pathlib import Path
from typing import Any

from naru.actions.clouds import RETRY, SETTLE, cloud, remove, wait_for
from naru.actions.durations import DAY
from naru.cloud.client import Cloud, Unavailable
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.operate import compute
from naru.operate.scale.kolla import Kolla, Progress
from naru.operate.scale.newborn import Newborn
from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.plan.program import run_program

MARK = "naru scale"
EVERY = 1.0
"""Seconds between two looks for compute services that come up while kolla-ansible runs."""
APPEAR = 300.0
"""Seconds that a compute service may take after a deployment, and what is proved of it as well."""
BOOT = 600.0
"""Seconds that a canary may take to boot, or to move."""


class Run(Arguments):
    """kolla-ansible's `action` on the new `hosts`. `kolla` is where it is installed, `config` its configuration,
    `directory` where runs are kept."""

    action: str
    hosts: list[str]
    inventory: str
    kolla: str
    config: str
    directory: str


class Deploy(Run):
    """Also: compute services of `hosts` on `cloud` are kept out, with the mark of the plan with the id `plan`."""

    cloud: str
    plan: str


class OfHost(Arguments):
    """The new `host` of `cloud`, which is to be as `like` is; `plan` is the id of the plan."""

    cloud: str
    host: str
    like: str
    plan: str


class Aggregate(Arguments):
    """The `host` becomes one of the `aggregate` (a name)."""

    cloud: str
    host: str
    aggregate: str


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


class Written(Arguments):
    """`file` becomes what `new` has; `old` has what it is."""

    file: str
    old: str
    new: str


def mark(plan: str) -> str:
    """What the reason of a service begins with that this plan keeps out."""
    return f"{MARK} {plan}"


@step("scale.run", args=Run, no_undo="kolla-ansible takes nothing back", retry=(), deadline=DAY)
def run(context: Context) -> dict[str, Any]:
    """Runs kolla-ansible's `action` on the new hosts alone. Given again after anything that ended it, it runs from its
    beginning: its tasks find what they have done."""
    return _kolla(context, lambda: None)


@step("scale.deploy", args=Deploy, no_undo="kolla-ansible takes nothing back", retry=(), deadline=DAY)
def deploy(context: Context) -> dict[str, Any]:
    """Runs kolla-ansible's `deploy` on the new hosts alone, and disables each compute service there as soon as Nova
    knows it, before kolla-ansible maps its host to a cell, which is when servers could be scheduled to it."""
    args = context.args
    client = cloud(context, args["cloud"])
    kept: dict[str, str] = {}
    looked = 0.0

    def look() -> None:
        nonlocal looked
        if time.monotonic() - looked < EVERY:
            return
        # an API that does not answer for a moment ends no deployment: the next look, and the one after the run, counts
        with contextlib.suppress(Unavailable):
            _keep_out(client, args, kept)
        looked = time.monotonic()

    done = _kolla(context, look)
    wait_for(
        context,
        lambda: _keep_out(client, args, kept),
        lambda found: set(found) == set(args["hosts"]),
        f"Nova has no compute service on {', '.join(sorted(set(args['hosts']) - set(kept)))}",
        APPEAR,
    )
    return {**done, "kept out": kept}


def _keep_out(client: Cloud, args: Any, kept: dict[str, str]) -> dict[str, str]:
    """Disables the compute services of the new hosts that are there; what was done, by host. One that somebody else has
    disabled keeps their reason."""
    for host in args["hosts"]:
        found = None if host in kept else compute.service(client, host)
        if found is None:
            continue
        if found["status"] == "disabled":
            reason = found.get("disabled_reason") or ""
            kept[host] = "before" if reason.startswith(mark(args["plan"])) else f"by others: {reason}"
            continue
        compute.disable(client, found, f"{mark(args['plan'])}: until it is proved")
        kept[host] = "now"
    return kept


def _kolla(context: Context, look: Any) -> dict[str, Any]:
    args = context.args
    kolla = Kolla(Path(args["kolla"]), Path(args["config"]))
    directory = Path(args["directory"])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ident = f"{args['action']}-{context.run}-{context.attempt}"
    argv = kolla.argv(args["action"], Path(args["inventory"]), args["hosts"], directory, ident)
    progress = Progress(directory, ident)
    context.log(" ".join(argv))

    def check() -> None:
        context.check()
        look()
        context.progress(progress.look(), None, "count")

    began = time.monotonic()
    ended = run_program(argv, check=check, env=kolla.environment())
    if ended.code != 0:
        said = progress.failures() or ended.output.splitlines()[-20:]
        raise NaruError(
            f"kolla-ansible {args['action']} ended with {ended.code}",
            detail="\n".join(said),
            hint=f"All of it: {directory / 'artifacts' / ident / 'stdout'}. Cure it and give the command again.",
        )
    return {"seconds": round(time.monotonic() - began, 1), "kept": str(directory / "artifacts" / ident)}


@step("scale.prove", args=OfHost, no_undo="it changes nothing", retry=RETRY, deadline=APPEAR + 120)
def prove(context: Context) -> dict[str, Any]:
    """Proves that the new host is what the other one is: its compute service is up, its node in Nova's cell, in
    Placement with the same kinds of inventory, ratios and traits, and Neutron has the same agents there, alive."""
    args = context.args
    newborn = Newborn(cloud(context, args["cloud"]), args["host"], args["like"])
    end = time.monotonic() + APPEAR
    while found := newborn.problems():
        if time.monotonic() > end:
            raise NaruError(
                f"{args['host']} is not as {args['like']} is",
                detail="\n".join(found),
                hint="Cure it and give the command again; naru plan skip, with a reason, if it is right so.",
            )
        context.sleep(2.0)
    return newborn.told


@step("scale.aggregate", args=Aggregate, undo="scale.aggregate.undo", retry=RETRY, deadline=600)
def aggregate(context: Context) -> dict[str, Any]:
    """The host becomes one of the aggregate, and with that of its availability zone."""
    return {"added": _aggregate(context, context.args, "add_host")}


@step("scale.aggregate.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_aggregate(context: Context) -> dict[str, Any]:
    """Takes it out again, if the step put it in."""
    if not (context.undone.result or {}).get("added", True):
        return {"removed": False}
    return {"removed": _aggregate(context, context.undone.args, "remove_host")}


def _aggregate(context: Context, args: Any, action: str) -> bool:
    """Whether something was changed."""
    client = cloud(context, args["cloud"])
    listed = client("compute", "GET", "/os-aggregates")["aggregates"]
    found = [one for one in listed if one["name"] == args["aggregate"]]
    if not found:
        raise NaruError(
            f"{client.name} has no aggregate {args['aggregate']}", hint="Make it, and give the command again."
        )
    if (args["host"] in found[0]["hosts"]) == (action == "add_host"):
        return bool(context.earlier)
    context.save({"added": True})
    client("compute", "POST", f"/os-aggregates/{found[0]['id']}/action", {action: {"host": args["host"]}})
    return True


@step("scale.canary", args=Canary, undo="scale.canary.undo", retry=RETRY, deadline=3 * BOOT)
def canary(context: Context) -> dict[str, Any]:
    """Boots a server on the new host, past the scheduler, moves it live to the other host and back, and deletes it."""
    args = context.args
    client = cloud(context, args["cloud"])
    if context.attempt > 1:
        context.sleep(SETTLE)  # a request of a process that was killed may still be on its way
    identity = _canary(client, args) or _boot(client, args)
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


@step("scale.open", args=OfHost, undo="scale.open.undo", retry=RETRY, deadline=600)
def open_(context: Context) -> dict[str, Any]:
    """Servers are scheduled to the host from now on, if it was this plan that kept it out."""
    args = context.args
    client = cloud(context, args["cloud"])
    found = compute.service(client, args["host"])
    if found is None:
        raise NaruError(f"{client.name} has no compute service on {args['host']} any more", hint="Look who removed it.")
    if found["status"] == "enabled":
        return {"open": True}
    reason = found.get("disabled_reason") or ""
    if not reason.startswith(mark(args["plan"])):
        return {"open": False, "reason": reason}
    compute.enable(client, found)
    return {"open": True}


@step("scale.open.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_open(context: Context) -> None:
    """No more servers are scheduled to it; those that are on it stay."""
    args = context.undone.args
    client = cloud(context, args["cloud"])
    found = compute.service(client, args["host"])
    if found is not None and found["status"] == "enabled":
        compute.disable(client, found, f"{mark(args['plan'])}: taken back")


@step("scale.file", args=Written, undo="scale.file.undo", retry=(), deadline=60)
def file(context: Context) -> dict[str, Any]:
    """The file becomes the grown one. One that was changed since it was planned is left as it is, and said."""
    return _write(context.args["file"], context.args["old"], context.args["new"])


@step("scale.file.undo", args=Undo, no_undo="it is an undo itself", retry=(), deadline=60)
def undo_file(context: Context) -> dict[str, Any]:
    """The file is as it was; one that was changed meanwhile is left as it is, and said."""
    args = context.undone.args
    return _write(args["file"], args["new"], args["old"])


def _write(file: str, old: str, new: str) -> dict[str, Any]:
    now, text = Path(file).read_text(), Path(new).read_text()
    if now != text:
        if now != Path(old).read_text():
            raise InputError(
                f"{file} was changed since this was planned",
                hint=f"Bring what is new into it by hand ({new} has it), then: naru plan skip, with a reason.",
            )
        write_whole(Path(file), text, private=False)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}
