"""Networking. Without agents the lab's mechanism driver binds every port at once. There are records of L3 and DHCP
agents that stay alive for ever, so that routers are scheduled as on any cloud."""

import datetime
import json
import uuid

from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("neutron",)
CATALOG = (("network", "neutron", ""),)
HOSTS = ("network-1", "network-2")
AGENTS = {
    "L3 agent": ("neutron-l3-agent", "l3_agent", {"agent_mode": "legacy", "handle_internal_only_routers": True}),
    "DHCP agent": ("neutron-dhcp-agent", "dhcp_agent", {"dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq"}),
}
"""By type: program, topic and configuration, as the agents report them."""
ALIVE = datetime.datetime(2099, 1, 1)
"""When the agents were last heard of: an agent whose last report is long ago is down."""


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    return [(cloud.program("neutron-db-manage"), *cloud.config("neutron"), "upgrade", "heads")]


def register(cloud: Cloud) -> list[tuple[str, ...]]:
    """Writes the agents' records: nothing reports them, and what Neutron sends to agents, nobody reads."""
    rows = [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}.{host}.{cloud.name}")),
            "agent_type": kind,
            "binary": program,
            "topic": topic,
            "host": host,
            "admin_state_up": True,
            "created_at": ALIVE,
            "started_at": ALIVE,
            "heartbeat_timestamp": ALIVE,
            "configurations": json.dumps(configuration),
            "load": 0,
            "availability_zone": "nova",
        }
        for host in HOSTS
        for kind, (program, topic, configuration) in AGENTS.items()
    ]
    mariadb.insert(cloud.at("mariadb"), cloud.secret, "neutron", "agents", rows)
    return []


def programs(cloud: Cloud) -> list[Command]:
    found = [api.command(cloud, "neutron", *cloud.config("neutron"))]
    if cloud.agents and cloud.release.has("neutron-without-server"):  # agents call it by the queue
        argv = (cloud.program("neutron-rpc-server"), *cloud.config("neutron"))
        found.append(Command("neutron-rpc-server", argv, cloud.environment()))
    return found
