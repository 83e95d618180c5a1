"""Messages as words: what is code, what leads somewhere, and that values stay what they are. And pages made of them."""

import pytest

from naru.errors import InputError
from naru.messages import Message, message
from naru.report import page
from naru.report.blocks import Block, Code, Heading, List, Paragraph, Table, code, link
from naru.report.words import words
from tests.report.pages import Html

pytestmark = pytest.mark.unit

MADE = message(
    "test.report.made", en="`{old}` became {new}, {count:number} times", ko="{count:number}번: `{old}` → {new}"
)
PLAIN = message("test.report.plain", en="see `map`", ko="`map` 참고")
OUTER = message("test.report.outer", en="{inner} (`{inner}`)", ko="{inner} (`{inner}`)")


def test_backticks_mark_code_and_values_are_as_they_are() -> None:
    said = MADE(old="a`b`{c}", new=link("x.html", "`{old}`"), count=12345)
    assert words(said, "en") == (
        ("a`b`{c}", True, ""),
        (" became ", False, ""),
        ("`{old}`", False, "x.html"),
        (", ", False, ""),
        ("12,345", False, ""),
        (" times", False, ""),
    )
    assert words(said, "ko")[0] == ("12,345", False, "") and words(said, "ko")[2] == ("a`b`{c}", True, "")


def test_messages_in_messages() -> None:
    assert words(OUTER(inner=PLAIN()), "ko") == (
        ("map", True, ""),
        (" 참고", False, ""),
        (" (", False, ""),
        ("`map` 참고", True, ""),  # code within code there is none
        (")", False, ""),
    )
    assert words(link("x", PLAIN()), "en") == (("see ", False, "x"), ("map", True, "x"))
    assert words(code(PLAIN()), "en") == (("see `map`", True, ""),)
    assert words("`as it is`", "ko") == (("`as it is`", False, ""),)
    assert code("") == ()


def test_message_of_another_version() -> None:
    assert words(Message("gone", written="what it `said`"), "ko") == (("what it `said`", False, ""),)


BLOCKS: tuple[Block, ...] = (
    Heading(1, PLAIN()),
    Heading(2, "<two>"),
    Paragraph(MADE(old="a", new="b", count=1), tone="bad"),
    Code("sh", "ls\nls"),
    List((PLAIN(), "x"), first=3),
    Table((PLAIN(), ""), tuple((code(str(number)), page.file_item("f.csv", PLAIN())) for number in range(9))),
)


def test_files_of_a_page() -> None:
    files = dict(page.files("thing", "ko", ("en", "ko"), iter(BLOCKS)))
    assert list(files) == ["thing.ko.html", "thing.ko.md"]
    html = Html(files["thing.ko.html"])
    assert html.tags[0] == ("html", {"lang": "ko"})
    assert ("a", {"href": "thing.en.html"}) in html.tags and "English" in html.text
    assert "map 참고" in html.text and "<two>" in html.text and "이 표에서 검색" in html.text
    assert html.count("tr") == 10 and html.count("li") == 3
    markdown = files["thing.ko.md"]
    assert markdown.startswith("[English](thing.en.md)\n\n# `map` 참고\n\n## \\<two\\>\n\n> [!CAUTION]\n> 1번: `a` → b")
    assert "3. `map` 참고\n4. x" in markdown
    assert "| `map` 참고 |  |\n| --- | --- |\n| `0` | [`f.csv`](f.csv): `map` 참고 |" in markdown


def test_languages() -> None:
    page.check_languages(("ko", "en"))
    for languages in (("en", "xx"), ("../en",), ()):
        with pytest.raises(InputError, match="language"):
            page.check_languages(languages)
