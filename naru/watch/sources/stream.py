"""What every source that is no file does."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from naru.watch.tally import Arrived

DAY = 86400.0
PAGE = 5000
"""Entries that are read at a time."""


class Batch(NamedTuple):
    """What is new. `cursor` is where it is to be gone on from, once this is kept. `lines` were looked at, of which
    `unread` are of no known format; `lost` is how often something was gone before it was read. With `more` there is
    more already."""

    arrived: list[Arrived]
    cursor: str
    lines: int = 0
    unread: int = 0
    lost: int = 0
    more: bool = False


class Window(NamedTuple):
    """From when to when, in seconds since 1970."""

    begin: float
    end: float


class Stream(Protocol):
    """A source of records that is no file. All of it may be called by any thread, one at a time."""

    name: str
    """What it is called where something is told of it, and by which its cursor is kept."""

    def follow(self, cursor: str) -> Batch:
        """What is new since a cursor ("": none yet). Raises NaruError where it cannot be asked."""

    def by_request(self, ids: Sequence[str], window: Window) -> list[Arrived]:
        """The records of all levels, of that time, in which one of the identifiers stands. Raises NaruError."""

    def check(self) -> str:
        """What is there, in a few words. Raises NaruError that says why it cannot be read."""
