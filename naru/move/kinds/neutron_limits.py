"""What Neutron refuses of what an older one has, in one place: by field, what is taken, and since when.

Neutron has no versions. What its answers do not tell (an extension, a network's MTU), and what every release since
refuses, is kept here as the sources of Pike and 2026.2 have it.
"""

from collections.abc import Mapping
from typing import Any

from naru.inventory.rows import Row
from naru.inventory.security_group_rules import ICMP, ICMP6, protocol
from naru.messages import Text, message

# -- rules of security groups

_WITH_PORTS = frozenset((6, 17, 33, 132, 136))
"""Only tcp, udp, dccp, sctp and udplite have ports: since Queens others are refused with any. Pike takes one port."""
_OF_IPV6 = frozenset((41, 43, 44, 58, 59, 60))
"""Of IPv6 alone: since Pike refused in a rule of IPv4, where no packet ever has it."""

PORTS_DROPPED = message(
    "move.neutron.rule_ports",
    en="protocol {protocol} has no ports; the rule is made without them",
    ko="프로토콜 {protocol}에는 포트가 없으므로 포트 없이 규칙을 만듭니다",
)
NO_PROTOCOL = message(
    "move.neutron.rule_no_protocol",
    en="the new Neutron takes no ports without a protocol",
    ko="새 Neutron은 프로토콜 없이 포트만 있는 규칙을 받지 않습니다",
)
BAD_PORTS = message(
    "move.neutron.rule_bad_ports",
    en="the new Neutron does not take these ports",
    ko="새 Neutron이 받지 않는 포트입니다",
)
BAD_ICMP = message(
    "move.neutron.rule_bad_icmp",
    en="the new Neutron does not take this ICMP type or code",
    ko="새 Neutron이 받지 않는 ICMP 타입 또는 코드입니다",
)
BAD_FAMILY = message(
    "move.neutron.rule_bad_family",
    en="protocol and prefix have to be of the same IP version as the rule; no packet was ever let through by it",
    ko="프로토콜과 주소 범위의 IP 버전이 규칙과 다릅니다. 이 규칙이 허용한 패킷은 없습니다",
)


def taken_rule(rule: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Text]:
    """The rule as the new Neutron takes it, None for one that it does not take; and why it is not as it was, "" for one
    that is."""
    number, family = protocol(rule), rule.get("ethertype")
    first, last = rule.get("port_range_min"), rule.get("port_range_max")
    prefix = rule.get("remote_ip_prefix")
    if (number in _OF_IPV6 and family == "IPv4") or (prefix and (":" in prefix) != (family == "IPv6")):
        return None, BAD_FAMILY()
    if first is None and last is None:
        return dict(rule), ""
    if number is None:
        return None, NO_PROTOCOL()
    if number in _WITH_PORTS:
        right = first is not None and last is not None and 0 < int(first) <= int(last)
        return (dict(rule), "") if right else (None, BAD_PORTS())
    if number in (ICMP, ICMP6):
        right = first is not None and all(value is None or 0 <= int(value) <= 255 for value in (first, last))
        return (dict(rule), "") if right else (None, BAD_ICMP())
    return {**rule, "port_range_min": None, "port_range_max": None}, PORTS_DROPPED(protocol=str(rule["protocol"]))


# -- addresses


def automatic(subnet: Row | None) -> bool:
    """Whether addresses of the subnet follow from the MAC address: to ask for another one is refused."""
    return subnet is not None and subnet.body.get("ipv6_address_mode") in ("slaac", "dhcpv6-stateless")


def port_owner(wanted: list[list[str]], owner: str) -> str:
    """The device owner with which a port may be on subnets with these service types: `owner` where every subnet that
    has some has it, too, else the first that they have in common. "" where any will do. An address of a subnet with
    service types is refused to others since Newton (`subnet-service-types`)."""
    wanted = [types for types in wanted if types]
    common = [name for name in wanted[0] if all(name in types for types in wanted)] if wanted else []
    return owner if owner in common else common[0] if common else ""


# -- quotas

FORCE = "quota-check-limit-default"
"""The extension with which a quota below what is used is refused (2024.2 and later), but with `force`. Without it every
quota is taken."""
