"""Which storages exist, and how a volume of theirs is opened: of a text a location, of a location an open volume.

    rbd:POOL/IMAGE                      also rbd:POOL/NAMESPACE/IMAGE
    rbd:POOL/IMAGE@conf=FILE,id=USER,keyring=FILE
    file:PATH                           a raw file or a block device
    qcow2:PATH                          a qcow2 file, with its backing files if it has some

The format of a file is always given and never guessed: a guest can write a qcow2 header into its raw disk that names
any file of the host as its backing file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from naru.errors import InputError
from naru.volumes.ceph.backend import Ceph
from naru.volumes.files.backend import Files
from naru.volumes.volume import Backend, Location, Volume

BACKENDS: tuple[Backend[Any], ...] = (Ceph(), Files())
"""Every storage backend. One more is a package like `ceph` or `files`, and an entry here."""


def forms() -> str:
    """How locations are written, for help and errors."""
    return ", ".join(form for backend in BACKENDS for form in backend.forms.values())


def parse(text: str) -> Location:
    """The location that `text` spells. Raises InputError with the forms that exist."""
    scheme, _, rest = text.partition(":")
    for backend in BACKENDS:
        if scheme in backend.forms and rest:
            location: Location = backend.parse(scheme, rest)
            return location
    raise InputError(f"{text!r} is no location of a volume", hint=f"Forms: {forms()}.")


def backend_of(location: Location) -> Backend[Any]:
    """The backend of a location: what it can do is asked of it."""
    return next(backend for backend in BACKENDS if backend.location is type(location))


@contextmanager
def open_volume(location: Location, *, point: str = "", write: bool = False) -> Iterator[Volume]:
    """The volume at `location`: as it is now, or as it was at the stable point `point` (see `Point.name`).

    `write` is for `write`, `zero`, `resize`, `point` and `clean`. Raises InputError when there is no such volume or
    point, VolumeError when its storage does not answer.
    """
    volume = backend_of(location).open(location, point, write)
    try:
        yield volume
    finally:
        volume.close()
