"""What was evacuated before: the cumulative limits are counted over it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from naru.operate.guard.evidence import Host

LEAP = 30.0
"""Seconds by which the clock may go forward beyond the time that has passed, between two rounds."""
DOWN = 3600.0
"""Seconds by which it may have gone forward while no guard ran: beyond that nobody knows how long that really was."""


class Entry(NamedTuple):
    """An evacuation that was begun: of which host and areas, when (seconds since 1970), and of which servers."""

    host: str
    areas: tuple[str, ...]
    at: float
    servers: tuple[str, ...]


def entry(host: Host, at: float) -> Entry:
    """The entry of a host whose evacuation begins."""
    return Entry(host.name, tuple(host.areas.values()), at, tuple(host.servers or ()))


def before(entries: Iterable[Entry], own: Entry) -> list[Entry]:
    """Those that were begun before this one: its own takes nothing from itself, nor do later ones."""
    return [one for one in entries if one != own and one.at <= own.at]


def spent(entries: Iterable[Entry], now: float, hours: float) -> dict[str, int]:
    """By area how many were begun within so many hours. One whose time lies ahead counts: the clock was set back."""
    found: dict[str, int] = {}
    for one in entries:
        if now - one.at < hours * 3600:
            for area in one.areas:
                found[area] = found.get(area, 0) + 1
    return found


def last(entries: Sequence[Entry], now: float) -> float | None:
    """Seconds since the newest one; None where there is none."""
    return max(0.0, now - max(one.at for one in entries)) if entries else None


def repeated(entries: Iterable[Entry], now: float, hours: float) -> tuple[str, ...]:
    """The servers that were on a host that died within so many hours: where they are when the next one dies, they may
    be why."""
    return tuple(sorted({server for one in entries if now - one.at < hours * 3600 for server in one.servers}))


class Leaps:
    """When the clock of this machine went forward by more than the time that has passed, as (before, after): limits
    that are counted by the clock begin again then. `last` is the time when it was looked at last, kept over restarts.
    """

    def __init__(self, last: float = 0.0, found: Iterable[Iterable[float]] = ()) -> None:
        self.last = last
        self.found = [(before, after) for before, after in found]
        self._steady: float | None = None

    def see(self, wall: float, steady: float) -> None:
        """Looks at both clocks."""
        most = DOWN if self._steady is None else steady - self._steady + LEAP
        if self.last and wall - self.last > most:
            self.found.append((self.last, wall))
        self.last, self._steady = wall, steady

    def counted(self, entries: Iterable[Entry], now: float, hours: float) -> list[Entry]:
        """The entries as they count: those that were within so many hours before a leap as of the moment after it."""
        within = hours * 3600
        self.found = [one for one in self.found if now - one[1] < within]
        counted = list(entries)
        for before, after in self.found:
            counted = [
                one._replace(at=after) if one.at < after and before - one.at < within else one for one in counted
            ]
        return counted
