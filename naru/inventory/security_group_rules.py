"""Rules of security groups as Neutron sees them: which two it takes for one."""

import ipaddress
from collections.abc import Mapping
from typing import Any

# by every name that some release has: the number of the protocol
PROTOCOLS = {
    **{"ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33},
    **{"ipv6-encap": 41, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51},
    **{"ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113},
    **{"sctp": 132, "udplite": 136},
}
ICMP, ICMP6 = 1, 58
EVERYWHERE = ("0.0.0.0/0", "::/0")


def protocol(rule: Mapping[str, Any]) -> int | str | None:
    """The number of a rule's protocol, None for any; a name that no release has as it is."""
    named = str(rule.get("protocol") if rule.get("protocol") is not None else "").lower()
    if named in ("", "any", "-1"):
        return None
    number = PROTOCOLS.get(named, int(named) if named.isdigit() else named)
    return ICMP6 if number == ICMP and rule.get("ethertype") == "IPv6" else number


def same_rule(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two rules of a group have in common that are one to the new Neutron: it writes all ports as none, takes
    everywhere for no prefix, and knows a protocol by its number."""
    ports = (rule.get("port_range_min"), rule.get("port_range_max"))
    prefix = rule.get("remote_ip_prefix") or None
    if prefix and "/" not in prefix:
        prefix = str(ipaddress.ip_network(prefix))
    return (
        *(protocol(rule), rule.get("direction"), rule.get("ethertype")),
        *((None, None) if ports == (1, 65535) else ports),
        *(None if prefix in EVERYWHERE else prefix, rule.get("remote_group_id") or None),
        rule.get("remote_address_group_id") or None,
    )
