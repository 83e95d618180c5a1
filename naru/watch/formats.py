"""What a line of a log says before its message: formats of oslo.log, also a site's own, and of what is no OpenStack.

A format reads one line into `Head`, or says that the line is none that begins a record.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

from naru.errors import InputError

REQUEST = r"(?:req-)?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_INSTANCE = r"(?:\[instance: (?P<instance>[^\]]*)\] )?"
_LEVEL = r"DEBUG|INFO|WARNING|ERROR|CRITICAL|AUDIT|TRACE|FATAL|Level \d+"
LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "AUDIT": 21, "WARNING": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}
"""A record's level as a number, by its name in oslo.log's lines."""
WARNING = LEVELS["WARNING"]


class Head(NamedTuple):
    """What a line says of its record. `begins` is False for a line of a traceback, which has the time, process and
    logger of the record that it belongs to. `level` is a name of `LEVELS`."""

    begins: bool
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


Line = tuple[str, int, str]


class Format:
    """A way to write a record's head. `python` says whether a statement of Python code printed what follows it; `tail`
    what stands after a message, with its file and line."""

    name = ""
    python = False
    tail: re.Pattern[str] | None = None

    def head(self, line: str) -> Head | None:
        """The head of a line; None for one that has none."""
        raise NotImplementedError

    def quiet(self, line: str) -> tuple[str, str, str] | None:
        """Time, process and logger of a line that begins a record below WARNING; None for others, and where that costs
        as much as its whole head."""
        return None

    @property
    def inner(self) -> "Format":
        """The format of what `unwrapped` gives."""
        return self

    def unwrapped(self, lines: Sequence[str]) -> Iterable[Line]:
        """The lines as the service wrote them, each with the bytes that it takes in the file but for its line end (-1
        for one that has none of its own), and the program that wrote it ("" where the file is one program's)."""
        return zip(lines, map(len, lines), repeat(""), strict=False)


class Oslo(Format):
    """oslo.log's own format, of Pike as of today: with and without a global request id, with and without a context."""

    name = "oslo"
    python = True
    _HEAD = re.compile(
        rf"(?P<time>\d{{4}}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{{3}}) (?P<pid>\d+) (?P<level>{_LEVEL}) (?P<logger>\S+) "
        rf"(?P<context>\[(?:-|(?:(?P<gid>None|-|{REQUEST}) )?(?P<rid>{REQUEST})"
        rf"(?: (?P<user>[^ \]]+) (?P<project>[^ \]]+)[^\]]*)?|(?:None )?(?:None|-)(?: [^ \]]+){{5,6}})\] ?)?"
        rf"{_INSTANCE}(?P<message>.*)",
        re.S,
    )

    _QUIET = re.compile(r"(\d{4}-\d\d-\d\d[ T][\d:.]+) (\d+) (?:INFO|DEBUG) (\S+) ")

    def quiet(self, line: str) -> tuple[str, str, str] | None:
        found = self._QUIET.match(line)
        return (found[1], found[2], found[3]) if found else None

    def head(self, line: str) -> Head | None:
        found = self._HEAD.match(line)
        if found is None:
            return None
        time, pid, level, logger, context, gid, rid, user, project, instance, message = found.groups("")
        # a traceback's lines have no context, and the word ERROR whatever the level of their record is
        begins = bool(context) or level != "ERROR"
        gid = "" if gid in ("None", "-") else gid
        return Head(begins, time, pid, level, logger, gid, rid, _said(user), _said(project), instance, message)


def _said(value: str) -> str:
    return "" if value in ("-", "None") else value


_PARTS: Mapping[str, str] = {
    "asctime": r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)",
    "msecs": r"(?P<msecs>\d{1,3})",
    "process": r"(?P<pid>\d+)",
    "levelname": rf"(?P<level>{_LEVEL})",
    "name": r"(?P<logger>\S+)",
    "request_id": rf"(?P<rid>None|-|{REQUEST})",
    "global_request_id": rf"(?P<gid>None|-|{REQUEST})",
    "instance": _INSTANCE,
    "resource": r"(?:\[\w+-[^\]]*\] )?",
    "pathname": r"(?P<pathname>\S+)",
    "lineno": r"(?P<lineno>\d+)",
    "user": r"(?P<user>\S+)",
    "user_id": r"(?P<user>\S+)",
    "tenant": r"(?P<project>\S+)",
    "project": r"(?P<project>\S+)",
    "project_id": r"(?P<project>\S+)",
    # five values up to Rocky, six since
    "user_identity": r"(?P<user>\S+) (?P<project>\S+) \S+ \S+ \S+(?: \S+)?",
}
_NAMED = re.compile(r"%\((\w+)\)[-0-9.]*[sdfr]")


