"""Routers: gateways, interfaces, routes."""

from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.operate.tenants.draft import ADD, REMOVE, Difference, Draft, OfProject
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.kind import TEXT, Field, Kind
from naru.operate.tenants.kinds.neutron import declare_all, made, routes, tags
from naru.operate.tenants.model import Router
from naru.operate.tenants.names import Thing
from naru.operate.tenants.steps import Interface, NoInterface

SERVICE = "network"
GATEWAY = "external_gateway_info"
KIND = Kind(
    "router",
    SERVICE,
    "/routers",
    "router",
    "routers",
    {
        "description": TEXT,
        "admin_state_up": Field(True),
        GATEWAY: Field(),
        "routes": Field([], unordered=True),
        "tags": Field([], unordered=True),
    },
)
ROUTES = message(
    "tenant.title.routes", en="{kind:kind} {name}: {count} routes", ko="{kind:kind} {name}: 경로 {count}개 설정"
)


def declare(draft: Draft) -> None:
    """All routers of the file."""
    for project in draft.projects:
        declare_all(draft, KIND.name, project, project.written.routers)


def routers(draft: Draft) -> None:
    """Routers: made with their gateways, then interfaces, then the routes that need these."""
    for thing, written, project in draft.things.get(KIND.name, ()):
        body = made(written, KIND, without=("tags", "routes"))
        shown = {}
        there = dict(thing.row.body) if thing.row else {}
        there[GATEWAY] = _gateway(there.get(GATEWAY))
        if "gateway" in written.model_fields_set:
            wanted, told = _wanted(draft, thing, written, project)
            if wanted is None:
                continue
            body[GATEWAY] = wanted
            shown[GATEWAY] = (_called(draft, there[GATEWAY]), told)
        if thing.row:
            draft.change(KIND, thing, body, there=there, unit=project.unit, shown=shown)
        else:
            draft.make(KIND, thing, {name: value for name, value in body.items() if value != {}}, project)
        tags(draft, KIND, thing, written, project)
        steps = _interfaces(draft, thing, written, project)
        if "routes" in written.model_fields_set:
            _routes(draft, thing, written, project, steps)


def _wanted(
    draft: Draft, thing: Thing, written: Router, project: OfProject
) -> tuple[dict[str, Any] | None, str | None]:
    """The gateway in a request, and what is told of it; None where its network is not there."""
    gateway = written.gateway
    if gateway is None:
        return {}, None
    place = f"routers: {thing.label}: gateway"
    network = draft.names.of_project("network", gateway.network, project.thing, place)
    if network is None:
        return None, None
    made = {"network_id": network.target, "enable_snat": gateway.enable_snat}
    return made, _text(network.label, gateway.enable_snat)


def _gateway(info: dict[str, Any] | None) -> dict[str, Any]:
    """The part of a gateway that a file says."""
    if not info:
        return {}
    return {"network_id": info["network_id"], "enable_snat": info.get("enable_snat", True)}


def _called(draft: Draft, gateway: dict[str, Any]) -> str | None:
    if not gateway:
        return None
    network = draft.names.of_id("network", gateway["network_id"])
    return _text(network.label if network else gateway["network_id"], gateway["enable_snat"])


def _text(network: str, snat: bool) -> str:
    return network if snat else f"{network} without SNAT"


# -- interfaces and routes


def _interfaces(draft: Draft, thing: Thing, written: Router, project: OfProject) -> list[str]:
    """The steps that add interfaces, and take them away."""
    if "interfaces" not in written.model_fields_set:
        return []
    there = {ip["subnet_id"]: ip["ip_address"] for port in _ports(draft, thing) for ip in port.body["fixed_ips"]}
    steps = []
    for one in written.interfaces:
        subnet = draft.names.subnet(one.subnet, project.thing, f"routers: {thing.label}: interfaces")
        if subnet is None:
            continue
        if not draft.once(thing, "interfaces", subnet):
            continue
        address = there.pop(subnet.id, None) if subnet.row else None
        if address is None:
            fields: dict[str, Any] = {"address": one.ip_address} if one.ip_address else {}
            steps.append(_interface(draft, thing, subnet, project, fields))
        elif one.ip_address not in (None, address):
            name = f"interfaces: {subnet.label}"
            draft.differences.append(Difference("refused", thing.kind, thing.label, name, address, one.ip_address))
    for identity, address in there.items():
        known = draft.names.of_id("subnet", identity)
        if known is None or _comes_with(known.row, address):
            continue
        if draft.prunes("interfaces"):
            fields = {} if address == (known.row and known.row.body.get("gateway_ip")) else {"address": address}
            steps.append(_interface(draft, thing, known, project, fields, remove=True))
        else:
            draft.undeclared(thing, "interfaces", known.label)
    return steps


