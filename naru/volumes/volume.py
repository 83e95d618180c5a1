"""What a storage backend offers: `Backend`, one kind of storage, and `Volume`, one volume's content while it is open;
with the terms that both, and all that works on them, share.

Every method is idempotent: it may be repeated, also after a call that was killed. What is half done is recognised on
the storage itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from naru.errors import InputError, NaruError
from naru.volumes.blocks import Buffer
from naru.volumes.control import Control, Tick

PREFIX = "naru-"  # of the names of all points that we make: what does not begin so is not ours
OTHER = "@"  # begins what we call a point that is not ours, which is read and never made nor removed
CHUNK = 4 << 20  # the most that one read or write carries, and what it is aligned to: an object of Ceph


class VolumeError(NaruError):
    """A storage refused, lost or never answered an operation on a volume."""


class Location(ABC):
    """Where a volume's content is, and as whom it is reached: immutable and hashable, made by `Backend.parse`."""

    @abstractmethod
    def __str__(self) -> str:
        """The text of which `naru.volumes.open.parse` makes an equal location."""


class Extent(NamedTuple):
    """A range of bytes. `zero` says that it is known to hold nothing but zeroes."""

    offset: int
    length: int
    zero: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.length


class Point(NamedTuple):
    """A stable point of a volume, a snapshot. `name` is ours without PREFIX, or OTHER and the storage's own name of one
    that is not ours (Cinder's snapshots). `created` is seconds since 1970, `size` in bytes then."""

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
    """An operation that has been started."""

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
        """Raises VolumeError when another volume is at its location by now: then what was done with this one counts
        for nothing. A storage that keeps what is open from being removed has nothing to do."""
        return

    def size(self) -> int:
        """The volume's size as it is opened."""

    def resize(self, size: int) -> None:
        """Makes it `size` large; a size that it has already is left. Shrinking is refused."""

    def point(self, name: str) -> Point | None:
        """The stable point PREFIX + `name`, made now unless it exists. None: this storage has none, and what is
        read is as consistent as the volume is quiet."""

    def points(self, *, every: bool = False) -> list[Point]:
        """The stable points that are ours, or `every` one, oldest first."""

    def clean(self, name: str) -> bool:
        """Removes the point PREFIX + `name`; whether it existed."""

    def unfinished(self) -> bool:
        """Whether the removal of a point of ours was killed: opening the volume to write it ends that."""
        return False

    def ranges(self, start: int, end: int, since: str = "") -> list[Extent]:
        """What may have changed in [start, end) since the point `since`; without one, all that may hold data. In
        order, apart from each other. What is not in a list without `since` is zero. It may have more than what changed.
        It has all of it where nobody wrote while the point was made; else what was written in that moment may be
        missing here or in `data`, so both are asked (see `naru.volumes.engine.changes`)."""

    def sure(self, since: str) -> bool:
        """Whether `ranges` since that point have everything even if the volume was in use then: whether a verification
        of them alone can stand for one of everything."""

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        """The same sooner, in whole pieces of the storage (of Ceph's object map): it may have more, and of a volume in
        use it may lack other changes than `ranges`."""

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


class Clone(NamedTuple):
    """A volume that has another one's content without a copy: the source's last `point`, "" for a storage without
    points; `size` of the clone in bytes, `shared` how many of them are the source's."""

    point: str
    size: int
    shared: int


class Flattening(NamedTuple):
    """How far a clone is independent. `cloned` says that it was a clone, and `Backend.finish_clone` has not ended that
    yet; `point` is the last point of both sides, at which they are still to be compared; "" when they have been."""

    cloned: bool
    point: str


L = TypeVar("L", bound=Location)


class Backend(ABC, Generic[L]):
    """One kind of storage. It keeps nothing in memory between calls, and may be used by any thread.

    `parse` and `open` are all that a storage needs. The other methods are about content that is not copied, because
    both volumes are on one storage: their defaults say that it cannot do that.
    """

    location: type[L]
    """The class of its locations."""

    forms: Mapping[str, str]
    """How its locations are written, as help and errors show it, by the scheme: what is before the colon."""

    keeps_history: bool = False
    """Whether its volumes have stable points: a snapshot's content can be read, whoever writes to the volume later."""

    clones_as: str = ""
    """What it calls a volume that has another one's content without a copy: "clone", "reflink"."""

    @abstractmethod
    def parse(self, scheme: str, rest: str) -> L:
        """The location that is written as `scheme:rest`. Raises InputError, whose message says what is wrong."""

    @abstractmethod
    def open(self, location: L, point: str, write: bool) -> Volume:
        """See `naru.volumes.open.open_volume`."""

    def shares_storage(self, source: L, target: L) -> bool:
        """Whether both are on one storage: one cluster, one file system. Raises InputError when one does not exist."""
        return False

    def clone_obstacle(self, source: L, target: L) -> str:
        """Why the target cannot be made a clone of the source though they are on one storage; "" when it can. Changes
        nothing. Raises InputError when both are one volume."""
        return "volumes of this storage are not cloned"

    def clone(self, source: L, target: L, job: str, control: Control) -> Clone:
        """Makes the target a clone of the source as it is now; neither is open. What the target was is kept aside
        until `undo_clone` or `finish_clone`. Raises VolumeError when the source was written since its last point."""
        raise InputError(f"{target} cannot be a clone of {source}")

    def flatten(self, target: L, job: str, control: Control) -> Flattening:
        """Makes a clone independent of its source, while it may be in use. What never was a clone is left."""
        return Flattening(False, "")

    def finish_clone(self, source: L | None, target: L, job: str, control: Control) -> None:
        """Removes, after `flatten`, what a clone needed to be undone and compared: both sides' last points, and what
        the target was before. `source` is None for a target that `flatten` calls no clone: then no point is removed."""

    def undo_clone(self, target: L, job: str, control: Control) -> None:
        """Makes the target what it was before `clone`, unless `finish_clone` ended that; removes its last point."""

    def release(self, source: L, job: str) -> None:
        """Removes the source's last point. Raises VolumeError while it has clones."""
