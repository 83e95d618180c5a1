"""librbd's C functions, structures, constants and errors, for the modules `rbd` and `naru_rbd_image`."""

import ctypes
import errno
from ctypes import POINTER, c_bool, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

from rados import cstr, decode_cstr, function

_library = ctypes.CDLL("librbd.so.1")

ECANCELED = 125  # Python 2's errno has no name for it

CONSTANTS = {
    "ECANCELED": ECANCELED,
    "RBD_FEATURE_LAYERING": 1 << 0,
    "RBD_FEATURE_STRIPINGV2": 1 << 1,
    "RBD_FEATURE_EXCLUSIVE_LOCK": 1 << 2,
    "RBD_FEATURE_OBJECT_MAP": 1 << 3,
    "RBD_FEATURE_FAST_DIFF": 1 << 4,
    "RBD_FEATURE_DEEP_FLATTEN": 1 << 5,
    "RBD_FEATURE_JOURNALING": 1 << 6,
    "RBD_FEATURE_DATA_POOL": 1 << 7,
    "RBD_FEATURE_OPERATIONS": 1 << 8,
    "RBD_FEATURE_MIGRATING": 1 << 9,
    "RBD_FEATURE_NON_PRIMARY": 1 << 10,
    "RBD_FEATURES_INCOMPATIBLE": 2179,
    "RBD_FEATURES_RW_INCOMPATIBLE": 4095,
    "RBD_FEATURES_MUTABLE": 3164,
    "RBD_FEATURES_SINGLE_CLIENT": 2140,
    "RBD_FEATURES_ALL": 4095,
    "RBD_OPERATION_FEATURE_CLONE_PARENT": 1 << 0,
    "RBD_OPERATION_FEATURE_CLONE_CHILD": 1 << 1,
    "RBD_OPERATION_FEATURE_GROUP": 1 << 2,
    "RBD_OPERATION_FEATURE_SNAP_TRASH": 1 << 3,
    "RBD_FLAG_OBJECT_MAP_INVALID": 1,
    "RBD_FLAG_FAST_DIFF_INVALID": 2,
    "RBD_IMAGE_OPTION_FORMAT": 0,
    "RBD_IMAGE_OPTION_FEATURES": 1,
    "RBD_IMAGE_OPTION_ORDER": 2,
    "RBD_IMAGE_OPTION_STRIPE_UNIT": 3,
    "RBD_IMAGE_OPTION_STRIPE_COUNT": 4,
    "RBD_IMAGE_OPTION_DATA_POOL": 10,
    "RBD_LOCK_MODE_EXCLUSIVE": 0,
    "RBD_LOCK_MODE_SHARED": 1,
    "RBD_MIRROR_MODE_DISABLED": 0,
    "RBD_MIRROR_MODE_IMAGE": 1,
    "RBD_MIRROR_MODE_POOL": 2,
    "RBD_MIRROR_IMAGE_MODE_JOURNAL": 0,
    "RBD_MIRROR_IMAGE_MODE_SNAPSHOT": 1,
    "RBD_MIRROR_IMAGE_DISABLING": 0,
    "RBD_MIRROR_IMAGE_ENABLED": 1,
    "RBD_MIRROR_IMAGE_DISABLED": 2,
    "RBD_SNAP_NAMESPACE_TYPE_USER": 0,
    "RBD_SNAP_NAMESPACE_TYPE_GROUP": 1,
    "RBD_SNAP_NAMESPACE_TYPE_TRASH": 2,
    "RBD_SNAP_NAMESPACE_TYPE_MIRROR": 3,
    "RBD_SNAP_CREATE_SKIP_QUIESCE": 1,
    "RBD_SNAP_CREATE_IGNORE_QUIESCE_ERROR": 2,
    "RBD_SNAP_REMOVE_UNPROTECT": 1,
    "RBD_SNAP_REMOVE_FLATTEN": 2,
    "RBD_SNAP_REMOVE_FORCE": 3,
    "RBD_CONFIG_SOURCE_CONFIG": 0,
    "RBD_CONFIG_SOURCE_POOL": 1,
    "RBD_CONFIG_SOURCE_IMAGE": 2,
    "RBD_WRITE_ZEROES_FLAG_THICK_PROVISION": 1,
}


