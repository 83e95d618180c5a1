"""librbd for any Python from 2.7 on: the part of the official binding's API that OpenStack's services use.

See `rados`, which this builds upon. Image is in `naru_rbd_image`, the C side in `naru_librbd`.
"""

import ctypes
import errno
from ctypes import byref, c_bool, c_int, c_size_t, c_uint64
from datetime import datetime

from rados import cstr, decode_cstr

from naru_librbd import (  # noqa: F401
    ArgumentOutOfRange,
    ConnectionShutdown,
    DiskQuotaExceeded,
    Error,
    FunctionNotSupported,
    ImageBusy,
    ImageExists,
    ImageHasSnapshots,
    ImageNotFound,
    IncompleteWriteError,
    InvalidArgument,
    IOError,
    LogicError,
    NoSpace,
    ObjectExists,
    ObjectNotFound,
    OperationCanceled,
    OperationNotSupported,
    OSError,
    PermissionError,
    ReadOnlyImage,
    Timeout,
)
from naru_librbd import C, CONSTANTS, ImageOptions, ImageSpec, TrashInfo, check, entries, progress, text_of
from naru_rbd_image import Image  # noqa: F401

globals().update(CONSTANTS)

_TRASH_SOURCES = ["USER", "MIRRORING", "MIGRATION", "REMOVING", "USER_PARENT"]


def _trash_entry(entry):
    source = entry.source
    return {
        "id": decode_cstr(entry.id),
        "name": decode_cstr(entry.name),
        "source": _TRASH_SOURCES[source] if 0 <= source < len(_TRASH_SOURCES) else "__UNKNOWN__",
        "deletion_time": datetime.utcfromtimestamp(entry.deletion_time),
        "deferment_end_time": datetime.utcfromtimestamp(entry.deferment_end_time),
    }


