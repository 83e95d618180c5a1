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
from naru.move.draft import NO_EXTENSION, Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import public_addresses
from naru.move.kinds.neutron import POLICY_NOT_MOVED, SERVICE, make
from naru.move.kinds.neutron_limits import automatic
from naru.move.kinds.port import INTERFACES

HELD = "naru: held for a rollback"
"""The name of the port that holds a gateway's address on the old cloud."""


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    interfaces = [port for port in side.attached(row.id) if "router_interface" in str(port.body.get("device_owner"))]
    return {"interfaces": sorted(mapped("port", port.id) for port in interfaces)}


def _after_cutover(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    info = gateway(row)
    addresses = sorted(item["ip_address"] for item in _fixed(side, info))
    return {"gateway": addresses, "enable_snat": info.get("enable_snat"), "routes": row.body.get("routes", [])}


def _fixed(side: Side, info: dict[str, Any]) -> list[dict[str, Any]]:
    """A gateway's addresses, without those that follow from the MAC address of its port, which is a new one each time
    that the gateway is set."""
    subnets = side.all("subnet")
    return [item for item in info.get("external_fixed_ips", []) if not automatic(subnets.get(item["subnet_id"]))]


FLAGS = {
    "distributed": "dvr",
    "ha": "l3-ha",
    "enable_default_route_bfd": "enable-default-route-bfd",
    "enable_default_route_ecmp": "enable-default-route-ecmp",
}
"""What is said of a router, and the extension that says it."""

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
GATEWAY_ANY = message("move.title.gateway_any", en="{thing}: set the gateway", ko="{thing}: 게이트웨이 연결")
BARE = message(
    "move.router.bare_gateway",
    en="{thing}: its gateway has no address; it gets one where the new network has a subnet",
    ko="{thing}: 게이트웨이에 주소가 없습니다. 새 네트워크에 서브넷이 있으면 주소를 받습니다",
)
BY_SUBNET = message(
    "move.router.gateway_by_subnet",
    en="follows from the MAC address of the gateway's port, which is made anew",
    ko="새로 만드는 게이트웨이 포트의 MAC 주소에 따라 정해집니다",
)
CHANGES = message(
    "move.router.gateway_changes",
    en="{thing}: its gateway address {address} follows from a MAC address: it is another one on the new cloud, and"
    " after a rollback, too",
    ko="{thing}: 게이트웨이 주소 {address}은(는) MAC 주소에 따라 정해지므로 새 클라우드에서, 그리고 되돌린 뒤에도"
    " 달라집니다",
)
QOS = "qos-gateway-ip"
"""The extension that gives gateways a QoS policy."""


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
            if body.get(name) is None:  # what it says is asked for, `false` too: the new cloud has defaults of its own
                body.pop(name, None)
        if further := (row.body.get("external_gateways") or [])[1:]:
            changes.append(FieldChange("external_gateways", further, None, FURTHER_GATEWAYS()))
        changes += _gateway_changes(draft, row)
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


def moved_gateway(draft: Draft, row: Row) -> bool:
    """Whether the router has a gateway that changes over: the map may leave it."""
    network = str(gateway(row).get("network_id") or "")
    return bool(network) and draft.ref("network", network) is not None and not public_addresses.stays(draft, network)


def _gateway_changes(draft: Draft, row: Row) -> list[FieldChange]:
    """What of the router's gateway will be another; told in the plan."""
    info = gateway(row)
    if not moved_gateway(draft, row):
        why = public_addresses.LEFT() if info and public_addresses.stays(draft, info["network_id"]) else ""
        lost = {"gateway": info, "enable_snat": info.get("enable_snat")}
        if row.body.get("routes") and not _connected(draft, row):
            lost["routes"] = row.body["routes"]
        return [FieldChange(name, value, None, why) for name, value in lost.items() if why]
    changes = []
    addresses = info.get("external_fixed_ips", [])
    if not addresses:
        draft.report("info", BARE(thing=thing(row)), about=row.id)
    fixed = _fixed(draft.facts.old, info)
    for address in addresses:
        if address not in fixed:
            changes.append(FieldChange("external_gateway_info", address["ip_address"], None, BY_SUBNET()))
            draft.report("warning", CHANGES(thing=thing(row), address=address["ip_address"]), about=row.id)
        elif public_addresses.subnet_of(draft, info["network_id"], address) is None:
            why = public_addresses.lost(draft, row, info["network_id"], address["ip_address"])
            changes.append(FieldChange("gateway", address["ip_address"], None, why))
    if policy := info.get("qos_policy_id"):
        if QOS not in draft.facts.new.extensions(SERVICE):
            why = NO_EXTENSION(cloud=draft.new, extension=QOS)
            changes.append(FieldChange("external_gateway_info", policy, None, why))
        elif draft.ref("QoS policy", policy) is None:
            changes.append(FieldChange("external_gateway_info", policy, None, POLICY_NOT_MOVED()))
    return changes


def held(draft: Draft, project: str) -> list[str]:
    """The steps that hold the gateways' addresses on the old cloud for a rollback."""
    return [
        _held(row)
        for row in draft.facts.owned(KIND.name, project)
        if moved_gateway(draft, row) and _fixed(draft.facts.old, gateway(row))
    ]


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
        undo=[request(_as_it_was(draft, info))],
        cloud=draft.old,
        about=row,
        purpose=purposes.RELEASE,
        project=row.project,
        after=after,
    )
    fixed = _fixed(draft.facts.old, info)
    if not fixed:
        return cleared
    # an address that nobody holds would go to the next who asks, and a rollback would not find it. The administrator
    # holds it: the project may have no port left
    port = {"network_id": info["network_id"], "fixed_ips": fixed, "admin_state_up": False}
    action = Create(
        cloud=draft.old,
        service=SERVICE,
        path="/ports",
        wrap="port",
        body={**port, "name": HELD},
        find=Find(
            path=f"/ports?network_id={info['network_id']}",
            collection="ports",
            where={"fixed_ips.*.ip_address": fixed[0]["ip_address"], "name": HELD},
        ),
    )
    return draft.step(
        *(_held(row), action, GATEWAY_HELD(thing=thing(row))),
        about=row,
        purpose=purposes.RELEASE,
        project=row.project,
        after=[cleared],
    )


