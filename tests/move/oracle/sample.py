"""A small project by hand, with the fields of each kind as Pike's APIs show them.

Ids begin with `o-`, for old; those of images, flavors and domains, which a move keeps, do not.
"""

from typing import Any

Items = dict[str, list[dict[str, Any]]]

_P = {"project_id": "o-shop", "tenant_id": "o-shop"}
_N = {"description": "", "tags": [], "created_at": "t0", "updated_at": "t1", "revision_number": 3, **_P}


def _group(identity: str, description: str) -> dict[str, Any]:
    return {"id": identity, "name": "web", **_N, "description": description, "security_group_rules": []}


def _rule(identity: str, group: str, **fields: Any) -> dict[str, Any]:
    empty = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id", "description")
    return {
        "id": identity,
        "security_group_id": group,
        "direction": "ingress",
        "ethertype": "IPv4",
        **dict.fromkeys(empty),
        "project_id": "o-admin",
        "tenant_id": "o-admin",
        "tags": [],
        "created_at": "t0",
        **fields,
    }


def _port(identity: str, mac: str, subnet: str, address: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "name": "",
        **_N,
        "network_id": "o-net-1",
        "mac_address": mac,
        "fixed_ips": [{"subnet_id": subnet, "ip_address": address}],
        "admin_state_up": True,
        "security_groups": [],
        "port_security_enabled": True,
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "device_id": "",
        "device_owner": "",
        "binding:host_id": "compute1",
        "binding:profile": {},
        "binding:vif_type": "ovs",
        "binding:vif_details": {"port_filter": True},
        "binding:vnic_type": "normal",
        "dns_name": "",
        "dns_domain": "",
        "dns_assignment": [{"hostname": "host", "ip_address": address, "fqdn": "host.old.lab."}],
        "data_plane_status": None,
        "ip_allocation": "immediate",
        "qos_policy_id": None,
        "status": "ACTIVE",
        **fields,
    }


def _network(identity: str, description: str, subnets: list[str], **fields: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "name": "same",
        **_N,
        "description": description,
        "subnets": subnets,
        "admin_state_up": True,
        "mtu": 1400,
        "shared": False,
        "router:external": False,
        "port_security_enabled": True,
        "dns_domain": "shop.example.",
        "qos_policy_id": None,
        "status": "ACTIVE",
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "l2_adjacency": True,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": 83,
        **fields,
    }


def _subnet(identity: str, network: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "name": "v4",
        **_N,
        "network_id": network,
        "cidr": "10.0.0.0/24",
        "ip_version": 4,
        "gateway_ip": None,
        "enable_dhcp": False,
        "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}, {"start": "10.0.0.20", "end": "10.0.0.29"}],
        "dns_nameservers": ["10.0.0.3", "10.0.0.2"],
        "host_routes": [{"destination": "172.16.0.0/16", "nexthop": "10.0.0.5"}],
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "segment_id": None,
        "service_types": [],
        **fields,
    }


def _volume(identity: str, description: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "name": "data",
        "description": description,
        "size": 1,
        "status": "available",
        "os-vol-tenant-attr:tenant_id": "o-shop",
        "os-vol-host-attr:host": "block@ceph#ceph",
        "os-vol-mig-status-attr:migstat": None,
        "os-vol-mig-status-attr:name_id": None,
        "migration_status": None,
        "provider_id": None,
        "user_id": "o-mina",
        "attachments": [],
        "availability_zone": "nova",
        "bootable": "false",
        "encrypted": False,
        "multiattach": False,
        "metadata": {"purpose": "database", "empty": "", "zero": "0"},
        "snapshot_id": None,
        "source_volid": None,
        "consistencygroup_id": None,
        "group_id": None,
        "replication_status": None,
        "volume_type": "ceph",
        "created_at": "t0",
        **fields,
    }


