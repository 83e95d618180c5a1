"""Where a Cinder volume's content lies: what Cinder says of the volume and the operator of its backends, together."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml

from naru import yamlfile
from naru.errors import InputError
from naru.volumes.locations import CEPH_CONF, File, Location, Rbd

# what of a volume's admin view says where it is
HOST = "os-vol-host-attr:host"
NAME_ID = "os-vol-mig-status-attr:name_id"
FORMAT = 1


class _Backend(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    template: str = "volume-%s"  # Cinder's volume_name_template
    place: str = ""  # of the workers that reach it; "" for none

    @pydantic.field_validator("template")
    @classmethod
    def _one_place(cls, value: str) -> str:
        if value.count("%s") != 1 or value.count("%") != 1:
            raise ValueError("must have %s once, where the id goes")
        return value


class RbdBackend(_Backend):
    """Cinder's RBD driver: rbd_pool, rbd_ceph_conf, rbd_user as this machine has them."""

    kind: Literal["rbd"]
    pool: str
    conf: str = CEPH_CONF
    user: str = "cinder"
    keyring: str = ""
    namespace: str = ""


class FileBackend(_Backend):
    """Cinder's NFS driver and its kin. `root` is a share's mount point, or the directory of all mount points
    (nfs_mount_point_base); `format` that of a volume without snapshots (nfs_qcow2_volumes)."""

    kind: Literal["file"]
    root: str
    format: Literal["raw", "qcow2"] = "raw"


Backend = Annotated[RbdBackend | FileBackend, pydantic.Field(discriminator="kind")]


class Backends(pydantic.BaseModel):
    """The operator's description of a cloud's backends. A key is what Cinder calls a backend in a volume's host:
    `BACKEND` of `HOST@BACKEND#POOL`, or `HOST@BACKEND`, or all of it where that makes a difference."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    naru_backends: int = FORMAT
    backends: dict[str, Backend]


def load(file: Path) -> Backends:
    """Reads such a description. Raises InputError that names the file and every wrong field."""
    try:
        said = yamlfile.parse(file.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read", detail=str(error)) from error
    if not isinstance(said, dict):
        hint = "naru_backends: 1, and backends: {NAME: {kind: rbd, pool: POOL}}"
        raise InputError(f"{file} does not describe backends", hint=hint)
    try:
        found = Backends.model_validate(said)
    except pydantic.ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc']))}: {_explain(item['type'], item['msg'])}" for item in error.errors()
        ]
        raise InputError(f"{file} does not describe backends", detail="\n".join(problems)) from error
    if found.naru_backends != FORMAT:
        hint = f"Write naru_backends: {FORMAT}, or use the Naru that it was written for."
        raise InputError(f"{file} is of format {found.naru_backends}, this Naru reads {FORMAT}", hint=hint)
    return found


def _explain(kind: str, message: str) -> str:
    known = {"extra_forbidden": "there is no such field; correct or remove it", "missing": "is missing; add it"}
    return known.get(kind, message.removeprefix("Value error, "))


def location(volume: Mapping[str, Any], backends: Backends) -> Location:
    """Where the content of a volume is: `volume` is Cinder's answer to an administrator (GET /volumes/ID, v3).

    The name at the backend is made of `name_id` where the volume was migrated or retyped, else of its id. For a
    file, the shares are searched, and what Cinder's `.info` file calls active is taken. Raises InputError when the
    answer is not an administrator's, the backend is not described, or the file is not there.
    """
    host = volume.get(HOST)
    if not host:
        raise InputError(
            f"volume {volume.get('id')}: Cinder does not say which backend has it",
            detail=f"its answer has no {HOST}",
            hint="Ask as an administrator; a volume that was never scheduled has no content.",
        )
    backend = described(str(host), backends)
    if backend is None:
        raise InputError(
            f"volume {volume.get('id')}: no backend of {host} is described",
            detail="described: " + (", ".join(sorted(backends.backends)) or "none"),
        )
    name = backend.template.replace("%s", str(volume.get(NAME_ID) or volume["id"]))
    if isinstance(backend, RbdBackend):
        return Rbd(backend.pool, name, backend.conf, backend.user, backend.keyring, backend.namespace)
    return _file(name, backend)


def described(host: str, backends: Backends) -> RbdBackend | FileBackend | None:
    """What is said of the backend of that name, as Cinder writes it: HOST@BACKEND#POOL."""
    with_host = host.partition("#")[0]
    for key in (host, with_host, with_host.rpartition("@")[2]):
        if key in backends.backends:
            return backends.backends[key]
    return None


def _file(name: str, backend: FileBackend) -> File:
    root = Path(backend.root)
    # when its first snapshot was deleted while a server had it, the file of the volume's own name is gone
    shares = [root, *(path for path in root.glob("*") if path.is_dir())]
    found = [share / name for share in shares if (share / name).exists() or (share / f"{name}.info").exists()]
    if len(found) != 1:
        said = "\n".join(map(str, found)) or f"neither {root} nor a directory in it has it"
        raise InputError(f"{name} is {'on several shares' if found else 'on no share'}", detail=said)
    info = Path(f"{found[0]}.info")
    if not info.exists():
        return File(str(found[0]), backend.format)
    # as Cinder's remotefs drivers write it when a volume has snapshots: the file that is written now is "active"
    try:
        active = Path(json.loads(info.read_text())["active"]).name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{info} does not say which file is active", detail=str(error)) from error
    return File(str(found[0]), backend.format) if active == name else File(str(found[0].with_name(active)), "qcow2")
