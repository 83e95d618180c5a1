"""What is in the way of new OSDs: functions of what Ceph and hosts say. The same is asked when it is planned and when
it begins."""

import statistics
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from naru.errors import NaruError
from naru.messages import Text
from naru.operate.ceph import bucket
from naru.operate.scale.osd import guard
from naru.operate.scale.osd import says as msg
from naru.operate.scale.osd.hosts import Disk, Interface, Look, on
from naru.operate.scale.osd.state import State
from naru.plan.model import Finding
from naru.site.check.hosts import clock_of_most

SMALLEST = 5 * 1000**3
"""Bytes below which ceph-volume takes no disk."""
APART = 1.0
"""Seconds that a new host's clock may be off: keys that Ceph gives out are of no use with a wrong one."""
STOPPERS = ("norebalance", "nobackfill", "norecover", "noin", "noup", "pause", "full")
"""Flags with which OSDs do not come in, or data does not come to them."""
OTHERS = ("noout", "nodown", "noscrub", "nodeep-scrub")
"""Flags that are left alone, and told: somebody is at work."""


def of_ceph(now: State, versions: Mapping[str, Any]) -> Iterator[Finding]:
    """What of the cluster is in the way. `versions` is what `ceph versions` says."""
    if found := [one for one in STOPPERS if one in now.flags]:
        yield Finding("error", msg.FLAGS(flags=", ".join(found)), hint=msg.FLAGS_HINT())
    if found := [one for one in OTHERS if one in now.flags]:
        yield Finding("warning", msg.FLAGS_LEFT(flags=", ".join(found)))
    if now.unclean:
        yield Finding("error", msg.UNCLEAN(states=now.unclean), hint=msg.UNCLEAN_HINT())
    for name, severity in sorted(now.checks.items()):
        what = msg.HEALTH(name=name, said=now.said.get(name, ""))
        if severity == "HEALTH_ERR" or name in guard.FULL - {"OSD_NEARFULL", "POOL_NEARFULL"}:
            yield Finding("error", what, hint=msg.HEALTH_HINT(), about=name)
        elif name in ("OSD_NEARFULL", "POOL_NEARFULL"):
            yield Finding("warning", what, hint=msg.NEARFULL_HINT(), about=name)
        elif name not in ("OSDMAP_FLAGS", "PG_NOT_SCRUBBED", "PG_NOT_DEEP_SCRUBBED"):
            yield Finding("warning", what, about=name)
    if len(every := versions.get("overall", {})) > 1:
        names = ", ".join(sorted(" ".join(one.split()[:3]) for one in every))
        yield Finding("error", msg.VERSIONS(versions=names), hint=msg.VERSIONS_HINT())


def of_hosts(
    looks: Mapping[str, Look | NaruError],
    disks: Mapping[str, Collection[str]],
    tree: Collection[Mapping[str, Any]],
    new: Collection[str],
    like: str,
    deployed_by: str,
) -> Iterator[Finding]:
    """What of the hosts is in the way: names, clocks, programs, disks. `tree` are the nodes of `ceph osd tree`, `new`
    those hosts that the site does not have yet, `like` the one that they are to be like."""
    clocks = {name: look.clock for name, look in looks.items() if isinstance(look, Look) and look.clock}
    base = clock_of_most(clocks.values())
    for host in disks:
        look = looks[host]
        if not isinstance(look, Look):
            yield Finding("error", msg.SILENT(host=host, why=look.summary), hint=look.hint, about=host)
            continue
        yield from _named(host, look, tree, host in new, deployed_by)
        clock = clocks.get(host)
        if clock and (clock.least - base > APART or clock.most - base < -APART):
            off = f"{abs((clock.least + clock.most) / 2 - base):.1f}"
            yield Finding("error", msg.CLOCK(host=host, seconds=off), hint=msg.CLOCK_HINT(), about=host)
        yield from _programs(host, look, deployed_by)
        other = looks.get(like)
        if isinstance(other, Look) and host in new and other.system != look.system:
            systems = {"system": look.system or "?", "other": other.system or "?"}
            yield Finding("warning", msg.SYSTEM(host=host, like=like, **systems), about=host)
        for path in disks[host]:
            if said := in_the_way(look.disks.get(path) or Disk(path, "missing")):
                told = msg.DISK(host=host, disk=path, why=said)
                yield Finding("error", told, hint=msg.DISK_HINT(), about=f"{host}:{path}")
        yield from _doubles(host, look)


