"""Images of one Ceph cluster: the target becomes a clone of the source's last point, and later independent of it.

Beside the target's image, in its pool, lie two of our own names while it is done:

    naru-new-IMAGE     the clone until it is whole
    naru-empty-IMAGE   what the target was before

    target  new        empty      what was done
    old     -, half    -          nothing that counts: the point and the clone are made anew
    -       whole      old        the old one put aside
    clone   -          old        adopted
    alone   -          old        independent; compared as soon as the target has our point no more
    alone   -          -          settled

A rename that was killed leaves an image under two names, of which the pool's directory knows one. Removed images go
through Ceph's trash, where one whose removal was killed is found.

The clone is of format 2: its parent needs no protection, and the target's key needs no more of the source's pool than
`profile rbd-read-only`. A snapshot of the clone, of its first instant, is what is compared later, while servers write.

librbd enters an object in the clone's map before it copies it there, and a later flattening leaves out what the map
has: when the first one is killed in between, the next one takes the parent away from objects that were never copied
(seen with librbd 16.2.15: all of a small volume was lost). So while a clone is made independent, the object
naru-flatten.ID in its pool says so. Who finds that goes on without maps, and makes them anew in the end.
"""

import ctypes
import errno
import functools
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_size_t, c_void_p
from dataclasses import replace
from typing import Any

from naru.errors import InputError
from naru.volumes.backend import OTHER, PREFIX, VolumeError, no_tick
from naru.volumes.blocks import BLOCK, Buffer
from naru.volumes.control import Control
from naru.volumes.librbd import (
    DEEP_FLATTEN,
    INNER,
    LAYERING,
    OPTION_CLONE_FORMAT,
    OPTION_DATA_POOL,
    OPTION_FEATURES,
    OPTION_ORDER,
    OPTION_STRIPE_COUNT,
    OPTION_STRIPE_UNIT,
    Refused,
    Trashed,
    callback,
    check,
    connected,
    disconnected,
    rados,
    rbd,
)
from naru.volumes.locations import Rbd
from naru.volumes.rbd import Form, RbdVolume
from naru.volumes.verify import verify

FORBIDDEN = (errno.EPERM, errno.EACCES)
WATCHED = 60.0  # seconds within which the watch of a killed process has surely run out
ENDING = 30.0  # seconds that a step that is to stop waits for Ceph to stop


def obstacle(source: Rbd, target: Rbd) -> str | None:
    """Why the target cannot be a clone of the source; None when it can, "" when they are on two clusters."""
    if _cluster(source.conf, source.user, source.keyring) != _cluster(target.conf, target.user, target.keyring):
        return ""
    with _pool(target) as here:
        if (source.pool, source.namespace, source.image) == (target.pool, target.namespace, target.image):
            raise InputError(f"{source} is the source and the target", hint="Give two volumes.")
        if source.namespace or target.namespace:
            return "namespaces of pools are not cloned"
        if here.id(_empty(target).image):
            return None  # it has begun
    with _volume(target) as volume:
        if any(point.name.startswith(OTHER) for point in volume.points(every=True)):
            return f"{target} has snapshots"  # they would not be the clone's
        if missing := (LAYERING | DEEP_FLATTEN) & ~volume.form().features:
            return f"{target} lacks the feature {'layering' if missing & LAYERING else 'deep-flatten'}"
    with _volume(source) as volume:
        if not volume.form().features & LAYERING:
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


def _unreadable(source: Rbd, target: Rbd) -> str | None:
    """Why the target's key cannot clone the source, or read what that is a clone of; None when it can."""
    seen, buffer = _seen(source, target), Buffer(BLOCK)
    who, what = f"the key of client.{target.user}", f"{source.pool}/{source.image}"
    try:
        with _volume(seen) as volume, _pool(seen) as pool:
            # of an object that is not there it is asked for the parent's
            volume.read(buffer, 0, 0, min(BLOCK, volume.size())).wait(no_tick)
            code = pool.ask_to_clone(volume.id())
    except Refused as error:
        if error.errno not in FORBIDDEN:
            raise
        return f"{who} cannot read {what} or what that is a clone of"
    if -code in FORBIDDEN:
        return f"{who} may not clone {what}"
    return "the cluster is older than Mimic" if code == -errno.EOPNOTSUPP else None


def adopt(source: Rbd, target: Rbd, job: str, control: Control) -> tuple[str, int, int]:
    """See `naru.volumes.adopt`. Returns the point, the size, and the part of it that is the source's."""
    new, empty, point = _new(target), _empty(target), _final(job)
    with _pool(target) as here:
        here.mend(target, new, empty)
        if here.id(empty.image):
            _see_that_nothing_changed(source, point)
        else:
            _make(here, source, target, point, control)
            here.rename(target, empty)
        if not here.id(target.image):
            _prove(source, new, point)
            here.rename(new, target)
        return point, *_prove(source, target, point)


