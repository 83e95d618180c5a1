"""The page says the answer first, in both languages, and nothing that anybody wrote into a log becomes markup."""

import html.parser
import re
import time
from pathlib import Path

import pytest

from naru.cli.main import main

from .lines import line, traceback

pytestmark = pytest.mark.unit
REQUEST = "req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d"
NASTY = "<script>alert('x')</script> & `code` | [a](http://x) 한글"


def stamp(ago: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(time.time() - ago))


def logs(directory: Path) -> Path:
    """Two services with one request that failed, and a muted, a resolved and a client's group."""
    directory.mkdir()
    ago = 1800.0
    api = [
        line("booting", "INFO", "nova.api", f"None {REQUEST} u1 p1 - - d d", stamp(ago)),
        line(f"odd: {NASTY}", logger="nova.api", context=f"None {REQUEST} u1 p1 - - d d", time=stamp(ago - 1)),
        *traceback(
            '  File "/v/site-packages/nova/api/x.py", line 1, in boot',
            "    boot()",
            f"ValueError: {NASTY}",
            logger="nova.api",
            time=stamp(ago - 1),
        ),
        *(line("muted one", logger="nova.api", context="-", time=stamp(60.0 * n)) for n in range(9, 0, -1)),
    ]
    other = [
        line(
            "password=opensesame given",
            logger="cinder.api",
            context=f"{REQUEST} {REQUEST} u1 p1 - - d d",
            time=stamp(ago - 0.5),
        ),
        line("attempt 1 of 3 failed, retrying", "WARNING", "cinder.volume", "-", stamp(100)),
    ]
    (directory / "nova-api.log").write_text("\n".join(api) + "\n")
    (directory / "cinder-api.log").write_text("\n".join(other) + "\n")
    return directory


class Outline(html.parser.HTMLParser):
    """The tags of a page, whether they close, and its text."""

    VOID = frozenset({"meta", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("naru.watch.follow.QUIET", 0)
    monkeypatch.setattr("naru.watch.following.QUIET", 0)
    work, files = str(tmp_path / "watch"), str(logs(tmp_path / "log") / "*.log")
    words = ["--files", files, "--host", "h1", "--zone", "UTC"]
    assert main(["-q", "watch", "run", work, *words, "--once"]) in (0, 1)
    assert main(["-q", "watch", "change", "begin", work, "--what", "<b>deploy</b>"]) == 0
    assert main(["-q", "watch", "change", "end", work]) == 0
    assert main(["-q", "watch", "report", work, "--name", "seoul"]) == 0
    return tmp_path / "watch" / "report"


def test_the_files(page: Path) -> None:
    assert sorted(one.name for one in page.iterdir()) == [
        f"errors.{language}.{form}" for language in ("en", "ko") for form in ("html", "md")
    ]
    assert page.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_page_that_needs_nothing(page: Path, language: str) -> None:
    """No script of anybody else, nothing fetched, each tag closed."""
    text = (page / f"errors.{language}.html").read_text()
    outline = Outline(text)
    assert outline.open == []
    assert [tag for tag, _ in outline.tags].count("script") == 1
    fetched = [value for _, said in outline.tags for name in ("src", "href") if (value := said.get(name))]
    assert all(one.startswith(("#", "errors.")) for one in fetched)
    assert NASTY in outline.text
    assert "opensesame" not in text and "***" in text
    shapes = [said for tag, said in outline.tags if tag == "rect"]
    assert len(shapes) >= 8
    assert all(0 <= float(one["x"] or 0) <= 960 and float(one["height"] or 0) > 0 for one in shapes)


def test_what_it_says(page: Path) -> None:
    english, korean = (Outline((page / f"errors.{one}.html").read_text()).text for one in ("en", "ko"))
    heads = re.findall(r"<h[12][^>]*>(.*?)</h", (page / "errors.en.html").read_text())
    assert heads == ["Errors of the cloud: seoul", "Groups", "Changes", "Group by group", "The watch itself"]
    assert re.search(r"groups\s*4", english)
    assert re.search(r"new\s*⚠ 4", english)
    assert "nova/api/x.py:boot" in english
    assert "retry" in english and "재시도" in korean
    for text in (english, korean):
        # the request of the example, in both services
        assert text.count(REQUEST) >= 2
        assert "cinder-api" in text and "booting" in text
        assert "<b>deploy</b>" in text
        # the traceback of the example
        assert 'File "/v/site-packages/nova/api/x.py", line 1, in boot' in text
    assert re.search(r"[가-힣]", korean) and "its request id" not in korean


def test_an_empty_watch(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    work = str(tmp_path / "watch")
    assert main(["-q", "watch", "run", work, "--files", str(tmp_path / "a.log"), "--once"]) == 0
    assert main(["-q", "watch", "report", work, "--to", str(tmp_path / "out"), "--language", "ko"]) == 0
    assert "없습니다" in (tmp_path / "out" / "errors.ko.md").read_text()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    assert main(["-q", "watch", "report", work, "--to", str(tmp_path / "other")]) == 2
