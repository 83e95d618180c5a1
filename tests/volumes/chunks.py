"""A small storage backend: a volume is a directory with a file for every CHUNK that is not zero. It is what
docs/how-to/add-a-storage-backend.md was written with.

    DIR/size            bytes, in decimal
    DIR/now/N           the content of chunk N; replaced as a whole, never written in place
    DIR/points/NAME/    the same of a stable point, by hard links: `size` and `now/N`
    DIR/before/         what the volume was before it was made a clone
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from naru.errors import InputError
from naru.volumes.blocks import Buffer
from naru.volumes.cinder import CinderBackend
from naru.volumes.control import Control, Tick
from naru.volumes.volume import (
    CHUNK,
    PREFIX,
    Backend,
    Clone,
    Extent,
    Flattening,
    Location,
    Pending,
    Point,
    Volume,
    point_name,
    stored_name,
)


@dataclass(frozen=True)
class Chunks(Location):
    """A directory."""

    path: str

    def __str__(self) -> str:
        return f"chunks:{self.path}"


def make(directory: Path, size: int) -> Chunks:
    """A new empty volume."""
    (directory / "now").mkdir(parents=True)
    (directory / "points").mkdir()
    (directory / "size").write_text(str(size))
    return Chunks(str(directory))


class Done(Pending):
    """An operation that was done when it was started."""

    def wait(self, tick: Tick) -> None:
        tick()


class ChunksVolume(Volume):
    """See `Volume`; open at a point, or as it is now."""

    exact = True

    def __init__(self, location: Chunks, point: str) -> None:
        self.location: Chunks = location
        self._top = Path(location.path)
        self._written: set[Path] = set()
        self._here = self._of(point) if point else self._top
        if not (self._here / "size").exists():
            raise InputError(f"there is no {location}" + (f" with a point {stored_name(point)}" if point else ""))

    def _of(self, point: str) -> Path:
        return self._top / "points" / stored_name(point)

    def identity(self) -> str:
        found = self._top.stat()
        return f"{found.st_dev}:{found.st_ino}"

    def size(self) -> int:
        return int((self._here / "size").read_text())

    def resize(self, size: int) -> None:
        if size < self.size():
            raise InputError(f"{self.location} has {self.size()} bytes and is not shrunk to {size}")
        (self._here / "size").write_text(str(size))

    # -- stable points

    def point(self, name: str) -> Point:
        made = self._of(name)
        if not made.exists():
            half = self._top / "half"
            shutil.rmtree(half, ignore_errors=True)  # of a call that was killed
            shutil.copytree(self._top / "now", half / "now", copy_function=os.link)
            shutil.copy(self._top / "size", half / "size")
            half.rename(made)  # whole, or not at all
        return next(point for point in self.points() if point.name == name)

    def points(self, *, every: bool = False) -> list[Point]:
        found = [path for path in (self._top / "points").iterdir() if every or path.name.startswith(PREFIX)]
        return [
            Point(point_name(path.name), path.stat().st_mtime, int((path / "size").read_text()))
            for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)
        ]

    def clean(self, name: str) -> bool:
        existed = self._of(name).exists()
        shutil.rmtree(self._of(name), ignore_errors=True)
        return existed

    # -- what changed

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        """A chunk that was written is another file, so that another number says that it changed."""
        now, before = self._numbers(self._here), self._numbers(self._of(since)) if since else {}
        end = min(end, self.size())
        chunks = sorted(chunk for chunk in now.keys() | before.keys() if now.get(chunk) != before.get(chunk))
        return list(self._extents(chunks, now, start, end))

    def _numbers(self, where: Path) -> dict[int, int]:
        return {int(path.name): path.stat().st_ino for path in (where / "now").iterdir()}

    def _extents(self, chunks: list[int], now: dict[int, int], start: int, end: int) -> Iterator[Extent]:
        for chunk in chunks:
            first, last = max(start, chunk * CHUNK), min(end, (chunk + 1) * CHUNK)
            if first < last:
                yield Extent(first, last - first, zero=chunk not in now)

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        return self.ranges(start, end, since)

    def sure(self, since: str) -> bool:
        return self._of(since).exists()

    # -- content

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        buffer.view[at : at + length] = self._chunk(offset)[offset % CHUNK :][:length]
        return Done()

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        return self._change(offset, bytes(buffer.view[at : at + length]))

    def zero(self, offset: int, length: int) -> Pending:
        while length:  # alone among the operations it may be longer than a chunk
            part = min(length, CHUNK - offset % CHUNK)
            self._change(offset, bytes(part))
            offset, length = offset + part, length - part
        return Done()

    def _chunk(self, offset: int) -> bytes:
        path = self._here / "now" / str(offset // CHUNK)
        return path.read_bytes() if path.exists() else bytes(CHUNK)

    def _change(self, offset: int, data: bytes) -> Pending:
        content = bytearray(self._chunk(offset))
        content[offset % CHUNK : offset % CHUNK + len(data)] = data
        path, half = self._top / "now" / str(offset // CHUNK), self._top / "chunk"
        if any(content):
            half.write_bytes(content)
            half.replace(path)
            self._written.add(path)
        else:
            path.unlink(missing_ok=True)
            self._written.discard(path)
        return Done()

    def flush(self) -> None:
        for path in (*self._written, self._top / "now"):
            number = os.open(path, os.O_RDONLY)
            os.fsync(number)
            os.close(number)
        self._written.clear()

    def close(self) -> None:
        return


class ChunksBackend(Backend[Chunks]):
    """See `Backend`."""

    location = Chunks
    forms = {"chunks": "chunks:DIR"}  # noqa: RUF012 (it is never changed)
    keeps_history = True
    clones_as = "clone"

    def parse(self, scheme: str, rest: str) -> Chunks:
        return Chunks(rest)

    def open(self, location: Chunks, point: str, write: bool) -> Volume:
        return ChunksVolume(location, point)

    # -- content without a copy: left out, all content is copied

    def shares_storage(self, source: Chunks, target: Chunks) -> bool:
        return Path(source.path).stat().st_dev == Path(target.path).stat().st_dev

    def clone_obstacle(self, source: Chunks, target: Chunks) -> str:
        return "the target has points" if ChunksVolume(target, "").points(every=True) else ""

    def clone(self, source: Chunks, target: Chunks, job: str, control: Control) -> Clone:
        """By hard links: no chunk is written in place, so both are independent at once."""
        top = Path(target.path)
        now, before, new = top / "now", top / "before", top / "new"
        if not before.exists():
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(Path(source.path) / "now", new, copy_function=os.link)
            now.rename(before)
        if not now.exists():  # else an earlier call came through
            new.rename(now)
        return Clone("", ChunksVolume(target, "").size(), ChunksVolume(source, "").size())

    def flatten(self, target: Chunks, job: str, control: Control) -> Flattening:
        return Flattening((Path(target.path) / "before").exists(), "")

    def finish_clone(self, source: Chunks | None, target: Chunks, job: str, control: Control) -> None:
        shutil.rmtree(Path(target.path) / "before", ignore_errors=True)

    def undo_clone(self, target: Chunks, job: str, control: Control) -> None:
        top = Path(target.path)
        if (top / "before").exists():
            shutil.rmtree(top / "now", ignore_errors=True)
            (top / "before").rename(top / "now")
        shutil.rmtree(top / "new", ignore_errors=True)


class ChunksDriver(CinderBackend):
    """A driver of Cinder that keeps such volumes below `root`."""

    keeps_history: ClassVar[bool] = ChunksBackend.keeps_history

    kind: Literal["chunks"]
    root: str

    def location(self, name: str) -> Chunks:
        return Chunks(f"{self.root}/{name}")
