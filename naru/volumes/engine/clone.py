"""The same storage under both clouds: the target is made a clone of the source, and nothing is copied.

`method`   how the target can get the source's content: as a clone (Ceph), a reflink (files), or by a copy
`clone`    the target is what the source is, in seconds, whatever its size; the source's writer has stopped
`flatten`  later, while the target is in use: it becomes independent of the source, and both are compared (Ceph)
`undo`     all of it undone; the source was never written

Each may be repeated, and goes on where a call before it was killed: what is half done is recognised on the
storage itself. How it is done is the backend's part (see `naru.volumes.volume.Backend`).
"""

from typing import NamedTuple

from naru.errors import InputError
from naru.volumes.control import Control
from naru.volumes.engine.verify import verify
from naru.volumes.open import backend_of
from naru.volumes.volume import Location, VolumeError

COPY = "copy"


class Method(NamedTuple):
    """How the target gets the source's content. `name` is what the backend calls its clones (see `Backend.clones_as`),
    or COPY. `why` says of a storage that both share why it is copied all the same; "" for storages that have nothing
    in common."""

    name: str
    why: str = ""


class Cloned(NamedTuple):
    """`way` is the method's name; `point` the source's last point, "" for files; `size` the target's in bytes, `shared`
    how many of them are the source's."""

    way: str
    point: str
    size: int
    shared: int


class Flattened(NamedTuple):
    """`flattened` says that it was a clone or was one before; `compared` bytes were read of both then; the `digest` of
    the content at the last point (see `verify`). All of it is empty for what was no clone."""

    flattened: bool = False
    compared: int = 0
    digest: str = ""


def method(source: Location, target: Location) -> Method:
    """How the target can get the source's content. Changes nothing. Raises InputError when one of them does not exist,
    VolumeError when a storage fails."""
    backend = backend_of(target)
    if backend_of(source) is not backend or not backend.shares_storage(source, target):
        return Method(COPY)
    why = backend.clone_obstacle(source, target)
    return Method(COPY, why) if why else Method(backend.clones_as)


def clone(
    source: Location, target: Location, job: str, control: Control | None = None, *, found: Method | None = None
) -> Cloned:
    """Makes the target a clone or a reflink of the source as it is now. Nobody may have either of them open. `found` is
    the `method`, for who has just asked for it.

    `job` is part of the names of the points (naru-JOB-final). A Ceph target keeps its name, features, data pool and
    striping; what it was before is kept aside until `flatten` or `undo`. Raises InputError where neither can be made,
    VolumeError when a storage fails, and when the source was written since its last point.
    """
    found = found or method(source, target)
    if found.name == COPY:
        raise InputError(
            f"{target} cannot share the content of {source}",
            detail=found.why or "they are not on one storage",
            hint="Copy it: naru volume copy.",
        )
    return Cloned(found.name, *backend_of(target).clone(source, target, job, control or Control()))


def flatten(source: Location, target: Location, job: str, control: Control | None = None) -> Flattened:
    """Makes the clone independent of the source, compares what it was when it was made with the source's last point,
    and removes that and what was kept aside. The target may be in use. Of what was no clone nothing is done.

    Raises VolumeError when a storage fails or both are not equal; then everything is kept.
    """
    control, backend = control or Control(), backend_of(target)
    if backend_of(source) is not backend:
        return Flattened()
    done = backend.flatten(target, job, control)
    compared, digest = 0, ""
    if done.point:
        found = verify(source, target, point=done.point, target_point=done.point, control=control)
        if not found.equal:
            raise VolumeError(
                f"{target} was not what {source} was",
                detail=found.listed(),
                hint="The source is untouched: move it back, and see the health of the storage.",
            )
        compared, digest = found.read, found.source_digest
    backend.finish_clone(source if done.cloned else None, target, job, control)
    return Flattened(done.cloned, compared, digest)


def undo(source: Location | None, target: Location | None, job: str, control: Control | None = None) -> None:
    """Undoes `clone` and `flatten`: the target is again what it was, unless it was flattened wholly: then it is left
    for Cinder to delete. No point of ours is left on either. None stands for a volume that is gone."""
    if target is not None:
        backend_of(target).undo_clone(target, job, control or Control())
    if source is not None:
        backend_of(source).release(source, job)
