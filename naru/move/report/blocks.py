"""A page as data: blocks, whose words know what is code. HTML and Markdown are made of the same blocks."""

from dataclasses import dataclass
from typing import NamedTuple


class Segment(NamedTuple):
    """A run of text, as code or not, that may lead to a file beside the page. The text is raw: whoever writes it out
    escapes it."""

    text: str
    code: bool = False
    file: str = ""


Words = tuple[Segment, ...]


def plain(text: str) -> Words:
    """Text as it is."""
    return (Segment(text),)


def code(text: str) -> Words:
    """An id, a value, a command. Nothing at all for an empty text."""
    return (Segment(text, True),) if text else ()


def link(file: str, words: Words) -> Words:
    """The words, leading to a file."""
    return tuple(segment._replace(file=file) for segment in words)


@dataclass(frozen=True)
class Heading:
    """`level` 1 is the page's title."""

    level: int
    words: Words
    type: str = "heading"


@dataclass(frozen=True)
class Paragraph:
    """`tone` is "", `note` or `bad`."""

    words: Words
    tone: str = ""
    type: str = "paragraph"


@dataclass(frozen=True)
class Code:
    """Lines to copy. `language` is Markdown's word for it."""

    language: str
    text: str
    type: str = "code"


@dataclass(frozen=True)
class List:
    """Items, numbered from `first` on, or not at all when that is 0."""

    items: tuple[Words, ...]
    first: int = 0
    type: str = "list"


@dataclass(frozen=True)
class Table:
    """Rows under their heads. A reader can search it when it has more than a few rows."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]
    type: str = "table"


Block = Heading | Paragraph | Code | List | Table


@dataclass(frozen=True)
class Page:
    """A page. `other` are the same page in other languages: (file, name of the language)."""

    language: str
    title: str
    blocks: tuple[Block, ...]
    search: str  # the search field's label
    found: str  # "{shown} of {all}"
    other: tuple[tuple[str, str], ...] = ()
