"""A small cloud as rows: a project `shop` with a network, a router, two groups, people; and what every cloud has."""

from pathlib import Path
from typing import Any

from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.operate.tenants import file as files
from naru.operate.tenants import planner
from naru.operate.tenants.draft import Draft
from naru.operate.tenants.facts import Facts
from naru.plan.model import Step

EXTENSIONS = ["port-security", "net-mtu-writable", "dns-integration", "subnet-service-types", "stateful-security-group"]
SERVICES = {"identity": "3.14", "compute": "2.96", "network": "2.0", "block-storage": "3.70", "image": "2.17"}
SHOP, MINA, JUN, CREW = "p-shop", "u-mina", "u-jun", "g-crew"
RULE = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "description": ""}
NO_RULE = dict.fromkeys(("port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"))


def row(kind: str, **body: Any) -> Row:
    return Row.of(BY_NAME[kind], body)


def bare() -> list[Row]:
    """What an empty cloud has."""
    quota = {
        "compute quota": {"instances": 10, "cores": 20},
        "volume quota": {"volumes": 10},
        "network quota": {"port": 500},
    }
    return [
        row("cloud", name="seoul", versions=SERVICES, extensions={"identity": ["project_tags"], "network": EXTENSIONS}),
        row("domain", id="default", name="Default", description="", enabled=True),
        row("role", id="r-member", name="member", domain_id=None),
        row("role", id="r-admin", name="admin", domain_id=None),
        row("project", id="p-admin", name="admin", domain_id="default", parent_id="default", enabled=True),
        network("n-public", "public", "p-admin", **{"router:external": True, "provider:network_type": "flat"}),
        *(row(kind, project_id="p-admin", **values) for kind, values in quota.items()),
    ]


def network(identity: str, name: str, project: str, **more: Any) -> Row:
    body = {"description": "", "admin_state_up": True, "mtu": 1450, "shared": False, "port_security_enabled": True}
    return row("network", id=identity, name=name, project_id=project, **{**body, "tags": [], **more})


def subnet(identity: str, name: str, network_id: str, cidr: str, gateway: str | None, **more: Any) -> Row:
    body = {"description": "", "enable_dhcp": True, "dns_nameservers": [], "host_routes": [], "allocation_pools": []}
    fixed = {"cidr": cidr, "gateway_ip": gateway, "network_id": network_id, "project_id": SHOP}
    return row("subnet", id=identity, name=name, **body, **fixed, **more)


def shop() -> list[Row]:
    """The rows of the project `shop`."""
    web = [
        {**NO_RULE, **RULE, "port_range_min": 80, "port_range_max": 80},
        {**NO_RULE, **RULE, "remote_group_id": "s-db"},
    ]
    assignment = {"role": {"id": "r-member"}, "scope": {"project": {"id": SHOP}}}
    return [
        row(
            "project",
            id=SHOP,
            name="shop",
            domain_id="default",
            parent_id="default",
            enabled=True,
            description="",
            tags=[],
        ),
        row("user", id=MINA, name="mina", domain_id="default", enabled=True, email="mina@shop.example"),
        row("user", id=JUN, name="jun", domain_id="default", enabled=True, default_project_id=SHOP),
        row("group", id=CREW, name="crew", domain_id="default", description=""),
        row("group membership", group_id=CREW, id=JUN, name="jun"),
        row("role assignment", user={"id": MINA}, **assignment),
        row("role assignment", group={"id": CREW}, **assignment),
        row("compute quota", project_id=SHOP, instances=10, cores=20),
        row("volume quota", project_id=SHOP, volumes=10),
        row("network quota", project_id=SHOP, port=500),
        row("security group", id="s-default", name="default", project_id=SHOP, description="", security_group_rules=[]),
        row("security group", id="s-web", name="web", project_id=SHOP, description="", security_group_rules=web),
        row("security group", id="s-db", name="db", project_id=SHOP, description="", security_group_rules=[]),
        network("n-front", "front", SHOP, dns_domain="shop.example."),
        subnet("sn-front", "front-v4", "n-front", "10.0.0.0/24", "10.0.0.1"),
        subnet("sn-none", "none-v4", "n-front", "10.1.0.0/24", None, tags=["b", "a"]),
        row(
            "router",
            id="rt",
            name="edge",
            project_id=SHOP,
            description="",
            admin_state_up=True,
            tags=[],
            routes=[],
            external_gateway_info={"network_id": "n-public", "enable_snat": True, "external_fixed_ips": []},
        ),
        row(
            "port",
            id="po",
            name="",
            project_id=SHOP,
            network_id="n-front",
            device_id="rt",
            device_owner="network:router_interface",
            fixed_ips=[{"subnet_id": "sn-front", "ip_address": "10.0.0.1"}],
        ),
        row(
            "flavor",
            id="4711",
            name="shop.large",
            ram=64,
            vcpus=1,
            disk=1,
            swap="",
            rxtx_factor=1.0,
            **{"OS-FLV-EXT-DATA:ephemeral": 0, "os-flavor-access:is_public": False, "extra_specs": {"a": "1"}},
        ),
        row("flavor access", flavor_id="4711", tenant_id=SHOP),
    ]


def drafted(tmp_path: Path, text: str, rows: list[Row]) -> Draft:
    """The draft of a file with this text on a cloud with these rows."""
    file = tmp_path / "tenants.yaml"
    file.write_text(text)
    return planner.make(Facts("seoul", rows), files.load(file), file)


def told(draft: Draft) -> list[tuple[str, str, str, str]]:
    """The differences: what, kind, name, field; without what the cloud alone has."""
    return [one[:4] for one in draft.differences if one.what != "undeclared"]


def step(draft: Draft, identity: str) -> Step:
    (found,) = [one for one in draft.plan.steps if one.id == identity]
    return found
