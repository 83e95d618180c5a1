"""Differences and plans, of a file and a small cloud."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.operate.tenants import planner
from naru.plan.arguments import references

from .small import SHOP, bare, drafted, network, shop, step, told

pytestmark = pytest.mark.unit

NEW = """
naru_tenants: 1
roles: [auditor]
users:
  - name: mina
    default_project: shop
    password: {file: mina.password}
    key_pairs: [{name: laptop, public_key: ssh-rsa AA}]
groups: [{name: crew, members: [mina]}]
flavors:
  - {name: big, ram: 1, vcpus: 1, disk: 0, is_public: false, access: [shop], extra_specs: {"hw:cpu_policy": shared}}
volume_types: [{name: gold, is_public: false, access: [shop]}]
projects:
  - name: lab
    parent: shop
  - name: shop
    description: ""
    tags: [a]
    quotas: {compute: {cores: 30}}
    members: [{user: mina, roles: [member, auditor]}, {group: crew, roles: [auditor], inherited: true}]
    security_groups:
      - {name: web, rules: [{protocol: tcp, port_range_min: 80, port_range_max: 80}, {remote_group: db}]}
      - {name: db, rules: [{remote_group: web}, {remote_group: db}]}
    networks: [{name: front, subnets: [{name: v4, cidr: 10.0.0.0/24, gateway_ip: null}], shared_with: [lab]}]
    routers:
      - name: edge
        gateway: {network: public}
        interfaces: [{subnet: v4, ip_address: 10.0.0.9}]
        routes: [{destination: 10.9.0.0/16, nexthop: 10.0.0.5}]
"""


def test_everything_is_made_in_an_order_that_goes(tmp_path: Path) -> None:
    draft = drafted(tmp_path, NEW, bare())
    befores = draft.plan.befores()

    def before(one: str) -> set[str]:
        found = set(befores.get(one, ()))
        return found.union(*(before(other) for other in found)) if found else found

    assert {one.what for one in draft.differences} == {"create", "add", "change"}
    # below which project, which default project, whatever the order in the file
    assert "project/shop" in before("project/lab") and "project/shop" in before("user/mina")
    assert before("password user/mina") == {"user/mina", "project/shop"}
    # quotas and the default group first: all that is made in the project comes after them
    for one in ("network/shop/front", "subnet/shop/front/v4", "router/shop/edge", "security group/shop/web"):
        assert {"compute quota/shop", "security group/shop/default"} <= before(one)
    # rules after the groups that they name, and each other's
    assert "security group/shop/db" in before("rules security group/shop/web")
    assert "security group/shop/web" in before("rules security group/shop/db")
    assert {"router/shop/edge", "subnet/shop/front/v4"} <= before("add interface shop/edge shop/front/v4")
    assert "add interface shop/edge shop/front/v4" in before("routes router/shop/edge")
    assert {"network/shop/front", "project/lab"} <= before("share network/shop/front lab")
    assert {"user/mina", "project/shop", "role/auditor"} <= before("add members project/shop/user mina: auditor")
    assert {"flavor/big", "project/shop"} <= before("add access flavor/big/shop")


def test_what_is_made_is_asked_for_as_it_is_written(tmp_path: Path) -> None:
    draft = drafted(tmp_path, NEW, bare())
    shop = step(draft, "project/shop").args["body"]
    assert shop == {"name": "shop", "domain_id": "default", "description": "", "tags": ["a"]}
    subnet = step(draft, "subnet/shop/front/v4").args["body"]
    assert subnet["gateway_ip"] is None and subnet["ip_version"] == 4 and "enable_dhcp" not in subnet
    router = step(draft, "router/shop/edge").args["body"]
    assert router["external_gateway_info"] == {"network_id": "n-public", "enable_snat": True}
    rules = step(draft, "rules security group/shop/web").args
    assert rules["whole"] and [one.get("protocol") for one in rules["add"]] == ["tcp", None]
    assert step(draft, "password user/mina").args["file"] == "mina.password"
    assert "password" not in step(draft, "user/mina").args["body"]
    inherited = step(draft, "add members project/shop/group crew: auditor (inherited)").args["requests"][0]["path"]
    assert inherited[0] == "/OS-INHERIT" and inherited[-1] == "/inherited_to_projects"


def test_every_step_has_its_undo(tmp_path: Path) -> None:
    draft = drafted(tmp_path, NEW, bare())
    for one in draft.plan.steps:
        if one.kind == "cloud.call":
            assert one.args["undo"], one.id
        for request in one.args.get("undo", ()):
            assert request["method"] != "DELETE" or 404 in request["ok"], one.id
            assert set(references(request)) <= set(draft.plan.befores().get(one.id, ())), one.id


AS_IT_IS = """
naru_tenants: 1
users:
  - {name: mina, email: mina@shop.example, description: ""}
  - {name: jun, default_project: shop}
