"""What is known of fields: which cannot be equal on two clouds, and why; which name other things; which have no order.

Every field that an API shows and that is in none of these tables is compared as it stands. A path names a field inside
an item: `a.b` in a dictionary, `a[].b` in the items of a list.
"""

from collections.abc import Callable
from typing import Any

Table = dict[str, dict[str, str]]
ANYTHING = object()

_OWN_ID = "ids are given by the cloud; references are compared through the counterparts"
_TIME = "a time"
_LINK = "an address of this cloud's API"
_HOST = "a host of this cloud"
_TOLD_ELSEWHERE = "shown by its own kind too, which is compared"

# by their name alone, in all kinds, at the top: fields that change by themselves or are addresses. Not in snapshots.
VOLATILE = {"updated_at", "updated", "revision_number", "links", "progress", "flavor.links", "image.links"}

# lists without an order of their own: Neutron (Pike shuffles them), Nova's tags, Glance's tags
UNORDERED: dict[str, set[str]] = {
    "project": {"tags"},
    "domain": {"tags"},
    "trust": {"roles"},
    "application_credential": {"roles", "access_rules"},
    "aggregate": {"hosts"},
    "server": {"tags", "security_groups", "os-extended-volumes:volumes_attached"},
    "server_group": {"members"},
    "server_port": {"fixed_ips"},
    "flavor": {"access"},
    "volume": {"attachments"},
    "volume_type": {"access"},
    "image": {"tags"},
    "qos_policy": {"tags", "rules"},
    "subnetpool": {"tags", "prefixes"},
    "address_group": {"addresses"},
    "network": {"tags", "subnets", "availability_zones", "availability_zone_hints"},
    # Neutron keeps an order of DNS servers only
    "subnet": {"tags", "allocation_pools", "host_routes", "service_types"},
    "security_group": {"tags", "security_group_rules"},
    "security_group_rule": {"tags"},
    # fixed_ips: Neutron sorts them by address when it answers
    "port": {"tags", "fixed_ips", "allowed_address_pairs", "security_groups", "extra_dhcp_opts", "dns_assignment"},
    "router": {
        "tags",
        "routes",
        "external_gateway_info.external_fixed_ips",
        "external_gateways[].external_fixed_ips",
        "availability_zones",
        "availability_zone_hints",
        "conntrack_helpers",
    },
    "floatingip": {"tags", "port_forwardings"},
    "trunk": {"tags", "sub_ports"},
}

