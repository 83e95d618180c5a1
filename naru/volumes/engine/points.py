"""Our points on a volume, and which of them a copy still needs."""

from collections.abc import Collection

from naru.volumes.engine.state import State
from naru.volumes.open import open_volume
from naru.volumes.volume import Location, Volume


def tidy(source: Location, state: State) -> None:
    """Removes the points of this copy that nothing needs any more."""
    if state.at:
        clean(source, state.job, keep=(state.at, state.verified))


def clean(location: Location, job: str = "", *, keep: Collection[str] = ()) -> list[str]:
    """Removes our points on a volume, of one job or of all; the names of those removed. May be repeated."""
    with open_volume(location) as volume:
        names, unfinished = points_of(volume, job, keep), volume.unfinished()
    return remove(location, names, unfinished)


def points_of(volume: Volume, job: str, keep: Collection[str]) -> list[str]:
    """The names of our points on an open volume, of one job or of all, but for those to `keep`."""
    names = [point.name for point in volume.points() if point.name not in keep]
    return [name for name in names if not job or name.rpartition("-")[0] == job]


def remove(location: Location, names: list[str], unfinished: bool) -> list[str]:
    """Removes these points, and what is left of one whose removal was killed: the names of those removed."""
    if not names and not unfinished:
        return []
    with open_volume(location, write=True) as volume:
        return [name for name in names if volume.clean(name)]
