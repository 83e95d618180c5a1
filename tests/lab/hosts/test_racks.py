"""Two racks, each with its part of a network: their routers find each other by BGP, and again after what happens."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab

from ..scenario import come_up
from .machine import left_of
from .test_hosts import run, until

pytestmark = [pytest.mark.hosts, pytest.mark.releases]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    file = tmp_path_factory.mktemp("racks") / "racks.yaml"
    file.write_text((layout.LAYOUTS / "racks.yaml").read_text().replace("10.77.", "10.79."))
    made = Lab(file.with_name("lab"))
    come_up(made, spec.build_hosts(str(file)))
    found = made.hosts()
    yield found
    made.down()
    assert left_of(found) == []


def reaches(hosts: Hosts, name: str, other: str) -> bool:
    """Whether one ping from the host's address in the tenant network to the other's is answered."""
    to = hosts.host(other).address("tenant").ip
    return "1 received" in run(hosts, name, f"ping -n -c 1 -W 1 {to}", check=False)


def neighbours(hosts: Hosts, name: str) -> dict[str, str]:
    """The state of each of a router's sessions."""
    peers = json.loads(run(hosts, name, "vtysh -c 'show bgp ipv4 unicast summary json'"))["peers"]
    return {address: peer["state"] for address, peer in peers.items()}


def test_racks_reach_each_other_by_their_routers(hosts: Hosts) -> None:
    until(lambda: reaches(hosts, "node1", "node4"), "node1 reaches node4")
    assert neighbours(hosts, "router1") == {"10.79.4.12": "Established"}
    (route,) = json.loads(run(hosts, "router1", "ip -json route show 10.79.3.0/24"))
    assert (route["gateway"], route["protocol"]) == ("10.79.4.12", "bgp")
    # one hop in a rack, by both routers to the other
    assert "ttl=64" in run(hosts, "node1", f"ping -n -c 1 {hosts.host('node2').address('tenant').ip}")
    assert "ttl=62" in run(hosts, "node1", f"ping -n -c 1 {hosts.host('node4').address('tenant').ip}")


def test_a_rack_is_cut_off_and_comes_back(hosts: Hosts) -> None:
    until(lambda: reaches(hosts, "node1", "node4"), "node1 reaches node4")
    hosts.link("router2", "fabric", False)
    until(lambda: not reaches(hosts, "node1", "node4"), "the other rack is out of reach")
    until(lambda: "10.79.3.0/24" not in run(hosts, "router1", "ip route"), "the route is taken back")
    assert reaches(hosts, "node3", "node4")
    hosts.link("router2", "fabric", True)
    until(lambda: reaches(hosts, "node1", "node4"), "it is there again")
    hosts.power("router1", "cut")
    assert not reaches(hosts, "node1", "node4") and reaches(hosts, "node1", "node2")
    hosts.power("router1", "on", wait=True)
    until(lambda: reaches(hosts, "node1", "node4"), "it is there again after the router's power cut")


def test_the_site_of_the_lab_says_its_racks(hosts: Hosts) -> None:
    written = (Path(hosts.directory).parent / "site.yaml").read_text()
    assert written.count("rack: rack1") == 3 and written.count("rack: rack2") == 3
