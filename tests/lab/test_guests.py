"""Real guests: qemu under libvirt under Nova, on both storage backends, and what they write to their disks meanwhile.

NARU_TEST_GUESTS=DIRECTORY uses and keeps a lab there, for a quick loop.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab import guests, spec, status
from naru.lab.cloud import Cloud
from naru.lab.guests import heartbeats
from naru.lab.guests.heartbeats import Heartbeats
from naru.lab.lab import Lab
from naru.releases import release

from . import scenario
from .scenario import Rest, come_up, ignore, wait

pytestmark = [pytest.mark.guests, pytest.mark.releases]

PORT_BASE = 28000
NEWEST = release.names()[-1]
RELEASES = [NEWEST, "2023.1"]


@pytest.fixture(scope="module", params=RELEASES)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One cloud with one fake host and two with real guests."""
    kept = os.environ.get("NARU_TEST_GUESTS")
    made = Lab(Path(kept) if kept else tmp_path_factory.mktemp("guests") / request.param)
    come_up(made, spec.build([f"new={request.param}"], None, 1, PORT_BASE, guests=2))
    yield made
    if kept:
        return
    (cloud,) = made.clouds()
    inside = namespaces(cloud)
    made.down()
    assert left_of(cloud, inside) == []


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Cloud:
    return lab.cloud("new")


@pytest.fixture(scope="module")
def rest(lab: Lab) -> Rest:
    """The administrator: who else may choose a host, or migrate?"""
    return Rest(scenario.connect(lab, "new"))


@pytest.fixture(scope="module")
def network(rest: Rest) -> Iterator[str]:
    with scenario.network(rest) as made:
        yield made["network"]


