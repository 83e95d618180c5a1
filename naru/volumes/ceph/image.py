"""Images of Ceph: exact differences between snapshots, parents included, and asynchronous reads and writes in place.

A key with `profile rbd` on the pools is enough. Two clusters in one process are two connections. Whoever has the image
open (qemu) goes on: a snapshot is taken, and data read at it, beside him.
"""

import ctypes
import errno
import struct
from array import array
from collections import OrderedDict
from collections.abc import Callable
from ctypes import byref, c_int, c_size_t, c_uint64, c_void_p
from typing import NamedTuple

from naru.errors import InputError
from naru.volumes.blocks import Buffer
from naru.volumes.ceph.cluster import Cluster, Operation, closing, connected, disconnected
from naru.volumes.ceph.librbd import (
    DIFF,
    DONT_NEED,
    FAST_DIFF,
    FLAG_FAST_DIFF_INVALID,
    FLAG_OBJECT_MAP_INVALID,
    NO_CACHE,
    OBJECT_MAP,
    PROGRESS,
    TRASH,
    CephError,
    ImageInfo,
    ImageSpec,
    Snap,
    SnapSpec,
    TimeSpec,
    callback,
    check,
    rados,
    rbd,
)
from naru.volumes.ceph.location import Rbd
from naru.volumes.volume import PREFIX, Extent, Pending, Point, Volume, VolumeError, point_name, stored_name

# What changed between two snapshots never changes again, and asking takes longer than copying it: a copy and its
# verification ask the same. Lists longer than this are asked for again.
REMEMBERED, REMEMBERED_LISTS = 10_000, 64
HEAD = (1 << 64) - 2  # CEPH_NOSNAP: the image as it is now, where a snapshot's id is asked for
_Question = tuple[str, int, int, int, int]
_remembered: OrderedDict[_Question, list[Extent]] = OrderedDict()


class Parent(NamedTuple):
    """What an image is a clone of, by what never changes: pool, image id, snapshot id; `overlap` bytes of it show."""

    pool: str
    image: str
    snapshot: int
    overlap: int


class Layout(NamedTuple):
    """How an image is laid out. `order` is of the objects' size, `data_pool` "" for the image's own."""

    features: int
    order: int
    stripe_unit: int
    stripe_count: int
    data_pool: str


