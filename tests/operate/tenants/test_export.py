"""The file of what a cloud has: read again, it says that nothing is to be done there."""

from pathlib import Path

import pytest
import yaml

from naru.errors import InputError
from naru.operate.tenants import export
from naru.operate.tenants.facts import Facts

from .small import SHOP, bare, drafted, network, row, shop, told

pytestmark = pytest.mark.unit


def written(rows: list, *projects: str) -> tuple[str, list[str]]:
    facts = Facts("seoul", rows)
    return export.text(facts, export.chosen(facts, projects), whole=not projects)[:2]


def test_a_file_of_a_cloud_is_no_difference_there(tmp_path: Path) -> None:
    for projects in ((), ("shop",)):
        text, _ = written(bare() + shop(), *projects)
        draft = drafted(tmp_path, text, bare() + shop())
        assert told(draft) == [] and draft.plan.steps == []


def test_of_some_projects_who_is_in_them_is_written_and_nobody_else() -> None:
    text, left = written([*bare(), *shop(), row("user", id="u-other", name="other", domain_id="default")], "shop")
    content = yaml.safe_load(text)
    assert [one["name"] for one in content["users"]] == ["jun", "mina"]
    assert content["roles"] == ["member"]
    assert [one["name"] for one in content["projects"]] == ["shop"]
    assert "domains" not in content  # the default one is everywhere
    assert "password" not in text and SHOP not in text
    assert left == []


def test_it_is_written_short() -> None:
    (project,) = yaml.safe_load(written(bare() + shop(), "shop")[0])["projects"]
    (front,) = project["networks"]
    # what is as in every new one is not written; null is, where it says something
    assert front["subnets"] == [
        {"name": "front-v4", "cidr": "10.0.0.0/24"},
        {"name": "none-v4", "cidr": "10.1.0.0/24", "gateway_ip": None, "tags": ["a", "b"]},
    ]
    assert project["routers"] == [{"name": "edge", "gateway": {"network": "public"}, "interfaces": ["front-v4"]}]
    assert project["members"] == [{"user": "mina", "roles": ["member"]}, {"group": "crew", "roles": ["member"]}]


def test_what_a_file_cannot_say_is_told() -> None:
    rows = [*bare(), *shop(), network("n-1", "", SHOP), network("n-2", "twin", SHOP), network("n-3", "twin", SHOP)]
    text, left = written(rows, "shop")
    assert left == [
        "network shop/n-1: it has no name",
        "network shop/twin: another one has the same name and description",
        "network shop/twin: another one has the same name and description",
    ]
    assert "twin" not in text


def test_what_no_file_declares_is_told_of_the_projects_that_have_it() -> None:
    rows = [*bare(), *shop(), row("subnet pool", id="sp-1", name="pool", project_id=SHOP)]
    rows += [
        row("QoS policy", id="q-1", name="slow", project_id=SHOP),
        row("trunk", id="t-1", name="", project_id=SHOP),
    ]
    rows += [row("address scope", id="as-1", name="scope", project_id="p-other")]
    why = "a file does not declare any"
    told_of = [f"subnet pool shop/pool: {why}", f"QoS policy shop/slow: {why}", f"trunk shop/t-1: {why}"]
    assert written(rows, "shop")[1] == told_of
    # of the whole cloud, also what is nobody's here
    assert written(rows)[1][-4:] == [f"address scope scope: {why}", *told_of]


def test_a_project_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="--project nothing: seoul has no such project"):
        written(bare(), "nothing")
