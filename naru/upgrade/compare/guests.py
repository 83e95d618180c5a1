"""Whether guests answer all through an upgrade: each of them is asked over and over, from where the command is given
(`asking`).

    DIR/guests.jsonl   {"at": seconds since 1970, "guests": [...], "every": seconds} when probing begins, then
                       {"at": ..., "end": ..., "silent": [...], "cut": [...]} for each round, with those that did not
                       answer, and those whose kept connection was cut

Each line is written when its round is over: whoever kills the prober loses no more than that round.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from naru.errors import InputError
from naru.files import FileLock
from naru.text import duration, utc
from naru.upgrade.compare.asking import Asker, Guest, check
from naru.upgrade.compare.verified import EXAMPLES, NOT_WELL, Judged, Verified

FILE = "guests.jsonl"
KIND = "guest"
LONGEST = 5.0
"""Seconds without an answer that are no fault."""


class Seen(NamedTuple):
    """What was seen of a guest: how often it was asked, and gave no answer; the seconds of its longest silence, and
    when that began (seconds since 1970, None without one); whether it has answered last, None for one that has not and
    is asked no more; how often a connection that was kept with it was cut."""

    guest: str
    sent: int
    lost: int
    longest: float
    since: float | None
    answers: bool | None
    cut: int = 0


class Record(NamedTuple):
    """What was seen of all guests, and the spans (from when, how many seconds) in which nobody has asked."""

    guests: list[Seen]
    unseen: list[tuple[float, float]]


def listed(file: Path) -> list[Guest]:
    """The guests of a file: one a line, and what follows a # is a comment. Raises InputError."""
    try:
        lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
        found = [Guest.parse(line) for line in lines if line]
        if not found:
            raise ValueError("it names no guest")
        return found
    except (OSError, ValueError) as error:
        hint = "It has a guest a line: 192.0.2.7:22, [2001:db8::7]:22, icmp:192.0.2.7, kept:192.0.2.7:22."
        raise InputError(f"{file} cannot be read", detail=str(error), hint=hint) from error


def probe(directory: Path, guests: Iterable[Guest], every: float, seconds: float, say: Callable[[str], None]) -> None:
    """Asks all guests, `every` so many seconds, for so many `seconds` (infinity: until it is interrupted), and says who
    stops to answer and who answers again. Raises InputError when another process does it in this work directory, where
    this machine does not let one ask so, and for an `every` of 0."""
    if every <= 0:
        raise InputError("guests cannot be asked without a pause", hint="--every 1s")
    wanted = list(dict.fromkeys(guests))
    check(wanted)
    with FileLock(directory / FILE) as lock:
        if not lock.take():
            raise InputError(f"{directory}: guests are probed already", hint="End that command first.")
        with (directory / FILE).open("r+") as file:
            _cut_off(file)
            asyncio.run(_rounds(file, wanted, every, seconds, say))


def _cut_off(file: Any) -> None:
    """Takes away half of a line, which somebody was killed over."""
    whole = file.read().rpartition("\n")
    file.seek(0)
    file.truncate(len(whole[0] + whole[1]))  # JSON is ASCII
    file.seek(0, os.SEEK_END)


async def _rounds(file: Any, guests: Sequence[Guest], every: float, seconds: float, say: Callable[[str], None]) -> None:
    def write(**line: Any) -> None:
        file.write(json.dumps(line) + "\n")
        file.flush()

    write(at=time.time(), guests=[str(one) for one in guests], every=every)
    end = time.monotonic() + seconds
    silent: set[Guest] = set()
    with contextlib.closing(Asker()) as asker:
        while (began := time.monotonic()) < end:
            at = time.time()
            answers = dict(zip(guests, await asyncio.gather(*(asker.ask(one, every) for one in guests)), strict=True))
            now = {one for one, answer in answers.items() if not answer.there}
            cut = [one for one, answer in answers.items() if answer.cut]
            write(at=at, end=time.time(), silent=[str(one) for one in guests if one in now], cut=list(map(str, cut)))
            for one in cut:
                say(f"{one}: the connection was cut")
            for one in guests:
                if (one in now) != (one in silent):
                    say(f"{one} {'does not answer' if one in now else 'answers again'}")
            silent = now
            await asyncio.sleep(max(0.0, began + every - time.monotonic()))


