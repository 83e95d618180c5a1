"""Records to what they add to groups: how many, when, on which hosts, and examples."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from naru.watch.group import Grouping
from naru.watch.hide import hidden
from naru.watch.match import NO_MATCH, UNMATCHED, Matcher
from naru.watch.records import Record
from naru.watch.store import FIRST, MOST_REQUESTS, Counted, Example
from naru.watch.times import Clock, dated

_BODY = 8 << 10
"""Characters of an example's message, and of its traceback."""


class Arrived(NamedTuple):
    """A record, the host and the program that wrote it, and the file that it is read from (0: none). What the record
    says of its host and program counts before."""

    record: Record
    host: str
    program: str
    file: int = 0


class Added(NamedTuple):
    """What records add to their groups; of how many records of Python code a statement was looked for, and for how many
    there was none."""

    counted: list[Counted]
    judged: int
    unmatched: int


class Tally:
    """Counts records of one place, whose lines have their times in the zone of its clock."""

    def __init__(self, matcher: Matcher, clock: Clock) -> None:
        self._matcher, self._clock = matcher, clock
        self._grouped = Grouping(matcher)
        self._seen: set[str] = set()  # groups of which there are first examples

    def of(self, arrived: Iterable[Arrived], now: float) -> Added:
        """What these records add; one that says no time was written `now`."""
        found: dict[str, Counted] = {}
        kept: dict[str, list[tuple[float, Arrived]]] = {}
        judged = unmatched = 0
        for came in arrived:
            record = came.record
            match = NO_MATCH
            if record.python:
                match = self._matcher.match(record)
                judged += 1
                unmatched += match.how in UNMATCHED
            its = self._grouped.group(record, match, record.program or came.program)
            moment = dated(self._clock.seconds(record.time), now)
            one = found.get(its.key)
            if one is None:
                one = found[its.key] = Counted(its, 0, moment, moment)
            one.count += 1
            one.first, one.last = min(one.first, moment), max(one.last, moment)
            minute = int(moment // 60), record.host or came.host
            one.minutes[minute] = one.minutes.get(minute, 0) + 1
            if record.request_id and len(one.requests) < MOST_REQUESTS:
                one.requests.add(_short_id(record.request_id))
            # the first ones, and the last
            its_examples = kept.setdefault(its.key, [])
            if its_examples and (its.key in self._seen or len(its_examples) > FIRST):
                its_examples.pop()
            its_examples.append((moment, came))
        for key, one in found.items():
            if len(kept[key]) >= FIRST:
                self._seen.add(key)
            for moment, came in kept[key]:
                record = came.record
                one.examples.append(Example(moment, record.host or came.host, record.place, _body(record), came.file))
        return Added(list(found.values()), judged, unmatched)


def _short_id(identity: str) -> bytes:
    """Eight bytes of a request's id: enough to tell a thousand apart."""
    return hashlib.blake2b(identity.removeprefix("req-").encode(), digest_size=8).digest()


def _body(record: Record) -> dict[str, object]:
    """What is kept of an example, without secrets."""
    trace = "\n".join(record.traceback)
    trace = trace if len(trace) <= _BODY else trace[: _BODY // 2] + "\n...\n" + trace[-_BODY // 2 :]
    said = {
        **{"time": record.time, "pid": record.pid, "level": record.level, "logger": record.logger},
        **{"request": record.request_id, "global_request": record.global_id, "user": record.user},
        **{"project": record.project, "instance": record.instance},
        **{"message": hidden(record.message[:_BODY]), "traceback": hidden(trace)},
    }
    return {name: value for name, value in said.items() if value}
