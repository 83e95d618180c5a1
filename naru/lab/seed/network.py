"""Networks and everything in Neutron.

Made by the administrator for the project: Neutron's things have an owner project and no user, and only an
administrator may say some of what is declared (addresses of others, QoS, provider networks).
"""

from typing import Any

from naru.lab.seed import model_network as model
from naru.lab.seed.context import Context, changed
from naru.lab.seed.load import Key
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import Body

# kind: (path, name of one)
_PATHS = {
    "address_scope": ("/address-scopes", "address_scope"),
    "subnet_pool": ("/subnetpools", "subnetpool"),
    "address_group": ("/address-groups", "address_group"),
    "security_group": ("/security-groups", "security_group"),
    "qos_policy": ("/qos/policies", "policy"),
    "network": ("/networks", "network"),
    "subnet": ("/subnets", "subnet"),
    "router": ("/routers", "router"),
    "port": ("/ports", "port"),
    "trunk": ("/trunks", "trunk"),
    "floating_ip": ("/floatingips", "floatingip"),
}
# those that Pike could tag already
_TAGGED_EARLY = {
    "network": "tag",
    "subnet": "tag-ext",
    "port": "tag-ext",
    "subnet_pool": "tag-ext",
    "router": "tag-ext",
}
_RULE = (
    *("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix"),
    *("remote_group_id", "remote_address_group_id"),
)


def _ensure(
    context: Context, project: Project, kind: str, thing: Any, body: dict[str, Any], **also: Any
) -> dict[str, Any]:
    """Finds the thing or makes it with `body`, then its tags. Returns it as it was found or made."""
    found = context.find(kind, thing, project.ref, **also)
    path, one = _PATHS[kind]
    key = Key(kind, project.ref, thing.ref)
    made = (
        found
        or context.api("network", "POST", path, {one: {**body, "project_id": context.project_id(project.ref)}})[one]
    )
    _tag(context, kind, path, made, getattr(thing, "tags", []))
    context.note(key, made["id"], not found)
    return dict(made)


def _tag(context: Context, kind: str, path: str, made: dict[str, Any], tags: list[str]) -> None:
    if not tags or not changed(tags, made.get("tags")):
        return
    early = _TAGGED_EARLY.get(kind, "standard-attr-tag")
    possible = context.features.extension(early) or context.features.extension("standard-attr-tag")
    if context.can(possible, f"tags of {kind.replace('_', ' ')}s"):
        resource = path.rpartition("/")[2]
        context.api("network", "PUT", f"/{resource}/{made['id']}/tags", {"tags": tags})


