"""The map: what is suggested and why, what is refused, and that nothing written is lost."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.errors import InputError
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Draft, Options
from naru.move.facts import Facts, Side
from naru.move.mapping import Choice

pytestmark = pytest.mark.unit


NEWEST = {"user_id": "a", "versions": {"compute": "2.103", "block-storage": "3.71"}, "extensions": {}}


class Given(Side):
    """A side whose rows are given, of a release without extensions."""

    snapshot = 1

    def __init__(self, cloud: str, things: dict[str, list[dict[str, Any]]]) -> None:
        self.cloud = cloud
        self._indexes = {}
        self.unread = {}
        things = {"cloud": [{"name": cloud, **NEWEST}], "role": [{"id": "member", "name": "member"}], **things}
        self._kinds = {
            kind: {row.id: row for row in (Row.of(BY_NAME[kind], body) for body in things.get(kind, []))}
            for kind in BY_NAME
        }


FLAVOR = {"id": "f1", "name": "small", "ram": 64, "vcpus": 1, "disk": 1, "swap": "", "rxtx_factor": 1.0}
# as Keystone makes them; a directory's have other ids
MINA, JUN, OPS = "a" * 32, "b" * 32, "c" * 32
OLD: dict[str, list[dict[str, Any]]] = {
    "domain": [{"id": "default", "name": "Default"}, {"id": "d2", "name": "corp"}],
    "project": [
        {"id": "p", "name": "shop", "domain_id": "default"},
        {"id": "q", "name": "other", "domain_id": "default"},
        {"id": "s", "name": "service", "domain_id": "default"},
    ],
    "user": [{"id": MINA, "name": "mina", "domain_id": "d2"}, {"id": JUN, "name": "jun", "domain_id": "d2"}],
    "group": [{"id": OPS, "name": "ops", "domain_id": "default"}],
    "group membership": [{"group_id": OPS, "id": JUN, "name": "jun"}],
    "role": [{"id": "r", "name": "_member_"}, {"id": "r2", "name": "auditor"}],
    "role assignment": [
        {"role": {"id": "r"}, "user": {"id": MINA}, "scope": {"project": {"id": "p"}}},
        {"role": {"id": "r2"}, "group": {"id": OPS}, "scope": {"project": {"id": "p"}}},
        {"role": {"id": "r2"}, "user": {"id": "gone"}, "scope": {"project": {"id": "p"}}},
    ],
    "flavor": [FLAVOR],
    "image": [{"id": "i", "name": "debian", "owner": "q", "checksum": "c1"}],
    "server": [
        {
            "id": "v1",
            "name": "web",
            "tenant_id": "p",
            "user_id": MINA,
            "flavor_link": {"id": "f1"},
            "image": {"id": "i"},
            "OS-EXT-AZ:availability_zone": "zone-a",
        },
        {"id": "v2", "name": "db", "tenant_id": "p", "user_id": MINA, "flavor_link": {"id": "f1"}, "image": ""},
        {"id": "v3", "name": "theirs", "tenant_id": "q", "user_id": MINA, "flavor_link": {"id": "f1"}, "image": ""},
    ],
    "volume type": [{"id": "t", "name": "fast", "extra_specs": {"volume_backend_name": "x"}}],
    "volume": [
        {
            "id": "w",
            "name": "data",
            "os-vol-tenant-attr:tenant_id": "p",
            "volume_type": "fast",
            "availability_zone": "nova",
        }
    ],
    "network": [
        {"id": "n", "name": "public", "project_id": "q", "router:external": True},
        {"id": "m", "name": "inner", "project_id": "p", "router:external": False, "provider:physical_network": "phys"},
    ],
    "subnet": [{"id": "sn", "name": "", "network_id": "n", "cidr": "198.18.0.0/20", "project_id": "q"}],
    "router": [{"id": "ro", "name": "edge", "project_id": "p", "external_gateway_info": {"network_id": "n"}}],
}
NEW: dict[str, list[dict[str, Any]]] = {
    "domain": [{"id": "default", "name": "Default"}],
    "role": [{"id": "x", "name": "member"}],
    "flavor": [{**FLAVOR, "id": "f9", "swap": 0}],
    "image": [{"id": "j", "name": "debian", "owner": "", "checksum": "c1"}],
    "volume type": [{"id": "t8", "name": "ceph"}, {"id": "t9", "name": "nfs"}],
    "compute availability zone": [{"zoneName": "nova"}, {"zoneName": "internal"}],
    "volume availability zone": [{"zoneName": "nova"}, {"zoneName": "b"}],
    "network": [{"id": "n2", "name": "internet", "project_id": "a", "router:external": True}],
    "subnet": [{"id": "sn2", "name": "", "network_id": "n2", "cidr": "198.18.0.0/20", "project_id": "a"}],
}


def facts(old: dict[str, Any] | None = None, new: dict[str, Any] | None = None, *projects: str) -> Facts:
    return Facts(Given("old", OLD | (old or {})), Given("new", NEW | (new or {})), list(projects) or ["shop"])


def planned(found: Facts) -> Draft:
    """A plan of these facts, by what is suggested."""
    return planner.make(found, mapfile.choose(found, mapfile.EMPTY), Options(key="/key"), settings={})


def chosen(found: Facts, written: mapfile.Map = mapfile.EMPTY) -> dict[tuple[str, str], tuple[str | None, str]]:
    return {(item.need.section, item.need.key): (item.target, say(item.why)) for item in mapfile.choose(found, written)}


def test_every_need_is_matched_or_left_open_with_the_reason() -> None:
    assert chosen(facts()) == {
        ("domains", "Default"): ("Default", "same name"),
        ("domains", "corp"): ("create", "not on the new cloud"),
        ("roles", "_member_"): ("member", "what _member_ became"),
        ("roles", "auditor"): ("create", "not on the new cloud"),
        ("flavors", "small"): ("small", "same name and size"),
        ("images", "debian"): ("debian", "same name and content"),
        ("volume_types", "fast"): (None, "not on the new cloud; new has ceph, nfs"),
        ("compute_zones", "zone-a"): ("nova", "the only one"),
        ("volume_zones", "nova"): ("nova", "same name"),
        ("networks", "public"): ("internet", "same CIDR"),
        ("physical_networks", "phys"): (None, "no network or agent of the new cloud names it"),
    }


def test_who_uses_it_is_told() -> None:
    used = {item.need.key: item.need.users for item in mapfile.choose(facts(), mapfile.EMPTY)}
    assert used["small"] == {"server": 2} and used["public"] == {"router": 1}
    assert used["auditor"] == {"role assignment": 2}
    assert used["corp"] == {"user": 2}  # one by a group


def test_what_differs_is_not_matched_by_its_name_alone() -> None:
    other = facts(
        new={
            "flavor": [{**FLAVOR, "vcpus": 2, "extra_specs": {"hw:x": "1"}}],
            "image": [NEW["image"][0] | {"checksum": "c2"}],
        }
    )
    found = chosen(other)
    assert found["flavors", "small"] == (None, "one of that name is different: vcpus 1 -> 2")
    assert found["images", "debian"] == (None, "one of that name has other content")
    typed = facts(new={"volume type": [{"id": "t", "name": "fast", "extra_specs": {"multiattach": "<is> True"}}]})
    assert chosen(typed)["volume_types", "fast"] == ("fast", "same name, but other multiattach")


def test_what_is_written_counts_and_ids_mean_the_same() -> None:
    written = type(mapfile.EMPTY).model_validate({"volume_types": {"t": "nfs"}, "networks": {"public": "n2"}})
    found = chosen(facts(), written)
    assert found["volume_types", "fast"] == ("nfs", "as written")
    assert found["networks", "public"] == ("n2", "as written")


AGENTS: list[dict[str, Any]] = [
    {"id": "a1", "agent_type": "Open vSwitch agent", "configurations": {"bridge_mappings": {"phys1": "br-1"}}},
    {"id": "a2", "agent_type": "Linux bridge agent", "configurations": {"interface_mappings": {"phys2": "eth2"}}},
    {"id": "a3", "agent_type": "NIC Switch agent", "configurations": {"device_mappings": {"phys3": ["ens3"]}}},
    {"id": "a4", "agent_type": "OVN Controller agent", "configurations": {"bridge-mappings": "phys4:br-4,phys5:br-5"}},
    {"id": "a5", "agent_type": "OVN Controller agent", "configurations": {"bridge-mappings": ""}},
    {"id": "a6", "agent_type": "DHCP agent", "configurations": {}},
]


@pytest.mark.parametrize(
    ("agents", "named", "told"),
    [
        (AGENTS, "phys3", None),
        (AGENTS, "phys4", None),
        (AGENTS, "phys9", ("warning", "Named are: phys1, phys2, phys3, phys4, phys5.")),
        ([], "phys9", ("warning", "None is named.")),
        ([], "phys", ("info", "None is named.")),
    ],
)
def test_a_physical_network_that_nothing_names_is_told(
    agents: list[dict[str, Any]], named: str, told: tuple[str, str] | None
) -> None:
    external, inner = OLD["network"]
    found = facts({"network": [external, {**inner, "provider:network_type": "flat"}]}, {"network agent": agents})
    written = mapfile.parse({"physical_networks": {"phys": named}})
    draft = planner.make(found, mapfile.choose(found, written), Options(key="/key"), settings={})
    findings = [one for one in draft.plan.findings if "names it" in say(one.summary)]
    assert [(one.severity, say(one.detail).partition(" Neutron")[0]) for one in findings] == ([told] if told else [])


def test_a_name_of_several_things_is_not_a_key() -> None:
    two = {"volume type": [*OLD["volume type"], {"id": "t2", "name": "fast"}]}
    assert {("volume_types", "t"), ("volume_types", "t2")} <= chosen(facts(old=two)).keys()


def test_all_means_every_project_but_the_clouds_own() -> None:
    assert [row.name for row in Facts(Given("old", OLD), Given("new", NEW), None).projects.values()] == [
        "shop",
        "other",
    ]
    with pytest.raises(InputError, match="no such project"):
        facts(None, None, "nothing")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"from": "elsewhere"}, "written for elsewhere, not for old"),
        ({"flavors": {"big": "small"}}, "flavors: big: old has no such flavor"),
        ({"flavors": {"small": "big"}}, "flavors: small: no flavor is called big; new has small"),
        ({"volume_types": {"fast": "create"}}, "volume_types: fast: a volume_type cannot be created"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_line_by_line(written: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        mapfile.choose(facts(), type(mapfile.EMPTY).model_validate(written))
    assert message in refused.value.detail


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a map"),
        ("[1]", "is not a map"),
        ("naru_map: one", "is not a map"),
        ("naru_map: 2", "newer Naru"),
        ("naru_map: 1\nflavours: {}", "flavours: there is no such section; it has: domains"),
        ("naru_map: 1\nflavors: {small: 7}", "flavors.small: give a name or an id"),
        ("naru_map: 1\nflavors: [", "is not YAML"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_file_that_is_no_map_is_one_clear_error(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "map.yaml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError) as refused:
        mapfile.load(file)
    assert message in str(refused.value) and str(file) in refused.value.summary


@settings(max_examples=40)
@given(name=st.text(min_size=1), target=st.none() | st.text(min_size=1))
def test_whatever_a_name_holds_the_file_says_it_again(
    tmp_path_factory: pytest.TempPathFactory, name: str, target: str | None
) -> None:
    file = tmp_path_factory.mktemp("map") / "map.yaml"
    typed = {"volume type": [{"id": "t", "name": name}], "volume": [{**OLD["volume"][0], "volume_type": name}]}
    need = next(need for need in mapfile.needs(facts(old=typed)) if need.section == "volume_types")
    mapfile.save(file, mapfile.text(facts(), [Choice(need, target, "because\nof it")], mapfile.EMPTY))
    assert mapfile.load(file).volume_types == {name: target}


def test_a_suggestion_keeps_what_was_written_for_others(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    found = facts(old={"volume type": [*OLD["volume type"], {"id": "t2", "name": "slow"}]})
    written = type(mapfile.EMPTY).model_validate({"volume_types": {"slow": "nfs", "fast": "ceph"}})
    mapfile.save(file, mapfile.text(found, mapfile.choose(found, written), written))
    again = mapfile.load(file)
    assert again.volume_types == {"fast": "ceph", "slow": "nfs"} and (again.old, again.new) == ("old", "new")
    assert mapfile.text(found, mapfile.choose(found, again), again).count("as written") > 5