def _ports(draft: Draft, router: Thing) -> list[Row]:
    return draft.facts.interfaces(router.id) if router.row else []


def _interface(
    draft: Draft, thing: Thing, subnet: Thing, project: OfProject, fields: dict[str, Any], *, remove: bool = False
) -> str:
    network = subnet.row.body["network_id"] if subnet.row else _network_of(draft, subnet)
    action = (NoInterface if remove else Interface)(
        cloud=draft.cloud,
        service=SERVICE,
        router=thing.target,
        subnet=subnet.target,
        network=network,
        project=project.thing.target,
        **fields,
    )
    values = (subnet.label, None) if remove else (None, subnet.label)
    draft.differences.append(Difference("remove" if remove else "add", thing.kind, thing.label, "interfaces", *values))
    title = (REMOVE if remove else ADD)(kind=thing.kind, name=thing.label, what=f"interfaces: {subnet.label}")
    verb = "remove" if remove else "add"
    return draft.step(f"{verb} interface {thing.label} {subnet.label}", action, title, thing, unit=project.unit)


def _comes_with(subnet: Row | None, address: str) -> bool:
    """Whether a port has an address on the subnet just because it is on its network: one that its MAC address makes."""
    automatic = subnet is not None and subnet.body.get("ipv6_address_mode") in ("slaac", "dhcpv6-stateless")
    return bool(automatic and subnet and address != subnet.body.get("gateway_ip"))


def _network_of(draft: Draft, subnet: Thing) -> Any:
    return next(network.target for thing, _, (_, network) in draft.things["subnet"] if thing is subnet)


def _routes(draft: Draft, thing: Thing, written: Router, project: OfProject, after: list[str]) -> None:
    wanted = [route.model_dump() for route in written.routes]
    there = (thing.row.body.get("routes") or []) if thing.row else []
    if KIND.fields["routes"].same(there, wanted):
        return
    if thing.row:
        draft.differences.append(Difference("change", thing.kind, thing.label, "routes", there, wanted))
    path = [f"{KIND.path}/", thing.target]
    put, back = ({"method": "PUT", "path": path, "body": {KIND.wrap: {"routes": one}}} for one in (wanted, there))
    title = ROUTES(kind=thing.kind, name=thing.label, count=len(wanted))
    draft.call(
        f"routes {thing.kind}/{thing.label}",
        *(SERVICE, [put], [{**back, "ok": [404]}], title, thing),
        unit=project.unit,
        after=after,
    )


# -- written into a file


def export(out: Exporter) -> None:
    """Routers of the projects: gateways without their addresses, which the cloud gives."""
    for project in out.projects:
        written = []
        for row in out.unique(KIND.name, out.facts.owned(KIND.name, project.id)):
            fields = out.fields(KIND, row, without=(GATEWAY, "routes"))
            gateway = _gateway(row.body.get(GATEWAY))
            if gateway:
                fields["gateway"] = {"network": out.of_project("network", gateway["network_id"], project.id)}
                fields["gateway"] |= {} if gateway["enable_snat"] else {"enable_snat": False}
            interfaces = [found for port in out.facts.interfaces(row.id) for found in _written(out, port, project)]
            if interfaces:
                fields["interfaces"] = sorted(interfaces, key=str)
            if row.body.get("routes"):
                fields["routes"] = routes(row.body["routes"])
            written.append({"name": row.name, **fields})
        out.more(project, "routers", written)


def _written(out: Exporter, port: Row, project: Row) -> list[Any]:
    found: list[Any] = []
    for ip in port.body["fixed_ips"]:
        subnet = out.facts.all("subnet").get(ip["subnet_id"])
        if subnet is None or not subnet.name:
            out.leave(KIND.name, project, "an interface on a subnet without a name is not in the file")
            continue
        if _comes_with(subnet, ip["ip_address"]):
            continue
        own = len(out.names.all("subnet", ("project", out.names.of_id("project", project.id).label), subnet.name)) == 1  # type: ignore[union-attr]
        ref: Any = subnet.name
        if not own:
            network = out.of_project("network", subnet.body["network_id"], project.id)
            ref = {"name": subnet.name, "network": network}
        address = {} if ip["ip_address"] == subnet.body.get("gateway_ip") else {"ip_address": ip["ip_address"]}
        found.append({"subnet": ref, **address} if address or not own else ref)
    return found
