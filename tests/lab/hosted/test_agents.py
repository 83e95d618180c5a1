"""Network agents on compute hosts: what stands on two hosts' bridges reaches each other, as security groups allow."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from naru.lab import health
from naru.lab.api import Api
from naru.lab.guests import FLAVOR, IMAGE
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.releases import release
from naru.releases.versions import releases_of
from naru.site import site
from naru.site.check import run as check

from .conftest import Bring
from .scenario import on, until

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(1800)]

NEWEST = release.names()[-1]
CASES = {
    "newest, Open vSwitch, real guests": (NEWEST, "openvswitch", "10.84.", "guests: true\n"),
    "Pike, Linux bridge": ("pike", "linuxbridge", "10.85.", ""),
    "Pike, Open vSwitch in containers": ("pike", "openvswitch", "10.86.", "containers: true\n"),
}
HOSTS = ("compute1", "compute2")


@pytest.fixture(scope="module", params=list(CASES))
def lab(request: pytest.FixtureRequest, bring: Bring) -> Lab:
    name, agents, network, more = CASES[request.param]
    return bring("cloud3", name, network, f"agents: {agents}\n{more}", {"name: compute1": "name: 'compute[1:2]'"})


@pytest.fixture(scope="module")
def ports(lab: Lab) -> Iterator[dict[str, dict[str, Any]]]:
    """A port on each host, in one network and one security group, which lets its members call each other."""
    api = Api(cloud_of(lab))
    network = api("neutron", "POST", "/networks", {"network": {"name": "wired"}})["network"]["id"]
    body = {"network_id": network, "cidr": "192.168.61.0/24", "ip_version": 4, "enable_dhcp": False}
    api("neutron", "POST", "/subnets", {"subnet": body})
    made = {}
    for host in HOSTS:
        body = {"network_id": network, "name": f"on {host}", "binding:host_id": host, "device_owner": "compute:nova"}
        made[host] = api("neutron", "POST", "/ports", {"port": body})["port"]
        plug(lab.hosts(), cloud_of(lab), host, made[host])
    yield made
    for port in made.values():
        api("neutron", "DELETE", f"/ports/{port['id']}")
    api("neutron", "DELETE", f"/networks/{network}")


def cloud_of(lab: Lab) -> HostedCloud:
    cloud = lab.cloud("cloud")
    assert isinstance(cloud, HostedCloud)
    return cloud


def plug(hosts: Hosts, cloud: HostedCloud, host: str, port: dict[str, Any]) -> None:
    """What a hypervisor does with a server's port, for a network namespace in place of a server."""
    tap, mac, (fixed,) = f"tap{port['id'][:11]}", port["mac_address"], port["fixed_ips"]
    if cloud.agents == "openvswitch":
        ids = f"external_ids:iface-id={port['id']} external_ids:iface-status=active external_ids:attached-mac={mac}"
        lines = [f"ovs-vsctl --may-exist add-port br-int {tap} -- set Interface {tap} type=internal {ids}"]
        lines += ["ip netns add guest", f"ip link set {tap} netns guest"]
        lines += [f"ip -n guest link set {tap} name eth0 address {mac} mtu 1450 up"]
    else:
        lines = ["ip netns add guest", f"ip link add {tap} type veth peer name eth0 address {mac} mtu 1450 netns guest"]
        bridge = f"brq{port['network_id'][:11]}"
        lines += [f"(ip link add {bridge} type bridge 2>/dev/null || true)", f"ip link set {bridge} up"]
        lines += [f"ip link set {tap} master {bridge} up", "ip -n guest link set eth0 up"]
    lines.append(f"ip -n guest addr add {fixed['ip_address']}/24 dev eth0")
    on(hosts, host, " && ".join(lines))


def reaches(lab: Lab, ports: dict[str, dict[str, Any]], host: str, other: str) -> bool:
    (to,) = ports[other]["fixed_ips"]
    told = on(lab.hosts(), host, f"ip netns exec guest ping -n -c 1 -W 1 {to['ip_address']} || true")
    return "1 received" in told


def test_what_is_on_two_hosts_reaches_each_other(lab: Lab, ports: dict[str, dict[str, Any]]) -> None:
    api, cloud = Api(cloud_of(lab)), cloud_of(lab)
    kind = {"openvswitch": "ovs", "linuxbridge": "bridge"}[cloud.agents or ""]
    until(lambda: reaches(lab, ports, *HOSTS), "one reaches the other")
    assert reaches(lab, ports, *reversed(HOSTS))
    for port in ports.values():
        found = api("neutron", "GET", f"/ports/{port['id']}")["port"]
        assert (found["status"], found["binding:vif_type"]) == ("ACTIVE", kind)


