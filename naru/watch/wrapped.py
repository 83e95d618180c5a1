"""Lines of logs within lines of something else: docker's json-file, and syslog's.

docker cuts lines into pieces of 16 KiB, and rsyslog writes a line end within a record as `#012`.
"""

import json
import re
from collections.abc import Iterable, Sequence

from naru.watch.formats import KNOWN, Format, Head, Line

_SYSLOG = re.compile(
    r"(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<host>\S+) "
    r"(?P<program>[^\s:\[]+)(?:\[\d+\])?: ?"
)
_ESCAPED = re.compile(r"#(0[0-3][0-7]|177)")


class _Wrapped(Format):
    """A format within another one."""

    def __init__(self, name: str, inner: Format) -> None:
        self.name = f"{name} {inner.name}"
        self._inner = inner
        self.python, self.tail = inner.python, inner.tail

    @property
    def inner(self) -> Format:
        return self._inner

    def head(self, line: str) -> Head | None:
        """Of a line as it is in the file: that of the first record in it."""
        text = next((text for text, _, _ in self.unwrapped([line])), "")
        if text.startswith("{") and text != line:  # oslo.log's JSON, which is read for what it is
            return Head(True, "", "", "INFO", "", "", "", "", "", "", text)
        return self._inner.head(text)


class Docker(_Wrapped):
    """Lines of docker's json-file: `{"log": ..., "stream": ..., "time": ...}`, an unfinished one to be gone on with by
    the next of its stream."""

    def __init__(self, inner: Format) -> None:
        super().__init__("docker", inner)

    def unwrapped(self, lines: Sequence[str]) -> Iterable[Line]:
        begun: dict[str, str] = {}
        size = -1
        for line in lines:
            size += len(line) + 1
            piece = _piece(line)
            if piece is None:
                if begun:
                    continue
                yield line, size, ""
                size = -1
                continue
            text, stream = piece
            begun[stream] = begun.get(stream, "") + text
            if not text.endswith("\n"):
                continue
            whole = begun.pop(stream).rstrip("\r\n")
            *before, last = whole.split("\n")
            for part in before:
                yield part, -1, ""
            # while another stream's line is unfinished, what follows begins where that does
            yield last, -1 if begun else size, ""
            size = size if begun else -1
        for whole in begun.values():  # the end of the file, or of what was read of it
            yield whole, size, ""
            size = -1


def _piece(line: str) -> tuple[str, str] | None:
    """What a line of json-file has, as characters that are bytes, and of which stream."""
    if not line.startswith('{"'):
        return None
    try:
        said = json.loads(line.encode("latin-1", "replace"))
        log = said["log"]
        return str(log).encode("utf-8", "surrogatepass").decode("latin-1"), str(said.get("stream", ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


class Syslog(_Wrapped):
    """Lines as rsyslog writes them to files, in its traditional format or with times of RFC 3339; the program is what
    they are tagged with."""

    def __init__(self, inner: Format) -> None:
        super().__init__("syslog", inner)

    def unwrapped(self, lines: Sequence[str]) -> Iterable[Line]:
        for line in lines:
            found = _SYSLOG.match(line)
            text, program = (line[found.end() :], found["program"]) if found else (line, "")
            if "#0" not in text:
                yield text, len(line), program
                continue
            *before, last = _ESCAPED.sub(lambda sign: chr(int(sign[1], 8)), text).split("\n")
            for part in before:
                yield part, -1, program
            yield last, len(line), program


def wrapping(formats: Sequence[Format]) -> tuple[Format, ...]:
    """The formats, and each of them within docker's and syslog's lines."""
    inner = [one for one in formats if one.python]
    return (*formats, *(Docker(one) for one in inner), *(Syslog(one) for one in inner))


TRIED: tuple[Format, ...] = wrapping(KNOWN)
"""What is tried on a file of which nobody says how it is written."""
