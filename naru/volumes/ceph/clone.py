"""Images of one Ceph cluster: the target becomes a clone of the source's last point, and later independent of it.

Beside the target's image, in its pool, are two images with names of our own while that is done:

    naru-new-IMAGE     the clone until it is whole
    naru-empty-IMAGE   what the target was before

    target  new        empty      what was done
    old     -, half    -          nothing that counts: the point and the clone are made anew
    -       whole      old        the old one put aside
    clone   -          old        cloned
    alone   -          old        independent; compared as soon as the target has our point no more
    alone   -          -          finished

A rename that was killed leaves an image under two names, of which the pool's directory knows one. Removed images go
through Ceph's trash, where one whose removal was killed is found.

The clone is of format 2: its parent needs no protection, and the target's key needs no more of the source's pool than
`profile rbd-read-only`. A snapshot of the clone, of its first instant, is what is compared later, while servers write.

librbd enters an object in the clone's map before it copies it there, and a later flattening leaves out what the map
has: when the first one is killed in between, the next one takes the parent away from objects that were never copied
(seen with librbd 16.2.15: all of a small volume was lost). So while a clone is flattened, the object naru-flatten.ID in
its pool says so. Who finds that goes on without maps, and makes them anew in the end.
"""

import errno
import functools
from collections.abc import Callable
from dataclasses import replace

from naru.errors import InputError
from naru.volumes.blocks import BLOCK, Buffer
from naru.volumes.ceph.cluster import connected, disconnected
from naru.volumes.ceph.librbd import DEEP_FLATTEN, LAYERING, CephError
from naru.volumes.ceph.location import Rbd
from naru.volumes.ceph.pool import Pool, interruptible, opened_image, opened_pool
from naru.volumes.control import Control, no_tick
from naru.volumes.volume import OTHER, PREFIX, Clone, Flattening, VolumeError

FORBIDDEN = (errno.EPERM, errno.EACCES)


def one_cluster(source: Rbd, target: Rbd) -> bool:
    """Whether both images are in one cluster."""
    return _cluster(source.conf, source.user, source.keyring) == _cluster(target.conf, target.user, target.keyring)


def obstacle(source: Rbd, target: Rbd) -> str:
    """Why the target cannot be a clone of the source, which is in the same cluster; "" when it can."""
    with opened_pool(target) as here:
        if (source.pool, source.namespace, source.image) == (target.pool, target.namespace, target.image):
            raise InputError(f"{source} is the source and the target", hint="Give two volumes.")
        if source.namespace or target.namespace:
            return "namespaces of pools are not cloned"
        if here.id(_empty(target).image):
            return ""  # it has begun
    with opened_image(target) as volume:
        if any(point.name.startswith(OTHER) for point in volume.points(every=True)):
            return f"{target} has snapshots"  # they would not be the clone's
        if missing := (LAYERING | DEEP_FLATTEN) & ~volume.layout().features:
            return f"{target} lacks the feature {'layering' if missing & LAYERING else 'deep-flatten'}"
    with opened_image(source) as volume:
        if not volume.layout().features & LAYERING:
            return f"{source} lacks the feature layering"
    return _unreadable(source, target)


@functools.cache
def _cluster(conf: str, user: str, keyring: str) -> str:
    """The cluster's own id. Asked for once: volumes are many, and each asks in the window."""
    cluster = connected(Rbd("", "", conf, user, keyring), own=True)
    try:
        return cluster.fsid()
    finally:
        disconnected(cluster)


def _unreadable(source: Rbd, target: Rbd) -> str:
    """Why the target's key cannot clone the source, or read what that is a clone of; "" when it can."""
    seen, buffer = _seen(source, target), Buffer(BLOCK)
    who, what = f"the key of client.{target.user}", f"{source.pool}/{source.image}"
    try:
        with opened_image(seen) as volume, opened_pool(seen) as pool:
            # of an object that does not exist the parent's is read
            volume.read(buffer, 0, 0, min(BLOCK, volume.size())).wait(no_tick)
            code = pool.ask_to_clone(volume.id())
    except CephError as error:
        if error.errno not in FORBIDDEN:
            raise
        return f"{who} cannot read {what} or what that is a clone of"
    if -code in FORBIDDEN:
        return f"{who} may not clone {what}"
    return "the cluster is older than Mimic" if code == -errno.EOPNOTSUPP else ""


def clone(source: Rbd, target: Rbd, job: str, control: Control) -> Clone:
    """See `Backend.clone`."""
    new, empty, point = _new(target), _empty(target), _final(job)
    with opened_pool(target) as here:
        here.mend(target, new, empty)
        if here.id(empty.image):
            _see_that_nothing_changed(source, point)
        else:
            _make(here, source, target, point, control)
            here.rename(target, empty)
        if not here.id(target.image):
            _prove(source, new, point)
            here.rename(new, target)
        return Clone(point, *_prove(source, target, point))


def _make(here: Pool, source: Rbd, target: Rbd, point: str, control: Control) -> None:
    """A clone of the source as it is now, under its name of our own."""
    new = _new(target)
    with opened_image(target) as volume:
        layout, size = volume.layout(), volume.size()
    here.remove(new, control)
    with opened_image(source, write=True) as volume:
        if (need := volume.size()) > size:
            raise InputError(
                f"{target} is too small: {size} bytes for the {need} of {source}", hint="Extend it with Cinder."
            )
        volume.clean(point)  # of a call that was killed: the source may have been written since
        volume.point(point)
    here.clone(_seen(source, target), point, new, layout)
    with opened_image(new, write=True) as volume:
        volume.resize(size)
        volume.point(point)
    _prove(source, new, point)


