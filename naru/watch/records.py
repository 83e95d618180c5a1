"""Lines to records: each with its traceback and whatever else was printed with it, and where it begins in its file.

Lines are decoded as latin-1, so that a character is a byte and places count in bytes; the text of a record that is
kept is decoded as UTF-8 when it is made.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from naru.watch.formats import LEVELS, WARNING, Format

LARGEST = 64 << 10
"""Characters of a message or a traceback that are kept: arguments may be whole requests."""
_BEGINS_OTHERWISE = re.compile(r"\W{0,2}(?:\d{4}-\d\d-\d\d[ T]\d\d:\d\d|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d )")


@dataclass(slots=True)
class Record:
    """One record of a log. `place` is the byte in its file where it begins. `pathname` and `line` are of its statement
    and `template` is that statement's text, where the record says them; `summary` the exception that oslo.log appended,
    where the format tells it apart; `program` and `host` who wrote it, where that is not said by where it is."""

    place: int
    time: str
    pid: str
    level: str
    logger: str
    global_id: str
    request_id: str
    user: str
    project: str
    instance: str
    message: str
    traceback: list[str] = field(default_factory=list)
    pathname: str = ""
    line: int = 0
    template: str | None = None
    summary: str | None = None
    python: bool = True
    program: str = ""
    host: str = ""


@dataclass
class Chunk:
    """What some lines of a file hold. `records` are whole, of the level that was asked for; `held` is where the last
    record begins, which may go on with lines that are not there yet. `unread` lines begin as records do and could not
    be read, or are all that there is."""

    records: list[Record]
    held: int
    lines: int = 0
    heads: int = 0
    unread: int = 0


def read(lines: Sequence[str], place: int, form: Format, lowest: int = WARNING, *, last: bool = False) -> Chunk:
    """The records of lines, the first of which is at that byte of its file. With `last` nothing follows: the last
    record is whole, too. `lowest` is the lowest level, as a number."""
    chunk = Chunk([], place, len(lines))
    opened: dict[tuple[str, str, str], Record | None] = {}  # None: of a lower level
    current: Record | None = None
    kept: list[Record] = []
    begun, unread, before = False, 0, 0
    end = place
    wrapped = form.unwrapped(lines)
    form, skipping = form.inner, lowest >= WARNING
    for line, size, program in wrapped:
        start, end = end, end + size + 1
        if skipping and (low := form.quiet(line)):
            begun, chunk.held, current = True, start, None
            chunk.heads, chunk.unread, unread = chunk.heads + 1, chunk.unread + unread, 0
            if len(opened) > 64:
                opened.clear()
            opened[low] = None
            continue
        head = form.head(line)
        if head is None:
            if line.startswith("{") and (made := from_json(line, start)):
                made.program = program
                begun, current, chunk.held = True, made, start
                chunk.heads, chunk.unread, unread = chunk.heads + 1, chunk.unread + unread, 0
                if LEVELS.get(made.level, LEVELS["INFO"]) >= lowest:
                    kept.append(made)
            elif _BEGINS_OTHERWISE.match(line):
                unread += 1
            elif not begun:
                before += bool(line.strip())
            elif current is not None:
                _add(current, line)
            continue
        key = head.time, head.pid, head.logger
        if not head.begins:
            if key not in opened:
                unread += begun
            elif (current := opened[key]) is not None:
                current.traceback.append(head.message)
            continue
        begun, chunk.held, current = True, start, None
        chunk.heads, chunk.unread, unread = chunk.heads + 1, chunk.unread + unread, 0
        if LEVELS.get(head.level, LEVELS["INFO"]) >= lowest:
            current = Record(start, *head[1:], python=form.python, program=program)
            kept.append(current)
        if len(opened) > 64:
            opened.clear()
        opened[key] = current
    if last or not begun:
        chunk.held = end
        chunk.unread += unread if begun else unread + before
    else:
        chunk.heads -= 1  # what is held is read again, and counted then
    chunk.records = [_whole(one, form) for one in kept if one.place < chunk.held]
    return chunk


def _add(record: Record, line: str) -> None:
    """A line without a head belongs to the record before: messages have newlines, and code prints beside its log."""
    if record.traceback or line.startswith("Traceback ("):
        record.traceback.append(line)
    elif len(record.message) < LARGEST:
        record.message += "\n" + line


def _whole(record: Record, form: Format) -> Record:
    """The record with its text decoded, and what its format writes behind the message taken off it."""
    record.message = _text(record.message)
    if record.traceback:
        record.traceback = [_text(line) for line in _bounded(record.traceback)]
    if form.tail is not None and (found := form.tail.search(record.message)):
        said = found.groupdict()
        record.pathname, record.line = said.get("pathname") or "", int(said.get("lineno") or 0)
        record.summary = said.get("summary") or ""
        record.message = record.message[: found.start()]
    return record


def _bounded(lines: Sequence[str]) -> Iterable[str]:
    """As many lines as are kept: of a longer traceback the beginning and the end, where the exception is."""
    return lines if len(lines) <= 400 else [*lines[:200], *lines[-200:]]


def _text(line: str) -> str:
    line = line[:LARGEST]
    return line if line.isascii() else line.encode("latin-1", "replace").decode("utf-8", "replace")


def from_json(line: str, place: int) -> Record | None:
    """A record as oslo.log's JSONFormatter or FluentFormatter writes it; None for what is none."""
    try:
        said = json.loads(line.encode("latin-1", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or "message" not in said:
        return None
    made = of_formatter(said, place)
    # as lines are, until the record is whole
    made.message = made.message.encode().decode("latin-1")
    made.traceback = [one.encode().decode("latin-1") for one in made.traceback]
    return made


def clean(value: object) -> str:
    """A text that can be written: JSON may have halves of characters; "" for what is empty."""
    text = str(value or "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def of_formatter(said: Mapping[str, object], place: int) -> Record:
    """The record of what oslo.log's JSONFormatter or FluentFormatter says."""
    context, extra = _mapping(said.get("context")), _mapping(said.get("extra"))
    trace = said.get("traceback") or []
    lines = clean(trace).splitlines() if isinstance(trace, str) else _lines(trace)
    template, logger = said.get("msg"), clean(said.get("name"))
    pathname = clean(said.get("pathname"))
    if not pathname and logger.rpartition(".")[2] == said.get("module"):
        # FluentFormatter says the file's name alone; a logger is mostly called as its module
        pathname = logger.replace(".", "/") + ".py"
    return Record(
        place,
        clean(said.get("asctime") or said.get("time")),
        clean(said.get("process")),
        clean(said.get("levelname") or said.get("level") or "INFO").upper(),
        logger,
        clean(context.get("global_request_id")),
        clean(context.get("request_id")),
        clean(context.get("user_id") or context.get("user")),
        clean(context.get("project_id") or context.get("project") or context.get("tenant")),
        clean(extra.get("instance_uuid") or _mapping(extra.get("instance")).get("uuid")),
        clean(said.get("message"))[:LARGEST],
        list(_bounded(lines)),
        pathname,
        _number(said.get("lineno")),
        clean(template) if isinstance(template, str) else None,
        clean(said.get("error_summary")),
    )


def _lines(trace: object) -> list[str]:
    return "\n".join(map(clean, trace)).splitlines() if isinstance(trace, list) else []


def _number(value: object) -> int:
    text = str(value)[:20]
    return int(text) if text.isdecimal() and text.isascii() else 0


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
