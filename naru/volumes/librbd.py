"""The part of librados and librbd that the data plane needs, through their C interface.

The distribution builds the official Python binding for one Python only, and it copies every buffer twice; the C
libraries serve any Python, and read and write our own memory. Names follow librbd.h and librados.h (16 and newer).
"""

import ctypes
import errno
import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint64, c_void_p
from typing import Any

from naru.errors import InputError
from naru.volumes.backend import Tick, VolumeError
from naru.volumes.locations import Rbd

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

# Seconds, and librados' default: an operation waits for ever. A storage that is restarted, or fails over, is back by
# then. What the ceph.conf says of them counts instead.
OSD_TIMEOUT = "rados_osd_op_timeout"
PATIENCE = {OSD_TIMEOUT: ("90", 0), "rados_mon_op_timeout": ("60", 0), "client_mount_timeout": ("30", 300)}
HURRY = "5"  # what a request gets that is made when the cluster has been silent for long
SILENT = 2 / 3  # of a request's time without an answer is long
OPTIONS = {
    # All is read or written once, in large pieces: a cache only costs, and without it what was written is durable.
    "rbd_cache": "false",
    "rbd_parent_cache_enabled": "false",
    # how many objects are asked at once for what changed in them
    "rbd_concurrent_management_ops": "64",
    # no sockets and logs of our own beside the operator's
    "admin_socket": "",
    "log_file": "",
    "log_to_stderr": "false",
}


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


class Info(ctypes.Structure):
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
    "stat": (c_void_p, POINTER(Info), c_size_t),
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
    """A C library's functions, without their prefix."""

    def __init__(self, file: str, prefix: str, numbers: dict[str, Any], voids: dict[str, Any]) -> None:
        try:
            library = ctypes.CDLL(file)
            for names, result in ((numbers, c_int), (voids, None)):
                for name, arguments in names.items():
                    function = library[f"{prefix}_{name}"]
                    function.argtypes, function.restype = arguments, result
                    setattr(self, name, function)
        except (OSError, AttributeError) as error:
            raise InputError(
                "Ceph's client library of release 16 or newer is missing here",
                detail=str(error),
                hint="Debian and Ubuntu: apt-get install librbd1",
            ) from error
        self.library = library

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # only for mypy: all there is was set above


rados = _Library("librados.so.2", "rados", _RADOS, _RADOS_VOID)
rbd = _Library("librbd.so.1", "rbd", _RBD, _RBD_VOID)
rbd.library.rbd_aio_get_return_value.argtypes = (c_void_p,)
rbd.library.rbd_aio_get_return_value.restype = ctypes.c_ssize_t


class Refused(VolumeError):
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
    """`code`, unless it is negative: then Refused, whose message begins with `what`."""
    if code < 0:
        raise Refused(what, -code)
    return code


class Cluster:
    """A connection to the cluster of `location`, shared by all that is open there: see `connected`."""

    def __init__(self, location: Rbd) -> None:
        self.name = f"Ceph cluster of {location.conf} as client.{location.user}"
        self.handle = c_void_p()
        self.users = 0
        self.images = 0
        self.spent = False
        self.patience = 0.0
        self._hurried = False
        self.lock = threading.Lock()
        """Held while an image is opened, and while one more or less is counted."""
        check(rados.create2(byref(self.handle), b"ceph", f"client.{location.user}".encode(), 0), self.name)
        try:
            self._connect(location)
        except BaseException:
            self.close()
            raise

    def _connect(self, location: Rbd) -> None:
        code = rados.conf_read_file(self.handle, location.conf.encode())
        if code < 0:
            raise InputError(f"{location.conf} cannot be read as a ceph.conf", detail=os.strerror(-code))
        patience = {key: ours for key, (ours, default) in PATIENCE.items() if float(self._option(key)) == default}
        options = OPTIONS | patience | ({"keyring": location.keyring} if location.keyring else {})
        for key, value in options.items():
            check(rados.conf_set(self.handle, key.encode(), value.encode()), f"{self.name}: option {key}")
        self.patience = float(self._option(OSD_TIMEOUT))
        code = rados.connect(self.handle)
        if code == -errno.ENOENT:
            raise InputError(
                f"{self.name}: there is no keyring with its key", hint="Name it: @keyring=FILE, or in the ceph.conf."
            )
        check(code, f"{self.name} cannot be reached")

    def _option(self, key: str) -> str:
        text = ctypes.create_string_buffer(64)
        check(rados.conf_get(self.handle, key.encode(), text, len(text)), f"{self.name}: option {key}")
        return text.value.decode()

    def hurry(self, wanted: bool) -> None:
        """Whether requests from now on get little time: closing an image of a silent cluster is half a dozen of them,
        one after the other."""
        if wanted != self._hurried:
            self._hurried = wanted
            seconds = min(float(HURRY), self.patience) if wanted else self.patience
            rados.conf_set(self.handle, OSD_TIMEOUT.encode(), f"{seconds:.0f}".encode())

    def pool(self, location: Rbd) -> c_void_p:
        """The location's pool and namespace, to be given back with `rados.ioctx_destroy`."""
        pool = c_void_p()
        if rados.ioctx_create(self.handle, location.pool.encode(), byref(pool)) < 0:
            raise InputError(f"{self.name} has no pool {location.pool}, or does not show it")
        if location.namespace:
            rados.ioctx_set_namespace(pool, location.namespace.encode())
        rados.set_pool_full_try(pool)  # else a write to a pool that is full waits for ever, without a word
        return pool

    def fsid(self) -> str:
        """The cluster's own id."""
        text = ctypes.create_string_buffer(64)
        check(rados.cluster_fsid(self.handle, text, len(text)), self.name)
        return text.value.decode()

    def pool_name(self, number: int) -> str:
        """The name of the pool with this id, "" when there is none."""
        text = ctypes.create_string_buffer(256)
        code = rados.pool_reverse_lookup(self.handle, number, text, len(text))
        return text.value.decode() if code >= 0 else ""

    def full(self, pool: str) -> str:
        """What the monitor says of full OSDs, or of this pool being full; empty when it says nothing of them."""
        question = {"prefix": "health", "detail": "detail", "format": "json"}
        command = (c_char_p * 1)(json.dumps(question).encode())
        out, text, length, size = c_void_p(), c_void_p(), c_size_t(), c_size_t()
        code = rados.mon_command(self.handle, command, 1, None, 0, byref(out), byref(length), byref(text), byref(size))
        try:
            checks = json.loads(ctypes.string_at(out, length.value))["checks"] if code >= 0 and length.value else {}
        finally:
            for buffer in (out, text):
                if buffer.value:
                    rados.buffer_free(buffer)
        said = [
            entry["message"]
            for name in ("OSD_FULL", "POOL_FULL")
            for entry in checks.get(name, {}).get("detail", [])
            if name == "OSD_FULL" or f"'{pool}'" in entry["message"]
        ]
        return "; ".join(said)

    def close(self) -> None:
        """Ends the connection."""
        if self.handle.value:
            rados.shutdown(self.handle)
            self.handle = c_void_p()


