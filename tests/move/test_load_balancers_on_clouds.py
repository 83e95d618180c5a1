"""Load balancers of a project moved from Pike to the newest release and back, by what both clouds answer."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab import spec
from naru.lab.lab import Lab
from naru.releases import release

from ..lab.scenario import Rest, come_up, connect
from .balancers import LB, SERVICE, Maker, lost, seen, shop, tls, whole
from .scenario import Move, moving

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(3600)]

PORT_BASE = 31900
SHARED = "10.77.0.0/24"
POOLS = {"old": ("10.77.0.10", "10.77.0.99"), "new": ("10.77.0.100", "10.77.0.200")}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Pike and the newest release with Octavia. NARU_TEST_BALANCERS=DIRECTORY uses and keeps a lab there."""
    kept = os.environ.get("NARU_TEST_BALANCERS")
    made = Lab(Path(kept) if kept else tmp_path_factory.mktemp("balancers") / "lab")
    come_up(made, spec.build(["old=pike", f"new={release.names()[-1]}"], ["core,octavia"], 1, PORT_BASE))
    yield made
    if not kept:
        made.down()


@pytest.fixture(scope="module")
def clouds(lab: Lab) -> dict[str, Rest]:
    return {name: Rest(connect(lab, name)) for name in ("old", "new")}


class Shop:
    """A project of the old cloud with load balancers, one of them on a network of both clouds'."""

    def __init__(self, clouds: dict[str, Rest]) -> None:
        self.name = f"shop-{secrets.token_hex(3)}"
        old = clouds["old"]
        body = {"project": {"name": self.name, "domain_id": "default"}}
        self.project = str(old("identity", "POST", "/projects", body)["project"]["id"])
        self.shared = {}
        for name, rest in clouds.items():
            make = Maker(rest, str(rest.project))
            both = make.net("networks", "network", name=f"{self.name}-both", shared=True)["id"]
            first, last = POOLS[name]
            pools = [{"start": first, "end": last}]
            more = {"cidr": SHARED, "ip_version": 4, "allocation_pools": pools, "name": f"{self.name}-both"}
            make.net("subnets", "subnet", network_id=both, **more)
            self.shared[name] = both
        make = Maker(old, self.project)
        network = make.net("networks", "network", name="inner")["id"]
        subnet = make.net("subnets", "subnet", network_id=network, cidr="10.9.8.0/24", ip_version=4, name="inner")
        public = next(one for one in old("network", "GET", "/v2.0/networks")["networks"] if one["name"] == "public")
        gateway = {"network_id": public["id"]}
        router = make.net("routers", "router", name="edge", external_gateway_info=gateway)["id"]
        old("network", "PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})
        for number in (11, 12, 13):
            fixed = [{"subnet_id": subnet["id"], "ip_address": f"10.9.8.{number}"}]
            make.net("ports", "port", network_id=network, fixed_ips=fixed, name=f"web{number}")
        self.balancer = shop(make, subnet["id"], False)
        self.tls = tls(make, self.balancer, "https://barbican.example.org/v1/secrets/0f0f")
        vip = whole(old, self.balancer)["vip_port_id"]
        fip = make.net("floatingips", "floatingip", floating_network_id=public["id"], port_id=vip)
        self.address = str(fip["floating_ip_address"])
        both = old("network", "GET", f"/v2.0/subnets?network_id={self.shared['old']}")["subnets"][0]
        self.on_shared = make.balancer(name="wide", vip_subnet_id=both["id"])
        mine = make.net("ports", "port", network_id=network, name="my own vip")
        make.balancer(name="kube_service_demo", vip_port_id=mine["id"], admin_state_up=False)

    def new_project(self, rest: Rest) -> str:
        found = rest("identity", "GET", f"/projects?name={self.name}")["projects"]
        return str(found[0]["id"]) if found else ""


@pytest.fixture(scope="module")
def company(clouds: dict[str, Rest]) -> Shop:
    return Shop(clouds)


def everything(rest: Rest, company: Shop) -> dict[str, Any]:
    """What the old cloud has of the project, with all that it says but when it was read."""
    found: dict[str, Any] = {"balancers": seen(rest, company.project)}
    for what in ("ports", "floatingips", "networks", "subnets", "routers", "security-groups"):
        answer = rest("network", "GET", f"/v2.0/{what}?project_id={company.project}")
        found[what] = sorted(
            (
                {k: v for k, v in one.items() if k not in ("updated_at", "revision_number")}
                for one in next(iter(answer.values()))
            ),
            key=lambda one: one["id"],
        )
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def test_load_balancers_move_and_come_back(lab: Lab, clouds: dict[str, Rest], company: Shop, tmp_path: Path) -> None:
    old, new = clouds["old"], clouds["new"]
    before = everything(old, company)
    assert set(before["balancers"]) == {"shop", "wide", "kube_service_demo"}
    with moving(Move(lab, tmp_path / "work", (company.name,), None)) as move:
        move.storages = {}
        move.plan()
        assert not move.phase("prepare", kills=8, longest=25.0)["failed"]
        project = company.new_project(new)
        here = seen(new, project)
        # the one on the network of both clouds waits
        assert (here["wide"]["admin_state_up"], before["balancers"]["wide"]["admin_state_up"]) == (False, True)
        assert everything(old, company) == before
        assert not move.phase("cutover", kills=2, longest=12.0)["failed"]
        assert whole(old, company.on_shared)["admin_state_up"] is False
        assert move.unexplained() == []
        here = seen(new, project)
        assert set(here) == set(before["balancers"])
        for name, one in before["balancers"].items():
            expected = {**one, "listeners": [row for row in one["listeners"] if row["protocol_port"] != 443]}
            assert [line for line in lost(expected, here[name]) if not known(line)] == []
        vip = whole(new, _id(new, project, "shop"))["vip_port_id"]
        fips = new("network", "GET", f"/v2.0/floatingips?project_id={project}")["floatingips"]
        assert [(one["floating_ip_address"], one["port_id"]) for one in fips] == [(company.address, vip)]
        told(move)
        assert not move.phase("rollback", kills=6, longest=20.0)["failed"]
    assert everything(old, company) == before
    assert company.new_project(new) == "" and seen(new, project) == {}
    ports = new("network", "GET", "/v2.0/ports")["ports"]
    assert [one for one in ports if one["project_id"] == project] == []


def _id(rest: Rest, project: str, name: str) -> str:
    rows = rest(SERVICE, "GET", f"{LB}/loadbalancers?project_id={project}")["loadbalancers"]
    return str(next(row["id"] for row in rows if row["name"] == name))


def known(line: str) -> bool:
    """What the plan says of it: of a monitor that is none of HTTP."""
    field = line.partition(":")[0].rpartition("/")[2]
    return "/monitor/" in line and field in ("http_method", "url_path", "expected_codes") and "None" in line


def told(move: Move) -> None:
    """The listener with the certificate is a task of the report, with the commands that make it."""
    report = move.work / "report"
    move.run("report", str(move.work), "--to", str(report))
    texts = [file.read_text() for file in report.rglob("*.md")]
    assert any("loadbalancer listener create" in text and "TERMINATED_HTTPS" in text for text in texts)
    assert any("kube_service_demo" in text for text in texts)
