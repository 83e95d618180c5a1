"""The same storage under both clouds: the target takes the source's content over, and nothing is copied.

`way`      which way there is: a clone (Ceph), a reflink (files), or a copy
`adopt`    the target is what the source is, in seconds, whatever its size; the source's writer has stopped
`settle`   later, while the target is in use: it becomes independent of the source, and is proved (Ceph)
`restore`  all of it taken back; the source was never written

Each may be repeated, and goes on where a call before it was killed: what is half done is recognised on the
storage itself.
"""

from typing import Literal, NamedTuple

from naru.errors import InputError
from naru.volumes import reflink
from naru.volumes.control import Control
from naru.volumes.locations import File, Location, Rbd


class Way(NamedTuple):
    """How the target gets the source's content. `why` says of a storage that both share why it is copied all the same;
    "" for storages that have nothing in common."""

    name: Literal["clone", "reflink", "copy"]
    why: str = ""


class Adopted(NamedTuple):
    """`point` is the source's last point, "" for files; `size` the target's in bytes, `shared` how many of them are
    the source's."""

    way: str
    point: str
    size: int
    shared: int


class Settled(NamedTuple):
    """`flattened` says that it was a clone or was one before; `compared` bytes were read of both then; the `digest` of
    the content at the last point (see `verify`). All of it is empty for what was no clone."""

    flattened: bool = False
    compared: int = 0
    digest: str = ""


def way(source: Location, target: Location) -> Way:
    """The way there is. Changes nothing. Raises InputError when one is not there, VolumeError when a storage fails."""
    if isinstance(source, Rbd) and isinstance(target, Rbd):
        from naru.volumes import clone

        why = clone.obstacle(source, target)
        return Way("clone") if why is None else Way("copy", why)
    if isinstance(source, File) and isinstance(target, File):
        why = reflink.obstacle(source, target)
        return Way("reflink") if why is None else Way("copy", why)
    return Way("copy")


def adopt(
    source: Location, target: Location, job: str, control: Control | None = None, *, found: Way | None = None
) -> Adopted:
    """Makes the target a clone or a reflink of the source as it is now. Nobody may have either of them open. `found` is
    the `way`, for who has just asked for it.

    `job` is part of the names of the points (naru-JOB-final). A Ceph target keeps its name, features, data pool and
    striping; what it was before is kept aside until `settle` or `restore`. Raises InputError where there is no such
    way, VolumeError when a storage fails, and when the source was written since its last point.
    """
    control = control or Control()
    found = found or way(source, target)
    if isinstance(source, Rbd) and isinstance(target, Rbd) and found.name == "clone":
        from naru.volumes import clone

        return Adopted(found.name, *clone.adopt(source, target, job, control))
    if isinstance(source, File) and isinstance(target, File) and found.name == "reflink":
        size = reflink.adopt(source, target)
        return Adopted(found.name, "", *size)
    raise InputError(
        f"{target} cannot share the content of {source}",
        detail=found.why or "they are not on one storage",
        hint="Copy it: naru volume copy.",
    )


def settle(source: Location, target: Location, job: str, control: Control | None = None) -> Settled:
    """Makes the clone independent of the source, compares what it was at the adoption with the source's last point, and
    removes that and what was kept aside. The target may be in use. Of what was no clone nothing is done.

    Raises VolumeError when a storage fails or both are not equal; then everything is kept.
    """
    if isinstance(source, Rbd) and isinstance(target, Rbd):
        from naru.volumes import clone

        return Settled(*clone.settle(source, target, job, control or Control()))
    return Settled()


def restore(source: Location | None, target: Location | None, job: str, control: Control | None = None) -> None:
    """Takes back what `adopt` and `settle` did: the target is again what it was, unless it was settled wholly: then it
    is left for Cinder to delete. No point of ours is left on either. None stands for a volume that is gone."""
    if isinstance(target, File):
        reflink.restore(target)
    if isinstance(target, Rbd):
        from naru.volumes import clone

        clone.restore(target, job, control or Control())
    if isinstance(source, Rbd):
        from naru.volumes import clone

        clone.release(source, job)