_clusters: dict[tuple[str, str, str], Cluster] = {}
_clusters_lock = threading.Lock()


def connected(location: Rbd, *, own: bool = False) -> Cluster:
    """The connection of this location's client, made unless there is one, or one of the caller's `own`; to be given
    back with `disconnected`."""
    with _clusters_lock:
        if own:
            cluster = Cluster(location)
            cluster.users = 1
            return cluster
        key = (location.conf, location.user, location.keyring)
        cluster = _clusters.get(key) or Cluster(location)
        _clusters[key] = cluster
        cluster.users += 1
        return cluster


def closing(cluster: Cluster) -> None:
    """One image less. A connection whose last image was closed is spent: librbd 16 aborts the process, once in some
    hundred times, when another one is opened over it."""
    with cluster.lock:
        cluster.images -= 1
        if cluster.images:
            return
        cluster.spent = True
    with _clusters_lock:
        _forget(cluster)


def _forget(cluster: Cluster) -> None:
    for key in [key for key, found in _clusters.items() if found is cluster]:
        del _clusters[key]


def disconnected(cluster: Cluster) -> None:
    """Ends a connection that nobody uses any more."""
    with _clusters_lock:
        cluster.users -= 1
        if not cluster.users:
            _forget(cluster)
            cluster.close()


def callback(progress: Callable[[int, int], bool]) -> Any:
    """What librbd calls while it is at what takes long: `progress` is told how much is done of how much, in a thread of
    librbd's, and answers whether to go on."""

    def tell(done: int, total: int, _: int | None) -> int:
        return 0 if progress(done, total) else -errno.ECANCELED

    return PROGRESS(tell)


_pending: dict[int, "Operation"] = {}
_numbers = itertools.count(1)


def _called_back(_: int, number: int) -> None:
    # in a thread of librbd's: nothing here may fail or wait
    _pending.pop(number).done.release()


_complete = COMPLETE(_called_back)


class Operation:
    """An asynchronous operation; `done` is held until librbd calls back. `what` begins the message of its failure."""

    __slots__ = ("cluster", "completion", "done", "ended", "number", "what")

    def __init__(self, what: str, cluster: Cluster) -> None:
        self.what, self.cluster = what, cluster
        self.done = threading.Lock()
        self.done.acquire()
        self.ended = False
        self.completion = c_void_p()
        self.number = next(_numbers)
        _pending[self.number] = self
        check(rbd.aio_create_completion(self.number, _complete, byref(self.completion)), what)

    def started(self, code: int) -> "Operation":
        """Itself, when librbd took it. It calls back only for what it took."""
        if code < 0:
            _pending.pop(self.number, None)
            self._end()
        check(code, self.what)
        return self

    def _end(self) -> None:
        self.ended = True
        rbd.aio_release(self.completion)

    def wait(self, tick: Tick) -> None:
        if self.ended:
            return
        began = time.monotonic()
        while not self.done.acquire(timeout=0.5):
            if time.monotonic() - began > SILENT * self.cluster.patience:
                self.cluster.hurry(True)
            tick()
        code = rbd.library.rbd_aio_get_return_value(self.completion)
        self._end()
        self.cluster.hurry(code == -errno.ETIMEDOUT)
        check(code, self.what)
