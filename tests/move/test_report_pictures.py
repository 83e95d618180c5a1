"""The pictures of the overview: that each is well-formed, the same again, needs nothing, and stays readable."""

import dataclasses
import datetime
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from naru.messages import LANGUAGES, say
from naru.move.outcome import AddressChange, Carried, Downtime, Outcome, Round
from naru.move.pages import overview, pictures, timeline, write
from naru.report.drawing import Bar, Label, Mark, cut, ticks
from tests.move import outcomes
from tests.move.outcomes import LAB, NASTY, SHOP, uuid
from tests.report.pages import Html

pytestmark = pytest.mark.unit

BEGAN = 1_795_000_000.0


def moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(BEGAN + seconds, datetime.UTC).isoformat(timespec="milliseconds")


def off(number: int, at: float, *parts: float, name: str = "") -> Downtime:
    return Downtime(uuid(number), name or f"s{number}", 30.0, moment(at), moment(at + sum(parts)), *parts)


def moved(servers: int, names: tuple[str, ...] = ()) -> Outcome:
    """So many servers in two windows a day apart, with rounds before the first, addresses, and data."""
    called = names or tuple(f"s{number}" for number in range(servers))
    downtimes = [
        off(number, number % 20 + (86400 if number % 4 == 0 else 0), 2.0, 3.0, 1.5, 5.0 + number % 7, name=name)
        for number, name in enumerate(called)
    ]
    carried = [
        Carried(uuid(number), f"v{name}", round, 2 << 30, (number + 1) << 20, moment(-100.0 * round))
        for number, name in enumerate(called)
        for round in range(4)
    ]
    return dataclasses.replace(
        outcomes.company(),
        made_at=moment(90000),
        downtimes=tuple(downtimes),
        carried=tuple(carried),
        rounds=tuple(Round(number, moment(-4000 + 900 * number), moment(-3900 + 900 * number)) for number in (1, 2, 3)),
        addresses=tuple(
            AddressChange("floating IP", name, moment(3), moment(4 + number / 10)) for number, name in enumerate(called)
        ),
    )


