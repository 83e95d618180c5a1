"""What is known of a host that is to be drained, of the servers on it, and of the hosts that may take them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from naru.cloud.client import parse
from naru.inventory.capacity import resources
from naru.operate import compute
from naru.operate.drain.reading import Reading, is_busy

OLD_HALF = "finished"
"""The status of a migration whose server is elsewhere, while its old disk waits here for a confirmation."""


@dataclass(frozen=True)
class Server:
    """A server on the host. `zone` is where it is, `pinned` the zone that it was asked for ("" for none, None: not
    known). `specs` are its flavor's extra specs, `properties` those of its image. `needs` is what it takes of a host,
    by resource class. `group` is its server group, if any."""

    row: Mapping[str, Any]
    specs: Mapping[str, str]
    properties: Mapping[str, Any]
    needs: Mapping[str, int]
    ports: Sequence[Mapping[str, Any]]
    is_allocated: bool
    group: "Group | None" = None

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def status(self) -> str:
        return str(self.row["status"])

    @property
    def project(self) -> str:
        return str(self.row["tenant_id"])

    @property
    def is_busy(self) -> bool:
        return is_busy(self.row)

    @property
    def is_locked(self) -> bool:
        return bool(self.row.get("locked"))

    @property
    def zone(self) -> str:
        return str(self.row.get("OS-EXT-AZ:availability_zone") or "")

    @property
    def pinned(self) -> str | None:
        if "pinned_availability_zone" not in self.row:
            return None
        return str(self.row["pinned_availability_zone"] or "")

    @property
    def memory(self) -> int:
        """MiB."""
        return int(self.needs.get("MEMORY_MB", 0))

    @property
    def is_from_image(self) -> bool:
        """Whether its root disk is not a volume: it lies on the host, or on what hosts share."""
        return bool(self.row.get("image"))

    @property
    def disk(self) -> int:
        """GiB that may lie on the host."""
        return int(self.needs.get("DISK_GB", 0))

    @property
    def volumes(self) -> list[str]:
        return sorted(one["id"] for one in self.row.get(compute.VOLUMES) or ())

    def wants(self, *names: str) -> str:
        """The first of the extra specs, or of the image's properties of the same meaning (hw_cpu_policy of
        hw:cpu_policy), that it has, as name=value; "" for none."""
        for name in names:
            value = self.specs.get(name) or self.properties.get(name.replace(":", "_"))
            if value:
                return f"{name}={value}"
        return ""


@dataclass(frozen=True)
class Group:
    """A server group: its policy, and where its members are, by id; None for one whose host is not known."""

    id: str
    name: str
    policy: str
    members: Mapping[str, str | None]


@dataclass(frozen=True)
class Target:
    """A host that may take servers: what is free on it by resource class (None: not known), traits, and its zone."""

    name: str
    zone: str
    free: Mapping[str, float] | None
    traits: frozenset[str]


class Facts:
    """The reading, with indexes over it."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.cloud = str(reading["cloud"])
        self.host = str(reading["host"])
        self.compute = parse(reading["compute"])
        self.has_bindings = "binding-extended" in reading["extensions"]

    def supports(self, version: str) -> bool:
        """Whether Nova goes up to the microversion."""
        return self.compute >= parse(version)

    @cached_property
    def service(self) -> Mapping[str, Any]:
        """The host's compute service."""
        found: Mapping[str, Any] = next(one for one in self.reading["services"] if one["host"] == self.host)
        return found

    @cached_property
    def nodes(self) -> list[str]:
        """The resource providers of the host."""
        return [str(one["id"]) for one in self._hypervisors(self.host) if str(one["id"]) in self.reading["providers"]]

    def _hypervisors(self, host: str) -> list[Mapping[str, Any]]:
        return [one for one in self.reading["hypervisors"] if one["service"]["host"] == host]

    @cached_property
    def groups(self) -> list[Group]:
        hosts = {one["id"]: self.host for one in self.reading["servers"]} | self.reading["members"]
        return [
            Group(
                str(one["id"]),
                str(one["name"]),
                str(one["policy"] if "policy" in one else next(iter(one["policies"]), "")),
                {member: hosts.get(member) for member in one["members"] if member in hosts},
            )
            for one in self.reading["groups"]
        ]

    @cached_property
    def servers(self) -> list[Server]:
        """By name."""
        found = [self._server(row) for row in self.reading["servers"]]
        return sorted(found, key=lambda one: (one.name, one.id))

    def _server(self, row: Mapping[str, Any]) -> Server:
        flavor = row["flavor"]
        flavor = self.reading["flavors"].get(flavor["id"], {}) if "id" in flavor else flavor
        specs = flavor.get("extra_specs") or {}
        volumes = [self.reading["volumes"].get(one["id"], {}) for one in row.get(compute.VOLUMES) or ()]
        properties = dict(self.reading["images"].get(row["image"]["id"], {}) if row.get("image") else {})
        for volume in volumes:
            properties |= volume.get("volume_image_metadata") or {}
        allocated: dict[str, int] = {}
        for node in self.nodes:
            mine = self.reading["providers"][node].get("allocations", {}).get(row["id"], {})
            allocated |= mine.get("resources", {})
        return Server(
            row,
            specs,
            properties,
            allocated or _amounts(flavor, specs, from_volume=not row.get("image")),
            self.reading["ports"].get(row["id"], ()),
            is_allocated=bool(allocated) or not self.nodes,
            group=next((one for one in self.groups if row["id"] in one.members), None),
        )

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The types of the host's hypervisors."""
        return frozenset(str(one["hypervisor_type"]) for one in self._hypervisors(self.host))

    @cached_property
    def targets(self) -> list[Target]:
        """The other hosts whose service is up and enabled, by name."""
        kind = self.kinds
        found = []
        for service in self.reading["services"]:
            name = str(service["host"])
            mine = [one for one in self._hypervisors(name) if not kind or one["hypervisor_type"] in kind]
            is_open = service["state"] == "up" and service["status"] == "enabled" and not service.get("forced_down")
            if name == self.host or not is_open or not mine:
                continue
            provider = self.reading["providers"].get(str(mine[0]["id"]))
            traits = frozenset(provider["traits"]) if provider else frozenset()
            found.append(Target(name, self.zone(name), _free(provider) if provider else None, traits))
        return sorted(found, key=lambda one: one.name)

    def zone(self, host: str) -> str:
        """The availability zone of a host."""
        return next((str(one["zone"]) for one in self.reading["services"] if one["host"] == host), "")

    @cached_property
    def old_halves(self) -> list[str]:
        """The servers (ids) that are elsewhere, with a resize that nobody has confirmed, whose old disk is here."""
        here = {one["id"] for one in self.reading["servers"]}
        found = [one for one in self.reading["migrations"] if one["source_compute"] == self.host]
        return [one["instance_uuid"] for one in found if one["status"] == OLD_HALF and one["instance_uuid"] not in here]


def _amounts(flavor: Mapping[str, Any], specs: Mapping[str, Any], *, from_volume: bool) -> dict[str, int]:
    text = resources(
        {**flavor, "OS-FLV-EXT-DATA:ephemeral": flavor.get("ephemeral", 0)}, specs, from_volume=from_volume
    )
    pairs = (one.partition(":") for one in text.split(",") if one)
    return {name: int(amount) for name, _, amount in pairs}


def _free(provider: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: (one["total"] - one["reserved"]) * one["allocation_ratio"] - provider["usages"].get(name, 0)
        for name, one in provider["inventories"].items()
    }
