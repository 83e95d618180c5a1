"""The OSDs of a host that is to go down: whether Ceph bears it, and `noout` for as long, so that nothing is rebuilt.

`noout` is set on the host in the CRUSH map alone, and a flag that was set before, on the host or on the whole cluster,
stays as it is; so does one that somebody sets when ours was taken away.
"""

import time
from collections.abc import Collection
from typing import Any, ClassVar

from naru.actions.clouds import POLL
from naru.actions.hosts.place import HostAction, Place
from naru.errors import NaruError
from naru.operate.ceph import FLAG, Cluster
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step
from naru.site.model import Ceph

HINT = "See ceph -s. When it is healthy give the command again; or leave the host behind: naru host waves leave."
RETRY = (Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),)


class Seen(HostAction):
    """`host` has OSDs, or a monitor, of the cluster that the site calls `storage`."""

    step_kind: ClassVar[str] = ""

    storage: str


class Osds(Seen):
    """The same; `before` is the step that has noted how it is. `together` are the hosts, this one among them, that may
    be down at the same time. Ceph may take `seconds` until it bears that, or has recovered from it."""

    before: str
    together: list[str]
    seconds: float = 1800.0


class OsdsBack(Seen):
    """The same; `before` is the step that has set `noout`, or `was` its result; what that does not have is not waited
    for."""

    before: str = ""
    was: dict[str, Any] = {}
    seconds: float = 1800.0


def cluster(context: Context, named: str, last: Collection[str]) -> Cluster:
    """The cluster that the site calls so, for a step on one of its hosts; see `Cluster`."""
    place = Place(context, context.args, context.id)
    storage = next((one for one in place.site.part.storage if one.name == named and isinstance(one, Ceph)), None)
    if storage is None:
        raise NaruError(f"{place.site.file}: storage: there is no Ceph {named!r} any more")
    return Cluster(place.site, place.fleet, storage, last)


def _deadline(args: Any) -> float:
    return float(args["seconds"]) + 600 if "seconds" in args else 86400.0


@step("osds.look", args=Seen, no_undo="it changes nothing", retry=RETRY, deadline=600)
def look(context: Context) -> dict[str, Any]:
    """Notes whether `noout` holds for `host` already. In a step of its own: what it has found is in the journal before
    anything is set, so that whoever comes after one that was killed does not take our flag for somebody else's."""
    args = context.args
    return {"held": cluster(context, args["storage"], [args["host"]]).is_held(args["host"])}


@step("osds.hold", args=Osds, no_undo="osds.back takes it back", retry=RETRY, deadline=_deadline)
def hold(context: Context) -> dict[str, Any]:
    """Waits until Ceph bears that the hosts `together` are down: enough monitors are left, and no placement group is
    without its data. Then `noout` is set on `host`, unless that held before."""
    args = context.args
    host = args["host"]
    ceph = cluster(context, args["storage"], args["together"])
    noted = context.results().get(args["before"])
    wait_until_borne(context, ceph, host, args["together"], float(args["seconds"]))
    osds = ceph.osds(host)
    ours = bool(osds) and not (noted["held"] if noted else ceph.is_held(host))
    if ours:
        context.save({"ours": True})
        context.log(f"ceph osd set-group {FLAG} {host}")
        ceph.hold(host, on=True)
        if not ceph.is_held(host):
            raise Transient(f"{FLAG} is not set on {host} yet")
    up = sorted(number for number, is_up in osds.items() if is_up)
    return {"ours": ours, "up": up, "was_clean": not ceph.unclean()}


def wait_until_borne(context: Context, ceph: Cluster, host: str, together: Collection[str], seconds: float) -> None:
    """Waits until Ceph bears that these hosts are down together. Raises NaruError when it does not in time."""
    end = time.monotonic() + seconds
    while not (verdict := ceph.verdict(together)).is_right:
        if time.monotonic() >= end:
            raise NaruError(f"Ceph does not bear that {host} goes down", detail=verdict.why, hint=HINT)
        context.sleep(POLL[1])


@step("osds.back", args=OsdsBack, no_undo="it only takes back", retry=RETRY, deadline=_deadline)
def back(context: Context) -> dict[str, Any]:
    """Waits until the OSDs of `host` that were up are up again, takes `noout` from it if the step `before` has set it,
    and waits until all placement groups are active and clean, where they were before."""
    args = context.args
    known = context.results()[args["before"]] if args.get("before") else args.get("was")
    was = {"ours": False, "up": [], "was_clean": False, **(known or {})}
    ceph = cluster(context, args["storage"], [args["host"]])
    left = float(args["seconds"])
    freed = bool((context.earlier or {}).get("freed"))  # once: since then it may be somebody else's
    while True:
        now = ceph.osds(args["host"])
        down = [number for number in was["up"] if not now.get(number)]
        why = f"OSDs {', '.join(map(str, down))} are not up" if down else ""
        if not down and was["ours"] and not freed:
            context.log(f"ceph osd unset-group {FLAG} {args['host']}")
            ceph.hold(args["host"], on=False)
            freed = True
            context.save({"freed": True, "up": was["up"]})
        why = why or (ceph.unclean() if was["was_clean"] else "")
        if not why:
            return {"freed": freed, "up": was["up"]}
        if left <= 0:
            raise NaruError(f"Ceph is not as it was before {args['host']} went down", detail=why, hint=HINT)
        context.sleep(POLL[1])
        left -= POLL[1]
