"""The part of librados and librbd that the data plane needs, through their C interface.

The distribution builds the official Python binding for one Python only, and it copies every buffer twice; the C
libraries serve any Python, and read and write our own memory. Names follow librbd.h and librados.h (16 and newer).
"""

import ctypes
import errno
import os
from collections.abc import Callable
from ctypes import POINTER, c_char, c_char_p, c_int, c_int64, c_size_t, c_ssize_t, c_uint8, c_uint64, c_void_p
from typing import Any

from naru.errors import InputError
from naru.volumes.volume import VolumeError

# librados.h: what is read or written once should not push anything out of the storage's caches
DONT_NEED, NO_CACHE = 0x20, 0x40
# features.h and librbd.h
LAYERING, OBJECT_MAP, FAST_DIFF, DEEP_FLATTEN = 1 << 0, 1 << 3, 1 << 4, 1 << 5
TRASH = 2  # the namespace of snapshots that are removed, or have clones of format 2 and will be
INNER = 1 << 7 | 1 << 8 | 1 << 9  # data pool, operations, migrating: librbd sets these itself
OPTION_FEATURES, OPTION_ORDER, OPTION_STRIPE_UNIT, OPTION_STRIPE_COUNT = 1, 2, 3, 4
OPTION_DATA_POOL, OPTION_CLONE_FORMAT = 10, 12
FLAG_OBJECT_MAP_INVALID, FLAG_FAST_DIFF_INVALID = 1, 2
DIFF = ctypes.CFUNCTYPE(c_int, c_uint64, c_size_t, c_int, c_void_p)
COMPLETE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
PROGRESS = ctypes.CFUNCTYPE(c_int, c_uint64, c_uint64, c_void_p)


class Snap(ctypes.Structure):
    """rbd_snap_info_t."""

    _fields_ = (("id", c_uint64), ("size", c_uint64), ("name", c_char_p))


class ImageSpec(ctypes.Structure):
    """rbd_linked_image_spec_t."""

    _fields_ = (
        *(("pool", c_int64), ("pool_name", c_char_p), ("namespace", c_char_p)),
        *(("id", c_char_p), ("name", c_char_p), ("trash", ctypes.c_bool)),
    )


class SnapSpec(ctypes.Structure):
    """rbd_snap_spec_t."""

    _fields_ = (("id", c_uint64), ("kind", c_int), ("name", c_char_p))


class Trashed(ctypes.Structure):
    """rbd_trash_image_info_t."""

    _fields_ = (
        *(("id", c_char_p), ("name", c_char_p), ("source", c_int)),
        *(("deleted", ctypes.c_long), ("deferred", ctypes.c_long)),
    )


class ImageInfo(ctypes.Structure):
    """rbd_image_info_t."""

    _fields_ = (
        *(("size", c_uint64), ("object", c_uint64), ("objects", c_uint64), ("order", c_int)),
        *(("prefix", c_char * 24), ("parent_pool", c_int64), ("parent_name", c_char * 96)),
    )