class Error(Exception):
    """The base of all of librbd's errors."""


class OSError(Error):
    """The base of the errors that stand for one errno, and itself every other one. `errno` is positive."""

    def __init__(self, message, errno=None):
        super(OSError, self).__init__(message)
        self.errno = errno

    def __str__(self):
        message = super(OSError, self).__str__()
        return message if self.errno is None else "[errno {0}] {1}".format(self.errno, message)


Error.__module__ = OSError.__module__ = "rbd"  # where callers know them from
_errors = {}


def _define(name, text, number=None):
    """An exception class with the official binding's text, which stands for errno `number`."""

    def init(self, message, errno=None):
        OSError.__init__(self, "RBD %s (%s)" % (text, message), errno)

    found = type(name, (OSError,), {"__init__": init, "__module__": "rbd"})
    if number:
        _errors[number] = found
    return found


PermissionError = _define("PermissionError", "permission error", errno.EPERM)
ImageNotFound = _define("ImageNotFound", "image not found", errno.ENOENT)
IOError = _define("IOError", "I/O error", errno.EIO)
NoSpace = _define("NoSpace", "insufficient space available", errno.ENOSPC)
ImageExists = _define("ImageExists", "image already exists", errno.EEXIST)
InvalidArgument = _define("InvalidArgument", "invalid argument", errno.EINVAL)
ReadOnlyImage = _define("ReadOnlyImage", "read-only image", errno.EROFS)
ImageBusy = _define("ImageBusy", "image is busy", errno.EBUSY)
ImageHasSnapshots = _define("ImageHasSnapshots", "image has snapshots", errno.ENOTEMPTY)
FunctionNotSupported = _define("FunctionNotSupported", "function not supported", errno.ENOSYS)
ArgumentOutOfRange = _define("ArgumentOutOfRange", "arguments out of range", errno.EDOM)
ConnectionShutdown = _define("ConnectionShutdown", "connection was shutdown", errno.ESHUTDOWN)
Timeout = _define("Timeout", "operation timeout", errno.ETIMEDOUT)
DiskQuotaExceeded = _define("DiskQuotaExceeded", "disk quota exceeded", errno.EDQUOT)
OperationNotSupported = _define("OperationNotSupported", "operation not supported", errno.EOPNOTSUPP)
OperationCanceled = _define("OperationCanceled", "operation canceled", ECANCELED)
ObjectNotFound = _define("ObjectNotFound", "object not found")
ObjectExists = _define("ObjectExists", "object already exists")
IncompleteWriteError = _define("IncompleteWriteError", "incomplete write")
LogicError = _define("LogicError", "logic error")


def make_ex(ret, message):
    """The exception that stands for a C function's (negative) return value."""
    number = abs(ret)
    return _errors.get(number, OSError)(message, errno=number)


def check(ret, message, *arguments):
    """Raises what a negative return value stands for; else returns it."""
    if ret < 0:
        raise make_ex(ret, message % arguments)
    return ret


class ImageSpec(ctypes.Structure):
    _fields_ = [("id", c_char_p), ("name", c_char_p)]


class LinkedImageSpec(ctypes.Structure):
    _fields_ = [
        ("pool_id", c_int64),
        ("pool_name", c_char_p),
        ("pool_namespace", c_char_p),
        ("image_id", c_char_p),
        ("image_name", c_char_p),
        ("trash", c_bool),
    ]


class SnapSpec(ctypes.Structure):
    _fields_ = [("id", c_uint64), ("namespace_type", c_int), ("name", c_char_p)]


class SnapInfo(ctypes.Structure):
    _fields_ = [("id", c_uint64), ("size", c_uint64), ("name", c_char_p)]