def _optional(context: Context, project: Project, thing: Any, fields: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Those of the declared `fields` (name: extension, what it is for people) that the release has."""
    body: dict[str, Any] = {}
    for name, (alias, what) in fields.items():
        if (given := thing.given(name)) and context.can(context.features.extension(alias), what):
            body |= given
    return body


def address_scope(context: Context, project: Project, thing: model.AddressScope) -> Body:
    if context.can(context.features.extension("address-scope"), "address scopes"):
        body = {"shared": thing.shared, **thing.given("name", "ip_version")}
        _ensure_plain(context, project, "address_scope", thing, body)
    yield from ()


def _ensure_plain(context: Context, project: Project, kind: str, thing: Any, body: dict[str, Any]) -> dict[str, Any]:
    """As `_ensure`, for kinds that Neutron gives no description."""
    return _ensure(context, project, kind, thing, body, description="")


def subnet_pool(context: Context, project: Project, thing: model.SubnetPool) -> Body:
    body = thing.given(
        "name",
        "description",
        "prefixes",
        "default_prefixlen",
        "min_prefixlen",
        "max_prefixlen",
        "default_quota",
        "shared",
    )
    if thing.address_scope:
        body["address_scope_id"] = context.id("address_scope", project.ref, thing.address_scope)
    _ensure(context, project, "subnet_pool", thing, body)
    yield from ()


def address_group(context: Context, project: Project, thing: model.AddressGroup) -> Body:
    if context.can(context.features.extension("address-group"), "address groups"):
        _ensure(context, project, "address_group", thing, thing.given("name", "description", "addresses"))
    yield from ()


def qos_policy(context: Context, project: Project, thing: model.QosPolicy) -> Body:
    body = {"shared": thing.shared, **thing.given("name", "description")}
    body |= _optional(context, project, thing, {"is_default": ("qos-default", "default QoS policies")})
    found = _ensure(context, project, "qos_policy", thing, body)
    have = [rule["type"] for rule in found.get("rules", [])]
    for rule in thing.rules:
        kind = rule["type"]
        if kind in have:
            continue
        fields = {name: value for name, value in rule.items() if name != "type"}
        egress_only = kind == "bandwidth_limit" and not context.features.extension("qos-bw-limit-direction")
        if egress_only and not context.can(fields.pop("direction", "egress") == "egress", "QoS limits of ingress"):
            continue
        path = f"/qos/policies/{found['id']}/{kind}_rules"
        context.api("network", "POST", path, {f"{kind}_rule": fields})
    yield from ()


def security_group(context: Context, project: Project, thing: model.SecurityGroup) -> Body:
    """The group without its rules, which may name groups that do not exist yet."""
    key = Key("security_group", project.ref, thing.ref)
    if thing.name == "default":  # made when somebody of the project first lists its groups
        own = context.api.list(
            "network", "/security-groups?name=default", "security_groups", actor=context.actor(project)
        )
        group = next(item for item in own if item["tenant_id"] == context.project_id(project.ref))
        _tag(context, "security_group", "/security-groups", group, thing.tags)
        context.note(key, group["id"], False)
        return
    body = thing.given("name", "description")
    body |= _optional(context, project, thing, {"stateful": ("stateful-security-group", "stateless security groups")})
    found = context.find("security_group", thing, project.ref)
    made = _ensure(context, project, "security_group", thing, body)
    if not thing.default_rules and not found:
        for rule in made["security_group_rules"]:
            context.api("network", "DELETE", f"/security-group-rules/{rule['id']}")
    yield from ()


def security_group_rules(context: Context, project: Project, thing: model.SecurityGroup) -> Body:
    group = context.id("security_group", project.ref, thing.ref)
    have = context.api("network", "GET", f"/security-groups/{group}")["security_group"]["security_group_rules"]
    for rule in thing.rules:
        body = rule.given("port_range_min", "port_range_max", "remote_ip_prefix", "description")
        body |= {"direction": rule.direction, "ethertype": rule.ethertype, "security_group_id": group}
        body["project_id"] = context.project_id(project.ref)  # else they are ours, and count as ours
        if rule.protocol is not None:
            body["protocol"] = str(rule.protocol)
        if rule.remote_group:
            body["remote_group_id"] = context.id("security_group", project.ref, rule.remote_group)
        if rule.remote_address_group:
            what = "security group rules by address group"
            if not context.can(context.features.extension("security-groups-remote-address-group"), what):
                continue
            body["remote_address_group_id"] = context.id("address_group", project.ref, rule.remote_address_group)
        if not any(all(item.get(name) == body.get(name) for name in _RULE) for item in have):
            context.api("network", "POST", "/security-group-rules", {"security_group_rule": body})
    yield from ()


def network(context: Context, project: Project, thing: model.Network) -> Body:
    """The network, its subnets in their order, and who it is shared with."""
    body = thing.given(
        *("name", "description", "admin_state_up", "port_security_enabled", "dns_domain"),
        *("network_type", "physical_network", "segmentation_id"),
    )
    body |= _optional(context, project, thing, {"mtu": ("net-mtu-writable", "MTUs of networks")})
    if thing.qos_policy:
        body["qos_policy_id"] = context.id("qos_policy", project.ref, thing.qos_policy)
    made = _ensure(context, project, "network", thing, body)
    for part in thing.subnets:
        _subnet(context, project, part, made["id"])
    for name in thing.shared_with:
        target = "*" if name == "*" else context.project_id(name)
        policy = {"object_type": "network", "object_id": made["id"], "action": "access_as_shared"}
        if not any(
            (item["object_id"], item["target_tenant"]) == (made["id"], target) for item in context.existing("rbac")
        ):
            policy |= {"target_tenant": target, "project_id": context.project_id(project.ref)}
            context.api("network", "POST", "/rbac-policies", {"rbac_policy": policy})
    yield from ()


def _subnet(context: Context, project: Project, thing: model.Subnet, network_id: str) -> None:
    body = thing.given(
        *("name", "description", "cidr", "prefixlen", "gateway_ip", "enable_dhcp", "allocation_pools"),
        *("dns_nameservers", "host_routes", "ipv6_ra_mode", "ipv6_address_mode"),
    )
    body |= {"network_id": network_id, "ip_version": thing.ip_version}
    body |= _optional(context, project, thing, {"service_types": ("subnet-service-types", "service types of subnets")})
    if thing.subnet_pool:
        body["subnetpool_id"] = context.id("subnet_pool", project.ref, thing.subnet_pool)
    _ensure(context, project, "subnet", thing, body, network_id=network_id)


def port(context: Context, project: Project, thing: model.Port) -> Body:
    body = thing.given(
        *("name", "description", "mac_address", "port_security_enabled", "allowed_address_pairs", "admin_state_up"),
        *("extra_dhcp_opts", "vnic_type", "device_owner", "device_id"),
    )
    body["network_id"] = context.id("network", project.ref, thing.network)
    if "fixed_ips" in thing.model_fields_set:
        body["fixed_ips"] = [
            {"subnet_id": context.id("subnet", project.ref, ip.subnet), **ip.given("ip_address")}
            for ip in thing.fixed_ips
        ]
    if "security_groups" in thing.model_fields_set:
        body["security_groups"] = [context.id("security_group", project.ref, name) for name in thing.security_groups]
    if thing.qos_policy:
        body["qos_policy_id"] = context.id("qos_policy", project.ref, thing.qos_policy)
    body |= _optional(
        context,
        project,
        thing,
        {
            "dns_name": ("dns-integration", "DNS names of ports"),
            "propagate_uplink_status": ("uplink-status-propagation", "uplink status propagation of ports"),
        },
    )
    _ensure(context, project, "port", thing, body, network_id=body["network_id"])
    yield from ()


def trunk(context: Context, project: Project, thing: model.Trunk) -> Body:
    if context.can(context.features.extension("trunk"), "trunks"):
        body = thing.given("name", "description", "admin_state_up")
        body["port_id"] = context.id("port", project.ref, thing.port)
        body["sub_ports"] = [
            {
                "port_id": context.id("port", project.ref, sub.port),
                "segmentation_type": sub.segmentation_type,
                "segmentation_id": sub.segmentation_id,
            }
            for sub in thing.sub_ports
        ]
        _ensure(context, project, "trunk", thing, body)
    yield from ()


def router(context: Context, project: Project, thing: model.Router) -> Body:
    """The router, its interfaces in their order, then the routes, whose next hops lie on them."""
    body = thing.given("name", "description", "admin_state_up")
    body |= _optional(
        context,
        project,
        thing,
        {"distributed": ("dvr", "distributed routers"), "ha": ("l3-ha", "highly available routers")},
    )
    if thing.gateway:
        gateway = {"network_id": context.id("network", project.ref, thing.gateway.network)}
        body["external_gateway_info"] = gateway | thing.gateway.given("enable_snat")
    made = _ensure(context, project, "router", thing, body)
    on = [item for item in context.existing("port") if item["device_id"] == made["id"]]
    present = {item["id"] for item in on} | {ip["subnet_id"] for item in on for ip in item["fixed_ips"]}
    for interface in thing.interfaces:
        field = "subnet" if interface.subnet else "port"
        identity = context.id(field, project.ref, str(interface.subnet or interface.port))
        if identity not in present:
            context.api("network", "PUT", f"/routers/{made['id']}/add_router_interface", {f"{field}_id": identity})
    if thing.routes and not made.get("routes"):
        context.api("network", "PUT", f"/routers/{made['id']}", {"router": {"routes": thing.routes}})
    yield from ()


def floating_ip(context: Context, project: Project, thing: model.FloatingIp) -> Body:
    """Known by its description, having no name."""
    owner = context.project_id(project.ref)
    found = next(
        (
            item
            for item in context.existing("floating_ip")
            if (item.get("description"), item["tenant_id"]) == (thing.description, owner)
        ),
        None,
    )
    made = found
    if not made:
        body = thing.given("description", "fixed_ip_address")
        body |= {"floating_network_id": context.id("network", project.ref, thing.network), "project_id": owner}
        body |= _optional(
            context,
            project,
            thing,
            dict.fromkeys(("dns_name", "dns_domain"), ("dns-integration", "DNS names of floating IPs")),
        )
        if thing.port:
            body["port_id"] = context.id("port", project.ref, thing.port)
        if thing.qos_policy and context.can(context.features.extension("qos-fip"), "QoS of floating IPs"):
            body["qos_policy_id"] = context.id("qos_policy", project.ref, thing.qos_policy)
        made = context.api("network", "POST", "/floatingips", {"floatingip": body})["floatingip"]
    assert made
    context.note(Key("floating_ip", project.ref, thing.ref), made["id"], not found)
    _tag(context, "floating_ip", "/floatingips", made, thing.tags)
    possible = context.features.extension("floating-ip-port-forwarding")
    if thing.port_forwardings and context.can(possible, "port forwardings of floating IPs"):
        _forward(context, project, thing, made["id"])
    yield from ()


def _forward(context: Context, project: Project, thing: model.FloatingIp, identity: str) -> None:
    path = f"/floatingips/{identity}/port_forwardings"
    have = {(item["protocol"], item["external_port"]) for item in context.api.list("network", path, "port_forwardings")}
    for item in thing.port_forwardings:
        if (item.protocol, item.external_port) not in have:
            body = item.given("protocol", "external_port", "internal_port", "internal_ip_address")
            if context.features.extension("floating-ip-port-forwarding-description"):
                body |= item.given("description")
            body["internal_port_id"] = context.id("port", project.ref, item.port)
            context.api("network", "POST", path, {"port_forwarding": body})
