"""Floating IPs and port forwardings: each address is reserved on the new cloud ahead, without a port; at the cut-over
it leaves the port on the old cloud, and comes to that on the new one."""

from collections.abc import Mapping, Sequence
from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import purposes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, kept
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import public_addresses, router
from naru.move.kinds.neutron import SERVICE, make, policy
from naru.move.off import Off


def _after_cutover(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    port = row.body.get("port_id")
    return {"port_id": port and mapped("port", port), "fixed_ip_address": row.body.get("fixed_ip_address")}


# an address leaves the old cloud before the gateway it is behind does, and comes to the new one after it: neither
# project can be cut over without the other
KIND = Kind(
    "floating IP",
    path="/floatingips",
    wrap="floatingip",
    sent=("description", "dns_name", "dns_domain", "qos_policy_id"),
    extensions={"dns_name": "dns-integration", "dns_domain": "dns-integration", "qos_policy_id": "qos-fip"},
    handled=frozenset(("floating_network_id", "floating_ip_address", "tags")),
    derived=frozenset(
        ("port_details", "router_id", "port_forwardings", "fixed_ip_address", "port_id", "qos_network_policy_id")
    ),
    after_cutover=_after_cutover,
    both_ways=frozenset(("port_id", "router_id")),
    dispensable=("body.qos_policy_id",),
    owned=True,
    terraform="openstack_networking_floatingip_v2",
)
FORWARDING = Kind(
    "port forwarding",
    wrap="port_forwarding",
    sent=("protocol", "external_port", "internal_port", "internal_ip_address", "description"),
    handled=frozenset(("floatingip_id", "internal_port_id", "external_port_range", "internal_port_range")),
    both_ways=frozenset(("internal_port_id",)),
    terraform="openstack_networking_portforwarding_v2",
    importable=False,
)
NOT_MAPPED = message(
    "move.floating_ip.not_mapped", en="its external network is not mapped", ko="외부 네트워크의 매핑이 없습니다"
)
NAME_IT = message("move.floating_ip.name_it", en="Name it in the map.", ko="map.yaml에 적어 주십시오.")
NO_PORT = message("move.floating_ip.no_port", en="that port is not moved", ko="그 포트를 이전하지 않습니다")
RESERVE = message("move.title.reserve", en="reserve floating IP {address}", ko="유동 IP {address} 확보")
RESERVE_ANOTHER = message(
    "move.title.reserve_another",
    en="reserve a floating IP in place of {address}",
    ko="유동 IP {address}을(를) 대신할 주소 확보",
)
DISASSOCIATED = message(
    "move.title.floating_ip_released",
    en="old cloud: disassociate floating IP {address}",
    ko="기존 클라우드: 유동 IP {address} 연결 해제",
)
ASSOCIATED = message(
    "move.title.floating_ip_taken",
    en="associate floating IP {address} on the new cloud",
    ko="유동 IP {address}: 새 클라우드에서 연결",
)
FORWARDING_ENDS = message(
    "move.title.forwarding_released",
    en="old cloud: remove port forwarding {name}",
    ko="기존 클라우드: 포트 포워딩 {name} 해제",
)
FORWARDED = message("move.title.forwarding", en="port forwarding {address}:{port}", ko="포트 포워딩 {address}:{port}")


def floating_ips(draft: Draft) -> None:
    """Floating IPs, each with its address, not yet with a port."""
    for row in draft.facts.owned(KIND.name):
        network = draft.ref("network", row.body["floating_network_id"])
        if network is None:
            draft.leave(row, NOT_MAPPED(), severity="error", hint=NAME_IT())
            continue
        if public_addresses.left(draft, row, row.body["floating_network_id"]):
            continue
        body, changes = draft.sent(KIND, row)
        policy(draft, body, changes)
        body = {name: value for name, value in body.items() if value is not None}
        body |= {"floating_network_id": network}
        address = row.body["floating_ip_address"]
        if public_addresses.subnet_of(draft, row.body["floating_network_id"], {"ip_address": address}) is None:
            why = public_addresses.lost(draft, row, row.body["floating_network_id"], address)
            changes.append(FieldChange("floating_ip_address", address, None, why))
            make(draft, KIND, row, body, changes, title=RESERVE_ANOTHER(address=address))
        else:
            where = {"floating_ip_address": address}
            make(draft, KIND, row, body | where, changes, where=where, title=RESERVE(address=address))


# -- the cut-over


def change_over(draft: Draft, project: str, off: Off) -> None:
    """The steps that take the addresses of a project's floating IPs and gateways off the old cloud and put them on the
    new one: each as soon as those are through that it needs, and no other."""
    moved = [row for row in draft.facts.owned(KIND.name, project) if draft.ref(KIND.name, row.id) is not None]
    freed = {row.id: _release(draft, row, _unused(draft, row, off)) for row in moved}
    gateways: dict[str, str] = {}
    for row in draft.facts.owned(router.KIND.name, project):
        if router.moved_gateway(draft, row):
            behind = [step for one in moved if _behind(one, row) for step in freed[one.id]]
            released = router.release(draft, row, [*off.all, *behind, *_released_by_others(draft, row)])
            gateways[row.id] = router.take(draft, row, [released])
    for row in moved:
        _take_over(draft, row, freed[row.id] or off.all, gateways)


def _unused(draft: Draft, row: Row, off: Off) -> list[str]:
    """The steps after which nobody uses the floating IP: those that it leads to are off."""
    ports = [row.body["port_id"]] if row.body.get("port_id") else []
    ports += [one.body["internal_port_id"] for one in _forwardings(draft, row)]
    return list(dict.fromkeys(step for port in ports for step in off.of_port(draft.facts.old, port)))


def _behind(row: Row, gateway: Row) -> bool:
    """Whether the router may be the one that the floating IP goes through."""
    return row.body.get("router_id") in (gateway.id, None, "")


def _released_by_others(draft: Draft, gateway: Row) -> list[str]:
    """The steps that free the addresses that other projects have behind the router: it keeps its gateway till then."""
    return [
        step
        for row in draft.facts.old.by(KIND.name, "router_id", gateway.id)
        if row.project != gateway.project and row.project in draft.facts.projects
        if draft.ref(KIND.name, row.id) is not None
        for step in [
            *(_release_step(forwarding) for forwarding in _forwardings(draft, row)),
            *([_release_step(row)] if row.body.get("port_id") else []),
        ]
    ]


def _release_step(row: Row) -> str:
    return f"release {row.kind}/{row.id}"


def _taken_by_others(draft: Draft, row: Row) -> list[str]:
    """The step that gives the router of another project, which the floating IP is behind, its gateway."""
    other = draft.facts.old.all(router.KIND.name).get(str(row.body.get("router_id")))
    if other is None or other.project == row.project or other.project not in draft.facts.projects:
        return []
    return [router.take_step(other)] if router.moved_gateway(draft, other) else []


def _release(draft: Draft, row: Row, after: list[str]) -> list[str]:
    path = f"/floatingips/{row.id}"
    address = row.body["floating_ip_address"]
    steps = []
    for forwarding in _forwardings(draft, row):
        fields = _fields(forwarding)
        again = {**fields, "internal_port_id": forwarding.body["internal_port_id"]}
        undo = {
            "method": "POST",
            "path": f"{path}/port_forwardings",
            "body": {"port_forwarding": again},
            # Neutron calls a second one a bad request, as it calls much else
            "there": {"collection": "port_forwardings", "where": _key(fields)},
        }
        steps.append(
            draft.call(
                _release_step(forwarding),
                SERVICE,
                [{"method": "DELETE", "path": f"{path}/port_forwardings/{forwarding.id}", "ok": [404]}],
                FORWARDING_ENDS(name=row.name or address),
                undo=[undo],
                cloud=draft.old,
                about=forwarding,
                purpose=purposes.RELEASE,
                project=row.project,
                after=after,
            )
        )
    if row.body.get("port_id"):
        was = {name: row.body[name] for name in ("port_id", "fixed_ip_address")}
        steps.append(
            draft.call(
                _release_step(row),
                SERVICE,
                [{"method": "PUT", "path": path, "body": {"floatingip": {"port_id": None}}}],
                DISASSOCIATED(address=address),
                undo=[{"method": "PUT", "path": path, "body": {"floatingip": was}}],
                cloud=draft.old,
                about=row,
                purpose=purposes.RELEASE,
                project=row.project,
                after=after,
            )
        )
    return steps


def _forwardings(draft: Draft, row: Row) -> Sequence[Row]:
    return draft.facts.old.by(FORWARDING.name, "floatingip_id", row.id)


def _fields(row: Row) -> dict[str, Any]:
    """A port forwarding's fields: a range of ports, or a port where it is but one."""
    fields = kept(row, FORWARDING.sent)
    for name in ("external_port_range", "internal_port_range"):
        if name in row.body and ":" in str(row.body[name]) and len(set(str(row.body[name]).split(":"))) > 1:
            fields.pop(name.removesuffix("_range"), None)
            fields[name] = row.body[name]
    return fields


def _key(fields: dict[str, Any]) -> dict[str, Any]:
    """What tells a port forwarding from others of its floating IP."""
    return {name: fields[name] for name in ("external_port", "external_port_range", "protocol") if name in fields}


def _take_over(draft: Draft, row: Row, after: list[str], gateways: Mapping[str, str]) -> None:
    """Gives a floating IP to the new cloud. Neutron wants its router to have a gateway: `gateways` are the steps by the
    project's old routers."""
    through = str(row.body.get("router_id") or "")
    needed = [step for router_id, step in gateways.items() if through in (router_id, "")]
    interfaces = draft.note(router.Interfaces).of_project(draft, row.project)
    reachable = list(dict.fromkeys([*after, *needed, *interfaces, *_taken_by_others(draft, row)]))
    if port := row.body.get("port_id"):
        if draft.ref("port", port) is None:
            draft.change(row, FieldChange("port_id", port, None, NO_PORT()))
            return
        _take(draft, row, port, reachable)
    for forwarding in _forwardings(draft, row):
        _forward(draft, row, forwarding, reachable)


def _take(draft: Draft, row: Row, port: str, after: list[str]) -> None:
    path = ["/floatingips/", ref(draft.decisions[KIND.name, row.id].step)]
    body = {"port_id": draft.ref("port", port), "fixed_ip_address": row.body["fixed_ip_address"]}
    draft.call(
        f"take {row.kind}/{row.id}",
        SERVICE,
        [{"method": "PUT", "path": path, "body": {"floatingip": body}}],
        ASSOCIATED(address=row.body["floating_ip_address"]),
        undo=[{"method": "PUT", "path": path, "body": {"floatingip": {"port_id": None}}}],
        about=row,
        purpose=purposes.TAKE,
        project=row.project,
        after=after,
    )


def _forward(draft: Draft, row: Row, forwarding: Row, after: list[str]) -> None:
    body = {**_fields(forwarding), "internal_port_id": draft.ref("port", forwarding.body["internal_port_id"])}
    path = ["/floatingips/", ref(draft.decisions[KIND.name, row.id].step), "/port_forwardings"]
    where = {"external_port": forwarding.body["external_port"], "protocol": forwarding.body["protocol"]}
    draft.create(
        forwarding,
        FORWARDING.creation(draft.new, body, where=where, path=path),
        title=FORWARDED(address=row.body["floating_ip_address"], port=forwarding.body["external_port"]),
        project=row.project,
        after=after,
    )
