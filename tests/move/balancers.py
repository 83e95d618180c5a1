"""Load balancers for a test of a move on the lab's clouds: made by an administrator by plain requests, and read so,
too, in a form of which both clouds' are equal when they are the same."""

import time
from typing import Any

from ..lab.scenario import Rest

LB = "/v2.0/lbaas"
SERVICE = "load-balancer"
TREE = ("id", "project_id", "tenant_id", "created_at", "updated_at", "operating_status", "provisioning_status")
"""What no two clouds have alike, or that they count for themselves."""


def whole(rest: Rest, balancer: str) -> dict[str, Any]:
    """Waits until Octavia has done all that it was asked."""
    for _ in range(240):
        found: dict[str, Any] = rest(SERVICE, "GET", f"{LB}/loadbalancers/{balancer}")["loadbalancer"]
        if not found["provisioning_status"].startswith("PENDING"):
            assert found["provisioning_status"] == "ACTIVE", found
            return found
        time.sleep(0.5)
    raise AssertionError(f"load balancer {balancer} is still {found['provisioning_status']}")


class Maker:
    """Makes load balancers in a project of a cloud."""

    def __init__(self, rest: Rest, project: str) -> None:
        self.rest, self.project = rest, project

    def net(self, path: str, wrap: str, **fields: Any) -> dict[str, Any]:
        """Something of Neutron."""
        body = {"project_id": self.project, **fields}
        made: dict[str, Any] = self.rest("network", "POST", f"/v2.0/{path}", {wrap: body})[wrap]
        return made

    def balancer(self, **fields: Any) -> str:
        """A load balancer."""
        body = {"project_id": self.project, **fields}
        made = self.rest(SERVICE, "POST", f"{LB}/loadbalancers", {"loadbalancer": body})
        return str(whole(self.rest, made["loadbalancer"]["id"])["id"])

    def part(self, balancer: str, path: str, wrap: str, fields: dict[str, Any]) -> str:
        """Something in the load balancer."""
        made = self.rest(SERVICE, "POST", f"{LB}/{path}", {wrap: fields})[wrap]["id"]
        whole(self.rest, balancer)
        return str(made)


