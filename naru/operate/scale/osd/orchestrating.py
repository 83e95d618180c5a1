"""The step kinds that make OSDs by cephadm's orchestrator, and remove them again."""

import time
from importlib.resources import files
from typing import Any

from naru.errors import NaruError
from naru.operate.ceph import Cluster
from naru.operate.scale.osd import cephadm, hosts, made
from naru.operate.scale.osd.steps import APPEAR, RETRY
from naru.operate.scale.osd.work import OfCeph, Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step

KEY = (files("naru.operate.scale.osd") / "scripts" / "key.sh").read_text()


class OfHost(OfCeph):
    """One of the hosts."""

    host: str


class Host(OfHost):
    """`labels` are the orchestrator's, `location` is where in CRUSH it belongs."""

    labels: list[str]
    location: dict[str, str]


class Applied(OfCeph):
    """`plan` is the id of the plan, which the services' names have; `device_class` is "" for what Ceph finds."""

    plan: str
    device_class: str


@step("scale.osd.key", args=OfHost, undo="scale.osd.key.undo", retry=RETRY, deadline=300)
def key(context: Context) -> dict[str, Any]:
    """Lets the orchestrator log in on the host: its key is among those of the user that it has."""
    user, public = _orchestrator(Place(context.args).ceph)
    is_ours = bool((context.earlier or {}).get("added")) or _keys(context.args, "look", user, public) != "there"
    told = {"added": is_ours, "user": user, "key": public}
    context.save(told)
    context.sleep(1.0)  # what is saved reaches the disk within a moment
    _keys(context.args, "add", user, public)
    return told


