"""What is asked of a cloud before the drain of a host is planned: raw answers of its APIs, kept as they came.

Planning is a function of these alone (`facts`), so that a reading that a user sends makes the plan that they saw.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from naru.actions.clouds import get
from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.operate import compute
from naru.text import shortened

FORMAT = 1
WORKERS = 8
BETWEEN = 2.0
"""Seconds between two looks at servers that something is being done to."""
LEFT_OUT = ("OS-EXT-SRV-ATTR:user_data", "metadata", "links")
"""What users write into servers is nobody's business here."""
OF_VOLUMES = ("id", "name", "status", "size", "attachments", "volume_image_metadata")
SETTLED = frozenset({"ACTIVE", "PAUSED", "SUSPENDED", "SHUTOFF", "RESCUE", "ERROR", "SHELVED", "VERIFY_RESIZE"})
"""The statuses in which nothing is under way; others pass by themselves."""

Progress = Callable[[str], None]
Reading = dict[str, Any]


def read(cloud: Cloud, host: str, settle: float, say: Progress) -> Reading:
    """All that a plan is made of. Waits up to `settle` seconds for servers that something is being done to. Raises
    InputError for a host that has no compute service."""
    return read_all(cloud, [host], settle, say)[host]


def read_all(cloud: Cloud, hosts: Sequence[str], settle: float, say: Progress) -> dict[str, Reading]:
    """The same of several hosts, by name: what they have in common is read once."""
    say("the compute services")
    services = compute.services(cloud)
    known = sorted(one["host"] for one in services)
    for host in hosts:
        if host not in known:
            hint = f"It has: {', '.join(shortened(known, 20))}"
            raise InputError(f"{cloud.name}: no compute service is on a host {host!r}", hint=hint)
    say(f"the servers on {', '.join(shortened(hosts, 5))}")
    servers = _settled(cloud, hosts, settle)
    everybody = {one["id"] for found in servers.values() for one in found}
    every_group = _groups(cloud)
    groups = {
        host: [one for one in every_group if set(one["members"]) & {row["id"] for row in servers[host]}]
        for host in hosts
    }
    others = {member for found in groups.values() for one in found for member in one["members"]} - everybody
    say("the room on other hosts")
    hypervisors = _hypervisors(cloud)
    with ThreadPoolExecutor(WORKERS) as pool:
        elsewhere = {one["id"]: one.get(compute.HOST) for one in pool.map(_server_of(cloud), sorted(others)) if one}
    common = {
        "naru_drain_reading": FORMAT,
        "cloud": cloud.name,
        "compute": ".".join(map(str, cloud.newest("compute"))),
        "extensions": sorted(cloud.extensions("network") & {"binding-extended"}),
        "services": services,
        "hypervisors": hypervisors,
        "aggregates": list(cloud.items("compute", "/os-aggregates", "aggregates")),
        "providers": dict(_providers(cloud, hypervisors, hosts)),
    }
    where = elsewhere | {one["id"]: host for host, found in servers.items() for one in found}
    say("ports, volumes, images and groups of the servers")
    return {
        host: {
            **{**common, "host": host, "groups": groups[host]},
            **_of_host(cloud, host, servers[host], groups[host], where),
        }
        for host in hosts
    }


def _server_of(cloud: Cloud) -> Callable[[str], compute.Item | None]:
    return lambda identity: compute.server(cloud, identity)


def _of_host(
    cloud: Cloud, host: str, servers: list[dict[str, Any]], groups: list[compute.Item], where: Mapping[str, Any]
) -> Reading:
    """What belongs to the servers of one host. `where` is the host of each server that is known, by id."""
    ids = [one["id"] for one in servers]
    others = {member for one in groups for member in one["members"]} - set(ids)
    volumes = {found["id"] for one in servers for found in one.get(compute.VOLUMES) or ()}
    images = {one["image"]["id"] for one in servers if one.get("image")}
    with ThreadPoolExecutor(WORKERS) as pool:
        ports = list(pool.map(lambda one: list(_ports(cloud, one)), ids))
        read_volumes = list(pool.map(lambda one: get(cloud, "block-storage", f"/volumes/{one}", "volume"), volumes))
        read_images = list(pool.map(lambda one: get(cloud, "image", f"/images/{one}", ""), images))
    return {
        "flavors": _flavors(cloud, servers),
        "servers": servers,
        "members": {one: where[one] for one in sorted(others) if one in where},
        "migrations": [one for one in compute.migrations(cloud, host) if compute.is_under_way(cloud, one)],
        "ports": dict(zip(ids, ports, strict=True)),
        "volumes": {one["id"]: {name: one.get(name) for name in OF_VOLUMES} for one in read_volumes if one},
        "images": {one["id"]: _hardware(one) for one in read_images if one},
    }


