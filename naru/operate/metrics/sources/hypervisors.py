"""Hypervisors: what each host has and what Nova counts as used, in one list."""

from collections import defaultdict

from naru.operate import compute
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known

GIB = 1 << 30
MIB = 1 << 20

VERSIONS = ("2.87", "2.53", "2.33")
"""From 2.88 on Nova does not say any more what is used; that it was removed there is why none newer is asked for."""
_FIELDS = {
    "naru_host_vcpus": ("vcpus", 1),
    "naru_host_vcpus_used": ("vcpus_used", 1),
    "naru_host_memory_bytes": ("memory_mb", MIB),
    "naru_host_memory_used_bytes": ("memory_mb_used", MIB),
    "naru_host_disk_bytes": ("local_gb", GIB),
    "naru_host_disk_used_bytes": ("local_gb_used", GIB),
}


class Reading:
    """Of a host with several hypervisors (bare metal) their sum."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None:
            raise NothingThere("the site names no cloud")
        services = compute.services(cloud)
        self._known.zones = {str(one["host"]): str(one.get("zone") or "") for one in services}
        taking = frozenset(
            str(one["host"])
            for one in services
            if one.get("state") == "up" and one.get("status") != "disabled" and not one.get("forced_down")
        )
        sums: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_FIELDS, 0.0))
        nodes = {}
        version = compute.newest(cloud, *VERSIONS)
        path = "/os-hypervisors/detail" + ("?limit=1000" if version else "")
        for one in cloud.items("compute", path, "hypervisors", version):
            host = str(one["service"]["host"])
            nodes[str(one["id"])] = host
            for name, (field, unit) in _FIELDS.items():
                sums[host][name] += float(one.get(field) or 0) * unit
        for host, values in sums.items():
            place = self._known.place(host)
            for name, value in values.items():
                samples.add(name, value, *place)
            samples.add("naru_host_open", float(host in taking), *place)
        self._known.nodes, self._known.open = nodes, taking
