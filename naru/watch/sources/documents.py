"""JSON documents, as shippers and stores have them, to entries: oslo.log's formatters, kolla's fluentd, journald's
fields, and lines of text within anything else."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from naru.watch.follow import binary_of
from naru.watch.formats import LEVELS, OSLO, Format
from naru.watch.records import LARGEST, Record, clean, of_formatter
from naru.watch.sources.entries import Entry
from naru.watch.sources.fields import journal_entry

_HOSTS = ("hostname", "Hostname", "_HOSTNAME", "host", "node", "nodename", "node_name")
_PROGRAMS = ("programname", "program", "SYSLOG_IDENTIFIER", "container_name", "container")
_OTHERWISE = ("service_name", "service", "app", "unit", "job")
"""What a program is called, and where no file's name says it."""
_FILES = ("file", "path", "filename", "filepath", "source")
_TEXTS = ("log", "message", "MESSAGE", "line", "msg")
_TIMES = ("@timestamp", "timestamp", "date", "time")
_LEVELS = ("level", "severity", "log_level")


def entry_of(
    document: Mapping[str, Any],
    identity: str = "",
    moment: float = 0.0,
    host: str = "",
    formats: Sequence[Format] = (OSLO,),
) -> Entry:
    """The entry that a document is; `moment` and `host` where it does not say them."""
    where, what = _host(document) or host, _program(document)
    if "LOGGER_NAME" in document or "__REALTIME_TIMESTAMP" in document:
        return journal_entry(document, identity, where, formats)
    exact, when = bool(moment), moment or _moment(document)
    if "levelname" in document or {"name", "level", "message", "lineno"} <= document.keys():
        created = document.get("created")
        if isinstance(created, int | float) and 0 < created < 1e11:
            exact, when = True, float(created)
        made = of_formatter(document, 0)
        return Entry(identity, when, where, what or _started(document), made, exact=exact)
    text = next((clean(document[one]) for one in _TEXTS if isinstance(document.get(one), str)), None)
    if text is None:
        text = json.dumps(document, default=str)[:LARGEST]
    elif text.startswith("{") and (inner := _object(text)) is not None:
        found = entry_of(inner, identity, moment, where, formats)
        found.program = found.program or what
        return found
    return Entry(
        identity,
        when,
        where,
        what,
        text=text,
        stream=str(document.get("stream") or ""),
        otherwise=_otherwise(document, text, what),
        exact=exact,
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _host(document: Mapping[str, Any]) -> str:
    for name in _HOSTS:
        said = document.get(name)
        if isinstance(said, Mapping):  # as Beats and Kubernetes' metadata have it
            said = said.get("name")
        if isinstance(said, str) and said:
            return said
    cluster = document.get("kubernetes")
    return str(cluster.get("host") or cluster.get("pod_node_name") or "") if isinstance(cluster, Mapping) else ""


def _program(document: Mapping[str, Any]) -> str:
    cluster = document.get("kubernetes")
    if isinstance(cluster, Mapping) and cluster.get("container_name"):
        return str(cluster["container_name"])
    files = [str(document[one]) for one in _FILES if "/" in str(document.get(one) or "")]
    logs = [binary_of(one) for one in files if one.endswith(".log") and not one.endswith("-json.log")]
    said = [document[one] for one in _PROGRAMS if _is_text(document.get(one))]
    otherwise = [document[one] for one in _OTHERWISE if _is_text(document.get(one))]
    return str(next(iter([*said, *logs, *otherwise]), "")).removesuffix(".service")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _started(document: Mapping[str, Any]) -> str:
    """The program of what FluentFormatter says of its command line."""
    words = str(document.get("cmdline") or "").split()
    return words[0].rpartition("/")[2] if words else ""


def _moment(document: Mapping[str, Any]) -> float:
    for name in _TIMES:
        if found := moment_of(document.get(name)):
            return found
    return 0.0


def moment_of(said: object) -> float:
    """A time as shippers write it, in seconds since 1970; 0 for what is none, or says no zone."""
    if isinstance(said, int | float):
        # also in thousandths, and in nanoseconds
        return said / (1e9 if said > 1e17 else 1e3 if said > 1e11 else 1) if 0 < said < 1e19 else 0.0
    if isinstance(said, str):
        try:
            read = datetime.datetime.fromisoformat(said)
            return read.timestamp() if read.tzinfo else 0.0
        except (ValueError, OverflowError):
            return 0.0
    return 0.0


def _otherwise(document: Mapping[str, Any], text: str, program: str) -> Record | None:
    """What a line is that is of no known format, where the document says its level."""
    level = next((str(document[one]).upper() for one in _LEVELS if document.get(one)), "")
    level = {"WARN": "WARNING", "ERR": "ERROR", "CRIT": "CRITICAL"}.get(level, level)
    if level not in LEVELS:
        return None
    message = text[:LARGEST]
    return Record(0, "", "", level, program, "", "", "", "", "", message, summary="", python=False)
