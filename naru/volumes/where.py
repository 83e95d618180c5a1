"""Where a Cinder volume's content is: what Cinder says of the volume and the operator of its backends, together."""

import functools
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.volumes.ceph.cinder import RbdDriver
from naru.volumes.cinder import NAME_ID, CinderBackend
from naru.volumes.files.cinder import FileDriver
from naru.volumes.volume import Location

# what of a volume's admin view says where it is
HOST = "os-vol-host-attr:host"
FORMAT = 1
DRIVERS = (RbdDriver, FileDriver)
"""How Cinder's backends of each storage are described: the field `kind` says which one it is."""


if TYPE_CHECKING:  # a union made of a list is nothing that mypy reads
    Described = CinderBackend
else:
    Described = Annotated[functools.reduce(operator.or_, DRIVERS), pydantic.Field(discriminator="kind")]


class Backends(pydantic.BaseModel):
    """The operator's description of a cloud's backends. A key is what Cinder calls a backend in a volume's host:
    `BACKEND` of `HOST@BACKEND#POOL`, or `HOST@BACKEND`, or all of it where that makes a difference."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    naru_backends: int = FORMAT
    backends: dict[str, Described]


def load(file: Path) -> Backends:
    """Reads such a description. Raises InputError that names the file and every wrong field."""
    content = yamlfile.load(file)
    if not isinstance(content, dict):
        hint = "naru_backends: 1, and backends: {NAME: {kind: rbd, pool: POOL}}"
        raise InputError(f"{file} does not describe backends", hint=hint)
    try:
        found = Backends.model_validate(content)
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


def location(volume: Mapping[str, Any], backends: Backends, *, restored: bool = False) -> Location:
    """Where the content of a volume is: `volume` is Cinder's answer to an administrator (GET /volumes/ID, v3).

    The name at the backend is made of `name_id` where the volume was migrated or retyped, else of its id. For a
    file, the shares are searched, and what Cinder's `.info` file calls active is taken. With `restored` the volume is
    one that a backup was just restored into: see `CinderBackend.confirmed`. Raises InputError when the
    answer is not an administrator's, the backend is not described, or the file does not exist.
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
    return backend.confirmed(backend.location(name), volume, restored=restored)


def described(host: str, backends: Backends) -> CinderBackend | None:
    """The description of the backend of that name, as Cinder writes it: HOST@BACKEND#POOL."""
    with_host = host.partition("#")[0]
    for key in (host, with_host, with_host.rpartition("@")[2]):
        if key in backends.backends:
            return backends.backends[key]
    return None