def _named(
    host: str, look: Look, tree: Collection[Mapping[str, Any]], is_new: bool, deployed_by: str
) -> Iterator[Finding]:
    same = look.name == host if deployed_by == "cephadm" else bucket(look.name) == bucket(host)
    if not same:
        yield Finding("error", msg.NAME(host=host, name=look.name), hint=msg.NAME_HINT(), about=host)
    known = next((one for one in tree if one["type"] == "host" and one["name"] == bucket(host)), None)
    if is_new and known is not None and known.get("children"):
        yield Finding("error", msg.BUCKET(host=host), hint=msg.BUCKET_HINT(), about=host)


def _programs(host: str, look: Look, deployed_by: str) -> Iterator[Finding]:
    if deployed_by != "cephadm":
        needed: list[tuple[str, ...]] = [("python3",)]
    else:
        needed = [("python3",), ("podman", "docker"), ("lvm",), ("systemctl",)]
        if "ceph-osd" in look.programs:
            yield Finding("error", msg.PACKAGE(host=host), hint=msg.PACKAGE_HINT(), about=host)
    for names in needed:
        if not look.programs & set(names):
            yield Finding("error", msg.PROGRAM(host=host, program=" / ".join(names)), about=host)


def in_the_way(disk: Disk) -> str:
    """Why an OSD may not be made on the disk, in words; "" for nothing."""
    if disk.kind == "missing":
        return "there is none"
    if disk.kind != "block":
        return "it is no block device"
    said = [
        *([f"mounted on {', '.join(disk.mounts)}"] if disk.mounts else []),
        *([f"has parts: {', '.join(disk.parts)}"] if disk.parts else []),
        *([f"held by {', '.join(disk.holders)}"] if disk.holders else []),
        *([f"not empty: {', '.join(disk.signatures)}"] if disk.signatures else []),
        *(["read-only"] if disk.is_read_only else []),
        *([f"only {disk.size} bytes"] if disk.size < SMALLEST else []),
    ]
    if not said and disk.busy:
        said = [f"cannot be opened alone: {disk.busy}"]
    return "; ".join(said)


def _doubles(host: str, look: Look) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for path, disk in look.disks.items():
        if disk.real and disk.real in seen:
            told = msg.DISK(host=host, disk=path, why=f"it is the same as {seen[disk.real]}")
            yield Finding("error", told, about=f"{host}:{path}")
        seen.setdefault(disk.real, path)


Networks = Mapping[str, Interface]
"""The cluster's networks by what they are for (`public`, `cluster`), each as the like host's interface in it."""


def networks(look: Look, metadata: Mapping[str, Any]) -> dict[str, Interface]:
    """The networks of a host with OSDs, by the addresses that one of those says it has."""
    found = {}
    for name, field in (("public", "front_addr"), ("cluster", "back_addr")):
        address = address_of(str(metadata.get(field, "")))
        if address and (there := on(look, address)):
            found[name] = there
    return found


def address_of(text: str) -> str:
    """The address in what a daemon has of itself, as `[v2:10.0.0.1:6800/1,v1:10.0.0.1:6801/1]` or `10.0.0.1:6800/1`."""
    first = text.strip("[]").split(",")[0] if text.startswith(("[v", "v")) else text
    return first.removeprefix("v2:").removeprefix("v1:").partition("/")[0].rpartition(":")[0].strip("[]")


def of_networks(host: str, look: Look, wanted: Networks) -> Iterator[Finding]:
    """Whether a new host is in the cluster's networks, with their MTU."""
    for name, like in wanted.items():
        mine = next((one for one in look.interfaces if one.network == like.network), None)
        if mine is None:
            told: Text = msg.NETWORK(host=host, name=name, network=str(like.network))
            yield Finding("error", told, hint=msg.NETWORK_HINT(), about=host)
        elif mine.mtu != like.mtu:
            told = msg.MTU(host=host, name=name, mtu=mine.mtu, other=like.mtu)
            yield Finding("error", told, hint=msg.MTU_HINT(), about=host)


def moved(used: int, old: float, more: float) -> int:
    """KiB that come to OSDs that weigh `more`, of the `used` ones of a cluster that weighs `old`."""
    return round(used * more / (old + more)) if old + more > 0 else 0


def middle(values: Collection[float]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(values) if values else 0.0