def record(directory: Path) -> Record:
    """What was seen so far; of nobody where nobody was asked. A silence ends with the last round before nobody has
    asked: what was then is not known."""
    guests: dict[str, _Guest] = {}
    unseen = []
    asked: list[str] = []
    every = pause = 0.0
    last: float | None = None
    for line in _lines(directory / FILE):
        if "guests" in line:
            asked, every = line["guests"], line["every"]
            for name in guests.keys() - set(asked):
                guests[name].leave()
            continue
        at, end, silent, cut = line["at"], line["end"], set(line["silent"]), set(line.get("cut", ()))
        if last is not None and at - last > pause:
            unseen.append((last, at - last))
            for guest in guests.values():
                guest.end()
        last, pause = end, 2 * every + 1
        for name in asked:
            guests.setdefault(name, _Guest()).tell(at, end, name not in silent, name in cut)
    return Record([one.seen(name) for name, one in guests.items()], unseen)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        if not file.exists():
            return
        for line in stack.enter_context(file.open()):
            if line.endswith("\n"):  # the last one may just be written
                yield json.loads(line)


class _Guest:
    """What is seen of one guest, round after round."""

    def __init__(self) -> None:
        self.sent = self.lost = self.cut = 0
        self.longest = 0.0
        self.since: float | None = None
        self.answers: bool | None = None
        self._silent: float | None = None

    def tell(self, at: float, end: float, answers: bool, cut: bool) -> None:
        """It was asked in a round from one moment to another."""
        self.sent += 1
        self.cut += cut
        self.lost += not answers
        self.answers = answers
        if not answers and self._silent is None:
            self._silent = at
        if self._silent is not None:
            silence = (at if answers else end) - self._silent
            if self.since is None or silence > self.longest:
                self.longest, self.since = silence, self._silent
        if answers:
            self._silent = None

    def end(self) -> None:
        """Whether its silence went on is not known."""
        self._silent = None

    def leave(self) -> None:
        """It is asked no more."""
        self.end()
        self.answers = self.answers or None

    def seen(self, name: str) -> Seen:
        return Seen(name, self.sent, self.lost, round(self.longest, 1), self.since, self.answers, self.cut)


def judge(found: Record, longest: float = LONGEST) -> list[Verified]:
    """What is wrong with the guests: those that answer no more, those that were silent for longer than so many seconds,
    and those with which a connection was cut. Of one that has never answered nothing is known. Whoever is asked no more
    was left out by the operator."""
    groups: dict[tuple[Judged, str], list[Seen]] = {}
    for one in found.guests:
        if one.lost == one.sent:
            never: Judged = "not compared" if one.answers is None else "not known"
            groups.setdefault((never, "has never answered"), []).append(one)
        elif one.answers is False:
            groups.setdefault(("wrong", "does not answer any more"), []).append(one)
        elif one.cut:
            groups.setdefault(("wrong", "a connection with it was cut"), []).append(one)
        elif one.longest > longest:
            groups.setdefault(("wrong", f"gave no answer for more than {duration(longest)}"), []).append(one)
        elif one.answers is None:
            groups.setdefault(("not compared", "is asked no more, and did not answer last"), []).append(one)
    rows = [
        Verified(judged, KIND, change, "", len(these), tuple(_told(one) for one in these[:EXAMPLES]))
        for (judged, change), these in groups.items()
    ]
    if found.unseen:
        spans = tuple(f"{duration(seconds)} from {utc(at)} on" for at, seconds in found.unseen[:EXAMPLES])
        rows.append(Verified("not compared", KIND, "nobody has asked", "", len(found.unseen), spans))
    return rows


def is_wrong(found: Record) -> bool:
    """Whether a guest was silent for too long, or it is not known."""
    return any(one.judged in NOT_WELL for one in judge(found))


def _told(one: Seen) -> str:
    """What was seen of a guest, for people."""
    since = "" if one.since is None else f", longest {duration(one.longest)} from {utc(one.since)} on"
    cut = f", cut {one.cut} times" if one.cut else ""
    return f"{one.guest}: {one.lost} of {one.sent} lost{since}{cut}"
