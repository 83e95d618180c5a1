"""Fake network agents on real clouds, of Pike and of the newest release; and what an upgrade sees of agents there."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import openstack
import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.twin import rows
from naru.twin.agents import SERVER, Agent, Agents
from naru.twin.fill import fill, remove
from naru.upgrade.agents.latency import script
from naru.upgrade.agents.reports import Report, Seen, lacks, look

from ..processes import started

HOSTS = ["fake-1", "fake-2", "fake-3"]
PORTS = 2
SECONDS = 120.0
OVS = "neutron-openvswitch-agent"


@contextmanager
def begun(cloud: Cloud, agents: Agents) -> Iterator[Agents]:
    """The agents, all begun, until nothing of them is left."""
    try:
        agents.up()
        agents.start(list(agents.agents))
        yield agents
    finally:
        agents.down()
        cloud.processes.stop([SERVER])
        remove(cloud, HOSTS)


def wait(agents: Agents) -> Counter[str]:
    """What has happened once all have synchronised."""
    deadline = time.monotonic() + SECONDS
    while True:
        seen = Counter(one["event"] for one in agents.events())
        failed = [one["why"] for one in agents.events() if one["event"] == "failed"]
        assert not failed, failed[0]
        if seen["synchronised"] == len(agents.agents):
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)


@pytest.mark.lab
@pytest.mark.parametrize("name", ["old", pytest.param("new", marks=pytest.mark.releases)])
def test_open_vswitch_agents_report_and_ask_for_their_ports(pair: Lab, name: str) -> None:
    cloud = pair.cloud(name)
    ports = fill(cloud, HOSTS, PORTS)
    assert {host: len(ids) for host, ids in ports.items()} == dict.fromkeys(HOSTS, PORTS)
    assert fill(cloud, HOSTS, PORTS) == ports
    with begun(cloud, Agents(cloud, [Agent("ovs", host, ports[host]) for host in HOSTS], report=1.0)) as agents:
        wait(agents)
        calls = Counter(one["method"] for one in agents.events() if one["event"] == "call")
        # of each agent: two ports, their network, the rules of their group, its members; on the newest the group, too
        assert calls["bulk_pull"] == len(HOSTS) * (PORTS + 3 + (name == "new"))
        assert calls["update_device_list"] == calls["tunnel_sync"] == len(HOSTS)
        seconds = [one["seconds"] for one in agents.events() if one["event"] == "call"]
        assert min(seconds) > 0
        assert max(seconds) < SECONDS
        # what `naru upgrade agents` waits for
        deadline = time.monotonic() + SECONDS
        before = Report("before", PORTS, PORTS, "ports")
        while left := [said for host in HOSTS if (said := lacks(before, looked(cloud).find(OVS, host)))]:
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
        # and what it watches
        config = cloud.etc / "neutron" / "neutron.conf"
        argv = [cloud.program("python"), "-", str(config)]
        with started(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cloud.environment()) as asking:
            assert asking.stdin and asking.stdout
            asking.stdin.write(script())
            asking.stdin.close()
            answers = [float(asking.stdout.readline()) for _ in range(2)]
            asking.kill()
        assert all(0 < seconds < SECONDS / 2 for seconds in answers), answers


def looked(cloud: Cloud) -> Seen:
    """What the cloud's databases have of reports."""
    with rows.connected(cloud) as connection:
        return look(connection)


@pytest.mark.releases
@pytest.mark.lab
@pytest.mark.parametrize("name", ["old", "new"])
def test_agents_of_routers_and_dhcp_ask_for_what_they_have(pair: Lab, name: str) -> None:
    cloud = pair.cloud(name)
    fill(cloud, HOSTS, PORTS)
    with begun(cloud, Agents(cloud, [Agent("l3", "fake-1"), Agent("dhcp", "fake-2")])) as agents:
        wait(agents)
        calls = Counter(one["method"] for one in agents.events() if one["event"] == "call")
        assert calls["get_active_networks_info"] == calls["get_router_ids"] == 1
        assert calls["report_state"] == 2


@pytest.mark.releases
@pytest.mark.lab
@pytest.mark.parametrize("name", ["old", "new"])
def test_hosts_of_a_routers_pair_are_found(pair: Lab, name: str) -> None:
    cloud = pair.cloud(name)
    assert not looked(cloud).partners
    config = openstack.config.OpenStackConfig(config_files=[str(pair.clouds_yaml)])
    api = openstack.connection.Connection(config=config.get_one(name))
    router = api.network.create_router(name="pair", is_ha=True)
    try:
        network = api.network.create_network(name="pair")
        subnet = api.network.create_subnet(network_id=network.id, cidr="10.9.0.0/24", ip_version=4)
        api.network.add_interface_to_router(router, subnet_id=subnet.id)
        assert looked(cloud).partners == {"network-1": {"network-2"}, "network-2": {"network-1"}}
        api.network.remove_interface_from_router(router, subnet_id=subnet.id)
        api.network.delete_network(network)
    finally:
        api.network.delete_router(router)
        api.close()
