"""Which projects need which others, who goes together, and in which waves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.move.dependencies import dependencies
from naru.move.facts import names
from naru.plan.windows.needs import needed, together
from naru.plan.windows.waves import waves

from .test_mapping import Given

pytestmark = pytest.mark.unit

NAMES = {"a": "shop", "b": "lab", "c": "guild"}
NETWORK = {"id": "n", "name": "office", "project_id": "b", "shared": True}


def found(**things: list[dict[str, Any]]) -> list[str]:
    side = Given("old", {kind.replace("_", " "): rows for kind, rows in things.items()})
    return [dependency.text(NAMES) for dependency in dependencies(side, NAMES)]


def test_a_project_needs_the_owner_of_what_its_things_name() -> None:
    port = {"project_id": "a", "network_id": "n"}
    assert found(network=[NETWORK], port=[{**port, "id": "1"}, {**port, "id": "2"}]) == [
        "shop needs lab: port, network office (2)"
    ]
    assert found(
        image=[{"id": "i", "name": "debian", "owner": "c"}],
        server=[{"id": "s", "name": "web", "tenant_id": "a", "image": {"id": "i"}}],
    ) == ["shop needs guild: server, image debian"]
    rule = {"remote_group_id": "g2", "remote_address_group_id": "ag"}
    assert found(
        **{
            "security_group": [
                {"id": "g1", "name": "web", "project_id": "a", "security_group_rules": [rule]},
                {"id": "g2", "name": "db", "project_id": "b"},
            ],
            "address_group": [{"id": "ag", "name": "offices", "project_id": "c"}],
        }
    ) == [
        "shop needs lab: security group, security group db",
        "shop needs guild: security group, address group offices",
    ]


def test_a_server_needs_its_ports_and_not_they_the_server() -> None:
    ports = [{"id": "1", "name": "nic", "project_id": "b", "device_id": "s", "network_id": "n"}]
    assert found(port=ports, server=[{"id": "s", "tenant_id": "a"}]) == ["shop needs lab: server, port nic"]


def test_an_address_and_the_router_before_it_need_each_other() -> None:
    floating = {"id": "f", "name": "198.18.0.9", "project_id": "a", "router_id": "r"}
    assert found(floating_IP=[floating], router=[{"id": "r", "name": "edge", "project_id": "b"}]) == [
        "shop needs lab: floating IP, router edge",
        "lab needs shop: router, floating IP 198.18.0.9",
    ]


def test_what_is_shared_owned_or_remembered_binds_nobody() -> None:
    assert not found(
        network=[NETWORK, {"id": "x", "name": "public", "project_id": "admin"}],
        RBAC_policy=[{"id": "p", "project_id": "b", "object_id": "n", "object_type": "network", "target_tenant": "a"}],
        port=[{"id": "1", "project_id": "a", "network_id": "x"}, {"id": "2", "project_id": "a", "network_id": "gone"}],
        project=[{"id": "a", "name": "shop", "parent_id": "b"}, {"id": "b", "name": "lab"}],
        image=[{"id": "i", "name": "debian", "owner": "c"}],
        volume=[{"id": "v", "os-vol-tenant-attr:tenant_id": "a", "volume_image_metadata": {"image_id": "i"}}],
    )


def test_waves_of_a_company() -> None:
    needs = {"b": {"a"}, "c": {"d"}, "d": {"c", "b"}}
    assert together("abcdef", needs) == [("a",), ("b",), ("c", "d"), ("e",), ("f",)]
    servers = {"a": 3, "e": 8, "f": 1}
    assert waves("abcdef", needs, servers) == [["a", "e", "f"], ["b"], ["c", "d"]]
    assert waves("abcdef", needs, servers, most_units=1) == [["a"], ["e"], ["f"], ["b"], ["c", "d"]]
    assert waves("abcdef", needs, servers, most_weight=9) == [["a"], ["e", "f"], ["b"], ["c", "d"]]
    assert waves([], {}, {}) == []


def test_a_chain_of_thousands_is_no_matter() -> None:
    needs = {str(number): {str(number + 1)} for number in range(5000)}
    assert len(together(map(str, range(5001)), needs)) == 5001


def test_twins_are_called_by_their_ids() -> None:
    assert names({"1": "shop", "2": "lab", "3": "shop"}) == {"1": "1", "2": "lab", "3": "3"}


graphs = st.integers(1, 9).flatmap(
    lambda count: st.tuples(
        st.just([str(number) for number in range(count)]),
        st.dictionaries(
            st.integers(0, count - 1).map(str), st.sets(st.integers(0, count - 1).map(str), max_size=4), max_size=count
        ),
    )
)


def reachable(start: str, needs: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    stack = [start]
    while stack:
        for other in needs.get(stack.pop(), ()):
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return seen


@given(graphs, st.none() | st.integers(1, 4), st.none() | st.integers(1, 6))
def test_each_project_is_in_one_wave_after_or_with_what_it_needs(
    graph: tuple[list[str], dict[str, set[str]]], most_projects: int | None, most_servers: int | None
) -> None:
    projects, needs = graph
    servers = {project: int(project) % 4 for project in projects}
    result = waves(projects, needs, servers, most_units=most_projects, most_weight=most_servers)
    assert sorted(project for wave in result for project in wave) == sorted(projects)
    place = {project: number for number, wave in enumerate(result) for project in wave}
    groups = together(projects, needs)
    for project in projects:
        mine = next(group for group in groups if project in group)
        mutual = {other for other in reachable(project, needs) if project in reachable(other, needs)}
        assert set(mine) == mutual | {project}
        for other in needs.get(project, ()):
            assert place[other] < place[project] or (place[other] == place[project] and other in mine)
    for wave in result:
        within = [group for group in groups if group[0] in wave]
        if len(within) > 1:
            assert most_projects is None or len(wave) <= most_projects
            assert most_servers is None or sum(servers[project] for project in wave) <= most_servers


def test_needed_by_project() -> None:
    side = Given("old", {"network": [NETWORK], "port": [{"id": "1", "project_id": "a", "network_id": "n"}]})
    assert needed(dependencies(side, ["a", "b"])) == {"a": {"b"}}
    assert needed(dependencies(side, ["a"])) == {}
