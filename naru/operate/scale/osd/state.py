"""What a Ceph cluster says of itself, in a few requests whatever its size."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from naru.operate.ceph import Cluster

TIB = 1 << 30
"""KiB of a TiB, by which CRUSH weighs."""
USUAL = 0.1
"""How far a cluster's weights may be off those in TiB and still be taken for that."""


@dataclass(frozen=True)
class State:
    """A cluster at a moment: its flags, HEALTH_..., its health checks that are not muted, by name with severity; what
    of its placement groups is not active and clean, in words; which OSDs are down; and the milliseconds that an OSD
    takes to commit a write, of the slowest tenth of those of `of`."""

    flags: frozenset[str]
    health: str
    checks: Mapping[str, str]
    unclean: str = ""
    down: frozenset[int] = frozenset()
    latency: float = 0.0
    misplaced: float = 0.0
    """The share of objects that are not yet where they belong."""
    said: Mapping[str, str] = field(default_factory=dict)
    """What each health check says."""


def read(ceph: Cluster, without: Iterable[int] = ()) -> State:
    """How the cluster is now; the latency is that of OSDs that are not among `without`. Raises Transient."""
    status, dump, perf = ceph.ask("status"), ceph.ask("osd", "dump"), ceph.ask("osd", "perf")
    health = status["health"]
    checks = {name: one for name, one in health.get("checks", {}).items() if not one.get("muted")}
    states = status["pgmap"].get("pgs_by_state", [])
    wrong = [one for one in states if not {"active", "clean"} <= set(one["state_name"].split("+"))]
    return State(
        flags=frozenset(one for one in str(dump["flags"]).split(",") if one),
        health=str(health["status"]),
        checks={name: str(one["severity"]) for name, one in checks.items()},
        unclean=", ".join(f"{one['count']} {one['state_name']}" for one in wrong),
        down=frozenset(int(one["osd"]) for one in dump["osds"] if not one["up"]),
        latency=slowest(perf, set(without)),
        misplaced=float(status["pgmap"].get("misplaced_ratio", 0.0)),
        said={name: str(one.get("summary", {}).get("message", "")) for name, one in checks.items()},
    )


def slowest(perf: Mapping[str, Any], without: set[int]) -> float:
    """Milliseconds that the slowest tenth of OSDs takes at least to commit, by `ceph osd perf`."""
    listed = perf.get("osdstats", perf).get("osd_perf_infos", [])
    every = sorted(float(one["perf_stats"]["commit_latency_ms"]) for one in listed if one["id"] not in without)
    return every[min(len(every) - 1, len(every) * 9 // 10)] if every else 0.0


@dataclass(frozen=True)
class Osd:
    """An OSD as `ceph osd df` has it; size in KiB."""

    id: int
    weight: float
    size: int
    used: int
    groups: int
    device_class: str
    reweight: float


def osds(ceph: Cluster) -> dict[int, Osd]:
    """All OSDs by number. Raises Transient."""
    return {
        one["id"]: Osd(
            id=one["id"],
            weight=float(one["crush_weight"]),
            size=int(one["kb"]),
            used=int(one["kb_used"]),
            groups=int(one.get("pgs", 0)),
            device_class=str(one.get("device_class", "")),
            reweight=float(one.get("reweight", 1.0)),
        )
        for one in ceph.ask("osd", "df")["nodes"]
        if one["id"] >= 0
    }


def full_weight(one: Osd, others: Iterable[Osd]) -> float:
    """What an OSD weighs with its whole share of data: its size in TiB; or, where the other ones of its class weigh
    otherwise for their size, as they do."""
    ratios = [
        other.weight * TIB / other.size
        for other in others
        if other.weight > 0 and other.size > 0 and other.device_class == one.device_class
    ]
    ratio = statistics.median(ratios) if ratios else 1.0
    return round(one.size / TIB * (1.0 if abs(ratio - 1) <= USUAL else ratio), 5)


def location(tree: Iterable[Mapping[str, Any]], osd: int) -> dict[str, str]:
    """Where an OSD is in CRUSH, by `ceph osd tree`: the names of the buckets above it, by their types."""
    nodes = {one["id"]: one for one in tree}
    above = {child: one for one in nodes.values() for child in one.get("children", ())}
    found: dict[str, str] = {}
    at = osd
    while at in above:
        at = above[at]["id"]
        found[str(nodes[at]["type"])] = str(nodes[at]["name"])
    return found
