"""What the planner says in English (findings, hints, reasons, explanations), in the other languages of the report.

Such a text comes with its values in it, and some of those are names that users chose. `<language>.yaml` beside this
file has every text as a pattern, and what that is in the language. A text is said in the language when there is one way
alone to read it, so that no piece of a name is ever taken for a piece of the text; else it stays as it is, whole.

A place in a pattern is `{name}`, which may be anything, or `{name:type}`:

- `word`: something without blanks; `line`: something on one line
- `kind`: a kind of thing; `counts`: `2 servers, 1 port`; `duration`: as `naru.text.duration` writes it
- `sentence`: another of the texts

`{thing}` is a kind and a name, and stands at the beginning. Texts that are joined, by `; ` or line by line, are read
one by one.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from naru import yamlfile
from naru.move.report import texts
from naru.move.report.texts import PLACEHOLDER, Texts

_HERE = Path(__file__).parent
PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_JOINTS = ("; ", "\n")
_COUNT = re.compile(r"(\d+) (\D+?)s?")
# as the texts' durations are called
_DURATIONS = (
    ("hours", re.compile(r"(?P<hours>\d+) h 0?(?P<minutes>\d+) min")),
    ("minutes", re.compile(r"(?P<minutes>\d+) min 0?(?P<seconds>\d+) s")),
    ("seconds", re.compile(r"(?P<seconds>\d+(\.\d)?) s")),
)
# what a place of a type may hold, for a match that takes as little as it can and one that takes as much
_HOLDS = {
    "": (".*?", ".*"),
    "word": (r"\S+?", r"\S+"),
    "line": (r"[^\n]*?", r"[^\n]*"),
    "kind": ("[A-Za-z ]+?", "[A-Za-z ]+"),
    "counts": ("[0-9A-Za-z, ]+?", "[0-9A-Za-z, ]+"),
    "duration": ("[0-9a-z. ]+?", "[0-9a-z. ]+"),
    "sentence": (".+?", ".+"),
}

Thing = tuple[str, str]
"""A kind, and a name (or the id of what has none)."""

# what a text may mean in the language; None stands for a piece that can be read in several ways
_Readings = frozenset[str | None]
_UNKNOWN: _Readings = frozenset()


class _Pattern(NamedTuple):
    said: str
    types: dict[str, str]
    thing: bool  # it begins with one; the rest of it is what is matched
    first: str  # the piece after that
    anchor: str  # the longest piece: where it is not, nothing has to be matched
    least: re.Pattern[str]
    most: re.Pattern[str]


def say(language: Texts, text: str, things: tuple[Thing, ...] = ()) -> str:
    """The text in the language. `things` are those that it is about, where that is known: one may stand at its
    beginning, whatever it is called."""
    found = _read(language.language, text, things)
    reading = next(iter(found)) if len(found) == 1 else None
    return text if reading is None else reading


@cache
def patterns(language: str) -> dict[str, str]:
    """What the texts are in the language. Empty for English."""
    file = _HERE / f"{language}.yaml"
    return dict(yamlfile.parse(file.read_text(encoding="utf-8"))) if file.exists() else {}


@cache
def _compiled(language: str) -> tuple[_Pattern, ...]:
    """Those with a place."""
    return tuple(_compile(pattern, said) for pattern, said in patterns(language).items() if PLACE.search(pattern))


def _compile(pattern: str, said: str) -> _Pattern:
    rest = pattern.removeprefix("{thing}")
    pieces = PLACE.split(rest)
    names, types = pieces[1::3], [kind or "" for kind in pieces[2::3]]
    least, most = (
        "".join(
            [re.escape(pieces[0])]
            + [
                f"(?P<{name}>{_HOLDS[kind][which]}){re.escape(piece)}"
                for name, kind, piece in zip(names, types, pieces[3::3], strict=True)
            ]
        )
        for which in (0, 1)
    )
    return _Pattern(
        *(said, dict(zip(names, types, strict=True)), rest != pattern, pieces[0], max(pieces[::3], key=len)),
        *(re.compile(least, re.DOTALL), re.compile(most, re.DOTALL)),
    )


@lru_cache(maxsize=1 << 14)
def _read(language: str, text: str, things: tuple[Thing, ...] = ()) -> _Readings:
    exact = patterns(language)
    if text in exact:
        return frozenset((exact[text],))
    found: set[str | None] = set()
    for pattern in _compiled(language):
        if pattern.anchor in text:
            for thing, rest in _begun(language, pattern, text, things):
                found |= _match(language, pattern, thing, rest)
    for joint in _JOINTS:
        parts = text.split(joint)
        if len(parts) > 1 and (read := [_read(language, part) for part in parts]) and all(read):
            found.add(_joined(joint, read))
    return frozenset(found)


def _begun(language: str, pattern: _Pattern, text: str, things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    """What the thing at the beginning is called in the language, and what comes after it, in each way to read it."""
    if not pattern.thing:
        yield "", text
        return
    begun = [(kind, name) for kind, name in things if text.startswith(f"{kind} {name}")]
    if not begun:
        begun = [
            (kind, text[len(kind) + 1 : place.start()])
            for kind in _kinds(language)
            if text.startswith(f"{kind} ")
            for place in re.finditer(re.escape(pattern.first), text)
            if place.start() > len(kind)
        ]
    for kind, name in begun:
        yield f"{_kinds(language).get(kind, kind)} {name}", text[len(kind) + 1 + len(name) :]


def _match(language: str, pattern: _Pattern, thing: str, rest: str) -> _Readings:
    least, most = pattern.least.fullmatch(rest), pattern.most.fullmatch(rest)
    if least is None or most is None:
        return _UNKNOWN
    if least.groups() != most.groups():
        return frozenset((None,))
    values = {"thing": thing}
    for name, value in least.groupdict().items():
        found = _value(language, pattern.types[name], value)
        if len(found) != 1 or None in found:
            return frozenset((None,)) if found else _UNKNOWN
        values[name] = str(*found)
    return frozenset((PLACEHOLDER.sub(lambda place: values[place[1]], pattern.said),))


def _joined(joint: str, parts: list[_Readings]) -> str | None:
    found = [next(iter(part)) for part in parts if len(part) == 1]
    said = [part for part in found if part is not None]
    return joint.join(said) if len(said) == len(parts) else None


def _value(language: str, kind: str, value: str) -> _Readings:
    """What a place's value is in the language; unknown for what is none of its type."""
    if kind == "sentence":
        return _read(language, value)
    said: str | None = value
    if kind == "kind":
        said = _kinds(language).get(value)
    elif kind == "counts":
        said = _counts(language, value)
    elif kind == "duration":
        said = _duration(language, value)
    return _UNKNOWN if said is None else frozenset((said,))


def _counts(language: str, value: str) -> str | None:
    found = [_COUNT.fullmatch(part) for part in value.split(", ")]
    said = [
        texts.of(language).word("counted", kind=_kinds(language)[part[2]], count=part[1])
        for part in found
        if part and part[2] in _kinds(language)
    ]
    return ", ".join(said) if len(said) == len(found) else None


def _duration(language: str, value: str) -> str | None:
    for key, pattern in _DURATIONS:
        if found := pattern.fullmatch(value):
            return texts.of(language).word(key, **found.groupdict())
    return None


@cache
def _kinds(language: str) -> dict[str, str]:
    """What kinds are called, by what they are called in English."""
    named = texts.of(language).texts
    return {key.removeprefix("kinds."): said for key, said in named.items() if key.startswith("kinds.")}