def _prove(source: Rbd, target: Rbd, point: str) -> tuple[int, int]:
    """Sees that the image is a clone of the source's point, of all of it, and that the source knows it. Returns its
    size and the point's. One that is independent already, with our point on it, was such a clone."""
    # as the target's client reaches it: the source's key need not see the target's pool
    with opened_image(_seen(source, target), point=point) as parent, opened_image(target) as child:
        size, need = child.size(), parent.size()
        found, marked = child.parent(), child.snapshot_id(point)
        if found is None and marked:
            return size, need
        wanted = (source.pool, parent.id(), parent.snapshot_id(point), need)
        if not marked or found is None or tuple(found) != wanted or child.id() not in parent.children():
            raise VolumeError(
                f"{target} is no clone of the last point of {source}",
                detail=f"its parent is {tuple(found) if found else 'none'}, not {wanted}",
                hint="Undo it (naru volume clone --undo), then clone it again.",
            )
        return size, need


def _see_that_nothing_changed(source: Rbd, point: str) -> None:
    with opened_image(source) as volume:
        if not volume.snapshot_id(point):
            raise VolumeError(
                f"{source} has its last point {PREFIX}{point} no more",
                hint="Undo it (naru volume clone --undo), then clone it again.",
            )
        if volume.data(0, volume.size(), point):
            raise VolumeError(
                f"{source} was written since its last point {PREFIX}{point}",
                hint="Stop its server, undo it (naru volume clone --undo), then clone it again.",
            )


def flatten(target: Rbd, job: str, control: Control) -> Flattening:
    """See `Backend.flatten`."""
    new, empty, point = _new(target), _empty(target), _final(job)
    with opened_pool(target) as here:
        here.mend(target, new, empty)
        kept = bool(here.id(empty.image))
        if kept and not here.id(target.image):
            raise VolumeError(f"{target} is not cloned yet", hint="naru volume clone goes on.")
        with opened_image(target) as volume:
            marked, child, identity = bool(volume.snapshot_id(point)), volume.parent(), volume.id()
            maps = volume.maps()
        if not (kept or marked):
            return Flattening(False, "")
        if child:
            again = here.noted(identity) is not None
            if not again:
                here.note(identity, maps)
            _flatten(target, again, control)
        return Flattening(True, point if marked else "")


def finish(source: Rbd | None, target: Rbd, job: str, control: Control) -> None:
    """See `Backend.finish_clone`."""
    if source is not None:
        release(target, job)  # once it has no such point, it has been compared
        release(source, job)
    with opened_pool(target) as here:
        here.remove(_empty(target), control)
        identity = here.id(target.image)
        if (wanted := here.noted(identity)) is not None:
            _make_maps(target, wanted, control)
            here.forget(identity)


def _flatten(target: Rbd, again: bool, control: Control) -> None:
    def work(progress: Callable[[int, int], bool]) -> None:
        with opened_image(target, write=True) as volume:
            size = volume.size()
            if again:
                volume.drop_maps()
            volume.flatten(lambda done, total: progress(done * size // max(1, total), size))

    interruptible(work, control)


def _make_maps(target: Rbd, wanted: int, control: Control) -> None:
    def work(progress: Callable[[int, int], bool]) -> None:
        with opened_image(target, write=True) as volume:
            volume.make_maps(wanted, progress)

    interruptible(work, control)


def undo(target: Rbd, job: str, control: Control) -> None:
    """See `Backend.undo_clone`."""
    new, empty = _new(target), _empty(target)
    with opened_pool(target) as here:
        here.mend(target, new, empty)
        if here.id(empty.image):
            if here.id(target.image):
                release(target, job)  # so that nobody takes what servers wrote for a clone that is to be put in place
                here.rename(target, new)
            here.rename(empty, target)
        here.remove(new, control)
        here.remove(empty, control)
        if here.id(target.image):
            release(target, job)


def release(location: Rbd, job: str) -> None:
    """See `Backend.release`; the last point of either side."""
    with opened_image(location) as volume:
        existing, unfinished = volume.snapshot_id(_final(job)), volume.unfinished()
    if not existing and not unfinished:
        return
    clones: list[str] = []
    if existing:
        with opened_image(location, point=_final(job)) as volume:
            clones = volume.children()
    if clones:
        raise VolumeError(
            f"{location} has clones of its point {PREFIX}{_final(job)}: {', '.join(clones)}",
            hint="Flatten them (rbd flatten), or delete them.",
        )
    with opened_image(location, write=True) as volume:
        volume.clean(_final(job))


# -- names


def _final(job: str) -> str:
    return f"{job}-final"


def _new(target: Rbd) -> Rbd:
    return replace(target, image=f"{PREFIX}new-{target.image}")


def _empty(target: Rbd) -> Rbd:
    return replace(target, image=f"{PREFIX}empty-{target.image}")


def _seen(source: Rbd, target: Rbd) -> Rbd:
    """The source, as the target's client reaches it."""
    return replace(source, conf=target.conf, user=target.user, keyring=target.keyring)
