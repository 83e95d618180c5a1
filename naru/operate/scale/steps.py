"""The step kinds of growing: kolla-ansible's runs, hosts kept out of scheduling, proved, opened; files written."""

import contextlib
import hashlib
import time
from pathlib import Path
from typing import Any

from naru.actions.clouds import RETRY, cloud, polling
from naru.actions.durations import DAY
from naru.cloud.client import Cloud, Unavailable
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.operate import compute
from naru.operate.scale.keeping import Keeping, Misnamed, mark
from naru.operate.scale.kolla import Kolla
from naru.operate.scale.newborn import Newborn
from naru.operate.scale.runner import Failed, play
from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.kinds import step

EVERY = 1.0
"""Seconds between two looks for compute services that come up while kolla-ansible runs."""
APPEAR = 300.0
"""Seconds that a compute service may take after a deployment, and what is proved of it as well."""


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
    """Also: new compute services on `cloud` are kept out, with the mark of the plan with the id `plan`."""

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


class Written(Arguments):
    """`file` becomes what `new` has; `old` has what it is."""

    file: str
    old: str
    new: str


@step("scale.run", args=Run, no_undo="kolla-ansible takes nothing back", retry=(), deadline=DAY)
def run(context: Context) -> dict[str, Any]:
    """Runs kolla-ansible's `action` on the new hosts alone. Given again after anything that ended it, it runs from its
    beginning: its tasks find what they have done."""
    return _kolla(context, lambda: None)


@step("scale.deploy", args=Deploy, undo="scale.deploy.undo", retry=(), deadline=DAY)
def deploy(context: Context) -> dict[str, Any]:
    """Runs kolla-ansible's `deploy` on the new hosts alone, and disables each compute service that is new as soon as
    Nova knows it, before kolla-ansible maps its host to a cell, which is when servers could be scheduled to it. A new
    one of another host ends the deployment: it would be mapped, and nothing proved of it."""
    args = context.args
    keeping = Keeping(cloud(context, args["cloud"]), args["hosts"], args["plan"], context.earlier)
    context.save(keeping.record())
    looked = 0.0

    def look() -> None:
        nonlocal looked
        if time.monotonic() - looked < EVERY:
            return
        # an API that does not answer for a moment ends no deployment: the next look, and those after the run, count
        with contextlib.suppress(Unavailable):
            keeping.look()
        looked = time.monotonic()

    try:
        try:
            done = _kolla(context, look)
        except Failed:
            # what it has started may still register
            keeping.wait(context, APPEAR)
            context.save({**keeping.record(), "looked": True})
            raise
        keeping.wait(context, APPEAR)
    except Misnamed:
        context.save(keeping.record())
        raise
    context.save({**keeping.record(), "looked": True})
    if keeping.missing():
        raise NaruError(
            f"Nova has no compute service on {', '.join(keeping.missing())} after {APPEAR:.0f} s",
            hint="See nova-compute's log there; cure it and give the command again.",
        )
    return {**done, **keeping.record(), "looked": True}


@step("scale.deploy.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=APPEAR + 600)
def undo_deploy(context: Context) -> dict[str, Any]:
    """No servers are scheduled to the new hosts, also to one whose deployment was ended in the middle: its service is
    waited for, where nobody has looked for as long as it may take."""
    args, before = context.undone.args, context.undone.result or {}
    client = cloud(context, args["cloud"])
    disabled: set[str] = set()
    patience = 0.0 if before.get("looked") else APPEAR
    end = time.monotonic() + patience
    for _ in polling(context):
        services = {one["host"]: one for one in compute.services(client) if one["host"] in args["hosts"]}
        for host, one in services.items():
            if one["status"] == "enabled":
                compute.disable(client, one, f"{mark(args['plan'])}: taken back")
                disabled.add(host)
        absent = sorted(set(args["hosts"]) - set(services))
        if not absent or time.monotonic() >= end:
            return {"disabled": sorted(disabled), "without a service": absent}
    raise AssertionError


def _kolla(context: Context, look: Any) -> dict[str, Any]:
    args = context.args
    kolla = Kolla(Path(args["kolla"]), Path(args["config"]))
    directory = Path(args["directory"])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ident = f"{args['action']}-{context.run}-{context.attempt}"
    argv = kolla.argv(args["action"], Path(args["inventory"]), args["hosts"], directory, ident)
    return play(context, f"kolla-ansible {args['action']}", argv, kolla.environment(), directory, ident, look)


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
    args = context.args
    client = cloud(context, args["cloud"])
    found = _aggregate(client, args["aggregate"])
    if found is None:
        raise NaruError(
            f"{client.name} has no aggregate {args['aggregate']}", hint="Make it, and give the command again."
        )
    if args["host"] in found["hosts"]:
        return {"added": bool((context.earlier or {}).get("added"))}
    context.save({"added": True})
    client("compute", "POST", f"/os-aggregates/{found['id']}/action", {"add_host": {"host": args["host"]}})
    return {"added": True}


@step("scale.aggregate.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_aggregate(context: Context) -> dict[str, Any]:
    """Takes it out again, if the step put it in."""
    args = context.undone.args
    client = cloud(context, args["cloud"])
    found = _aggregate(client, args["aggregate"])
    # one of which no result was recorded may have failed before it did anything; one that is gone has no hosts
    if not (context.undone.result or {}).get("added") or found is None or args["host"] not in found["hosts"]:
        return {"removed": False}
    client("compute", "POST", f"/os-aggregates/{found['id']}/action", {"remove_host": {"host": args["host"]}})
    return {"removed": True}


def _aggregate(client: Cloud, name: str) -> compute.Item | None:
    listed = client("compute", "GET", "/os-aggregates")["aggregates"]
    return next((one for one in listed if one["name"] == name), None)


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
    """One that is not there counts as empty, and one that becomes empty goes."""
    path, text = Path(file), Path(new).read_text()
    now = path.read_text() if path.exists() else ""
    if now != text:
        if now != Path(old).read_text():
            raise InputError(
                f"{file} was changed since this was planned",
                hint=f"Bring what is new into it by hand ({new} has it), then: naru plan skip, with a reason.",
            )
        if text:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, text, private=False)
        else:
            path.unlink()
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}
