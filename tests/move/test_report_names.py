"""No name can become anything but a name: in HTML, Markdown, file names, CSV, JSON, Terraform."""

import csv
import dataclasses
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from naru.messages import LANGUAGES
from naru.move.outcome import Item
from naru.move.pages import maps, terraform
from naru.move.pages.terraform import label
from naru.report import html
from naru.report.names import unique, visible
from tests.move import outcomes
from tests.move.outcomes import NASTY, uuid
from tests.report.pages import Html

pytestmark = pytest.mark.unit


# -- names


def test_no_name_becomes_a_tag(nasty: Path) -> None:
    allowed = {"html", "head", "meta", "title", "style", "body", "p", "a", "main", "h1", "h2", "h3", "nav", "ul", "ol"}
    allowed |= {"svg", "desc", "g", "rect", "line", "text"}
    allowed |= {
        "li",
        "div",
        "dl",
        "dt",
        "dd",
        "figure",
        "figcaption",
        "details",
        "summary",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "pre",
        "label",
        "input",
        "output",
    }
    files = {file.name for file in nasty.iterdir()}
    pages = sorted(nasty.glob("*.html"))
    assert len(pages) == 2 * (len(NASTY) + 1)
    for file in pages:
        page = Html(file.read_text())
        assert {tag for tag, _ in page.tags} <= allowed | {"script"}
        assert page.count("script") == page.count("style") == 1
        for name, content in page.raw.items():
            template = f"page.{'js' if name == 'script' else 'css'}"
            assert content == (Path(html.__file__).parent / "templates" / template).read_text()
        for tag, attributes in page.tags:
            assert not {"src", "style", "action"} & set(attributes)
            assert not [name for name in attributes if name.startswith("on")]
            target = attributes.get("href") or "#"
            assert tag == "a" or "href" not in attributes
            assert target.startswith("#s") or target == "#" or unquote(target) in files


def test_every_name_can_be_read(nasty: Path) -> None:
    page = Html((nasty / "overview.en.html").read_text()).text
    for name in filter(None, NASTY):
        assert visible(name) in page