def _make(here: "_Pool", source: Rbd, target: Rbd, point: str, control: Control) -> None:
    """A clone of the source as it is now, under its name of our own."""
    new = _new(target)
    with _volume(target) as volume:
        form, size = volume.form(), volume.size()
    here.remove(new, control)
    with _volume(source, write=True) as volume:
        if (need := volume.size()) > size:
            raise InputError(
                f"{target} is too small: {size} bytes for the {need} of {source}", hint="Extend it with Cinder."
            )
        volume.clean(point)  # of a call that was killed: the source may have been written since
        volume.point(point)
    here.clone(_seen(source, target), point, new, form)
    with _volume(new, write=True) as volume:
        volume.resize(size)
        volume.point(point)
    _prove(source, new, point)


def _prove(source: Rbd, target: Rbd, point: str) -> tuple[int, int]:
    """Sees that the image is a clone of the source's point, of all of it, and that the source knows it. Returns its
    size and the point's. One that is independent already, with our point on it, was such a clone."""
    # through the target's eyes: the source's key need not see the target's pool
    with _volume(_seen(source, target), point=point) as parent, _volume(target) as child:
        size, need = child.size(), parent.size()
        found, marked = child.parent(), child.snapshot_id(point)
        if found is None and marked:
            return size, need
        wanted = (source.pool, parent.id(), parent.snapshot_id(point), need)
        if not marked or found is None or tuple(found) != wanted or child.id() not in parent.children():
            raise VolumeError(
                f"{target} is no clone of the last point of {source}",
                detail=f"its parent is {tuple(found) if found else 'none'}, not {wanted}",
                hint="Take it back (naru volume adopt --undo), then adopt it again.",
            )
        return size, need


def _see_that_nothing_changed(source: Rbd, point: str) -> None:
    with _volume(source) as volume:
        if not volume.snapshot_id(point):
            raise VolumeError(
                f"{source} has its last point {PREFIX}{point} no more",
                hint="Take it back (naru volume adopt --undo), then adopt it again.",
            )
        if volume.data(0, volume.size(), point):
            raise VolumeError(
                f"{source} was written since its last point {PREFIX}{point}",
                hint="Stop its server, take it back (naru volume adopt --undo), then adopt it again.",
            )


def settle(source: Rbd, target: Rbd, job: str, control: Control) -> tuple[bool, int, str]:
    """See `naru.volumes.adopt`. Returns whether it was a clone, how much was compared, and the digest."""
    new, empty, point = _new(target), _empty(target), _final(job)
    compared, digest = 0, ""
    with _pool(target) as here:
        here.mend(target, new, empty)
        kept = bool(here.id(empty.image))
        if kept and not here.id(target.image):
            raise VolumeError(f"{target} is not adopted yet", hint="naru volume adopt goes on.")
        with _volume(target) as volume:
            marked, child, identity = bool(volume.snapshot_id(point)), volume.parent(), volume.id()
            maps = volume.maps()
        if kept or marked:
            if child:
                again = here.noted(identity) is not None
                if not again:
                    here.note(identity, maps)
                _flatten(target, again, control)
            if marked:
                verdict = verify(source, target, point=point, target_point=point, control=control)
                if not verdict.equal:
                    raise VolumeError(
                        f"{target} was not what {source} was",
                        detail=verdict.told(),
                        hint="The source is untouched: move it back, and see the cluster's health.",
                    )
                compared, digest = verdict.read, verdict.source_digest
                release(target, job)
            release(source, job)
        here.remove(empty, control)
        if (wanted := here.noted(identity)) is not None:
            _map(target, wanted, control)
            here.forget(identity)
    return kept or marked, compared, digest


