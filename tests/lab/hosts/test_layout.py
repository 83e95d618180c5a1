"""Layouts: what they say, and what is refused, naming file and field."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError
from naru.lab.hosts import layout, router

pytestmark = pytest.mark.unit

GOOD: dict[str, Any] = {
    "naru_layout": 1,
    "networks": {"management": {"cidr": "10.9.0.0/24"}, "tenant": {"cidr": "10.9.1.0/24"}},
    "hosts": [{"name": "ctl1", "networks": ["management"]}, {"name": "compute[08:10]"}],
}
ALL = ["controller", "database", "queue", "compute"]


def test_ranges_addresses_and_cables() -> None:
    found = layout.hosts(layout.parse(GOOD, "f"))
    assert [host.name for host in found] == ["ctl1", "compute08", "compute09", "compute10"]
    assert [host.networks for host in found[:2]] == [("management",), ("management", "tenant")]
    last = found[3]
    assert [str(last.address("management")), str(last.address("tenant"))] == ["10.9.0.14/24", "10.9.1.14/24"]
    assert (str(last.controller), last.nic("tenant"), last.mac("tenant")) == (
        "10.9.0.142/24",
        "eth1",
        "52:54:00:01:00:03",
    )


RACKS: dict[str, Any] = {
    "naru_layout": 1,
    "networks": {
        "management": {"cidr": "10.9.0.0/24"},
        "tenant": {"cidr": "10.9.4.0/22", "by_rack": True},
        "fabric": {"cidr": "10.9.1.0/24"},
    },
    "hosts": [
        *({"name": f"router{number}", "rack": f"rack{number}", "roles": ["router"]} for number in (1, 2, 3)),
        *({"name": f"node{number}", "rack": f"rack{number}"} for number in (1, 2, 3)),
    ],
}


def test_each_rack_has_its_part_of_a_network_and_a_router() -> None:
    found = {host.name: host for host in layout.hosts(layout.parse(RACKS, "f"))}
    node, one, three = found["node2"], found["router1"], found["router3"]
    assert node.networks == ("management", "tenant") and three.networks == ("management", "tenant", "fabric")
    assert [str(one.address("tenant")), str(node.address("tenant"))] == ["10.9.4.1/24", "10.9.5.15/24"]
    assert str(three.address("fabric")) == "10.9.1.13/24"
    assert {str(to): str(by) for to, by in node.routes("tenant").items()} == {"10.9.4.0/22": "10.9.5.1"}
    assert three.routes("tenant") == node.routes("management") == {}
    assert node.segment("tenant") == found["router2"].segment("tenant") != one.segment("tenant")
    assert one.segment("fabric") == three.segment("fabric") and not layout.by_role(layout.parse(RACKS, "f"))


def test_a_router_speaks_with_all_others_and_tells_what_its_rack_has() -> None:
    routers = layout.routers(layout.parse(RACKS, "f"))
    text = router.files(routers[1], routers)["etc/frr/frr.conf"]
    said = [line.strip() for line in text.splitlines()]
    assert "router bgp 64513" in said and "ip forwarding" in said
    assert [line for line in said if line.startswith(("neighbor", "network"))] == [
        "neighbor 10.9.1.11 remote-as 64512",
        "neighbor 10.9.1.13 remote-as 64514",
        "network 10.9.5.0/24",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"networks": GOOD["networks"]}, "f: hosts: router1 is a router, and no network is by_rack"),
        (
            {"networks": {name: RACKS["networks"][name] for name in ("management", "tenant")}},
            "f: networks: 'fabric' is missing",
        ),
        (
            {"networks": {**RACKS["networks"], "management": {"cidr": "10.9.0.0/24", "by_rack": True}}},
            "f: networks: management cannot be by_rack",
        ),
        ({"hosts": [*RACKS["hosts"], {"name": "lost"}]}, "f: hosts: lost has no rack, and tenant is by_rack"),
        ({"hosts": [*RACKS["hosts"], {"name": "x", "rack": "rack4"}]}, "f: hosts: rack4 has 0 routers"),
        (
            {"hosts": [*RACKS["hosts"], {"name": "x", "rack": "rack1", "roles": ["router"]}]},
            "f: hosts: rack1 has 2 routers",
        ),
        (
            {"hosts": [{"name": "x", "rack": "a", "roles": ["router"], "networks": ["management", "tenant"]}]},
            "f: hosts: the router x has no cable to fabric",
        ),
        (
            {"hosts": [{"name": "x", "rack": "a", "roles": ["router", "controller", "database", "queue", "compute"]}]},
            "f: hosts: the router x can have no other role",
        ),
    ],
)
def test_racks_that_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        layout.parse({**RACKS, **change}, "f")
    assert caught.value.summary.startswith(said)


def test_a_rack_has_room_for_the_hosts_of_its_part() -> None:
    small = {**RACKS["networks"], "tenant": {"cidr": "10.9.4.0/26", "by_rack": True}}
    with pytest.raises(InputError, match=r"10\.9\.4\.0/26 of tenant has room for 4 hosts per rack, not for 6"):
        layout.parse({**RACKS, "networks": small}, "f")


@pytest.mark.parametrize("name", layout.names())
def test_layouts_that_naru_brings(name: str) -> None:
    assert layout.hosts(layout.load(name))


def test_as_json_and_back() -> None:
    made = layout.parse(GOOD, "f")
    assert layout.Layout.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"naru_layout": 2}, "f: naru_layout: "),
        ({"racks": []}, "f: racks: "),
        ({"networks": {"tenant": {"cidr": "10.9.1.0/24"}}}, "f: networks: the network 'management' is missing"),
        ({"networks": {"management": {"cidr": "10.9.0.1/24"}}}, "f: networks.management.cidr: "),
        (
            {"networks": {"management": {"cidr": "10.9.0.0/24"}, "x": {"cidr": "10.9.0.0/16"}}},
            "f: networks: x (10.9.0.0/16) overlaps management",
        ),
        ({"hosts": []}, "f: hosts: 0 hosts"),
        ({"hosts": [{"name": "a[1:301]"}]}, "f: hosts: 301 hosts"),
        ({"hosts": [{"name": "a[1:200]"}]}, "f: hosts: 10.9.0.0/24 of management has room for 116 hosts, not for 200"),
        ({"hosts": [{"name": "a1"}, {"name": "a[1:3]"}]}, "f: hosts: the host a1 is there twice"),
        ({"hosts": [{"name": "A"}]}, "f: hosts.0.name: a host's name is of"),
        ({"hosts": [{"name": "a[3:1]"}]}, "f: hosts.0.name: a[3:1]: the range is empty"),
        ({"hosts": [{"name": "a", "networks": ["tenant"]}]}, "f: hosts: a: 'management' is missing in its networks"),
        ({"hosts": [{"name": "a", "networks": ["management", "x"]}]}, "f: hosts: a: there is no network 'x'"),
        ({"containers": True}, "f: containers: no host has a role"),
        ({"agents": "openvswitch"}, "f: agents: no host has the role compute"),
        (
            {"agents": "openvswitch", "hosts": [{"name": "a", "networks": ["management"], "roles": ALL}]},
            "f: agents: a has no cable to 'tenant'",
        ),
        ({"agents": "ovn"}, "f: agents: "),
        ({"guests": True}, "f: guests: no host has the role compute"),
        ({"guests": True, "hosts": [{"name": "a", "roles": ALL}]}, "f: guests: they need agents"),
        (
            {"hosts": [{"name": "a", "roles": ALL}, {"name": "b", "roles": ["next-controller"]}]},
            "f: next: is missing: no service would have the host of the role next-controller",
        ),
        (
            {"next": "queens", "hosts": [{"name": "a", "roles": [*ALL, "next-controller"]}]},
            "f: hosts: a has the roles controller and next-controller: it can have one of them",
        ),
        (
            {"next": "queens", "hosts": [{"name": "a", "roles": ALL}, {"name": "b", "roles": ["next-balancer"]}]},
            "f: hosts: none has the role balancer, whose place next-balancer takes",
        ),
        ({"ipmi": "perhaps"}, "f: ipmi: "),
        (
            {"hosts": [{"name": "a", "roles": ALL}, {"name": "c[1:2]", "roles": ["ceph"]}]},
            "f: hosts: 2 of the role ceph: a cluster has an odd number",
        ),
    ],
)
def test_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        layout.parse({**GOOD, **change}, "f")
    assert caught.value.summary.startswith(said)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no layout 'nowhere'"):
        layout.load("nowhere")
    with pytest.raises(InputError, match="No such file"):
        layout.load(str(tmp_path / "no.yaml"))
    file = tmp_path / "bad.yaml"
    file.write_text("naru_layout: 1\nnaru_layout: 1\n")
    with pytest.raises(
        InputError, match=r"bad.yaml is not YAML\nline 2, column 1: the key 'naru_layout' is there twice"
    ):
        layout.load(str(file))
    file.write_text("- 1\n")
    with pytest.raises(InputError, match=r"bad.yaml: "):
        layout.load(str(file))
