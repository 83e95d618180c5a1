"""The OSDs of a host that is to go down: whether Ceph bears it, and `noout` for as long, so that nothing is rebuilt.

Ceph is asked on one of its monitors' hosts, with the program `ceph` there. `noout` is set on the host in the CRUSH map
alone, and a flag that was set before, on the host or on the whole cluster, stays as it is.
"""

import json
import shlex
import time
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, NamedTuple

from naru.actions.clouds import POLL
from naru.actions.hosts.place import HostAction, Place
from naru.errors import NaruError
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step
from naru.site.model import Ceph
from naru.site.site import Site
from naru.site.ssh import Fleet, Lost, Ran, Refused, Unreachable

SECONDS = 60.0
FLAG = "noout"
HINT = "See ceph -s. When it is healthy give the command again; or leave the host behind: naru host waves leave."
RETRY = (Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),)


class Osds(HostAction):
    """`host` has OSDs of the cluster that the site calls `storage`. `together` are the hosts, this one among them, that
    may be down at the same time. Ceph may take `seconds` until it bears that, or has recovered from it."""

    step_kind: ClassVar[str] = ""

    storage: str
    together: list[str]
    seconds: float = 1800.0


class OsdsBack(HostAction):
    """`before` is the step that has set `noout`, or `was` its result; what that does not have is not waited for."""

    step_kind: ClassVar[str] = ""

    storage: str
    before: str = ""
    was: dict[str, Any] = {}
    seconds: float = 1800.0


class Verdict(NamedTuple):
    """Whether hosts may go down together, and in words why not."""

    is_right: bool
    why: str


class Cluster:
    """A Ceph cluster, asked on the first of its monitors' hosts that answers; those of `last` are asked when no other
    one does."""

    def __init__(self, site: Site, fleet: Fleet, storage: Ceph, last: Collection[str] = ()) -> None:
        names = [host.name for host in site.named(storage.monitors)]
        self._hosts = [*(name for name in names if name not in last), *(name for name in names if name in last)]
        self._fleet = fleet
        self._storage = storage

    def osds(self, host: str) -> dict[int, bool]:
        """The OSDs of a host by number, and whether each is up; of a host that CRUSH does not know, none."""
        tree = self.ask("osd", "tree")["nodes"]
        mine = [one for one in tree if one["type"] == "host" and one["name"] == bucket(host)]
        children = {number for one in mine for number in one["children"]}
        return {one["id"]: one.get("status") == "up" for one in tree if one["id"] in children and one["type"] == "osd"}

    def verdict(self, hosts: Collection[str]) -> Verdict:
        """Whether all OSDs and monitors of these hosts may be down at the same time."""
        ids = sorted({number for host in hosts for number in self.osds(host)})
        if ids:
            found = self._ok_to_stop(ids)
            if not found.is_right:
                return found
        return quorum(self.ask("quorum_status"), {bucket(host) for host in hosts})

    def _ok_to_stop(self, ids: Sequence[int]) -> Verdict:
        """By what it says: its exit code is 0 in some releases where that is no."""
        ran = self.run("osd", "ok-to-stop", *map(str, ids))
        return ok_to_stop(ran.code, ran.out, ran.errors)

    def is_held(self, host: str) -> bool:
        """Whether nothing of the host is marked out: by a flag of its own, or of the whole cluster."""
        dump = self.ask("osd", "dump")
        flags = dump.get("crush_node_flags", {}).get(bucket(host), [])
        return FLAG in flags or FLAG in dump["flags"].split(",")

    def hold(self, host: str, *, on: bool) -> None:
        """Sets `noout` on the host, or takes it away."""
        ran = self.run("osd", "set-group" if on else "unset-group", FLAG, bucket(host))
        if ran.code:
            raise NaruError(
                f"ceph: {FLAG} cannot be {'set on' if on else 'taken from'} {bucket(host)}",
                detail=ran.errors.strip()[-1000:],
                hint="Before Octopus there is no such flag of one host: set noout on the cluster by hand, before.",
            )

    def unclean(self) -> str:
        """What of the placement groups is not active and clean, in words; "" for nothing."""
        states = self.ask("status")["pgmap"].get("pgs_by_state", [])
        wrong = [one for one in states if not {"active", "clean"} <= set(one["state_name"].split("+"))]
        return ", ".join(f"{one['count']} {one['state_name']}" for one in wrong)

    def ask(self, *words: str) -> Any:
        """What `ceph` answers, in JSON. Raises Transient."""
        ran = self.run(*words)
        try:
            if ran.code == 0:
                return json.loads(ran.out)
        except ValueError:
            pass
        raise Transient(f"ceph {' '.join(words)} gives no answer", detail=(ran.errors or ran.out).strip()[-1000:])

    def run(self, *words: str) -> Ran:
        """Runs `ceph`. Raises Transient when no host of a monitor answers."""
        line = shlex.join(
            [
                *("ceph", "--cluster", self._storage.cluster, "--name", f"client.{self._storage.client}"),
                *("--connect-timeout", "10", "-f", "json", *words),
            ]
        )
        said = []
        for host in self._hosts:
            try:
                return self._fleet.call(self._fleet.remote(host).run(line, seconds=SECONDS))
            except Refused:
                raise
            except (Unreachable, Lost) as error:
                said.append(error.summary)
        raise Transient(f"no host of a monitor of {self._storage.name} answers", detail="\n".join(said))


