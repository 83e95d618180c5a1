"""What the exporter reads of real clouds, of Pike and of the newest release, is what their APIs say."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.lab.lab import Lab
from naru.listen import Address
from naru.operate.metrics.exporter import Exporter, Settings
from naru.operate.metrics.families import Labels
from naru.site import site as sites

from ...lab.scenario import Rest, connect

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("name", ["old", "new"])
def test_what_is_read_is_what_the_cloud_says(
    name: str, pair: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(pair.clouds_yaml))
    file = tmp_path / "site.yaml"
    file.write_text(
        yaml.safe_dump({"naru_site": 1, "name": name, "cloud": name, "hosts": [{"name": "compute1", "rack": "r1"}]})
    )
    # the host is no machine: what asks hosts has nothing to ask
    settings = Settings(Address("127.0.0.1:0"), state=tmp_path / "state")
    rest = Rest(connect(pair, name))
    with closing(Exporter(sites.load(file), settings)) as exporter:
        collector = exporter.collector
        for _ in range(2):  # the second time only what changed is asked for
            for source in collector.sources:
                collector.read(source)
        states = collector.states
        assert {one: state.said for one, state in states.items() if state.failed} == {}
        found: dict[str, dict[Labels, float]] = {}
        for state in states.values():
            found |= state.samples.values

    def listed(service: str, path: str, collection: str, **more: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = rest(service, "GET", path, **more)[collection]
        return items

    services = listed("compute", "/os-services", "services")
    told = {labels[1:]: value for labels, value in found["naru_service_up"].items() if labels[0] == "nova"}
    assert told == {(one["binary"], one["host"]): float(one["state"] == "up") for one in services}
    agents = listed("network", "/v2.0/agents", "agents")
    assert sum(labels[0] == "neutron" for labels in found["naru_service_up"]) == len(agents)
    servers = listed("compute", "/servers/detail?all_tenants=1&limit=1000", "servers")
    assert sum(found.get("naru_servers", {}).values()) == len(servers)
    hosts = {one["host"] for one in services if one["binary"] == "nova-compute"}
    for family in ("naru_host_vcpus", "naru_placement_capacity", "naru_placement_consumers", "naru_host_servers"):
        assert {labels[0] for labels in found[family]} == hosts, family
    assert {labels[2] for labels in found["naru_host_open"] if labels[0] == "compute1"} == {"r1"}
    on = {labels[0]: value for labels, value in found["naru_host_servers"].items()}
    assert sum(on.values()) == sum(bool(one["OS-EXT-SRV-ATTR:host"]) for one in servers)
    assert all(value >= 0 for value in found["naru_placement_allocations_without_server"].values())
    assert found["naru_zone_capacity"]["nova", "VCPU"] > 0 and found["naru_flavor_room"]
    assert found["naru_pool_bytes"]
    assert any(labels[0].startswith("public (") for labels in found["naru_network_addresses"])
