"""journald's fields, as `journalctl -o json`, Fluent Bit and Vector give them, to entries."""

from collections.abc import Mapping, Sequence
from typing import Any

from naru.watch.formats import OSLO, Format
from naru.watch.records import LARGEST, Record, clean, read
from naru.watch.sources.entries import Entry

_PRIORITIES = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")


def journal_entry(
    fields: Mapping[str, Any], identity: str = "", host: str = "", formats: Sequence[Format] = (OSLO,)
) -> Entry:
    """An entry of a journal. One that oslo.log wrote (`use_journal`) says its logger, file and line, and its request;
    of others the message is a line of text."""
    said = {name: _text(value) for name, value in fields.items()}
    moment = _microseconds(said.get("_SOURCE_REALTIME_TIMESTAMP") or said.get("__REALTIME_TIMESTAMP"))
    where = host or said.get("_HOSTNAME", "")
    message = said.get("MESSAGE", said.get("message", ""))
    if said.get("LOGGER_NAME"):
        return Entry(identity, moment, where, _program(said), _logged(said, message, formats))
    level = _PRIORITIES[int(said["PRIORITY"])] if said.get("PRIORITY") in tuple("01234567") else "INFO"
    program = _program(said)
    otherwise = Record(
        0, "", said.get("_PID", ""), level, program, "", "", "", "", "", message[:LARGEST], summary="", python=False
    )
    return Entry(identity, moment, where, program, text=message, stream=said.get("_PID", ""), otherwise=otherwise)


def _logged(said: Mapping[str, str], message: str, formats: Sequence[Format]) -> Record:
    """What oslo.log's journal handler says. Its message is the line that a file would have, with the traceback."""
    lines = message.encode("utf-8", "replace").decode("latin-1").split("\n")
    form = next((one for one in formats if one.python and one.inner is one and one.head(lines[0])), OSLO)
    made = next(iter(read(lines, 0, form, lowest=0, last=True).records), None)
    if made is None:
        made = Record(0, "", "", "", "", "", "", "", "", "", message[:LARGEST])
    made.level = said.get("LOGGER_LEVEL") or made.level or "INFO"
    made.logger = said["LOGGER_NAME"]
    made.pid = said.get("_PID") or made.pid
    made.request_id = said.get("REQUEST_ID") or made.request_id
    made.user = said.get("USER_ID") or made.user
    made.project = said.get("PROJECT_ID") or made.project
    made.pathname = said.get("CODE_FILE", "")
    made.line = _number(said.get("CODE_LINE", ""))
    if not made.traceback:  # it mostly stands in the message, too
        trace = said.get("EXCEPTION_INFO") or said.get("EXCEPTION_TEXT") or ""
        # each line with the head that it has in files
        heads = ((line, OSLO.head(line)) for line in trace[:LARGEST].splitlines())
        made.traceback = [line if head is None or head.begins else head.message for line, head in heads]
    return made


def _program(said: Mapping[str, str]) -> str:
    """Which program it is: a container's name, what it calls itself, or its unit, without what distributions add."""
    unit = said.get("_SYSTEMD_UNIT") or said.get("UNIT") or ""
    unit = unit.removesuffix(".service").removeprefix("openstack-")
    own = said.get("SYSLOG_IDENTIFIER", "")
    if said.get("CONTAINER_NAME"):
        return said["CONTAINER_NAME"]
    if own and not own.startswith(("python", "uwsgi", "apache", "httpd", "mod_wsgi")):
        return own
    return unit or own or said.get("_COMM", "")


def _text(value: object) -> str:
    """A field's value: bytes that are no text come as numbers, several values of one name as a list."""
    if isinstance(value, list):
        if value and all(isinstance(one, int) for one in value):
            return bytes(one & 255 for one in value).decode("utf-8", "replace")
        return _text(value[-1]) if value else ""
    return "" if value is None else clean(str(value))


def _microseconds(said: str | None) -> float:
    return _number(said or "") / 1e6


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
