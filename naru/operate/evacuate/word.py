"""What the guard that has decided an evacuation says now: its newest verdict of the host, who has said that it is off,
and whether its power controller has lied. Each step of the evacuation asks it again before it does anything.
"""

import json
import time
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.operate.guard.state import Directory
from naru.plan.errors import Transient

NOW = "now.json"
"""In a guard's directory: the verdicts of its newest round."""
FRESH = 60.0
"""Seconds that a verdict of the guard's is one of now."""
BLIND = ("viewpoint", "readable")
"""Gates that stop a round whole: what the guard does not hear then says nothing of a host."""
STOPPED = "Nothing more is done. See naru guard status."


class Word:
    """The word of the guard whose directory this is on `host`, as Nova calls it; of nobody for "". With `by_hand` it is
    people who evacuate the host, after the guard could not: it need not decide so, nor run; what it knows of the
    host's power controller counts, and any sign of life that it sees."""

    def __init__(self, directory: str, host: str, by_hand: bool = False) -> None:
        self.directory, self.host, self.by_hand = directory, host, by_hand

    def newest(self) -> dict[str, Any]:
        """The verdict of now; {} for a host that is well. Raises NaruError where there is none."""
        try:
            now = self.read()
            age, found = time.time() - float(now["at"]), dict(now["verdicts"].get(self.host, {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            file = Path(self.directory) / NOW
            raise NaruError(f"{file}: the guard's verdicts cannot be read", detail=repr(error)) from error
        if not -5.0 < age < FRESH:
            raise Transient(
                f"the guard's newest verdicts are {age:.0f} s old: what was decided is not known any more",
                hint="Begin the guard again: it goes on with this evacuation.",
            )
        if not found and not now.get("readable", True):
            raise Transient("the guard could not read Nova in its newest round: nothing is known of the host")
        return found

    def read(self) -> Any:
        """What the guard has written of its newest round."""
        return json.loads((Path(self.directory) / NOW).read_text())

    def liars(self) -> set[str]:
        """The hosts whose power controllers have lied."""
        return Directory(Path(self.directory)).load().liars

    def off(self, *, live: bool) -> set[str]:
        """The hosts of which people say that they are off; `live`: so that it still counts."""
        directory = Directory(Path(self.directory))
        return directory.off_now() if live else directory.said_off()

    def check(self) -> None:
        """The guard decides to evacuate it, now. Raises NaruError where it does not, and Transient where it only
        waits."""
        if not self.directory or self.by_hand:
            return
        found = self.newest()
        if not self.read().get("acts", True):
            raise NaruError(
                "the guard is in shadow now: nothing is begun", hint="naru guard run --act goes on with it."
            )
        if found.get("outcome") == "evacuate":
            return
        said = f"{found.get('outcome', 'none')}: {found.get('why', 'it is up')}"
        kind = Transient if found.get("outcome") == "hold" else NaruError
        raise kind(f"the guard does not decide so any more: {said}", hint=STOPPED)

    def alive(self) -> list[str]:
        """By what the guard sees that the host lives. Raises Transient where it cannot know."""
        if not self.directory:
            return []
        try:
            found = self.newest()
        except NaruError:
            if self.by_hand:
                return []  # it does not run, or sees nothing: others have looked
            raise
        if not found:
            return ["the guard: it is up"]
        if found.get("gate") in BLIND and not self.by_hand:
            raise Transient(f"the guard sees too little itself: {found.get('why')}", hint=STOPPED)
        return [f"the guard: {one}" for one in found.get("alive", ())]

    def has_lied(self) -> bool:
        """Whether the host's power controller has said off while the host lived."""
        return bool(self.directory) and self.host in self.liars()

    def check_off(self, by: str, *, live: bool) -> None:
        """That it is off, on the word of `by`, was not taken back; with `live` that this word still counts: it does so
        for half an hour. Raises NaruError."""
        if not self.directory or not by or self.by_hand:
            return
        if self.host in self.off(live=live):
            return
        raise NaruError(
            f"that {self.host} is off is not {by}'s word any more: it was taken back, or is older than half an hour",
            hint=f"See that it is off and stays so; then naru guard approve {self.host} off, and the guard goes on.",
        )
