"""A page as GitHub's Markdown (GFM): whatever users have named is escaped."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from naru.report.blocks import BAD, Block, Code, Figures, Heading, List, Page, Paragraph, Picture, Said, Table
from naru.report.names import lines, visible
from naru.report.words import Run, words

# what begins markup within a line; "." and "@" and ":" only where an address would become a link
_MARKUP = re.compile(r"[\\`*_\[\]<>|&~#!$]|(?<=www)\.|@|:(?=//)")
_SIMPLE = re.compile(r"[\w. :/+=,@(){}\[\]\"'-]*\w[\w. :/+=,@(){}\[\]\"'-]*")  # code in a table that needs no escape
_BEGINNING = re.compile(r"^(\s*)([-+=]|\d+[.)](?=\s|$))")  # of a list or a rule, at a line's beginning
_TONES = {"note": "> [!NOTE]\n> ", "bad": "> [!CAUTION]\n> "}


def render(page: Page) -> str:
    """The whole page."""
    parts = [" · ".join(_link(file, escape(name)) for file, name in page.other)] if page.other else []
    parts += [_block(block, page.language) for block in page.blocks]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that stays text."""
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", visible(text))
    return _BEGINNING.sub(_unlisted, escaped)


def _unlisted(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:-1]}\\{found[2][-1]}"


def _block(block: Block, spoken: str) -> str:
    match block:
        case Heading(level=level, words=said):
            return f"{'#' * level} {_words(said, spoken)}"
        case Paragraph(words=said, tone=tone):
            return f"{_TONES.get(tone, '')}{_words(said, spoken)}"
        case Code(language=language, text=text):
            fence = "`" * max(3, _longest(text) + 1)
            return f"{fence}{language}\n{lines(text)}\n{fence}"
        case List(items=items, first=first):
            return "\n".join(
                f"{f'{number}.' if first else '-'} {_words(said, spoken)}"
                for number, said in enumerate(items, start=first)
            )
        case Figures(figures=figures):
            return " · ".join(
                f"{BAD if one.bad else ''}{_words(one.name, spoken)}: {_words(one.value, spoken)}" for one in figures
            )
        case Picture(drawing=drawing, table=table):
            return "\n\n".join((_words(drawing.says, spoken), "\n".join(_table(table, spoken))))
        case Table():
            return "\n".join(_table(block, spoken))


def _table(table: Table, spoken: str) -> Iterator[str]:
    yield f"| {' | '.join(_words(head, spoken) for head in table.heads)} |"
    yield f"|{' --- |' * len(table.heads)}"
    for row in table.rows:
        yield f"| {' | '.join(_words(cell, spoken, in_table=True) for cell in row)} |"


def _words(said: Said, spoken: str, *, in_table: bool = False) -> str:
    return "".join(_run(run, in_table) for run in words(said, spoken))


def _run(run: Run, in_table: bool) -> str:
    if not run.code or (in_table and not _SIMPLE.fullmatch(run.text)):
        text = escape(run.text)
    else:
        text = _code(visible(run.text))
    return _link(run.file, text) if run.file else text


def _code(text: str) -> str:
    fence = "`" * (_longest(text) + 1)
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _link(file: str, text: str) -> str:
    return f"[{text}]({quote(file)})"
