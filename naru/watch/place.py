"""Where files of logs are: on this machine, or on a host."""

import glob
import gzip
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

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


class Place(Protocol):
    """Files of one host, whose name is `host`."""

    host: str

    def files(self, patterns: Sequence[str]) -> list[Seen]:
        """The files that shell patterns name. Raises NaruError where they cannot be asked for."""

    def read(self, path: str, place: int, size: int) -> bytes:
        """As many bytes from a place on, less where the file ends; of a file that gzip made, what was put into it."""

    def now(self) -> float:
        """The host's clock."""


class Here:
    """Files of this machine."""

    def __init__(self, host: str) -> None:
        self.host = host

    def files(self, patterns: Sequence[str]) -> list[Seen]:
        # a pattern may begin anywhere, which Path.glob does not take
        paths = dict.fromkeys(path for one in patterns for path in sorted(glob.glob(one, recursive=True)))  # noqa: PTH207
        return [seen for path in paths if (seen := self._seen(path))]

    def _seen(self, path: str) -> Seen | None:
        try:
            found = Path(path).stat()
            if not Path(path).is_file():
                return None
            head = self.read(path, 0, HEAD)
        except FileNotFoundError:  # it went since it was listed
            return None
        except (gzip.BadGzipFile, EOFError):  # it is being made
            head = b""
        return Seen(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime, head)

    def read(self, path: str, place: int, size: int) -> bytes:
        with gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as opened:
            opened.seek(place)
            return opened.read(size)

    def now(self) -> float:
        return time.time()
