"""Subnets: made without DHCP at first, since its ports would take addresses that servers have."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.kind import Kind
from naru.move.kinds.neutron import SERVICE, make

_BY_PORTS = showing.shared_or("port", "fixed_ips.*.subnet_id")


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    """As its network is, which says whether it is shared."""
    network = users.old.all("network").get(row.body["network_id"])
    shared = network is not None and any(network.body.get(name) for name in ("shared", "router:external"))
    return users.projects if shared else _BY_PORTS(users, row)


KIND = Kind(
    "subnet",
    path="/subnets",
    wrap="subnet",
    sent=(
        *("name", "description", "cidr", "gateway_ip", "allocation_pools", "dns_nameservers", "host_routes"),
        *("enable_dhcp", "ipv6_address_mode", "ipv6_ra_mode", "service_types", "dns_publish_fixed_ip", "ip_version"),
    ),
    extensions={"service_types": "subnet-service-types", "dns_publish_fixed_ip": "subnet-dns-publish-fixed-ip"},
    handled=frozenset(("network_id", "subnetpool_id", "tags")),
    not_kept={"segment_id": message("move.subnet.segment", en="segments differ", ko="세그먼트가 서로 다릅니다")()},
    derived=frozenset(("router:external",)),
    not_compared=frozenset(("ip_version",)),
    dispensable=("body.subnetpool_id",),
    owned=True,
    terraform="openstack_networking_subnet_v2",
    used_by=_used_by,
)
NO_NETWORK = message("move.subnet.no_network", en="its network is not moved", ko="연결된 네트워크를 이전하지 않습니다")
NO_POOL = message("move.subnet.no_pool", en="that subnet pool is not moved", ko="그 서브넷 풀을 이전하지 않습니다")
NOT_HELD = message(
    "move.subnet.not_in_pool",
    en="the pool of that name does not hold it ({cidr})",
    ko="그 이름의 풀에 이 범위가 없습니다({cidr})",
)
NOT_ALLOWED = message(
    "move.subnet.prefix_not_allowed",
    en="the pool of that name gives prefixes of {shortest} to {longest} bits alone",
    ko="그 이름의 풀은 길이 {shortest}~{longest}비트의 범위만 할당합니다",
)
TAKEN = message(
    "move.subnet.taken",
    en="the pool of that name has given it to somebody else ({cidr})",
    ko="그 이름의 풀이 이미 다른 곳에 할당한 범위입니다({cidr})",
)
OTHERS_PORTS = message(
    "move.title.others_ports",
    en="{thing}: the ports of other projects are made, or were rolled back",
    ko="{thing}: 다른 프로젝트의 포트를 모두 만들었거나 되돌림",
)
DHCP = message("move.title.dhcp", en="DHCP on {thing}", ko="{thing}의 DHCP 켜기")


def subnets(draft: Draft) -> None:
    """Subnets, without DHCP at first."""
    for row in draft.facts.owned(KIND.name):
        network = draft.ref("network", row.body["network_id"])
        if network is None:
            draft.leave(row, NO_NETWORK())
            continue
        if (KIND.name, row.id) in draft.decisions:
            continue  # with its network, by the map
        body, changes = draft.sent(KIND, row)
        body["network_id"] = network
        for name in ("ipv6_address_mode", "ipv6_ra_mode"):
            if body.get(name) is None:
                body.pop(name, None)
        if _waits_for_dhcp(row):
            body["enable_dhcp"] = False
        if pool := row.body.get("subnetpool_id"):
            if why := _outside(draft, row):
                changes.append(FieldChange("subnetpool_id", pool, None, why))
            else:
                body["subnetpool_id"] = draft.ref("subnet pool", pool)
        where = {"network_id": network, "cidr": row.body["cidr"]}
        make(draft, KIND, row, body, changes, where=where)


def _outside(draft: Draft, row: Row) -> Text:
    """Why the subnet cannot be of its pool on the new cloud, "" where it can. Neutron wants all subnets of a network
    and IP version to be of one pool, or of none."""
    alike = [
        other
        for other in draft.facts.old.by(KIND.name, "network_id", row.body["network_id"])
        if other.body.get("ip_version") == row.body.get("ip_version")
    ]
    return next((why for other in alike if (why := _not_in_pool(draft, other))), "")


def _not_in_pool(draft: Draft, row: Row) -> Text:
    pool = draft.ref("subnet pool", row.body.get("subnetpool_id"))
    if pool is None:
        return NO_POOL()
    there = draft.facts.new.all("subnet pool").get(str(pool))
    if there is None:
        return ""  # it is made with the prefixes that it had
    cidr = ipaddress.ip_network(row.body["cidr"])
    if not any(_within(cidr, prefix) for prefix in there.body["prefixes"]):
        return NOT_HELD(cidr=str(cidr))
    shortest, longest = int(there.body["min_prefixlen"]), int(there.body["max_prefixlen"])
    if not shortest <= cidr.prefixlen <= longest:
        return NOT_ALLOWED(shortest=shortest, longest=longest)
    used = [other.body["cidr"] for other in draft.facts.new.by(KIND.name, "subnetpool_id", there.id)]
    taken = next((other for other in used if ipaddress.ip_network(other).overlaps(cidr)), "")
    return TAKEN(cidr=taken) if taken else ""


def _within(cidr: Any, prefix: str) -> bool:
    whole = ipaddress.ip_network(prefix)
    return bool(cidr.version == whole.version and cidr.subnet_of(whole))


def there(draft: Draft, identity: str) -> Row | None:
    """The subnet as the new cloud will have it: what it is matched with, else the old one, as it is made there."""
    decision = draft.decisions.get((KIND.name, identity))
    if decision and decision.new:
        return draft.facts.new.all(KIND.name).get(decision.new)
    return draft.facts.old.all(KIND.name).get(identity)


def service_types(draft: Draft, identity: str) -> list[str]:
    """The kinds of ports that the subnet will give addresses to on the new cloud; none for all."""
    found = there(draft, identity)
    known = KIND.extensions["service_types"] in draft.facts.new.extensions(SERVICE)
    return list(found.body.get("service_types") or []) if found and known else []


def _waits_for_dhcp(row: Row) -> bool:
    """IPv6 modes are refused without DHCP, and their addresses follow from the MAC addresses."""
    return (
        bool(row.body.get("enable_dhcp")) and not row.body.get("ipv6_address_mode") and not row.body.get("ipv6_ra_mode")
    )


def dhcp(draft: Draft) -> None:
    """DHCP begins when all ports of a network are there."""
    for row in draft.facts.owned(KIND.name):
        decision = draft.decisions.get((KIND.name, row.id))
        if decision is None or not decision.step or not _waits_for_dhcp(row):
            continue
        step = decision.step
        ports = [
            other
            for other in draft.facts.old.by("port", "network_id", row.body["network_id"])
            if ("port", other.id) in draft.decisions
        ]
        after = [draft.decisions["port", other.id].step for other in ports if other.project == row.project]
        guests = [draft.decisions["port", other.id].step for other in ports if other.project != row.project]
        if any(guests):
            # a project that is rolled back takes no DHCP from its hosts
            title = OTHERS_PORTS(thing=thing(row))
            after.append(draft.barrier(f"{step} guests", title, row.project, guests))
        request = {"method": "PUT", "path": ["/subnets/", ref(step)], "body": {"subnet": {"enable_dhcp": True}}}
        title = DHCP(thing=thing(row))
        draft.call(f"{step} DHCP", SERVICE, [request], title, about=row, project=row.project, after=after)