class TimeSpec(ctypes.Structure):
    """struct timespec."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_RADOS = {
    "create2": (POINTER(c_void_p), c_char_p, c_char_p, c_uint64),
    "conf_read_file": (c_void_p, c_char_p),
    "conf_set": (c_void_p, c_char_p, c_char_p),
    "conf_get": (c_void_p, c_char_p, c_char_p, c_size_t),
    "connect": (c_void_p,),
    "cluster_fsid": (c_void_p, c_char_p, c_size_t),
    "ioctx_create": (c_void_p, c_char_p, POINTER(c_void_p)),
    "pool_reverse_lookup": (c_void_p, c_int64, c_char_p, c_size_t),
    "read": (c_void_p, c_char_p, c_char_p, c_size_t, c_uint64),
    "exec": (c_void_p, c_char_p, c_char_p, c_char_p, c_char_p, c_size_t, c_char_p, c_size_t),
    "write_full": (c_void_p, c_char_p, c_char_p, c_size_t),
    "remove": (c_void_p, c_char_p),
    "mon_command": (
        *(c_void_p, POINTER(c_char_p), c_size_t, c_char_p, c_size_t),
        *(POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p), POINTER(c_size_t)),
    ),
}
_RADOS_VOID = {
    "shutdown": (c_void_p,),
    "ioctx_destroy": (c_void_p,),
    "ioctx_set_namespace": (c_void_p, c_char_p),
    "set_pool_full_try": (c_void_p,),
    "buffer_free": (c_void_p,),
}
_RBD = {
    "open": (c_void_p, c_char_p, POINTER(c_void_p), c_char_p),
    "open_read_only": (c_void_p, c_char_p, POINTER(c_void_p), c_char_p),
    "close": (c_void_p,),
    "get_id": (c_void_p, c_char_p, c_size_t),
    "get_size": (c_void_p, POINTER(c_uint64)),
    "get_features": (c_void_p, POINTER(c_uint64)),
    "get_overlap": (c_void_p, POINTER(c_uint64)),
    "get_stripe_unit": (c_void_p, POINTER(c_uint64)),
    "get_stripe_count": (c_void_p, POINTER(c_uint64)),
    "get_data_pool_id": (c_void_p,),
    "get_parent": (c_void_p, POINTER(ImageSpec), POINTER(SnapSpec)),
    "stat": (c_void_p, POINTER(ImageInfo), c_size_t),
    "list_children3": (c_void_p, POINTER(ImageSpec), POINTER(c_size_t)),
    "image_options_set_string": (c_void_p, c_int, c_char_p),
    "image_options_set_uint64": (c_void_p, c_int, c_uint64),
    "clone3": (c_void_p, c_char_p, c_char_p, c_void_p, c_char_p, c_void_p),
    "flatten_with_progress": (c_void_p, PROGRESS, c_void_p),
    "rebuild_object_map": (c_void_p, PROGRESS, c_void_p),
    "update_features": (c_void_p, c_uint64, c_uint8),
    "rename": (c_void_p, c_char_p, c_char_p),
    "remove_with_progress": (c_void_p, c_char_p, PROGRESS, c_void_p),
    "trash_list": (c_void_p, POINTER(Trashed), POINTER(c_size_t)),
    "trash_remove_with_progress": (c_void_p, c_char_p, ctypes.c_bool, PROGRESS, c_void_p),
    "resize2": (c_void_p, c_uint64, c_uint8, PROGRESS, c_void_p),
    "snap_create": (c_void_p, c_char_p),
    "snap_remove": (c_void_p, c_char_p),
    "snap_remove_by_id": (c_void_p, c_uint64),
    "snap_get_namespace_type": (c_void_p, c_uint64, POINTER(c_int)),
    "snap_get_trash_namespace": (c_void_p, c_uint64, c_char_p, c_size_t),
    "snap_list": (c_void_p, POINTER(Snap), POINTER(c_int)),
    "snap_get_timestamp": (c_void_p, c_uint64, POINTER(TimeSpec)),
    "diff_iterate2": (c_void_p, c_char_p, c_uint64, c_uint64, c_uint8, c_uint8, DIFF, c_void_p),
    "aio_create_completion": (c_void_p, COMPLETE, POINTER(c_void_p)),
    "aio_read2": (c_void_p, c_uint64, c_size_t, c_void_p, c_void_p, c_int),
    "aio_write2": (c_void_p, c_uint64, c_size_t, c_void_p, c_void_p, c_int),
    "aio_write_zeroes": (c_void_p, c_uint64, c_size_t, c_void_p, c_int, c_int),
}
_RBD_SIZE = {"aio_get_return_value": (c_void_p,)}
_RBD_VOID = {
    "snap_list_end": (POINTER(Snap),),
    "aio_release": (c_void_p,),
    "image_options_create": (POINTER(c_void_p),),
    "image_options_destroy": (c_void_p,),
    "linked_image_spec_cleanup": (POINTER(ImageSpec),),
    "linked_image_spec_list_cleanup": (POINTER(ImageSpec), c_size_t),
    "snap_spec_cleanup": (POINTER(SnapSpec),),
    "trash_list_cleanup": (POINTER(Trashed), c_size_t),
}


class _Library:
    """A C library's functions, without their prefix. It is loaded when the first of them is used: not every machine
    has Ceph's libraries. Raises InputError then when it is missing or too old."""

    def __init__(self, file: str, prefix: str, functions: dict[Any, dict[str, Any]]) -> None:
        self._file, self._prefix, self._functions = file, prefix, functions

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            library = ctypes.CDLL(self._file)
            for result, names in self._functions.items():
                for known, arguments in names.items():
                    function = library[f"{self._prefix}_{known}"]
                    function.argtypes, function.restype = arguments, result
                    setattr(self, known, function)
        except (OSError, AttributeError) as error:
            raise InputError(
                "Ceph's client library of release 16 or newer is missing here",
                detail=str(error),
                hint="Debian and Ubuntu: apt-get install librbd1",
            ) from error
        return self.__dict__[name]


rados = _Library("librados.so.2", "rados", {c_int: _RADOS, None: _RADOS_VOID})
rbd = _Library("librbd.so.1", "rbd", {c_int: _RBD, c_ssize_t: _RBD_SIZE, None: _RBD_VOID})


class CephError(VolumeError):
    """librados or librbd returned an error; `errno` is positive."""

    def __init__(self, what: str, number: int, *, hint: str = "") -> None:
        super().__init__(f"{what}: {os.strerror(number)}", hint=hint or _HINTS.get(number, ""))
        self.errno = number


_HINTS = {
    errno.ETIMEDOUT: "The cluster did not answer in time: is it reachable, and are its OSDs up?",
    errno.EPERM: "The key lacks rights: `profile rbd` on the pool (and on the pools of parents) is enough.",
    errno.EACCES: "The key lacks rights: `profile rbd` on the pool (and on the pools of parents) is enough.",
    errno.ESHUTDOWN: "This client was fenced (blocklisted): somebody else took over the image.",
    errno.EROFS: "The image's exclusive lock cannot be had: somebody else keeps it, or the cluster does not answer.",
    errno.ENOSPC: "The pool is full (ceph health detail). With space, the same command goes on.",
    errno.EDQUOT: "The pool's quota is used up. When it is raised, or space is made, the same command goes on.",
}


def check(code: int, what: str) -> int:
    """`code`, unless it is negative: then CephError, whose message begins with `what`."""
    if code < 0:
        raise CephError(what, -code)
    return code


def callback(progress: Callable[[int, int], bool]) -> Any:
    """What librbd calls during long operations: `progress` is given how much is done of how much, in a thread of
    librbd's, and returns whether to go on."""

    def called(done: int, total: int, _: int | None) -> int:
        return 0 if progress(done, total) else -errno.ECANCELED

    return PROGRESS(called)
