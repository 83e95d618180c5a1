"""Readings of a made-up cloud, for what a lab's clouds cannot show: devices, pinned CPUs, shares."""

from typing import Any

from naru.operate.drain.facts import Facts
from naru.operate.drain.reading import Reading

HOST = "compute1"
NODES = {"compute1": "node-1", "compute2": "node-2", "compute3": "node-3"}
MEMORY = 8192


def service(host: str, **more: Any) -> dict[str, Any]:
    return {"id": f"service-{host}", "host": host, "state": "up", "status": "enabled", "zone": "nova", **more}


def server(name: str, status: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    """A server of 1024 MiB that boots from a volume."""
    return {
        **{"id": f"id-{name}", "name": name, "status": status, "tenant_id": "project", "locked": False},
        **{"OS-EXT-STS:task_state": None, "OS-EXT-SRV-ATTR:host": HOST, "OS-EXT-AZ:availability_zone": "nova"},
        **{"image": "", "os-extended-volumes:volumes_attached": [{"id": f"volume-{name}"}]},
        "flavor": {"vcpus": 1, "ram": 1024, "disk": 10, "ephemeral": 0, "swap": 0, "extra_specs": {}},
        **more,
    }


def with_specs(name: str, status: str = "ACTIVE", **specs: str) -> dict[str, Any]:
    """A server whose flavor has these extra specs, `hw__cpu_policy` for hw:cpu_policy."""
    found = server(name, status)
    found["flavor"]["extra_specs"] = {key.replace("__", ":"): value for key, value in specs.items()}
    return found


def reading(*servers: dict[str, Any], compute: str = "2.53", **more: Any) -> Reading:
    """Of a host with these servers, between two others with room for eight each."""
    inventory = {"total": MEMORY, "reserved": 0, "allocation_ratio": 1.0}
    many = {"total": 64, "reserved": 0, "allocation_ratio": 16.0}
    provider = {"inventories": {"MEMORY_MB": inventory, "VCPU": many, "DISK_GB": many}, "usages": {}, "traits": []}
    mine = {one["id"]: {"resources": {"VCPU": 1, "MEMORY_MB": one["flavor"]["ram"]}} for one in servers}
    return {
        **{"naru_drain_reading": 1, "cloud": "old", "host": HOST, "compute": compute, "extensions": []},
        "services": [service(name) for name in NODES],
        "hypervisors": [
            {"id": node, "hypervisor_type": "QEMU", "service": {"host": name}} for name, node in NODES.items()
        ],
        **{"aggregates": [], "flavors": {}, "groups": [], "members": {}, "migrations": [], "images": {}},
        "providers": {node: provider | ({"allocations": mine} if name == HOST else {}) for name, node in NODES.items()},
        "servers": list(servers),
        "ports": {one["id"]: [] for one in servers},
        "volumes": {},
        **more,
    }


def facts(*servers: dict[str, Any], compute: str = "2.53", **more: Any) -> Facts:
    return Facts(reading(*servers, compute=compute, **more))
