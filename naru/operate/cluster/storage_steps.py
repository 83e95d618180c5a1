"""The step kinds of Ceph: its flags set and taken away, its OSDs waited for."""

from typing import Any

from naru.operate.cluster import reading
from naru.operate.cluster.order import LAST_UNSET
from naru.operate.cluster.rules import is_set
from naru.operate.cluster.steps import PATIENCE, OfSite, opened, wait
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.site.model import Ceph
from naru.site.site import Site
from naru.site.ssh import Fleet


class Flags(OfSite):
    """`flags` of the Ceph cluster `ceph`."""

    ceph: str
    flags: list[str]


class Storage(OfSite):
    """The Ceph cluster `ceph` had so many OSDs `up`; `clean` whether all its placement groups have to be. OSDs of hosts
    that are `lost` are not waited for."""

    ceph: str
    up: int
    clean: bool = False
    lost: list[str] = []


@step("cluster.flags", args=Flags, no_undo="the way up takes them away", deadline=900, retry=())
def flags(context: Context) -> dict[str, Any]:
    """Sets those of `flags` on the Ceph cluster `ceph` that are not set, and says which. Those that an attempt before
    has set are among them: it said so before it set them."""
    args = context.args
    site, fleet = opened(context)
    ceph = _storage(site, args["ceph"])
    with fleet:
        before = _seen(site, fleet, ceph)
        ours = set((context.earlier or {}).get("ours", [])) | set(args["flags"]) - is_set(before["flags"])
        mine = [flag for flag in args["flags"] if flag in ours]
        context.save({"ours": mine})
        context.sleep(1.0)  # what is saved reaches the disk within a moment
        for flag in mine:
            context.log(f"{before['host']}: ceph osd set {flag}")
            fleet.call(fleet.remote(before["host"]).checked(reading.ceph_argv(ceph, "osd", "set", flag), seconds=60))
    return {"ours": mine}


@step("cluster.unflag", args=Flags, no_undo="another way down sets them", deadline=900, retry=())
def unflag(context: Context) -> dict[str, Any]:
    """Takes those `flags` away that the way down has set, `noout` last."""
    args = context.args
    site, fleet = opened(context)
    ceph = _storage(site, args["ceph"])
    with fleet:
        seen = _seen(site, fleet, ceph)
        taken = [flag for flag in LAST_UNSET if flag in args["flags"] and flag in is_set(seen["flags"])]
        for flag in taken:
            context.log(f"{seen['host']}: ceph osd unset {flag}")
            fleet.call(fleet.remote(seen["host"]).checked(reading.ceph_argv(ceph, "osd", "unset", flag), seconds=60))
    return {"taken": taken}


@step("cluster.storage", args=Storage, no_undo="it changes nothing", deadline=2 * PATIENCE, retry=())
def storage(context: Context) -> dict[str, Any]:
    """Waits until the Ceph cluster `ceph` has a quorum and as many OSDs up as before, and with `clean` until all its
    placement groups are active+clean."""
    args = context.args
    site, fleet = opened(context)
    ceph = _storage(site, args["ceph"])

    def problem() -> str:
        seen = reading.ceph(site, fleet, ceph)
        if "error" in seen:
            return str(seen["error"])
        wanted = args["up"] - reading.osds_gone(fleet, ceph, seen["host"], args.get("lost", []))
        if seen["up"] < wanted:
            return f"{seen['up']} OSDs are up of {wanted}"
        unclean = {name: count for name, count in seen["pgs"].items() if not name.startswith("active+clean")}
        return f"placement groups: {unclean}" if args["clean"] and unclean else ""

    with fleet:
        wait(context, problem, f"Ceph {args['ceph']}")
    return {"up": args["up"]}


def _storage(site: Site, name: str) -> Ceph:
    return next(one for one in site.content.storage if isinstance(one, Ceph) and one.name == name)


def _seen(site: Site, fleet: Fleet, ceph: Ceph) -> dict[str, Any]:
    seen = reading.ceph(site, fleet, ceph)
    if "error" in seen:
        raise PlanError(f"Ceph {ceph.name} gives no answer", detail=seen["error"], hint="See to its monitors.")
    return seen