class Configured(Format):
    """A format as a site's configuration says it, in oslo.log's words. `strings` are its
    `logging_context_format_string` and `logging_default_format_string`, `exception` its `logging_exception_prefix`.
    What follows the message (a file and a line) is found at its end. Raises InputError."""

    python = True

    def __init__(self, strings: Sequence[str], exception: str = "") -> None:
        self.name = " | ".join(strings)
        self._heads: list[re.Pattern[str]] = []
        tails = set()
        for text in strings:
            before, sign, after = text.partition("%(message)s")
            if not sign:
                raise InputError(f"--log-format {text!r}: it has no %(message)s", hint="As the configuration has it.")
            self._heads.append(_compiled(before, text))
            tails.add(after)
        if len(tails) > 1:
            raise InputError(f"--log-format: what follows %(message)s is not the same: {' and '.join(sorted(tails))}")
        tail = tails.pop()
        # oslo.log writes a summary of the exception behind all, where the format does not say where
        self.tail = re.compile(_pattern(tail, tail) + r"(?:: (?P<summary>.*))?\Z", re.S) if tail.strip() else None
        prefix = exception or "%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s"
        self._exception = _compiled(prefix, prefix)

    def head(self, line: str) -> Head | None:
        for begins, pattern in (*((True, one) for one in self._heads), (False, self._exception)):
            found = pattern.match(line)
            if found is None:
                continue
            said = found.groupdict("")
            time = f"{said.get('time', '')}.{said['msecs']:0>3}" if said.get("msecs") else said.get("time", "")
            return Head(
                begins,
                time,
                said.get("pid", ""),
                said.get("level", "ERROR"),
                said.get("logger", ""),
                _said(said.get("gid", "")),
                _said(said.get("rid", "")),
                _said(said.get("user", "")),
                _said(said.get("project", "")),
                said.get("instance", ""),
                line[found.end() :],
            )
        return None


def _compiled(text: str, whole: str) -> re.Pattern[str]:
    return re.compile(_pattern(text, whole), re.S)


def _pattern(text: str, whole: str) -> str:
    parts, at = [], 0
    for found in _NAMED.finditer(text):
        parts.append(re.escape(text[at : found.start()].replace("%%", "%")))
        part = _PARTS.get(found[1])
        parts.append(r"(?:.*?)" if part is None else part)
        at = found.end()
    parts.append(re.escape(text[at:].replace("%%", "%")))
    try:
        re.compile("".join(parts))
    except re.error as error:
        raise InputError(f"--log-format {whole!r}: a value is in it twice", detail=str(error)) from error
    return "".join(parts)


class Foreign(Format):
    """What no Python code of the cloud wrote. `levels` are its names of what is a warning or worse; all else counts as
    INFO."""

    def __init__(self, name: str, pattern: str, levels: Mapping[str, str]) -> None:
        self.name = name
        self._pattern = re.compile(pattern, re.S)
        self._levels = levels

    def head(self, line: str) -> Head | None:
        found = self._pattern.match(line)
        if found is None:
            return None
        said = found.groupdict("")
        level = self._levels.get(said["level"].lower(), "INFO")
        logger = said.get("logger") or self.name
        return Head(True, said["time"], said.get("pid", ""), level, logger, "", "", "", "", "", said["message"])


_TIME = r"(?P<time>\d{4}-\d\d-\d\d[ T] ?\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
FOREIGN = (
    Foreign(
        "mariadb",
        _TIME + r") (?P<pid>\d+) \[(?P<level>Note|Warning|ERROR)\] (?P<message>.*)",
        {"warning": "WARNING", "error": "ERROR"},
    ),
    Foreign(
        "rabbitmq",
        _TIME + r"(?:[+-]\d\d:?\d\d)?) \[(?P<level>\w+)\] (?P<pid><[\d.]+>) ?(?P<message>.*)",
        {"warning": "WARNING", "error": "ERROR", "critical": "CRITICAL", "alert": "CRITICAL", "emergency": "CRITICAL"},
    ),
    Foreign(
        "ceph",
        _TIME + r"[+-]\d{4}) (?P<pid>[0-9a-f]{6,}) +(?P<level>-?\d+) (?P<message>.*)",
        {"-1": "ERROR"},
    ),
    Foreign(
        "openvswitch",
        _TIME + r"Z)\|(?P<pid>\d+)\|(?P<logger>[^|]+)\|(?P<level>\w+)\|(?P<message>.*)",
        {"warn": "WARNING", "err": "ERROR", "emer": "CRITICAL"},
    ),
    Foreign(
        "libvirt",
        _TIME + r"[+-]\d{4}): (?P<pid>\d+): (?P<level>\w+) : (?P<message>.*)",
        {"warning": "WARNING", "error": "ERROR"},
    ),
)
"""Other programs of a cloud: their errors are grouped by their text without what varies."""
OSLO = Oslo()
KNOWN: tuple[Format, ...] = (OSLO, *FOREIGN)


def fitting(lines: Sequence[str], formats: Sequence[Format]) -> Format | None:
    """The format that reads most of the lines; None where none reads any."""
    counts = [(sum(one.head(line) is not None for line in lines), -place) for place, one in enumerate(formats)]
    most, place = max(counts, default=(0, 0))
    return formats[-place] if most else None
