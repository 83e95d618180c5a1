"""Address groups, and rules that name them."""

from pathlib import Path

import pytest
import yaml

from naru.errors import InputError
from naru.inventory.rows import Row
from naru.operate.tenants import export
from naru.operate.tenants.facts import Facts

from .small import NO_RULE, RULE, SHOP, bare, drafted, row, shop, step, told

pytestmark = pytest.mark.unit
TEXT = """
naru_tenants: 1
projects:
  - name: shop
    address_groups: [{name: offices, description: d, addresses: [192.0.2.7, 198.51.100.0/24]}]
    security_groups: [{name: desk, rules: [{protocol: tcp, remote_address_group: offices}]}]
"""
PRUNING = TEXT.replace("projects:", "prune: [address_group_addresses]\nprojects:", 1)


def cloud(*more: Row) -> list[Row]:
    rows = [*bare(), *shop(), *more]
    for one in rows:
        if one.kind == "cloud":
            one.body["extensions"] = {
                **one.body["extensions"],
                "network": [*one.body["extensions"]["network"], "address-group"],
            }
    return rows


def offices(*addresses: str, description: str = "d") -> Row:
    return row(
        "address group", id="ag", name="offices", project_id=SHOP, description=description, addresses=list(addresses)
    )


def desk() -> Row:
    rules = [{**NO_RULE, **RULE, "remote_address_group_id": "ag"}]
    return row("security group", id="s-desk", name="desk", project_id=SHOP, description="", security_group_rules=rules)


def test_one_is_made_before_the_rules_that_name_it(tmp_path: Path) -> None:
    draft = drafted(tmp_path, TEXT, cloud())
    body = step(draft, "address group/shop/offices").args["body"]
    assert body["addresses"] == ["192.0.2.7/32", "198.51.100.0/24"]
    rules = step(draft, "rules security group/shop/desk")
    assert rules.args["add"][0]["remote_address_group_id"] == {"$ref": "address group/shop/offices", "field": "id"}
    assert "address group/shop/offices" in draft.plan.befores()[rules.id]


def test_one_that_is_there_is_no_difference(tmp_path: Path) -> None:
    draft = drafted(tmp_path, TEXT, cloud(offices("198.51.100.0/24", "192.0.2.7/32"), desk()))
    assert told(draft) == [] and draft.plan.steps == []


def test_addresses_come_and_only_pruned_ones_go(tmp_path: Path) -> None:
    rows = cloud(offices("192.0.2.7/32", "203.0.113.0/24", description="other"), desk())
    draft = drafted(tmp_path, TEXT, rows)
    kept = ("address group", "shop/offices")
    assert told(draft) == [("change", *kept, "description"), ("add", *kept, "addresses")]
    assert "drop" not in {k: v for k, v in step(draft, "addresses address group/shop/offices").args.items() if v}
    draft = drafted(tmp_path, PRUNING, rows)
    args = step(draft, "addresses address group/shop/offices").args
    assert (args["add"], args["drop"]) == (["198.51.100.0/24"], ["203.0.113.0/24"])


def test_a_cloud_without_any_cannot_have_them(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        drafted(tmp_path, TEXT, [*bare(), *shop()])
    assert "seoul has no address groups" in str(error.value)


def test_a_file_of_them_is_no_difference_there(tmp_path: Path) -> None:
    rows = cloud(offices("198.51.100.0/24", "192.0.2.7/32"), desk())
    facts = Facts("seoul", rows)
    written = export.text(facts, export.chosen(facts, ["shop"]), whole=False)
    (project,) = yaml.safe_load(written.text)["projects"]
    assert project["address_groups"] == [
        {"name": "offices", "description": "d", "addresses": ["192.0.2.7/32", "198.51.100.0/24"]}
    ]
    (found,) = [one for one in project["security_groups"] if one["name"] == "desk"]
    assert found["rules"] == [{"protocol": "tcp", "remote_address_group": "offices"}]
    draft = drafted(tmp_path, written.text, rows)
    assert told(draft) == [] and draft.plan.steps == []


def test_a_rule_has_one_remote(tmp_path: Path) -> None:
    text = TEXT.replace("remote_address_group: offices", "remote_address_group: offices, remote_group: desk")
    with pytest.raises(InputError) as error:
        drafted(tmp_path, text, cloud())
    assert "a rule has one of" in str(error.value)
