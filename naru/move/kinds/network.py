"""Networks, subnets, ports, trunks and what of Neutron's they refer to: all made by the administrator, for the project.

A port is found by its network and MAC address, a subnet by its network and CIDR. What has no such key bears a mark in
its description until all of its project is made.
"""

from collections.abc import Iterable
from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import Draft, Rule, kept, mark, ref, title
from naru.move.fields import unknown
from naru.plan.model import BARRIER

SERVICE = "network"

# field: the API extension that it needs on the new cloud
EXTENSIONS = {
    "port_security_enabled": "port-security",
    "dns_name": "dns-integration",
    "dns_domain": "dns-integration",
    "qos_policy_id": "qos",
    "allowed_address_pairs": "allowed-address-pairs",
    "extra_dhcp_opts": "extra_dhcp_opt",
    "propagate_uplink_status": "uplink-status-propagation",
    "numa_affinity_policy": "port-numa-affinity-policy",
    "mtu": "net-mtu-writable",
    "stateful": "stateful-security-group",
    "service_types": "subnet-service-types",
    "dns_publish_fixed_ip": "subnet-dns-publish-fixed-ip",
    "distributed": "dvr",
    "ha": "l3-ha",
}
# field: the values that are as good as none, and need no extension
NOTHING: dict[str, tuple[Any, ...]] = {
    "port_security_enabled": (True,),
    "stateful": (True,),
    "distributed": (False,),
    "ha": (False,),
    "propagate_uplink_status": (True, False),
}
NETWORK = ("name", "description", "admin_state_up", "mtu", "port_security_enabled", "dns_domain", "qos_policy_id")
SUBNET = (
    *("name", "description", "cidr", "gateway_ip", "allocation_pools", "dns_nameservers", "host_routes"),
    *("enable_dhcp", "ipv6_address_mode", "ipv6_ra_mode", "service_types", "dns_publish_fixed_ip", "ip_version"),
)
PORT = (
    *("name", "description", "admin_state_up", "mac_address", "fixed_ips", "security_groups", "allowed_address_pairs"),
    *("port_security_enabled", "extra_dhcp_opts", "qos_policy_id", "binding:vnic_type", "dns_domain"),
    *("propagate_uplink_status", "numa_affinity_policy"),
)
# ports that the cloud makes itself, or that come with what they belong to
SERVICES_OWN = ("network:", "Octavia", "neutron:LOADBALANCER", "octavia:")
INTERFACES = (
    *("network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface"),
)


def sendable(draft: Draft, row: Row, fields: Iterable[str]) -> tuple[dict[str, Any], list[Rule]]:
    """The fields that the new cloud takes; rules for those that it does not."""
    body, rules = kept(row, fields), []
    known = draft.facts.new.extensions(SERVICE)
    for name in list(body):
        extension = EXTENSIONS.get(name)
        if extension is None or extension in known:
            continue
        value = body.pop(name)
        if value not in (None, "", [], {}) and value not in NOTHING.get(name, ()):
            rules.append(Rule(name, value, None, f"{draft.new} has no {extension}"))
    return body, rules


def not_kept(row: Row, fields: Iterable[str]) -> list[Rule]:
    """Rules for the fields with a value that are not kept."""
    return [Rule(name, row.body[name], None, why) for name, why in unknown(row, frozenset(fields) | {"tags"})]


def tags(draft: Draft, row: Row, step: str, path: str) -> None:
    """The thing's tags, which Neutron takes in a request of their own."""
    if row.body.get("tags"):
        request = {"method": "PUT", "path": [path, ref(step), "/tags"], "body": {"tags": row.body["tags"]}}
        draft.step(
            f"{step} tags",
            "move.call",
            {"cloud": draft.new, "service": SERVICE, "requests": [request]},
            title=f"tags of {title(row)}",
            project=row.project,
        )


def make(draft: Draft, row: Row, path: str, wrap: str, body: dict[str, Any], rules: Iterable[Rule], **more: Any) -> str:
    """Makes a thing of a project: found by `where`, else by the mark in its description."""
    body |= {"project_id": draft.ref("project", row.project)}
    final = body.get("description", "")
    where = more.pop("where", None)
    if where is None:
        body["description"] = mark(row)
        where = {"description": mark(row)}
        step = draft.create(row, body, path=path, wrap=wrap, where=where, rules=rules, **more)
        unmark = {"method": "PUT", "body": {wrap: {"description": final}}}
        draft.marked(row, step, path, wrap, field="description", unmark=unmark)
    else:
        step = draft.create(row, body, path=path, wrap=wrap, where=where, rules=rules, **more)
    tags(draft, row, step, f"/{path.rpartition('/')[2]}/")  # those of a QoS policy are at /policies
    return step


