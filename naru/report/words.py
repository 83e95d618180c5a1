"""Texts in a language, as words that know what is code: backticks in a message mark it, in all languages alike.

A message's values may be words themselves, with code and links in them. A value is never read for backticks: it stays
what it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from naru.messages import FORMATS, PLACE, TEMPLATES, Message, say
from naru.report.blocks import Said, Segment


class Run(NamedTuple):
    """A `Segment` in a language."""

    text: str
    code: bool = False
    file: str = ""


def words(said: Said, language: str) -> tuple[Run, ...]:
    """What is said, in the language."""
    return tuple(_runs(said, language))


def _runs(said: Said, language: str) -> Iterator[Run]:
    if isinstance(said, str):
        yield Run(said)
    elif isinstance(said, Message):
        template = TEMPLATES.get(said.id)
        if template is None or not template.places <= said.values.keys():
            yield Run(say(said, language))
        else:
            yield from _message(template.texts[language], said.values, language)
    else:
        for segment in said:
            yield from _segment(segment, language)


def _segment(segment: Segment, language: str) -> Iterator[Run]:
    if segment.code:  # a text that is code has no markup in it
        yield Run(say(segment.text, language), True, segment.file)
    else:
        yield from (run._replace(file=segment.file) for run in _runs(segment.text, language))


def _message(text: str, values: Mapping[str, Any], language: str) -> Iterator[Run]:
    for number, part in enumerate(text.split("`")):
        code = number % 2 == 1
        end = 0
        for place in PLACE.finditer(part):
            if piece := part[end : place.start()]:
                yield Run(piece, code)
            yield from _value(values[place[1]], place[2], code, language)
            end = place.end()
        if piece := part[end:]:
            yield Run(piece, code)


def _value(value: Any, format: str | None, code: bool, language: str) -> Iterator[Run]:
    if format:
        yield Run(FORMATS[format](value, language), code)
    elif isinstance(value, tuple) or (isinstance(value, Message) and not code):
        yield from _runs(value, language)
    else:
        yield Run(say(value, language) if isinstance(value, Message) else str(value), code)
