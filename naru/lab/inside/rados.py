"""librados for any Python from 2.7 on: the part of the official binding's API that OpenStack's services use.

Distributions compile the official `rados` module for one version of Python only. This one calls the same C library
through ctypes, which releases the GIL around every call, and keeps the official names, arguments, return types and
exceptions. The same source runs on Python 2.7 and 3: standard library only, no f-strings, no annotations.
"""

import ctypes
import errno
import tempfile
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p

_library = ctypes.CDLL("librados.so.2")

ANONYMOUS_AUID = 0xFFFFFFFFFFFFFFFF
ADMIN_AUID = 0
LIBRADOS_ALL_NSPACES = "\x01"
LIBRADOS_SNAP_HEAD = 0xFFFFFFFFFFFFFFFE

try:
    _text = (str, unicode)
except NameError:
    _text = (str,)


class Error(Exception):
    """The base of all of librados' errors; `errno` is positive."""

    def __init__(self, message, errno=None):
        super(Error, self).__init__(message)
        self.errno = errno

    def __str__(self):
        message = super(Error, self).__str__()
        return message if self.errno is None else "[errno {0}] {1}".format(self.errno, message)


class OSError(Error):
    """The base of the errors that stand for one errno, and itself every other one."""


_errors = {}


def _define(name, text, base, number=None):
    """An exception class with the official binding's text, which stands for errno `number`."""

    def init(self, message, errno=None):
        base.__init__(self, "RADOS %s (%s)" % (text, message), errno)

    found = type(name, (base,), {"__init__": init, "__module__": __name__})
    if number:
        _errors[number] = found
    return found


PermissionError = _define("PermissionError", "permission error", OSError, errno.EPERM)
ObjectNotFound = _define("ObjectNotFound", "object not found", OSError, errno.ENOENT)
IOError = _define("IOError", "I/O error", OSError, errno.EIO)
NoSpace = _define("NoSpace", "no space", OSError, errno.ENOSPC)
ObjectExists = _define("ObjectExists", "object exists", OSError, errno.EEXIST)
ObjectBusy = _define("ObjectBusy", "object busy", OSError, errno.EBUSY)
NoData = _define("NoData", "no data", OSError, errno.ENODATA)
InterruptedOrTimeoutError = _define("InterruptedOrTimeoutError", "interrupted or timeout", OSError, errno.EINTR)
TimedOut = _define("TimedOut", "timed out", OSError, errno.ETIMEDOUT)
PermissionDeniedError = _define("PermissionDeniedError", "permission denied", OSError, errno.EACCES)
NotConnected = _define("NotConnected", "not connected", OSError, errno.ENOTCONN)
ConnectionShutdown = _define("ConnectionShutdown", "connection was shutdown", OSError, errno.ESHUTDOWN)
InProgress = _define("InProgress", "in progress error", Error, errno.EINPROGRESS)
IsConnected = _define("IsConnected", "is connected error", Error, errno.EISCONN)
InvalidArgumentError = _define("InvalidArgumentError", "invalid argument", Error, errno.EINVAL)
RadosStateError = _define("RadosStateError", "rados state", Error)
IoctxStateError = _define("IoctxStateError", "Ioctx state error", Error)
ObjectStateError = _define("ObjectStateError", "object state error", Error)
LogicError = _define("LogicError", "logic error", Error)


def make_ex(ret, message):
    """The exception that stands for a C function's (negative) return value."""
    number = abs(ret)
    if number in _errors:
        return _errors[number](message, errno=number)
    return OSError(message, errno=number)


def cstr(value, name, encoding="utf-8", opt=False):
    """Text as C takes it. Bytes pass as they are; None only where `opt` allows it."""
    if opt and value is None:
        return None
    if isinstance(value, bytes):
        return value
    if isinstance(value, _text):
        return value.encode(encoding)
    raise TypeError("%s must be a string" % name)


def decode_cstr(value, encoding="utf-8"):
    """Text as Python takes it: bytes decoded (to `unicode` on Python 2, as the official binding does), None kept."""
    return None if value is None else value.decode(encoding)


def function(library, name, result, *arguments):
    """A C function with its types declared: without them ctypes would cut 64-bit numbers and pointers."""
    found = getattr(library, name)
    found.restype = result
    found.argtypes = arguments
    return found


