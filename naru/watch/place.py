"""Where files of logs are: on this machine, or on a host."""

import glob
import gzip
import os
import stat
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from naru.errors import NaruError

HEAD = 256
"""First bytes of a file by which it is known again."""


class Seen(NamedTuple):
    """A file as it is now: where, which (device and inode), its size in bytes, when it was written last (seconds since
    1970, by its host's clock), its first bytes. Of what gzip made, the size is that of the file, and the first bytes
    are of what was put into it."""

    path: str
    device: int
    inode: int
    size: int
    modified: float
    head: bytes

    @property
    def packed(self) -> bool:
        return self.path.endswith(".gz")


class Known(NamedTuple):
    """By what a file is known: device, inode, and the first bytes that were read of it."""

    device: int
    inode: int
    head: bytes


class Changed(Exception):
    """Another file is at a path than was there, or none: it was rotated just now."""


class Place(Protocol):
    """Files of one host, whose name is `host`. `refused` are those that were listed and cannot be read, with
    the reason; whoever lists them anew clears it."""

    host: str
    refused: dict[str, str]

    def files(self, patterns: Sequence[str]) -> list[Seen]:
        """The files that shell patterns name. Raises NaruError where they cannot be asked for."""

    def read(self, path: str, place: int, size: int, known: "Known | None" = None) -> bytes:
        """As many bytes from a place on, less where the file ends; of a file that gzip made, what was put into it.
        Raises Changed where the file is gone, or another one than is `known`, NaruError where it cannot be read."""

    def now(self) -> float:
        """The host's clock."""


class Here:
    """Files of this machine."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.refused: dict[str, str] = {}

    def files(self, patterns: Sequence[str]) -> list[Seen]:
        # a pattern may begin anywhere, which Path.glob does not take
        paths = dict.fromkeys(path for one in patterns for path in sorted(glob.glob(one, recursive=True)))  # noqa: PTH207
        return [seen for path in paths if (seen := self._seen(path))]

    def _seen(self, path: str) -> Seen | None:
        try:
            with open(path, "rb", opener=_no_waiting) as opened:
                found = os.fstat(opened.fileno())
                if not stat.S_ISREG(found.st_mode):
                    return None
                head = _content(opened, path).read(HEAD)
        except (FileNotFoundError, IsADirectoryError):  # it went since it was listed, or is none
            return None
        except _BEING_MADE:
            head = b""
        except OSError as error:
            self.refused[path] = error.strerror or str(error)
            return None
        return Seen(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime, head)

    def read(self, path: str, place: int, size: int, known: Known | None = None) -> bytes:
        try:
            with Path(path).open("rb") as opened:
                found = os.fstat(opened.fileno())
                content = _content(opened, path)
                if known is not None and (
                    (found.st_dev, found.st_ino) != known[:2] or content.read(len(known.head)) != known.head
                ):
                    raise Changed(path)
                content.seek(place)
                return content.read(size)
        except (FileNotFoundError, *_BEING_MADE) as error:
            raise Changed(path) from error
        except OSError as error:
            raise NaruError(f"{path}: cannot be read: {error.strerror or error}") from error

    def now(self) -> float:
        return time.time()


_BEING_MADE = (gzip.BadGzipFile, EOFError, zlib.error)
"""What is read of a packed file that is not whole yet."""


def _no_waiting(path: str, flags: int) -> int:
    """Opens a file; of a pipe nobody waits for who writes it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _content(opened: BinaryIO, path: str) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=opened)) if path.endswith(".gz") else opened