groups: [{name: crew, members: [jun]}]
flavors:
  - {name: shop.large, id: "4711", ram: 64, vcpus: 1, disk: 1, is_public: false, access: [shop], extra_specs: {a: "1"}}
projects:
  - name: shop
    description: ""
    quotas: {compute: {cores: 20}, volume: {volumes: 10}}
    members: [{user: mina, roles: [member]}, {group: crew, roles: [member]}]
    security_groups:
      - {name: web, rules: [{protocol: tcp, port_range_min: 80, port_range_max: 80}, {protocol: tcp, remote_group: db}]}
      - {name: db, rules: []}
    networks:
      - name: front
        dns_domain: shop.example.
        subnets:
          - {name: front-v4, cidr: 10.0.0.0/24}
          - {name: none-v4, cidr: 10.1.0.0/24, gateway_ip: null, tags: [a, b]}
    routers: [{name: edge, gateway: {network: public}, interfaces: [front-v4]}]
"""


def test_what_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    draft = drafted(tmp_path, AS_IT_IS, bare() + shop())
    assert told(draft) == []
    assert draft.plan.steps == []


CHANGES = [
    ("email: mina@shop.example", 'email: ""', ("change", "user", "mina", "email")),
    (
        "{name: jun, default_project: shop}",
        "{name: jun, default_project: null}",
        ("change", "user", "jun", "default_project_id"),
    ),
    ("members: [jun]", "members: [jun, mina]", ("add", "group", "crew", "members")),
    ('description: ""\n    quotas', "enabled: false\n    quotas", ("change", "project", "shop", "enabled")),
    ("{cores: 20}", "{cores: -1}", ("change", "compute quota", "shop", "cores")),
    ("{cores: 20}", "{cores: 0}", ("change", "compute quota", "shop", "cores")),
    ("{user: mina, roles: [member]}", "{user: mina, roles: [member, admin]}", ("add", "project", "shop", "members")),
    ("{name: db, rules: []}", "{name: db, rules: [{protocol: 47}]}", ("add", "security group", "shop/db", "rules")),
    ("{name: db, rules: []}", "{name: db, stateful: false}", ("change", "security group", "shop/db", "stateful")),
    (
        "dns_domain: shop.example.",
        "dns_domain: null, mtu: 0".replace(", ", "\n        "),
        ("change", "network", "shop/front", "mtu"),
    ),
    (
        "cidr: 10.0.0.0/24}",
        "cidr: 10.0.0.0/24, enable_dhcp: false}",
        ("change", "subnet", "shop/front/front-v4", "enable_dhcp"),
    ),
    ("gateway_ip: null", "gateway_ip: 10.1.0.1", ("change", "subnet", "shop/front/none-v4", "gateway_ip")),
    ("tags: [a, b]", "tags: []", ("change", "subnet", "shop/front/none-v4", "tags")),
    (
        "{network: public}",
        "{network: public, enable_snat: false}",
        ("change", "router", "shop/edge", "external_gateway_info"),
    ),
    ("gateway: {network: public}", "gateway: null", ("change", "router", "shop/edge", "external_gateway_info")),
    ("[front-v4]", "[front-v4, {subnet: none-v4, ip_address: 10.1.0.9}]", ("add", "router", "shop/edge", "interfaces")),
    ('{a: "1"}', '{a: ""}', ("change", "flavor", "shop.large", "extra_specs: a")),
    ("access: [shop]", "access: [shop, admin]", ("add", "flavor", "shop.large", "access")),
]


@pytest.mark.parametrize(("there", "instead", "expected"), CHANGES)
def test_a_change_is_one_step_that_is_taken_back(
    tmp_path: Path, there: str, instead: str, expected: tuple[str, str, str, str]
) -> None:
    assert there in AS_IT_IS
    draft = drafted(tmp_path, AS_IT_IS.replace(there, instead, 1), bare() + shop())
    assert expected in told(draft)
    (made,) = draft.plan.steps
    assert made.kind in ("tenant.rules", "tenant.interface") or made.args["undo"]


def test_an_undo_has_what_was_there_before(tmp_path: Path) -> None:
    draft = drafted(tmp_path, AS_IT_IS.replace("{cores: 20}", "{cores: 0}"), bare() + shop())
    args = step(draft, "compute quota/shop").args
    assert args["requests"][0]["body"] == {"quota_set": {"cores": 0}}
    assert args["undo"][0]["body"] == {"quota_set": {"cores": 20}}
    draft = drafted(tmp_path, AS_IT_IS.replace("gateway: {network: public}", "gateway: null"), bare() + shop())
    args = step(draft, "change router/shop/edge").args
    assert args["requests"][0]["body"] == {"router": {"external_gateway_info": {}}}
    assert args["undo"][0]["body"]["router"]["external_gateway_info"]["network_id"] == "n-public"


REFUSED = [
    (
        "cidr: 10.0.0.0/24",
        "cidr: 10.7.0.0/24",
        "subnet shop/front/front-v4: cidr: 10.0.0.0/24, in the file 10.7.0.0/24",
    ),
    ("ram: 64", "ram: 128", "flavor shop.large: ram: 64, in the file 128"),
    ("  - name: shop\n", "  - name: shop\n    parent: admin\n", "project shop: parent_id: default, in the file admin"),
    (
        "[front-v4]",
        "[{subnet: front-v4, ip_address: 10.0.0.7}]",
        "interfaces: shop/front/front-v4: 10.0.0.1, in the file 10.0.0.7",
    ),
]


@pytest.mark.parametrize(("there", "instead", "expected"), REFUSED)
def test_what_cannot_be_changed_is_refused_and_not_made_anew(
    tmp_path: Path, there: str, instead: str, expected: str
) -> None:
    draft = drafted(tmp_path, AS_IT_IS.replace(there, instead, 1), bare() + shop())
    with pytest.raises(InputError) as error:
        planner.refuse(draft, tmp_path / "tenants.yaml")
    assert expected in error.value.detail


LESS = """
naru_tenants: 1
{prune}
users: [{{name: mina, key_pairs: []}}]
groups: [{{name: crew, members: []}}]
flavors: [{{name: shop.large, ram: 64, vcpus: 1, disk: 1, is_public: false, access: [], extra_specs: {{}}}}]
projects:
  - name: shop
    members: [{{user: mina, roles: [member]}}]
    security_groups: [{{name: web, rules: []}}]
    routers: [{{name: edge, interfaces: []}}]
