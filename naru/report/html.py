"""A page as one HTML file that needs nothing beside it.

Jinja escapes all texts. Should one get through all the same, the page's content security policy knows only the one
script and the one style that are the templates' own, and lets nothing be fetched.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2

from naru.messages import message, say
from naru.report.blocks import BAD, Heading, Page
from naru.report.names import lines, visible
from naru.report.words import words

_TEMPLATES = Path(__file__).parent / "templates"
_SEARCHED = 8  # rows that one sees at a glance
_SEARCH = message("report.search", en="Search this table", ko="이 표에서 검색")
_NUMBERS = message("report.numbers", en="The same as a table", ko="표로 보기")
_FOUND = message("report.found", en="{shown} of {all}", ko="{all}개 중 {shown}개")


def render(page: Page) -> str:
    """The whole page."""
    first = page.blocks[0] if page.blocks else None
    title = words(first.words, page.language) if isinstance(first, Heading) else ()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            title="".join(run.text for run in title),
            language=page.language,
            search=say(_SEARCH(), page.language),
            numbers=say(_NUMBERS(), page.language),
            found=say(_FOUND(shown="{shown}", all="{all}"), page.language),  # the script has the numbers
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment.filters |= {"visible": visible, "lines": lines, "words": words, "px": _pixels}
    environment.globals |= {"style": style, "script": script, "searched": _SEARCHED, "bad": BAD}
    environment.globals |= {"style_digest": _digest(style), "script_digest": _digest(script)}
    return environment


def _pixels(number: float) -> str:
    """A coordinate: to a tenth of a pixel."""
    return f"{number:.1f}".removesuffix(".0")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
