"""Ports: servers' as well as reserved addresses, with their MAC and IP addresses in order. One is found again by its
network and MAC address."""

from dataclasses import dataclass, field
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import NO_EXTENSION, Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import public_addresses, subnet, vip
from naru.move.kinds.neutron import SERVICE, is_services, make, policy
from naru.move.kinds.neutron_limits import automatic, port_owner
from naru.move.kinds.subnet import NO_NETWORK
from naru.move.off import Off

INTERFACES = (
    *("network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface"),
)
"""The owners of a router's interfaces; a distributed or highly available router's have owners of their own."""


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"mac_address": row.body["mac_address"].lower()}


def _after_cutover(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """On networks that were there it is down until then: see `Down`."""
    return {"admin_state_up": row.body.get("admin_state_up")}


KIND = Kind(
    "port",
    path="/ports",
    wrap="port",
    sent=(
        *("name", "description", "admin_state_up", "mac_address", "fixed_ips", "security_groups"),
        *("allowed_address_pairs", "port_security_enabled", "extra_dhcp_opts", "qos_policy_id", "binding:vnic_type"),
        *("dns_domain", "propagate_uplink_status", "numa_affinity_policy", "hardware_offload_type"),
    ),
    extensions={
        "port_security_enabled": "port-security",
        "dns_domain": "dns-domain-ports",
        "qos_policy_id": "qos",
        "allowed_address_pairs": "allowed-address-pairs",
        "extra_dhcp_opts": "extra_dhcp_opt",
        "propagate_uplink_status": "uplink-status-propagation",
        "numa_affinity_policy": "port-numa-affinity-policy",
        "hardware_offload_type": "port-hardware-offload-type",
    },
    harmless={"port_security_enabled": (True,), "propagate_uplink_status": (True, False)},
    handled=frozenset(("dns_name", "tags")),
    not_kept={
        "binding:profile": message(
            "move.port.profile", en="only services may set it", ko="서비스만 설정할 수 있는 항목입니다"
        )(),
    },
    derived=frozenset(
        (
            *("binding:host_id", "binding:vif_type", "binding:vif_details", "trunk_details", "dns_assignment"),
            *("network_id", "qos_network_policy_id", "device_id", "device_owner"),
            *("data_plane_status", "ip_allocation", "resource_request"),
        )
    ),
    not_compared=frozenset(("admin_state_up", "binding:profile", "port_security_enabled")),
    dispensable=("body.security_groups.*", "body.qos_policy_id"),
    compared=_compared,
    after_cutover=_after_cutover,
    owned=True,
    terraform="openstack_networking_port_v2",
)
NAME_NETWORK = message(
    "move.port.name_network", en="Name the network in the map.", ko="map.yaml에 그 네트워크를 적어 주십시오."
)
NO_SUBNET = message(
    "move.port.no_subnet", en="the subnet is not on the new cloud", ko="그 서브넷이 새 클라우드에 없습니다"
)
FROM_MAC = message(
    "move.port.from_mac",
    en="the subnet of the new cloud makes addresses of the MAC address",
    ko="새 클라우드의 서브넷은 MAC 주소로 주소를 만듭니다",
)
WANTED_OWNER = message(
    "move.port.wanted_owner",
    en="its subnet gives addresses to such ports alone, until a server has it",
    ko="서브넷이 이 종류의 포트에만 주소를 주므로 서버에 연결되기 전까지 이 값으로 둡니다",
)
NO_GROUP = message("move.port.no_group", en="that security group is not moved", ko="그 보안 그룹을 이전하지 않습니다")
NOT_FILTERED = message(
    "move.port.not_filtered",
    en="a router's interface is never filtered; the new Neutron refuses it security groups",
    ko="라우터 인터페이스는 필터링 대상이 아니며, 새 Neutron은 여기에 보안 그룹을 받지 않습니다",
)
ACTIVATE = message(
    "move.title.port_up",
    en="activate {thing} on the shared network",
    ko="{thing}: 공유 네트워크에서 활성화",
)


@dataclass
class Down:
    """Old ids of the ports that are made down, and activated at the cut-over."""

    ports: set[str] = field(default_factory=set)


def ports(draft: Draft) -> None:
    """All ports but those that services make for themselves; with those of VIPs, which keep their addresses so."""
    for row in draft.facts.owned(KIND.name):
        if not is_services(row) or row.body.get("device_owner") in INTERFACES or vip.balancer(draft, row):
            _port(draft, row)


def _port(draft: Draft, row: Row) -> None:
    network = draft.ref("network", row.body["network_id"])
    if network is None:
        draft.leave(row, NO_NETWORK(), severity="error", hint=NAME_NETWORK())
        return
    body, changes = draft.sent(KIND, row)
    policy(draft, body, changes)
    owner = str(row.body.get("device_owner") or "")
    if body.get("hardware_offload_type") is None:  # it is told as null, and refused so
        body.pop("hardware_offload_type", None)
    body["network_id"] = network
    if public_addresses.left(draft, row, row.body["network_id"]):
        return
    body["fixed_ips"] = _addresses(draft, row, owner, changes)
    if not body["fixed_ips"] and row.body.get("fixed_ips"):
        del body["fixed_ips"]  # or it would have none at all
    _dns_name(draft, row, body, changes)
    groups = [(group, draft.ref("security group", group)) for group in row.body.get("security_groups", [])]
    body["security_groups"] = [found for _, found in groups if found is not None]
    changes += [FieldChange("security_groups", group, None, NO_GROUP()) for group, found in groups if found is None]
    if (balancer := vip.balancer(draft, row)) is not None:
        changes[:] = vip.changes(draft, row, balancer, changes)
    elif owner and not owner.startswith(("compute:", "trunk:", "network:")):
        body |= {"device_owner": owner, "device_id": row.body.get("device_id") or ""}
    if owner in INTERFACES:
        if body["security_groups"]:
            changes.append(FieldChange("security_groups", row.body["security_groups"], [], NOT_FILTERED()))
        body |= {
            "security_groups": [],
            "device_owner": INTERFACES[0],
        }  # or Neutron would give it an address of every SLAAC subnet there is
    elif "device_owner" not in body:
        _wanted_owner(draft, row, body, owner, changes)
    # two ports with one address on one wire disturb each other: this one comes up when the old one is down
    if draft.decisions["network", row.body["network_id"]].decision == "match" and body.get("admin_state_up"):
        body["admin_state_up"] = False
        draft.note(Down).ports.add(row.id)
    if row.body.get("port_security_enabled") is False:
        body["security_groups"] = []
        body.pop("allowed_address_pairs", None)
    where = {"network_id": network, "mac_address": row.body["mac_address"]}
    make(draft, KIND, row, body, changes, where=where)


def _wanted_owner(draft: Draft, row: Row, body: dict[str, Any], owner: str, changes: list[FieldChange]) -> None:
    """The device owner that the port's subnets want, where they have service types; Nova sets its own."""
    types = [subnet.service_types(draft, address["subnet_id"]) for address in row.body.get("fixed_ips", [])]
    if wanted := port_owner(types, owner):
        body["device_owner"] = wanted
        if wanted != owner:
            changes.append(FieldChange("device_owner", owner, wanted, WANTED_OWNER()))


def _dns_name(draft: Draft, row: Row, body: dict[str, Any], changes: list[FieldChange]) -> None:
    """The DNS name of a port without a server. Nova refuses a server a port that has one; there it comes later."""
    name = row.body.get("dns_name")
    if not name:
        return
    if "dns-integration" not in draft.facts.new.extensions(SERVICE):
        changes.append(FieldChange("dns_name", name, None, NO_EXTENSION(cloud=draft.new, extension="dns-integration")))
    elif row.body.get("device_id") not in draft.facts.old.all("server"):
        body["dns_name"] = name


def _addresses(draft: Draft, row: Row, owner: str, changes: list[FieldChange]) -> list[dict[str, Any]]:
    """The port's addresses; those that follow from its MAC address are left to Neutron."""
    found = []
    for address in row.body.get("fixed_ips", []):
        here = public_addresses.subnet_of(draft, row.body["network_id"], address)
        if here is None:
            why = public_addresses.lost(draft, row, row.body["network_id"], address["ip_address"])
            changes.append(FieldChange("fixed_ips", address, None, why or NO_SUBNET()))
            continue
        if owner in INTERFACES or not automatic(subnet.there(draft, address["subnet_id"])):
            found.append({"subnet_id": here, "ip_address": address["ip_address"]})
            continue
        found.append({"subnet_id": here})
        if not automatic(draft.facts.old.all("subnet").get(address["subnet_id"])):
            changes.append(FieldChange("fixed_ips", address, None, FROM_MAC()))
    return found


def activate(draft: Draft, project: str, off: Off) -> dict[str, str]:
    """At the cut-over: the ports that were made down are activated, each as soon as nobody has its address on the old
    cloud; the steps, by the old port."""
    steps: dict[str, str] = {}
    for row in draft.facts.owned(KIND.name, project):
        if row.id not in draft.note(Down).ports:
            continue
        path = ["/ports/", draft.ref(KIND.name, row.id)]

        def request(up: bool, path: list[Any] = path, **more: Any) -> dict[str, Any]:
            return {"method": "PUT", "path": path, "body": {"port": {"admin_state_up": up}}, **more}

        steps[row.id] = draft.call(
            f"activate port/{row.id}",
            SERVICE,
            [request(True)],
            ACTIVATE(thing=thing(row)),
            undo=[request(False, ok=[404])],
            about=row,
            project=row.project,
            after=off.of_port(draft.facts.old, row.id),
        )
    return steps
