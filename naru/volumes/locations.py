"""Where a volume's content lies: a location, and the text that spells it.

    rbd:POOL/IMAGE                      also rbd:POOL/NAMESPACE/IMAGE
    rbd:POOL/IMAGE@conf=FILE,id=USER,keyring=FILE
    file:PATH                           a raw file or a block device
    qcow2:PATH                          a qcow2 file, with its backing files if it has some

The format of a file is always said and never guessed: a guest can write a qcow2 header into its raw disk that names
any file of the host as its backing file.
"""

from dataclasses import dataclass
from pathlib import Path

from naru.errors import InputError

CEPH_CONF = "/etc/ceph/ceph.conf"
FORMS = "rbd:POOL/IMAGE[@conf=FILE,id=USER,keyring=FILE], file:PATH, qcow2:PATH"


@dataclass(frozen=True)
class Rbd:
    """An image of a Ceph cluster, and who reads or writes it. `keyring` "" is the one that `conf` names."""

    pool: str
    image: str
    conf: str = CEPH_CONF
    user: str = "admin"
    keyring: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        name = "/".join(part for part in (self.pool, self.namespace, self.image) if part)
        options = {"conf": self.conf, "id": self.user, "keyring": self.keyring}
        defaults = {"conf": CEPH_CONF, "id": "admin", "keyring": ""}
        said = ",".join(f"{key}={value}" for key, value in options.items() if value != defaults[key])
        return f"rbd:{name}@{said}" if said else f"rbd:{name}"


@dataclass(frozen=True)
class File:
    """A file or block device, `raw` or `qcow2`."""

    path: str
    format: str = "raw"

    def __str__(self) -> str:
        return f"{'file' if self.format == 'raw' else self.format}:{self.path}"


Location = Rbd | File


def parse(text: str) -> Location:
    """The location that `text` spells. Raises InputError with the forms there are."""
    kind, colon, rest = text.partition(":")
    if colon and rest and kind in ("file", "qcow2"):
        return File(str(Path(rest).absolute()), "raw" if kind == "file" else kind)
    if colon and rest and kind == "rbd":
        return _rbd(text, rest)
    raise InputError(f"{text!r} is no location of a volume", hint=f"Forms: {FORMS}.")


def _rbd(text: str, rest: str) -> Rbd:
    name, _, said = rest.partition("@")
    options: dict[str, str] = {}
    for option in said.split(",") if said else []:
        key, _, value = option.partition("=")
        if key not in ("conf", "id", "keyring") or not value:
            raise InputError(f"{text!r}: {option!r} is no option of a location", hint=f"Forms: {FORMS}.")
        options["user" if key == "id" else key] = value
    parts = name.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(f"{text!r} names no image", hint=f"Forms: {FORMS}.")
    return Rbd(parts[0], parts[-1], namespace=parts[1] if len(parts) == 3 else "", **options)