def _int(name, *arguments):
    return function(_library, "rados_" + name, c_int, *arguments)


def _void(name, *arguments):
    return function(_library, "rados_" + name, None, *arguments)


_out = POINTER(c_void_p)  # an out parameter that takes a handle, or a buffer that librados allocates
_lens = POINTER(c_size_t)
_u64 = POINTER(c_uint64)
_command = (POINTER(c_char_p), c_size_t, c_char_p, c_size_t, _out, _lens, _out, _lens)

_create2 = _int("create2", _out, c_char_p, c_char_p, c_uint64)
_connect = _int("connect", c_void_p)
_shutdown = _void("shutdown", c_void_p)
_version = _void("version", POINTER(c_int), POINTER(c_int), POINTER(c_int))
_conf_read_file = _int("conf_read_file", c_void_p, c_char_p)
_conf_parse_argv = _int("conf_parse_argv_remainder", c_void_p, c_int, POINTER(c_char_p), POINTER(c_char_p))
_conf_parse_env = _int("conf_parse_env", c_void_p, c_char_p)
_conf_set = _int("conf_set", c_void_p, c_char_p, c_char_p)
_conf_get = _int("conf_get", c_void_p, c_char_p, c_char_p, c_size_t)
_instance_id = function(_library, "rados_get_instance_id", c_uint64, c_void_p)
_cluster_stat = _int("cluster_stat", c_void_p, _u64)
_cluster_fsid = _int("cluster_fsid", c_void_p, c_char_p, c_size_t)
_ping_monitor = _int("ping_monitor", c_void_p, c_char_p, _out, _lens)
_mon_command = _int("mon_command", c_void_p, *_command)
_mon_command_target = _int("mon_command_target", c_void_p, c_char_p, *_command)
_mgr_command = _int("mgr_command", c_void_p, *_command)
_mgr_command_target = _int("mgr_command_target", c_void_p, c_char_p, *_command)
_osd_command = _int("osd_command", c_void_p, c_int, *_command)
_pg_command = _int("pg_command", c_void_p, c_char_p, *_command)
_buffer_free = _void("buffer_free", c_void_p)
_wait_osdmap = _int("wait_for_latest_osdmap", c_void_p)
_blocklist_add = _int("blocklist_add", c_void_p, c_char_p, ctypes.c_uint32)
_pool_lookup = function(_library, "rados_pool_lookup", c_int64, c_void_p, c_char_p)
_pool_reverse_lookup = _int("pool_reverse_lookup", c_void_p, c_int64, c_char_p, c_size_t)
_pool_list = _int("pool_list", c_void_p, c_char_p, c_size_t)
_ioctx_create = _int("ioctx_create", c_void_p, c_char_p, _out)
_ioctx_create2 = _int("ioctx_create2", c_void_p, c_int64, _out)
_ioctx_destroy = _void("ioctx_destroy", c_void_p)
_ioctx_pool_stat = _int("ioctx_pool_stat", c_void_p, _u64)
_ioctx_pool_id = function(_library, "rados_ioctx_get_id", c_int64, c_void_p)
_ioctx_pool_name = _int("ioctx_get_pool_name", c_void_p, c_char_p, ctypes.c_uint)
_ioctx_set_namespace = _void("ioctx_set_namespace", c_void_p, c_char_p)
_last_version = function(_library, "rados_get_last_version", c_uint64, c_void_p)
_stat = _int("stat", c_void_p, c_char_p, _u64, POINTER(ctypes.c_long))
_read = _int("read", c_void_p, c_char_p, c_char_p, c_size_t, c_uint64)
_write = _int("write", c_void_p, c_char_p, c_char_p, c_size_t, c_uint64)
_write_full = _int("write_full", c_void_p, c_char_p, c_char_p, c_size_t)
_trunc = _int("trunc", c_void_p, c_char_p, c_uint64)
_remove = _int("remove", c_void_p, c_char_p)
_list_open = _int("nobjects_list_open", c_void_p, _out)
_list_next = _int("nobjects_list_next", c_void_p, POINTER(c_char_p), POINTER(c_char_p), POINTER(c_char_p))
_list_close = _void("nobjects_list_close", c_void_p)


