"""A volume in memory with exact differences, as Ceph has them: what the engine is driven with where any sequence of
writes, discards and kills is to be tried, in thousands. The real storages are tried in the other files."""

import threading

from naru.volumes.blocks import BLOCK, Buffer
from naru.volumes.control import Tick
from naru.volumes.files.location import File
from naru.volumes.volume import CHUNK, OTHER, Extent, Pending, Point, Volume

OBJECT = 2 * BLOCK


class Done(Pending):
    def wait(self, tick: Tick) -> None:
        tick()


class MemoryVolume(Volume):
    """`content` now, `frozen` at points. `touched` are the bytes that were written or zeroed, as ranges. Of the
    objects in `unlisted`, CHUNKs by number, `ranges` tells no changes, and `data` does."""

    exact = True

    def __init__(self, size: int, content: bytes = b"") -> None:
        self.location = File("/in-memory")
        self.content = bytearray(content.ljust(size, b"\0"))
        self.frozen: dict[str, bytes] = {}
        self.touched: list[tuple[int, int]] = []
        self.unlisted: set[int] = set()
        self._lock = threading.Lock()

    def at(self, point: str) -> "MemoryVolume":
        found = MemoryVolume(len(self.frozen[point]), self.frozen[point])
        found.frozen = self.frozen
        found.unlisted = self.unlisted
        return found

    def identity(self) -> str:
        return str(id(self))

    def size(self) -> int:
        return len(self.content)

    def resize(self, size: int) -> None:
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))

    def point(self, name: str) -> Point:
        self.frozen.setdefault(name, bytes(self.content))
        return Point(name, 0.0, len(self.frozen[name]))

    def points(self, *, every: bool = False) -> list[Point]:
        found = [Point(name, 0.0, len(content)) for name, content in self.frozen.items()]
        return [point for point in found if every or not point.name.startswith(OTHER)]

    def clean(self, name: str) -> bool:
        return self.frozen.pop(name, None) is not None

    def sure(self, since: str) -> bool:
        return since in self.frozen

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        """By 512 bytes, as Ceph's are by bytes; what became zero as a whole is told as such, as a discard is."""
        found = self._changed(start, end, since)
        return [extent for extent in found if not since or extent.offset // OBJECT not in self.unlisted]

    def _changed(self, start: int, end: int, since: str) -> list[Extent]:
        before = self.frozen[since] if since else b""
        grain = 512
        found: list[Extent] = []
        end = min(end, len(self.content))
        for at in range(start, end, grain):
            now = bytes(self.content[at : min(end, at + grain)])
            if now == before[at : at + len(now)].ljust(len(now), b"\0"):
                continue
            zero = not any(now)
            if found and found[-1].end == at and found[-1].zero == zero and at % OBJECT:
                found[-1] = Extent(found[-1].offset, found[-1].length + len(now), zero)
            else:
                found.append(Extent(at, len(now), zero))
        return found

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        """By objects, without those that were and are zero."""
        dirty = sorted({extent.offset // OBJECT for extent in self._changed(start, end, since)})
        return [Extent(number * OBJECT, min(OBJECT, end - number * OBJECT)) for number in dirty]

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        assert 0 < length <= CHUNK and offset + length <= len(self.content)
        buffer.view[at : at + length] = self.content[offset : offset + length]
        return Done()

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        assert 0 < length <= CHUNK
        return self._change(offset, bytes(buffer.view[at : at + length]))

    def zero(self, offset: int, length: int) -> Pending:
        return self._change(offset, bytes(length))

    def _change(self, offset: int, data: bytes) -> Pending:
        assert offset + len(data) <= len(self.content)
        self.touched.append((offset, offset + len(data)))
        self.content[offset : offset + len(data)] = data
        return Done()

    def flush(self) -> None:
        return

    def close(self) -> None:
        return
