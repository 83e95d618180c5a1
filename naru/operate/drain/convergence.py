"""Whether a live migration comes to an end: a guest that writes to its memory faster than it is copied never does.

The ladder: as long as less and less is left, it is waited for. When nothing new was the least for `patience` seconds it
is completed by force, where the operator allows that (the guest pauses), and given as long again; then it is ended, and
tried once more after the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["wait", "complete", "abort"]


@dataclass
class Convergence:
    """One live migration. `patience` is seconds; `may_complete` whether it may be forced."""

    patience: float
    may_complete: bool
    _least: float = field(default=float("inf"), init=False)
    _since: float | None = field(default=None, init=False)
    _is_forced: bool = field(default=False, init=False)

    def look(self, left: float | None, now: float) -> Verdict:
        """What is to be done, `left` bytes being left at the time `now`, None where Nova does not say: then it has
        nothing to converge yet, and is waited for."""
        if left is None:
            return "wait"
        if self._since is None or left < self._least:
            self._least, self._since = left, now
            return "wait"
        if now - self._since < self.patience:
            return "wait"
        if self.may_complete and not self._is_forced:
            self._is_forced, self._since = True, now
            return "complete"
        return "abort"


class Silence:
    """A move of which nothing new is seen. `patience` is seconds: as long as what is looked at changes, all is well."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._seen: Any = None
        self._since = 0.0

    def is_over(self, seen: Any, now: float) -> bool:
        """Whether the same was `seen` for so long, at the time `now`."""
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since > self.patience


def left(migration: Mapping[str, Any] | None) -> float | None:
    """The bytes that a migration under way has before it, of memory and disks; None where it is not known."""
    if migration is None or migration.get("status") != "running":
        return None
    found = [migration.get(f"{what}_remaining_bytes") for what in ("memory", "disk")]
    known = [float(one) for one in found if one is not None]
    return sum(known) if known else None
