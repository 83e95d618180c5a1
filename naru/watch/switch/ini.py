"""Files of oslo.config: a value that stands in one, and the same file with other values, all else as it was."""

import re
from collections.abc import Iterator, Mapping

_SECTION = re.compile(r"^\[(?P<name>[^\]]+)\]")
_KEY = re.compile(r"^(?P<key>[^\s=:#;\[][^=:]*?)\s*[=:]\s?(?P<value>.*)$")


def value_of(text: str, section: str, key: str) -> str:
    """What an option is set to, the last time that it is; "" where it is not."""
    return next(reversed(values_of(text, section, key)), "")


def values_of(text: str, section: str, key: str) -> list[str]:
    """All that an option is set to: of some options each counts, of most the last."""
    return [value for place, name, value, _ in _options(text.split("\n")) if (place, name) == (section, key)]


def changed(text: str, wanted: Mapping[tuple[str, str], str]) -> str:
    """The text with options, by section and name, set to values. Of one that is there several times the last counts,
    and is changed; one that is not there comes to the end of its section, and a section to the end of the text."""
    if not wanted:
        return text
    lines = text.removesuffix("\n").split("\n") if text else []
    for (section, key), value in wanted.items():
        lines = _with(lines, section, key, value)
    return "\n".join(lines) + "\n"


def _with(lines: list[str], section: str, key: str, value: str) -> list[str]:
    written = f"{key} = {value}"
    spots = [(begin, end) for place, name, _, (begin, end) in _options(lines) if (place, name) == (section, key)]
    if spots:
        begin, end = spots[-1]
        return [*lines[:begin], written, *lines[end:]]
    last = _end_of(lines, section)
    if last is None:
        blank = [""] if lines and lines[-1].strip() else []
        return [*lines, *blank, f"[{section}]", written]
    return [*lines[:last], written, *lines[last:]]


def _end_of(lines: list[str], section: str) -> int | None:
    """The line before which the last option of a section is put; None where there is no such section."""
    inside, end = False, None
    for number, line in enumerate(lines):
        if found := _SECTION.match(line):
            inside = found["name"] == section
        if inside and line.strip():
            end = number + 1
    return end


def _options(lines: list[str]) -> Iterator[tuple[str, str, str, tuple[int, int]]]:
    """Section, name, value of each option, and the lines that it stands in: those that are indented go on with it."""
    section, number = "", 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := _SECTION.match(line):
            section = found["name"]
        elif found := _KEY.match(line):
            begin, value = number - 1, found["value"].strip()
            while number < len(lines) and lines[number][:1] in (" ", "\t") and lines[number].strip():
                value += "\n" + lines[number].strip()
                number += 1
            yield section, found["key"].strip(), value, (begin, number)
