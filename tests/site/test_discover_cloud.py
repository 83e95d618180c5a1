"""What a cloud's APIs say of what it runs on, answered as clouds of Pike and of today do."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from naru.cloud.client import CloudError
from naru.releases import release as releases
from naru.site import site as sites
from naru.site.discover import cloud as clouds
from naru.site.discover import release, write
from naru.site.discover.assemble import assemble
from naru.site.discover.found import HostSeen, Piece, Source
from naru.site.discover.join import Hosts
from naru.site.site import Site

pytestmark = pytest.mark.unit

ANSWERS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("compute", "/os-services"): [
        {"binary": "nova-scheduler", "host": "ctl1", "zone": "internal"},
        {"binary": "nova-conductor", "host": "ctl1", "zone": "internal"},
        *({"binary": "nova-compute", "host": f"cmp{number}", "zone": "az1"} for number in (1, 2, 3)),
    ],
    ("compute", "/os-hypervisors/detail"): [
        {"hypervisor_hostname": f"cmp{n}.example.org", "host_ip": f"10.0.0.2{n}", "service": {"host": f"cmp{n}"}}
        for n in (1, 2, 3)
    ],
    ("compute", "/os-aggregates"): [{"name": "fast disks", "hosts": ["cmp1", "cmp2"]}, {"name": "empty", "hosts": []}],
    ("network", "/agents"): [
        {"binary": "neutron-linuxbridge-agent", "host": "cmp1"},
        {"binary": "neutron-l3-agent", "host": "net1.example.org"},
        {"binary": "metering", "host": "a host that is none"},
    ],
    ("block-storage", "/os-services"): [
        {"binary": "cinder-scheduler", "host": "ctl1"},
        {"binary": "cinder-volume", "host": "rbd:volumes@ceph"},
        {"binary": "cinder-volume", "host": "shared@nfs"},
        {"binary": "cinder-volume", "host": "ctl1@nfs"},
    ],
    ("block-storage", "/scheduler-stats/get_pools?detail=true"): [
        {"name": "ctl1@nfs#10.0.0.9:/volumes", "capabilities": {"storage_protocol": "nfs"}},
        {
            "name": "rbd:volumes@ceph#ceph",
            "capabilities": {"storage_protocol": "ceph", "volume_backend_name": "ceph"},
        },
    ],
    ("identity", "/endpoints"): [{"url": "http://10.0.0.250:8774/v2.1"}, {"url": "http://10.0.0.250:5000"}],
}


class Answering:
    """A cloud that answers as above, without some services, refusing some paths."""

    name = "old"
    auth_url = "http://10.0.0.250:5000/v3"

    def __init__(self, without: tuple[str, ...] = (), refused: tuple[str, ...] = ()) -> None:
        self.without = without
        self.refused = refused

    def has(self, service: str) -> bool:
        return service not in self.without

    def newest(self, service: str) -> tuple[int, ...]:
        return {"compute": (2, 53), "block-storage": (3, 43)}[service] if self.has(service) else ()

    def items(self, service: str, path: str, collection: str, version: str = "") -> Iterator[dict[str, Any]]:
        if path in self.refused:
            raise CloudError(f"old: {service} refused GET {path} (403)", status=403)
        yield from ANSWERS[service, path]

    def endpoint(self, service: str) -> Any:
        return SimpleNamespace(url="http://10.0.0.251:9696") if self.has(service) else None


def read(**options: Any) -> Source:
    cloud: Any = Answering(**options)
    return clouds.read(cloud)


def site_of(tmp_path: Path, *sources: Source) -> tuple[Site, dict[str, str], str]:
    draft = assemble("s", "old", sources, Hosts(sources), {})
    text = write.text(draft, ["a test"])
    site = sites.parse(yaml.safe_load(text), tmp_path / "site.yaml")
    return site, {gap.field: gap.why for gap in draft.gaps}, text


def test_a_site_of_a_cloud_alone(tmp_path: Path) -> None:
    site, told, text = site_of(tmp_path, read())
    assert list(site.hosts) == ["cmp1", "cmp2", "cmp3", "ctl1", "net1.example.org"]
    assert site.part.hosts[0].name == "cmp[1:3]"
    assert (site.hosts["cmp2"].address, site.hosts["cmp2"].zone) == ("10.0.0.22", "az1")
    assert site.content.release == "pike" and "release: pike  # guessed from" in text
    assert {name: [one.name for one in site.named([name])] for name in site.groups if name != "all"} == {
        "computes": ["cmp1", "cmp2", "cmp3"],
        "controllers": ["ctl1"],
        "aggregate-fast-disks": ["cmp1", "cmp2"],
    }
    found = {one.name: one for one in site.part.services}
    assert found["nova-compute"].hosts == ("computes",)
    assert found["nova-compute"].managed.model_dump() == {"unit": "nova-compute.service"}
    # never a guess without a comment that says so
    line = next(line for line in text.splitlines() if "name: nova-compute" in line)
    assert line.endswith("# Nova lists it; the name of its unit is guessed from the service's")
    assert found["cinder-volume"].hosts == ("ctl1",)
    assert "which is no host" in told["services.cinder-volume"]
    assert "no host is called so" in told["hosts.shared"]
    nfs = next(one for one in site.part.storage if one.kind == "nfs")
    assert nfs.model_dump()["shares"] == ("10.0.0.9:/volumes",)
    assert "Cinder has pools of Ceph (ceph)" in told["storage.ceph"]
    assert "10.0.0.250" in told["virtual_addresses"]
    for section in ("databases", "queues", "load_balancers"):
        assert told[section] == "no source says anything of it"
        assert f"# not found: {section}: no source says anything of it" in text
    assert "ctl1" in told["hosts.address"]


def test_a_virtual_address_is_guessed_where_there_is_a_load_balancer(tmp_path: Path) -> None:
    balancer = {"kind": "haproxy", "managed": {"unit": "haproxy.service"}, "socket": "/run/lb.sock"}
    inventory = Source(
        "the inventory a",
        hosts=[HostSeen("lb1", address="10.0.0.31")],
        pieces=[Piece("load_balancers", "api", balancer, ("lb1",))],
    )
    site, _, text = site_of(tmp_path, inventory, read())
    assert [str(one.address) for one in site.part.virtual_addresses] == ["10.0.0.250"]
    assert "# guessed: the cloud's endpoints are at 10.0.0.250, which no host has" in text


def test_services_that_are_missing_or_refuse_are_told(tmp_path: Path) -> None:
    source = read(without=("block-storage",), refused=("/os-hypervisors/detail", "/endpoints"))
    site, told, _ = site_of(tmp_path, source)
    assert "cmp1" in site.hosts and site.hosts["cmp1"].address == "cmp1"
    assert told["services.cinder-volume"] == "old has no block-storage service"
    assert any("refused GET /os-hypervisors/detail" in gap.why for gap in source.gaps)
    assert source.endpoints == ("10.0.0.250", "10.0.0.251")


@pytest.mark.parametrize(
    ("nova", "cinder", "name"),
    [
        ((2, 53), (3, 43), "pike"),
        ((2, 53), (), "pike"),
        ((2, 87), (3, 62), "victoria"),
        ((2, 87), (), ""),
        ((2, 96), (3, 71), ""),
        ((), (3, 43), ""),
        ((9, 9), (3, 43), ""),
    ],
)
def test_a_release_is_guessed_only_when_it_is_the_one(
    nova: tuple[int, ...], cinder: tuple[int, ...], name: str
) -> None:
    assert release.guessed(nova, cinder) == name


@pytest.mark.parametrize(
    ("tag", "name"),
    [("pike", "pike"), ("5.0.1", "pike"), ("16.3.0", "2023.1"), ("2024.1-ubuntu-noble", "2024.1"), ("master", "")],
)
def test_the_release_of_a_tag_of_kolla(tag: str, name: str) -> None:
    assert release.of_kolla(tag) == name


def test_it_counts_the_releases_that_naru_knows() -> None:
    """The room of releases stands above, and may not be asked."""
    assert list(release.RELEASES) == releases.names()