def bucket(host: str) -> str:
    """What CRUSH calls a host: its name without a domain."""
    return host.partition(".")[0]


def ok_to_stop(code: int, out: str, errors: str) -> Verdict:
    """The answer of `ceph osd ok-to-stop`: in JSON from Pacific on, before that in words."""
    try:
        found = json.loads(out)
    except ValueError:
        said = (errors.strip() or out.strip())[-300:]
        return Verdict(code == 0 and "are ok to stop" in said, said)
    if not isinstance(found, dict) or "ok_to_stop" not in found:
        return Verdict(False, out.strip()[-300:])
    groups = found.get("num_not_ok_pgs", "some")
    return Verdict(code == 0 and bool(found["ok_to_stop"]), f"{groups} placement groups would not be available")


def quorum(found: dict[str, Any], hosts: Collection[str]) -> Verdict:
    """Whether the monitors that are left when these hosts are down are more than half of all."""
    every = [one["name"] for one in found["monmap"]["mons"]]
    left = [name for name in found["quorum_names"] if name not in hosts]
    return Verdict(2 * len(left) > len(every), f"{len(left)} of {len(every)} monitors would be left")


def storage_of(site: Site, host: str) -> Ceph | None:
    """The cluster of which the site has OSDs or a monitor on the host."""
    for one in site.part.storage:
        if isinstance(one, Ceph) and host in {other.name for other in site.named([*one.osds, *one.monitors])}:
            return one
    return None


def bearable(site: Site, hosts: Sequence[str]) -> list[str]:
    """Those of the site's hosts that may be down together as far as Ceph bears it: all, or of each cluster's the first
    one, since one after the other it may."""
    by_storage: dict[str, list[str]] = {}
    found: dict[str, Ceph] = {}
    for host in hosts:
        if storage := storage_of(site, host):
            found[storage.name] = storage
            by_storage.setdefault(storage.name, []).append(host)
    left = list(hosts)
    with Fleet(site) as fleet:
        for name, mine in by_storage.items():
            if len(mine) > 1 and not Cluster(site, fleet, found[name], mine).verdict(mine).is_right:
                left = [host for host in left if host not in mine[1:]]
    return left


def cluster(context: Context, named: str, last: Collection[str]) -> Cluster:
    """The cluster that the site calls so, for a step on one of its hosts; see `Cluster`."""
    place = Place(context, context.args, context.id)
    storage = next((one for one in place.site.part.storage if one.name == named and isinstance(one, Ceph)), None)
    if storage is None:
        raise NaruError(f"{place.site.file}: storage: there is no Ceph {named!r} any more")
    return Cluster(place.site, place.fleet, storage, last)


def _deadline(args: Any) -> float:
    return float(args["seconds"]) + 600 if "seconds" in args else 86400.0


@step("osds.hold", args=Osds, no_undo="osds.back takes it back", retry=RETRY, deadline=_deadline)
def hold(context: Context) -> dict[str, Any]:
    """Waits until Ceph bears that the hosts `together` are down: enough monitors are left, and no placement group is
    without its data. Then `noout` is set on `host`, unless that holds already."""
    args = context.args
    host = args["host"]
    ceph = cluster(context, args["storage"], args["together"])
    ours = bool((context.earlier or {}).get("ours"))
    wait_until_borne(context, ceph, host, args["together"], float(args["seconds"]))
    osds = ceph.osds(host)
    if osds and (ours or not ceph.is_held(host)):
        context.save({"ours": True})  # before: a killed attempt has set it, or is about to
        ours = True
        context.log(f"ceph osd set-group {FLAG} {bucket(host)}")
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
    known = context.results()[args["before"]] if args.get("before") else args.get("was") or {}
    was = {"ours": False, "up": [], "was_clean": False, **known}
    ceph = cluster(context, args["storage"], [args["host"]])
    left = float(args["seconds"])
    freed = False
    while True:
        now = ceph.osds(args["host"])
        down = [number for number in was["up"] if not now.get(number)]
        why = f"OSDs {', '.join(map(str, down))} are not up" if down else ""
        if not down and was["ours"] and not freed:
            context.log(f"ceph osd unset-group {FLAG} {bucket(args['host'])}")
            ceph.hold(args["host"], on=False)
            freed = True
        why = why or (ceph.unclean() if was["was_clean"] else "")
        if not why:
            return {"freed": freed, "up": was["up"]}
        if left <= 0:
            raise NaruError(f"Ceph is not as it was before {args['host']} went down", detail=why, hint=HINT)
        context.sleep(POLL[1])
        left -= POLL[1]