def shop(make: Maker, subnet: str, more: bool) -> str:
    """A load balancer with all that Octavia knows since Pike; with `more`, what newer ones know."""

    def newer(**fields: Any) -> dict[str, Any]:
        return fields if more else {}

    lb = make.balancer(
        name="shop", description="the shop's", vip_subnet_id=subnet, vip_address="10.9.8.77", **newer(tags=["t1", "t2"])
    )

    def part(path: str, wrap: str, **fields: Any) -> str:
        return make.part(lb, path, wrap, fields)

    def pool(**fields: Any) -> str:
        return part("pools", "pool", loadbalancer_id=lb, protocol="HTTP", **fields)

    web = pool(
        name="web",
        lb_algorithm="LEAST_CONNECTIONS",
        session_persistence={"type": "APP_COOKIE", "cookie_name": "JSESSIONID"},
        **newer(tags=["p"], tls_enabled=True, tls_versions=["TLSv1.2"]),
    )
    spare = pool(name="twin", lb_algorithm="ROUND_ROBIN", admin_state_up=False)
    twin = pool(name="twin", lb_algorithm="SOURCE_IP", session_persistence={"type": "SOURCE_IP"})
    pool(lb_algorithm="ROUND_ROBIN")
    for number, weight in ((11, 3), (12, 0), (13, 1)):
        address: dict[str, Any] = {"address": f"10.9.8.{number}", "protocol_port": 8080, "weight": weight}
        address |= {"name": f"web{number}", "monitor_port": 8081, "subnet_id": subnet}
        fields = newer(backup=number == 13, monitor_address=f"10.9.8.{number}", tags=[f"m{number}"])
        part(f"pools/{web}/members", "member", **address, **fields)
    part(f"pools/{twin}/members", "member", address="10.9.8.11", protocol_port=9000, admin_state_up=False)
    monitor: dict[str, Any] = {"pool_id": web, "type": "HTTP", "delay": 7, "timeout": 5, "max_retries": 2}
    monitor |= {"max_retries_down": 4, "name": "ok", "url_path": "/ok", "expected_codes": "200-204"}
    monitor |= {"http_method": "HEAD", **newer(http_version=1.1, domain_name="shop.example.org")}
    part("healthmonitors", "healthmonitor", **monitor)
    part("healthmonitors", "healthmonitor", pool_id=spare, type="TCP", delay=9, timeout=9, max_retries=1)
    listener: dict[str, Any] = {"loadbalancer_id": lb, "name": "http", "description": "d", "protocol": "HTTP"}
    listener |= {"protocol_port": 80, "connection_limit": 100, "default_pool_id": web}
    listener |= {"insert_headers": {"X-Forwarded-For": "true"}}
    listener |= newer(timeout_client_data=1111, timeout_member_connect=2222, timeout_member_data=3333, tags=["l"])
    listener |= newer(allowed_cidrs=["10.0.0.0/8", "192.0.2.0/24"], timeout_tcp_inspect=44)
    http = part("listeners", "listener", **listener)
    part("listeners", "listener", loadbalancer_id=lb, protocol="TCP", protocol_port=3306, admin_state_up=False)
    policies: tuple[dict[str, Any], ...] = (
        {"action": "REJECT", "name": "no"},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": twin, "admin_state_up": False},
        {"action": "REDIRECT_TO_URL", "redirect_url": "http://www.example.org/a?b=c", "description": "out"},
    )
    rules: tuple[dict[str, Any], ...] = (
        {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/old"},
        {"type": "HEADER", "compare_type": "EQUAL_TO", "key": "X-Who", "value": "robot", "invert": True},
        {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/old", "admin_state_up": False},
    )
    for number, fields in enumerate(policies):
        policy = part("l7policies", "l7policy", listener_id=http, **fields)
        for rule in rules if number == 0 else rules[:1]:
            make.part(lb, f"l7policies/{policy}/rules", "rule", rule)
    return lb


def tls(make: Maker, balancer: str, reference: str) -> str:
    """A listener with a certificate, which leads elsewhere by a policy."""
    fields: dict[str, Any] = {"loadbalancer_id": balancer, "name": "https", "protocol": "TERMINATED_HTTPS"}
    fields |= {"protocol_port": 443, "default_tls_container_ref": reference}
    identity = make.part(balancer, "listeners", "listener", fields)
    policy = make.part(balancer, "l7policies", "l7policy", {"listener_id": identity, "action": "REJECT"})
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}
    make.part(balancer, f"l7policies/{policy}/rules", "rule", rule)
    return identity


# -- what there is


def seen(rest: Rest, project: str) -> dict[str, Any]:
    """The project's load balancers by name, each with all that is in it: ids as what they stand for."""

    def listed(path: str) -> list[dict[str, Any]]:
        wrap = path.rpartition("/")[2]
        return list(rest(SERVICE, "GET", f"{LB}/{path}")[wrap])

    def said(row: dict[str, Any], *leave: str) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name not in (*TREE, *leave)}

    subnets = {one["id"]: one["cidr"] for one in rest("network", "GET", "/v2.0/subnets")["subnets"]}
    ports = {one["id"]: one for one in rest("network", "GET", "/v2.0/ports")["ports"]}
    pools = {one["id"]: one for one in listed("pools") if one["project_id"] == project}
    listeners = [one for one in listed("listeners") if one["project_id"] == project]
    policies = [one for one in listed("l7policies") if one["project_id"] == project]
    monitors = {one["id"]: one for one in listed("healthmonitors")}

    def whole_pool(row: dict[str, Any]) -> dict[str, Any]:
        members = [
            {**said(one), "subnet_id": subnets.get(one.get("subnet_id"))}
            for one in listed(f"pools/{row['id']}/members")
        ]
        monitor = monitors.get(row.get("healthmonitor_id"))
        found = said(row, "loadbalancers", "listeners", "healthmonitor_id")
        return {
            **found,
            "session_persistence": {k: v for k, v in (row.get("session_persistence") or {}).items() if v is not None},
            "members": sorted(members, key=str),
            "monitor": monitor and said(monitor, "pools"),
        }

    def pool(identity: str | None) -> Any:
        return whole_pool(pools[identity]) if identity in pools else identity

    def policy(row: dict[str, Any]) -> dict[str, Any]:
        rules = sorted((said(one) for one in listed(f"l7policies/{row['id']}/rules")), key=str)
        return {**said(row, "listener_id"), "redirect_pool_id": pool(row.get("redirect_pool_id")), "rules": rules}

    def listener(row: dict[str, Any]) -> dict[str, Any]:
        mine = sorted((one for one in policies if one["listener_id"] == row["id"]), key=lambda one: one["position"])
        found = said(row, "loadbalancers")
        return {
            **found,
            "default_pool_id": pool(row.get("default_pool_id")),
            "l7policies": [policy(one) for one in mine],
        }

    found = {}
    for row in listed("loadbalancers"):
        if row["project_id"] != project:
            continue
        mine = [one for one in listeners if row["id"] in [lb["id"] for lb in one["loadbalancers"]]]
        own = [one for one in pools.values() if row["id"] in [lb["id"] for lb in one["loadbalancers"]]]
        port = ports.get(row["vip_port_id"], {})
        leave = ("vip_port_id", "vip_network_id", "vip_subnet_id", "provider", "flavor_id")
        found[row["name"]] = {
            **said(row, *leave),
            "subnet": subnets.get(row["vip_subnet_id"]),
            "port": [port.get("mac_address"), port.get("device_owner"), port.get("device_id") == f"lb-{row['id']}"],
            "listeners": sorted((listener(one) for one in mine), key=lambda one: one["protocol_port"]),
            "pools": sorted((whole_pool(one) for one in own), key=str),
        }
    return found


def lost(old: Any, new: Any, path: str = "") -> list[str]:
    """Where the new one differs in what the old one says; what only the new one says is its own."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for name in old for line in lost(old[name], new.get(name, "(not there)"), f"{path}/{name}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for number, one in enumerate(old) for line in lost(one, new[number], f"{path}/{number}")]
    return [] if old == new else [f"{path}: {old!r} is {new!r}"]