class RBD(object):
    """What is done with a pool's images as a whole: make, clone, remove, rename, list, trash."""

    def version(self):
        parts = [c_int(), c_int(), c_int()]
        C.version(*[byref(part) for part in parts])
        return tuple(part.value for part in parts)

    def create(
        self,
        ioctx,
        name,
        size,
        order=None,
        old_format=False,
        features=None,
        stripe_unit=None,
        stripe_count=None,
        data_pool=None,
    ):
        """Makes an image of `size` bytes in objects of 2**`order` bytes."""
        name = cstr(name, "name")
        if old_format:
            if features or stripe_unit or stripe_count or data_pool:
                raise InvalidArgument("format 1 images do not support feature masks, striping, nor data pool")
            check(C.create(ioctx.io, name, size, byref(c_int(order or 0))), "error creating image")
            return
        with ImageOptions(features, order, stripe_unit, stripe_count, data_pool, old_format=False) as options:
            check(C.create4(ioctx.io, name, size, options), "error creating image")

    def clone(
        self,
        p_ioctx,
        p_name,
        p_snapname,
        c_ioctx,
        c_name,
        features=None,
        order=None,
        stripe_unit=None,
        stripe_count=None,
        data_pool=None,
    ):
        """Makes a copy-on-write clone of a snapshot."""
        parent, snapshot, name = cstr(p_name, "p_name"), cstr(p_snapname, "p_snapname"), cstr(c_name, "c_name")
        with ImageOptions(features, order, stripe_unit, stripe_count, data_pool) as options:
            check(C.clone3(p_ioctx.io, parent, snapshot, c_ioctx.io, name, options), "error creating clone")

    def list(self, ioctx):
        """The names of the pool's images."""
        return [entry["name"] for entry in self.list2(ioctx)]

    def list2(self, ioctx):
        """The pool's images as dicts with `id` and `name`."""
        found = entries(
            ImageSpec,
            lambda array, count: C.list2(ioctx.io, array, count),
            C.image_spec_list_cleanup,
            "error listing images",
        )
        return iter([{"id": decode_cstr(entry.id), "name": decode_cstr(entry.name)} for entry in found])

    def remove(self, ioctx, name, on_progress=None):
        """Removes an image. Raises ImageHasSnapshots, or ImageBusy while anybody has it open."""
        name = cstr(name, "name")
        if on_progress:
            ret = C.remove_with_progress(ioctx.io, name, progress(on_progress), None)
        else:
            ret = C.remove(ioctx.io, name)
        check(ret, "error removing image")

    def rename(self, ioctx, src, dest):
        check(C.rename(ioctx.io, cstr(src, "src"), cstr(dest, "dest")), "error renaming image")

    def trash_move(self, ioctx, name, delay=0):
        """Moves an image to the trash, where it may not be removed for `delay` seconds without force."""
        check(C.trash_move(ioctx.io, cstr(name, "name"), delay), "error moving image to trash")

    def trash_purge(self, ioctx, expire_ts=None, threshold=-1):
        """Removes what may be removed from the trash. `expire_ts` is a datetime: only what expired before."""
        moment = 0 if expire_ts is None else int((expire_ts - datetime(1970, 1, 1)).total_seconds())
        check(C.trash_purge(ioctx.io, moment, threshold), "error purging images from trash")

    def trash_remove(self, ioctx, image_id, force=False, on_progress=None):
        image_id = cstr(image_id, "image_id")
        if on_progress:
            ret = C.trash_remove_with_progress(ioctx.io, image_id, force, progress(on_progress), None)
        else:
            ret = C.trash_remove(ioctx.io, image_id, force)
        check(ret, "error deleting image from trash")

    def trash_get(self, ioctx, image_id):
        entry = TrashInfo()
        check(C.trash_get(ioctx.io, cstr(image_id, "image_id"), byref(entry)), "error getting image from trash")
        try:
            return _trash_entry(entry)
        finally:
            C.trash_get_cleanup(byref(entry))

    def trash_list(self, ioctx):
        """The trash's images as dicts with `id`, `name`, `source`, `deletion_time`, `deferment_end_time` (UTC)."""
        found = entries(
            TrashInfo,
            lambda array, count: C.trash_list(ioctx.io, array, count),
            C.trash_list_cleanup,
            "error listing trash entries",
        )
        return iter([_trash_entry(entry) for entry in found])

    def trash_restore(self, ioctx, image_id, name):
        ret = C.trash_restore(ioctx.io, cstr(image_id, "image_id"), cstr(name, "name"))
        check(ret, "error restoring image from trash")

    def pool_init(self, ioctx, force):
        check(C.pool_init(ioctx.io, force), "error initializing pool")

    def namespace_create(self, ioctx, name):
        check(C.namespace_create(ioctx.io, cstr(name, "name")), "error creating namespace")

    def namespace_remove(self, ioctx, name):
        check(C.namespace_remove(ioctx.io, cstr(name, "name")), "error removing namespace")

    def namespace_exists(self, ioctx, name):
        exists = c_bool()
        check(C.namespace_exists(ioctx.io, cstr(name, "name"), byref(exists)), "error checking namespace")
        return exists.value

    def namespace_list(self, ioctx):
        size = c_size_t(512)
        while True:
            buffer = ctypes.create_string_buffer(size.value)
            ret = C.namespace_list(ioctx.io, buffer, byref(size))
            if ret != -errno.ERANGE:
                break
        check(ret, "error listing namespaces")
        return [name for name in decode_cstr(buffer.raw[: size.value]).split("\0") if name]

    def mirror_mode_get(self, ioctx):
        mode = c_int()
        check(C.mirror_mode_get(ioctx.io, byref(mode)), "error getting mirror mode")
        return mode.value

    def mirror_mode_set(self, ioctx, mirror_mode):
        check(C.mirror_mode_set(ioctx.io, mirror_mode), "error setting mirror mode")

    def features_to_string(self, features):
        def call(buffer, length):
            return C.features_to_string(features, buffer, byref(c_size_t(length)))

        return text_of(call, "error converting features bitmask to str")

    def features_from_string(self, str_features):
        features = c_uint64()
        check(C.features_from_string(cstr(str_features, "str_features"), byref(features)), "error converting features")
        return int(features.value)
