"""Which group a record belongs to, and what class of error that is.

The key of a group is made of the program, the module, the statement's text, the exception's type and the frame of the
traceback that is the cloud's own. Hosts, process ids, identifiers, values and line numbers differ within a group. The
key says by which version of these rules it was made: groups of an older one stay as they are.
"""

import hashlib
import re
from dataclasses import dataclass

from naru.watch.hide import hidden
from naru.watch.match import UNMATCHED, VARIES, Match, Matcher
from naru.watch.records import Record
from naru.watch.statements import ANY
from naru.watch.tracebacks import Raised, named, raised

VERSION = 1
CLIENT, DEPRECATION, RETRY, UNKNOWN = "client", "deprecation", "retry", "unknown"
"""Classes: a mistake of who called; something that will go; something that is tried again; all else."""
_SUMMARY = re.compile(r": ((?:[a-z_]\w*\.)*[A-Z]\w+)(?:: |$)")
_DEPRECATED = re.compile(r"deprecat", re.I)
_RETRIED = re.compile(r"\b(retry|retrying|retries|try again|trying again|reconnect|attempt \S+ of)", re.I)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_LONGEST = 500
_LOOKED_AT = 4 * _LONGEST
_REMEMBERED = 10_000
HOLE = "…"
"""Stands for what varies where people read a text."""


@dataclass(frozen=True, slots=True)
class Group:
    """What the records of a group have in common. `how` says how the statement was found (`Match`), `text` is its, or
    the message without what varies where none was found; `kind` is its class."""

    key: str
    binary: str
    module: str
    text: str
    exception: str
    frame: str
    level: str
    kind: str
    how: str


def group(record: Record, found: Match, binary: str, matcher: Matcher | None) -> Group:
    """The group of a record, with the statement that printed it."""
    what = raised("\n".join(record.traceback))
    exception, module, text = what.exception, found.module or record.logger, found.text
    if not record.python or found.how in UNMATCHED or not text:
        name = exception
        if record.python and not name and matcher is not None:
            name = exception_of(record, matcher)
        # a variable was printed and nothing else: what it holds is known by the exception's class, else by its text
        exception = name
        text = "" if name and found.how == "opaque" else masked(hidden(record.message[:_LOOKED_AT]))
    status = status_of(exception, matcher) if exception and matcher is not None else 0
    return Group(
        key_of(binary, module, text, exception, what.frame),
        binary,
        module,
        text.replace(ANY, HOLE),
        exception,
        what.frame,
        record.level,
        kind_of(text, exception, status),
        found.how if record.python else "text",
    )


class Grouping:
    """Groups records, and remembers the groups of statements: nearly all records are of few."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._known: dict[tuple[str, str, str, str, Raised], Group] = {}

    def group(self, record: Record, found: Match, binary: str) -> Group:
        """The group of a record, with the statement that printed it."""
        if found.statement is None:
            return group(record, found, binary, self._matcher)
        key = binary, found.module, found.text, record.level, raised("\n".join(record.traceback))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = group(record, found, binary, self._matcher)
        return known


def exception_of(record: Record, matcher: Matcher) -> str:
    """The type of an exception that was printed as the message; "" where none is known."""
    if record.summary:
        return named(record.summary.partition(":")[0])
    for found in _SUMMARY.finditer(record.message):
        # oslo.log appends type and text of the exception to what was printed, which is that text
        if record.message[found.end() :].startswith(record.message[: found.start()][:80]):
            return named(found[1])
    return matcher.exception_of(record.message)


def status_of(exception: str, matcher: Matcher) -> int:
    """The HTTP status that an exception class answers with, or one of its bases; 0 where the code says none."""
    seen: set[str] = set()
    names = [exception]
    while names:
        name = names.pop(0)
        known = matcher.exceptions.get(name)
        if name in seen or known is None:
            continue
        if known.status:
            return known.status
        seen.add(name)
        names += known.bases
    return 0


def masked(text: str) -> str:
    """A text without what varies: identifiers, numbers, addresses, and what stands in quotes."""
    return _QUOTED.sub("'#'", VARIES.sub("#", text[:_LONGEST])).strip()


def key_of(binary: str, module: str, text: str, exception: str, frame: str) -> str:
    """The key of a group."""
    return hashlib.sha256("\0".join((str(VERSION), binary, module, text, exception, frame)).encode()).hexdigest()[:10]


def kind_of(text: str, exception: str, status: int) -> str:
    """The class of what a text or an exception says, with the HTTP status that it is answered with, or 0."""
    if _DEPRECATED.search(exception) or _DEPRECATED.search(text):
        return DEPRECATION
    if 400 <= status < 500:
        return CLIENT
    if _RETRIED.search(text):
        return RETRY
    return UNKNOWN