# cannot be equal on two clouds
UNEQUAL: Table = {
    "": {"created_at": _TIME, "id": _OWN_ID},
    "application_credential": {"access_rules[].id": _OWN_ID},
    "trust": {"redelegated_trust_id": _OWN_ID, "roles_links": _LINK, "roles[].links": _LINK},
    "server": {
        "created": _TIME,
        "OS-SRV-USG:launched_at": _TIME,
        "OS-SRV-USG:terminated_at": _TIME,
        "hostId": _HOST,
        "host_status": _HOST,
        "OS-EXT-SRV-ATTR:host": _HOST,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": _HOST,
        "OS-EXT-SRV-ATTR:instance_name": "made of a number in this cloud's database",
        "OS-EXT-SRV-ATTR:reservation_id": "a random id of the request that made the server",
        "OS-EXT-STS:power_state": "what the hypervisor said last; the state is compared as status and vm_state",
        "addresses": "a copy of the ports' and floating IPs' addresses; the NICs' order is compared as `nics`",
    },
    "server_volume": {
        "id": _OWN_ID,
        "bdm_uuid": _OWN_ID,
        "attachment_id": _OWN_ID,
    },
    "server_port": {"port_state": "what an agent said last; the servers' states are compared"},
    "keypair": {"deleted": "always false of what is shown", "deleted_at": _TIME},
    "volume": {
        "attachments[].id": "the volume's own id",
        "attachments[].volume_id": "the volume's own id",
        "attachments[].attachment_id": _OWN_ID,
        "attachments[].attached_at": _TIME,
        "attachments[].host_name": _HOST,
        "os-vol-host-attr:host": _HOST,
        "os-vol-mig-status-attr:migstat": "a migration between this cloud's backends",
        "os-vol-mig-status-attr:name_id": "the name at this cloud's backend",
        "migration_status": "a migration between this cloud's backends",
        "provider_id": "the name at this cloud's backend",
        "service_uuid": _HOST,
        "cluster_name": _HOST,
        "shared_targets": "how this cloud's backend exports",
        "encryption_key_id": "a key in this cloud's key manager",
        "snapshot_id": "what the volume was made from: read-only, the content is a copy of its own",
        "source_volid": "what the volume was made from: read-only, the content is a copy of its own",
        "metadata.attached_mode": "written by an attachment itself",
    },
    "snapshot": {"encryption_key_id": "a key in this cloud's key manager"},
    "backup": {
        "data_timestamp": _TIME,
        "object_count": "the objects that the driver wrote; Pike counts its list of them too, newer ones do not",
        "encryption_key_id": "a key in this cloud's key manager",
    },
    "volume_type": {
        "extra_specs.volume_backend_name": "the name of a backend of this cloud",
        "qos_specs_id": _TOLD_ELSEWHERE,
        "encryption.encryption_id": _OWN_ID,
        "encryption.volume_type_id": _OWN_ID,
        "encryption.deleted_at": _TIME,
        "encryption.created_at": _TIME,
    },
    "image": {
        "file": _LINK,
        "self": _LINK,
        "schema": _LINK,
        "direct_url": "an address in this cloud's store",
        "locations": "addresses in this cloud's stores",
        "stores": "names of this cloud's stores",
    },
    "image_member": {"schema": _LINK},
    "qos_policy": {"rules[].id": _OWN_ID, "rules[].qos_policy_id": "the policy's own id"},
    "network": {"availability_zones": "where this cloud's agents are; the hints are compared"},
    "security_group": {"security_group_rules": _TOLD_ELSEWHERE},
    "security_group_rule": {
        "project_id": "the project of whoever made the rule; the group's owner decides, and is compared",
        "tenant_id": "the project of whoever made the rule; the group's owner decides, and is compared",
    },
    "port": {
        "binding:host_id": _HOST,
        "binding:vif_type": "how this cloud's backend plugs the port",
        "binding:vif_details": "how this cloud's backend plugs the port",
        "dns_assignment": "made of dns_name, the addresses and this cloud's own domain",
        "trunk_details": "a copy of the trunk of which the port is the parent",
        "resource_request": "made of the port's QoS policy, which is compared",
        "status": "what an agent said last; the servers' states are compared",
    },
    "router": {"availability_zones": "where this cloud's agents are; the hints are compared"},
    "floatingip": {
        "port_details": "a copy of the port",
        "port_forwardings": _TOLD_ELSEWHERE,
        "status": "what an agent said last",
    },
    "trunk": {"status": "what an agent said last"},
}

# images and flavors keep their ids: the API takes them, and what users wrote down goes on to be true. A domain too.
# An EC2 credential's id is the hash of its access key.
KEEPS_ID = {"image", "flavor", "domain", "credential"}

# kinds of a snapshot that `project` does not compare
UNCOMPARED = {
    "region": "of the cloud, not of a project",
    "service": "of the cloud, not of a project",
    "endpoint": "of the cloud, not of a project",
    "endpoint_group": "of the cloud, not of a project",
    "policy": "of the cloud, not of a project",
    "consumer": "of the cloud, not of a project",
    "identity_provider": "of the cloud, not of a project",
    "mapping": "of the cloud, not of a project",
    "registered_limit": "of the cloud, not of a project",
    "aggregate": "hosts of the cloud",
    "group_type": "of the cloud; named by volume groups, which are compared",
    "metadef": "of the cloud, not of a project",
    "segment": "made by Neutron with each network, whose provider fields are compared",
    "segment_range": "of the cloud, not of a project",
    "default_rule": "of the cloud: what it puts into new security groups",
    "network_flavor": "of the cloud, not of a project",
    "service_profile": "of the cloud, not of a project",
    "attachment": "shown by the volumes and the servers too, which are compared",
    "transfer": "an offer under way, with a secret that cannot be read; a volume's state says awaiting-transfer",
    "role_inference": "of the cloud: what a role implies there",
    "flavor_access": "shown by the flavors too, which are compared; here for what is left over",
    "volume_type_access": "shown by the volume types too, which are compared; here for what is left over",
    "network_quota_row": "shown by network_quota too, which is compared; here for what is left over",
}

