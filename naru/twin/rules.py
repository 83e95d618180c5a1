"""What may not stay in a copy of a site's databases: secrets, and where things of the site are reached. The list below
is in the order in which it is applied; what a release has not is passed over."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
NOWHERE = f"http://{LOOPBACK}:9/"
"""The port of the discard protocol: nobody listens there."""
PAST = "1970-01-01 00:00:01"
NOVA = "nova"
"""Stands for the schema of each of Nova's cells."""


@dataclass(frozen=True)
class Rule:
    """What becomes of a table's rows, all or those `where` an SQL condition is true: columns get the SQL expression
    that `sets` has for them, without any the rows are deleted. Tables with archived rows of it are treated alike."""

    schema: str
    table: str
    why: str
    sets: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


_CONNECTION = (
    """CONCAT('{"driver_volume_type": "fake", "serial": "', volume_id, """
    """'", "data": {"volume_id": "', volume_id, '"}}')"""
)
_ENDPOINTS = "agents say it anew when they start"

RULES = (
    # Keystone
    Rule("keystone", "password", "no password of the site is good here; the twin's own users get new ones"),
    Rule("keystone", "credential", "keys of EC2, and second factors: the site's keys could not open them anyhow"),
    Rule(
        "keystone",
        "application_credential",
        "disabled: no secret, and expired",
        {"secret_hash": "'!'", "expires_at": "1"},
    ),
    Rule("keystone", "trust", "disabled: as after their removal", {"deleted_at": f"'{PAST}'"}),
    Rule("keystone", "request_token", "OAuth"),
    Rule("keystone", "access_token", "OAuth"),
    Rule("keystone", "consumer", "OAuth", {"secret": "'!'"}),
    Rule("keystone", "token", "UUID tokens of users"),
    Rule("keystone", "sensitive_config", "passwords of domains' directories"),
    Rule("keystone", "whitelisted_config", "addresses of domains' directories"),
    Rule("keystone", "idp_remote_ids", "nobody logs in by another identity provider"),
    Rule("keystone", "identity_provider", "the same", {"enabled": "0"}),
    Rule(
        "keystone",
        "service_provider",
        "other Keystones",
        {"enabled": "0", "auth_url": f"'{NOWHERE}'", "sp_url": f"'{NOWHERE}'"},
    ),
    # Nova, in each cell
    Rule(NOVA, "console_auth_tokens", "tokens of consoles, and where these are"),
    Rule(NOVA, "consoles", "passwords of consoles"),
    Rule(NOVA, "console_pools", "passwords of consoles"),
    Rule(NOVA, "instances", "users put passwords and keys there", {"user_data": "NULL"}),
    Rule(
        NOVA,
        "instance_system_metadata",
        "passwords of servers, encrypted with their users' keys",
        where="`key` LIKE 'password\\_%'",
    ),
    Rule(
        NOVA,
        "block_device_mapping",
        "where storage is reached, with its users and keys",
        {"connection_info": _CONNECTION},
        where="connection_info IS NOT NULL AND volume_id IS NOT NULL",
    ),
    Rule(
        NOVA,
        "block_device_mapping",
        "the same, of what is no volume",
        {"connection_info": "NULL"},
        where="connection_info IS NOT NULL AND volume_id IS NULL",
    ),
    Rule(NOVA, "share_mapping", "where shares are", {"export_location": "''"}),
    Rule(NOVA, "compute_nodes", "where compute hosts are reached", {"host_ip": f"'{LOOPBACK}'"}),
    Rule(
        NOVA,
        "services",
        "APIs are recorded by the addresses at which they listen; the twin's own record themselves",
        where="`binary` IN ('nova-osapi_compute', 'nova-metadata')",
    ),
    Rule(NOVA, "instance_faults", "traces of errors, with URLs and what libraries were given", {"details": "NULL"}),
    Rule(NOVA, "instance_actions_events", "the same", {"traceback": "NULL", "details": "NULL"}),
    Rule(NOVA, "agent_builds", "where agents are fetched, with a login perhaps", {"url": "NULL"}),
    Rule(NOVA, "migrations", "where compute hosts are reached", {"dest_host": "NULL"}),
    Rule(NOVA, "cells", "cells as they were before Pike", {"api_url": "NULL", "transport_url": "''"}),
    Rule("nova_api", "build_requests", "servers that were just being made, with their user data"),
    # Cinder
    Rule(
        "cinder",
        "volumes",
        "where storage is reached, and what its replication needs",
        {"provider_location": "NULL", "provider_auth": "NULL", "replication_driver_data": "NULL"},
    ),
    Rule("cinder", "backups", "where backups are, with keys of some drivers", {"service_metadata": "NULL"}),
    Rule("cinder", "snapshots", "where storage is reached", {"provider_location": "NULL", "provider_auth": "NULL"}),
    Rule(
        "cinder",
        "volume_attachment",
        "where storage and hosts are reached, with users and keys",
        {"connection_info": "'{}'"},
        where="connection_info IS NOT NULL",
    ),
    Rule("cinder", "volume_attachment", "the same", {"connector": "'{}'"}, where="connector IS NOT NULL"),
    Rule("cinder", "attachment_specs", "the same, by keys"),
    Rule("cinder", "driver_initiator_data", "secrets of iSCSI"),
    Rule("cinder", "transfers", "keys by which volumes are taken over", {"crypt_hash": "'!'", "salt": "'!'"}),
    # Glance; {images} is where the twin has its own, {meta} what it knows of a location besides
    Rule(
        "glance",
        "image_locations",
        "where storage is reached, with users and keys",
        {"value": "CONCAT('file://{images}/', image_id)", "meta_data": "'{meta}'"},
    ),
    Rule("glance", "artifact_blob_locations", "the same, of clouds that are older than Pike"),
    Rule("glance", "task_info", "where images were taken from", {"input": "NULL", "result": "NULL"}),
    Rule("glance", "cached_images", "what other hosts have"),
    Rule("glance", "node_reference", "where other hosts are reached"),
    # Neutron
    Rule("neutron", "ipsec_site_connections", "keys of VPNs", {"psk": "'!'"}),
    Rule("neutron", "bgp_peers", "passwords of routers", {"password": "NULL"}),
    Rule("neutron", "cisco_credentials", "logins of switches, of clouds that are older than Pike"),
    Rule("neutron", "serviceprofiles", "what drivers are given, passwords perhaps", {"metainfo": "NULL"}),
    Rule("neutron", "ml2_vxlan_endpoints", _ENDPOINTS),
    Rule("neutron", "ml2_gre_endpoints", _ENDPOINTS),
    Rule("neutron", "ml2_geneve_endpoints", _ENDPOINTS),
    Rule("neutron", "ovn_hash_ring", "servers of the site"),
)