class ImageInfo(ctypes.Structure):
    _fields_ = [
        ("size", c_uint64),
        ("obj_size", c_uint64),
        ("num_objs", c_uint64),
        ("order", c_int),
        ("block_name_prefix", c_char * 24),
        ("parent_pool", c_uint64),  # signed in C; the official binding has it unsigned
        ("parent_name", c_char * 96),
    ]


class TrashInfo(ctypes.Structure):
    _fields_ = [
        ("id", c_char_p),
        ("name", c_char_p),
        ("source", c_int),
        ("deletion_time", ctypes.c_long),
        ("deferment_end_time", ctypes.c_long),
    ]


class Watcher(ctypes.Structure):
    _fields_ = [("addr", c_char_p), ("id", c_int64), ("cookie", c_uint64)]


class ConfigOption(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p), ("source", c_int)]


class MirrorImageInfo(ctypes.Structure):
    _fields_ = [("global_id", c_char_p), ("state", c_int), ("primary", c_bool)]


class TimeSpec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


PROGRESS = ctypes.CFUNCTYPE(c_int, c_uint64, c_uint64, c_void_p)
DIFF = ctypes.CFUNCTYPE(c_int, c_uint64, c_size_t, c_int, c_void_p)

_handle = c_void_p  # rados_ioctx_t, rbd_image_t, rbd_image_options_t
_u64 = POINTER(c_uint64)
_size = POINTER(c_size_t)
_text = c_char_p
_progress = (PROGRESS, c_void_p)