class RbdVolume(Volume):
    """See `Volume`; open at the snapshot of the point, or at the image's head."""

    exact = True

    def __init__(self, location: Rbd, point: str, write: bool) -> None:
        self.location: Rbd = location
        self._name, self._point = str(location), point
        self._image, self._pool = c_void_p(), c_void_p()
        self._cluster: Cluster | None = None
        try:
            while not self._opened(point, write):
                self.close()
        except BaseException:
            self.close()
            raise

    def _opened(self, point: str, write: bool) -> bool:
        """Opens the image; False when the connection was spent meanwhile."""
        self._cluster = cluster = connected(self.location)
        self._pool = cluster.pool(self.location)
        with cluster.lock:
            if cluster.spent:
                return False
            self._open(point, write)
            cluster.images += 1
        if write:
            self._end_removals()
        return True

    def _open(self, point: str, write: bool) -> None:
        snapshot = stored_name(point).encode() if point else None
        opener = rbd.open if write else rbd.open_read_only
        code = opener(self._pool, self.location.image.encode(), byref(self._image), snapshot)
        if code < 0:
            self._image = c_void_p()
        if code == -errno.ENOENT:
            at = f" with a point {stored_name(point)}" if point else ""
            raise InputError(f"there is no {self._name}{at}")
        check(code, f"{self._name} cannot be opened")

    def close(self) -> None:
        if self._image.value and self._cluster:
            closing(self._cluster)
            rbd.close(self._image)
            self._cluster.hurry(False)
            self._image = c_void_p()
        if self._pool.value:
            rados.ioctx_destroy(self._pool)
            self._pool = c_void_p()
        if self._cluster:
            disconnected(self._cluster)
            self._cluster = None

    # -- what it is

    def identity(self) -> str:
        text = ctypes.create_string_buffer(128)
        check(rbd.get_id(self._image, text, len(text)), self._name)
        assert self._cluster
        return f"{self._cluster.fsid()}/{self.location.pool}/{text.value.decode()}"

    def size(self) -> int:
        size = c_uint64()
        check(rbd.get_size(self._image, byref(size)), self._name)
        return size.value

    def resize(self, size: int) -> None:
        now = self.size()
        if size < now:
            raise InputError(f"{self._name} has {now} bytes and is not shrunk to {size}")
        if size > now:
            check(rbd.resize2(self._image, size, 0, PROGRESS(0), None), f"{self._name} cannot be resized")

    def id(self) -> str:
        """The image's id in its pool, which it keeps when it is renamed."""
        return self.identity().rpartition("/")[2]

    def layout(self) -> Layout:
        """How it is laid out."""
        assert self._cluster
        info, features, unit, count = ImageInfo(), c_uint64(), c_uint64(), c_uint64()
        check(rbd.stat(self._image, byref(info), ctypes.sizeof(info)), self._name)
        check(rbd.get_features(self._image, byref(features)), self._name)
        check(rbd.get_stripe_unit(self._image, byref(unit)), self._name)
        check(rbd.get_stripe_count(self._image, byref(count)), self._name)
        data_pool = self._cluster.pool_name(rbd.get_data_pool_id(self._image))
        own = data_pool in ("", self.location.pool)
        return Layout(features.value, info.order, unit.value, count.value, "" if own else data_pool)

    # -- clones

    def parent(self) -> Parent | None:
        """What it is a clone of, None when it stands alone."""
        image, snapshot, overlap = ImageSpec(), SnapSpec(), c_uint64()
        code = rbd.get_parent(self._image, byref(image), byref(snapshot))
        if code == -errno.ENOENT:
            return None
        check(code, f"{self._name}: its parent cannot be read")
        try:
            check(rbd.get_overlap(self._image, byref(overlap)), self._name)
            return Parent(image.pool_name.decode(), image.id.decode(), snapshot.id, overlap.value)
        finally:
            rbd.linked_image_spec_cleanup(byref(image))
            rbd.snap_spec_cleanup(byref(snapshot))

    def children(self) -> list[str]:
        """The ids of the images that are clones of the point that it is open at."""
        count = c_size_t(16)
        while True:
            images = (ImageSpec * count.value)()
            code = rbd.list_children3(self._image, images, byref(count))
            if code != -errno.ERANGE:
                break
        check(code, f"{self._name}: its clones cannot be listed")
        found = [images[i].id.decode() for i in range(count.value)]
        rbd.linked_image_spec_list_cleanup(images, count.value)
        return found

    def snapshot_id(self, name: str) -> int:
        """The id of the point, 0 when no point has this name."""
        return next((number for number, text, _ in self._snapshots() if text == f"{PREFIX}{name}"), 0)

    def flatten(self, progress: Callable[[int, int], bool]) -> None:
        """Gives it all that it shares with its parent, which it then has none of any more; whoever has it open goes on.
        `progress` is given objects done and in all, in a thread of librbd's, and returns whether to go on."""
        code = rbd.flatten_with_progress(self._image, callback(progress), None)
        if code != -errno.EINVAL or self.parent():  # another one ended it in this moment
            check(code, f"{self._name} cannot be flattened")

    def maps(self) -> int:
        """Of the features that are maps of its objects (object-map, fast-diff), those that it has."""
        return self._features() & (OBJECT_MAP | FAST_DIFF)

    def drop_maps(self) -> None:
        """Takes those features from it, and with them what the maps say."""
        if have := self.maps():
            check(rbd.update_features(self._image, have, 0), f"{self._name}: its object map cannot be given up")

    def make_maps(self, wanted: int, progress: Callable[[int, int], bool]) -> None:
        """Gives it such features of those as it lacks, the maps made from the objects that exist. `progress` as in
        `flatten`."""
        what = f"{self._name}: its object map cannot be made anew"
        if lacking := wanted & ~self.maps():
            check(rbd.update_features(self._image, lacking, 1), what)
        if wanted and not self._object_map_is_sound(HEAD):
            check(rbd.rebuild_object_map(self._image, callback(progress), None), what)

    # -- stable points

    def point(self, name: str) -> Point:
        assert self._cluster
        what = f"{self._name}: no snapshot {PREFIX}{name} can be made"
        hint = "Give its storage space; the same command goes on."
        if full := self._cluster.full(self.location.pool):
            raise VolumeError(what, detail=full, hint=hint)
        for _ in range(2):
            code = rbd.snap_create(self._image, f"{PREFIX}{name}".encode())
            if code != -errno.EEXIST:
                check(code, what)
            if self._is_whole(name):
                break
            # its object map comes last: a process was killed before, or the pool has just become full
            self.clean(name)
        else:
            raise VolumeError(what, detail=self._cluster.full(self.location.pool), hint=hint)
        for found in self.points():
            if found.name == name:
                return found
        raise VolumeError(f"{self._name}: the snapshot {PREFIX}{name} is gone as soon as it was made")

    def _is_whole(self, name: str) -> bool:
        """Whether the snapshot exists with its object map, which is an object of the pool. That is read, and the
        snapshot not opened: librbd 16 aborts the process, soon or late, when a second image is opened over a connection
        and closed again while others are opened."""
        number, some = self.snapshot_id(name), ctypes.create_string_buffer(1)
        if not number or not self._features() & OBJECT_MAP:
            return bool(number)
        code = rados.read(self._pool, f"rbd_object_map.{self.id()}.{number:016x}".encode(), some, 1, 0)
        if code != -errno.ENOENT:
            check(code, f"{self._name}: the object map of {PREFIX}{name} cannot be read")
        return bool(code >= 0)

    def points(self, *, every: bool = False) -> list[Point]:
        wanted = sorted(item for item in self._snapshots() if every or item[1].startswith(PREFIX))
        return [Point(point_name(name), self._created(number), size) for number, name, size in wanted]

    def _snapshots(self) -> list[tuple[int, str, int]]:
        """Id, name and size of all snapshots."""
        count = c_int(16)
        while True:
            snapshots = (Snap * count.value)()
            code = rbd.snap_list(self._image, snapshots, byref(count))
            if code != -errno.ERANGE:
                break
        check(code, f"{self._name}: its snapshots cannot be listed")
        found = [(snapshots[i].id, snapshots[i].name.decode(), snapshots[i].size) for i in range(code)]
        if code:
            rbd.snap_list_end(snapshots)
        return found

    def _created(self, snapshot: int) -> float:
        moment = TimeSpec()
        check(rbd.snap_get_timestamp(self._image, snapshot, byref(moment)), self._name)
        return float(moment.seconds + moment.nanoseconds / 1e9)

    def clean(self, name: str) -> bool:
        code = rbd.snap_remove(self._image, f"{PREFIX}{name}".encode())
        if code == -errno.ENOENT:
            return False
        if code == -errno.EBUSY:
            raise CephError(f"{self._name}: the snapshot {PREFIX}{name}", errno.EBUSY, hint="Somebody cloned it.")
        check(code, f"{self._name}: the snapshot {PREFIX}{name} cannot be removed")
        return True

    def unfinished(self) -> bool:
        return bool(self._trashed())

    def _trashed(self) -> list[int]:
        """The snapshots of ours whose removal was killed: librbd gives them another name first."""
        found = []
        for number, _, _ in self._snapshots():
            kind, text = c_int(), ctypes.create_string_buffer(256)
            code = rbd.snap_get_namespace_type(self._image, number, byref(kind))
            if code < 0 or kind.value != TRASH:
                continue
            if rbd.snap_get_trash_namespace(self._image, number, text, len(text)) >= 0:
                found += [number] if text.value.decode().startswith(PREFIX) else []
        return found

    def _end_removals(self) -> None:
        for number in self._trashed():
            code = rbd.snap_remove_by_id(self._image, number)
            if code not in (-errno.ENOENT, -errno.EBUSY):  # EBUSY: somebody cloned it
                check(code, f"{self._name}: the removal of a snapshot of ours that was killed cannot be ended")

    # -- content

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        asked = self._between(since, start, end) if since and self._point else None
        if asked and (known := _remembered.get(asked)) is not None:  # another thread may drop it at any moment
            return known
        # From the OSDs' own lists of clones, object by object. The object map would answer at once, but that of a
        # snapshot taken under I/O may lack changes (tracker.ceph.com/issues/61472, 61616: librbd 16 to 17.2.6, krbd).
        extents = self._diff(start, end, since, whole_objects=False)
        if asked and len(extents) <= REMEMBERED:
            _remembered[asked] = extents
            while len(_remembered) > REMEMBERED_LISTS:
                _remembered.popitem(last=False)
        return extents

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        # from the object map alone where the image has one (fast-diff), else as dear as the list
        if since and not self._has_fast_diff():
            return self.ranges(start, end, since)
        return self._diff(start, end, since, whole_objects=True)

    def sure(self, since: str) -> bool:
        ids = {name: number for number, name, _ in self._snapshots()}
        first, last = ids.get(stored_name(since)), ids.get(stored_name(self._point))
        if first is None or last is None or first > last or not self._has_fast_diff():
            return False
        return all(self._object_map_is_sound(number) for number in ids.values() if first <= number <= last)

    def _has_fast_diff(self) -> bool:
        return bool(self._features() & FAST_DIFF)

    def _features(self) -> int:
        features = c_uint64()
        check(rbd.get_features(self._image, byref(features)), self._name)
        return features.value

    def _object_map_is_sound(self, snapshot: int) -> bool:
        """By what the image's header says of the snapshot with this id, or HEAD. It is not opened: see `_is_whole`."""
        asked, text = struct.pack("<Q", snapshot), ctypes.create_string_buffer(8)
        header = f"rbd_header.{self.id()}".encode()
        code = rados.exec(self._pool, header, b"rbd", b"get_flags", asked, len(asked), text, len(text))
        check(code, f"{self._name}: the flags of its snapshots cannot be read")
        (flags,) = struct.unpack("<Q", text.raw)
        return not flags & (FLAG_OBJECT_MAP_INVALID | FLAG_FAST_DIFF_INVALID)

    def _diff(self, start: int, end: int, since: str, whole_objects: bool) -> list[Extent]:
        end = min(end, self.size())
        if start >= end:
            return []
        found = array("Q")

        def add(offset: int, length: int, exists: int, _: int) -> int:
            found.extend((offset, length, exists))
            return 0

        snapshot = stored_name(since).encode() if since else None
        code = rbd.diff_iterate2(self._image, snapshot, start, end - start, 1, whole_objects, DIFF(add), None)
        if code == -errno.ENOENT and since:
            raise InputError(f"{self._name} has no point {stored_name(since)} any more")
        check(code, f"{self._name}: what changed cannot be read")
        return _joined(found, end)

    def _between(self, since: str, start: int, end: int) -> "_Question":
        ids = {point_name(name): number for number, name, _ in self._snapshots()}
        return self.identity(), ids.get(since, 0), ids.get(self._point, 0), start, end

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        operation = self._operation("read")
        memory = buffer.address + at
        return operation.started(rbd.aio_read2(self._image, offset, length, memory, operation.completion, DONT_NEED))

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        operation = self._operation("written")
        memory = buffer.address + at
        return operation.started(rbd.aio_write2(self._image, offset, length, memory, operation.completion, NO_CACHE))

    def zero(self, offset: int, length: int) -> Pending:
        # not a discard: librbd rounds those inwards to 64 KiB, and the rest would keep its old content
        operation = self._operation("zeroed")
        return operation.started(rbd.aio_write_zeroes(self._image, offset, length, operation.completion, 0, NO_CACHE))

    def _operation(self, verb: str) -> Operation:
        assert self._cluster
        return Operation(f"{self._name} cannot be {verb}", self._cluster)

    def flush(self) -> None:
        """Nothing is to be done: without librbd's cache, what has been written is on the OSDs' disks."""


def _joined(found: "array[int]", end: int) -> list[Extent]:
    """Triples of offset, length and existence, in the order of their offsets, joined where they touch."""
    extents: list[Extent] = []
    triples = sorted(zip(found[::3], found[1::3], found[2::3], strict=True))
    for offset, length, exists in triples:
        length = min(length, end - offset)
        zero = not exists
        if extents and extents[-1].zero == zero and extents[-1].end == offset:
            extents[-1] = Extent(extents[-1].offset, extents[-1].length + length, zero)
        else:
            extents.append(Extent(offset, length, zero))
    return extents
