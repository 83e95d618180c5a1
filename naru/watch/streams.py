"""Sources that are no files, followed: what is new of one, its groups, and its cursor go to disk in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from naru.watch.match import Matcher
from naru.watch.sources.stream import Batch, Stream
from naru.watch.store import Counts, Store, by_columns
from naru.watch.tally import Added, Tally
from naru.watch.times import Clock
from naru.watch.together import Steps

_REMEMBERED = 86400.0
"""Seconds for which it is known that something was received: it is sent again until it is answered."""


@dataclass
class Kept(Counts):
    """What is known of a source: up to where it is read, and how much of it was."""

    name: str
    cursor: str = ""


def streams(store: Store) -> list[Kept]:
    """What is known of all sources that are no files."""
    return [Kept(**row) for row in by_columns(store.connection.execute("SELECT * FROM stream ORDER BY name"))]


def stream(store: Store, name: str) -> Kept:
    """What is known of one of them."""
    found = by_columns(store.connection.execute("SELECT * FROM stream WHERE name = ?", (name,)))
    return next((Kept(**row) for row in found), Kept(name))


def every(store: Store) -> list[tuple[str, Counts]]:
    """How much was read of every file, by its path, and of every other source, by its name."""
    return [*((one.path, one) for one in store.files()), *((one.name, one) for one in streams(store))]


class Keeper:
    """Keeps what comes of sources that are no files. `came` is told the keys of groups that were not there before, or
    were resolved."""

    def __init__(
        self,
        store: Store,
        matcher: Matcher,
        clock: Clock,
        now: Callable[[], float],
        came: Callable[[list[str]], None] = lambda keys: None,
    ) -> None:
        self._store, self._now, self._came = store, now, came
        self._tally = Tally(matcher, clock)

    def keep(self, name: str, batch: Batch, digest: bytes = b"") -> bool:
        """Counts what came, and keeps its cursor, in one transaction. Of what has a `digest` and came before nothing is
        counted: False."""
        moment = self._now()
        added = self._tally.of(batch.arrived, moment)
        database = self._store.connection
        if digest:  # whoever sent it forgets it then: it has to survive a loss of power, too
            database.execute("PRAGMA synchronous = FULL")
        try:
            return self._kept(name, batch, digest, added, moment)
        finally:
            if digest:
                database.execute("PRAGMA synchronous = NORMAL")

    def _kept(self, name: str, batch: Batch, digest: bytes, added: Added, moment: float) -> bool:
        database = self._store.connection
        with self._store.transaction():
            if digest:
                database.execute("DELETE FROM received WHERE moment < ?", (moment - _REMEMBERED,))
                took = database.execute("INSERT OR IGNORE INTO received VALUES (?, ?)", (digest, moment))
                if not took.rowcount:
                    return False
            news = self._store.add(added.counted, moment)
            kept = stream(self._store, name)
            kept.cursor, kept.read, kept.lost = batch.cursor, moment, kept.lost + batch.lost
            kept.lines, kept.records = kept.lines + batch.lines, kept.records + len(batch.arrived)
            kept.unread += batch.unread
            kept.judged, kept.unmatched = kept.judged + added.judged, kept.unmatched + added.unmatched
            said = vars(kept)
            query = f"INSERT OR REPLACE INTO stream ({', '.join(said)}) VALUES ({', '.join('?' * len(said))})"
            database.execute(query, list(said.values()))
            if batch.lost:
                self._store.set("lost", int(self._store.setting("lost") or 0) + batch.lost)
        if news:
            self._came(news)
        return True

    def steps(self, source: Stream) -> Steps[None]:
        """A round of a follower of a source: all that is new of it, a page at a time."""
        more = True
        while more:
            cursor = stream(self._store, source.name).cursor
            batch: Batch = yield partial(source.follow, cursor)
            if batch.lines or batch.lost or batch.cursor != cursor:
                self.keep(source.name, batch)
            more = batch.more
