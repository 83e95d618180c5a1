"""The report: that it says what it has to, in every language, and is written whole or not at all."""

import dataclasses
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from naru.errors import InputError, NaruError
from naru.inventory.kinds import BY_NAME
from naru.messages import LANGUAGES, TEMPLATES, Template, message, say
from naru.move.kinds import image, volume_group
from naru.move.mapping import AS_WRITTEN
from naru.move.outcome import Difference, Downtime, Item, Outcome, Project
from naru.move.pages import project, tables, tasks, terraform, write
from naru.plan.model import Finding
from tests.move import outcomes
from tests.move.outcomes import LAB, NEW_SHOP, SHOP, uuid
from tests.report.pages import Html, code_blocks

pytestmark = pytest.mark.unit


# -- what it says


def test_files_of_a_report(report: Path) -> None:
    kinds = ("en.html", "en.md", "ko.html", "ko.md", "map.csv", "map.json", "downtimes.csv")
    expected = {f"{name}.{kind}" for name in ("shop", "연구실", "overview") for kind in kinds}
    assert {file.name for file in report.iterdir()} == expected | {"shop.imports.tf", "연구실.imports.tf"}
    assert report.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_of_a_project(report: Path, language: str) -> None:
    page = Html((report / f"shop.{language}.html").read_text()).text

    def words(template: Template) -> str:
        return say(template(), language)

    for title in (
        project.BAD_TITLE,
        project.TASKS_TITLE,
        project.ACCESS_TITLE,
        project.DOWNTIME_TITLE,
        project.CONTENT_TITLE,
        project.LEFT_TITLE,
        project.DIFFERENCES_TITLE,
    ):
        assert words(title) in page
    for kind in tasks.KINDS:
        assert say(tasks.title(kind), language) in page
    for said in (NEW_SHOP, uuid(10), uuid(10 + outcomes.NEW), "the field is gone", "4711"):
        assert said in page
    for said in (AS_WRITTEN(), image.EXISTS(), volume_group.NOT_MOVED()):
        assert say(said, language) in page
    assert words(project.PROVISIONAL) not in page
    assert say(tables.DURATION(seconds=90), language) in page
    for said in (
        "20.0 GiB",
        "3.0 MiB",
        words(tables.WAYS["changes"]),
        words(tables.WAYS["image"]),
        f"blake3:{'ab' * 32}",
    ):
        assert said in page
    assert "the address answers no ping" in page and "the old cloud is slow" not in page  # of no project
    assert "x" * 301 not in page  # a long value is cut; the map has it whole


def test_korean_page_is_korean(report: Path) -> None:
    page = Html((report / "shop.ko.html").read_text())
    assert page.tags[0] == ("html", {"lang": "ko"})
    assert "map.yaml에서 지정했습니다" in page.text and "as written" not in page.text


def test_page_before_the_end_says_so(tmp_path: Path) -> None:
    for phase, note in (("prepare", project.PROVISIONAL), ("rollback", project.ROLLED_BACK_NOTE)):
        write(dataclasses.replace(outcomes.company(), phase=phase), tmp_path / "report", ("en",))
        page = (tmp_path / "report" / "shop.en.md").read_text()
        assert say(note()) in page and say(tables.PHASES[phase]()) in page


def test_page_of_a_project_that_was_rolled_back_says_so(tmp_path: Path) -> None:
    outcome = outcomes.company()
    projects = tuple(dataclasses.replace(one, rolled_back=one.old_id == SHOP) for one in outcome.projects)
    directory = tmp_path / "report"
    write(dataclasses.replace(outcome, projects=projects), directory, ("en",))
    note = say(project.ROLLED_BACK_NOTE())
    assert [page.name for page in directory.glob("*.md") if note in page.read_text()] == ["shop.en.md"]
    assert "Rolled back: shop." in (directory / "overview.en.md").read_text()


def test_overview_names_every_project_and_what_is_wrong(report: Path) -> None:
    page = Html((report / "overview.en.html").read_text())
    links = {unquote(attributes["href"] or "") for tag, attributes in page.tags if tag == "a"}
    assert {"shop.en.html", "연구실.en.html", "overview.map.json", "overview.ko.html"} <= links
    for said in ("bootable", "the old cloud is slow", "web-1", "Default", "v1/laptop"):
        assert said in page.text


def test_nothing_to_do_and_nothing_different(tmp_path: Path) -> None:
    company = outcomes.company()
    calm = dataclasses.replace(company, projects=company.projects[1:], items=(), tasks=(), findings=(), downtimes=())
    write(calm, tmp_path / "report", ("en",))
    page = (tmp_path / "report" / "연구실.en.md").read_text()
    assert say(project.TASKS_NONE()) in page and say(project.DIFFERENCES_NONE()) in page
    assert say(project.BAD_TITLE()) not in page


def test_project_is_told_nothing_of_the_others(report: Path) -> None:
    for file in report.glob("shop.*"):
        assert LAB not in file.read_text() and "연구실" not in file.read_text()
    for file in report.glob("연구실.*"):
        assert SHOP not in file.read_text() and "laptop" not in file.read_text()


# -- texts


PAGES = {id: one for id, one in TEMPLATES.items() if id.startswith(("move.pages.", "report."))}


