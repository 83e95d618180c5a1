"""Texts in a language, as words that know what is code: backticks in a message mark it, in all languages alike.

A message's values may be words themselves, with code and links in them. A value is never read for backticks: it stays
what it is.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from naru.messages import FORMATS, PLACE, TEMPLATES, VARIES, Message, say
from naru.report.blocks import Said, Segment


class Run(NamedTuple):
    """A `Segment` in a language."""

    text: str
    code: bool = False
    file: str = ""


def words(said: Said, language: str) -> tuple[Run, ...]:
    """The text in the language."""
    if isinstance(said, str):
        return (Run(said),)
    if isinstance(said, Message):
        return tuple(_message(said, language))
    return tuple(run for segment in said for run in _segment(segment, language))


def _segment(segment: Segment, language: str) -> tuple[Run, ...]:
    text = segment.text
    if isinstance(text, str) or segment.code:  # a text that is code has no markup in it
        return (Run(say(text, language), segment.code, segment.file),)
    return tuple(run._replace(file=segment.file) for run in words(text, language))


def _message(said: Message, language: str) -> Iterator[Run]:
    template = TEMPLATES.get(said.id)
    if template is None or not template.places <= said.values.keys():
        yield Run(say(said, language))
        return
    for piece in _pieces(template.texts[language]):
        if isinstance(piece, Run):
            yield piece
            continue
        value = said.values[piece.name]
        if piece.format and value != VARIES:
            yield Run(FORMATS[piece.format](value, language), piece.code)
        elif isinstance(value, tuple) or (isinstance(value, Message) and not piece.code):
            yield from words(value, language)
        else:
            yield Run(say(value, language) if isinstance(value, Message) else str(value), piece.code)


class _Place(NamedTuple):
    name: str
    format: str
    code: bool


@cache
def _pieces(text: str) -> tuple[Run | _Place, ...]:
    """A template's text, taken apart."""
    pieces: list[Run | _Place] = []
    for number, part in enumerate(text.split("`")):
        code = number % 2 == 1
        end = 0
        for place in PLACE.finditer(part):
            pieces += [Run(part[end : place.start()], code), _Place(place[1], place[2] or "", code)]
            end = place.end()
        pieces.append(Run(part[end:], code))
    return tuple(piece for piece in pieces if isinstance(piece, _Place) or piece.text)