def mapped(draft: Draft) -> None:
    """External and shared networks of others are matched by the map, with their subnets by CIDR."""
    for choice in [choice for (section, _), choice in draft.choices.items() if section == "networks"]:
        row = choice.need.row
        if row is None or choice.target is None:
            continue
        target = draft.target("networks", "network", row)
        if target is None:
            continue
        draft.match(row, target, choice.why)
        theirs = draft.facts.new.by("subnet", "network_id", target)
        for subnet in draft.facts.old.by("subnet", "network_id", row.id):
            same = [other for other in theirs if other.body["cidr"] == subnet.body["cidr"]]
            if same:
                draft.match(subnet, same[0].id, "same CIDR")
            else:
                draft.leave(subnet, f"network {choice.target} has no subnet {subnet.body['cidr']}", severity="info")


def pools(draft: Draft) -> None:
    """Address scopes, subnet pools and address groups."""
    for row in draft.facts.owned("address scope"):
        body = {**kept(row, ("name", "ip_version")), "project_id": draft.ref("project", row.project)}
        # it has no description that could bear a mark: one of the same name is another step's, or was there before
        twins = [step.id for step in draft.plan.find(kind="move.create") if step.args["wrap"] == "address_scope"]
        ignore = [*draft.facts.new.all("address scope"), *map(ref, twins)]
        where = {"name": row.name, "project_id": draft.ref("project", row.project)}
        draft.create(row, body, path="/address-scopes", wrap="address_scope", where=where, ignore=ignore)
    for row in draft.facts.owned("subnet pool"):
        body = kept(row, ("name", "description", "prefixes", "default_quota", "is_default"))
        body |= {name: int(row.body[name]) for name in ("default_prefixlen", "min_prefixlen", "max_prefixlen")}
        rules = []
        if scope := row.body.get("address_scope_id"):
            body["address_scope_id"] = draft.ref("address scope", scope)
            if body["address_scope_id"] is None:
                del body["address_scope_id"]
                rules.append(Rule("address_scope_id", scope, None, "that address scope is not moved"))
        make(draft, row, "/subnetpools", "subnetpool", body, rules)
    if "address-group" in draft.facts.new.extensions(SERVICE):
        for row in draft.facts.owned("address group"):
            make(draft, row, "/address-groups", "address_group", kept(row, ("name", "description", "addresses")), ())


def qos(draft: Draft) -> None:
    """QoS policies with their rules."""
    for row in draft.facts.owned("QoS policy"):
        step = make(draft, row, "/qos/policies", "policy", kept(row, ("name", "description", "is_default")), ())
        requests = []
        for rule in row.body.get("rules", []):
            name = f"{rule['type']}_rule"
            body = {
                key: value
                for key, value in rule.items()
                if key not in ("id", "type", "qos_policy_id", "project_id", "tenant_id")
            }
            path = ["/qos/policies/", ref(step), f"/{name}s"]
            requests.append({"method": "POST", "path": path, "body": {name: body}, "ok": [409]})
        if requests:
            draft.step(
                f"{step} rules",
                "move.call",
                {"cloud": draft.new, "service": SERVICE, "requests": requests},
                title=f"rules of {title(row)}",
                project=row.project,
            )


def networks(draft: Draft) -> None:
    """Networks of the projects. They get whatever segment the new cloud gives them, but VLAN and flat networks keep
    theirs where the map names the physical network."""
    for row in draft.facts.owned("network"):
        if row.body.get("router:external"):
            hint = "Make one on the new cloud, and name it in the map under networks."
            draft.leave(row, "external networks are the cloud's, not a project's", severity="error", hint=hint)
            continue
        body, rules = sendable(draft, row, NETWORK)
        _policy(draft, row, body, rules)
        physical = row.body.get("provider:physical_network")
        if physical:
            choice = draft.chosen("physical_networks", None, physical)
            if choice and choice.target:
                body["provider:network_type"] = row.body["provider:network_type"]
                body["provider:physical_network"] = choice.target
                if row.body.get("provider:segmentation_id") is not None:
                    body["provider:segmentation_id"] = row.body["provider:segmentation_id"]
                if choice.target != physical:
                    rules.append(Rule("provider:physical_network", physical, choice.target, choice.why))
        rules += not_kept(row, [*NETWORK, *body])
        make(draft, row, "/networks", "network", body, rules)


