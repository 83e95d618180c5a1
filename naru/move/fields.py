"""Which fields of each kind are kept on a move, and which cannot be and why: so that none is lost without a word.

A field that is in neither table was never thought of (an extension, a newer release): when it has a value, the plan
says that it is not kept.
"""

from collections.abc import Iterator

from naru.inventory.rows import Row

# who made a thing, when, and how its service counts; made anew with the thing
OWN = frozenset(
    (
        *("id", "links", "self", "file", "schema", "created_at", "updated_at", "created", "updated", "project_id"),
        *("tenant_id", "user_id", "owner", "revision_number", "standard_attr_id", "status", "deleted", "deleted_at"),
    )
)

# field: why it cannot be the same; these are told once for the kind, with the things that have them
NOT_KEPT: dict[str, dict[str, str]] = {
    "project": {"is_domain": "a project that acts as a domain cannot be made"},
    "user": {
        "password_expires_at": "the new password has a term of its own",
        "federated": "comes back with the user's first login",
    },
    "flavor": {},
    "network": {
        "provider:segmentation_id": "the new cloud gives its own",
        "vlan_transparent": "is a property of the new cloud's network",
        "l2_adjacency": "is a property of the new cloud's network",
        "availability_zone_hints": "zones of network agents differ",
    },
    "subnet": {"segment_id": "segments differ"},
    "port": {
        "binding:profile": "only services may set it",
        "resource_request": "follows from the QoS policy",
        "ip_allocation": "follows from the subnet",
    },
    "router": {"flavor_id": "flavors of routers are the cloud's", "service_type_id": "is the cloud's"},
    "server": {
        "OS-EXT-SRV-ATTR:kernel_id": "follows from the image",
        "OS-EXT-SRV-ATTR:ramdisk_id": "follows from the image",
        "trusted_image_certificates": "certificates are in Barbican, which only users may read",
        "personality": "no cloud gives it back",
    },
    "volume": {"consistencygroup_id": "consistency groups are gone", "replication_status": "is the backend's"},
    "snapshot": {"group_snapshot_id": "volume groups are not moved"},
}

# what is read and has no counterpart in a request, because something else brings it about
FOLLOWS: dict[str, frozenset[str]] = {
    "project": frozenset(("is_domain",)),
    "user": frozenset(("name", "password_expires_at")),
    "flavor": frozenset(("OS-FLV-DISABLED:disabled",)),
    "network": frozenset(
        (
            *("subnets", "router:external", "ipv4_address_scope", "ipv6_address_scope", "availability_zones"),
            *("provider:network_type", "provider:physical_network", "shared", "is_default", "qinq"),
        )
    ),
    "subnet": frozenset(("router:external", "ip_version")),
    "port": frozenset(
        (
            *("binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile", "trunk_details"),
            *("resource_request", "ip_allocation", "dns_assignment", "network_id", "port_security_enabled"),
            *("qos_network_policy_id", "hardware_offload_type", "device_id", "device_owner", "data_plane_status"),
        )
    ),
    "router": frozenset(
        (
            *("external_gateways", "availability_zones", "routes", "flavor_id", "service_type_id"),
            *("external_gateway_info", "enable_default_route_bfd", "enable_default_route_ecmp"),
        )
    ),
    "floating IP": frozenset(
        ("port_details", "router_id", "port_forwardings", "fixed_ip_address", "port_id", "qos_network_policy_id")
    ),
    "security group": frozenset(("security_group_rules",)),
    "server group": frozenset(("policies", "members", "metadata")),
    "server": frozenset(
        (
            *("hostId", "host_status", "progress", "key_name", "flavor", "flavor_link", "image", "addresses", "fault"),
            *("security_groups", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state"),
            *("OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:hypervisor_hostname"),
            *("OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "os-extended-volumes:volumes_attached"),
            *("OS-EXT-SRV-ATTR:reservation_id", "OS-EXT-SRV-ATTR:launch_index", "OS-EXT-SRV-ATTR:root_device_name"),
            *("OS-EXT-AZ:availability_zone", "pinned_availability_zone", "server_groups", "scheduler_hints"),
            *("security_groups", "locked", "locked_reason", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:ramdisk_id"),
        )
    ),
    "volume": frozenset(
        (
            *("os-vol-host-attr:host", "os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id"),
            *("os-vol-tenant-attr:tenant_id", "attachments", "snapshot_id", "source_volid", "migration_status"),
            *("replication_status", "service_uuid", "shared_targets", "provider_id", "cluster_name", "group_id"),
            *("volume_type_id", "encrypted", "consumes_quota", "encryption_key_id"),
        )
    ),
    "snapshot": frozenset(
        (
            *("os-extended-snapshot-attributes:project_id", "os-extended-snapshot-attributes:progress"),
            "consumes_quota",
        )
    ),
    "backup": frozenset(
        (
            *("os-backup-project-attr:project_id", "object_count", "has_dependent_backups", "fail_reason"),
            "encryption_key_id",
        )
    ),
    "image": frozenset(
        (
            *("checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size", "locations", "direct_url", "stores"),
            *("owner_specified.openstack.md5", "name"),
        )
    ),
}


def unknown(row: Row, kept: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(field, why) of everything with a value that is not kept: `kept` are the fields that the move's rules take."""
    reasons = NOT_KEPT.get(row.kind, {})
    follows = FOLLOWS.get(row.kind, frozenset())
    for field, value in row.body.items():
        if field in OWN or field in kept or value in (None, "", [], {}):
            continue
        if field in reasons:
            yield field, reasons[field]
        elif field not in follows:
            yield field, "it is not known to this version of Naru"