# rbd_NAME(arguments) -> int
_functions = {
    "image_options_set_string": (_handle, c_int, _text),
    "image_options_set_uint64": (_handle, c_int, c_uint64),
    "list2": (_handle, POINTER(ImageSpec), _size),
    "create": (_handle, _text, c_uint64, POINTER(c_int)),
    "create4": (_handle, _text, c_uint64, _handle),
    "clone3": (_handle, _text, _text, _handle, _text, _handle),
    "remove": (_handle, _text),
    "remove_with_progress": (_handle, _text) + _progress,
    "rename": (_handle, _text, _text),
    "trash_move": (_handle, _text, c_uint64),
    "trash_get": (_handle, _text, POINTER(TrashInfo)),
    "trash_list": (_handle, POINTER(TrashInfo), _size),
    "trash_purge": (_handle, ctypes.c_long, ctypes.c_float),
    "trash_remove": (_handle, _text, c_bool),
    "trash_remove_with_progress": (_handle, _text, c_bool) + _progress,
    "trash_restore": (_handle, _text, _text),
    "namespace_create": (_handle, _text),
    "namespace_remove": (_handle, _text),
    "namespace_exists": (_handle, _text, POINTER(c_bool)),
    "namespace_list": (_handle, _text, _size),
    "pool_init": (_handle, c_bool),
    "features_to_string": (c_uint64, _text, _size),
    "features_from_string": (_text, _u64),
    "mirror_mode_get": (_handle, POINTER(c_int)),
    "mirror_mode_set": (_handle, c_int),
    "open": (_handle, _text, POINTER(_handle), _text),
    "open_by_id": (_handle, _text, POINTER(_handle), _text),
    "open_read_only": (_handle, _text, POINTER(_handle), _text),
    "open_by_id_read_only": (_handle, _text, POINTER(_handle), _text),
    "close": (_handle,),
    "resize2": (_handle, c_uint64, c_bool) + _progress,
    "stat": (_handle, POINTER(ImageInfo), c_size_t),
    "get_old_format": (_handle, POINTER(c_uint8)),
    "get_size": (_handle, _u64),
    "get_features": (_handle, _u64),
    "update_features": (_handle, c_uint64, c_uint8),
    "get_op_features": (_handle, _u64),
    "get_stripe_unit": (_handle, _u64),
    "get_stripe_count": (_handle, _u64),
    "get_create_timestamp": (_handle, POINTER(TimeSpec)),
    "get_overlap": (_handle, _u64),
    "get_name": (_handle, _text, _size),
    "get_id": (_handle, _text, c_size_t),
    "get_block_name_prefix": (_handle, _text, c_size_t),
    "get_parent": (_handle, POINTER(LinkedImageSpec), POINTER(SnapSpec)),
    "get_flags": (_handle, _u64),
    "is_exclusive_lock_owner": (_handle, POINTER(c_int)),
    "lock_acquire": (_handle, c_int),
    "lock_release": (_handle,),
    "lock_get_owners": (_handle, POINTER(c_int), POINTER(_text), _size),
    "lock_break": (_handle, c_int, _text),
    "rebuild_object_map": (_handle,) + _progress,
    "copy3": (_handle, _handle, _text, _handle),
    "deep_copy": (_handle, _handle, _text, _handle),
    "snap_list": (_handle, POINTER(SnapInfo), POINTER(c_int)),
    "snap_exists": (_handle, _text, POINTER(c_bool)),
    "snap_create": (_handle, _text),
    "snap_remove": (_handle, _text),
    "snap_remove2": (_handle, _text, c_uint32) + _progress,
    "snap_remove_by_id": (_handle, c_uint64),
    "snap_rollback": (_handle, _text),
    "snap_rename": (_handle, _text, _text),
    "snap_protect": (_handle, _text),
    "snap_unprotect": (_handle, _text),
    "snap_is_protected": (_handle, _text, POINTER(c_int)),
    "snap_set": (_handle, _text),
    "snap_set_by_id": (_handle, c_uint64),
    "snap_get_name": (_handle, c_uint64, _text, _size),
    "snap_get_id": (_handle, _text, _u64),
    "snap_get_timestamp": (_handle, c_uint64, POINTER(TimeSpec)),
    "snap_get_namespace_type": (_handle, c_uint64, POINTER(c_int)),
    "snap_get_trash_namespace": (_handle, c_uint64, _text, c_size_t),
    "flatten": (_handle,),
    "flatten_with_progress": (_handle,) + _progress,
    "sparsify": (_handle, c_size_t),
    "list_children3": (_handle, POINTER(LinkedImageSpec), _size),
    "list_descendants": (_handle, POINTER(LinkedImageSpec), _size),
    "lock_exclusive": (_handle, _text),
    "lock_shared": (_handle, _text, _text),
    "unlock": (_handle, _text),
    "break_lock": (_handle, _text, _text),
    "diff_iterate2": (_handle, _text, c_uint64, c_uint64, c_uint8, c_uint8, DIFF, c_void_p),
    "discard": (_handle, c_uint64, c_uint64),
    "flush": (_handle,),
    "invalidate_cache": (_handle,),
    "metadata_get": (_handle, _text, _text, _size),
    "metadata_set": (_handle, _text, _text),
    "metadata_remove": (_handle, _text),
    "metadata_list": (_handle, _text, c_uint64, _text, _size, _text, _size),
    "mirror_image_enable2": (_handle, c_int),
    "mirror_image_disable": (_handle, c_bool),
    "mirror_image_promote": (_handle, c_bool),
    "mirror_image_demote": (_handle,),
    "mirror_image_resync": (_handle,),
    "mirror_image_get_info": (_handle, POINTER(MirrorImageInfo), c_size_t),
    "mirror_image_get_mode": (_handle, POINTER(c_int)),
    "watchers_list": (_handle, POINTER(Watcher), _size),
    "config_image_list": (_handle, POINTER(ConfigOption), POINTER(c_int)),
}


class _Functions(object):
    """librbd's functions, without their prefix."""


C = _Functions()
for _name, _arguments in _functions.items():
    setattr(C, _name, function(_library, "rbd_" + _name, c_int, *_arguments))