@step("scale.osd.key.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=300)
def undo_key(context: Context) -> dict[str, Any]:
    """Takes the key away again, if the step has put it there."""
    before = context.undone.result or {}
    if not before.get("added"):
        return {"removed": False}
    return {"removed": _keys(context.undone.args, "remove", before["user"], before["key"]) == "removed"}


def _orchestrator(ceph: Cluster) -> tuple[str, str]:
    """The user as whom the orchestrator logs in on hosts, and its public key."""
    said = []
    for words in (("cephadm", "get-user"), ("cephadm", "get-pub-key")):
        ran = ceph.run(*words)
        if ran.code or not ran.out.strip():
            raise NaruError(
                f"ceph {' '.join(words)} gives nothing",
                detail=ran.errors.strip()[-500:],
                hint="Is the cluster deployed by cephadm? See ceph orch status.",
            )
        said.append(ran.out.strip())
    return said[0], said[1]


def _keys(args: Any, how: str, user: str, public: str) -> str:
    place = Place(args)
    argv = ["sh", "-c", KEY, "naru", how, user]
    return place.fleet.call(place.fleet.remote(args["host"]).checked(argv, given=public.encode(), seconds=60)).strip()


@step("scale.osd.host", args=Host, undo="scale.osd.host.undo", retry=RETRY, deadline=900)
def host(context: Context) -> dict[str, Any]:
    """The host becomes one of the orchestrator's, with its labels, where it belongs in CRUSH."""
    args = context.args
    place = Place(args)
    if args["host"] in cephadm.hosts(place.ceph):
        return {"added": bool((context.earlier or {}).get("added"))}
    context.save({"added": True})
    spec = cephadm.host_spec(args["host"], place.site.hosts[args["host"]].address, args["labels"], args["location"])
    context.log(f"ceph orch apply -i -\n{cephadm.text([spec])}")
    cephadm.apply(place.ceph, [spec])
    return {"added": True}


@step("scale.osd.host.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=made.GONE)
def undo_host(context: Context) -> dict[str, Any]:
    """Takes the host from the orchestrator, if the step has given it: daemons first. Never as one that is offline, nor
    by force: with that its OSDs would be purged."""
    args = context.undone.args
    ceph = Place(args).ceph
    if not (context.undone.result or {}).get("added") or args["host"] not in cephadm.hosts(ceph):
        return {"removed": False}
    # unknown before Pacific, where nothing but OSDs has to go
    ceph.run("orch", "host", "drain", args["host"])
    end = time.monotonic() + made.GONE - 120
    while (ran := ceph.run("orch", "host", "rm", args["host"])).code:
        if time.monotonic() > end:
            raise NaruError(
                f"the orchestrator does not let {args['host']} go",
                detail=ran.errors.strip()[-500:],
                hint="See ceph orch ps HOST; when it is empty give the command again.",
            )
        context.sleep(10.0)
    made.remove_bucket(ceph, args["host"])
    return {"removed": True}


@step("scale.osd.apply", args=Applied, undo="scale.osd.apply.undo", retry=RETRY, deadline=made.MADE + 3 * APPEAR)
def apply(context: Context) -> dict[str, Any]:
    """Has the orchestrator make OSDs of the disks that were named, and of no other ones, and then make no more: a disk
    that is erased later does not become an OSD by itself."""
    args = context.args
    place = Place(args)
    specs = cephadm.osd_specs(args["plan"], args["disks"], args["device_class"], unmanaged=False)
    names = {f"osd.{one['service_id']}" for one in specs}
    there = {str(one.get("service_name")) for one in cephadm.exported(place.ceph) if one["service_type"] == "osd"}
    shown = (context.earlier or {}).get("preview", "")
    if not names <= there:
        _available(context, place)
        shown = cephadm.preview(place.ceph, specs)
        context.save({"preview": shown})
        context.log(f"ceph orch apply -i -\n{cephadm.text(specs)}")
        cephadm.apply(place.ceph, specs)
    osds = made.all_made(context, place)
    done = cephadm.osd_specs(args["plan"], args["disks"], args["device_class"], unmanaged=True)
    cephadm.apply(place.ceph, done)
    return {"osds": osds, "services": sorted(names), "preview": shown}


def _available(context: Context, place: Place) -> None:
    """Waits until the orchestrator takes all of the disks."""
    looks = hosts.look(place.fleet, place.args["disks"])
    end = time.monotonic() + APPEAR
    while True:
        said = []
        for name, paths in place.args["disks"].items():
            look = looks[name]
            if isinstance(look, NaruError):
                raise look
            said += cephadm.unavailable(place.ceph, look, name, paths)
        if not said:
            return
        if time.monotonic() > end:
            raise NaruError(
                "the orchestrator does not take all disks",
                detail="\n".join(said),
                hint="See ceph orch device ls --wide --refresh; cure it, and give the command again.",
            )
        context.sleep(10.0)


@step("scale.osd.apply.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=made.GONE + 600)
def undo_apply(context: Context) -> dict[str, Any]:
    """Removes the OSDs by the orchestrator, which erases their disks, that were empty before; then its services."""
    args = context.undone.args
    place = Place(args)
    specs = cephadm.osd_specs(args["plan"], args["disks"], args["device_class"], unmanaged=True)
    there = {str(one.get("service_name")) for one in cephadm.exported(place.ceph) if one["service_type"] == "osd"}
    mine = [one for one in specs if f"osd.{one['service_id']}" in there]
    if mine:
        # first of all nothing new is made of what is erased
        cephadm.apply(place.ceph, mine)
    removed = place.every()
    made.refuse_data(place.ceph, removed)
    if removed:
        ran = place.ceph.run("orch", "osd", "rm", *map(str, removed), "--zap")
        # it exits with 0 where it does not know an OSD, as it does for a while after a restart
        if ran.code or "Unable to find" in ran.out:
            detail = (ran.errors or ran.out).strip()[-500:]
            raise Transient("the orchestrator does not remove OSDs", detail=detail)
        made.wait_gone(context, place)
    for one in mine:
        place.ceph.run("orch", "rm", f"osd.{one['service_id']}")
    return {"removed": removed}
