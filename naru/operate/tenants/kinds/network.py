"""Networks with their subnets, and whom they are shared with."""

import ipaddress
from typing import Any

from naru.actions.create import Find
from naru.inventory.rows import Row
from naru.operate.tenants.draft import ADD, Difference, Draft, OfProject
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.facts import Facts
from naru.operate.tenants.kind import TEXT, Field, Kind
from naru.operate.tenants.kinds.neutron import declare_all, made, may_be, routes, tags
from naru.operate.tenants.model import Network
from naru.operate.tenants.names import Thing
from naru.operate.tenants.steps import Make

SERVICE = "network"
PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
NETWORK = Kind(
    "network",
    SERVICE,
    "/networks",
    "network",
    "networks",
    {
        "description": TEXT,
        "admin_state_up": Field(True),
        "mtu": Field(extension="net-mtu-writable"),
        "port_security_enabled": Field(True, extension="port-security"),
        "dns_domain": Field("", extension="dns-integration"),
        "shared": Field(False),
        **{name: Field(fixed=True) for name in PROVIDER},
        "tags": Field([], unordered=True),
    },
)
SUBNET = Kind(
    "subnet",
    SERVICE,
    "/subnets",
    "subnet",
    "subnets",
    {
        "description": TEXT,
        "cidr": Field(fixed=True),
        "gateway_ip": Field(),
        "enable_dhcp": Field(True),
        "allocation_pools": Field([], unordered=True),
        "dns_nameservers": Field([]),
        "host_routes": Field([], unordered=True),
        "ipv6_ra_mode": Field(fixed=True),
        "ipv6_address_mode": Field(fixed=True),
        "service_types": Field([], unordered=True, extension="subnet-service-types"),
        "tags": Field([], unordered=True),
    },
)
TUNNELS = ("vxlan", "geneve", "gre", "local")
"""Types of networks whose segments the cloud gives by itself."""
SHARED = "access_as_shared"


def declare(draft: Draft) -> None:
    """All networks and subnets of the file."""
    for project in draft.projects:
        declare_all(draft, NETWORK.name, project, project.written.networks)
    for network, written, project in list(draft.things.get(NETWORK.name, ())):
        for subnet in written.subnets:
            label, told = f"{network.label}/{subnet.name}", subnet.description or ""
            found = may_be(draft.names.all(SUBNET.name, str(network.target), subnet.name), subnet, written.subnets)
            thing = draft.declare(SUBNET.name, found, subnet.name, label, str(network.target), told)
            if thing.row is None:
                thing = draft.names.add_subnet(network, subnet.name, thing.target, told, None)
            draft.things.setdefault(SUBNET.name, []).append((thing, subnet, (project, network)))


# -- planned


def networks(draft: Draft) -> None:
    """Networks, and whom they are shared with."""
    for thing, written, project in draft.things.get(NETWORK.name, ()):
        body = draft.known(NETWORK, thing, made(written, NETWORK, without=("tags",)))
        if thing.row:
            draft.change(NETWORK, thing, body, unit=project.unit)
        else:
            draft.make(NETWORK, thing, body, project)
        tags(draft, NETWORK, thing, written, project)
        if "shared_with" in written.model_fields_set:
            _shares(draft, thing, written, project)


def subnets(draft: Draft) -> None:
    """Subnets."""
    for thing, written, (project, network) in draft.things.get(SUBNET.name, ()):
        body = draft.known(SUBNET, thing, made(written, SUBNET, without=("tags",)))
        if thing.row:
            draft.change(SUBNET, thing, body, unit=project.unit)
        else:
            version = ipaddress.ip_network(written.cidr).version
            more = {"network_id": network.target, "ip_version": version}
            draft.make(SUBNET, thing, {**body, **more}, project, where={"network_id": network.target})
        tags(draft, SUBNET, thing, written, project)


def _shares(draft: Draft, thing: Thing, written: Network, project: OfProject) -> None:
    there = {str(row.body["target_tenant"]): row for row in _policies(draft.facts, thing.id)}

    def link(called: str, other: Any, remove: bool) -> None:
        if remove:
            _unshare(draft, thing, called, there[other], project)
        else:
            _share(draft, thing, called, other, project)

    names = {identity: identity for identity in there}
    draft.named(thing, "shared_with", "project", written.shared_with, names, "shared_with", link)


