"""Addresses that networks of the cloud or of others gave out, to floating IPs, gateways and ports: each is kept where a
subnet of the network's counterpart holds it. Where the new cloud has another range the map decides: new addresses, or
leave what has them."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.draft import Draft, thing
from naru.move.facts import Facts, Side
from naru.move.kinds.neutron import is_services
from naru.move.kinds.octavia import balancer_of
from naru.move.mapping import LEAVE, Match, Need, Section, Use

KEEP, NEW = "keep", "new"

HELD = message(
    "move.public_addresses.held",
    en="{cloud} has a subnet with these addresses",
    ko="{cloud} 클라우드에 이 주소가 속한 서브넷이 있습니다",
)
NOT_HELD = message(
    "move.public_addresses.not_held",
    en="no subnet of {cloud} holds {addresses}: write `new` for other addresses, or `leave` for what has them",
    ko="{cloud} 클라우드에 이 주소가 속한 서브넷이 없습니다({addresses}). 다른 주소를 받으려면 `new`, 이 주소를 쓰는"
    " 리소스를 이전하지 않으려면 `leave`를 적어 주십시오",
)
NEW_ADDRESS = message(
    "move.public_addresses.new",
    en="the new cloud has another range; by the map it gets a new address",
    ko="새 클라우드의 주소 범위가 달라 map.yaml에 따라 새 주소를 받습니다",
)
LEFT = message(
    "move.public_addresses.left",
    en="the map leaves addresses of its network on the old cloud",
    ko="map.yaml에 따라 그 네트워크의 주소는 기존 클라우드에 남깁니다",
)
NOT_ON = message(
    "move.public_addresses.not_on",
    en="{thing}: {network} of {cloud} has no subnet that holds {address}",
    ko="{thing}: {cloud} 클라우드의 네트워크 {network}에 주소 {address}이(가) 속한 서브넷이 없습니다",
)
DECIDE = message(
    "move.public_addresses.decide",
    en="Map that network to another one, or write into the map under addresses: `{network}: new` (or `leave`).",
    ko="그 네트워크를 다른 네트워크에 매핑하거나 map.yaml의 addresses 항목에 `{network}: new`(또는 `leave`)라고 적어"
    " 주십시오.",
)


def _used(facts: Facts) -> Iterator[tuple[Row, str, str]]:
    """(thing, network, address) of what the projects have."""
    for row in facts.owned("floating IP"):
        yield row, row.body["floating_network_id"], row.body["floating_ip_address"]
    for row in facts.owned("router"):
        info = row.body.get("external_gateway_info") or {}
        for address in info.get("external_fixed_ips", []):
            yield row, info["network_id"], address["ip_address"]
    for row in facts.owned("port"):
        if not is_services(row) or balancer_of(facts.old, row):
            for address in row.body.get("fixed_ips", []):
                yield row, row.body["network_id"], address["ip_address"]


def _uses(facts: Facts) -> Iterator[Use]:
    seen = set()
    for row, network, _ in _used(facts):
        found = facts.old.all("network").get(network)
        if found and of_the_cloud(facts, found) and (row.id, network) not in seen:
            seen.add((row.id, network))
            yield Use(row.kind, found)


def of_the_cloud(facts: Facts, network: Row) -> bool:
    """Whether the network is one that the map names: another's, or an external one, whoever owns it."""
    return network.project not in facts.projects or bool(network.body.get("router:external"))


def _match(facts: Facts, need: Need) -> Match:
    assert need.row
    external = bool(need.row.body.get("router:external"))
    networks = [row for row in facts.new.all("network").values() if bool(row.body.get("router:external")) == external]
    addresses = sorted({address for _, network, address in _used(facts) if network == need.row.id})
    outside = [
        address for address in addresses if not any(_subnet(facts.new, network.id, address) for network in networks)
    ]
    if not outside:
        return KEEP, HELD(cloud=facts.new.cloud)
    named = ", ".join(outside[:4]) + (", ..." if len(outside) > 4 else "")
    return None, NOT_HELD(cloud=facts.new.cloud, addresses=named)


SECTION = Section(
    "addresses",
    "",
    "of floating IPs, gateways and ports on networks of others: keep, new (others of the new cloud), leave",
    _uses,
    _match,
    words=(KEEP, NEW, LEAVE),
    only=True,
)


def _subnet(side: Side, network: str, address: str) -> str | None:
    """The subnet of the network that holds the address."""
    for row in side.by("subnet", "network_id", network):
        if ipaddress.ip_address(address) in ipaddress.ip_network(row.body["cidr"], strict=False):
            return row.id
    return None


def _fate(draft: Draft, network: str) -> str:
    choice = draft.choices.get((SECTION.name, network))
    return choice.target or KEEP if choice else KEEP


def subnet_of(draft: Draft, network: str, address: Mapping[str, Any]) -> Any:
    """What stands for the subnet of the new cloud in which the address of the old `network` can be, None for none."""
    found = draft.ref("subnet", address.get("subnet_id"))
    there = draft.ref("network", network)
    return _subnet(draft.facts.new, there, address["ip_address"]) if found is None and isinstance(there, str) else found


def left(draft: Draft, row: Row, network: str) -> bool:
    """Leaves the thing, where the map leaves the addresses of its network."""
    if _fate(draft, network) != LEAVE:
        return False
    draft.leave(row, LEFT())
    return True


def stays(draft: Draft, network: str) -> bool:
    """Whether the map leaves the addresses of the network."""
    return _fate(draft, network) == LEAVE


def lost(draft: Draft, row: Row, network: str, address: str) -> Text:
    """Why an address of the network cannot be kept: an error, unless the map says so. "" for one of a network that is
    made anew."""
    found = draft.facts.old.all("network").get(network)
    there = draft.ref("network", network)
    if found is None or not isinstance(there, str):
        return ""
    if _fate(draft, network) == NEW:
        return NEW_ADDRESS()
    called = draft.facts.new.all("network")[there].name
    why = NOT_ON(thing=thing(row), network=called, cloud=draft.new, address=address)
    draft.report("error", why, about=row.id, hint=DECIDE(network=found.name or found.id))
    return why