def _policy(draft: Draft, row: Row, body: dict[str, Any], rules: list[Rule]) -> None:
    """Puts the counterpart of the thing's QoS policy into its body."""
    if body.get("qos_policy_id"):
        found = draft.ref("QoS policy", body["qos_policy_id"])
        if found is None:
            rules.append(Rule("qos_policy_id", body.pop("qos_policy_id"), None, "that QoS policy is not moved"))
        else:
            body["qos_policy_id"] = found
    else:
        body.pop("qos_policy_id", None)


def subnets(draft: Draft) -> None:
    """Subnets, without DHCP at first: its ports would take addresses that servers have."""
    for row in draft.facts.owned("subnet"):
        network = draft.ref("network", row.body["network_id"])
        if network is None or ("subnet", row.id) in draft.decisions:
            if network is None:
                draft.leave(row, "its network is not moved")
            continue
        body, rules = sendable(draft, row, SUBNET)
        body["network_id"] = network
        for name in ("ipv6_address_mode", "ipv6_ra_mode"):
            if body.get(name) is None:
                body.pop(name, None)
        if _waits_for_dhcp(row):
            body["enable_dhcp"] = False
        if pool := row.body.get("subnetpool_id"):
            body["subnetpool_id"] = draft.ref("subnet pool", pool)
            if body["subnetpool_id"] is None:
                del body["subnetpool_id"]
                rules.append(Rule("subnetpool_id", pool, None, "that subnet pool is not moved"))
        rules += not_kept(row, [*SUBNET, "network_id", "subnetpool_id"])
        where = {"network_id": network, "cidr": row.body["cidr"]}
        make(draft, row, "/subnets", "subnet", body, rules, where=where)


def _waits_for_dhcp(row: Row) -> bool:
    """IPv6 modes are refused without DHCP, and their addresses follow from the MAC addresses."""
    return (
        bool(row.body.get("enable_dhcp")) and not row.body.get("ipv6_address_mode") and not row.body.get("ipv6_ra_mode")
    )


def ports(draft: Draft) -> None:
    """All ports but those that services make: servers' as well as reserved addresses, with their MAC and addresses in
    order. DHCP begins when all ports of a network are there."""
    for row in draft.facts.owned("port"):
        owner = str(row.body.get("device_owner") or "")
        if owner.startswith(SERVICES_OWN) and owner not in INTERFACES:
            continue
        port(draft, row)
    for row in draft.facts.owned("subnet"):
        if ("subnet", row.id) in draft.decisions and draft.decisions["subnet", row.id].step and _waits_for_dhcp(row):
            step = draft.decisions["subnet", row.id].step
            ports = [
                other
                for other in draft.facts.old.by("port", "network_id", row.body["network_id"])
                if ("port", other.id) in draft.decisions
            ]
            after = [draft.decisions["port", other.id].step for other in ports if other.project == row.project]
            guests = [draft.decisions["port", other.id].step for other in ports if other.project != row.project]
            if any(guests):
                # a project that is taken back takes no DHCP from its hosts
                name = f"{title(row)}: the ports of others are there, or were taken back"
                after.append(draft.step(f"{step} guests", BARRIER, {}, title=name, project=row.project, after=guests))
            body = {"subnet": {"enable_dhcp": True}}
            draft.step(
                f"{step} DHCP",
                "move.call",
                {
                    "cloud": draft.new,
                    "service": SERVICE,
                    "requests": [{"method": "PUT", "path": ["/subnets/", ref(step)], "body": body}],
                },
                title=f"DHCP on {title(row)}",
                project=row.project,
                after=after,
            )