def _flatten(target: Rbd, again: bool, control: Control) -> None:
    def work(progress: Callable[[int, int], bool]) -> None:
        with _volume(target, write=True) as volume:
            size = volume.size()
            if again:
                volume.drop_maps()
            volume.flatten(lambda done, total: progress(done * size // max(1, total), size))

    _interruptible(work, control)


def _map(target: Rbd, wanted: int, control: Control) -> None:
    def work(progress: Callable[[int, int], bool]) -> None:
        with _volume(target, write=True) as volume:
            volume.make_maps(wanted, progress)

    _interruptible(work, control)


def _interruptible(work: Callable[[Callable[[int, int], bool]], None], control: Control) -> None:
    """Runs what takes long inside librbd: in a thread, so that `control` can end it. Where another client does the work
    for us (a server that has the image open), that goes on after we have ended, and harms nothing."""
    over, stop = threading.Event(), threading.Event()
    raised: list[BaseException] = []
    told = [(0, 0)]

    def progress(done: int, total: int) -> bool:
        told[0] = (done, total)
        return not stop.is_set()

    def run() -> None:
        try:
            work(progress)
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            raised.append(error)
        finally:
            over.set()

    threading.Thread(target=run, name="naru-rbd", daemon=True).start()
    try:
        while not over.wait(0.5):
            control.check()
            if told[0][1]:
                control.progress(*told[0])
    except BaseException:
        stop.set()
        over.wait(ENDING)
        raise
    if raised:
        raise raised[0]


def restore(target: Rbd, job: str, control: Control) -> None:
    """See `naru.volumes.adopt`: the target's side."""
    new, empty = _new(target), _empty(target)
    with _pool(target) as here:
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
    """Removes the last point of an image."""
    with _volume(location) as volume:
        there, unfinished = volume.snapshot_id(_final(job)), volume.unfinished()
    if not there and not unfinished:
        return
    clones: list[str] = []
    if there:
        with _volume(location, point=_final(job)) as volume:
            clones = volume.children()
    if clones:
        raise VolumeError(
            f"{location} has clones of its point {PREFIX}{_final(job)}: {', '.join(clones)}",
            hint="Make them independent (rbd flatten), or delete them.",
        )
    with _volume(location, write=True) as volume:
        volume.clean(_final(job))


# -- names


def _final(job: str) -> str:
    return f"{job}-final"


def _new(target: Rbd) -> Rbd:
    return replace(target, image=f"{PREFIX}new-{target.image}")


def _empty(target: Rbd) -> Rbd:
    return replace(target, image=f"{PREFIX}empty-{target.image}")


def _seen(source: Rbd, target: Rbd) -> Rbd:
    """The source, through the eyes of the target's client."""
    return replace(source, conf=target.conf, user=target.user, keyring=target.keyring)


@contextmanager
def _volume(location: Rbd, *, point: str = "", write: bool = False) -> Iterator[RbdVolume]:
    volume = RbdVolume(location, point, write)
    try:
        yield volume
    finally:
        volume.close()


# -- a pool


@contextmanager
def _pool(location: Rbd) -> Iterator["_Pool"]:
    pool = _Pool(location)
    try:
        yield pool
    finally:
        pool.close()


class _Pool:
    """The images of a location's pool by their names."""

    def __init__(self, location: Rbd) -> None:
        # its own: what it does to images, librbd opens them for
        self._location, self._cluster = location, connected(location, own=True)
        self._handle = c_void_p()
        try:
            self._handle = self._cluster.pool(location)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._handle.value:
            rados.ioctx_destroy(self._handle)
        disconnected(self._cluster)

    def id(self, name: str) -> str:
        """The id of the image of this name, "" when there is none. librbd's own object rbd_id.NAME has it."""
        text = ctypes.create_string_buffer(256)
        code = rados.read(self._handle, f"rbd_id.{name}".encode(), text, len(text), 0)
        if code == -errno.ENOENT:
            return ""
        check(code, f"the image {name} cannot be looked up")
        return _decoded(text.raw[:code])

    def mend(self, *locations: Rbd) -> None:
        """Ends renames that were killed: of two names of one image, the one stays that the pool's directory has."""
        ids = {location.image: self.id(location.image) for location in locations}
        for name, identity in ids.items():
            if identity and list(ids.values()).count(identity) > 1 and self._name(identity) != name:
                code = rados.remove(self._handle, f"rbd_id.{name}".encode())
                if code != -errno.ENOENT:
                    check(code, f"a rename of {name} that was killed cannot be mended")

    def _name(self, identity: str) -> str:
        """The name under which the pool's directory has the image."""
        text = ctypes.create_string_buffer(4096)
        asked = struct.pack("<I", len(identity)) + identity.encode()
        code = rados.exec(
            *(self._handle, b"rbd_directory", b"rbd", b"dir_get_name", asked, len(asked), text, len(text))
        )
        if code == -errno.ENOENT:
            return ""
        check(code, f"the name of the image {identity} cannot be looked up")
        return _decoded(text.raw[:code])

    def note(self, identity: str, maps: int) -> None:
        """Notes that the image of this id is being made independent, and which features it has that are maps."""
        data = struct.pack("<Q", maps)
        code = rados.write_full(self._handle, _flattening(identity), data, len(data))
        check(code, f"{self._location}: it cannot be noted in its pool that it is being made independent")

    def noted(self, identity: str) -> int | None:
        """The features of that note, None when there is none."""
        data = ctypes.create_string_buffer(8)
        code = rados.read(self._handle, _flattening(identity), data, len(data), 0)
        if code == -errno.ENOENT:
            return None
        check(code, f"{_flattening(identity).decode()} cannot be read in the pool of {self._location}")
        return int(struct.unpack("<Q", data.raw)[0])

    def forget(self, identity: str) -> None:
        """Takes that note away."""
        code = rados.remove(self._handle, _flattening(identity))
        if code != -errno.ENOENT:
            check(code, f"{_flattening(identity).decode()} cannot be removed from the pool of {self._location}")

    def ask_to_clone(self, identity: str) -> int:
        """What the image's OSD says to a clone that enters itself without a name: not EINVAL when it may not at all."""
        name = f"rbd_header.{identity}".encode()
        return int(rados.exec(self._handle, name, b"rbd", b"child_attach", None, 0, None, 0))

    def rename(self, old: Rbd, new: Rbd) -> None:
        with _pool(self._location) as once:
            code = rbd.rename(once._handle, old.image.encode(), new.image.encode())
        check(code, f"{old} cannot be renamed to {new.image}")

    def clone(self, parent: Rbd, point: str, new: Rbd, form: Form) -> None:
        """Makes the image `new`, of that form, a clone of the parent's point."""
        with _pool(self._location) as once:
            once._clone(parent, point, new, form)

    def _clone(self, parent: Rbd, point: str, new: Rbd, form: Form) -> None:
        options, pool = c_void_p(), self._cluster.pool(parent)
        rbd.image_options_create(byref(options))
        numbers = {
            OPTION_CLONE_FORMAT: 2,
            OPTION_FEATURES: form.features & ~INNER,
            OPTION_ORDER: form.order,
            OPTION_STRIPE_UNIT: form.stripe_unit,
            OPTION_STRIPE_COUNT: form.stripe_count,
        }
        what = f"{new} cannot be made a clone of {parent}"
        try:
            for key, value in numbers.items():
                check(rbd.image_options_set_uint64(options, key, value), what)
            if form.data_pool:
                check(rbd.image_options_set_string(options, OPTION_DATA_POOL, form.data_pool.encode()), what)
            names = (parent.image.encode(), f"{PREFIX}{point}".encode())
            check(rbd.clone3(pool, *names, self._handle, new.image.encode(), options), what)
        finally:
            rbd.image_options_destroy(options)
            rados.ioctx_destroy(pool)

    def remove(self, location: Rbd, control: Control) -> None:
        """Removes the image, with our points on it, and what is left of one whose removal was killed."""
        if identity := self.id(location.image):
            self._strip(location)
            self.forget(identity)

        end = time.monotonic() + WATCHED
        while True:
            try:
                return _interruptible(lambda progress: _delete(location, progress), control)
            except Refused as error:
                if error.errno != errno.EBUSY or time.monotonic() > end:
                    raise
            time.sleep(1)

    def _strip(self, location: Rbd) -> None:
        try:
            with _volume(location, write=True) as volume:
                for point in volume.points():
                    volume.clean(point.name)
        except InputError:
            pass  # half made, or half removed

    def delete(self, name: str, progress: Any) -> None:
        """Removes the image, if it is there, and those in the trash that had its name."""
        codes = [rbd.trash_remove_with_progress(self._handle, one, True, progress, None) for one in self._trash(name)]
        codes.append(rbd.remove_with_progress(self._handle, name.encode(), progress, None))
        for code in codes:
            if code != -errno.ENOENT:
                check(code, f"the image {name} cannot be removed")

    def _trash(self, name: str) -> list[bytes]:
        """The ids of those in the trash that had this name."""
        count = c_size_t(64)
        while True:
            entries = (Trashed * count.value)()
            code = rbd.trash_list(self._handle, entries, byref(count))
            if code != -errno.ERANGE:
                break
        check(code, "the trash of its pool cannot be read")
        found = [bytes(entry.id) for entry in entries[: count.value] if entry.name == name.encode()]
        rbd.trash_list_cleanup(entries, count.value)
        return found


def _delete(location: Rbd, progress: Callable[[int, int], bool]) -> None:
    with _pool(location) as pool:  # its own: whoever waits for it may give up before it ends
        pool.delete(location.image, callback(progress))


def _flattening(identity: str) -> bytes:
    return f"{PREFIX}flatten.{identity}".encode()


def _decoded(raw: bytes) -> str:
    """A text as Ceph encodes it: its length, 4 bytes little-endian, and itself."""
    (length,) = struct.unpack_from("<I", raw)
    return raw[4 : 4 + length].decode()
