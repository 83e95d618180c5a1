"""The services on request, used by an ordinary user: Swift, Designate with BIND, Octavia, Barbican."""

import hashlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from naru.lab import spec, status
from naru.lab.lab import Lab
from naru.releases import release

from .scenario import come_up

pytestmark = [pytest.mark.lab, pytest.mark.releases]
PORT_BASE = 26000


def ignore(*_: object) -> None:
    """A progress callback."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Pike and the newest release with all services that each has. NARU_TEST_EXTRAS=DIRECTORY uses and keeps a lab
    there, for a quick loop."""
    kept = os.environ.get("NARU_TEST_EXTRAS")
    lab = Lab(Path(kept) if kept else tmp_path_factory.mktemp("extras") / "lab")
    clouds, services = ["old=pike", f"new={release.names()[-1]}"], ["swift,octavia,designate", "new:barbican"]
    come_up(lab, spec.build(clouds, services, 1, PORT_BASE))
    yield lab
    if not kept:
        lab.down()


@pytest.fixture(params=["old", "new"])
def cloud(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def user(lab: Lab, cloud: str) -> Connection:
    config = OpenStackConfig(config_files=[str(lab.clouds_yaml)], load_envvars=False)
    return Connection(config=config.get_one(f"{cloud}-user"))


def needs(lab: Lab, cloud: str, service: str) -> None:
    """Skips where the release never had the service published."""
    if service not in lab.cloud(cloud).services:
        pytest.skip(f"{lab.cloud(cloud).release.name} has no {service}")


def until(what: Callable[[], Any], timeout: float = 90) -> Any:
    """The first true answer of `what`."""
    deadline = time.monotonic() + timeout
    while not (answer := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)
    return answer


def dig(lab: Lab, cloud: str, name: str, kind: str) -> list[str]:
    """What the cloud's BIND answers."""
    port = lab.cloud(cloud).ports["bind"]
    command = ["dig", "@127.0.0.1", "-p", str(port), "+short", "+time=2", "+tries=2", name, kind]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def make_objects(connection: Connection) -> tuple[str, bytes]:
    name, data = f"photos-{secrets.token_hex(3)}", secrets.token_bytes(3 << 20)
    store = connection.object_store
    store.create_container(name)
    store.set_container_metadata(name, colour="blue", read_ACL=".r:*,.rlistings")
    answer = store.put(f"/{name}/a/b.bin", data=data, headers={"X-Object-Meta-Shape": "round"})
    assert answer.headers["ETag"] == hashlib.md5(data, usedforsecurity=False).hexdigest()
    return name, data


def check_objects(connection: Connection, name: str, data: bytes) -> None:
    store = connection.object_store
    container = store.get_container_metadata(name)
    assert container.metadata["colour"] == "blue"
    assert store.get_object_metadata("a/b.bin", container=name).metadata["shape"] == "round"
    assert store.download_object("a/b.bin", container=name) == data
    # the container may be read by anybody, and is written by nobody else
    url = f"{store.get_endpoint()}/{name}"
    assert requests.get(f"{url}/a/b.bin", timeout=30).content == data
    assert requests.get(url, timeout=30).text == "a/b.bin\n"
    assert requests.put(f"{url}/c", data=b"x", timeout=30).status_code == 401


def test_objects(lab: Lab, cloud: str) -> None:
    connection = user(lab, cloud)
    name, data = make_objects(connection)
    check_objects(connection, name, data)
    store = connection.object_store

    def counted() -> bool:  # the container updater tells the account
        return any(row.name == name and row.count == 1 and row.bytes == len(data) for row in store.containers())

    until(counted)
    other = f"{name}-silver"
    assert store.put(f"/{other}", headers={"X-Storage-Policy": "silver"}).status_code == 201
    assert store.head(f"/{other}").headers["X-Storage-Policy"] == "silver"
    store.delete_container(other)
    store.delete_object("a/b.bin", container=name)
    store.delete_container(name)
    assert name not in [row.name for row in store.containers()]


def make_zone(connection: Connection) -> str:
    name = f"z{secrets.token_hex(3)}.example."
    zone = connection.dns.create_zone(name=name, email="hostmaster@example.org", ttl=300)
    until(lambda: connection.dns.get_zone(zone.id).status == "ACTIVE")
    for record, kind, values in (
        (f"www.{name}", "A", ["192.0.2.1", "192.0.2.2"]),
        (f"six.{name}", "AAAA", ["2001:db8::1"]),
        (name, "MX", [f"10 www.{name}"]),
        (name, "TXT", ['"some text"']),
    ):
        connection.dns.create_recordset(zone.id, name=record, type=kind, records=values)
    until(lambda: {row.status for row in connection.dns.recordsets(zone.id)} == {"ACTIVE"})
    return name


def check_zone(lab: Lab, cloud: str, name: str) -> None:
    assert dig(lab, cloud, f"www.{name}", "A") == ["192.0.2.1", "192.0.2.2"]
    assert dig(lab, cloud, f"six.{name}", "AAAA") == ["2001:db8::1"]
    assert dig(lab, cloud, name, "MX") == [f"10 www.{name}"]
    assert dig(lab, cloud, name, "TXT") == ['"some text"']
    assert dig(lab, cloud, name, "NS") == [f"ns1.{cloud}.lab."]


def test_zones(lab: Lab, cloud: str) -> None:
    needs(lab, cloud, "designate")
    connection = user(lab, cloud)
    name = make_zone(connection)
    until(lambda: dig(lab, cloud, name, "TXT"))
    check_zone(lab, cloud, name)
    zone = next(iter(connection.dns.zones(name=name)))
    record = next(iter(connection.dns.recordsets(zone.id, name=f"www.{name}")))
    connection.dns.update_recordset(record, zone_id=zone.id, records=["192.0.2.9"])
    until(lambda: dig(lab, cloud, f"www.{name}", "A") == ["192.0.2.9"])
    connection.dns.delete_zone(zone)
    until(lambda: not dig(lab, cloud, name, "SOA"))


def test_floating_ip_gets_its_record(lab: Lab, cloud: str) -> None:
    needs(lab, cloud, "designate")
    connection = user(lab, cloud)
    name = make_zone(connection)
    public = connection.network.find_network("public", ignore_missing=False)
    address = connection.network.create_ip(floating_network_id=public.id, dns_domain=name, dns_name="shop")
    until(lambda: dig(lab, cloud, f"shop.{name}", "A") == [address.floating_ip_address])
    connection.network.delete_ip(address)
    until(lambda: not dig(lab, cloud, f"shop.{name}", "A"))


def make_load_balancer(connection: Connection) -> str:
    api, net = connection.load_balancer, connection.network
    tag = secrets.token_hex(3)
    network = net.create_network(name=f"lb-{tag}")
    subnet = net.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.8.0/24", name=f"lb-{tag}")
    balancer = api.create_load_balancer(name=f"lb-{tag}", vip_subnet_id=subnet.id)

    def active() -> None:
        def settled() -> str:
            now = str(api.get_load_balancer(balancer.id).provisioning_status)
            return "" if now.startswith("PENDING") else now

        assert until(settled) == "ACTIVE"

    active()
    listener = api.create_listener(
        name="http", protocol="HTTP", protocol_port=80, load_balancer_id=balancer.id, connection_limit=100
    )
    active()
    pool = api.create_pool(name="web", protocol="HTTP", lb_algorithm="ROUND_ROBIN", listener_id=listener.id)
    active()
    api.create_member(pool, name="web1", address="10.9.8.7", protocol_port=8080, weight=3, subnet_id=subnet.id)
    active()
    api.create_health_monitor(pool_id=pool.id, type="HTTP", delay=5, timeout=3, max_retries=2, url_path="/ok")
    active()
    policy = api.create_l7_policy(
        name="old", listener_id=listener.id, action="REDIRECT_TO_URL", redirect_url="http://www.example.org/"
    )
    active()
    api.create_l7_rule(policy, type="PATH", compare_type="STARTS_WITH", value="/old")
    active()
    return str(balancer.id)


def check_load_balancer(connection: Connection, identity: str, pike: bool) -> None:
    api = connection.load_balancer
    balancer = api.get_load_balancer(identity)
    assert balancer.provisioning_status == "ACTIVE"
    port = connection.network.get_port(balancer.vip_port_id)
    assert port.device_owner == "Octavia"
    assert [fixed["ip_address"] for fixed in port.fixed_ips] == [balancer.vip_address]
    # down the tree, since Pike filters no list
    listener = api.get_listener(balancer.listeners[0]["id"])
    pool = api.get_pool(balancer.pools[0]["id"])
    (member,) = api.members(pool)
    monitor = api.get_health_monitor(pool.health_monitor_id)
    policy = api.get_l7_policy(listener.l7_policies[0]["id"])
    (rule,) = api.l7_rules(policy)
    assert (member.address, member.weight, monitor.url_path, rule.rule_value) == ("10.9.8.7", 3, "/ok", "/old")
    assert {thing.provisioning_status for thing in (listener, pool, member, monitor, rule)} == {"ACTIVE"}
    # Octavia 1.0 (Pike) itself forgets to take the policy back from there when a rule was added
    assert policy.provisioning_status in ("ACTIVE", "PENDING_UPDATE" if pike else "ACTIVE")


def test_load_balancer(lab: Lab, cloud: str) -> None:
    connection = user(lab, cloud)
    identity = make_load_balancer(connection)
    check_load_balancer(connection, identity, lab.cloud(cloud).release.name == "pike")
    api, port = connection.load_balancer, connection.load_balancer.get_load_balancer(identity).vip_port_id
    api.delete_load_balancer(identity, cascade=True)
    until(lambda: identity not in [row.id for row in api.load_balancers()])  # asked by its id, Pike still shows it
    assert connection.network.find_port(port) is None


def make_secret(connection: Connection) -> str:
    secret = connection.key_manager.create_secret(
        name="door", payload="open sesame", payload_content_type="text/plain", secret_type="passphrase"
    )
    return str(secret.secret_ref).rpartition("/")[2]


def check_secret(connection: Connection, identity: str) -> None:
    answer = connection.key_manager.get(f"/secrets/{identity}/payload", headers={"Accept": "text/plain"})
    assert answer.text == "open sesame"


def test_secret(lab: Lab, cloud: str) -> None:
    needs(lab, cloud, "barbican")
    connection = user(lab, cloud)
    identity = make_secret(connection)
    check_secret(connection, identity)
    connection.key_manager.delete_secret(identity)


def test_nothing_listens_elsewhere(lab: Lab) -> None:
    """Only loopback addresses are bound, and the host's /etc is not touched."""
    ours = {process.pid for cloud in lab.clouds() for tree in cloud.processes.tree().values() for process in tree}
    listing = subprocess.run(["ss", "-Hlntup"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        address, _, port = line.split()[4].rpartition(":")
        # a UDP socket elsewhere is no server's, but one that sent something
        server = line.startswith("tcp") or PORT_BASE <= int(port) < PORT_BASE + 400
        if server and any(f"pid={pid}," in line for pid in ours):
            assert address in ("127.0.0.1", "[::1]"), line
    assert not any(Path(f"/etc/{name}").exists() for name in ("swift", "octavia", "barbican", "designate"))


def test_all_is_there_after_a_restart_elsewhere(lab: Lab) -> None:
    """Stopped, its state copied away and back, started: nothing in the state may mind."""
    made: dict[str, tuple[Any, ...]] = {}
    for cloud in ("old", "new"):
        connection = user(lab, cloud)
        made[cloud] = (*make_objects(connection), make_zone(connection), make_load_balancer(connection))
    secret = make_secret(user(lab, "new"))
    lab.stop()
    assert not any(cloud.processes.tree() for cloud in lab.clouds())
    moved = Lab(lab.directory.with_name("moved"))
    moved.directory.mkdir(mode=0o700)
    shutil.copy2(lab.directory / "lab.json", moved.directory)
    for cloud in lab.clouds():
        target = moved.directory / cloud.name
        target.mkdir()
        subprocess.run(["cp", "-a", "--sparse=always", str(cloud.state), str(target)], check=True)
        (lab.directory / cloud.name / "state").rename(lab.directory / cloud.name / "hidden")
    try:
        moved.up(None, ignore, ignore)
        for name, (container, data, zone, balancer) in made.items():
            connection = user(moved, name)
            check_objects(connection, container, data)
            check_zone(moved, name, zone)
            check_load_balancer(connection, balancer, pike=name == "old")
            assert make_zone(connection)
            assert make_load_balancer(connection)
        check_secret(user(moved, "new"), secret)
        assert [row.service for row in status.rows(moved) if not row.healthy] == []
    finally:
        moved.down()
        for cloud in lab.clouds():
            (lab.directory / cloud.name / "hidden").rename(cloud.state)