def _hardware(image: dict[str, Any]) -> dict[str, Any]:
    """What an image says of the machine that it wants."""
    return {name: value for name, value in image.items() if name in ("id", "name") or name.startswith("hw_")}


def is_busy(server: compute.Item) -> bool:
    """Whether something is being done to it."""
    return bool(server.get(compute.TASK)) or server["status"] not in SETTLED


def _settled(cloud: Cloud, hosts: Sequence[str], seconds: float) -> dict[str, list[dict[str, Any]]]:
    """The servers on each host, once nothing is being done to them, or the seconds are over."""
    end = time.monotonic() + seconds
    while True:
        found = {host: compute.servers_on(cloud, host) for host in hosts}
        if time.monotonic() > end or not any(is_busy(one) for servers in found.values() for one in servers):
            return {host: [_without_users_words(one) for one in servers] for host, servers in found.items()}
        time.sleep(BETWEEN)


def _without_users_words(server: compute.Item) -> dict[str, Any]:
    return {name: value for name, value in server.items() if name not in LEFT_OUT}


def _groups(cloud: Cloud) -> list[compute.Item]:
    version = compute.newest(cloud, "2.64", "2.15")
    return list(cloud.items("compute", "/os-server-groups?all_projects=True", "server_groups", version))


def _ports(cloud: Cloud, server: str) -> Iterable[Any]:
    return cloud.items("network", f"/ports?device_id={server}", "ports")


def _hypervisors(cloud: Cloud) -> list[dict[str, Any]]:
    """Later than 2.87 they have no sizes, which Placement has; from 2.53 on their id is that of their provider."""
    version = compute.newest(cloud, "2.53")
    found = cloud.items("compute", "/os-hypervisors/detail", "hypervisors", version)
    return [
        {name: value for name, value in one.items() if name not in ("cpu_info", "servers", "host_ip")} for one in found
    ]


def _providers(
    cloud: Cloud, hypervisors: list[dict[str, Any]], hosts: Collection[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """By the id of a hypervisor what Placement has of it: inventories, usages, traits, and of these hosts' own who has
    how much of it. Nothing where there is no Placement, or hypervisors have no UUIDs."""
    if not cloud.has("placement") or not cloud.supports("compute", "2.53"):
        return
    traits = "1.6" if cloud.supports("placement", "1.6") else ""

    def one(hypervisor: dict[str, Any]) -> dict[str, Any]:
        path = f"/resource_providers/{hypervisor['id']}"
        found = {
            "inventories": get(cloud, "placement", f"{path}/inventories", "inventories") or {},
            "usages": get(cloud, "placement", f"{path}/usages", "usages") or {},
            "traits": (get(cloud, "placement", f"{path}/traits", "traits", traits) or []) if traits else [],
        }
        if hypervisor["service"]["host"] in hosts:
            found["allocations"] = get(cloud, "placement", f"{path}/allocations", "allocations") or {}
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        for hypervisor, found in zip(hypervisors, pool.map(one, hypervisors), strict=True):
            yield str(hypervisor["id"]), found


def _flavors(cloud: Cloud, servers: list[dict[str, Any]]) -> dict[str, Any]:
    """By id the flavors of servers that do not show their own (before 2.47), with extra specs."""
    found = {}
    for identity in sorted({one["flavor"]["id"] for one in servers if "id" in one["flavor"]}):
        flavor = get(cloud, "compute", f"/flavors/{identity}", "flavor")
        if flavor is not None:
            specs = get(cloud, "compute", f"/flavors/{identity}/os-extra_specs", "extra_specs")
            found[identity] = {**flavor, "extra_specs": specs or {}}
    return found
