"""The networking part of a declaration."""

# ruff: noqa: RUF012  (pydantic copies defaults)

from typing import Annotated, Any, Literal

import pydantic

from naru.lab.seed.model import (
    Described,
    Model,
    Named,
    NetworkRef,
    PortRef,
    ProjectRef,
    QosRef,
    Ref,
    SecurityGroupRef,
    SubnetRef,
)


class AddressScope(Named):
    """An address scope."""

    ip_version: int = 4
    shared: bool = False


class SubnetPool(Described):
    """A subnet pool."""

    prefixes: list[str]
    default_prefixlen: int | None = None
    min_prefixlen: int | None = None
    max_prefixlen: int | None = None
    default_quota: int | None = None
    shared: bool | None = None
    address_scope: Annotated[str, Ref("address_scope")] | None = None
    tags: list[str] = []


class AddressGroup(Described):
    """An address group (from Victoria on)."""

    addresses: list[str]


class Rule(Model):
    """A rule of a security group."""

    direction: Literal["ingress", "egress"] = "ingress"
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | int | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group: SecurityGroupRef | None = None
    remote_address_group: Annotated[str, Ref("address_group")] | None = None
    description: str | None = None


class SecurityGroup(Described):
    """A security group; one named `default` is the project's own. `default_rules: false` removes the two egress rules
    that every new group has."""

    stateful: bool | None = None
    default_rules: bool = True
    rules: list[Rule] = []
    tags: list[str] = []


class QosPolicy(Described):
    """A QoS policy; every rule has a `type` (bandwidth_limit, dscp_marking, ...) beside the API's own fields."""

    shared: bool = False
    is_default: bool | None = None
    rules: list[dict[str, Any]] = []
    tags: list[str] = []


class Subnet(Described):
    """A subnet. `gateway_ip: null` is a subnet without gateway, which is not the same as an unwritten one."""

    cidr: str | None = None
    subnet_pool: Annotated[str, Ref("subnet_pool")] | None = None
    prefixlen: int | None = None
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool | None = None
    allocation_pools: list[dict[str, str]] | None = None
    dns_nameservers: list[str] = []
    host_routes: list[dict[str, str]] = []
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    service_types: list[str] = []
    tags: list[str] = []


class Network(Described):
    """A network with its subnets. `shared_with`: projects that an RBAC policy lets use it; `*` is everybody."""

    admin_state_up: bool | None = None
    port_security_enabled: bool | None = None
    mtu: int | None = None
    dns_domain: str | None = None
    qos_policy: QosRef | None = None
    network_type: Annotated[str | None, pydantic.Field(alias="provider:network_type")] = None
    physical_network: Annotated[str | None, pydantic.Field(alias="provider:physical_network")] = None
    segmentation_id: Annotated[int | None, pydantic.Field(alias="provider:segmentation_id")] = None
    shared_with: list[ProjectRef] = []
    subnets: list[Subnet] = []
    tags: list[str] = []


class FixedIp(Model):
    """An address of a port."""

    subnet: SubnetRef
    ip_address: str | None = None


class Port(Described):
    """A port. `security_groups: []` is a port without any, which is not the same as an unwritten one."""

    network: NetworkRef
    fixed_ips: list[FixedIp] = []
    mac_address: str | None = None
    security_groups: list[SecurityGroupRef] = []
    port_security_enabled: bool | None = None
    allowed_address_pairs: list[dict[str, str]] = []
    admin_state_up: bool | None = None
    dns_name: str | None = None
    extra_dhcp_opts: list[dict[str, Any]] = []
    qos_policy: QosRef | None = None
    vnic_type: Annotated[str | None, pydantic.Field(alias="binding:vnic_type")] = None
    device_owner: str | None = None
    device_id: str | None = None
    propagate_uplink_status: bool | None = None
    tags: list[str] = []


class SubPort(Model):
    """A port inside a trunk."""

    port: PortRef
    segmentation_type: str = "vlan"
    segmentation_id: int


class Trunk(Described):
    """A trunk."""

    port: PortRef
    sub_ports: list[SubPort] = []
    admin_state_up: bool | None = None
    tags: list[str] = []


class Gateway(Model):
    """A router's way out."""

    network: NetworkRef
    enable_snat: bool | None = None


class Interface(Model):
    """A router's interface: on a subnet with its gateway address, or a port with another."""

    subnet: SubnetRef | None = None
    port: PortRef | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> "Interface":
        if (self.subnet is None) == (self.port is None):
            raise ValueError("give either subnet or port")
        return self


class Router(Described):
    """A router."""

    admin_state_up: bool | None = None
    distributed: bool | None = None
    ha: bool | None = None
    gateway: Gateway | None = None
    interfaces: list[Interface] = []
    routes: list[dict[str, str]] = []
    tags: list[str] = []


class Forwarding(Model):
    """A port forwarding of a floating IP (from Rocky on)."""

    protocol: str
    external_port: int
    internal_port: int
    port: PortRef
    internal_ip_address: str
    description: str | None = None


class FloatingIp(Model):
    """A floating IP; having no name, it is known by its description."""

    description: str = pydantic.Field(min_length=1)
    network: NetworkRef
    port: PortRef | None = None
    fixed_ip_address: str | None = None
    dns_name: str | None = None
    dns_domain: str | None = None
    qos_policy: QosRef | None = None
    port_forwardings: list[Forwarding] = []
    tags: list[str] = []

    @property
    def ref(self) -> str:
        """What it is called."""
        return self.description
