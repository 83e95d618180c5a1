"""`tenants.yaml` as it is written: docs/reference/tenant.md has every field.

Field names are the OpenStack APIs' own. What is not written is left as it is, or to the cloud's default; `false`, `0`,
`""`, `[]` and `null` are values. Things are named, never given by id.
"""

import ipaddress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pydantic

from naru.site.secret import Secret

FORMAT = 1
"""The version of the file that is written in its first line, `naru_tenants`."""

PRUNE = {
    "members": "role assignments of declared projects and domains",
    "group_members": "users in declared groups",
    "security_group_rules": "rules of declared security groups",
    "shared_with": "projects that declared networks are shared with",
    "interfaces": "interfaces of declared routers",
    "flavor_access": "projects that may use declared flavors",
    "extra_specs": "extra specs of declared flavors and volume types",
    "volume_type_access": "projects that may use declared volume types",
    "key_pairs": "key pairs of declared users",
    "address_group_addresses": "addresses in declared address groups",
    "image_members": "projects that declared images are shared with",
}
"""What may be taken away because the file does not name it, where `prune` has its kind: all that can be put back as it
was. Nothing else is ever deleted."""


class Model(pydantic.BaseModel):
    """A part of the file. Texts are texts: a number that is a name is written in quotes."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def written(self) -> dict[str, Any]:
        """What the file says of it, and nothing else."""
        return {
            field.alias or name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set
        }


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


class DomainsName(Model):
    """A user, group or project; of the default domain where no other is named."""

    name: str
    domain: str | None = None


class ProjectsName(Model):
    """A thing of a project: of the one that names it where no other is given. `description` says which of several with
    one name is meant."""

    name: str
    project: Annotated[DomainsName, pydantic.BeforeValidator(_named)] | None = None
    description: str | None = None


class SubnetsName(Model):
    """A subnet of a project's network; the `network` is needed where several have one of this name."""

    name: str
    network: Annotated[ProjectsName, pydantic.BeforeValidator(_named)] | None = None
    description: str | None = None


ToDomain = Annotated[DomainsName, pydantic.BeforeValidator(_named)]
ToProject = Annotated[ProjectsName, pydantic.BeforeValidator(_named)]
ToSubnet = Annotated[SubnetsName, pydantic.BeforeValidator(_named)]


def _address(given: str) -> str:
    ipaddress.ip_address(given)
    return given


def _prefix(given: str) -> str:
    ipaddress.ip_network(given, strict=False)
    return given


def _network(given: str) -> str:
    ipaddress.ip_network(given)
    return given


def _whole(given: str) -> str:
    return str(ipaddress.ip_network(given))


Address = Annotated[str, pydantic.AfterValidator(_address)]
Prefix = Annotated[str, pydantic.AfterValidator(_prefix)]
Cidr = Annotated[str, pydantic.AfterValidator(_network)]
Whole = Annotated[str, pydantic.AfterValidator(_whole)]
"""A network in CIDR, as it is written whole: an address alone as one of its own."""
Limit = Annotated[int, pydantic.Field(strict=True, ge=-1)]
"""A quota: so many, or -1 for no limit."""
Amount = Annotated[int, pydantic.Field(strict=True, ge=0)]
Tags = tuple[str, ...]


# -- people


class Member(Model):
    """Who has which roles on a project or domain: a user or a group. `inherited`: not there, but on all projects
    below."""

    user: ToDomain | None = None
    group: ToDomain | None = None
    roles: tuple[str, ...] = pydantic.Field(min_length=1)
    inherited: bool = False

    @pydantic.model_validator(mode="after")
    def _one(self) -> "Member":
        if (self.user is None) == (self.group is None):
            raise ValueError("name either a user or a group")
        return self


class Domain(Model):
    name: str
    description: str | None = None
    enabled: bool = True
    members: tuple[Member, ...] = ()


class Role(Model):
    name: str