def test_nothing_is_loaded_from_elsewhere(nasty: Path) -> None:
    for file in nasty.glob("*.html"):
        page = Html(file.read_text())
        policies = [
            attributes["content"] for tag, attributes in page.tags if tag == "meta" and "http-equiv" in attributes
        ]
        assert len(policies) == 1
        assert "default-src 'none'" in str(policies[0]) and "unsafe" not in str(policies[0])
        assert not re.search(r"@import|url\(|fetch|XMLHttp|import\(", "".join(page.raw.values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_becomes_markdown(nasty: Path, language: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    files = {file.name for file in nasty.iterdir()}
    for file in sorted(nasty.glob(f"*.{language}.md")):
        tokens = parser.parse(file.read_text())
        inner = [child for token in tokens for child in token.children or []]
        kinds = {token.type for token in [*tokens, *inner]}
        assert not kinds & {"html_block", "html_inline", "image", "s_open", "em_open", "strong_open", "hr", "hardbreak"}
        links = {unquote(str(token.attrs["href"])) for token in inner if token.type == "link_open"}
        assert links <= files
        page = Html(file.with_suffix(".html").read_text())
        assert sum(1 for token in tokens if token.type == "td_open") == page.count("td")
        assert sum(1 for token in tokens if token.type == "fence") == page.count("pre")


def test_file_names_are_safe_and_unique(nasty: Path) -> None:
    names = [file.name for file in nasty.iterdir()]
    assert len({name.casefold() for name in names}) == len(names) == 8 * len(NASTY) + 7
    for name in names:
        assert re.fullmatch(r"[\w.-]+", name) and not name.startswith((".", "-")) and len(name.encode()) < 255
        assert ".." not in name


# -- maps


def cell(value: object) -> object:
    """What a table for spreadsheets has of a value: nothing in it is a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def test_maps_come_back_as_they_were(nasty: Path) -> None:
    outcome = outcomes.nasty()
    whole = json.loads((nasty / "overview.map.json").read_text())
    expected = json.loads(maps.as_json(outcome, outcome.projects, outcome.items, outcome.downtimes, outcome.contents))
    assert whole == expected
    assert [Item(**{**row, "differences": ()}).old_id for row in whole["items"]] == [i.old_id for i in outcome.items]
    found = dataclasses.asdict(outcome.items[0].differences[0])
    found["rule"] = found.pop("why")
    assert whole["items"][0]["differences"] == [json.loads(json.dumps(found))]
    with (nasty / "overview.map.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    readable = [item for item in outcome.items if "\ud800" not in item.name]
    assert len(rows) == len(outcome.items)
    kept = [row for row in rows if "\\ud800" not in row["name"]]
    assert kept == [{column: cell(getattr(item, column)) for column in maps.COLUMNS} for item in readable]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_csv_round_trip(names: list[tuple[str, str]]) -> None:
    items = [Item("server", old, "", name, "p", "leave", name) for old, name in names]
    rows = list(csv.DictReader(io.StringIO(maps.as_csv(items), newline="")))
    assert [(row["old_id"], row["name"], row["why"]) for row in rows] == [(cell(o), cell(n), cell(n)) for o, n in names]


def test_map_has_what_the_page_cuts(report: Path) -> None:
    items = json.loads((report / "shop.map.json").read_text())["items"]
    [found] = [row for item in items for row in item["differences"] if row["field"] == "user_data"]
    assert found == {"field": "user_data", "old": "x" * 5000, "new": None, "rule": "the field is gone"}
    assert {item["kind"] for item in items} >= {"flavor", "key pair", "server"}
    assert "domain" not in {item["kind"] for item in items}


# -- Terraform


@given(st.dictionaries(st.text(), st.text(), max_size=8))
@example({"": "", "0-0": ""})
@settings(max_examples=200)
def test_labels(names: dict[str, str]) -> None:
    assert all(re.fullmatch(r"([a-z_][a-z0-9_]*)?", label(name)) for name in names.values())
    found = unique(names, lambda name: label(name) or "thing", joint="_")
    assert len({text.casefold() for text in found.values()}) == len(names)
    assert all(re.fullmatch(r"\w+", text) for text in found.values())


BLOCK = re.compile(r'import \{\n  to = (openstack_\w+)\.([A-Za-z_]\w*)\n  id = "((?:[^"\\\n]|\\.)*)"\n\}')


def _blocks(text: str) -> list[tuple[str, str, str]]:
    """The file's blocks; there is nothing else in it but comments and empty lines."""
    assert all(not line or line.startswith("#") for line in BLOCK.sub("", text).split("\n"))
    return BLOCK.findall(text)


def test_imports_of_a_project(report: Path) -> None:
    found = {resource: identity for resource, _, identity in _blocks((report / "shop.imports.tf").read_text())}
    new = outcomes.NEW
    assert found["openstack_compute_instance_v2"] == uuid(11 + new)
    assert found["openstack_networking_router_interface_v2"] == uuid(4 + new)
    assert found["openstack_networking_port_v2"] == uuid(5 + new)
    assert found["openstack_compute_keypair_v2"] == "laptop"
    assert uuid(6 + new) not in found.values()  # the router's gateway is no resource
    text = (report / "shop.imports.tf").read_text()
    assert uuid(15) not in text  # left behind
    assert f"uplink: {uuid(16 + new)}" in text and "openstack_networking_trunk_v2." not in text
    assert "f-9" not in text  # a flavor is the cloud's


def test_imports_of_any_names(nasty: Path) -> None:
    for file in nasty.glob("*.tf"):
        found = _blocks(file.read_text())
        assert len({(resource, name) for resource, name, _ in found}) == len(found)
        assert len(found) == 3 or (len(found) == 1 and "(no name)" in file.read_text())
        for _, _, identity in found:
            assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", identity)


def test_imports_of_one_name() -> None:
    items = [outcomes.item("server", number, name) for number, name in enumerate(("web", "web", "Web", "db", "", "웹"))]
    names = [name for _, name, _ in _blocks(terraform.imports("shop", items))]
    assert len(set(names)) == 6 and names.count("db") == 1 and all(re.fullmatch(r"[a-z_]\w*", name) for name in names)


@pytest.mark.parametrize("name", ["a\nb", 'a"b', "a\\", "${x}", "%{if}", "\u2028", "한글"])
def test_hcl_string(name: str) -> None:
    quoted = terraform.quote(name)
    assert "\n" not in quoted
    unquoted = quoted[1:-1].replace("$${", "${").replace("%%{", "%{")
    assert json.loads(f'"{unquoted}"') == name