TENANTS_OWN = frozenset(
    {
        ("neutron", "allowedaddresspairs"),
        ("neutron", "address_associations"),
        ("neutron", "dnsnameservers"),
        ("neutron", "extradhcpopts"),
        ("neutron", "firewall_rules"),
        ("neutron", "floatingips"),
        ("neutron", "ipallocationpools"),
        ("neutron", "ipallocations"),
        ("neutron", "ipamallocationpools"),
        ("neutron", "ipamallocations"),
        ("neutron", "ipamsubnets"),
        ("neutron", "local_ip_associations"),
        ("neutron", "local_ips"),
        ("neutron", "members"),
        ("neutron", "meteringlabelrules"),
        ("neutron", "ndp_proxies"),
        ("neutron", "portforwardings"),
        ("neutron", "routerroutes"),
        ("neutron", "securitygrouprules"),
        ("neutron", "subnetpoolprefixes"),
        ("neutron", "subnetroutes"),
        ("neutron", "subnets"),
        ("nova", "fixed_ips"),
        ("nova", "floating_ips"),
        ("nova", "instance_info_caches"),
    }
)
"""Tables with addresses of tenants' networks, which may be the same as the site's hosts have: to be kept, and no
service ever connects to what is in them."""

SUSPECT = r"pass|secret|psk|credential|auth|token"
"""What a column's name has in it that may hold a secret: where no rule is for it, and it is not one of the harmless, a
copy that has something there is refused."""
HARMLESS = frozenset(
    {
        ("keystone", "revocation_event", "access_token_id"),  # which was revoked: its secret is not there
        ("neutron", "bgp_peers", "auth_type"),
        ("neutron", "ikepolicies", "auth_algorithm"),
        ("neutron", "ipsec_site_connections", "auth_mode"),
        ("neutron", "ipsecpolicies", "auth_algorithm"),
        ("nova", "block_device_mapping", "encryption_secret_uuid"),  # Barbican's name of it
    }
)
"""Columns that are called so and were looked at: they hold none."""
