"""What witnesses have said, kept over rounds: since when each says what it says.

Times are of a clock that only goes forward (`time.monotonic`), so that a wall clock that leaps makes nobody silent.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from naru.operate.guard.evidence import Said, Sign
from naru.operate.guard.policy import LIFE

LIES = 120.0
"""Seconds for which a host that was switched off may still be heard of: a beat counts for 35, what a witness reports of
it, or a peer that has heard it, for up to 45 more."""


class Reading(NamedTuple):
    """What one witness says now of one source of a host."""

    host: str
    source: str
    witness: str
    domain: str
    said: Said
    note: str = ""


class _Kept(NamedTuple):
    said: Said
    since: float
    at: float
    note: str
    domain: str


class Memory:
    """`seen` are pairs (host, source) that were ever alive, kept over restarts: of a source by which a host was never
    seen alive silence says nothing. `liars` are hosts whose power controller has said off while they lived: it is not
    believed until a human says so. Whoever has not spoken for `patience` seconds is unknown."""

    def __init__(self, seen: Iterable[tuple[str, str]] = (), liars: Iterable[str] = (), patience: float = 45.0) -> None:
        self.seen = set(seen)
        self.liars = set(liars)
        self.patience = patience
        self._kept: dict[str, dict[tuple[str, str], _Kept]] = {}
        self._held: dict[str, float] = {}
        self._lying: dict[str, float] = {}

    def take(self, readings: Iterable[Reading], now: float) -> None:
        """Takes down what was said at the time `now`."""
        for one in readings:
            if one.said == "alive":
                self.seen.add((one.host, one.source))
            kept = self._kept.setdefault(one.host, {})
            key = (one.source, one.witness)
            before = kept.get(key)
            is_same = before is not None and before.said == one.said and now - before.at <= self.patience
            since = before.since if before and is_same else now
            kept[key] = _Kept(one.said, since, now, one.note, one.domain)

    def signs(self, host: str, now: float) -> tuple[Sign, ...]:
        """What is known of a host now."""
        found = []
        for (source, witness), kept in self._kept.get(host, {}).items():
            said, note = kept.said, kept.note
            if now - kept.at > self.patience:
                said, note = "unknown", "nothing was said for too long"
            elif said == "silent" and source in LIFE and (host, source) not in self.seen:
                said, note = "unknown", "it was never seen alive by this"
            elif source == "power" and host in self.liars:
                said, note = "unknown", "it has said off of a host that lived"
            found.append(Sign(source, witness, kept.domain, said, now - kept.since, note))
        return tuple(found)

    def power(self, host: str, is_off: bool, now: float) -> None:
        """Takes down what the power controller of a host says: one that says off of a host that goes on living for
        longer than anything old can be heard of it lies."""
        kept = self._kept.get(host, {}).items()
        lives = any(key[0] in LIFE and one.said == "alive" and now - one.at <= self.patience for key, one in kept)
        if not is_off or not lives:
            self._lying.pop(host, None)
        elif now - self._lying.setdefault(host, now) > LIES:
            self.liars.add(host)

    def held(self, host: str, is_held: bool, now: float) -> None:
        """Takes down whether a host is held by a gate."""
        if is_held:
            self._held.setdefault(host, now)
        else:
            self._held.pop(host, None)

    def held_for(self, host: str, now: float) -> float:
        """For how long it has been held, without a break."""
        return now - self._held[host] if host in self._held else 0.0


class Clock:
    """By how much the wall clock has leapt, beside one that only goes forward, since the last look that was in order;
    a leap counts for `memory` seconds."""

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float], memory: float = 300.0) -> None:
        self._wall, self._steady, self._memory = wall, steady, memory
        self._offset = wall() - steady()
        self._leap, self._at = 0.0, steady()

    def leap(self) -> float:
        """Seconds; 0 once the last leap is long ago."""
        now, offset = self._steady(), self._wall() - self._steady()
        if abs(offset - self._offset) > 1.0:
            self._leap, self._at, self._offset = offset - self._offset, now, offset
        return self._leap if now - self._at < self._memory else 0.0