for _name, _arguments in {
    "version": (POINTER(c_int),) * 3,
    "image_options_create": (POINTER(_handle),),
    "image_options_destroy": (_handle,),
    "image_spec_list_cleanup": (POINTER(ImageSpec), c_size_t),
    "linked_image_spec_cleanup": (POINTER(LinkedImageSpec),),
    "linked_image_spec_list_cleanup": (POINTER(LinkedImageSpec), c_size_t),
    "snap_spec_cleanup": (POINTER(SnapSpec),),
    "snap_list_end": (POINTER(SnapInfo),),
    "trash_get_cleanup": (POINTER(TrashInfo),),
    "trash_list_cleanup": (POINTER(TrashInfo), c_size_t),
    "lock_get_owners_cleanup": (POINTER(_text), c_size_t),
    "mirror_image_get_info_cleanup": (POINTER(MirrorImageInfo),),
    "watchers_list_cleanup": (POINTER(Watcher), c_size_t),
    "config_image_list_cleanup": (POINTER(ConfigOption), c_int),
}.items():
    setattr(C, _name, function(_library, "rbd_" + _name, None, *_arguments))
# lengths and ids: wider than an int
C.read2 = function(_library, "rbd_read2", ctypes.c_ssize_t, _handle, c_uint64, c_size_t, _text, c_int)
C.write2 = function(_library, "rbd_write2", ctypes.c_ssize_t, _handle, c_uint64, c_size_t, _text, c_int)
C.write_zeroes = function(_library, "rbd_write_zeroes", ctypes.c_ssize_t, _handle, c_uint64, c_size_t, c_int, c_int)
C.get_data_pool_id = function(_library, "rbd_get_data_pool_id", c_int64, _handle)
C.list_lockers = function(
    _library,
    "rbd_list_lockers",
    ctypes.c_ssize_t,
    _handle,
    POINTER(c_int),
    _text,
    _size,
    _text,
    _size,
    _text,
    _size,
    _text,
    _size,
)


def entries(structure, call, cleanup, message, *arguments):
    """Yields the entries of type `structure` that `call(array, count)` of librbd gives.

    It returns -ERANGE and the count it needs when the array is too short. An entry's texts are valid until the next:
    `cleanup(array, count)` frees them at the end.
    """
    count = 32
    while True:
        array, number = (structure * count)(), c_size_t(count)
        ret = call(array, ctypes.byref(number))
        if ret != -errno.ERANGE:
            break
        count = max(number.value, count * 2)
    check(ret, message, *arguments)
    try:
        for index in range(number.value):
            yield array[index]
    finally:
        cleanup(array, number.value)


def text_of(call, message, *arguments):
    """The text that `call(buffer, length)` writes, its buffer grown until it fits."""
    length = 256
    while True:
        buffer = ctypes.create_string_buffer(length)
        ret = call(buffer, length)
        if ret != -errno.ERANGE:
            break
        length *= 2
    check(ret, message, *arguments)
    return decode_cstr(buffer.value)


def progress(on_progress):
    """The C callback for `on_progress(done, total)`: what it returns (None: 0) goes to librbd, negative cancels."""

    def call(done, total, _unused):
        return (on_progress(done, total) or 0) if on_progress else 0

    return PROGRESS(call)


class ImageOptions(object):
    """The options of a new image, freed at the end of a `with`. `None` leaves an option to the cluster's default."""

    def __init__(self, features, order, stripe_unit, stripe_count, data_pool, old_format=None):
        self.numbers = {
            "RBD_IMAGE_OPTION_FORMAT": None if old_format is None else (1 if old_format else 2),
            "RBD_IMAGE_OPTION_FEATURES": features,
            "RBD_IMAGE_OPTION_ORDER": order,
            "RBD_IMAGE_OPTION_STRIPE_UNIT": stripe_unit,
            "RBD_IMAGE_OPTION_STRIPE_COUNT": stripe_count,
        }
        self.data_pool = data_pool
        self.handle = c_void_p()

    def __enter__(self):
        C.image_options_create(ctypes.byref(self.handle))
        for name, value in self.numbers.items():
            if value is not None:
                C.image_options_set_uint64(self.handle, CONSTANTS[name], value)
        if self.data_pool is not None:
            C.image_options_set_string(
                self.handle, CONSTANTS["RBD_IMAGE_OPTION_DATA_POOL"], cstr(self.data_pool, "data_pool")
            )
        return self.handle

    def __exit__(self, type_, value, traceback):
        C.image_options_destroy(self.handle)
        return False