def test_languages_have_the_same_places() -> None:
    assert len(PAGES) > 150
    for id, template in PAGES.items():
        for text in template.texts.values():
            assert sorted(re.findall(r"\{[\w:]+\}", text)) == sorted(re.findall(r"\{[\w:]+\}", template.texts["en"])), (
                id
            )
            assert text.count("`") % 2 == 0, id
            assert "\n" not in text, id
            assert text == text.strip(), id


def test_korean_takes_no_particle_that_depends_on_the_value() -> None:
    for id, template in PAGES.items():
        assert not re.search(r"\}`?(은|는|이|가|을|를|과|와|으로|로)(\s|,|\.|$)", template.texts["ko"]), id


def test_every_kind_has_a_name_in_every_language() -> None:
    for kind in {*BY_NAME, *terraform.RESOURCES}:
        assert say(tables.KIND(kind=kind)) == kind
        assert re.search("[가-힣]|Flavor", say(tables.KIND(kind=kind), "ko"))
    assert say(tables.KIND(kind="strange"), "ko") == "strange"


FULL = message("test.full", en="the moon is `full`", ko="달이 `꽉` 찼습니다")


def test_texts_may_be_messages(tmp_path: Path) -> None:
    rules = (Difference("a", 1, 2, FULL()), Difference("a", 3, 4, AS_WRITTEN()), Difference("a", 5, 6, FULL()))
    items = tuple(outcomes.item("server", number, "web", SHOP, rule) for number, rule in enumerate(rules))
    left = Item("volume", uuid(50), "", "data", SHOP, "leave", FULL())
    findings = (Finding("error", FULL(), FULL(), FULL(), uuid(50)),)
    outcome = dataclasses.replace(outcomes.company(), items=(*items, left), findings=findings)
    write(outcome, tmp_path / "report")
    korean, english = ((tmp_path / "report" / f"shop.{language}.md").read_text() for language in ("ko", "en"))
    assert korean.count("달이 `꽉` 찼습니다") == english.count("the moon is `full`") == 8
    assert "map.yaml에서 지정했습니다" in korean
    [row] = [row for row in json.loads((tmp_path / "report" / "shop.map.json").read_text())["items"] if row["why"]]
    assert row["why"] == "the moon is `full`"
    assert "the moon is `full`" in (tmp_path / "report" / "shop.map.csv").read_text()


def test_clouds_yaml_in_the_page_is_yaml(nasty: Path) -> None:
    outcome = outcomes.nasty()
    for file in nasty.glob("*.en.md"):
        for block in code_blocks(file.read_text(), "yaml"):
            clouds = yaml.safe_load(block)["clouds"]
            assert list(clouds) == [outcome.old_cloud, outcome.new_cloud]


# -- the directory


def test_written_again_it_is_the_new_one(tmp_path: Path) -> None:
    directory = tmp_path / "report"
    write(outcomes.company(), directory)
    (directory / "stale.html").touch()
    first = write(outcomes.company(), directory, ("ko",))
    assert first == directory / "overview.ko.html" and first.exists()
    assert not (directory / "stale.html").exists() and not (directory / "shop.en.html").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


def test_failed_report_leaves_the_earlier_one(tmp_path: Path) -> None:
    directory = tmp_path / "report"
    write(outcomes.company(), directory)
    before = {file.name: file.read_bytes() for file in directory.iterdir()}
    bad = Downtime(uuid(10), "web-1", 1, "yesterday", "today")
    with pytest.raises(NaruError, match="its times of stop and start"):
        write(dataclasses.replace(outcomes.company(), downtimes=(bad,), items=()), directory)
    assert {file.name: file.read_bytes() for file in directory.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="something else in it than a report"):
        write(outcomes.company(), tmp_path / "mine")
    for languages in (("en", "xx"), ("../en",), ()):
        with pytest.raises(InputError, match="language"):
            write(outcomes.company(), tmp_path / "report", languages)
    twice = dataclasses.replace(outcomes.company(), projects=(Project("p", "", "a", "d"), Project("p", "", "b", "d")))
    with pytest.raises(NaruError, match="a project twice: p"):
        write(twice, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_many_rows(tmp_path: Path) -> None:
    found = tuple(Difference(f"field{number}", number, str(number), "type") for number in range(2))
    items = tuple(outcomes.item("server", number, f"web-{number}", SHOP, *found) for number in range(3000))
    findings = tuple(Finding("info", "slow", about=uuid(number)) for number in range(3000))
    write(Outcome(**{**_fields(outcomes.company()), "items": items, "findings": findings}), tmp_path / "report")
    page = Html((tmp_path / "report" / "shop.ko.html").read_text())
    assert 3000 * 3 < page.count("tr") < 3000 * 3 + 100  # what is the same of 3000 things is said once
    assert (tmp_path / "report" / "shop.imports.tf").read_text().count("\nimport {\n") == 3000
    searched = [attributes for tag, attributes in page.tags if attributes.get("class") == "search"]
    assert len(searched) == 2 and all("{shown}" in str(attributes["data-found"]) for attributes in searched)


def _fields(outcome: Outcome) -> dict[str, object]:
    return {field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)}
