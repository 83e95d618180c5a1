"""A cloud with Ceph on hosts: volumes are on all of them, and one of them may fail."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from naru.cli.main import main
from naru.lab.api import Api
from naru.lab.guests import FLAVOR, IMAGE
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.lab.status import rows
from naru.releases import release
from naru.releases.versions import releases_of
from naru.site import site
from naru.site.check import run as check

from ..scenario import Rest, connect, network
from .conftest import Bring
from .scenario import on, until

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(1800)]

MEMBERS = ("ceph1", "ceph2", "ceph3")


@pytest.fixture(scope="module")
def lab(bring: Bring) -> Lab:
    return bring("ceph", release.names()[-1], "10.87.", "agents: openvswitch\nguests: true\n")


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[str]:
    """A real guest on a volume of the backend `ceph`, which writes a line a second to it."""
    api, rest = Api(lab.cloud("cloud")), Rest(connect(lab, "cloud"))
    image = next(one["id"] for one in api("glance", "GET", "/images")["images"] if one["name"] == IMAGE)
    flavor = next(one["id"] for one in api("nova", "GET", "/flavors")["flavors"] if one["name"] == FLAVOR)
    volume = rest.volume(size=1, imageRef=image, volume_type="ceph")
    rest.wait_volume(volume, "available")
    device = {"boot_index": 0, "uuid": volume, "source_type": "volume", "destination_type": "volume"}
    with network(rest) as made:
        body = {"name": "on-ceph", "flavorRef": flavor, "networks": [{"uuid": made["network"]}]}
        server = rest("compute", "POST", "/servers", {"server": {**body, "block_device_mapping_v2": [device]}})
        identity = server["server"]["id"]
        rest.wait_server(identity, "ACTIVE")
        yield volume
        rest("compute", "DELETE", f"/servers/{identity}")
        rest.gone("compute", f"/servers/{identity}")
    rest("volumev3", "DELETE", f"/volumes/{volume}")
    rest.gone("volumev3", f"/volumes/{volume}")


def cluster(hosts: Hosts, command: str, host: str = MEMBERS[0]) -> Any:
    """Ceph's answer to a command on one of its hosts."""
    return json.loads(on(hosts, host, f"ceph --connect-timeout 30 {command} -f json"))


def health(hosts: Hosts, host: str = MEMBERS[0]) -> str:
    return str(cluster(hosts, "health", host)["status"])


def test_each_host_has_a_monitor_and_an_osd_and_all_have_a_copy(lab: Lab) -> None:
    hosts = lab.hosts()
    until(lambda: health(hosts) == "HEALTH_OK", "the cluster is healthy")
    assert cluster(hosts, "quorum_status")["quorum_names"] == list(MEMBERS)
    tree = {node["id"]: node for node in cluster(hosts, "osd tree")["nodes"]}
    under = {
        node["name"]: [tree[child]["name"] for child in node["children"]]
        for node in tree.values()
        if node["type"] == "host"
    }
    assert under == {name: [f"osd.{number}"] for number, name in enumerate(MEMBERS)}
    assert {pool["size"] for pool in cluster(hosts, "osd pool ls detail")} == {len(MEMBERS)}
    shown = {row.service: row.healthy for row in rows(lab)}
    assert all(shown[f"ceph-{kind}@{name}"] for kind in ("mon", "mgr", "osd") for name in MEMBERS)


def test_a_guest_goes_on_writing_while_a_host_is_off(lab: Lab, server: str) -> None:
    hosts = lab.hosts()

    def written() -> int:
        """Bytes a second that clients write into volumes."""
        return int(cluster(hosts, "osd pool stats volumes")[0]["client_io_rate"].get("write_bytes_sec", 0))

    until(written, "the guest writes")
    hosts.power("ceph2", "cut")
    until(lambda: cluster(hosts, "osd stat")["num_up_osds"] == 2, "the cut OSD is noticed")
    until(written, "the guest writes while a host is off")
    hosts.power("ceph2", "on", wait=True)
    until(lambda: health(hosts) == "HEALTH_OK", "all copies are whole again")


def test_what_is_too_old_on_compute_hosts_is_in_the_way_of_an_upgrade(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["-q", "upgrade", "check", "--site", str(lab.site_yaml), "--from", "2023.1", "--to", release.names()[-1]]
    assert main([*asked, "-f", "json"]) == 0
    older = "/usr/local/sbin/libvirtd"
    on(lab.hosts(), "compute1", f"printf '#!/bin/sh\\necho libvirtd 7.0.0\\n' > {older} && chmod +x {older}")
    capsys.readouterr()
    assert main([*asked, "-f", "json"]) == 1
    (found,) = (row for row in json.loads(capsys.readouterr().out) if row["state"] == "blocks")
    on(lab.hosts(), "compute1", f"rm {older}")
    assert (found["release"], found["examples"]) == ("2025.1", ["compute1"])
    assert found["what"] == "libvirt 7.0.0: 2025.1 needs 8.0.0"


def test_the_site_says_where_ceph_is_and_finds_a_monitor_that_is_out(lab: Lab) -> None:
    hosts, written = lab.hosts(), site.load(lab.site_yaml)

    def wrong() -> list[str]:
        found = check.check(written, releases_of, lambda *_: None)
        assert any(one.field == "storage.main.osds" for one in found)
        return [f"{one.field}: {one.what}" for one in found if one.state != "right"]

    until(lambda: wrong() == [], "all is as written")
    on(hosts, "ceph3", "systemctl stop ceph-mon@ceph3")
    # the others notice it by the end of its lease
    until(lambda: [one for one in wrong() if one.startswith("storage.main.monitors")], "the monitor is missed")
    on(hosts, "ceph3", "systemctl start ceph-mon@ceph3")
    until(lambda: health(hosts) == "HEALTH_OK", "the monitor is back")
    until(lambda: wrong() == [], "all is as written")
