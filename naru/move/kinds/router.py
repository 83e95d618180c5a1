"""Routers, floating IPs and port forwardings, and how their addresses change over from one cloud to the other.

Both clouds are on one external wire, so an address may answer on one of them at a time. A floating IP is reserved on
the new cloud ahead, without a port; a router has no gateway there until the cut-over.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import Draft, Rule, kept, ref, title
from naru.move.kinds.network import INTERFACES, SERVICE, make, not_kept, sendable

ROUTER = ("name", "description", "admin_state_up", "distributed", "ha")
FLOATING = ("description", "dns_name", "dns_domain", "qos_policy_id")


def routers(draft: Draft) -> None:
    """Routers with their interfaces at the exact addresses, and the routes over these."""
    for row in draft.facts.owned("router"):
        body, rules = sendable(draft, row, ROUTER)
        for name in ("distributed", "ha"):
            if not body.get(name):
                body.pop(name, None)
        rules += not_kept(row, ROUTER)
        step = make(draft, row, "/routers", "router", body, rules)
        interfaces = []
        for port in draft.facts.old.attached(row.id):
            if port.body.get("device_owner") not in INTERFACES:
                continue
            made = draft.decisions.get(("port", port.id))
            if made is None or not made.step:
                where = f"interface {_address(port)}"
                draft.rule(row, Rule(where, port.id, None, "the port belongs to a project that is not moved with it"))
                continue
            interface = {"port_id": ref(made.step)}
            interfaces.append(
                draft.step(
                    f"{step} interface {port.id}",
                    "move.call",
                    {
                        "cloud": draft.new,
                        "service": SERVICE,
                        "requests": [_router(step, "/add_router_interface", interface, ok=[409])],
                        "undo": [_router(step, "/remove_router_interface", interface, ok=[404])],
                    },
                    title=f"{title(row)}: interface {_address(port)}",
                    project=row.project,
                )
            )
        draft.interfaces[row.id] = interfaces
        if row.body.get("routes") and _connected(draft, row):
            routes(draft, row, interfaces, "")


def _router(step: str, action: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"method": "PUT", "path": ["/routers/", ref(step), action], "body": body, **more}


def _address(port: Row) -> str:
    return ", ".join(address["ip_address"] for address in port.body.get("fixed_ips", []))


def _connected(draft: Draft, row: Row) -> bool:
    """Whether every next hop is on a network of the router's own interfaces."""
    cidrs = [
        ipaddress.ip_network(draft.facts.old.all("subnet")[address["subnet_id"]].body["cidr"])
        for port in draft.facts.old.attached(row.id)
        if port.body.get("device_owner") in INTERFACES
        for address in port.body["fixed_ips"]
    ]
    return all(any(ipaddress.ip_address(hop["nexthop"]) in cidr for cidr in cidrs) for hop in row.body["routes"])


def routes(draft: Draft, row: Row, after: list[str], gate: str) -> str:
    """The router's extra routes."""
    step = draft.decisions["router", row.id].step
    clean = [{"destination": hop["destination"], "nexthop": hop["nexthop"]} for hop in row.body["routes"]]
    return draft.step(
        f"{step} routes",
        "move.call",
        {
            "cloud": draft.new,
            "service": SERVICE,
            "requests": [_router(step, "", {"router": {"routes": clean}})],
            "undo": [_router(step, "", {"router": {"routes": []}}, ok=[404])],
        },
        title=f"{title(row)}: {len(clean)} routes",
        project=row.project,
        after=after,
        gate=gate,
    )


def floating_ips(draft: Draft) -> None:
    """Floating IPs, each with its address, not yet with a port."""
    for row in draft.facts.owned("floating IP"):
        network = draft.ref("network", row.body["floating_network_id"])
        if network is None:
            draft.leave(row, "its external network is not mapped", severity="error", hint="Name it in the map.")
            continue
        body, rules = sendable(draft, row, FLOATING)
        if body.get("qos_policy_id"):
            body["qos_policy_id"] = draft.ref("QoS policy", body["qos_policy_id"])
        body = {name: value for name, value in body.items() if value is not None}
        address = row.body["floating_ip_address"]
        body |= {"floating_network_id": network, "floating_ip_address": address}
        rules += not_kept(row, [*FLOATING, "floating_network_id", "floating_ip_address"])
        where = {"floating_ip_address": address}
        make(
            draft, row, "/floatingips", "floatingip", body, rules, where=where, title_=f"reserve floating IP {address}"
        )


# -- the cut-over


def release(draft: Draft, project: str, gate: str, after: list[str]) -> list[str]:
    """Takes the addresses of a project's floating IPs and gateways off the old cloud; the last steps of it."""
    freed = [
        step
        for row in draft.facts.owned("floating IP", project)
        if draft.ref("floating IP", row.id) is not None
        for step in _release_floating_ip(draft, row, gate, after)
    ]
    for row in draft.facts.owned("router", project):
        if _gateway(row):
            freed = [*freed, _release_gateway(draft, row, gate, [*after, *freed, *_released_by_others(draft, row)])]
    return freed