def boot(rest: Rest, backend: str, network: str, host: str = "") -> tuple[str, str]:
    """A server on a volume made from the guests' image; gives the ids of both. Without a network it has no NIC."""
    (image,) = rest("image", "GET", f"/v2/images?name={guests.IMAGE}")["images"]
    flavors = rest("compute", "GET", "/flavors")["flavors"]
    root = rest.volume(size=1, volume_type=backend, imageRef=image["id"], name=f"guest-{backend}")
    mapping = {"uuid": root, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    body = {
        "name": f"guest-{backend}",
        "flavorRef": next(found["id"] for found in flavors if found["name"] == guests.FLAVOR),
        "networks": [{"uuid": network}] if network else "none",
        "block_device_mapping_v2": [mapping],
    }
    if host:
        body["availability_zone"] = f"nova:{host}"
    answer = rest.session.post(
        "/servers",
        json={"server": body},
        headers={"OpenStack-API-Version": "compute 2.37"},  # from where on there may be no network
        endpoint_filter={"service_type": "compute", "interface": "public"},
    )
    server = str(answer.json()["server"]["id"])
    rest.wait_server(server, "ACTIVE")
    return server, root


def act(rest: Rest, server: str, action: dict[str, Any]) -> None:
    rest("compute", "POST", f"/servers/{server}/action", action)


def ready(rest: Rest, server: str, number: int) -> None:
    """Waits until the console log tells of this boot."""

    def told() -> bool:
        answer = rest("compute", "POST", f"/servers/{server}/action", {"os-getConsoleOutput": {}})
        return f"GUEST-READY boot={number} " in answer["output"]

    wait(f"GUEST-READY of boot {number}", told)


def beating(cloud: Cloud, volume: str, boot: int, more: int = 3) -> Heartbeats:
    """Waits for `more` heartbeats of a boot, seen at the storage backend, and gives all that there are."""
    first = len(heartbeats.of_volume(cloud, volume).of(boot))
    wait("heartbeats", lambda: len(heartbeats.of_volume(cloud, volume).of(boot)) >= first + more)
    found = heartbeats.of_volume(cloud, volume)
    assert found.gaps() == []
    return found


def live_migrate(rest: Rest, cloud: Cloud, server: str, root: str, target: str) -> None:
    """Moves a running server and sees by its heartbeats that it never stopped."""
    beating(cloud, root, 1)
    move = {"host": target, "block_migration": False, "disk_over_commit": False}
    act(rest, server, {"os-migrateLive": move})

    def moved() -> bool:
        found = rest.wait_server(server, "ACTIVE")
        migrations = rest("compute", "GET", "/os-migrations")["migrations"]
        states = [entry["status"] for entry in migrations if entry["instance_uuid"] == server]
        assert "error" not in states, migrations
        assert "failed" not in states, migrations
        return bool(found["OS-EXT-SRV-ATTR:host"] == target)

    wait("live migration", moved)
    assert beating(cloud, root, 1).boots == [1]


def remove(rest: Rest, server: str, *volumes: str) -> None:
    rest("compute", "DELETE", f"/servers/{server}")
    rest.gone("compute", f"/servers/{server}")
    for volume in volumes:
        rest("volumev3", "DELETE", f"/volumes/{volume}")
        rest.gone("volumev3", f"/volumes/{volume}")


def test_everything_is_healthy_and_listed(lab: Lab) -> None:
    rows = {row.service: row for row in status.rows(lab)}
    assert {"guest1", "libvirtd-guest1", "nova-compute-guest1", "guest2", "libvirtd-guest2"} <= set(rows)
    assert all(row.healthy for row in rows.values()), [row for row in rows.values() if not row.healthy]


def test_an_ordinary_server_goes_to_a_fake_host(rest: Rest, network: str) -> None:
    flavor = scenario.flavor(rest)
    with scenario.image(rest) as image:
        for number in range(3):
            body = {"name": f"t{number}", "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}]}
            server = str(rest("compute", "POST", "/servers", {"server": body})["server"]["id"])
            assert rest.wait_server(server, "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "compute1"
            remove(rest, server)


@pytest.mark.parametrize("backend", ["ceph", "nfs"])
def test_a_guest_stops_and_starts_and_loses_nothing(cloud: Cloud, rest: Rest, network: str, backend: str) -> None:
    server, root = boot(rest, backend, network)
    ready(rest, server, 1)
    beating(cloud, root, 1)
    began = time.monotonic()
    act(rest, server, {"os-stop": None})
    rest.wait_server(server, "SHUTOFF")
    assert time.monotonic() - began < 45  # a guest that is deaf to ACPI takes 60 s
    stopped = heartbeats.of_volume(cloud, root)
    assert stopped.lines[-1] == "off 1"
    assert stopped.gaps() == []
    act(rest, server, {"os-start": None})
    rest.wait_server(server, "ACTIVE")
    ready(rest, server, 2)
    again = beating(cloud, root, 2)
    assert again.boots == [1, 2]
    assert again.lines[: len(stopped.lines)] == stopped.lines
    remove(rest, server, root)


def test_a_guest_with_a_nic_migrates_live_there_and_back(cloud: Cloud, rest: Rest, network: str) -> None:
    server, root = boot(rest, "ceph", network, "guest1")
    ready(rest, server, 1)
    live_migrate(rest, cloud, server, root, "guest2")
    live_migrate(rest, cloud, server, root, "guest1")
    remove(rest, server, root)


def test_a_guest_on_nfs_migrates_live_with_a_volume_attached_meanwhile(cloud: Cloud, rest: Rest) -> None:
    server, root = boot(rest, "nfs", "", "guest2")
    ready(rest, server, 1)
    data = rest.volume(size=1, volume_type="ceph", name="data")
    attachments = f"/servers/{server}/os-volume_attachments"
    rest("compute", "POST", attachments, {"volumeAttachment": {"volumeId": data}})
    rest.wait_volume(data, "in-use")
    live_migrate(rest, cloud, server, root, "guest1")
    rest("compute", "DELETE", f"{attachments}/{data}")
    rest.wait_volume(data, "available")
    remove(rest, server, root, data)


def test_guests_survive_a_stop_of_the_lab(lab: Lab, cloud: Cloud, rest: Rest) -> None:
    running, root = boot(rest, "ceph", "")
    ready(rest, running, 1)
    before = beating(cloud, root, 1)
    inside = namespaces(cloud)
    assert inside
    lab.stop()
    assert left_of(cloud, inside) == []
    lab.start(ignore)
    rest.wait_server(running, "ACTIVE")
    ready(rest, running, 2)
    after = beating(cloud, root, 2)
    assert after.boots == [1, 2]
    assert after.of(1)[: len(before.of(1))] == before.of(1)
    remove(rest, running, root)


def namespaces(cloud: Cloud) -> set[str]:
    """The PID namespaces that hold the cloud's guest hosts."""
    holders = [cloud.processes.find(host) for host in cloud.guest_hosts]
    return {str(Path(f"/proc/{holder.pid}/ns/pid_for_children").readlink()) for holder in holders if holder}


def left_of(cloud: Cloud, inside: set[str]) -> list[str]:
    """Processes, mounts and network interfaces of the guest hosts that are still there."""
    found = [link.name for link in Path("/sys/class/net").iterdir() if link.name.startswith(cloud.guest_links)]
    for process in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            mounts = (process / "mountinfo").read_text()
            if str((process / "ns" / "pid").readlink()) in inside or str(cloud.guest_state) in mounts:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has just ended
    return found
