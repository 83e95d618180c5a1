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
from naru.volumes.backend import PREFIX, open_volume
from naru.volumes.file import opened
from naru.volumes.locations import File
from naru.volumes.oserrors import failed

# linux/fs.h
FICLONE, FICLONERANGE = 0x40049409, 0x4020940D
PROBE = 64 << 10  # bytes, a whole number of blocks of any file system
IMPOSSIBLE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS)


def obstacle(source: File, target: File) -> str | None:
    """Why the target's file cannot be a reflink of the source's; None when it can, "" when they are on two storages."""
    with _open(source) as one, _open(target) as other:
        found, there = os.fstat(one), os.fstat(other)
        if not (stat.S_ISREG(found.st_mode) and stat.S_ISREG(there.st_mode)) or found.st_dev != there.st_dev:
            return ""
        if found.st_ino == there.st_ino:
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
    return None


def _formats(source: File, target: File) -> str:
    if source.format != target.format:
        return f"one is {source.format}, the other {target.format}"
    if source.format == "qcow2":
        from naru.volumes.qcow2 import chain

        for location in (source, target):
            if len(chain(location)) > 1:
                return f"{location} has a backing file"
    return ""


def adopt(source: File, target: File) -> tuple[int, int]:
    """Puts a reflink of the source's file in the target's place, which keeps its owner, mode and size. Returns the
    sizes of the target and of what it got of the source, in bytes."""
    path = Path(target.path)
    made = File(str(_beside(target)), target.format)
    with open_volume(source) as read, open_volume(target) as old:
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
    with open_volume(made, write=True) as volume:
        volume.resize(size)
        volume.flush()
    Path(made.path).replace(path)
    sync_directory(path.absolute().parent)
    return size, need


def restore(target: File) -> None:
    """Removes what a killed `adopt` left. The target's content was nobody's; Cinder deletes it."""
    with suppress(FileNotFoundError):
        _beside(target).unlink()


def _beside(target: File) -> Path:
    path = Path(target.path)
    return path.with_name(f"{PREFIX}new-{path.name}")


@contextmanager
def _open(location: File) -> Iterator[int]:
    fd = opened(Path(location.path), False)
    try:
        yield fd
    finally:
        os.close(fd)
