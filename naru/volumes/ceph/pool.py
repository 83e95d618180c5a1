"""Images of a pool by their names: looked up, renamed, cloned, removed; and librbd's long operations, interruptible."""

import ctypes
import errno
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_size_t, c_void_p
from typing import Any

from naru.errors import InputError
from naru.volumes.ceph.cluster import connected, disconnected
from naru.volumes.ceph.image import Layout, RbdVolume
from naru.volumes.ceph.librbd import (
    INNER,
    OPTION_CLONE_FORMAT,
    OPTION_DATA_POOL,
    OPTION_FEATURES,
    OPTION_ORDER,
    OPTION_STRIPE_COUNT,
    OPTION_STRIPE_UNIT,
    CephError,
    Trashed,
    callback,
    check,
    rados,
    rbd,
)
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import Control
from naru.volumes.volume import PREFIX

WATCHED = 60.0  # seconds within which the watch of a killed process has surely run out
ENDING = 30.0  # seconds that a step that is to stop waits for Ceph to stop


@contextmanager
def opened_image(location: Rbd, *, point: str = "", write: bool = False) -> Iterator[RbdVolume]:
    """See `naru.volumes.open.open_volume`, of an image."""
    volume = RbdVolume(location, point, write)
    try:
        yield volume
    finally:
        volume.close()


@contextmanager
def opened_pool(location: Rbd) -> Iterator["Pool"]:
    """The images of the location's pool."""
    pool = Pool(location)
    try:
        yield pool
    finally:
        pool.close()


def interruptible(work: Callable[[Callable[[int, int], bool]], None], control: Control) -> None:
    """Runs what takes long inside librbd: in a thread, so that `control` can end it. Where another client does the work
    for us (a server that has the image open), that goes on after we have ended, and harms nothing."""
    over, stop = threading.Event(), threading.Event()
    raised: list[BaseException] = []
    reported = [(0, 0)]

    def progress(done: int, total: int) -> bool:
        reported[0] = (done, total)
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
            if reported[0][1]:
                control.progress(*reported[0])
    except BaseException:
        stop.set()
        over.wait(ENDING)
        raise
    if raised:
        raise raised[0]


class Pool:
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
        """The id of the image of this name, "" when it does not exist. librbd's own object rbd_id.NAME has it."""
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
                    check(code, f"a rename of {name} that was killed cannot be repaired")

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
        """Notes that the image of this id is being flattened, and which features it has that are maps."""
        data = struct.pack("<Q", maps)
        code = rados.write_full(self._handle, _flattening(identity), data, len(data))
        check(code, f"{self._location}: it cannot be noted in its pool that it is being flattened")

    def noted(self, identity: str) -> int | None:
        """The features of that note, None when there is no note."""
        data = ctypes.create_string_buffer(8)
        code = rados.read(self._handle, _flattening(identity), data, len(data), 0)
        if code == -errno.ENOENT:
            return None
        check(code, f"{_flattening(identity).decode()} cannot be read in the pool of {self._location}")
        return int(struct.unpack("<Q", data.raw)[0])

    def forget(self, identity: str) -> None:
        """Removes that note."""
        code = rados.remove(self._handle, _flattening(identity))
        if code != -errno.ENOENT:
            check(code, f"{_flattening(identity).decode()} cannot be removed from the pool of {self._location}")

    def ask_to_clone(self, identity: str) -> int:
        """What the image's OSD says to a clone that enters itself without a name: not EINVAL when it may not at all."""
        name = f"rbd_header.{identity}".encode()
        return int(rados.exec(self._handle, name, b"rbd", b"child_attach", None, 0, None, 0))

    def rename(self, old: Rbd, new: Rbd) -> None:
        with opened_pool(self._location) as once:
            code = rbd.rename(once._handle, old.image.encode(), new.image.encode())
        check(code, f"{old} cannot be renamed to {new.image}")

    def clone(self, parent: Rbd, point: str, new: Rbd, layout: Layout) -> None:
        """Makes the image `new`, of that layout, a clone of the parent's point."""
        with opened_pool(self._location) as once:
            once._clone(parent, point, new, layout)

    def _clone(self, parent: Rbd, point: str, new: Rbd, layout: Layout) -> None:
        options, pool = c_void_p(), self._cluster.pool(parent)
        rbd.image_options_create(byref(options))
        numbers = {
            OPTION_CLONE_FORMAT: 2,
            OPTION_FEATURES: layout.features & ~INNER,
            OPTION_ORDER: layout.order,
            OPTION_STRIPE_UNIT: layout.stripe_unit,
            OPTION_STRIPE_COUNT: layout.stripe_count,
        }
        what = f"{new} cannot be made a clone of {parent}"
        try:
            for key, value in numbers.items():
                check(rbd.image_options_set_uint64(options, key, value), what)
            if layout.data_pool:
                check(rbd.image_options_set_string(options, OPTION_DATA_POOL, layout.data_pool.encode()), what)
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
                return interruptible(lambda progress: _delete(location, progress), control)
            except CephError as error:
                if error.errno != errno.EBUSY or time.monotonic() > end:
                    raise
            time.sleep(1)

    def _strip(self, location: Rbd) -> None:
        try:
            with opened_image(location, write=True) as volume:
                for point in volume.points():
                    volume.clean(point.name)
        except InputError:
            pass  # half made, or half removed

    def delete(self, name: str, progress: Any) -> None:
        """Removes the image, if it exists, and those in the trash that had its name."""
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
    with opened_pool(location) as pool:  # its own: whoever waits for it may give up before it ends
        pool.delete(location.image, callback(progress))


def _flattening(identity: str) -> bytes:
    return f"{PREFIX}flatten.{identity}".encode()


def _decoded(raw: bytes) -> str:
    """A text as Ceph encodes it: its length, 4 bytes little-endian, and itself."""
    (length,) = struct.unpack_from("<I", raw)
    return raw[4 : 4 + length].decode()
