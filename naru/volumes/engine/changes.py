"""What changed on a source since a point: all of it, and soon where the volume is idle.

A storage's own list of differences is exact and asks for every object of a volume; Ceph's object map answers at once,
but what was being written when a snapshot was made may be missing from it (tracker.ceph.com/issues/61472, 61616: librbd
16 to 17.2.6, krbd). So after each point of a volume in use, what such writes changed is listed once, while nobody
waits for it (`listed_early`). When the volume is idle at last, that and the map together have every object that
changed, and the list is asked for those alone (`candidates`).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge

from naru.volumes.engine.state import State
from naru.volumes.volume import CHUNK, Extent, Volume

MANY = 4096  # ranges of which no more are remembered: then the whole list is asked for
NEAR = 8 * CHUNK  # between two objects that are asked for together: less work than to ask twice


def changed(
    volume: Volume, start: int, end: int, since: str, early: Sequence[Extent] | None
) -> tuple[list[Extent], list[Extent]]:
    """What is listed as changed in [start, end) since a point, and what the object map has, whole objects.

    `early` are the ranges beyond the object map's (see `candidates`), None when every object is to be asked for.
    """
    coarse = volume.data(start, end, since)
    asked = [Extent(start, end - start)] if early is None else list(_near(merge(coarse, early), start, end))
    listed = [extent for part in asked for extent in volume.ranges(part.offset, part.end, since)]
    return listed, coarse


def unlisted(listed: Sequence[Extent], coarse: Iterable[Extent]) -> list[Extent]:
    """What of the object map may have changed though it is not listed: the extents in which nothing is. Both in order.

    An image of Ceph that is opened at the moment a snapshot is made may go on without knowing of it (seen with librbd
    16.2.15, once in some hundred such moments): what is written then counts as older than the snapshot, and no list of
    differences has it. The object map has it. It also has discards of what was empty, which change nothing: so what it
    alone has is looked at, and when that differs the list is not believed at all.
    """
    found, starts = [], [extent.offset for extent in listed]
    for extent in coarse:
        at = bisect_left(starts, extent.offset)
        begun = at > 0 and listed[at - 1].end > extent.offset
        if not begun and (at == len(listed) or starts[at] >= extent.end):
            found.append(extent._replace(zero=False))
    return found


def _near(extents: Iterable[Extent], start: int, end: int) -> Iterator[Extent]:
    """The objects that the extents touch, as far as they are within [start, end), those near to each other as one."""
    begin = stop = -1
    for extent in extents:
        first, last = max(start, extent.offset // CHUNK * CHUNK), min(end, -(-extent.end // CHUNK) * CHUNK)
        if first >= last:
            continue
        if begin >= 0 and first - stop <= NEAR:
            stop = max(stop, last)
            continue
        if begin >= 0:
            yield Extent(begin, stop - begin)
        begin, stop = first, last
    if begin >= 0:
        yield Extent(begin, stop - begin)


def listed_early(volume: Volume, point: str) -> list[tuple[int, int]] | None:
    """Offset and length of what has changed since a point that was just made, for the state; None when it is much.
    `volume` is open as it is now, some seconds after the point."""
    parts = list(_near(volume.ranges(0, volume.size(), point), 0, volume.size()))
    return [(part.offset, part.length) for part in parts] if len(parts) <= MANY else None


def candidates(volume: Volume, point: str, since: str, state: State) -> list[Extent] | None:
    """Ranges in which something may have changed from `since` to `point` that the object map does not have, in order;
    None when they are not known: of every point from `since` on the early list is needed, and its object map.
    `point` was made while the volume was idle."""
    names = [found.name for found in volume.points(every=True)]
    if since not in names or point not in names or not volume.sure(since):
        return None
    lists = [state.early.get(name) for name in names[names.index(since) : names.index(point)]]
    if any(found is None for found in lists):
        return None
    return list(merge(*([Extent(offset, length) for offset, length in found or ()] for found in lists)))
