"""Both clouds of the pair do what a cloud does."""

from collections.abc import Iterator

import openstack
import pytest

from naru.lab.lab import Lab

from . import scenario
from .scenario import Rest, connect

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["old", "new"])
def cloud(request: pytest.FixtureRequest, pair: Lab) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rest(cloud: str, pair: Lab) -> Rest:
    return Rest(connect(pair, f"{cloud}-user"))


@pytest.fixture(scope="module")
def network(rest: Rest) -> Iterator[dict[str, str]]:
    with scenario.network(rest) as made:
        yield made


@pytest.fixture(scope="module")
def image(rest: Rest) -> Iterator[str]:
    with scenario.image(rest) as made:
        yield made


@pytest.mark.parametrize("backend", ["ceph", pytest.param("nfs", marks=pytest.mark.releases)])
def test_a_server_on_a_volume(
    pair: Lab, cloud: str, backend: str, rest: Rest, network: dict[str, str], image: str
) -> None:
    scenario.server_on_a_volume(pair.cloud(cloud), rest, backend, network, image)


def test_create_image_uploads_the_servers_bytes(rest: Rest, network: dict[str, str], image: str) -> None:
    scenario.create_image(rest, network, image)


def test_the_member_is_unprivileged(cloud: str, pair: Lab) -> None:
    member = connect(pair, f"{cloud}-user")
    with pytest.raises(openstack.exceptions.ForbiddenException):
        list(member.identity.projects())


def test_the_releases_are_what_was_asked_for(pair: Lab) -> None:
    def microversion(name: str) -> str:
        session = connect(pair, name).session
        answer = session.get("/", endpoint_filter={"service_type": "compute", "interface": "public"})
        return str(answer.json()["version"]["version"])

    assert microversion("old") == "2.53"  # Pike's last
    assert tuple(map(int, microversion("new").split("."))) >= (2, 103)


def test_extensions_the_move_needs(cloud: str, rest: Rest) -> None:
    aliases = {found["alias"] for found in rest("network", "GET", "/v2.0/extensions")["extensions"]}
    wanted = {"trunk", "qos", "rbac-policies", "dns-integration", "extraroute", "subnet_allocation", "address-scope"}
    wanted |= {"allowed-address-pairs", "port-security", "external-net", "quotas"}
    if cloud == "new":
        wanted |= {"address-group", "floating-ip-port-forwarding", "standard-attr-tag"}
    assert wanted <= aliases, wanted - aliases


@pytest.mark.parametrize("external", ["public", "partner"])
def test_both_external_networks_are_one_with_disjoint_pools(pair: Lab, external: str) -> None:
    subnets = []
    for name in ("old", "new"):
        rest = Rest(connect(pair, name))
        networks = rest("network", "GET", "/v2.0/networks?router:external=True")["networks"]
        (network,) = [found for found in networks if found["name"] == external]
        (subnet,) = rest("network", "GET", f"/v2.0/subnets?network_id={network['id']}")["subnets"]
        subnets.append(subnet)
    assert subnets[0]["cidr"] == subnets[1]["cidr"]
    first, second = (subnet["allocation_pools"][0] for subnet in subnets)
    assert tuple(map(int, first["end"].split("."))) < tuple(map(int, second["start"].split(".")))
    assert not any(subnet["enable_dhcp"] for subnet in subnets)


@pytest.mark.parametrize("ha", [False, True])
def test_a_router_is_scheduled(cloud: str, pair: Lab, ha: bool) -> None:
    admin = connect(pair, cloud).network
    agents = list(admin.agents(agent_type="L3 agent"))
    assert len(agents) == 2 and all(agent.is_alive for agent in agents)
    partner = admin.find_network("partner")
    router = admin.create_router(name="scheduled", is_ha=ha, external_gateway_info={"network_id": partner.id})
    try:
        (address,) = router.external_gateway_info["external_fixed_ips"]
        assert address["ip_address"].startswith("198.19.")
        hosting = admin.get(f"/routers/{router.id}/l3-agents").json()["agents"]
        assert len(hosting) == (2 if ha else 1)
    finally:
        admin.delete_router(router)
