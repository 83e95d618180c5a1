"""The declaration of a sample: what `naru lab seed` fills a cloud with.

# ruff: noqa: RUF012  (pydantic copies defaults)

Field names are those of the OpenStack APIs, and a field that is written is sent, so `false`, `0`, `""` and `null` are
said by writing them. Things refer to each other by `key`, or by name where no `key` is given; `Ref` marks the fields
that do. A reference means a thing of the same project, `PROJECT/KEY` one of another.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic


class Model(pydantic.BaseModel):
    """A part of a declaration: unknown fields are errors."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the fields `names` that the declaration has, `null` included, as the API spells them."""
        fields = type(self).model_fields
        return {
            fields[name].serialization_alias or name: _plain(getattr(self, name))
            for name in names
            if name in self.model_fields_set
        }


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(exclude_unset=True, by_alias=True)
    return [_plain(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Ref:
    """Marks a field that names a thing of `kind`; `everywhere`: of the whole cloud and not of a project."""

    kind: str
    everywhere: bool = False


UserRef = Annotated[str, Ref("user", everywhere=True)]
GroupRef = Annotated[str, Ref("group", everywhere=True)]
ProjectRef = Annotated[str, Ref("project", everywhere=True)]
FlavorRef = Annotated[str, Ref("flavor", everywhere=True)]
TypeRef = Annotated[str, Ref("volume_type", everywhere=True)]
NetworkRef = Annotated[str, Ref("network")]
SubnetRef = Annotated[str, Ref("subnet")]
PortRef = Annotated[str, Ref("port")]
SecurityGroupRef = Annotated[str, Ref("security_group")]
QosRef = Annotated[str, Ref("qos_policy")]
ImageRef = Annotated[str, Ref("image")]
VolumeRef = Annotated[str, Ref("volume")]
SnapshotRef = Annotated[str, Ref("snapshot")]


class Named(Model):
    """A thing with a name. `key`: what references call it, where names repeat or are empty."""

    name: str
    key: str | None = None

    @property
    def ref(self) -> str:
        """What references call it."""
        return self.key or self.name


class Described(Named):
    """A thing with a description, by which those of equal name are told apart."""

    description: str = ""


# -- what belongs to the whole cloud


class Role(Named):
    """A role."""


class KeyPair(Model):
    """A key pair of a user; Nova makes the keys when there is no `public_key`."""

    name: str
    type: Literal["ssh", "x509"] = "ssh"
    public_key: str | None = None


class ApplicationCredential(Model):
    """An application credential, made by the user for one project."""

    name: str
    project: ProjectRef
    description: str = ""
    roles: list[str] = []
    unrestricted: bool = False
    expires_at: str | None = None


class User(Described):
    """A user; the password is the lab's secret."""

    domain: str = "Default"
    email: str | None = None
    enabled: bool = True
    default_project: ProjectRef | None = None
    key_pairs: list[KeyPair] = []
    ec2_credentials: list[ProjectRef] = []
    application_credentials: list[ApplicationCredential] = []


class Group(Described):
    """A group of users."""

    domain: str = "Default"
    members: list[UserRef] = []


class Assignment(Model):
    """A role of a user or group on a project or a domain; `inherited` by the projects below it."""

    role: str
    user: UserRef | None = None
    group: GroupRef | None = None
    project: ProjectRef | None = None
    domain: str | None = None
    inherited: bool = False

    @pydantic.model_validator(mode="after")
    def _one_of_each(self) -> "Assignment":
        if (self.user is None) == (self.group is None):
            raise ValueError("give either user or group")
        if (self.project is None) == (self.domain is None):
            raise ValueError("give either project or domain")
        return self


class VolumeType(Described):
    """A volume type. `access`: the projects that may use a private one; `qos`: specifications associated with it."""

    is_public: bool = True
    extra_specs: dict[str, str]
    access: list[ProjectRef] = []
    qos: dict[str, str] = {}


class Flavor(Described):
    """A flavor; sizes in MiB (ram, swap) and GiB (disk, ephemeral)."""

    id: str | None = None
    ram: int
    vcpus: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    access: list[ProjectRef] = []
    extra_specs: dict[str, str] = {}


class Quotas(Model):
    """Quotas by service, as its API names them; -1 is unlimited. `users`: Nova's quotas of single users."""

    compute: dict[str, int] = {}
    volume: dict[str, int] = {}
    network: dict[str, int] = {}
    users: dict[UserRef, dict[str, int]] = {}


# -- images and volumes


class Content(Model):
    """Generated bytes of an image."""

    size_mib: int = pydantic.Field(ge=1, le=64)


class Member(Model):
    """A project an image is shared with, and what it said to that."""

    project: ProjectRef
    status: Literal["pending", "accepted", "rejected"] = "pending"


class Image(Named):
    """An image; without `content` it stays queued, a name without data. Those of equal name differ in their tags."""

    user: UserRef | None = None
    content: Content | None = None
    disk_format: Literal["raw", "qcow2"] = "raw"
    container_format: str = "bare"
    visibility: Literal["private", "shared", "community", "public"] = "private"
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    hidden: bool = False
    deactivated: bool = False
    tags: list[str] = []
    properties: dict[str, str] = {}
    members: list[Member] = []


class Snapshot(Described):
    """A snapshot of a volume, taken after one more round of writes. `attached`: only once a server has the volume."""

    metadata: dict[str, str] = {}
    attached: bool = False


class Backup(Described):
    """A backup of a volume."""

    container: str | None = None
    incremental: bool = False


class Source(Model):
    """What a volume is made from."""

    image: ImageRef | None = None
    snapshot: SnapshotRef | None = None
    volume: VolumeRef | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> "Source":
        if len(self.model_fields_set) != 1:
            raise ValueError("give one of image, snapshot, volume")
        return self


class Volume(Described):
    """A volume of `size` GiB. `pieces`: how many scattered pieces each round of writes puts into it, beside the first
    and the last block; 0 writes nothing at all."""

    user: UserRef | None = None
    size: int = pydantic.Field(ge=1)
    type: TypeRef
    source: Source | None = None
    metadata: dict[str, str] = {}
    bootable: bool | None = None
    readonly: bool = False
    image_metadata: dict[str, str] = {}
    pieces: int = pydantic.Field(default=4, ge=0, le=256)
    snapshots: list[Snapshot] = []
    backups: list[Backup] = []


# -- servers


class ServerGroup(Named):
    """A server group; `rules` exist from Nova 2.64 on."""

    user: UserRef | None = None
    policy: Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
    rules: dict[str, int] = {}


class Nic(Model):
    """An interface of a server: a port that is there, or a network in which Nova makes one."""

    port: PortRef | None = None
    network: NetworkRef | None = None
    fixed_ip: str | None = None
    tag: str | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> "Nic":
        if (self.port is None) == (self.network is None):
            raise ValueError("give either port or network")
        return self


class Disk(Model):
    """A disk a server is booted with: a volume, one that Nova makes from an image or snapshot, or a blank local one.

    `size` is in GiB, of swap in MiB."""

    volume: VolumeRef | None = None
    image: ImageRef | None = None
    snapshot: SnapshotRef | None = None
    size: int | None = None
    boot_index: int | None = -1
    delete_on_termination: bool = False
    guest_format: Literal["swap", "ext4"] | None = None
    device_name: str | None = None
    tag: str | None = None


class Attachment(Model):
    """A volume attached to the server once it runs, in the order they are written."""

    volume: VolumeRef
    device: str | None = None
    tag: str | None = None
    delete_on_termination: bool = False


State = Literal["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED_OFFLOADED", "RESCUE"]


class Server(Described):
    """A server, and the state it is left in."""

    user: UserRef | None = None
    flavor: FlavorRef
    image: ImageRef | None = None
    disks: list[Disk] = []
    networks: list[Nic] = []
    attachments: list[Attachment] = []
    key_pair: str | None = None
    user_data: str | None = None
    config_drive: bool | None = None
    metadata: dict[str, str] = {}
    tags: list[str] = []
    security_groups: list[SecurityGroupRef] = []
    server_group: Annotated[str, Ref("server_group")] | None = None
    availability_zone: str | None = None
    hostname: str | None = None
    access_ipv4: Annotated[str | None, pydantic.Field(alias="accessIPv4")] = None
    disk_config: Literal["AUTO", "MANUAL"] | None = None
    state: State = "ACTIVE"
    locked: bool = False
    locked_reason: str | None = None

    @pydantic.model_validator(mode="after")
    def _bootable(self) -> "Server":
        if not self.image and not any(disk.boot_index == 0 for disk in self.disks):
            raise ValueError("give image, or disks with one of boot_index 0")
        return self
