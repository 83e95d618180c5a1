"""Routers and DHCP of a host's agents go to agents elsewhere, and the agents are off in Neutron meanwhile.

Fake agents answer for the lab's, which are records alone: Neutron asks an L3 agent that loses a router, and waits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.services.neutron import ALIVE, HOSTS
from naru.operate import agents, handover
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.twin import rows
from naru.twin.agents import SERVER, Agent, Agents

from ..lab import scenario
from ..lab.scenario import Rest, connect

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(600)]


class Neutron:
    """A routed network on a cloud, and what agents have of it."""

    def __init__(self, lab: Lab, name: str, made: dict[str, str], rest: Rest) -> None:
        self.lab, self.name, self.rest = lab, name, rest
        self.router, self.network = made["router"], made["network"]

    def agents(self, kind: str) -> dict[str, dict[str, Any]]:
        found = self.rest("network", "GET", "/v2.0/agents")["agents"]
        return {one["host"]: one for one in found if one["agent_type"] == kind}

    def with_router(self) -> list[str]:
        found = self.rest("network", "GET", f"/v2.0/routers/{self.router}/l3-agents")["agents"]
        return sorted(one["host"] for one in found)

    def with_network(self) -> list[str]:
        found = self.rest("network", "GET", f"/v2.0/networks/{self.network}/dhcp-agents")["agents"]
        return sorted(one["host"] for one in found)


@contextmanager
def answering(cloud: Cloud) -> Iterator[None]:
    """The lab's agents answer; afterwards they are records that are alive for ever, as before."""
    agents = Agents(cloud, [Agent(kind, host) for host in HOSTS for kind in ("l3", "dhcp")], report=5.0)
    try:
        agents.up()
        agents.start(list(agents.agents))
        deadline = time.monotonic() + 120
        while sum(one["event"] == "synchronised" for one in agents.events()) < len(agents.agents):
            assert time.monotonic() < deadline, list(agents.events())
            time.sleep(0.2)
        yield
    finally:
        agents.down()
        cloud.processes.stop([SERVER])
        with rows.connected(cloud) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE agents SET heartbeat_timestamp = %s", [ALIVE])


@pytest.fixture(params=["old", "new"])
def neutron(pair: Lab, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Neutron]:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(pair.clouds_yaml))
    rest = Rest(connect(pair, request.param))
    with answering(pair.cloud(request.param)), scenario.network(rest) as made:
        yield Neutron(pair, request.param, made, rest)


def test_they_are_moved_and_given_back(neutron: Neutron, tmp_path: Path) -> None:
    (host,) = neutron.with_router()
    (other,) = set(neutron.agents(handover.L3)) - {host}
    dhcp = neutron.agents(handover.DHCP)
    for one in neutron.with_network():
        neutron.rest("network", "DELETE", f"/v2.0/agents/{dhcp[one]['id']}/dhcp-networks/{neutron.network}")
    body = {"network_id": neutron.network}
    neutron.rest("network", "POST", f"/v2.0/agents/{dhcp[host]['id']}/dhcp-networks", body)
    before = {kind: neutron.agents(kind)[host].get("description") for kind in (handover.L3, handover.DHCP)}
    args = {"cloud": neutron.name, "compute": host, "plan": "id"}
    plan = Plan(modules=[agents.__name__], gates=["back"])
    plan.add(Step("choose", "agents.choose", args))
    plan.add(Step("off", "agents.off", {**args, "before": "choose"}), after=["choose"])
    plan.add(Step("back", "agents.back", {**args, "before": "off"}, gate="back"), after=["off"])
    work = str(tmp_path / "work")
    Journal.create(Path(work), plan).close()
    assert main(["-q", "plan", "run", work]) == 3
    assert neutron.with_router() == [other]
    assert other in neutron.with_network()
    for kind in (handover.L3, handover.DHCP):
        found = neutron.agents(kind)
        assert (found[host]["admin_state_up"], found[other]["admin_state_up"]) == (False, True)
        assert found[host]["description"].startswith("naru waves id")
    assert main(["-q", "plan", "retry", "off", "--work", work]) == 2  # it is done
    assert main(["-q", "plan", "release", "back", "--work", work]) == 0
    assert main(["-q", "plan", "run", work]) == 0
    for kind in (handover.L3, handover.DHCP):
        found_ = neutron.agents(kind)[host]
        assert (found_["admin_state_up"], found_.get("description") or "") == (True, before[kind] or "")
    # a router stays where it is, since each move interrupts it; DHCP goes back
    assert neutron.with_router() == [other]
    assert neutron.with_network() == [host]


def test_without_another_agent_nothing_is_switched_off(neutron: Neutron, tmp_path: Path) -> None:
    (host,) = neutron.with_router()
    (other,) = set(neutron.agents(handover.L3)) - {host}
    args = {"cloud": neutron.name, "compute": host, "plan": "id", "together": [other]}
    work = str(tmp_path / "work")
    Journal.create(Path(work), Plan(modules=[agents.__name__], steps=[Step("choose", "agents.choose", args)])).close()
    assert main(["-q", "plan", "run", work]) == 1
    assert neutron.with_router() == [host]
    assert neutron.agents(handover.L3)[host]["admin_state_up"]
