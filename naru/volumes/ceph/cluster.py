"""Connections to Ceph clusters, which everything that is open there shares, and operations that have been started."""

import ctypes
import errno
import itertools
import json
import os
import threading
import time
from ctypes import byref, c_char_p, c_size_t, c_void_p

from naru.errors import InputError
from naru.volumes.ceph.librbd import COMPLETE, check, rados, rbd
from naru.volumes.ceph.location import Rbd
from naru.volumes.control import Tick

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
        messages = [
            entry["message"]
            for name in ("OSD_FULL", "POOL_FULL")
            for entry in checks.get(name, {}).get("detail", [])
            if name == "OSD_FULL" or f"'{pool}'" in entry["message"]
        ]
        return "; ".join(messages)

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
        code = rbd.aio_get_return_value(self.completion)
        self._end()
        self.cluster.hurry(code == -errno.ETIMEDOUT)
        check(code, self.what)