def _as_it_was(draft: Draft, info: dict[str, Any]) -> dict[str, Any]:
    """The gateway in a request to the old cloud."""
    fixed = _fixed(draft.facts.old, info)
    addresses = [
        item if item in fixed else {"subnet_id": item["subnet_id"]} for item in info.get("external_fixed_ips", [])
    ]
    return _request(info, info["network_id"], addresses, info.get("qos_policy_id"))


def _there(draft: Draft, info: dict[str, Any]) -> dict[str, Any]:
    """The gateway in a request to the new cloud."""
    network, addresses = info["network_id"], []
    for item in info.get("external_fixed_ips", []):
        here = public_addresses.subnet_of(draft, network, item)
        if here is not None:
            by_mac = automatic(draft.facts.new.all("subnet").get(str(here)))
            addresses.append({"subnet_id": here} | ({} if by_mac else {"ip_address": item["ip_address"]}))
    policy = info.get("qos_policy_id") if QOS in draft.facts.new.extensions(SERVICE) else None
    return _request(info, draft.ref("network", network), addresses, policy and draft.ref("QoS policy", policy))


def _request(info: dict[str, Any], network: Any, addresses: list[dict[str, Any]], policy: Any) -> dict[str, Any]:
    """Without addresses Neutron gives what it has, or none. A policy that is not named is none."""
    made: dict[str, Any] = {"network_id": network, "enable_snat": info.get("enable_snat", True)}
    if addresses:
        made["external_fixed_ips"] = addresses
    if policy is not None:
        made["qos_policy_id"] = policy
    return made


def take(draft: Draft, row: Row, after: list[str]) -> str:
    """The steps that give the new router its gateway, and the routes over it; the last of them."""
    step = draft.decisions[KIND.name, row.id].step
    exact = _there(draft, gateway(row))
    addresses = ", ".join(item["ip_address"] for item in exact.get("external_fixed_ips", []) if "ip_address" in item)
    taken = draft.call(
        take_step(row),
        SERVICE,
        [_router(step, "", {"router": {"external_gateway_info": exact}})],
        GATEWAY_SET(thing=thing(row), addresses=addresses) if addresses else GATEWAY_ANY(thing=thing(row)),
        undo=[_router(step, "", {"router": {"external_gateway_info": {}}}, ok=[404], busy=True)],
        about=row,
        purpose=purposes.TAKE,
        project=row.project,
        after=[*after, *draft.note(Interfaces).steps.get(row.id, [])],
    )
    if row.body.get("routes") and not _connected(draft, row):
        return _routes(draft, row, [taken], purposes.TAKE)
    return taken