def drawings(directory: Path, language: str = "en") -> list[ElementTree.Element]:
    page = (directory / f"overview.{language}.html").read_text()
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def texts(svg: ElementTree.Element) -> list[str]:
    return ["".join(one.itertext()) for one in svg.iter("text")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_picture_is_whole_and_needs_nothing(tmp_path: Path, language: str) -> None:
    write(moved(len(NASTY), NASTY), tmp_path / "report")
    found = drawings(tmp_path / "report", language)
    assert len(found) == 4  # two windows, the interruptions, the data
    for svg in found:
        title, said = svg.find("title"), svg.find("desc")
        assert title is not None and said is not None and title.text and said.text
        assert svg.get("aria-labelledby") == f"{title.get('id')} {said.get('id')}" and svg.get("role") == "img"
        for one in svg.iter():
            assert one.tag in ("svg", "title", "desc", "g", "rect", "line", "text")
            assert not [name for name in one.attrib if name.startswith("on") or name in ("style", "href", "src")]
            assert all(float(one.get(name, "0")) >= 0 for name in ("x", "y", "width", "height", "x1", "x2", "y1", "y2"))
    ids = re.findall(r' id="([^"]+)"', (tmp_path / "report" / f"overview.{language}.html").read_text())
    assert len(ids) == len(set(ids))


def test_the_same_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(moved(50), tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_row_is_what_was_measured() -> None:
    outcome = dataclasses.replace(moved(0), downtimes=(off(1, 0, 2.0, 3.0, 0.0, 5.0), off(2, 5, 1.0, 1.0, 7.0, 6.0)))
    (picture,) = timeline.timelines(outcome)
    bars = next(
        [one for one in shape.shapes if isinstance(one, Bar)]
        for shape in picture.drawing.shapes
        if isinstance(shape, Mark) and any(isinstance(one, Label) and one.text == "s1" for one in shape.shapes)
    )
    scale = (pictures.RIGHT - pictures.LEFT) / 20.0  # from the first stop to the last start
    assert [(one.style, round(one.x, 3), round(one.width, 3)) for one in bars] == [
        ("stop", pictures.LEFT, round(2 * scale, 3)),
        ("content", round(pictures.LEFT + 2 * scale, 3), round(3 * scale, 3)),
        ("start", round(pictures.LEFT + 5 * scale, 3), round(5 * scale, 3)),
    ]
    assert "2 servers were off, the longest for 15 s" in say(picture.drawing.says)


def test_windows_are_apart_and_one_that_stays_off_makes_no_line_of_the_others() -> None:
    outcome = moved(40)
    still = Downtime(uuid(99), "still", 30.0, moment(2))
    outcome = dataclasses.replace(outcome, downtimes=(*outcome.downtimes, still))
    first, second = timeline.windows(outcome)
    assert (len(first.off), len(second.off)) == (31, 10)
    assert first.end - first.began < 60 and second.began > BEGAN + 86000
    assert "Still off: 1." in say(next(timeline.timelines(outcome)).drawing.says)
    alone = dataclasses.replace(outcome, downtimes=(still,))
    (only,) = timeline.windows(alone)
    assert only.end == BEGAN + 90000


def test_thousands_of_servers_stay_readable(tmp_path: Path) -> None:
    write(moved(4000), tmp_path / "report", ("en",))
    first, second, interruptions, data = drawings(tmp_path / "report")
    for svg in (first, second, interruptions, data):
        assert float(svg.get("height", "0")) < 1500 and len(list(svg.iter())) < 900
    assert any(text.startswith("2,960 more: up to") for text in texts(first))
    assert any(text.startswith("3990 more") or text.startswith("3,990 more") for text in texts(first))
    assert any("and 3,970 more servers" in text for text in texts(interruptions))
    assert any("and 3,970 more volumes" in text for text in texts(data))


def test_expected_interruptions_before_anything_was_measured(tmp_path: Path) -> None:
    planned = tuple(Downtime(uuid(number), f"s{number}", float(number)) for number in range(5))
    outcome = dataclasses.replace(outcomes.company(), phase="plan", downtimes=planned)
    write(outcome, tmp_path / "report", ("en",))
    (svg,) = drawings(tmp_path / "report")
    assert "measured" not in texts(svg) and "4.0 s" in texts(svg)
    page = Html((tmp_path / "report" / "overview.en.html").read_text()).text
    assert say(overview.TO_MOVE()) in page and say(overview.LONGEST_EXPECTED()) in page


def test_figures_come_first_and_are_of_what_was_not_rolled_back(tmp_path: Path) -> None:
    outcome = moved(3)
    figures = {say(one.name): (say(one.value), one.bad) for one in overview._figures(outcome).figures}
    assert figures["Projects"] == ("2", False)
    assert figures["Things moved"] == ("20", False) and figures["Left behind"] == ("1", False)
    assert figures["Unexplained differences"] == ("1", True)
    assert figures["Data carried"] == ("24.0 MiB", False)  # four passes of 1, 2 and 3 MiB
    assert figures["Longest interruption"] == ("14 s", False)
    assert figures["Volumes proven equal"] == ("2 of 2", False)
    projects = tuple(dataclasses.replace(one, rolled_back=one.old_id == SHOP) for one in outcome.projects)
    back = dataclasses.replace(outcome, projects=projects)
    figures = {say(one.name): (say(one.value), one.bad) for one in overview._figures(back).figures}
    assert figures["Projects"] == ("1 of 2", False) and figures["Unexplained differences"] == ("0", False)
    assert figures["Things moved"] == ("4", False)  # of the other project, and of none
    write(back, tmp_path / "report", ("en",))
    lines = (tmp_path / "report" / "overview.en.md").read_text().splitlines()
    row = next(line for line in lines if SHOP in line and line.startswith("| [shop]"))
    assert "| rolled back | 0 | 0 | 0 | 0 | 0 |" in row
    assert "| finished | 1 |" in next(line for line in lines if LAB in line and line.startswith("| ["))
    assert "made anew" not in (tmp_path / "report" / "shop.en.md").read_text().split("## ")[0]
    everything = dataclasses.replace(outcome, phase="rollback")
    figures = {say(one.name): (say(one.value), one.bad) for one in overview._figures(everything).figures}
    assert figures["Things moved"] == ("0", False) and figures["Projects"] == ("0 of 2", False)


def test_markdown_has_the_numbers(tmp_path: Path) -> None:
    write(moved(3), tmp_path / "report", ("en",))
    page = (tmp_path / "report" / "overview.en.md").read_text()
    assert "Things moved: 20 · ⚠ Unexplained differences: 1 · " in page
    assert "| Volume | Copied ahead | In the window | Together |" in page
    assert "| `vs2` | 9.0 MiB | 3.0 MiB | 12.0 MiB |" in page


def test_cut_and_ticks() -> None:
    assert cut("abc", 3) == "abc" and cut("abcd", 3) == "ab…"
    assert cut("가나다", 6) == "가나다" and cut("가나다라", 6) == "가나…" and cut("a\nb", 5) == "a␊b"
    assert list(ticks(35.0)) == [0, 5, 10, 15, 20, 25, 30, 35]
    for seconds in (0.3, 1.0, 59.0, 3601.0, 86400.0 * 90, 86400.0 * 5000):
        assert 2 <= len(list(ticks(seconds))) <= 9
