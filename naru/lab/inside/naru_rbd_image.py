"""rbd.Image."""

import ctypes
import errno
from ctypes import byref, c_bool, c_char_p, c_int, c_size_t, c_uint8, c_uint64, c_void_p
from datetime import datetime

from rados import cstr, decode_cstr

from naru_librbd import (
    C,
    CONSTANTS,
    DIFF,
    ConfigOption,
    ImageInfo,
    ImageOptions,
    IncompleteWriteError,
    InvalidArgument,
    LinkedImageSpec,
    LogicError,
    MirrorImageInfo,
    SnapInfo,
    SnapSpec,
    TimeSpec,
    Watcher,
    check,
    entries,
    make_ex,
    progress,
    text_of,
)


class Image(object):
    """An open image, or one of its snapshots; closed by close() or at the end of a `with`."""

    _close = C.close  # reachable when the interpreter has cleared the module already

    def __init__(self, ioctx, name=None, snapshot=None, read_only=False, image_id=None):
        self.closed = True
        self.ioctx = ioctx  # kept open as long as the image
        self.image = c_void_p()
        self.name = cstr(name, "name", opt=True)
        image_id = cstr(image_id, "image_id", opt=True)
        snapshot = cstr(snapshot, "snapshot", opt=True)
        if self.name is None and image_id is None:
            raise InvalidArgument("Either image name or id must be provided.")
        if image_id is not None:
            call = C.open_by_id_read_only if read_only else C.open_by_id
        else:
            call = C.open_read_only if read_only else C.open
        ret = call(ioctx.io, image_id if self.name is None else self.name, byref(self.image), snapshot)
        if ret != 0:
            raise make_ex(ret, "error opening image %s at snapshot %s" % (self.name or image_id, snapshot))
        self.closed = False
        if self.name is None:
            self.name = self.get_name()

    def __enter__(self):
        return self

    def __exit__(self, type_, value, traceback):
        self.close()
        return False

    def __del__(self):
        if not getattr(self, "closed", True):
            self.close()

    def __repr__(self):
        return "rbd.Image(ioctx, %r)" % self.name

    def require_not_closed(self):
        if self.closed:
            raise InvalidArgument("image is closed")

    def close(self):
        """Frees the image; it cannot be used any more."""
        if not self.closed:
            self.closed = True
            ret = self._close(self.image)
            if ret < 0:
                raise make_ex(ret, "error while closing image %s" % self.name)

    def _call(self, name, *arguments):
        """Runs rbd_NAME(image, ...) and returns its value, negative ones too."""
        self.require_not_closed()
        return getattr(C, name)(self.image, *arguments)

    def _do(self, message, name, *arguments):
        """Runs rbd_NAME(image, ...) and raises what a negative value stands for."""
        return check(self._call(name, *arguments), "%s for image %s" % (message, self.name))

    def _number(self, message, name, kind=c_uint64, *arguments):
        """The number that rbd_NAME(image, ..., &number) gives."""
        value = kind()
        self._do(message, name, *(arguments + (byref(value),)))
        return int(value.value)

    def _moment(self, message, name, *arguments):
        moment = TimeSpec()
        self._do(message, name, *(arguments + (byref(moment),)))
        return datetime.utcfromtimestamp(moment.seconds)

    # -- what it is

    def stat(self):
        info = ImageInfo()
        self._do("error getting info", "stat", byref(info), ctypes.sizeof(info))
        return {
            "size": info.size,
            "obj_size": info.obj_size,
            "num_objs": info.num_objs,
            "order": info.order,
            "block_name_prefix": decode_cstr(info.block_name_prefix),
            "parent_pool": info.parent_pool,
            "parent_name": info.parent_name,
        }

    def get_name(self):
        def call(buffer, length):
            return self._call("get_name", buffer, byref(c_size_t(length)))

        return text_of(call, "error getting name for image")

    def id(self):
        return text_of(lambda *buffer: self._call("get_id", *buffer), "error getting id for image %s", self.name)

    def block_name_prefix(self):
        return text_of(
            lambda *buffer: self._call("get_block_name_prefix", *buffer), "error getting prefix for image %s", self.name
        )

    def data_pool_id(self):
        """The id of the pool that the data is in."""
        return int(self._do("error getting data pool id", "get_data_pool_id"))

    def old_format(self):
        return self._number("error getting old_format", "get_old_format", c_uint8) != 0

    def size(self):
        """Bytes; of the snapshot, where one is set."""
        return self._number("error getting size", "get_size")

    def features(self):
        return self._number("error getting features", "get_features")

    def op_features(self):
        return self._number("error getting operations features", "get_op_features")

    def flags(self):
        return self._number("error getting flags", "get_flags")

    def stripe_unit(self):
        return self._number("error getting stripe unit", "get_stripe_unit")

    def stripe_count(self):
        return self._number("error getting stripe count", "get_stripe_count")

    def overlap(self):
        """The bytes shared with the parent, from the start on."""
        return self._number("error getting overlap", "get_overlap")

    def create_timestamp(self):
        return self._moment("error getting create timestamp", "get_create_timestamp")

    def update_features(self, features, enabled):
        """Turns feature bits on or off."""
        self._do("error updating features", "update_features", features, 1 if enabled else 0)

    def resize(self, size, allow_shrink=True):
        self._do("error resizing", "resize2", size, allow_shrink, progress(None), None)

    # -- family

    def _parent(self):
        image, snapshot = LinkedImageSpec(), SnapSpec()
        self._do("error getting parent info", "get_parent", byref(image), byref(snapshot))
        try:
            spec = {
                "pool_name": decode_cstr(image.pool_name),
                "pool_namespace": decode_cstr(image.pool_namespace),
                "image_name": decode_cstr(image.image_name),
                "snap_name": decode_cstr(snapshot.name),
            }
            return spec, decode_cstr(image.image_id)
        finally:
            C.linked_image_spec_cleanup(byref(image))
            C.snap_spec_cleanup(byref(snapshot))

    def get_parent_image_spec(self):
        """The parent as a dict of names. Raises ImageNotFound when there is none."""
        return self._parent()[0]

    def parent_info(self):
        """(pool, image, snapshot) of the parent. Raises ImageNotFound when there is none."""
        parent = self.get_parent_image_spec()
        return (parent["pool_name"], parent["image_name"], parent["snap_name"])

    def parent_id(self):
        return self._parent()[1]

    def _linked(self, name):
        found = entries(
            LinkedImageSpec,
            lambda array, count: self._call(name, array, count),
            C.linked_image_spec_list_cleanup,
            "error listing children for image %s",
            self.name,
        )
        return [
            {
                "pool": decode_cstr(entry.pool_name),
                "pool_namespace": decode_cstr(entry.pool_namespace),
                "image": decode_cstr(entry.image_name),
                "id": decode_cstr(entry.image_id),
                "trash": bool(entry.trash),
            }
            for entry in found
        ]

    def list_children(self):
        """(pool, image) of the clones of the set snapshot, those in the trash left out."""
        return [(child["pool"], child["image"]) for child in self._linked("list_children3") if not child["trash"]]

    def list_children2(self):
        """The clones of the set snapshot as dicts with `pool`, `pool_namespace`, `image`, `id`, `trash`."""
        return iter(self._linked("list_children3"))

    def list_descendants(self):
        """The clones of the set snapshot, of any of them when none is set, their clones, and so on."""
        return iter(self._linked("list_descendants"))

    def flatten(self, on_progress=None):
        """Copies what is shared with the parent and lets go of it. `on_progress(done, total)` in objects."""
        if on_progress:
            self._do("error flattening", "flatten_with_progress", progress(on_progress), None)
        else:
            self._do("error flattening", "flatten")

    def sparsify(self, sparse_size):
        self._do("error sparsifying", "sparsify", sparse_size)

    def copy(
        self,
        dest_ioctx,
        dest_name,
        features=None,
        order=None,
        stripe_unit=None,
        stripe_count=None,
        data_pool=None,
    ):
        """Copies the content, as the set snapshot has it, to a new image, holes kept."""
        with ImageOptions(features, order, stripe_unit, stripe_count, data_pool) as options:
            self._do("error copying", "copy3", dest_ioctx.io, cstr(dest_name, "dest_name"), options)

    def deep_copy(
        self,
        dest_ioctx,
        dest_name,
        features=None,
        order=None,
        stripe_unit=None,
        stripe_count=None,
        data_pool=None,
    ):
        """Copies the image with its snapshots to a new one."""
        with ImageOptions(features, order, stripe_unit, stripe_count, data_pool) as options:
            self._do("error copying", "deep_copy", dest_ioctx.io, cstr(dest_name, "dest_name"), options)

    # -- snapshots

    def list_snaps(self):
        """The snapshots as dicts with `id`, `size`, `name`, `namespace` (RBD_SNAP_NAMESPACE_TYPE_*)."""
        count = 32
        while True:
            array, number = (SnapInfo * count)(), c_int(count)
            ret = self._call("snap_list", array, byref(number))
            if ret != -errno.ERANGE:
                break
            count = max(number.value, count * 2)
        check(ret, "error listing snapshots for image %s", self.name)
        try:
            found = [{"id": e.id, "size": e.size, "name": decode_cstr(e.name)} for e in array[:ret]]
        finally:
            if ret:
                C.snap_list_end(array)
        for snapshot in found:
            snapshot["namespace"] = self.snap_get_namespace_type(snapshot["id"])
            if snapshot["namespace"] == CONSTANTS["RBD_SNAP_NAMESPACE_TYPE_TRASH"]:
                snapshot["trash"] = {"original_name": self.snap_get_trash_namespace(snapshot["id"])}
        return iter(found)

    def create_snap(self, name, flags=0):
        """`flags` are about guests' agents, which have no part here; accepted for the official signature."""
        self._do("error creating snapshot %s" % name, "snap_create", cstr(name, "name"))

    def rename_snap(self, srcname, dstname):
        self._do("error renaming snapshot", "snap_rename", cstr(srcname, "srcname"), cstr(dstname, "dstname"))

    def remove_snap(self, name):
        """Raises ImageBusy while it is protected or has clones."""
        self._do("error removing snapshot %s" % name, "snap_remove", cstr(name, "name"))

    def remove_snap2(self, name, flags):
        """`flags` of RBD_SNAP_REMOVE_*: flatten its clones, unprotect it first."""
        self._do("error removing snapshot %s" % name, "snap_remove2", cstr(name, "name"), flags, progress(None), None)

    def remove_snap_by_id(self, snap_id):
        self._do("error removing snapshot %s" % snap_id, "snap_remove_by_id", snap_id)

    def rollback_to_snap(self, name):
        self._do("error rolling back to snapshot %s" % name, "snap_rollback", cstr(name, "name"))

    def protect_snap(self, name):
        """Clones (of the first format) need a protected snapshot."""
        self._do("error protecting snapshot %s" % name, "snap_protect", cstr(name, "name"))

    def unprotect_snap(self, name):
        """Raises ImageBusy while it has clones."""
        self._do("error unprotecting snapshot %s" % name, "snap_unprotect", cstr(name, "name"))

    def is_protected_snap(self, name):
        message = "error checking if snapshot %s is protected" % name
        return self._number(message, "snap_is_protected", c_int, cstr(name, "name")) == 1

    def snap_exists(self, name):
        return bool(self._number("error checking snapshot %s" % name, "snap_exists", c_bool, cstr(name, "name")))

    def set_snap(self, name):
        """What is read from now on: this snapshot, or the image itself for None."""
        self._do("error setting snapshot %s" % name, "snap_set", cstr(name, "name", opt=True))

    def set_snap_by_id(self, snap_id):
        none = 0xFFFFFFFFFFFFFFFE  # CEPH_NOSNAP
        self._do("error setting snapshot %s" % snap_id, "snap_set_by_id", none if snap_id is None else snap_id)

    def snap_get_name(self, snap_id):
        def call(buffer, length):
            return self._call("snap_get_name", snap_id, buffer, byref(c_size_t(length)))

        return text_of(call, "error getting snapshot name for image %s", self.name)

    def snap_get_id(self, snap_name):
        return self._number("error getting snapshot id", "snap_get_id", c_uint64, cstr(snap_name, "snap_name"))

    def snap_get_namespace_type(self, snap_id):
        return self._number("error getting snapshot namespace", "snap_get_namespace_type", c_int, snap_id)

    def snap_get_trash_namespace(self, snap_id):
        """The name that a snapshot in the trash had."""
        return text_of(
            lambda *buffer: self._call("snap_get_trash_namespace", snap_id, *buffer), "error getting snapshot namespace"
        )

    def get_snap_timestamp(self, snap_id):
        return self._moment("error getting snapshot timestamp", "snap_get_timestamp", snap_id)

    # -- data

    def read(self, offset, length, fadvise_flags=0):
        """The bytes from `offset` on: fewer than `length` at the image's end."""
        self.require_not_closed()
        buffer = ctypes.create_string_buffer(length)
        message = "error reading %d bytes at %d" % (length, offset)
        ret = self._do(message, "read2", offset, length, buffer, fadvise_flags)
        return buffer.raw[:ret]

    def write(self, data, offset, fadvise_flags=0):
        """Returns the number of bytes written, which is all of them."""
        if not isinstance(data, bytes):
            raise TypeError("data must be a byte string")
        length = len(data)
        message = "error writing %d bytes at %d" % (length, offset)
        ret = self._do(message, "write2", offset, length, data, fadvise_flags)
        if ret < length:
            raise IncompleteWriteError("Wrote only %d out of %d bytes" % (ret, length))
        if ret > length:
            raise LogicError(
                "logic error: rbd_write(%s) returned %d, but %d was the maximum" % (self.name, ret, length)
            )
        return int(ret)

    def discard(self, offset, length):
        self._do("error discarding region %d~%d" % (offset, length), "discard", offset, length)

    def write_zeroes(self, offset, length, zero_flags=0):
        self._do("error zeroing region %d~%d" % (offset, length), "write_zeroes", offset, length, zero_flags, 0)

    def flush(self):
        self._do("error flushing", "flush")

    def invalidate_cache(self):
        self._do("error invalidating cache", "invalidate_cache")

    def diff_iterate(self, offset, length, from_snapshot, iterate_cb, include_parent=True, whole_object=False):
        """Calls `iterate_cb(offset, length, exists)` for every extent that changed since a snapshot (None: since ever)
        up to what is set; a negative number it returns, or what it raises, ends the walk.
        """
        raised = []

        def call(position, size, exists, _unused):
            try:
                return iterate_cb(position, size, bool(exists)) or 0
            except BaseException as error:  # noqa: BLE001 - C cannot carry it: it is raised again below
                raised.append(error)
                return -errno.EIO

        since = cstr(from_snapshot, "from_snapshot", opt=True)
        ret = self._call(
            "diff_iterate2", since, offset, length, bool(include_parent), bool(whole_object), DIFF(call), None
        )
        if raised:
            raise raised[0]
        check(ret, "error generating diff from snapshot %s", from_snapshot)

    # -- locks and watchers

    def is_exclusive_lock_owner(self):
        return self._number("error getting lock owner", "is_exclusive_lock_owner", c_int) == 1

    def lock_acquire(self, lock_mode):
        self._do("error acquiring lock", "lock_acquire", lock_mode)

    def lock_release(self):
        self._do("error releasing lock", "lock_release")

    def lock_get_owners(self):
        """The owner of the exclusive lock, as dicts with `mode` and `owner`."""
        mode, owners, count = c_int(), (c_char_p * 8)(), c_size_t(8)
        ret = self._call("lock_get_owners", byref(mode), owners, byref(count))
        if ret == -errno.ENOENT:
            return iter([])
        check(ret, "error getting lock owners for image %s", self.name)
        try:
            return iter([{"mode": mode.value, "owner": decode_cstr(owner)} for owner in owners[: count.value]])
        finally:
            C.lock_get_owners_cleanup(owners, count.value)

    def lock_break(self, lock_mode, lock_owner):
        self._do("error breaking lock", "lock_break", lock_mode, cstr(lock_owner, "lock_owner"))

    def list_lockers(self):
        """Advisory locks: {} or {"tag", "exclusive", "lockers": [(client, cookie, address)]}."""
        size = 512
        while True:
            exclusive = c_int()
            buffers = [ctypes.create_string_buffer(size) for _ in range(4)]
            lengths = [c_size_t(size) for _ in range(4)]
            pairs = [item for buffer, length in zip(buffers, lengths) for item in (buffer, byref(length))]
            ret = self._call("list_lockers", byref(exclusive), *pairs)
            if ret != -errno.ERANGE:
                break
            size = max(length.value for length in lengths)
        check(ret, "error listing lockers for image %s", self.name)
        if ret == 0:
            return []
        tag, clients, cookies, addresses = [
            decode_cstr(buffer.raw[: length.value]).split("\0") for buffer, length in zip(buffers, lengths)
        ]
        return {
            "tag": tag[0],
            "exclusive": exclusive.value == 1,
            "lockers": list(zip(clients, cookies, addresses))[:ret],
        }

    def lock_exclusive(self, cookie):
        self._do("error acquiring exclusive lock", "lock_exclusive", cstr(cookie, "cookie"))

    def lock_shared(self, cookie, tag):
        self._do("error acquiring shared lock", "lock_shared", cstr(cookie, "cookie"), cstr(tag, "tag"))

    def unlock(self, cookie):
        self._do("error unlocking image", "unlock", cstr(cookie, "cookie"))

    def break_lock(self, client, cookie):
        self._do("error unlocking image", "break_lock", cstr(client, "client"), cstr(cookie, "cookie"))

    def watchers_list(self):
        """Who has the image open, as dicts with `addr`, `id`, `cookie`."""
        found = entries(
            Watcher,
            lambda array, count: self._call("watchers_list", array, count),
            C.watchers_list_cleanup,
            "error listing watchers for image %s",
            self.name,
        )
        return iter([{"addr": decode_cstr(e.addr), "id": e.id, "cookie": e.cookie} for e in found])

    # -- metadata and configuration

    def metadata_get(self, key):
        """Raises KeyError when there is none."""
        return self._metadata_get(key, "metadata " + key)

    def _metadata_get(self, key, what):
        def call(buffer, length):
            ret = self._call("metadata_get", cstr(key, "key"), buffer, byref(c_size_t(length)))
            if ret == -errno.ENOENT:
                raise KeyError("no %s for image %s" % (what, self.name))
            return ret

        return text_of(call, "error getting %s for image %s", what, self.name)

    def metadata_set(self, key, value):
        self._do("error setting metadata %s" % key, "metadata_set", cstr(key, "key"), cstr(value, "value"))

    def metadata_remove(self, key):
        """Raises KeyError when there is none."""
        self._metadata_remove(key, "metadata " + key)

    def _metadata_remove(self, key, what):
        ret = self._call("metadata_remove", cstr(key, "key"))
        if ret == -errno.ENOENT:
            raise KeyError("no %s for image %s" % (what, self.name))
        check(ret, "error removing %s for image %s", what, self.name)

    def metadata_list(self):
        """(key, value) pairs."""
        size = 4096
        while True:
            keys, values = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
            key_size, value_size = c_size_t(size), c_size_t(size)
            ret = self._call("metadata_list", b"", 0, keys, byref(key_size), values, byref(value_size))
            if ret != -errno.ERANGE:
                break
            size = max(key_size.value, value_size.value, size * 2)
        check(ret, "error listing metadata for image %s", self.name)
        texts = [decode_cstr(b.raw[: s.value]).split("\0")[:-1] for b, s in ((keys, key_size), (values, value_size))]
        return iter(list(zip(*texts)))

    def config_list(self):
        """Every librbd option as a dict with `name`, `value`, `source` (RBD_CONFIG_SOURCE_*)."""
        count = 128
        while True:
            array, number = (ConfigOption * count)(), c_int(count)
            ret = self._call("config_image_list", array, byref(number))
            if ret != -errno.ERANGE:
                break
            count = max(number.value, count * 2)
        check(ret, "error listing config options for image %s", self.name)
        try:
            return iter(
                [
                    {"name": decode_cstr(e.name), "value": decode_cstr(e.value), "source": e.source}
                    for e in array[: number.value]
                ]
            )
        finally:
            C.config_image_list_cleanup(array, number.value)

    def config_get(self, key):
        """An option set on this image. Raises KeyError when it is not."""
        return self._metadata_get("conf_" + key, "config " + key)

    def config_set(self, key, value):
        self.metadata_set("conf_" + key, value)

    def config_remove(self, key):
        """Raises KeyError when it is not set."""
        self._metadata_remove("conf_" + key, "config " + key)

    def rebuild_object_map(self):
        self._do("error rebuilding object map", "rebuild_object_map", progress(None), None)

    # -- mirroring

    def mirror_image_enable(self, mode=CONSTANTS["RBD_MIRROR_IMAGE_MODE_JOURNAL"]):
        self._do("error enabling mirroring", "mirror_image_enable2", mode)

    def mirror_image_disable(self, force):
        self._do("error disabling mirroring", "mirror_image_disable", force)

    def mirror_image_promote(self, force):
        self._do("error promoting image %s to primary" % self.name, "mirror_image_promote", force)

    def mirror_image_demote(self):
        self._do("error demoting image %s to secondary" % self.name, "mirror_image_demote")

    def mirror_image_resync(self):
        self._do("error to resync image", "mirror_image_resync")

    def mirror_image_get_info(self):
        """A dict with `global_id`, `state` (RBD_MIRROR_IMAGE_*), `primary`."""
        info = MirrorImageInfo()
        self._do("error getting mirror info", "mirror_image_get_info", byref(info), ctypes.sizeof(info))
        try:
            return {"global_id": decode_cstr(info.global_id), "state": info.state, "primary": bool(info.primary)}
        finally:
            C.mirror_image_get_info_cleanup(byref(info))

    def mirror_image_get_mode(self):
        return self._number("error getting mirror mode", "mirror_image_get_mode", c_int)