def _take(pointer, length):
    """The bytes of a buffer that librados allocated, and the buffer freed."""
    if not length.value:
        return b""
    try:
        return ctypes.string_at(pointer, length.value)
    finally:
        _buffer_free(pointer)


class Version(object):
    """librados' version."""

    def __init__(self, major, minor, extra):
        self.major = major
        self.minor = minor
        self.extra = extra

    def __str__(self):
        return "%d.%d.%d" % (self.major, self.minor, self.extra)


class Rados(object):
    """A client of one cluster. States: configuring, connected, shutdown."""

    def __init__(
        self,
        rados_id=None,
        name=None,
        clustername=None,
        conf_defaults=None,
        conffile=None,
        conf=None,
        flags=0,
        context=None,
    ):
        self.state = "new"  # until there is a handle for shutdown() to end
        self.parsed_args = []
        self.conf_defaults = conf_defaults
        self.conffile = conffile
        self.rados_id = rados_id
        if context is not None:
            raise NotImplementedError("a Rados made from another client's context")
        if rados_id and name:
            raise Error("Rados(): can't supply both rados_id and name")
        if rados_id:
            name = b"client." + cstr(rados_id, "rados_id")
        elif name is None:
            name = "client.admin"
        self.cluster = c_void_p()
        ret = _create2(byref(self.cluster), cstr(clustername or "", "clustername"), cstr(name, "name"), flags)
        if ret != 0:
            raise Error("rados_initialize failed with error code: %d" % ret)
        self.state = "configuring"
        for key, value in (conf_defaults or {}).items():
            self.conf_set(key, value)
        if conffile is not None:
            self.conf_read_file(conffile or None)
        for key, value in (conf or {}).items():
            self.conf_set(key, value)

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, type_, value, traceback):
        self.shutdown()
        return False

    def require_state(self, *args):
        """Raises RadosStateError unless the handle is in one of these states."""
        if self.state not in args:
            raise RadosStateError("You cannot perform that operation on a Rados object in state %s." % self.state)

    def connect(self, timeout=0):
        """`timeout` is accepted and ignored, as in the official binding: `client_mount_timeout` is what counts."""
        self.require_state("configuring")
        ret = _connect(self.cluster)
        if ret != 0:
            raise make_ex(ret, "error connecting to the cluster")
        self.state = "connected"

    def shutdown(self):
        """Disconnects; the handle cannot be used any more."""
        if self.state not in ("new", "shutdown"):
            self.state = "shutdown"
            _shutdown(self.cluster)

    def version(self):
        parts = [c_int(), c_int(), c_int()]
        _version(*[byref(part) for part in parts])
        return Version(*[part.value for part in parts])

    def conf_read_file(self, path=None):
        """Reads a ceph.conf; None: the default places."""
        self.require_state("configuring", "connected")
        path = cstr(path, "path", opt=True)
        ret = _conf_read_file(self.cluster, path)
        if ret == -errno.EINVAL and path is not None:
            ret = self._read_without_section(path)
        if ret != 0:
            raise make_ex(ret, "error calling conf_read_file")

    def _read_without_section(self, path):
        """Reads a ceph.conf whose first lines are in no section, as os-brick wrote them until 2020. The librados of
        that time took them for [global]; today's refuses them.
        """
        with open(path, "rb") as source:
            text = source.read()
        if text.lstrip().startswith(b"["):
            return -errno.EINVAL
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(b"[global]\n" + text)
            copy.flush()
            return _conf_read_file(self.cluster, cstr(copy.name, "path"))

    def conf_parse_argv(self, args):
        """Takes the configuration options out of `args` and returns the rest."""
        self.require_state("configuring", "connected")
        if not args:
            return None
        given = (c_char_p * len(args))(*[cstr(arg, "args") for arg in args])
        rest = (c_char_p * len(args))()
        ret = _conf_parse_argv(self.cluster, len(args), given, rest)
        if ret != 0:
            raise make_ex(ret, "error calling conf_parse_argv_remainder")
        self.parsed_args = args
        return [decode_cstr(arg) for arg in rest if arg is not None]

    def conf_parse_env(self, var="CEPH_ARGS"):
        self.require_state("configuring", "connected")
        if not var:
            return
        ret = _conf_parse_env(self.cluster, cstr(var, "var"))
        if ret != 0:
            raise make_ex(ret, "error calling conf_parse_env")

    def conf_get(self, option):
        """The option's value, None when there is no such option."""
        self.require_state("configuring", "connected")
        length = 64
        while True:
            buffer = ctypes.create_string_buffer(length)
            ret = _conf_get(self.cluster, cstr(option, "option"), buffer, length)
            if ret == 0:
                return decode_cstr(buffer.value)
            if ret == -errno.ENOENT:
                return None
            if ret != -errno.ENAMETOOLONG:
                raise make_ex(ret, "error calling conf_get")
            length *= 2

    def conf_set(self, option, val):
        self.require_state("configuring", "connected")
        ret = _conf_set(self.cluster, cstr(option, "option"), cstr(val, "val"))
        if ret != 0:
            raise make_ex(ret, "error calling conf_set")

    def ping_monitor(self, mon_id):
        """One monitor's own account of itself, asked without a quorum."""
        self.require_state("configuring", "connected")
        reply, length = c_void_p(), c_size_t()
        ret = _ping_monitor(self.cluster, cstr(mon_id, "mon_id"), byref(reply), byref(length))
        if ret != 0:
            raise make_ex(ret, "error calling ping_monitor")
        return decode_cstr(_take(reply, length)) if length.value else None

    def get_instance_id(self):
        self.require_state("connected")
        return _instance_id(self.cluster)

    def get_fsid(self):
        self.require_state("connected")
        buffer = ctypes.create_string_buffer(64)
        ret = _cluster_fsid(self.cluster, buffer, 64)
        if ret < 0:
            raise make_ex(ret, "error getting cluster fsid")
        return decode_cstr(buffer.value)

    def get_cluster_stats(self):
        """Space in KiB and the number of objects, as of the manager's last report."""
        numbers = (c_uint64 * 4)()
        ret = _cluster_stat(self.cluster, numbers)
        if ret < 0:
            raise make_ex(ret, "Rados.get_cluster_stats(%s): get_stats failed" % self.rados_id)
        return dict(zip(("kb", "kb_used", "kb_avail", "num_objects"), map(int, numbers)))

    def pool_lookup(self, pool_name):
        """The pool's id, None when there is no such pool."""
        self.require_state("connected")
        ret = _pool_lookup(self.cluster, cstr(pool_name, "pool_name"))
        if ret >= 0:
            return int(ret)
        if ret == -errno.ENOENT:
            return None
        raise make_ex(ret, "error looking up pool '%s'" % pool_name)

    def pool_exists(self, pool_name):
        return self.pool_lookup(pool_name) is not None

    def pool_reverse_lookup(self, pool_id):
        """The pool's name, None when there is no such pool."""
        self.require_state("connected")
        buffer = ctypes.create_string_buffer(4096)
        ret = _pool_reverse_lookup(self.cluster, pool_id, buffer, 4096)
        if ret == -errno.ENOENT:
            return None
        if ret < 0:
            raise make_ex(ret, "error reverse looking up pool '%s'" % pool_id)
        return decode_cstr(buffer.value)

    def list_pools(self):
        self.require_state("connected")
        size = 512
        while True:
            buffer = ctypes.create_string_buffer(size)
            ret = _pool_list(self.cluster, buffer, size)
            if ret < 0:
                raise make_ex(ret, "error listing pools")
            if ret <= size:
                return [name for name in decode_cstr(buffer.raw[:ret]).split("\0") if name]
            size = ret

    def open_ioctx(self, ioctx_name):
        """The pool of that name, to work in."""
        self.require_state("connected")
        handle = c_void_p()
        ret = _ioctx_create(self.cluster, cstr(ioctx_name, "ioctx_name"), byref(handle))
        if ret < 0:
            raise make_ex(ret, "error opening pool '%s'" % cstr(ioctx_name, "ioctx_name"))
        return Ioctx(self, decode_cstr(cstr(ioctx_name, "ioctx_name")), handle)

    def open_ioctx2(self, pool_id):
        """The pool of that id, to work in."""
        self.require_state("connected")
        handle = c_void_p()
        ret = _ioctx_create2(self.cluster, pool_id, byref(handle))
        if ret < 0:
            raise make_ex(ret, "error opening pool id '%s'" % pool_id)
        return Ioctx(self, str(pool_id), handle)

    def _run(self, call, prefix, cmd, inbuf):
        """Sends a command (JSON text, or a list with it) and returns (return value, output bytes, status text)."""
        self.require_state("connected")
        lines = [cstr(line, "cmd") for line in (cmd if isinstance(cmd, (list, tuple)) else [cmd])]
        data = cstr(inbuf, "inbuf")
        output, output_len, status, status_len = c_void_p(), c_size_t(), c_void_p(), c_size_t()
        arguments = list(prefix) + [(c_char_p * len(lines))(*lines), len(lines), data, len(data)]
        arguments += [byref(output), byref(output_len), byref(status), byref(status_len)]
        ret = call(self.cluster, *arguments)
        return (ret, _take(output, output_len), decode_cstr(_take(status, status_len)))

    def mon_command(self, cmd, inbuf, timeout=0, target=None):
        """`timeout` is accepted and ignored, as in the official binding: `rados_mon_op_timeout` is what counts."""
        if target is None:
            return self._run(_mon_command, [], cmd, inbuf)
        target = str(target) if isinstance(target, int) else target
        return self._run(_mon_command_target, [cstr(target, "target")], cmd, inbuf)

    def mgr_command(self, cmd, inbuf, timeout=0, target=None):
        """Waits for ever when no manager runs."""
        if target is None:
            return self._run(_mgr_command, [], cmd, inbuf)
        return self._run(_mgr_command_target, [cstr(target, "target")], cmd, inbuf)

    def osd_command(self, osdid, cmd, inbuf, timeout=0):
        return self._run(_osd_command, [osdid], cmd, inbuf)

    def pg_command(self, pgid, cmd, inbuf, timeout=0):
        return self._run(_pg_command, [cstr(pgid, "pgid")], cmd, inbuf)

    def wait_for_latest_osdmap(self):
        self.require_state("connected")
        return _wait_osdmap(self.cluster)

    def blocklist_add(self, client_address, expire_seconds=0):
        """Keeps a client (address:port/nonce) away from the OSDs; 0: for the cluster's default time."""
        self.require_state("connected")
        ret = _blocklist_add(self.cluster, cstr(client_address, "client_address"), expire_seconds)
        if ret < 0:
            raise make_ex(ret, "error blocklisting client '%s'" % client_address)

    blacklist_add = blocklist_add  # its name before Pacific