# what a move has to keep and no API shows: not in a snapshot, to be tried in another way
UNREADABLE = {
    "user: password": "Keystone keeps a hash and shows none; try to log in",
    "application credential: secret": "Keystone keeps a hash and shows none; try to log in",
    "user: access rules that no application credential uses": "only the user may list them",
    "server: scheduler hints before 2.100": "kept in Nova's database; the server group is compared by its members",
    "server: NICs without an address": "Nova shows their place among the others to the guest only",
    "volume, image, snapshot, backup: content": "compared by those who test volumes",
}


def _hints(value: Any) -> bool:
    """Old clouds show no hints; the only one that can be known is compared as the server group."""
    return isinstance(value, dict) and set(value) <= {"group"}


# fields that only a newer release shows: what they may say of something that an older release could make
NEWER: dict[str, dict[str, tuple[Any, ...] | Callable[[Any], bool]]] = {
    "domain": {"tags": ([],), "options": ({},)},
    "project": {"tags": ([],), "options": ({},)},
    "user": {"options": ({},), "federated": ([],), "password_expires_at": (None,)},
    # the bootstrap of newer Keystones makes the roles that it makes immutable
    "role": {"options": ({}, {"immutable": True}), "description": (None,)},
    "flavor": {"description": (None,)},
    "server": {
        "trusted_image_certificates": (None,),
        "locked_reason": (None,),
        "pinned_availability_zone": (None,),
        "scheduler_hints": _hints,
        "flavor.description": (None,),
    },
    # Pike shows delete_on_termination at the server only, where it is compared
    "server_volume": {"tag": (None,), "delete_on_termination": (True, False)},
    "server_port": {"tag": (None,)},
    "volume": {
        "consumes_quota": (True,),
        "volume_type_id": (ANYTHING,),  # the name is compared through the types
        "volume_image_metadata.signature_verified": ("False",),
    },
    "snapshot": {"consumes_quota": (True,), "user_id": (ANYTHING,)},
    "backup": {"user_id": (ANYTHING,), "metadata": ({},)},
    "image": {"os_hidden": (False,), "os_hash_algo": (ANYTHING,), "os_hash_value": (ANYTHING,)},
    "qos_policy": {"tags": ([],)},
    "network": {
        "vlan_transparent": (None, False),
        "qinq": (None, False),
        "pvlan": (False,),
        "is_default": (False,),
        "project_default": (False,),
        "l2_adjacency": (True,),
    },
    "subnet": {"dns_publish_fixed_ip": (False,), "router:external": (False,), "leak_routes": (False,)},
    "security_group": {"stateful": (True,), "shared": (False,)},
    "security_group_rule": {
        "remote_address_group_id": (None,),
        "normalized_cidr": (ANYTHING,),  # made of remote_ip_prefix
        "belongs_to_default_sg": (ANYTHING,),  # made of the group's name
        "tags": ([],),
    },
    "port": {
        "propagate_uplink_status": (True, False),  # the default was turned round between releases
        "numa_affinity_policy": (None,),
        "hints": (None,),
        "trusted": (None,),
        "device_profile": (None,),
        "hardware_offload_type": (None,),
        "qos_network_policy_id": (ANYTHING,),  # made of the network's policy, which is compared
        "pvlan_type": (None,),
        "pvlan_community": (None,),
    },
    "router": {
        "enable_ndp_proxy": (None, False),
        "conntrack_helpers": ([],),
        "enable_default_route_bfd": (None, False),
        "enable_default_route_ecmp": (None, False),
        "service_type_id": (None,),
        "evpn_vni": (None,),
        "external_gateway_info.qos_policy_id": (None,),
    },
    "floatingip": {
        "qos_policy_id": (None,),
        "qos_network_policy_id": (ANYTHING,),  # made of the external network's policy
        "distributed": (None, False),
    },
}
# quotas of what the older release did not have: the new cloud's default applies
NEWER_AT_WILL = {"network_quota", "compute_quota", "compute_user_quota", "volume_quota"}