"""
TAKEN = {
    "group_members": "remove members group/crew/jun",
    "members": "remove members project/shop/group crew: member",
    "flavor_access": "remove access flavor/shop.large/shop",
    "extra_specs": "remove extra_specs flavor/shop.large/a",
    "security_group_rules": "rules security group/shop/web",
    "interfaces": "remove interface shop/edge shop/front/front-v4",
}


def test_nothing_is_taken_away_that_is_not_pruned(tmp_path: Path) -> None:
    draft = drafted(tmp_path, LESS.format(prune=""), bare() + shop())
    assert draft.plan.steps == []
    assert {one.field for one in draft.differences} >= {"members", "access", "extra_specs", "rules", "interfaces"}


@pytest.mark.parametrize("kind", TAKEN)
def test_of_a_pruned_kind_what_is_not_named_goes(tmp_path: Path, kind: str) -> None:
    draft = drafted(tmp_path, LESS.format(prune=f"prune: [{kind}]"), bare() + shop())
    assert [one.id for one in draft.plan.steps] == [TAKEN[kind]]


WRONG = [
    (
        "projects: [{name: a, members: [{user: minna, roles: [member]}]}]",
        "no user minna, neither in the file nor on seoul; there is mina",
    ),
    ("projects: [{name: a, members: [{user: mina, roles: [boss]}]}]", "projects: a: members: there is no role boss"),
    ("projects: [{name: a, domain: guild}]", "projects: a: domain: there is no domain guild"),
    ("projects: [{name: a, parent: b}, {name: b, parent: a}]", "projects are below each other: a -> b -> a"),
    (
        "projects: [{name: a, quotas: {compute: {coers: 1}}}]",
        "compute: coers: seoul has no such quota; it has: cores, instances",
    ),
    (
        "projects: [{name: a, routers: [{name: r, gateway: {network: publik}}]}]",
        "routers: a/r: gateway: there is no network publik",
    ),
    (
        "projects: [{name: a, routers: [{name: r, interfaces: [v4]}]}]",
        "routers: a/r: interfaces: there is no subnet v4",
    ),
    (
        "projects: [{name: a, security_groups: [{name: g, rules: [{remote_group: web}]}]}]",
        "security_groups: a/g: rules: there is no security group web",
    ),
    ("flavors: [{name: f, ram: 1, vcpus: 1, disk: 1, access: [shop]}]", "flavors: f: access: it is public"),
    ("groups: [{name: g, members: [jun, jun]}]", "groups: g: members: jun is there twice"),
    (
        "projects: [{name: shop, routers: [{name: edge, interfaces: [front-v4, front-v4]}]}]",
        "routers: shop/edge: interfaces: shop/front/front-v4 is there twice",
    ),
    ("groups: [{name: g, members: [nobody]}]", "groups: g: members: there is no user nobody"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_a_name_that_means_nothing_is_told(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        drafted(tmp_path, f"naru_tenants: 1\n{text}\n", bare() + shop())
    assert expected in error.value.detail
    assert len(error.value.detail.splitlines()) == 1


def test_another_projects_group_is_named_with_it(tmp_path: Path) -> None:
    text = "projects: [{name: a, security_groups: [{name: g, rules: [{remote_group: {name: web, project: shop}}]}]}]"
    draft = drafted(tmp_path, f"naru_tenants: 1\n{text}\n", bare() + shop())
    (rule,) = step(draft, "rules security group/a/g").args["add"]
    assert rule["remote_group_id"] == "s-web"


def test_of_two_with_one_name_the_description_says_which(tmp_path: Path) -> None:
    two = "networks: [{name: same, description: one}, {name: same, description: two}]"
    rows = bare() + shop()
    draft = drafted(tmp_path, f"naru_tenants: 1\nprojects: [{{name: shop, {two}}}]\n", rows)
    made = [one for one in draft.plan.steps if one.kind == "tenant.create"]
    assert [one.args["find"]["where"]["description"] for one in made] == ["one", "two"]
    assert len({one.id for one in made}) == 2


def test_one_that_is_there_is_not_taken_by_another_declaration_of_its_name(tmp_path: Path) -> None:
    two = "networks: [{name: same, description: one}, {name: same, description: two}]"
    rows = [*bare(), *shop(), network("n-two", "same", SHOP, description="two")]
    draft = drafted(tmp_path, f"naru_tenants: 1\nprojects: [{{name: shop, {two}}}]\n", rows)
    assert told(draft) == [("create", "network", "shop/same", "")]
    (made,) = draft.plan.steps
    assert made.args["find"]["where"]["description"] == "one"


def test_a_field_that_the_cloud_does_not_have_is_left_out_and_told(tmp_path: Path) -> None:
    rows = bare() + shop()
    cloud = rows[0]
    cloud.body["extensions"] = {"identity": [], "network": []}
    text = "projects: [{name: shop, tags: [a], security_groups: [{name: web, stateful: false}]}]"
    draft = drafted(tmp_path, f"naru_tenants: 1\n{text}\n", rows)
    assert draft.plan.steps == [] and told(draft) == []
    assert len(draft.plan.findings) == 2


def test_a_quota_may_be_of_a_volume_type_that_is_made(tmp_path: Path) -> None:
    text = "volume_types: [{name: gold}]\nprojects: [{name: shop, quotas: {volume: {gigabytes_gold: 5, volumes: 10}}}]"
    draft = drafted(tmp_path, f"naru_tenants: 1\n{text}\n", bare() + shop())
    made = step(draft, "volume quota/shop")
    assert made.args["requests"][0]["body"] == {"quota_set": {"gigabytes_gold": 5}}
    assert made.args["undo"][0]["body"] == {"quota_set": {"gigabytes_gold": -1}}
    assert draft.plan.befores()[made.id] == ["volume type/gold"]
    with pytest.raises(InputError, match="gigabytes_gold: seoul has no such quota"):
        drafted(tmp_path, f"naru_tenants: 1\n{text.splitlines()[1]}\n", bare() + shop())


def test_a_role_that_a_class_gives_too_is_given_once(tmp_path: Path) -> None:
    member = "{user: kim, roles: [member]}"
    text = f"""