class Ioctx(object):
    """A pool to work in, made by Rados.open_ioctx(). Keeps its client alive."""

    def __init__(self, rados, name, handle):
        self.rados = rados
        self.name = name
        self.io = handle
        self.state = "open"
        self.nspace = ""

    def __enter__(self):
        return self

    def __exit__(self, type_, value, traceback):
        self.close()
        return False

    def __del__(self):
        self.close()

    _destroy = _ioctx_destroy  # reachable when the interpreter has cleared the module already

    def require_ioctx_open(self):
        if self.state != "open":
            raise IoctxStateError("The pool is %s" % self.state)

    def close(self):
        if self.state == "open":
            self.state = "closed"
            if self.rados.state == "connected":  # after the client's shutdown the handle's memory is not ours any more
                self._destroy(self.io)

    def get_pool_id(self):
        self.require_ioctx_open()
        return int(_ioctx_pool_id(self.io))

    def get_pool_name(self):
        self.require_ioctx_open()
        buffer = ctypes.create_string_buffer(4096)
        ret = _ioctx_pool_name(self.io, buffer, 4096)
        if ret < 0:
            raise make_ex(ret, "Ioctx.get_pool_name: failed")
        return decode_cstr(buffer.value)

    def get_last_version(self):
        self.require_ioctx_open()
        return int(_last_version(self.io))

    def set_namespace(self, nspace):
        self.require_ioctx_open()
        _ioctx_set_namespace(self.io, cstr(nspace or "", "nspace"))
        self.nspace = nspace or ""

    def get_namespace(self):
        return self.nspace

    def get_stats(self):
        """The pool's usage, as of the manager's last report."""
        self.require_ioctx_open()
        names = (
            "num_bytes num_kb num_objects num_object_clones num_object_copies num_objects_missing_on_primary "
            "num_objects_unfound num_objects_degraded num_rd num_rd_kb num_wr num_wr_kb"
        ).split()
        numbers = (c_uint64 * 16)()  # the C structure has grown over time: room for more than the names we know
        ret = _ioctx_pool_stat(self.io, numbers)
        if ret < 0:
            raise make_ex(ret, "Ioctx.get_stats(%s): get_stats failed" % self.name)
        return dict(zip(names, map(int, numbers)))

    def stat(self, key):
        """(size in bytes, time of the last change as a local time.struct_time)"""
        self.require_ioctx_open()
        size, changed = c_uint64(), ctypes.c_long()
        ret = _stat(self.io, cstr(key, "key"), byref(size), byref(changed))
        if ret < 0:
            raise make_ex(ret, "Failed to stat %r" % key)
        return size.value, time.localtime(changed.value)

    def read(self, key, length=8192, offset=0):
        self.require_ioctx_open()
        buffer = ctypes.create_string_buffer(length)
        ret = _read(self.io, cstr(key, "key"), buffer, length, offset)
        if ret < 0:
            raise make_ex(ret, "Ioctx.read(%s): failed to read %s" % (self.name, key))
        return buffer.raw[:ret]

    def _changed(self, ret, what, key):
        if ret < 0:
            raise make_ex(ret, "Ioctx.%s(%s): failed to %s %s" % (what, self.name, what, key))
        return ret

    def write(self, key, data, offset=0):
        self.require_ioctx_open()
        data = cstr(data, "data")
        return self._changed(_write(self.io, cstr(key, "key"), data, len(data), offset), "write", key)

    def write_full(self, key, data):
        self.require_ioctx_open()
        data = cstr(data, "data")
        return self._changed(_write_full(self.io, cstr(key, "key"), data, len(data)), "write_full", key)

    def trunc(self, key, size):
        self.require_ioctx_open()
        ret = _trunc(self.io, cstr(key, "key"), size)
        if ret < 0:
            raise make_ex(ret, "Ioctx.trunc(%s): failed to truncate %s" % (self.name, key))
        return ret

    def remove_object(self, key):
        self.require_ioctx_open()
        ret = _remove(self.io, cstr(key, "key"))
        if ret < 0:
            raise make_ex(ret, "Failed to remove '%s'" % key)
        return True

    def list_objects(self):
        """The pool's objects, one Object at a time."""
        self.require_ioctx_open()
        cursor = c_void_p()
        ret = _list_open(self.io, byref(cursor))
        if ret < 0:
            raise make_ex(ret, "error iterating over the objects in ioctx '%s'" % self.name)
        try:
            while True:
                key, locator, nspace = c_char_p(), c_char_p(), c_char_p()
                if _list_next(cursor, byref(key), byref(locator), byref(nspace)) < 0:
                    return
                yield Object(self, decode_cstr(key.value), decode_cstr(locator.value), decode_cstr(nspace.value))
        finally:
            _list_close(cursor)


class Object(object):
    """One object of a pool, read and written like a file: the position moves on."""

    def __init__(self, ioctx, key, locator_key=None, nspace=None):
        self.ioctx = ioctx
        self.key = key
        self.locator_key = "" if locator_key is None else locator_key
        self.nspace = "" if nspace is None else nspace
        self.offset = 0
        self.state = "exists"

    def require_object_exists(self):
        if self.state != "exists":
            raise ObjectStateError("The object is %s" % self.state)

    def read(self, length=1024 * 1024):
        self.require_object_exists()
        data = self.ioctx.read(self.key, length, self.offset)
        self.offset += len(data)
        return data

    def write(self, string_to_write):
        self.require_object_exists()
        ret = self.ioctx.write(self.key, string_to_write, self.offset)
        self.offset += len(string_to_write)
        return ret

    def remove(self):
        self.require_object_exists()
        self.ioctx.remove_object(self.key)
        self.state = "removed"

    def stat(self):
        self.require_object_exists()
        return self.ioctx.stat(self.key)

    def seek(self, position):
        self.require_object_exists()
        self.offset = position
