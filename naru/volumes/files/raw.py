"""Raw files and block devices: sparse where the file system knows holes, written in place, holes punched for zeroes.

A file has no stable point and no list of changes: later passes read all its data and compare hashes. So the pass that
counts is the one after its writer stopped, or one over a file that nobody writes any more (the backing file below a
Cinder snapshot).
"""

import ctypes
import errno
import fcntl
import os
import stat
import struct
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path

from naru.errors import InputError
from naru.volumes.blocks import PAGE, Buffer
from naru.volumes.control import Tick
from naru.volumes.files.location import File
from naru.volumes.oserrors import failed, reported
from naru.volumes.volume import Extent, Pending, Point, Volume, VolumeError

THREADS = 8  # requests at a time: what is read past the cache is read ahead by nobody else
# linux/falloc.h: deallocate, reads as zeroes afterwards; for block devices (4.9 and newer) alike
KEEP_SIZE, PUNCH_HOLE = 1, 2
BLKGETSIZE64 = 0x80081272
UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV)
HANDLE = 128  # linux/fcntl.h and name_to_handle_at(2): the longest handle; the file itself, not what its name is
AT_EMPTY_PATH = 0x1000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_libc.name_to_handle_at.argtypes = (
    *(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p),
    *(ctypes.POINTER(ctypes.c_int), ctypes.c_int),
)


class OnFiles(Volume):
    """What raw and qcow2 files have in common: no stable points, so that every pass has to read all data."""

    exact = False

    def point(self, name: str) -> Point | None:
        return None

    def points(self, *, every: bool = False) -> list[Point]:
        return []

    def clean(self, name: str) -> bool:
        return False

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        return self.data(start, end, since)

    def sure(self, since: str) -> bool:
        return False


class RawVolume(OnFiles):
    """See `Volume`. Raises InputError for a point, since files have none."""

    def __init__(self, location: File, point: str, write: bool) -> None:
        self.location: File = location
        self._name = str(location)
        if point:
            raise no_points(self._name)
        self._fd = opened(Path(location.path), write)
        self._direct = -1 if write else _uncached(self._fd)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="naru-file")
        self._zeroes: Buffer | None = None

    def close(self) -> None:
        self._threads.shutdown()
        for fd in {self._fd, self._direct} - {-1}:
            os.close(fd)
        self._fd = self._direct = -1

    # -- what it is

    def identity(self) -> str:
        with reported(self._name, "cannot be looked at"):
            return identity_of(self._fd)

    def confirm(self) -> None:
        confirm(self.location, self.identity())

    def size(self) -> int:
        with reported(self._name, "cannot be looked at"):
            return size_of(self._fd)

    def resize(self, size: int) -> None:
        now = self.size()
        if size < now or (size > now and stat.S_ISBLK(os.fstat(self._fd).st_mode)):
            raise InputError(f"{self._name} has {now} bytes and cannot be made {size}")
        with reported(self._name, "cannot be resized"):
            os.ftruncate(self._fd, size)

    # -- content

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        if since:
            raise no_points(self._name)
        found: list[Extent] = []
        end = min(end, self.size())
        at = start
        with reported(self._name, "cannot be asked for its holes"):
            while at < end:
                try:
                    begin = os.lseek(self._fd, at, os.SEEK_DATA)
                except OSError as error:
                    if error.errno == errno.ENXIO:
                        break
                    if error.errno == errno.EINVAL:  # a block device, or a file system that cannot say: all is data
                        return [Extent(start, end - start)]
                    raise
                if begin >= end:
                    break
                at = min(end, os.lseek(self._fd, begin, os.SEEK_HOLE))
                found.append(Extent(begin, at - begin))
        return found

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        def work() -> None:
            done = 0
            while done < length:
                count = self._read(buffer, at + done, offset + done, length - done)
                if not count:
                    raise OSError(errno.EIO, "the file ends before its size; it was made shorter")
                done += count

        return _Task(self._name, "cannot be read", self._threads.submit(work))

    def _read(self, buffer: Buffer, at: int, offset: int, length: int) -> int:
        """Reads some of it: how much."""
        view = [buffer.view[at : at + length]]
        if self._direct >= 0 and not (at | offset | length) % PAGE:
            try:
                return os.preadv(self._direct, view, offset)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a storage of larger sectors than a page
                    raise
        return os.preadv(self._fd, view, offset)

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        def work() -> None:
            done = 0
            while done < length:
                done += os.pwritev(self._fd, [buffer.view[at + done : at + length]], offset + done)

        return _Task(self._name, "cannot be written", self._threads.submit(work))

    def zero(self, offset: int, length: int) -> Pending:
        def work() -> None:
            if _libc.fallocate(self._fd, KEEP_SIZE | PUNCH_HOLE, offset, length):
                number = ctypes.get_errno()
                if number not in UNSUPPORTED:
                    raise OSError(number, os.strerror(number))
                self._write_zeroes(offset, length)

        return _Task(self._name, "cannot be zeroed", self._threads.submit(work))

    def _write_zeroes(self, offset: int, length: int) -> None:
        zeroes = bytes(1 << 20)
        while length:
            count = os.pwrite(self._fd, memoryview(zeroes)[:length], offset)
            offset, length = offset + count, length - count

    def flush(self) -> None:
        with reported(self._name, "cannot be flushed"):
            os.fdatasync(self._fd)


