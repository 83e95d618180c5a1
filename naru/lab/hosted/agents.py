"""Neutron's agents on compute hosts, which wire ports on bridges of the host. Open vSwitch is in user space, since a
kernel's module is the machine's; ports of hosts without an agent are bound by the lab's own driver, as in other clouds.
"""

from pathlib import Path

from naru.lab import render
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosts import disk
from naru.lab.hosts.layout import AGENT_NETWORK, Host
from naru.lab.process import Command

ENABLED = {"openvswitch": ("openvswitch-switch.service",), "linuxbridge": ()}
"""Units of the distribution that start at each boot."""
BRIDGE = "br-phy"
"""Open vSwitch's bridge with the host's cable: in user space a tunnel's own address has to be on one."""
DATAPATH = "naru-datapath.service"
# seconds between an agent's reports
REPORT = 5


def command(cloud: HostedCloud) -> Command:
    """The agent's process; `cloud` as the host sees it."""
    name = f"neutron-{cloud.agents}-agent"
    argv = (cloud.program(name), "--config-file", str(file(cloud)))
    return Command(name, argv, cloud.environment())


def file(cloud: HostedCloud) -> Path:
    """The agent's configuration."""
    return cloud.etc / "neutron" / f"{cloud.agents}_agent.ini"


def files(cloud: HostedCloud, host: Host) -> dict[Path, str]:
    """What a compute host has on its disk for its agent."""
    address = host.address(AGENT_NETWORK).ip
    found = {file(cloud): render.text(cloud, "agents/agent.ini.j2", address=address, report=REPORT)}
    if cloud.agents == "openvswitch":
        nic = host.nic(AGENT_NETWORK)
        found[disk.network_file(nic)] = disk.without_address(nic)
        found[disk.network_file(BRIDGE)] = disk.network(host, AGENT_NETWORK, BRIDGE)
    return found


def units(cloud: HostedCloud, host: Host) -> dict[str, str]:
    """Texts of units that the agent's needs beside it."""
    if cloud.agents != "openvswitch":
        return {}
    nic = host.nic(AGENT_NETWORK)
    bridge = f"--may-exist add-br {BRIDGE} -- set bridge {BRIDGE} datapath_type=netdev"
    make = f"/usr/bin/ovs-vsctl --timeout=30 {bridge} -- --may-exist add-port {BRIDGE} {nic}"
    text = [
        "[Unit]",
        f"Description=the host's cable {nic} on {BRIDGE}, and Open vSwitch's database for its agent",
        "Requires=openvswitch-switch.service",
        "After=openvswitch-switch.service",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"ExecStart={make}",
        "ExecStart=/usr/bin/ovs-vsctl --timeout=30 set-manager ptcp:6640:127.0.0.1",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return {DATAPATH: "\n".join(text)}