def _released_by_others(draft: Draft, router: Row) -> list[str]:
    """The steps that free the addresses that other projects have behind the router: it keeps its gateway till then."""
    return [
        step
        for row in draft.facts.old.by("floating IP", "router_id", router.id)
        if row.project != router.project and row.project in draft.facts.projects
        if draft.ref("floating IP", row.id) is not None
        for step in [
            *(f"release {forwarding.kind}/{forwarding.id}" for forwarding in _forwardings(draft, row)),
            *([f"release {row.kind}/{row.id}"] if row.body.get("port_id") else []),
        ]
    ]


def _taken_by_others(draft: Draft, row: Row) -> list[str]:
    """The step that gives the router of another project, which the floating IP is behind, its gateway."""
    router = draft.facts.old.all("router").get(str(row.body.get("router_id")))
    if router is None or router.project == row.project or router.project not in draft.facts.projects:
        return []
    return [f"take gateway/{router.id}"] if _gateway(router) else []


def _release_floating_ip(draft: Draft, row: Row, gate: str, after: list[str]) -> list[str]:
    path = f"/floatingips/{row.id}"
    steps = []
    for forwarding in _forwardings(draft, row):
        fields = _forwarding(forwarding)
        steps.append(
            draft.step(
                f"release {forwarding.kind}/{forwarding.id}",
                "move.call",
                {
                    "cloud": draft.old,
                    "service": SERVICE,
                    "requests": [{"method": "DELETE", "path": f"{path}/port_forwardings/{forwarding.id}", "ok": [404]}],
                    "undo": [
                        {
                            "method": "POST",
                            "path": f"{path}/port_forwardings",
                            "body": {
                                "port_forwarding": {**fields, "internal_port_id": forwarding.body["internal_port_id"]}
                            },
                            # Neutron calls a second one a bad request, as it calls much else
                            "there": {"collection": "port_forwardings", "where": _key(fields)},
                        }
                    ],
                },
                title=f"old cloud: port forwarding {row.name or row.body['floating_ip_address']} ends",
                project=row.project,
                after=after,
                gate=gate,
            )
        )
    if row.body.get("port_id"):
        was = {name: row.body[name] for name in ("port_id", "fixed_ip_address")}
        steps.append(
            draft.step(
                f"release {row.kind}/{row.id}",
                "move.call",
                {
                    "cloud": draft.old,
                    "service": SERVICE,
                    "requests": [{"method": "PUT", "path": path, "body": {"floatingip": {"port_id": None}}}],
                    "undo": [{"method": "PUT", "path": path, "body": {"floatingip": was}}],
                },
                title=f"old cloud: floating IP {row.body['floating_ip_address']} answers no more",
                project=row.project,
                after=after,
                gate=gate,
            )
        )
    return steps


def _forwardings(draft: Draft, row: Row) -> Sequence[Row]:
    return draft.facts.old.by("port forwarding", "floatingip_id", row.id)


def _forwarding(row: Row) -> dict[str, Any]:
    fields = kept(row, ("protocol", "external_port", "internal_port", "internal_ip_address", "description"))
    for name in ("external_port_range", "internal_port_range"):
        if name in row.body and ":" in str(row.body[name]) and len(set(str(row.body[name]).split(":"))) > 1:
            fields.pop(name.removesuffix("_range"), None)
            fields[name] = row.body[name]
    return fields


def _key(fields: dict[str, Any]) -> dict[str, Any]:
    """What tells a port forwarding from others of its floating IP."""
    return {name: fields[name] for name in ("external_port", "external_port_range", "protocol") if name in fields}


def held(draft: Draft, project: str) -> list[str]:
    """The steps that hold the gateways' addresses on the old cloud for a rollback."""
    return [_held(row) for row in draft.facts.owned("router", project) if _gateway(row)]


def _held(row: Row) -> str:
    return f"hold gateway/{row.id}"


def _gateway(row: Row) -> dict[str, Any]:
    return dict(row.body.get("external_gateway_info") or {})