# fields of an older release that a newer one has no more, and what they said by default
GONE: dict[str, dict[str, tuple[Any, ...]]] = {
    "server_group": {"metadata": ({},)},  # until 2.63, never settable
    "server_volume": {"id": (ANYTHING,)},  # until 2.88, the volume's id
    "volume": {"consistencygroup_id": (None,)},
    "user": {"password_expires_at": (None,)},
}

# fields of which an older release may not know the value: null there is no statement
LEARNED = {
    "image": {
        "virtual_size": "measured since Stein, null before; size and checksum are compared",
        "os_hash_algo": "computed since Rocky; size and checksum are compared",
        "os_hash_value": "computed since Rocky; size and checksum are compared",
    },
}

_OWNED: dict[str, tuple[str, ...]] = {"project_id": ("project",), "tenant_id": ("project",), "user_id": ("user",)}
_SUBNETS = ("subnet",)

# fields that name other things, by kinds; an id that is none of theirs is text
REFERENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "": _OWNED,
    "project": {"domain_id": ("domain",), "parent_id": ("project", "domain")},
    "user": {"domain_id": ("domain",), "default_project_id": ("project",)},
    "group": {"domain_id": ("domain",)},
    "role": {"domain_id": ("domain",)},
    "group_member": {"group_id": ("group",)},
    "role_assignment": {
        "role.id": ("role",),
        "user.id": ("user",),
        "group.id": ("group",),
        "scope.project.id": ("project",),
        "scope.domain.id": ("domain",),
    },
    "application_credential": {"roles[].id": ("role",), "roles[].domain_id": ("domain",)},
    "trust": {"trustor_user_id": ("user",), "trustee_user_id": ("user",), "roles[].id": ("role",)},
    "limit": {"domain_id": ("domain",)},
    "flavor": {"access[]": ("project",)},
    "volume_type": {"access[]": ("project",)},
    "server": {
        "image": ("image",),
        "flavor.id": ("flavor",),
        "OS-EXT-SRV-ATTR:kernel_id": ("image",),
        "OS-EXT-SRV-ATTR:ramdisk_id": ("image",),
        "os-extended-volumes:volumes_attached[].id": ("volume",),
        "disks[]": ("volume",),
    },
    "server_group": {"members[]": ("server",)},
    "server_volume": {"serverId": ("server",), "volumeId": ("volume",)},
    "server_port": {
        "server_id": ("server",),
        "port_id": ("port",),
        "net_id": ("network",),
        "fixed_ips[].subnet_id": _SUBNETS,
    },
    "volume": {
        "os-vol-tenant-attr:tenant_id": ("project",),
        "attachments[].server_id": ("server",),
        "volume_type_id": ("volume_type",),
        "group_id": ("volume_group",),
        "volume_image_metadata.image_id": ("image",),
        "volume_image_metadata.kernel_id": ("image",),
        "volume_image_metadata.ramdisk_id": ("image",),
    },
    "snapshot": {
        "os-extended-snapshot-attributes:project_id": ("project",),
        "volume_id": ("volume",),
        "group_snapshot_id": ("group_snapshot",),
    },
    "backup": {
        "os-backup-project-attr:project_id": ("project",),
        "volume_id": ("volume",),
        "snapshot_id": ("snapshot",),
    },
    "volume_group": {"volume_types[]": ("volume_type",)},
    "group_snapshot": {"group_id": ("volume_group",)},
    "image": {
        "owner": ("project",),
        "owner_id": ("project",),
        "base_image_ref": ("image",),
        "instance_uuid": ("server",),
        "kernel_id": ("image",),
        "ramdisk_id": ("image",),
    },
    "image_member": {"image_id": ("image",), "member_id": ("project",)},
    "subnetpool": {"address_scope_id": ("address_scope",)},
    "network": {
        "qos_policy_id": ("qos_policy",),
        "ipv4_address_scope": ("address_scope",),
        "ipv6_address_scope": ("address_scope",),
        "subnets[]": _SUBNETS,
    },
    "subnet": {"network_id": ("network",), "subnetpool_id": ("subnetpool",), "segment_id": ("segment",)},
    "security_group_rule": {
        "security_group_id": ("security_group",),
        "remote_group_id": ("security_group",),
        "remote_address_group_id": ("address_group",),
    },
    "port": {
        "network_id": ("network",),
        "fixed_ips[].subnet_id": _SUBNETS,
        "security_groups[]": ("security_group",),
        "qos_policy_id": ("qos_policy",),
        "qos_network_policy_id": ("qos_policy",),
        "device_id": ("server", "router"),
    },
    "router": {
        "external_gateway_info.network_id": ("network",),
        "external_gateway_info.external_fixed_ips[].subnet_id": _SUBNETS,
        "external_gateway_info.qos_policy_id": ("qos_policy",),
        "external_gateways[].network_id": ("network",),
        "external_gateways[].external_fixed_ips[].subnet_id": _SUBNETS,
        "external_gateways[].qos_policy_id": ("qos_policy",),
        "flavor_id": ("network_flavor",),
    },
    "floatingip": {
        "floating_network_id": ("network",),
        "port_id": ("port",),
        "router_id": ("router",),
        "qos_policy_id": ("qos_policy",),
        "qos_network_policy_id": ("qos_policy",),
    },
    "port_forwarding": {"floatingip_id": ("floatingip",), "internal_port_id": ("port",)},
    "conntrack_helper": {"router_id": ("router",)},
    "trunk": {"port_id": ("port",), "sub_ports[].port_id": ("port",)},
    "rbac": {
        "target_tenant": ("project",),
        "object_id": ("network", "qos_policy", "security_group", "address_scope", "subnetpool", "address_group"),
    },
    "metering_rule": {"metering_label_id": ("metering_label",)},
    "local_ip": {"network_id": ("network",), "local_port_id": ("port",)},
    "ndp_proxy": {"router_id": ("router",), "port_id": ("port",)},
    "vpn_service": {"router_id": ("router",), "subnet_id": _SUBNETS},
    "vpn_connection": {
        "vpnservice_id": ("vpn_service",),
        "ikepolicy_id": ("ike_policy",),
        "ipsecpolicy_id": ("ipsec_policy",),
        "local_ep_group_id": ("endpoint_set",),
        "peer_ep_group_id": ("endpoint_set",),
    },
    "endpoint_set": {"endpoints[]": ("subnet", "network", "router")},
    "firewall_group": {
        "ports[]": ("port",),
        "ingress_firewall_policy_id": ("firewall_policy",),
        "egress_firewall_policy_id": ("firewall_policy",),
    },
    "firewall_policy": {"firewall_rules[]": ("firewall_rule",)},
    "bgpvpn": {"networks[]": ("network",), "routers[]": ("router",), "ports[]": ("port",)},
    "tap_service": {"port_id": ("port",)},
    "tap_flow": {"tap_service_id": ("tap_service",), "source_port": ("port",)},
    "network_log": {"resource_id": ("security_group",), "target_id": ("port",)},
}

# ports that the services make for themselves, by device_owner
SERVICE_PORTS = {
    "network:dhcp": "Neutron's DHCP agent",
    "network:distributed": "OVN's metadata port",
    "network:router_gateway": "Neutron's, of no project; the address is compared as the router's gateway",
    "network:floatingip": "Neutron's, of no project; the address is compared as the floating IP",
    "network:router_centralized_snat": "Neutron's, of a distributed router",
    "network:ha_router_replicated_interface_ha": "Neutron's, of a highly available router",
    "network:router_ha_interface": "Neutron's, of a highly available router",
    "network:floatingip_agent_gateway": "Neutron's, of no project",
}
