"""What the report says, in each language: `<language>.yaml` beside this file, all with the same keys.

A text has `{placeholders}` and `code`, nothing else. Keys are joined by dots: `task.password.title`.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from naru.errors import InputError
from naru.move.report.blocks import Segment, Words

_HERE = Path(__file__).parent
PLACEHOLDER = re.compile(r"\{(\w+)\}")
Value = str | int | Words


class Texts:
    """One language. `of(language)` has it."""

    def __init__(self, language: str, texts: dict[str, str]) -> None:
        self.language = language
        self.texts = texts

    def word(self, key: str, **values: str | int) -> str:
        """A text without code. Raises KeyError for a key or placeholder that is not there."""
        return PLACEHOLDER.sub(lambda found: _text(values[found[1]]), self.texts[key])

    def say(self, key: str, **values: Value) -> Words:
        """A text, with the values in place of its placeholders. A value stays what it is: text, or words."""
        return tuple(_segments(self.texts[key], values))

    def label(self, section: str, name: str) -> str:
        """What a kind, decision, severity or phase is called; its own name when it has no other."""
        return self.texts.get(f"{section}.{name}", name)

    def duration(self, seconds: float) -> str:
        """Seconds as a person says them."""
        minutes, rest = divmod(round(seconds), 60)
        if minutes >= 60:
            return self.word("hours", hours=minutes // 60, minutes=minutes % 60)
        return self.word("minutes", minutes=minutes, seconds=rest) if minutes else self.word("seconds", seconds=rest)


def languages() -> tuple[str, ...]:
    """Those that there are texts in."""
    return tuple(sorted(file.stem for file in _HERE.glob("*.yaml")))


@cache
def of(language: str) -> Texts:
    """The texts of a language. Raises InputError for one that there are none in."""
    if language not in languages():
        raise InputError(f"there is no report in the language {language!r}", hint=f"There is: {', '.join(languages())}")
    body = yaml.load((_HERE / f"{language}.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # yes is "yes"
    return Texts(language, dict(_flat(body, "")))


def _flat(body: dict[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for key, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _segments(text: str, values: dict[str, Value]) -> Iterator[Segment]:
    for number, part in enumerate(text.split("`")):
        code = number % 2 == 1
        for place, piece in enumerate(PLACEHOLDER.split(part)):
            if place % 2 == 0:
                if piece:
                    yield Segment(piece, code)
                continue
            value = values[piece]
            if isinstance(value, tuple):
                yield from value
            else:
                yield Segment(_text(value), code)


def _text(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value