def _release_gateway(draft: Draft, row: Row, gate: str, after: list[str]) -> str:
    info = _gateway(row)

    def request(gateway: dict[str, Any]) -> dict[str, Any]:
        body = {"router": {"external_gateway_info": gateway}}
        return {"method": "PUT", "path": f"/routers/{row.id}", "body": body, "busy": True}

    cleared = draft.step(
        f"release gateway/{row.id}",
        "move.call",
        {
            "cloud": draft.old,
            "service": SERVICE,
            "requests": [request({})],
            "undo": [request(_exact(info))],
        },
        title=f"old cloud: {title(row)} gives up its gateway",
        project=row.project,
        after=after,
        gate=gate,
    )
    # an address that nobody holds would go to the next who asks, and a rollback would not find it
    held = {"network_id": info["network_id"], "fixed_ips": info["external_fixed_ips"], "admin_state_up": False}
    return draft.step(
        _held(row),
        "move.create",
        {
            "cloud": draft.old,
            "service": SERVICE,
            "path": "/ports",
            "wrap": "port",
            "body": {**held, "name": "naru: held for a rollback", "project_id": row.project},
            "find": {
                "path": f"/ports?network_id={info['network_id']}",
                "collection": "ports",
                "where": {
                    "fixed_ips.*.ip_address": info["external_fixed_ips"][0]["ip_address"],
                    "name": "naru: held for a rollback",
                },
            },
        },
        title=f"old cloud: the gateway address of {title(row)} is held for a rollback",
        project=row.project,
        after=[cleared],
        gate=gate,
    )


def _exact(info: dict[str, Any]) -> dict[str, Any]:
    return {
        "network_id": info["network_id"],
        "enable_snat": info.get("enable_snat", True),
        "external_fixed_ips": info["external_fixed_ips"],
    }


def take_over(draft: Draft, project: str, gate: str, after: list[str]) -> dict[str, str]:
    """Gives the addresses to the new cloud; the steps by the old port that they make reachable ("" for gateways)."""
    steps: dict[str, str] = {}
    gateways = []
    for row in draft.facts.owned("router", project):
        if _gateway(row):
            gateways.append(_take_gateway(draft, row, gate, after))
    interfaces = draft.all_interfaces(project)
    for row in draft.facts.owned("floating IP", project):
        if draft.ref("floating IP", row.id) is None:
            continue
        made = draft.decisions["floating IP", row.id].step
        reachable = [*after, *gateways, *interfaces, *_taken_by_others(draft, row)]
        address = row.body["floating_ip_address"]
        if port := row.body.get("port_id"):
            if draft.ref("port", port) is None:
                draft.rule(row, Rule("port_id", port, None, "that port is not moved"))
                continue
            body = {"port_id": draft.ref("port", port), "fixed_ip_address": row.body["fixed_ip_address"]}
            steps[port] = draft.step(
                f"take {row.kind}/{row.id}",
                "move.call",
                {
                    "cloud": draft.new,
                    "service": SERVICE,
                    "requests": [{"method": "PUT", "path": ["/floatingips/", ref(made)], "body": {"floatingip": body}}],
                    "undo": [
                        {
                            "method": "PUT",
                            "path": ["/floatingips/", ref(made)],
                            "body": {"floatingip": {"port_id": None}},
                        }
                    ],
                },
                title=f"floating IP {address} answers on the new cloud",
                project=project,
                after=reachable,
                gate=gate,
            )
        for forwarding in _forwardings(draft, row):
            body = {
                **_forwarding(forwarding),
                "internal_port_id": draft.ref("port", forwarding.body["internal_port_id"]),
            }
            path = ["/floatingips/", ref(made), "/port_forwardings"]
            draft.create(
                *(forwarding, body),
                path=path,
                wrap="port_forwarding",
                where={"external_port": forwarding.body["external_port"], "protocol": forwarding.body["protocol"]},
                title_=f"port forwarding {address}:{forwarding.body['external_port']}",
                project=project,
                after=reachable,
                gate=gate,
            )
    if gateways:
        steps[""] = gateways[-1]
    return steps


def _floating(step: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"method": "PUT", "path": ["/floatingips/", ref(step)], "body": {"floatingip": body}, **more}


def _take_gateway(draft: Draft, row: Row, gate: str, after: list[str]) -> str:
    info = _gateway(row)
    step = draft.decisions["router", row.id].step
    exact = {**_exact(info), "network_id": draft.ref("network", info["network_id"])}
    exact["external_fixed_ips"] = [
        {"subnet_id": draft.ref("subnet", address["subnet_id"]), "ip_address": address["ip_address"]}
        for address in info["external_fixed_ips"]
        if draft.ref("subnet", address["subnet_id"]) is not None
    ]
    taken = draft.step(
        f"take gateway/{row.id}",
        "move.call",
        {
            "cloud": draft.new,
            "service": SERVICE,
            "requests": [_router(step, "", {"router": {"external_gateway_info": exact}})],
            "undo": [_router(step, "", {"router": {"external_gateway_info": {}}}, ok=[404], busy=True)],
        },
        title=f"{title(row)} takes its gateway address {_addresses(info)}",
        project=row.project,
        after=[*after, *draft.interfaces.get(row.id, [])],
        gate=gate,
    )
    if row.body.get("routes") and not _connected(draft, row):
        return routes(draft, row, [taken], gate)
    return taken


def _addresses(info: dict[str, Any]) -> str:
    return ", ".join(address["ip_address"] for address in info["external_fixed_ips"])
