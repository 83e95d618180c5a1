"""Lines of inventories and sites as they may be shown: without the values of what is called a secret."""

import re
import shlex

BLOT = "***"
_SECRET = re.compile(r"pass|pwd|secret|token|credential", re.IGNORECASE)
_NAMED = re.compile(rf"([\w.\"'-]*(?:{_SECRET.pattern})[\w.\"'-]*\s*[=:]\s*)\S.*", re.IGNORECASE)


def masked(line: str) -> str:
    """The line without secrets. Of a host with its variables only their values go; of any other line, and of one that
    cannot be read, all that stands behind the name of a secret: where its value ends is not known there."""
    words = _of_host(line)
    if words is None:
        return _NAMED.sub(rf"\g<1>{BLOT}", line)
    pairs = [word.partition("=") for word in words[1:]]
    if not any(value and _SECRET.search(name) for name, _, value in pairs):
        # a comment may hold one all the same
        return line[: line.index("#")] + _NAMED.sub(rf"\g<1>{BLOT}", line[line.index("#") :]) if "#" in line else line
    return " ".join([words[0], *(f"{name}={_shown(name, value)}" for name, _, value in pairs)])


def _of_host(line: str) -> list[str] | None:
    """The words of an inventory's line of a host: its name, and NAME=VALUE; None for any other line."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    is_host = len(words) > 1 and "=" not in words[0] and not words[0].endswith(":")
    return words if is_host and all(re.match(r"\w+=", one) for one in words[1:]) else None


def _shown(name: str, value: str) -> str:
    if not value:
        return ""
    return BLOT if _SECRET.search(name) else shlex.quote(value)
