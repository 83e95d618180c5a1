"""Routers: with their interfaces at the exact addresses; their gateways change over at the cut-over.

Both clouds are on one external wire, so an address may answer on one of them at a time: a router has no gateway on the
new cloud until the old one has given its up.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from naru.actions.arguments import ref
from naru.actions.create import Create, Find
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import purposes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import SERVICE, make
from naru.move.kinds.port import INTERFACES

HELD = "naru: held for a rollback"
"""The name of the port that holds a gateway's address on the old cloud."""


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    interfaces = [port for port in side.attached(row.id) if "router_interface" in str(port.body.get("device_owner"))]
    return {"interfaces": sorted(mapped("port", port.id) for port in interfaces)}


def _after_cutover(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    info = gateway(row)
    addresses = sorted(item["ip_address"] for item in info.get("external_fixed_ips", []))
    return {"gateway": addresses, "enable_snat": info.get("enable_snat"), "routes": row.body.get("routes", [])}


FLAGS = {
    "distributed": "dvr",
    "ha": "l3-ha",
    "enable_default_route_bfd": "enable-default-route-bfd",
    "enable_default_route_ecmp": "enable-default-route-ecmp",
}
"""What is said of a router where it is so, and the extension that says it."""

KIND = Kind(
    "router",
    path="/routers",
    wrap="router",
    sent=("name", "description", "admin_state_up", *FLAGS),
    extensions=FLAGS,
    harmless=dict.fromkeys(FLAGS, (False,)),
    handled=frozenset(("tags", "external_gateways")),
    not_kept={
        "flavor_id": message(
            "move.router.flavor",
            en="flavors of routers are the cloud's",
            ko="라우터 Flavor는 클라우드가 정합니다",
        )(),
        "service_type_id": message("move.router.service_type", en="is the cloud's", ko="클라우드가 정하는 값입니다")(),
    },
    derived=frozenset(("availability_zones", "routes", "external_gateway_info")),
    not_compared=frozenset(("flavor_id", "service_type_id", "external_gateways")),
    compared=_compared,
    after_cutover=_after_cutover,
    owned=True,
    terraform="openstack_networking_router_v2",
)
PORT_OF_OTHERS = message(
    "move.router.port_of_others",
    en="the port belongs to a project that is not moved with it",
    ko="함께 이전하지 않는 프로젝트의 포트입니다",
)
FURTHER_GATEWAYS = message(
    "move.router.further_gateways",
    en="a router is given its first gateway alone; add the others by hand after the cut-over",
    ko="첫 번째 게이트웨이만 연결합니다. 나머지는 전환한 뒤 직접 추가해야 합니다",
)
INTERFACE = message(
    "move.title.router_interface", en="{thing}: interface {address}", ko="{thing}: 인터페이스 {address}"
)
ROUTES = message("move.title.router_routes", en="{thing}: {count} routes", ko="{thing}: 경로 {count}개")
GATEWAY_REMOVED = message(
    "move.title.gateway_given_up",
    en="old cloud: remove the gateway of {thing}",
    ko="기존 클라우드: {thing}의 게이트웨이 해제",
)
GATEWAY_HELD = message(
    "move.title.gateway_held",
    en="old cloud: reserve the gateway address of {thing} for a rollback",
    ko="기존 클라우드: 롤백에 대비해 {thing}의 게이트웨이 주소 확보",
)
GATEWAY_SET = message(
    "move.title.gateway_taken",
    en="{thing}: set the gateway address {addresses}",
    ko="{thing}: 게이트웨이 주소 {addresses} 연결",
)


@dataclass
class Interfaces:
    """Old id of a router: the steps that make its interfaces."""

    steps: dict[str, list[str]] = field(default_factory=dict)

    def of_project(self, draft: Draft, project: str) -> list[str]:
        """Those of all the project's routers."""
        return [step for row in draft.facts.owned(KIND.name, project) for step in self.steps.get(row.id, ())]


def routers(draft: Draft) -> None:
    """Routers with their interfaces at the exact addresses, and the routes over these."""
    for row in draft.facts.owned(KIND.name):
        body, changes = draft.sent(KIND, row)
        for name in FLAGS:
            if not body.get(name):
                body.pop(name, None)
        if further := (row.body.get("external_gateways") or [])[1:]:
            changes.append(FieldChange("external_gateways", further, None, FURTHER_GATEWAYS()))
        step = make(draft, KIND, row, body, changes)
        interfaces = _interfaces(draft, row, step)
        draft.note(Interfaces).steps[row.id] = interfaces
        if row.body.get("routes") and _connected(draft, row):
            _routes(draft, row, interfaces)


def _interfaces(draft: Draft, row: Row, step: str) -> list[str]:
    """The steps that make the router's interfaces, each of a port that the move has made."""
    interfaces = []
    for port in draft.facts.old.attached(row.id):
        if port.body.get("device_owner") not in INTERFACES:
            continue
        made = draft.decisions.get(("port", port.id))
        address = ", ".join(item["ip_address"] for item in port.body.get("fixed_ips", []))
        if made is None or not made.step:
            draft.change(row, FieldChange(f"interface {address}", port.id, None, PORT_OF_OTHERS()))
            continue
        interface = {"port_id": ref(made.step)}
        interfaces.append(
            draft.call(
                f"{step} interface {port.id}",
                SERVICE,
                [_router(step, "/add_router_interface", interface, ok=[409])],
                INTERFACE(thing=thing(row), address=address),
                undo=[_router(step, "/remove_router_interface", interface, ok=[404])],
                about=row,
                project=row.project,
            )
        )
    return interfaces


def _router(step: str, action: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"method": "PUT", "path": ["/routers/", ref(step), action], "body": body, **more}


def _connected(draft: Draft, row: Row) -> bool:
    """Whether every next hop is on a network of the router's own interfaces."""
    cidrs = [
        ipaddress.ip_network(draft.facts.old.all("subnet")[address["subnet_id"]].body["cidr"])
        for port in draft.facts.old.attached(row.id)
        if port.body.get("device_owner") in INTERFACES
        for address in port.body["fixed_ips"]
    ]
    return all(any(ipaddress.ip_address(hop["nexthop"]) in cidr for cidr in cidrs) for hop in row.body["routes"])


def _routes(draft: Draft, row: Row, after: list[str], purpose: str = "") -> str:
    """The step that sets the router's extra routes."""
    step = draft.decisions[KIND.name, row.id].step
    clean = [{"destination": hop["destination"], "nexthop": hop["nexthop"]} for hop in row.body["routes"]]
    return draft.call(
        f"{step} routes",
        SERVICE,
        [_router(step, "", {"router": {"routes": clean}})],
        ROUTES(thing=thing(row), count=len(clean)),
        undo=[_router(step, "", {"router": {"routes": []}}, ok=[404])],
        about=row,
        purpose=purpose,
        project=row.project,
        after=after,
    )


# -- gateways at the cut-over


def gateway(row: Row) -> dict[str, Any]:
    """What Neutron says of the router's gateway; empty without one."""
    return dict(row.body.get("external_gateway_info") or {})


def take_step(row: Row) -> str:
    """The step that gives the new router its gateway."""
    return f"take gateway/{row.id}"


def held(draft: Draft, project: str) -> list[str]:
    """The steps that hold the gateways' addresses on the old cloud for a rollback."""
    return [_held(row) for row in draft.facts.owned(KIND.name, project) if gateway(row)]


def _held(row: Row) -> str:
    return f"hold gateway/{row.id}"


def release(draft: Draft, row: Row, after: Iterable[str]) -> str:
    """The steps that take the gateway off the old router and hold its address; the last of them."""
    info = gateway(row)

    def request(value: dict[str, Any]) -> dict[str, Any]:
        body = {"router": {"external_gateway_info": value}}
        return {"method": "PUT", "path": f"/routers/{row.id}", "body": body, "busy": True}

    cleared = draft.call(
        f"release gateway/{row.id}",
        SERVICE,
        [request({})],
        GATEWAY_REMOVED(thing=thing(row)),
        undo=[request(_exact(info))],
        cloud=draft.old,
        about=row,
        purpose=purposes.RELEASE,
        project=row.project,
        after=after,
    )
    # an address that nobody holds would go to the next who asks, and a rollback would not find it
    port = {"network_id": info["network_id"], "fixed_ips": info["external_fixed_ips"], "admin_state_up": False}
    address = info["external_fixed_ips"][0]["ip_address"]
    action = Create(
        cloud=draft.old,
        service=SERVICE,
        path="/ports",
        wrap="port",
        body={**port, "name": HELD, "project_id": row.project},
        find=Find(
            path=f"/ports?network_id={info['network_id']}",
            collection="ports",
            where={"fixed_ips.*.ip_address": address, "name": HELD},
        ),
    )
    return draft.step(
        *(_held(row), action, GATEWAY_HELD(thing=thing(row))),
        about=row,
        purpose=purposes.RELEASE,
        project=row.project,
        after=[cleared],
    )


def _exact(info: dict[str, Any]) -> dict[str, Any]:
    return {
        "network_id": info["network_id"],
        "enable_snat": info.get("enable_snat", True),
        "external_fixed_ips": info["external_fixed_ips"],
    }


def take(draft: Draft, row: Row, after: list[str]) -> str:
    """The steps that give the new router its gateway, and the routes over it; the last of them."""
    info = gateway(row)
    step = draft.decisions[KIND.name, row.id].step
    exact = {**_exact(info), "network_id": draft.ref("network", info["network_id"])}
    exact["external_fixed_ips"] = [
        {"subnet_id": draft.ref("subnet", address["subnet_id"]), "ip_address": address["ip_address"]}
        for address in info["external_fixed_ips"]
        if draft.ref("subnet", address["subnet_id"]) is not None
    ]
    taken = draft.call(
        take_step(row),
        SERVICE,
        [_router(step, "", {"router": {"external_gateway_info": exact}})],
        GATEWAY_SET(thing=thing(row), addresses=", ".join(item["ip_address"] for item in info["external_fixed_ips"])),
        undo=[_router(step, "", {"router": {"external_gateway_info": {}}}, ok=[404], busy=True)],
        about=row,
        purpose=purposes.TAKE,
        project=row.project,
        after=[*after, *draft.note(Interfaces).steps.get(row.id, [])],
    )
    if row.body.get("routes") and not _connected(draft, row):
        return _routes(draft, row, [taken], purposes.TAKE)
    return taken
