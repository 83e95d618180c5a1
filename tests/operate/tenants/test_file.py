"""The file: what is taken, classes, and one clear line for each mistake."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.operate.tenants.file import load, merge

pytestmark = pytest.mark.unit

HEAD = "naru_tenants: 1\n"


def read(tmp_path: Path, text: str):
    file = tmp_path / "tenants.yaml"
    file.write_text(text)
    return load(file)


MISTAKES = [
    ("projects: []\n", "its first line is `naru_tenants: 1`"),
    ("naru_tenants: 2\n", "written for a newer naru (naru_tenants: 2)"),
    (HEAD + "projects: [{name: a, nets: []}]\n", "projects: a: nets: there is no such field"),
    (HEAD + "projects: [{description: a}]\n", "projects: 0: name: is missing"),
    (HEAD + "projects: [{name: 4711}]\n", "projects: 0: name: give a text, in quotes when it looks like a number"),
    (HEAD + "projects: [{name: a, class: small}]\n", "projects.0.class: there is no class small; classes: none"),
    (HEAD + "classes: {small: {net: 1}}\n", "classes: small: net: there is no such field"),
    (
        HEAD + "projects: [{name: a, quotas: {compute: {cores: many}}}]\n",
        "quotas: compute: cores: input should be a valid int",
    ),
    (
        HEAD + "projects: [{name: a, quotas: {compute: {cores: -2}}}]\n",
        "cores: input should be greater than or equal to -1",
    ),
    (
        HEAD + "projects: [{name: a, networks: [{name: n, subnets: [{name: s, cidr: 10.0.0.1/24}]}]}]\n",
        "projects: a: networks: n: subnets: s: cidr: 10.0.0.1/24 has host bits set",
    ),
    (
        HEAD + "projects: [{name: a, security_groups: [{name: g, rules: [{remote_ip_prefix: '::/0'}]}]}]\n",
        "rules: 0: remote_ip_prefix ::/0 is not ipv4: set ethertype",
    ),
    (HEAD + "projects: [{name: a, members: [{roles: [member]}]}]\n", "members: 0: name either a user or a group"),
    (HEAD + "projects: [{name: a, members: [{user: b, roles: []}]}]\n", "members: 0: roles: "),
    (HEAD + "users: [{name: a, password: hunter2}]\n", "password: a secret is not written here"),
    (HEAD + "prune: [networks]\n", "prune: networks: cannot be pruned; those that can: members"),
    (HEAD + "projects: [{name: a}, {name: a}]\n", "project a is declared 2 times"),
    (HEAD + "projects: [{name: a, networks: [{name: n}, {name: n}]}]\n", "network n of project a is declared 2 times"),
    (HEAD + "projects: [{name: a, name: b}]\n", "the key 'name' is there twice"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_told_with_file_and_field(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    said = str(error.value)
    assert expected.lower() in said.lower()
    assert "tenants.yaml" in said
    assert "hunter2" not in said


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, HEAD + "prune: [x]\nusers: [{nam: a}]\nprojects: [{name: b, c: 1}]\n")
    assert len(error.value.detail.splitlines()) == 4


def test_a_class_is_below_what_the_project_says(tmp_path: Path) -> None:
    tenants = read(
        tmp_path,
        HEAD
        + """
classes:
  small:
    quotas: {compute: {cores: 4, ram: 4096}}
    members: [{group: operators, roles: [reader]}]
    networks: [{name: "{project}-net", mtu: 1400, subnets: [{name: v4, cidr: 10.0.0.0/24}]}]
  open: {security_groups: [{name: ping, rules: [{protocol: icmp}]}]}
projects:
  - name: shop
    class: [small, open]
    quotas: {compute: {cores: 8}}
    members: [{user: mina, roles: [member]}]
    networks: [{name: shop-net, mtu: 1300}, {name: back}]
""",
    )
    (shop,) = tenants.projects
    assert shop.quotas.compute == {"cores": 8, "ram": 4096}
    assert [(one.user or one.group).name for one in shop.members] == ["operators", "mina"]  # type: ignore[union-attr]
    assert [(one.name, one.mtu, len(one.subnets)) for one in shop.networks] == [
        ("shop-net", 1300, 1),
        ("back", None, 0),
    ]
    assert shop.security_groups[0].name == "ping"


def test_false_zero_empty_and_null_are_written(tmp_path: Path) -> None:
    (shop,) = read(
        tmp_path,
        HEAD
        + """
projects:
  - name: shop
    enabled: false
    description: ""
    quotas: {compute: {cores: 0}}
    networks: [{name: n, subnets: [{name: s, cidr: 10.0.0.0/24, gateway_ip: null, dns_nameservers: []}]}]
""",
    ).projects
    assert {"enabled", "description"} <= shop.model_fields_set
    assert shop.quotas.compute == {"cores": 0}
    assert {"gateway_ip", "dns_nameservers"} <= shop.networks[0].subnets[0].model_fields_set
    assert "enable_dhcp" not in shop.networks[0].subnets[0].model_fields_set


def test_a_directory_is_read_as_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD + "classes: {small: {quotas: {compute: {cores: 1}}}}\nprune: [members]\n")
    (tmp_path / "b.yaml").write_text(HEAD + "projects: [{name: b, class: small}]\n")
    (tmp_path / "c.yaml").write_text(HEAD + "projects: [{name: c}]\nprune: [key_pairs]\n")
    tenants = load(tmp_path)
    assert [one.name for one in tenants.projects] == ["b", "c"]
    assert tenants.projects[0].quotas.compute == {"cores": 1}
    assert tenants.prune == {"members", "key_pairs"}
    (tmp_path / "d.yaml").write_text(HEAD + "projects: [{name: c}]\n")
    with pytest.raises(InputError, match="project c is declared 2 times"):
        load(tmp_path)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="has no"):
        load(tmp_path)


def test_lists_of_unnamed_things_are_replaced() -> None:
    assert merge({"tags": ["a"], "x": 1}, {"tags": ["b"]}) == {"tags": ["b"], "x": 1}
    assert merge({"tags": ["a"]}, {"tags": []}) == {"tags": []}