class KeyPair(Model):
    name: str
    type: Literal["ssh", "x509"] = "ssh"
    public_key: str


class User(Model):
    """`password` says where it is, for a user that is made; nobody else's is ever changed."""

    name: str
    domain: str | None = None
    description: str | None = None
    email: str | None = None
    enabled: bool = True
    default_project: ToDomain | None = None
    password: Secret | None = None
    key_pairs: tuple[KeyPair, ...] = ()


class Group(Model):
    name: str
    domain: str | None = None
    description: str | None = None
    members: tuple[ToDomain, ...] = ()


# -- what the cloud offers


class Flavor(Model):
    name: str
    id: str | None = None
    ram: Amount
    vcpus: Amount
    disk: Amount
    ephemeral: Amount = pydantic.Field(0, alias="OS-FLV-EXT-DATA:ephemeral")
    swap: Amount = 0
    rxtx_factor: float = 1.0
    is_public: bool = pydantic.Field(True, alias="os-flavor-access:is_public")
    description: str | None = None
    extra_specs: dict[str, str] = {}
    access: tuple[ToDomain, ...] = ()


class VolumeType(Model):
    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: dict[str, str] = {}
    access: tuple[ToDomain, ...] = ()


# -- what a project has


class Quotas(Model):
    """By the services' own names. One that is not written is left as it is."""

    compute: dict[str, Limit] = {}
    volume: dict[str, Limit] = {}
    network: dict[str, Limit] = {}


class Rule(Model):
    direction: Literal["ingress", "egress"] = "ingress"
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | int | None = None
    port_range_min: Amount | None = None
    port_range_max: Amount | None = None
    remote_ip_prefix: Prefix | None = None
    remote_group: ToProject | None = None
    remote_address_group: ToProject | None = None
    description: str | None = None

    @pydantic.model_validator(mode="after")
    def _sound(self) -> "Rule":
        if sum(map(bool, (self.remote_group, self.remote_ip_prefix, self.remote_address_group))) > 1:
            raise ValueError("a rule has one of remote_ip_prefix, remote_group, remote_address_group")
        if self.remote_ip_prefix and (":" in self.remote_ip_prefix) != (self.ethertype == "IPv6"):
            raise ValueError(f"remote_ip_prefix {self.remote_ip_prefix} is not {self.ethertype}: set ethertype")
        return self


class AddressGroup(Model):
    """`addresses` are networks in CIDR; one address may be written alone."""

    name: str
    description: str | None = None
    addresses: tuple[Whole, ...] = ()


class SecurityGroup(Model):
    """`rules` of a group that is made are all that it has: what Neutron puts into every new one is taken out again."""

    name: str
    description: str | None = None
    stateful: bool = True
    tags: Tags = ()
    rules: tuple[Rule, ...] | None = None


class Pool(Model):
    start: Address
    end: Address


class HostRoute(Model):
    destination: Cidr
    nexthop: Address


