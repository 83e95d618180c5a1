"""The files of a page: HTML and Markdown, in a language."""

from collections.abc import Iterable, Iterator, Sequence

from naru.errors import InputError
from naru.messages import LANGUAGES, Text, message, say
from naru.report import html, markdown
from naru.report.blocks import Block, Page, Said, code, link

LANGUAGE = message("report.language", en="English", ko="한국어")
FILE = message("report.file", en="{file}: {what}", ko="{file}: {what}")


def check_languages(languages: Sequence[str]) -> None:
    """Raises InputError when there is none, or one that there are no texts in."""
    hint = f"There is: {', '.join(LANGUAGES)}"
    if not languages:
        raise InputError("a report needs a language", hint=hint)
    for language in languages:
        if language not in LANGUAGES:
            raise InputError(f"there is no report in the language {language!r}", hint=hint)


def files(stem: str, language: str, languages: Sequence[str], blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """(name, content) of the page's files: `STEM.LANGUAGE.html` and `.md`, which lead to those in the other
    languages."""
    blocks = tuple(blocks)
    for suffix, render in (("html", html.render), ("md", markdown.render)):
        other = [(f"{stem}.{one}.{suffix}", say(LANGUAGE(), one)) for one in languages if one != language]
        yield f"{stem}.{language}.{suffix}", render(Page(language, blocks, tuple(other)))


def file_item(file: str, what: Text) -> Said:
    """An item of a list of the files beside a page: what is in it."""
    return FILE(file=link(file, code(file)), what=what)