def pike() -> Items:
    """The old cloud's items by kind, each with the fields that Pike shows."""
    root = _volume(
        "o-vol-root",
        "boots",
        name="root",
        status="in-use",
        bootable="true",
        metadata={"readonly": "False", "attached_mode": "rw"},
        volume_image_metadata={"image_id": "image-1", "hw_firmware_type": "uefi", "note": ""},
        attachments=[
            {
                "server_id": "o-srv",
                "device": "/dev/vda",
                "attachment_id": "o-att",
                "attached_at": "t0",
                "host_name": None,
                "volume_id": "o-vol-root",
                "id": "o-vol-root",
            }
        ],
    )
    shop = {"id": "o-shop", "name": "shop", "description": "", "enabled": True, "is_domain": False}
    mac = "fa:16:3e:00:00:01"
    return {
        "domain": [{"id": "default", "name": "Default", "description": "", "enabled": True}],
        "project": [
            {**shop, "parent_id": "default", "domain_id": "default"},
            {**shop, "id": "o-admin", "name": "admin", "parent_id": "default", "domain_id": "default"},
        ],
        "user": [
            {
                "id": "o-mina",
                "name": "mina",
                "domain_id": "default",
                "description": "owner",
                "email": "",
                "enabled": True,
                "default_project_id": "o-shop",
                "options": {},
                "password_expires_at": None,
            }
        ],
        "group": [{"id": "o-dev", "name": "developers", "domain_id": "default", "description": ""}],
        "role": [{"id": "o-role", "name": "member", "domain_id": None}],
        "role_assignment": [
            {"role": {"id": "o-role"}, "user": {"id": "o-mina"}, "scope": {"project": {"id": "o-shop"}}},
            {
                "role": {"id": "o-role"},
                "group": {"id": "o-dev"},
                "scope": {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"},
            },
        ],
        "group_member": [{"group_id": "o-dev", "user_id": "o-mina"}],
        "credential": [
            {
                "id": "hash-1",
                "type": "ec2",
                "user_id": "o-mina",
                "project_id": "o-shop",
                "blob": '{"access": "a", "secret": "s"}',
            }
        ],
        "trust": [],
        "keypair": [
            {"name": "laptop", "public_key": "ssh-rsa AAA", "type": "ssh", "fingerprint": "6e:f7", "user_id": "o-mina"}
        ],
        "compute_quota": [{"project_id": "o-shop", "instances": 10, "cores": 0, "server_group_members": -1}],
        "compute_user_quota": [{"project_id": "o-shop", "user_id": "o-mina", "instances": 5}],
        "volume_quota": [{"project_id": "o-shop", "volumes": 10, "gigabytes_ceph": 150, "groups": 0}],
        "network_quota": [{"project_id": "o-shop", "network": 10, "trunk": -1}],
        "flavor": [
            {
                "id": "4711",
                "name": "private",
                "ram": 64,
                "vcpus": 1,
                "disk": 0,
                "swap": "",
                "rxtx_factor": 2.0,
                "OS-FLV-EXT-DATA:ephemeral": 1,
                "OS-FLV-DISABLED:disabled": False,
                "os-flavor-access:is_public": False,
                "extra_specs": {"hw:cpu_policy": "shared"},
                "access": ["o-shop"],
            }
        ],
        "volume_type": [
            {
                "id": "o-type",
                "name": "ceph",
                "description": "",
                "is_public": False,
                "os-volume-type-access:is_public": False,
                "qos_specs_id": "o-qos",
                "extra_specs": {"volume_backend_name": "ceph", "multiattach": "<is> True"},
                "access": ["o-shop"],
            }
        ],
        "qos_spec": [{"id": "o-qos", "name": "slow", "consumer": "front-end", "specs": {"total_iops_sec": "500"}}],
        "qos_policy": [
            {
                "id": "o-thin",
                "name": "thin",
                **_N,
                "shared": False,
                "is_default": False,
                "rules": [{"id": "o-r", "qos_policy_id": "o-thin", "type": "dscp_marking", "dscp_mark": 26}],
            }
        ],
        "address_scope": [{"id": "o-scope", "name": "company", "ip_version": 4, "shared": False, **_P}],
        "subnetpool": [
            {
                "id": "o-pool",
                "name": "offices",
                **_N,
                "prefixes": ["10.40.0.0/16"],
                "address_scope_id": "o-scope",
                "ip_version": 4,
                "default_prefixlen": "26",
                "min_prefixlen": "24",
                "max_prefixlen": "28",
                "default_quota": None,
                "is_default": False,
                "shared": False,
            }
        ],
        "network": [
            _network("o-net-1", "first", ["o-sub-1"], qos_policy_id="o-thin"),
            _network("o-net-2", "second", ["o-sub-2"], admin_state_up=False),
            _network(
                "o-ext", "", ["o-sub-ext"], name="public", **{"router:external": True}, **dict.fromkeys(_P, "o-admin")
            ),
        ],
        "subnet": [
            _subnet("o-sub-1", "o-net-1"),
            _subnet("o-sub-2", "o-net-2"),
            _subnet("o-sub-ext", "o-ext", cidr="198.18.0.0/24", **dict.fromkeys(_P, "o-admin")),
        ],
        "security_group": [_group("o-sg-1", "names itself"), _group("o-sg-2", "names the first")],
        "security_group_rule": [
            _rule("o-rule-1", "o-sg-1", remote_group_id="o-sg-1", protocol="tcp", port_range_min=1, port_range_max=9),
            _rule("o-rule-2", "o-sg-2", remote_group_id="o-sg-1"),
            _rule("o-rule-3", "o-sg-2", direction="egress", remote_ip_prefix="0.0.0.0/0", description=""),
        ],
        "port": [
            _port(
                "o-port-1",
                mac,
                "o-sub-1",
                "10.0.0.5",
                name="web",
                security_groups=["o-sg-2", "o-sg-1"],
                allowed_address_pairs=[{"ip_address": "10.0.0.10", "mac_address": mac}],
                extra_dhcp_opts=[{"opt_name": "bootfile-name", "opt_value": "x", "ip_version": 4}],
                device_id="o-srv",
                device_owner="compute:nova",
            ),
            _port(
                "o-port-2",
                "fa:16:3e:00:00:02",
                "o-sub-2",
                "10.0.0.6",
                network_id="o-net-2",
                device_id="o-srv",
                device_owner="compute:nova",
                port_security_enabled=False,
            ),
            _port(
                "o-port-3",
                "fa:16:3e:00:00:03",
                "o-sub-1",
                "10.0.0.1",
                device_id="o-router",
                device_owner="network:router_interface",
            ),
            _port(
                "o-port-4", "fa:16:3e:00:00:04", "o-sub-1", "10.0.0.2", device_owner="network:dhcp", device_id="dhcp"
            ),
            _port("o-port-5", "fa:16:3e:00:00:05", "o-sub-1", "10.0.0.7", device_owner="keepalived", device_id="a"),
        ],
        "router": [
            {
                "id": "o-router",
                "name": "edge",
                **_N,
                "admin_state_up": True,
                "status": "ACTIVE",
                "distributed": False,
                "ha": False,
                "flavor_id": None,
                "availability_zones": ["nova"],
                "availability_zone_hints": [],
                "routes": [{"destination": "10.200.0.0/16", "nexthop": "10.0.0.5"}],
                "external_gateway_info": {
                    "network_id": "o-ext",
                    "enable_snat": False,
                    "external_fixed_ips": [{"subnet_id": "o-sub-ext", "ip_address": "198.18.0.9"}],
                },
            }
        ],
        "floatingip": [
            {
                "id": "o-fip",
                **_N,
                "floating_network_id": "o-ext",
                "floating_ip_address": "198.18.0.10",
                "port_id": "o-port-1",
                "fixed_ip_address": "10.0.0.5",
                "router_id": "o-router",
                "dns_name": "",
                "dns_domain": "",
                "status": "DOWN",
            }
        ],
        "trunk": [
            {
                "id": "o-trunk",
                "name": "uplink",
                **_N,
                "admin_state_up": True,
                "port_id": "o-port-5",
                "status": "DOWN",
                "sub_ports": [{"port_id": "o-port-2", "segmentation_id": 100, "segmentation_type": "vlan"}],
            }
        ],
        "rbac": [
            {
                "id": "o-rbac",
                "object_type": "network",
                "object_id": "o-net-1",
                "action": "access_as_shared",
                "target_tenant": "o-admin",
                **_P,
            }
        ],
        "image": [
            {
                "id": "image-1",
                "name": "base",
                "owner": "o-shop",
                "visibility": "shared",
                "status": "active",
                "protected": False,
                "min_disk": 0,
                "min_ram": 64,
                "size": 4,
                "virtual_size": None,
                "checksum": "ada1",
                "disk_format": "raw",
                "container_format": "bare",
                "tags": ["b", "a"],
                "note": "",
                "base_image_ref": "image-1",
                "instance_uuid": "o-srv",
                "file": "/v2/images/image-1/file",
                "locations": [{"url": "file:///old", "metadata": {}}],
            }
        ],
        "image_member": [{"image_id": "image-1", "member_id": "o-admin", "status": "accepted", "created_at": "t0"}],
        "server": [
            {
                "id": "o-srv",
                "name": "db",
                "tenant_id": "o-shop",
                "user_id": "o-mina",
                "status": "ACTIVE",
                "description": "",
                "metadata": {"empty": "", "role": "database"},
                "tags": ["db"],
                "locked": True,
                "config_drive": "True",
                "accessIPv4": "",
                "accessIPv6": "",
                "key_name": "laptop",
                "image": "",
                "flavor": {"id": "4711", "original_name": "private", "ram": 64, "swap": 0, "extra_specs": {}},
                "security_groups": [{"name": "web"}],
                "addresses": {
                    "same": [
                        {"OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:02", "addr": "10.0.0.6"},
                        {"OS-EXT-IPS-MAC:mac_addr": mac, "addr": "10.0.0.5"},
                    ]
                },
                "os-extended-volumes:volumes_attached": [
                    {"id": "o-vol-root", "delete_on_termination": False},
                    {"id": "o-vol-1", "delete_on_termination": True},
                ],
                "OS-EXT-STS:vm_state": "active",
                "OS-EXT-STS:task_state": None,
                "OS-EXT-STS:power_state": 1,
                "OS-EXT-AZ:availability_zone": "nova",
                "OS-EXT-SRV-ATTR:host": "compute1",
                "OS-EXT-SRV-ATTR:hostname": "db",
                "OS-EXT-SRV-ATTR:user_data": "I2Nsb3Vk",
                "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
                "OS-EXT-SRV-ATTR:kernel_id": "",
                "OS-DCF:diskConfig": "MANUAL",
                "hostId": "cbb7",
                "created": "t0",
                "updated": "t1",
            }
        ],
        "server_group": [
            {
                "id": "o-sgrp",
                "name": "apart",
                "policies": ["anti-affinity"],
                "members": ["o-srv"],
                "metadata": {},
                "project_id": "o-shop",
                "user_id": "o-mina",
            }
        ],
        "server_volume": [
            {"id": "o-vol-root", "volumeId": "o-vol-root", "serverId": "o-srv", "device": "/dev/vda"},
            {"id": "o-vol-1", "volumeId": "o-vol-1", "serverId": "o-srv", "device": "/dev/vdb"},
        ],
        "server_port": [
            {
                "server_id": "o-srv",
                "port_id": "o-port-1",
                "net_id": "o-net-1",
                "mac_addr": mac,
                "port_state": "ACTIVE",
                "fixed_ips": [{"subnet_id": "o-sub-1", "ip_address": "10.0.0.5"}],
            }
        ],
        "volume": [
            root,
            _volume(
                "o-vol-1",
                "first of two",
                status="in-use",
                attachments=[{"server_id": "o-srv", "device": "/dev/vdb", "id": "o-vol-1"}],
            ),
            _volume("o-vol-2", "second of two", metadata={"readonly": "True"}),
        ],
        "snapshot": [
            {
                "id": "o-snap",
                "name": "before",
                "description": "",
                "size": 1,
                "status": "available",
                "volume_id": "o-vol-1",
                "metadata": {"ticket": "42"},
                "os-extended-snapshot-attributes:project_id": "o-shop",
                "os-extended-snapshot-attributes:progress": "100%",
                "user_id": "o-mina",
                "created_at": "t0",
            }
        ],
        "backup": [
            {
                "id": "o-back",
                "name": "weekly",
                "description": None,
                "size": 1,
                "status": "available",
                "volume_id": "o-vol-2",
                "snapshot_id": None,
                "container": "vault",
                "is_incremental": False,
                "object_count": 1,
                "os-backup-project-attr:project_id": "o-shop",
                "data_timestamp": "t0",
            }
        ],
    }
