"""The differences between two readings of one cloud: before and after, or now and a week ago."""

import heapq
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from naru.inventory.archive import Archive
from naru.inventory.rows import Row

VOLATILE = frozenset(
    ("updated_at", "updated", "links", "revision_number", "progress", "self", "file", "schema", "hypervisor_links")
)
"""What changes by itself: times of reading and reporting, counters, links that say who asked."""
_VOLATILE_OF = {
    "hypervisor": frozenset(
        (
            *("cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "uptime"),
            *("local_gb_used", "memory_mb_used", "running_vms", "vcpus_used", "servers"),
        )
    ),
    "volume pool": frozenset(("capabilities",)),  # mostly what is free and allocated
    "network agent": frozenset(("heartbeat_timestamp", "configurations")),
}
UNORDERED = frozenset(
    (
        *("subnets", "tags", "routes", "security_groups", "security_group_rules", "allowed_address_pairs", "rules"),
        *("availability_zones", "attachments", "members", "os-extended-volumes:volumes_attached", "sub_ports", "hosts"),
        *("addresses", "volumes", "volume_types", "extra_dhcp_opts", "external_fixed_ips", "host_routes"),
        *("allocation_pools", "service_types", "fixed_ips", "availability_zone_hints", "prefixes"),
        *("multi_factor_auth_rules", "access_rules", "segments"),
    )
)
"""Fields with lists whose order means nothing: their service gives them in any order, some another each time. That of
`dns_nameservers` does mean something, and so does that of a server's network cards and disks."""
# fields that hold such lists
_HOLDING = frozenset(("external_gateway_info",))


@dataclass(frozen=True)
class Difference:
    """One difference. `field` is empty for a whole thing that came or went; `before` and `after` are its values, of
    which one may be `absent`: that is another thing than null."""

    kind: str
    id: str
    name: str
    change: Literal["added", "removed", "changed"]
    field: str = ""
    before: Any = None
    after: Any = None
    absent: Literal["", "before", "after"] = ""


def compare(archive: Archive, before: int, after: int, project: str | None = None) -> Iterator[Difference]:
    """Every difference from the snapshot `before` to `after`, by kind and id; of one owner when that is given.

    Both are read side by side, so that a large cloud takes no more memory than a small one.
    """
    sides = (
        ((row.kind, row.id), side, row)
        for side, row in heapq.merge(
            ((0, row) for row in archive.rows(before, project=project)),
            ((1, row) for row in archive.rows(after, project=project)),
            key=lambda item: (item[1].kind, item[1].id),
        )
    )
    for _, group in groupby(sides, key=lambda item: item[0]):
        rows = {side: row for _, side, row in group}
        if len(rows) == 2:
            yield from _changed(rows[0], rows[1])
        else:
            ((side, row),) = rows.items()
            yield Difference(row.kind, row.id, row.name, "added" if side else "removed")


def _changed(before: Row, after: Row) -> Iterator[Difference]:
    volatile = VOLATILE | _VOLATILE_OF.get(before.kind, frozenset())
    for field in sorted((before.body.keys() | after.body.keys()) - volatile):
        old, new = before.body.get(field), after.body.get(field)
        # a field that is there with null is another thing than one that is not there
        absent: Literal["", "before", "after"] = ""
        if (field in before.body) != (field in after.body):
            absent = "before" if field in after.body else "after"
        if absent or comparable(field, old) != comparable(field, new):
            yield Difference(after.kind, after.id, after.name, "changed", field, old, new, absent)


def ordered(body: Mapping[str, Any]) -> dict[str, Any]:
    """A thing's answer with every list without order sorted: however often a cloud is read, it is the same."""
    return {
        name: _sorted(value)
        if name in UNORDERED and isinstance(value, list)
        else ordered(value)
        if name in _HOLDING and value
        else value
        for name, value in body.items()
    }


def _sorted(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def comparable(field: str, value: Any, ordered: Container[str] = ()) -> Any:
    """The value as it is compared: a list without order sorted, unless its field is among the `ordered`; an inner
    `updated_at` left out."""
    if isinstance(value, dict):
        return {key: comparable(key, inner) for key, inner in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        items = [comparable("", item) for item in value]
        return _sorted(items) if field in UNORDERED and field not in ordered else items
    # True and 1 are equal for Python, and not for anybody else
    return (type(value).__name__, value) if isinstance(value, bool) else value
