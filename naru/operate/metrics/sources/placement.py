"""Placement: what may be allocated of each host, what is, and allocations whose server is gone.

Placement has no list of inventories or of allocations for many hosts: each is asked for. So a reading takes the next
`HOSTS` hosts, two requests each, and a cloud of 1,000 is gone round in ten minutes. A hypervisor without a resource
provider (a new one, one under repair) is told in a number: it keeps nothing of the others back.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from naru.actions.clouds import get
from naru.cloud.client import Cloud
from naru.inventory.capacity import resources
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known

HOSTS = 100
RESOURCES = ("VCPU", "PCPU", "MEMORY_MB", "DISK_GB")
FLAVORS = 50
CONFIRMED = 50
"""Servers that are asked for by id in a reading."""
HOURLY = 3600.0


@dataclass
class Node:
    """A resource provider as it was last read. `gone` are its allocations whose server there is not."""

    read: float
    capacity: Mapping[str, float]
    used: Mapping[str, float]
    largest: Mapping[str, float]
    consumers: int
    gone: frozenset[str] | None


@dataclass
class Host:
    """The sums over its nodes."""

    capacity: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    largest: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class Reading:
    def __init__(self, known: Known) -> None:
        self._known = known
        self._nodes: dict[str, Node] = {}
        # when each was last asked for, also those that Placement does not have
        self._tried: dict[str, float] = {}
        self._flavors: dict[str, dict[str, float]] = {}
        self._flavors_read = 0.0

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None or not cloud.has("placement"):
            raise NothingThere("the cloud has no Placement")
        hosts = self._known.nodes
        if not hosts:
            return
        self._nodes = {node: one for node, one in self._nodes.items() if node in hosts}
        self._tried = {node: at for node, at in self._tried.items() if node in hosts}
        oldest = sorted(hosts, key=lambda node: self._tried.get(node, 0.0))
        asked = [0]
        for node in oldest[:HOSTS]:
            read = self._read(cloud, node, asked)
            self._tried[node] = time.time()
            if read is None:
                self._nodes.pop(node, None)
            else:
                self._nodes[node] = read
        if not self._flavors_read or time.monotonic() - self._flavors_read > HOURLY:
            self._flavors, self._flavors_read = _flavors(cloud), time.monotonic()
        self._tell(samples, hosts)

    def _read(self, cloud: Cloud, node: str, asked: list[int]) -> Node | None:
        """None for one that Placement does not have (any more)."""
        inventories = get(cloud, "placement", f"/resource_providers/{node}/inventories", "inventories", "1.0")
        allocations = get(cloud, "placement", f"/resource_providers/{node}/allocations", "allocations", "1.0")
        if inventories is None or allocations is None:
            return None
        used: dict[str, float] = defaultdict(float)
        largest: dict[str, float] = defaultdict(float)
        for one in allocations.values():
            for name, amount in one["resources"].items():
                used[name] += amount
                largest[name] = max(largest[name], amount)
        capacity = {
            name: (one["total"] - one["reserved"]) * one["allocation_ratio"] for name, one in inventories.items()
        }
        moving = self._known.moving or frozenset()
        consumers = [one for one in allocations if one not in moving]
        return Node(time.time(), capacity, used, largest, len(consumers), self._gone(cloud, node, consumers, asked))

    def _gone(self, cloud: Cloud, node: str, consumers: list[str], asked: list[int]) -> frozenset[str] | None:
        """Those without a server; None while that is not known. A list of servers is older than one of allocations, so
        that each of them is asked for."""
        if self._known.servers is None or self._known.moving is None:
            return None
        before = self._nodes[node].gone if node in self._nodes else None
        gone = set()
        for one in consumers:
            if one in self._known.servers:
                continue
            if before and one in before:
                gone.add(one)
            elif asked[0] < CONFIRMED:
                asked[0] += 1
                if get(cloud, "compute", f"/servers/{one}", "server") is None:
                    gone.add(one)
        return frozenset(gone)

    def _tell(self, samples: Samples, names: Mapping[str, str]) -> None:
        """`names` are the hosts of the providers as they were when the reading began: another source has those of now,
        in a thread of its own."""
        consumers: dict[str, int] = defaultdict(int)
        gone: dict[str, int] = defaultdict(int)
        for node, one in self._nodes.items():
            name = names[node]
            consumers[name] += one.consumers
            if one.gone is not None:
                gone[name] += len(one.gone)
        for name in consumers:
            samples.add("naru_placement_consumers", consumers[name], name)
        for name in gone:
            samples.add("naru_placement_allocations_without_server", gone[name], name)
        if self._nodes:
            samples.add("naru_placement_oldest_timestamp_seconds", min(one.read for one in self._nodes.values()))
        # of a part of the hosts nothing follows: neither how full a zone is, nor what fits on the others
        if all(node in self._tried for node in names):
            hosts = self._hosts(names)
            self._tell_hosts(samples, hosts)
            self._tell_room(samples, hosts)
            samples.add("naru_placement_nodes_without_provider", len(names) - len(self._nodes))

    def _hosts(self, names: Mapping[str, str]) -> dict[str, Host]:
        hosts: dict[str, Host] = defaultdict(Host)
        for node, one in self._nodes.items():
            host = hosts[names[node]]
            for resource in RESOURCES:
                if resource in one.capacity:
                    host.capacity[resource] += one.capacity[resource]
                    host.used[resource] += one.used.get(resource, 0.0)
                    host.largest[resource] = max(host.largest[resource], one.largest.get(resource, 0.0))
        return hosts

    def _tell_hosts(self, samples: Samples, hosts: Mapping[str, Host]) -> None:
        zones: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for name, host in hosts.items():
            place = self._known.place(name)
            for resource, capacity in host.capacity.items():
                samples.add("naru_placement_capacity", capacity, *place, resource)
                samples.add("naru_placement_used", host.used[resource], *place, resource)
                samples.add("naru_placement_largest", host.largest[resource], *place, resource)
                # what is on a closed host stays used, and what is free there cannot be had
                is_open = name in self._known.open
                sums = zones[place[1], resource]
                sums[0] += capacity if is_open else host.used[resource]
                sums[1] += host.used[resource]
        for (zone, resource), (capacity, used) in zones.items():
            samples.add("naru_zone_capacity", capacity, zone, resource)
            samples.add("naru_zone_used", used, zone, resource)

    def _tell_room(self, samples: Samples, hosts: Mapping[str, Host]) -> None:
        room: dict[tuple[str, str], float] = defaultdict(float)
        for name, host in hosts.items():
            zone = self._known.place(name)[1]
            for flavor, needs in self._flavors.items():
                fits = min(
                    (
                        (host.capacity.get(one, 0.0) - host.used.get(one, 0.0)) // amount
                        for one, amount in needs.items()
                    ),
                    default=0.0,
                )
                room[flavor, zone] += max(0.0, fits) if name in self._known.open else 0.0
        for (flavor, zone), count in room.items():
            samples.add("naru_flavor_room", count, flavor, zone)


def _flavors(cloud: Cloud) -> dict[str, dict[str, float]]:
    """What servers of each public flavor take, the smallest first."""
    found: list[dict[str, Any]] = list(cloud.items("compute", "/flavors/detail?limit=1000", "flavors"))
    found.sort(key=lambda one: (one["ram"], one["vcpus"], one["disk"], one["name"]))
    return {str(one["name"]): _needs(one) for one in found[:FLAVORS]}


def _needs(flavor: Mapping[str, Any]) -> dict[str, float]:
    asked = resources(flavor, {}, from_volume=False)
    return {name: float(amount) for name, _, amount in (one.partition(":") for one in asked.split(",") if one)}
