"""The functions that every storage backend has: small, the same for all, each may be repeated.

A backend is a class that fulfils `Volume`; `open_volume` chooses it by the location.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from naru.errors import NaruError
from naru.volumes.blocks import Buffer
from naru.volumes.locations import File, Location, Rbd

PREFIX = "naru-"  # of the names of all points that we make: what does not begin so is not ours
OTHER = "@"  # begins what we call a point that is not ours, which is read and never made nor removed
CHUNK = 4 << 20  # the most that one read or write carries, and what it is aligned to: an object of Ceph

Tick = Callable[[], None]


def no_tick() -> None:
    """For a caller that has nothing to do while it waits."""


class VolumeError(NaruError):
    """A storage refused, lost or never answered an operation on a volume."""


class Extent(NamedTuple):
    """A range of bytes. `zero` says that it is known to hold nothing but zeroes."""

    offset: int
    length: int
    zero: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.length


class Point(NamedTuple):
    """A stable point of a volume. `name` is ours without PREFIX, or OTHER and the storage's own name of one that is
    not ours (Cinder's snapshots). `created` is seconds since 1970, `size` in bytes then."""

    name: str
    created: float
    size: int


def stored_name(point: str) -> str:
    """What the storage calls a point."""
    return point.removeprefix(OTHER) if point.startswith(OTHER) else PREFIX + point


def point_name(stored: str) -> str:
    """What we call the point that the storage calls `stored`."""
    return stored.removeprefix(PREFIX) if stored.startswith(PREFIX) else OTHER + stored


class Pending(Protocol):
    """An operation on its way."""

    def wait(self, tick: Tick) -> None:
        """Returns when it is done. `tick` is called about twice a second, and may raise; the operation goes on then.
        Raises VolumeError when it failed."""


class Volume(Protocol):
    """One volume's content, open at one point or as it is now. Offsets and sizes are bytes. For one thread."""

    location: Location

    exact: bool
    """Whether `ranges` since a point are all that changed since. Otherwise every pass has to read all data."""

    def identity(self) -> str:
        """What stays the same as long as this is the same volume, however it is named, and no other has."""

    def confirm(self) -> None:
        """Raises VolumeError when what is open is not what is at its location any more: then what was done with it
        counts for nothing. A storage that keeps what is open from being removed has nothing to do."""
        return

    def size(self) -> int:
        """The volume's size as it is opened."""

    def resize(self, size: int) -> None:
        """Makes it `size` large; a size that it has already is left. Shrinking is refused."""

    def point(self, name: str) -> Point | None:
        """The stable point PREFIX + `name`, made now unless it is there. None: this storage has none, and what is
        read is as consistent as the volume is quiet."""

    def points(self, *, every: bool = False) -> list[Point]:
        """The stable points that are ours, or `every` one, oldest first."""

    def clean(self, name: str) -> bool:
        """Removes the point PREFIX + `name`; whether it was there."""

    def unfinished(self) -> bool:
        """Whether the removal of a point of ours was killed: opening the volume to write it ends that."""
        return False

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        """What may have changed in [start, end) since the point `since`; without one, all that may hold data. In
        order, apart from each other. What is not in a list without `since` is zero."""

    def sure(self, since: str) -> bool:
        """Whether `ranges` since that point have everything even if the volume was in use then: whether a verification
        of them alone can stand for one of everything."""

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        """As `ranges`, cheaply: may be coarser."""

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        """Reads `length` bytes from `offset` into the buffer from `at`. Within the volume, at most CHUNK."""

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        """Writes in place. The buffer may not change before it is done."""

    def zero(self, offset: int, length: int) -> Pending:
        """Makes the range read as zeroes, giving its space back where that can be done."""

    def flush(self) -> None:
        """Returns when what was written survives a loss of power."""

    def close(self) -> None:
        """Ends what was opened, after every operation has ended. May be repeated."""


@contextmanager
def open_volume(location: Location, *, point: str = "", write: bool = False) -> Iterator[Volume]:
    """The volume at `location`: as it is now, or as it was at the stable point `point` (see `Point.name`).

    `write` is for `write`, `zero`, `resize`, `point` and `clean`. Raises InputError when there is no such volume or
    point, VolumeError when its storage does not answer.
    """
    volume = _open(location, point, write)
    try:
        yield volume
    finally:
        volume.close()


def has_points(location: Location) -> bool:
    """Whether a volume there has stable points: see `Volume.point`."""
    return isinstance(location, Rbd)


def _open(location: Location, point: str, write: bool) -> Volume:
    # each is loaded only when it is asked for: not every machine has Ceph's libraries, or qemu-nbd
    if isinstance(location, Rbd):
        from naru.volumes.rbd import RbdVolume

        return RbdVolume(location, point, write)
    return _open_file(location, point, write)


def _open_file(location: File, point: str, write: bool) -> Volume:
    if location.format == "qcow2":
        from naru.volumes.qcow2 import Qcow2Volume

        return Qcow2Volume(location, point, write)
    from naru.volumes.file import FileVolume

    return FileVolume(location, point, write)
