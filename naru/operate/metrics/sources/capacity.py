"""What fills besides hosts: Cinder's storage pools, and the addresses of networks."""

from collections.abc import Mapping
from typing import Any

from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known

GIB = 1 << 30
NETWORKS = 50
FULL = 0.8


class Pools:
    """Those that say how big they are: some say `infinite` or `unknown`."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None or not cloud.has("block-storage"):
            raise NothingThere("the cloud has no Cinder")
        for pool in cloud.items("block-storage", "/scheduler-stats/get_pools?detail=true", "pools"):
            said = pool["capabilities"]
            total, free = _number(said.get("total_capacity_gb")), _number(said.get("free_capacity_gb"))
            if total is not None and free is not None:
                samples.add("naru_pool_bytes", total * GIB, pool["name"])
                samples.add("naru_pool_used_bytes", (total - free) * GIB, pool["name"])


def _number(value: Any) -> float | None:
    try:
        return float(value) if value not in ("infinite", "unknown") else None
    except (TypeError, ValueError):
        return None


class Networks:
    """External networks, and those of which more than 80 % is used, the fullest first."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None or "network-ip-availability" not in cloud.extensions("network"):
            raise NothingThere("the cloud's Neutron does not say how many addresses there are")
        outside = "/networks?router:external=true&fields=id"
        external = {one["id"] for one in cloud.items("network", outside, "networks")}
        found = list(cloud.items("network", "/network-ip-availabilities", "network_ip_availabilities"))
        told = [one for one in found if _share(one) and (one["network_id"] in external or _share(one) > FULL)]
        told += [one for one in found if one["network_id"] in external and not _share(one) and one["total_ips"]]
        for one in sorted(told, key=lambda one: (one["network_id"] not in external, -_share(one)))[:NETWORKS]:
            name = f"{one['network_name']} ({one['network_id'][:8]})"
            samples.add("naru_network_addresses", one["total_ips"], name)
            samples.add("naru_network_addresses_used", one["used_ips"], name)


def _share(one: Mapping[str, Any]) -> float:
    return float(one["used_ips"]) / float(one["total_ips"]) if one["total_ips"] else 0.0