naru_tenants: 1
users: [{{name: kim}}]
classes: {{team: {{members: [{member}]}}}}
projects: [{{name: a, class: team, members: [{{user: kim, roles: [member, admin]}}]}}]
"""
    draft = drafted(tmp_path, text, bare())
    assert [one.id for one in draft.plan.steps if "members" in one.id] == [
        "add members project/a/user kim: member",
        "add members project/a/user kim: admin",
    ]


def test_a_service_that_the_cloud_does_not_have_is_told(tmp_path: Path) -> None:
    rows = bare()
    rows[0].body["versions"] = {"identity": "3.14"}
    with pytest.raises(InputError, match="network a/n: seoul has no network service"):
        drafted(tmp_path, "naru_tenants: 1\nprojects: [{name: a, networks: [{name: n}]}]\n", rows)


def test_what_the_cloud_alone_has_is_told_and_is_no_difference(tmp_path: Path) -> None:
    draft = drafted(tmp_path, "naru_tenants: 1\nprojects: [{name: shop}]\n", bare() + shop())
    assert told(draft) == [] and draft.plan.steps == []
    found = {one.name for one in draft.differences}
    assert found == {"shop/web", "shop/db", "shop/front", "shop/edge"}


def test_ids_of_the_project_are_not_in_labels(tmp_path: Path) -> None:
    draft = drafted(
        tmp_path, AS_IT_IS.replace("[front-v4]", "[front-v4, {subnet: none-v4, ip_address: 10.1.0.9}]"), bare() + shop()
    )
    assert all(SHOP not in one.id for one in draft.plan.steps)
