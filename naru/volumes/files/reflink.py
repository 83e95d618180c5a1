"""Files that share their blocks: the target's file is replaced by a reflink of the source's, on file systems that can
(XFS, Btrfs, NFS 4.2 on those). Both are independent from the first instant."""

import errno
import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from naru.errors import InputError
from naru.files import sync_directory
from naru.volumes.files.formats import open_file
from naru.volumes.files.location import File
from naru.volumes.files.qcow2 import chain
from naru.volumes.files.raw import opened
from naru.volumes.oserrors import failed
from naru.volumes.volume import PREFIX, Clone, Volume

# linux/fs.h
FICLONE, FICLONERANGE = 0x40049409, 0x4020940D
PROBE = 64 << 10  # bytes, a whole number of blocks of any file system
IMPOSSIBLE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS)


def one_file_system(source: File, target: File) -> bool:
    """Whether both are regular files of one mounted file system."""
    with _open(source) as one, _open(target) as other:
        found, wanted = os.fstat(one), os.fstat(other)
    regular = stat.S_ISREG(found.st_mode) and stat.S_ISREG(wanted.st_mode)
    return regular and found.st_dev == wanted.st_dev


def obstacle(source: File, target: File) -> str:
    """Why the target's file, on the same file system, cannot be a reflink of the source's; "" when it can."""
    with _open(source) as one, _open(target) as other:
        found = os.fstat(one)
        if found.st_ino == os.fstat(other).st_ino:
            raise InputError(f"{source} is the source and the target", hint="Give two volumes.")
        if why := _formats(source, target):
            return why
        with TemporaryFile(dir=Path(target.path).absolute().parent) as probe:
            length = min(PROBE, found.st_size // PROBE * PROBE)
            try:
                fcntl.ioctl(probe, FICLONERANGE, struct.pack("qQQQ", one, 0, length, 0))
            except OSError as error:
                if error.errno not in IMPOSSIBLE:
                    raise failed(str(target), "cannot be a reflink", error) from error
                return "its file system has no reflinks"
    return ""


def _formats(source: File, target: File) -> str:
    if source.format != target.format:
        return f"one is {source.format}, the other {target.format}"
    if source.format == "qcow2":
        for location in (source, target):
            if len(chain(location)) > 1:
                return f"{location} has a backing file"
    return ""


def clone(source: File, target: File) -> Clone:
    """See `Backend.clone`: a reflink of the source's file replaces the target's, whose owner, mode and size it has."""
    path = Path(target.path)
    made = File(str(_beside(target)), target.format)
    with _volume(source) as read, _volume(target) as old:
        need, size = read.size(), old.size()
    if need > size:
        raise InputError(f"{target} is too small: {size} bytes for the {need} of {source}")
    like = path.stat()
    try:
        with _open(source) as origin, Path(made.path).open("wb") as file:
            os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
            os.fchown(file.fileno(), like.st_uid, like.st_gid)
            fcntl.ioctl(file, FICLONE, origin)
        shutil.copystat(path, made.path)  # with its extended attributes
    except OSError as error:
        raise failed(str(target), "cannot be a reflink", error) from error
    with _volume(made, write=True) as volume:
        volume.resize(size)
        volume.flush()
    Path(made.path).replace(path)
    sync_directory(path.absolute().parent)
    return Clone("", size, need)


def undo(target: File) -> None:
    """Removes what a killed `clone` left. A reflink stays: what the target was before is gone, and was nobody's."""
    with suppress(FileNotFoundError):
        _beside(target).unlink()


def _beside(target: File) -> Path:
    path = Path(target.path)
    return path.with_name(f"{PREFIX}new-{path.name}")


@contextmanager
def _volume(location: File, *, write: bool = False) -> Iterator[Volume]:
    volume = open_file(location, "", write)
    try:
        yield volume
    finally:
        volume.close()


@contextmanager
def _open(location: File) -> Iterator[int]:
    fd = opened(Path(location.path), False)
    try:
        yield fd
    finally:
        os.close(fd)
