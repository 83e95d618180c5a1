"""Groups that came with one request, or about one server: one incident, with the group that it began with.

What a record's context says is taken only where it can be trusted: a thread keeps the context of the last request that
it served, so what it prints between two requests has the id, user and project of another one (`request`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.errors import NaruError
from naru.watch.request import SKEW, Joined, Reader, join, plain
from naru.watch.store import Example

_MOST_JOINED = 30
"""Requests that are joined in one pass; more are left alone."""
RECENT = 3600.0
"""Seconds before its last record within which examples of a group say what it came with."""
_ERRORS = ("ERROR", "CRITICAL")
_BEFORE_CONTEXT = "keystonemiddleware"
"""Its records are printed before a request has a context of its own."""


@dataclass
class Incident:
    """Groups that belong together, as keys; `root` is that of the group that it began with."""

    root: str
    keys: list[str] = field(default_factory=list)


class Requests:
    """Requests as they are found in all files, each looked for once. `reader` makes what reads them, or raises
    NaruError."""

    def __init__(self, reader: Callable[[], Reader] | None) -> None:
        self._make = reader
        self._reader: Reader | None = None
        self._found: dict[str, list[Joined] | None] = {}

    def joined(self, identity: str) -> list[Joined] | None:
        """The records of a request; None where they cannot be read now."""
        try:
            asked = plain(identity)
        except NaruError:
            return None
        if asked not in self._found:
            self._found[asked] = self._read(asked) if len(self._found) < _MOST_JOINED else None
        return self._found[asked]

    def _read(self, asked: str) -> list[Joined] | None:
        if self._make is None:
            return None
        try:
            if self._reader is None:
                self._reader = self._make()
            return join(self._reader, asked)
        except NaruError:  # a host that cannot be reached; that is told by whoever follows its files
            return None

    def trusted(self, example: Example) -> bool:
        """Whether the context of a record is that of its own request, as far as that can be seen: one that is of no
        file came with its context, by itself."""
        body = example.body
        if not body.get("request") or str(body.get("logger", "")).startswith(_BEFORE_CONTEXT):
            return False
        if not example.file:
            return True
        joined = self.joined(str(body["request"]))
        return joined is not None and any(
            one.trusted and (one.host, one.record.place) == (example.host, example.place) for one in joined
        )


def recent(examples: Sequence[Example]) -> list[Example]:
    """The examples of what a group is told for now, not of what it was long ago."""
    last = max((one.moment for one in examples), default=0.0)
    return [one for one in examples if one.moment >= last - RECENT]


def incidents(examples: Mapping[str, Sequence[Example]], trusted: Callable[[Example], bool]) -> list[Incident]:
    """The incidents of groups, given by their keys with their recent examples."""
    of: dict[str, str] = {key: key for key in examples}

    def top(key: str) -> str:
        while of[key] != key:
            key = of[key]
        return key

    seen: dict[str, str] = {}
    contexts: dict[str, list[Example]] = {}
    for key, every in examples.items():
        for one in every:
            own = trusted(one)
            if own:
                contexts.setdefault(key, []).append(one)
            for identity in _ids(one, own):
                other = seen.setdefault(identity, key)
                of[top(key)] = top(other)
    groups: dict[str, list[str]] = {}
    for key in examples:
        groups.setdefault(top(key), []).append(key)
    return [Incident(_root(keys, examples, contexts), keys) for keys in groups.values()]


def _ids(one: Example, trusted: bool) -> Iterable[str]:
    """By what a record belongs to others: its server always, its request where its context is its own."""
    body = one.body
    names = ("request", "global_request", "instance") if trusted else ("instance",)
    return [str(body[name]).removeprefix("req-") for name in names if body.get(name)]


def _root(keys: Sequence[str], examples: Mapping[str, Sequence[Example]], contexts: Mapping[str, list[Example]]) -> str:
    """The group with the earliest record, of errors where there are some: warnings come before them, and are no cause.
    Where another host's clock may be wrong, that of the service which was asked
    by the other: its global request id is the other's own."""
    firsts = {key: min(examples[key], key=lambda one: one.moment) for key in keys if examples[key]}
    if not firsts:
        return keys[0]
    firsts = {key: one for key, one in firsts.items() if one.body.get("level") in _ERRORS} or firsts
    earliest = min(firsts, key=lambda key: (firsts[key].moment, key))
    depth = _depths(contexts)
    near = [
        key
        for key, one in firsts.items()
        if one.host != firsts[earliest].host and one.moment - firsts[earliest].moment <= SKEW
    ]
    deeper = [key for key in near if depth.get(key, 0) > depth.get(earliest, 0)]
    return max(deeper, key=lambda key: (depth.get(key, 0), -firsts[key].moment), default=earliest)


def _depths(contexts: Mapping[str, list[Example]]) -> dict[str, int]:
    """By group 1 where it was asked by the request of another one, else 0."""
    own: dict[str, set[Any]] = {key: {one.body.get("request") for one in every} for key, every in contexts.items()}
    return {
        key: int(
            any(
                one.body.get("global_request") in ids
                for one in every
                if one.body.get("global_request")
                for other, ids in own.items()
                if other != key
            )
        )
        for key, every in contexts.items()
    }
