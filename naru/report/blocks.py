"""A page as data: blocks, whose words know what is code. HTML and Markdown are made of the same blocks.

A page is the same in every language until it is written: its texts are messages (`naru.messages`), which
`naru.report.words` says. The `type` of a block is what the HTML template knows it by.
"""

from dataclasses import dataclass
from typing import NamedTuple

from naru.messages import Text
from naru.report.drawing import Drawing


class Segment(NamedTuple):
    """A run of text, as code or not, that may lead to a file beside the page. The text is raw: whoever writes it out
    escapes it."""

    text: Text
    code: bool = False
    file: str = ""


Words = tuple[Segment, ...]

Said = Text | Words
"""The content of a block: a text, whose backticks mark code when it is a message, or words."""


def code(text: Text) -> Words:
    """An id, a value, a command. Nothing at all for an empty text."""
    return (Segment(text, True),) if text else ()


def link(file: str, said: Said) -> Words:
    """The words, leading to a file."""
    words = said if isinstance(said, tuple) else (Segment(said),)
    return tuple(segment._replace(file=file) for segment in words)


@dataclass(frozen=True)
class Heading:
    """`level` 1 is the page's title."""

    level: int
    words: Said
    type: str = "heading"


@dataclass(frozen=True)
class Paragraph:
    """`tone` is "", `note` or `bad`."""

    words: Said
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

    items: tuple[Said, ...]
    first: int = 0
    type: str = "list"


@dataclass(frozen=True)
class Table:
    """Rows under their heads. A reader can search it when it has more than a few rows."""

    heads: tuple[Text, ...]
    rows: tuple[tuple[Said, ...], ...]
    type: str = "table"


BAD = "⚠ "
"""The sign before a figure that is to be looked at: a colour alone is not seen by everybody."""


class Figure(NamedTuple):
    """A number, with what it is of. `bad` ones are to be looked at."""

    name: Text
    value: Text
    bad: bool = False


@dataclass(frozen=True)
class Figures:
    """The answer in one line of numbers."""

    figures: tuple[Figure, ...]
    type: str = "figures"


@dataclass(frozen=True)
class Picture:
    """A drawing, and the numbers in it as a table: what Markdown has in its place."""

    drawing: Drawing
    table: Table
    type: str = "picture"


Block = Heading | Paragraph | Code | List | Table | Figures | Picture


@dataclass(frozen=True)
class Page:
    """A page in a language. `other` are the same page in other languages: (file, name of the language)."""

    language: str
    blocks: tuple[Block, ...]
    other: tuple[tuple[str, str], ...] = ()