def link_local(mac: str) -> str:
    """The address that an interface gives itself (RFC 4291, appendix A)."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    words = [*parts[:3], 0xFF, 0xFE, *parts[3:]]
    return "fe80::" + ":".join(f"{high << 8 | low:x}" for high, low in zip(words[::2], words[1::2], strict=True))


def test_a_real_guest_is_reached_from_another_host_also_while_it_moves(
    lab: Lab, ports: dict[str, dict[str, Any]]
) -> None:
    cloud, hosts, api = cloud_of(lab), lab.hosts(), Api(cloud_of(lab))
    if not cloud.real_guests:
        pytest.skip("its servers are fake")
    # what a group allows its members has to do with the addresses that Neutron gave them
    group = api("neutron", "POST", "/security-groups", {"security_group": {"name": "ping"}})["security_group"]["id"]
    rule = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv6", "protocol": "ipv6-icmp"}
    api("neutron", "POST", "/security-group-rules", {"security_group_rule": rule})
    body = {"network_id": ports[HOSTS[0]]["network_id"], "name": "guest", "security_groups": [group]}
    port = api("neutron", "POST", "/ports", {"port": body})["port"]
    flavor = next(one["id"] for one in api("nova", "GET", "/flavors")["flavors"] if one["name"] == FLAVOR)
    image = next(one["id"] for one in api("glance", "GET", "/images")["images"] if one["name"] == IMAGE)
    body = {"name": "real", "flavorRef": flavor, "imageRef": image, "networks": [{"port": port["id"]}]}
    body["availability_zone"] = f"nova:{HOSTS[0]}"
    server = api("nova", "POST", "/servers", {"server": body})["server"]["id"]

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = api("nova", "GET", f"/servers/{server}")["server"]
        assert found["status"] != "ERROR", found
        return found

    def answers() -> bool:
        ping = f"ip netns exec guest ping -6 -n -c 1 -W 1 {link_local(port['mac_address'])}%eth0 || true"
        return "1 received" in on(hosts, HOSTS[1], ping)

    try:
        until(lambda: shown()["status"] == "ACTIVE", "the server runs")
        assert "real" not in on(hosts, HOSTS[0], "virsh list --name") and on(hosts, HOSTS[0], "pgrep -c qemu-system")
        until(answers, "the guest answers from the other host")
        move = {"os-migrateLive": {"host": HOSTS[1], "block_migration": True, "disk_over_commit": False}}
        api("nova", "POST", f"/servers/{server}/action", move)
        until(lambda: shown()["OS-EXT-SRV-ATTR:host"] == HOSTS[1] and shown()["status"] == "ACTIVE", "it has moved")
        # Neutron 29's agent takes the binding that is left on the former host for a move back there, if it looks after
        # Nova's activating its own and before deleting that one; it looks again when the port changes
        time.sleep(10)
        if api("neutron", "GET", f"/ports/{port['id']}")["port"]["status"] == "DOWN":
            api("neutron", "PUT", f"/ports/{port['id']}", {"port": {"description": "changed"}})
        until(answers, "it answers there")
    finally:
        api("nova", "DELETE", f"/servers/{server}")
        until(lambda: not any(one["id"] == server for one in api("nova", "GET", "/servers")["servers"]), "it is gone")
        api("neutron", "DELETE", f"/ports/{port['id']}")
        api("neutron", "DELETE", f"/security-groups/{group}")


def test_security_groups_are_enforced(lab: Lab, ports: dict[str, dict[str, Any]]) -> None:
    until(lambda: reaches(lab, ports, *HOSTS), "one reaches the other")
    api, port = Api(cloud_of(lab)), ports[HOSTS[1]]
    groups = port["security_groups"]
    api("neutron", "PUT", f"/ports/{port['id']}", {"port": {"security_groups": []}})
    until(lambda: not reaches(lab, ports, *HOSTS), "what no group allows is dropped")
    api("neutron", "PUT", f"/ports/{port['id']}", {"port": {"security_groups": groups}})
    until(lambda: reaches(lab, ports, *HOSTS), "the group allows it again")


def test_agents_are_services_of_the_site_and_come_back_after_a_power_cut(lab: Lab) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    written = site.load(lab.site_yaml)
    lines = {service.name: service for service in written.content.services}
    assert lines[f"neutron-{cloud.agents}-agent"].hosts == HOSTS
    assert [one for one in check.check(written, releases_of, lambda *_: None) if one.state != "right"] == []
    since = float(on(hosts, "db1", "date +%s"))
    hosts.power("compute2", "cut")
    hosts.power("compute2", "on", wait=True)
    until(lambda: not [one for one in health.missing(cloud, Api(cloud), since + 1) if "compute2" in one], "alive")