def port(draft: Draft, row: Row) -> None:
    """One port."""
    network = draft.ref("network", row.body["network_id"])
    if network is None:
        draft.leave(row, "its network is not moved", severity="error", hint="Name the network in the map.")
        return
    body, rules = sendable(draft, row, PORT)
    _policy(draft, row, body, rules)
    owner = str(row.body.get("device_owner") or "")
    body["network_id"] = network
    body["fixed_ips"] = []
    for address in row.body.get("fixed_ips", []):
        subnet = draft.ref("subnet", address["subnet_id"])
        if subnet is None:
            rules.append(Rule("fixed_ips", address, None, "the subnet is not on the new cloud"))
            continue
        old = draft.facts.old.all("subnet").get(address["subnet_id"])
        automatic = old and old.body.get("ipv6_address_mode") in ("slaac", "dhcpv6-stateless")
        automatic = automatic and owner not in INTERFACES
        body["fixed_ips"].append({"subnet_id": subnet, **({} if automatic else {"ip_address": address["ip_address"]})})
    groups = [(group, draft.ref("security group", group)) for group in row.body.get("security_groups", [])]
    body["security_groups"] = [found for _, found in groups if found is not None]
    rules += [
        Rule("security_groups", group, None, "that security group is not moved")
        for group, found in groups
        if found is None
    ]
    if owner and not owner.startswith(("compute:", "trunk:", "network:")):
        body |= {"device_owner": owner, "device_id": row.body.get("device_id") or ""}
    if owner in INTERFACES:
        body["device_owner"] = INTERFACES[0]  # or Neutron would give it an address of every SLAAC subnet there is
    # two live ports with one address on one wire disturb each other: this one comes up when the old one is down
    if draft.decisions["network", row.body["network_id"]].decision == "match" and body.get("admin_state_up"):
        body["admin_state_up"] = False
        draft.dark_ports.add(row.id)
    if row.body.get("port_security_enabled") is False:
        body["security_groups"] = []
        body.pop("allowed_address_pairs", None)
    rules += not_kept(row, [*PORT, "dns_name"])
    where = {"network_id": network, "mac_address": row.body["mac_address"]}
    make(draft, row, "/ports", "port", body, rules, where=where)


def trunks(draft: Draft) -> None:
    """Trunks on their parent ports, with their subports."""
    for row in draft.facts.owned("trunk"):
        parent = draft.ref("port", row.body["port_id"])
        if parent is None:
            draft.leave(row, "its port is not moved")
            continue
        body = {**kept(row, ("name", "description", "admin_state_up")), "port_id": parent, "sub_ports": []}
        rules = []
        for sub in row.body.get("sub_ports", []):
            found = draft.ref("port", sub["port_id"])
            if found is None:
                rules.append(Rule("sub_ports", sub, None, "that port is not moved"))
            else:
                body["sub_ports"].append({**sub, "port_id": found})
        make(draft, row, "/trunks", "trunk", body, rules, where={"port_id": parent})


# kind of object in an RBAC policy: kind of thing
SHARED = {
    "network": "network",
    "qos_policy": "QoS policy",
    "security_group": "security group",
    "address_scope": "address scope",
    "subnetpool": "subnet pool",
    "address_group": "address group",
}


def sharing(draft: Draft) -> None:
    """RBAC policies of what is moved, towards projects that are moved, or all."""
    guests: dict[str, list[Row]] = {}
    for port in draft.facts.owned("port"):
        made = draft.decisions.get(("port", port.id))
        if made and made.step:
            guests.setdefault(port.body["network_id"], []).append(port)
    for row in draft.facts.owned("RBAC policy"):
        thing = draft.ref(SHARED.get(row.body["object_type"], ""), row.body["object_id"])
        target = row.body["target_tenant"]
        towards = "*" if target == "*" else draft.ref("project", target)
        if thing is None:
            draft.leave(row, f"its {row.body['object_type']} is not moved")
        elif towards is None:
            hint = "Move that project, too, or share it on the new cloud when that project is there."
            draft.leave(row, f"project {target} is not moved with it", hint=hint)
        else:
            body = {**kept(row, ("object_type", "action")), "object_id": thing, "target_tenant": towards}
            where = {"object_id": thing, "target_tenant": towards, "action": row.body["action"]}
            joins = target in draft.facts.projects and target != row.project
            step = make(draft, row, "/rbac-policies", "rbac_policy", body, (), where=where, joins=joins)
            draft.shared.setdefault((row.body["object_id"], target), []).append(step)
            # Neutron ends no sharing of a network while those it is shared with have ports there
            for port in guests.get(row.body["object_id"], ()):
                if port.project != row.project and target in ("*", port.project):
                    draft.plan.order(step, draft.decisions["port", port.id].step)
