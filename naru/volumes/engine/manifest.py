"""What is known of a target's content: a record for each of its blocks, in a sparse file.

ZERO: the block reads as zeroes. UNKNOWN: anything. Else the hash of what was written. So a pass writes only where the
source's record is another one, and no zeroes where zeroes are. 16 bytes for 64 KiB: 4 GiB of volume are a MiB of file.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from naru.errors import NaruError
from naru.volumes.blocks import BLOCK, RECORD, UNKNOWN
from naru.volumes.oserrors import hint_of
from naru.volumes.volume import Extent


class Manifest:
    """The file `path`, made unless it exists, and to be written. For one process."""

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self._path = path
        self._changed = write  # what a process wrote that was killed need not be on the disk yet
        with self._reported("opened"):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT if write else os.O_RDONLY, 0o600)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)

    def load(self, start: int, end: int) -> bytearray:
        """The records of the blocks of [start, end), which begins with a block."""
        found = bytearray(-(-(end - start) // BLOCK) * RECORD)
        with self._reported("read"):
            os.preadv(self._fd, [found], start // BLOCK * RECORD)
        return found

    def store(self, start: int, records: bytes | bytearray | memoryview) -> None:
        """Writes the records of the blocks from `start` on: the pages that are other ones, so that what never had any
        stays a hole, and little that changed is little to write."""
        page = 4096
        view = memoryview(records)
        offset = start // BLOCK * RECORD
        stored = self.load(start, start + len(view) // RECORD * BLOCK)
        with self._reported("written"):
            for at in range(0, len(view), page):
                piece = view[at : at + page]
                if stored[at : at + page] != bytes(piece):
                    self._changed = True
                    self._write(piece, offset + at)

    def _write(self, piece: memoryview, offset: int) -> None:
        # a file system that becomes full takes a part without a word, and what is missing would read as ZERO
        while piece:
            count = os.pwrite(self._fd, piece, offset)
            piece, offset = piece[count:], offset + count

    def sync(self) -> None:
        """Returns when it survives a loss of power."""
        if self._changed:
            with self._reported("written"):
                os.fdatasync(self._fd)
            self._changed = False

    def forget(self, start: int, end: int, data: Iterable[Extent]) -> None:
        """From now on nothing is known of the blocks of [start, end) but that they are zero outside of `data`."""
        records = bytearray(-(-(end - start) // BLOCK) * RECORD)
        for extent in data:
            first = max(0, extent.offset - start) // BLOCK
            last = -(-(min(extent.end, end) - start) // BLOCK)
            records[first * RECORD : last * RECORD] = UNKNOWN * (last - first)
        self.store(start, records)

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise NaruError(
                f"{self._path} cannot be {what}", detail=error.strerror or "", hint=hint_of(error.errno)
            ) from error
