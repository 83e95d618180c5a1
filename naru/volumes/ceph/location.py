"""Where an image of a Ceph cluster is: rbd:POOL/IMAGE, also rbd:POOL/NAMESPACE/IMAGE, and whose key is used."""

from dataclasses import dataclass

from naru.errors import InputError
from naru.volumes.volume import Location

SCHEME = "rbd"
FORMS = {SCHEME: "rbd:POOL/IMAGE[@conf=FILE,id=USER,keyring=FILE]"}
CEPH_CONF = "/etc/ceph/ceph.conf"


@dataclass(frozen=True)
class Rbd(Location):
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
        given = ",".join(f"{key}={value}" for key, value in options.items() if value != defaults[key])
        return f"{SCHEME}:{name}@{given}" if given else f"{SCHEME}:{name}"


def parse(rest: str) -> Rbd:
    """The location that is written as `rbd:rest`. Raises InputError."""
    text, hint = f"{SCHEME}:{rest}", f"Form: {FORMS[SCHEME]}."
    name, _, given = rest.partition("@")
    options: dict[str, str] = {}
    for option in given.split(",") if given else []:
        key, _, value = option.partition("=")
        if key not in ("conf", "id", "keyring") or not value:
            raise InputError(f"{text!r}: {option!r} is no option of a location", hint=hint)
        options["user" if key == "id" else key] = value
    parts = name.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(f"{text!r} names no image", hint=hint)
    return Rbd(parts[0], parts[-1], namespace=parts[1] if len(parts) == 3 else "", **options)