def _unshare(draft: Draft, thing: Thing, called: str, row: Row, project: OfProject) -> None:
    body = {name: row.body[name] for name in ("object_type", "object_id", "action", "target_tenant")}
    post = {
        "method": "POST",
        "path": "/rbac-policies",
        "body": {"rbac_policy": {**body, "project_id": row.project}},
        "ok": [409],
    }
    delete = {"method": "DELETE", "path": f"/rbac-policies/{row.id}", "ok": [404]}
    draft.link(thing, "shared_with", called, SERVICE, [delete], [post], unit=project.unit, remove=True)


def _share(draft: Draft, thing: Thing, called: str, other: Any, project: OfProject) -> None:
    where = {"object_id": thing.target, "target_tenant": other, "action": SHARED}
    action = Make(
        cloud=draft.cloud,
        service=SERVICE,
        path="/rbac-policies",
        wrap="rbac_policy",
        body={**where, "object_type": "network", "project_id": project.thing.target},
        find=Find(path="/rbac-policies", collection="rbac_policies", where=where),
    )
    draft.differences.append(Difference("add", thing.kind, thing.label, "shared_with", None, called))
    title = ADD(kind=thing.kind, name=thing.label, what=f"shared_with: {called}")
    draft.step(f"share {thing.kind}/{thing.label} {called}", action, title, thing, unit=project.unit)


def _policies(facts: Facts, network: str) -> list[Row]:
    """How a network (id) is shared with single projects; with all, it is `shared`."""
    return [
        row
        for row in facts.of("RBAC policy", "object_id", network)
        if row.body["action"] == SHARED and row.body["target_tenant"] != "*"
    ]


# -- written into a file


def export(out: Exporter) -> None:
    """Networks and subnets of the projects. Segments that the cloud gives by itself are not written."""
    for project in out.projects:
        written = []
        for row in out.unique(NETWORK.name, out.facts.owned(NETWORK.name, project.id)):
            if row.body.get("router:external"):
                out.leave(NETWORK.name, row, "external networks are not in the file")
                continue
            own = row.body.get("provider:network_type") in TUNNELS
            fields = out.fields(NETWORK, row, without=PROVIDER if own else ())
            if row.body.get("qos_policy_id"):
                out.leave(NETWORK.name, row, "its QoS policy is not in the file")
            others = [str(one.body["target_tenant"]) for one in _policies(out.facts, row.id)]
            shared = [one for one in others if out.has("project", one)]
            with_others = {"shared_with": out.refs("project", shared)} if shared else {}
            subnets = [
                _subnet(out, one) for one in out.unique(SUBNET.name, out.facts.of("subnet", "network_id", row.id))
            ]
            inside = {"subnets": subnets} if subnets else {}
            written.append({"name": row.name, **fields, **with_others, **inside})
        out.more(project, "networks", written)


def _subnet(out: Exporter, row: Row) -> dict[str, Any]:
    fields = out.fields(SUBNET, row, without=("gateway_ip", "allocation_pools", "host_routes"))
    if row.body.get("host_routes"):
        fields["host_routes"] = routes(row.body["host_routes"])
    network = ipaddress.ip_network(row.body["cidr"])
    gateway = row.body.get("gateway_ip")
    # of IPv6, releases differ in which one a subnet gets by itself
    if network.version == 6 or gateway != str(network.network_address + min(1, network.num_addresses - 1)):
        fields["gateway_ip"] = gateway
    pools = sorted(row.body.get("allocation_pools") or [], key=lambda pool: ipaddress.ip_address(pool["start"]))
    if pools and pools != _default_pools(network, gateway):
        fields["allocation_pools"] = pools
    if row.body.get("subnetpool_id"):
        out.leave(SUBNET.name, row, "that it is of a subnet pool is not in the file")
    return {"name": row.name, **fields}


def _default_pools(network: Any, gateway: str | None) -> list[dict[str, str]]:
    """The pools that Neutron gives a subnet of its own: all addresses but the gateway's."""
    first, last = network.network_address + 1, network.network_address + network.num_addresses - 1
    if network.version == 4:
        last -= 1
    own = ipaddress.ip_address(gateway) if gateway else None
    parts = [(first, last)]
    if own is not None and first <= own <= last:
        parts = [(first, own - 1), (own + 1, last)]
    return [{"start": str(start), "end": str(end)} for start, end in parts if start <= end]
