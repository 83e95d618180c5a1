"""Blocks of 64 KiB: whether they are zero, what they hash to, and the stretches that are worth writing.

A block's record is 16 bytes: ZERO when all of it is zero, else the first 16 of its BLAKE3. A volume's last block is
counted as if zeroes followed, so that volumes of different size have the same records where the rest is zero.
"""

import ctypes
import mmap
from collections.abc import Iterator

from blake3 import blake3

BLOCK = 64 << 10
PAGE = 4096
RECORD = 16
ZERO = bytes(RECORD)
UNKNOWN = b"\xff" * RECORD

# Called with the GIL held: 64 KiB take about five microseconds, less than handing the GIL over.
_memcmp = ctypes.PyDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int
_zeroes = ctypes.create_string_buffer(BLOCK)
_ZEROES = ctypes.addressof(_zeroes)


class Buffer:
    """Memory aligned to a page, which C libraries may write into; used again and again."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._map = mmap.mmap(-1, size)
        self.view = memoryview(self._map)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def is_zero(self, start: int, end: int) -> bool:
        """Whether every byte of [start, end) is zero."""
        address = self.address
        return all(not _memcmp(address + at, _ZEROES, min(BLOCK, end - at)) for at in range(start, end, BLOCK))

    def records(self, start: int, end: int) -> bytes:
        """The records of the blocks from `start` to `end`, which are whole."""
        found = []
        while start < end:
            if not self.view[start] and (length := self._zero_blocks(start, end)):
                found.append(bytes(length // BLOCK * RECORD))
                start += length
            else:
                found.append(blake3(self.view[start : start + BLOCK]).digest(RECORD))
                start += BLOCK
        return b"".join(found)

    def _zero_blocks(self, start: int, end: int) -> int:
        """How many bytes from `start` on are zero, in whole blocks; perhaps not all that are."""
        address, length = self.address + start, BLOCK
        if _memcmp(address, _ZEROES, BLOCK):
            return 0
        # as much again as is known to be zero, compared with that: a hole takes few steps
        while more := min(length, end - start - length):
            if _memcmp(address, address + length, more):
                break
            length += more
        return length

    def stretches(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of [start, end) that have something else than zeroes, in pages, not longer than needed."""
        first = bytes(self.view[start:end:PAGE])  # of each page, which shows at once that most are not zero
        begun, number = start, -1
        while (number := first.find(0, number + 1)) >= 0:
            at = start + number * PAGE
            if not _memcmp(self.address + at, _ZEROES, min(PAGE, end - at)):
                if begun < at:
                    yield begun, at
                begun = at + PAGE
        if begun < end:
            yield begun, end

    def clear(self, start: int, end: int) -> None:
        """Writes zeroes into [start, end)."""
        ctypes.memset(self.address + start, 0, end - start)


def spans(size: int, start: int, end: int) -> tuple[int, int]:
    """[start, end) widened to whole blocks, within a volume of `size` bytes."""
    return start // BLOCK * BLOCK, min(size, -(-end // BLOCK) * BLOCK)
