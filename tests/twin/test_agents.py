"""Fake network agents on real clouds, of Pike and of the newest release."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.twin import rows
from naru.twin.agents import SERVER, Agent, Agents
from naru.twin.fill import fill, remove

HOSTS = ["fake-1", "fake-2", "fake-3"]
PORTS = 2
SECONDS = 120.0


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
@pytest.mark.parametrize("name", ["old", "new"])
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
        deadline = time.monotonic() + SECONDS
        statement = "SELECT COUNT(*) FROM agents WHERE host LIKE 'fake-%%' AND configurations LIKE %s"
        with rows.connected(cloud) as connection, connection.cursor() as cursor:
            while cursor.execute(statement, (f'%"devices": {PORTS}%',)) and cursor.fetchall() != ((len(HOSTS),),):
                assert time.monotonic() < deadline, "they do not report what they have"
                time.sleep(0.2)


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
