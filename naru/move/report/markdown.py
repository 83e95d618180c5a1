"""A page as GitHub's Markdown (GFM): whatever users have named is escaped."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from naru.move.report.blocks import Block, Code, Heading, List, Page, Paragraph, Segment, Table, Words
from naru.move.report.names import lines, visible

# what begins markup within a line; "." and "@" and ":" only where an address would become a link
_MARKUP = re.compile(r"[\\`*_\[\]<>|&~#!$]|(?<=www)\.|@|:(?=//)")
_SIMPLE = re.compile(r"[\w. :/+=,@(){}\[\]\"'-]*\w[\w. :/+=,@(){}\[\]\"'-]*")  # code in a table that needs no escape
_BEGINNING = re.compile(r"^(\s*)([-+=]|\d+[.)](?=\s|$))")  # of a list or a rule, at a line's beginning
_TONES = {"note": "> [!NOTE]\n> ", "bad": "> [!CAUTION]\n> "}


def render(page: Page) -> str:
    """The whole page."""
    parts = [" · ".join(_link(file, escape(name)) for file, name in page.other)] if page.other else []
    parts += [_block(block) for block in page.blocks]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that stays text."""
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", visible(text))
    return _BEGINNING.sub(_unlisted, escaped)


def _unlisted(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:-1]}\\{found[2][-1]}"


def _block(block: Block) -> str:
    match block:
        case Heading(level=level, words=words):
            return f"{'#' * level} {_words(words)}"
        case Paragraph(words=words, tone=tone):
            return f"{_TONES.get(tone, '')}{_words(words)}"
        case Code(language=language, text=text):
            fence = "`" * max(3, _longest(text) + 1)
            return f"{fence}{language}\n{lines(text)}\n{fence}"
        case List(items=items, first=first):
            return "\n".join(
                f"{f'{number}.' if first else '-'} {_words(words)}" for number, words in enumerate(items, start=first)
            )
        case Table():
            return "\n".join(_table(block))


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(escape, table.heads))} |"
    yield f"|{' --- |' * len(table.heads)}"
    for row in table.rows:
        yield f"| {' | '.join(_words(cell, in_table=True) for cell in row)} |"


def _words(words: Words, *, in_table: bool = False) -> str:
    return "".join(_segment(segment, in_table) for segment in words)


def _segment(segment: Segment, in_table: bool) -> str:
    if not segment.code or (in_table and not _SIMPLE.fullmatch(segment.text)):
        text = escape(segment.text)
    else:
        text = _code(visible(segment.text))
    return _link(segment.file, text) if segment.file else text


def _code(text: str) -> str:
    fence = "`" * (_longest(text) + 1)
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _link(file: str, text: str) -> str:
    return f"[{text}]({quote(file)})"