class Subnet(Model):
    """`gateway_ip: null` is a subnet without a gateway; one that is not written gets the first address."""

    name: str
    description: str | None = None
    cidr: Cidr
    gateway_ip: Address | None = None
    enable_dhcp: bool = True
    allocation_pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[Address, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    ipv6_address_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    service_types: tuple[str, ...] = ()
    tags: Tags = ()


class Network(Model):
    name: str
    description: str | None = None
    admin_state_up: bool = True
    mtu: Amount | None = None
    port_security_enabled: bool = True
    dns_domain: str | None = None
    shared: bool = False
    network_type: str | None = pydantic.Field(None, alias="provider:network_type")
    physical_network: str | None = pydantic.Field(None, alias="provider:physical_network")
    segmentation_id: Amount | None = pydantic.Field(None, alias="provider:segmentation_id")
    tags: Tags = ()
    shared_with: tuple[ToDomain, ...] = ()
    subnets: tuple[Subnet, ...] = ()


class Gateway(Model):
    network: ToProject
    enable_snat: bool = True


class Interface(Model):
    """With its subnet's gateway address, or with `ip_address`."""

    subnet: ToSubnet
    ip_address: Address | None = None


def _of_subnet(given: Any) -> Any:
    return {"subnet": given} if isinstance(given, str) else given


class Router(Model):
    name: str
    description: str | None = None
    admin_state_up: bool = True
    tags: Tags = ()
    gateway: Gateway | None = None
    interfaces: tuple[Annotated[Interface, pydantic.BeforeValidator(_of_subnet)], ...] = ()
    routes: tuple[HostRoute, ...] = ()


IMAGE_FIELDS = frozenset(
    (
        *("name", "disk_format", "container_format", "visibility", "min_disk", "min_ram", "protected", "os_hidden"),
        *("tags", "id", "owner", "status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size"),
        *("created_at", "updated_at", "self", "file", "schema", "locations", "direct_url", "stores"),
        *(f"owner_specified.openstack.{name}" for name in ("md5", "sha256", "object")),
    )
)
"""What Glance says of an image that is no property of it, and what clients write there of its content."""


class ImageData(Model):
    """Where the content of an image is that is made: in a file, or at a URL without a password."""

    file: str | None = None
    url: str | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> "ImageData":
        if bool(self.file) == bool(self.url):
            raise ValueError("give file or url")
        if self.url:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("url: give one that begins with https:// or http://")
            if parts.username or parts.password:
                raise ValueError("url: it may hold no user and no password")
        return self


class ImageMember(DomainsName):
    """A project that may use an image, and what it has said to that."""

    status: Literal["accepted", "pending", "rejected"] = "accepted"


class Image(Model):
    """`checksum` is that of its content, in hexadecimal: MD5, SHA-256 or SHA-512. Of several images with one name it
    says which is meant."""

    name: str
    disk_format: str
    container_format: str = "bare"
    visibility: Literal["private", "shared", "community", "public"] = "shared"
    min_disk: Amount = 0
    min_ram: Amount = 0
    protected: bool = False
    os_hidden: bool = False
    deactivated: bool = False
    tags: Tags = ()
    properties: dict[str, str] = {}
    members: tuple[Annotated[ImageMember, pydantic.BeforeValidator(_named)], ...] = ()
    checksum: Annotated[str, pydantic.Field(pattern=r"^([0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{128})$")] | None = None
    data: ImageData | None = None

    @pydantic.model_validator(mode="after")
    def _sound(self) -> "Image":
        if self.data and self.data.url and not self.checksum:
            raise ValueError("checksum is missing: what is at a URL may change")
        if self.members and self.visibility != "shared" and "visibility" in self.model_fields_set:
            raise ValueError("members: an image has some when its visibility is shared alone")
        if own := IMAGE_FIELDS & self.properties.keys():
            raise ValueError(f"properties: {', '.join(sorted(own))}: no property, or Glance's own")
        return self


class Body(Model):
    """What a project, or a class of projects, has."""

    description: str | None = None
    enabled: bool = True
    tags: Tags = ()
    quotas: Quotas = Quotas()
    members: tuple[Member, ...] = ()
    address_groups: tuple[AddressGroup, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    networks: tuple[Network, ...] = ()
    routers: tuple[Router, ...] = ()
    images: tuple[Image, ...] = ()


class Project(Body):
    """`class` names one of the file's classes, or several: what the project says itself counts before what they say,
    and a later one before an earlier."""

    name: str
    domain: str | None = None
    parent: ToDomain | None = None


class Tenants(Model):
    """The whole file, with the classes put into its projects."""

    prune: frozenset[str] = frozenset()
    domains: tuple[Domain, ...] = ()
    roles: tuple[Annotated[Role, pydantic.BeforeValidator(_named)], ...] = ()
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    flavors: tuple[Flavor, ...] = ()
    volume_types: tuple[VolumeType, ...] = ()
    projects: tuple[Project, ...] = ()