class _Task(Pending):
    """A blocking call in a thread."""

    def __init__(self, name: str, what: str, future: "Future[None]") -> None:
        self._name, self._what, self._future = name, what, future

    def wait(self, tick: Tick) -> None:
        while True:
            try:
                return self._future.result(0.5)
            except NotYet:
                if self._future.done():
                    raise
                tick()
            except OSError as error:
                raise failed(self._name, self._what, error) from error


def opened(path: Path, write: bool) -> int:
    """A descriptor of a file or block device that exists. What the kernel has cached of it is dropped, so that what
    is read comes from the storage. Raises InputError."""
    try:
        fd = os.open(path, os.O_RDWR if write else os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{path} cannot be opened", detail=error.strerror or "") from error
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(fd)
        raise InputError(f"{path} is neither a file nor a block device")
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    return fd


def _uncached(fd: int) -> int:
    """Another descriptor of the same file, to read past the kernel's cache: that spares a copy of every byte, which is
    more work than to hash it, and what is read is surely the storage's. -1 where that cannot be done: then all is read
    through the first one, which says what is wrong with the file if anything is."""
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return -1


def identity_of(fd: int) -> str:
    """A block device by its number; a file by its handle, which differs from that of one that was given the number of
    its inode after it was removed. Where its file system has no handles, by that number."""
    found = os.fstat(fd)
    if stat.S_ISBLK(found.st_mode):
        return f"device:{found.st_rdev}"
    handle, mount = ctypes.create_string_buffer(8 + HANDLE), ctypes.c_int()
    struct.pack_into("Ii", handle, 0, HANDLE, 0)
    if _libc.name_to_handle_at(fd, b"", handle, ctypes.byref(mount), AT_EMPTY_PATH):
        return f"inode:{found.st_ino}"
    length, kind = struct.unpack_from("Ii", handle)
    return f"inode:{found.st_ino}:{kind}:{handle.raw[8 : 8 + length].hex()}"


def confirm(location: File, identity: str) -> None:
    """Raises VolumeError unless the file at `location` is the one with this identity."""
    try:
        fd = os.open(location.path, os.O_RDONLY)
        try:
            now = identity_of(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise failed(str(location), "cannot be found any more", error) from error
    if now != identity:
        raise VolumeError(
            f"{location} is another file than when it was opened",
            hint="Somebody replaced it. See to it that nobody else works on it; the same command begins anew.",
        )


def size_of(fd: int) -> int:
    """The size of a file or block device in bytes."""
    found = os.fstat(fd)
    if not stat.S_ISBLK(found.st_mode):
        return found.st_size
    size: int = struct.unpack("Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))[0]
    return size


def no_points(name: str) -> InputError:
    """A file was asked for a stable point."""
    return InputError(f"{name} has no stable points", hint="Only Ceph's images have; files are compared by hashes.")
